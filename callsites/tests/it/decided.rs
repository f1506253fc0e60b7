// SPDX-License-Identifier: MIT OR Apache-2.0
//! What decides a release of pages of several origins, and what leaves one undecided: kinds of iterators, references of
//! one's own, members and tables that tell objects apart, numbers that leave.

use crate::judged::{check, judged, word};
use callsites::judge::Judged;
use callsites::report::{Callsite, Era, Group};

fn group_of<'j>(judged: &'j Judged, call: &str) -> &'j Group {
    let site = site(judged, call);
    let mut groups = judged.groups.iter();
    groups
        .find(|group| Some(&group.id) == site.group.as_ref())
        .expect("it stands in a group")
}

fn site<'j>(judged: &'j Judged, call: &str) -> &'j Callsite {
    let mut sites = judged.callsites.iter();
    sites.find(|site| site.call == call).expect("it is listed")
}

/// A page whose frame number is all that is kept of it: `keep` puts it away, `find` walks what was kept.
fn numbers(keep: &str, find: &str) -> String {
    format!(
        "static unsigned long *seen;
static unsigned long table[64];
static int lock_one(unsigned long at, unsigned long slot)
{{
	struct page *page;
	unsigned long pfn;

	if (get_user_pages_fast(at, 1, FOLL_WRITE, &page) != 1)
		return -EFAULT;
	pfn = page_to_pfn(page);
	if (slot > 63) {{
		put_page(page);
		return -EINVAL;
	}}
	{keep}
	return 0;
}}
static void unlock_all(unsigned long n)
{{
	unsigned long pfn;

	{find}
}}
"
    )
}

#[test]
fn a_number_that_leaves_for_a_bitmap_or_an_index_decides_nothing() {
    for (keep, find) in [
        (
            "set_bit(pfn, seen);",
            "for_each_set_bit(pfn, seen, n)
		put_page(pfn_to_page(pfn)); //^ unknown",
        ),
        (
            "seen[pfn / BITS_PER_LONG] |= 1UL << slot;",
            "for (pfn = first_of(seen); pfn < n; pfn = next_of(seen, pfn))
		put_page(pfn_to_page(pfn)); //^ unknown",
        ),
        (
            "note_number(pfn);",
            "while ((pfn = next_number()))
		put_page(pfn_to_page(pfn)); //^ unknown",
        ),
    ] {
        let judged = check(&[("drivers/a/a.c", &numbers(keep, find))]);
        let group = group_of(&judged, "get_user_pages_fast");
        assert!(!group.convertible, "{keep}");
        assert!(
            group
                .blocked_by
                .iter()
                .any(|why| why.contains("frame numbers")),
            "{:?}",
            group.blocked_by
        );
    }
}

/// The page tables of a driver's own mappings hold the numbers, and a walk of them finds the pages again.
#[test]
fn a_page_that_is_found_through_a_page_table_decides_nothing() {
    for find in [
        "page = virt_to_page(__va(pfn << PAGE_SHIFT));\n	put_page(page); //^ unknown",
        "at = __va(pfn << PAGE_SHIFT);\n	put_page(virt_to_page(at)); //^ unknown",
        "put_page(pfn_to_page(pfn)); //^ unknown",
    ] {
        let take = "int take(struct vm_area_struct *vma, unsigned long at, unsigned long *pfn)
{
	struct page *page;

	if (get_user_pages_fast(at, 1, FOLL_WRITE, &page) != 1)
		return -EFAULT;
	*pfn = page_to_pfn(page);
	return 0;
}
";
        let let_go = format!(
            "void let_go(pte_t *pte)
{{
	struct page *page;
	void *at;
	unsigned long pfn = pte_pfn(*pte);

	{find}
}}
"
        );
        let fault = "int fault(struct vm_area_struct *vma, unsigned long at)
{
	unsigned long pfn;

	if (take(vma, at, &pfn))
		return -EFAULT;
	return remap_pfn_range(vma, at, pfn, PAGE_SIZE, vma->vm_page_prot);
}
";
        let judged = check(&[
            ("drivers/a/a.c", &format!("{take}{let_go}")),
            ("drivers/a/b.c", fault),
        ]);
        assert!(
            !group_of(&judged, "get_user_pages_fast").convertible,
            "{find}"
        );
    }
    // The address of memory that the driver has allocated is no frame number.
    let own = "int f(unsigned long at, unsigned long *pfn)
{
	struct page *page;

	if (get_user_pages_fast(at, 1, FOLL_WRITE, &page) != 1)
		return -EFAULT;
	set_bit(page_to_pfn(page), seen);
	put_page(page); //^ keep
	return 0;
}
void g(struct a *a)
{
	put_page(virt_to_page(a->buffer)); //^ keep
}
";
    check(&[("drivers/a/a.c", own)]);
}

