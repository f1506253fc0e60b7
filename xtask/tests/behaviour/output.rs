// SPDX-License-Identifier: MIT OR Apache-2.0
//! Standard output is the result, standard error is talk.

use crate::sandbox::{Outcome, Sandbox};

#[test]
fn a_closed_pipe_is_no_error() {
    let sandbox = Sandbox::new();
    let script = format!(
        "{{ sleep 0.3; '{}' model list; echo $? >&2; }} | true",
        env!("CARGO_BIN_EXE_xtask")
    );
    let outcome = Outcome::of(
        &proc::Command::new("sh")
            .args(["-c", &script])
            .current_dir(sandbox.path("home")),
    );
    assert_eq!(outcome.stderr, "0");
}

#[test]
fn a_full_disk_is_the_machines_fault_and_says_so() {
    let outcome = Sandbox::new().run(&["model", "S1", "-o", "/dev/full"]);
    assert_eq!(outcome.code, Some(69));
    assert!(
        outcome.stderr.starts_with("error: the disk is full\n"),
        "{}",
        outcome.stderr
    );
    assert!(outcome.stderr.contains("hint: "), "{}", outcome.stderr);
}

#[test]
fn common_flags_stand_before_or_after_the_verb() {
    let sandbox = Sandbox::new();
    let before = sandbox.run(&["--json", "-q", "model", "S1"]);
    let after = sandbox.run(&["model", "S1", "-q", "--json"]);
    assert_eq!(before.code, Some(0));
    assert_eq!(before.stdout, after.stdout);
    assert_eq!(before.stderr, "");
    let value: serde_json::Value = serde_json::from_str(&before.stdout).unwrap();
    assert_eq!(value["schema"], "model/1");
}

#[test]
fn the_same_command_writes_the_same_bytes_to_a_file_as_to_standard_output() {
    let sandbox = Sandbox::new();
    let shown = sandbox.run(&["model", "S1", "--json"]);
    let file = sandbox.path("out.json");
    let written = sandbox.run(&["model", "S1", "--json", "-o", file.as_str()]);
    assert_eq!(written.code, Some(0));
    assert_eq!(written.stdout, "");
    assert_eq!(
        std::fs::read_to_string(file).unwrap().trim_end(),
        shown.stdout
    );
}

#[test]
fn a_fifo_that_nobody_reads_is_refused_and_not_waited_for() {
    let sandbox = Sandbox::new();
    let fifo = sandbox.path("fifo");
    callsites::fuzz::trap::fifo(&fifo).unwrap();
    for words in [
        &["model", "list"][..],
        &["audit", "--json"],
        &["convert", "--unsigned"],
    ] {
        let outcome = sandbox.run(&[words, &["-o", fifo.as_str()]].concat());
        assert_eq!(outcome.code, Some(2), "{words:?}: {}", outcome.stderr);
    }
    let directory = sandbox.run(&["model", "list", "-o", sandbox.path("home").as_str()]);
    assert_eq!(directory.code, Some(2), "{}", directory.stderr);
}

#[test]
fn what_is_open_already_is_written_to_and_not_replaced() {
    let sandbox = Sandbox::new();
    let shown = in_shell(&sandbox, "", "model list -q");
    assert_eq!(shown.code, Some(0));
    for place in ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"] {
        let piped = in_shell(&sandbox, "", &format!("model list -q -o {place} | cat"));
        assert_eq!(piped.stdout, shown.stdout, "{place}");
        let file = sandbox.path("file");
        let ended = in_shell(&sandbox, "", &format!("model list -q -o {place} >{file}"));
        assert_eq!(ended.code, Some(0), "{place}: {}", ended.stderr);
        assert_eq!(
            std::fs::read_to_string(&file).unwrap().trim_end(),
            shown.stdout
        );
    }
    let null = sandbox.run(&["model", "list", "-o", "/dev/null"]);
    assert_eq!(null.code, Some(0), "{}", null.stderr);
    use std::os::unix::fs::FileTypeExt;
    assert!(
        std::fs::metadata("/dev/null")
            .unwrap()
            .file_type()
            .is_char_device()
    );
}

#[test]
fn colour_is_asked_for_or_absent() {
    let sandbox = Sandbox::new();
    let plain = sandbox.run(&["model", "S99"]);
    assert!(!plain.stderr.contains('\x1b'));
    let coloured = sandbox.run(&["model", "S99", "--color", "always"]);
    assert!(coloured.stderr.contains("\x1b[1;31merror:"));
    let never = Outcome::of(
        &sandbox
            .xtask(&["model", "S99", "--color=auto"])
            .env("NO_COLOR", "1"),
    );
    assert!(!never.stderr.contains('\x1b'));
}

