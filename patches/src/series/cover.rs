// SPDX-License-Identifier: MIT OR Apache-2.0
//! The cover letter: what the series does, its patches, how they were tested, what was left alone, the base.

use super::reason::shortened;
use super::text::{paragraph, wrap};
use crate::edits::Words;
use crate::info::{Base, Patch, Refused};
use crate::options::Api;
use refimpl::api::{Role, catalogue};
use std::fmt::Write as _;

/// Groups left alone that a cover letter names, which is to be read on one screen; series.toml has all.
const LEFT_ALONE: usize = 12;

/// What converted pages are taken from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Taken {
    Addresses,
    Iterators,
    Both,
}

/// What the pages of these patches are taken from; addresses where only releases change.
fn taken(patches: &[Patch]) -> Taken {
    let mut acquires = patches
        .iter()
        .flat_map(|patch| &patch.callsites)
        .filter(|site| site.call != site.becomes)
        .filter_map(|site| catalogue().get(&site.call))
        .filter(|known| known.role == Role::Acquire)
        .map(|known| known.kind == "iter");
    let first = acquires.next().unwrap_or(false);
    match (first, acquires.all(|other| other == first)) {
        (true, true) => Taken::Iterators,
        (false, true) => Taken::Addresses,
        (_, false) => Taken::Both,
    }
}

/// The title of a cover letter that nobody has written by hand; `fixes` as for its body.
pub(crate) fn cover_title(words: &Words, patches: &[Patch], fixes: usize) -> String {
    match patches {
        [only] => only.subject.clone(),
        _ if fixes == patches.len() => "fix how user pages are released".into(),
        _ if words.api == Api::Pin => match taken(patches) {
            Taken::Iterators => {
                "convert iov_iter_get_pages*() callers to iov_iter_extract_pages()".into()
            }
            _ => "convert get_user_pages*() callers to pin_user_pages*()".into(),
        },
        _ => "convert put_page() to put_user_page*()".into(),
    }
}

