// SPDX-License-Identifier: MIT OR Apache-2.0
//! What somebody does next about a group that was left alone.

use super::plan::members;
use callsites::report::{Callsite, Group, Report, Role, Verdict};
use std::collections::BTreeSet;

/// One sentence.
pub(crate) fn next(report: &Report, group: &Group) -> String {
    // What stands beside the acquires is looked at first.
    let homes: BTreeSet<&str> = members(report, group)
        .filter(|site| site.role == Role::Acquire)
        .map(|site| site.path.as_str())
        .collect();
    let of = |verdict: Verdict| -> Vec<&Callsite> {
        let mut found: Vec<&Callsite> = members(report, group)
            .filter(|site| site.role != Role::Dirty && site.verdict == verdict)
            .collect();
        found.sort_by_key(|site| (!homes.contains(site.path.as_str()), &site.function));
        found
    };
    let (mut mixed, unknown, kept) = (of(Verdict::Mixed), of(Verdict::Unknown), of(Verdict::Keep));
    // An acquire alone is stopped by what a release of another group cannot tell.
    if mixed.is_empty() && group.releases.is_empty() {
        mixed = stopping(report, group);
    }
    if !mixed.is_empty() {
        return format!(
            "Record beside the pages in {} how they were taken, or release pages of each origin in a place of their own; then the \
             group can be converted.",
            functions(&mixed)
        );
    }
    if !unknown.is_empty() {
        return format!(
            "Read where the pages in {} come from, which the audit could not follow, and convert by hand if they are user \
             pages.",
            functions(&unknown)
        );
    }
    if !kept.is_empty() {
        return format!(
            "Part the acquires that must stay from the others in {}; what is left can be converted.",
            functions(&kept)
        );
    }
    if group.acquires.is_empty() {
        return "Find the call that takes these pages, and convert it together with the releases."
            .into();
    }
    let raw = |site: &Callsite| {
        let listed = refimpl::api::catalogue().get(&site.call);
        site.role == Role::Release && listed.is_some_and(|function| function.kind == "raw")
    };
    let releases = || members(report, group).filter(|site| site.role == Role::Release);
    if releases().all(raw) {
        return "Find the calls that release these pages, and convert them together with the acquire.".into();
    }
    if !group.convertible && group.plan.is_empty() && !group.blocked_by.is_empty() {
        return "Move the pin to where the pages are no longer in use: keep in the record that holds them then whether they \
                are pinned, and unpin there instead of dropping another reference."
            .into();
    }
    if members(report, group).any(|site| lacks_extraction(report, site)) {
        return "Bring iov_iter_extract_pages() and iov_iter_extract_will_pin(), which came with 6.3, into the tree in patches before, \
                and convert the group then."
            .into();
    }
    let mut rest: Vec<&Callsite> = members(report, group).collect();
    rest.sort_by_key(|site| &site.function);
    format!(
        "Convert {} by hand, all calls of the group in one patch.",
        functions(&rest)
    )
}

/// Whether a call takes pages of an iterator in a kernel that cannot pin them.
fn lacks_extraction(report: &Report, site: &Callsite) -> bool {
    let catalogue = refimpl::api::catalogue();
    let of_iterator = catalogue
        .get(&site.call)
        .is_some_and(|listed| site.role == Role::Acquire && listed.kind == "iter");
    let version = report.tree.version.parse().ok();
    let pins = catalogue.get("iov_iter_extract_pages").zip(version);
    of_iterator && pins.is_some_and(|(function, version)| !function.exists_in(version))
}

/// The undecided releases of the groups that are left alone for a reason of this one's.
fn stopping<'r>(report: &'r Report, group: &Group) -> Vec<&'r Callsite> {
    let shares = |other: &&Group| {
        other.id != group.id
            && other
                .blocked_by
                .iter()
                .any(|why| group.blocked_by.contains(why))
    };
    let others = report.groups.iter().filter(shares);
    let mut found: Vec<&Callsite> = others
        .flat_map(|other| members(report, other))
        .filter(|site| site.role == Role::Release && site.verdict == Verdict::Mixed)
        .collect();
    found.sort_by_key(|site| &site.function);
    found
}

/// "a(), b() and 3 more"
fn functions(sites: &[&Callsite]) -> String {
    // As many as fit into a line of a mail.
    const SHOWN: usize = 2;
    let mut names: Vec<&str> = Vec::new();
    for site in sites {
        if !names.contains(&site.function.as_str()) {
            names.push(&site.function);
        }
    }
    let shown: Vec<String> = names
        .iter()
        .take(SHOWN)
        .map(|name| format!("{name}()"))
        .collect();
    match names.len().checked_sub(SHOWN) {
        Some(more) if more > 0 => format!("{} and {more} more", shown.join(", ")),
        _ => shown.join(" and "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::report;
    use callsites::report::Era;

    const ARRAYS: &str = "static int toy_get(struct toy *toy)\n{\n\treturn get_user_pages_fast(toy->at, 1, 0, toy->pages);\n}\n\
                          void toy_put(struct toy *toy)\n{\n\tput_page(toy->pages[0]);\n}\n";

    #[test]
    fn an_iterator_waits_for_what_pins_its_pages() {
        let text = ARRAYS.replace(
            "get_user_pages_fast(toy->at, 1, 0, toy->pages)",
            "iov_iter_get_pages2(toy->iter, toy->pages, 4096, 1, &toy->offset)",
        );
        let mut report = report(Era::Pin, &[("drivers/misc/toy.c", &text)]);
        for (version, begin) in [
            ("6.1.192", "Bring iov_iter_extract_pages()"),
            ("6.12.0", "Convert toy_get()"),
        ] {
            report.tree.version = version.into();
            let told = next(&report, &report.groups[0]);
            assert!(told.starts_with(begin), "{told}");
        }
    }

    #[test]
    fn an_acquire_alone_is_told_the_releases_of_another_group_that_stop_it() {
        let mut report = report(Era::Pin, &[("drivers/misc/toy.c", ARRAYS)]);
        for site in &mut report.callsites {
            if site.role == Role::Release {
                site.verdict = Verdict::Mixed;
            }
        }
        let whole = report.groups.remove(0);
        let why = vec!["toy_put() releases pages of more than one origin".to_owned()];
        let alone = Group {
            id: "g2".into(),
            releases: Vec::new(),
            convertible: false,
            blocked_by: why.clone(),
            ..whole.clone()
        };
        let holds = Group {
            acquires: Vec::new(),
            convertible: false,
            blocked_by: why,
            ..whole
        };
        report.groups = vec![holds.clone(), alone.clone()];
        assert_eq!(
            next(&report, &alone),
            "Record beside the pages in toy_put() how they were taken, or release pages of each origin in a place of their own; \
             then the group can be converted."
        );
        // Without such a release, it has still to be found.
        report.groups = vec![Group {
            blocked_by: vec!["something else".into()],
            ..holds
        }];
        assert!(next(&report, &alone).starts_with("Find the calls that release"));
    }
}
