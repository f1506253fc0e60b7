// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is kept is found again, and what is damaged is not.

use super::*;
use crate::index::Index;
use std::fs;

fn age(path: &Utf8Path, seconds: u64) {
    let file = fs::File::options().write(true).open(path).unwrap();
    let before = file.metadata().unwrap().modified().unwrap();
    file.set_modified(before - Duration::from_secs(seconds))
        .unwrap();
}

fn write(root: &Utf8Path, path: &str, text: &str) {
    fs::create_dir_all(root.join(path).parent().unwrap()).unwrap();
    fs::write(root.join(path), text).unwrap();
    age(&root.join(path), 1);
}

fn tree() -> (tempfile::TempDir, Utf8PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let root = Utf8PathBuf::from_path_buf(dir.path().join("tree")).unwrap();
    for (path, text) in [
        ("Makefile", "VERSION = 6\nPATCHLEVEL = 12\n"),
        ("include/linux/mm.h", "long pin_user_pages(void);\n"),
        (
            "a/hit.c",
            "void put(struct page *p)\n{\n\tput_page(p);\n}\n",
        ),
        ("a/caller.c", "void f(void)\n{\n\tput(p);\n}\n"),
        ("b/other.c", "int x;\n"),
    ] {
        write(&root, path, text);
    }
    (dir, root)
}

fn run(root: &Utf8Path) -> (Index, Changes) {
    let tree = Tree::open(root.as_str()).unwrap();
    let session = Session::open(&tree, &root.with_file_name("cache"));
    let shelf = session.shelf(session.last().as_ref());
    let index = Index::with(&tree, ["put_page"], &shelf);
    session.save(&shelf, b"notes").unwrap();
    (index, shelf.changes().clone())
}

fn functions(index: &Index) -> Vec<String> {
    let files = index.hits.iter();
    files
        .flat_map(|file| {
            let functions = file.functions.iter();
            functions.map(|function| format!("{}:{}", file.path, function.name))
        })
        .collect()
}

#[test]
fn an_index_brought_up_to_date_is_the_one_a_fresh_run_builds() {
    let (_dir, root) = tree();
    assert_eq!(functions(&run(&root).0), ["a/hit.c:put"]);
    let (again, changes) = run(&root);
    assert_eq!(functions(&again), ["a/hit.c:put"]);
    assert!(changes.is_empty());
    write(&root, "a/caller.c", "void h(void) { put_page(q); }\n");
    write(&root, "b/new.c", "void n(void) { put_page(q); }\n");
    fs::remove_file(root.join("b/other.c")).unwrap();
    let (warm, changes) = run(&root);
    assert_eq!(
        functions(&warm),
        ["a/caller.c:h", "a/hit.c:put", "b/new.c:n"]
    );
    assert!(changes.changed.contains(Utf8Path::new("a/caller.c")));
    assert!(changes.added.contains(Utf8Path::new("b/new.c")));
    assert!(changes.gone.contains(Utf8Path::new("b/other.c")));
    assert_eq!(changes.len(), 3);
    fs::remove_dir_all(root.with_file_name("cache")).unwrap();
    assert_eq!(warm, run(&root).0);
}

#[test]
fn a_file_that_was_only_touched_is_the_same() {
    let (_dir, root) = tree();
    run(&root);
    age(&root.join("a/hit.c"), 7);
    assert!(run(&root).1.is_empty());
}

#[test]
fn a_file_written_this_moment_is_read_again() {
    let (_dir, root) = tree();
    run(&root);
    fs::write(root.join("b/other.c"), "int y;\n").unwrap();
    let tree = Tree::open(root.as_str()).unwrap();
    let now = Session::open(&tree, &root.with_file_name("cache"));
    assert_eq!(now.state(), None);
}

