// SPDX-License-Identifier: MIT OR Apache-2.0
//! What an audit takes from the cache, and what it leaves there.

use super::*;
use std::collections::BTreeMap;
use std::fs;

const FILE: &str = "void f(void)\n{\n\tstruct page *p;\n\n\tget_user_pages_fast(0, 1, 0, &p);\n\tput_page(p);\n}\n";

/// Files as old as those of a tree that was not made this very moment.
fn write(root: &Utf8Path, path: &str, text: &str) {
    fs::write(root.join(path), text).unwrap();
    let file = fs::File::options()
        .write(true)
        .open(root.join(path))
        .unwrap();
    let before = file.metadata().unwrap().modified().unwrap();
    file.set_modified(before - std::time::Duration::from_secs(1))
        .unwrap();
}

fn tree() -> (tempfile::TempDir, Utf8PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let root = Utf8PathBuf::from_path_buf(dir.path().join("tree")).unwrap();
    for (path, text) in [
        ("Makefile", "VERSION = 6\nPATCHLEVEL = 12\n"),
        ("include/linux/mm.h", "long pin_user_pages(void);\n"),
        ("a/a.c", FILE),
        ("b/b.c", FILE),
    ] {
        fs::create_dir_all(root.join(path).parent().unwrap()).unwrap();
        write(&root, path, text);
    }
    (dir, root)
}

fn options(root: &Utf8Path) -> AuditOptions {
    AuditOptions {
        cache: Some(root.with_file_name("cache")),
        ..AuditOptions::default()
    }
}

/// Puts a report into the cache that no audit would make, to see whether it is taken.
fn forge(root: &Utf8Path, all: bool) -> Report {
    let tree = Tree::open(root.as_str()).unwrap();
    let mut report = audit(
        &tree,
        &AuditOptions {
            all,
            ..options(root)
        },
    )
    .unwrap();
    report.coverage.functions = 4711;
    let session = Session::open(&tree, &root.with_file_name("cache"));
    keep(&session, NOW, session.state().as_deref(), all, &report);
    report
}

#[test]
fn a_report_of_an_unchanged_tree_is_taken_from_the_cache_and_then_cut_to_the_paths() {
    let (_dir, root) = tree();
    let forged = forge(&root, false);
    let tree = Tree::open(root.as_str()).unwrap();
    assert_eq!(audit(&tree, &options(&root)).unwrap(), forged);
    let mut wanted = options(&root);
    wanted.paths = vec!["a".into()];
    let cut = audit(&tree, &wanted).unwrap();
    assert_eq!(cut.coverage.functions, 4711);
    assert!(!cut.callsites.is_empty());
    assert!(cut.callsites.iter().all(|site| site.path == "a/a.c"));
    // With all releases it is another report, which was not forged.
    wanted.all = true;
    assert_ne!(audit(&tree, &wanted).unwrap().coverage.functions, 4711);
}

#[test]
fn a_tree_with_something_laid_over_it_is_read_beside_what_is_kept_and_leaves_nothing() {
    let (_dir, root) = tree();
    let kept = |root: &Utf8Path| {
        let mut all: Vec<(String, Vec<u8>)> = fs::read_dir(root.with_file_name("cache"))
            .unwrap()
            .map(|entry| {
                let entry = entry.unwrap();
                let name = entry.file_name().to_string_lossy().into_owned();
                (name, fs::read(entry.path()).unwrap())
            })
            .collect();
        all.sort();
        all
    };
    // Kept first, so that the forged report would be seen if it were taken.
    forge(&root, false);
    let before = kept(&root);
    for laid in [
        "int nothing;\n",
        "int f(struct page *p)\n{\n\tput_page(p);\n\treturn 0;\n}\n",
    ] {
        let over = |path: &str| BTreeMap::from([(path.into(), Some(laid.as_bytes().to_vec()))]);
        for path in ["a/a.c", "a/new.c"] {
            let tree = Tree::open(root.as_str()).unwrap().overlaid(over(path));
            let report = audit(&tree, &options(&root)).unwrap();
            assert_ne!(report.coverage.functions, 4711, "{path}");
            assert_eq!(
                report,
                audit(&tree, &AuditOptions::default()).unwrap(),
                "{path}"
            );
        }
    }
    assert_eq!(kept(&root), before);
}

#[test]
fn a_report_is_made_anew_when_a_file_or_the_version_of_the_tree_changes() {
    for (path, text) in [
        ("a/a.c", "int nothing;\n"),
        ("Makefile", "VERSION = 6\nPATCHLEVEL = 13\n"),
    ] {
        let (_dir, root) = tree();
        forge(&root, false);
        write(&root, path, text);
        let tree = Tree::open(root.as_str()).unwrap();
        let report = audit(&tree, &options(&root)).unwrap();
        assert_ne!(report.coverage.functions, 4711, "{path}");
        let fresh = AuditOptions::default();
        assert_eq!(report, audit(&tree, &fresh).unwrap(), "{path}");
    }
}
