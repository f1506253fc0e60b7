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

#[test]
fn a_comparison_with_null_is_a_test_for_null() {
    let skips = SKIPS.replace("if (toy->pages[i])", "if (toy->pages[i] != NULL)");
    assert_eq!(
        diff(PutUserPage, &with_rollback("", &skips)).replace(" != NULL", ""),
        diff(PutUserPage, &with_rollback("", SKIPS))
    );
}

#[test]
fn entries_from_one_on_become_one_call_on_the_slice() {
    let text = "\
static void toy_put(struct toy *toy, unsigned int first, unsigned int count)
{
	unsigned int i;

	for (i = 0; i < count; i++)
		put_page(toy->pages[first + i]);
}
";
    assert_snapshot!(diff(Pin, text), @r"
    -→unsigned int i;
    -
    -→for (i = 0; i < count; i++)
    -→→put_page(toy->pages[first + i]);
    +→unpin_user_pages(&toy->pages[first], count);
    ");
    let moves = text.replace("first + i", "toy->next++ + i");
    assert_snapshot!(diff(Pin, &moves), @r"
    -→→put_page(toy->pages[toy->next++ + i]);
    +→→unpin_user_page(toy->pages[toy->next++ + i]);
    ");
}

#[test]
fn one_statement_in_place_of_two_has_no_braces() {
    let text = "\
static void toy_put(struct sg_table *sgt)
{
	struct sg_page_iter iter;
	struct page *page;

	for_each_sgtable_page(sgt, &iter, 0) {
		set_page_dirty_lock(toy->pages[iter.n]);
		put_page(toy->pages[iter.n]);
	}
}
";
    assert_snapshot!(diff(Pin, text), @r"
    -→for_each_sgtable_page(sgt, &iter, 0) {
    -→→set_page_dirty_lock(toy->pages[iter.n]);
    -→→put_page(toy->pages[iter.n]);
    -→}
    +→for_each_sgtable_page(sgt, &iter, 0)
    +→→unpin_user_pages_dirty_lock(&toy->pages[iter.n], 1, true);
    ");
}

#[test]
fn arms_that_say_the_same_become_one() {
    let text = |first: &str, second: &str| {
        format!(
            "static void toy_put(struct toy *toy, bool write)\n{{\n\tint i;\n\n\tif (write) {{\n{first}\t}} else {{\n{second}\t}}\n}}\n"
        )
    };
    let dirties = "\t\tfor (i = 0; i < 16; i++) {\n\t\t\tset_page_dirty_lock(toy->pages[i]);\n\t\t\tput_page(toy->pages[i]);\n\t\t}\n";
    let releases = "\t\tfor (i = 0; i < 16; i++)\n\t\t\tput_page(toy->pages[i]);\n";
    let has = |first: &str, second: &str, line: &str| {
        let new = diff(Pin, &text(first, second));
        assert!(new.contains(line), "{new}");
        assert!(new.contains("-→if (write) {\n"), "{new}");
    };
    has(
        dirties,
        releases,
        "\n+→unpin_user_pages_dirty_lock(toy->pages, 16, write);\n",
    );
    has(
        releases,
        dirties,
        "\n+→unpin_user_pages_dirty_lock(toy->pages, 16, !write);\n",
    );
    has(
        releases,
        releases,
        "\n+→unpin_user_pages(toy->pages, 16);\n",
    );
    // Another count, or a condition that does something, keeps both.
    let other = releases.replace("16", "15");
    for kept in [
        text(dirties, &other),
        text(releases, releases).replace("if (write)", "if (toy_stop(toy))"),
    ] {
        let new = diff(Pin, &kept);
        assert!(!new.contains("-→if ("), "{new}");
    }
}

#[test]
fn a_comment_that_names_the_acquire_goes_along() {
    let text = "\
static int toy_get(struct toy *toy, unsigned long addr)
{
	/* get_user_pages_fast() may return less */
	return get_user_pages_fast(addr, 1, FOLL_WRITE, &toy->page);
}
";
    assert_snapshot!(diff(Pin, text), @r"
    -→/* get_user_pages_fast() may return less */
    -→return get_user_pages_fast(addr, 1, FOLL_WRITE, &toy->page);
    +→/* pin_user_pages_fast() may return less */
    +→return pin_user_pages_fast(addr, 1, FOLL_WRITE, &toy->page);
    ");
}

#[test]
fn entries_that_are_cleared_after_their_release_are_cleared_in_a_loop_of_their_own() {
    let text = "\
static void toy_release(struct page **pages, u64 count, bool dirty)
{
	int i;

	for (i = 0; i < count; i++) {
		if (dirty)
			set_page_dirty_lock(pages[i]);

		put_page(pages[i]);
		pages[i] = NULL;
	}
}
";
    assert_snapshot!(diff(Pin, text), @r"
    -→for (i = 0; i < count; i++) {
    -→→if (dirty)
    -→→→set_page_dirty_lock(pages[i]);
    -
    -→→put_page(pages[i]);
    +→unpin_user_pages_dirty_lock(pages, count, dirty);
    +→for (i = 0; i < count; i++)
    -→}
    ");
    // Another array is no entry that was released.
    let other = diff(Pin, &text.replace("pages[i] = NULL", "toy[i] = NULL"));
    assert!(
        other.contains("+→→unpin_user_pages_dirty_lock(&pages[i], 1, dirty);"),
        "{other}"
    );
}

#[test]
fn a_loop_over_a_window_of_an_array_is_one_call_on_it() {
    let text = "\
static void toy_drop(struct toy *toy)
{
	unsigned int i;

	for (i = toy->first; i < toy->first + toy->npages; i++) {
		if (toy->dirty)
			set_page_dirty_lock(toy->all[i]);
		put_page(toy->all[i]);
	}
}
";
    let changed = diff(Pin, text);
    assert!(changed.contains("(&toy->all[toy->first],"), "{changed}");
    // Neither a bound that is an entry, nor an entry that is counted from elsewhere, is that.
    let bound = text.replace("toy->first + toy->npages", "toy->last");
    assert!(diff(Pin, &bound).contains("unpin_user_pages_dirty_lock(&toy->all[i], 1,"));
    let beyond = text.replace("toy->all[i]", "toy->all[i + toy->skip]");
    assert!(
        diff(Pin, &beyond).contains("unpin_user_pages_dirty_lock(&toy->all[i + toy->skip], 1,")
    );
}