/// The body of a cover letter that nobody has written by hand. The first `fixes` patches mend what is wrong as it stands; all
/// of them where nothing is converted.
pub(crate) fn cover_body(words: &Words, patches: &[Patch], fixes: usize) -> String {
    let alone = patches.len() == 1;
    let calls: usize = patches.iter().map(changed_calls).sum();
    if fixes == patches.len() {
        return paragraph(match (alone, calls) {
            (true, 1) => {
                "This patch fixes a release of user pages that does not match how the pages were acquired. It converts nothing."
            }
            (true, _) => {
                "This patch fixes releases of user pages that do not match how the pages were acquired. It converts nothing."
            }
            (false, _) => {
                "These patches fix releases of user pages that do not match how the pages were acquired. Each stands alone, \
                 and none converts anything."
            }
        });
    }
    let (these, s) = match alone {
        true => ("This patch", "s"),
        false => ("These patches", ""),
    };
    let what = match words.api {
        Api::Pin => {
            let (old, new) = match taken(patches) {
                Taken::Addresses => ("get_user_pages*()", "pin_user_pages*()"),
                Taken::Iterators => ("iov_iter_get_pages*()", "iov_iter_extract_pages()"),
                Taken::Both => (
                    "get_user_pages*() and iov_iter_get_pages*()",
                    "pin_user_pages*(), iov_iter_extract_pages()",
                ),
            };
            format!(
                "{these} convert{s} callers of {old} that access the data in the pages, or let a device do so, to {new} \
                 and unpin_user_page*(). A page that is pinned can be told from one that merely has an extra reference; \
                 writeback, reclaim and migration need that to leave it alone while it may be written to behind their back."
            )
        }
        _ => format!(
            "{these} release{s} pages that came from get_user_pages*() by put_user_page*() instead of put_page(). That \
             does the same for now; it is the step before such pages can be counted and told from others."
        ),
    };
    let mut text = paragraph(&what);
    text.push_str("\n\n");
    let (mut first, nth) = match words.introduced_first {
        true => (
            "The tree does not have these functions yet: the first patch introduces them. "
                .to_owned(),
            "next",
        ),
        false => (String::new(), "first"),
    };
    match fixes {
        0 => {}
        1 => {
            first += &format!(
                "The {nth} patch fixes a release that is wrong as it stands, and can be taken on its own. "
            )
        }
        n => {
            first += &format!(
                "The {nth} {n} patches fix releases that are wrong as they stand, and can be taken on their own. "
            )
        }
    }
    let before = usize::from(words.introduced_first) + fixes;
    let each = match (before, patches.len().saturating_sub(before)) {
        (0, 1) => "It converts",
        (0, _) => "Each patch converts",
        (_, 1) => "The last one converts",
        _ => "Each of the others converts",
    };
    // Who takes pages calls what it called before where only releases get another name.
    let what = match words.api {
        Api::Pin => "acquire and release",
        _ => "release",
    };
    let cut = match alone {
        true => "",
        false => ", so the series can be cut at any point",
    };
    text.push_str(&paragraph(&format!(
        "{first}{each} all calls that {what} the same pages{cut}. {} changed; every release of these \
         pages that the audit could find is among them.",
        match calls {
            1 => "One call is".to_owned(),
            n => format!("{n} calls are"),
        }
    )));
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
        let say = match changing.len() {
            1 => "its message says",
            _ => "their messages say",
        };
        let sentence = format!("Behaviour changes, as {say}, in: {}.", numbers.join(", "));
        let _ = writeln!(text, "\n{}", paragraph(&sentence));
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
    use crate::edits::Functions;
    use crate::info::{Recipients, Replaced};

    /// A patch that changes these calls.
    fn patch(calls: &[(&str, &str)]) -> Patch {
        let replaced = |&(call, becomes): &(&str, &str)| Replaced {
            id: call.into(),
            path: "drivers/misc/toy.c".into(),
            function: "toy_run".into(),
            line: 1,
            call: call.into(),
            becomes: becomes.into(),
        };
        Patch {
            file: "0001-toy.patch".into(),
            subject: "misc: toy: convert".into(),
            groups: Vec::new(),
            files: vec!["drivers/misc/toy.c".into()],
            changes: Vec::new(),
            tested: "Not tested.".into(),
            recipients: Recipients::default(),
            callsites: calls.iter().map(replaced).collect(),
            written: None,
        }
    }

    fn introducing() -> Words {
        let functions = Functions::release("4.19");
        Words::of(Api::Auto, callsites::report::Era::PutPage, &functions).expect("the era has it")
    }

    fn words() -> Words {
        let functions = Functions::release("6.12");
        Words::of(Api::Pin, callsites::report::Era::Pin, &functions).expect("the era has it")
    }

    const PLAIN: [(&str, &str); 2] = [
        ("get_user_pages_fast", "pin_user_pages_fast"),
        ("put_page", "unpin_user_page"),
    ];
    const ITERATOR: [(&str, &str); 2] = [
        ("iov_iter_get_pages2", "iov_iter_extract_pages"),
        ("put_page", "unpin_user_page"),
    ];

    #[test]
    fn a_cover_names_what_its_patches_take_pages_with() {
        let said = |patches: &[Patch]| {
            let body = cover_body(&words(), patches, 0).replace('\n', " ");
            (cover_title(&words(), patches, 0), body)
        };
        let (title, body) = said(&[patch(&ITERATOR), patch(&ITERATOR)]);
        assert_eq!(
            title,
            "convert iov_iter_get_pages*() callers to iov_iter_extract_pages()"
        );
        assert!(
            body.contains("convert callers of iov_iter_get_pages*() that")
                && !body.contains(" get_user"),
            "{body}"
        );
        let (title, body) = said(&[patch(&PLAIN), patch(&PLAIN)]);
        assert_eq!(
            title,
            "convert get_user_pages*() callers to pin_user_pages*()"
        );
        assert!(!body.contains("iov_iter"), "{body}");
        let (_, body) = said(&[patch(&PLAIN), patch(&ITERATOR)]);
        assert!(
            body.contains("callers of get_user_pages*() and iov_iter_get_pages*() that"),
            "{body}"
        );
    }

    #[test]
    fn a_cover_of_one_patch_says_nothing_of_others() {
        let one = cover_body(&words(), &[patch(&PLAIN)], 0).replace('\n', " ");
        assert!(
            one.starts_with("This patch converts callers")
                && !one.contains("the series can be cut"),
            "{one}"
        );
        let two = cover_body(&words(), &[patch(&PLAIN), patch(&PLAIN)], 0).replace('\n', " ");
        assert!(
            two.starts_with("These patches convert callers")
                && two.contains("the series can be cut"),
            "{two}"
        );
        let fix = cover_body(&words(), &[patch(&PLAIN)], 1);
        assert!(fix.starts_with("This patch fixes"), "{fix}");
    }

    #[test]
    fn what_introduces_the_functions_is_told_from_fixes_and_from_conversions() {
        let patches = [patch(&[]), patch(&[("put_page", "put_user_page")])];
        let body = cover_body(&introducing(), &patches, 0).replace('\n', " ");
        assert!(
            body.contains("the first patch introduces them. The last one converts all calls that release the same pages"),
            "{body}"
        );
        let patches = [
            patch(&[]),
            patch(&[("__free_page", "put_page")]),
            patch(&[("put_page", "put_user_page")]),
            patch(&[("put_page", "put_user_page")]),
        ];
        let body = cover_body(&introducing(), &patches, 1).replace('\n', " ");
        assert!(
            body.contains("introduces them. The next patch fixes a release")
                && body.contains("Each of the others converts"),
            "{body}"
        );
    }

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
