// SPDX-License-Identifier: MIT OR Apache-2.0
//! All rules over one audit.

use super::view::{Input, View};
use super::{
    accounting, compound, dirty, double_release, errno, gup_flags, half_converted, kind_mismatch,
    leak, look_alike, sleeping, still_mapped, unfilled, wrong_count,
};
use crate::report::Finding;
use std::collections::BTreeSet;

type Rule = fn(&View<'_>, &mut Vec<Finding>);

/// Every rule; the order decides which of two findings about one line stays when one is the consequence of the other.
const RULES: [Rule; 14] = [
    kind_mismatch::check,
    errno::check,
    wrong_count::check,
    unfilled::check,
    double_release::check,
    leak::check,
    dirty::check,
    sleeping::check,
    still_mapped::check,
    gup_flags::check,
    accounting::check,
    compound::check,
    half_converted::check,
    look_alike::check,
];

/// Runs every rule; the findings are sorted by (path, line, rule) and free of repetitions.
pub fn run(input: &Input<'_>) -> Vec<Finding> {
    let view = View::of(input);
    let mut findings = Vec::new();
    for rule in RULES {
        rule(&view, &mut findings);
    }
    let mut seen = BTreeSet::new();
    findings.retain(|f| seen.insert((f.path.clone(), f.line, f.rule.clone(), f.name.clone())));
    findings.sort_by(|a, b| {
        (&a.path, a.line, &a.rule, &a.message).cmp(&(&b.path, b.line, &b.rule, &b.message))
    });
    findings
}
