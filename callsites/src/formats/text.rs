// SPDX-License-Identifier: MIT OR Apache-2.0
//! The report for a person: what changes together, what is wrong, what was counted, and what was not read.

use super::words;
use crate::report::{
    Callsite, Coverage, Evidence, Finding, Group, NotCompiled, Report, Severity, TreeInfo,
    UnreadItem, Verdict,
};
use failure::counted;
use std::io;

/// Every escape sequence that a report for a terminal has of its own.
pub const STYLES: [&str; 6] = Style::ansi().sequences();

/// Escape sequences, all empty when the text is plain.
pub(super) struct Style {
    pub(super) bold: &'static str,
    dim: &'static str,
    pub(super) red: &'static str,
    green: &'static str,
    pub(super) yellow: &'static str,
    pub(super) end: &'static str,
}

impl Style {
    pub(super) const fn plain() -> Self {
        Self {
            bold: "",
            dim: "",
            red: "",
            green: "",
            yellow: "",
            end: "",
        }
    }

    /// All that a report's style writes.
    pub(super) const fn sequences(&self) -> [&'static str; 6] {
        [
            self.bold,
            self.dim,
            self.red,
            self.green,
            self.yellow,
            self.end,
        ]
    }

    pub(super) const fn ansi() -> Self {
        Self {
            bold: "\x1b[1m",
            dim: "\x1b[2m",
            red: "\x1b[31m",
            green: "\x1b[32m",
            yellow: "\x1b[33m",
            end: "\x1b[0m",
        }
    }

    fn of(&self, verdict: Verdict) -> &'static str {
        match verdict {
            Verdict::Convert => self.green,
            Verdict::Mixed | Verdict::Unknown => self.yellow,
            Verdict::Done | Verdict::Keep => self.dim,
        }
    }
}

pub(super) fn write(report: &Report, style: Style, out: &mut dyn io::Write) -> io::Result<()> {
    for (group, members) in words::groups(report) {
        write_group(group, &members, &style, out)?;
    }
    let alone = words::ungrouped(report);
    if !alone.is_empty() {
        writeln!(out, "{}in no group{}", style.bold, style.end)?;
        for site in alone {
            write_site(site, &style, out)?;
        }
        writeln!(out)?;
    }
    write_list_of_findings(report, &style, out)?;
    write_summary(report, &style, out)
}

pub(super) fn write_findings(
    report: &Report,
    style: &Style,
    out: &mut dyn io::Write,
) -> io::Result<()> {
    write_list_of_findings(report, style, out)?;
    write_tree(report, style, out)?;
    write_count_of_findings(report, out)
}

fn write_list_of_findings(
    report: &Report,
    style: &Style,
    out: &mut dyn io::Write,
) -> io::Result<()> {
    if !report.findings.is_empty() {
        writeln!(out, "{}findings{}", style.bold, style.end)?;
        for finding in &report.findings {
            write_finding(finding, style, out)?;
        }
        writeln!(out)?;
    }
    Ok(())
}

fn write_group(
    group: &Group,
    members: &[&Callsite],
    style: &Style,
    out: &mut dyn io::Write,
) -> io::Result<()> {
    let state = words::state(group, members);
    writeln!(
        out,
        "{}group {}{}  {}, {state}",
        style.bold, group.id, style.end, group.subsystem
    )?;
    for site in members {
        write_site(site, style, out)?;
    }
    for why in &group.blocked_by {
        writeln!(out, "  {}blocked:{} {why}", style.yellow, style.end)?;
    }
    writeln!(out)
}

fn write_site(site: &Callsite, style: &Style, out: &mut dyn io::Write) -> io::Result<()> {
    let Callsite {
        path,
        line,
        function,
        reason,
        ..
    } = site;
    let colour = style.of(site.verdict);
    let (verdict, change) = (words::verdict(site.verdict), words::change(site));
    writeln!(
        out,
        "  {colour}{verdict:8}{}{path}:{line} {function}() {change}",
        style.end
    )?;
    let case = site
        .case
        .map(|n| format!(" (case {n})"))
        .unwrap_or_default();
    writeln!(out, "          {}{reason}{case}{}", style.dim, style.end)
}

fn write_finding(finding: &Finding, style: &Style, out: &mut dyn io::Write) -> io::Result<()> {
    let Finding {
        rule,
        name,
        path,
        line,
        function,
        message,
        id,
        ..
    } = finding;
    let colour = match finding.severity {
        Severity::Error => style.red,
        Severity::Warning => style.yellow,
        Severity::Note => style.dim,
    };
    let severity = words::severity(finding.severity);
    writeln!(
        out,
        "  {colour}{severity:8}{}{path}:{line} {function}() {message} [{rule} {name}] {id}",
        style.end
    )?;
    for Evidence { path, line, text } in &finding.evidence {
        writeln!(
            out,
            "          {}{path}:{line}  {text}{}",
            style.dim, style.end
        )?;
    }
    Ok(())
}

