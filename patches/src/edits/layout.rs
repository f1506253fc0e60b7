// SPDX-License-Identifier: MIT OR Apache-2.0
//! Lines, columns and the kernel's way of breaking a call.

use callsites::report::Era;
use refimpl::version::KernelVersion;

/// Columns that a line may take before a call is broken ("Documentation/process/coding-style.rst", 6.12).
pub(crate) const WIDTH: usize = 80;
/// Columns beyond which even a call without a good place for a break is broken ("scripts/checkpatch.pl",
/// $max_line_length, 6.12).
pub(crate) const HARD_WIDTH: usize = 100;
/// The release whose checkpatch.pl lets a line have a hundred columns: 5.6 has eighty.
const WIDENED: &str = "5.7";
/// Columns from one tab stop to the next ("Documentation/process/coding-style.rst", 6.12).
const TAB: usize = 8;

/// Columns that checkpatch.pl lets a line of a tree have. A tree whose release is no number is taken for a new one if it
/// pins.
pub(crate) fn columns(era: Era, version: &str) -> usize {
    let widened = WIDENED.parse::<KernelVersion>().ok();
    let own = version.parse::<KernelVersion>().ok();
    match era == Era::Pin && own.zip(widened).is_none_or(|(own, widened)| own >= widened) {
        true => HARD_WIDTH,
        false => WIDTH,
    }
}

/// First byte of the line that `at` stands in.
pub(crate) fn line_start(bytes: &[u8], at: usize) -> usize {
    bytes[..at]
        .iter()
        .rposition(|&byte| byte == b'\n')
        .map_or(0, |newline| newline + 1)
}

/// One past the line end of the line that `at` stands in.
pub(crate) fn line_end(bytes: &[u8], at: usize) -> usize {
    bytes[at..]
        .iter()
        .position(|&byte| byte == b'\n')
        .map_or(bytes.len(), |newline| at + newline + 1)
}

/// The blanks that the line of `at` begins with.
pub(crate) fn indent(bytes: &[u8], at: usize) -> &[u8] {
    let line = &bytes[line_start(bytes, at)..at.max(line_start(bytes, at))];
    let blanks = line
        .iter()
        .take_while(|&&byte| byte == b' ' || byte == b'\t')
        .count();
    &line[..blanks]
}

/// Whether only blanks stand before `at` in its line.
pub(crate) fn begins_line(bytes: &[u8], at: usize) -> bool {
    indent(bytes, at).len() == at - line_start(bytes, at)
}

/// The column after `text`, tabs to multiples of eight, when it begins in `column`.
pub(crate) fn column(text: &[u8], column: usize) -> usize {
    text.iter().fold(column, |column, &byte| match byte {
        b'\n' => 0,
        b'\t' => column / TAB * TAB + TAB,
        // Continuation bytes of UTF-8 take no column of their own.
        0x80..=0xbf => column,
        _ => column + 1,
    })
}

/// Tabs, then blanks, up to `column`.
pub(crate) fn blanks(column: usize) -> String {
    "\t".repeat(column / TAB) + &" ".repeat(column % TAB)
}

/// `callee(argument, …)`, broken where it would pass the width: at commas, aligned with the open parenthesis, in a tree of
/// eighty columns at the last tab stop before it where the lines fit there alone, or, where that does not fit, one tab
/// further than the statement. `start` is the column where it begins, `after` what follows, `columns` what the tree allows.
pub(crate) fn call(
    callee: &str,
    arguments: &[String],
    start: usize,
    after: &str,
    columns: usize,
) -> String {
    let whole = format!("{callee}({})", arguments.join(", "));
    let fits = |limit| start + whole.chars().count() + after.len() <= limit;
    if fits(WIDTH) || (arguments.len() < 2 && fits(HARD_WIDTH)) {
        return whole;
    }
    let open = start + callee.len() + 1;
    if columns <= WIDTH {
        let stops = (start / TAB + 1..open.div_ceil(TAB)).rev().map(|n| n * TAB);
        for margin in std::iter::once(open).chain(stops) {
            let (text, widest) = broken(callee, arguments, (open, margin), after);
            if widest <= WIDTH {
                return text;
            }
        }
    }
    let widest = arguments.iter().map(|a| a.chars().count()).max();
    // An argument that is wider than what is left beside the parenthesis moves under the statement.
    if open + widest.unwrap_or(0) + 1 + after.len() <= HARD_WIDTH {
        return broken(callee, arguments, (open, open), after).0;
    }
    let under = start + TAB;
    let (text, _) = broken("", arguments, (under, under), after);
    format!("{callee}(\n{}{}", blanks(under), &text[1..])
}

