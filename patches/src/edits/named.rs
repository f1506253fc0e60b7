// SPDX-License-Identifier: MIT OR Apache-2.0
//! Comments that name a call which their function does not make any more get the new name, or are left for review.

use super::acquire::words;
use super::layout::{WIDTH, column, line_end, line_start};
use super::literals::{self, Kind};
use super::plan::{Planned, Sources};
use super::replace::Edit;
use super::source::{Source, is_macro};
use super::walk::{self, holds};
use crate::info::Replaced;
use callsites::index::ir::{Function, Span};
use callsites::report::{Report, Role};
use camino::Utf8Path;
use refimpl::api::{self, Era, catalogue};
use std::collections::{BTreeMap, BTreeSet};

/// Names of calls that went, with those that took their place.
type Renamed = BTreeMap<String, String>;

impl Planned {
    /// The comments in the changed functions, and the one above each.
    pub(super) fn stale_comments(&mut self, sources: &Sources, report: &Report) {
        let paths: BTreeSet<String> = self.replaced.iter().map(|call| call.path.clone()).collect();
        for path in paths {
            if let Some(source) = sources.get(Utf8Path::new(&path)) {
                self.stale_comments_of(source, report);
            }
        }
    }

    /// Leaves the comments as they are.
    pub(crate) fn without_comments(&mut self) {
        self.comments.clear();
    }

    /// The edits of a file, and those of its comments that meet none of them.
    pub(super) fn with_comments(&self, path: &Utf8Path, edits: Vec<Edit>) -> Vec<Edit> {
        let comments = self.comments.get(path).into_iter().flatten();
        let free = comments.filter(|comment| {
            let meets = |edit: &Edit| {
                edit.span.start <= comment.span.end && comment.span.start <= edit.span.end
            };
            !edits.iter().any(meets)
        });
        let free: Vec<Edit> = free.cloned().collect();
        let mut all = edits;
        all.extend(free);
        all.sort();
        all.dedup();
        all
    }

    fn stale_comments_of(&mut self, source: &Source, report: &Report) {
        let comments: Vec<(usize, usize)> = literals::find(&source.bytes)
            .into_iter()
            .filter(|(kind, ..)| *kind == Kind::Comment)
            .map(|(_, start, end)| (start, end))
            .collect();
        let acquires = self.acquires_gone(source, report);
        let mut looked_at: BTreeSet<(usize, usize)> = BTreeSet::new();
        let mut edits = Vec::new();
        let mut notes = BTreeSet::new();
        for function in &source.facts.functions {
            let here = |call: &&Replaced| {
                call.path == source.path.as_str() && call.function == function.name.as_str()
            };
            let calls: Vec<&Replaced> = self.replaced.iter().filter(here).collect();
            // The backslashes of a macro would not stay in their column.
            if calls.is_empty() || is_macro(function) {
                continue;
            }
            let (mut gone, several) = calls_gone(function, &calls);
            for (old, new) in &acquires {
                gone.entry(old.clone()).or_insert_with(|| new.clone());
            }
            for &(start, end) in &comments {
                if !is_of(source, function, start, end) {
                    continue;
                }
                looked_at.insert((start, end));
                let text = &source.bytes[start..end];
                for name in several.iter().filter(|name| !words(text, name).is_empty()) {
                    notes.insert(left(function, name));
                }
                for (old, new) in &gone {
                    for at in words(text, old) {
                        let edit = Edit::new(start + at, start + at + old.len(), new.as_str());
                        match self.has_room(source, &edit) {
                            true => edits.push(edit),
                            false => drop(notes.insert(left(function, old))),
                        }
                    }
                }
            }
        }
        let elsewhere = comments.iter().filter(|place| !looked_at.contains(place));
        for &(start, end) in elsewhere {
            for (old, new) in &acquires {
                // What an iterator's pages are taken by has limits of its own, and a comment may be about these.
                let same = !is_iterator(old);
                for at in words(&source.bytes[start..end], old) {
                    let edit = Edit::new(start + at, start + at + old.len(), new.as_str());
                    match same && self.has_room(source, &edit) {
                        true => edits.push(edit),
                        false => drop(notes.insert(format!(
                            "{} has comments elsewhere that name {old}(), which is no longer called there.",
                            source.path
                        ))),
                    }
                }
            }
        }
        self.notes.extend(notes);
        let all = self.comments.entry(source.path.clone()).or_default();
        all.extend(edits);
    }

    /// Whether a comment can be changed in a place: nothing else changes there, and the line stays within the width.
    fn has_room(&self, source: &Source, edit: &Edit) -> bool {
        let meets =
            |other: &&Edit| other.span.start < edit.span.end && edit.span.start < other.span.end;
        let mut others = self.edits.get(&source.path).into_iter().flatten();
        if others.any(|other| meets(&other)) {
            return false;
        }
        let (start, end) = (edit.span.start as usize, edit.span.end as usize);
        let line = &source.bytes[line_start(&source.bytes, start)..line_end(&source.bytes, start)];
        let wide = column(line.trim_ascii_end(), 0) + edit.text.len();
        wide <= WIDTH + (end - start)
    }

