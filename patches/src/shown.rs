// SPDX-License-Identifier: MIT OR Apache-2.0
//! A series as parts of a page: each mail as it will be read, with what is known of its patch.

use crate::edits::next;
use crate::info::{Check, Outcome, Patch, PatchChecks, Refused};
use crate::mbox::Mail;
use crate::series::Series;
use callsites::report::{Group, Report};
use mail_parser::{Address, MessageParser};
use maud::{Markup, html};
use page::{Cell, Facet, Ids, List, Mark, Part, Row, list, mail, mark, soft};
use std::collections::{BTreeMap, BTreeSet};

/// What to do next about each group of `report` that is blocked, in one sentence.
pub fn next_steps(report: &Report) -> BTreeMap<String, String> {
    let blocked = |group: &&Group| !group.convertible && !group.blocked_by.is_empty();
    report
        .groups
        .iter()
        .filter(blocked)
        .map(|group| (group.id.clone(), next(report, group)))
        .collect()
}

/// What is known of the patches of a series beside it.
#[derive(Debug, Clone, Default)]
pub struct Beside {
    /// What the groups of a patch can be filtered by, by the id of a group.
    pub facets: BTreeMap<String, Vec<Facet>>,
    /// What the kernels did, by the place of the patch in the series.
    pub ran: Vec<Vec<Ran>>,
}

/// What a kernel with a patch did, beside the kernel without it.
#[derive(Debug, Clone)]
pub struct Ran {
    /// "build", "boot", or a target.
    pub what: String,
    /// Of the base.
    pub base: Cell,
    /// Of the kernel with this patch and those before it.
    pub patched: Cell,
}

/// The parts of a page on `series`.
pub fn parts(series: &Series, beside: &Beside, ids: &Ids) -> Vec<Part> {
    let info = &series.info;
    let mut rows: Vec<Row> = Vec::new();
    for mail in &series.mails {
        let patch = info
            .patches
            .iter()
            .position(|patch| patch.file == mail.file);
        rows.push(match patch {
            Some(at) => patched(
                at,
                &info.patches[at],
                series.checks.patches.get(at),
                mail,
                beside,
                ids,
            ),
            None => letter(mail, &series.checks.series, ids),
        });
    }
    let mut parts = vec![Part {
        id: ids.part("series"),
        name: "The series".into(),
        count: Some(info.patches.len()),
        body: html! {
            p { (soft(&info.title)) ". Against Linux " (info.base.version) @if let Some(revision) = &info.base.revision { ", revision " (revision) } "; "
                @if info.signed { "signed off." } @else { "a rehearsal without a Signed-off-by, as nobody is named who did not sign." } }
            (list(&List { what: "mail", rows, nothing: "The series holds no mail." }))
        },
    }];
    if !info.refused.is_empty() {
        parts.push(Part {
            id: ids.part("refused"),
            name: "Left alone".into(),
            count: Some(info.refused.len()),
            body: refused(&info.refused, beside, ids),
        });
    }
    parts
}

/// The name by which a link finds the patch of that place in the series, 0-based.
pub fn patch_id(at: usize, ids: &Ids) -> String {
    ids.of("patch", &(at + 1).to_string())
}

fn marked(outcome: Outcome) -> (Mark, &'static str) {
    match outcome {
        Outcome::Passed => (Mark::Good, "passed"),
        Outcome::Failed => (Mark::Bad, "failed"),
        Outcome::Skipped => (Mark::Skipped, "skipped"),
    }
}

/// What the checks come to: one that failed decides, and what was only skipped has not passed.
fn together(checks: &[Check]) -> (Mark, &'static str) {
    let any = |outcome| checks.iter().any(|check| check.outcome == outcome);
    if any(Outcome::Failed) {
        (Mark::Bad, "check failed")
    } else if any(Outcome::Passed) {
        (Mark::Good, "checked")
    } else {
        (Mark::Skipped, "not checked")
    }
}

fn patched(
    at: usize,
    patch: &Patch,
    checks: Option<&PatchChecks>,
    mail: &Mail,
    beside: &Beside,
    ids: &Ids,
) -> Row {
    let all = checks.map_or(&[][..], |checks| checks.checks.as_slice());
    let (state, word) = together(all);
    let directories: BTreeSet<&str> = patch
        .files
        .iter()
        .map(|file| file.rsplit_once('/').map_or("", |(directory, _)| directory))
        .collect();
    let directories = directories.into_iter().filter(|name| !name.is_empty());
    let mut facets: BTreeSet<Facet> = directories.map(|name| ("under", name.to_owned())).collect();
    let of_groups = patch
        .groups
        .iter()
        .filter_map(|group| beside.facets.get(group));
    facets.extend(of_groups.flatten().cloned());
    let ran = beside.ran.get(at).map_or(&[][..], Vec::as_slice);
    let replaced = patch
        .callsites
        .iter()
        .filter(|call| call.call != call.becomes)
        .count();
    Row {
        id: patch_id(at, ids),
        state: (state, word.into()),
        name: format!("{}. {}", at + 1, patch.subject),
        cells: vec![
            ("where", soft(&file_names(&patch.files))),
            ("", html! { (page::number(replaced, "call")) }),
            ("why", html! { (in_short(all)) (in_few_words(ran)) }),
        ],
        facets: facets.into_iter().collect(),
        size: patch.callsites.len(),
        body: html! {
            section { h3 { "Checks" } (table(all)) }
            @if let Some(shown) = checks.and_then(|checks| checks.shown.as_ref()).filter(|shown| !shown.compiled.is_empty()) {
                section { h3 { "Compiled" } ul { @for (file, architectures) in &shown.compiled {
                    li { (soft(file)) " for " (architectures.iter().cloned().collect::<Vec<_>>().join(", ")) }
                } } }
            }
            section { h3 { "Base against patched" }
                (calls(patch, checks, ids))
                (compared(ran))
            }
            section { h3 { "Recipients" } (recipients(patch)) }
            section { h3 { "The mail" } (read(mail)) }
        },
        open: false,
    }
}

