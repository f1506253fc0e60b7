// SPDX-License-Identifier: MIT OR Apache-2.0
//! A repository of a stranger names programs in its configuration: none of them runs.

use super::{Fixture, HOST, put};
use crate::apply::apply;
use crate::options::{ApplyOptions, ConvertOptions, Export, Form};
use callsites::tree::Tree;
use camino::{Utf8Path, Utf8PathBuf};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

const HOOKS: [&str; 10] = [
    "applypatch-msg",
    "commit-msg",
    "fsmonitor-watchman",
    "post-applypatch",
    "post-checkout",
    "post-commit",
    "post-index-change",
    "pre-applypatch",
    "pre-commit",
    "reference-transaction",
];

/// A repository in which every setting that names a program names one that leaves a trace.
struct Trap {
    fixture: Fixture,
    trace: Utf8PathBuf,
}

fn trap() -> Trap {
    let fixture = Fixture::new().with_git();
    let trace = fixture.path("trace");
    let program = fixture.path("evil");
    fs::write(
        &program,
        format!("#!/bin/sh\necho \"$0 $*\" >> {trace}\nexit 1\n"),
    )
    .expect("a file");
    let runs = fs::Permissions::from_mode(0o755);
    fs::set_permissions(&program, runs.clone()).expect("a mode");
    let git = fixture.path("tree/.git");
    for hook in HOOKS {
        put(
            &git,
            &format!("hooks/{hook}"),
            &format!("#!/bin/sh\nexec {program} {hook}\n"),
        );
        fs::set_permissions(git.join("hooks").join(hook), runs.clone()).expect("a mode");
    }
    put(&git, "info/attributes", "* filter=a.b merge=a.b diff=a.b\n");
    let settings = format!(
        "[core]\n\tfsmonitor = {program}\n\tsshCommand = {program}\n\teditor = {program}\n\tpager = {program}\n\
         \tgitProxy = {program}\n\taskPass = {program}\n\talternateRefsCommand = {program}\n\thooksPath = {git}/hooks\n\
         [filter \"a.b\"]\n\tclean = {program}\n\tsmudge = {program}\n\tprocess = {program}\n\trequired = true\n\
         [merge \"a.b\"]\n\tdriver = {program}\n\
         [diff]\n\texternal = {program}\n[diff \"a.b\"]\n\tcommand = {program}\n\ttextconv = {program}\n\
         [hook \"a.b\"]\n\tevent = post-checkout\n\tcommand = {program}\n\
         [gpg]\n\tprogram = {program}\n[commit]\n\tgpgSign = true\n[log]\n\tshowSignature = true\n\
         [credential]\n\thelper = {program}\n[sequence]\n\teditor = {program}\n[rerere]\n\tenabled = true\n\
         [remote \"origin\"]\n\turl = ext::{program}\n\tuploadpack = {program}\n\tpromisor = true\n\tfetch = +refs/heads/*:refs/remotes/origin/*\n\
         [url \"ext::{program} \"]\n\tinsteadOf = /\n[protocol]\n\tallow = always\n\
         [submodule]\n\trecurse = true\n[maintenance]\n\tauto = true\n[gc]\n\tauto = 1\n"
    );
    // Once as it stands, and once behind an include.
    put(&fixture.path("more"), "config", &settings);
    let mut config = fs::read_to_string(git.join("config")).expect("a file");
    config += &format!(
        "{settings}[include]\n\tpath = {}\n",
        fixture.path("more/config")
    );
    fs::write(git.join("config"), config).expect("a file");
    Trap { fixture, trace }
}

impl Trap {
    #[track_caller]
    fn untouched(&self, what: &str) {
        let trace = fs::read_to_string(&self.trace);
        assert!(trace.is_err(), "{what} runs {}", trace.unwrap_or_default());
    }

    fn revision(&self) -> Tree {
        Tree::open(&format!("{}@HEAD", self.fixture.path("tree"))).expect("a revision")
    }
}

/// Git as a user starts it there.
fn git(dir: &Utf8Path, words: &[&str]) -> proc::Output {
    let git = proc::Command::new("git").args(words).current_dir(dir);
    git.run_unchecked().expect("git runs")
}

#[test]
fn the_trap_catches_git_as_a_user_starts_it() {
    for words in [
        &["status"][..],
        &["checkout", "--detach"],
        &["commit", "--allow-empty", "-m", "x"],
        &["fetch", "origin"],
    ] {
        let trap = trap();
        put(
            &trap.fixture.path("tree"),
            "drivers/misc/toy/host.c",
            "int x;\n",
        );
        git(&trap.fixture.path("tree"), words);
        assert!(trap.trace.exists(), "{words:?}");
    }
}

