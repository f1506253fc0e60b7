// SPDX-License-Identifier: MIT OR Apache-2.0
//! The tree that comes with the program: its series, and the tree with the series on top.

use super::{Fixture, text};
use crate::apply::apply;
use crate::fixture::report;
use crate::options::ApplyOptions;
use crate::series::Series;
use crate::series::unit;
use crate::whole::convert;
use callsites::embedded::{self, Expectation, Expected};
use callsites::report::{Era, Group, Report, Role};
use callsites::tree::Tree;
use callsites::tree::beneath::Entry;
use camino::Utf8Path;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;

/// The report that the heads of the embedded tree's files ask for, one group a driver.
fn embedded_report(tree: &Tree, era: embedded::Era) -> Report {
    let all = embedded::expectations(era);
    // Where a release serves pages of several origins, the whole driver is left alone.
    let mixed: BTreeSet<String> = all
        .iter()
        .filter(|expectation| expectation.expected == Expected::Mixed)
        .map(|expectation| unit::unit(expectation.path.as_str()))
        .collect();
    let wanted: Vec<Expectation> = all
        .into_iter()
        .filter(|expectation| expectation.expected == Expected::Convert)
        .collect();
    let paths: BTreeSet<&Utf8Path> = wanted.iter().map(|e| e.path.as_path()).collect();
    let texts: Vec<(&str, String)> = paths
        .into_iter()
        .map(|path| {
            let bytes = tree.read(path).expect("it comes with the program");
            (path.as_str(), String::from_utf8_lossy(&bytes).into_owned())
        })
        .collect();
    let files: Vec<(&str, &str)> = texts
        .iter()
        .map(|(path, text)| (*path, text.as_str()))
        .collect();
    let mut report = report(tree.era(), &files);
    report.tree = tree.info();
    let mut seen: BTreeMap<(String, String, String), usize> = BTreeMap::new();
    report.callsites.retain(|site| {
        let key = (site.path.clone(), site.function.clone(), site.call.clone());
        let count = seen.entry(key).or_default();
        let ordinal = *count;
        *count += 1;
        wanted.iter().any(|e| {
            e.path == site.path
                && e.function == site.function
                && e.call == site.call
                && e.ordinal == ordinal
        })
    });
    let mut groups: BTreeMap<String, Group> = BTreeMap::new();
    for site in &mut report.callsites {
        let unit = unit::unit(&site.path);
        let group = groups.entry(unit.clone()).or_insert_with(|| Group {
            id: format!("group of {unit}"),
            subsystem: unit,
            acquires: Vec::new(),
            releases: Vec::new(),
            dirties: Vec::new(),
            convertible: true,
            blocked_by: Vec::new(),
            plan: Vec::new(),
        });
        site.group = Some(group.id.clone());
        match site.role {
            Role::Acquire => group.acquires.push(site.id.clone()),
            Role::Release => group.releases.push(site.id.clone()),
            Role::Dirty => group.dirties.push(site.id.clone()),
        }
    }
    for unit in mixed {
        if let Some(group) = groups.get_mut(&unit) {
            group.convertible = false;
            group.blocked_by = vec!["a release serves pages of several origins".into()];
        }
    }
    report.groups = groups.into_values().collect();
    report
}

/// The series of the embedded tree, and the tree applied to.
fn converted(era: embedded::Era) -> Series {
    let fixture = Fixture::new();
    let dir = fixture.path("embedded");
    embedded::materialise(era, &dir).expect("it can be written");
    let tree = Tree::open(dir.as_str()).expect("a kernel tree");
    let report = embedded_report(&tree, era);
    let series = convert(&tree, &report, &fixture.rehearsal()).expect("it converts");
    let refused = series
        .refused()
        .iter()
        .map(|group| group.subsystem.as_str());
    assert_eq!(refused.collect::<Vec<_>>(), ["drivers/misc/mixpool"]);
    let out = fixture.path("series");
    series.write(&out).expect("it can be written");
    let target = fixture.path("patched");
    let applied = apply(&tree, &out, &ApplyOptions::full(&target)).expect("it applies");
    assert_eq!(applied.patches.len(), series.info.patches.len());
    series
}

#[test]
fn the_tree_that_comes_with_the_program_is_written_out_whole_and_patched() {
    let fixture = Fixture::new();
    let era = embedded::Era::V6_12;
    let tree = Tree::embedded(Era::Pin);
    let report = embedded_report(&tree, era);
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
}

#[test]
fn the_older_embedded_tree_gives_this_mbox() {
    let series = converted(embedded::Era::V4_19);
    insta::assert_snapshot!("mbox_embedded_4_19", text(&series.mbox()));
}
