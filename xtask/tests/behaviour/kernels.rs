// SPDX-License-Identifier: MIT OR Apache-2.0
//! `kernel get` and `kernel list`, with a repository of the test's own as the source.

use crate::sandbox::Sandbox;

const MAKEFILE: &str = "# SPDX-License-Identifier: GPL-2.0\nVERSION = 9\nPATCHLEVEL = 8\nSUBLEVEL = 7\nEXTRAVERSION =\n";

fn repository(sandbox: &Sandbox, branch: &str) -> String {
    let file = sandbox.write("stable/Makefile", MAKEFILE.as_bytes());
    let git = |arguments: &[&str]| {
        let identity = ["-c", "user.name=Test", "-c", "user.email=test@example.org"];
        let command = proc::Command::new("git").args(identity).args(arguments);
        command
            .current_dir(file.parent().unwrap())
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .run()
            .unwrap();
    };
    git(&["init", "-q", "-b", branch]);
    git(&["add", "."]);
    git(&["commit", "-q", "-m", "9.8.7"]);
    format!("file://{}", file.parent().unwrap())
}

#[test]
fn a_release_is_cloned_once_and_its_directory_printed() {
    let sandbox = Sandbox::new();
    let from = repository(&sandbox, "linux-9.8.y");
    let expected = sandbox.path("home/.cache/gup-toolkit/kernels/linux-9.8.7");
    let first = sandbox.run(&["kernel", "get", "9.8", "--from", &from]);
    assert_eq!(
        (first.code, first.stdout.as_str()),
        (Some(0), expected.as_str()),
        "{}",
        first.stderr
    );
    std::fs::remove_dir_all(sandbox.path("stable")).unwrap();
    let second = sandbox.run(&["kernel", "get", "9.8.7", "--from", &from, "-q"]);
    assert_eq!(
        (second.code, second.stdout.as_str()),
        (Some(0), expected.as_str())
    );
    // What was named and not asked is told.
    let third = sandbox.run(&["kernel", "get", "9.8", "--from", &from]);
    assert_eq!(third.code, Some(0));
    assert!(
        third.stderr.contains(&format!(
            "9.8.7 is in the cache already; {from} was not asked"
        )),
        "{}",
        third.stderr
    );
    let listed = sandbox.run(&["kernel", "list"]);
    assert_eq!(listed.stdout, format!("9.8.7\t{expected}"));
}

#[test]
fn a_tree_of_another_version_is_refused_and_nothing_is_left() {
    let sandbox = Sandbox::new();
    let from = repository(&sandbox, "linux-9.7.y");
    let outcome = sandbox.run(&["kernel", "get", "9.7", "--from", &from]);
    assert_eq!(outcome.code, Some(69));
    assert!(
        outcome
            .stderr
            .contains("asked for 9.7, but the Makefile of what came says 9.8.7"),
        "{}",
        outcome.stderr
    );
    let left = std::fs::read_dir(sandbox.path("home/.cache/gup-toolkit/kernels")).unwrap();
    assert!(left.flatten().all(|entry| entry.file_name() == ".lock"));
}

#[test]
fn a_version_that_is_none_is_usage_and_a_missing_one_names_the_command() {
    let sandbox = Sandbox::new();
    assert_eq!(sandbox.run(&["kernel", "get", "six"]).code, Some(2));
    let outcome = sandbox.run(&["build", "--kernel", "9.8"]);
    assert_eq!(outcome.code, Some(2));
    assert!(
        outcome.stderr.ends_with("hint: cargo xtask kernel get 9.8"),
        "{}",
        outcome.stderr
    );
}

#[test]
fn a_dry_run_gets_nothing() {
    let sandbox = Sandbox::new();
    let outcome = sandbox.run(&["kernel", "get", "9.8", "--from", "file:///nowhere", "-n"]);
    assert_eq!(outcome.code, Some(0));
    assert!(!sandbox.path("home/.cache").exists());
}