#[test]
fn the_growth_that_the_page_on_the_model_shows_is_what_the_verb_prints() {
    let page = include_str!("../../../docs/model.md");
    let command = "$ cargo xtask model table --growth\n";
    let shown = page.split_once(command).unwrap().1;
    let shown = shown.split_once("\n```").unwrap().0;
    let outcome = Sandbox::new().run(&["model", "table", "--growth"]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    assert_eq!(outcome.stdout, shown);
}

#[test]
fn a_rehearsal_writes_no_file() {
    let sandbox = Sandbox::new();
    let trace = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../refimpl/data/traces/null-prefix.trace"
    );
    for words in [
        &["audit", "drivers/misc/onebuf.c"][..],
        &["audit", "--explain", "R3"],
        &["kernel", "list"],
        &["ktest", "--list-targets"],
        &["model", "S1"],
        &["model", "S1", "--format", "html"],
        &["refimpl", "trace", trace],
    ] {
        let file = sandbox.path("result");
        let outcome = sandbox.run(&[words, &["-n", "-o", file.as_str()]].concat());
        assert_eq!(outcome.code, Some(0), "{words:?}: {}", outcome.stderr);
        assert!(!file.exists(), "{words:?}");
    }
}

#[test]
fn a_result_is_json_where_that_is_asked_for() {
    let sandbox = Sandbox::new();
    let trace = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../refimpl/data/traces/null-prefix.trace"
    );
    for words in [
        &["audit", "drivers/misc/onebuf.c"][..],
        &["audit", "--explain", "R3"],
        &["codegen", "--check"],
        &["doctor"],
        &["kernel", "list"],
        &["ktest", "--list-targets"],
        &["model", "S1"],
        &["model", "list"],
        &["refimpl", "trace", trace],
        &["tidy"],
    ] {
        let outcome = sandbox.run(&[words, &["--json"]].concat());
        let value: serde_json::Value = serde_json::from_str(&outcome.stdout)
            .unwrap_or_else(|error| panic!("{words:?}: {error}: {}", outcome.stdout));
        assert!(value["schema"].is_string(), "{words:?}: {value}");
    }
}

#[test]
fn two_formats_of_one_result_are_refused() {
    let sandbox = Sandbox::new();
    for words in [
        &["audit", "--json", "--format", "csv"][..],
        &["ktest", "--json", "--format", "junit"],
        &["model", "S1", "--json", "--format", "html"],
    ] {
        let outcome = sandbox.run(words);
        assert_eq!(outcome.code, Some(2), "{words:?}: {}", outcome.stderr);
        assert!(
            outcome.stderr.contains("two formats of one result"),
            "{}",
            outcome.stderr
        );
    }
    let same = sandbox.run(&["model", "list", "--json"]);
    assert_eq!(same.code, Some(0), "{}", same.stderr);
}

#[test]
fn an_unknown_verb_flag_or_format_is_usage() {
    let sandbox = Sandbox::new();
    for words in [
        &["nonsense"][..],
        &["model", "--nonsense"],
        &["ktest", "--target", "nonsense"],
        &[],
    ] {
        assert_eq!(sandbox.run(words).code, Some(2), "{words:?}");
    }
    assert_eq!(sandbox.run(&["--help"]).code, Some(0));
}

#[test]
fn help_on_a_full_disk_is_no_success() {
    let sandbox = Sandbox::new();
    for words in [&["--help"][..], &["audit", "--help"], &["--version"]] {
        let ended = in_shell(&sandbox, "", &format!("{} >/dev/full", words.join(" ")));
        assert_eq!(ended.code, Some(69), "{words:?}");
    }
}

#[test]
fn a_machine_without_memory_is_exit_69_and_no_trace() {
    let sandbox = Sandbox::new();
    // The state space of this model has no end that 200 MB would hold.
    let words = "-q model S1 --pages 4 --devices 4 --cpus 4 --fsyncs 4";
    let ended = in_shell(&sandbox, "ulimit -v 200000; ", words);
    assert_eq!(ended.code, Some(69), "{}", ended.stderr);
    assert!(ended.stderr.contains("no more memory"), "{}", ended.stderr);
}

/// The program in a shell, for what only a shell can set up.
fn in_shell(sandbox: &Sandbox, before: &str, words: &str) -> Outcome {
    let program = env!("CARGO_BIN_EXE_xtask");
    let command = proc::Command::new("sh")
        .args(["-c", &format!("{before}exec {program} {words}")])
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .env("HOME", sandbox.path("home"))
        .deadline(std::time::Duration::from_secs(120));
    Outcome::of(&command)
}
