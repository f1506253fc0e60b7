// SPDX-License-Identifier: MIT OR Apache-2.0
//! Fixes: first in a series or a series of their own, with the commit that they mend where the history has it.

use super::{Fixture, author, put, text};
use crate::error::Error;
use crate::fixture::header;
use crate::options::ConvertOptions;
use crate::series::Series;
use callsites::report::Era;
use proc::git::store;

const PATH: &str = "drivers/misc/toy.c";

const FREES: &str = "\
static int toy_map(struct toy *toy, unsigned long addr)
{
	int got;

	got = get_user_pages_fast(addr, 1, FOLL_WRITE, toy->pages);
	if (got != 1)
		return -EFAULT;
	if (toy_start(toy)) {
		__free_page(toy->pages[0]);
		return -EIO;
	}
	return 0;
}

static void toy_unmap(struct toy *toy)
{
	put_page(toy->pages[0]);
}
";

fn changed(series: &Series, file: usize) -> Vec<String> {
    let mail = text(&series.mails[file].bytes);
    let line = |line: &&str| {
        (line.starts_with('+') || line.starts_with('-'))
            && !line.starts_with("+++")
            && !line.starts_with("---")
    };
    mail.lines().filter(line).map(str::to_owned).collect()
}

#[test]
fn a_user_page_that_is_freed_is_put_first_and_then_unpinned() {
    let fixture = Fixture::of(&[(PATH, FREES)]);
    let series = fixture.convert(&fixture.rehearsal()).expect("it converts");
    let subjects: Vec<&str> = series
        .info
        .patches
        .iter()
        .map(|p| p.subject.as_str())
        .collect();
    assert_eq!(
        subjects,
        [
            "misc: toy: fix release of user pages in toy_map()",
            "misc: toy: convert get_user_pages_fast() to pin_user_pages_fast()",
        ]
    );
    assert_eq!(
        changed(&series, 1),
        [
            "-\t\t__free_page(toy->pages[0]);",
            "+\t\tput_page(toy->pages[0]);"
        ]
    );
    assert_eq!(
        changed(&series, 2),
        [
            "-\tgot = get_user_pages_fast(addr, 1, FOLL_WRITE, toy->pages);",
            "+\tgot = pin_user_pages_fast(addr, 1, FOLL_WRITE, toy->pages);",
            "-\t\tput_page(toy->pages[0]);",
            "+\t\tunpin_user_page(toy->pages[0]);",
            "-\tput_page(toy->pages[0]);",
            "+\tunpin_user_page(toy->pages[0]);",
        ]
    );
    let mail = text(&series.mails[1].bytes).replace('\n', " ");
    assert!(
        mail.contains("toy_map() gets user pages with get_user_pages_fast() and gives them back with __free_page()."),
        "{mail}"
    );
    assert!(mail.contains("Fixes: not looked up, no history."), "{mail}");
    assert!(!mail.contains("functional change"), "{mail}");
}

#[test]
fn fixes_can_be_had_alone_and_where_there_are_none_that_is_said() {
    let fixture = Fixture::of(&[(PATH, FREES)]);
    let only = ConvertOptions {
        fixes: true,
        ..fixture.rehearsal()
    };
    let series = fixture.convert(&only).expect("it has one");
    assert_eq!(series.info.patches.len(), 1);
    assert_eq!(
        series.info.title,
        "misc: toy: fix release of user pages in toy_map()"
    );
    let cover = text(&series.mails[0].bytes);
    assert!(
        cover.contains("\nThis patch fixes a release of user pages"),
        "{cover}"
    );
    let fixture = Fixture::new();
    let only = ConvertOptions {
        fixes: true,
        ..fixture.rehearsal()
    };
    let error = fixture.convert(&only).expect_err("there is none");
    assert!(matches!(error, Error::Nothing { .. }));
    assert!(
        error
            .to_string()
            .starts_with("find a release to fix: the audit found none"),
        "{error}"
    );
}

#[test]
fn a_tree_that_lacks_the_functions_gets_its_fixes_without_them() {
    let mut fixture = Fixture::of(&[(PATH, FREES)]);
    fixture.report.tree.era = Era::PutPage;
    put(
        &fixture.path("tree"),
        "include/linux/mm.h",
        header(Era::PutPage),
    );
    let only = ConvertOptions {
        fixes: true,
        ..fixture.rehearsal()
    };
    let series = fixture.convert(&only).expect("it has one");
    assert_eq!(series.info.patches.len(), 1);
    assert!(text(&series.mbox()).contains("+\t\tput_page(toy->pages[0]);"));
}

#[test]
fn the_commit_that_is_mended_is_named_where_the_history_has_it() {
    let fixture = Fixture::of(&[(PATH, FREES)]).with_git();
    let series = fixture.convert(&fixture.options()).expect("it converts");
    let mail = text(&series.mails[1].bytes);
    // The first commit brings the whole tree, and mends nothing.
    assert!(!mail.contains("\nFixes: "), "{mail}");
    assert!(
        mail.contains("Fixes: the history at hand does not"),
        "{mail}"
    );

    let whole = FREES.replace("\t\t__free_page(toy->pages[0]);\n", "");
    let fixture = Fixture::of(&[(PATH, FREES)]);
    let tree = fixture.path("tree");
    put(&tree, PATH, &whole);
    let fixture = fixture.with_git();
    put(&tree, PATH, FREES);
    store::commit_all(
        tree.as_std_path(),
        "misc: toy: free what did not start",
        &author(),
    )
    .expect("git commit");
    let series = fixture.convert(&fixture.options()).expect("it converts");
    let id = proc::git::commit_id(tree.as_std_path(), "HEAD").expect("a commit");
    let mail = text(&series.mails[1].bytes);
    let tags = format!(
        "\nFixes: {} (\"misc: toy: free what did not start\")\nSigned-off-by: ",
        &id[..12]
    );
    assert!(mail.contains(&tags), "{mail}");
}
