// SPDX-License-Identifier: MIT OR Apache-2.0
//! Nothing is read, written or removed outside, whatever stands in the tree.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};

/// A tree, and a canary beside it that a run must leave as it is.
struct Place {
    _dir: tempfile::TempDir,
    root: Utf8PathBuf,
    canary: Utf8PathBuf,
    before: BTreeMap<Utf8PathBuf, (u32, Vec<u8>)>,
}

fn place() -> Place {
    let dir = tempfile::tempdir().unwrap();
    let base = Utf8Path::from_path(dir.path()).unwrap();
    let (root, canary) = (base.join("tree"), base.join("canary"));
    fs::create_dir_all(root.join("drivers/misc")).unwrap();
    fs::create_dir_all(canary.join("misc")).unwrap();
    fs::write(root.join("drivers/misc/foo.c"), "int foo;\n").unwrap();
    fs::write(canary.join("misc/foo.c"), "canary\n").unwrap();
    fs::write(canary.join("secret"), "secret\n").unwrap();
    fs::set_permissions(canary.join("secret"), fs::Permissions::from_mode(0o600)).unwrap();
    let before = listed(&canary);
    Place {
        _dir: dir,
        root,
        canary,
        before,
    }
}

fn listed(dir: &Utf8Path) -> BTreeMap<Utf8PathBuf, (u32, Vec<u8>)> {
    let mut found = BTreeMap::new();
    for entry in walkdir::WalkDir::new(dir) {
        let entry = entry.unwrap();
        let path = Utf8PathBuf::from_path_buf(entry.path().to_owned()).unwrap();
        let mode = entry.metadata().unwrap().permissions().mode();
        let bytes = fs::read(&path).unwrap_or_default();
        found.insert(path, (mode, bytes));
    }
    found
}

impl Place {
    fn root(&self) -> Root {
        Root::open(&self.root).unwrap()
    }

    fn unchanged(&self) {
        assert_eq!(listed(&self.canary), self.before);
    }
}

fn tree_path(text: &str) -> TreePath {
    TreePath::parse(text).unwrap()
}

fn why<T: std::fmt::Debug>(result: Result<T, Error>) -> Refusal {
    match result.unwrap_err() {
        Error::Refused { why, .. } => why,
        Error::Io { path, source } => panic!("access {path}: {source}"),
    }
}

fn fifo(path: &Utf8Path) {
    rustix::fs::mknodat(
        rustix::fs::CWD,
        path.as_std_path(),
        FileType::Fifo,
        Mode::RUSR | Mode::WUSR,
        0,
    )
    .unwrap();
}

#[test]
fn a_path_that_git_would_refuse_in_a_patch_is_none() {
    for (text, expected) in [
        ("", Refusal::Empty),
        ("/etc/passwd", Refusal::Absolute),
        ("//etc/passwd", Refusal::Absolute),
        ("../foo.c", Refusal::Outside),
        ("mm/../../foo.c", Refusal::Outside),
        ("mm/..", Refusal::Outside),
        ("./mm/gup.c", Refusal::NotNormal),
        ("mm//gup.c", Refusal::NotNormal),
        ("mm/./gup.c", Refusal::NotNormal),
        ("mm/", Refusal::NotNormal),
        (".git/config", Refusal::Git),
        ("mm/.GiT/hooks/pre-commit", Refusal::Git),
        ("mm/gup.c\nx", Refusal::Control),
        ("mm/\u{1b}[2J", Refusal::Control),
        ("mm/\0", Refusal::Control),
    ] {
        assert_eq!(why(TreePath::parse(text)), expected, "{text:?}");
    }
    let long = "x".repeat(256);
    assert_eq!(why(TreePath::parse(&long)), Refusal::TooLong);
    assert_eq!(why(TreePath::parse(&"x/".repeat(2100))), Refusal::TooLong);
    for text in [
        "Makefile",
        "mm/gup.c",
        ".gitignore",
        "a b/..c",
        "mm/...",
        "ü/x.c",
    ] {
        assert_eq!(tree_path(text).as_str(), text);
    }
}

#[test]
fn what_a_record_says_is_checked_where_it_is_read() {
    let read = |text: &str| serde_json::from_str::<Vec<TreePath>>(text);
    assert_eq!(read("[\"mm/gup.c\"]").unwrap(), [tree_path("mm/gup.c")]);
    let error = read("[\"mm/gup.c\", \"../x\"]").unwrap_err().to_string();
    assert!(error.contains("it leads out of its directory"), "{error}");
}

#[test]
fn what_is_written_is_read_again_with_its_permissions() {
    let place = place();
    let root = place.root();
    let path = tree_path("drivers/new/deep/bar.sh");
    assert_eq!(root.entry(&path).unwrap(), None);
    root.write(&path, b"#!/bin/sh\n", 0o750).unwrap();
    let file = Entry::File {
        bytes: b"#!/bin/sh\n".to_vec(),
        permissions: 0o750,
    };
    assert_eq!(root.entry(&path).unwrap(), Some(file));
    let names: Vec<_> = fs::read_dir(place.root.join("drivers/new/deep"))
        .unwrap()
        .collect();
    assert_eq!(names.len(), 1, "nothing is left beside it");
    root.remove(&path).unwrap();
    assert!(!place.root.join("drivers/new").exists());
    assert!(place.root.join("drivers/misc/foo.c").exists());
    root.remove(&path).unwrap();
}

