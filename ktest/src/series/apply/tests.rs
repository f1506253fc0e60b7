// SPDX-License-Identifier: MIT OR Apache-2.0
//! What patches do to a tree without git, and what hostile ones must not do to anything beside it.

use super::*;
use failure::Failure as _;
use std::os::unix::fs::{PermissionsExt, symlink};

/// A tree, a series beside it, and a canary that nothing may touch.
struct Desk {
    _dir: tempfile::TempDir,
    root: Utf8PathBuf,
}

const CANARY: &str = "nobody may read or write this\nthe secret\n";

impl Desk {
    fn new() -> Desk {
        let dir = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(dir.path()).unwrap().to_owned();
        for dir in ["tree/d/sub", "series", "canary"] {
            std::fs::create_dir_all(root.join(dir)).unwrap();
        }
        std::fs::write(root.join("tree/d/a.c"), "one\ntwo\nthree\n").unwrap();
        std::fs::write(root.join("tree/d/empty.c"), "").unwrap();
        std::fs::write(root.join("canary/file"), CANARY).unwrap();
        std::fs::set_permissions(
            root.join("canary/file"),
            std::fs::Permissions::from_mode(0o600),
        )
        .unwrap();
        symlink("a.c", root.join("tree/d/link.c")).unwrap();
        symlink(root.join("canary"), root.join("tree/out")).unwrap();
        Desk { _dir: dir, root }
    }

    fn stage(&self, diffs: &[&str]) -> Result<Vec<Staged>, Error> {
        for (index, diff) in diffs.iter().enumerate() {
            let mail =
                format!("From: A <a@b.c>\nSubject: [PATCH] a: patch {index}\n\ntext\n---\n{diff}");
            std::fs::write(self.root.join(format!("series/{index:04}1-a.patch")), mail).unwrap();
        }
        let source = Source::at(&self.root.join("tree"), "6.12");
        let staged = stage(&source, &self.root.join("series"));
        self.canary_sings();
        staged
    }

    fn canary_sings(&self) {
        let file = self.root.join("canary/file");
        assert_eq!(std::fs::read_to_string(&file).unwrap(), CANARY);
        assert_eq!(
            std::fs::metadata(&file).unwrap().permissions().mode() & 0o777,
            0o600
        );
        assert_eq!(
            std::fs::read_dir(self.root.join("canary")).unwrap().count(),
            1
        );
        let text = std::fs::read_to_string(self.root.join("tree/d/a.c")).unwrap();
        assert_eq!(text, "one\ntwo\nthree\n", "the tree is never written");
    }

    fn one(&self, diff: &str) -> Overlay {
        self.stage(&[diff]).unwrap().remove(0).overlay
    }
}

const EDIT: &str = "--- a/d/a.c\n+++ b/d/a.c\n@@ -1,3 +1,3 @@\n one\n-two\n+2\n three\n";

#[test]
fn a_hunk_that_the_tree_does_not_have_is_shown_beside_the_trees_lines() {
    let desk = Desk::new();
    let error = desk.stage(&[&EDIT.replace("-two", "-zwei")]).unwrap_err();
    assert_eq!(error.exit(), Exit::Conflict);
    let said = error.to_string();
    assert!(said.contains("-zwei") && said.contains("2 two"), "{said}");
    let overlay = desk.one(EDIT);
    assert_eq!(
        overlay[Utf8Path::new("d/a.c")],
        Content::file("one\n2\nthree\n")
    );
}