fn file_names(files: &[String]) -> String {
    let names: Vec<&str> = files
        .iter()
        .filter_map(|file| file.rsplit('/').next())
        .collect();
    names.join(" ")
}

fn letter(mail: &Mail, checks: &[Check], ids: &Ids) -> Row {
    let (state, word) = together(checks);
    Row {
        id: ids.of("mail", &mail.file),
        state: (state, word.into()),
        name: match mail.file.starts_with("0000-") {
            true => "Cover letter".into(),
            false => mail.file.clone(),
        },
        cells: vec![
            ("where", soft(&mail.file)),
            ("", html! {}),
            ("why", in_short(checks)),
        ],
        facets: Vec::new(),
        size: 0,
        body: html! {
            @if !checks.is_empty() { section { h3 { "Checks of the series as a whole" } (table(checks)) } }
            section { h3 { "The mail" } (read(mail)) }
        },
        open: false,
    }
}

fn in_short(checks: &[Check]) -> Markup {
    html! { @for check in checks { @let (state, _) = marked(check.outcome); (mark(state, &check.name)) " " } }
}

/// The same of what the kernels did: the worst of it is said.
fn in_few_words(ran: &[Ran]) -> Markup {
    let patched = || ran.iter().map(|one| &one.patched);
    let any = |state: Mark| patched().find(|(mark, ..)| *mark == state);
    let worst = any(Mark::Bad).or_else(|| any(Mark::Unsure));
    let word = match (worst, any(Mark::Good)) {
        (Some((state, word, _)), _) => Some((*state, format!("kernel: {word}"))),
        (None, Some(_)) => Some((Mark::Good, "kernel".to_owned())),
        (None, None) => None,
    };
    html! { @if let Some((state, word)) = word { (mark(state, &word)) } }
}

/// What the kernels did, with and without the patch.
fn compared(ran: &[Ran]) -> Markup {
    let cell = |(state, word, to): &Cell| match to {
        Some(to) => html! { a href={ "#" (to) } { (mark(*state, word)) } },
        None => mark(*state, word),
    };
    html! {
        @if !ran.is_empty() {
            table class="plain" {
                thead { tr { th scope="col" { "kernel" } th scope="col" { "base" } th scope="col" { "patched" } } }
                tbody { @for one in ran {
                    tr { th scope="row" { (soft(&one.what)) } td data-of="base" { (cell(&one.base)) } td data-of="patched" { (cell(&one.patched)) } }
                } }
            }
        }
    }
}

fn table(checks: &[Check]) -> Markup {
    html! {
        @if checks.is_empty() { p { (mark(Mark::Skipped, "nothing was checked")) } }
        @else { table class="plain" { @for check in checks {
            @let (state, word) = marked(check.outcome);
            tr { th scope="row" { (check.name) } td { (mark(state, word)) } td { @for line in check.detail.lines() { div { (soft(line)) } } } }
        } } }
    }
}

fn calls(patch: &Patch, checks: Option<&PatchChecks>, ids: &Ids) -> Markup {
    let seen = |id: &str| {
        let shown = checks.and_then(|checks| checks.shown.as_ref());
        match shown.and_then(|shown| shown.calls.get(id)) {
            Some(crate::info::Evidence::Executed) => (Mark::Good, "executed"),
            Some(crate::info::Evidence::Booted) => (Mark::Note, "booted, not seen running"),
            None => (Mark::Skipped, "not run"),
        }
    };
    html! { table class="plain" {
        thead { tr { th scope="col" { "place" } th scope="col" { "base" } th scope="col" { "patched" } th scope="col" { "seen" } } }
        tbody { @for call in &patch.callsites {
            @let (state, word) = seen(&call.id);
            tr {
                td { a href={ "#" (ids.of("call", &call.id)) } { (soft(&format!("{}:{}", call.path, call.line))) } " " code { (soft(&format!("{}()", call.function))) } }
                td data-of="base" { code { (soft(&call.call)) } }
                td data-of="patched" { @if call.call == call.becomes { span class="dim" { "stays" } } @else { code { (soft(&call.becomes)) } } }
                td data-of="seen" { (mark(state, word)) }
            }
        } }
    } }
}

