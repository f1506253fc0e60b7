// SPDX-License-Identifier: MIT OR Apache-2.0
//! The cover letter: what the series does, its patches, how they were tested, what was left alone, the base.

use super::reason::shortened;
use super::text::{paragraph, wrap};
use crate::edits::Words;
use crate::info::{Base, Patch, Refused};
use crate::options::Api;
use std::fmt::Write as _;

/// Groups left alone that a cover letter names, which is to be read on one screen; series.toml has all.
const LEFT_ALONE: usize = 12;

/// The body of a cover letter that nobody has written by hand. The first `fixes` patches mend what is wrong as it stands; all
/// of them where nothing is converted.
pub(crate) fn cover_body(words: &Words, patches: &[Patch], fixes: usize) -> String {
    if fixes == patches.len() {
        return paragraph(
            "These patches fix releases of user pages that do not match how the pages were acquired. Each stands alone, and \
             none converts anything.",
        );
    }
    let what = match words.api {
        Api::Pin => {
            "These patches convert callers of get_user_pages*() that access the data in the pages, or let a device do \
             so, to pin_user_pages*() and unpin_user_page*(). A page that is pinned can be told from one that merely \
             has an extra reference; writeback, reclaim and migration need that to leave it alone while it may be \
             written to behind their back."
        }
        _ => {
            "These patches release pages that came from get_user_pages*() by put_user_page*() instead of put_page(). \
             That does the same for now; it is the step before such pages can be counted and told from others."
        }
    };
    let calls: usize = patches.iter().map(changed_calls).sum();
    let mut text = paragraph(what);
    text.push_str("\n\n");
    let (first, each) = match fixes {
        0 => (String::new(), "Each patch converts"),
        1 => (
            "The first patch fixes a release that is wrong as it stands, and can be taken on its own. ".to_owned(),
            "Each of the others converts",
        ),
        n => (
            format!("The first {n} patches fix releases that are wrong as they stand, and can be taken on their own. "),
            "Each of the others converts",
        ),
    };
    text.push_str(&paragraph(&format!(
        "{first}{each} all calls that acquire and release the same pages, so the series can be cut at any point. \
         {} changed; every release of these pages that the audit could find is among them.",
        match calls {
            1 => "One call is".to_owned(),
            n => format!("{n} calls are"),
        }
    )));
    if words.introduced_first {
        text.push_str("\n\n");
        text.push_str(&paragraph(
            "The tree does not have these functions yet: the first patch introduces them.",
        ));
    }
    text
}

/// "1 file", "3 files"
fn number(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// Calls that a patch writes anew.
fn changed_calls(patch: &Patch) -> usize {
    patch
        .callsites
        .iter()
        .filter(|site| site.call != site.becomes)
        .count()
}

/// "1-3, 5" for the patches of each way of testing, in the order in which they first come.
pub(super) fn testing(patches: &[Patch]) -> String {
    let mut ways: Vec<(&str, Vec<usize>)> = Vec::new();
    for (number, patch) in (1..).zip(patches) {
        match ways.iter_mut().find(|(way, _)| *way == patch.tested) {
            Some((_, numbers)) => numbers.push(number),
            None => ways.push((&patch.tested, vec![number])),
        }
    }
    let mut text = String::new();
    for (way, numbers) in ways {
        let first = format!("  {}: ", ranges(&numbers));
        let _ = writeln!(text, "{}", wrap(way, &first, "    "));
    }
    text
}

fn ranges(numbers: &[usize]) -> String {
    let mut parts: Vec<(usize, usize)> = Vec::new();
    for &number in numbers {
        match parts.last_mut() {
            Some((_, last)) if *last + 1 == number => *last = number,
            _ => parts.push((number, number)),
        }
    }
    let parts: Vec<String> = parts
        .into_iter()
        .map(|(first, last)| match first == last {
            true => first.to_string(),
            false => format!("{first}-{last}"),
        })
        .collect();
    parts.join(", ")
}

/// What stands below the body: table of patches, testing, what was left alone, the base.
pub(crate) fn cover_tables(
    patches: &[Patch],
    refused: &[Refused],
    base: &Base,
    signed: bool,
    since: Option<&Since>,
) -> String {
    let mut text = String::from("Patches:\n\n");
    let width = patches.len().to_string().len();
    for (i, patch) in patches.iter().enumerate() {
        let _ = writeln!(text, "  {:>width$}  {}", i + 1, patch.subject);
        let margin = " ".repeat(width + 4);
        let _ = writeln!(
            text,
            "{margin}{}, {}",
            number(patch.files.len(), "file"),
            number(changed_calls(patch), "call")
        );
    }
    text.push_str("\nTesting:\n\n");
    text.push_str(&testing(patches));
    let changing: Vec<usize> = (1..)
        .zip(patches)
        .filter(|(_, patch)| !patch.changes.is_empty())
        .map(|(number, _)| number)
        .collect();
    if !changing.is_empty() {
        let numbers: Vec<String> = changing.iter().map(usize::to_string).collect();
        let _ = writeln!(
            text,
            "\n{}",
            paragraph(&format!(
                "Behaviour changes, as their messages say, in: {}.",
                numbers.join(", ")
            ))
        );
    }
    if !refused.is_empty() {
        text.push_str("\nLeft alone:\n\n");
        for group in refused.iter().take(LEFT_ALONE) {
            let why = shortened(group.reasons.first().map_or("", String::as_str));
            let line = match group.subsystem.as_str() {
                "" => why,
                subsystem => format!("{subsystem}: {why}"),
            };
            let line = match group.next.is_empty() {
                true => line,
                false => format!("{}. Next: {}", line.trim_end_matches('.'), group.next),
            };
            let _ = writeln!(text, "{}", wrap(&line, " - ", "   "));
        }
        if let Some(more) = refused
            .len()
            .checked_sub(LEFT_ALONE)
            .filter(|&more| more > 0)
        {
            let _ = writeln!(
                text,
                " - and {more} more; series.toml has the reasons of each"
            );
        }
    }
    if !signed {
        text.push_str("\nThis is a rehearsal: nobody has signed these patches.\n");
    }
    if let Some(since) = since {
        let _ = writeln!(text, "\nChanges since v{}:\n\n - ...\n", since.version);
        let _ = writeln!(text, "{}", since.range_diff.trim_end());
    }
    let _ = writeln!(
        text,
        "\nBase: {}Linux {}{}",
        if base.module { "a module for " } else { "" },
        base.version,
        match (&base.revision, base.public) {
            (Some(commit), true) => format!(", commit {commit}"),
            (Some(commit), false) => format!(", commit {commit} (not public), tree {}", base.tree),
            (None, _) => format!(
                ", not from git; the touched files have git tree {}",
                base.tree
            ),
        }
    );
    text
}

/// An older version of the series.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Since {
    /// Its version.
    pub version: u32,
    /// The range-diff, or why there is none.
    pub range_diff: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_a_row_are_a_range() {
        assert_eq!(ranges(&[1, 2, 3, 5, 7, 8]), "1-3, 5, 7-8");
        assert_eq!(ranges(&[]), "");
    }

    #[test]
    fn one_is_no_plural() {
        assert_eq!(number(1, "file"), "1 file");
        assert_eq!(number(2, "call"), "2 calls");
    }
}
