// SPDX-License-Identifier: MIT OR Apache-2.0
//! The tree that comes with the program: its series, and the tree with the series on top.

use super::{Fixture, text};
use crate::apply::apply;
use crate::info::Outcome;
use crate::options::ApplyOptions;
use crate::series::Series;
use crate::verify::audited;
use crate::whole::convert;
use callsites::AuditOptions;
use callsites::embedded;
use callsites::report::Era;
use callsites::tree::Tree;
use callsites::tree::beneath::Entry;
use std::collections::BTreeMap;
use std::fs;

/// The series of the embedded tree as its audit has it, and the tree applied to.
fn converted(era: embedded::Era) -> Series {
    let fixture = Fixture::new();
    let dir = fixture.path("embedded");
    embedded::materialise(era, &dir).expect("it can be written");
    let tree = Tree::open(dir.as_str()).expect("a kernel tree");
    let report = callsites::audit(&tree, &AuditOptions::default()).expect("it is audited");
    let series = convert(&tree, &report, &fixture.rehearsal()).expect("it converts");
    let out = fixture.path("series");
    series.write(&out).expect("it can be written");
    let target = fixture.path("patched");
    let applied = apply(&tree, &out, &ApplyOptions::full(&target)).expect("it applies");
    assert_eq!(applied.patches.len(), series.info.patches.len());
    // What was converted is done, and nothing new is wrong.
    let patched = Tree::open(target.as_str()).expect("a kernel tree");
    let after = callsites::audit(&patched, &AuditOptions::default()).expect("it is audited");
    for (patch, check) in series
        .info
        .patches
        .iter()
        .zip(audited(&series.info, &report, &after))
    {
        assert_eq!(
            check.outcome,
            Outcome::Passed,
            "{}: {}",
            patch.subject,
            check.detail
        );
    }
    series
}

/// What was left alone: where, why, and what to do next.
fn left_alone(series: &Series) -> String {
    let refused = series.refused().iter();
    let lines = refused.map(|group| {
        format!(
            "{}: {}\n  {}\n",
            group.subsystem,
            group.reasons.join("; "),
            group.next
        )
    });
    lines.collect()
}

#[test]
fn the_tree_that_comes_with_the_program_is_written_out_whole_and_patched() {
    let fixture = Fixture::new();
    let era = embedded::Era::V6_12;
    let tree = Tree::embedded(Era::Pin);
    let report = callsites::audit(&tree, &AuditOptions::default()).expect("it is audited");
    let series = convert(&tree, &report, &fixture.rehearsal()).expect("it converts");
    let out = fixture.path("series");
    series.write(&out).expect("it can be written");
    let target = fixture.path("patched");
    let applied = apply(&tree, &out, &ApplyOptions::full(&target)).expect("it applies");
    let all = applied.patches.into_iter().flat_map(|patch| patch.files);
    let last: BTreeMap<_, _> = all.collect();
    assert!(!last.is_empty());
    for (path, base) in embedded::files(era) {
        let now = fs::read(target.join(path)).expect("every file is there");
        let expected = match last.get(path) {
            Some(Some(Entry::File { bytes, .. })) => bytes,
            _ => base,
        };
        assert_eq!(now, expected, "{path}");
    }
}

#[test]
fn the_embedded_tree_gives_this_mbox() {
    let series = converted(embedded::Era::V6_12);
    insta::assert_snapshot!("mbox_embedded", text(&series.mbox()));
    insta::assert_snapshot!("left_alone_embedded", left_alone(&series));
}

#[test]
fn the_older_embedded_tree_gives_this_mbox() {
    let series = converted(embedded::Era::V4_19);
    insta::assert_snapshot!("mbox_embedded_4_19", text(&series.mbox()));
    insta::assert_snapshot!("left_alone_embedded_4_19", left_alone(&series));
}
