// SPDX-License-Identifier: MIT OR Apache-2.0
//! Acquires and releases that serve several: pins and plain references side by side, frame numbers handed out by a file,
//! fragments of socket buffers, references that are dropped at once.

use crate::judged::{check, judged};
use callsites::judge::Judged;
use callsites::report::{Callsite, Era, Verdict};

fn site<'j>(judged: &'j Judged, call: &str) -> &'j Callsite {
    let mut sites = judged.callsites.iter();
    sites.find(|site| site.call == call).expect("it is listed")
}

/// Pages that are pinned for who asks for it, and watched by a notifier for all others; `ends` ends the pins.
fn either(ends: &str, clean: &str) -> String {
    format!(
        "static int frob_take(struct frob *f, unsigned long at, bool hold)
{{
	f->seq = mmu_interval_read_begin(&f->notifier);
	if (hold)
		return pin_user_pages_fast(at, 1, FOLL_WRITE, &f->page); //^ done
	return get_user_pages_fast(at, 1, FOLL_WRITE, &f->page); //^ keep
}}
static void frob_clean(struct frob *f)
{{
	set_page_dirty_lock(f->page); //^ keep
	put_page(f->page); //^ {clean}
}}
{ends}
static bool frob_invalidate(struct mmu_interval_notifier *notifier)
{{
	struct frob *f = container_of(notifier, struct frob, notifier);

	return f->page != NULL;
}}
static const struct mmu_interval_notifier_ops frob_ops = {{ .invalidate = frob_invalidate }};
struct frob {{ struct page *page; unsigned long seq; struct mmu_interval_notifier notifier; }};
"
    )
}

#[test]
fn a_plain_reference_stays_beside_pins_that_the_pinning_api_ends() {
    let unmap = "static void frob_unmap(struct frob *f)
{
	unpin_user_page(f->page); //^ done
}";
    check(&[("drivers/a/a.c", &either(unmap, "keep"))]);
    // Nobody ends the pins but the plain release.
    check(&[("drivers/a/a.c", &either("", "mixed"))]);
}

#[test]
fn pages_that_must_stay_are_marked_dirty_beside_others_as_they_are() {
    check(&[(
        "drivers/a/a.c",
        "
static int frob_look(struct frob *f, unsigned long at)
{
	f->seq = mmu_interval_read_begin(&f->notifier);
	return get_user_pages_fast(at, 1, FOLL_WRITE, &f->page); //^ keep
}
static void frob_own(struct frob *f)
{
	f->page = alloc_page(GFP_KERNEL);
}
static void frob_drop(struct frob *f)
{
	set_page_dirty(f->page); //^ keep
	put_page(f->page); //^ keep
}
static const struct mmu_interval_notifier_ops frob_ops = { .invalidate = frob_gone };
static bool frob_gone(struct mmu_interval_notifier *notifier)
{
	return container_of(notifier, struct frob, notifier)->page;
}
struct frob { struct page *page; unsigned long seq; struct mmu_interval_notifier notifier; };
",
    )]);
}

#[test]
fn one_more_pin_on_what_is_pinned_joins_nothing() {
    let judged = check(&[(
        "drivers/a/a.c",
        "
static void frob_read(struct frob *f, struct iov_iter *iter)
{
	iov_iter_extract_pages(iter, &f->pages, 4096, 4, 0, &f->off); //^ done
}
static void frob_map(struct frob *f, unsigned long at)
{
	pin_user_pages_fast(at, 4, FOLL_WRITE, f->pages); //^ done
}
static void frob_more(struct frob *f)
{
	folio_add_pin(page_folio(f->pages[0])); //^ done
}
static void frob_done(struct frob *f)
{
	unpin_user_pages(f->pages, 4); //^ done
}
struct frob { struct page **pages; size_t off; };
",
    )]);
    let members = |group: &callsites::report::Group| group.acquires.len() + group.releases.len();
    assert!(
        judged.groups.iter().all(|group| members(group) <= 3),
        "{:#?}",
        judged.groups
    );
    assert_ne!(
        site(&judged, "iov_iter_extract_pages").group,
        site(&judged, "pin_user_pages_fast").group
    );
}

