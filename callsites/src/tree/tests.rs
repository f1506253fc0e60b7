// SPDX-License-Identifier: MIT OR Apache-2.0
//! Trees of every kind, good and bad.

use super::*;
use failure::Failure as _;
use std::fs;

const MAKEFILE: &str = "# SPDX\nVERSION = 6\nPATCHLEVEL = 1\nSUBLEVEL = 7\nEXTRAVERSION = -rc2\n";

fn small() -> (tempfile::TempDir, Utf8PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let root = Utf8PathBuf::from_path_buf(dir.path().to_path_buf()).unwrap();
    for (path, text) in [
        ("Makefile", MAKEFILE),
        (
            "include/linux/mm.h",
            "/* pin_user_pages */\nvoid put_user_page(struct page *page);\n",
        ),
        ("mm/gup.c", "int a;\n"),
        ("README", "x"),
        (".git/x.c", "x"),
        ("out/.config", ""),
        ("out/y.c", "x"),
        ("arch/x/include/generated/g.h", "x"),
    ] {
        fs::create_dir_all(root.join(path).parent().unwrap()).unwrap();
        fs::write(root.join(path), text).unwrap();
    }
    (dir, root)
}

#[test]
fn a_directory_gives_its_sources_sorted_and_no_build_output() {
    let (_dir, root) = small();
    let tree = Tree::open(root.as_str()).unwrap();
    assert_eq!(tree.files(), ["include/linux/mm.h", "mm/gup.c"]);
    assert_eq!(tree.version(), "6.1.7-rc2");
    assert_eq!(tree.era(), Era::PutUserPage);
    assert_eq!(tree.read(Utf8Path::new("README")).unwrap(), b"x");
    assert_eq!(tree.unread(), []);
}

#[test]
fn links_that_lead_back_and_names_that_are_not_utf8_are_reported() {
    use std::os::unix::ffi::OsStrExt as _;
    let (_dir, root) = small();
    std::os::unix::fs::symlink("..", root.join("mm/up")).unwrap();
    std::os::unix::fs::symlink("self.c", root.join("mm/self.c")).unwrap();
    fs::write(
        root.as_std_path()
            .join(std::ffi::OsStr::from_bytes(b"mm/\xff.c")),
        "",
    )
    .unwrap();
    let tree = Tree::open(root.as_str()).unwrap();
    let told: Vec<String> = tree
        .unread()
        .iter()
        .map(|u| format!("{}: {}", u.path, u.why))
        .collect();
    assert_eq!(
        told,
        [
            "mm/self.c: symlink loop",
            "mm/up: symlink loop",
            "mm/\u{fffd}.c: not UTF-8 path"
        ]
    );
    assert_eq!(tree.files().len(), 2);
}

#[test]
fn what_is_no_kernel_tree_is_refused_with_a_hint() {
    let dir = tempfile::tempdir().unwrap();
    let error = Tree::open(dir.path().to_str().unwrap()).unwrap_err();
    assert!(matches!(error, Error::NotKernel { .. }));
    assert_eq!(error.hint(), Some(failure::Act::GetTree.into()));
    assert!(matches!(
        Tree::open("/no/such/tree").unwrap_err(),
        Error::Missing { .. }
    ));
}

#[test]
fn a_revision_is_read_from_the_object_store() {
    let (_dir, root) = small();
    let repository = git2::Repository::init(&root).unwrap();
    let mut index = repository.index().unwrap();
    for path in ["Makefile", "mm/gup.c", "include/linux/mm.h"] {
        index.add_path(std::path::Path::new(path)).unwrap();
    }
    let tree = repository.find_tree(index.write_tree().unwrap()).unwrap();
    let who = git2::Signature::new("a", "a@example.org", &git2::Time::new(0, 0)).unwrap();
    let commit = repository
        .commit(Some("HEAD"), &who, &who, "first", &tree, &[])
        .unwrap();
    fs::write(root.join("mm/gup.c"), "changed\n").unwrap();
    let tree = Tree::open(&format!("{root}@HEAD")).unwrap();
    assert_eq!(tree.read(Utf8Path::new("mm/gup.c")).unwrap(), b"int a;\n");
    assert!(
        tree.read(Utf8Path::new("Makefile"))
            .unwrap()
            .starts_with(b"# SPDX")
    );
    assert_eq!(tree.repository().unwrap().1, commit.to_string());
    let error = Tree::open(&format!("{root}@v9.9")).unwrap_err();
    assert!(matches!(error, Error::Revision { .. }));
    assert!(matches!(error.hint(), Some(failure::Hint::Say(hint)) if hint.contains("v9.9")));
}

#[test]
fn the_embedded_trees_tell_their_eras() {
    assert_eq!(Tree::embedded(Era::Pin).era(), Era::Pin);
    let old = Tree::embedded(Era::PutUserPage);
    assert_eq!(old.era(), Era::PutUserPage);
    assert!(old.version().starts_with("4.19"));
    assert!(old.files().len() > 10);
}

#[test]
fn the_number_tells_the_era_of_a_tree_without_its_header() {
    let eras = ["4.19.3", "5.2.0", "5.5-rc1", "5.6.0", "6.12.117"].map(version::era_by_number);
    assert_eq!(
        eras,
        [
            Era::PutPage,
            Era::PutUserPage,
            Era::PutUserPage,
            Era::Pin,
            Era::Pin
        ]
    );
}
