// SPDX-License-Identifier: MIT OR Apache-2.0
//! A page with more lines than anyone lays out at once.

use super::*;
use crate::browser::many::many;

#[test]
fn ten_thousand_groups_are_laid_out_in_portions() {
    let Some(mut tab) = tab() else { return };
    let dir = tempfile::tempdir().unwrap();
    let dir = Utf8Path::from_path(dir.path()).unwrap();
    let (report, _) = embedded();
    let report = many(&report);
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
