// SPDX-License-Identifier: MIT OR Apache-2.0
//! A module that is built for many kernels: what is converted stands in an arm for those that have the functions, and
//! what the older ones compile stays as it was.

use super::replace::carry_out;
use super::{Edit, Planned};
use crate::error::Error;
use callsites::index::ladder;
use callsites::report::{NotCompiled, Report, Role};
use callsites::tree::VersionCode;
use refimpl::api::catalogue;
use refimpl::version::KernelVersion;
use std::collections::BTreeSet;

/// Which kernels a module is built for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Kernels {
    /// The oldest that it must still build for.
    pub oldest: VersionCode,
    /// The one that was audited.
    pub audited: VersionCode,
}

/// From where on a conversion is right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Floor {
    /// The first release that gets what is converted.
    pub from: VersionCode,
    /// Releases before it, one for each stretch that the conditions of the files tell apart.
    below: Vec<VersionCode>,
}

impl Kernels {
    /// Why the oldest cannot be kept.
    pub(crate) fn refused(self, why: String) -> Error {
        Error::Oldest {
            oldest: self.oldest.to_string(),
            why,
        }
    }

    /// The first release from which on all compile the calls that the audited one does and have what is written; None where
    /// that is the oldest.
    ///
    /// # Errors
    /// A sentence, when the oldest is not older than the audited kernel.
    pub(crate) fn floor(
        self,
        files: &[&[u8]],
        written: &BTreeSet<String>,
    ) -> Result<Option<Floor>, String> {
        if self.oldest > self.audited {
            return Err(format!(
                "Linux {} is older than {}, the oldest that was asked for",
                self.audited, self.oldest
            ));
        }
        let functions = written.iter().filter_map(|name| catalogue().get(name));
        let since = functions.clone().filter_map(|function| function.since);
        let since = since.map(|version| {
            VersionCode(u32::from(version.major) << 16 | u32::from(version.minor) << 8)
        });
        let mut releases: BTreeSet<VersionCode> = since.collect();
        releases.extend(files.iter().flat_map(|bytes| ladder::named(bytes)));
        releases.retain(|release| (self.oldest..self.audited).contains(release));
        releases.extend([self.oldest, self.audited]);
        let right = |release: VersionCode| {
            let number = release.to_string().parse::<KernelVersion>();
            let has = number.is_ok_and(|number| functions.clone().all(|f| f.exists_in(number)));
            let same =
                |bytes: &&[u8]| ladder::calls(bytes, release) == ladder::calls(bytes, self.audited);
            has && files.iter().all(same)
        };
        let above = releases.iter().rev().take_while(|release| right(**release));
        let from = *above
            .last()
            .ok_or("the audited kernel lacks what would be written")?;
        let below: Vec<VersionCode> = releases.range(..from).copied().collect();
        Ok((!below.is_empty()).then_some(Floor { from, below }))
    }
}