fn write_tree(report: &Report, style: &Style, out: &mut dyn io::Write) -> io::Result<()> {
    let revision = report
        .tree
        .revision
        .as_ref()
        .map(|r| format!(" at {r}"))
        .unwrap_or_default();
    writeln!(
        out,
        "{}{}Linux {}{revision}{}, era of {}",
        style.bold,
        if report.tree.module {
            "Module for "
        } else {
            ""
        },
        report.tree.version,
        style.end,
        words::era(report.tree.era)
    )
}

fn write_count_of_findings(report: &Report, out: &mut dyn io::Write) -> io::Result<()> {
    let at = |severity, name| {
        let findings = report.findings.iter();
        counted(findings.filter(|f| f.severity == severity).count(), name)
    };
    writeln!(
        out,
        "  {}: {}, {}, {}",
        counted(report.findings.len(), "finding"),
        at(Severity::Error, "error"),
        at(Severity::Warning, "warning"),
        at(Severity::Note, "note")
    )
}

pub(super) fn write_summary(
    report: &Report,
    style: &Style,
    out: &mut dyn io::Write,
) -> io::Result<()> {
    let coverage = &report.coverage;
    write_tree(report, style, out)?;
    let counts: Vec<_> = words::counts(report)
        .iter()
        .map(|(v, n)| format!("{n} {}", words::verdict(*v)))
        .collect();
    writeln!(
        out,
        "  {}: {}",
        counted(report.callsites.len(), "callsite"),
        counts.join(", ")
    )?;
    let convertible = report.groups.iter().filter(|g| g.convertible).count();
    let blocked = report
        .groups
        .iter()
        .filter(|g| !g.convertible && !g.blocked_by.is_empty())
        .count();
    writeln!(
        out,
        "  {}: {convertible} convertible, {blocked} blocked",
        counted(report.groups.len(), "group")
    )?;
    write_count_of_findings(report, out)?;
    write_coverage(coverage, out)?;
    write_taken(&report.tree, out)
}

/// The macros of which no header says whether they are defined, and what tells.
fn write_taken(tree: &TreeInfo, out: &mut dyn io::Write) -> io::Result<()> {
    for macros in &tree.decided {
        let Some(because) = &macros.because else {
            continue;
        };
        let taken = match macros.value {
            Some(_) => "defined",
            None => "not defined",
        };
        writeln!(
            out,
            "  no header says whether {} is defined; for Linux {} it is {taken}, as {because} tells",
            macros.name, tree.version
        )?;
    }
    Ok(())
}

/// What was read and what was not: of the tree, or of that part of it which was asked for.
fn write_coverage(coverage: &Coverage, out: &mut dyn io::Write) -> io::Result<()> {
    if let Some(asked) = &coverage.asked {
        writeln!(
            out,
            "  {} asked for, {} with callsites; pages were followed through all {} of the tree",
            counted(asked.files, "file"),
            asked.files_with_callsites,
            counted(coverage.files_walked, "file"),
        )?;
    } else {
        writeln!(
            out,
            "  {} walked, {} with hits, {} parsed, {}",
            counted(coverage.files_walked, "file"),
            coverage.files_with_hits,
            coverage.files_parsed,
            counted(coverage.functions, "function")
        )?;
        if coverage.releases_of_other_pages > 0 {
            let releases = counted(coverage.releases_of_other_pages, "release");
            writeln!(out, "  {releases} of other pages not listed")?;
        }
    }
    let asked = |path: &str| {
        coverage
            .asked
            .as_ref()
            .is_none_or(|asked| asked.holds(path))
    };
    let unread: Vec<&UnreadItem> = coverage
        .unread
        .iter()
        .filter(|item| asked(&item.path))
        .collect();
    let left_out: Vec<&NotCompiled> = coverage
        .not_compiled
        .iter()
        .filter(|call| asked(&call.path))
        .collect();
    if !left_out.is_empty() {
        let calls = counted(left_out.len(), "call");
        writeln!(out, "  {calls} in arms of #if that are not compiled")?;
    }
    for call in left_out {
        writeln!(
            out,
            "    {}:{} {}() where {}",
            call.path, call.line, call.call, call.condition
        )?;
    }
    writeln!(out, "  {} unread", unread.len())?;
    for item in unread {
        let function = item
            .function
            .as_ref()
            .map(|f| format!(" {f}()"))
            .unwrap_or_default();
        writeln!(
            out,
            "    {}:{}{function} {}",
            item.path, item.line, item.why
        )?;
    }
    Ok(())
}
