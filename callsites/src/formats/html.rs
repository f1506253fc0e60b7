// SPDX-License-Identifier: MIT OR Apache-2.0
//! One page that needs nothing but a browser: filter, sort, groups with their flow drawn, source lines as evidence.

use super::{drawing, words};
use crate::report::{Callsite, Evidence, Finding, Group, Report};
use maud::{DOCTYPE, Markup, PreEscaped, html};

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// The whole page.
pub(super) fn page(report: &Report) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width";
                title { "Page pinning in Linux " (report.tree.version) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                h1 { "Page pinning in Linux " (report.tree.version) }
                (summary(report))
                (controls(report))
                h2 { "Callsites" }
                (table(report))
                h2 { "Findings" }
                (findings(&report.findings))
                h2 { "Groups" }
                @for (group, members) in words::groups(report) {
                    (group_section(group, &members))
                }
                (unread(report))
                script { (PreEscaped(SCRIPT)) }
            }
        }
    }
}

fn summary(report: &Report) -> Markup {
    let coverage = &report.coverage;
    html! {
        p {
            (words::number(report.callsites.len(), "callsite")) " in " (words::number(report.groups.len(), "group"))
            ", " (words::number(report.findings.len(), "finding")) ". "
            (words::number(coverage.files_walked, "file")) " walked, " (coverage.files_with_hits) " with hits, "
            (coverage.files_parsed) " parsed; " (coverage.unread.len()) " unread; "
            (words::number(coverage.releases_of_other_pages, "release")) " of other pages not listed. Era of "
            (words::era(report.tree.era)) "."
            @if let Some(revision) = &report.tree.revision { " Revision " code { (revision) } "." }
        }
    }
}

fn controls(report: &Report) -> Markup {
    html! {
        form id="controls" {
            input id="filter" type="search" placeholder="path, function, call or reason" aria-label="filter" autocomplete="off";
            @for (verdict, count) in words::counts(report) {
                label {
                    input type="checkbox" class="verdict" value=(words::verdict(verdict)) checked;
                    " " (words::verdict(verdict)) " " (count)
                }
            }
        }
    }
}

fn table(report: &Report) -> Markup {
    html! {
        table id="callsites" {
            thead { tr {
                @for (name, kind) in [("verdict", "text"), ("place", "text"), ("line", "number"), ("function", "text"),
                                      ("call", "text"), ("case", "number"), ("group", "text"), ("reason", "text")] {
                    th data-kind=(kind) { button type="button" { (name) } }
                }
            } }
            tbody { @for site in &report.callsites { (row(site)) } }
        }
    }
}

fn row(site: &Callsite) -> Markup {
    let verdict = words::verdict(site.verdict);
    html! {
        tr id=(site.id) data-verdict=(verdict) {
            td class=(verdict) { (verdict) }
            td { (site.path) }
            td { (site.line) }
            td { (site.function) }
            td { code { (words::change(site)) } }
            td { @if let Some(case) = site.case { (case) } }
            td { @if let Some(group) = &site.group { a href=(format!("#g-{group}")) { (group) } } }
            td {
                (site.reason)
                @if !site.origins.is_empty() { p class="origins" { (site.origins.join("; ")) } }
                (evidence(&site.evidence))
            }
        }
    }
}

fn evidence(steps: &[Evidence]) -> Markup {
    html! {
        @if !steps.is_empty() {
            details {
                summary { (words::number(steps.len(), "source line")) }
                ol class="evidence" {
                    @for Evidence { path, line, text } in steps {
                        li { span class="place" { (path) ":" (line) } " " code { (text) } }
                    }
                }
            }
        }
    }
}

fn findings(findings: &[Finding]) -> Markup {
    html! {
        @if findings.is_empty() { p { "None." } }
        @for finding in findings {
            section class=(format!("finding {}", words::severity(finding.severity))) {
                h3 { (finding.rule) " " (finding.name) ": " (finding.path) ":" (finding.line) " " (finding.function) "()" }
                p { (finding.message) }
                (evidence(&finding.evidence))
                @if let Some(fix) = &finding.fix { p { "Suggested: " code { (fix.text) } } }
            }
        }
    }
}

fn group_section(group: &Group, members: &[&Callsite]) -> Markup {
    html! {
        details class="group" id=(format!("g-{}", group.id)) open[group.convertible] {
            summary { (group.subsystem) " " code { (group.id) } " " (words::state(group, members)) }
            @if let Some(drawing) = drawing::flow(members) { (drawing) }
            ul {
                @for site in members {
                    li { a href=(format!("#{}", site.id)) { (site.path) ":" (site.line) } " " (words::verdict(site.verdict)) " "
                         code { (words::change(site)) } }
                }
                @for why in &group.blocked_by { li class="blocked" { "blocked: " (why) } }
            }
        }
    }
}

fn unread(report: &Report) -> Markup {
    html! {
        h2 { "Unread" }
        @if report.coverage.unread.is_empty() { p { "Nothing." } }
        ul {
            @for item in &report.coverage.unread {
                li { (item.path) ":" (item.line) " " @if let Some(f) = &item.function { (f) "() " } (item.why) }
            }
        }
    }
}
