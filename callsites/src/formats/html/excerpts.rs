// SPDX-License-Identifier: MIT OR Apache-2.0
//! The lines of source that a page shows: those around each call and around each step of a finding.

use crate::report::{Finding, Report};
use crate::tree::Tree;
use camino::Utf8Path;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Lines around a call: enough to see the call's arguments and the test of what it returned.
const AROUND: u32 = 5;
/// In characters: no line of code that a person wrote is longer, and a generated one need not be shown whole.
const LONGEST: usize = 400;

/// Lines by file and number.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Excerpts {
    /// By path; windows in order, apart from each other.
    files: BTreeMap<String, Vec<Window>>,
}

/// Lines that follow each other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Window {
    /// 1-based.
    first: u32,
    /// Without their ends.
    lines: Vec<String>,
}

impl Excerpts {
    /// What a page on `report` shows of `tree`.
    pub fn of(tree: &Tree, report: &Report) -> Excerpts {
        Excerpts::read_by(&|path| tree.read(path).ok(), report)
    }

    /// The same with files read by `read`; what cannot be read is left out.
    pub fn read_by(read: &dyn Fn(&Utf8Path) -> Option<Vec<u8>>, report: &Report) -> Excerpts {
        let mut wanted: BTreeMap<&str, BTreeSet<u32>> = BTreeMap::new();
        let calls = report
            .callsites
            .iter()
            .map(|site| (site.path.as_str(), site.line));
        for (path, line) in calls.chain(report.findings.iter().flat_map(steps)) {
            let lines = line.saturating_sub(AROUND).max(1)..=line.saturating_add(AROUND);
            wanted.entry(path).or_default().extend(lines);
        }
        let files = wanted.into_iter().filter_map(|(path, lines)| {
            let bytes = read(Utf8Path::new(path))?;
            Some((path.to_owned(), windows(&bytes, &lines)))
        });
        Excerpts {
            files: files.collect(),
        }
    }

    /// The lines of `path` from `from` to `to`, as far as they are here and follow each other, with the number of the first.
    pub(super) fn between(&self, path: &str, from: u32, to: u32) -> Option<(u32, Vec<&str>)> {
        let windows = self.files.get(path)?;
        let window = windows.iter().find(|window| {
            let end = window.first + window.lines.len() as u32;
            window.first <= to && from < end
        })?;
        let skip = from.saturating_sub(window.first);
        let first = window.first + skip;
        let count = (to + 1).saturating_sub(first) as usize;
        let lines = window.lines.iter().skip(skip as usize).take(count);
        Some((first, lines.map(String::as_str).collect()))
    }
}

/// The places that a finding leads past.
fn steps(finding: &Finding) -> impl Iterator<Item = (&str, u32)> {
    let way = finding
        .evidence
        .iter()
        .map(|step| (step.path.as_str(), step.line));
    std::iter::once((finding.path.as_str(), finding.line)).chain(way)
}

fn windows(bytes: &[u8], wanted: &BTreeSet<u32>) -> Vec<Window> {
    let mut windows: Vec<Window> = Vec::new();
    for (number, line) in (1_u32..).zip(bytes.split(|byte| *byte == b'\n')) {
        if !wanted.contains(&number) {
            continue;
        }
        let text: String = String::from_utf8_lossy(line)
            .trim_end()
            .chars()
            .take(LONGEST)
            .collect();
        match windows.last_mut() {
            Some(window) if window.first + window.lines.len() as u32 == number => {
                window.lines.push(text);
            }
            _ => windows.push(Window {
                first: number,
                lines: vec![text],
            }),
        }
    }
    windows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_hold_what_is_wanted_and_say_where_they_begin() {
        let text: String = (1..=30).map(|n| format!("line {n}  \n")).collect();
        let wanted: BTreeSet<u32> = (1..=6).chain(20..=40).collect();
        let files = BTreeMap::from([("a.c".to_owned(), windows(text.as_bytes(), &wanted))]);
        let excerpts = Excerpts { files };
        assert_eq!(
            excerpts.between("a.c", 3, 4),
            Some((3, vec!["line 3", "line 4"]))
        );
        let (first, lines) = excerpts.between("a.c", 15, 21).unwrap();
        assert_eq!((first, lines.len()), (20, 2));
        assert_eq!(excerpts.between("a.c", 8, 12), None);
        assert_eq!(excerpts.between("b.c", 1, 2), None);
    }
}
