// SPDX-License-Identifier: MIT OR Apache-2.0
//! Acquires from iterators: how they are rewritten, how the answer of iov_iter_extract_will_pin() travels, and what is
//! refused.

use super::fixture::{asking, changed_lines};
use callsites::report::When::{Always, WillPin};
use insta::assert_snapshot;

/// One driver before and after, or why not.
fn diff(when: callsites::report::When, text: &str) -> String {
    match asking(when, text) {
        Ok((_, new)) => changed_lines(text, &new),
        Err(reasons) => format!("refused\n{}\n", reasons.join("\n")),
    }
}

const COPY: &str = "\
static size_t toy_copy(struct toy *toy, struct iov_iter *from)
{
	struct toy_io io;
	size_t done = 0;

	while (iov_iter_count(from)) {
		ssize_t len;
		size_t off;
		int i;

		len = iov_iter_get_pages2(from, io.pages, 4096, TOY_PAGES, &off);
		if (len <= 0)
			return done;
		for (i = 0; i < DIV_ROUND_UP(len + off, 4096); i++) {
			toy_use(toy, io.pages[i]);
			put_page(io.pages[i]);
		}
		done += len;
	}
	return done;
}
";

#[test]
fn an_iterator_that_is_always_user_backed_needs_no_flag() {
    assert_snapshot!(diff(Always, COPY), @r"
    +→→struct page **ppages = io.pages;
    -→→len = iov_iter_get_pages2(from, io.pages, 4096, TOY_PAGES, &off);
    +→→len = iov_iter_extract_pages(from, &ppages, 4096, TOY_PAGES, 0,
    +→→→→→     &off);
    -→→→put_page(io.pages[i]);
    +→→→unpin_user_page(io.pages[i]);
    ");
    let (plan, _) = asking(Always, COPY).expect("it converts");
    let remark = plan.remarks.first().expect("why no flag is needed");
    assert!(
        remark.contains("is always user-backed: user_backed_iter() in toy_run() sees to that"),
        "{remark}"
    );
}

#[test]
fn in_one_function_a_variable_holds_the_answer() {
    assert_snapshot!(diff(WillPin, COPY), @r"
    +→bool need_unpin = iov_iter_extract_will_pin(from);
    +→→struct page **ppages = io.pages;
    -→→len = iov_iter_get_pages2(from, io.pages, 4096, TOY_PAGES, &off);
    +→→len = iov_iter_extract_pages(from, &ppages, 4096, TOY_PAGES, 0,
    +→→→→→     &off);
    -→→→put_page(io.pages[i]);
    +→→→if (need_unpin)
    +→→→→unpin_user_page(io.pages[i]);
    ");
}

#[test]
fn an_iterator_that_may_be_missing_is_asked_only_where_it_is_there() {
    let text = COPY.replace(
        "while (iov_iter_count(from))",
        "while (from && iov_iter_count(from))",
    );
    let new = diff(WillPin, &text);
    assert!(
        new.contains("+→bool need_unpin = from && iov_iter_extract_will_pin(from);"),
        "{new}"
    );
}

const RECORD: &str = "\
struct toy_state {
	struct iov_iter	*iter;
	struct page	*page;
	unsigned int	len;
};

static void toy_finish(struct toy_state *st)
{
	if (st->page)
		put_page(st->page);
	st->page = NULL;
}

static int toy_fill(struct toy_state *st)
{
	struct page *page;
	size_t off;
	int err;

	toy_finish(st);
	err = iov_iter_get_pages2(st->iter, &page, PAGE_SIZE, 1, &off);
	if (err < 0)
		return err;
	st->page = page;
	return 0;
}
";

#[test]
fn the_record_that_holds_the_page_holds_the_answer() {
    assert_snapshot!(diff(WillPin, RECORD), @r"
    +→bool→→need_unpin;
    -→if (st->page)
    -→→put_page(st->page);
    +→if (st->page && st->need_unpin)
    +→→unpin_user_page(st->page);
    +→struct page **pages = &page;
    -→err = iov_iter_get_pages2(st->iter, &page, PAGE_SIZE, 1, &off);
    +→st->need_unpin = iov_iter_extract_will_pin(st->iter);
    +→err = iov_iter_extract_pages(st->iter, &pages, PAGE_SIZE, 1, 0, &off);
    ");
}

#[test]
fn flags_in_bits_get_another_bit() {
    let text = RECORD.replace(
        "\tunsigned int\tlen;\n",
        "\tunsigned int\tlen;\n\tbool write:1;\n\tbool move:1;\n\tint more;\n",
    );
    let new = diff(WillPin, &text);
    assert!(new.starts_with("+→bool need_unpin:1;\n"), "{new}");
    let (_, after) = asking(WillPin, &text).expect("it converts");
    assert!(
        after.contains("\tbool move:1;\n\tbool need_unpin:1;\n\tint more;\n"),
        "{after}"
    );
}

const ARRAY: &str = "\
struct toy_msg {
	unsigned int		op_nents;
	struct scatterlist	*op_sg;
};

static void toy_purge(struct toy_msg *msg, bool copied)
{
	unsigned int i;

	for (i = 0; i < msg->op_nents; i++) {
		if (copied)
			toy_free(&msg->op_sg[i]);
		else
			put_page(sg_page(&msg->op_sg[i]));
	}
}

static int toy_map(struct toy_msg *msg, struct iov_iter *from)
{
	struct scatterlist *sg = msg->op_sg;

	while (iov_iter_count(from)) {
		struct page *pages;
		size_t start;
		ssize_t got;

		got = iov_iter_get_pages2(from, &pages, PAGE_SIZE, 1, &start);
		if (got < 0) {
			unsigned int i;

			for (i = 0; i < msg->op_nents; i++)
				put_page(sg_page(&msg->op_sg[i]));
			return got;
		}
		sg_set_page(sg++, pages, got, start);
		msg->op_nents++;
	}
	return 0;
}

static int toy_send(struct toy_msg *msg, struct msghdr *hdr)
{
	return toy_map(msg, &hdr->msg_iter);
}
";

#[test]
fn a_member_is_named_as_its_neighbours_are_and_serves_at_home_too() {
    assert_snapshot!(diff(WillPin, ARRAY), @r"
    +→bool→→→op_need_unpin;
    -→→else
    -→→→put_page(sg_page(&msg->op_sg[i]));
    +→→else if (msg->op_need_unpin)
    +→→→unpin_user_page(sg_page(&msg->op_sg[i]));
    +→msg->op_need_unpin = iov_iter_extract_will_pin(from);
    +→→struct page **ppages = &pages;
    -→→got = iov_iter_get_pages2(from, &pages, PAGE_SIZE, 1, &start);
    +→→got = iov_iter_extract_pages(from, &ppages, PAGE_SIZE, 1, 0,
    +→→→→→     &start);
    -→→→for (i = 0; i < msg->op_nents; i++)
    -→→→→put_page(sg_page(&msg->op_sg[i]));
    +→→→for (i = 0; i < msg->op_nents; i++) {
    +→→→→if (!msg->op_need_unpin)
    +→→→→→continue;
    +→→→→unpin_user_page(sg_page(&msg->op_sg[i]));
    +→→→}
    ");
}

#[test]
fn one_record_of_two_iterators_has_no_one_answer() {
    let text = ARRAY.replace(
        "\treturn toy_map(msg, &hdr->msg_iter);",
        "\ttoy_map(msg, &hdr->head);\n\treturn toy_map(msg, &hdr->msg_iter);",
    );
    assert_snapshot!(diff(WillPin, &text), @r"
    refused
    drivers/misc/toy.c:27 toy_map(): iov_iter_get_pages2() stays because toy_map() may add pages of several iterators to one op_sg, and one answer does not serve for all
    ");
}

const FILLED: &str = "\
struct toy_list {
	struct page *pages[16];
	unsigned int npages;
};

int toy_fill(struct toy_list *list, struct iov_iter *iter, int len)
{
	size_t off;
	ssize_t n;

	n = iov_iter_get_pages2(iter, list->pages, len, 16, &off);
	if (n < 0)
		return n;
	list->npages = DIV_ROUND_UP(off + n, PAGE_SIZE);
	return n;
}

void toy_empty(struct toy_list *list)
{
	int i;

	for (i = 0; i < list->npages; i++)
		put_page(list->pages[i]);
}
";

#[test]
fn an_array_that_is_filled_from_its_beginning_has_one_answer_whoever_calls() {
    assert_snapshot!(diff(WillPin, FILLED), @r"
    +→bool need_unpin;
    +→struct page **ppages = list->pages;
    -→n = iov_iter_get_pages2(iter, list->pages, len, 16, &off);
    +→list->need_unpin = iov_iter_extract_will_pin(iter);
    +→n = iov_iter_extract_pages(iter, &ppages, len, 16, 0, &off);
    -→for (i = 0; i < list->npages; i++)
    -→→put_page(list->pages[i]);
    +→for (i = 0; i < list->npages; i++) {
    +→→if (list->need_unpin)
    +→→→unpin_user_page(list->pages[i]);
    +→}
    ");
    // What is added to the array of before has no one answer.
    let text = FILLED.replace("list->pages, len", "&list->pages[list->npages], len");
    assert!(diff(WillPin, &text).starts_with("refused"));
}

const BESIDE: &str = "\
struct toy_req {
	bool should_dirty;
	int error;
};

static void toy_put(struct bio_vec *bvecs, int count, bool should_dirty)
{
	int i;

	for (i = 0; i < count; i++) {
		if (should_dirty)
			set_page_dirty_lock(bvecs[i].bv_page);
		put_page(bvecs[i].bv_page);
	}
	kvfree(bvecs);
}

static void toy_done(struct toy_osd *osd, struct toy_req *req)
{
	toy_put(osd->data.bvecs, osd->count, req->should_dirty);
}

static ssize_t toy_get(struct iov_iter *iter, struct bio_vec *bvecs)
{
	struct page *pages[16];
	ssize_t bytes;
	size_t start;

	bytes = iov_iter_get_pages2(iter, pages, 65536, 16, &start);
	return toy_set(bvecs, pages, bytes, start);
}

static ssize_t toy_direct(struct toy_osd *osd, struct toy_req *req, struct iov_iter *iter)
{
	bool should_dirty = user_backed_iter(iter);
	struct bio_vec *bvecs = toy_alloc(iter);
	ssize_t len = toy_get(iter, bvecs);

	if (osd->later) {
		req->should_dirty = should_dirty;
		return -EIOCBQUEUED;
	}
	toy_put(bvecs, 16, should_dirty);
	return len;
}
";

#[test]
fn the_answer_goes_beside_a_flag_that_goes_the_same_way() {
    assert_snapshot!(diff(WillPin, BESIDE), @r"
    +→bool need_unpin;
    -static void toy_put(struct bio_vec *bvecs, int count, bool should_dirty)
    +static void toy_put(struct bio_vec *bvecs, int count, bool should_dirty,
    +→→    bool need_unpin)
    -→→put_page(bvecs[i].bv_page);
    +→→if (need_unpin)
    +→→→unpin_user_page(bvecs[i].bv_page);
    -→toy_put(osd->data.bvecs, osd->count, req->should_dirty);
    +→toy_put(osd->data.bvecs, osd->count, req->should_dirty,
    +→→req->need_unpin);
    +→struct page **ppages = pages;
    -→bytes = iov_iter_get_pages2(iter, pages, 65536, 16, &start);
    +→bytes = iov_iter_extract_pages(iter, &ppages, 65536, 16, 0, &start);
    +→bool need_unpin = iov_iter_extract_will_pin(iter);
    +→→req->need_unpin = need_unpin;
    -→toy_put(bvecs, 16, should_dirty);
    +→toy_put(bvecs, 16, should_dirty, need_unpin);
    ");
}

const HELPER: &str = "\
static void toy_release(struct page **pages, int count)
{
	int i;

	for (i = 0; i < count; i++)
		if (pages[i])
			put_page(pages[i]);
}

static int toy_pin(struct page ***pages, struct iov_iter *data, size_t *offs)
{
	int n;

	n = iov_iter_get_pages_alloc2(data, pages, 65536, offs);
	if (n < 0)
		return n;
	return n;
}

static int toy_request(struct iov_iter *in, struct iov_iter *out)
{
	struct page **pages = NULL;
	size_t offs;
	int n = 0;

	if (out) {
		n = toy_pin(&pages, out, &offs);
	} else if (in) {
		n = toy_pin(&pages, in, &offs);
	}
	if (pages)
		toy_release(pages, n);
	return n;
}
";

#[test]
fn a_function_that_only_releases_is_called_under_the_condition() {
    assert_snapshot!(diff(WillPin, HELPER), @r"
    -→→→put_page(pages[i]);
    +→→→unpin_user_page(pages[i]);
    -→n = iov_iter_get_pages_alloc2(data, pages, 65536, offs);
    -→if (n < 0)
    +→*pages = NULL;
    +→n = iov_iter_extract_pages(data, pages, 65536, INT_MAX, 0, offs);
    +→if (n < 0) {
    +→→kvfree(*pages);
    +→→*pages = NULL;
    +→}
    +→bool need_unpin = false;
    +→if (out)
    +→→need_unpin = iov_iter_extract_will_pin(out);
    +→else if (in)
    +→→need_unpin = iov_iter_extract_will_pin(in);
    +
    -→if (pages)
    +→if (pages && need_unpin)
    ");
}

#[test]
fn a_helper_that_others_may_call_is_not_called_under_the_condition_here_alone() {
    let text = HELPER.replace("static void toy_release(", "void toy_release(");
    assert_snapshot!(diff(WillPin, &text), @r"
    refused
    drivers/misc/toy.c:14 toy_pin(): iov_iter_get_pages_alloc2() stays because toy_release() releases the pages and others may call it, and nothing that it is given tells how its iterator was backed
    ");
}

const ONLY_LOOP: &str = "\
struct toy_ctx {
	bool free_out;
	struct scatterlist *out;
};

static void toy_done(struct toy_ctx *ctx)
{
	struct scatterlist *sg;
	unsigned int n;

	if (ctx->free_out) {
		/* The first entry is ours. */
		for_each_sg(sg_next(ctx->out), sg, UINT_MAX, n) {
			if (!sg)
				break;
			put_page(sg_page(sg));
		}
	}
	toy_free(ctx);
}

static int toy_start(struct toy_ctx *ctx, struct iov_iter *iter)
{
	struct page *pages[8];
	size_t off;
	int n;

	n = iov_iter_get_pages2(iter, pages, 32768, 8, &off);
	ctx->free_out = n > 0;
	return n;
}
";

#[test]
fn a_loop_that_only_releases_is_tested_once_where_a_test_stands_already() {
    assert_snapshot!(diff(WillPin, ONLY_LOOP), @r"
    +→bool need_unpin;
    -→if (ctx->free_out) {
    +→if (ctx->free_out && ctx->need_unpin) {
    -→→→put_page(sg_page(sg));
    +→→→unpin_user_page(sg_page(sg));
    +→bool need_unpin = iov_iter_extract_will_pin(iter);
    +→struct page **ppages = pages;
    -→n = iov_iter_get_pages2(iter, pages, 32768, 8, &off);
    +→n = iov_iter_extract_pages(iter, &ppages, 32768, 8, 0, &off);
    +→ctx->need_unpin = need_unpin;
    ");
    // What the loop leaves in its variable is wanted afterwards.
    let text = ONLY_LOOP.replace("toy_free(ctx);", "toy_free(ctx, n);");
    assert!(diff(WillPin, &text).contains("+→→→if (ctx->need_unpin)"));
}

#[test]
fn what_others_may_call_cannot_be_told() {
    let text = BESIDE.replace("static void toy_put(", "void toy_put(");
    assert_snapshot!(diff(WillPin, &text), @r"
    refused
    drivers/misc/toy.c:29 toy_get(): iov_iter_get_pages2() stays because toy_put() releases the pages and others may call it, and nothing that it is given tells how its iterator was backed
    ");
}

#[test]
fn an_iterator_of_unknown_kind_is_not_converted_as_if_it_were_known() {
    // A report of before there were plans.
    let why = super::fixture::planned(callsites::report::Era::Pin, COPY).expect_err("refused");
    assert!(
        why[0].ends_with("whether its iterator is user-backed is not known"),
        "{why:?}"
    );
}

#[test]
fn a_line_that_the_condition_would_make_too_long_loses_a_level() {
    let long = ARRAY
        .replace("msg->op_sg[i]", "msg->op_scatterlist[i]")
        .replace("*op_sg;", "*op_scatterlist;");
    let long = long.replace("msg->op_sg;", "msg->op_scatterlist;");
    let new = diff(WillPin, &long);
    assert!(
        new.contains("+→→→→if (!msg->op_need_unpin)\n+→→→→→continue;\n+→→→→unpin_user_page(sg_page(&msg->op_scatterlist[i]));"),
        "{new}"
    );
}

#[test]
fn a_call_whose_arguments_count_on_cannot_be_left_out() {
    let text = COPY.replace("put_page(io.pages[i]);", "put_page(io.pages[i++]);");
    let new = diff(WillPin, &text);
    assert!(
        new.starts_with("refused") && new.contains("its arguments change something"),
        "{new}"
    );
    // Unpinned whatever the iterator is, they count on as before.
    assert!(diff(Always, &text).contains("+→→→unpin_user_page(io.pages[i++]);"));
}

#[test]
fn a_file_that_ends_its_lines_in_crlf_stays_so() {
    let crlf = |text: &str| text.replace('\n', "\r\n");
    for text in [COPY, RECORD, ARRAY, FILLED, BESIDE, HELPER, ONLY_LOOP] {
        for when in [Always, WillPin] {
            let (_, plain) = asking(when, text).expect("it converts");
            let (_, new) = asking(when, &crlf(text)).expect("it converts");
            assert_eq!(new, crlf(&plain));
        }
    }
}

#[test]
fn a_message_tells_the_way_of_the_answer() {
    let told = |text: &str| {
        let (plan, _) = asking(WillPin, text).expect("it converts");
        plan.remarks.into_iter().collect::<Vec<_>>().join("\n")
    };
    assert!(
        told(BESIDE).contains(
            "So toy_direct() asks iov_iter_extract_will_pin() before the iterator is advanced. A new member of struct \
             toy_req, need_unpin, keeps the answer until the pages are released. toy_put() gets the answer as a new parameter. \
             The pages are unpinned only if it says so."
        ),
        "{}",
        told(BESIDE)
    );
    assert!(
        told(RECORD).contains(
            "and keeps the answer in st->need_unpin, a new member of struct toy_state. The pages"
        ),
        "{}",
        told(RECORD)
    );
    assert!(
        told(COPY).contains("and keeps the answer in need_unpin. The pages"),
        "{}",
        told(COPY)
    );
}

const MADE: &str = "\
struct toy_req {
	struct page **pages;
	size_t off;
	int npages;
};

static void toy_release(struct toy_req *req)
{
	int i;

	for (i = 0; i < req->npages; i++)
		put_page(req->pages[i]);
	kvfree(req->pages);
	kfree(req);
}

struct toy_req *toy_get(struct iov_iter *from, size_t max)
{
	struct toy_req *req = kzalloc(sizeof(*req), GFP_KERNEL);
	ssize_t n;

	if (!req)
		return ERR_PTR(-ENOMEM);
	n = iov_iter_get_pages_alloc2(from, &req->pages, max, &req->off);
	if (n < 0) {
		kfree(req);
		return ERR_PTR(n);
	}
	req->npages = DIV_ROUND_UP(n + req->off, PAGE_SIZE);
	return req;
}
";

#[test]
fn a_record_that_is_made_for_one_iterator_holds_its_answer() {
    let changed = diff(WillPin, MADE);
    for line in [
        "+→bool need_unpin;",
        "+→req->need_unpin = iov_iter_extract_will_pin(from);",
        "+→→if (req->need_unpin)",
    ] {
        assert!(changed.contains(line), "{changed}");
    }
    // One that is handed in may hold pages already.
    let given = MADE
        .replace("toy_get(struct", "toy_get(struct toy_req *req, struct")
        .replace(
            "\tstruct toy_req *req = kzalloc(sizeof(*req), GFP_KERNEL);\n",
            "",
        );
    let refused = diff(WillPin, &given);
    assert!(refused.contains("pages of several iterators"), "{refused}");
}
