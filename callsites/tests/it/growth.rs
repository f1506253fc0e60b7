// SPDX-License-Identifier: MIT OR Apache-2.0
//! A function twice as long costs about twice as much, also where each of its branches assigns the same variable.

use callsites::report::{Callsite, Era, Report};
use callsites::tree::Tree;
use callsites::{AuditOptions, audit};
use camino::Utf8PathBuf;
use std::collections::BTreeMap;

fn with_body(body: &str) -> Report {
    let text = format!(
        "static int drv(unsigned long a, int n, struct page **pages)\n{{\n\tstruct page *p = NULL;\n\tint r;\n\n\
         \tr = get_user_pages_fast(a, n, FOLL_WRITE, pages);\n{body}\tput_page(p);\n\treturn r;\n}}\n"
    );
    let files = BTreeMap::from([(
        Utf8PathBuf::from("drivers/misc/x.c"),
        Some(text.into_bytes()),
    )]);
    let tree = Tree::embedded(Era::Pin).overlaid(files);
    audit(&tree, &AuditOptions::default()).unwrap()
}

#[test]
fn a_page_that_many_branches_assign_is_still_the_page_that_was_acquired() {
    let assign = |n: usize| format!("\tif (n == {n})\n\t\tp = pages[{n}];\n");
    let jump = |n: usize| format!("\tif (n == {n}) {{\n\t\tp = pages[{n}];\n\t\tgoto out;\n\t}}\n");
    let case = |n: usize| format!("\tcase {n}:\n\t\tp = pages[{n}];\n\t\tbreak;\n");
    for (what, before, one, after) in [
        ("branches", "", &assign as &dyn Fn(usize) -> String, ""),
        ("jumps", "", &jump, "out:\n"),
        ("cases", "\tswitch (n) {\n", &case, "\t}\n"),
        ("turns", "\twhile (n--) {\n", &assign, "\t}\n"),
    ] {
        // With 20 branches each definition still leaves the join by itself, with 200 one value takes them all.
        let told = [20, 200].map(|branches| {
            let all: String = (0..branches).map(one).collect();
            let report = with_body(&format!("{before}{all}{after}"));
            let site = report
                .callsites
                .iter()
                .find(|site| site.path == "drivers/misc/x.c" && site.call == "put_page")
                .unwrap();
            (site.verdict, site.origins.clone())
        });
        assert_eq!(told[0], told[1], "{what}");
        let from = &told[0].1;
        assert!(
            from.iter()
                .any(|from| from.starts_with("get_user_pages_fast ")),
            "{what}: {from:?}"
        );
    }
}

#[test]
fn a_member_of_a_wide_record_is_found_by_its_name_and_through_members_without_one() {
    let fields: String = (0..200).map(|n| format!("\tint a{n};\n")).collect();
    let text = format!(
        "struct wide {{\n{fields}\tstruct {{\n\t\tstruct page *inner;\n\t}};\n\tstruct page *last;\n}};\n\
         int take(struct wide *w, unsigned long a)\n{{\n\tget_user_pages_fast(a, 1, 0, &w->last);\n\
         \treturn get_user_pages_fast(a, 1, FOLL_WRITE, &w->inner);\n}}\n\
         void give(struct wide *w)\n{{\n\tput_page(w->inner);\n\tput_page(w->last);\n}}\n"
    );
    let files = BTreeMap::from([(
        Utf8PathBuf::from("drivers/misc/x.c"),
        Some(text.into_bytes()),
    )]);
    let tree = Tree::embedded(Era::Pin).overlaid(files);
    let report = audit(&tree, &AuditOptions::default()).unwrap();
    let releases = report
        .callsites
        .iter()
        .filter(|site| site.path == "drivers/misc/x.c" && site.call == "put_page");
    let lines: Vec<&str> = releases
        .flat_map(|site| &site.origins)
        .map(String::as_str)
        .collect();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(
        lines
            .iter()
            .all(|origin| origin.starts_with("get_user_pages_fast ")),
        "{lines:?}"
    );
    assert_ne!(lines[0], lines[1]);
}

#[test]
fn pages_are_the_same_behind_many_loads_and_many_calls_that_give_an_array() {
    let last = |body: &str| {
        let report = with_body(body);
        let own = |site: &&Callsite| site.path == "drivers/misc/x.c" && site.call == "put_page";
        let mut last = report
            .callsites
            .into_iter()
            .filter(|site| own(&site))
            .collect::<Vec<_>>();
        last.pop().unwrap()
    };
    // Beyond 256 loads of a function several share their value.
    let told = [20, 600].map(|loads| {
        let all: String = (0..loads)
            .map(|n| format!("\tuse(pages[{n}]);\n"))
            .collect();
        let site = last(&format!("{all}\tp = pages[0];\n"));
        (site.verdict, site.origins)
    });
    assert_eq!(told[0], told[1]);
    assert!(
        told[0]
            .1
            .iter()
            .any(|from| from.starts_with("get_user_pages_fast "))
    );
    // Beyond 32 definitions a variable whose address got out has no more of them.
    for calls in [20, 40] {
        let one = "\tr = iov_iter_get_pages_alloc2(i, &pages, n, &off);\n";
        let site = last(&format!("{}\tp = pages[0];\n", one.repeat(calls)));
        let given = site
            .origins
            .iter()
            .filter(|from| from.starts_with("iov_iter_get_pages_alloc2 "));
        assert_eq!(given.count(), calls);
    }
}

/// Bytes of the resident set, proc(5).
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap();
    line.split_whitespace()
        .next()
        .unwrap()
        .parse::<u64>()
        .unwrap()
        * 1024
}

#[test]
fn memory_grows_with_the_number_of_branches_and_not_with_its_square() {
    // With a set of definitions for each branch 20,000 of them take 1.6 GB.
    let body: String = (0..20_000)
        .map(|n| format!("\tif (n == {n})\n\t\tp = pages[{n}];\n"))
        .collect();
    let before = resident();
    with_body(&body);
    let grown = resident().saturating_sub(before) >> 20;
    assert!(grown < 400, "{grown} MiB");
}
