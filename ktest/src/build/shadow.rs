// SPDX-License-Identifier: MIT OR Apache-2.0
//! A tree of links beside the user's tree, in which single files can be replaced.
//!
//! Every directory is a real one; in each, `.tree` points to the user's directory and every file is a link `.tree/NAME`
//! (short, so that it fits the inode). An overlay file system would do the same with privileges and a mount; links work
//! for everyone and stay between runs, so that make's times stay true:
//!
//! - a file laid over is a real file, as new as the moment it was written;
//! - a file given back to the base is not a link again, whose target is old, but a copy of the base's bytes, as new as
//!   the moment it was given back. make compares times only: with a link it would keep the patched object.

use crate::error::Error;
use crate::series::{Content, Overlay, RESERVED as LINK, from_outside, tree_path};
use callsites::tree::beneath::Root;
use camino::{Utf8Path, Utf8PathBuf};
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::symlink;
use walkdir::WalkDir;

/// A shadow of one tree. While it lives, no other process uses the same one.
#[derive(Debug)]
pub(crate) struct Shadow {
    tree: Utf8PathBuf,
    source: Utf8PathBuf,
    state: Utf8PathBuf,
    lock: File,
}

impl Drop for Shadow {
    /// A child that another thread is starting at this moment holds the same lock until it runs its program; so closing the
    /// file is not enough.
    fn drop(&mut self) {
        // It fails for a file that is not open, which it is.
        let _unlocked = flock(&self.lock, FlockOperation::Unlock);
    }
}

impl Shadow {
    /// The shadow of `tree` below `home`, made or brought up to date.
    ///
    /// # Errors
    /// [`Error::Locked`] while another process uses it, [`Error::Io`].
    pub(crate) fn open(tree: &Utf8Path, home: &Utf8Path) -> Result<Shadow, Error> {
        let source = home.join("source");
        std::fs::create_dir_all(&source).map_err(Error::io("make directory", &source))?;
        let lock_path = home.join("lock");
        let lock = File::create(&lock_path).map_err(Error::io("open", &lock_path))?;
        match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => return Err(Error::Locked(home.to_owned())),
            Err(error) => return Err(Error::io("lock", &lock_path)(error.into())),
        }
        let shadow = Shadow {
            tree: tree.to_owned(),
            source,
            state: home.join("replaced"),
            lock,
        };
        shadow.link_all()?;
        Ok(shadow)
    }

    /// Writes a file whole or not at all.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub(crate) fn write_beside(file: &Utf8Path, contents: &[u8]) -> Result<(), Error> {
        write_file(file, contents)
    }

    /// The directory to build from.
    pub(crate) fn source(&self) -> &Utf8Path {
        &self.source
    }

    /// Makes the shadow the tree with `overlay` on top, and nothing else.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub(crate) fn set(&self, overlay: &Overlay) -> Result<(), Error> {
        let mut replaced = self.replaced();
        replaced.extend(overlay.keys().cloned());
        // Written first: what is listed too much is looked at once more, what is listed too little stays patched.
        let list: String = replaced.iter().map(|path| format!("{path}\n")).collect();
        write_file(&self.state, list.as_bytes())?;
        for path in &replaced {
            let wanted = match overlay.get(path) {
                Some(content) => content.clone(),
                None => Content::at(&self.tree, path)?,
            };
            self.place(path, &wanted)?;
        }
        Ok(())
    }

    fn replaced(&self) -> BTreeSet<Utf8PathBuf> {
        let text = std::fs::read_to_string(&self.state).unwrap_or_default();
        text.lines().map(Utf8PathBuf::from).collect()
    }

    /// Nothing is written behind a link: a directory that is one in the tree is one here, and leads there.
    fn place(&self, path: &Utf8Path, content: &Content) -> Result<(), Error> {
        let (place, file) = (tree_path(path)?, self.source.join(path));
        let root = Root::open(&self.source).map_err(from_outside)?;
        let was_directory = std::fs::symlink_metadata(&file).is_ok_and(|is| is.is_dir());
        if was_directory && *content == Content::Gone {
            // There is no such file: a later entry of the list stands beneath it.
            return Ok(());
        }
        if was_directory {
            // Its parents are no links, or this would be refused before anything is removed.
            root.make_directories(&place).map_err(from_outside)?;
            std::fs::remove_dir_all(&file).map_err(Error::io("remove", &file))?;
        }
        if Content::at(&self.source, path)? == *content {
            return Ok(());
        }
        match content {
            Content::Gone => root.remove(&place),
            Content::Link(to) => root.link(&place, to.as_str().as_bytes()),
            Content::File { bytes, executable } => {
                root.write(&place, bytes, if *executable { 0o755 } else { 0o644 })
            }
        }
        .map_err(from_outside)
    }

    /// Adds links for what is new in the tree and takes away those of what is gone.
    fn link_all(&self) -> Result<(), Error> {
        let replaced = self.replaced();
        let theirs = listing(&self.tree, true)?;
        let ours = listing(&self.source, false)?;
        for (path, kind) in ours.iter().rev() {
            if theirs.contains_key(path) || replaced.contains(path) {
                continue;
            }
            let full = self.source.join(path);
            match kind {
                Kind::Directory => std::fs::remove_dir_all(&full).or_else(gone_is_fine),
                Kind::File => std::fs::remove_file(&full).or_else(gone_is_fine),
            }
            .map_err(Error::io("remove", &full))?;
        }
        self.link_directory(Utf8Path::new(""))?;
        for (path, kind) in &theirs {
            if ours.get(path) == Some(kind) {
                continue;
            }
            let full = self.source.join(path);
            match kind {
                Kind::Directory => self.link_directory(path)?,
                Kind::File => {
                    let target = format!("{LINK}/{}", path.file_name().unwrap_or_default());
                    symlink(target, &full).map_err(Error::io("link", &full))?;
                }
            }
        }
        Ok(())
    }

    fn link_directory(&self, path: &Utf8Path) -> Result<(), Error> {
        let full = self.source.join(path);
        std::fs::create_dir_all(&full).map_err(Error::io("make directory", &full))?;
        let link = full.join(LINK);
        if link
            .read_link_utf8()
            .is_ok_and(|to| to == self.tree.join(path))
        {
            return Ok(());
        }
        remove(&link)?;
        symlink(self.tree.join(path), &link).map_err(Error::io("link", &link))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Directory,
    File,
}

