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
