// SPDX-License-Identifier: MIT OR Apache-2.0
//! The pre-commit hook of docs/ci.md, in a repository of its own.

use crate::sandbox::{Outcome, Sandbox};
use camino::{Utf8Path, Utf8PathBuf};

const PAGE: &str = include_str!("../../../docs/ci.md");

/// Two errors that no other file of the tree has.
const WRONG: &str = "int wrong(unsigned long start)\n{\n\tstruct page *page;\n\n\tif (pin_user_pages_fast(start, 1, 0, &page) != 1)\n\t\treturn -EFAULT;\n\tput_page(page);\n\treturn 0;\n}\n";

struct Repository {
    sandbox: Sandbox,
    root: Utf8PathBuf,
    hook: Utf8PathBuf,
}

impl Repository {
    fn new() -> Repository {
        let sandbox = Sandbox::new();
        let root = sandbox.path("linux");
        callsites::embedded::materialise(callsites::embedded::Era::V6_12, &root).unwrap();
        let author = proc::git::mail::Committer {
            name: "Somebody".into(),
            email: "somebody@example.org".into(),
            seconds: 1_700_000_000,
        };
        proc::git::store::init(root.as_std_path()).unwrap();
        proc::git::store::commit_all(root.as_std_path(), "misc: toys", &author).unwrap();
        let text = PAGE.split("```sh\n").nth(1).unwrap();
        let text = text.split("```").next().unwrap();
        let hook = sandbox.script("hook", text);
        // cargo compiles nothing here: it is the program that the tests have.
        let program = env!("CARGO_BIN_EXE_xtask");
        sandbox.script(
            "bin/cargo",
            &format!("#!/bin/sh\nshift\nexec {program} \"$@\"\n"),
        );
        Repository {
            sandbox,
            root,
            hook,
        }
    }

    fn add(&self, name: &str) {
        let git = proc::git::git(self.root.as_std_path());
        git.args(["add", name]).run().unwrap();
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.root.join(name), text).unwrap();
    }

    fn commit(&self) -> Outcome {
        let path = std::env::var("PATH").unwrap();
        let command = proc::Command::new(&self.hook)
            .current_dir(self.root.join("drivers"))
            .env("PATH", format!("{}:{path}", self.sandbox.path("bin")))
            .env("HOME", self.sandbox.path("home"))
            .env(
                "TOOLKIT",
                Utf8Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap(),
            )
            .env_remove("XDG_CACHE_HOME")
            .env_remove("KERNEL_TREE")
            .env("GIT_INDEX_FILE", ".git/index")
            .env("GIT_CONFIG_GLOBAL", "/dev/null");
        Outcome::of(&command.current_dir(&self.root))
    }
}

#[test]
fn a_commit_is_stopped_by_what_it_would_bring_and_by_nothing_else() {
    let repository = Repository::new();
    assert_eq!(repository.commit().code, Some(0));
    repository.write("README", "no C\n");
    repository.add("README");
    let outcome = repository.commit();
    assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(0), ""));
    // What is wrong elsewhere in the tree stops no commit of another file.
    repository.write("drivers/misc/other name.c", WRONG);
    repository.write("drivers/misc/good.c", "int good;\n");
    repository.add("drivers/misc/good.c");
    let outcome = repository.commit();
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    repository.add("drivers/misc/other name.c");
    let outcome = repository.commit();
    // xargs says 123 where what it started has failed.
    assert_eq!(outcome.code, Some(123), "{}", outcome.stderr);
    assert!(
        outcome.stdout.contains("other name.c"),
        "{}",
        outcome.stdout
    );
    // A part of a file is not what the audit reads.
    repository.write("drivers/misc/other name.c", "int good;\n");
    let outcome = repository.commit();
    assert_eq!(outcome.code, Some(1), "{}", outcome.stderr);
    assert!(
        outcome.stderr.contains("has changes that are not"),
        "{}",
        outcome.stderr
    );
    repository.add("drivers/misc/other name.c");
    assert_eq!(repository.commit().code, Some(0));
}

#[test]
fn what_the_baseline_knows_stops_no_commit() {
    let repository = Repository::new();
    repository.write("drivers/misc/known.c", WRONG);
    repository.add("drivers/misc/known.c");
    assert_eq!(repository.commit().code, Some(123));
    let (root, file) = (&repository.root, repository.root.join(".pinning.json"));
    let words = [
        "audit",
        "--kernel",
        root.as_str(),
        "--write-baseline",
        file.as_str(),
    ];
    let outcome = repository.sandbox.run(&words);
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    let outcome = repository.commit();
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
}
