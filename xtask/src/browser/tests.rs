// SPDX-License-Identifier: MIT OR Apache-2.0
//! Every kind of page in a real browser. Where there is none, the tests say so and prove nothing.

use super::devtools::{Tab, program};
use super::look::look;
use crate::runs::page;
use crate::runs::record::{Inputs, OfModule, Record, SCHEMA};
use crate::runs::shown::Shown;
use callsites::formats::html::Excerpts;
use callsites::formats::write_page;
use callsites::report::{Era, Report, Severity};
use callsites::tree::Tree;
use camino::{Utf8Path, Utf8PathBuf};
use serde_json::{Value, json};

fn tab() -> Option<Tab> {
    if program().is_none() {
        eprintln!("skipped: there is no Chromium on this machine (cargo xtask doctor --install)");
        return None;
    }
    Some(Tab::start().unwrap())
}

fn embedded() -> (Report, Excerpts) {
    let tree = Tree::embedded(Era::Pin);
    let report = callsites::audit(&tree, &callsites::AuditOptions::default()).unwrap();
    let excerpts = Excerpts::of(&tree, &report);
    (report, excerpts)
}

fn written(dir: &Utf8Path, name: &str, html: &str) -> Utf8PathBuf {
    let path = dir.join(name);
    std::fs::write(&path, html).unwrap();
    path
}

fn of_audit(report: &Report, excerpts: &Excerpts) -> String {
    let mut bytes = Vec::new();
    write_page(report, excerpts, &mut bytes).unwrap();
    String::from_utf8(bytes).unwrap()
}

