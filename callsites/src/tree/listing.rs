// SPDX-License-Identifier: MIT OR Apache-2.0
//! The files of a directory tree as an earlier run listed them.
//!
//! A directory in which nothing was made, removed or renamed has the time it had, and is not listed again. One that has
//! another time is; where the names in it are the same, so is the list of all files.

use super::directory::{self, Found};
use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};
use std::io::{self, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Changes whenever what is listed does.
const FORMAT: &str = concat!("listing/1/", env!("CARGO_PKG_VERSION"));

/// What a list may take: a hundred times the list of a kernel's files.
const MOST_BYTES: u64 = 512 << 20;

#[derive(Debug, Serialize, Deserialize)]
struct Listing {
    format: String,
    directories: Vec<Listed>,
    found: Found,
}

/// One directory.
#[derive(Debug, Serialize, Deserialize)]
struct Listed {
    path: Utf8PathBuf,
    /// Nanoseconds of its last change, and inode; None when it is to be listed every time.
    stamp: Option<(i128, u64)>,
    /// Hash of all that was found in it.
    names: [u8; 32],
}

/// The files under `root`: those that `file` lists as long as that is true, else those of a walk, which is kept there.
pub(super) fn of(root: &Utf8Path, file: &Utf8Path) -> Found {
    if let Some(found) = read(file).and_then(|listing| confirmed(root, listing)) {
        return found;
    }
    let listing = walk(root);
    // Whoever cannot write pays for a walk each time.
    let _ = write(file, &listing);
    listing.found
}

fn confirmed(root: &Utf8Path, listing: Listing) -> Option<Found> {
    for listed in &listing.directories {
        let now = stamp(&root.join(&listed.path));
        if now.is_none() || now != listed.stamp {
            let (_, names, _) = directory::listed(root, &listed.path)?;
            if names != listed.names {
                return None;
            }
        }
    }
    Some(listing.found)
}

fn walk(root: &Utf8Path) -> Listing {
    let mut listing = Listing {
        format: FORMAT.to_owned(),
        directories: Vec::new(),
        found: Found::default(),
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.unwrap_or_default();
    let mut open = vec![Utf8PathBuf::new()];
    while let Some(path) = open.pop() {
        let before = stamp(&root.join(&path)).filter(|stamp| !is_fresh(stamp.0, now));
        let Some((directories, names, more)) = directory::listed(root, &path) else {
            // It is tried again each time.
            let error = std::fs::read_dir(root.join(&path)).err();
            let why = error.map_or_else(String::new, |error| error.to_string());
            let item = directory::unread(path.as_str(), &why);
            listing.found.unread.push(item);
            listing.directories.push(Listed {
                path,
                stamp: None,
                names: [0; 32],
            });
            continue;
        };
        listing.directories.push(Listed {
            path,
            stamp: before.filter(|_| !more.links && more.found.unread.is_empty()),
            names,
        });
        open.extend(directories);
        listing.found.files.extend(more.found.files);
        listing.found.unread.extend(more.found.unread);
    }
    let files = &mut listing.found.files;
    files.sort_unstable_by(|a, b| a.as_str().cmp(b.as_str()));
    listing
}

fn stamp(path: &Utf8Path) -> Option<(i128, u64)> {
    let meta = std::fs::symlink_metadata(path).ok()?;
    let time = i128::from(meta.mtime()) * 1_000_000_000 + i128::from(meta.mtime_nsec());
    meta.is_dir().then_some((time, meta.ino()))
}

/// A directory that was changed a moment ago may be changed again without its time telling.
fn is_fresh(changed: i128, now: Duration) -> bool {
    // In nanoseconds: two ticks of a kernel with CONFIG_HZ=100, whose file systems take the time from the tick.
    const TICK: u128 = 20_000_000;
    u128::try_from(changed).is_ok_and(|changed| changed.abs_diff(now.as_nanos()) < TICK)
}

fn read(file: &Utf8Path) -> Option<Listing> {
    let bytes = directory::read_kept(file, MOST_BYTES).ok()?;
    let (sum, rest) = bytes.split_at_checked(32)?;
    if blake3::hash(rest).as_bytes() != sum {
        return None;
    }
    let listing: Listing = postcard::from_bytes(rest).ok()?;
    (listing.format == FORMAT).then_some(listing)
}

fn write(file: &Utf8Path, listing: &Listing) -> io::Result<()> {
    let bytes = postcard::to_stdvec(listing).map_err(io::Error::other)?;
    let directory = file.parent().unwrap_or(Utf8Path::new("."));
    std::fs::create_dir_all(directory)?;
    let mut new = tempfile::Builder::new()
        .prefix(".writing-")
        .tempfile_in(directory)?;
    new.write_all(blake3::hash(&bytes).as_bytes())?;
    new.write_all(&bytes)?;
    new.persist(file)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn age(path: &Utf8Path) {
        let old = SystemTime::now() - Duration::from_secs(100);
        fs::File::open(path).unwrap().set_modified(old).unwrap();
    }

    fn tree() -> (tempfile::TempDir, Utf8PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let root = Utf8PathBuf::from_path_buf(dir.path().join("tree")).unwrap();
        for path in ["a/a.c", "a/b/b.h", "a-b/x.c", "c/c.c", "c/out/o.c"] {
            fs::create_dir_all(root.join(path).parent().unwrap()).unwrap();
            fs::write(root.join(path), "").unwrap();
        }
        for path in ["", "a", "a/b", "a-b", "c", "c/out"] {
            age(&root.join(path));
        }
        (dir, root)
    }

    fn both(root: &Utf8Path) -> Vec<String> {
        let kept = of(root, &root.with_file_name("list"));
        let mut walked = directory::walk(root);
        walked
            .files
            .sort_unstable_by(|a, b| a.as_str().cmp(b.as_str()));
        assert_eq!(kept.files, walked.files);
        assert_eq!(kept.unread, walked.unread);
        kept.files.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_kept_list_is_what_a_walk_finds() {
        let (_dir, root) = tree();
        let first = ["a-b/x.c", "a/a.c", "a/b/b.h", "c/c.c", "c/out/o.c"];
        assert_eq!(both(&root), first);
        assert_eq!(both(&root), first);
        fs::write(root.join("a/b/more.c"), "").unwrap();
        assert_eq!(both(&root).len(), 6);
        fs::remove_file(root.join("a/b/more.c")).unwrap();
        assert_eq!(both(&root), first);
        fs::write(root.join("c/out/.config"), "").unwrap();
        assert_eq!(both(&root).len(), 4);
        fs::rename(root.join("a"), root.join("d")).unwrap();
        assert_eq!(both(&root), ["a-b/x.c", "c/c.c", "d/a.c", "d/b/b.h"]);
        fs::create_dir(root.join("e")).unwrap();
        fs::write(root.join("e/e.c"), "").unwrap();
        assert_eq!(both(&root).len(), 5);
    }

    #[test]
    fn links_are_looked_at_each_time() {
        let (_dir, root) = tree();
        std::os::unix::fs::symlink("c.c", root.join("c/link.c")).unwrap();
        age(&root.join("c"));
        both(&root);
        fs::rename(root.join("a/a.c"), root.join("a/z.c")).unwrap();
        std::os::unix::fs::symlink("../a/a.c", root.join("c/other.c")).unwrap();
        age(&root.join("c"));
        assert_eq!(of(&root, &root.with_file_name("list")).unread.len(), 1);
        both(&root);
    }

    #[test]
    fn a_damaged_list_is_none() {
        let (_dir, root) = tree();
        let first = both(&root);
        let file = root.with_file_name("list");
        let bytes = fs::read(&file).unwrap();
        for spoilt in [&bytes[..bytes.len() - 1], &bytes[..10], &[]] {
            fs::write(&file, spoilt).unwrap();
            assert_eq!(both(&root), first);
        }
    }
}
