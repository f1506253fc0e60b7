// SPDX-License-Identifier: MIT OR Apache-2.0
//! The words of a patch: subject and message.

use crate::commit::Identity;
use crate::edits::{Fix, Planned, Words};
use crate::options::Api;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

/// Columns of a message line; from 76 on "scripts/checkpatch.pl" (6.12) complains, and a quote adds two.
const WIDTH: usize = 72;
/// Columns of a subject ("Documentation/process/submitting-patches.rst", 6.12: no more than 70 to 75).
const SUBJECT: usize = 75;

/// What a release by another name belongs to, where the tree has the name: the commit of 5.2 that introduced it. Broken as
/// "scripts/checkpatch.pl" (5.4) reads a commit.
const TREE_WIDE: &str = "This is part of a tree-wide conversion, as described in\n\
                         commit fc1d8e7cca2d (\"mm: introduce put_user_page*(), placeholder\nversions\").";

/// Breaks a paragraph into lines; later lines get `margin`.
pub(crate) fn wrap(text: &str, first: &str, margin: &str) -> String {
    let mut result = first.to_owned();
    let mut column = first.chars().count();
    let mut begun = false;
    for word in text.split_whitespace() {
        let width = word.chars().count();
        if begun && column + 1 + width > WIDTH {
            result.push('\n');
            result.push_str(margin);
            column = margin.chars().count();
        } else if begun {
            result.push(' ');
            column += 1;
        }
        result.push_str(word);
        column += width;
        begun = true;
    }
    result
}

pub(super) fn paragraph(text: &str) -> String {
    wrap(text, "", "")
}

fn list(items: &BTreeSet<String>) -> String {
    let items: Vec<String> = items.iter().map(|item| wrap(item, " - ", "   ")).collect();
    items.join("\n")
}

/// "a(), b() and c()"
fn calls(names: &BTreeSet<&str>) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("{name}()")).collect();
    match names.as_slice() {
        [] => String::new(),
        [one] => one.clone(),
        [most @ .., last] => format!("{} and {last}", most.join(", ")),
    }
}

/// What is converted, by name: (old, new) for acquires and releases.
struct Names<'a> {
    acquirers: BTreeSet<&'a str>,
    acquires: BTreeSet<(&'a str, &'a str)>,
    releasers: BTreeSet<&'a str>,
    releases: BTreeSet<(&'a str, &'a str)>,
    release_calls: usize,
}

fn names(plan: &Planned) -> Names<'_> {
    let mut names = Names {
        acquirers: BTreeSet::new(),
        acquires: BTreeSet::new(),
        releasers: BTreeSet::new(),
        releases: BTreeSet::new(),
        release_calls: 0,
    };
    for site in &plan.replaced {
        let pair = (site.call.as_str(), site.becomes.as_str());
        let catalogue = refimpl::api::catalogue();
        if catalogue.is(&site.call, refimpl::api::Role::Acquire) {
            names.acquirers.insert(&site.function);
            names.acquires.insert(pair);
        } else if pair.0 != pair.1 && !catalogue.is(&site.call, refimpl::api::Role::Dirty) {
            // What dirtied in a loop that is one call now went with it, and released nothing.
            names.releases.insert(pair);
            names.releasers.insert(&site.function);
            names.release_calls += 1;
        }
    }
    names
}

/// The acquires that get another name.
fn changed<'a>(
    acquires: &BTreeSet<(&'a str, &'a str)>,
) -> impl Iterator<Item = (&'a str, &'a str)> {
    acquires.clone().into_iter().filter(|pair| pair.0 != pair.1)
}

/// The subject of a patch.
pub(crate) fn subject(prefix: &str, plan: &Planned, words: &Words) -> String {
    let names = names(plan);
    if let Some(fix) = plan.fix {
        let (one, many) = match fix {
            Fix::Leak => ("pin leak", "pin leaks"),
            Fix::Freed => ("release of user pages", "releases of user pages"),
        };
        let exact = format!("{prefix}: fix {one} in {}", calls(&names.releasers));
        return match names.releasers.len() == 1 && exact.chars().count() <= SUBJECT {
            true => exact,
            false => format!("{prefix}: fix {many}"),
        };
    }
    let changed: BTreeSet<(&str, &str)> = changed(&names.acquires).collect();
    // Where the pages are pins already, the releases are the news.
    let pairs = match words.api {
        Api::Pin if !changed.is_empty() => changed,
        _ => names.releases,
    };
    let star = |first: fn(&(&str, &str)) -> String, general: &str| {
        let all: BTreeSet<String> = pairs.iter().map(first).collect();
        match (all.len(), all.first()) {
            (1, Some(only)) => format!("{only}()"),
            _ => general.to_owned(),
        }
    };
    let (old, new) = match words.api {
        Api::Pin if pairs.iter().all(|pair| pair.1.starts_with("unpin")) => {
            ("put_page()", "unpin_user_page*()")
        }
        Api::Pin if pairs.iter().all(|pair| pair.0.starts_with("iov_iter")) => {
            ("iov_iter_get_pages*()", "iov_iter_extract_pages()")
        }
        Api::Pin => ("get_user_pages*()", "pin_user_pages*()"),
        _ => ("put_page()", "put_user_page*()"),
    };
    let exact = format!(
        "{prefix}: convert {} to {}",
        star(|pair| pair.0.to_owned(), old),
        star(|pair| pair.1.to_owned(), new)
    );
    if exact.chars().count() <= SUBJECT {
        exact
    } else {
        format!("{prefix}: convert {old} to {new}")
    }
}

