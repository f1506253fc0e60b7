// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the flow tells apart: pages of different origin that pass through the same text, type or container.

use crate::judged::check;

/// A driver that pins pages into an array that `allocate` makes, and its twin that fills such an array itself. What
/// frob_drop() puts is unknown, so the definition of the macro is read.
fn twins(header: &str, allocate: &str) {
    let allocate_four = allocate.replace("n)", "4)");
    let user = format!(
        "#include <linux/alloc.h>
struct frob {{
	struct page **pages;
	int count;
}};
static int frob_get(struct frob *f, unsigned long at, int n)
{{
	f->pages = {allocate};
	f->count = get_user_pages_fast(at, n, FOLL_WRITE, f->pages); //^ convert
	return 0;
}}
static void frob_put(struct frob *f)
{{
	int i;

	for (i = 0; i < f->count; i++) {{
		set_page_dirty_lock(f->pages[i]); //^ convert
		put_page(f->pages[i]); //^ convert
	}}
}}
static void frob_drop(void)
{{
	struct page **pages = {allocate_four};

	put_page(pages[0]);
}}
"
    );
    let other = format!(
        "#include <linux/alloc.h>
static void buffer_use(int n)
{{
	struct page **pages = {allocate};
	int i;

	for (i = 0; i < n; i++)
		pages[i] = alloc_page(GFP_KERNEL);
	buffer_fill(pages, n);
	for (i = 0; i < n; i++)
		put_page(pages[i]); //^ keep
}}
"
    );
    check(&[
        ("include/linux/alloc.h", header),
        ("drivers/frob/frob.c", &user),
        ("drivers/other/buffer.c", &other),
    ]);
}

#[test]
fn memory_that_a_macro_allocates_is_another_in_each_expansion() {
    twins(
        "#define new_pages(n) kcalloc(n, sizeof(struct page *), GFP_KERNEL)\n",
        "new_pages(n)",
    );
}

#[test]
fn a_macro_that_is_given_the_allocating_function_allocates_too() {
    twins(
        "#define new_by(how, n) how((n) * sizeof(struct page *), GFP_KERNEL)\n#define new_pages(n) new_by(kmalloc, n)\n",
        "new_pages(n)",
    );
}

#[test]
fn what_an_unread_function_returns_in_a_macro_is_another_in_each_expansion() {
    twins(
        "#define new_pages(n) arena_take((n) * sizeof(struct page *))\n",
        "new_pages(n)",
    );
}

#[test]
fn what_two_drivers_keep_behind_a_void_pointer_of_a_public_record_is_theirs() {
    check(&[
        (
            "include/linux/handle.h",
            "struct handle {\n\tvoid *private;\n\tint users;\n};\n",
        ),
        (
            "drivers/frob/frob.c",
            "#include <linux/handle.h>
static int frob_open(struct handle *handle, unsigned long at)
{
	struct page *page;

	if (get_user_pages_fast(at, 1, FOLL_WRITE, &page) != 1) //^ convert
		return -EFAULT;
	handle->private = page;
	return 0;
}
static void frob_close(struct handle *handle)
{
	struct page *page = handle->private;

	set_page_dirty_lock(page); //^ convert
	put_page(page); //^ convert
}
",
        ),
        (
            "drivers/other/buffer.c",
            "#include <linux/handle.h>
static int buffer_open(struct handle *handle)
{
	struct handle set_up = { .private = alloc_page(GFP_KERNEL) };

	*handle = set_up;
	return 0;
}
static void buffer_close(struct handle *handle)
{
	put_page(handle->private); //^ keep
}
",
        ),
    ]);
}

#[test]
fn the_page_that_a_folio_embeds_is_the_folio() {
    check(&[
        (
            "include/linux/mm_types.h",
            "struct page {\n\tunsigned long flags;\n};\nstruct folio {\n\tunion {\n\t\tstruct {\n\t\t\tunsigned long flags;\n\t\t};\n\t\tstruct page page;\n\t};\n};\n",
        ),
        (
            "drivers/frob/frob.c",
            "#include <linux/mm_types.h>
static int frob_get(unsigned long at)
{
	struct folio *folio;
	struct page *page;

	if (get_user_pages_fast(at, 1, FOLL_WRITE, &page) != 1) //^ convert
		return -EFAULT;
	folio = page_folio(page);
	set_page_dirty_lock(&folio->page); //^ convert
	put_page(&folio->page); //^ convert
	return 0;
}
",
        ),
    ]);
}

