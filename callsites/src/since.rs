// SPDX-License-Identifier: MIT OR Apache-2.0
//! What changed between two audits: verdicts, reasons, callsites and findings that are new or gone.
//!
//! Two audits of one tree have a call in the same place. Everything else is matched by id, which holds no line number, so
//! that code moving about is no change.

use crate::formats::{verdict, visible};
use crate::report::{Callsite, Finding, Report, Verdict};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// One callsite that is not as it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// The callsite's id.
    pub id: String,
    /// Relative to the tree; where it is now, or was when it is gone.
    pub path: String,
    /// 1-based.
    pub line: u32,
    /// Enclosing function.
    pub function: String,
    /// The callee.
    pub call: String,
    /// Its verdict in the earlier audit; None when the callsite is new.
    pub before: Option<Verdict>,
    /// Its verdict in the later audit; None when the callsite is gone.
    pub after: Option<Verdict>,
    /// The reason of the later verdict, or of the earlier one when the callsite is gone.
    pub reason: String,
    /// The reason of the earlier verdict, where it was another one and was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason_before: Option<String>,
}

/// One finding that only one of two audits has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FindingChange {
    /// Whether it is the later audit that has it.
    pub new: bool,
    /// The finding's id.
    pub id: String,
    /// Its rule.
    pub rule: String,
    /// Relative to the tree.
    pub path: String,
    /// 1-based.
    pub line: u32,
    /// Enclosing function.
    pub function: String,
    /// What it says.
    pub message: String,
}

/// Two audits compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Changes {
    /// `since/1`, or `diff-audit/1` where reasons and findings were compared too.
    pub schema: String,
    /// Sorted by (path, line, call).
    pub changes: Vec<Change>,
    /// Sorted by (path, line, rule); only in `diff-audit/1`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<FindingChange>,
    /// Callsites whose verdict is what it was.
    pub unchanged: usize,
}

/// Compares an earlier audit with a later one: callsites and their verdicts.
pub fn since(before: &Report, after: &Report) -> Changes {
    compare(before, after, false)
}

/// Compares two audits in all that they say: callsites, verdicts, reasons, findings.
pub fn diff(before: &Report, after: &Report) -> Changes {
    Changes {
        schema: "diff-audit/1".to_owned(),
        findings: findings(before, after),
        ..compare(before, after, true)
    }
}

fn compare(before: &Report, after: &Report, reasons: bool) -> Changes {
    let was = matched(&before.callsites, &after.callsites);
    let mut gone: BTreeSet<&str> = before.callsites.iter().map(|s| s.id.as_str()).collect();
    let mut changes = Vec::new();
    let mut unchanged = 0;
    for (site, was) in after.callsites.iter().zip(was) {
        if let Some(was) = was {
            gone.remove(was.id.as_str());
        }
        let other = was.filter(|was| reasons && was.reason != site.reason);
        let verdict = was.map(|was| was.verdict);
        if verdict == Some(site.verdict) && other.is_none() {
            unchanged += 1;
        } else {
            changes.push(Change {
                reason_before: other.map(|was| was.reason.clone()),
                ..change(site, verdict, Some(site.verdict))
            });
        }
    }
    let gone = before
        .callsites
        .iter()
        .filter(|site| gone.contains(site.id.as_str()));
    changes.extend(gone.map(|site| change(site, Some(site.verdict), None)));
    changes
        .sort_by(|a, b| (&a.path, a.line, &a.call, &a.id).cmp(&(&b.path, b.line, &b.call, &b.id)));
    Changes {
        schema: "since/1".to_owned(),
        changes,
        findings: Vec::new(),
        unchanged,
    }
}

/// For each callsite of `after` the one that it was: in the same place, else of the same id.
fn matched<'a>(before: &'a [Callsite], after: &[Callsite]) -> Vec<Option<&'a Callsite>> {
    fn place(site: &Callsite) -> (&str, u32, u32, &str, &str) {
        let (function, call) = (site.function.as_str(), site.call.as_str());
        (&site.path, site.line, site.column, function, call)
    }
    let places: BTreeMap<_, &Callsite> = before.iter().map(|site| (place(site), site)).collect();
    let mut found: Vec<Option<&Callsite>> = after
        .iter()
        .map(|site| places.get(&place(site)).copied())
        .collect();
    let taken: BTreeSet<&str> = found.iter().flatten().map(|s| s.id.as_str()).collect();
    let left: BTreeMap<&str, &Callsite> = before
        .iter()
        .map(|site| (site.id.as_str(), site))
        .filter(|(id, _)| !taken.contains(id))
        .collect();
    for (site, found) in after.iter().zip(&mut found) {
        if found.is_none() {
            *found = left.get(site.id.as_str()).copied();
        }
    }
    found
}

fn findings(before: &Report, after: &Report) -> Vec<FindingChange> {
    fn ids(report: &Report) -> BTreeSet<&str> {
        report.findings.iter().map(|f| f.id.as_str()).collect()
    }
    let (earlier, later) = (ids(before), ids(after));
    let told = |new: bool, finding: &Finding| FindingChange {
        new,
        id: finding.id.clone(),
        rule: finding.rule.clone(),
        path: finding.path.clone(),
        line: finding.line,
        function: finding.function.clone(),
        message: finding.message.clone(),
    };
    let gone = before.findings.iter();
    let gone = gone.filter(|finding| !later.contains(finding.id.as_str()));
    let new = after.findings.iter();
    let new = new.filter(|finding| !earlier.contains(finding.id.as_str()));
    let mut changes: Vec<FindingChange> = gone
        .map(|finding| told(false, finding))
        .chain(new.map(|finding| told(true, finding)))
        .collect();
    changes
        .sort_by(|a, b| (&a.path, a.line, &a.rule, &a.id).cmp(&(&b.path, b.line, &b.rule, &b.id)));
    changes
}

fn change(site: &Callsite, before: Option<Verdict>, after: Option<Verdict>) -> Change {
    Change {
        id: site.id.clone(),
        path: site.path.clone(),
        line: site.line,
        function: site.function.clone(),
        call: site.call.clone(),
        before,
        after,
        reason: site.reason.clone(),
        reason_before: None,
    }
}

impl fmt::Display for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Change {
            path,
            line,
            function,
            call,
            before,
            after,
            reason,
            reason_before,
            ..
        } in &self.changes
        {
            let what = match (before, after) {
                (None, Some(now)) => format!("new, {}", verdict(*now)),
                (Some(was), None) => format!("gone, was {}", verdict(*was)),
                (Some(was), Some(now)) if was == now => {
                    format!("{}, another reason", verdict(*now))
                }
                (Some(was), Some(now)) => format!("{} -> {}", verdict(*was), verdict(*now)),
                (None, None) => continue,
            };
            let said = format!("{path}:{line} {function}() {call}: {what}: {reason}");
            writeln!(f, "{}", visible::line(&said))?;
            if let Some(before) = reason_before {
                writeln!(f, "    the reason was: {}", visible::line(before))?;
            }
        }
        for finding in &self.findings {
            let what = if finding.new { "new" } else { "gone" };
            let FindingChange {
                rule,
                path,
                line,
                function,
                message,
                ..
            } = finding;
            let said = format!("{path}:{line} {function}() finding {rule}: {what}: {message}");
            writeln!(f, "{}", visible::line(&said))?;
        }
        writeln!(
            f,
            "{} changed, {} as before{}",
            self.changes.len(),
            self.unchanged,
            match self.findings.len() {
                0 => String::new(),
                1 => "; 1 finding new or gone".to_owned(),
                n => format!("; {n} findings new or gone"),
            }
        )
    }
}
