// SPDX-License-Identifier: MIT OR Apache-2.0
//! A tree in a directory.
//!
//! No link is followed: what it leads to inside the tree is read under its own name. What a build left behind is not
//! read: `.git` and other hidden directories, generated headers, and output directories (they hold a `.config`).

use super::{Stamp, is_source};
use crate::report::UnreadItem;
use camino::{Utf8Path, Utf8PathBuf};
use rayon::prelude::*;
use rustix::fs::{AtFlags, Mode, OFlags};
use std::fs;
use std::io;

/// What a walk found.
#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
pub(super) struct Found {
    /// `.c` and `.h` files, relative to the root.
    pub files: Vec<Utf8PathBuf>,
    /// What could not be listed.
    pub unread: Vec<UnreadItem>,
}

/// Walks the tree under `root`.
pub(super) fn walk(root: &Utf8Path) -> Found {
    let mut found = Found::default();
    let mut open = vec![Utf8PathBuf::new()];
    while let Some(directory) = open.pop() {
        if let Err(error) = list(root, &directory, &mut open, &mut found) {
            found
                .unread
                .push(unread(directory.as_str(), &error.to_string()));
        }
    }
    found
}

/// What one directory gave.
#[derive(Debug, Default)]
pub(super) struct Inside {
    /// Its files.
    pub found: Found,
    /// Whether there are links in it: what they lead to changes elsewhere.
    pub links: bool,
}

/// The directories in a directory, a hash of all that was found in it, and that; None when it cannot be listed.
pub(super) fn listed(
    root: &Utf8Path,
    directory: &Utf8Path,
) -> Option<(Vec<Utf8PathBuf>, [u8; 32], Inside)> {
    let mut open = Vec::new();
    let mut inside = Inside::default();
    inside.links = list(root, directory, &mut open, &mut inside.found).ok()?;
    open.sort_unstable();
    inside.found.files.sort_unstable();
    inside.found.unread.sort_unstable();
    let all = (&open, &inside.found, inside.links);
    let names = blake3::hash(&postcard::to_stdvec(&all).ok()?);
    Some((open, *names.as_bytes(), inside))
}

/// Lists one directory; whether there are links in it.
fn list(
    root: &Utf8Path,
    directory: &Utf8Path,
    open: &mut Vec<Utf8PathBuf>,
    found: &mut Found,
) -> io::Result<bool> {
    let mut links = false;
    let before = (open.len(), found.files.len());
    for entry in fs::read_dir(root.join(directory))? {
        let entry = entry?;
        let kind = entry.file_type()?;
        let name = entry.file_name();
        let Some(name) = name.to_str() else {
            let name = name.to_string_lossy();
            if kind.is_dir() || is_source(Utf8Path::new(name.as_ref())) {
                found.unread.push(unread(
                    directory.join(name.as_ref()).as_str(),
                    "not UTF-8 path",
                ));
            }
            continue;
        };
        if kind.is_symlink() {
            links = true;
            let path = directory.join(name);
            if leads_back(root, &path) {
                found.unread.push(unread(path.as_str(), "symlink loop"));
            } else if is_source(&path) && !root.join(&path).exists() {
                found.unread.push(unread(path.as_str(), "dangling link"));
            }
        } else if kind.is_dir() {
            let generated = name == "generated" && directory.file_name() == Some("include");
            if !name.starts_with('.') && !generated {
                open.push(directory.join(name));
            }
        } else if is_source(Utf8Path::new(name)) && !kind.is_file() {
            // Opening a FIFO would wait for a writer for ever.
            let path = directory.join(name);
            found
                .unread
                .push(unread(path.as_str(), "not a regular file"));
        } else if is_source(Utf8Path::new(name)) {
            if !name.starts_with('.') && !name.ends_with(".mod.c") {
                found.files.push(directory.join(name));
            }
        } else if name == ".config" && directory != "" {
            open.truncate(before.0);
            found.files.truncate(before.1);
            return Ok(links);
        }
    }
    Ok(links)
}

/// A link that leads to itself or to a directory it stands in.
fn leads_back(root: &Utf8Path, path: &Utf8Path) -> bool {
    let full = root.join(path);
    match full.canonicalize_utf8() {
        Ok(target) => full
            .parent()
            .and_then(|parent| parent.canonicalize_utf8().ok())
            .is_some_and(|parent| parent.starts_with(&target)),
        // The number is that of ELOOP, which has no stable kind.
        Err(error) => error.raw_os_error() == Some(40),
    }
}

/// An item for the list of what could not be listed.
pub(super) fn unread(path: &str, why: &str) -> UnreadItem {
    UnreadItem {
        path: path.to_owned(),
        function: None,
        line: 0,
        why: why.to_owned(),
    }
}

