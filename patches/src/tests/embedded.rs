// SPDX-License-Identifier: MIT OR Apache-2.0
//! The tree that comes with the program: its series, and the tree with the series on top.

use super::{Fixture, text};
use crate::apply::apply;
use crate::info::Outcome;
use crate::options::{ApplyOptions, Select};
use crate::preview::preview;
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
    let all = applied.patches.into_iter().flat_map(|patch| patch.files);
    let last: BTreeMap<_, _> = all.collect();
    let previewed = preview(&tree, &report, &fixture.rehearsal()).expect("it converts");
    assert_eq!(previewed.refused, series.info.refused);
    assert_eq!(
        previewed
            .files
            .keys()
            .map(|path| path.as_path())
            .collect::<Vec<_>>(),
        last.keys().map(|path| path.as_path()).collect::<Vec<_>>()
    );
    for (path, file) in &previewed.files {
        assert_eq!(file.before, tree.read(path).expect("it is there"), "{path}");
        let Some(Entry::File { bytes, .. }) = &last[path.as_path()] else {
            panic!("{path} is a file");
        };
        assert!(file.after == *bytes && file.after != file.before, "{path}");
    }
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
fn a_group_alone_is_previewed_as_its_series_leaves_it() {
    let fixture = Fixture::new();
    let tree = Tree::embedded(Era::Pin);
    let report = callsites::audit(&tree, &AuditOptions::default()).expect("it is audited");
    let mut groups = report.groups.iter().filter(|group| group.convertible);
    let group = groups.nth(3).expect("there are more");
    let mut options = fixture.rehearsal();
    options.select = Select::Groups(vec![group.id.clone()]);
    let previewed = preview(&tree, &report, &options).expect("it converts");
    let series = convert(&tree, &report, &options).expect("it converts");
    let out = fixture.path("series");
    series.write(&out).expect("it can be written");
    let applied =
        apply(&tree, &out, &ApplyOptions::touched(fixture.path("one"))).expect("it applies");
    let files: BTreeMap<_, _> = applied.patches.into_iter().flat_map(|p| p.files).collect();
    assert_eq!(previewed.files.len(), files.len());
    for (path, file) in &previewed.files {
        let Some(Entry::File { bytes, .. }) = &files[path.as_path()] else {
            panic!("{path} is a file");
        };
        assert_eq!(&file.after, bytes, "{path}");
    }
    let replaced = series
        .info
        .patches
        .iter()
        .flat_map(|patch| &patch.callsites);
    let renamed = replaced.filter(|call| call.call != call.becomes).count();
    assert_eq!((previewed.calls.len(), renamed > 0), (renamed, true));
    options.select = Select::Groups(vec!["no such group".into()]);
    assert!(preview(&tree, &report, &options).is_err());
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
