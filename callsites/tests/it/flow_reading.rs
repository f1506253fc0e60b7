// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the flow reads of a tree: pages that pass through many hands, each of which must be read in time.

use crate::judged::check;
use callsites::audit::{AuditOptions, audit};
use callsites::tree::Tree;
use std::fs;

const TABLE_H: &str = "
#include <linux/scatterlist.h>
struct frob_object;
struct frob_ops {
	int (*get)(struct frob_object *object);
	void (*put)(struct frob_object *object, struct sg_table *table);
};
struct frob_object {
	const struct frob_ops *ops;
	struct {
		struct sg_table *pages;
	} held;
};
struct frob_walk {
	struct scatterlist *at;
	unsigned long pfn;
};
static inline struct frob_walk frob_begin(struct scatterlist *first)
{
	struct frob_walk walk = { .at = first };

	if (walk.at)
		walk.pfn = page_to_pfn(sg_page(walk.at));
	return walk;
}
#define frob_each_page(page, walk, table) \\
	for ((walk) = frob_begin((table)->sgl); \\
	     ((page) = (walk).pfn ? pfn_to_page((walk).pfn) : NULL); \\
	     (walk) = frob_begin(sg_next((walk).at)))
";

#[test]
fn pages_are_followed_through_helpers_a_member_an_accessor_and_an_iterator_with_a_function_in_it() {
    check(&[
        ("drivers/frob/table.h", TABLE_H),
        (
            "drivers/frob/store.c",
            "
#include \"table.h\"
void frob_set(struct frob_object *object, struct sg_table *table)
{
	object->held.pages = table;
}
struct sg_table *frob_unset(struct frob_object *object)
{
	struct sg_table *table = object->held.pages;

	object->held.pages = NULL;
	return table;
}
void frob_let_go(struct frob_object *object)
{
	struct sg_table *table = frob_unset(object);

	object->ops->put(object, table);
}
",
        ),
        (
            "drivers/frob/user.c",
            "
#include \"table.h\"
static struct sg_table *frob_make(struct frob_object *object, struct page **pages, int n)
{
	struct sg_table *table = kmalloc(sizeof(*table), GFP_KERNEL);

	sg_alloc_table_from_pages(table, pages, n, 0, n << PAGE_SHIFT, GFP_KERNEL);
	frob_map(object, table);
	frob_set(object, table);
	return table;
}
static int frob_user_get(struct frob_object *object)
{
	struct page *pages[16];
	int got = get_user_pages_fast(0, 16, FOLL_WRITE, pages); //^ convert

	if (got < 16) {
		release_pages(pages, got); //^ convert
		return -EFAULT;
	}
	frob_make(object, pages, got);
	return 0;
}
static void frob_user_put(struct frob_object *object, struct sg_table *table)
{
	struct frob_walk walk;
	struct page *page;

	frob_each_page(page, walk, table)
		put_page(page); //^ convert
}
static const struct frob_ops frob_user_ops = {
	.get = frob_user_get,
	.put = frob_user_put,
};
",
        ),
    ]);
}

#[test]
fn marking_pinned_pages_dirty_is_done() {
    check(&[(
        "drivers/frob/pins.c",
        "
struct frob { struct page *pages[16]; int n; };
int frob_take(struct frob *f, unsigned long from)
{
	f->n = pin_user_pages_fast(from, 16, FOLL_WRITE, f->pages); //^ done
	return f->n;
}
void frob_drop(struct frob *f)
{
	int i;

	for (i = 0; i < f->n; i++) {
		set_page_dirty_lock(f->pages[i]); //^ done
		unpin_user_page(f->pages[i]); //^ done
	}
}
",
    )]);
}

/// A frame number is kept in a record that others of the directory use for everything else.
#[test]
fn a_number_of_a_record_that_was_not_read_is_no_reason_to_read_who_uses_it() {
    let tree = tempfile::tempdir().unwrap();
    for (path, text) in [
        ("Makefile", "VERSION = 6\nPATCHLEVEL = 12\n"),
        ("include/linux/mm.h", "long pin_user_pages(void);\n"),
        (
            "drivers/frob/key.h",
            "struct key {\n\tu64 offset;\n\tu32 kind;\n};\n",
        ),
        (
            "drivers/frob/item.h",
            "#include \"key.h\"\nstruct item {\n\tstruct key key;\n\tstruct page *pages[16];\n};\n",
        ),
        (
            "drivers/frob/take.c",
            "#include \"item.h\"
int frob_take(struct item *item, unsigned long start)
{
	int got = get_user_pages_fast(start, 16, FOLL_WRITE, item->pages);

	item->key.offset = page_to_pfn(item->pages[0]);
	return got;
}
void frob_give(struct item *item)
{
	int i;

	for (i = 0; i < 16; i++)
		put_page(item->pages[i]);
}
",
        ),
        (
            "drivers/frob/other.c",
            "#include \"key.h\"\nvoid key_next(struct key *key)\n{\n\tkey->offset++;\n}\n",
        ),
    ] {
        let path = tree.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let tree = Tree::open(tree.path().to_str().unwrap()).unwrap();
    let report = audit(&tree, &AuditOptions::default()).unwrap();
    assert_eq!(report.coverage.functions, 2, "{:?}", report.coverage);
    assert_eq!(report.callsites.len(), 2);
}

#[test]
fn what_a_helper_fills_an_array_with_goes_where_the_array_goes() {
    check(&[(
        "drivers/a/a.c",
        "
struct buffer { struct sg_table table; };
void buffer_free(struct buffer *b)
{
	struct sg_page_iter it;

	for_each_sg_page(b->table.sgl, &it, b->table.nents, 0)
		put_page(sg_page_iter_page(&it)); //^ mixed
}
int buffer_from_user(struct buffer *b, unsigned long at, unsigned int n)
{
	struct page **pages = kvcalloc(n, sizeof(*pages), GFP_KERNEL);
	int got = get_user_pages_fast(at, n, 0, pages); //^ convert

	if (got != n)
		return -EFAULT;
	return sg_alloc_table_from_pages(&b->table, pages, n, 0, 1, GFP_KERNEL);
}
static int own_pages(struct page **pages, unsigned int n)
{
	while (n--)
		pages[n] = alloc_page(GFP_KERNEL);
	return 0;
}
int buffer_of_own(struct buffer *b, unsigned int n)
{
	struct page **pages = kvcalloc(n, sizeof(*pages), GFP_KERNEL);

	if (own_pages(pages, n))
		return -ENOMEM;
	return sg_alloc_table_from_pages(&b->table, pages, n, 0, 1, GFP_KERNEL);
}
",
    )]);
}
