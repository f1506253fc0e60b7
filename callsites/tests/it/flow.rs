// SPDX-License-Identifier: MIT OR Apache-2.0
//! Verdicts on small C of our own: each way pages travel, and beside it the twin that must never be converted.
//!
//! A line that ends in `//^ verdict` (or `/*^ verdict */`) says what the audit must say of the call on it.

use crate::judged::{check, judged};
use callsites::embedded::{self, Expected};
use callsites::judge::Judged;
use callsites::report::{Callsite, Era, Verdict};
use callsites::tree::Tree;
use callsites::{AuditOptions, audit};

const LOCAL_ARRAY: &str = "
static int read_it(struct device *dev, unsigned long at, int n)
{
	struct page *pages[16];
	int i, got;

	got = get_user_pages_fast(at, n, FOLL_WRITE, pages); //^ convert
	for (i = 0; i < got; i++)
		dma_map_page(dev, pages[i], 0, PAGE_SIZE, DMA_FROM_DEVICE);
	for (i = 0; i < got; i++) {
		set_page_dirty_lock(pages[i]); //^ convert
		put_page(pages[i]); //^ convert
	}
	return got;
}
static int make_them(int n)
{
	struct page *pages[16];
	int i;

	for (i = 0; i < n; i++)
		pages[i] = alloc_page(GFP_KERNEL);
	for (i = 0; i < n; i++)
		put_page(pages[i]); //^ keep
	return 0;
}
";

/// The case of the one `get_user_pages_fast()` there is.
fn case_of_the_acquire(judged: &Judged) -> Option<u8> {
    let mut acquires = judged.callsites.iter();
    acquires
        .find(|site| site.call == "get_user_pages_fast")
        .and_then(|site| site.case)
}

#[test]
fn a_local_array_is_convert_and_its_alloc_page_twin_is_kept() {
    let judged = check(&[("drivers/a/a.c", LOCAL_ARRAY)]);
    let group = judged
        .groups
        .iter()
        .find(|group| !group.acquires.is_empty())
        .expect("a group");
    assert!(group.convertible, "{:?}", group.blocked_by);
    assert_eq!(
        (
            group.acquires.len(),
            group.releases.len(),
            group.dirties.len()
        ),
        (1, 1, 1)
    );
}

#[test]
fn a_loop_that_dirties_and_puts_has_its_range_and_array() {
    let judged = judged(&[("drivers/a/a.c", LOCAL_ARRAY)], Era::Pin);
    let put = judged
        .callsites
        .iter()
        .find(|site| site.call == "put_page")
        .expect("listed");
    let edit = put.edit.as_ref().expect("an edit");
    assert_eq!(put.shape.as_deref(), Some("loop-dirty-lock"));
    assert_eq!(
        put.replacement.as_deref(),
        Some("unpin_user_pages_dirty_lock")
    );
    assert_eq!(edit.array.as_deref(), Some("pages"));
    assert_eq!(edit.range, Some(("0".to_owned(), "got".to_owned())));
    assert_eq!(edit.dirty_condition.as_deref(), Some("true"));
    assert!(edit.only_releases);
    assert!(
        LOCAL_ARRAY[edit.statement.start as usize..].starts_with("for (i = 0; i < got; i++) {")
    );
}

#[test]
fn before_5_6_an_acquire_has_no_replacement_and_a_release_has() {
    let judged = judged(&[("drivers/a/a.c", LOCAL_ARRAY)], Era::PutPage);
    let of = |name: &str| {
        judged
            .callsites
            .iter()
            .find(|site| site.call == name)
            .expect("listed")
            .replacement
            .clone()
    };
    assert_eq!(of("get_user_pages_fast"), None);
    assert_eq!(of("put_page").as_deref(), Some("put_user_pages_dirty_lock"));
}

#[test]
fn a_reused_variable_does_not_mix_its_pages() {
    check(&[(
        "drivers/a/a.c",
        "
static void twice(struct device *dev, unsigned long at)
{
	struct page *page;

	if (get_user_pages_fast(at, 1, FOLL_WRITE, &page) != 1) //^ convert
		return;
	dma_map_page(dev, page, 0, PAGE_SIZE, DMA_FROM_DEVICE);
	put_page(page); //^ convert
	page = alloc_page(GFP_KERNEL);
	put_page(page); //^ keep
}
",
    )]);
}

