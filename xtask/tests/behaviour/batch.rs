// SPDX-License-Identifier: MIT OR Apache-2.0
//! `ktest --on slurm` as its users meet it: the file that is printed, what is refused, what is said after ctrl-C. What becomes of shards is
//! tested in `ktest/src/batch/tests`.

use crate::sandbox::{Outcome, Sandbox};
use crate::stopping::{listen, wait_for};
use serde_json::json;
use std::time::Duration;

const MAKEFILE: &str = "VERSION = 6\nPATCHLEVEL = 12\nSUBLEVEL = 1\n";
const PATCH: &str = "From: a <a@b>\nSubject: [PATCH] toy: grow\n\n---\n--- a/mm/a.c\n+++ b/mm/a.c\n@@ -1 +1,2 @@\n int a;\n+int b;\n";

/// A tree that has just what its version and a patch need.
fn tree(sandbox: &Sandbox) -> String {
    sandbox.write("tree/Makefile", MAKEFILE.as_bytes());
    sandbox.write("tree/Kbuild", b"");
    sandbox.write("tree/scripts/Kbuild.include", b"");
    sandbox.write("tree/mm/a.c", b"int a;\n");
    sandbox.write("a.patch", PATCH.as_bytes());
    sandbox.path("tree").to_string()
}

/// Programs that stand for Slurm: a job is taken, and waits for ever.
fn patient_slurm(sandbox: &Sandbox) -> String {
    sandbox.script(
        "bin/sbatch",
        "#!/bin/sh\necho \"$@\" >> \"$HOME/submitted\"\necho 17\n",
    );
    let asked = "#!/bin/sh\necho asked >> \"$HOME/asked\"\necho '17|1|PENDING|Resources'\n";
    sandbox.script("bin/squeue", asked);
    sandbox.script("bin/scontrol", "#!/bin/sh\necho 'MaxArraySize = 1001'\n");
    format!("{}:/usr/bin:/bin", sandbox.path("bin"))
}

/// A prepared run of one patch, as `--prepare` leaves it.
fn prepared(sandbox: &Sandbox, home: &str) {
    let inputs = json!({ "schema": "run/1", "tree": "6.12.1", "patches": [["toy: grow", ""]], "targets": ["process-vm"],
        "config": "", "kbuild": [], "image": null, "machine": [512, 2], "tools": [], "reproduce": "" });
    let build = json!({ "result": "pass", "reason": null, "new_warnings": [], "image_hash": null, "seconds": 0.0 });
    for (number, subject) in ["Linux 6.12.1", "toy: grow"].iter().enumerate() {
        let stage = json!({ "number": number, "subject": subject, "build": build, "targets": [] });
        sandbox.write(
            &format!("{home}/{number:02}/stage.json"),
            stage.to_string().as_bytes(),
        );
    }
    let data = json!({ "schema": "prepared/1", "inputs": inputs, "variants": [], "memory_mib": 512, "boot_seconds": 60, "order": [0],
        "kernels": [[1, "toy: grow", true]], "sites": [], "selftests": [], "seconds": [0.0, 0.0] });
    sandbox.write(&format!("{home}/run.json"), inputs.to_string().as_bytes());
    sandbox.write(
        &format!("{home}/prepared.json"),
        data.to_string().as_bytes(),
    );
}

