// SPDX-License-Identifier: MIT OR Apache-2.0
//! Files beneath a directory, for paths that come from outside: a patch, series.toml, a record of an earlier run.
//!
//! Such a path is first a [`TreePath`], which only its parser makes: relative, normal, and nothing that git would refuse in
//! a patch. It is then looked up beneath a [`Root`], an open directory, without following any symbolic link; the kernel
//! itself holds to that (`openat2` with `RESOLVE_BENEATH` and `RESOLVE_NO_SYMLINKS`), or, where it has no such call, every
//! component is opened by itself with `O_NOFOLLOW`. What is read is an ordinary file of a bounded size: a FIFO does not
//! hang the run and a device is not opened. What is written takes its name in one step, so that no link is written through.
//!
//! ```
//! use callsites::tree::beneath::{Root, TreePath};
//! # let dir = tempfile::tempdir()?;
//! # let dir = camino::Utf8Path::from_path(dir.path()).ok_or("not UTF-8")?;
//! let root = Root::open(dir)?;
//! let path = TreePath::parse("drivers/misc/foo.c")?;
//! root.write(&path, b"int foo;\n", 0o644)?;
//! assert_eq!(root.read(&path)?.as_deref(), Some(&b"int foo;\n"[..]));
//! assert!(TreePath::parse("drivers/../../foo.c").is_err());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Deliberately absent: following links, even those that stay inside. A patch names files, not ways to them.

mod path;

pub use path::{Error, Refusal, TreePath};

use camino::{Utf8Path, Utf8PathBuf};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags, Stat};
use rustix::io::Errno;
use std::io::{Read as _, Write as _};
use std::sync::atomic::{AtomicU64, Ordering};

/// The most bytes that a file may have: the largest of a kernel, a generated header of register names, has 23 MiB
/// ("drivers/gpu/drm/amd/include/asic_reg/dcn/dcn_3_2_0_sh_mask.h", 6.12).
pub const LIMIT: u64 = 32 << 20;

/// How a directory on the way is opened: nothing is read from it.
const DIRECTORY: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// An open directory, beneath which [`TreePath`]s are looked up.
#[derive(Debug)]
pub struct Root {
    directory: OwnedFd,
    path: Utf8PathBuf,
}

/// What stands at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// An ordinary file.
    File {
        /// All of it.
        bytes: Vec<u8>,
        /// Its permission bits, at most 0o777.
        permissions: u32,
    },
    /// A symbolic link, which was not followed.
    Link {
        /// What it says, whatever that leads to.
        target: Vec<u8>,
    },
}

/// The bytes of a file that the user named, over whatever links: an ordinary one of at most `most` bytes.
///
/// # Errors
/// What the system says; of anything else than such a file, an error without a number of the system's.
pub fn read_named(path: &Utf8Path, most: u64) -> std::io::Result<Vec<u8>> {
    super::directory::read_named(path, most)
}

