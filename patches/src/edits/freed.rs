// SPDX-License-Identifier: MIT OR Apache-2.0
//! User pages that are given back as if they had been allocated are put, in a patch of its own.

use super::plan::{Fix, Planned, Sources, members};
use super::release::put;
use crate::info::Replaced;
use callsites::report::{Group, Report, Role, Verdict};
use camino::Utf8PathBuf;

/// The patch that puts the pages of a group which are given back as if they had been allocated; None where none are, or
/// where one of them cannot be changed.
pub(crate) fn freed(sources: &Sources, report: &Report, group: &Group) -> Option<Planned> {
    let mut planned = Planned {
        groups: vec![format!("{}-freed", group.id)],
        fix: Some(Fix::Freed),
        ..Planned::default()
    };
    for site in members(report, group) {
        let mut becomes = site.call.clone();
        if site.role == Role::Release && site.verdict == Verdict::Convert {
            let source = sources.get(&Utf8PathBuf::from(&site.path))?;
            if let Some(edit) = put(source, site).ok()? {
                planned.edit(source, vec![edit]);
                becomes = "put_page".into();
            }
        }
        if site.role == Role::Acquire || becomes != site.call {
            planned.replaced.push(Replaced {
                id: site.id.clone(),
                path: site.path.clone(),
                function: site.function.clone(),
                line: site.line,
                call: site.call.clone(),
                becomes,
            });
        }
    }
    planned.known(sources, report);
    (!planned.edits.is_empty()).then_some(planned)
}
