// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a message says of the iterators of a patch: why nobody asks for their kind, or who does.

use super::flag::Carried;
use callsites::report::{Callsite, Step};

/// What the message says of an iterator that may be kernel-backed.
pub(super) fn asked(carried: &Carried) -> Option<String> {
    let told = (!carried.told.is_empty()).then(|| carried.told())?;
    Some(format!(
        "The iterator may be backed by kernel memory as well, and of such an iterator iov_iter_extract_pages() takes no \
         reference on the pages: whoever made it keeps them until the I/O has ended. {told} Only where the answer is yes \
         are the pages unpinned."
    ))
}

/// Why an iterator is known to be user-backed.
pub(super) fn always(site: &Callsite, step: &Step) -> Option<String> {
    let set_ups: Vec<String> = step
        .because
        .iter()
        .map(|set_up| format!("{}() in {}()", set_up.call, set_up.function))
        .collect();
    let (last, most) = set_ups.split_last()?;
    let verb = if most.is_empty() { "sees" } else { "see" };
    let listed = match most.is_empty() {
        true => last.clone(),
        false => format!("{} and {last}", most.join(", ")),
    };
    Some(format!(
        "The iterator that {}() is given is always user-backed: {listed} {verb} to that. So its pages are always pinned, and \
         nobody needs to ask iov_iter_extract_will_pin().",
        site.function
    ))
}
