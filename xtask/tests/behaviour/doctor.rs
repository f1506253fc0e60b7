// SPDX-License-Identifier: MIT OR Apache-2.0
//! The doctor on machines made by the test: a PATH with nothing on it but stand-ins for apt-get and id.

use crate::sandbox::{Outcome, Sandbox};

/// An apt-get that refuses one package, alone or among others, and notes what it was asked for.
const APT: &str = "#!/bin/sh\n\
    echo \"$*\" >>\"$HOME/asked\"\n\
    case \"$*\" in *qemu-system-x86*)\n\
    echo 'E: Unable to correct problems, you have held broken packages.' >&2; exit 100;; esac\n";

#[test]
fn one_package_that_cannot_be_had_takes_no_other_with_it() {
    let sandbox = Sandbox::new();
    sandbox.script("bin/apt-get", APT);
    sandbox.script("bin/id", "#!/bin/sh\necho 0\n");
    let command = sandbox.xtask(&["doctor", "--install"]);
    let outcome = Outcome::of(&command.env("PATH", sandbox.path("bin")));
    assert_eq!(outcome.code, Some(69), "{}", outcome.stderr);
    let refused = "qemu-system-x86 cannot be installed: Unable to correct problems, you have held broken packages.; \
                   without it: no boot kernels";
    assert!(outcome.stderr.contains(refused), "{}", outcome.stderr);
    // What takes minutes says beforehand what it is at.
    let begins = outcome.stderr.find("installing: bc ");
    assert!(begins < outcome.stderr.find(refused), "{}", outcome.stderr);
    assert!(begins.is_some(), "{}", outcome.stderr);
    let asked = std::fs::read_to_string(sandbox.path("home/asked")).unwrap();
    let installs: Vec<&str> = asked
        .lines()
        .filter(|line| line.starts_with("install"))
        .collect();
    let place = |package: &str| {
        let alone = |line: &str| line.ends_with(&format!("--no-install-recommends {package}"));
        installs.iter().position(|line| alone(line))
    };
    // All at once, then each alone; and what is optional only after what is required, in one go.
    assert!(
        installs[0].contains("bison") && installs[0].contains("qemu-system-x86"),
        "{asked}"
    );
    assert!(!installs[0].contains("sparse"), "{asked}");
    assert!(
        place("bison").is_some() && place("qemu-system-x86").is_some(),
        "{asked}"
    );
    let last = installs.last().unwrap();
    assert!(
        last.contains("sparse") && last.contains("ccache"),
        "{asked}"
    );
}

#[test]
fn each_thing_is_listed_once() {
    let outcome = Sandbox::new().run(&["doctor"]);
    let mut names: Vec<&str> = outcome
        .stdout
        .lines()
        .filter_map(|line| line.split_whitespace().nth(1))
        .collect();
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(
        (names.len(), count > 10),
        (count, true),
        "{}",
        outcome.stdout
    );
}