fn recipients(patch: &Patch) -> Markup {
    let both = [("To", &patch.recipients.to), ("Cc", &patch.recipients.cc)];
    html! {
        @if both.iter().all(|(_, names)| names.is_empty()) { p { (mark(Mark::Skipped, "nobody was named")) ": get_maintainer.pl did not run, or names nobody." } }
        @for (word, names) in both { @if !names.is_empty() {
            p { b { (word) } " " @for (at, name) in names.iter().enumerate() { @if at > 0 { ", " } (soft(name)) } }
        } }
    }
}

/// The mail as a reader's program shows it: headers decoded, then the text.
fn read(one: &Mail) -> Markup {
    // The "From <id> <date>" line belongs to the mbox, not to the mail.
    let start = match one.bytes.strip_prefix(b"From ") {
        Some(rest) => 6 + rest.iter().position(|&byte| byte == b'\n').unwrap_or(0),
        None => 0,
    };
    let Some(message) = MessageParser::default().parse(&one.bytes[start..]) else {
        return html! { p { (mark(Mark::Bad, "this is no mail")) } pre { (String::from_utf8_lossy(&one.bytes)) } };
    };
    let mut headers = Vec::new();
    let people = [
        ("From", message.from()),
        ("To", message.to()),
        ("Cc", message.cc()),
    ];
    for (name, address) in people {
        if let Some(address) = address {
            headers.push((name.to_owned(), addresses(address)));
        }
    }
    headers.extend(
        message
            .subject()
            .map(|subject| ("Subject".to_owned(), subject.to_owned())),
    );
    let body = message
        .body_text(0)
        .unwrap_or_default()
        .replace("\r\n", "\n");
    mail(&headers, &body)
}

fn addresses(address: &Address<'_>) -> String {
    let one = |address: &mail_parser::Addr<'_>| match (address.name(), address.address()) {
        (Some(name), Some(at)) => format!("{name} <{at}>"),
        (name, at) => name.or(at).unwrap_or_default().to_owned(),
    };
    address.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn refused(groups: &[Refused], beside: &Beside, ids: &Ids) -> Markup {
    let rows = groups.iter().map(|group| Row {
        id: ids.of("refused", &group.group),
        state: (Mark::Stop, "left alone".into()),
        name: match group.subsystem.as_str() {
            "" | "." => "several subsystems".into(),
            subsystem => subsystem.into(),
        },
        cells: vec![(
            "why wider",
            soft(
                &group
                    .reasons
                    .first()
                    .map_or(String::new(), |why| crate::series::shortened(why)),
            ),
        )],
        facets: match beside.facets.get(&group.group) {
            Some(facets) => facets.clone(),
            None => vec![("under", group.subsystem.clone())],
        },
        size: group.reasons.len(),
        body: html! {
            ul class="said-of" { @for why in &group.reasons { li { (soft(why)) } } }
            @if !group.next.is_empty() { h3 { "What to do next" } p class="said-of" { (soft(&group.next)) } }
            p { a href={ "#" (ids.of("group", &group.group)) } { "The group" } }
        },
        open: false,
    });
    list(&List {
        what: "group left alone",
        rows: rows.collect(),
        nothing: "",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mail_of(text: &str) -> Mail {
        Mail {
            file: "0001-a.patch".into(),
            bytes: text.as_bytes().to_vec(),
        }
    }

    #[test]
    fn a_mail_is_shown_decoded_and_its_diff_apart_from_its_text() {
        let text = "From 0123 Mon Sep 17 00:00:00 2001\nFrom: =?UTF-8?q?J=C3=B6rg?= <j@example.org>\nTo: A <a@example.org>\nSubject: [PATCH] a: =?UTF-8?q?caf=C3=A9?=\nMIME-Version: 1.0\nContent-Type: text/plain; charset=UTF-8\nContent-Transfer-Encoding: 8bit\n\nwhy é\n---\n a.c | 2 +-\n\ndiff --git a/a.c b/a.c\n--- a/a.c\n+++ b/a.c\n@@ -1 +1 @@\n-f(a);\n+g(a);\n";
        let page = read(&mail_of(text)).into_string();
        for wanted in [
            "Jörg &lt;j@",
            "[PATCH] a: café",
            "why é",
            "<mark>g</mark>(a);",
        ] {
            assert!(page.contains(wanted), "{wanted} is not in {page}");
        }
    }

    #[test]
    fn what_was_only_skipped_is_not_checked() {
        let check = |outcome| Check::new("compile", outcome, "");
        let said = |outcomes: &[Outcome]| {
            together(
                &outcomes
                    .iter()
                    .map(|outcome| check(*outcome))
                    .collect::<Vec<_>>(),
            )
            .1
        };
        assert_eq!(said(&[Outcome::Skipped]), "not checked");
        assert_eq!(said(&[]), "not checked");
        assert_eq!(said(&[Outcome::Skipped, Outcome::Passed]), "checked");
        assert_eq!(said(&[Outcome::Passed, Outcome::Failed]), "check failed");
    }
}
