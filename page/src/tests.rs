// SPDX-License-Identifier: MIT OR Apache-2.0
//! What holds of every page: it reaches for nothing outside, and no text that comes in can act.

use crate::*;
use maud::html;

/// Texts that act where they are not escaped, or move what is around them.
const HOSTILE: &[&str] = &[
    "</script><script>hit()</script>",
    "<!--<script>",
    "--><img src=x onerror=hit()>",
    "\" onmouseover=\"hit()",
    "' autofocus onfocus='hit()",
    "</style><style>*{display:none}</style>",
    "</title><script>hit()</script>",
    "javascript:hit()",
    "<svg onload=hit()>",
    "&lt;script&gt;hit()&lt;/script&gt;",
    "]]><script>hit()</script>",
    "<script nonce=\"nonce-of-this-page\">hit()</script>",
    "a\u{2028}b\u{2029}c\u{202e}d\u{0}e\u{1b}[31m",
];

/// A page with `text` in every place that takes one.
fn page_of(text: &str) -> String {
    let said = || text.to_owned();
    let ids = Ids::of_run(2);
    let row = Row {
        id: ids.of("group", text),
        state: (Mark::Do, said()),
        name: said(),
        cells: vec![("where", soft(text))],
        facets: vec![("state", said())],
        size: 1,
        body: html! {
            (excerpt(text, &[(3, vec![text, text]), (9, vec![text])], &[Note { line: 3, label: said(), class: "" }]))
            (console(text, &[(1, vec![text])], &[]))
            (mail(&[(said(), said())], &format!("{text}\ndiff --git a/{text} b/{text}\n@@ -1 +1 @@\n-{text}\n+{text} b\n {text}\n")))
            (flow(&Flow {
                id: ids.of("flow", text),
                title: said(),
                columns: vec!["taken", "given back"],
                nodes: vec![
                    Node { column: 0, mark: Some(Mark::Do), head: said(), lines: vec![said()], link: Some(ids.of("call", text)), title: said() },
                    Node { column: 1, mark: None, head: said(), lines: vec![], link: None, title: said() },
                ],
                edges: vec![Edge { from: 0, to: 1, sure: true, label: Some(said()) }],
            }))
            (sequence(&Sequence {
                title: said(),
                steps: vec![Step { who: said(), what: said(), changes: vec![said()] }],
                repeats_from: Some(0),
                end: vec![said()],
            }))
            (pins(&[Pins { name: said(), taken: 1, given_back: 2 }]))
            (heat(&Heat {
                title: said(),
                corner: said(),
                columns: vec![(said(), said())],
                rows: vec![(soft(text), vec![(Mark::Bad, said(), Some(ids.of("target", text)))])],
            }))
        },
        open: true,
    };
    let figure = Figure {
        count: 1,
        what: said(),
        mark: Mark::Do,
        sentence: said(),
        facet: Some(("state", said())),
    };
    let bar = Bar {
        label: said(),
        parts: vec![(Mark::Do, "convert", 1)],
        facet: ("under", said()),
    };
    let list = List {
        what: "group",
        rows: vec![row],
        nothing: "",
    };
    let body = html! { (figures(&[figure])) (bars("by subsystem", &[bar])) (crate::list(&list)) };
    Sheet {
        title: said(),
        about: soft(text),
        finds: "anything",
        parts: vec![Part {
            id: ids.part("groups"),
            name: said(),
            count: Some(1),
            body,
        }],
    }
    .html()
}

/// Start and end tags with their attributes, as a browser's tokenizer cuts them, outside the style and the script.
fn tags(page: &str) -> Vec<String> {
    let mut tags = Vec::new();
    let mut rest = page;
    while let Some(at) = rest.find('<') {
        let tag = &rest[at..];
        let mut quoted = false;
        let end = tag
            .char_indices()
            .find(|(_, c)| {
                quoted ^= *c == '"';
                *c == '>' && !quoted
            })
            .map_or(tag.len(), |(end, _)| end + 1);
        let tag = &tag[..end];
        rest = &rest[at + end..];
        for raw in ["style", "script"] {
            if tag.starts_with(&format!("<{raw} ")) {
                rest = &rest[rest.find(&format!("</{raw}>")).expect("closed")..];
            }
        }
        // Values differ from text to text; that there is one, and of what, does not.
        let mut shape = String::new();
        for (index, piece) in tag.split('"').enumerate() {
            shape.push_str(if index % 2 == 0 { piece } else { "…" });
        }
        tags.push(shape);
    }
    tags
}

#[test]
fn no_text_becomes_a_tag_an_attribute_a_script_or_a_style() {
    let harmless = tags(&page_of("harmless"));
    assert!(
        harmless.iter().any(|tag| tag == "<script nonce=…>"),
        "{harmless:?}"
    );
    for text in HOSTILE {
        let found = tags(&page_of(text));
        let of = |tags: &[String]| -> Vec<String> {
            tags.iter()
                .filter(|tag| {
                    !matches!(
                        tag.as_str(),
                        "<wbr>" | "<mark>" | "</mark>" | "<text x=… y=…>" | "</text>"
                    )
                })
                .cloned()
                .collect()
        };
        let (found, wanted) = (of(&found), of(&harmless));
        let differs = found
            .iter()
            .zip(&wanted)
            .find(|(found, wanted)| found != wanted);
        assert_eq!((found.len(), differs), (wanted.len(), None), "{text}");
    }
}

#[test]
fn a_line_end_in_a_value_adds_nothing_to_filter_by() {
    let page = page_of("a\nstate=done");
    assert!(page.contains("data-facets=\"state=a state=done\""));
    assert!(
        page.contains("data-value=\"a state=done\""),
        "the button asks for the same"
    );
}

#[test]
fn no_character_of_a_text_turns_a_line_or_ends_it() {
    let page = page_of("a\u{2028}b\u{2029}c\u{202e}d\u{0}e\u{1b}[31m");
    let hidden = |c: char| matches!(c, '\u{2028}' | '\u{2029}' | '\u{202e}' | '\0' | '\u{1b}');
    assert_eq!(page.find(hidden), None);
    assert!(page.contains("a\\u{2028}b"), "it is seen as its number");
}

#[test]
fn the_page_reaches_for_nothing_and_runs_only_its_own_script() {
    let page = page_of("harmless");
    for outside in ["http://", "https://", " src=", "@import", "url("] {
        assert!(!page.contains(outside), "{outside}");
    }
    let policy = "default-src 'none'; script-src 'nonce-";
    let at = page.find(policy).expect("a policy") + policy.len();
    let nonce = &page[at..at + 32];
    assert_eq!(
        page.matches(nonce).count(),
        4,
        "twice in the policy, on the style and on the script"
    );
    assert!(
        !page_of("other").contains(nonce),
        "another page has another"
    );
    let hostile =
        page_of("<script nonce=\"nonce-of-this-page\">script-src 'nonce-nonce-of-this-page'");
    let at = hostile.find(policy).expect("a policy") + policy.len();
    assert_eq!(hostile.matches(&hostile[at..at + 32]).count(), 4);
}

#[test]
fn ids_of_several_runs_differ_and_bear_no_more_than_a_fragment_can() {
    assert_eq!(Ids::plain().of("group", "a b\"c/d:1"), "group=a_b_c/d:1");
    assert_eq!(Ids::of_run(2).of("group", "x"), "2.group=x");
    assert_eq!(Ids::of_run(2).part("groups"), "2.groups");
}