/// Every file of the cache, spoilt in turn in every way that `spoil` knows.
fn spoilt(spoil: impl Fn(&mut Vec<u8>)) {
    let (_dir, root) = tree();
    let first = run(&root).0;
    let cache = root.with_file_name("cache");
    let names: Vec<_> = fs::read_dir(&cache).unwrap().flatten().collect();
    assert_eq!(names.len(), 2);
    for entry in names {
        let mut bytes = fs::read(entry.path()).unwrap();
        spoil(&mut bytes);
        fs::write(entry.path(), bytes).unwrap();
        assert_eq!(run(&root).0, first, "{:?}", entry.path());
    }
}

#[test]
fn a_damaged_truncated_or_empty_cache_is_as_good_as_none() {
    spoilt(|bytes| {
        let middle = bytes.len() / 2;
        bytes[middle] ^= 0x55;
    });
    spoilt(|bytes| bytes.truncate(bytes.len() - 1));
    spoilt(|bytes| bytes.truncate(40));
    spoilt(Vec::clear);
    spoilt(|bytes| bytes.extend_from_slice(b"more"));
}

#[test]
fn what_another_build_or_another_version_kept_is_not_used() {
    let (_dir, root) = tree();
    run(&root);
    let tree = Tree::open(root.as_str()).unwrap();
    let mut session = Session::open(&tree, &root.with_file_name("cache"));
    assert!(session.last().is_some());
    let state = session.state().unwrap();
    session.program = Some((1, 1));
    assert!(session.last().is_none());
    assert_ne!(session.state().unwrap(), state);
    let known = session.recall("known", FORMAT).unwrap();
    session.keep("known", "index/1/0.0.0", &known).unwrap();
    assert_eq!(session.recall("known", FORMAT), None);
}

#[test]
fn the_pack_of_one_run_is_not_taken_for_that_of_another() {
    let (_dir, root) = tree();
    let first = run(&root).0;
    let cache = root.with_file_name("cache");
    let pack = fs::read_dir(&cache).unwrap().flatten();
    let pack = pack.map(|entry| entry.path());
    let pack = pack.filter(|path| path.to_string_lossy().contains("facts"));
    let pack: Vec<_> = pack.collect();
    let old = fs::read(&pack[0]).unwrap();
    write(&root, "b/other.c", "void o(void) { put_page(q); }\n");
    let second = run(&root).0;
    // Another run, of the tree as it was, replaced one of the two files.
    fs::write(&pack[0], old).unwrap();
    assert_eq!(run(&root).0, second);
    assert_ne!(first, second);
}

#[test]
fn two_runs_at_once_do_no_harm() {
    let (_dir, root) = tree();
    let first = run(&root).0;
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..10 {
                    assert_eq!(run(&root).0, first);
                }
            });
        }
    });
    assert_eq!(run(&root).0, first);
}

#[test]
fn the_cache_of_other_trees_is_bounded_and_what_killed_runs_left_goes() {
    let (_dir, root) = tree();
    run(&root);
    let cache = root.with_file_name("cache");
    for (name, seconds) in [("facts-old", 50), ("facts-older", 90), ("known-new", 10)] {
        fs::write(cache.join(name), [0; 1000]).unwrap();
        age(&cache.join(name), seconds);
    }
    for (name, seconds) in [(".writing-a", 7200), (".writing-b", 5)] {
        fs::write(cache.join(name), "").unwrap();
        age(&cache.join(name), seconds);
    }
    let tree = Tree::open(root.as_str()).unwrap();
    let session = Session::open(&tree, &cache);
    let own: u64 = ["known", "facts"]
        .map(|name| fs::metadata(session.file(name)).unwrap().len())
        .iter()
        .sum();
    session.tidy(own + 2000).unwrap();
    let there = |name: &str| cache.join(name).exists();
    assert!(there("facts-old") && there("known-new") && !there("facts-older"));
    assert!(there(".writing-b") && !there(".writing-a"));
    session.tidy(0).unwrap();
    assert!(!there("facts-old") && !there("known-new"));
    assert!(session.last().is_some());
}