/// What the pages of a case of pin_user_pages.rst are got for, behind the call that gets them. `one`: by one function.
fn case(number: u8, one: bool) -> &'static str {
    match (number, one) {
        (1, _) => " for short-term access to their data (case 1)",
        (2, true) => {
            " that stay in use after it has returned (case 1, or case 2 if user space decides for how long)"
        }
        (2, false) => {
            " that stay in use after they have returned (case 1, or case 2 if user space decides for how long)"
        }
        (3, _) => " for a device that follows mmu notifiers (case 3)",
        (4, _) => " for their struct page alone (case 4)",
        _ => " to access their data (case 5)",
    }
}

/// Who gets user pages, by which calls, and what for: a sentence for each kind.
fn got(plan: &Planned) -> String {
    let catalogue = refimpl::api::catalogue();
    let mut calls_of: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for site in &plan.replaced {
        if catalogue.is(&site.call, refimpl::api::Role::Acquire) {
            let calls = calls_of.entry(&site.function).or_default();
            calls.insert(&site.call);
        }
    }
    let mut kinds: BTreeMap<(BTreeSet<&str>, BTreeSet<u8>), BTreeSet<&str>> = BTreeMap::new();
    for (function, calls) in calls_of {
        let cases = plan.cases.get(function).cloned().unwrap_or_default();
        kinds.entry((calls, cases)).or_default().insert(function);
    }
    let sentences: Vec<String> = kinds
        .into_iter()
        .map(|((by, cases), who)| {
            let one = who.len() == 1;
            let purposes: Vec<&str> = cases.iter().map(|&number| case(number, one)).collect();
            format!(
                "{} get{} user pages with {}{}.",
                calls(&who),
                third(&who),
                calls(&by),
                purposes.join(", and others")
            )
        })
        .collect();
    sentences.join(" ")
}

/// "All three calls that release them", as a sentence has it: a number below ten is a word.
fn all(count: usize) -> String {
    const WORDS: [&str; 7] = ["three", "four", "five", "six", "seven", "eight", "nine"];
    match count {
        1 => "The one call that releases them changes".to_owned(),
        2 => "Both calls that release them change".to_owned(),
        n => match n.checked_sub(3).and_then(|at| WORDS.get(at)) {
            Some(word) => format!("All {word} calls that release them change"),
            None => format!("All {n} calls that release them change"),
        },
    }
}

/// "s" behind a verb of one.
fn third(names: &BTreeSet<&str>) -> &'static str {
    if names.len() == 1 { "s" } else { "" }
}

/// What a fix says: the wrong, why it is wrong, the right.
fn fixed(fix: Fix, names: &Names<'_>) -> String {
    let old: BTreeSet<&str> = names.acquires.iter().map(|pair| pair.0).collect();
    let before: BTreeSet<&str> = names.releases.iter().map(|pair| pair.0).collect();
    let after: BTreeSet<&str> = names.releases.iter().map(|pair| pair.1).collect();
    let (who, whom) = (calls(&names.acquirers), calls(&names.releasers));
    let (takes, releases) = (third(&names.acquirers), third(&names.releasers));
    let same = names.acquirers == names.releasers;
    let (wrong, right) = match fix {
        Fix::Leak => (
            format!(
                "{who} pin{takes} pages with {}, but {}release{releases} them with {}. That drops a single reference and not \
                 the pin, so the pages still count as pinned when nobody uses them any more.",
                calls(&old),
                if same {
                    String::new()
                } else {
                    format!("{whom} ")
                },
                calls(&before),
            ),
            format!("Release them with {}.", calls(&after)),
        ),
        Fix::Freed => (
            format!(
                "{who} get{takes} user pages with {} and {}give{releases} them back with {}. That function is for \
                 pages that the caller has allocated: where it drops the last reference, it frees the page without taking \
                 it off its LRU list first.",
                calls(&old),
                if same {
                    String::new()
                } else {
                    format!("{whom} ")
                },
                calls(&before),
            ),
            format!("Drop the reference with {}.", calls(&after)),
        ),
    };
    format!("{}\n\n{}", paragraph(&wrong), paragraph(&right))
}