#[test]
fn a_field_is_followed_into_another_file() {
    let judged = check(&[
        (
            "drivers/a/a.h",
            "struct ctx { struct page *bell; int n; };\n",
        ),
        (
            "drivers/a/take.c",
            "#include \"a.h\"
int take(struct ctx *ctx, struct device *dev, unsigned long at)
{
	struct page *page;
	if (get_user_pages_fast(at, 1, FOLL_WRITE, &page) != 1) //^ convert
		return -EFAULT;
	ctx->bell = page;
	return 0;
}
",
        ),
        (
            "drivers/a/drop.c",
            "#include \"a.h\"
void drop(struct ctx *ctx)
{
	struct page *page = ctx->bell;
	put_page(page); //^ convert
}
",
        ),
    ]);
    assert!(
        judged.groups.iter().any(|group| group.convertible
            && group.acquires.len() == 1
            && group.releases.len() == 1)
    );
}

#[test]
fn a_field_of_the_same_name_in_another_struct_is_another_field() {
    check(&[(
        "drivers/a/a.c",
        "
struct job { struct page *page; };
struct buf { struct page *page; };
static void take(struct job *job, unsigned long at) { get_user_pages_fast(at, 1, FOLL_WRITE, &job->page); }
static void make(struct buf *buf) { buf->page = alloc_page(GFP_KERNEL); }
static void drop(struct job *job)
{
	put_page(job->page); //^ convert
}
static void gone(struct buf *buf)
{
	put_page(buf->page); //^ keep
}
",
    )]);
}

#[test]
fn a_helper_with_a_page_array_is_followed_both_ways() {
    check(&[(
        "drivers/a/a.c",
        "
static int grab(unsigned long at, int n, struct page **pages)
{
	return get_user_pages_fast(at, n, FOLL_WRITE, pages); //^ convert
}
static void drop_all(struct page **pages, int n)
{
	int i;
	for (i = 0; i < n; i++)
		put_page(pages[i]); //^ convert
}
static int run(struct device *dev, unsigned long at, int n)
{
	struct page **pages = kcalloc(n, sizeof(*pages), GFP_KERNEL);
	int got = grab(at, n, pages);
	dma_map_page(dev, pages[0], 0, PAGE_SIZE, DMA_FROM_DEVICE);
	drop_all(pages, got);
	return 0;
}
",
    )]);
}

#[test]
fn a_scatterlist_carries_pages_for_the_struct_that_embeds_it() {
    check(&[(
        "drivers/a/a.c",
        "
struct region { struct sg_table sgt; };
struct other { struct sg_table sgt; };
static int take(struct region *r, struct device *dev, struct page **list, unsigned long at, int n)
{
	struct scatterlist *sg;
	int i;
	n = get_user_pages_fast(at, n, FOLL_WRITE, list); //^ convert
	for_each_sg(r->sgt.sgl, sg, n, i)
		sg_set_page(sg, list[i], PAGE_SIZE, 0);
	return dma_map_sg(dev, r->sgt.sgl, n, DMA_FROM_DEVICE);
}
static void fill(struct other *o)
{
	sg_set_page(o->sgt.sgl, alloc_page(GFP_KERNEL), PAGE_SIZE, 0);
}
static void drop(struct region *r, int n)
{
	struct scatterlist *sg;
	int i;
	for_each_sg(r->sgt.sgl, sg, n, i)
		put_page(sg_page(sg)); //^ convert
}
static void empty(struct other *o)
{
	put_page(sg_page(o->sgt.sgl)); //^ keep
}
",
    )]);
}

#[test]
fn a_table_of_functions_tells_two_kinds_of_objects_apart() {
    check(&[(
        "drivers/a/a.c",
        "
struct obj;
struct ops { int (*get)(struct obj *o); void (*put)(struct obj *o); };
struct obj { const struct ops *ops; struct page **pages; unsigned long at; int n; };
static int user_get(struct obj *o)
{
	return get_user_pages_fast(o->at, o->n, FOLL_WRITE, o->pages); //^ convert
}
static void user_put(struct obj *o)
{
	release_pages(o->pages, o->n); //^ convert
}
static int own_get(struct obj *o)
{
	o->pages[0] = alloc_page(GFP_KERNEL);
	return 0;
}
static void own_put(struct obj *o)
{
	put_page(o->pages[0]); //^ keep
}
static const struct ops user_ops = { .get = user_get, .put = user_put };
static const struct ops own_ops = { .get = own_get, .put = own_put };
",
    )]);
}