#[test]
fn a_number_in_an_array_of_numbers_is_followed() {
    let find = "for (pfn = 0; pfn < n; pfn++)
		put_page(pfn_to_page(table[pfn])); //^ convert";
    let judged = check(&[("drivers/a/a.c", &numbers("table[slot] = pfn;", find))]);
    assert!(group_of(&judged, "get_user_pages_fast").convertible);
}

#[test]
fn a_header_of_another_directory_leads_to_what_is_done_there() {
    let judged = check(&[
        (
            "drivers/x/core/user.c",
            "#include \"../hw/entry.h\"
static int frob(struct frob_dev *dev, struct frob_list *list, unsigned long at)
{
	struct page *page;

	if (get_user_pages_fast(at, 1, FOLL_WRITE, &page) != 1) //^ convert
		return -EFAULT;
	list->entry[0].page = page;
	frob_submit(dev, list);
	put_page(page); //^ convert
	return 0;
}
",
        ),
        (
            "drivers/x/hw/entry.h",
            "struct frob_entry { struct page *page; dma_addr_t dma; };
struct frob_list { struct frob_entry entry[4]; int n; };
int frob_submit(struct frob_dev *dev, struct frob_list *list);
",
        ),
        (
            "drivers/x/hw/submit.c",
            "#include \"entry.h\"
int frob_submit(struct frob_dev *dev, struct frob_list *list)
{
	list->entry[0].dma = dma_map_page(dev->dev, list->entry[0].page, 0, PAGE_SIZE, DMA_FROM_DEVICE);
	return ring(dev, list);
}
",
        ),
    ]);
    assert_eq!(site(&judged, "get_user_pages_fast").case, Some(1));
}

const SPLICED: &str = "
static int frob_push(struct sock *sk, struct iov_iter *iter, int flags)
{
	struct frob_frag *frag = &frob_of(sk)->frag;
	struct page *page, **pages = &page;
	size_t off;

	if (flags & MSG_SPLICE_PAGES) {
		if (iov_iter_extract_pages(iter, &pages, 1, 1, 0, &off) <= 0)
			return -EIO;
		frag->page = page;
	} else {
		frag->page = alloc_page(GFP_KERNEL);
	}
	return 0;
}
static void frob_drop(struct frob_sock *s)
{
	put_page(s->frag.page); //^ keep
}
struct frob_frag { struct page *page; };
struct frob_sock { struct frob_frag frag; };
";

#[test]
fn what_is_extracted_under_a_flag_that_says_kernel_pages_is_no_origin() {
    check(&[("drivers/a/a.c", SPLICED)]);
    // Without the flag the same pages may be of user space.
    let open = SPLICED.replace("flags & MSG_SPLICE_PAGES", "flags & MSG_MORE");
    let open = open.replace("//^ keep", "//^ mixed");
    check(&[("drivers/a/a.c", &open)]);
}

#[test]
fn the_flag_may_be_tested_by_every_caller() {
    let called = "
static int frob_take(struct frob_sock *s, struct iov_iter *iter)
{
	struct page *page, **pages = &page;
	size_t off;

	if (iov_iter_extract_pages(iter, &pages, 1, 1, 0, &off) <= 0)
		return -EIO;
	s->page = page;
	return 0;
}
static int frob_push(struct frob_sock *s, struct msghdr *msg)
{
	if (unlikely(msg->msg_flags & MSG_SPLICE_PAGES))
		return frob_take(s, &msg->msg_iter);
	s->page = alloc_page(GFP_KERNEL);
	return 0;
}
static void frob_drop(struct frob_sock *s)
{
	put_page(s->page); //^ keep
}
struct frob_sock { struct page *page; };
";
    check(&[("drivers/a/a.c", called)]);
    let more = format!(
        "{}static int frob_more(struct frob_sock *s, struct iov_iter *iter)\n{{\n\treturn frob_take(s, iter);\n}}\n",
        called.replace("//^ keep", "//^ mixed")
    );
    check(&[("drivers/a/a.c", &more)]);
}

