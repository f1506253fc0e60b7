// SPDX-License-Identifier: MIT OR Apache-2.0
//! What maintainers converted between two trees, told from the trees alone: functions that took or released user pages
//! plainly in the earlier one, and do so by the pinning API in the later one.
//!
//! A series of maintainers that converts iterators begins with the functions for it. They are taken as given where the later
//! tree declares them: what is compared is the conversion.

use super::{Comparison, Judged, Label, Ours, compared};
use crate::error::Error;
use callsites::report::{Callsite, Report, Role};
use callsites::tree::Tree;
use refimpl::api::catalogue;
use std::collections::BTreeMap;

/// Plans every group of `report` and compares each function that is converted in `later`.
///
/// # Errors
/// A file that cannot be read, or a plan whose edits overlap.
pub fn compare_series(
    tree: &Tree,
    later: &Tree,
    (report, after): (&Report, &Report),
    judged: Judged,
) -> Result<Comparison, Error> {
    let ours = Ours::of(tree, report, Some(later))?;
    let mut functions = Vec::new();
    for ((path, function), label) in converted(report, after) {
        functions.push(compared(
            tree, later, report, &ours, path, function, &label,
        )?);
    }
    Ok(Comparison {
        pair: format!("{}-{}", tree.version(), later.version()),
        functions,
        judged,
        must_stay: None,
    })
}

/// How many calls of a function are plain, and how many pin.
#[derive(Default)]
struct Calls<'r> {
    plain: Vec<&'r Callsite>,
    pinning: usize,
}

/// The calls of each function, those aside that mark pages dirty: these are the same for every page.
fn calls(report: &Report) -> BTreeMap<(&str, &str), Calls<'_>> {
    let mut all: BTreeMap<(&str, &str), Calls<'_>> = BTreeMap::new();
    for site in report
        .callsites
        .iter()
        .filter(|site| site.role != Role::Dirty)
    {
        let known = catalogue().get(&site.call);
        let calls = all.entry((&site.path, &site.function)).or_default();
        match known.is_some_and(|function| function.is_pinning()) {
            true => calls.pinning += 1,
            false => calls.plain.push(site),
        }
    }
    all
}

/// The functions that have more pinning calls and fewer plain ones in the later tree, with their plain calls.
fn converted(before: &Report, after: &Report) -> BTreeMap<(String, String), Label> {
    let (old, new) = (calls(before), calls(after));
    let functions = old.into_iter().filter_map(|(key, had)| {
        let has = new.get(&key)?;
        let gained = has.pinning > had.pinning && has.plain.len() < had.plain.len();
        gained.then(|| {
            let calls = had.plain.iter().map(|site| (site.call.clone(), site.line));
            let label = Label {
                calls: calls.collect(),
                moved: None,
            };
            ((key.0.to_owned(), key.1.to_owned()), label)
        })
    });
    functions.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;
    use callsites::report::Era;

    const OLD: &str = "void f(struct toy *toy)\n{\n\tget_user_pages_fast(toy->at, 1, 0, &toy->page);\n\tput_page(toy->page);\n}\n\
                       void g(struct toy *toy)\n{\n\tput_page(toy->page);\n}\n";

    fn report(text: &str) -> Report {
        fixture::report(Era::Pin, &[("drivers/misc/toy.c", text)])
    }

    #[test]
    fn a_function_counts_as_converted_when_its_plain_calls_became_pinning_ones() {
        let new = OLD
            .replace("get_user_pages_fast(toy", "pin_user_pages_fast(toy")
            .replacen("put_page", "unpin_user_page", 1);
        let found = converted(&report(OLD), &report(&new));
        let names: Vec<&str> = found
            .keys()
            .map(|(_, function)| function.as_str())
            .collect();
        assert_eq!(names, ["f"]);
        let label = &found[&("drivers/misc/toy.c".to_owned(), "f".to_owned())];
        assert_eq!(
            label.calls,
            [
                ("get_user_pages_fast".to_owned(), 3),
                ("put_page".to_owned(), 4)
            ]
        );
        assert!(converted(&report(OLD), &report(OLD)).is_empty());
        // A call that merely went is no conversion.
        let gone = OLD.replacen("\tput_page(toy->page);\n", "", 1);
        assert!(converted(&report(OLD), &report(&gone)).is_empty());
    }

    #[test]
    fn the_functions_for_iterators_are_those_of_the_later_tree() {
        const TEXT: &str = "static void f(struct toy *toy, struct iov_iter *from)\n{\n\tstruct page *page;\n\tsize_t off;\n\n\
                            \tiov_iter_get_pages2(from, &page, 4096, 1, &off);\n\tput_page(page);\n}\n";
        let dir = tempfile::tempdir().expect("a directory");
        let dir = camino::Utf8Path::from_path(dir.path()).expect("UTF-8");
        let tree = |name: &str, iterators: &str| {
            let files = [
                ("Makefile", "VERSION = 6\nPATCHLEVEL = 1\nSUBLEVEL = 0\n"),
                ("include/linux/mm.h", fixture::header(Era::Pin)),
                ("include/linux/uio.h", iterators),
                ("drivers/misc/toy.c", TEXT),
            ];
            for (path, text) in files {
                let path = dir.join(name).join(path);
                std::fs::create_dir_all(path.parent().expect("a file")).expect("a directory");
                std::fs::write(path, text).expect("a file");
            }
            Tree::open(dir.join(name).as_str()).expect("a kernel tree")
        };
        let before = tree("before", "");
        let later = tree(
            "later",
            "ssize_t iov_iter_extract_pages(struct iov_iter *i);\nbool iov_iter_extract_will_pin(const struct iov_iter *i);\n",
        );
        let mut report = report(TEXT);
        let step = |site: &Callsite| callsites::report::Step {
            id: site.id.clone(),
            becomes: site.replacement.clone().unwrap_or_default(),
            when: callsites::report::When::WillPin,
            because: Vec::new(),
        };
        report.groups[0].plan = report.callsites.iter().map(step).collect();
        let lent = Ours::of(&before, &report, Some(&later)).expect("it is planned");
        let names: Vec<&str> = lent
            .replaced
            .iter()
            .map(|call| call.becomes.as_str())
            .collect();
        assert_eq!(names, ["iov_iter_extract_pages", "unpin_user_page"]);
        let own = Ours::of(&before, &report, Some(&before)).expect("it is planned");
        assert!(own.replaced.is_empty());
        assert!(
            own.refused["g1"].contains("came with 6.3"),
            "{:?}",
            own.refused
        );
    }
}
