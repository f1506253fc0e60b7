// SPDX-License-Identifier: MIT OR Apache-2.0
//! A module that is built for many kernels: what is converted stands in an arm for those that have the functions, and
//! what the older ones compile stays as it was.

use super::literals;
use super::replace::carry_out;
use super::{Edit, Planned};
use crate::error::Error;
use callsites::index::ladder::{self, Ladder};
use callsites::index::lex;
use callsites::report::{NotCompiled, Report, Role};
use callsites::tree::VersionCode;
use refimpl::api::catalogue;
use refimpl::version::KernelVersion;
use std::collections::BTreeSet;

/// Which kernels a module is built for.
#[derive(Debug)]
pub(crate) struct Kernels {
    /// The oldest that it must still build for; None where the audited one is enough.
    pub oldest: Option<VersionCode>,
    /// The one that was audited.
    pub audited: VersionCode,
    /// What each of them compiles.
    pub ladder: Ladder,
}

/// For which kernels a conversion is right: those from one release on, and before another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Floor {
    /// The first release that gets what is converted; None where all older ones do.
    pub from: Option<VersionCode>,
    /// The first one after it that does not; None where all newer ones do.
    pub until: Option<VersionCode>,
    /// One of those for which it is right.
    within: VersionCode,
    /// Releases for which it is not, one for each stretch that the conditions of the files tell apart.
    others: Vec<VersionCode>,
}

impl Kernels {
    /// Why the oldest cannot be kept.
    pub(crate) fn refused(&self, why: String) -> Error {
        Error::Oldest {
            oldest: self.oldest.unwrap_or(self.audited).to_string(),
            why,
        }
    }

    /// The releases around the audited one that all compile the calls that it does and have what is written; None where these
    /// are all of them, from the oldest on.
    ///
    /// # Errors
    /// A sentence, when the oldest is not older than the audited kernel.
    pub(crate) fn floor(
        &self,
        files: &[&[u8]],
        written: &BTreeSet<(String, Option<usize>)>,
    ) -> Result<Option<Floor>, String> {
        // Without an oldest one it is told from where on the patch is right, however old that is.
        let oldest = self.oldest.unwrap_or(VersionCode(0));
        if oldest > self.audited {
            return Err(format!(
                "Linux {} is older than {oldest}, the oldest that was asked for",
                self.audited
            ));
        }
        let functions = written.iter().filter_map(|(name, arguments)| {
            let function = catalogue().get(name)?;
            Some((function, *arguments))
        });
        let mut releases: BTreeSet<VersionCode> = written
            .iter()
            .flat_map(|(name, _)| ladder::changes(name))
            .collect();
        releases.extend(files.iter().flat_map(|bytes| self.ladder.named(bytes)));
        releases.retain(|release| *release >= oldest);
        releases.extend([oldest, self.audited]);
        let calls = |bytes: &[u8], release| self.ladder.calls(bytes, release);
        let now: Vec<_> = files
            .iter()
            .map(|bytes| calls(bytes, self.audited))
            .collect();
        let right = |release: VersionCode| {
            let number = release.to_string().parse::<KernelVersion>();
            let has = number.is_ok_and(|number| {
                functions.clone().all(|(function, arguments)| {
                    let mut forms = function.signatures.iter();
                    function.exists_in(number)
                        && arguments.is_none_or(|count| {
                            forms.any(|form| form.args == count && form.exists_in(number))
                        })
                })
            });
            has && files
                .iter()
                .zip(&now)
                .all(|(bytes, now)| calls(bytes, release) == *now)
        };
        if !right(self.audited) {
            return Err("the audited kernel lacks what would be written".to_owned());
        }
        let older = releases.range(..=self.audited).rev();
        let from = older.copied().take_while(|release| right(*release)).last();
        let from = from.filter(|from| *from > oldest);
        let newer = releases.range(self.audited..);
        let until = newer.copied().find(|release| !right(*release));
        let others = releases.iter().copied().filter(|release| {
            from.is_some_and(|from| *release < from) || until.is_some_and(|until| *release >= until)
        });
        let others: Vec<VersionCode> = others.collect();
        Ok((!others.is_empty()).then_some(Floor {
            from,
            until,
            within: self.audited,
            others,
        }))
    }
}

