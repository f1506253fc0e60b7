// SPDX-License-Identifier: MIT OR Apache-2.0
//! A report with more groups than a kernel has, to see what a page with so many lines costs.

use callsites::report::{Group, Report};

/// Twenty times what a kernel has.
pub(crate) const MANY: usize = 10_000;

/// `report` with [`MANY`] groups of one call each: it is the number of lines that is tried, not the size of what is below
/// them. Of a report without a group it is the report itself.
pub(crate) fn many(report: &Report) -> Report {
    let mut report = report.clone();
    let mut alone: Vec<Group> = Vec::new();
    for group in &report.groups {
        if !group.acquires.is_empty() {
            alone.push(Group {
                acquires: group.acquires[..1].to_vec(),
                releases: vec![],
                dirties: vec![],
                ..group.clone()
            });
        }
    }
    let groups = alone
        .iter()
        .cycle()
        .take(if alone.is_empty() { 0 } else { MANY });
    report.groups = groups
        .enumerate()
        .map(|(number, group)| Group {
            id: format!("{number:012x}"),
            ..group.clone()
        })
        .collect();
    report
        .callsites
        .retain(|site| alone.iter().any(|group| group.acquires.contains(&site.id)));
    report.findings.clear();
    report
}
