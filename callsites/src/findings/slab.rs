// SPDX-License-Identifier: MIT OR Apache-2.0
//! R17, slab-reference: a reference is taken on a page of kmalloc() memory.
//!
//! Matches get_page() or folio_get() on what virt_to_page() gives for an address that kmalloc() or one of its kin
//! returned. Wrong because the slab allocator does not look at the count of its pages: kfree() gives the object to
//! somebody else while the reference is held, and newer kernels warn and take none. Would have caught the drivers that
//! gave kmalloc() memory to sendpage(), and what network file systems had to be taught about iterators over it.

use super::paths::What;
use super::view::View;
use crate::report::{Finding, Severity};

/// Reports each reference once.
pub(crate) fn check(view: &View<'_>, findings: &mut Vec<Finding>) {
    for walked in view.walked(&[What::SlabReference]) {
        for fact in &walked.facts {
            let message = format!(
                "{}() takes a reference on a page of kmalloc() memory, which nothing heeds",
                fact.name
            );
            let evidence = view.way(walked.file, fact, "a page of the slab allocator");
            let rule = ("R17", "slab-reference", Severity::Warning);
            findings.push(view.finding(
                rule,
                (walked.file, &walked.function.name, fact.at),
                message,
                evidence,
            ));
        }
    }
}