#[test]
fn a_dry_run_prints_the_file_and_leaves_nothing() {
    let sandbox = Sandbox::new();
    let tree = tree(&sandbox);
    let shared = sandbox.path("it's shared");
    let series = sandbox.path("a.patch");
    let done = sandbox.run(&[
        "ktest",
        series.as_str(),
        "--kernel",
        &tree,
        "--target",
        "process-vm,io-uring",
        "--on",
        "slurm",
        "--shards",
        "2",
        "--shared",
        shared.as_str(),
        "--dry-run",
    ]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    assert!(
        done.stdout
            .starts_with("#!/bin/sh\n#SBATCH --job-name=ktest-0001-"),
        "{}",
        done.stdout
    );
    assert!(
        done.stdout.contains("\n#SBATCH --array=1-2\n"),
        "{}",
        done.stdout
    );
    let quoted = shared.as_str().replace('\'', r"'\''");
    assert!(
        done.stdout.contains(&format!("\nhome='{quoted}/0001-")),
        "{}",
        done.stdout
    );
    assert!(
        done.stdout
            .ends_with("--prepared . --shard \"$SLURM_ARRAY_TASK_ID/2\""),
        "{}",
        done.stdout
    );
    assert!(!shared.exists());
}

#[test]
fn where_there_is_no_slurm_nothing_is_built() {
    let sandbox = Sandbox::new();
    let tree = tree(&sandbox);
    let series = sandbox.path("a.patch");
    sandbox.script("bin/git", "#!/bin/sh\nexit 1\n");
    let command = sandbox.xtask(&["ktest", series.as_str(), "--kernel", &tree, "--on", "slurm"]);
    let done = Outcome::of(&command.env("PATH", sandbox.path("bin")));
    assert_eq!(done.code, Some(69), "{}", done.stderr);
    assert!(
        done.stderr
            .contains("Slurm's `sbatch` is not on this machine"),
        "{}",
        done.stderr
    );
    assert!(!sandbox.path("home/.cache/gup-toolkit/builds").exists());
}

#[test]
fn what_is_not_prepared_or_cannot_be_combined_is_refused() {
    let sandbox = Sandbox::new();
    let empty = sandbox.path("home");
    for (arguments, said) in [
        (
            vec!["--prepared", empty.as_str(), "--shard", "1/2"],
            "nothing is prepared there",
        ),
        (
            vec!["--estimate", empty.as_str()],
            "nothing is prepared there",
        ),
        (
            vec![
                "--on",
                "slurm",
                "--shared",
                empty.as_str(),
                "--resume",
                "0001-x",
            ],
            "nothing is prepared there",
        ),
        (
            vec!["--shared", empty.as_str()],
            "--shared is the directory of a run",
        ),
        (
            vec!["--on", "slurm", "--shard", "1/2"],
            "cannot be used with",
        ),
        (vec!["--partition", "main"], "--on"),
        (vec!["--on", "slurm"], "--on is for kernels that boot"),
    ] {
        let mut all = vec!["ktest"];
        all.extend(arguments);
        let done = sandbox.run(&all);
        assert_eq!(done.code, Some(2), "{all:?}: {}", done.stderr);
        assert!(done.stderr.contains(said), "{all:?}: {}", done.stderr);
    }
    prepared(&sandbox, "shared/0001-x");
    let home = sandbox.path("shared/0001-x");
    let done = sandbox.run(&["ktest", "--estimate", home.as_str()]);
    assert_eq!(done.code, Some(2), "{}", done.stderr);
    assert!(
        done.stderr.contains("no shard of it was booted"),
        "{}",
        done.stderr
    );
}

#[test]
fn ctrl_c_leaves_the_jobs_queued_and_says_how_to_go_on_and_how_to_cancel() {
    listen();
    let sandbox = Sandbox::new();
    prepared(&sandbox, "it's shared/0001-x");
    let path = patient_slurm(&sandbox);
    let shared = sandbox.path("it's shared");
    let mut child = sandbox
        .xtask(&[
            "ktest",
            "--on",
            "slurm",
            "--shared",
            shared.as_str(),
            "--resume",
            "0001-x",
        ])
        .env("PATH", path)
        .spawn()
        .unwrap();
    wait_for(&sandbox, "home/asked");
    // SAFETY: a signal to a child of ours; a bare machine has no kill(1).
    assert_eq!(unsafe { libc::kill(child.id(), libc::SIGINT) }, 0);
    let output = child
        .wait_for(Duration::from_secs(20))
        .unwrap()
        .expect("it ends after ctrl-C");
    assert_eq!(output.code, Some(130), "{}", output.stderr_text());
    let said = output.stderr_text();
    assert!(
        said.contains("the jobs stay queued and go on: squeue -j 17; scancel 17 takes them away"),
        "{said}"
    );
    let quoted = shared.as_str().replace('\'', r"'\''");
    let again = format!("hint: cargo xtask ktest --on slurm --shared '{quoted}' --resume 0001-x");
    assert!(said.contains(&again), "{said}");
    let submitted = wait_for(&sandbox, "home/submitted");
    assert_eq!(submitted.lines().count(), 1);
    assert!(
        submitted.starts_with("--parsable --array=1 --output="),
        "{submitted}"
    );
}

#[test]
fn the_commands_of_the_page_are_commands_of_this_program() {
    let page = include_str!("../../../docs/batch.md");
    let sandbox = Sandbox::new();
    let mut count = 0;
    for line in page.lines() {
        let Some((_, command)) = line.split_once("cargo xtask ") else {
            continue;
        };
        if !line.starts_with("    ") {
            continue;
        }
        let command = command.replace("${{ matrix.shard }}", "1");
        let mut words: Vec<&str> = command.split_whitespace().collect();
        // What comes before is read first: an unknown flag or a value that is none is an error.
        words.push("--help");
        let done = sandbox.run(&words);
        assert_eq!(done.code, Some(0), "{command}: {}", done.stderr);
        count += 1;
    }
    assert!(count >= 4, "{count}");
}

#[test]
fn an_attempt_that_was_lost_is_no_run_and_its_shard_is_missing_unless_another_did_it() {
    let sandbox = Sandbox::new();
    let run = |index: usize| {
        json!({ "schema": "run/1", "tree": "6.12.1", "patches": [["toy: grow", ""]], "targets": ["vmci"], "config": "",
            "kbuild": [], "image": null, "machine": [512, 2], "tools": [], "reproduce": "", "shard": { "index": index, "count": 2 } })
    };
    let (_, inputs) = ktest::begun(run(1).to_string().as_bytes()).unwrap();
    let target = json!({ "name": "vmci", "result": "pass", "reason": null, "subtests": [], "pins": null, "drift_pages": null, "splats": [],
        "callsites": [] });
    let build = json!({ "result": "pass", "reason": null, "new_warnings": [], "image_hash": null, "seconds": 0.0 });
    let stage = |number: usize| json!({ "number": number, "subject": "a", "build": build, "targets": [target] });
    let attempt = |name: &str, index: usize, has_verdict: bool| {
        sandbox.write(
            &format!("{name}/run.json"),
            run(index).to_string().as_bytes(),
        );
        if has_verdict {
            let verdict = json!({ "schema": "verdict/1", "result": "pass", "reason": "", "run": name, "first_bad": null,
                "shard": { "index": index, "count": 2 }, "inputs": inputs, "base": stage(0), "patches": [stage(index)] });
            sandbox.write(
                &format!("{name}/verdict.json"),
                verdict.to_string().as_bytes(),
            );
        }
        sandbox.path(name).to_string()
    };
    let (one, lost) = (attempt("1", 1, true), attempt("2", 2, false));
    let done = sandbox.run(&["report", &one, &lost, "--json"]);
    assert_eq!(done.code, Some(1), "{}", done.stderr);
    assert!(
        done.stdout.contains("not there: shard 2/2"),
        "{}",
        done.stdout
    );
    assert!(
        done.stderr
            .contains("an attempt at shard 2/2, has no verdict"),
        "{}",
        done.stderr
    );
    let done = sandbox.run(&["report", &lost]);
    assert_eq!(done.code, Some(2), "{}", done.stderr);
    let again = attempt("3", 2, true);
    let done = sandbox.run(&["report", &one, &lost, &again, "--json"]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    assert!(!done.stdout.contains("not there"), "{}", done.stdout);
}
