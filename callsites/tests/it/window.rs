// SPDX-License-Identifier: MIT OR Apache-2.0
//! Releases that let go what was taken on the way to them, where others fill the same record with other pages.

use crate::judged::check;

/// A command whose list of pages is filled in two ways: `undo` takes back what the first way has done so far.
fn two_ways(map: &str, undo: &str) -> String {
    format!(
        "struct toy_cmd {{
	struct scatterlist *list;
	unsigned int count;
	bool copied;
}};
static int toy_map(struct toy_cmd *cmd, struct iov_iter *iter, struct scatterlist *sg)
{{
	struct page *pages[8];
	size_t off;
	ssize_t got;

	got = iov_iter_get_pages2(iter, pages, 32768, 8, &off); //^ convert
	if (got <= 0)
		return -EFAULT;
{map}	sg_set_page(sg, pages[0], got, off);
	return 1;
}}
static int toy_copy(struct toy_cmd *cmd, struct scatterlist *sg, int n)
{{
	int i;

	for (i = 0; i < n; i++)
		sg_set_page(&sg[i], alloc_page(GFP_KERNEL), 4096, 0);
	cmd->copied = true;
	return 0;
}}
static int toy_walk(struct toy_cmd *cmd, struct iov_iter *iter, struct scatterlist *sg)
{{
	struct scatterlist *p = sg;
	int ret;

	while (iov_iter_count(iter)) {{
		ret = toy_map(cmd, iter, sg);
		if (ret < 0) {{
{undo}			return ret;
		}}
		sg += ret;
	}}
	return 0;
}}
static int toy_fill(struct toy_cmd *cmd, struct iov_iter *iter)
{{
	int ret = toy_walk(cmd, iter, cmd->list);

	if (ret < 0)
		ret = toy_copy(cmd, cmd->list, cmd->count);
	return ret;
}}
static void toy_drop(struct toy_cmd *cmd)
{{
	int i;

	for (i = 0; i < cmd->count; i++) {{
		if (cmd->copied)
			__free_page(sg_page(&cmd->list[i])); //^ keep
		else
			put_page(sg_page(&cmd->list[i])); //^ convert
	}}
}}
"
    )
}

#[test]
fn what_lies_between_a_start_and_a_cursor_was_stored_on_the_way() {
    for undo in [
        "			while (p < sg) {
				struct page *page = sg_page(p);

				if (page)
					put_page(page); //^ convert
				p++;
			}
",
        "			for (; p != sg; p++)
				put_page(sg_page(p)); //^ convert
",
        "			while (sg > p)
				put_page(sg_page(--sg)); //^ convert
",
    ] {
        check(&[("drivers/a/a.c", &two_ways("", undo))]);
    }
}

#[test]
fn a_cursor_that_passes_pages_of_both_kinds_decides_nothing() {
    let both = "	if (cmd->count)
		sg_set_page(sg, alloc_page(GFP_KERNEL), 4096, 0);
";
    let undo = "			for (; p != sg; p++)
				put_page(sg_page(p)); //^ mixed
";
    check(&[("drivers/a/a.c", &two_ways(both, undo))]);
}

/// A helper that takes back what lies between two ends; the cursor of its caller began at `began`.
fn by_helper(began: &str, said: &str) -> String {
    format!(
        "struct toy_cmd {{
	struct scatterlist *list;
	unsigned int count;
}};
static void toy_revert(struct scatterlist *p, struct scatterlist *end)
{{
	while (p != end) {{
		put_page(sg_page(p)); //^ {said}
		p = sg_next(p);
	}}
}}
static int toy_map(struct toy_cmd *cmd, struct iov_iter *iter, struct scatterlist *list)
{{
	struct scatterlist *at = {began};
	struct page *pages[8];
	size_t off;
	int n = 0;
	ssize_t got = iov_iter_get_pages2(iter, pages, 32768, 8, &off); //^ convert

	while (got > 0) {{
		if (got & 511)
			goto undo;
		sg_set_page(at, pages[n++], 4096, off);
		at = sg_next(at);
		got -= 4096;
	}}
	return n;
undo:
	toy_revert(list, at);
	return -EINVAL;
}}
static int toy_copy(struct toy_cmd *cmd, struct scatterlist *sg, int n)
{{
	int i;

	for (i = 0; i < n; i++)
		sg_set_page(&sg[i], alloc_page(GFP_KERNEL), 4096, 0);
	return 0;
}}
int toy_fill(struct toy_cmd *cmd, struct iov_iter *iter)
{{
	int ret = toy_map(cmd, iter, cmd->list);

	if (ret < 0)
		ret = toy_copy(cmd, cmd->list, cmd->count);
	return ret;
}}
"
    )
}

