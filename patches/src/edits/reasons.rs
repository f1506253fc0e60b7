// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a message says of the iterators of a patch: why nobody asks for their kind, or who does; and what stops a group.

use super::flag::Carried;
use super::plan::members;
use callsites::report::{Callsite, Group, Report, Role, Step};
use refimpl::api::catalogue;
use std::collections::{BTreeMap, BTreeSet};

/// What the message says of an iterator that may be kernel-backed.
pub(super) fn asked(carried: &Carried) -> Option<String> {
    let told = carried.told()?;
    Some(format!(
        "The iterator may also be backed by kernel memory. iov_iter_extract_pages() takes no reference on such pages: \
         whoever set up the iterator keeps them until the I/O has ended. {told} The pages are unpinned only if it says so."
    ))
}

/// Why an iterator is known to be user-backed.
pub(super) fn always(site: &Callsite, step: &Step) -> Option<String> {
    let mut calls: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for set_up in &step.because {
        let functions = calls.entry(&set_up.call).or_default();
        functions.insert(format!("{}()", set_up.function));
    }
    let several = calls.len() > 1;
    let set_ups: Vec<String> = calls
        .into_iter()
        .map(|(call, functions)| {
            let functions: Vec<String> = functions.into_iter().collect();
            format!("{call}() in {}", listed(&functions))
        })
        .collect();
    if set_ups.is_empty() {
        return None;
    }
    let verb = if several { "see" } else { "sees" };
    Some(format!(
        "The iterator that {}() is given is always user-backed: {} {verb} to that. So its pages are always pinned, and there \
         is no need to ask iov_iter_extract_will_pin().",
        site.function,
        listed(&set_ups)
    ))
}

/// That nothing is released in a group but references that are too many, below put_page(): the others go with the pages to
/// whoever lets these go.
pub(super) fn only_too_many(report: &Report, group: &Group) -> Option<String> {
    let kind = |site: &Callsite| {
        let listed = catalogue().get(&site.call);
        listed.map_or("", |function| function.kind.as_str())
    };
    let mut releases = members(report, group).filter(|site| site.role == Role::Release);
    let first = releases.next()?;
    let all = kind(first) == "raw" && releases.all(|site| kind(site) == "raw");
    all.then(|| {
        format!(
            "{}:{} {}() in {}() only takes back references that are too many; the call that releases the pages themselves was \
             not found",
            first.path, first.line, first.call, first.function
        )
    })
}

/// "a, b and c"
fn listed(items: &[String]) -> String {
    match items {
        [] => String::new(),
        [one] => one.clone(),
        [most @ .., last] => format!("{} and {last}", most.join(", ")),
    }
}