impl Floor {
    /// The condition under which the conversion is compiled, and the one under which it is not.
    fn conditions(&self) -> (String, String) {
        let number = |code: VersionCode| {
            format!(
                "KERNEL_VERSION({}, {}, {})",
                code.0 >> 16,
                code.0 >> 8 & 0xff,
                code.0 & 0xff
            )
        };
        let than = |sign: &str, code| format!("LINUX_VERSION_CODE {sign} {}", number(code));
        match (self.from, self.until) {
            (Some(from), Some(until)) => (
                format!("{} && {}", than(">=", from), than("<", until)),
                format!("{} || {}", than("<", from), than(">=", until)),
            ),
            (None, Some(until)) => (than("<", until), than(">=", until)),
            (from, None) => {
                let from = from.unwrap_or(self.within);
                (than(">=", from), than("<", from))
            }
        }
    }

    /// The kernels for which the conversion is right: "5.6 and later", "5.9 to before 6.5".
    fn words(&self) -> String {
        match (self.from, self.until) {
            (Some(from), Some(until)) => format!("{from} and later, and before {until}"),
            (None, Some(until)) => format!("kernels before {until}"),
            (from, None) => format!("{} and later", from.unwrap_or(self.within)),
        }
    }

    /// The file with `edits` in arms of their own, where none of the other kernels compiles what they change anyway.
    ///
    /// # Errors
    /// A sentence, when that cannot be written or would change what another kernel compiles.
    pub(crate) fn carry_out(
        &self,
        ladder: &Ladder,
        bytes: &[u8],
        edits: &[Edit],
    ) -> Result<Vec<u8>, String> {
        // A comment, or what a message says, is not worth an arm.
        let no_code = literals::find(bytes);
        let in_code = |edit: &&Edit| {
            let (start, end) = (edit.span.start as usize, edit.span.end as usize);
            !no_code
                .iter()
                .any(|(_, from, to)| *from <= start && end <= *to)
        };
        let edits: Vec<Edit> = edits.iter().filter(in_code).cloned().collect();
        let guarded = self.guarded(ladder, bytes);
        let (condition, opposite) = self.conditions();
        let mut arms = Vec::new();
        for hunk in hunks(bytes, &edits) {
            let (old, new) = (&bytes[hunk.start..hunk.end], hunk.text.as_slice());
            if old == new || guarded.iter().any(|at| (hunk.start..hunk.end).contains(at)) {
                arms.push(Edit::new(hunk.start, hunk.end, new));
                continue;
            }
            if old.ends_with(b"\\\n") {
                return Err(
                    "a preprocessor condition cannot stand in the middle of a macro".into(),
                );
            }
            let mut text = Vec::new();
            match new.is_empty() {
                true => line(&mut text, &format!("#if {opposite}")),
                false => {
                    line(&mut text, &format!("#if {condition}"));
                    text.extend_from_slice(new);
                }
            }
            if !new.is_empty() && !old.is_empty() {
                line(&mut text, "#else");
            }
            text.extend_from_slice(old);
            line(&mut text, "#endif");
            arms.push(Edit::new(hunk.start, hunk.end, text));
        }
        let laddered = with_header(carry_out(bytes, &arms));
        for release in &self.others {
            if ladder.words(bytes, *release) != ladder.words(&laddered, *release) {
                return Err(format!("it would change what Linux {release} compiles"));
            }
        }
        match ladder.words(&laddered, self.within)
            == ladder.words(&carry_out(bytes, &edits), self.within)
        {
            true => Ok(laddered),
            false => Err("its arms do not give what was converted".into()),
        }
    }