impl Floor {
    /// The file with `edits` in arms of their own, where none of the older kernels compiles what they change anyway.
    ///
    /// # Errors
    /// A sentence, when that cannot be written or would change what an older kernel compiles.
    pub(crate) fn carry_out(&self, bytes: &[u8], edits: &[Edit]) -> Result<Vec<u8>, String> {
        let guarded = self.guarded(bytes);
        let version = self.from.0;
        let number = format!(
            "KERNEL_VERSION({}, {}, {})",
            version >> 16,
            version >> 8 & 0xff,
            version & 0xff
        );
        let mut arms = Vec::new();
        for hunk in hunks(bytes, edits) {
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
            match (old.is_empty(), new.is_empty()) {
                (_, true) => line(&mut text, &format!("#if LINUX_VERSION_CODE < {number}")),
                _ => {
                    line(&mut text, &format!("#if LINUX_VERSION_CODE >= {number}"));
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
        for release in &self.below {
            if ladder::words(bytes, *release) != ladder::words(&laddered, *release) {
                return Err(format!("it would change what Linux {release} compiles"));
            }
        }
        match ladder::words(&laddered, self.from)
            == ladder::words(&carry_out(bytes, edits), self.from)
        {
            true => Ok(laddered),
            false => Err("its arms do not give what was converted".into()),
        }
    }

    /// Where calls stand that no older kernel compiles.
    fn guarded(&self, bytes: &[u8]) -> Vec<usize> {
        let older: BTreeSet<u32> = self
            .below
            .iter()
            .flat_map(|release| ladder::calls(bytes, *release))
            .map(|span| span.start)
            .collect();
        let calls = ladder::calls(bytes, self.from);
        let calls = calls.iter().filter(|span| !older.contains(&span.start));
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

    /// What is converted stands in arms for newer kernels only, and the message says so.
    pub(crate) fn stands_in_arms(&mut self, kernels: Kernels, floor: &Floor) {
        self.notes.retain(|note| !is_of_other_kernels(note));
        self.remarks.insert(format!(
            "The module is built for kernels from {} on. What is converted stands in arms for {} and later; what older \
             kernels compile is as before.",
            kernels.oldest, floor.from
        ));
    }
}

/// Whole lines that change, and what they become.
struct Hunk {
    start: usize,
    end: usize,
    text: Vec<u8>,
}

/// The edits by the lines that they touch; those that touch the same or neighbouring lines are one.
fn hunks(bytes: &[u8], edits: &[Edit]) -> Vec<Hunk> {
    let mut ranges: Vec<(usize, usize, Vec<Edit>)> = Vec::new();
    for edit in edits {
        let (from, to) = (edit.span.start as usize, edit.span.end as usize);
        let start = bytes[..from]
            .iter()
            .rposition(|b| *b == b'\n')
            .map_or(0, |at| at + 1);
        let ends_a_line = to > start && bytes[to - 1] == b'\n';
        let end = match ends_a_line {
            true => to,
            false => {
                to + bytes[to..]
                    .iter()
                    .position(|b| *b == b'\n')
                    .map_or(bytes.len() - to, |at| at + 1)
            }
        };
        match ranges.last_mut().filter(|last| start <= last.1) {
            Some(last) => {
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

/// Without the lines that stay at its beginning and at its end.
fn trimmed(bytes: &[u8], mut start: usize, mut end: usize, mut text: Vec<u8>) -> Hunk {
    fn first(text: &[u8]) -> &[u8] {
        let end = text
            .iter()
            .position(|b| *b == b'\n')
            .map_or(text.len(), |at| at + 1);
        &text[..end]
    }
    fn last(text: &[u8]) -> &[u8] {
        let body = text.strip_suffix(b"\n").unwrap_or(text);
        let start = body
            .iter()
            .rposition(|b| *b == b'\n')
            .map_or(0, |at| at + 1);
        &text[start..]
    }
    while start < end && !text.is_empty() && first(&bytes[start..end]) == first(&text) {
        let length = first(&text).len();
        text.drain(..length);
        start += length;
    }
    while start < end && !text.is_empty() && last(&bytes[start..end]) == last(&text) {
        let length = last(&text).len();
        text.truncate(text.len() - length);
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
mod tests {
    use super::*;

    const RELEASE: &str = "#include <linux/mm.h>\n\nvoid f(struct page *p)\n{\n\tint i;\n\n\tput_page(p);\n\tg();\n}\n";

    fn edit(text: &str, old: &str, new: &str) -> Edit {
        let at = text.find(old).unwrap();
        Edit::new(at, at + old.len(), new)
    }

    fn kernels(oldest: &str) -> Kernels {
        Kernels {
            oldest: VersionCode::of(oldest).unwrap(),
            audited: VersionCode::of("6.12.0").unwrap(),
        }
    }

    #[test]
    fn what_older_kernels_lack_stands_in_an_arm() {
        let written = BTreeSet::from(["unpin_user_page".to_owned()]);
        let floor = kernels("5.4")
            .floor(&[RELEASE.as_bytes()], &written)
            .unwrap()
            .unwrap();
        assert_eq!(floor.from.to_string(), "5.6");
        let edits = [
            edit(RELEASE, "\tint i;\n\n", ""),
            edit(RELEASE, "put_page", "unpin_user_page"),
        ];
        let laddered = floor.carry_out(RELEASE.as_bytes(), &edits).unwrap();
        assert_eq!(
            String::from_utf8(laddered).unwrap(),
            "#include <linux/mm.h>\n#include <linux/version.h>\n\nvoid f(struct page *p)\n{\n#if LINUX_VERSION_CODE >= KERNEL_VERSION(5, 6, 0)\n\tunpin_user_page(p);\n#else\n\tint i;\n\n\tput_page(p);\n#endif\n\tg();\n}\n"
        );
    }

    #[test]
    fn where_all_kernels_have_it_there_is_no_arm() {
        let written = BTreeSet::from(["unpin_user_page".to_owned()]);
        let floor = kernels("5.10").floor(&[RELEASE.as_bytes()], &written);
        assert_eq!(floor, Ok(None));
        assert!(
            kernels("6.13")
                .floor(&[RELEASE.as_bytes()], &written)
                .is_err()
        );
    }

    #[test]
    fn an_arm_that_older_kernels_do_not_compile_stays_one() {
        let text = "#include <linux/version.h>\n#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 5, 0)\nget_user_pages(a, b, c, d, e);\n#else\nget_user_pages(a, b, c, d);\n#endif\nput_page(p);\n";
        let written = BTreeSet::from(["unpin_user_page".to_owned(), "pin_user_pages".to_owned()]);
        let floor = kernels("5.4")
            .floor(&[text.as_bytes()], &written)
            .unwrap()
            .unwrap();
        assert_eq!(floor.from.to_string(), "6.5");
        let edits = [
            edit(
                text,
                "get_user_pages(a, b, c, d);",
                "pin_user_pages(a, b, c, d);",
            ),
            edit(text, "put_page", "unpin_user_page"),
        ];
        let laddered = floor.carry_out(text.as_bytes(), &edits).unwrap();
        assert_eq!(
            String::from_utf8(laddered).unwrap(),
            "#include <linux/version.h>\n#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 5, 0)\nget_user_pages(a, b, c, d, e);\n#else\npin_user_pages(a, b, c, d);\n#endif\n#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 5, 0)\nunpin_user_page(p);\n#else\nput_page(p);\n#endif\n"
        );
    }

    #[test]
    fn a_macro_of_several_lines_is_refused() {
        let text = "#define F(p) do { \\\n\tput_page(p); \\\n} while (0)\n";
        let floor = kernels("5.4")
            .floor(
                &[text.as_bytes()],
                &BTreeSet::from(["unpin_user_page".to_owned()]),
            )
            .unwrap()
            .unwrap();
        let refused = floor.carry_out(
            text.as_bytes(),
            &[edit(text, "put_page", "unpin_user_page")],
        );
        assert!(refused.unwrap_err().contains("in the middle of a macro"));
    }
}