#[test]
fn without_tables_a_shared_field_is_mixed() {
    let judged = check(&[(
        "drivers/a/a.c",
        "
struct obj { struct page **pages; int n; };
static int user_get(struct obj *o, unsigned long at)
{
	return get_user_pages_fast(at, o->n, FOLL_WRITE, o->pages);
}
static void own_get(struct obj *o) { o->pages[0] = alloc_page(GFP_KERNEL); }
static void drop(struct obj *o)
{
	put_page(o->pages[0]); //^ mixed
}
",
    )]);
    assert!(judged.groups.iter().all(|group| !group.convertible));
}

#[test]
fn a_flag_that_frees_the_other_kind_tells_them_apart() {
    check(&[(
        "drivers/a/a.c",
        "
static void done(struct page *page, int user)
{
	if (user)
		put_page(page); //^ convert
	else
		__free_page(page); //^ keep
}
static void run(struct device *dev, unsigned long at)
{
	struct page *page;
	get_user_pages_fast(at, 1, FOLL_WRITE, &page); //^ convert
	dma_map_page(dev, page, 0, PAGE_SIZE, DMA_FROM_DEVICE);
	done(page, 1);
	done(alloc_page(GFP_KERNEL), 0);
}
",
    )]);
}

#[test]
fn an_iterator_may_walk_kernel_memory_so_its_releases_ask_what_was_pinned() {
    check(&[(
        "fs/a.c",
        "
static void direct(struct iov_iter *iter)
{
	struct page *pages[4];
	size_t off;
	iov_iter_get_pages2(iter, pages, 4096, 4, &off); //^ convert
	put_page(pages[0]); //^ convert
}
static void kernel_side(struct xarray *mapping)
{
	struct page *pages[4];
	struct iov_iter iter;
	size_t off;
	iov_iter_xarray(&iter, 0, mapping, 0, 4096);
	iov_iter_get_pages2(&iter, pages, 4096, 4, &off); //^ keep
	put_page(pages[0]); //^ keep
}
",
    )]);
}

#[test]
fn looking_at_struct_page_alone_is_kept() {
    check(&[(
        "kernel/a.c",
        "
static int key(unsigned long at, struct address_space **out)
{
	struct page *page;
	if (get_user_pages_fast(at, 1, 0, &page) != 1) //^ keep
		return -EFAULT;
	lock_page(page);
	*out = page->mapping;
	unlock_page(page);
	put_page(page); //^ keep
	return 0;
}
static void fault_in(struct mm_struct *mm, unsigned long at)
{
	get_user_pages_remote(mm, at, 1, FOLL_WRITE, NULL, NULL); //^ keep
}
",
    )]);
}

#[test]
fn pages_of_a_program_that_does_not_run_yet_are_kept() {
    check(&[(
        "fs/a.c",
        "
static struct page *stack_page(struct linux_binprm *bprm, unsigned long at)
{
	struct mm_struct *mm = bprm->mm;
	struct page *page;
	if (get_user_pages_remote(mm, at, 1, FOLL_FORCE | FOLL_WRITE, &page, NULL) != 1) //^ keep
		return NULL;
	return page;
}
static void copy_in(struct linux_binprm *bprm, unsigned long at, char *from)
{
	struct page *page = stack_page(bprm, at);
	char *to = kmap_local_page(page);
	memcpy(to, from, 8);
	kunmap_local(to);
	put_page(page); //^ keep
}
",
    )]);
}

#[test]
fn an_mmu_notifier_keeps_the_plain_reference() {
    check(&[(
        "drivers/a/a.c",
        "
static int fault(struct device *dev, struct mirror *m, unsigned long at)
{
	struct page *page;
	unsigned long seq = mmu_interval_read_begin(&m->notifier);
	if (get_user_pages_fast(at, 1, FOLL_WRITE, &page) != 1) //^ keep
		return -EFAULT;
	m->addr = dma_map_page(dev, page, 0, PAGE_SIZE, DMA_FROM_DEVICE);
	put_page(page); //^ keep
	return mmu_interval_read_retry(&m->notifier, seq);
}
",
    )]);
}