const EITHER: &str = "
static ssize_t frob_rw(struct frob *f, struct iov_iter *iter)
{
	ssize_t got = iov_iter_get_pages2(iter, f->pages, SZ_1M, 16, &f->off); //^ convert

	if (got > 0)
		submit(f);
	return got;
}
static void frob_done(struct frob *f, int n)
{
	int i;

	for (i = 0; i < n; i++)
		put_page(f->pages[i]); //^ convert
}
struct frob { struct page *pages[16]; size_t off; };
";

#[test]
fn pages_of_an_iterator_are_released_as_its_kind_says() {
    let judged = check(&[("drivers/a/a.c", EITHER)]);
    let put = site(&judged, "put_page");
    assert!(
        put.reason.contains("iov_iter_extract_will_pin()"),
        "{}",
        put.reason
    );
    // Before pins there is nothing by which pages of the kernel could be told apart.
    let before = crate::judged::judged(&[("drivers/a/a.c", EITHER)], Era::PutUserPage);
    assert_eq!(word(site(&before, "put_page").verdict), "mixed");
}

#[test]
fn a_slot_with_a_reference_of_its_own_says_nothing_of_the_acquire() {
    let judged = check(&[(
        "drivers/a/a.c",
        "
static int frob_fill(struct frob_req *req, unsigned long at)
{
	struct page *page;

	if (get_user_pages_fast(at, 1, FOLL_WRITE, &page) != 1) //^ convert
		return -EFAULT;
	frob_assign(req, page);
	dma_map_page(req->dev, page, 0, PAGE_SIZE, DMA_FROM_DEVICE);
	put_page(page); //^ convert
	return 0;
}
static void frob_assign(struct frob_req *req, struct page *page)
{
	req->slot = page;
	get_page(page);
}
static int frob_share(struct frob_req *req, struct page **pages, int n)
{
	get_page(pages[n]);
	if (full(req)) {
		put_page(pages[n]);
		return -EBUSY;
	}
	req->shared = pages[n];
	return 0;
}
static void frob_clear(struct frob_req *req)
{
	put_page(req->slot); //^ keep
	put_page(req->shared); //^ keep
}
struct frob_req { struct page *slot; struct page *shared; struct device *dev; };
",
    )]);
    // The device goes on in what the slot keeps, and a pin in place of the acquire's reference would be gone by then.
    let group = group_of(&judged, "get_user_pages_fast");
    assert!(!group.convertible && group.plan.is_empty(), "{group:?}");
    assert!(
        group.blocked_by[0].contains(
            "takes a reference of its own on the pages, which put_page() in frob_clear() drops"
        ),
        "{:?}",
        group.blocked_by
    );
}

#[test]
fn what_frees_pages_of_its_own_keeps_those_of_an_acquire_from_no_end() {
    let judged = check(&[(
        "drivers/a/a.c",
        "
static int frob_fill(struct frob_req *req, unsigned long at)
{
	struct page *page;

	if (get_user_pages_fast(at, 1, FOLL_WRITE, &page) != 1) //^ convert
		return -EFAULT;
	frob_assign(req, page);
	dma_map_page(req->dev, page, 0, PAGE_SIZE, DMA_FROM_DEVICE);
	put_page(page); //^ convert
	return 0;
}
static void frob_assign(struct frob_req *req, struct page *page)
{
	req->slot = page;
	get_page(page);
}
static void frob_clear(struct frob_req *req)
{
	__free_page(req->slot);
}
struct frob_req { struct page *slot; struct device *dev; };
",
    )]);
    let group = group_of(&judged, "get_user_pages_fast");
    assert!(group.blocked_by.is_empty(), "{group:?}");
}

#[test]
fn a_reference_that_the_function_drops_itself_belongs_to_no_slot() {
    check(&[(
        "drivers/a/a.c",
        "
static int frob_fill(struct frob_req *req, unsigned long at)
{
	struct page *page;

	if (get_user_pages_fast(at, 1, FOLL_WRITE, &page) != 1)
		return -EFAULT;
	get_page(page);
	req->slot = page;
	dma_map_page(req->dev, page, 0, PAGE_SIZE, DMA_FROM_DEVICE);
	put_page(page); //^ mixed
	return 0;
}
static void frob_clear(struct frob_req *req)
{
	put_page(req->slot); //^ mixed
}
struct frob_req { struct page *slot; struct device *dev; };
",
    )]);
}

