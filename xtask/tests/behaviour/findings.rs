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
fn a_check_fails_on_what_is_new_since_a_revision_and_on_the_rules_that_it_is_asked_about() {
    let sandbox = Sandbox::new();
    let tree = tree(&sandbox);
    let root = sandbox.path("tree");
    sandbox.write("tree/drivers/frob/frob.c", loses("frob_open").as_bytes());
    let author = proc::git::mail::Committer {
        name: "Somebody".into(),
        email: "somebody@example.org".into(),
        seconds: 1_700_000_000,
    };
    proc::git::store::init(root.as_std_path()).unwrap();
    proc::git::store::commit_all(root.as_std_path(), "frob: add it", &author).unwrap();
    let check = |words: &[&str]| {
        let all = ["audit", "--kernel", &tree, "--no-cache", "--check"];
        sandbox.run(&[&all[..], words].concat())
    };
    assert_eq!(check(&[]).code, Some(1));
    assert_eq!(check(&["--rule", "R3"]).code, Some(1));
    let other = check(&["--rule", "R7"]);
    assert_eq!(other.code, Some(0), "{}", other.stdout);
    let same = check(&["--since", "HEAD"]);
    assert_eq!(same.code, Some(0), "{}", same.stderr);
    sandbox.write("tree/drivers/frob/more.c", loses("frob_write").as_bytes());
    let more = check(&["--since", "HEAD"]);
    assert_eq!(more.code, Some(1), "{}", more.stderr);
    let said = "drivers/frob/more.c:8 frob_write() finding R3: new:";
    assert!(more.stdout.contains(said), "{}", more.stdout);
    assert_eq!(check(&["--since", "HEAD", "--rule", "R3"]).code, Some(2));
}

#[test]
fn where_nothing_can_be_read_nothing_is_said() {
    let sandbox = Sandbox::new();
    let tree = tree(&sandbox);
    std::fs::remove_file(sandbox.path("tree/include/linux/mm.h")).unwrap();
    let outcome = audit(&sandbox, &tree, &["--check"]);
    assert_eq!(outcome.code, Some(2), "{}", outcome.stdout);
    let said = "nothing of Linux 6.12.1";
    assert!(outcome.stderr.contains(said), "{}", outcome.stderr);
    // A hole of more bytes than are read of any file.
    let file = std::fs::File::create(sandbox.path("tree/large.c")).unwrap();
    file.set_len(17 << 20).unwrap();
    let outcome = audit(&sandbox, &tree, &["large.c"]);
    assert_eq!(outcome.code, Some(2), "{}", outcome.stdout);
    assert!(
        outcome.stderr.contains("larger than 16 MiB"),
        "{}",
        outcome.stderr
    );
    sandbox.write("tree/small.c", b"int a;\n");
    assert_eq!(audit(&sandbox, &tree, &[]).code, Some(0));
    assert_eq!(audit(&sandbox, &tree, &["large.c"]).code, Some(2));
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