#[test]
fn pages_taken_to_change_their_page_table_entries_keep_the_plain_reference() {
    check(&[
        (
            "mm/a.c",
            "
static void take_out(struct folio *folio, struct vm_area_struct *vma, pte_t *pte)
{
	pte_t old = ptep_clear_flush(vma, folio_address_in(vma), pte);
	if (pte_dirty(old))
		folio_mark_dirty(folio);
	if (folio_test_hugetlb(folio))
		hugetlb_remove_rmap(folio);
	else
		folio_remove_rmap_pte(folio, folio_page(folio, 0), vma);
	drain(vma);
	folio_put(folio); //^ keep
}
int make_exclusive(struct mm_struct *mm, unsigned long start, struct page **pages)
{
	long i, got = get_user_pages_remote(mm, start, 4, FOLL_WRITE, pages, NULL); //^ keep
	for (i = 0; i < got; i++)
		take_out(page_folio(pages[i]), find_vma(mm, start), entry(mm, start));
	return got;
}
",
        ),
        (
            "drivers/a/a.c",
            "
static int atomic_fault(struct mirror *m, unsigned long at)
{
	struct page *pages[4];
	unsigned long seq = mmu_interval_read_begin(&m->notifier);
	int i, got = make_exclusive(m->mm, at, pages);
	for (i = 0; i < got; i++)
		put_page(pages[i]); //^ keep
	return mmu_interval_read_retry(&m->notifier, seq);
}
",
        ),
    ]);
}

#[test]
fn a_page_marked_dirty_by_whoever_took_it_is_written_even_where_entries_are_tested() {
    check(&[(
        "drivers/a/a.c",
        "
static void drop(struct box *b, pte_t *pte)
{
	int i;
	if (!pte_dirty(*pte))
		return;
	for (i = 0; i < b->n; i++) {
		set_page_dirty_lock(b->pages[i]); //^ convert
		put_page(b->pages[i]); //^ convert
	}
}
static int take(struct box *b, unsigned long at)
{
	b->n = get_user_pages_fast(at, 4, FOLL_WRITE, b->pages); //^ convert
	return b->n;
}
",
    )]);
}

#[test]
fn memory_made_by_one_macro_is_not_one_memory() {
    check(&[
        (
            "include/linux/slab.h",
            "
#define __alloc_objs(KMALLOC, GFP, TYPE, COUNT) ({ (TYPE *)KMALLOC(sizeof(TYPE) * (COUNT), GFP); })
#define kmalloc_objs(VAR_OR_TYPE, COUNT, ...) __alloc_objs(kmalloc, GFP_KERNEL, typeof(VAR_OR_TYPE), COUNT)
",
        ),
        (
            "drivers/a/a.c",
            "
static int fill(struct device *dev, unsigned long at)
{
	struct page **pages = kmalloc_objs(*pages, 4);
	if (get_user_pages_fast(at, 1, FOLL_WRITE, pages) != 1) //^ convert
		return -EFAULT;
	dma_map_page(dev, pages[0], 0, PAGE_SIZE, DMA_FROM_DEVICE);
	put_page(pages[0]); //^ convert
	return 0;
}
",
        ),
        (
            "drivers/b/b.c",
            "
static int fill(void)
{
	struct page **pages = kmalloc_objs(struct page *, 4);
	pages[0] = alloc_page(GFP_KERNEL);
	put_page(pages[0]); //^ keep
	return 0;
}
static void look(unsigned long at)
{
	struct page *page;
	get_user_pages_fast(at, 1, 0, &page); //^ keep
	put_page(page); //^ keep
}
",
        ),
    ]);
}

#[test]
fn a_static_function_that_bears_an_api_name_is_not_the_api() {
    let judged = judged(
        &[(
            "drivers/a/a.c",
            "
static void put_page(struct flash_page *page) { page->used = 0; }
static void drop(struct flash_page *page) { put_page(page); }
",
        )],
        Era::Pin,
    );
    assert!(judged.callsites.is_empty(), "{:?}", judged.callsites);
}

