// SPDX-License-Identifier: MIT OR Apache-2.0
//! The first steps on a small tree of our own, and the structures that each rewrite refuses.

use super::clash;
use super::definition::{Place, find, names};
use super::introduce::place;
use super::one_exit::one_exit;
use crate::edits::{Source, carry_out, ordered};
use crate::error::Error;
use crate::options::{ConvertOptions, Signer};
use crate::series::Series;
use callsites::tree::Tree;
use camino::{Utf8Path, Utf8PathBuf};
use std::fs;

const HEADER: &str = "\
#ifndef _LINUX_MM_H
#define _LINUX_MM_H
#ifdef __KERNEL__
static inline void put_page(struct page *page)
{
	if (put_page_testzero(page))
		__put_page(page);
}

#define PAGE_IS_FINE 1
#endif
#endif
";

const GUP: &str = "\
static long __get_user_pages(struct mm_struct *mm, unsigned long start,
		unsigned long nr, struct page **pages)
{
	long done = 0;

	if (!nr)
		return 0;

	do {
		struct page *page;

		if (signal_pending(current))
			return done ? done : -EINTR;
again:
		page = lookup(mm, start);
		if (!page) {
			int err;

			err = fault_in(mm, start);
			switch (err) {
			case 0:
				goto again;
			case -EBUSY:
				return done;
			default:
				return done ?: err;
			}
		}
		pages[done++] = page;
		start += PAGE_SIZE;
	} while (--nr);
	return done;
}
";

const SWAP: &str = "\
void put_pages_list(struct list_head *pages)
{
	drop_all(pages);
}
EXPORT_SYMBOL(put_pages_list);

int other;
";

const RDMA: &str = "\
struct toy_region {
	struct page **pages;
	int put_page;
};

static int toy_take(struct toy_region *region, unsigned long addr, int n)
{
	int ret;

	ret = get_user_pages_fast(addr, n, 1, region->pages);
	if (ret != n)
		return -EFAULT;
	dma_map_page(region->dev, region->pages[0], 0, PAGE_SIZE, DMA_FROM_DEVICE);
	return 0;
}

static void toy_drop(struct toy_region *region, unsigned long n, bool dirty)
{
	unsigned long i;

	for (i = 0; i < n; i++) {
		if (dirty)
			set_page_dirty_lock(region->pages[i]);
		put_page(region->pages[i]);
	}
	region->put_page = 0;
}
";

const PIPE: &str = "\
static void release_user_pages(struct page **pages, int count,
			       int dirty)
{
	int i;

	for (i = 0; i < count; i++) {
		if (dirty)
			set_page_dirty(pages[i]);
		put_page(pages[i]);
	}
}

static int toy_transfer(struct toy_pipe *pipe, unsigned long addr, int dirty)
{
	struct page *pages[4];
	int count;

	count = get_user_pages_fast(addr, 4, dirty, pages);
	if (count <= 0)
		return -EFAULT;
	toy_move(pipe, pages, count);
	release_user_pages(pages, count, dirty);
	return 0;
}
";

struct Fixture {
    dir: tempfile::TempDir,
}

impl Fixture {
    fn new(more: &[(&str, &str)]) -> Fixture {
        let dir = tempfile::tempdir().expect("a directory");
        let fixture = Fixture { dir };
        let makefile = "VERSION = 4\nPATCHLEVEL = 19\nSUBLEVEL = 1\nEXTRAVERSION =\n";
        let files = [
            ("Makefile", makefile),
            ("include/linux/mm.h", HEADER),
            ("mm/gup.c", GUP),
            ("mm/swap.c", SWAP),
            ("drivers/infiniband/hw/toy/region.c", RDMA),
            ("drivers/platform/goldfish/toy_pipe.c", PIPE),
        ];
        for (path, text) in files.iter().chain(more) {
            let path = fixture.path("tree").join(path);
            fs::create_dir_all(path.parent().expect("a file")).expect("a directory");
            fs::write(path, text).expect("a file");
        }
        fixture
    }

    fn path(&self, name: &str) -> Utf8PathBuf {
        Utf8PathBuf::from_path_buf(self.dir.path().join(name)).expect("UTF-8")
    }

    fn tree(&self) -> Tree {
        Tree::open(self.path("tree").as_str()).expect("a kernel tree")
    }

    fn convert(&self, name: &str) -> Result<Series, Error> {
        let tree = self.tree();
        let report = callsites::audit(&tree, &callsites::AuditOptions::default()).expect("audited");
        let options = ConvertOptions {
            signer: Signer::Unsigned,
            ..ConvertOptions::new(self.path("work"))
        };
        super::convert(&tree, &report, name, &options)
    }
}

fn mails(series: &Series) -> String {
    String::from_utf8_lossy(&series.mbox()).into_owned()
}

#[test]
fn the_first_steps_give_these_patches() {
    let series = Fixture::new(&[]).convert("first-steps").expect("it fits");
    assert_eq!(series.info.patches.len(), 4);
    insta::assert_snapshot!("first_steps", mails(&series));
}

#[test]
fn the_variant_dirties_arrays_by_one_call() {
    let series = Fixture::new(&[])
        .convert("first-steps-v5")
        .expect("it fits");
    insta::assert_snapshot!("first_steps_v5", mails(&series));
}

