// SPDX-License-Identifier: MIT OR Apache-2.0
//! R13, look-alike: a static function, a parameter or a member merely bears the name of an API function.
//!
//! Matches such names in files that were read. Worth a note because a conversion by text changes them too, and because a
//! public function of that name would clash. Would have caught the first conversion of qib_user_sdma.c, which assigned
//! a function to a `u16 put_page` member (20180928053949.5381-1-jhubbard@nvidia.com), and goldfish's static
//! release_user_pages().

use super::view::View;
use crate::index::ir::{Linkage, Span};
use crate::report::{Finding, Severity};
use refimpl::api::{Role, followed};

/// Reports each such name once a file.
pub(crate) fn check(view: &View<'_>, findings: &mut Vec<Finding>) {
    for (file, facts) in view.files.iter().enumerate() {
        // What is below mm/ and include/ is the API itself.
        if ["mm", "include", "tools"]
            .iter()
            .any(|top| facts.path.starts_with(top))
            || facts.path.extension() != Some("c")
        {
            continue;
        }
        let mut note = |what: &str, name: &str, function: &str, at: Span| {
            let message =
                format!("{what} `{name}` bears the name of a kernel-wide function and is none");
            let evidence = vec![view.evidence(file, at, "")];
            findings.push(view.finding(
                ("R13", "look-alike", Severity::Note),
                (file, function, at),
                message,
                evidence,
            ));
        };
        for function in &facts.functions {
            if is_api(&function.name) && function.linkage == Linkage::Static {
                note(
                    "the static function",
                    &function.name,
                    &function.name,
                    function.name_span,
                );
            }
            for parameter in function.params.iter().filter(|p| is_api(&p.name)) {
                note(
                    "the parameter",
                    &parameter.name,
                    &function.name,
                    parameter.span,
                );
            }
        }
        for record in &facts.records {
            for field in record.fields.iter().filter(|f| is_api(&f.name)) {
                note("the member", &field.name, &record.tag, field.span);
            }
        }
    }
}

fn is_api(name: &str) -> bool {
    followed().get(name).is_some_and(|f| {
        matches!(f.role, Role::Acquire | Role::Release | Role::Dirty)
            && f.kind.is_empty()
            && (name.contains("page") || name.contains("folio"))
    })
}