impl Root {
    /// Opens a directory that the user named: the way to it may lead over links.
    ///
    /// # Errors
    /// [`Error::Io`] when it is no directory that can be opened.
    pub fn open(path: &Utf8Path) -> Result<Root, Error> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = rustix::fs::open(path.as_std_path(), flags, Mode::empty())
            .map_err(|errno| Error::io(path, errno))?;
        Ok(Root {
            directory,
            path: path.to_owned(),
        })
    }

    /// The directory as it was named.
    pub fn path(&self) -> &Utf8Path {
        &self.path
    }

    /// The bytes of an ordinary file of at most [`LIMIT`] bytes; None where there is nothing.
    ///
    /// # Errors
    /// [`Error::Refused`] for a link, on the way or in its place, for anything else that is no ordinary file, and for one
    /// that is larger; [`Error::Io`].
    pub fn read(&self, path: &TreePath) -> Result<Option<Vec<u8>>, Error> {
        match self.entry(path)? {
            None => Ok(None),
            Some(Entry::File { bytes, .. }) => Ok(Some(bytes)),
            Some(Entry::Link { .. }) => Err(path.refused(Refusal::Link)),
        }
    }

    /// What stands at `path`: a file of at most [`LIMIT`] bytes with its permissions, or a link; None where there is nothing.
    ///
    /// # Errors
    /// As [`Root::read`], but a link in the file's own place is a result.
    pub fn entry(&self, path: &TreePath) -> Result<Option<Entry>, Error> {
        let Some(parent) = self.parent(path)? else {
            return Ok(None);
        };
        // Looked at before it is opened: to open a device can already set it going.
        let Some(found) = stat(parent.as_fd(), path)? else {
            return Ok(None);
        };
        match FileType::from_raw_mode(found.st_mode) {
            FileType::RegularFile => contents(parent.as_fd(), path),
            FileType::Symlink => {
                let target = rustix::fs::readlinkat(&parent, path.name(), Vec::new())
                    .map_err(|errno| self.io(path, errno))?;
                let target = target.into_bytes();
                Ok(Some(Entry::Link { target }))
            }
            _ => Err(path.refused(Refusal::NotOrdinary)),
        }
    }

    /// Writes a file in one step, with `permissions` whatever the umask; the directories on the way are made. A link in its
    /// place is replaced.
    ///
    /// # Errors
    /// [`Error::Refused`] for a link or a file on the way and for a directory, device or FIFO in its place; [`Error::Io`].
    pub fn write(&self, path: &TreePath, bytes: &[u8], permissions: u32) -> Result<(), Error> {
        self.place(path, |parent, name| {
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
            let fresh = rustix::fs::openat(parent, name, flags, Mode::RUSR | Mode::WUSR)?;
            let mut fresh = std::fs::File::from(fresh);
            fresh.write_all(bytes)?;
            rustix::fs::fchmod(&fresh, Mode::from_raw_mode(permissions & 0o777))?;
            Ok(())
        })
    }

    /// Makes a symbolic link in one step; what it leads to is not looked at. What stood there is replaced.
    ///
    /// # Errors
    /// As [`Root::write`].
    pub fn link(&self, path: &TreePath, target: &[u8]) -> Result<(), Error> {
        self.place(path, |parent, name| {
            rustix::fs::symlinkat(target, parent, name)?;
            Ok(())
        })
    }

    /// Removes a file or link, and the directories that become empty, as git does. Nothing there is no error.
    ///
    /// # Errors
    /// [`Error::Refused`] for a link on the way and for anything else in its place; [`Error::Io`].
    pub fn remove(&self, path: &TreePath) -> Result<(), Error> {
        let Some(parent) = self.parent(path)? else {
            return Ok(());
        };
        if !replaceable(parent.as_fd(), path)? {
            return Ok(());
        }
        rustix::fs::unlinkat(&parent, path.name(), AtFlags::empty())
            .map_err(|errno| self.io(path, errno))?;
        let mut emptied = path.parent();
        while let Some(directory) = emptied {
            let Some(above) = self.parent(&directory)? else {
                break;
            };
            // The first one that is not empty ends it.
            if rustix::fs::unlinkat(&above, directory.name(), AtFlags::REMOVEDIR).is_err() {
                break;
            }
            emptied = directory.parent();
        }
        Ok(())
    }

    /// Makes a directory and those above it, as far as they are not there.
    ///
    /// # Errors
    /// [`Error::Refused`] for a link or a file in the place of one of them; [`Error::Io`].
    pub fn make_directories(&self, path: &TreePath) -> Result<(), Error> {
        self.made(path, path.as_str()).map(drop)
    }

    /// Fills a new name beside `path`, then renames it.
    fn place(
        &self,
        path: &TreePath,
        fill: impl FnOnce(BorrowedFd<'_>, &str) -> std::io::Result<()>,
    ) -> Result<(), Error> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let above = path.as_path().parent().map_or("", Utf8Path::as_str);
        let parent = self.made(path, above)?;
        replaceable(parent.as_fd(), path)?;
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!(".new-{}-{number}", std::process::id());
        let done = fill(parent.as_fd(), &name).and_then(|()| {
            rustix::fs::renameat(&parent, &name, &parent, path.name()).map_err(Into::into)
        });
        done.map_err(|source| {
            // The first failure is the one to report; where the name was another's, it stays.
            if source.kind() != std::io::ErrorKind::AlreadyExists {
                let _gone = rustix::fs::unlinkat(&parent, &name, AtFlags::empty());
            }
            self.io(path, source)
        })
    }

    /// The directory that `path` stands in; None where it is not there.
    fn parent(&self, path: &TreePath) -> Result<Option<OwnedFd>, Error> {
        let above = path.as_path().parent().map_or("", Utf8Path::as_str);
        match open_beneath(self.directory.as_fd(), above) {
            Ok(directory) => Ok(Some(directory)),
            // A file in the place of a directory: then nothing is beneath it.
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
            Err(Errno::LOOP) => Err(path.refused(Refusal::Link)),
            Err(errno) => Err(self.io(path, errno)),
        }
    }

    /// The directory `above`, made where it is not there.
    fn made(&self, path: &TreePath, above: &str) -> Result<OwnedFd, Error> {
        let failed = |errno| match errno {
            Errno::LOOP => path.refused(Refusal::Link),
            Errno::NOTDIR => path.refused(Refusal::NotADirectory),
            errno => self.io(path, errno),
        };
        match open_beneath(self.directory.as_fd(), above) {
            Err(Errno::NOENT) => {}
            done => return done.map_err(failed),
        }
        let mut at = self.directory.try_clone().map_err(|e| self.io(path, e))?;
        for name in above.split('/') {
            match rustix::fs::mkdirat(&at, name, Mode::from_raw_mode(0o755)) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(errno) => return Err(failed(errno)),
            }
            at = step(at.as_fd(), name).map_err(failed)?;
        }
        Ok(at)
    }

    fn io(&self, path: &TreePath, source: impl Into<std::io::Error>) -> Error {
        Error::io(&self.path.join(path.as_path()), source)
    }
}

