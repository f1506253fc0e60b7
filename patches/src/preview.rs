// SPDX-License-Identifier: MIT OR Apache-2.0
//! The files as a series leaves them, without a repository, a commit or a mail: for whoever edits them in place.

use crate::convert::{self, words};
use crate::error::Error;
use crate::info::{Refused, Replaced};
use crate::lines::{Line, aligned};
use crate::options::ConvertOptions;
use crate::{base, steps};
use callsites::report::Report;
use callsites::tree::Tree;
use camino::Utf8PathBuf;
use std::collections::BTreeMap;

/// What a series makes of the files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preview {
    /// Every file that a patch touches.
    pub files: BTreeMap<Utf8PathBuf, Rewritten>,
    /// The calls that get another name, in the order of the patches.
    pub calls: Vec<Replaced>,
    /// Groups that are left alone.
    pub refused: Vec<Refused>,
}

/// A file before and after.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rewritten {
    /// As the tree has it.
    pub before: Vec<u8>,
    /// As the last patch leaves it.
    pub after: Vec<u8>,
}

/// Whole lines in place of whole lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// First byte of the lines that go, in the file before.
    pub start: usize,
    /// First byte behind them.
    pub end: usize,
    /// What stands there afterwards.
    pub text: Vec<u8>,
}

/// Beyond so many pairs of lines between the first change and the last, all of them are one change: the table of the
/// comparison would take more than 16 MiB.
const MOST_PAIRS: usize = 4 << 20;

/// The files as they are with all patches of [`convert`](crate::convert()) on top. Options about commits and mails say
/// nothing here.
///
/// # Errors
/// [`Error::Nothing`] when no group could be converted.
pub fn preview(tree: &Tree, report: &Report, options: &ConvertOptions) -> Result<Preview, Error> {
    let conversion = match words(tree, report, options.api)?.introduced_first {
        true => steps::prepare(tree, report, options)?,
        false => convert::prepare(tree, report, options)?,
    };
    let mut files = BTreeMap::new();
    let mut calls = Vec::new();
    for patch in conversion.patches {
        let replaced = patch.plan.replaced.into_iter();
        calls.extend(replaced.filter(|call| call.call != call.becomes));
        for (path, after) in patch.files {
            let before = match conversion.sources.get(&path) {
                Some(source) => source.bytes.clone(),
                None => base::read(tree, &path)?,
            };
            files.insert(path, Rewritten { before, after });
        }
    }
    Ok(Preview {
        files,
        calls,
        refused: conversion.refused,
    })
}

impl Rewritten {
    /// What is other, from the top, with lines between that stay.
    pub fn changes(&self) -> Vec<Change> {
        let lines = |text: &'_ [u8]| -> Vec<(usize, usize)> {
            let mut at = 0;
            let ends = text
                .split_inclusive(|&byte| byte == b'\n')
                .map(move |line| {
                    at += line.len();
                    (at - line.len(), at)
                });
            ends.collect()
        };
        let (old, new) = (lines(&self.before), lines(&self.after));
        let same = |(a, b): &(&(usize, usize), &(usize, usize))| {
            self.before[a.0..a.1] == self.after[b.0..b.1]
        };
        let head = old.iter().zip(&new).take_while(same).count();
        let (old, new) = (&old[head..], &new[head..]);
        let tail = old.iter().rev().zip(new.iter().rev()).take_while(same);
        let tail = tail.count();
        let (old, new) = (&old[..old.len() - tail], &new[..new.len() - tail]);
        let texts = |lines: &[(usize, usize)], of: &[u8]| -> Vec<Vec<u8>> {
            lines
                .iter()
                .map(|line| of[line.0..line.1].to_vec())
                .collect()
        };
        let steps = match old.len().saturating_mul(new.len()) > MOST_PAIRS {
            true => {
                let gone = (0..old.len()).map(Line::Old);
                gone.chain((0..new.len()).map(Line::New)).collect()
            }
            false => aligned(&texts(old, &self.before), &texts(new, &self.after)),
        };
        let first = |line: usize| old.get(line).or(old.last());
        let mut at = match old.first() {
            Some(line) => line.0,
            // Nothing goes: what is new comes where the heads of both end.
            None => self.before.len() - self.tail_bytes(tail),
        };
        let mut changes: Vec<Change> = Vec::new();
        let mut stays = true;
        for step in steps {
            if let Line::Both(line) = step {
                at = first(line).map_or(at, |line| line.1);
                stays = true;
                continue;
            }
            if std::mem::take(&mut stays) {
                changes.push(Change {
                    start: at,
                    end: at,
                    text: Vec::new(),
                });
            }
            let Some(change) = changes.last_mut() else {
                continue;
            };
            match step {
                Line::Old(line) => {
                    at = first(line).map_or(at, |line| line.1);
                    change.end = at;
                }
                Line::New(line) => {
                    let (start, end) = new[line];
                    change.text.extend_from_slice(&self.after[start..end]);
                }
                Line::Both(_) => {}
            }
        }
        changes
    }

    /// Bytes of the last lines of the file before.
    fn tail_bytes(&self, lines: usize) -> usize {
        let all = self.before.split_inclusive(|&byte| byte == b'\n');
        let all: Vec<usize> = all.map(<[u8]>::len).collect();
        all.iter().rev().take(lines).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn made(before: &[u8], changes: &[Change]) -> Vec<u8> {
        let (mut out, mut at) = (Vec::new(), 0);
        for change in changes {
            out.extend_from_slice(&before[at..change.start]);
            out.extend_from_slice(&change.text);
            at = change.end;
        }
        out.extend_from_slice(&before[at..]);
        out
    }

    fn text() -> impl Strategy<Value = Vec<u8>> {
        let line = prop::sample::select(vec!["a\n", "b\n", "c\n", "\n", "\r\n", "\u{e9}\n"]);
        let last = prop::sample::select(vec!["", "a", "b\r"]);
        (prop::collection::vec(line, 0..9), last)
            .prop_map(|(lines, last)| [lines.concat(), last.to_owned()].concat().into_bytes())
    }

    proptest! {
        #[test]
        fn the_changes_make_the_file_after_of_the_file_before(before in text(), after in text()) {
            let file = Rewritten { before, after };
            let changes = file.changes();
            prop_assert_eq!(made(&file.before, &changes), file.after.clone());
            for change in &changes {
                let begins = change.start == 0 || file.before[change.start - 1] == b'\n';
                prop_assert!(begins || change.start == file.before.len());
                prop_assert!(change.start <= change.end);
            }
        }
    }

    #[test]
    fn lines_between_two_changes_stay() {
        let file = Rewritten {
            before: b"a\nb\nc\nd\n".to_vec(),
            after: b"a\nB\nc\nD\nE\n".to_vec(),
        };
        let changes = file.changes();
        let spans: Vec<(usize, usize)> = changes.iter().map(|one| (one.start, one.end)).collect();
        assert_eq!(spans, [(2, 4), (6, 8)]);
        assert_eq!(changes[1].text, b"D\nE\n");
        let same = Rewritten {
            after: file.before.clone(),
            ..file
        };
        assert!(same.changes().is_empty());
    }
}
