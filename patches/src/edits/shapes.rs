// SPDX-License-Identifier: MIT OR Apache-2.0
//! Shapes that need more than their loop to be judged: what the acquire returned, and pages that follow each other.

use super::fixture::diff;
use callsites::report::Era::{Pin, PutUserPage};
use insta::assert_snapshot;

/// A function that acquires and rolls back by `rollback`.
fn with_rollback(between: &str, rollback: &str) -> String {
    format!(
        "static int toy_get(struct toy *toy, unsigned long addr, int want)\n{{\n\tint i;\n\n\
         \ttoy->count = get_user_pages_fast(addr, want, FOLL_WRITE, toy->pages);\n{between}\
         \tif (toy->count != want) {{\n{rollback}\t\treturn -EFAULT;\n\t}}\n\treturn 0;\n}}\n"
    )
}

const SKIPS: &str = "\t\tfor (i = 0; i < toy->count; i++) {\n\t\t\tif (toy->pages[i])\n\t\t\t\tput_page(toy->pages[i]);\n\t\t}\n";

#[test]
fn entries_below_what_an_acquire_returned_need_no_test_for_null() {
    assert_snapshot!(diff(PutUserPage, &with_rollback("", SKIPS)), @r"
    -→int i;
    -
    -→→for (i = 0; i < toy->count; i++) {
    -→→→if (toy->pages[i])
    -→→→→put_page(toy->pages[i]);
    -→→}
    +→→if (toy->count > 0)
    +→→→put_user_pages(toy->pages, toy->count);
    ");
}

#[test]
fn entries_below_another_count_keep_their_test_for_null() {
    assert_snapshot!(diff(PutUserPage, &with_rollback("\ttoy->count = want;\n", SKIPS)), @r"
    -→→→→put_page(toy->pages[i]);
    +→→→→put_user_page(toy->pages[i]);
    ");
    let other = SKIPS.replace("toy->count", "want");
    assert_snapshot!(diff(PutUserPage, &with_rollback("", &other)), @r"
    -→→→→put_page(toy->pages[i]);
    +→→→→put_user_page(toy->pages[i]);
    ");
}

#[test]
fn a_jump_between_the_acquire_and_the_loop_keeps_the_test_for_null() {
    assert_snapshot!(diff(PutUserPage, &with_rollback("again:\n", SKIPS)), @r"
    -→→→→put_page(toy->pages[i]);
    +→→→→put_user_page(toy->pages[i]);
    ");
}

/// A function with one loop over pages that follow each other.
fn with_range(body: &str) -> String {
    format!(
        "static void toy_put(struct page *page, unsigned long count, bool dirty)\n{{\n\tunsigned long i;\n\n{body}}}\n"
    )
}

#[test]
fn pages_that_follow_each_other_become_one_call_on_the_range() {
    let text = with_range("\tfor (i = 0; i < count; i++)\n\t\tput_page(page + i);\n");
    assert_snapshot!(diff(Pin, &text), @r"
    -→unsigned long i;
    -
    -→for (i = 0; i < count; i++)
    -→→put_page(page + i);
    +→unpin_user_page_range_dirty_lock(page, count, false);
    ");
    let text = with_range(
        "\tfor (i = 0; i < count; i++) {\n\t\tif (dirty)\n\t\t\tset_page_dirty_lock(nth_page(page, i));\n\t\tput_page(nth_page(page, i));\n\t}\n",
    );
    assert_snapshot!(diff(Pin, &text), @r"
    -→unsigned long i;
    -
    -→for (i = 0; i < count; i++) {
    -→→if (dirty)
    -→→→set_page_dirty_lock(nth_page(page, i));
    -→→put_page(nth_page(page, i));
    -→}
    +→unpin_user_page_range_dirty_lock(page, count, dirty);
    ");
}

#[test]
fn without_a_function_for_ranges_each_page_is_released_alone() {
    let text = with_range("\tfor (i = 0; i < count; i++)\n\t\tput_page(page + i);\n");
    assert_snapshot!(diff(PutUserPage, &text), @r"
    -→→put_page(page + i);
    +→→put_user_page(page + i);
    ");
}

#[test]
fn a_count_that_is_set_to_zero_where_it_is_an_error_is_none() {
    let text = "\
static int toy_get(struct toy *toy, unsigned long addr, int want)
{
	int got;

	got = get_user_pages_fast(addr, want, FOLL_WRITE, toy->pages);
	if (got < 0) {
		toy->error = got;
		got = 0;
	} else if (got < want) {
		toy->error = -EFAULT;
	}
	release_pages(toy->pages, got);
	return toy->error;
}
";
    assert_snapshot!(diff(PutUserPage, text), @r"
    -→release_pages(toy->pages, got);
    +→put_user_pages(toy->pages, got);
    ");
    let set_again = text.replace("toy->error = -EFAULT;", "got = toy->error;");
    assert_snapshot!(diff(PutUserPage, &set_again), @r"
    refused
    drivers/misc/toy.c:12 toy_get(): release_pages() stays because its count may be a negative error code, which release_pages() ignores
    ");
}
