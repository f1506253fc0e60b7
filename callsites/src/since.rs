// SPDX-License-Identifier: MIT OR Apache-2.0
//! What changed between two audits: verdicts, callsites that are new, callsites that are gone.
//!
//! Callsites are matched by id, which holds no line number, so that code moving about is no change.

use crate::formats::verdict;
use crate::report::{Callsite, Report, Verdict};
use serde::Serialize;
use std::{collections::BTreeMap, fmt};

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
}

/// Two audits compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Changes {
    /// Always `since/1`.
    pub schema: String,
    /// Sorted by (path, line, call).
    pub changes: Vec<Change>,
    /// Callsites whose verdict is what it was.
    pub unchanged: usize,
}

/// Compares an earlier audit with a later one.
pub fn since(before: &Report, after: &Report) -> Changes {
    let earlier: BTreeMap<&str, &Callsite> = before
        .callsites
        .iter()
        .map(|s| (s.id.as_str(), s))
        .collect();
    let later: BTreeMap<&str, &Callsite> =
        after.callsites.iter().map(|s| (s.id.as_str(), s)).collect();
    let mut changes = Vec::new();
    let mut unchanged = 0;
    for site in &after.callsites {
        let was = earlier.get(site.id.as_str()).map(|old| old.verdict);
        if was == Some(site.verdict) {
            unchanged += 1;
        } else {
            changes.push(change(site, was, Some(site.verdict)));
        }
    }
    let gone = before
        .callsites
        .iter()
        .filter(|site| !later.contains_key(site.id.as_str()));
    changes.extend(gone.map(|site| change(site, Some(site.verdict), None)));
    changes
        .sort_by(|a, b| (&a.path, a.line, &a.call, &a.id).cmp(&(&b.path, b.line, &b.call, &b.id)));
    Changes {
        schema: "since/1".to_owned(),
        changes,
        unchanged,
    }
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
            ..
        } in &self.changes
        {
            let what = match (before, after) {
                (None, Some(now)) => format!("new, {}", verdict(*now)),
                (Some(was), None) => format!("gone, was {}", verdict(*was)),
                (Some(was), Some(now)) => format!("{} -> {}", verdict(*was), verdict(*now)),
                (None, None) => continue,
            };
            writeln!(f, "{path}:{line} {function}() {call}: {what}: {reason}")?;
        }
        writeln!(
            f,
            "{} changed, {} as before",
            self.changes.len(),
            self.unchanged
        )
    }
}