/// Everything below `root`, links not followed. Of the user's tree, what a build left in it is not seen: kbuild refuses
/// to build elsewhere from a source tree that was built in.
fn listing(root: &Utf8Path, of_the_user: bool) -> Result<BTreeMap<Utf8PathBuf, Kind>, Error> {
    let mut found = BTreeMap::new();
    let unseen = |relative: &Utf8Path| {
        let built = matches!(
            relative.as_str(),
            ".config"
                | ".config.old"
                | "include/config"
                | "include/generated"
                | "vmlinux"
                | "vmlinux.o"
        );
        let generated = relative.starts_with("arch") && relative.ends_with("include/generated");
        relative.file_name() == Some(".git")
            || relative.file_name() == Some(LINK)
            || (of_the_user && (built || generated))
    };
    let relative_of = |path: &std::path::Path| -> Option<Utf8PathBuf> {
        // Paths of a kernel tree are UTF-8; another file cannot be part of the build.
        Utf8Path::from_path(path)?
            .strip_prefix(root)
            .ok()
            .map(Utf8Path::to_owned)
    };
    let walk = WalkDir::new(root)
        .min_depth(1)
        .into_iter()
        .filter_entry(|entry| relative_of(entry.path()).is_some_and(|r| !unseen(&r)));
    for entry in walk {
        let entry = entry.map_err(|error| {
            let source = error
                .into_io_error()
                .unwrap_or_else(|| std::io::ErrorKind::Other.into());
            Error::io("walk", root)(source)
        })?;
        let kind = if entry.file_type().is_dir() {
            Kind::Directory
        } else {
            Kind::File
        };
        if let Some(relative) = relative_of(entry.path()) {
            found.insert(relative, kind);
        }
    }
    Ok(found)
}

/// Removes what a repository left in the shadow, also that of a run that was killed.
pub(crate) fn forget(root: &Utf8Path) -> Result<(), Error> {
    let dir = root.join(".git");
    match std::fs::remove_dir_all(&dir) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::io("remove", &dir)(error))
        }
        _ => Ok(()),
    }
}

fn gone_is_fine(error: std::io::Error) -> std::io::Result<()> {
    if error.kind() == std::io::ErrorKind::NotFound {
        return Ok(());
    }
    Err(error)
}

fn remove(file: &Utf8Path) -> Result<(), Error> {
    std::fs::remove_file(file)
        .or_else(gone_is_fine)
        .map_err(Error::io("remove", file))
}