#[test]
fn a_release_of_user_pages_that_stay_and_of_other_pages_stays() {
    check(&[(
        "drivers/frob/frob.c",
        "static struct page *frob_get(struct linux_binprm *bprm, unsigned long at)
{
	struct page *page;

	if (get_user_pages_remote(bprm->mm, at, 1, FOLL_WRITE, &page, NULL) != 1) //^ keep
		return alloc_page(GFP_KERNEL);
	return page;
}
static void frob_put(struct linux_binprm *bprm)
{
	struct page *page = frob_get(bprm, 0);

	put_page(page); //^ keep
}
",
    )]);
}

#[test]
fn a_plain_put_beside_an_unpin_in_the_other_arm_has_only_what_is_not_pinned() {
    check(&[(
        "drivers/frob/frob.c",
        "struct frob {
	struct page **pages;
	int count;
	bool user;
};
static int frob_pin(struct frob *f, unsigned long at, int n)
{
	f->pages = kcalloc(n, sizeof(struct page *), GFP_KERNEL);
	f->user = true;
	f->count = pin_user_pages_fast(at, n, FOLL_WRITE | FOLL_LONGTERM, f->pages); //^ done
	return 0;
}
static int frob_make(struct frob *f, int n)
{
	f->pages = frob_pool_pages(n);
	f->count = n;
	return 0;
}
static void frob_free(struct frob *f)
{
	if (f->user)
		unpin_user_pages(f->pages, f->count); //^ done
	else
		release_pages(f->pages, f->count); //^ keep
}
",
    )]);
}

#[test]
fn a_release_beside_an_acquire_whose_pages_are_all_accounted_for_is_not_unknown() {
    let acquire = |given_on: &str| {
        format!(
            "static int frob_read(struct device *dev, unsigned long at)
{{
	struct page *page;

	if (get_user_pages_fast(at, 1, FOLL_WRITE, &page) != 1) //^ convert
		return -EFAULT;
	dma_map_page(dev, page, 0, PAGE_SIZE, DMA_FROM_DEVICE);
{given_on}	set_page_dirty_lock(page); //^ convert
	put_page(page); //^ convert
	return 0;
}}
"
        )
    };
    let other = |verdict: &str| {
        format!(
            "static void other_drop(struct other *other)
{{
	put_page(other_take(other)); //^ {verdict}
}}
"
        )
    };
    check(&[
        ("drivers/frob/frob.c", &acquire("")),
        ("drivers/frob/other.c", &other("keep")),
    ]);
    check(&[
        ("drivers/frob/frob.c", &acquire("\tfrob_keep(page);\n")),
        ("drivers/frob/other.c", &other("unknown")),
    ]);
}

/// Pages of an array, of user space or of the kernel: a member of the same object says which.
const ARRAYS: &str = "
struct tray { struct page *pages[8]; int n; bool user; struct sg_table sgt; };
static int tray_take(struct tray *t, unsigned long at)
{
	t->n = get_user_pages_fast(at, 8, FOLL_WRITE, t->pages);
	t->user = true;
	return t->n == 8 ? 0 : -EFAULT;
}
static void tray_lend(struct tray *t, void *from)
{
	int i;

	for (i = 0; i < 8; i++) {
		t->pages[i] = vmalloc_to_page(from + i * PAGE_SIZE);
		get_page(t->pages[i]);
	}
	t->n = 8;
	t->user = false;
}
static int tray_map(struct device *dev, struct tray *t)
{
	if (sg_alloc_table_from_pages(&t->sgt, t->pages, 8, 0, 8 << PAGE_SHIFT, GFP_KERNEL))
		return -ENOMEM;
	return dma_map_sgtable(dev, &t->sgt, DMA_FROM_DEVICE, 0);
}
static void tray_drop(struct tray *t)
{
	int i;

	for (i = 0; i < t->n; i++) {
		if (t->user) {
			set_page_dirty_lock(t->pages[i]);
			put_page(t->pages[i]); //^ convert
		} else {
			put_page(t->pages[i]); //^ keep
		}
	}
}
";