/// The message of a patch, subject and Signed-off-by included.
pub(crate) fn message(
    subject: &str,
    plan: &Planned,
    words: &Words,
    tested: &str,
    signed: Option<&Identity>,
) -> String {
    let names = names(plan);
    let old: BTreeSet<&str> = names.acquires.iter().map(|pair| pair.0).collect();
    let new: BTreeSet<&str> = changed(&names.acquires).map(|pair| pair.1).collect();
    let released: BTreeSet<&str> = names.releases.iter().map(|pair| pair.1).collect();
    let before: BTreeSet<&str> = names.releases.iter().map(|pair| pair.0).collect();
    let mut text = format!("{subject}\n\n");
    let mut say = |paragraph: String| {
        text.push_str(&paragraph);
        text.push_str("\n\n");
    };
    match (plan.fix, words.api) {
        (Some(fix), _) => say(fixed(fix, &names)),
        (None, Api::Pin) => {
            if !names.acquirers.is_empty() {
                say(paragraph(&format!(
                    "{} Such pages have to be pinned: a plain reference does not tell file systems and the memory management \
                     that their data may be accessed behind their back. Documentation/core-api/pin_user_pages.rst describes \
                     the cases.",
                    got(plan)
                )));
            }
            let acquire = match new.is_empty() {
                true => "Release the pages".to_owned(),
                false => format!("Pin the pages with {} and release them", calls(&new)),
            };
            let count = match names.release_calls {
                0 => String::new(),
                n => format!(
                    " {} in the same patch, because a plain put must never drop a pin.",
                    all(n)
                ),
            };
            let by = match released.is_empty() {
                true => "as before".to_owned(),
                false => format!("with {}", calls(&released)),
            };
            say(paragraph(&format!("{acquire} {by}.{count}")));
        }
        _ => {
            say(paragraph(&format!(
                "Release user pages that came from {} with {} instead of {}, so that later they can be told from pages \
                 that merely carry an extra reference. For now, the effect on the page count stays the same.",
                if old.is_empty() {
                    "get_user_pages*()".to_owned()
                } else {
                    calls(&old)
                },
                calls(&released),
                calls(&before),
            )));
            if words.tree_wide {
                say(TREE_WIDE.to_owned());
            }
        }
    }
    for remark in &plan.remarks {
        say(paragraph(remark));
    }
    if !plan.changes.is_empty() {
        say(format!("Changes in behaviour:\n\n{}", list(&plan.changes)));
    } else if plan.fix.is_none() {
        // A pin is a change of its own; a release by another name is none.
        let other = if words.api == Api::Pin { "other " } else { "" };
        say(format!("No {other}functional change intended."));
    }
    say(paragraph(tested));
    for trailer in &plan.trailers {
        let _ = writeln!(text, "{trailer}");
    }
    if let Some(signed) = signed {
        let _ = writeln!(text, "Signed-off-by: {} <{}>", signed.name, signed.email);
    }
    text.trim_end().to_owned() + "\n"
}

/// What is for reviewers alone: it stands below the `---` of the mail and does not become history.
pub(crate) fn for_review(plan: &Planned) -> Option<String> {
    let mut notes = plan.notes.clone();
    if !plan.keep_flags.is_empty() {
        let who: BTreeSet<&str> = plan.keep_flags.iter().map(String::as_str).collect();
        let (keep, their) = match who.len() {
            1 => ("keeps", "its"),
            _ => ("keep", "their"),
        };
        notes.insert(format!(
            "{} {keep} {their} flags. If user space controls how long the pages stay pinned, FOLL_LONGTERM belongs there; \
             that changes which memory can be pinned and is left to a patch of its own.",
            calls(&who)
        ));
    }
    (!notes.is_empty()).then(|| format!("Left for review:\n\n{}\n", list(&notes)))
}

/// A message whose words a template gave: subject, body, how it was tested, Signed-off-by.
pub(crate) fn written(
    subject: &str,
    body: &str,
    tested: &str,
    signed: Option<&Identity>,
) -> String {
    let mut text = format!("{subject}\n\n{}\n\n{}\n", body.trim(), paragraph(tested));
    if let Some(signed) = signed {
        let _ = writeln!(text, "\nSigned-off-by: {} <{}>", signed.name, signed.email);
    }
    text
}

/// A message that people have changed, with the Signed-off-by of who sends it where that is missing.
pub(crate) fn kept(subject: &str, body: &str, signed: Option<&Identity>) -> String {
    let mut text = format!("{subject}\n\n{}\n", body.trim());
    if let Some(signed) = signed {
        let trailer = format!("Signed-off-by: {} <{}>", signed.name, signed.email);
        if !body.lines().any(|line| line == trailer) {
            let ends_in_trailers = body
                .lines()
                .last()
                .is_some_and(|line| line.contains("-by: ") || line.starts_with("Cc: "));
            let gap = if ends_in_trailers { "" } else { "\n" };
            let _ = writeln!(text, "{gap}{trailer}");
        }
    }
    text
}

/// Paragraphs of a template, each wrapped; a paragraph that begins with blanks stays as it is.
pub(crate) fn paragraphs(text: &str) -> String {
    let all: Vec<String> = text
        .trim_matches('\n')
        .split("\n\n")
        .map(|text| match text.starts_with([' ', '\t']) {
            true => text.to_owned(),
            false => paragraph(text),
        })
        .collect();
    all.join("\n\n")
}

#[cfg(test)]
mod tests;
