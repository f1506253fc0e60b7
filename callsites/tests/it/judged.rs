// SPDX-License-Identifier: MIT OR Apache-2.0
//! The flow over files in memory, and what it says compared with the marks in them.
//!
//! A line that ends in `//^ verdict` says what the audit must say of the call on it.

use callsites::flow::analysis::Analysis;
use callsites::flow::library::Files;
use callsites::index::{NameSet, Wanted, parse};
use callsites::judge::{Judged, judge};
use callsites::report::{Callsite, Era, Verdict};
use camino::{Utf8Path, Utf8PathBuf};
use refimpl::api::catalogue;
use std::collections::BTreeMap;

struct Memory {
    paths: Vec<Utf8PathBuf>,
    texts: BTreeMap<Utf8PathBuf, String>,
}

impl Files for Memory {
    fn paths(&self) -> &[Utf8PathBuf] {
        &self.paths
    }

    fn read_into(&self, path: &Utf8Path, buffer: &mut Vec<u8>) -> Option<()> {
        let text = self.texts.get(path)?;
        buffer.clear();
        buffer.extend_from_slice(text.as_bytes());
        Some(())
    }
}

/// Judges all calls in `files`.
pub(crate) fn judged(files: &[(&str, &str)], era: Era) -> Judged {
    let texts: BTreeMap<Utf8PathBuf, String> = files
        .iter()
        .map(|(path, text)| (Utf8PathBuf::from(*path), (*text).to_owned()))
        .collect();
    let memory = Memory {
        paths: texts.keys().cloned().collect(),
        texts,
    };
    let seeds = NameSet::new(catalogue().seeds());
    let hits = memory
        .texts
        .iter()
        .map(|(path, text)| parse(path, text.as_bytes(), &Wanted::Holding(&seeds)))
        .filter(|facts| !facts.functions.is_empty())
        .collect();
    let analysis = Analysis::new(&memory, hits);
    judge(&analysis, &memory, era, true)
}

/// A verdict as the marks say it.
pub(crate) fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Convert => "convert",
        Verdict::Keep => "keep",
        Verdict::Mixed => "mixed",
        Verdict::Unknown => "unknown",
        Verdict::Done => "done",
    }
}

/// Compares every marked line with what is said of the calls on it.
#[track_caller]
pub(crate) fn check(files: &[(&str, &str)]) -> Judged {
    let judged = judged(files, Era::Pin);
    let mut marks = 0;
    for (path, text) in files {
        for (at, line) in text.lines().enumerate() {
            let Some((_, mark)) = line.split_once("//^ ") else {
                continue;
            };
            marks += 1;
            let said: Vec<&Callsite> = judged
                .callsites
                .iter()
                .filter(|site| site.path == *path && site.line as usize == at + 1)
                .collect();
            assert!(
                !said.is_empty(),
                "nothing is said of {path}:{}: {line}",
                at + 1
            );
            for site in said {
                assert_eq!(
                    word(site.verdict),
                    mark.trim(),
                    "{path}:{}: {} ({})",
                    at + 1,
                    line.trim(),
                    site.reason
                );
            }
        }
    }
    assert!(marks > 0, "the fixture marks nothing");
    judged
}
