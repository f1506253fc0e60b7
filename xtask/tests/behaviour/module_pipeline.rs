// SPDX-License-Identifier: MIT OR Apache-2.0
//! The whole way of a module outside the kernel in one run.

use crate::modules::{headers, module};
use crate::sandbox::Outcome;

/// The stages of a run, "build passed".
fn stages(outcome: &Outcome) -> Vec<String> {
    let whole: serde_json::Value = serde_json::from_str(&outcome.stdout).unwrap();
    let stages = whole["record"]["stages"].as_array().unwrap();
    stages
        .iter()
        .map(|stage| {
            let word = |name: &str| stage[name].as_str().unwrap();
            format!("{} {}", word("name"), word("result"))
        })
        .collect()
}

#[test]
fn a_module_goes_the_whole_way_and_passes_where_it_is_compiled() {
    let sandbox = module();
    if proc::on_path("make").is_none() {
        eprintln!("skipped: no make");
        return;
    }
    let module = sandbox.path("drv");
    let good = headers(&sandbox, "linux-headers-good", "struct box");
    let bad = headers(&sandbox, "linux-headers-bad", "put_page(b");
    let none = headers(&sandbox, "linux-headers-none", "never");
    let pipeline = |words: &[&str]| {
        let of = [
            "pipeline",
            "--json",
            "--module",
            module.as_str(),
            "--for",
            "6.12",
        ];
        sandbox.run(&[&of[..], words].concat())
    };
    let outcome = pipeline(&["--headers", good.as_str(), none.as_str(), "src"]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    let all = [
        "audit passed",
        "convert passed",
        "apply passed",
        "build passed",
    ];
    assert_eq!(stages(&outcome), all);
    let whole: serde_json::Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!(whole["result"], "pass");
    let not_checked = whole["not_checked"].as_str().unwrap();
    assert!(not_checked.contains("not run"), "{not_checked}");
    assert_eq!(
        whole["record"]["stages"][3]["summary"],
        "1 patch compiled against 1 of 2 kernels, without a new warning"
    );
    // A run that was begun with other headers is another run.
    let run = whole["run"].as_str().unwrap();
    let other = pipeline(&["--headers", bad.as_str(), "--resume", run]);
    assert_eq!(other.code, Some(2), "{}", other.stderr);
    let outcome = pipeline(&["--headers", bad.as_str()]);
    assert_eq!(outcome.code, Some(4), "{}", outcome.stderr);
    assert_eq!(stages(&outcome)[3..], ["build failed"]);
    let outcome = pipeline(&["--headers", none.as_str()]);
    assert_eq!(outcome.code, Some(69), "{}", outcome.stderr);
    assert_eq!(stages(&outcome)[3..], ["build failed"]);
    let outcome = pipeline(&[]);
    assert_eq!(outcome.code, Some(1), "{}", outcome.stderr);
    // Nothing has tried what was converted: that is no pass.
    assert_eq!(stages(&outcome)[3..], ["build skipped"]);
    let outcome = pipeline(&["--target", "vmci"]);
    assert_eq!(outcome.code, Some(2), "{}", outcome.stderr);
    let outcome = pipeline(&["--headers", "no-such-headers"]);
    assert_eq!(outcome.code, Some(2), "{}", outcome.stderr);
    let outcome = pipeline(&["--oldest", "5.4", "-n"]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    assert!(
        outcome.stderr.contains("compile base and patched"),
        "{}",
        outcome.stderr
    );
}