#[test]
fn files_links_and_modes_come_and_go_on_a_tree_without_git() {
    let desk = Desk::new();
    let new = "diff --git a/n/new.c b/n/new.c\nnew file mode 100644\n--- /dev/null\n+++ b/n/new.c\n@@ -0,0 +1 @@\n+new\n";
    assert_eq!(
        desk.one(new)[Utf8Path::new("n/new.c")],
        Content::file("new\n")
    );
    let gone = "diff --git a/d/a.c b/d/a.c\ndeleted file mode 100644\n--- a/d/a.c\n+++ /dev/null\n@@ -1,3 +0,0 @@\n-one\n-two\n-three\n";
    assert_eq!(desk.one(gone)[Utf8Path::new("d/a.c")], Content::Gone);
    let empty =
        "diff --git a/d/empty.c b/d/empty.c\ndeleted file mode 100644\nindex e69de29..0000000\n";
    assert_eq!(desk.one(empty)[Utf8Path::new("d/empty.c")], Content::Gone);
    let mode = "diff --git a/d/a.c b/d/a.c\nold mode 100644\nnew mode 100755\n";
    let executable = Content::File {
        bytes: b"one\ntwo\nthree\n".to_vec(),
        executable: true,
    };
    assert_eq!(desk.one(mode)[Utf8Path::new("d/a.c")], executable);
    let unlink = "diff --git a/d/link.c b/d/link.c\ndeleted file mode 120000\n--- a/d/link.c\n+++ /dev/null\n@@ -1 +0,0 @@\n-a.c\n\\ No newline at end of file\n";
    assert_eq!(desk.one(unlink)[Utf8Path::new("d/link.c")], Content::Gone);
    let link = "diff --git a/d/sub/l.c b/d/sub/l.c\nnew file mode 120000\n--- /dev/null\n+++ b/d/sub/l.c\n@@ -0,0 +1 @@\n+../a.c\n\\ No newline at end of file\n";
    assert_eq!(
        desk.one(link)[Utf8Path::new("d/sub/l.c")],
        Content::Link("../a.c".into())
    );
    let rename =
        "diff --git a/d/a.c b/d/b.c\nsimilarity index 100%\nrename from d/a.c\nrename to d/b.c\n";
    let overlay = desk.one(rename);
    assert_eq!(overlay[Utf8Path::new("d/a.c")], Content::Gone);
    assert_eq!(
        overlay[Utf8Path::new("d/b.c")],
        Content::file("one\ntwo\nthree\n")
    );
}

#[test]
fn what_lies_outside_is_neither_read_nor_written() {
    let desk = Desk::new();
    let canary = desk.root.join("canary/file");
    let edit = |old: &str, new: &str| {
        format!("--- {old}\n+++ {new}\n@@ -1,2 +1,2 @@\n-nobody may read or write this\n+x\n")
    };
    let add = |path: &str| {
        format!(
            "diff --git a/{path} b/{path}\nnew file mode 100644\n--- /dev/null\n+++ b/{path}\n@@ -0,0 +1 @@\n+x\n"
        )
    };
    let link = |path: &str, to: &str| {
        format!(
            "diff --git a/{path} b/{path}\nnew file mode 120000\n--- /dev/null\n+++ b/{path}\n@@ -0,0 +1 @@\n+{to}\n\\ No newline at end of file\n"
        )
    };
    let hostile = [
        edit(&format!("a/{canary}"), &format!("b/{canary}")),
        edit("a/../canary/file", "b/../canary/file"),
        edit("a/d/../../canary/file", "b/d/../../canary/file"),
        edit("a/out/file", "b/out/file"),
        add("../canary/new"),
        add("out/new"),
        add("d/link.c/new"),
        add(".git/hooks/post-checkout"),
        add("d/.GIT/config"),
        add(".tree/new"),
        link("d/x.c", canary.as_str()),
        link("d/x.c", "../../canary/file"),
        "diff --git a/../canary/file b/../canary/file\ndeleted file mode 100600\nindex e69de29..0000000\n".to_owned(),
        "diff --git a/d/a.c b/d/b.c\nsimilarity index 100%\nrename from ../canary/file\nrename to d/b.c\n".to_owned(),
        "diff --git \"a/d/a\\nb\" \"b/d/a\\nb\"\nnew file mode 100644\n--- /dev/null\n+++ \"b/d/a\\nb\"\n@@ -0,0 +1 @@\n+x\n".to_owned(),
    ];
    for patch in &hostile {
        let error = desk.stage(&[patch]).expect_err(patch);
        assert_eq!(error.exit(), Exit::Usage, "{patch}: {error}");
        let all = format!("{error} {:?}", error);
        assert!(!all.contains("the secret"), "{all}");
    }
}

