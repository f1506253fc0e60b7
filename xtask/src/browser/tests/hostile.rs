// SPDX-License-Identifier: MIT OR Apache-2.0
//! Texts of strangers in every field: nothing runs, nothing breaks.

use super::*;

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
    const FORMS: [&str; 17] = [
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
        "edit",
        "outcome",
        "calls",
        "span",
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

/// A series with `text` in every field of series.toml and checks.json, and in the headers, messages and diffs of its mails.
fn strange(series: &Series, text: &str) -> Series {
    let info = serde_json::to_value(&series.info).unwrap();
    let checks = serde_json::to_value(&series.checks).unwrap();
    let mut info: patches::Info = serde_json::from_value(with(&info, text)).unwrap();
    let line: String = text.chars().filter(|c| !c.is_control()).collect();
    let mut mails = Vec::new();
    for (at, mail) in series.mails.iter().enumerate() {
        let body = String::from_utf8_lossy(&mail.bytes);
        let body = body
            .replace("Subject: ", &format!("Subject: {line} "))
            .replace("\n\n", &format!("\n\n{line}\n\n"));
        let body = body
            .replace("\n+", &format!("\n+{line}"))
            .replace("diff --git a/", &format!("diff --git a/{line}"));
        let file = format!("{at}-{line}.patch");
        if let Some(patch) = at.checked_sub(1).and_then(|at| info.patches.get_mut(at)) {
            patch.file.clone_from(&file);
        }
        mails.push(patches::Mail {
            file,
            bytes: body.into_bytes(),
        });
    }
    Series {
        info,
        checks: serde_json::from_value(with(&checks, text)).unwrap(),
        mails,
    }
}

#[test]
fn hostile_texts_in_every_field_do_nothing() {
    let Some(mut tab) = tab() else { return };
    let dir = tempfile::tempdir().unwrap();
    let dir = Utf8Path::from_path(dir.path()).unwrap();
    let (report, _) = embedded();
    let series = series(&report, dir);
    let value = serde_json::to_value(&report).unwrap();
    for text in HOSTILE {
        let hostile: Report = serde_json::from_value(with(&value, text)).unwrap();
        let excerpts = Excerpts::read_by(
            &|_| Some(format!("{text}\n").repeat(300).into_bytes()),
            &hostile,
        );
        let hostile = run(text, hostile, excerpts, Some(strange(&series, text)));
        let page = written(dir, "hostile.html", &page::page(&[hostile]));
        tab.open(&page, "", 1300).unwrap();
        tab.evaluate("document.querySelectorAll('details').forEach(row => row.open = true); new Promise(done => setTimeout(done, 100))").unwrap();
        // Whatever can be pressed is pressed.
        tab.evaluate("document.querySelectorAll('[data-facet]').forEach(button => { button.click(); button.click(); })").unwrap();
        let mails = "document.querySelectorAll('.mail').length";
        assert_eq!(
            tab.evaluate(mails).unwrap(),
            json!(series.mails.len()),
            "{text}"
        );
        let seen = tab
            .evaluate("[document.scripts.length, document.querySelectorAll('style').length, document.images.length, document.querySelectorAll('[onload], [onerror], [onfocus], [autofocus], [href^=javascript]').length, typeof hit, getComputedStyle(document.body).display]")
            .unwrap();
        assert_eq!(seen, json!([1, 1, 0, 0, "undefined", "block"]), "{text}");
        assert_eq!(tab.complaints, [""; 0], "{text}");
    }
}