    /// The acquires that are no longer called in a file, and those of their family that stand for them in a comment; empty
    /// where one of the file stays.
    fn acquires_gone(&self, source: &Source, report: &Report) -> Renamed {
        let path = source.path.as_str();
        let changes = |id: &str| {
            let mut replaced = self.replaced.iter();
            replaced.any(|call| call.id == id && call.call != call.becomes)
        };
        let plain = |name: &str| {
            let known = catalogue().get(name);
            known.is_some_and(|known| known.role == api::Role::Acquire && !known.is_pinning())
        };
        let mut acquires = report
            .callsites
            .iter()
            .filter(|site| site.path == path && site.role == Role::Acquire && plain(&site.call));
        if !acquires.all(|site| changes(&site.id)) {
            return Renamed::new();
        }
        let mut gone = Renamed::new();
        let here = self.replaced.iter().filter(|call| {
            call.path == path
                && call.call != call.becomes
                && catalogue().is(&call.call, api::Role::Acquire)
        });
        for call in here {
            gone.insert(call.call.clone(), call.becomes.clone());
            // "get_user_pages()" for get_user_pages_fast().
            for (at, _) in call.call.char_indices().skip(1) {
                let short = &call.call[..at];
                let new = catalogue()
                    .get(short)
                    .and_then(|known| known.replacement(Era::Pin));
                if let Some(new) = new.filter(|_| plain(short)) {
                    gone.entry(short.to_owned())
                        .or_insert_with(|| new.to_owned());
                }
            }
        }
        gone
    }
}

/// Whether an acquire takes its pages from an iterator.
fn is_iterator(call: &str) -> bool {
    catalogue()
        .get(call)
        .is_some_and(|known| known.kind == "iter")
}

/// What a function no longer calls: with the one name that took its place, and what several did.
fn calls_gone(function: &Function, calls: &[&Replaced]) -> (Renamed, BTreeSet<String>) {
    let mut became: BTreeMap<&str, (usize, BTreeSet<&str>)> = BTreeMap::new();
    for call in calls.iter().filter(|call| call.call != call.becomes) {
        // A dirtying call that went with its loop has no name of its own now.
        if !catalogue().is(&call.call, api::Role::Dirty) {
            let entry = became.entry(call.call.as_str()).or_default();
            entry.0 += 1;
            entry.1.insert(call.becomes.as_str());
        }
    }
    let mut gone = Renamed::new();
    let mut several = BTreeSet::new();
    for (name, (count, new)) in became {
        let mut all = 0;
        walk::all_expressions(function, &mut |expr| {
            all += usize::from(expr.callee_name() == Some(name));
        });
        match (all == count, new.len(), new.first()) {
            // What dirties as well is more than what the comment is about.
            (true, 1, Some(new)) if !new.contains("dirty") => {
                gone.insert(name.to_owned(), (*new).to_owned());
            }
            (true, ..) => drop(several.insert(name.to_owned())),
            _ => {}
        }
    }
    (gone, several)
}

/// Whether a comment is about a function: it stands in its body, or with nothing between them above it.
fn is_of(source: &Source, function: &Function, start: usize, end: usize) -> bool {
    let comment = Span {
        start: start as u32,
        end: end as u32,
    };
    let head = function.span.start as usize;
    let above = end <= head
        && source.bytes[end..head].trim_ascii().is_empty()
        && source.bytes[end..head]
            .iter()
            .filter(|&&byte| byte == b'\n')
            .count()
            == 1;
    above || holds(function.body_span, comment)
}

