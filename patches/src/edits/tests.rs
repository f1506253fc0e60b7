// SPDX-License-Identifier: MIT OR Apache-2.0
//! Each shape of release in each era: what changes, and what is left alone.

use super::fixture::{diff, planned};
use callsites::report::Era::{Pin, PutPage, PutUserPage};
use insta::assert_snapshot;

const SINGLE: &str = "\
static int toy_get(struct toy *toy, unsigned long addr)
{
	int ret;

	ret = get_user_pages_fast(addr, 1, FOLL_WRITE, &toy->page);
	if (ret != 1) {
		pr_debug(\"get_user_pages_fast() gave %d\\n\", ret);
		return -EFAULT;
	}
	return 0;
}

static void toy_put(struct toy *toy)
{
	set_page_dirty_lock(toy->page);
	put_page(toy->page);
}
";

#[test]
fn a_single_page_is_pinned_and_unpinned_and_its_dirtying_stays() {
    assert_snapshot!(diff(Pin, SINGLE), @r#"
    -→ret = get_user_pages_fast(addr, 1, FOLL_WRITE, &toy->page);
    +→ret = pin_user_pages_fast(addr, 1, FOLL_WRITE, &toy->page);
    -→→pr_debug("get_user_pages_fast() gave %d\n", ret);
    +→→pr_debug("pin_user_pages_fast() gave %d\n", ret);
    -→put_page(toy->page);
    +→unpin_user_page(toy->page);
    "#);
}

#[test]
fn before_pins_only_the_release_changes() {
    assert_snapshot!(diff(PutUserPage, SINGLE), @r"
    -→put_page(toy->page);
    +→put_user_page(toy->page);
    ");
    assert_snapshot!(diff(PutPage, SINGLE), @r"
    -→put_page(toy->page);
    +→put_user_page(toy->page);
    ");
}

/// A release function with one loop.
pub(super) fn with_loop(body: &str) -> String {
    format!(
        "static void toy_put(struct toy *toy, struct page **pages, u32 count, bool dirty)\n{{\n\tint i;\n\n{body}}}\n"
    )
}

#[test]
fn a_loop_that_only_releases_becomes_one_call_and_its_variable_goes() {
    let text =
        with_loop("\tfor (i = 0; i < count; i++)\n\t\tput_page(pages[i]);\n\tkfree(pages);\n");
    assert_snapshot!(diff(Pin, &text), @r"
    -→int i;
    -
    -→for (i = 0; i < count; i++)
    -→→put_page(pages[i]);
    +→unpin_user_pages(pages, count);
    ");
    assert_snapshot!(diff(PutPage, &text), @r"
    -→int i;
    -
    -→for (i = 0; i < count; i++)
    -→→put_page(pages[i]);
    +→release_user_pages(pages, count);
    ");
}

#[test]
fn a_loop_that_dirties_under_the_lock_becomes_one_call_with_its_condition() {
    let text = with_loop(
        "\tfor (i = 0; i < count; i++) {\n\t\tif (dirty)\n\t\t\tset_page_dirty_lock(pages[i]);\n\t\tput_page(pages[i]);\n\t}\n",
    );
    assert_snapshot!(diff(Pin, &text), @r"
    -→int i;
    -
    -→for (i = 0; i < count; i++) {
    -→→if (dirty)
    -→→→set_page_dirty_lock(pages[i]);
    -→→put_page(pages[i]);
    -→}
    +→unpin_user_pages_dirty_lock(pages, count, dirty);
    ");
    assert_snapshot!(diff(PutUserPage, &text), @r"
    -→int i;
    -
    -→for (i = 0; i < count; i++) {
    -→→if (dirty)
    -→→→set_page_dirty_lock(pages[i]);
    -→→put_page(pages[i]);
    -→}
    +→put_user_pages_dirty_lock(pages, count, dirty);
    ");
    assert_snapshot!(diff(PutPage, &text), @r"
    -→→put_page(pages[i]);
    +→→put_user_page(pages[i]);
    ");
}

#[test]
fn dirtying_without_the_lock_becomes_dirtying_with_it_and_the_plan_says_so() {
    let text = with_loop(
        "\tfor (i = 0; i < count; ++i) {\n\t\tif (!PageDirty(pages[i]))\n\t\t\tSetPageDirty(pages[i]);\n\t\tput_page(pages[i]);\n\t}\n",
    );
    assert_snapshot!(diff(Pin, &text), @r"
    -→int i;
    -
    -→for (i = 0; i < count; ++i) {
    -→→if (!PageDirty(pages[i]))
    -→→→SetPageDirty(pages[i]);
    -→→put_page(pages[i]);
    -→}
    +→unpin_user_pages_dirty_lock(pages, count, true);
    ");
    let changes = planned(Pin, &text).expect("it can be converted").changes;
    assert!(
        changes.iter().any(|change| change.contains("may sleep")),
        "{changes:?}"
    );
}

#[test]
fn dirtying_without_the_lock_under_a_spinlock_keeps_its_loop() {
    let text = with_loop(
        "\tspin_lock(&toy->lock);\n\tfor (i = 0; i < count; i++) {\n\t\tset_page_dirty(pages[i]);\n\t\tput_page(pages[i]);\n\t}\n\tspin_unlock(&toy->lock);\n",
    );
    assert_snapshot!(diff(Pin, &text), @r"
    -→→put_page(pages[i]);
    +→→unpin_user_page(pages[i]);
    ");
}

#[test]
fn a_loop_that_does_more_than_release_stays_and_each_page_is_dirtied_and_released_by_one_call() {
    let text = with_loop(
        "\tfor (i = 0; i < count; i++) {\n\t\tif (dirty)\n\t\t\tset_page_dirty_lock(pages[i]);\n\n\t\tput_page(pages[i]);\n\t\ttoy->left--;\n\t}\n",
    );
    assert_snapshot!(diff(Pin, &text), @r"
    -→→if (dirty)
    -→→→set_page_dirty_lock(pages[i]);
    -
    -→→put_page(pages[i]);
    +→→unpin_user_pages_dirty_lock(&pages[i], 1, dirty);
    ");
}

#[test]
fn a_loop_that_skips_null_pages_stays() {
    let text =
        with_loop("\tfor (i = 0; i < count; i++)\n\t\tif (pages[i])\n\t\t\tput_page(pages[i]);\n");
    assert_snapshot!(diff(Pin, &text), @r"
    -→→→put_page(pages[i]);
    +→→→unpin_user_page(pages[i]);
    ");
}

#[test]
fn a_loop_whose_index_is_read_after_it_stays() {
    let text =
        with_loop("\tfor (i = 0; i < count; i++)\n\t\tput_page(pages[i]);\n\ttoy->released = i;\n");
    assert_snapshot!(diff(Pin, &text), @r"
    -→→put_page(pages[i]);
    +→→unpin_user_page(pages[i]);
    ");
}

#[test]
fn a_comment_in_a_loop_moves_above_the_call_and_one_beside_code_keeps_the_loop() {
    let text = with_loop(
        "\tfor (i = 0; i < count; i++)\n\t\t/* The device is gone. */\n\t\tput_page(pages[i]);\n",
    );
    assert_snapshot!(diff(Pin, &text), @r"
    -→int i;
    -
    -→for (i = 0; i < count; i++)
    -→→/* The device is gone. */
    -→→put_page(pages[i]);
    +→/* The device is gone. */
    +→unpin_user_pages(pages, count);
    ");
    let beside = with_loop(
        "\tfor (i = 0; i < count; i++)\n\t\tput_page(pages[i]); /* gone */\n\tkfree(pages);\n",
    );
    assert_snapshot!(diff(Pin, &beside), @r"
    -→int i;
    -
    -→for (i = 0; i < count; i++)
    -→→put_page(pages[i]); /* gone */
    +→unpin_user_pages(pages, count); /* gone */
    ");
    let inside =
        with_loop("\tfor (i = 0; i < count; i++) { /* all */\n\t\tput_page(pages[i]);\n\t}\n");
    assert_snapshot!(diff(Pin, &inside), @r"
    -→→put_page(pages[i]);
    +→→unpin_user_page(pages[i]);
    ");
}

#[test]
fn braces_around_a_folded_loop_go_and_a_shared_variable_stays() {
    let text = with_loop(
        "\tif (toy->mapped) {\n\t\tfor (i = 0; i < count; i++)\n\t\t\tput_page(pages[i]);\n\t}\n\tfor (i = 0; i < 4; i++)\n\t\ttoy->slot[i] = 0;\n",
    );
    assert_snapshot!(diff(Pin, &text), @r"
    -→if (toy->mapped) {
    -→→for (i = 0; i < count; i++)
    -→→→put_page(pages[i]);
    -→}
    +→if (toy->mapped)
    +→→unpin_user_pages(pages, count);
    ");
}

#[test]
fn a_temporary_page_variable_goes_with_its_loop() {
    let text = "\
static void toy_put(struct toy *toy)
{
	unsigned int i, flags = 0;
	struct page *page;

	for (i = 0; i < toy->count; i++) {
		page = toy->pages[i];
		put_page(page);
	}
	toy->flags = flags;
}
";
    assert_snapshot!(diff(Pin, text), @r"
    -→unsigned int i, flags = 0;
    -→struct page *page;
    +→unsigned int flags = 0;
    -→for (i = 0; i < toy->count; i++) {
    -→→page = toy->pages[i];
    -→→put_page(page);
    -→}
    +→unpin_user_pages(toy->pages, toy->count);
    ");
}

#[test]
fn a_reversed_loop_becomes_one_call_and_the_order_is_named() {
    let text = "\
static void toy_undo(struct page **pages, unsigned int got)
{
	while (got--)
		put_page(pages[got]);
}
";
    assert_snapshot!(diff(Pin, text), @r"
    -→while (got--)
    -→→put_page(pages[got]);
    +→unpin_user_pages(pages, got);
    ");
    let changes = planned(Pin, text).expect("it can be converted").changes;
    assert!(
        changes
            .iter()
            .any(|change| change.contains("from the last")),
        "{changes:?}"
    );
}