/// Writes beside, then renames: a link is replaced, never written through.
pub(crate) fn write_file(file: &Utf8Path, contents: &[u8]) -> Result<(), Error> {
    let parent = file.parent().unwrap_or(Utf8Path::new("."));
    let written = (|| {
        let mut temporary = tempfile::Builder::new()
            .prefix(".new-")
            .tempfile_in(parent)?;
        temporary.write_all(contents)?;
        temporary.persist(file).map_err(|error| error.error)?;
        Ok(())
    })();
    written.map_err(Error::io("write", file))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn setup() -> (tempfile::TempDir, Utf8PathBuf, Utf8PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(dir.path()).unwrap().to_owned();
        let (tree, home) = (root.join("tree"), root.join("home"));
        std::fs::create_dir_all(tree.join("mm/sub")).unwrap();
        std::fs::write(tree.join("Makefile"), "x").unwrap();
        std::fs::write(tree.join("mm/gup.c"), "base").unwrap();
        std::fs::write(tree.join("mm/sub/a.h"), "a").unwrap();
        (dir, tree, home)
    }

    fn overlay(path: &str, contents: Option<&str>) -> Overlay {
        Overlay::from([(path.into(), contents.map_or(Content::Gone, Content::file))])
    }

    fn read(shadow: &Shadow, path: &str) -> Option<String> {
        std::fs::read_to_string(shadow.source().join(path)).ok()
    }

    #[test]
    fn a_dropped_patch_leaves_a_file_newer_than_the_patched_one() {
        let (_dir, tree, home) = setup();
        let shadow = Shadow::open(&tree, &home).unwrap();
        let time = |s: &Shadow| {
            std::fs::metadata(s.source().join("mm/gup.c"))
                .unwrap()
                .modified()
                .unwrap()
        };
        shadow.set(&overlay("mm/gup.c", Some("patched"))).unwrap();
        let patched = time(&shadow);
        assert_eq!(read(&shadow, "mm/gup.c").unwrap(), "patched");
        std::thread::sleep(std::time::Duration::from_millis(20));
        shadow.set(&Overlay::new()).unwrap();
        assert_eq!(read(&shadow, "mm/gup.c").unwrap(), "base");
        assert!(time(&shadow) > patched);
        assert_eq!(
            std::fs::read_to_string(tree.join("mm/gup.c")).unwrap(),
            "base"
        );
    }

    #[test]
    fn the_users_tree_is_never_written_and_its_changes_are_seen() {
        let (_dir, tree, home) = setup();
        {
            let shadow = Shadow::open(&tree, &home).unwrap();
            shadow.set(&overlay("mm/sub/a.h", None)).unwrap();
            assert_eq!(read(&shadow, "mm/sub/a.h"), None);
            shadow.set(&overlay("mm/new/b.c", Some("b"))).unwrap();
            assert_eq!(read(&shadow, "mm/sub/a.h").unwrap(), "a");
        }
        assert!(!tree.join("mm/new").exists());
        std::fs::write(tree.join("mm/late.c"), "late").unwrap();
        std::fs::write(tree.join("mm/sub/a.h"), "changed").unwrap();
        std::fs::remove_file(tree.join("Makefile")).unwrap();
        let shadow = Shadow::open(&tree, &home).unwrap();
        shadow.set(&Overlay::new()).unwrap();
        assert_eq!(read(&shadow, "mm/late.c").unwrap(), "late");
        assert_eq!(read(&shadow, "mm/sub/a.h").unwrap(), "changed");
        assert_eq!(read(&shadow, "Makefile"), None);
        assert_eq!(read(&shadow, "mm/new/b.c"), None);
    }

    #[test]
    fn modes_and_links_come_and_go_and_nothing_is_written_behind_a_link() {
        let (_dir, tree, home) = setup();
        symlink("mm", tree.join("linked")).unwrap();
        let shadow = Shadow::open(&tree, &home).unwrap();
        let script = Content::File {
            bytes: b"base".to_vec(),
            executable: true,
        };
        let mut patched = Overlay::from([("mm/gup.c".into(), script)]);
        patched.insert("mm/alias.c".into(), Content::Link("gup.c".into()));
        shadow.set(&patched).unwrap();
        let mode = |s: &Shadow| {
            let is = std::fs::metadata(s.source().join("mm/gup.c")).unwrap();
            is.permissions().mode() & 0o111
        };
        assert_eq!(
            (mode(&shadow), read(&shadow, "mm/alias.c").unwrap()),
            (0o111, "base".into())
        );
        shadow.set(&Overlay::new()).unwrap();
        assert_eq!((mode(&shadow), read(&shadow, "mm/alias.c")), (0, None));
        for path in ["linked/new.c", "mm/.tree/new.c", "../new.c", "/new.c"] {
            assert!(shadow.set(&overlay(path, Some("x"))).is_err(), "{path}");
            std::fs::remove_file(home.join("replaced")).unwrap();
        }
        assert!(!tree.join("mm/new.c").exists() && !home.join("new.c").exists());
    }

    #[test]
    fn a_second_user_of_a_shadow_is_told_so() {
        let (_dir, tree, home) = setup();
        let _first = Shadow::open(&tree, &home).unwrap();
        assert!(matches!(Shadow::open(&tree, &home), Err(Error::Locked(_))));
    }

    #[test]
    fn a_child_that_is_being_started_does_not_keep_a_shadow() {
        let (_dir, tree, home) = setup();
        let shadow = Shadow::open(&tree, &home).unwrap();
        let _inherited = shadow.lock.try_clone().unwrap();
        drop(shadow);
        assert!(Shadow::open(&tree, &home).is_ok());
    }

    #[test]
    fn what_a_build_left_in_the_tree_is_not_seen() {
        let (_dir, tree, home) = setup();
        std::fs::write(tree.join(".config"), "x").unwrap();
        std::fs::create_dir_all(tree.join("arch/x86/include/generated")).unwrap();
        let shadow = Shadow::open(&tree, &home).unwrap();
        assert_eq!(read(&shadow, ".config"), None);
        assert!(!shadow.source().join("arch/x86/include/generated").exists());
    }
}
