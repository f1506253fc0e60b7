// SPDX-License-Identifier: MIT OR Apache-2.0
//! No answer is about something else than what was asked: which tree, which files, which rule, which series.

use crate::sandbox::{Outcome, Sandbox};
use camino::Utf8PathBuf;

const EMBEDDED: &str =
    "no --kernel: the small tree that comes with the program, Linux 6.12.0-embedded";
const DRIVER: &str = "#include <linux/mm.h>\n\nint x_get(unsigned long at, struct page **page)\n{\n\treturn get_user_pages_fast(at, 1, 0, page);\n}\n";

/// A kernel tree with two drivers.
fn tree(sandbox: &Sandbox) -> Utf8PathBuf {
    sandbox.write("tree/drivers/b/x.c", DRIVER.as_bytes());
    sandbox.write("tree/drivers/a/y.c", DRIVER.as_bytes());
    let makefile = b"VERSION = 6\nPATCHLEVEL = 12\nSUBLEVEL = 7\n";
    let makefile = sandbox.write("tree/Makefile", makefile);
    makefile.parent().unwrap().to_owned()
}

/// `xtask` with these words in `directory`.
fn inside(sandbox: &Sandbox, directory: &str, words: &[&str]) -> Outcome {
    Outcome::of(
        &sandbox
            .xtask(words)
            .current_dir(sandbox.path("tree").join(directory)),
    )
}

#[test]
fn without_a_tree_in_sight_nothing_is_assumed() {
    let sandbox = Sandbox::new();
    let series = sandbox.path("series");
    let series = series.as_str();
    for words in [
        &["audit"][..],
        &["convert", "--unsigned", "-o", series],
        &["build"],
        &["ktest"],
        &["pipeline"],
    ] {
        let outcome = Outcome::of(&sandbox.xtask(words).current_dir(sandbox.path("home")));
        assert_eq!(outcome.code, Some(2), "{words:?}: {}", outcome.stderr);
        assert!(
            outcome.stderr.contains("lies in no kernel tree"),
            "{}",
            outcome.stderr
        );
        assert!(
            outcome.stderr.contains("hint: --kernel TREE"),
            "{}",
            outcome.stderr
        );
        assert_eq!(outcome.stdout, "", "{words:?}");
    }
    assert!(!sandbox.path("series").exists());
}

