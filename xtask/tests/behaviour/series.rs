// SPDX-License-Identifier: MIT OR Apache-2.0
//! A series where something is wrong: what is said, how it ends, and that every byte of the tree is as before.

use crate::sandbox::{Outcome, Sandbox};
use camino::{Utf8Path, Utf8PathBuf};
use std::collections::BTreeMap;

const FILE: &str = "drivers/misc/onebuf.c";

/// A sandbox with a small kernel tree of its own.
fn with_tree() -> (Sandbox, Utf8PathBuf) {
    let sandbox = Sandbox::new();
    let tree = sandbox.path("tree");
    callsites::embedded::materialise(callsites::embedded::Era::V6_12, &tree).unwrap();
    (sandbox, tree)
}

fn commit(tree: &Utf8Path) {
    let author = proc::git::mail::Committer {
        name: "Somebody".into(),
        email: "somebody@example.org".into(),
        seconds: 1_700_000_000,
    };
    proc::git::store::init(tree.as_std_path()).unwrap();
    proc::git::store::commit_all(tree.as_std_path(), "misc: toys", &author).unwrap();
}

/// Every file below a directory, `.git` included, with its bytes.
fn bytes(dir: &Utf8Path) -> BTreeMap<Utf8PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in dir.read_dir_utf8().unwrap() {
        let path = entry.unwrap().into_path();
        if path.is_dir() {
            found.extend(bytes(&path));
        } else {
            found.insert(path.clone(), std::fs::read(&path).unwrap());
        }
    }
    assert!(!found.is_empty() || dir.as_str().contains("/.git/"));
    found
}

/// Converts one driver of the tree.
fn convert(sandbox: &Sandbox, tree: &Utf8Path, more: &[&str]) -> Outcome {
    let series = sandbox.path("series");
    let mut words = vec!["convert", FILE, "--kernel", tree.as_str(), "-o"];
    words.push(series.as_str());
    words.extend(more);
    sandbox.run(&words)
}

#[track_caller]
fn says(outcome: &Outcome, code: i32, parts: &[&str]) {
    assert_eq!(outcome.code, Some(code), "{}", outcome.stderr);
    for part in parts {
        assert!(outcome.stderr.contains(part), "{part}: {}", outcome.stderr);
    }
}

#[test]
fn no_identity_is_usage_and_names_the_command_that_sets_it() {
    let (sandbox, tree) = with_tree();
    let before = bytes(&tree);
    // Away from this repository, which may have an identity of its own.
    let series = sandbox.path("series");
    let words = [
        "convert",
        FILE,
        "--kernel",
        tree.as_str(),
        "-o",
        series.as_str(),
    ];
    let outcome = Outcome::of(&sandbox.xtask(&words).current_dir(sandbox.path("home")));
    says(
        &outcome,
        2,
        &[
            "git knows no user.name",
            "hint: git config --global user.name",
        ],
    );
    assert!(!sandbox.path("series").exists());
    assert_eq!(bytes(&tree), before);
}

#[test]
fn a_dirty_checkout_is_refused_by_the_name_of_the_file_and_keeps_what_was_changed() {
    let (sandbox, tree) = with_tree();
    commit(&tree);
    let mut text = std::fs::read_to_string(tree.join(FILE)).unwrap();
    text.push_str("/* not committed */\n");
    std::fs::write(tree.join(FILE), text).unwrap();
    let before = bytes(&tree);
    let outcome = convert(&sandbox, &tree, &["--unsigned"]);
    says(
        &outcome,
        2,
        &[
            FILE,
            "changed in the checkout",
            "hint: commit them",
            "@HEAD",
        ],
    );
    assert!(!sandbox.path("series").exists());
    assert_eq!(bytes(&tree), before);
}

