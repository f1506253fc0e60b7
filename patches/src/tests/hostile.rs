// SPDX-License-Identifier: MIT OR Apache-2.0
//! Series and trees that try to lead out of the tree: refused with exit 2, and what lies beside the tree stays.

use super::{Fixture, HOST, put};
use crate::apply::{Applied, apply};
use crate::error::Error;
use crate::options::{ApplyOptions, Form};
use crate::series::Series;
use callsites::tree::beneath::Entry;
use camino::{Utf8Path, Utf8PathBuf};
use failure::{Exit, Failure};
use proc::git::store;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};

const PATH: &str = "drivers/misc/toy/host.c";

/// Modes and bytes of all that lies below a directory; a link is what it says.
fn listed(dir: &Utf8Path) -> BTreeMap<Utf8PathBuf, (u32, Vec<u8>)> {
    let mut found = BTreeMap::new();
    for entry in dir.read_dir_utf8().expect("a directory") {
        let path = entry.expect("an entry").into_path();
        let meta = path.symlink_metadata().expect("it is there");
        let bytes = match meta.file_type() {
            kind if kind.is_dir() => {
                found.extend(listed(&path));
                Vec::new()
            }
            kind if kind.is_symlink() => path.read_link_utf8().expect("a link").as_str().into(),
            kind if kind.is_file() => fs::read(&path).expect("a file"),
            _ => Vec::new(),
        };
        found.insert(path, (meta.permissions().mode(), bytes));
    }
    found
}

/// A fixture, its series, and a canary beside the tree.
struct Attack {
    fixture: Fixture,
    series: Utf8PathBuf,
    before: BTreeMap<Utf8PathBuf, (u32, Vec<u8>)>,
}

fn attack(fixture: Fixture) -> Attack {
    let canary = fixture.path("canary");
    put(&canary, "host.c", HOST);
    put(&canary, "secret", "secret\n");
    let private = fs::Permissions::from_mode(0o600);
    fs::set_permissions(canary.join("secret"), private).expect("a mode");
    fifo(&canary.join("fifo"));
    let series = fixture.written();
    Attack {
        before: listed(&canary),
        fixture,
        series,
    }
}

fn fifo(path: &Utf8Path) {
    let made = proc::Command::new("mkfifo").arg(path).run();
    made.expect("coreutils are there");
}

impl Attack {
    /// Puts another mail in the place of the series' only patch.
    fn mail(&self, bytes: &[u8]) {
        let name = Series::read(&self.series).expect("a series").mails[1]
            .file
            .clone();
        fs::write(self.series.join(name), bytes).expect("a file");
    }

    fn mail_of(&self) -> String {
        let series = Series::read(&self.series).expect("a series");
        String::from_utf8(series.mails[1].bytes.clone()).expect("ASCII")
    }

    fn apply(&self, form: Form) -> Result<Applied, Error> {
        let target = self.fixture.path("target");
        let options = ApplyOptions {
            form,
            ..ApplyOptions::touched(&target)
        };
        let done = apply(&self.fixture.tree(), &self.series, &options);
        assert_eq!(target.exists(), done.is_ok());
        assert_eq!(listed(&self.fixture.path("canary")), self.before);
        done
    }

    #[track_caller]
    fn refused(&self, form: Form) -> String {
        let error = self.apply(form).expect_err("it is refused");
        assert_eq!(error.exit(), Exit::Usage, "{error:?}");
        assert!(error.hint().is_some());
        format!("{error:?}")
    }
}

/// A mail of one patch with this diff.
fn mail(diff: &str) -> Vec<u8> {
    format!(
        "From 0000000000000000000000000000000000000000 Mon Sep 17 00:00:00 2001\nFrom: A Stranger <a@example.org>\n\
         Date: Sat, 1 Jan 2000 12:00:00 +0000\nSubject: [PATCH] toy: change it\n\nText.\n---\n{diff}-- \n2.47\n"
    )
    .into_bytes()
}

#[test]
fn a_path_that_leads_out_of_the_tree_is_refused_in_every_form_and_nothing_is_touched() {
    let plain = attack(Fixture::new());
    let with_git = attack(Fixture::new().with_git());
    for attack in [&plain, &with_git] {
        let good = attack.mail_of();
        let secret = attack.fixture.path("canary/secret");
        for path in [
            "../canary/secret".to_owned(),
            "drivers/../../canary/host.c".to_owned(),
            "../canary/fifo".to_owned(),
            secret.to_string(),
            ".git/config".to_owned(),
            "drivers//misc/toy/host.c".to_owned(),
        ] {
            attack.mail(good.replace(PATH, &path).as_bytes());
            for form in [Form::Touched, Form::Full, Form::Worktree] {
                let said = attack.refused(form);
                assert!(said.contains("BadPath"), "{path}: {said}");
            }
        }
    }
}

