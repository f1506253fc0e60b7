// SPDX-License-Identifier: MIT OR Apache-2.0
//! Counts that may be an error code, conditions, and what stands around a loop: which loops become one call.

use super::fixture::{diff, planned};
use super::tests::with_loop;
use callsites::report::Era::{Pin, PutPage};
use insta::assert_snapshot;

#[test]
fn a_count_that_may_be_an_error_code_is_tested_before_the_call() {
    let text = "\
static int toy_get(unsigned long addr, int wanted, struct page **pages)
{
	int got, i;

	got = get_user_pages_fast(addr, wanted, FOLL_WRITE, pages);
	if (got != wanted) {
		for (i = 0; i < got; i++)
			put_page(pages[i]);
		return -EFAULT;
	}
	return 0;
}
";
    assert_snapshot!(diff(Pin, text), @r"
    -→int got, i;
    +→int got;
    -→got = get_user_pages_fast(addr, wanted, FOLL_WRITE, pages);
    +→got = pin_user_pages_fast(addr, wanted, FOLL_WRITE, pages);
    -→→for (i = 0; i < got; i++)
    -→→→put_page(pages[i]);
    +→→if (got > 0)
    +→→→unpin_user_pages(pages, got);
    ");
}

#[test]
fn a_partial_count_that_was_tested_becomes_one_call() {
    let text = "\
static int toy_get(unsigned long addr, int wanted, struct page **pages)
{
	int got, i;

	got = get_user_pages_fast(addr, wanted, FOLL_WRITE, pages);
	if (got < 0)
		return got;
	if (got < wanted) {
		for (i = 0; i < got; i++)
			put_page(pages[i]);
		return -EFAULT;
	}
	return 0;
}
";
    assert_snapshot!(diff(Pin, text), @r"
    -→int got, i;
    +→int got;
    -→got = get_user_pages_fast(addr, wanted, FOLL_WRITE, pages);
    +→got = pin_user_pages_fast(addr, wanted, FOLL_WRITE, pages);
    -→→for (i = 0; i < got; i++)
    -→→→put_page(pages[i]);
    +→→unpin_user_pages(pages, got);
    ");
}

#[test]
fn release_pages_keeps_its_arguments_and_a_signed_count_is_named() {
    let text = "\
static void toy_put(struct toy *toy, int count)
{
	release_pages(toy->mapping->pages_of_the_window, count);
}
";
    assert_snapshot!(diff(Pin, text), @r"
    -→release_pages(toy->mapping->pages_of_the_window, count);
    +→unpin_user_pages(toy->mapping->pages_of_the_window, count);
    ");
    let notes = planned(Pin, text).expect("it can be converted").notes;
    assert!(
        notes.iter().any(|note| note.contains("signed")),
        "{notes:?}"
    );
}

#[test]
fn a_scatterlist_loop_keeps_its_loop() {
    let text = "\
static void toy_put(struct sg_table *sgt)
{
	struct scatterlist *sg;
	int i;

	for_each_sg(sgt->sgl, sg, sgt->nents, i)
		put_page(sg_page(sg));
}
";
    assert_snapshot!(diff(Pin, text), @r"
    -→→put_page(sg_page(sg));
    +→→unpin_user_page(sg_page(sg));
    ");
}

#[test]
fn a_field_that_bears_the_name_is_not_touched() {
    let text = "\
static void toy_put(struct toy *toy)
{
	toy->put_page = 1;
	if (toy->put_page)
		put_page(toy->page);
}
";
    assert_snapshot!(diff(Pin, text), @r"
    -→→put_page(toy->page);
    +→→unpin_user_page(toy->page);
    ");
}

#[test]
fn a_release_that_no_pinning_call_replaces_refuses_the_whole_group() {
    let text = "\
static void toy_put(struct toy *toy)
{
	put_page(toy->first);
	folios_put(toy->batch);
}
";
    assert_snapshot!(diff(Pin, text), @r"
    refused
    drivers/misc/toy.c:4 toy_put(): folios_put() stays because there is no pinning counterpart of folios_put()
    ");
}

#[test]
fn an_iterator_without_a_plan_refuses_the_group() {
    let text = "\
static void toy_get(struct iov_iter *iter, struct toy *toy)
{
	iov_iter_get_pages2(iter, toy->pages, 4096, 16, &toy->offset);
}
";
    assert_snapshot!(diff(Pin, text), @r"
    refused
    drivers/misc/toy.c:3 toy_get(): iov_iter_get_pages2() stays because whether its iterator is user-backed is not known
    ");
}

#[test]
fn a_plain_get_flag_goes_with_the_plain_get() {
    let text = "\
static int toy_get(struct toy *toy, unsigned long addr)
{
	int got;

	got = get_user_pages_unlocked(addr, 1, &toy->page, FOLL_GET);
	if (got == 1)
		got = get_user_pages_fast(addr, 1, FOLL_WRITE | FOLL_GET, &toy->page);
	return got;
}
";
    assert_snapshot!(diff(Pin, text), @r"
    -→got = get_user_pages_unlocked(addr, 1, &toy->page, FOLL_GET);
    +→got = pin_user_pages_unlocked(addr, 1, &toy->page, 0);
    -→→got = get_user_pages_fast(addr, 1, FOLL_WRITE | FOLL_GET, &toy->page);
    +→→got = pin_user_pages_fast(addr, 1, FOLL_WRITE, &toy->page);
    ");
}

#[test]
fn a_call_that_asks_for_no_pages_refuses_the_group() {
    let text = "\
static long toy_fault(unsigned long addr)
{
	return get_user_pages(addr, 1, FOLL_WRITE, NULL);
}
";
    assert_snapshot!(diff(Pin, text), @r"
    refused
    drivers/misc/toy.c:3 toy_fault(): get_user_pages() stays because it asks for no pages, so there is nothing to pin
    ");
}

#[test]
fn a_function_of_the_file_that_bears_the_new_name_refuses_the_group() {
    let text = "\
static void release_user_pages(struct page **pages, unsigned int count)
{
	unsigned int i;

	for (i = 0; i < count; i++)
		put_page(pages[i]);
}
";
    assert_snapshot!(diff(PutPage, text), @r"
    refused
    drivers/misc/toy.c:6 release_user_pages(): put_page() stays because the file has a release_user_pages() of its own
    ");
}

#[test]
fn a_condition_of_the_loop_stands_above_the_call() {
    let text = with_loop("\tfor (i = 0; pages && i < count; i++)\n\t\tput_page(pages[i]);\n");
    assert_snapshot!(diff(Pin, &text), @r"
    -→int i;
    -
    -→for (i = 0; pages && i < count; i++)
    -→→put_page(pages[i]);
    +→if (pages)
    +→→unpin_user_pages(pages, count);
    ");
}

#[test]
fn a_body_that_counts_down_becomes_one_call() {
    let text = "\
static int toy_get(unsigned long addr, int wanted, struct page **pages)
{
	int got;

	got = get_user_pages_fast(addr, wanted, FOLL_WRITE, pages);
	if (got != wanted) {
		while (got > 0) {
			got--;
			put_page(pages[got]);
		}
		return -EFAULT;
	}
	return 0;
}
";
    assert_snapshot!(diff(Pin, text), @r"
    -→got = get_user_pages_fast(addr, wanted, FOLL_WRITE, pages);
    +→got = pin_user_pages_fast(addr, wanted, FOLL_WRITE, pages);
    -→→while (got > 0) {
    -→→→got--;
    -→→→put_page(pages[got]);
    -→→}
    +→→if (got > 0)
    +→→→unpin_user_pages(pages, got);
    ");
}

#[test]
fn an_index_that_is_set_anew_after_the_loop_is_not_read_after_it() {
    let text = "\
static int toy_get(unsigned long addr, int wanted, struct page **pages)
{
	int got;

	got = get_user_pages_fast(addr, wanted, FOLL_WRITE, pages);
	if (got >= 0 && got < wanted) {
		while (got--)
			put_page(pages[got]);
		got = -EFAULT;
	}
	return got;
}
";
    assert_snapshot!(diff(Pin, text), @r"
    -→got = get_user_pages_fast(addr, wanted, FOLL_WRITE, pages);
    +→got = pin_user_pages_fast(addr, wanted, FOLL_WRITE, pages);
    -→→while (got--)
    -→→→put_page(pages[got]);
    +→→unpin_user_pages(pages, got);
    ");
}

#[test]
fn what_a_macro_or_a_helper_that_takes_pages_returns_may_be_an_error() {
    let text = "\
#define TOY_GET(at, n, pages) get_user_pages_fast((at), (n), 0, (pages))

static int toy_take(struct toy *toy)
{
	int i, n = TOY_GET(toy->at, 4, toy->pages);

	if (n != 4) {
		for (i = 0; i < n; i++)
			put_page(toy->pages[i]);
		return -EFAULT;
	}
	return 0;
}
";
    let changed = diff(Pin, text);
    assert!(changed.contains("+→→if (n > 0)\n"), "{changed}");
}