#[test]
fn a_tree_without_git_converts_and_applies_but_gets_no_worktree() {
    let (sandbox, tree) = with_tree();
    let before = bytes(&tree);
    says(&convert(&sandbox, &tree, &["--unsigned"]), 0, &[]);
    let (series, target) = (sandbox.path("series"), sandbox.path("patched"));
    let apply = ["apply", series.as_str(), "--kernel", tree.as_str()];
    let worktree = [&apply[..], &["--worktree", target.as_str()]].concat();
    says(
        &sandbox.run(&worktree),
        2,
        &["not a git repository", "hint: leave --worktree out"],
    );
    assert!(!target.exists());
    let copy = [&apply[..], &["-o", target.as_str()]].concat();
    says(&sandbox.run(&copy), 0, &[]);
    assert_ne!(bytes(&target), before);
    assert_eq!(bytes(&tree), before);
}

#[test]
fn a_series_for_another_base_is_a_conflict_that_shows_the_trees_lines() {
    let (sandbox, tree) = with_tree();
    says(&convert(&sandbox, &tree, &["--unsigned"]), 0, &[]);
    let text = std::fs::read_to_string(tree.join(FILE)).unwrap();
    let other = text.replace("put_page(", "another_put(");
    assert_ne!(other, text);
    std::fs::write(tree.join(FILE), other).unwrap();
    let (series, target) = (sandbox.path("series"), sandbox.path("patched"));
    let (before, mails) = (bytes(&tree), bytes(&series));
    let words = ["apply", series.as_str(), "--kernel", tree.as_str(), "-o"];
    let outcome = sandbox.run(&[&words[..], &[target.as_str()]].concat());
    says(
        &outcome,
        3,
        &[FILE, "the patch has", "the tree has", "another_put("],
    );
    assert!(!target.exists());
    assert_eq!(bytes(&tree), before);
    assert_eq!(bytes(&series), mails);
}

#[test]
fn a_mail_that_does_not_apply_and_is_none_is_the_fault_of_the_series() {
    let (sandbox, tree) = with_tree();
    says(&convert(&sandbox, &tree, &["--unsigned"]), 0, &[]);
    let text = std::fs::read_to_string(tree.join(FILE)).unwrap();
    std::fs::write(tree.join(FILE), text.replace("put_page(", "another_put(")).unwrap();
    let (series, target) = (sandbox.path("series"), sandbox.path("patched"));
    let mut mails = bytes(&series).into_keys();
    let mail = mails.find(|path| {
        path.file_name()
            .is_some_and(|name| name.starts_with("0001"))
    });
    let mail = mail.expect("a patch");
    let written = std::fs::read_to_string(&mail).unwrap();
    for (header, what) in [("\nSubject: ", "no subject"), ("\nFrom: ", "no author")] {
        let without = written.replacen(header, "\nX-Nothing: ", 1);
        assert_ne!(without, written);
        std::fs::write(&mail, without).unwrap();
        let words = ["apply", series.as_str(), "--kernel", tree.as_str(), "-o"];
        let outcome = sandbox.run(&[&words[..], &[target.as_str()]].concat());
        says(&outcome, 2, &["read the series", "0001-", what]);
        assert!(!target.exists());
    }
}

#[test]
fn a_get_maintainer_that_fails_is_told_and_leaves_a_series_that_names_nobody() {
    let (sandbox, tree) = with_tree();
    let script = tree.join("scripts/get_maintainer.pl");
    std::fs::create_dir_all(script.parent().unwrap()).unwrap();
    std::fs::write(&script, "print STDERR \"no MAINTAINERS here\\n\"; exit 3;").unwrap();
    let before = bytes(&tree);
    let outcome = convert(&sandbox, &tree, &["--unsigned"]);
    says(&outcome, 0, &["get_maintainer failed: no MAINTAINERS here"]);
    let read = |name: &str| std::fs::read(sandbox.path("series").join(name)).unwrap();
    let checks: serde_json::Value = serde_json::from_slice(&read("checks.json")).unwrap();
    let checks = checks["patches"][0]["checks"].as_array().unwrap().clone();
    let check = checks
        .iter()
        .find(|check| check["name"] == "get_maintainer");
    assert_eq!(check.unwrap()["outcome"], "failed");
    let info = String::from_utf8(read("series.toml")).unwrap();
    assert!(
        info.contains("to = []") && info.contains("cc = []"),
        "{info}"
    );
    assert_eq!(bytes(&tree), before);
}
