// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a message says of a change in behaviour is true of the very function, or it is not said.

use super::fixture::{planned, sources};
use super::{Functions, Sources, Words, group};
use crate::fixture::{header, report};
use crate::options::Api;
use callsites::report::{Era, Finding, Severity};

/// What the message would say of one driver.
fn said(era: Era, text: &str) -> String {
    let plan = planned(era, text).expect("it converts");
    plan.changes.into_iter().collect::<Vec<_>>().join("\n")
}

/// What the mail would leave for review of one driver.
fn noted(era: Era, text: &str) -> String {
    let plan = planned(era, text).expect("it converts");
    plan.notes.into_iter().collect::<Vec<_>>().join("\n")
}

/// A driver that takes and releases pages with this count.
fn counted(declared: &str) -> String {
    format!(
        "static void toy_run(unsigned long addr, struct page **pages, size_t len)\n{{\n\t{declared}\n\tint i;\n\n\
         \tget_user_pages_fast(addr, n, 0, pages);\n\tfor (i = 0; i < n; i++)\n\t\tput_page(pages[i]);\n}}\n"
    )
}

#[test]
fn a_count_that_cannot_be_negative_is_not_said_to_be() {
    for declared in [
        "int n = DIV_ROUND_UP(len, PAGE_SIZE);",
        "long n = (len >> PAGE_SHIFT) + 1;",
        "int m = 4, n = m;",
    ] {
        assert_eq!(noted(Era::Pin, &counted(declared)), "", "{declared}");
    }
    for declared in [
        "int n = toy_count(len);",
        "int n = len - 1;",
        "int n = toy->n;",
    ] {
        let said = noted(Era::Pin, &counted(declared));
        assert!(
            said.contains("is signed and is not tested before"),
            "{declared}: {said}"
        );
    }
}

#[test]
fn an_order_that_is_reversed_is_named_in_either_direction() {
    let text = |head: &str| {
        format!(
            "static void toy_put(struct page **pages, unsigned int n)\n{{\n\tunsigned int i;\n\n\t{head}\n\t\tput_page(pages[i]);\n}}\n"
        )
    };
    let up = text("for (i = 0; i < n; i++)");
    assert_eq!(said(Era::Pin, &up), "");
    assert_eq!(
        said(Era::PutPage, &up),
        "toy_put() released the pages from the first to the last; release_user_pages() begins with the last."
    );
    // The data that introduces it says so.
    let introduced = include_str!("../../first-steps/series.toml");
    assert!(introduced.contains("put_user_page(pages[npages - 1]);"));
}

#[test]
fn atomic_context_is_not_warned_of_below_a_call_that_sleeps() {
    let text = |call: &str| {
        format!(
            "static void toy_put(struct toy *toy, struct page **pages, unsigned int n)\n{{\n\tunsigned int i;\n\n\t{call}\n\
             \tfor (i = 0; i < n; i++) {{\n\t\tset_page_dirty(pages[i]);\n\t\tput_page(pages[i]);\n\t}}\n}}\n"
        )
    };
    let sleeps = said(Era::Pin, &text("mutex_lock(&toy->lock);"));
    assert!(
        sleeps.contains("toy_put() may already sleep in mutex_lock()."),
        "{sleeps}"
    );
    assert!(!sleeps.contains("atomic"), "{sleeps}");
    let other = said(Era::Pin, &text("toy_prepare(toy);"));
    assert!(
        other.contains("toy_put() must not be called in atomic context."),
        "{other}"
    );
}

#[test]
fn what_the_audit_finds_in_a_function_that_changes_is_left_for_review() {
    let text = "static void toy_run(unsigned long addr, struct page **pages)\n{\n\tget_user_pages_fast(addr, 1, FOLL_WRITE, pages);\n\
                \tput_page(pages[0]);\n}\n";
    let files = [("drivers/misc/toy.c", text)];
    let mut report = report(Era::Pin, &files);
    for (rule, name, function) in [
        ("R7", "dirty-never", "toy_run"),
        ("R7", "dirty-never", "toy_other"),
        ("R2", "kind-mismatch-across-files", "toy_run"),
        ("R13", "look-alike", "toy_run"),
    ] {
        report.findings.push(Finding {
            rule: rule.into(),
            name: name.into(),
            severity: Severity::Warning,
            path: "drivers/misc/toy.c".into(),
            id: format!("{rule} in {function}"),
            line: 3,
            column: 1,
            function: function.into(),
            message: "none of its releases marks the pages dirty".into(),
            evidence: Vec::new(),
            fix: None,
        });
    }
    let words = Words::of(
        Api::Auto,
        Era::Pin,
        &Functions::Header(header(Era::Pin).into()),
    )
    .expect("the era has it");
    let plan = group(
        &sources(&files, &report),
        &report,
        &report.groups[0],
        &words,
    );
    let notes: Vec<String> = plan.expect("it converts").notes.into_iter().collect();
    assert_eq!(
        notes,
        [
            "Not addressed here, static analysis of toy_run() reports: none of its releases marks the pages dirty (dirty-never)."
        ]
    );
}

#[test]
fn what_the_patch_mends_itself_is_not_left_for_review() {
    let text = "static void toy_put(struct page **pages, unsigned int n)\n{\n\tunsigned int i;\n\n\
                \tfor (i = 0; i < n; i++) {\n\t\tset_page_dirty(pages[i]);\n\t\tput_page(pages[i]);\n\t}\n}\n";
    let files = [("drivers/misc/toy.c", text)];
    let mut report = report(Era::Pin, &files);
    let line = |call: &str| {
        let mut sites = report.callsites.iter();
        sites
            .find(|site| site.call == call)
            .expect("it is there")
            .line
    };
    let finding = |line: u32| Finding {
        rule: "R7".into(),
        name: "dirty-unlocked".into(),
        severity: Severity::Warning,
        path: "drivers/misc/toy.c".into(),
        id: line.to_string(),
        line,
        column: 1,
        function: "toy_put".into(),
        message: format!("set_page_dirty() at {line}"),
        evidence: Vec::new(),
        fix: None,
    };
    let (mended, other) = (line("set_page_dirty"), line("put_page"));
    report.findings = vec![finding(mended), finding(other)];
    let words = Words::of(
        Api::Auto,
        Era::Pin,
        &Functions::Header(header(Era::Pin).into()),
    )
    .expect("the era has it");
    let mut sources = sources(&files, &report);
    let known = |sources: &Sources| -> Vec<String> {
        let plan = group(sources, &report, &report.groups[0], &words).expect("it converts");
        let notes = plan.notes.into_iter();
        notes.filter(|note| note.contains("dirty-")).collect()
    };
    let note = |function: &str| {
        format!(
            "Not addressed here, static analysis of {function}() reports: set_page_dirty() at {other} (dirty-unlocked)."
        )
    };
    assert_eq!(known(&sources), [note("toy_put")]);
    // The name that an earlier patch of the series has given to the function is the one that whoever reads this finds.
    let source = sources.values_mut().next().expect("the driver");
    source.renamed.insert("toy_put".into(), "__toy_put".into());
    assert_eq!(known(&sources), [note("__toy_put")]);
}