    /// Where calls stand that no other kernel compiles.
    fn guarded(&self, ladder: &Ladder, bytes: &[u8]) -> Vec<usize> {
        let others: BTreeSet<u32> = self
            .others
            .iter()
            .flat_map(|release| ladder.calls(bytes, *release))
            .map(|span| span.start)
            .collect();
        let calls = ladder.calls(bytes, self.within);
        let calls = calls.iter().filter(|span| !others.contains(&span.start));
        calls.map(|span| span.start as usize).collect()
    }
}

/// What a note on arms for other kernels says after the name of the file.
const OTHER_KERNELS: &str = "takes pages in arms of #if that";

fn is_of_other_kernels(note: &str) -> bool {
    note.split_once(' ')
        .is_some_and(|(_, said)| said.starts_with(OTHER_KERNELS))
}

impl Planned {
    /// Arms for other kernels stay as they are, and what their calls take is released by what was converted.
    pub(super) fn other_kernels(&mut self, report: &Report) {
        for path in self.edits.keys() {
            let left = report.coverage.not_compiled.iter();
            let left: Vec<&NotCompiled> = left
                .filter(|call| call.role == Role::Acquire && call.path == path.as_str())
                .collect();
            let lines: Vec<String> = left.iter().map(|call| call.line.to_string()).collect();
            let Some((last, most)) = lines.split_last() else {
                continue;
            };
            let lines = match most.is_empty() {
                true => format!("line {last}"),
                false => format!("lines {} and {last}", most.join(", ")),
            };
            self.notes.insert(format!(
                "{path} {OTHER_KERNELS} Linux {} does not compile ({lines}). They stay as they are; where they are compiled, \
                 the converted releases drop pins that nobody took. This patch is for kernels that compile what it converts.",
                report.tree.version
            ));
        }
    }

    /// What is converted stands in arms for some kernels only, and the message says so.
    pub(crate) fn stands_in_arms(&mut self, kernels: &Kernels, floor: &Floor) {
        self.notes.retain(|note| !is_of_other_kernels(note));
        let oldest = kernels.oldest.unwrap_or(kernels.audited);
        self.remarks.insert(format!(
            "The module is built for kernels from {oldest} on. What is converted stands in arms for {}; what the others \
             compile is as before.",
            floor.words()
        ));
    }

    /// Which kernels can still build the module: the message says so.
    pub(crate) fn needs(&mut self, floor: &Floor) {
        let than = match (floor.from, floor.until) {
            (Some(from), Some(until)) => format!("from {from} on and before {until}"),
            (None, Some(until)) => format!("before {until}"),
            (from, None) => format!("from {} on", from.unwrap_or(floor.within)),
        };
        self.remarks.insert(format!(
            "The module is then for kernels {than}: others lack what is called here, or compile other arms of it."
        ));
    }
}

/// Whole lines that change, and what they become.
struct Hunk {
    start: usize,
    end: usize,
    text: Vec<u8>,
}

/// The edits by the statements that they touch; those that touch the same or neighbouring lines are one.
fn hunks(bytes: &[u8], edits: &[Edit]) -> Vec<Hunk> {
    let mut ranges: Vec<(usize, usize, Vec<Edit>)> = Vec::new();
    for edit in edits {
        let (from, to) = (edit.span.start as usize, edit.span.end as usize);
        let start = line_start(bytes, from);
        let ends_a_line = to > start && bytes[to - 1] == b'\n';
        let end = match ends_a_line {
            true => to,
            false => next_line(bytes, to),
        };
        let (start, end) = whole(bytes, start, end);
        match ranges.last_mut().filter(|last| start <= last.1) {
            Some(last) => {
                last.0 = last.0.min(start);
                last.1 = last.1.max(end);
                last.2.push(edit.clone());
            }
            None => ranges.push((start, end, vec![edit.clone()])),
        }
    }
    let hunks = ranges.into_iter().map(|(start, end, edits)| {
        let edits: Vec<Edit> = edits
            .into_iter()
            .map(|edit| {
                Edit::new(
                    edit.span.start as usize - start,
                    edit.span.end as usize - start,
                    edit.text,
                )
            })
            .collect();
        trimmed(bytes, start, end, carry_out(&bytes[start..end], &edits))
    });
    hunks.collect()
}

