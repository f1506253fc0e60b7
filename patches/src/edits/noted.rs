// SPDX-License-Identifier: MIT OR Apache-2.0
//! What whoever reads a patch should know of the functions that it changes, and that the patch leaves as it is.

use super::plan::{Planned, Sources};
use crate::info::Replaced;
use callsites::report::{Finding, Report};
use refimpl::api::{Role, catalogue};

impl Planned {
    /// What the audit finds in the functions that change, for whoever reads them now anyway. That a release does not fit
    /// its acquire (R1, R2) is what the patch itself is about, and what a function is called (R13) is nothing that it does.
    pub(crate) fn known(&mut self, sources: &Sources, report: &Report) {
        let others = report.findings.iter().filter(|finding| {
            let here = |call: &Replaced| {
                (&call.path, &call.function) == (&finding.path, &finding.function)
            };
            !matches!(finding.rule.as_str(), "R1" | "R2" | "R13")
                && self.replaced.iter().any(here)
                && !self.mended(finding)
        });
        // Where an earlier patch gives the function another name, it has that one by now.
        let named = |finding: &Finding| {
            let source = sources.get(camino::Utf8Path::new(&finding.path));
            let new = source.and_then(|source| source.renamed.get(&finding.function));
            new.unwrap_or(&finding.function).clone()
        };
        let notes = others.map(|finding| {
            format!(
                "Not addressed here, static analysis of {}() reports: {} ({}).",
                named(finding),
                finding.message,
                finding.name
            )
        });
        let notes: Vec<String> = notes.collect();
        self.notes.extend(notes);
    }

    /// Whether a finding is about a dirtying call that went into the releasing one.
    fn mended(&self, finding: &Finding) -> bool {
        self.replaced.iter().any(|call| {
            catalogue().is(&call.call, Role::Dirty)
                && call.call != call.becomes
                && (&call.path, call.line) == (&finding.path, finding.line)
        })
    }
}