#[test]
fn what_only_looks_like_a_header_is_text() {
    for git in [false, true] {
        let fixture = Fixture::new();
        let fixture = if git { fixture.with_git() } else { fixture };
        let attack = attack(fixture);
        let secret = "../canary/secret";
        let text = format!("\n    --- a/{secret}\n    +++ b/{secret}\n> --- a/{secret}\n---\n");
        let mail = attack.mail_of().replacen("\n---\n", &text, 1);
        attack.mail(mail.as_bytes());
        let applied = attack.apply(Form::Full).expect("it applies");
        assert!(
            applied.patches[0]
                .files
                .keys()
                .all(|path| path.as_str().starts_with("drivers"))
        );
    }
}

#[test]
fn a_series_that_lies_about_its_files_or_holds_links_is_refused() {
    for file in ["../../canary/secret", "/etc/passwd", ".git/config"] {
        let attack = attack(Fixture::new());
        let toml = fs::read_to_string(attack.series.join("series.toml")).expect("a file");
        fs::write(attack.series.join("series.toml"), toml.replace(PATH, file)).expect("a file");
        assert!(attack.refused(Form::Touched).contains("BadSeries"));
    }
    for name in ["series.toml", "checks.json", "0000-cover-letter.patch"] {
        let attack = attack(Fixture::new());
        fs::remove_file(attack.series.join(name)).expect("it is there");
        symlink(
            attack.fixture.path("canary/secret"),
            attack.series.join(name),
        )
        .expect("a link");
        let said = attack.refused(Form::Touched);
        assert!(said.contains("symbolic link"), "{said}");
        fs::remove_file(attack.series.join(name)).expect("it is there");
        fifo(&attack.series.join(name));
        let said = attack.refused(Form::Touched);
        assert!(said.contains("not an ordinary file"), "{said}");
    }
}

#[test]
fn a_link_or_a_fifo_in_the_tree_is_neither_read_nor_written_through() {
    let in_place = |fixture: &Fixture| {
        let file = fixture.path("tree").join(PATH);
        fs::remove_file(&file).expect("it is there");
        symlink(fixture.path("canary/host.c"), file).expect("a link");
    };
    let on_the_way = |fixture: &Fixture| {
        let toy = fixture.path("tree/drivers/misc/toy");
        fs::rename(&toy, fixture.path("aside")).expect("it can be moved");
        symlink(fixture.path("aside"), toy).expect("a link");
    };
    let as_fifo = |fixture: &Fixture| {
        let file = fixture.path("tree").join(PATH);
        fs::remove_file(&file).expect("it is there");
        fifo(&file);
    };
    let all: [&dyn Fn(&Fixture); 3] = [&in_place, &on_the_way, &as_fifo];
    for change in all {
        let attack = attack(Fixture::new());
        change(&attack.fixture);
        for form in [Form::Touched, Form::Full] {
            assert!(attack.refused(form).contains("Path(Refused"));
        }
        let converted = attack.fixture.convert(&attack.fixture.rehearsal());
        assert_eq!(converted.expect_err("it is refused").exit(), Exit::Usage);
    }
}

#[test]
fn a_copy_of_a_tree_of_links_does_not_patch_what_they_lead_to() {
    let attack = attack(Fixture::new());
    let tree = attack.fixture.path("tree");
    let original = attack.fixture.path("original");
    fs::rename(&tree, &original).expect("it can be moved");
    let links = proc::Command::new("cp").args(["-as", original.as_str(), tree.as_str()]);
    links.run().expect("coreutils are there");
    // Without an ordinary Makefile it would not even be a tree.
    fs::remove_file(tree.join("Makefile")).expect("a link");
    fs::copy(original.join("Makefile"), tree.join("Makefile")).expect("a file");
    let before = listed(&original);
    attack.refused(Form::Full);
    assert_eq!(listed(&original), before);
}

#[test]
fn a_target_inside_of_the_tree_is_refused() {
    let attack = attack(Fixture::new());
    let before = listed(&attack.fixture.path("tree"));
    let inside = ApplyOptions::full(attack.fixture.path("tree/new/copy"));
    let error = apply(&attack.fixture.tree(), &attack.series, &inside).expect_err("refused");
    assert_eq!(error.exit(), Exit::Usage);
    assert_eq!(listed(&attack.fixture.path("tree")), before);
}

/// Lines of a whole file that goes.
fn gone(text: &str) -> String {
    let lines: String = text.lines().map(|line| format!("-{line}\n")).collect();
    format!("@@ -1,{} +0,0 @@\n{lines}", text.lines().count())
}

