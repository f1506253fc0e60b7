// SPDX-License-Identifier: MIT OR Apache-2.0
//! A page without a mouse, and on paper.

use super::*;
use crate::browser::look::LOOK;

/// Presses a key as a keyboard does.
fn press(tab: &mut Tab, key: &str, text: &str) {
    let code = match key {
        "Enter" => 13,
        "Tab" => 9,
        "Escape" => 27,
        letter => u32::from(letter.to_uppercase().as_bytes()[0]),
    };
    for kind in ["keyDown", "keyUp"] {
        let text = if kind == "keyDown" { text } else { "" };
        let event =
            json!({ "type": kind, "key": key, "text": text, "windowsVirtualKeyCode": code });
        tab.call("Input.dispatchKeyEvent", &event).unwrap();
    }
}

#[test]
fn the_keyboard_reaches_opens_and_searches_everything() {
    let Some(mut tab) = tab() else { return };
    let dir = tempfile::tempdir().unwrap();
    let dir = Utf8Path::from_path(dir.path()).unwrap();
    let (report, excerpts) = embedded();
    let page = written(dir, "audit.html", &of_audit(&report, &excerpts));
    tab.open(&page, "", 1300).unwrap();
    let focus = "document.activeElement.closest('.row')?.id ?? document.activeElement.id ?? ''";
    let first = "document.querySelector('.row').id";
    press(&mut tab, "Tab", "");
    let skip = tab.evaluate("document.activeElement.className").unwrap();
    assert_eq!(
        skip,
        json!("skip"),
        "the first stop leads past the navigation"
    );
    press(&mut tab, "j", "j");
    let row = tab.evaluate(first).unwrap();
    assert_eq!(tab.evaluate(focus).unwrap(), row);
    press(&mut tab, "Enter", "\r");
    assert_eq!(
        tab.evaluate("document.querySelector('.row').open").unwrap(),
        json!(true)
    );
    press(&mut tab, "j", "j");
    assert_ne!(tab.evaluate(focus).unwrap(), row);
    press(&mut tab, "k", "k");
    assert_eq!(tab.evaluate(focus).unwrap(), row);
    press(&mut tab, "c", "c");
    assert_eq!(
        tab.evaluate("document.querySelectorAll('.row[open]').length")
            .unwrap(),
        json!(0)
    );
    press(&mut tab, "/", "/");
    assert_eq!(
        tab.evaluate("document.activeElement.id").unwrap(),
        json!("find")
    );
    for letter in ["o", "n", "e", "b"] {
        press(&mut tab, letter, letter);
    }
    assert_eq!(
        tab.evaluate("document.getElementById('find').value")
            .unwrap(),
        json!("oneb")
    );
    assert_eq!(
        shown_of(&mut tab, "group"),
        1,
        "a letter that is typed is no command"
    );
    press(&mut tab, "Escape", "");
    assert_eq!(shown_of(&mut tab, "group"), report.groups.len() as u64);
    press(&mut tab, "?", "?");
    assert_eq!(
        tab.evaluate("document.getElementById('keys').checkVisibility()")
            .unwrap(),
        json!(true)
    );
    // Everything that can be pressed can be reached.
    let out = "[...document.querySelectorAll('a[href], button, summary, input, select')].filter(one => one.checkVisibility() && one.tabIndex < 0).length";
    assert_eq!(tab.evaluate(out).unwrap(), json!(0));
    assert_eq!(tab.complaints, [""; 0]);
}

#[test]
fn on_paper_a_page_is_dark_on_white_and_as_wide_as_the_sheet() {
    let Some(mut tab) = tab() else { return };
    let dir = tempfile::tempdir().unwrap();
    let dir = Utf8Path::from_path(dir.path()).unwrap();
    let (report, excerpts) = embedded();
    let convertible = report
        .groups
        .iter()
        .find(|group| group.convertible)
        .unwrap();
    let page = written(dir, "audit.html", &of_audit(&report, &excerpts));
    // A reader who prefers dark has white paper nevertheless; A4 between its margins is 720 pixels of a printer.
    let features = json!([{ "name": "prefers-color-scheme", "value": "dark" }]);
    tab.call(
        "Emulation.setEmulatedMedia",
        &json!({ "media": "print", "features": features }),
    )
    .unwrap();
    tab.open(&page, &format!("#group={}", convertible.id), 720)
        .unwrap();
    let seen = tab.evaluate(LOOK).unwrap();
    assert_eq!(
        (&seen["wide"], &seen["broken"]),
        (&json!(0), &json!([])),
        "{seen}"
    );
    let colours = "[getComputedStyle(document.body).color, getComputedStyle(document.body).backgroundColor, getComputedStyle(document.querySelector('nav')).display]";
    assert_eq!(
        tab.evaluate(colours).unwrap(),
        json!(["rgb(0, 0, 0)", "rgb(255, 255, 255)", "none"])
    );
    let drawn = "[...document.querySelectorAll('.row[open] svg.flow')].filter(one => one.checkVisibility()).length";
    assert_eq!(tab.evaluate(drawn).unwrap(), json!(1));
    let printed = tab.call("Page.printToPDF", &json!({})).unwrap();
    // "%PDF-" in base64.
    assert!(printed["data"].as_str().unwrap().starts_with("JVBERi0"));
    assert_eq!(tab.complaints, [""; 0]);
}