#[test]
fn a_plain_put_ends_no_pin_that_the_pinning_api_ends() {
    let judged = check(&[(
        "drivers/a/a.c",
        "
static int frob_user(struct frob *f, unsigned long at, int n)
{
	return pin_user_pages_fast(at, n, FOLL_WRITE, f->pages); //^ done
}
static void frob_own(struct frob *f, int n)
{
	int i;

	for (i = 0; i < n; i++)
		f->pages[i] = alloc_page(GFP_KERNEL);
}
static void frob_free(struct frob *f, int n, bool own)
{
	int i;

	if (own) {
		for (i = 0; i < n; i++) {
			set_page_dirty_lock(f->pages[i]); //^ done
			put_page(f->pages[i]); //^ keep
		}
	}
}
static void frob_unpin(struct frob *f, int n)
{
	unpin_user_pages(f->pages, n); //^ done
}
struct frob { struct page *pages[16]; };
",
    )]);
    let group = group_of(&judged, "pin_user_pages_fast");
    assert!(
        !group.convertible && group.blocked_by.is_empty(),
        "{group:?}"
    );
}

#[test]
fn a_member_set_with_the_page_and_tested_at_the_release_tells_pages_apart() {
    let slots = "
static int slot_next(struct slot *s, unsigned long at)
{
	struct page *page;

	if (s->lent) {
		s->from = s->lent;
		s->page = s->lent->page;
	} else {
		if (get_user_pages_fast(at, 1, FOLL_WRITE, &page) != 1)
			return -EFAULT;
		s->page = page;
	}
	return 0;
}
static void lender_fill(struct lender *l)
{
	l->page = alloc_page(GFP_KERNEL);
}
static void slot_done(struct slot *s)
{
	if (s->from) {
		s->from = NULL;
	} else if (s->page) {
		memcpy(kmap_local_page(s->page), s->buf, 16);
		put_page(s->page); //^ convert
	}
	s->page = NULL;
}
struct lender { struct page *page; };
struct slot { struct lender *lent; struct lender *from; struct page *page; void *buf; };
";
    check(&[("drivers/a/a.c", slots)]);
    let untold = slots
        .replace("		s->from = s->lent;\n", "")
        .replace("//^ convert", "//^ mixed");
    check(&[("drivers/a/a.c", &untold)]);
}

#[test]
fn a_table_of_functions_tells_its_objects_apart() {
    let ring = "
static void own_release(struct ring *ring, struct ring_buf *buf)
{
	put_page(buf->page); //^ keep
}
static void user_release(struct ring *ring, struct ring_buf *buf)
{
	put_page(buf->page);
}
static const struct ring_buf_ops own_ops = { .release = own_release };
static const struct ring_buf_ops user_ops = { .release = user_release };
static int ring_write(struct ring *ring)
{
	struct ring_buf *buf = &ring->bufs[0];

	buf->page = alloc_page(GFP_KERNEL);
	buf->ops = &own_ops;
	return 0;
}
static int ring_user(struct ring *ring, unsigned long at)
{
	struct ring_buf buf = { .ops = &user_ops };

	if (get_user_pages_fast(at, 1, FOLL_WRITE, &buf.page) != 1) //^ convert
		return -EFAULT;
	ring->bufs[1] = buf;
	ring->bufs[1].page = buf.page;
	return 0;
}
struct ring_buf_ops { void (*release)(struct ring *, struct ring_buf *); };
struct ring_buf { struct page *page; const struct ring_buf_ops *ops; };
struct ring { struct ring_buf bufs[16]; };
";
    check(&[("drivers/a/a.c", ring)]);
}

#[test]
fn who_frees_in_the_other_arm_frees_what_was_allocated_found_or_not() {
    check(&[(
        "drivers/a/a.c",
        "
static int msg_user(struct msg *m, unsigned long at)
{
	struct page *page;

	if (get_user_pages_fast(at, 1, 0, &page) != 1) //^ convert
		return -EFAULT;
	sg_set_page(&m->sg[m->n++], page, PAGE_SIZE, 0);
	return 0;
}
static void msg_purge(struct msg *m, bool zerocopy)
{
	int i;

	for (i = 0; i < m->n; i++) {
		if (zerocopy)
			put_page(sg_page(&m->sg[i])); //^ convert
		else
			__free_page(sg_page(&m->sg[i])); //^ keep
	}
}
struct msg { struct scatterlist sg[8]; int n; };
",
    )]);
}