/// Opens the directory `path` beneath `root`, which itself is the empty path. A link on the way is [`Errno::LOOP`].
fn open_beneath(root: BorrowedFd<'_>, path: &str) -> Result<OwnedFd, Errno> {
    if path.is_empty() {
        return rustix::io::fcntl_dupfd_cloexec(root, 0);
    }
    // With O_NOFOLLOW a link at the end would be opened itself, and be said to be no directory.
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    // The kernel asks for another try when a directory was renamed meanwhile; whoever renames for ever gets no answer.
    for _ in 0..32 {
        match rustix::fs::openat2(root, path, DIRECTORY, Mode::empty(), resolve) {
            Err(Errno::AGAIN | Errno::INTR) => {}
            // Before Linux 5.6, or in a sandbox that does not know the call.
            Err(Errno::NOSYS | Errno::PERM) => return walk_beneath(root, path),
            done => return done,
        }
    }
    Err(Errno::AGAIN)
}

/// The same, component by component.
fn walk_beneath(root: BorrowedFd<'_>, path: &str) -> Result<OwnedFd, Errno> {
    let mut at = rustix::io::fcntl_dupfd_cloexec(root, 0)?;
    for name in path.split('/') {
        at = step(at.as_fd(), name)?;
    }
    Ok(at)
}

/// Opens the directory `name` in `at`.
fn step(at: BorrowedFd<'_>, name: &str) -> Result<OwnedFd, Errno> {
    rustix::fs::openat(at, name, DIRECTORY | OFlags::NOFOLLOW, Mode::empty()).map_err(|errno| {
        let found = rustix::fs::statat(at, name, AtFlags::SYMLINK_NOFOLLOW);
        let is_link = |found: Stat| FileType::from_raw_mode(found.st_mode) == FileType::Symlink;
        match errno {
            Errno::NOTDIR if found.is_ok_and(is_link) => Errno::LOOP,
            errno => errno,
        }
    })
}

/// What stands at the name of `path` in `parent`.
fn stat(parent: BorrowedFd<'_>, path: &TreePath) -> Result<Option<Stat>, Error> {
    match rustix::fs::statat(parent, path.name(), AtFlags::SYMLINK_NOFOLLOW) {
        Ok(found) => Ok(Some(found)),
        Err(Errno::NOENT) => Ok(None),
        Err(errno) => Err(Error::io(path.as_path(), errno)),
    }
}

/// Whether a file or link stands there that may go; what else stands there is refused.
fn replaceable(parent: BorrowedFd<'_>, path: &TreePath) -> Result<bool, Error> {
    let found = stat(parent, path)?;
    match found.map(|found| FileType::from_raw_mode(found.st_mode)) {
        None => Ok(false),
        Some(FileType::RegularFile | FileType::Symlink) => Ok(true),
        Some(_) => Err(path.refused(Refusal::NotOrdinary)),
    }
}

/// The file at the name of `path` in `parent`, which was an ordinary one a moment ago.
fn contents(parent: BorrowedFd<'_>, path: &TreePath) -> Result<Option<Entry>, Error> {
    let failed = |source: std::io::Error| Error::io(path.as_path(), source);
    // Without waiting: should it have become a FIFO, its writer may never come.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = match rustix::fs::openat(parent, path.name(), flags | OFlags::CLOEXEC, Mode::empty())
    {
        Ok(file) => std::fs::File::from(file),
        Err(Errno::NOENT) => return Ok(None),
        Err(Errno::LOOP) => return Err(path.refused(Refusal::Link)),
        Err(errno) => return Err(failed(errno.into())),
    };
    let found = rustix::fs::fstat(&file).map_err(|errno| failed(errno.into()))?;
    if FileType::from_raw_mode(found.st_mode) != FileType::RegularFile {
        return Err(path.refused(Refusal::NotOrdinary));
    }
    let size = u64::try_from(found.st_size).unwrap_or(u64::MAX);
    let mut bytes = Vec::new();
    if size <= LIMIT {
        // One byte more, for a file that grows while it is read.
        file.take(LIMIT + 1)
            .read_to_end(&mut bytes)
            .map_err(failed)?;
    }
    if size.max(bytes.len() as u64) > LIMIT {
        return Err(path.refused(Refusal::TooLarge));
    }
    Ok(Some(Entry::File {
        bytes,
        permissions: found.st_mode & 0o777,
    }))
}

#[cfg(test)]
mod tests;
