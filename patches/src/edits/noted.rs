// SPDX-License-Identifier: MIT OR Apache-2.0
//! What whoever reads a patch should know of the functions that it changes, and that the patch leaves as it is.

use super::acquire::words;
use super::literals::{self, Kind};
use super::plan::{Planned, Sources};
use super::walk;
use crate::info::Replaced;
use callsites::report::Report;
use camino::Utf8Path;
use refimpl::api::catalogue;
use std::collections::{BTreeMap, BTreeSet};

impl Planned {
    /// What the audit finds in the functions that change, for whoever reads them now anyway. That a release does not fit
    /// its acquire (R1, R2) is what the patch itself is about.
    pub(crate) fn known(&mut self, report: &Report) {
        let others = report.findings.iter().filter(|finding| {
            let here = |call: &Replaced| {
                (&call.path, &call.function) == (&finding.path, &finding.function)
            };
            !matches!(finding.rule.as_str(), "R1" | "R2") && self.replaced.iter().any(here)
        });
        let notes = others.map(|finding| {
            format!(
                "The audit finds in {}() before this patch: {} ({}).",
                finding.function, finding.message, finding.name
            )
        });
        self.notes.extend(notes);
    }

    /// Comments that name a releasing call which their function does not make any more: what they should say instead, a person
    /// decides.
    pub(super) fn stale_comments(&mut self, sources: &Sources) {
        let mut gone: BTreeMap<(&str, &str, &str), usize> = BTreeMap::new();
        for call in self
            .replaced
            .iter()
            .filter(|call| call.call != call.becomes)
        {
            if catalogue().is(&call.call, refimpl::api::Role::Release) {
                let key = (
                    call.path.as_str(),
                    call.function.as_str(),
                    call.call.as_str(),
                );
                *gone.entry(key).or_default() += 1;
            }
        }
        let mut notes = BTreeSet::new();
        for ((path, function, call), count) in gone {
            let Some(source) = sources.get(Utf8Path::new(path)) else {
                continue;
            };
            let mut functions = source.facts.functions.iter();
            let Some(body) = functions.find(|other| other.name == function) else {
                continue;
            };
            let mut calls = 0;
            walk::all_expressions(body, &mut |expr| {
                calls += usize::from(expr.callee_name() == Some(call));
            });
            let text = source.slice(body.body_span);
            let named = literals::find(text).into_iter().any(|(kind, from, to)| {
                kind == Kind::Comment && !words(&text[from..to], call).is_empty()
            });
            if named && calls == count {
                notes.insert(format!(
                    "A comment in {function}() still names {call}(), which is no longer called there."
                ));
            }
        }
        self.notes.extend(notes);
    }
}
