// SPDX-License-Identifier: MIT OR Apache-2.0
//! Lines, columns and the kernel's way of breaking a call.

/// Columns that a line may take before a call is broken ("Documentation/process/coding-style.rst", 6.12).
pub(crate) const WIDTH: usize = 80;
/// Columns beyond which even a call without a good place for a break is broken ("scripts/checkpatch.pl", $max_line_length, 6.12).
const HARD_WIDTH: usize = 100;
/// Columns from one tab stop to the next ("Documentation/process/coding-style.rst", 6.12).
const TAB: usize = 8;

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

/// `callee(argument, …)`, broken where it would pass the width: at commas, aligned with the open parenthesis, or, where
/// that does not fit, one tab further than the statement. `start` is the column where it begins, `after` what follows.
pub(crate) fn call(callee: &str, arguments: &[String], start: usize, after: &str) -> String {
    let whole = format!("{callee}({})", arguments.join(", "));
    let fits = |limit| start + whole.chars().count() + after.len() <= limit;
    if fits(WIDTH) || (arguments.len() < 2 && fits(HARD_WIDTH)) {
        return whole;
    }
    let open = start + callee.len() + 1;
    let widest = arguments.iter().map(|a| a.chars().count()).max();
    // An argument that is wider than what is left beside the parenthesis moves under the statement.
    let beside = open + widest.unwrap_or(0) + 1 + after.len() <= HARD_WIDTH;
    let margin = if beside { open } else { start + TAB };
    let mut text = format!("{callee}(");
    let mut at = open;
    if !beside {
        text.push('\n');
        text.push_str(&blanks(margin));
        at = margin;
    }
    for (i, argument) in arguments.iter().enumerate() {
        let last = i + 1 == arguments.len();
        let tail = if last { 1 + after.len() } else { 1 };
        let width = argument.chars().count();
        let space = usize::from(i > 0 && at != margin);
        if i > 0 && at + space + width + tail > WIDTH {
            text.push('\n');
            text.push_str(&blanks(margin));
            at = margin;
        } else if space == 1 {
            text.push(' ');
            at += 1;
        }
        text.push_str(argument);
        at += width;
        text.push(if last { ')' } else { ',' });
        at += 1;
    }
    text
}

/// Source text on one line: every run of blanks and line ends becomes one blank.
pub(crate) fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broken(callee: &str, arguments: &[&str], start: usize) -> String {
        let arguments: Vec<String> = arguments.iter().map(|&a| a.to_owned()).collect();
        call(callee, &arguments, start, ";")
    }

    #[test]
    fn a_call_that_fits_stays_on_one_line() {
        assert_eq!(broken("f", &["a", "b"], 8), "f(a, b)");
    }

    #[test]
    fn a_long_call_is_broken_at_a_comma_and_aligned_with_its_parenthesis() {
        let text = broken(
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
    fn one_long_argument_may_use_a_hundred_columns() {
        let argument = "x".repeat(60);
        assert_eq!(
            broken("unpin_user_page", &[&argument], 16).lines().count(),
            1
        );
    }

    #[test]
    fn tabs_count_to_the_next_stop() {
        assert_eq!(column(b"\tab\tc", 0), 17);
        assert_eq!(blanks(20), "\t\t    ");
    }
}