#[test]
fn the_embedded_tree_is_judged_as_its_files_say() {
    for era in [Era::PutUserPage, Era::Pin] {
        let tree = Tree::embedded(era);
        let report = audit(&tree, &AuditOptions::default()).expect("audited");
        for wanted in embedded::expectations(embedded_era(era)) {
            let of_function: Vec<&Callsite> = report
                .callsites
                .iter()
                .filter(|site| {
                    site.path == wanted.path
                        && site.function == wanted.function
                        && site.call == wanted.call
                })
                .collect();
            let said = of_function.get(wanted.ordinal).map(|site| site.verdict);
            let right = match wanted.expected {
                Expected::Convert => said == Some(Verdict::Convert),
                Expected::Keep => said == Some(Verdict::Keep),
                Expected::Mixed => said == Some(Verdict::Mixed),
                // Before 5.6 there is no pinning acquire: it stays, and nothing replaces it.
                Expected::Done if wanted.call.starts_with("get_") => of_function
                    .get(wanted.ordinal)
                    .is_some_and(|site| site.replacement.is_none()),
                Expected::Done => said == Some(Verdict::Done),
                Expected::Other => said.is_none(),
                Expected::NeverConvert => !matches!(said, Some(Verdict::Convert | Verdict::Done)),
            };
            assert!(right, "{era:?} {wanted:?}: {said:?}");
        }
    }
}

fn embedded_era(era: Era) -> embedded::Era {
    match era {
        Era::Pin => embedded::Era::V6_12,
        _ => embedded::Era::V4_19,
    }
}

#[test]
fn a_list_handed_on_through_a_table_is_followed_into_the_file_that_puts_it() {
    check(&[
        (
            "net/frob/map.c",
            "static int frob_map(struct frob_sock *sk, unsigned long start)\n\
            {\n\
            \tstruct scatterlist *sg = kcalloc(1, sizeof(*sg), GFP_KERNEL);\n\
            \tstruct page *page;\n\
            \n\
            \tget_user_pages_fast(start, 1, FOLL_WRITE, &page); //^ convert\n\
            \tsg_set_page(sg, page, PAGE_SIZE, 0);\n\
            \tsk->ops->take(sg, sk);\n\
            \treturn 0;\n\
            }\n",
        ),
        (
            "net/frob/frob.h",
            "struct frob_ops { void (*take)(struct scatterlist *sg, struct frob_sock *sk); };\n\
            struct frob_sock { const struct frob_ops *ops; };\n\
            struct frob_region { struct scatterlist *list; int count; };\n",
        ),
        (
            "net/frob/wire.c",
            "static void frob_wire_deep(struct frob_region *region, struct scatterlist *sg)\n\
            {\n\
            \tregion->list = sg;\n\
            }\n\
            static void frob_wire_take(struct scatterlist *sg, struct frob_sock *sk)\n\
            {\n\
            \tfrob_wire_deep(kzalloc(sizeof(struct frob_region), GFP_KERNEL), sg);\n\
            }\n\
            const struct frob_ops frob_wire_ops = { .take = frob_wire_take };\n",
        ),
        (
            "net/frob/drop.c",
            "void frob_drop(struct frob_region *region)\n\
            {\n\
            \tstruct page *page = sg_page(&region->list[0]);\n\
            \n\
            \tput_page(page); //^ convert\n\
            }\n",
        ),
    ]);
}

#[test]
fn one_page_of_another_process_that_is_put_at_once_is_kept() {
    check(&[(
        "kernel/peek.c",
        "int peek(struct mm_struct *mm, unsigned long addr, long *value)\n\
        {\n\
        \tstruct page *page;\n\
        \tlong *at;\n\
        \n\
        \tif (get_user_pages_remote(mm, addr, 1, FOLL_FORCE, &page, NULL) != 1) //^ keep\n\
        \t\treturn -EFAULT;\n\
        \tat = kmap_local_page(page);\n\
        \t*at = *value;\n\
        \tkunmap_local(at);\n\
        \tput_page(page); //^ keep\n\
        \treturn 0;\n\
        }\n\
        int peek_many(struct mm_struct *mm, unsigned long addr, int nr, struct page **pages)\n\
        {\n\
        \tint i, got = get_user_pages_remote(mm, addr, nr, FOLL_WRITE, pages, NULL); //^ convert\n\
        \n\
        \tfor (i = 0; i < got; i++) {\n\
        \t\tset_page_dirty_lock(pages[i]);\n\
        \t\tput_page(pages[i]); //^ convert\n\
        \t}\n\
        \treturn 0;\n\
        }\n",
    )]);
}