/// An acquire whose page is given to a function that nobody reads, and a release of other pages beside it.
fn beside(uses: &str, acquire: &str, release: &str) -> String {
    format!(
        "static int frob_user(struct frob *f, unsigned long at)
{{
	struct page *page;

	if (get_user_pages_fast(at, 1, 0, &page) != 1) //^ {acquire}
		return -EFAULT;
	{uses}
	frob_elsewhere(page);
	put_page(page); //^ {acquire}
	return 0;
}}
static void cache_shrink(struct cache *c)
{{
	put_page(c->spare); //^ {release}
}}
struct frob {{ u64 phys; struct device *dev; }};
struct cache {{ struct page *spare; }};
"
    )
}

#[test]
fn what_no_page_that_ought_to_be_pinned_can_reach_is_kept() {
    // What is given away must stay, so whoever drops it stays too.
    let stays = beside("show(page_to_phys(page));", "keep", "keep");
    check(&[("drivers/a/a.c", &stays)]);
    let dma = "dma_map_page(f->dev, page, 0, PAGE_SIZE, DMA_TO_DEVICE);";
    check(&[("drivers/a/a.c", &beside(dma, "convert", "unknown"))]);
}

#[test]
fn a_mixed_member_stops_each_group_and_joins_none() {
    let judged = check(&[(
        "drivers/a/a.c",
        "
static int one_take(struct pool *p, unsigned long at)
{
	struct page *page;

	if (get_user_pages_fast(at, 1, FOLL_WRITE, &page) != 1) //^ convert
		return -EFAULT;
	dma_map_page(p->dev, page, 0, PAGE_SIZE, DMA_FROM_DEVICE);
	if (p->n == 4) {
		put_page(page); //^ convert
		return -EBUSY;
	}
	p->pages[p->n++] = page;
	return 0;
}
static int two_take(struct pool *p, unsigned long at)
{
	struct page *page;

	if (get_user_pages_unlocked(at, 1, &page, FOLL_WRITE) != 1) //^ convert
		return -EFAULT;
	dma_map_page(p->dev, page, 0, PAGE_SIZE, DMA_FROM_DEVICE);
	p->pages[p->n++] = page;
	return 0;
}
static void own_take(struct pool *p)
{
	p->pages[p->n++] = alloc_page(GFP_KERNEL);
}
static void pool_drop(struct pool *p)
{
	while (p->n)
		put_page(p->pages[--p->n]); //^ mixed
}
struct pool { struct page *pages[8]; int n; struct device *dev; };
",
    )]);
    let (one, two) = (
        group_of(&judged, "get_user_pages_fast"),
        group_of(&judged, "get_user_pages_unlocked"),
    );
    assert_ne!(one.id, two.id);
    for group in [one, two] {
        assert!(!group.convertible);
        assert!(
            group.blocked_by.iter().any(|why| why.contains("pool_drop")),
            "{:?}",
            group.blocked_by
        );
    }
}

#[test]
fn what_stops_a_group_is_named_from_the_acquire_on() {
    let drop = |name: &str| {
        format!(
            "static void {name}(struct frob *frob)\n{{\n\tput_page(frob->page); //^ mixed\n}}\nvoid {name}_own(struct frob *frob)\n{{\n\
             \tfrob->page = alloc_page(GFP_KERNEL);\n\t{name}(frob);\n}}\n"
        )
    };
    let take = "#include \"frob.h\"\nint frob_take(struct frob *frob, unsigned long at)\n{\n\
                \tint got = get_user_pages_fast(at, 1, FOLL_WRITE, &frob->page);\n\n\
                \tdma_map_page(frob->dev, frob->page, 0, PAGE_SIZE, DMA_FROM_DEVICE);\n\treturn got;\n}\n";
    let header = "struct frob { struct page *page; struct device *dev; };\n";
    let far = format!("#include \"../b/frob.h\"\n{}", drop("frob_far"));
    let judged = check(&[
        ("drivers/a/far.c", &far),
        ("drivers/b/frob.h", header),
        ("drivers/b/take.c", &format!("{take}{}", drop("frob_near"))),
    ]);
    let group = group_of(&judged, "get_user_pages_fast");
    let places: Vec<bool> = group
        .blocked_by
        .iter()
        .map(|why| why.starts_with("drivers/b/take.c"))
        .collect();
    assert_eq!(places, [true, false], "{:?}", group.blocked_by);
}

