// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a message says of the iterators of a patch: why nobody asks for their kind, or who does.

use super::flag::Carried;
use callsites::report::{Callsite, Step};
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

/// "a, b and c"
fn listed(items: &[String]) -> String {
    match items {
        [] => String::new(),
        [one] => one.clone(),
        [most @ .., last] => format!("{} and {last}", most.join(", ")),
    }
}