/// Lines that no parenthesis leads out of: a condition of the preprocessor must not stand in the arguments of a macro, and
/// reads badly in those of a function. As they are, where a line of the preprocessor stands in between.
fn whole(bytes: &[u8], start: usize, end: usize) -> (usize, usize) {
    let (mut from, mut to) = (start, end);
    loop {
        match balance(&bytes[from..to]) {
            None => return (start, end),
            Some((0, 0)) => return (from, to),
            Some((0, _)) if to < bytes.len() => to = next_line(bytes, to),
            Some((1.., _)) if from > 0 => from = line_start(bytes, from - 1),
            Some(_) => return (start, end),
        }
    }
}

/// How many parentheses close in the text that open before it, and how many open that close behind it; None where a line of
/// the preprocessor stands in it.
fn balance(text: &[u8]) -> Option<(usize, usize)> {
    let (mut before, mut open) = (0, 0);
    for token in lex::tokens(text, 0, text.len(), lex::Mode::File) {
        match (token.kind, token.text(text)) {
            (lex::Kind::Directive, _) => return None,
            (lex::Kind::Punct, b"(" | b"[") => open += 1,
            (lex::Kind::Punct, b")" | b"]") if open == 0 => before += 1,
            (lex::Kind::Punct, b")" | b"]") => open -= 1,
            _ => {}
        }
    }
    Some((before, open))
}

fn line_start(bytes: &[u8], at: usize) -> usize {
    let before = bytes[..at].iter().rposition(|byte| *byte == b'\n');
    before.map_or(0, |end| end + 1)
}

fn next_line(bytes: &[u8], at: usize) -> usize {
    let end = bytes[at..].iter().position(|byte| *byte == b'\n');
    end.map_or(bytes.len(), |end| at + end + 1)
}

/// Without the lines that stay at its beginning and at its end, as far as no parenthesis leads from them into it.
fn trimmed(bytes: &[u8], mut start: usize, mut end: usize, mut text: Vec<u8>) -> Hunk {
    fn first(text: &[u8]) -> &[u8] {
        &text[..next_line(text, 0)]
    }
    fn last(text: &[u8]) -> &[u8] {
        let body = text.strip_suffix(b"\n").unwrap_or(text);
        &text[line_start(body, body.len())..]
    }
    let is_whole = |text: &[u8]| balance(text).is_none_or(|balance| balance == (0, 0));
    while start < end && !text.is_empty() && first(&bytes[start..end]) == first(&text) {
        let length = first(&text).len();
        if !is_whole(&text[..length]) {
            break;
        }
        text.drain(..length);
        start += length;
    }
    while start < end && !text.is_empty() && last(&bytes[start..end]) == last(&text) {
        let length = last(&text).len();
        let rest = text.len() - length;
        if !is_whole(&text[rest..]) {
            break;
        }
        text.truncate(rest);
        end -= length;
    }
    Hunk { start, end, text }
}

fn line(text: &mut Vec<u8>, line: &str) {
    if text.last().is_some_and(|last| *last != b'\n') {
        text.push(b'\n');
    }
    text.extend_from_slice(line.as_bytes());
    text.push(b'\n');
}

/// The file with the header that defines the version, where it includes none: after its last include of the kernel's.
fn with_header(bytes: Vec<u8>) -> Vec<u8> {
    const HEADER: &[u8] = b"#include <linux/version.h>\n";
    let lines: Vec<&[u8]> = bytes.split_inclusive(|b| *b == b'\n').collect();
    if lines.contains(&HEADER) {
        return bytes;
    }
    let of_kernel = |line: &&[u8]| line.starts_with(b"#include <linux/");
    let Some(at) = lines.iter().rposition(of_kernel) else {
        return [HEADER, &bytes].concat();
    };
    [&lines[..=at].concat(), HEADER, &lines[at + 1..].concat()].concat()
}

#[cfg(test)]
mod tests;