#[test]
fn a_member_set_where_an_array_is_filled_tells_its_pages_apart() {
    check(&[("drivers/a/a.c", ARRAYS)]);
    // What is set only when nothing has failed since says nothing of who failed.
    let late = "
struct tray { struct page *pages[8]; int n; bool mapped; struct sg_table sgt; };
static int tray_take(struct device *dev, struct tray *t, unsigned long at)
{
	t->n = get_user_pages_fast(at, 8, FOLL_WRITE, t->pages);
	if (sg_alloc_table_from_pages(&t->sgt, t->pages, 8, 0, 8 << PAGE_SHIFT, GFP_KERNEL))
		return -ENOMEM;
	dma_map_sgtable(dev, &t->sgt, DMA_FROM_DEVICE, 0);
	t->mapped = true;
	return 0;
}
static void tray_drop(struct tray *t)
{
	int i;

	for (i = 0; i < t->n; i++) {
		if (t->mapped) {
			set_page_dirty_lock(t->pages[i]);
			put_page(t->pages[i]); //^ convert
		} else {
			put_page(t->pages[i]); //^ convert
		}
	}
}
";
    check(&[("drivers/a/a.c", late)]);
}

/// A driver whose `struct frob` holds the pages of `fill`, which its release drops.
fn frob(fill: &str, verdict: &str) -> String {
    format!(
        "struct frob {{
	struct page **pages;
	int count;
}};
static int frob_fill(struct frob *f, unsigned long at, int n)
{{
	int i;

{fill}	return 0;
}}
static void frob_drop(struct frob *f)
{{
	int i;

	for (i = 0; i < f->count; i++)
		put_page(f->pages[i]); //^ {verdict}
}}
"
    )
}

#[test]
fn records_of_one_tag_that_two_files_define_are_two_records() {
    let user = "\tf->count = get_user_pages_fast(at, n, FOLL_WRITE, f->pages); //^ convert\n";
    let own = "\tfor (i = 0; i < n; i++)\n\t\tf->pages[i] = alloc_page(GFP_KERNEL);\n";
    check(&[
        ("drivers/near/frob.c", &frob(user, "convert")),
        ("drivers/near/other.c", &frob(own, "keep")),
        ("drivers/far/frob.c", &frob(own, "keep")),
    ]);
}

#[test]
fn a_record_that_a_header_defines_is_one_for_all_who_include_it() {
    let user = "\tf->count = get_user_pages_fast(at, n, FOLL_WRITE, f->pages); //^ convert\n";
    let own = "\tfor (i = 0; i < n; i++)\n\t\tf->pages[i] = alloc_page(GFP_KERNEL);\n";
    let (taken, kept) = (frob(user, "mixed"), frob(own, "mixed"));
    let (record, taken) = taken.split_once("};\n").unwrap();
    let (_, kept) = kept.split_once("};\n").unwrap();
    let header = format!("{record}}};\n");
    check(&[
        ("drivers/near/frob.h", &header),
        (
            "drivers/near/frob.c",
            &format!("#include \"frob.h\"\n{taken}"),
        ),
        (
            "drivers/near/other.c",
            &format!("#include \"frob.h\"\n{kept}"),
        ),
    ]);
}

#[test]
fn who_includes_the_header_may_reach_a_record_without_naming_it() {
    check(&[
        (
            "drivers/near/lane.h",
            "struct berth { struct page *page; };
struct pier { struct berth *inner; };
",
        ),
        (
            "drivers/near/take.c",
            "#include \"lane.h\"
int take(struct berth *b, unsigned long at)
{
	if (get_user_pages_fast(at, 1, FOLL_WRITE, &b->page) != 1) //^ convert
		return -EFAULT;
	return 0;
}
",
        ),
        (
            "drivers/near/drop.c",
            "#include \"lane.h\"
void drop(struct berth *b)
{
	put_page(b->page); //^ mixed
}
",
        ),
        (
            "drivers/near/quay/fill.c",
            "#include \"../lane.h\"
void fill(struct pier *p)
{
	p->inner->page = alloc_page(GFP_KERNEL);
}
",
        ),
    ]);
}