#[test]
fn a_helper_that_is_given_both_ends_lets_go_what_its_callers_stored_between_them() {
    check(&[("drivers/a/a.c", &by_helper("list", "convert"))]);
    check(&[("drivers/a/a.c", &by_helper("cmd->list", "mixed"))]);
}

#[test]
fn a_start_that_is_not_where_the_cursor_began_decides_nothing() {
    let undo = "			for (p = cmd->list; p != sg; p++)
				put_page(sg_page(p)); //^ mixed
";
    check(&[("drivers/a/a.c", &two_ways("", undo))]);
}

/// The same, with a helper that takes back what lies between two places.
fn by_a_helper(start: &str, early: &str, helper: &str, verdict: &str) -> String {
    let text = two_ways("", &format!("			toy_undo(iter, {start}, sg);\n"));
    let helper = format!(
        "{helper}void toy_undo(struct iov_iter *iter, struct scatterlist *at, struct scatterlist *end)
{{
	while (at != end) {{
		put_page(sg_page(at)); //^ {verdict}
		at = sg_next(at);
	}}
}}
"
    );
    let text = text.replace(
        "static int toy_walk(",
        &format!("{helper}static int toy_walk("),
    );
    // The helper is handed where the cursor began, in the same words.
    let text = text.replace(
        "	struct scatterlist *p = sg;\n	int ret;\n\n	while",
        &format!("	struct scatterlist *sg = cmd->list;\n	int ret;\n\n{early}	while"),
    );
    text.replace(
        "static int toy_walk(struct toy_cmd *cmd, struct iov_iter *iter, struct scatterlist *sg)",
        "static int toy_walk(struct toy_cmd *cmd, struct iov_iter *iter)",
    )
    .replace("toy_walk(cmd, iter, cmd->list)", "toy_walk(cmd, iter)")
    .replace("		sg += ret;\n", "		sg = sg_next(sg);\n")
}

#[test]
fn a_helper_goes_over_the_stretch_that_each_caller_hands_it() {
    check(&[(
        "drivers/a/a.c",
        &by_a_helper("cmd->list", "", "static ", "convert"),
    )]);
    for text in [
        // From another place than the cursor began at.
        by_a_helper("cmd->list - 1", "", "static ", "mixed"),
        // The place is no longer what it was.
        by_a_helper(
            "cmd->list",
            "	cmd->list = sg_next(sg);\n",
            "static ",
            "mixed",
        ),
        // Others may hand it anything.
        by_a_helper("cmd->list", "", "", "mixed"),
    ] {
        check(&[("drivers/a/a.c", &text)]);
    }
}