#[test]
fn a_link_on_the_way_is_refused_for_every_act_and_both_ways_of_looking() {
    let place = place();
    symlink(&place.canary, place.root.join("out")).unwrap();
    symlink("drivers/misc", place.root.join("in")).unwrap();
    let root = place.root();
    for text in ["out/misc/foo.c", "out/secret", "in/foo.c", "out/new/bar.c"] {
        let path = tree_path(text);
        assert_eq!(why(root.read(&path)), Refusal::Link, "{text}");
        assert_eq!(why(root.entry(&path)), Refusal::Link, "{text}");
        assert_eq!(why(root.write(&path, b"x", 0o644)), Refusal::Link, "{text}");
        assert_eq!(why(root.link(&path, b"x")), Refusal::Link, "{text}");
        assert_eq!(why(root.remove(&path)), Refusal::Link, "{text}");
        assert_eq!(why(root.make_directories(&path)), Refusal::Link, "{text}");
    }
    for open in [open_beneath, walk_beneath] {
        let opened = |path: &str| open(root.directory.as_fd(), path).map(drop);
        assert_eq!(opened("out"), Err(Errno::LOOP));
        assert_eq!(opened("out/misc"), Err(Errno::LOOP));
        assert_eq!(opened("drivers/misc/foo.c"), Err(Errno::NOTDIR));
        assert_eq!(opened("drivers/none"), Err(Errno::NOENT));
        assert_eq!(opened("drivers/misc"), Ok(()));
    }
    place.unchanged();
}

#[test]
fn a_link_in_the_place_of_a_file_is_not_read_and_not_written_through() {
    let place = place();
    let path = tree_path("drivers/misc/link.c");
    let full = place.root.join(path.as_path());
    let target = place.canary.join("secret");
    symlink(&target, &full).unwrap();
    let root = place.root();
    assert_eq!(why(root.read(&path)), Refusal::Link);
    let link = Entry::Link {
        target: target.as_str().into(),
    };
    assert_eq!(root.entry(&path).unwrap(), Some(link));
    root.write(&path, b"mine\n", 0o644).unwrap();
    assert!(full.symlink_metadata().unwrap().is_file());
    place.unchanged();
    root.link(&path, target.as_str().as_bytes()).unwrap();
    assert_eq!(full.read_link_utf8().unwrap(), target);
    root.remove(&path).unwrap();
    assert!(full.symlink_metadata().is_err());
    place.unchanged();
}

#[test]
fn what_is_no_ordinary_file_is_refused_and_does_not_hang() {
    let place = place();
    fifo(&place.root.join("fifo.c"));
    let root = place.root();
    for text in ["fifo.c", "drivers"] {
        let path = tree_path(text);
        assert_eq!(why(root.read(&path)), Refusal::NotOrdinary, "{text}");
        let written = root.write(&path, b"x", 0o644);
        assert_eq!(why(written), Refusal::NotOrdinary, "{text}");
        assert_eq!(why(root.remove(&path)), Refusal::NotOrdinary, "{text}");
    }
    // It stood the test, then became a FIFO: its opening does not wait for a writer.
    let opened = contents(root.directory.as_fd(), &tree_path("fifo.c"));
    assert_eq!(why(opened), Refusal::NotOrdinary);
    let devices = Root::open(Utf8Path::new("/dev")).unwrap();
    assert_eq!(why(devices.read(&tree_path("zero"))), Refusal::NotOrdinary);
    let beneath = tree_path("drivers/misc/foo.c/bar.c");
    assert_eq!(root.read(&beneath).unwrap(), None);
    let written = root.write(&beneath, b"x", 0o644);
    assert_eq!(why(written), Refusal::NotADirectory);
}

#[test]
fn a_file_over_the_limit_is_refused_without_being_read() {
    let place = place();
    let path = tree_path("drivers/misc/foo.c");
    let file = fs::File::options()
        .write(true)
        .open(place.root.join(path.as_path()))
        .unwrap();
    file.set_len(LIMIT).unwrap();
    assert_eq!(
        place.root().read(&path).unwrap().unwrap().len() as u64,
        LIMIT
    );
    // Sparse: it would not fit into memory.
    file.set_len(1 << 40).unwrap();
    assert_eq!(why(place.root().read(&path)), Refusal::TooLarge);
}

proptest! {
    #[test]
    fn what_the_parser_takes_stays_beneath(text in "[a-c./]{0,12}|(\\.{0,3}[a-z]{0,3}/){0,4}[.a-z]{0,4}") {
        if let Ok(path) = TreePath::parse(&text) {
            let mut depth = 0;
            for part in std::path::Path::new(path.as_str()).components() {
                prop_assert!(matches!(part, std::path::Component::Normal(_)));
                depth += 1;
            }
            prop_assert_eq!(depth, text.split('/').count());
        }
    }
}

#[test]
fn a_link_that_leads_out_is_told_by_its_text() {
    let path = TreePath::parse("scripts/dtc/include-prefixes/arm").unwrap();
    for target in [
        "../../../arch/arm/boot/dts",
        "arm64",
        "./../x/y",
        "../../..",
    ] {
        assert!(path.leads_inside(target.as_bytes()), "{target}");
    }
    for target in [
        "/etc/passwd",
        "../../../../x",
        "../../../..",
        "",
        "a/../../../../../x",
        ".git/config",
        "../../../.GIT/hooks/x",
        "a\nb",
    ] {
        assert!(!path.leads_inside(target.as_bytes()), "{target}");
    }
    assert!(!path.leads_inside(b"\xff"));
}

#[test]
fn a_link_that_steps_up_from_another_link_leads_out() {
    // With `l` a link to the root of the tree, `l/../x` stands beside the tree.
    let path = TreePath::parse("drivers/misc/m").unwrap();
    for target in ["l/../x", "../misc/l/../x", "./l/./../x", "l/.."] {
        assert!(!path.leads_inside(target.as_bytes()), "{target}");
    }
}