/// A run with a good kernel, one that complains, and one that was not run.
fn run(text: &str, audit: Report, excerpts: Excerpts) -> Shown {
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
        series: None,
        mails: vec![(text.into(), text.into())],
        consoles: [(1, format!("one\n{text}\nthree"))].into(),
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

/// axe-core, where AXE_CORE names its file.
fn axe() -> Option<String> {
    let path = std::env::var("AXE_CORE").ok();
    if path.is_none() {
        eprintln!(
            "skipped: AXE_CORE names no axe.min.js, so that contrast and roles are not checked"
        );
    }
    Some(std::fs::read_to_string(path?).unwrap())
}

#[test]
fn every_kind_of_page_fits_every_width_and_breaks_no_word() {
    let Some(mut tab) = tab() else { return };
    let dir = tempfile::tempdir().unwrap();
    let dir = Utf8Path::from_path(dir.path()).unwrap();
    let (report, excerpts) = embedded();
    let scenarios = [refimpl::model::scenario("S1").unwrap()];
    let model = refimpl::model::run(&scenarios, &refimpl::model::Selection::OWN).unwrap();
    let options = refimpl::model::TableOptions {
        policies: vec![],
        drivers: vec![refimpl::model::Driver::AtOnce],
        callsites: vec![],
        jobs: 1,
    };
    let table = refimpl::model::table(&options).unwrap();
    let text = "infiniband: what a target says";
    let pages = [
        written(dir, "audit.html", &of_audit(&report, &excerpts)),
        written(
            dir,
            "run.html",
            &page::page(&[run(text, report.clone(), excerpts.clone())]),
        ),
        written(
            dir,
            "runs.html",
            &page::page(&[
                run(text, report.clone(), excerpts.clone()),
                run(text, report, excerpts),
            ]),
        ),
        written(dir, "model.html", &refimpl::model::html::report(&model)),
        written(dir, "table.html", &refimpl::model::html::table(&table)),
    ];
    let axe = axe();
    for page in &pages {
        let seen = look(&mut tab, page).unwrap();
        assert!(seen.is_good(), "{seen:#?}");
        let Some(axe) = &axe else { continue };
        for scheme in ["light", "dark"] {
            tab.prefer(scheme).unwrap();
            tab.open(page, "", 1300).unwrap();
            tab.evaluate("document.querySelectorAll('.list').forEach(list => { const row = list.querySelector('.row'); if (row) row.open = true; })").unwrap();
            tab.evaluate(&format!("{axe}; true")).unwrap();
            let found = tab
                .evaluate("axe.run().then(found => found.violations.filter(one => ['serious', 'critical'].includes(one.impact)).map(one => `${one.id}: ${one.nodes.slice(0, 3).map(node => node.html.slice(0, 200)).join(' | ')}`))")
                .unwrap();
            assert_eq!(found, json!([]), "{page} {scheme}");
        }
    }
}

#[test]
fn figures_are_those_of_the_report_a_click_filters_and_a_link_opens() {
    let Some(mut tab) = tab() else { return };
    let dir = tempfile::tempdir().unwrap();
    let dir = Utf8Path::from_path(dir.path()).unwrap();
    let (report, excerpts) = embedded();
    let page = written(dir, "audit.html", &of_audit(&report, &excerpts));
    tab.open(&page, "", 1300).unwrap();
    let figure = |tab: &mut Tab, value: &str| {
        tab.evaluate(&format!(
            "Number(document.querySelector('.figure[data-value=\"{value}\"] .count').textContent)"
        ))
        .unwrap()
    };
    let shown = |tab: &mut Tab, what: &str| {
        tab.evaluate(&format!(
            "document.querySelectorAll('.list[data-what=\"{what}\"] > .row:not([hidden])').length"
        ))
        .unwrap()
    };
    let convertible = report
        .groups
        .iter()
        .filter(|group| group.convertible)
        .count();
    let errors = report
        .findings
        .iter()
        .filter(|finding| finding.severity == Severity::Error)
        .count();
    assert!(convertible > 0 && convertible < report.groups.len());
    assert_eq!(figure(&mut tab, "convert"), json!(convertible));
    assert_eq!(figure(&mut tab, "error"), json!(errors));
    let states = ["convert", "blocked", "done", "keep"];
    let all: u64 = states
        .iter()
        .map(|state| figure(&mut tab, state).as_u64().unwrap())
        .sum();
    assert_eq!(
        all,
        report.groups.len() as u64,
        "every group stands somewhere"
    );
    assert_eq!(shown(&mut tab, "group"), json!(report.groups.len()));

    tab.evaluate("document.querySelector('.figure[data-value=convert]').click()")
        .unwrap();
    assert_eq!(shown(&mut tab, "group"), json!(convertible));
    let said = tab
        .evaluate("document.getElementById('shown').textContent")
        .unwrap();
    let wanted = format!("{convertible} of {} groups", report.groups.len());
    assert!(said.as_str().unwrap().contains(&wanted), "{said}");
    let address = tab
        .evaluate("new Promise(done => setTimeout(() => done(location.hash), 500))")
        .unwrap();
    assert_eq!(address, "#state=convert", "what is filtered can be sent");

    // A link leads to its group whatever is filtered, and opens it.
    let kept = report
        .groups
        .iter()
        .find(|group| !group.convertible)
        .unwrap();
    tab.evaluate(&format!(
        "location.hash = 'group={}'; new Promise(done => setTimeout(done, 100))",
        kept.id
    ))
    .unwrap();
    let open = format!(
        "(() => {{ const row = document.getElementById('group={}'); return row.open && !row.hidden && row.contains(document.activeElement); }})()",
        kept.id
    );
    assert_eq!(tab.evaluate(&open).unwrap(), json!(true));
    tab.open(&page, &format!("#group={}", kept.id), 1300)
        .unwrap();
    assert_eq!(
        tab.evaluate(&open).unwrap(),
        json!(true),
        "from the address too"
    );

    // A filter comes from the address; Escape takes it away; what is typed finds a function.
    tab.open(&page, "#state=convert", 1300).unwrap();
    assert_eq!(shown(&mut tab, "group"), json!(convertible));
    tab.evaluate("dispatchEvent(new KeyboardEvent('keydown', { key: 'Escape' }))")
        .unwrap();
    assert_eq!(shown(&mut tab, "group"), json!(report.groups.len()));
    let site = report
        .callsites
        .iter()
        .find(|site| site.group.is_some())
        .unwrap();
    typed(&mut tab, &site.function);
    let group = site.group.as_ref().unwrap();
    let found = tab
        .evaluate(&format!("!document.getElementById('group={group}').hidden"))
        .unwrap();
    assert_eq!(found, json!(true));
    assert!(shown(&mut tab, "group").as_u64().unwrap() < report.groups.len() as u64);
    typed(&mut tab, "no such function");
    assert_eq!(shown(&mut tab, "group"), json!(0));
    assert_eq!(tab.complaints, [""; 0]);
}

/// Texts that act where they are not escaped.
const HOSTILE: &[&str] = &[
    "</script><script>hit()</script>",
    "<!--<script>hit()",
    "<img src=x onerror=hit()>",
    "\" autofocus onfocus=\"hit()",
    "</style><style>*{display:none}</style><svg onload=hit()>",
    "</title></textarea></noscript><script>hit()</script>",
    "javascript:hit()//\u{2028}\u{202e}",
];

/// A copy of a JSON value with `text` in place of every string that no reader of it holds to a form.
fn with(value: &Value, text: &str) -> Value {
    const FORMS: [&str; 15] = [
        "schema",
        "era",
        "role",
        "verdict",
        "confidence",
        "severity",
        "when",
        "group",
        "id",
        "acquires",
        "releases",
        "dirties",
        "shape",
        "span",
        "edit",
    ];
    match value {
        Value::String(_) => text.into(),
        Value::Array(all) => all.iter().map(|one| with(one, text)).collect(),
        Value::Object(fields) => {
            let field = |(name, value): (&String, &Value)| {
                let kept = FORMS.contains(&name.as_str());
                (
                    name.clone(),
                    if kept {
                        value.clone()
                    } else {
                        with(value, text)
                    },
                )
            };
            Value::Object(fields.iter().map(field).collect())
        }
        other => other.clone(),
    }
}

#[test]
fn hostile_texts_in_every_field_do_nothing() {
    let Some(mut tab) = tab() else { return };
    let dir = tempfile::tempdir().unwrap();
    let dir = Utf8Path::from_path(dir.path()).unwrap();
    let (report, _) = embedded();
    let value = serde_json::to_value(&report).unwrap();
    for text in HOSTILE {
        let hostile: Report = serde_json::from_value(with(&value, text)).unwrap();
        let excerpts = Excerpts::read_by(
            &|_| Some(format!("{text}\n").repeat(300).into_bytes()),
            &hostile,
        );
        let page = written(
            dir,
            "hostile.html",
            &page::page(&[run(text, hostile, excerpts)]),
        );
        tab.open(&page, "", 1300).unwrap();
        tab.evaluate("document.querySelectorAll('details').forEach(row => row.open = true); new Promise(done => setTimeout(done, 100))").unwrap();
        let seen = tab
            .evaluate("[document.scripts.length, document.querySelectorAll('style').length, document.images.length, document.querySelectorAll('[onload], [onerror], [onfocus], [autofocus], [href^=javascript]').length, typeof hit, getComputedStyle(document.body).display]")
            .unwrap();
        assert_eq!(seen, json!([1, 1, 0, 0, "undefined", "block"]), "{text}");
        assert_eq!(tab.complaints, [""; 0], "{text}");
    }
}

#[test]
fn ten_thousand_groups_are_laid_out_in_portions() {
    let Some(mut tab) = tab() else { return };
    let dir = tempfile::tempdir().unwrap();
    let dir = Utf8Path::from_path(dir.path()).unwrap();
    let (mut report, _) = embedded();
    // One call each: it is the number of rows that is tried here, not the size of what is below them.
    let group = callsites::report::Group {
        releases: vec![],
        dirties: vec![],
        ..report.groups[0].clone()
    };
    report
        .callsites
        .retain(|site| group.acquires.contains(&site.id));
    report.groups = (0..10_000)
        .map(|number| callsites::report::Group {
            id: format!("{number:012x}"),
            ..group.clone()
        })
        .collect();
    report.findings.clear();
    let page = written(dir, "many.html", &of_audit(&report, &Excerpts::default()));
    tab.open(&page, "", 1300).unwrap();
    let rows = "document.querySelectorAll('.list[data-what=group] > .row:not([hidden])').length";
    let first = tab.evaluate(rows).unwrap().as_u64().unwrap();
    assert!((1..1000).contains(&first), "{first} rows at once");
    let last = "#group=00000000270f";
    tab.open(&page, last, 1300).unwrap();
    let open = tab
        .evaluate("document.getElementById('group=00000000270f').open")
        .unwrap();
    assert_eq!(open, json!(true), "a link leads to the last of them too");
    // What a keystroke costs is measured by `bench`; here it is enough that no more than a portion is ever laid out.
    tab.open(&page, "", 1300).unwrap();
    for text in ["p", "pu", "no such function", ""] {
        typed(&mut tab, text);
        let shown = tab.evaluate(rows).unwrap().as_u64().unwrap();
        assert!(shown <= first, "{shown} rows for `{text}`");
        assert_eq!(shown == 0, text == "no such function");
    }
}
