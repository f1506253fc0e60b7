// SPDX-License-Identifier: MIT OR Apache-2.0
//! Layout decides nothing, and neither does another way to write the same. `cargo xtask fuzz --kernel TREE` asks it of every
//! file of a kernel tree that holds a callsite.

use callsites::audit;
use callsites::embedded::{self, Era};
use callsites::fuzz::case::listed;
use callsites::fuzz::compare::difference;
use callsites::fuzz::dice::Dice;
use callsites::fuzz::same::Change;
use callsites::report::Report;
use callsites::tree::Tree;
use camino::{Utf8Path, Utf8PathBuf};
use proptest::prelude::*;
use std::collections::BTreeMap;

fn laid(files: BTreeMap<Utf8PathBuf, Vec<u8>>) -> BTreeMap<Utf8PathBuf, Option<Vec<u8>>> {
    files
        .into_iter()
        .map(|(path, bytes)| (path, Some(bytes)))
        .collect()
}

fn audited(tree: &Tree) -> Report {
    audit(tree, &listed()).unwrap()
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
    #![proptest_config(ProptestConfig { cases: 6, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn neither_layout_nor_another_form_changes_anything_in_the_fixtures(seed in any::<u64>()) {
        let files = fixtures();
        let before = audited(&Tree::embedded(callsites::report::Era::Pin).overlaid(laid(files.clone())));
        prop_assert!(before.callsites.len() > 100, "{} callsites", before.callsites.len());
        let mut dice = Dice::new(seed);
        for change in Change::ALL {
            let other = files.iter().map(|(path, bytes)| (path.clone(), change.of(bytes, &mut dice)));
            let after = audited(&Tree::embedded(callsites::report::Era::Pin).overlaid(laid(other.collect())));
            let found = difference(&before, &after);
            let lines: Vec<&str> = found.lines().collect();
            prop_assert!(found.is_empty(), "{change}: {}", lines.join("\n"));
        }
    }
}