#[test]
fn one_page_that_is_read_and_put_at_once_is_kept_and_one_that_is_written_is_not() {
    check(&[(
        "arch/frob/copy.c",
        "int frob_read(unsigned long addr, void *to)\n\
        {\n\
        \tstruct page *page;\n\
        \tvoid *from;\n\
        \n\
        \tif (get_user_pages(addr, 1, 0, &page) != 1) //^ keep\n\
        \t\treturn -EFAULT;\n\
        \tfrom = kmap_local_page(page);\n\
        \tmemcpy(to, from, 8);\n\
        \tkunmap_local(from);\n\
        \tput_page(page); //^ keep\n\
        \treturn 0;\n\
        }\n\
        int frob_write(unsigned long addr, void *from)\n\
        {\n\
        \tstruct page *page;\n\
        \tvoid *to;\n\
        \n\
        \tif (get_user_pages(addr, 1, FOLL_WRITE, &page) != 1) //^ convert\n\
        \t\treturn -EFAULT;\n\
        \tto = kmap_local_page(page);\n\
        \tmemcpy(to, from, 8);\n\
        \tkunmap_local(to);\n\
        \tput_page(page); //^ convert\n\
        \treturn 0;\n\
        }\n",
    )]);
}

#[test]
fn an_iterator_that_others_set_up_in_a_record_is_not_known_to_be_of_user_space() {
    check(&[(
        "fs/frob/read.c",
        "static int frob_issue(struct frob_request *request, struct page **pages)\n\
        {\n\
        \tsize_t offset;\n\
        \n\
        \treturn iov_iter_get_pages2(&request->io_iter, pages, 4096, 1, &offset); //^ unknown\n\
        }\n\
        static int frob_direct(struct iov_iter *iter, struct page **pages)\n\
        {\n\
        \tsize_t offset;\n\
        \n\
        \treturn iov_iter_get_pages2(iter, pages, 4096, 1, &offset); //^ convert\n\
        }\n",
    )]);
}

#[test]
fn a_reference_of_its_own_on_another_reading_of_a_pinned_array_is_what_the_put_drops() {
    check(&[(
        "drivers/frob/umem.c",
        "struct frob_map {\n\
        \tstruct page *user;\n\
        };\n\
        struct frob {\n\
        \tstruct frob_map *maps;\n\
        \tstruct page **pages;\n\
        \tint count;\n\
        };\n\
        static int frob_pin(struct frob *f, unsigned long addr, struct page **list, int n)\n\
        {\n\
        \tint i;\n\
        \n\
        \tf->count = pin_user_pages(addr, n, FOLL_WRITE | FOLL_LONGTERM, list); //^ done\n\
        \tf->pages = list;\n\
        \tfor (i = 0; i < f->count; i++) {\n\
        \t\tf->maps[i].user = list[i];\n\
        \t\tget_page(list[i]);\n\
        \t}\n\
        \treturn 0;\n\
        }\n\
        static void frob_remove(struct frob *f)\n\
        {\n\
        \tint i;\n\
        \n\
        \tfor (i = 0; i < f->count; i++)\n\
        \t\tput_page(f->maps[i].user); //^ keep\n\
        \tunpin_user_pages(f->pages, f->count); //^ done\n\
        }\n",
    )]);
}

#[test]
fn an_address_kept_in_a_record_of_a_public_header_is_no_page_of_whoever_reads_it() {
    check(&[
        (
            "include/linux/span.h",
            "struct span {\n\tu64 start;\n\tu64 end;\n};\n",
        ),
        (
            "drivers/frob/region.c",
            "#include <linux/span.h>\n\
            static int frob_add(struct span *span, unsigned long addr)\n\
            {\n\
            \tstruct page *page;\n\
            \n\
            \tif (get_user_pages_fast(addr, 1, FOLL_WRITE, &page) != 1) //^ convert\n\
            \t\treturn -EFAULT;\n\
            \tspan->start = page_to_phys(page);\n\
            \tset_page_dirty_lock(page);\n\
            \tput_page(page); //^ convert\n\
            \treturn 0;\n\
            }\n",
        ),
        (
            "drivers/other/span.c",
            "#include <linux/span.h>\n\
            static void other_free(struct span *span)\n\
            {\n\
            \tput_page(pfn_to_page(span->start >> PAGE_SHIFT)); //^ keep\n\
            }\n",
        ),
    ]);
}

