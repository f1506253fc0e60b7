// SPDX-License-Identifier: MIT OR Apache-2.0
//! Names that a stranger chose, in everything that is printed: each is seen for what it is, and obeyed by nobody.

use crate::sandbox::{Outcome, Sandbox};
use camino::Utf8PathBuf;

/// Names of files: what a terminal obeys, what ends a line, turns it, or closes a quote, and what a sheet calculates.
const NAMES: [&str; 12] = [
    "line\nfindings: forged",
    "line\r\nforged",
    "escape\x1b[2J\x1b]0;title\x07",
    "c1\u{9b}31m",
    "turned\u{202e}c.",
    "marked\u{200f}\u{2066}",
    "separated\u{2028}\u{2029}",
    "deleted\x7f\x08",
    "=cmd|' !A0",
    "</script><script>alert(1)</script>",
    "\"quoted\", 'and' \\back",
    "%41%0a:1:1: error: forged",
];

const DRIVER: &str = "static int take(unsigned long a, struct page **p)\n{\n\tint n = get_user_pages_fast(a, 1, 0, p);\n\n\
                      \tif (n == 1)\n\t\tput_page(p[0]);\n\treturn 0;\n}\n";

/// The small tree with a driver under each of the names.
fn tree(sandbox: &Sandbox) -> Utf8PathBuf {
    let tree = sandbox.path("tree");
    callsites::embedded::materialise(callsites::embedded::Era::V6_12, &tree).unwrap();
    for name in NAMES {
        // A name with a slash in it is one in a directory.
        let path = tree.join("drivers/misc").join(format!("{name}.c"));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, DRIVER).unwrap();
    }
    tree
}

fn audited(sandbox: &Sandbox, words: &[&str]) -> Outcome {
    let tree = tree(sandbox);
    let audit = ["audit", "--kernel", tree.as_str()];
    sandbox.run(&[&audit[..], words].concat())
}

#[track_caller]
fn harmless(what: &str, text: &str) {
    let hidden = |c: &char| callsites::formats::visible::hidden(*c) && *c != '\r';
    let found = text.char_indices().find(|(_, c)| hidden(c));
    assert_eq!(found.map(|(_, c)| c), None, "{what} has it in {text:?}");
}

#[test]
fn no_format_of_an_audit_has_a_character_that_is_obeyed() {
    let sandbox = Sandbox::new();
    for format in ["text", "json", "sarif", "csv", "html", "quickfix"] {
        let outcome = audited(&sandbox, &["--format", format]);
        assert_eq!(outcome.code, Some(0), "{format}: {}", outcome.stderr);
        harmless(format, &outcome.stdout);
        harmless(format, &outcome.stderr);
        if format != "csv" {
            assert!(!outcome.stdout.contains('\r'), "{format}");
        }
    }
}

#[test]
fn a_name_with_a_line_end_is_one_line_of_an_error_list() {
    let sandbox = Sandbox::new();
    let outcome = audited(&sandbox, &["--format", "quickfix"]);
    let lines: Vec<&str> = outcome.stdout.lines().collect();
    assert!(lines.len() > NAMES.len());
    let shape = regex::Regex::new(r"^\S.*:\d+:\d+: (error|warning|note): \S").unwrap();
    for line in &lines {
        assert!(shape.is_match(line), "{line:?}");
        assert!(
            !line.starts_with("findings") && !line.starts_with("forged"),
            "{line:?}"
        );
    }
    assert!(outcome.stdout.contains(r"line\u{a}findings: forged.c:"));
    let text = audited(&sandbox, &[]);
    assert!(
        !text
            .stdout
            .lines()
            .any(|line| line.starts_with("findings: forged"))
    );
}

#[test]
fn json_and_sarif_escape_what_is_hidden_and_keep_the_name() {
    let sandbox = Sandbox::new();
    for format in ["json", "sarif"] {
        let outcome = audited(&sandbox, &["--format", format]);
        let value: serde_json::Value = serde_json::from_str(&outcome.stdout).unwrap();
        assert!(value.is_object());
    }
    let outcome = audited(&sandbox, &["--json"]);
    assert!(outcome.stdout.contains(r"c1\u009b31m") && outcome.stdout.contains(r"turned\u202ec."));
    let value: serde_json::Value = serde_json::from_str(&outcome.stdout).unwrap();
    let paths: Vec<&str> = value["callsites"]
        .as_array()
        .unwrap()
        .iter()
        .map(|site| site["path"].as_str().unwrap())
        .collect();
    for name in NAMES {
        let path = format!("drivers/misc/{name}.c");
        assert!(paths.contains(&path.as_str()), "{path:?}");
    }
}

#[test]
fn a_cell_is_no_formula_and_a_page_has_one_script() {
    let sandbox = Sandbox::new();
    let csv = audited(&sandbox, &["--format", "csv"]).stdout;
    for cell in csv.split(['\n', ',']) {
        assert!(!cell.starts_with(['=', '+', '-', '@']), "{cell:?}");
        assert!(!cell.starts_with("\"="), "{cell:?}");
    }
    let html = audited(&sandbox, &["--format", "html"]).stdout;
    assert!(!html.contains("<script>alert"));
}

#[test]
fn talk_and_errors_and_stories_show_a_name_and_do_not_obey_it() {
    let sandbox = Sandbox::new();
    let hostile = "escape\x1b[2J\x1b]0;title\x07\u{202e}\u{9b}";
    for words in [
        &["audit", "--kernel", hostile][..],
        &["audit", hostile],
        &["audit", "--explain", hostile],
        &["apply", hostile, "-o", "x"],
        &["build", hostile],
        &["report", hostile],
        &["kernel", "get", hostile],
        &["model", "S1", "-o", "/nowhere/\x1b[2J"],
    ] {
        let outcome = sandbox.run(words);
        assert!(outcome.code.is_some_and(|code| code != 0), "{words:?}");
        harmless(&format!("{words:?}"), &outcome.stderr);
    }
    let json = audited(&sandbox, &["--json"]).stdout;
    let value: serde_json::Value = serde_json::from_str(&json).unwrap();
    let sites = value["callsites"].as_array().unwrap();
    let site = sites
        .iter()
        .find(|site| site["path"].as_str().unwrap().contains('\x1b'))
        .unwrap();
    for words in [&["--explain"][..], &["--json", "--explain"]] {
        let id = site["id"].as_str().unwrap();
        let told = audited(&sandbox, &[words, &[id]].concat());
        assert_eq!(told.code, Some(0), "{}", told.stderr);
        harmless("a story", &told.stdout);
    }
}