/// The call with its first argument in column `open` and each later line from `margin` on, and its widest line.
fn broken(
    callee: &str,
    arguments: &[String],
    (open, margin): (usize, usize),
    after: &str,
) -> (String, usize) {
    let mut text = format!("{callee}(");
    let (mut at, mut widest) = (open, open);
    for (i, argument) in arguments.iter().enumerate() {
        let last = i + 1 == arguments.len();
        let tail = if last { 1 + after.len() } else { 1 };
        let width = argument.chars().count();
        if i > 0 && at + 1 + width + tail > WIDTH {
            text.push('\n');
            text.push_str(&blanks(margin));
            at = margin;
        } else if i > 0 {
            text.push(' ');
            at += 1;
        }
        text.push_str(argument);
        widest = widest.max(at + width + tail);
        at += width + 1;
        text.push(if last { ')' } else { ',' });
    }
    (text, widest)
}

/// Source text on one line: every run of blanks and line ends becomes one blank.
pub(crate) fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn within(columns: usize, callee: &str, arguments: &[&str], start: usize) -> String {
        let arguments: Vec<String> = arguments.iter().map(|&a| a.to_owned()).collect();
        call(callee, &arguments, start, ";", columns)
    }

    fn laid_out(callee: &str, arguments: &[&str], start: usize) -> String {
        within(HARD_WIDTH, callee, arguments, start)
    }

    #[test]
    fn the_release_says_how_wide_a_line_may_be() {
        let of = |era, version| columns(era, version);
        assert_eq!(of(Era::PutPage, "4.19.1"), 80);
        assert_eq!(of(Era::PutUserPage, "5.4.59"), 80);
        assert_eq!((of(Era::Pin, "5.6.19"), of(Era::Pin, "5.7.1")), (80, 100));
        assert_eq!((of(Era::Pin, "6.12"), of(Era::Pin, "next")), (100, 100));
    }

    #[test]
    fn a_call_that_fits_stays_on_one_line() {
        assert_eq!(laid_out("f", &["a", "b"], 8), "f(a, b)");
    }

    #[test]
    fn a_long_call_is_broken_at_a_comma_and_aligned_with_its_parenthesis() {
        let text = laid_out(
            "unpin_user_pages_dirty_lock",
            &[
                "context->mapping->pages",
                "context->mapping->count",
                "dirty",
            ],
            16,
        );
        insta::assert_snapshot!(text.replace('\t', "→"), @r"
        unpin_user_pages_dirty_lock(context->mapping->pages,
        →→→→→    context->mapping->count, dirty)
        ");
    }

    #[test]
    fn a_line_that_does_not_fit_beside_the_parenthesis_begins_at_a_tab_stop_before_it() {
        let arguments = ["pinned_pages->pages", "pinned_pages->nr_pages"];
        let text = within(WIDTH, "release_user_pages", &arguments, 40);
        insta::assert_snapshot!(text.replace('\t', "→"), @r"
        release_user_pages(pinned_pages->pages,
        →→→→→→→pinned_pages->nr_pages)
        ");
    }

    #[test]
    fn a_tree_that_allows_a_hundred_columns_keeps_the_lines_aligned() {
        // The name of the function says nothing of the tree.
        let arguments = ["pinned_pages->pages", "pinned_pages->nr_pages"];
        let text = laid_out("release_user_pages", &arguments, 40);
        insta::assert_snapshot!(text.replace('\t', "→"), @r"
        release_user_pages(pinned_pages->pages,
        →→→→→→→   pinned_pages->nr_pages)
        ");
    }

    #[test]
    fn an_argument_that_fits_nowhere_beside_the_parenthesis_moves_under_the_statement() {
        let argument = "x".repeat(70);
        let text = laid_out("unpin_user_pages_dirty_lock", &[&argument, "count"], 8);
        assert_eq!(
            text.replace('\t', "→"),
            format!("unpin_user_pages_dirty_lock(\n→→{argument},\n→→count)")
        );
    }

    #[test]
    fn one_long_argument_may_use_a_hundred_columns() {
        let argument = "x".repeat(60);
        assert_eq!(
            laid_out("unpin_user_page", &[&argument], 16)
                .lines()
                .count(),
            1
        );
    }

    #[test]
    fn tabs_count_to_the_next_stop() {
        assert_eq!(column(b"\tab\tc", 0), 17);
        assert_eq!(blanks(20), "\t\t    ");
    }
}
