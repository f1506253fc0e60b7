// SPDX-License-Identifier: MIT OR Apache-2.0
//! Input that makes no sense gets a clear error, a hint, and its exit code; nothing is written.

use crate::sandbox::{Outcome, Sandbox};

#[test]
fn a_directory_that_is_no_kernel_tree_is_usage_with_a_hint() {
    let sandbox = Sandbox::new();
    for verb in ["build", "ktest"] {
        let outcome = sandbox.run(&[verb, "--kernel", sandbox.path("home").as_str()]);
        assert_eq!(outcome.code, Some(2), "{verb}: {}", outcome.stderr);
        assert!(
            outcome.stderr.contains("not a kernel tree"),
            "{}",
            outcome.stderr
        );
        assert!(
            outcome.stderr.contains("hint: cargo xtask kernel get"),
            "{}",
            outcome.stderr
        );
    }
    let absent = sandbox.run(&["build", "--kernel", "/nowhere"]);
    assert_eq!(absent.code, Some(2));
    assert!(
        absent.stderr.contains("no such directory"),
        "{}",
        absent.stderr
    );
}

#[test]
fn kernel_tree_may_come_from_the_environment() {
    let sandbox = Sandbox::new();
    let outcome = Outcome::of(&sandbox.xtask(&["build"]).env("KERNEL_TREE", "/nowhere"));
    assert!(outcome.stderr.contains("/nowhere"), "{}", outcome.stderr);
}

#[test]
fn no_qemu_is_the_machines_fault_and_names_the_command_that_mends_it() {
    let sandbox = Sandbox::new();
    let makefile = "VERSION = 9\nPATCHLEVEL = 8\nSUBLEVEL = 7\n";
    let tree = sandbox.write("tree/Makefile", makefile.as_bytes());
    let command = sandbox.xtask(&["ktest", "--kernel", tree.parent().unwrap().as_str()]);
    let outcome = Outcome::of(&command.env("PATH", sandbox.path("empty")));
    assert_eq!(outcome.code, Some(69), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("qemu"), "{}", outcome.stderr);
    assert!(
        outcome
            .stderr
            .ends_with("hint: cargo xtask doctor --install"),
        "{}",
        outcome.stderr
    );
}

#[test]
fn a_configuration_of_ktest_pl_is_for_ktest_pl_alone() {
    let sandbox = Sandbox::new();
    let conf = sandbox.write("box.conf", b"MACHINE = box\n");
    let with = |more: &[&str]| {
        let arguments = [&["ktest", "--ktest-conf", conf.as_str()], more].concat();
        sandbox.run(&arguments)
    };
    let outcome = with(&["--via", "qemu"]);
    assert_eq!(outcome.code, Some(2), "{}", outcome.stderr);
    assert!(
        outcome
            .stderr
            .ends_with("hint: leave --via out: --ktest-conf means --via ktest.pl"),
        "{}",
        outcome.stderr
    );
    let makefile = b"VERSION = 9\nPATCHLEVEL = 8\nSUBLEVEL = 7\n";
    let tree = sandbox.write("tree/Makefile", makefile);
    let without = with(&["--kernel", tree.parent().unwrap().as_str()]);
    assert_eq!(without.code, Some(2), "{}", without.stderr);
    assert!(
        without
            .stderr
            .contains("the tree has no tools/testing/ktest/ktest.pl"),
        "{}",
        without.stderr
    );
}

#[test]
fn kbuild_variables_where_no_make_runs_are_usage() {
    let outcome = Sandbox::new().run(&["model", "S1", "ARCH=arm64"]);
    assert_eq!(outcome.code, Some(2));
    assert!(outcome.stderr.contains("ARCH="), "{}", outcome.stderr);
}

#[test]
fn a_machine_that_lacks_what_is_needed_is_told_which_command_installs_it() {
    let sandbox = Sandbox::new();
    let outcome = Outcome::of(
        &sandbox
            .xtask(&["doctor"])
            .env("PATH", sandbox.path("empty")),
    );
    assert_eq!(outcome.code, Some(69));
    assert!(
        outcome.stdout.contains("MISSING  git"),
        "{}",
        outcome.stdout
    );
    assert!(outcome.stderr.contains("hint: "), "{}", outcome.stderr);
}