/// That somebody must look at a comment.
fn left(function: &Function, name: &str) -> String {
    format!(
        "A comment of {}() still names {name}(), which is no longer called there.",
        function.name
    )
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{asking, diff, planned};
    use callsites::report::{Era, When};
    use insta::assert_snapshot;

    const TOY: &str = "\
/*
 * Releases what get_user_pages() gave.
 */
static void toy_put(struct toy *toy)
{
	/* put_page() frees it. */
	put_page(toy->page);
}

/* Longer than a screen: get_user_pages(). */

static int toy_get(struct toy *toy, unsigned long addr)
{
	return get_user_pages_fast(addr, 1, FOLL_WRITE, &toy->page);
}
";

    fn notes(text: &str) -> String {
        let plan = planned(Era::Pin, text).expect("it converts");
        plan.notes.into_iter().collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn a_comment_names_what_is_called_now() {
        assert_snapshot!(diff(Era::Pin, TOY), @r"
        - * Releases what get_user_pages() gave.
        + * Releases what pin_user_pages() gave.
        -→/* put_page() frees it. */
        -→put_page(toy->page);
        +→/* unpin_user_page() frees it. */
        +→unpin_user_page(toy->page);
        -/* Longer than a screen: get_user_pages(). */
        +/* Longer than a screen: pin_user_pages(). */
        -→return get_user_pages_fast(addr, 1, FOLL_WRITE, &toy->page);
        +→return pin_user_pages_fast(addr, 1, FOLL_WRITE, &toy->page);
        ");
        // An acquire that keeps its name is named by it.
        assert_snapshot!(diff(Era::PutUserPage, TOY), @r"
        -→/* put_page() frees it. */
        -→put_page(toy->page);
        +→/* put_user_page() frees it. */
        +→put_user_page(toy->page);
        ");
        assert_eq!(notes(TOY), "");
    }

    #[test]
    fn what_is_said_elsewhere_of_iterators_is_left_for_review() {
        let text = "/* iov_iter_get_pages() stops at a segment. */\n#define TOY_PAGES 4\n\n\
                    static void toy_run(struct iov_iter *from)\n{\n\tstruct page *page;\n\tsize_t off;\n\n\
                    \t/* iov_iter_get_pages2() takes it. */\n\
                    \tiov_iter_get_pages2(from, &page, 4096, 1, &off);\n\tput_page(page);\n}\n";
        let (plan, new) = asking(When::Always, text).expect("it converts");
        let notes: Vec<&String> = plan.notes.iter().collect();
        assert_eq!(
            notes,
            [
                "drivers/misc/toy.c has comments elsewhere that name iov_iter_get_pages(), which is no longer called there."
            ]
        );
        assert!(
            new.contains("/* iov_iter_extract_pages() takes it. */"),
            "{new}"
        );
        assert!(new.contains("/* iov_iter_get_pages() stops"), "{new}");
    }

    #[test]
    fn a_comment_stays_for_somebody_to_look_at_where_it_is_not_clear_or_has_no_room() {
        let wide = TOY.replace(
            "frees it.",
            &format!("frees it, {}.", "and more ".repeat(5)),
        );
        assert!(
            notes(&wide).contains(
                "A comment of toy_put() still names put_page(), which is no longer called there."
            ),
            "{}",
            notes(&wide)
        );
        assert!(!diff(Era::Pin, &wide).contains("+→/*"));
        // A comment on the order of two calls that are one now.
        let dirties = TOY.replace(
            "\tput_page(toy->page);\n",
            "\tint i;\n\n\tfor (i = 0; i < 4; i++) {\n\t\tset_page_dirty_lock(toy->more[i]);\n\t\tput_page(toy->more[i]);\n\t}\n",
        );
        assert!(
            notes(&dirties).contains("A comment of toy_put() still names put_page()"),
            "{}",
            notes(&dirties)
        );
        assert!(!diff(Era::Pin, &dirties).contains("+→/*"));
        // Two new names, and one comment.
        let two = TOY.replace(
            "\tput_page(toy->page);\n",
            "\tint i;\n\n\tput_page(toy->page);\n\tfor (i = 0; i < 4; i++)\n\t\tput_page(toy->more[i]);\n",
        );
        assert!(
            notes(&two).contains("A comment of toy_put() still names put_page()"),
            "{}",
            notes(&two)
        );
    }

    #[test]
    fn an_acquire_that_stays_in_the_file_keeps_its_comments() {
        let text = "static int toy_get(struct toy *toy, unsigned long addr)\n{\n\t/* See get_user_pages(). */\n\
                    \treturn get_user_pages_fast(addr, 1, 0, &toy->page);\n}\n\n\
                    static void toy_put(struct toy *toy)\n{\n\tput_page(toy->page);\n}\n";
        let files = [("drivers/misc/toy.c", text)];
        let mut report = crate::fixture::report(Era::Pin, &files);
        let mut other = report.callsites[0].clone();
        other.id = "elsewhere".into();
        other.verdict = callsites::report::Verdict::Keep;
        other.group = None;
        report.callsites.push(other);
        let sources = super::super::fixture::sources(&files, &report);
        let words = super::super::Words::of(
            crate::options::Api::Auto,
            Era::Pin,
            &super::super::Functions::Header(crate::fixture::header(Era::Pin).into()),
        )
        .expect("the era has it");
        let plan = super::super::group(&sources, &report, &report.groups[0], &words);
        let plan = plan.expect("it converts");
        let contents = plan.contents(&sources).expect("no overlap");
        let new = String::from_utf8_lossy(&contents[camino::Utf8Path::new(files[0].0)]);
        assert!(new.contains("/* See get_user_pages(). */"), "{new}");
        assert!(new.contains("return pin_user_pages_fast("), "{new}");
    }
}