#[test]
fn files_that_come_and_go_links_and_modes_are_right_in_a_copy_of_a_tree_without_git_as_with_it() {
    let diff = format!(
        "diff --git a/drivers/misc/new.sh b/drivers/misc/new.sh\nnew file mode 100755\n--- /dev/null\n\
         +++ b/drivers/misc/new.sh\n@@ -0,0 +1 @@\n+echo\n\
         diff --git a/{PATH} b/{PATH}\ndeleted file mode 100644\n--- a/{PATH}\n+++ /dev/null\n{}\
         diff --git a/drivers/misc/toy/context.c b/drivers/misc/toy/context.c\nold mode 100644\nnew mode 100755\n\
         diff --git a/drivers/link b/drivers/link\nnew file mode 120000\n--- /dev/null\n+++ b/drivers/link\n\
         @@ -0,0 +1 @@\n+misc/toy\n\\ No newline at end of file\n\
         diff --git a/drivers/old b/drivers/old\ndeleted file mode 120000\n--- a/drivers/old\n+++ /dev/null\n\
         @@ -1 +0,0 @@\n-misc\n\\ No newline at end of file\n",
        gone(HOST)
    );
    for git in [false, true] {
        let fixture = Fixture::new();
        let tree = fixture.path("tree");
        symlink("misc", tree.join("drivers/old")).expect("a link");
        let fixture = if git { fixture.with_git() } else { fixture };
        let attack = attack(fixture);
        let private = fs::Permissions::from_mode(0o600);
        let context = "drivers/misc/toy/context.c";
        fs::set_permissions(tree.join(context), private).expect("a mode");
        attack.mail(&mail(&diff));
        let applied = attack.apply(Form::Full).expect("it applies");
        let target = attack.fixture.path("target");
        let mode = |path: &str| {
            target
                .join(path)
                .metadata()
                .expect("a file")
                .permissions()
                .mode()
        };
        assert_eq!(mode("drivers/misc/new.sh") & 0o777, 0o755);
        assert!(!target.join(PATH).exists());
        assert_eq!(mode(context) & 0o111, if git { 0o111 } else { 0o100 });
        assert_eq!(
            target
                .join("drivers/link")
                .read_link_utf8()
                .expect("a link"),
            "misc/toy"
        );
        assert!(target.join("drivers/old").symlink_metadata().is_err());
        let files = &applied.patches[0].files;
        let at = |path: &str| files[Utf8Path::new(path)].clone();
        assert_eq!(at(PATH), None);
        let target = b"misc/toy".to_vec();
        assert_eq!(at("drivers/link"), Some(Entry::Link { target }));
    }
}

#[test]
fn a_patch_that_only_adds_a_file_applies_to_a_tree_without_git() {
    let attack = attack(Fixture::new());
    attack.mail(&mail(
        "diff --git a/lib/new.c b/lib/new.c\nnew file mode 100644\n--- /dev/null\n+++ b/lib/new.c\n@@ -0,0 +1 @@\n+int x;\n",
    ));
    attack.apply(Form::Full).expect("it applies");
    let new = attack.fixture.path("target/lib/new.c");
    assert_eq!(fs::read_to_string(new).expect("a file"), "int x;\n");
}

#[test]
fn a_new_link_that_leads_out_and_a_file_beyond_a_new_link_are_refused() {
    let link = |target: &str| {
        format!(
            "diff --git a/drivers/out b/drivers/out\nnew file mode 120000\n--- /dev/null\n+++ b/drivers/out\n\
             @@ -0,0 +1 @@\n+{target}\n\\ No newline at end of file\n"
        )
    };
    for git in [false, true] {
        let fixture = Fixture::new();
        let fixture = if git { fixture.with_git() } else { fixture };
        let attack = attack(fixture);
        let canary = attack.fixture.path("canary").to_string();
        for form in [Form::Touched, Form::Full] {
            for target in [canary.as_str(), "../../canary"] {
                attack.mail(&mail(&link(target)));
                attack.refused(form);
            }
            let beyond = "diff --git a/drivers/out/x.c b/drivers/out/x.c\nnew file mode 100644\n--- /dev/null\n\
                          +++ b/drivers/out/x.c\n@@ -0,0 +1 @@\n+int x;\n";
            attack.mail(&mail(&format!("{}{beyond}", link("../../canary"))));
            let error = attack.apply(form).expect_err("it is refused");
            assert_eq!(error.exit(), Exit::Conflict, "{error}");
        }
    }
}

#[test]
fn what_a_damaged_repository_says_is_not_taken_for_no_repository() {
    let fixture = Fixture::new().with_git();
    let config = fixture.path("tree/.git/config");
    let damaged = "[core]\n\trepositoryformatversion = 99\n";
    fs::write(config, damaged).expect("a file");
    let error = fixture
        .convert(&fixture.rehearsal())
        .expect_err("git fails");
    assert!(matches!(error, Error::Proc(_)), "{error:?}");
    let empty = Fixture::new();
    store::init(empty.path("tree").as_std_path()).expect("git init");
    empty
        .convert(&empty.rehearsal())
        .expect("no commit is no history");
}