#[test]
fn a_call_that_frees_what_was_allocated_is_not_asked_for_user_pages_in_the_same_place() {
    let judged = check(&[(
        "drivers/misc/toy.c",
        r"
struct toy_slot { struct page *page; };

int toy_table(struct toy_slot *slot)
{
	slot->page = alloc_page(GFP_KERNEL);
	return slot->page ? 0 : -ENOMEM;
}

void toy_table_free(struct toy_slot *slot)
{
	__free_page(slot->page); //^ keep
}

int toy_map(struct toy_slot *slot, unsigned long addr)
{
	struct page *page;

	if (get_user_pages_fast(addr, 1, FOLL_WRITE, &page) != 1)
		return -EFAULT;
	slot->page = page;
	dma_map_page(slot->dev, page, 0, PAGE_SIZE, DMA_FROM_DEVICE);
	return 0;
}
",
    )]);
    let freed = judged
        .callsites
        .iter()
        .find(|site| site.call == "__free_page");
    let acquired = judged
        .callsites
        .iter()
        .find(|site| site.call == "get_user_pages_fast");
    let group = |site: Option<&Callsite>| site.and_then(|site| site.group.clone());
    assert_ne!(group(freed), group(acquired));
}

#[test]
fn pages_that_are_dirtied_while_no_device_is_seen_are_case_5() {
    let judged = check(&[(
        "drivers/misc/toy.c",
        r"
int toy_set(unsigned long addr, int bit)
{
	struct page *page;

	if (get_user_pages_fast(addr, 1, FOLL_WRITE, &page) != 1) //^ convert
		return -EFAULT;
	set_bit(bit, page_address(page));
	set_page_dirty_lock(page);
	put_page(page); //^ convert
	return 0;
}
",
    )]);
    assert_eq!(case_of_the_acquire(&judged), Some(5));
}

#[test]
fn pages_whose_addresses_are_written_down_and_that_go_before_the_function_returns_are_case_1() {
    let judged = check(&[(
        "drivers/misc/toy.c",
        r"
int toy_copy(struct toy_list *list, unsigned long addr)
{
	struct page *page;

	if (get_user_pages_fast(addr, 1, FOLL_WRITE, &page) != 1) //^ convert
		return -EFAULT;
	list->source = page_to_phys(page);
	toy_call(virt_to_phys(list));
	put_page(page); //^ convert
	return 0;
}
",
    )]);
    assert_eq!(case_of_the_acquire(&judged), Some(1));
}

#[test]
fn a_call_that_dirties_pages_of_several_origins_stops_no_group() {
    let judged = check(&[(
        "drivers/misc/toy.c",
        r"
struct toy { struct page *pages[4]; };

int toy_get(struct toy *toy, unsigned long addr)
{
	dma_map_page(toy->dev, toy->pages[0], 0, PAGE_SIZE, DMA_FROM_DEVICE);
	return get_user_pages_fast(addr, 4, FOLL_WRITE, toy->pages); //^ convert
}

void toy_alloc(struct toy *toy)
{
	toy->pages[0] = alloc_page(GFP_KERNEL);
	set_page_dirty(toy->pages[0]);
}

void toy_put(struct toy *toy)
{
	struct page *page = toy->pages[0];

	if (toy->is_user)
		put_page(page); //^ convert
	else
		__free_page(page); //^ keep
}
",
    )]);
    let dirtying = judged
        .callsites
        .iter()
        .find(|site| site.call == "set_page_dirty");
    assert_eq!(
        dirtying.map(|site| site.verdict),
        Some(Verdict::Mixed),
        "{dirtying:?}"
    );
    let blocked: Vec<&String> = judged
        .groups
        .iter()
        .flat_map(|group| &group.blocked_by)
        .collect();
    assert!(
        !blocked.iter().any(|why| why.contains("set_page_dirty")),
        "{blocked:?}"
    );
}
