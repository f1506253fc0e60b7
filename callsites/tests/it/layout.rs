// SPDX-License-Identifier: MIT OR Apache-2.0
//! Layout decides nothing: comments between tokens, line ends for blanks and blanks for line ends.
//!
//! Preprocessor lines stay lines; everything else of a file may stand anywhere. `KERNEL_TREE=DIR cargo nextest run -p
//! callsites --run-ignored only -E 'test(layout)'` asks it of every file of a kernel tree that holds a callsite.

use callsites::embedded::{self, Era};
use callsites::index::lex::{Kind, Mode, tokens};
use callsites::report::Report;
use callsites::tree::Tree;
use callsites::{AuditOptions, audit};
use camino::{Utf8Path, Utf8PathBuf};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// Numbers that depend on the seed alone.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        // Marsaglia's xorshift.
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }
}

/// The same tokens in another layout.
pub fn relaid(bytes: &[u8], seed: u64) -> Vec<u8> {
    let mut dice = Dice(seed | 1);
    // How much of a file changes is drawn too: a comment here or there, or everything.
    let every = 1 + dice.roll(12);
    let mut out = Vec::with_capacity(bytes.len() * 2);
    let all = tokens(bytes, 0, bytes.len(), Mode::File);
    let mut end = 0;
    let mut before: Option<Kind> = None;
    for token in &all {
        let gap = &bytes[end..token.start as usize];
        let fixed = token.kind == Kind::Directive
            || before.is_none_or(|kind| kind == Kind::Directive)
            || is_open(&out)
            || dice.roll(every) != 0;
        if fixed {
            out.extend_from_slice(gap);
        } else {
            let fillings: [&[u8]; 7] = [
                b" ",
                b"\n",
                b"\n\t\t",
                b" /* a comment */ ",
                b"\n/*\n * put_page(page); } {\n */\n",
                b"/**/",
                b" // get_page(page);\n",
            ];
            let filling = fillings[dice.roll(fillings.len() as u64) as usize];
            // A division and the comment behind it would be another comment.
            if out.last() == Some(&b'/') {
                out.push(b' ');
            }
            out.extend_from_slice(filling);
        }
        out.extend_from_slice(token.text(bytes));
        end = token.end as usize;
        before = Some(token.kind);
    }
    out.extend_from_slice(&bytes[end..]);
    out
}

/// The last line holds a quote that was never closed: only its end ends it.
fn is_open(out: &[u8]) -> bool {
    let line = out
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |at| at + 1);
    let line = &out[line..];
    let quotes = |quote: u8| line.iter().filter(|byte| **byte == quote).count();
    quotes(b'"') % 2 == 1 || quotes(b'\'') % 2 == 1
}

/// What a report says, without its places: callsites, groups, findings.
fn said(report: &Report) -> BTreeMap<String, String> {
    let mut out = BTreeMap::new();
    for site in &report.callsites {
        let what = format!(
            "{} {}: {:?}, case {:?}",
            site.function, site.call, site.verdict, site.case
        );
        out.insert(format!("{} {}", site.path, site.id), what);
    }
    for group in &report.groups {
        let what = format!("group, convertible: {}", group.convertible);
        out.insert(format!("group {}", group.id), what);
    }
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for finding in &report.findings {
        let what = format!(
            "finding {} in {} {}",
            finding.name, finding.path, finding.function
        );
        *counts.entry(what).or_default() += 1;
    }
    out.extend(counts.into_iter().map(|(what, n)| (what, n.to_string())));
    out
}

/// What is in one and not in the other, a line each.
fn difference(before: &Report, after_report: &Report) -> Vec<String> {
    let (before, after) = (said(before), said(after_report));
    let keys: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let differs = keys
        .into_iter()
        .filter(|key| before.get(*key) != after.get(*key));
    differs
        .map(|key| {
            let (was, is) = (before.get(key), after.get(key));
            format!("{key}: {was:?} became {is:?} ({})", why(after_report, key))
        })
        .collect()
}

/// The reason of the callsite that a line of [`said`] is about.
fn why<'r>(report: &'r Report, key: &str) -> &'r str {
    let mut sites = report.callsites.iter();
    let site = sites.find(|site| key.ends_with(&site.id));
    site.map_or("", |site| site.reason.as_str())
}

fn laid(files: BTreeMap<Utf8PathBuf, Vec<u8>>) -> BTreeMap<Utf8PathBuf, Option<Vec<u8>>> {
    files
        .into_iter()
        .map(|(path, bytes)| (path, Some(bytes)))
        .collect()
}

fn audited(tree: &Tree) -> Report {
    let options = AuditOptions {
        all: true,
        ..AuditOptions::default()
    };
    audit(tree, &options).unwrap()
}

/// The fixtures of the rules and every driver of the embedded tree, as one tree.
fn fixtures() -> BTreeMap<Utf8PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    let rules = Utf8Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/rules"));
    for entry in rules.read_dir_utf8().unwrap() {
        let path = entry.unwrap().into_path();
        let place = Utf8Path::new("drivers/misc").join(path.file_name().unwrap());
        files.insert(place, std::fs::read(&path).unwrap());
    }
    for (path, bytes) in embedded::files(Era::V6_12) {
        if path.extension() == Some("c") {
            files.insert(path.to_owned(), bytes.to_vec());
        }
    }
    files
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn layout_changes_nothing_in_the_fixtures(seed in any::<u64>()) {
        let files = fixtures();
        let before = audited(&Tree::embedded(callsites::report::Era::Pin).overlaid(laid(files.clone())));
        prop_assert!(before.callsites.len() > 100, "{} callsites", before.callsites.len());
        let relaid = files.iter().map(|(path, bytes)| (path.clone(), relaid(bytes, seed)));
        let after = audited(&Tree::embedded(callsites::report::Era::Pin).overlaid(laid(relaid.collect())));
        let found = difference(&before, &after);
        prop_assert!(found.is_empty(), "{}", found.join("\n"));
    }
}

#[test]
#[ignore = "reads the kernel tree that KERNEL_TREE names"]
fn layout_changes_nothing_in_a_kernel() {
    let root = std::env::var("KERNEL_TREE").expect("set KERNEL_TREE to a kernel tree");
    let seeds = std::env::var("SEEDS")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(3);
    let tree = Tree::open(&root).unwrap();
    let before = audited(&tree);
    let paths: BTreeSet<&str> = before
        .callsites
        .iter()
        .map(|site| site.path.as_str())
        .collect();
    let mut found = Vec::new();
    for seed in 1..=seeds {
        let files = paths.iter().map(|path| {
            let path = Utf8Path::new(path);
            (
                path.to_owned(),
                relaid(&tree.read(path).unwrap(), seed * 0x9e37_79b9),
            )
        });
        let after = audited(&Tree::open(&root).unwrap().overlaid(laid(files.collect())));
        let differs = difference(&before, &after);
        found.extend(
            differs
                .into_iter()
                .map(|line| format!("seed {seed}: {line}")),
        );
    }
    assert!(
        found.is_empty(),
        "{} files, {} callsites:\n{}",
        paths.len(),
        before.callsites.len(),
        found.join("\n")
    );
}
