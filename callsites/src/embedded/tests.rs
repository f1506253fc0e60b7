// SPDX-License-Identifier: MIT OR Apache-2.0
//! The embedded tree says of every call in it what the audit must say, and says it of nothing else.

use super::*;

/// Calls, by bare text, that take or give back references on pages; definitions and comments left out.
fn calls(text: &str) -> Vec<String> {
    let pattern = regex::Regex::new(
        r"\b((?:get|pin)_user_pages\w*|(?:un)?pin_user_page\w*|put_user_page\w*|put_page|release_pages)\(",
    )
    .expect("the pattern is a constant");
    let code = text.split_once("*/").map_or(text, |(_, code)| code);
    pattern
        .captures_iter(code)
        .map(|found| found[1].to_owned())
        .collect()
}

#[test]
fn every_call_is_named_at_the_head_of_its_file_and_in_its_order() {
    for era in Era::ALL {
        let expected = expectations(era);
        for (path, bytes) in files(era) {
            if path.extension() != Some("c") {
                continue;
            }
            let text = std::str::from_utf8(bytes).unwrap();
            let named: Vec<String> = expected
                .iter()
                .filter(|item| item.path == path)
                .map(|item| item.call.clone())
                .collect();
            assert_eq!(calls(text), named, "{path}");
            assert_eq!(
                text.matches("audit: ").count(),
                named.len(),
                "{path}: a line was not understood"
            );
        }
    }
}

#[test]
fn every_function_that_is_named_is_there() {
    for item in expectations(Era::default()) {
        let bytes = files(Era::default())[item.path.as_path()];
        let text = std::str::from_utf8(bytes).unwrap();
        assert!(text.contains(&format!("{}(", item.function)), "{item:?}");
    }
}

#[test]
fn both_eras_have_the_same_drivers_and_differ_in_mm() {
    let [old, new] = Era::ALL.map(files);
    let drivers = |files: &BTreeMap<&'static Utf8Path, &'static [u8]>| {
        files
            .iter()
            .filter(|(path, _)| path.starts_with("drivers"))
            .map(|(p, b)| (*p, *b))
            .collect::<Vec<_>>()
    };
    assert_eq!(drivers(&old), drivers(&new));
    let header = Utf8Path::new("include/linux/mm.h");
    assert!(!String::from_utf8_lossy(old[header]).contains("unpin_user_page("));
    assert!(!String::from_utf8_lossy(new[header]).contains("put_user_page("));
    assert!(String::from_utf8_lossy(new[Utf8Path::new("Makefile")]).contains("PATCHLEVEL = 12"));
}

#[test]
fn the_tree_is_written_as_it_is_embedded() {
    let dir = tempfile::tempdir().unwrap();
    let root = Utf8Path::from_path(dir.path()).unwrap();
    materialise(Era::V4_19, root).unwrap();
    let written = walkdir::WalkDir::new(root)
        .into_iter()
        .filter(|e| e.as_ref().unwrap().file_type().is_file())
        .count();
    assert_eq!(written, files(Era::V4_19).len());
    for (path, bytes) in files(Era::V4_19) {
        assert_eq!(std::fs::read(root.join(path)).unwrap(), bytes, "{path}");
    }
}

#[test]
fn a_directory_that_cannot_be_made_is_named() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let root = Utf8Path::from_path(file.path()).unwrap();
    let error = materialise(Era::V6_12, root).unwrap_err();
    assert!(error.path.starts_with(root), "{error}");
}
