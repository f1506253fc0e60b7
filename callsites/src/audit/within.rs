// SPDX-License-Identifier: MIT OR Apache-2.0
//! The part of a report that was asked for.

use crate::report::{Asked, Report};
use camino::Utf8PathBuf;
use std::collections::BTreeSet;

/// Keeps the callsites under `paths` and, whole, the groups they belong to.
pub(super) fn within(mut report: Report, paths: &[Utf8PathBuf], files: &[Utf8PathBuf]) -> Report {
    if paths.is_empty() {
        return report;
    }
    let mut asked = Asked {
        paths: paths.iter().map(ToString::to_string).collect(),
        files: 0,
        files_with_callsites: 0,
    };
    asked.files = files
        .iter()
        .filter(|file| asked.holds(file.as_str()))
        .count();
    let named = report.callsites.iter().map(|site| site.path.as_str());
    let named: BTreeSet<&str> = named.filter(|path| asked.holds(path)).collect();
    asked.files_with_callsites = named.len();
    let inside = |path: &str| asked.holds(path);
    let groups: BTreeSet<String> = report
        .callsites
        .iter()
        .filter(|site| inside(&site.path))
        .filter_map(|site| site.group.clone())
        .collect();
    report.callsites.retain(|site| {
        inside(&site.path)
            || site
                .group
                .as_ref()
                .is_some_and(|group| groups.contains(group))
    });
    report.groups.retain(|group| groups.contains(&group.id));
    report.findings.retain(|finding| inside(&finding.path));
    report.coverage.asked = Some(asked);
    report
}