const FRAGMENTS: &str = "
static inline void skb_page_unref(netmem_ref netmem, bool recycle)
{
	put_page(netmem_to_page(netmem)); //^ mixed
}
static inline void skb_frag_unref(struct sk_buff *skb, int f)
{
	skb_page_unref(skb_frag_netmem(&skb_shinfo(skb)->frags[f]), skb->pp_recycle);
}
";

const FILLS: &str = "
int frob_fill(struct sk_buff *skb, struct iov_iter *iter, size_t length)
{
	struct page *pages[4];
	size_t start;
	ssize_t copied = iov_iter_get_pages2(iter, pages, length, 4, &start); //^ convert

	if (copied < 0)
		return -EFAULT;
	if (skb->len) {
		put_page(pages[0]); //^ convert
		return -EMSGSIZE;
	}
	skb_fill_page_desc_noacc(skb, 0, pages[0], start, copied);
	return 0;
}
";

/// The group of what fills a buffer, which is stopped.
fn stopped(judged: &Judged) -> &[String] {
    let acquire = site(judged, "iov_iter_get_pages2");
    assert_eq!(acquire.case, Some(1), "{}", acquire.reason);
    let mut groups = judged.groups.iter();
    let group = groups.find(|group| Some(&group.id) == acquire.group.as_ref());
    let group = group.expect("it stands in a group");
    assert!(!group.convertible, "{group:?}");
    &group.blocked_by
}

#[test]
fn what_ends_the_fragments_of_any_socket_buffer_stops_those_who_put_user_pages_into_one() {
    let judged = check(&[
        ("include/linux/skbuff_ref.h", FRAGMENTS),
        ("net/a/a.c", FILLS),
    ]);
    let why = stopped(&judged);
    assert!(
        why.iter().any(|why| why.contains("skb_page_unref")),
        "{why:?}"
    );
    // Where it was not found, the pages end there all the same.
    let judged = check(&[("net/a/a.c", FILLS)]);
    let why = stopped(&judged);
    assert!(
        why.iter().any(|why| why.contains("socket buffers")),
        "{why:?}"
    );
}

#[test]
fn fragments_without_user_pages_are_let_go_as_before() {
    let judged = judged(
        &[
            ("include/linux/skbuff_ref.h", FRAGMENTS),
            (
                "net/a/a.c",
                "
int frob_fill(struct sk_buff *skb, struct frob *f, unsigned long at)
{
	struct page *page = alloc_page(GFP_KERNEL);

	skb_fill_page_desc(skb, 0, page, 0, PAGE_SIZE);
	return get_user_pages_fast(at, 1, FOLL_WRITE, &f->page);
}
",
            ),
        ],
        Era::Pin,
    );
    let released = judged
        .callsites
        .iter()
        .find(|site| site.function == "skb_page_unref");
    assert!(
        released.is_none_or(|site| site.verdict == Verdict::Keep),
        "{released:?}"
    );
}

/// Takes one page of an iterator that others set up, and drops the reference, before or after `work`.
fn at_once(before: &str, after: &str, verdict: &str) -> String {
    format!(
        "struct cursor {{ struct iov_iter iter; size_t last; }};
static struct page *cursor_next(struct cursor *cursor, size_t *off)
{{
	struct page *page;
	ssize_t got = iov_iter_get_pages2(&cursor->iter, &page, PAGE_SIZE, 1, off); //^ {verdict}

	cursor->last = got;
	{before}
	put_page(page); //^ {verdict}
	{after}
	return page;
}}
"
    )
}

#[test]
fn a_reference_that_is_dropped_before_the_page_is_used_stays() {
    let warn = "VM_BUG_ON_PAGE(page_count(page) < 2, page);";
    let used = "memcpy(page_address(page), cursor, 16);";
    check(&[("net/a/a.c", &at_once(warn, "", "keep"))]);
    check(&[("net/a/a.c", &at_once("", used, "keep"))]);
    check(&[("net/a/a.c", &at_once(used, "", "unknown"))]);
    check(&[(
        "net/a/a.c",
        &at_once("if (!got)\n\t\treturn NULL;", "", "keep"),
    )]);
}