#[test]
fn a_file_that_the_tree_has_not_is_a_conflict_whatever_else_has_one_of_that_name() {
    let desk = Desk::new();
    let canary = desk.root.join("canary/file");
    let name = &canary.as_str()[1..];
    let edit = format!(
        "--- a/{name}\n+++ b/{name}\n@@ -1,2 +1,2 @@\n-nobody may read or write this\n+x\n"
    );
    let error = desk.stage(&[&edit]).unwrap_err();
    assert_eq!(error.exit(), Exit::Conflict, "{error}");
}

#[test]
fn a_path_in_the_text_of_a_mail_is_no_path() {
    let desk = Desk::new();
    let text = format!("--- a/../canary/file\n+++ b/../canary/file\nmore talk\n\n{EDIT}");
    let mail = format!("From: A <a@b.c>\nSubject: [PATCH] a: count\n\n> {text}");
    std::fs::write(desk.root.join("series/0001-a.patch"), mail).unwrap();
    let source = Source::at(&desk.root.join("tree"), "6.12");
    // Whether git takes the text for a patch or not, nothing outside is touched.
    let _either = stage(&source, &desk.root.join("series"));
    desk.canary_sings();
}

#[test]
fn a_pipe_in_the_tree_or_the_series_does_not_hang_the_run() {
    let desk = Desk::new();
    let fifo = |path: &Utf8Path| {
        let mode = rustix::fs::Mode::from_raw_mode(0o644);
        rustix::fs::mkfifoat(rustix::fs::CWD, path.as_std_path(), mode).unwrap();
    };
    fifo(&desk.root.join("tree/d/pipe.c"));
    let edit = EDIT.replace("d/a.c", "d/pipe.c");
    assert!(desk.stage(&[&edit]).is_err());
    fifo(&desk.root.join("series/9999-pipe.patch"));
    let error = desk.stage(&[EDIT]).unwrap_err();
    assert_eq!(error.exit(), Exit::Usage, "{error}");
}

#[test]
fn a_mail_that_is_a_link_or_has_no_end_is_not_read() {
    for hostile in ["link", "device", "large"] {
        let desk = Desk::new();
        let mail = desk.root.join("series/9999-odd.patch");
        match hostile {
            "link" => symlink(desk.root.join("canary/file"), &mail).unwrap(),
            "device" => symlink("/dev/zero", &mail).unwrap(),
            // Sparse: it takes no place on the disk.
            _ => std::fs::File::create(&mail)
                .unwrap()
                .set_len(5 << 30)
                .unwrap(),
        }
        let error = desk.stage(&[EDIT]).unwrap_err();
        assert_eq!(error.exit(), Exit::Usage, "{hostile}: {error}");
    }
}

#[test]
fn a_file_of_mails_may_be_named_by_a_link_and_is_bounded() {
    let desk = Desk::new();
    let source = Source::at(&desk.root.join("tree"), "6.12");
    std::fs::write(desk.root.join("one.patch"), EDIT).unwrap();
    symlink("one.patch", desk.root.join("link.patch")).unwrap();
    assert_eq!(
        stage(&source, &desk.root.join("link.patch")).unwrap().len(),
        1
    );
    let large = desk.root.join("large.mbox");
    std::fs::File::create(&large)
        .unwrap()
        .set_len(5 << 30)
        .unwrap();
    symlink("/dev/zero", desk.root.join("zero.mbox")).unwrap();
    for name in ["large.mbox", "zero.mbox"] {
        let error = stage(&source, &desk.root.join(name)).unwrap_err();
        assert_eq!(error.exit(), Exit::Usage, "{name}: {error}");
    }
}

#[test]
fn a_later_patch_sees_what_an_earlier_one_made() {
    let desk = Desk::new();
    let back = "--- a/d/a.c\n+++ b/d/a.c\n@@ -1,3 +1,3 @@\n one\n-2\n+two\n three\n";
    let staged = desk.stage(&[EDIT, back]).unwrap();
    assert_eq!(staged[0].touched, ["d/a.c"]);
    assert_eq!(staged[1].touched, ["d/a.c"]);
    let base = Content::file("one\ntwo\nthree\n");
    assert_eq!(staged[1].overlay[Utf8Path::new("d/a.c")], base);
}
