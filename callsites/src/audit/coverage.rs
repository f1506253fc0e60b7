// SPDX-License-Identifier: MIT OR Apache-2.0
//! What an audit read, what it could not read, and what is not compiled.

use crate::flow::analysis::Analysis;
use crate::judge::Judged;
use crate::report::{Coverage, NotCompiled, Role, UnreadItem};
use refimpl::api::followed;
use std::collections::BTreeSet;

/// `unread` is what the index could not read.
pub(super) fn of(mut unread: Vec<UnreadItem>, analysis: &Analysis, judged: &Judged) -> Coverage {
    let files = analysis.program.files();
    let held: BTreeSet<(String, String)> = judged
        .callsites
        .iter()
        .map(|site| (site.path.clone(), site.function.clone()))
        .collect();
    for file in files {
        for item in &file.unread {
            let known = item
                .function
                .as_ref()
                .is_none_or(|name| held.contains(&(file.path.to_string(), name.clone())));
            if known {
                unread.push(UnreadItem {
                    path: file.path.to_string(),
                    function: item.function.clone(),
                    line: file.position(item.span.start).0,
                    why: item.why.clone(),
                });
            }
        }
    }
    unread.sort();
    unread.dedup();
    let mut not_compiled: Vec<NotCompiled> = Vec::new();
    for file in files {
        for call in &file.not_compiled {
            let Some(role) = followed()
                .get(&call.name)
                .and_then(|known| role(known.role))
            else {
                continue;
            };
            not_compiled.push(NotCompiled {
                path: file.path.to_string(),
                line: file.position(call.span.start).0,
                call: call.name.to_string(),
                role,
                condition: call.condition.to_string(),
            });
        }
    }
    not_compiled.sort();
    Coverage {
        files_walked: 0,
        files_with_hits: 0,
        files_parsed: files
            .iter()
            .filter(|file| !file.functions.is_empty())
            .count(),
        functions: analysis.program.functions().count(),
        releases_of_other_pages: judged.releases_of_other_pages,
        unread,
        not_compiled,
        asked: None,
    }
}

fn role(known: refimpl::api::Role) -> Option<Role> {
    match known {
        refimpl::api::Role::Acquire => Some(Role::Acquire),
        refimpl::api::Role::Release => Some(Role::Release),
        refimpl::api::Role::Dirty => Some(Role::Dirty),
        _ => None,
    }
}
