// SPDX-License-Identifier: MIT OR Apache-2.0
//! Three functions that maintainers converted: one as we do, one in another way, one that we refuse.

use super::*;
use crate::fixture::{header, report};
use std::fs;

const BEFORE: &str = "\
static void toy_same(struct toy *toy)
{
	put_page(toy->page);
}

static void toy_other(struct toy *toy)
{
	set_page_dirty(toy->page);
	put_page(toy->page);
}

static void toy_refused(struct toy *toy, int flags)
{
	toy->n = get_user_pages_fast(toy->addr, toy->n, flags, toy->pages);
	__free_pages(toy->page, 0);
}
";

const AFTER: &str = "\
static void toy_same(struct toy *toy)
{
	unpin_user_page(toy->page);
}

static void toy_other(struct toy *toy)
{
	unpin_user_pages_dirty_lock(&toy->page, 1, true);
}

static void toy_refused(struct toy *toy, int flags)
{
	toy->n = pin_user_pages_fast(toy->addr, toy->n, flags, toy->pages);
	unpin_user_page(toy->page);
}
";

const TRUTH: &str = "\
file\tfunction\tkind\tbefore_calls(OLD line)\tafter_calls(NEW line)\tnote
drivers/misc/toy.c\ttoy_same\trelease\tput_page@3\tunpin_user_page@3\t
drivers/misc/toy.c\ttoy_other\trelease\tset_page_dirty@8, put_page@9\tunpin_user_pages_dirty_lock@8\t
drivers/misc/toy.c\ttoy_refused\trelease\t__free_pages@15\tunpin_user_page@14\t
drivers/misc/toy.c\ttoy_refused\tacquire\tget_user_pages_fast@14\tpin_user_pages_fast@13\t
";

fn tree(dir: &Utf8Path, text: &str, era: Era) -> Tree {
    fs::create_dir_all(dir.join("drivers/misc")).expect("a directory");
    fs::create_dir_all(dir.join("include/linux")).expect("a directory");
    fs::write(
        dir.join("Makefile"),
        "VERSION = 5\nPATCHLEVEL = 4\nSUBLEVEL = 1\n",
    )
    .expect("a file");
    fs::write(dir.join("include/linux/mm.h"), header(era)).expect("a file");
    fs::write(dir.join("drivers/misc/toy.c"), text).expect("a file");
    Tree::open(dir.as_str()).expect("a kernel tree")
}

fn comparison(judged: &str) -> Comparison {
    let dir = tempfile::tempdir().expect("a directory");
    let root = Utf8Path::from_path(dir.path()).expect("UTF-8");
    let set = root.join("set");
    fs::create_dir_all(&set).expect("a directory");
    let tables = [
        ("truth-5.4-5.9.tsv", TRUTH),
        (
            "negatives-5.4.tsv",
            "label\tfile\tline\tcall\nNEG\tdrivers/misc/toy.c\t3\tput_page\n",
        ),
        ("excluded-5.4-5.9.tsv", "file\told_calls\tfinal_class\n"),
    ];
    for (name, text) in tables {
        fs::write(set.join(name), text).expect("a file");
    }
    let before = tree(&root.join("before"), BEFORE, Era::PutUserPage);
    let after = tree(&root.join("after"), AFTER, Era::Pin);
    let mut report = report(Era::PutUserPage, &[("drivers/misc/toy.c", BEFORE)]);
    // Each function is a group of its own here, so that the one that is refused takes no other along.
    let groups: Vec<_> = ["toy_same", "toy_other", "toy_refused"]
        .iter()
        .map(|name| {
            let mut group = report.groups[0].clone();
            group.id = (*name).to_owned();
            let ids: Vec<String> = report
                .callsites
                .iter()
                .filter(|site| site.function == *name)
                .map(|site| site.id.clone())
                .collect();
            for list in [&mut group.acquires, &mut group.releases, &mut group.dirties] {
                list.retain(|id| ids.contains(id));
            }
            group
        })
        .collect();
    report.groups = groups;
    for site in &mut report.callsites {
        site.group = Some(site.function.clone());
    }
    let judged = Judged::parse(judged);
    compare(&set, "5.4-5.9", &before, &after, &report, judged).expect("readable tables")
}

const JUDGED: &str = "| file | function | judgement | why |\n|---|---|---|---|\n\
                      | drivers/misc/toy.c | toy_other | equivalent | dirtied first as well |\n";

#[test]
fn each_function_is_the_same_another_or_refused_with_its_reason() {
    let comparison = comparison(JUDGED);
    let states: Vec<(&str, State)> = comparison
        .functions
        .iter()
        .map(|f| (f.function.as_str(), f.state))
        .collect();
    assert_eq!(
        states,
        [
            ("toy_other", State::Other),
            ("toy_refused", State::Refused),
            ("toy_same", State::Same)
        ]
    );
    assert!(
        comparison.functions[1].why.contains("frees the page"),
        "{}",
        comparison.functions[1].why
    );
    assert_eq!(comparison.counts(), (1, 1));
    assert_eq!(comparison.stale(), Vec::<String>::new());
}

#[test]
fn a_call_that_must_stay_and_is_changed_is_named_and_fails_the_bar() {
    let comparison = comparison(JUDGED);
    assert_eq!(
        comparison.must_stay,
        Some((1, vec!["drivers/misc/toy.c:3 put_page()".to_owned()]))
    );
    assert!(!comparison.met());
}

#[test]
fn a_judgement_that_no_longer_holds_is_named() {
    let page = "| drivers/misc/toy.c | toy_same | refused | it was once |\n\
                | drivers/misc/gone.c | toy_gone | equivalent | it was there |\n";
    assert_eq!(
        comparison(page).stale(),
        [
            "drivers/misc/toy.c toy_same(): judged refused, but it is same",
            "drivers/misc/gone.c toy_gone(): judged, but no function of the set",
        ]
    );
}
