// SPDX-License-Identifier: MIT OR Apache-2.0
//! One HTML page of one run or of several; it needs nothing from a network.

use crate::runs::record::{Ended, Stage};
use crate::runs::shown::Shown;
use callsites::report::Report;
use ktest::Verdict;
use maud::{DOCTYPE, Markup, PreEscaped, html};

const STYLE: &str = "
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem; color: #1c2128; background: #fff; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.2rem; margin-top: 2rem; }
table { border-collapse: collapse; width: 100%; } td, th { text-align: left; padding: .25rem .6rem; border-bottom: 1px solid #d8dee4; vertical-align: top; }
pre { background: #f6f8fa; padding: .8rem; overflow-x: auto; font-size: 13px; } code { font-size: 13px; }
.passed, .pass { color: #1a7f37; } .failed, .fail, .crash, .timeout { color: #cf222e; } .skipped, .skip, .inconclusive { color: #9a6700; }
.add { color: #1a7f37; } .del { color: #cf222e; } .hunk { color: #6639ba; } .n { text-align: right; } details { margin: .3rem 0; }
@media (prefers-color-scheme: dark) { body { background: #0d1117; color: #e6edf3; } pre { background: #161b22; } td, th { border-color: #30363d; }
.passed, .pass, .add { color: #3fb950; } .failed, .fail, .crash, .timeout, .del { color: #f85149; } .skipped, .skip, .inconclusive { color: #d29922; } .hunk { color: #a371f7; } }
";

/// The page.
pub fn page(runs: &[Shown]) -> String {
    let title = match runs {
        [one] => format!("Run {}", one.id),
        many => format!("{} runs", many.len()),
    };
    let markup = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                h1 { (title) }
                @if runs.len() > 1 { (overview(runs)) }
                @for run in runs { (section(run)) }
            }
        }
    };
    markup.into_string()
}

fn overview(runs: &[Shown]) -> Markup {
    html! {
        table {
            tr { th { "run" } th { "tree" } th { "verdict" } th { "passed" } th { "failed" } th { "skipped" } }
            @for run in runs {
                @let (passed, failed, skipped) = run.record.counts();
                tr {
                    td { a href={ "#" (run.id) } { (run.id) } }
                    td { (run.record.inputs.tree) }
                    td class=(run.record.verdict()) { (run.record.verdict()) }
                    td { (passed) } td { (failed) } td { (skipped) }
                }
            }
        }
    }
}

fn section(run: &Shown) -> Markup {
    let record = &run.record;
    let asked = &record.inputs;
    let about = match (asked.paths.is_empty(), &run.audit) {
        (false, _) => asked.paths.join(" "),
        (true, Some(_)) => "the whole tree".to_owned(),
        (true, None) => format!("targets: {}", asked.targets.join(", ")),
    };
    html! {
        h2 id=(run.id) { "Linux " (record.inputs.tree) ": " span class=(record.verdict()) { (record.verdict()) } }
        p { (about) @if let Some(revision) = &record.inputs.revision { ", revision " code { (revision) } } }
        table {
            tr { th { "stage" } th { "result" } th { "what came of it" } th class="n" { "seconds" } }
            @for stage in &record.stages { (stage_row(stage)) }
        }
        @if let Some(verdict) = &run.verdict { (targets(verdict)) }
        @if let Some(audit) = &run.audit { (groups(audit)) }
        @if !run.mails.is_empty() {
            h2 { "The series" }
            @for (name, text) in &run.mails { details { summary { code { (name) } } (diff(text)) } }
        }
        @if !record.tools.is_empty() {
            details {
                summary { "Tools" }
                table { @for (name, version) in &record.tools { tr { td { (name) } td { (version) } } } }
            }
        }
    }
}

fn stage_row(stage: &Stage) -> Markup {
    html! {
        tr {
            td { (stage.name) }
            td class=(stage.result.word()) { (stage.result.word()) }
            td {
                (stage.summary)
                @if !stage.details.is_empty() {
                    details open[stage.result == Ended::Failed] { summary { "details" } pre { (stage.details.join("\n")) } }
                }
                @if let Some(hint) = &stage.hint { div { "hint: " code { (hint) } } }
            }
            td class="n" { (format!("{:.1}", stage.seconds)) }
        }
    }
}

fn groups(audit: &Report) -> Markup {
    html! {
        h2 { "The audit" }
        p { (audit.callsites.len()) " callsites in " (audit.groups.len()) " groups; "
            (audit.coverage.files_with_hits) " of " (audit.coverage.files_walked) " files name one; "
            (audit.coverage.unread.len()) " places could not be read." }
        @for group in &audit.groups {
            details {
                summary { (group.subsystem) ": "
                    @if group.convertible { span class="passed" { "convertible" } } @else { "left alone" } }
                @for reason in &group.blocked_by { p { (reason) } }
                table {
                    @for site in audit.callsites.iter().filter(|site| site.group.as_ref() == Some(&group.id)) {
                        tr {
                            td { code { (site.path) ":" (site.line) } }
                            td { code { (site.call) } }
                            td { (callsites::formats::verdict(site.verdict)) }
                            td { (site.reason) }
                        }
                    }
                }
            }
        }
        @if !audit.coverage.unread.is_empty() {
            details {
                summary { "What could not be read" }
                table { @for item in &audit.coverage.unread { tr { td { code { (item.path) ":" (item.line) } } td { (item.why) } } } }
            }
        }
    }
}

fn targets(verdict: &Verdict) -> Markup {
    let word = |outcome: ktest::verdict::Outcome| {
        serde_json::to_value(outcome)
            .ok()
            .and_then(|value| value.as_str().map(str::to_owned))
            .unwrap_or_default()
    };
    html! {
        h2 { "Kernels that were booted" }
        p { (verdict.reason) }
        table {
            tr { th { "kernel" } th { "target" } th { "result" } th { "pins" } th { "reason" } }
            @for stage in std::iter::once(&verdict.base).chain(&verdict.patches) {
                @for target in &stage.targets {
                    tr {
                        td { (stage.subject) } td { (target.name) }
                        td class=(word(target.result)) { (word(target.result)) }
                        td { @if let Some(pins) = &target.pins { (pins.acquired) " taken, " (pins.released) " given back" } }
                        td { (target.reason.as_deref().unwrap_or_default())
                            @for splat in &target.splats { pre { (splat.first_line) } } }
                    }
                }
            }
        }
    }
}

fn diff(text: &str) -> Markup {
    let class = |line: &str| match line.as_bytes().first() {
        Some(b'+') => "add",
        Some(b'-') => "del",
        Some(b'@') => "hunk",
        _ => "",
    };
    html! { pre { @for line in text.lines() { span class=(class(line)) { (line) } "\n" } } }
}