#[test]
fn both_variants_have_places_of_their_own() {
    assert_eq!(names(), ["first-steps", "first-steps-v5"]);
    for name in names() {
        let (_, variant) = find(name).expect("it is one of the names");
        for function in &variant.introduces {
            let placed = variant
                .place
                .iter()
                .any(|place| place.text.contains(function));
            assert!(placed, "{name} never defines {function}");
        }
    }
}

#[test]
fn a_name_that_others_can_call_is_not_taken() {
    let fixture = Fixture::new(&[(
        "lib/taken.c",
        "void put_user_page(struct page *page)\n{\n}\n",
    )]);
    let Err(Error::StepRefused { why, .. }) = fixture.convert("first-steps") else {
        panic!("two functions would bear one name");
    };
    assert_eq!(
        why,
        "lib/taken.c has a put_user_page() that others can call"
    );
}

#[test]
fn the_new_name_of_a_static_function_is_free_too() {
    let taken = "static inline int __release_user_pages(void) { return 0; }\n";
    let fixture = Fixture::new(&[("include/linux/taken.h", taken)]);
    let why = clash::check(&fixture.tree(), &["release_user_pages".into()])
        .expect("the tree can be read")
        .expect_err("the second name is taken");
    assert_eq!(
        why,
        "drivers/platform/goldfish/toy_pipe.c: __release_user_pages is in use as well"
    );
}

#[test]
fn fields_and_locals_may_keep_the_name() {
    let text =
        "struct t { int put_user_page; };\nint f(struct t *t)\n{\n\treturn t->put_user_page;\n}\n";
    let fixture = Fixture::new(&[("lib/field.c", text)]);
    let renamed = clash::check(&fixture.tree(), &["put_user_page".into()]).expect("readable");
    assert!(renamed.expect("no clash").is_empty());
}

fn source(text: &str) -> Source {
    Source::parse(
        Utf8Path::new("mm/gup.c"),
        text.as_bytes().to_vec(),
        &["f"].into(),
    )
}

fn exit_of(body: &str) -> Result<String, String> {
    let text = format!("static long f(int n)\n{{\n{body}}}\n");
    let exit = one_exit(&source(&text), "f", "out")?;
    let edits = ordered(exit.edits, text.len()).expect("no overlap");
    Ok(String::from_utf8(carry_out(text.as_bytes(), &edits)).expect("UTF-8"))
}

#[test]
fn exits_that_do_not_follow_the_rule_are_refused() {
    let refusals = [
        ("\treturn n;\n", "f() has no loop"),
        (
            "\tlong i = 0;\n\n\twhile (n--)\n\t\ti++;\n\treturn i;\n",
            "f() has no exits to bring together",
        ),
        (
            "\tlong i = 0;\n\n\twhile (n--) {\n\t\tif (a())\n\t\t\treturn -EIO;\n\t\tif (b())\n\t\t\treturn i;\n\t}\n\treturn i;\n",
            "`return -EIO;` returns something else than the count or an error",
        ),
        (
            "\tlong i = 0;\n\n\twhile (n--) {\n\t\tif (a())\n\t\t\tgoto out;\n\t\tif (b())\n\t\t\treturn i;\n\t}\nout:\n\treturn i;\n",
            "f() has a label `out` already",
        ),
        (
            "\tlong i = 0;\n\n\twhile (n--) {\n\t\tif (a())\n\t\t\treturn i;\n\t\telse\n\t\t\treturn i ? i : -EIO;\n\t}\n\treturn i;\n",
            "`return i;` stands where a second statement needs more than braces",
        ),
        (
            "\tlong i = 0;\n\n\twhile (n--)\n\t\ti++;\n\treturn i + 1;\n",
            "f() does not end by returning the variable in which it counts",
        ),
    ];
    for (body, why) in refusals {
        assert_eq!(exit_of(body), Err(why.to_owned()));
    }
}

#[test]
fn a_place_that_is_there_twice_or_under_a_condition_is_none() {
    let at = Place {
        file: "mm/gup.c".into(),
        after: "f".into(),
        text: "int g;\n".into(),
    };
    let two = "int f(void)\n{\n\treturn 1;\n}\n";
    let twice = format!("{two}{two}");
    let conditional = format!("#ifdef CONFIG_MMU\n{two}#endif\n");
    assert_eq!(
        place(&source(&twice), &at),
        Err("mm/gup.c has more than one f()".into())
    );
    assert_eq!(
        place(&source(&conditional), &at),
        Err("f() in mm/gup.c is there only under CONFIG_MMU".into())
    );
    assert_eq!(
        place(&source("int h;\n"), &at),
        Err("mm/gup.c has no f()".into())
    );
}

#[test]
fn a_tree_that_has_the_functions_is_refused() {
    let header = "void put_user_page(struct page *page);\n";
    let fixture = Fixture::new(&[("include/linux/mm.h", header)]);
    let error = fixture
        .convert("first-steps")
        .expect_err("nothing to introduce");
    assert_eq!(
        error.to_string(),
        "make the step `introduce`: Linux 4.19.1 has releasing functions for user pages"
    );
}