#[test]
fn a_group_in_which_all_stays_is_stopped_by_nobody() {
    let judged = check(&[(
        "kernel/a.c",
        "
static int peek(unsigned long at, u64 *out)
{
	struct page *page;

	if (get_user_pages_fast(at, 1, 0, &page) != 1) //^ keep
		return -EFAULT;
	*out = page_to_phys(page);
	put_page(page); //^ keep
	return 0;
}
",
    )]);
    let group = group_of(&judged, "get_user_pages_fast");
    assert!(
        !group.convertible && group.blocked_by.is_empty(),
        "{group:?}"
    );
}

/// Pages that go into a record, which `uses` works on and lets go.
fn held(uses: &str) -> String {
    format!(
        "static int frob_take(struct frob *f, unsigned long at, int n)
{{
	f->n = get_user_pages_fast(at, n, FOLL_WRITE, f->pages);
	if (f->n != n) {{
		frob_drop(f);
		return -EFAULT;
	}}
	dma_map_page(f->dev, f->pages[0], 0, PAGE_SIZE, DMA_FROM_DEVICE);
	return 0;
}}
static void frob_drop(struct frob *f)
{{
	while (f->n)
		put_page(f->pages[--f->n]);
}}
struct frob {{ struct page *pages[8]; int n; struct device *dev; }};
{uses}"
    )
}

#[test]
fn until_when_a_record_holds_the_pages_decides_the_case() {
    let soon = held(
        "int frob_io(struct frob *f, unsigned long at, int n)
{
	int err = frob_take(f, at, n);

	if (!err)
		wait_for(f);
	frob_drop(f);
	return err;
}
",
    );
    let lasting = held(
        "long frob_ioctl(struct frob *f, unsigned int cmd, unsigned long at)
{
	switch (cmd) {
	case 1:
		return frob_take(f, at, 8);
	case 2:
		frob_drop(f);
		return 0;
	case 3:
		return get_user_pages_fast(at, 1, 0, NULL);
	}
	return -ENOTTY;
}
",
    );
    let elsewhere = held(
        "int frob_set(struct frob *f, unsigned long at)
{
	return frob_take(f, at, 8);
}
void frob_close(struct frob *f)
{
	frob_drop(f);
}
",
    );
    for (text, case) in [(soon, 1), (lasting, 2), (elsewhere, 2)] {
        let judged = judged(&[("drivers/a/a.c", &text)], Era::Pin);
        let acquire = site(&judged, "get_user_pages_fast");
        assert_eq!(acquire.case, Some(case), "{} in\n{text}", acquire.reason);
    }
}

#[test]
fn a_notifier_of_the_file_counts_where_it_reaches_the_record() {
    let driver = |callback: &str, verdict: &str| {
        format!(
            "static int shadow_set(struct shadow *s, unsigned long at)
{{
	if (get_user_pages_fast(at, 1, FOLL_WRITE, &s->page) != 1) //^ {verdict}
		return -EFAULT;
	return 0;
}}
static void shadow_drop(struct shadow *s)
{{
	put_page(s->page); //^ {verdict}
}}
static bool invalidate(struct mmu_interval_notifier *n, const struct mmu_notifier_range *r, unsigned long seq)
{{
	{callback}
	return true;
}}
static const struct mmu_interval_notifier_ops ops = {{ .invalidate = invalidate }};
struct shadow {{ struct page *page; }};
struct map {{ int live; }};
"
        )
    };
    check(&[(
        "drivers/a/a.c",
        &driver("shadow_drop(container_of(n, struct shadow, n));", "keep"),
    )]);
    check(&[(
        "drivers/a/a.c",
        &driver("container_of(n, struct map, n)->live = 0;", "convert"),
    )]);
}

#[test]
fn one_more_pin_is_a_pinning_call() {
    check(&[(
        "drivers/a/a.c",
        "
static void frob_again(struct frob *f)
{
	folio_add_pin(page_folio(f->page)); //^ done
}
",
    )]);
}

