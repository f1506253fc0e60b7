// SPDX-License-Identifier: MIT OR Apache-2.0
//! Each kind of page at every width: nothing is too wide, broken or cut off, nothing is complained of, and axe-core finds
//! nothing serious.

use super::*;
use crate::browser::look::{OPEN, WIDTHS, look};

/// In bytes: what the page of a whole kernel may weigh.
const LARGEST: u64 = 2_000_000;

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

/// Opens `pages` at every width, in both colours, each in a browser of its own: on a busy machine axe-core takes minutes.
fn fit(pages: &[Utf8PathBuf]) {
    let axe = axe();
    for page in pages {
        let Some(mut tab) = tab() else { return };
        let seen = look(&mut tab, page).unwrap();
        assert!(seen.is_good(), "{seen:#?}");
        let Some(axe) = &axe else { continue };
        for (scheme, width) in [("light", 1300), ("dark", 1300), ("light", WIDTHS[0])] {
            tab.prefer(scheme).unwrap();
            tab.open(page, "", width).unwrap();
            tab.evaluate(OPEN).unwrap();
            tab.evaluate(&format!("{axe}; true")).unwrap();
            let found = tab
                .evaluate("axe.run(document, { resultTypes: ['violations'] }).then(found => found.violations.filter(one => ['serious', 'critical'].includes(one.impact)).map(one => `${one.id}: ${one.nodes.slice(0, 3).map(node => node.html.slice(0, 200)).join(' | ')}`))")
                .unwrap();
            assert_eq!(found, json!([]), "{page} {scheme} {width}");
        }
    }
}

#[test]
fn every_kind_of_page_fits_every_width_and_breaks_no_word() {
    if program().is_none() {
        return skipped();
    }
    let dir = tempfile::tempdir().unwrap();
    let dir = Utf8Path::from_path(dir.path()).unwrap();
    let (report, excerpts) = embedded();
    let series = series(&report, dir);
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
    let one = || run(text, report.clone(), excerpts.clone(), Some(series.clone()));
    let verdict = one().verdict;
    let consoles = one().consoles;
    let of_series = page::of_series(&series, &report, &excerpts, verdict.as_ref(), &consoles);
    let pages = [
        written(dir, "audit.html", &of_audit(&report, &excerpts)),
        written(dir, "series.html", &of_series),
        written(dir, "run.html", &page::page(&[one()])),
        written(dir, "runs.html", &page::page(&[one(), one()])),
        written(dir, "model.html", &refimpl::model::html::report(&model)),
        written(dir, "table.html", &refimpl::model::html::table(&table)),
    ];
    fit(&pages);
}

#[test]
fn pages_of_a_kernel_and_of_recorded_runs_fit_too_and_are_no_heavier_than_they_may_be() {
    if program().is_none() {
        return skipped();
    }
    let dir = tempfile::tempdir().unwrap();
    let dir = Utf8Path::from_path(dir.path()).unwrap();
    let mut pages = Vec::new();
    if let Some((report, excerpts)) = kernel() {
        let page = written(dir, "kernel.html", &of_audit(&report, &excerpts));
        let bytes = std::fs::metadata(&page).unwrap().len();
        assert!(bytes <= LARGEST, "{bytes} bytes");
        pages.push(page);
    }
    let runs = recorded();
    for (at, run) in runs.iter().enumerate() {
        let html = page::page(std::slice::from_ref(run));
        pages.push(written(dir, &format!("run-{at}.html"), &html));
    }
    if runs.len() > 1 {
        pages.push(written(dir, "runs.html", &page::page(&runs)));
    }
    fit(&pages);
}