/// A frame number that goes up three functions of its file; `user` is another file that makes a page of it again.
fn by_number(user: &str) -> Judged {
    check(&[
        (
            "virt/frob/main.c",
            "
static bool take_fast(unsigned long at, frob_pfn_t *pfn)
{
	struct page *page[1];

	if (!get_user_page_fast_only(at, FOLL_WRITE, page))
		return false;
	*pfn = page_to_pfn(page[0]);
	return true;
}
frob_pfn_t at_to_pfn(unsigned long at)
{
	frob_pfn_t pfn;

	if (take_fast(at, &pfn))
		return pfn;
	return FROB_PFN_ERR;
}
frob_pfn_t slot_to_pfn(struct frob_slot *slot, unsigned long nr)
{
	return at_to_pfn(slot->at + nr);
}
struct page *nr_to_page(struct frob *frob, unsigned long nr)
{
	frob_pfn_t pfn = slot_to_pfn(frob->slot, nr);

	return pfn_to_page(pfn);
}
void frob_release(struct page *page)
{
	put_page(page);
}
static const struct mmu_notifier_ops frob_ops = { .release = frob_gone };
",
        ),
        (
            "arch/a/frob/watch.c",
            "
int map_watched(struct frob *frob, unsigned long nr)
{
	unsigned long seq = mmu_interval_read_begin(&frob->notifier);
	struct page *page = nr_to_page(frob, nr);

	if (mmu_interval_read_retry(&frob->notifier, seq))
		nr = 0;
	put_page(page);
	return nr;
}
",
        ),
        ("arch/a/frob/user.c", user),
    ])
}

#[test]
fn who_is_handed_a_page_by_its_number_decides_whether_it_stays() {
    // All who are handed it watch the mapping.
    let judged = by_number(
        "
int map_too(struct frob *frob, unsigned long nr)
{
	unsigned long seq = mmu_interval_read_begin(&frob->notifier);
	struct page *page = nr_to_page(frob, nr);

	put_page(page); //^ keep
	return mmu_interval_read_retry(&frob->notifier, seq);
}
",
    );
    let acquire = site(&judged, "get_user_page_fast_only");
    assert_eq!(
        (acquire.verdict, acquire.case),
        (Verdict::Keep, Some(3)),
        "{}",
        acquire.reason
    );
    // One of them writes into it and asks nobody.
    let judged = by_number(
        "
void patch(struct frob *frob, unsigned long nr)
{
	struct page *page = nr_to_page(frob, nr);

	clear_highpage(page);
	put_page(page); //^ mixed
}
",
    );
    let acquire = site(&judged, "get_user_page_fast_only");
    assert_eq!(acquire.verdict, Verdict::Mixed, "{}", acquire.reason);
}

#[test]
fn what_extracts_from_an_iterator_of_the_kernel_takes_nothing() {
    let judged = check(&[(
        "net/a/a.c",
        "
static int frob_send(struct frob *f, struct bio_vec *bvec)
{
	struct iov_iter iter;
	struct page **pages = f->pages;
	size_t off;

	iov_iter_bvec(&iter, ITER_SOURCE, bvec, 1, 4096);
	return iov_iter_extract_pages(&iter, &pages, 4096, 4, 0, &off); //^ done
}
struct frob { struct page *pages[4]; };
",
    )]);
    let acquire = site(&judged, "iov_iter_extract_pages");
    assert!(
        acquire.reason.contains("takes nothing"),
        "{}",
        acquire.reason
    );
}