/// A file beyond this is not read. The largest `.c` file of the kernel has 2 MiB; generated register headers have up
/// to 23 MiB (dcn_3_2_0_sh_mask.h, 6.12). Every position in a file fits 32 bits.
pub(crate) fn size_limit(path: &Utf8Path) -> usize {
    if path.extension() == Some("h") {
        32 << 20
    } else {
        16 << 20
    }
}

/// Reads a file into `bytes`, without asking for its size first: two calls less for each of 60,000 files.
///
/// Neither a link nor anything but an ordinary file is read, and opening waits for nobody. A file that does not fit
/// into the first piece is asked for its size before the rest is read.
pub(super) fn read(path: &Utf8Path, bytes: &mut Vec<u8>) -> io::Result<()> {
    let limit = size_limit(path);
    let file = open(path)?;
    let mut asked = false;
    loop {
        bytes.reserve(bytes.len().max(1 << 16));
        let room = bytes.capacity() - bytes.len();
        match rustix::io::read(&file, rustix::buffer::spare_capacity(bytes)) {
            // An ordinary file gives less than was asked for only at its end.
            Ok(got) if got < room => {
                return if bytes.is_empty() {
                    ordinary(&file, limit as u64)
                } else {
                    Ok(())
                };
            }
            Ok(_) if bytes.len() > limit => return Err(too_large(limit as u64)),
            Ok(_) if asked => {}
            Ok(_) => {
                ordinary(&file, limit as u64)?;
                asked = true;
            }
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Reads what an earlier run kept; no more than `most` bytes of it.
pub(crate) fn read_kept(path: &Utf8Path, most: u64) -> io::Result<Vec<u8>> {
    all_of(open(path)?, most)
}

/// Reads what the user named, which may be a link.
pub(super) fn read_named(path: &Utf8Path, most: u64) -> io::Result<Vec<u8>> {
    all_of(
        rustix::fs::open(path.as_std_path(), AT_ONCE, Mode::empty())?,
        most,
    )
}

fn all_of(file: rustix::fd::OwnedFd, most: u64) -> io::Result<Vec<u8>> {
    ordinary(&file, most)?;
    let mut bytes = Vec::new();
    io::Read::read_to_end(&mut io::Read::take(fs::File::from(file), most), &mut bytes)?;
    Ok(bytes)
}

/// For reading, without waiting for the other end of a FIFO.
const AT_ONCE: OFlags = OFlags::RDONLY
    .union(OFlags::NONBLOCK)
    .union(OFlags::NOCTTY)
    .union(OFlags::CLOEXEC);

/// Opens for reading, without waiting and without following a link.
fn open(path: &Utf8Path) -> io::Result<rustix::fd::OwnedFd> {
    let flags = AT_ONCE | OFlags::NOFOLLOW;
    Ok(rustix::fs::open(path.as_std_path(), flags, Mode::empty())?)
}

/// An error unless it is an ordinary file of at most `most` bytes.
fn ordinary(file: &rustix::fd::OwnedFd, most: u64) -> io::Result<()> {
    let meta = rustix::fs::fstat(file)?;
    if rustix::fs::FileType::from_raw_mode(meta.st_mode) != rustix::fs::FileType::RegularFile {
        return Err(io::Error::other("not a regular file"));
    }
    if u64::try_from(meta.st_size).is_ok_and(|size| size > most) {
        return Err(too_large(most));
    }
    Ok(())
}

/// What is said of a file beyond `most` bytes.
pub(super) fn too_large(most: u64) -> io::Error {
    io::Error::other(format!("larger than {} MiB", most >> 20))
}

/// Size, time of the last change and inode of each of `files`, which are sorted. The directory of neighbours is opened
/// once: the kernel looks up one name for each file instead of a whole path.
pub(super) fn stamps(root: &Utf8Path, files: &[Utf8PathBuf]) -> Vec<Option<Stamp>> {
    let neighbours: Vec<&[Utf8PathBuf]> = files.chunk_by(|a, b| split(a).0 == split(b).0).collect();
    neighbours
        .into_par_iter()
        .with_min_len(16)
        .flat_map_iter(|files| {
            let directory = files.first().map_or("", |first| split(first).0);
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
            let open = rustix::fs::open(root.join(directory).as_std_path(), flags, Mode::empty());
            files.iter().map(move |path| {
                let found = rustix::fs::statat(
                    open.as_ref().ok()?,
                    split(path).1,
                    AtFlags::SYMLINK_NOFOLLOW,
                );
                let meta = found.ok()?;
                let nanoseconds =
                    i128::from(meta.st_mtime) * 1_000_000_000 + i128::from(meta.st_mtime_nsec);
                Some(Stamp::File(
                    u64::try_from(meta.st_size).ok()?,
                    nanoseconds,
                    meta.st_ino,
                ))
            })
        })
        .collect()
}

/// Directory and name.
fn split(path: &Utf8Path) -> (&str, &str) {
    path.as_str()
        .rsplit_once('/')
        .unwrap_or(("", path.as_str()))
}
