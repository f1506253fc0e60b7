// SPDX-License-Identifier: MIT OR Apache-2.0
//! Every kind of page in a real browser. Where there is none, the tests say so and prove nothing.
//!
//! The pages are those of the small tree. KERNEL_TREE names a kernel whose page is opened as well, and PAGE_RUNS, separated by
//! colons, directories of recorded runs; without them the tests say that they skip that.

mod figures;
mod hostile;
mod keys;
mod kinds;
mod many;

use super::devtools::{Tab, program};
use crate::runs::page;
use crate::runs::record::{Inputs, OfModule, Record, SCHEMA};
use crate::runs::shown::{self, Shown};
use callsites::formats::html::Excerpts;
use callsites::formats::write_page;
use callsites::report::{Era, Report};
use callsites::tree::Tree;
use camino::{Utf8Path, Utf8PathBuf};
use patches::{ConvertOptions, Select, Series, Signer};
use serde_json::{Value, json};

fn skipped() {
    eprintln!("skipped: there is no Chromium on this machine (cargo xtask doctor --install)");
}

fn tab() -> Option<Tab> {
    if program().is_none() {
        skipped();
        return None;
    }
    Some(Tab::start().unwrap())
}

fn audited(tree: &Tree) -> (Report, Excerpts) {
    let report = callsites::audit(tree, &callsites::AuditOptions::default()).unwrap();
    let excerpts = Excerpts::of(tree, &report);
    (report, excerpts)
}

fn embedded() -> (Report, Excerpts) {
    audited(&Tree::embedded(Era::Pin))
}

/// A series of two patches for the small tree, with its mails.
fn series(report: &Report, dir: &Utf8Path) -> Series {
    let mut options = ConvertOptions::new(dir.join("work"));
    options.signer = Signer::Unsigned;
    options.select = Select::Paths(vec![
        "drivers/misc/onebuf.c".into(),
        "drivers/misc/mixpool.c".into(),
        "fs/toyfs".into(),
    ]);
    patches::convert(&Tree::embedded(Era::Pin), report, &options).unwrap()
}

/// A kernel to look at beside the small tree.
fn kernel() -> Option<(Report, Excerpts)> {
    match std::env::var("KERNEL_TREE") {
        Ok(root) => Some(audited(&Tree::open(&root).unwrap())),
        Err(_) => {
            eprintln!("skipped: KERNEL_TREE names no kernel, so that no page of one is opened");
            None
        }
    }
}

/// Recorded runs to look at.
fn recorded() -> Vec<Shown> {
    let Ok(list) = std::env::var("PAGE_RUNS") else {
        eprintln!("skipped: PAGE_RUNS names no recorded runs, so that no page of one is opened");
        return Vec::new();
    };
    let runs = list.split(':').filter(|dir| !dir.is_empty());
    runs.map(|dir| shown::read(Utf8Path::new(dir)).unwrap())
        .collect()
}

fn written(dir: &Utf8Path, name: &str, html: &str) -> Utf8PathBuf {
    let path = dir.join(name);
    std::fs::write(&path, html).unwrap();
    path
}

fn of_audit(report: &Report, excerpts: &Excerpts) -> String {
    let mut bytes = Vec::new();
    write_page(report, excerpts, &page::of_audit(report), &mut bytes).unwrap();
    String::from_utf8(bytes).unwrap()
}

/// Lines of a list that are not hidden.
fn shown_of(tab: &mut Tab, what: &str) -> u64 {
    let lines = format!(
        "document.querySelectorAll('.list[data-what=\"{what}\"] > .row:not([hidden])').length"
    );
    tab.evaluate(&lines).unwrap().as_u64().unwrap()
}

/// A run with a good kernel, one that complains, and one that was not run.
fn run(text: &str, audit: Report, excerpts: Excerpts, series: Option<Series>) -> Shown {
    let pins = |taken: u64, given: u64| json!({ "acquired": taken, "released": given, "balanced": taken == given, "held": null });
    let target = |result: &str, splats: Value| {
        json!({ "name": text, "result": result, "reason": text, "drift_pages": null, "splats": splats, "pins": pins(40, 39),
            "subtests": [{ "name": text, "result": "pass", "reason": text, "seconds": 0.5, "pins": pins(40, 39) }],
            "callsites": [{ "id": audit.callsites[0].id, "evidence": "executed" }] })
    };
    let build = json!({ "result": "pass", "reason": null, "new_warnings": [text], "image_hash": null, "seconds": 12.0 });
    let splat = json!([{ "kind": text, "first_line": text, "console_line": 2, "function": text, "trace": [text] }]);
    let stage = |number: usize, targets: Value| {
        json!({ "number": number, "subject": text, "build": build, "targets": targets, "exercise": { "result": "partly",
            "ran": [text], "not_run": [{ "function": text, "why": text }], "calls_not_run": [text] } })
    };
    let verdict = json!({ "schema": "verdict/1", "result": "fail", "reason": text, "run": "1", "first_bad": null,
        "base": stage(0, json!([target("pass", json!([]))])),
        "patches": [stage(1, json!([target("crash", splat)])), stage(2, json!([]))] });
    let record = Record {
        schema: SCHEMA.into(),
        inputs: Inputs {
            tree: text.into(),
            revision: Some(text.into()),
            paths: vec![text.into()],
            targets: vec![text.into()],
            kbuild: vec![(text.into(), text.into())],
            module: Some(OfModule {
                place: text.into(),
                headers: vec![text.into()],
                oldest: Some(text.into()),
            }),
        },
        tools: [(text.to_owned(), text.to_owned())].into(),
        stages: vec![],
    };
    Shown {
        id: text.into(),
        record,
        audit: Some(audit),
        excerpts,
        series,
        mails: vec![(text.into(), text.into())],
        consoles: [(1, vec![format!("one\n{text}\nthree")])].into(),
        verdict: Some(serde_json::from_value(verdict).unwrap()),
    }
}

/// Types into the search.
fn typed(tab: &mut Tab, text: &str) {
    let input = "document.getElementById('find')";
    tab.evaluate(&format!(
        "{input}.value = '{text}'; {input}.dispatchEvent(new Event('input'))"
    ))
    .unwrap();
}