#[test]
fn a_home_that_is_none_is_no_place_for_a_cache_and_an_audit_can_do_without() {
    let sandbox = Sandbox::new();
    let driver = "drivers/misc/onebuf.c";
    for home in ["", "relative"] {
        let command = |words: &[&str]| Outcome::of(&sandbox.xtask(words).env("HOME", home));
        let outcome = command(&["audit", driver]);
        assert_eq!(outcome.code, Some(2), "{}", outcome.stderr);
        assert!(
            outcome.stderr.contains("no place for a cache")
                && outcome.stderr.contains("--no-cache"),
            "{}",
            outcome.stderr
        );
        let outcome = command(&["audit", driver, "--no-cache"]);
        assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
        assert!(!sandbox.path("home/.cache").exists());
    }
}

/// Whoever typed something wrong is told what to type, whichever verb it was.
#[test]
fn every_refusal_has_a_hint() {
    let sandbox = Sandbox::new();
    let absent = sandbox.path("absent");
    let absent = absent.as_str();
    let page = sandbox.write("page.html", b"<p>a page of somebody else");
    let series = sandbox.path("series");
    let driver = "drivers/misc/onebuf.c";
    for words in [
        &["apply", absent, "-o", absent][..],
        &["audit", absent],
        &["audit", "--baseline", absent],
        &["audit", "--explain", "zzzz"],
        &["audit", "--since", "HEAD"],
        &["build", absent],
        &["build", "--kernel", absent],
        &["ci", "--only", "nothing"],
        &["codegen", "--trees", absent],
        &["convert", driver],
        &["convert", driver, "-o", series.as_str(), "--cover", absent],
        &["convert", "--group", "zzzz", "-o", series.as_str()],
        &["diff-audit", absent, absent],
        &["kernel", "get", "six"],
        &["ktest", absent],
        &["look", absent],
        &["look", page.as_str()],
        &["model", "S99"],
        &["model", "S1", "--policy", "nothing"],
        &["model", "S1", "--policy", "nothing.toml"],
        &["model", "S1", "--pages", "9"],
        &["pipeline", absent],
        &["refimpl", "mutants", absent],
        &["refimpl", "run", absent],
        &["refimpl", "run", sandbox.root().as_str()],
        &["refimpl", "trace", absent],
        &["report", "0000-nothing"],
        &["truth", "--set", absent, "--pair", "4.19-5.9"],
    ] {
        let outcome = sandbox.run(words);
        assert_eq!(outcome.code, Some(2), "{words:?}: {}", outcome.stderr);
        let hint = outcome.stderr.lines().last().unwrap_or_default();
        assert!(hint.starts_with("hint: "), "{words:?}: {}", outcome.stderr);
        assert_eq!(outcome.stdout, "", "{words:?}");
    }
}

#[test]
fn a_series_that_cannot_be_written_or_exported_is_the_mistake_of_who_named_the_place() {
    let sandbox = Sandbox::new();
    let driver = "drivers/misc/onebuf.c";
    let series = sandbox.path("series");
    let root = sandbox.root();
    for (words, told) in [
        (
            &["-o", "/proc/series"][..],
            "failed to write the series to /proc/series",
        ),
        (
            &[
                "-o",
                series.as_str(),
                "--export-branch",
                "pins",
                "--into",
                root.as_str(),
            ],
            "it is not a git repository",
        ),
    ] {
        let words = [&["convert", driver, "--unsigned"], words].concat();
        let outcome = sandbox.run(&words);
        assert_eq!(outcome.code, Some(2), "{words:?}: {}", outcome.stderr);
        assert!(outcome.stderr.contains(told), "{}", outcome.stderr);
        assert!(outcome.stderr.contains("\nhint: "), "{}", outcome.stderr);
        assert!(!series.exists(), "{words:?}");
    }
}

#[test]
fn a_tree_that_is_not_whole_is_no_fault_of_the_machine() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "tree/Makefile",
        b"VERSION = 6\nPATCHLEVEL = 12\nSUBLEVEL = 7\n",
    );
    let driver = include_bytes!("../../../callsites/embedded/common/drivers/misc/onebuf.c");
    sandbox.write("tree/drivers/misc/onebuf.c", driver);
    let (tree, series) = (sandbox.path("tree"), sandbox.path("series"));
    let words = [
        "convert",
        "--unsigned",
        "--kernel",
        tree.as_str(),
        "-o",
        series.as_str(),
    ];
    let outcome = sandbox.run(&words);
    assert_eq!(outcome.code, Some(2), "{}", outcome.stderr);
    assert!(
        outcome.stderr.contains("hint: this tree is not whole"),
        "{}",
        outcome.stderr
    );
}
