// SPDX-License-Identifier: MIT OR Apache-2.0
//! A report on one screen: by subsystem, what can be converted, what is blocked and by what, and what is wrong.

use super::text::{self, Style};
use super::words;
use crate::report::{Callsite, Finding, Group, Report, Severity, Verdict};
use failure::counted;
use std::collections::BTreeMap;
use std::io;

/// Blocking callsites that are named for one subsystem, so that a whole tree fits some screens; the whole list shows the rest.
const NAMED: usize = 2;

/// What there is to do in one subsystem.
#[derive(Default)]
struct Work<'a> {
    convertible: usize,
    calls: usize,
    blocked: usize,
    blockers: Vec<&'a Callsite>,
    /// Why groups are blocked in which each call by itself is known.
    reasons: Vec<&'a str>,
    findings: Vec<&'a Finding>,
}

pub(super) fn write(report: &Report, style: Style, out: &mut dyn io::Write) -> io::Result<()> {
    let mut subsystems: BTreeMap<String, Work<'_>> = BTreeMap::new();
    let mut quiet = 0;
    for (group, members) in words::groups(report) {
        let state = words::state(group, &members);
        if !matches!(state, "convertible" | "blocked") {
            quiet += 1;
            continue;
        }
        let work = subsystems.entry(group.subsystem.clone()).or_default();
        work.count(group, members);
    }
    for finding in &report.findings {
        let place = subsystem_of(report, finding);
        subsystems.entry(place).or_default().findings.push(finding);
    }
    for (name, work) in &subsystems {
        work.write(name, &style, out)?;
    }
    if quiet > 0 {
        writeln!(
            out,
            "{} with nothing to do: done, or they stay\n",
            counted(quiet, "group")
        )?;
    }
    text::write_summary(report, &style, out)
}

impl<'a> Work<'a> {
    fn count(&mut self, group: &'a Group, members: Vec<&'a Callsite>) {
        if group.convertible {
            self.convertible += 1;
            self.calls += members
                .iter()
                .filter(|site| site.verdict == Verdict::Convert)
                .count();
        } else {
            self.blocked += 1;
            let stops =
                |site: &&Callsite| matches!(site.verdict, Verdict::Mixed | Verdict::Unknown);
            let stopping: Vec<&Callsite> = members.into_iter().filter(stops).collect();
            if stopping.is_empty() {
                let reason = group.blocked_by.first().map(String::as_str);
                self.reasons.extend(reason);
            }
            self.blockers.extend(stopping);
        }
    }

    fn write(&self, name: &str, style: &Style, out: &mut dyn io::Write) -> io::Result<()> {
        let mut parts = Vec::new();
        if self.convertible > 0 {
            let groups = counted(self.convertible, "group");
            parts.push(format!(
                "{groups} convertible with {}",
                counted(self.calls, "call")
            ));
        }
        if self.blocked > 0 {
            parts.push(format!("{} blocked", counted(self.blocked, "group")));
        }
        let errors = self
            .findings
            .iter()
            .filter(|f| f.severity == Severity::Error)
            .count();
        if !self.findings.is_empty() {
            let findings = counted(self.findings.len(), "finding");
            parts.push(match errors {
                0 => findings,
                _ => format!("{findings}, {}", counted(errors, "error")),
            });
        }
        writeln!(
            out,
            "{}{name}{}  {}",
            style.bold,
            style.end,
            parts.join("; ")
        )?;
        for site in self.blockers.iter().take(NAMED) {
            let verdict = words::verdict(site.verdict);
            writeln!(
                out,
                "  {}{verdict:8}{}{}:{} {}() {}",
                style.yellow, style.end, site.path, site.line, site.function, site.call
            )?;
        }
        if self.blockers.len() > NAMED {
            writeln!(
                out,
                "          and {} more that stop a conversion",
                self.blockers.len() - NAMED
            )?;
        }
        for reason in self.reasons.iter().take(NAMED) {
            writeln!(out, "  {}blocked {}{reason}", style.yellow, style.end)?;
        }
        if self.reasons.len() > NAMED {
            writeln!(
                out,
                "          and {} more that are blocked as a whole",
                self.reasons.len() - NAMED
            )?;
        }
        for finding in self
            .findings
            .iter()
            .filter(|f| f.severity == Severity::Error)
        {
            writeln!(
                out,
                "  {}error   {}{}:{} {}() {} [{} {}]",
                style.red,
                style.end,
                finding.path,
                finding.line,
                finding.function,
                finding.message,
                finding.rule,
                finding.name
            )?;
        }
        Ok(())
    }
}

/// The subsystem of the group that has a callsite in the finding's function, else the finding's directory.
fn subsystem_of(report: &Report, finding: &Finding) -> String {
    let here = |site: &&Callsite| site.path == finding.path && site.function == finding.function;
    let group = report
        .callsites
        .iter()
        .find(here)
        .and_then(|site| site.group.as_ref());
    let group = group.and_then(|id| report.groups.iter().find(|group| &group.id == id));
    match group {
        Some(group) => group.subsystem.clone(),
        None => finding
            .path
            .rsplit_once('/')
            .map_or(finding.path.clone(), |(directory, _)| directory.to_owned()),
    }
}