#[test]
fn in_this_repository_the_embedded_tree_is_named_first() {
    let outcome = Sandbox::new().run(&["audit", "drivers/misc/onebuf.c"]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    assert_eq!(outcome.stderr.lines().next(), Some(EMBEDDED));
}

#[test]
fn the_tree_is_the_one_that_the_working_directory_lies_in() {
    let sandbox = Sandbox::new();
    tree(&sandbox);
    let outcome = inside(&sandbox, "drivers/a", &["audit"]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    assert!(
        outcome.stdout.contains("Linux 6.12.7"),
        "{}",
        outcome.stdout
    );
    assert!(!outcome.stderr.contains("embedded"), "{}", outcome.stderr);
}

#[test]
fn a_path_may_be_absolute_or_relative_to_the_directory_or_to_the_tree() {
    let sandbox = Sandbox::new();
    let tree = tree(&sandbox);
    let absolute = tree.join("drivers/b/x.c");
    for (directory, path) in [
        ("drivers/a", absolute.as_str()),
        ("drivers/a", "../b/x.c"),
        ("drivers/b", "x.c"),
        ("drivers/a", "drivers/b/x.c"),
        ("", "drivers/b"),
    ] {
        let outcome = inside(&sandbox, directory, &["audit", path]);
        assert_eq!(outcome.code, Some(0), "{path}: {}", outcome.stderr);
        assert!(
            outcome.stdout.contains("drivers/b/x.c:5"),
            "{path}: {}",
            outcome.stdout
        );
        assert!(
            !outcome.stdout.contains("drivers/a/y.c"),
            "{path}: {}",
            outcome.stdout
        );
    }
}

#[test]
fn of_a_revision_paths_are_named_as_in_the_repository() {
    let sandbox = Sandbox::new();
    let tree = tree(&sandbox);
    let author = proc::git::mail::Committer {
        name: "Somebody".into(),
        email: "somebody@example.org".into(),
        seconds: 1_700_000_000,
    };
    proc::git::store::init(tree.as_std_path()).unwrap();
    proc::git::store::commit_all(tree.as_std_path(), "toys", &author).unwrap();
    let absolute = tree.join("drivers/b/x.c");
    let revision = format!("{tree}@HEAD");
    for (directory, path) in [
        ("drivers/a", absolute.as_str()),
        ("drivers/a", "../b/x.c"),
        ("drivers/b", "x.c"),
        ("", "drivers/b"),
    ] {
        let words = ["audit", "--kernel", &revision, path];
        let outcome = inside(&sandbox, directory, &words);
        assert_eq!(outcome.code, Some(0), "{path}: {}", outcome.stderr);
        assert!(
            outcome.stdout.contains("drivers/b/x.c:5") && !outcome.stdout.contains("y.c"),
            "{path}: {}",
            outcome.stdout
        );
    }
}

#[test]
fn a_link_is_followed_and_named() {
    let sandbox = Sandbox::new();
    let tree = tree(&sandbox);
    std::os::unix::fs::symlink(tree.join("drivers/b"), sandbox.path("link")).unwrap();
    let link = sandbox.path("link");
    let words = ["audit", link.as_str(), "--kernel", tree.as_str()];
    let outcome = sandbox.run(&words);
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    assert!(
        outcome.stdout.contains("drivers/b/x.c:5"),
        "{}",
        outcome.stdout
    );
    let said = format!("`{link}` is a link to `drivers/b`");
    assert!(outcome.stderr.contains(&said), "{}", outcome.stderr);
}

#[test]
fn a_path_that_matches_nothing_names_the_tree_that_was_looked_in() {
    let sandbox = Sandbox::new();
    let tree = tree(&sandbox);
    for path in ["drivers/c", "../../etc", "/etc"] {
        for verb in ["audit", "convert", "pipeline"] {
            let output = sandbox.path("out");
            let words = [verb, path, "--kernel", tree.as_str(), "-o", output.as_str()];
            let outcome = sandbox.run(&words);
            assert_eq!(outcome.code, Some(2), "{words:?}: {}", outcome.stderr);
            let named = format!("Linux 6.12.7 in `{tree}` lies in `{path}`");
            assert!(outcome.stderr.contains(&named), "{}", outcome.stderr);
            assert!(!output.exists());
        }
    }
    let outcome = sandbox.run(&["audit", "drivers/c"]);
    assert!(
        outcome
            .stderr
            .contains("the tree that comes with the program"),
        "{}",
        outcome.stderr
    );
}

#[test]
fn a_rule_or_a_verdict_that_there_is_none_of_is_refused_with_the_list() {
    let sandbox = Sandbox::new();
    for rule in ["R99", "no-such-rule"] {
        let outcome = sandbox.run(&["audit", "--rule", rule]);
        assert_eq!(outcome.code, Some(2), "{}", outcome.stderr);
        assert!(outcome.stderr.contains(rule), "{}", outcome.stderr);
        assert!(outcome.stderr.contains("R3"), "{}", outcome.stderr);
        assert_eq!(outcome.stdout, "");
    }
    assert_eq!(sandbox.run(&["audit", "--rule", "r3"]).code, Some(0));
    assert_eq!(sandbox.run(&["audit", "--only", "nothing"]).code, Some(2));
}

#[test]
fn a_rule_that_there_is_none_of_has_no_story_either() {
    let outcome = Sandbox::new().run(&["audit", "--explain", "R99"]);
    assert_eq!(outcome.code, Some(2), "{}", outcome.stderr);
    assert!(
        outcome.stderr.contains("`R99` is no rule"),
        "{}",
        outcome.stderr
    );
    assert!(outcome.stderr.contains("R3"), "{}", outcome.stderr);
}

#[test]
fn a_place_to_explain_may_be_absolute_or_relative_to_the_directory_or_to_the_tree() {
    let sandbox = Sandbox::new();
    let tree = tree(&sandbox);
    let absolute = tree.join("drivers/b/x.c");
    for (directory, path) in [
        ("drivers/a", absolute.as_str()),
        ("drivers/a", "../b/x.c"),
        ("drivers/b", "x.c"),
        ("drivers/a", "drivers/b/x.c"),
    ] {
        let place = format!("{path}:5");
        let outcome = inside(&sandbox, directory, &["audit", "--explain", &place]);
        assert_eq!(outcome.code, Some(0), "{path}: {}", outcome.stderr);
        assert!(
            outcome.stdout.starts_with("drivers/b/x.c:5 x_get()"),
            "{path}: {}",
            outcome.stdout
        );
    }
    let outcome = inside(&sandbox, "drivers/b", &["audit", "--explain", "x.c:7"]);
    assert_eq!(outcome.code, Some(2), "{}", outcome.stderr);
    assert!(
        outcome
            .stderr
            .contains("hint: the nearest are drivers/b/x.c:5"),
        "{}",
        outcome.stderr
    );
}

#[test]
fn what_is_empty_is_neither_the_whole_tree_nor_a_tree() {
    let sandbox = Sandbox::new();
    let tree = tree(&sandbox);
    let outcome = sandbox.run(&["audit", "--kernel", tree.as_str(), ""]);
    assert_eq!(outcome.code, Some(2), "{}", outcome.stdout);
    assert!(outcome.stderr.contains("lies in ``"), "{}", outcome.stderr);
    let outcome = sandbox.run(&["audit", "--kernel", ""]);
    assert_eq!(outcome.code, Some(2), "{}", outcome.stdout);
    assert!(
        outcome.stderr.contains("--kernel names no tree"),
        "{}",
        outcome.stderr
    );
    // A variable that is set to nothing is not set: the tree is the one around.
    let unset = sandbox
        .xtask(&["audit"])
        .current_dir(tree.join("drivers/a"))
        .env("KERNEL_TREE", "");
    let outcome = Outcome::of(&unset);
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    assert!(
        outcome.stdout.contains("Linux 6.12.7"),
        "{}",
        outcome.stdout
    );
}

#[test]
fn a_directory_that_was_removed_is_told_and_a_tree_that_is_named_is_read() {
    let sandbox = Sandbox::new();
    let tree = tree(&sandbox);
    let gone = sandbox.path("gone");
    std::fs::create_dir(&gone).unwrap();
    let program = env!("CARGO_BIN_EXE_xtask");
    let within = |words: &str| {
        let script = format!("rmdir {gone} && exec {program} {words}");
        std::fs::create_dir_all(&gone).unwrap();
        let command = proc::Command::new("/bin/sh").args(["-c", &script]);
        Outcome::of(
            &command
                .current_dir(&gone)
                .env("HOME", sandbox.path("home"))
                .env_remove("XDG_CACHE_HOME")
                .env_remove("KERNEL_TREE"),
        )
    };
    let outcome = within("audit");
    assert_eq!(outcome.code, Some(2), "{}", outcome.stdout);
    assert!(
        outcome.stderr.contains("hint: it may have been removed"),
        "{}",
        outcome.stderr
    );
    let outcome = within(&format!("audit --kernel {tree} drivers/b"));
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    assert!(
        outcome.stdout.contains("drivers/b/x.c:5"),
        "{}",
        outcome.stdout
    );
}

#[test]
fn a_release_newer_than_what_is_known_is_told() {
    let sandbox = Sandbox::new();
    sandbox.write("module/x.c", DRIVER.as_bytes());
    let module = sandbox.path("module");
    let told = |release: &str| {
        let words = ["audit", "--module", module.as_str(), "--for", release];
        let outcome = sandbox.run(&words);
        assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
        outcome.stderr.contains("functions are known up to 7.3")
    };
    assert!(told("99.1"));
    assert!(!told("6.12"));
}

#[test]
fn with_a_path_the_summary_counts_what_was_asked_for() {
    let sandbox = Sandbox::new();
    let tree = tree(&sandbox);
    let words = ["audit", "drivers/b", "--kernel", tree.as_str()];
    let outcome = sandbox.run(&words);
    assert!(
        outcome
            .stdout
            .contains("1 file asked for, 1 with callsites"),
        "{}",
        outcome.stdout
    );
}

#[test]
fn a_series_after_the_targets_is_not_swallowed() {
    let sandbox = Sandbox::new();
    let tree = tree(&sandbox);
    let patch = b"From: a <a@b>\nSubject: [PATCH] x: grow\n\n---\n--- a/drivers/b/x.c\n+++ b/drivers/b/x.c\n@@ -1 +1,2 @@\n #include <linux/mm.h>\n+\n";
    sandbox.write("series/0001-x-grow.patch", patch);
    let series = sandbox.path("series");
    let words = [
        "ktest",
        "--kernel",
        tree.as_str(),
        "-n",
        "--target",
        "vmci",
        series.as_str(),
    ];
    let outcome = sandbox.run(&words);
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    assert!(
        outcome.stderr.contains("with the targets vmci"),
        "{}",
        outcome.stderr
    );
    assert!(
        outcome.stderr.contains(series.as_str()),
        "{}",
        outcome.stderr
    );
}

#[test]
fn a_range_of_commits_after_the_targets_is_not_swallowed() {
    let sandbox = Sandbox::new();
    let tree = tree(&sandbox);
    let words = [
        "ktest",
        "--kernel",
        tree.as_str(),
        "-n",
        "--target",
        "vmci",
        "HEAD~1..HEAD",
    ];
    let outcome = sandbox.run(&words);
    // The tree is no repository, and the range is what is missed.
    assert_eq!(outcome.code, Some(2), "{}", outcome.stderr);
    assert!(
        outcome.stderr.contains("failed to find HEAD~1..HEAD"),
        "{}",
        outcome.stderr
    );
}

#[test]
fn a_rehearsal_refuses_what_the_run_refuses() {
    let sandbox = Sandbox::new();
    let tree = tree(&sandbox);
    let on_tree = ["--kernel", tree.as_str(), "-n"];
    for words in [
        &["build", "/nonexistent"][..],
        &["build", "--config", "/nonexistent"],
        &["ktest", "/nonexistent"],
        &["ktest", "--variant", "nonsense"],
        &["ktest", "--resume", "9999-none"],
        &["ktest", "--image", "/nonexistent"],
        &["ktest", "--via", "refimpl"],
        &["audit", "--since", "HEAD~1"],
    ] {
        let outcome = sandbox.run(&[words, &on_tree].concat());
        assert_eq!(outcome.code, Some(2), "{words:?}: {}", outcome.stderr);
    }
}

#[test]
fn in_user_space_no_flag_is_ignored() {
    let sandbox = Sandbox::new();
    for flags in [
        &["--resume", "9999-none"][..],
        &["--image", "/nonexistent"],
        &["--variant", "kasan"],
        &["--boot-all"],
    ] {
        let outcome = sandbox.run(&[&["ktest"], flags].concat());
        assert_eq!(outcome.code, Some(2), "{flags:?}: {}", outcome.stderr);
        assert!(outcome.stderr.contains(flags[0]), "{}", outcome.stderr);
    }
}