#[test]
fn pages_of_a_bio_are_marked_by_whoever_has_a_function_take_them() {
    check(&[
        (
            "fs/a/io.c",
            "
static int a_read(struct kiocb *iocb, struct iov_iter *iter)
{
	struct bio *bio = bio_alloc(NULL, 1, 0, GFP_KERNEL);

	if (bio_iov_iter_get_pages(bio, iter))
		return -EFAULT;
	bio_set_pages_dirty(bio); //^ done
	return 0;
}
",
        ),
        (
            "block/bio.c",
            "
int bio_iov_iter_get_pages(struct bio *bio, struct iov_iter *iter)
{
	struct page *list[4], **pages = list;
	size_t off;

	if (iov_iter_extract_pages(iter, &pages, SZ_1M, 4, 0, &off) <= 0)
		return -EFAULT;
	bio_add_page(bio, pages[0], PAGE_SIZE, off);
	return 0;
}
",
        ),
    ]);
}

/// A function that hands one page to whatever its caller gives it, and the rest of its file.
fn shown(rest: &str, verdict: &str) -> String {
    format!(
        "
int frob_show(unsigned long at, int (*see)(struct page *page, void *how), void *how)
{{
	struct page *page;
	int ret;

	if (get_user_pages_fast(at, 1, FOLL_WRITE, &page) != 1) //^ {verdict}
		return -EFAULT;
	ret = see(page, how);
	put_page(page); //^ {verdict}
	return ret;
}}
{rest}"
    )
}

#[test]
fn what_a_function_does_that_was_not_found_is_not_known_and_what_one_does_that_was_found_is() {
    check(&[("drivers/frob/show.c", &shown("", "unknown"))]);
    let looks = "
static int frob_look(struct page *page, void *how)
{
	return PageReserved(page);
}
int frob_is_reserved(unsigned long at)
{
	return frob_show(at, frob_look, NULL);
}
";
    check(&[("drivers/frob/show.c", &shown(looks, "keep"))]);
    let writes = "
static int frob_fill(struct page *page, void *how)
{
	void *data = kmap_local_page(page);

	memset(data, 0, PAGE_SIZE);
	kunmap_local(data);
	return 0;
}
int frob_clear(unsigned long at)
{
	return frob_show(at, frob_fill, NULL);
}
";
    check(&[("drivers/frob/show.c", &shown(writes, "convert"))]);
}

#[test]
fn of_several_members_a_sentence_names_the_one_that_is_of_pages_whatever_stands_first() {
    let record = "
struct frob {
	struct frob_head *head;
	struct {
		unsigned long nr;
		struct page *page;
	} kept;
};
";
    let drops = "
static void frob_drop(struct frob *f)
{
	f->head = NULL;
	put_page(f->kept.page);
	f->kept.page = NULL;
}
";
    let takes = "
static int frob_set(struct frob *f, unsigned long at)
{
	struct page *page;

	if (get_user_pages_fast(at, 1, FOLL_WRITE, &page) != 1)
		return -EFAULT;
	f->head = kmap(page);
	f->kept.page = page;
	return 0;
}
";
    for (first, second) in [(drops, takes), (takes, drops)] {
        let text = format!("{record}{first}{second}");
        let judged = judged(&[("drivers/frob/frob.c", &text)], Era::Pin);
        let acquire = site(&judged, "get_user_pages_fast");
        let wanted = "page of struct frob until";
        assert!(
            acquire.reason.contains(wanted),
            "{} in\n{text}",
            acquire.reason
        );
    }
}

#[test]
fn what_a_tree_of_entries_is_given_stays_there_and_comes_out_again() {
    let stored = "
struct frob {
	struct xarray pages;
};
static int frob_share(struct frob *f, unsigned long at, unsigned long index)
{
	struct page *page;
	int ret;

	if (get_user_pages_fast(at, 1, FOLL_WRITE, &page) != 1)
		return -EFAULT;
	ret = xa_insert(&f->pages, index, page, GFP_KERNEL);
	if (ret)
		put_page(page);
	return ret;
}
static void frob_clear(struct frob *f, unsigned long index)
{
	struct page *page = xa_load(&f->pages, index);

	if (page)
		memset(page_address(page), 0, PAGE_SIZE);
}
static void frob_end(struct frob *f)
{
	unsigned long index;
	struct page *page;

	xa_for_each(&f->pages, index, page)
		put_page(page);
}
";
    let judged = judged(&[("drivers/frob/tree.c", stored)], Era::Pin);
    let told = |site: &Callsite| format!("{} {} {}", site.function, site.call, word(site.verdict));
    let sites: Vec<String> = judged.callsites.iter().map(told).collect();
    assert_eq!(
        sites,
        [
            "frob_share get_user_pages_fast convert",
            "frob_share put_page convert",
            "frob_end put_page convert",
        ]
    );
}