#[test]
fn nothing_that_a_repository_names_runs() {
    let trap = trap();
    let fixture = &trap.fixture;
    let series = fixture.written();
    trap.untouched("convert");
    for (tree, of) in [
        (fixture.tree(), "the checkout"),
        (trap.revision(), "a revision"),
    ] {
        let options = ConvertOptions {
            export: Some(Export {
                branch: format!("pins-{}", of.len()),
                into: fixture.path("tree"),
            }),
            ..fixture.rehearsal()
        };
        crate::whole::convert(&tree, &fixture.report, &options).expect("it converts");
        trap.untouched("convert --into");
        for form in [Form::Touched, Form::Full, Form::Worktree] {
            let target = fixture.path(&format!("{form:?}-{}", of.len()));
            let options = ApplyOptions {
                form,
                branch: Some(format!("branch-{form:?}-{}", of.len())),
                ..ApplyOptions::touched(&target)
            };
            apply(&tree, &series, &options).expect("it applies");
            trap.untouched(&format!("apply to {of} as {form:?}"));
            let host = fs::read_to_string(target.join("drivers/misc/toy/host.c")).expect("a file");
            assert!(host.contains("pin_user_pages_fast(addr"));
        }
    }
}

#[test]
fn a_merge_that_falls_back_on_a_driver_of_theirs_is_a_conflict() {
    let trap = trap();
    let fixture = &trap.fixture;
    let series = fixture.written();
    let tree = fixture.path("tree");
    let other = HOST.replace("ret = get_user_pages_fast", "ret  = get_user_pages_fast");
    put(&tree, "drivers/misc/toy/host.c", &other);
    // By the house's own git, which starts nothing either.
    proc::git::store::commit_all(tree.as_std_path(), "toy: blank", &super::author()).expect("git");
    let options = ApplyOptions {
        form: Form::Worktree,
        ..ApplyOptions::touched(fixture.path("target"))
    };
    apply(&fixture.tree(), &series, &options).expect_err("a conflict");
    trap.untouched("git am --3way");
    assert!(!fixture.path("target").exists());
}

#[test]
fn an_object_that_a_partial_clone_lacks_is_not_fetched() {
    let trap = trap();
    let fixture = &trap.fixture;
    let tree = fixture.path("tree");
    let head = proc::git::head(tree.as_std_path()).expect("git works");
    let head = head.expect("a commit");
    let found = proc::git::store::at(tree.as_std_path(), &head, "drivers/misc/toy/host.c");
    let id = found.expect("git works").expect("a file").id;
    let object = tree.join(".git/objects").join(&id[..2]).join(&id[2..]);
    fs::remove_file(object).expect("a loose object");
    put(&tree, ".git/objects/pack/none.promisor", "");
    let config = tree.join(".git/config");
    let mut text = fs::read_to_string(&config).expect("a file");
    text = text.replace("repositoryformatversion = 0", "repositoryformatversion = 1");
    text += "[extensions]\n\tpartialClone = origin\n";
    fs::write(&config, text).expect("a file");
    fixture
        .convert(&fixture.rehearsal())
        .expect_err("a blob is missing");
    trap.untouched("convert in a partial clone");
    git(&tree, &["cat-file", "blob", &id]);
    assert!(trap.trace.exists(), "git as a user starts it fetches");
}

#[test]
fn objects_that_were_replaced_are_those_that_were_committed() {
    let fixture = Fixture::new().with_git();
    let tree = fixture.path("tree");
    let head = proc::git::head(tree.as_std_path()).expect("git works");
    let head = head.expect("a commit");
    let found = proc::git::store::at(tree.as_std_path(), &head, "drivers/misc/toy/host.c");
    let id = found.expect("git works").expect("a file").id;
    put(&fixture.path("."), "other.c", "int other;\n");
    let other = fixture.path("other.c");
    let other = git(&tree, &["hash-object", "-w", other.as_str()]).stdout_text();
    git(&tree, &["replace", &id, &other]);
    let shown = git(&tree, &["cat-file", "blob", &id]).stdout_text();
    assert_eq!(shown, "int other;");
    let series = fixture.written();
    let target = fixture.path("target");
    apply(&fixture.tree(), &series, &ApplyOptions::full(&target)).expect("it applies");
    let host = fs::read_to_string(target.join("drivers/misc/toy/host.c")).expect("a file");
    assert!(host.contains("pin_user_pages_fast(addr"));
}

#[test]
fn a_repository_of_another_owner_is_an_error_and_not_no_repository() {
    let trap = trap();
    let tree = trap.fixture.path("tree");
    // Only who may give a file away can make such a repository.
    let given = proc::Command::new("chown").args(["-R", "65534"]).arg(&tree);
    let given = given
        .run_unchecked()
        .expect("coreutils are there")
        .success();
    let converted = trap.fixture.convert(&trap.fixture.rehearsal());
    match given {
        true => {
            let error = converted.expect_err("git does not read it");
            assert!(
                format!("{error:?}").contains("dubious ownership"),
                "{error:?}"
            );
        }
        false => drop(converted.expect("it is our own")),
    }
    trap.untouched("convert");
}