/// A request whose list is filled from an iterator, from a copy, or not at all; `flag` is what the record keeps.
fn counted(flag: &str) -> String {
    format!(
        "struct toy_ctx {{
	bool owned;
	struct scatterlist *out;
}};
static int toy_map(struct iov_iter *iter, int *used, struct scatterlist *to)
{{
	struct page *pages[8];
	size_t off;
	ssize_t got;

	got = iov_iter_get_pages2(iter, pages, 32768, 8, &off); //^ convert
	if (got <= 0)
		return -EFAULT;
	sg_set_page(to, pages[0], got, off);
	*used = 1;
	return 0;
}}
static void toy_done(struct toy_ctx *ctx, int n)
{{
	int i;

	if (ctx->owned)
		for (i = 0; i < n; i++)
			put_page(sg_page(&ctx->out[i])); //^ convert
}}
static int toy_start(struct toy_ctx *ctx, struct iov_iter *iter, bool copy)
{{
	struct scatterlist *out = ctx->out;
	int pages = 0, err = 0;

	if (copy)
		sg_set_page(&out[0], alloc_page(GFP_KERNEL), 4096, 0);
	else
		err = toy_map(iter, &pages, &out[0]);
	ctx->owned = {flag};
	if (!err)
		return 0;
	for (; pages > 0; pages--)
		put_page(sg_page(&out[pages])); //^ convert
	return err;
}}
"
    )
}

#[test]
fn what_a_count_counts_was_stored_by_whom_the_count_was_given_to() {
    for flag in ["!!pages", "pages > 0"] {
        check(&[("drivers/a/a.c", &counted(flag))]);
    }
}

#[test]
fn a_flag_that_is_set_from_something_else_decides_nothing() {
    let text =
        counted("iter != NULL").replace("ctx->out[i])); //^ convert", "ctx->out[i])); //^ mixed");
    check(&[("drivers/a/a.c", &text)]);
}

/// A function that takes pages of an iterator or finds those of the kernel, and says which; `drop` is what it says of
/// the kernel's.
fn told(drop: &str, mark: &str) -> (String, String) {
    let driver = format!(
        "#include \"trans.h\"
static int toy_get(struct page ***pages, struct iov_iter *data, int kernel, int *drop)
{{
	size_t offs;

	if (!kernel) {{
		int n = iov_iter_get_pages_alloc2(data, pages, 65536, &offs); //^ convert

		if (n < 0)
			return n;
		*drop = 1;
		return n;
	}} else {{
		*pages = kmalloc_array(1, sizeof(struct page *), GFP_NOFS);
		*drop = {drop};
		(*pages)[0] = alloc_page(GFP_KERNEL);
		return 4096;
	}}
}}
static int toy_request(struct iov_iter *in, struct iov_iter *out, int kernel)
{{
	struct page **in_pages = NULL, **out_pages = NULL;
	int drop = 0, n = 0;

	if (out)
		n = toy_get(&out_pages, out, kernel, &drop);
	else if (in)
		n = toy_get(&in_pages, in, kernel, &drop);
	if (drop) {{
		if (in_pages)
			toy_release(in_pages, n);
		if (out_pages)
			toy_release(out_pages, n);
	}}
	return n;
}}
"
    );
    let helper = format!(
        "#include \"trans.h\"
void toy_release(struct page **pages, int n)
{{
	int i;

	for (i = 0; i < n; i++)
		if (pages[i])
			put_page(pages[i]); //^ {mark}
}}
"
    );
    (driver, helper)
}

#[test]
fn a_flag_that_comes_back_with_the_pages_says_which_they_are() {
    let header = "void toy_release(struct page **pages, int n);\n";
    let (driver, helper) = told("0", "convert");
    check(&[
        ("net/a/trans.h", header),
        ("net/a/driver.c", &driver),
        ("net/a/helper.c", &helper),
    ]);
    // Raised in both arms it says nothing, and so it does where a call is not under it.
    let (driver, helper) = told("1", "mixed");
    check(&[
        ("net/a/trans.h", header),
        ("net/a/driver.c", &driver),
        ("net/a/helper.c", &helper),
    ]);
    let (driver, helper) = told("0", "mixed");
    let driver = driver.replace(
        "	return n;\n}\n",
        "	toy_release(out_pages, n);\n	return n;\n}\n",
    );
    check(&[
        ("net/a/trans.h", header),
        ("net/a/driver.c", &driver),
        ("net/a/helper.c", &helper),
    ]);
}
