// SPDX-License-Identifier: MIT OR Apache-2.0
//! Findings that are known, findings that are new, and what a rule is about.

use crate::sandbox::{Outcome, Sandbox};

/// A function that loses a page on the way out.
fn loses(name: &str) -> String {
    format!(
        "int {name}(unsigned long start)\n{{\n\tstruct page *page;\n\n\tif (pin_user_pages_fast(start, 1, 0, &page) != 1)\n\t\treturn -EFAULT;\n\tif (frob_enable())\n\t\treturn -EIO;\n\tunpin_user_page(page);\n\treturn 0;\n}}\n"
    )
}

fn tree(sandbox: &Sandbox) -> String {
    sandbox.write(
        "tree/Makefile",
        b"VERSION = 6\nPATCHLEVEL = 12\nSUBLEVEL = 1\n",
    );
    sandbox.write(
        "tree/include/linux/mm.h",
        b"int pin_user_pages_fast(unsigned long, int, unsigned int, struct page **);\nvoid unpin_user_page(struct page *);\n",
    );
    sandbox.path("tree").into_string()
}

fn audit(sandbox: &Sandbox, tree: &str, more: &[&str]) -> Outcome {
    let mut words = vec!["audit", "--kernel", tree, "--no-cache", "--rule", "R3"];
    words.extend(more);
    sandbox.run(&words)
}

#[test]
fn a_baseline_counts_what_is_known_fails_on_what_is_new_and_tells_what_is_gone() {
    let sandbox = Sandbox::new();
    let tree = tree(&sandbox);
    let file = sandbox.path("known.json").into_string();
    let source = "tree/drivers/frob/frob.c";
    sandbox.write(source, loses("frob_open").as_bytes());

    let first = audit(&sandbox, &tree, &["--check", "--write-baseline", &file]);
    assert_eq!(first.code, Some(1), "{}", first.stderr);
    let known = audit(&sandbox, &tree, &["--check", "--baseline", &file]);
    assert_eq!(known.code, Some(0), "{}", known.stderr);
    assert!(!known.stdout.contains("frob_open"), "{}", known.stdout);
    let says = "findings: 1 known, 0 new, 0 expired";
    assert!(known.stderr.contains(says), "{}", known.stderr);

    let both = format!(
        "/* moved */\n\n{}\n{}",
        loses("frob_open"),
        loses("frob_write")
    );
    sandbox.write(source, both.as_bytes());
    let new = audit(&sandbox, &tree, &["--check", "--json", "--baseline", &file]);
    assert_eq!(new.code, Some(1), "{}", new.stderr);
    let report: serde_json::Value = serde_json::from_str(&new.stdout).unwrap();
    assert_eq!(report["findings"].as_array().map(Vec::len), Some(1));
    assert_eq!(report["findings"][0]["function"], "frob_write");
    assert_eq!(report["baseline"]["known"], 1);
    assert_eq!(report["baseline"]["new"], 1);

    sandbox.write(source, b"int frob_open(void)\n{\n\treturn 0;\n}\n");
    let gone = audit(&sandbox, &tree, &["--check", "--baseline", &file]);
    assert_eq!(gone.code, Some(0), "{}", gone.stderr);
    let says = "expired: drivers/frob/frob.c frob_open() R3 leak-on-error-path";
    assert!(gone.stderr.contains(says), "{}", gone.stderr);
}

#[test]
fn what_is_no_baseline_is_usage() {
    let sandbox = Sandbox::new();
    let tree = tree(&sandbox);
    let other = sandbox
        .write("other.json", b"{\"schema\": \"audit/1\"}")
        .into_string();
    let absent = sandbox.path("absent.json").into_string();
    for file in [&other, &absent] {
        let outcome = audit(&sandbox, &tree, &["--baseline", file]);
        assert_eq!(outcome.code, Some(2), "{}", outcome.stderr);
        assert!(
            outcome.stderr.contains("--write-baseline"),
            "{}",
            outcome.stderr
        );
    }
}

#[test]
fn a_rule_is_explained_without_a_tree_and_an_unknown_one_is_refused() {
    let sandbox = Sandbox::new();
    let told = sandbox.run(&["audit", "--kernel", "/nowhere", "--explain", "R9"]);
    assert_eq!(told.code, Some(0), "{}", told.stderr);
    for word in ["R9, double-release", "R9 success-after-release: error"] {
        assert!(told.stdout.contains(word), "{}", told.stdout);
    }
    let tree = tree(&sandbox);
    for words in [["--explain", "R99"], ["--rule", "R99"]] {
        let outcome = sandbox.run(&["audit", "--kernel", &tree, words[0], words[1]]);
        assert_eq!(outcome.code, Some(2), "{}", outcome.stderr);
    }
}