/// A message that is encoded, sent and done with; `more` is another user of what lets the pages go.
fn encoded(more: &str) -> String {
    format!(
        "struct xfer {{ struct list_head list; struct page **pages; int nr; struct sg_table *sgt; }};
static void free_xfers(struct dev *dev, struct work *work)
{{
	struct xfer *xfer;
	int i;

	list_for_each_entry(xfer, &work->xfers, list)
		for (i = 0; i < xfer->nr; i++)
			put_page(xfer->pages[i]); //^ convert
}}
static int map_pages(struct dev *dev, struct xfer *xfer, unsigned long at)
{{
	xfer->nr = get_user_pages_fast(at, xfer->nr, 0, xfer->pages); //^ convert
	return dma_map_sgtable(dev->dev, xfer->sgt, DMA_TO_DEVICE, 0);
}}
static int encode_pages(struct dev *dev, struct work *work, unsigned long at)
{{
	struct xfer *xfer = kzalloc(sizeof(*xfer), GFP_KERNEL);

	list_add(&xfer->list, &work->xfers);
	return map_pages(dev, xfer, at);
}}
static int encode(struct dev *dev, struct work *work, struct msg *msg)
{{
	int err = 0;

	switch (msg->type) {{
	case 1:
		err = encode_text(dev, msg);
		break;
	case 2:
		err = encode_pages(dev, work, msg->at);
		break;
	}}
	if (err)
		free_xfers(dev, work);
	return err;
}}
int send(struct dev *dev, struct msg *msg)
{{
	struct work work = {{ }};
	int err = encode(dev, &work, msg);

	if (err)
		return err;
	err = transfer(dev, msg);
	free_xfers(dev, &work);
	return err;
}}
{more}"
    )
}

#[test]
fn who_has_pages_taken_by_one_of_several_encoders_and_lets_them_go_holds_them_for_a_while() {
    let judged = check(&[("drivers/a/a.c", &encoded(""))]);
    assert_eq!(site(&judged, "get_user_pages_fast").case, Some(1));
    let release = "void dev_release(struct dev *dev)
{
	free_xfers(dev, dev->work);
}
";
    let judged = check(&[("drivers/a/a.c", &encoded(release))]);
    assert_eq!(site(&judged, "get_user_pages_fast").case, Some(2));
}

/// Objects that `give` gives a table of which nothing but the declaration is read.
fn borrowed(give: &str, said: &str) -> String {
    format!(
        "extern const struct ring_buf_ops plain_ops;
static void user_release(struct ring *ring, struct ring_buf *buf)
{{
	put_page(buf->page);
}}
static void own_release(struct ring *ring, struct ring_buf *buf)
{{
	put_page(buf->page); //^ keep
}}
static const struct ring_buf_ops user_ops = {{ .release = user_release }};
static const struct ring_buf_ops own_ops = {{ .release = own_release }};
static int ring_user(struct ring *ring, unsigned long at)
{{
	struct ring_buf buf = {{ .ops = &user_ops }};

	if (get_user_pages_fast(at, 1, FOLL_WRITE, &buf.page) != 1) //^ convert
		return -EFAULT;
	return ring_add(ring, &buf);
}}
static int ring_add(struct ring *ring, struct ring_buf *buf)
{{
	ring->bufs[ring->head++] = *buf;
	return 0;
}}
static int ring_read(struct ring *ring, int n)
{{
	struct ring_buf *bufs = kcalloc(n, sizeof(*bufs), GFP_KERNEL);
	int at = 0, i;

	for (i = 0; i < n; i++)
		bufs[i].page = alloc_page(GFP_KERNEL);
	for (; at < n; at++) {{
		{give}
		if (ring_add(ring, &bufs[at]))
			break;
	}}
	for (; at < n; at++)
		put_page(bufs[at].page); //^ {said}
	return 0;
}}
struct ring_buf_ops {{ void (*release)(struct ring *, struct ring_buf *); }};
struct ring_buf {{ struct page *page; const struct ring_buf_ops *ops; }};
struct ring {{ struct ring_buf bufs[16]; int head; }};
"
    )
}

#[test]
fn objects_that_are_given_a_table_which_was_not_read_have_no_pages_of_those_of_another() {
    check(&[(
        "drivers/a/a.c",
        &borrowed("bufs[at].ops = &plain_ops;", "keep"),
    )]);
    check(&[("drivers/a/a.c", &borrowed("bufs[at].flags = 0;", "mixed"))]);
    check(&[(
        "drivers/a/a.c",
        &borrowed("bufs[at].ops = &user_ops;", "mixed"),
    )]);
}
