// SPDX-License-Identifier: MIT OR Apache-2.0
//! What one run over a tree leaves for the next, in a directory of the caller's choice.
//!
//! Three files a tree: a report, kept under the stamps of all files (size, time, inode; of a blob its id); what is
//! known of the tree (stamps, content hashes, what was asked and answered); and the pack of parsed facts. Where every
//! stamp is as it was the report is the answer, and no file is read. Where some are not, those files are read, and
//! only what their bytes bear on is done again.
//!
//! A cache that is missing, damaged, half-written, or of another build of this program is no error: everything is
//! read. Files are replaced whole; two runs at once may each find the other's, never a mixture of both.

use super::facts;
use super::shelf::{Changes, Contents, Shelf};
use crate::report::{TreeInfo, UnreadItem};
use crate::tree::{Stamp, Tree, read_kept};
use camino::{Utf8Path, Utf8PathBuf};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::io::{self, Write as _};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Changes whenever the meaning of what is kept does.
const FORMAT: &str = concat!("index/3/", env!("CARGO_PKG_VERSION"));
/// Bytes that the cache of all trees may take; beyond, what was written longest ago goes. One tree takes some tens of MiB.
const MOST_BYTES: u64 = 512 << 20;
/// What a run that was killed left half-written is taken away after this: no run writes one file for an hour.
const ABANDONED: Duration = Duration::from_secs(3600);
/// How the name of a file begins that is being written.
const WRITING: &str = ".writing-";
/// More changes than this are not looked at one by one: everything is asked anew, and only parsing is saved. A person edits
/// fewer; another checkout changes more.
const MOST_CHANGES: usize = 256;

/// One run over one tree.
#[derive(Debug)]
pub(crate) struct Session<'t> {
    tree: &'t Tree,
    directory: Utf8PathBuf,
    stamps: Stamps,
    /// Hash of the place of the tree, which names the files.
    place: String,
    /// What tells this build of the program from others; None when it cannot be told.
    program: Option<(u64, u128)>,
}

/// Every path with its stamp, in one piece, sorted by path.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Stamps(Vec<u8>);

/// The head of what is known; stamps and notes come after it.
#[derive(Debug, Serialize, Deserialize)]
struct Head {
    format: String,
    program: (u64, u128),
    info: TreeInfo,
    unread: Vec<UnreadItem>,
    state: Option<String>,
    contents: Contents,
    pack: [u8; 32],
    stamps: u64,
}

/// What the last run over a tree left.
#[derive(Debug)]
pub(crate) struct Last {
    head: Head,
    /// What whoever asks the questions noted of them.
    pub notes: Vec<u8>,
    /// What is other since.
    pub changes: Changes,
}

impl Last {
    /// The state under which that run kept its report.
    pub(crate) fn state(&self) -> Option<&str> {
        self.head.state.as_deref()
    }

    /// Whether anything was parsed in a file.
    pub(crate) fn holds(&self, path: &Utf8Path) -> bool {
        self.head.contents.files.contains_key(path)
    }
}

impl<'t> Session<'t> {
    /// Stamps every file of the tree; reads none. `directory` is made when something is kept.
    pub(crate) fn open(tree: &'t Tree, directory: &Utf8Path) -> Self {
        Session {
            tree,
            directory: directory.to_owned(),
            stamps: Stamps::of(tree),
            place: tree.place(),
            program: program(),
        }
    }

    /// Names all that an audit's result depends on: the stamps, what the tree says of itself, and this program, so
    /// that a rebuilt one trusts no result of its forerunner. None when a file or the program has no stamp.
    pub(crate) fn state(&self) -> Option<String> {
        if self.stamps.iter().any(|(_, stamp)| stamp == NONE) {
            return None;
        }
        let rest = (
            FORMAT,
            crate::report::SCHEMA,
            self.tree.info(),
            self.tree.unread(),
            self.program?,
        );
        let mut hasher = blake3::Hasher::new();
        hasher.update(&postcard::to_stdvec(&rest).ok()?);
        hasher.update(&self.stamps.0);
        Some(hasher.finalize().to_hex().to_string())
    }

    /// What the last run left, with what has changed since; None when that is no use to this one.
    pub(crate) fn last(&self) -> Option<Last> {
        let bytes = self.recall("known", FORMAT)?;
        let (head, rest) = postcard::take_from_bytes::<Head>(&bytes).ok()?;
        if head.format != FORMAT
            || Some(head.program) != self.program
            || head.info != self.tree.info()
            || head.unread != self.tree.unread()
        {
            return None;
        }
        let (stamps, notes) = rest.split_at_checked(usize::try_from(head.stamps).ok()?)?;
        let mut changes = differences(&Stamps(stamps.to_vec()), &self.stamps);
        // A file that was only touched, or copied to another inode, is the same.
        let same: Vec<Utf8PathBuf> = changes
            .changed
            .par_iter()
            .filter(|path| {
                let known = head.contents.files.get(*path);
                known.is_some_and(|known| {
                    let bytes = self.tree.read(path);
                    bytes.is_ok_and(|bytes| facts::hash(&bytes) == known.hash)
                })
            })
            .cloned()
            .collect();
        for path in same {
            changes.changed.remove(&path);
        }
        let notes = if changes.len() > MOST_CHANGES {
            Vec::new()
        } else {
            notes.to_vec()
        };
        Some(Last {
            head,
            notes,
            changes,
        })
    }

    /// The facts that the last run parsed; an empty shelf when there are none.
    pub(crate) fn shelf(&self, last: Option<&Last>) -> Shelf {
        let Some(last) = last else {
            return Shelf::empty();
        };
        match read_kept(&self.file("facts"), MOST_BYTES) {
            Ok(pack) if *blake3::hash(&pack).as_bytes() == last.head.pack => {
                Shelf::of(last.head.contents.clone(), pack, last.changes.clone())
            }
            _ => Shelf::empty(),
        }
    }

    /// Keeps what was parsed and noted for the next run.
    pub(crate) fn save(&self, shelf: &Shelf, notes: &[u8]) -> io::Result<()> {
        let (contents, pack) = shelf.packed();
        let mut stamps = self.stamps.clone();
        stamps.forget(&shelf.refused());
        let hash = *blake3::hash(&pack).as_bytes();
        self.replace("facts", &[&pack])?;
        self.keep_known(contents, hash, &stamps, notes)?;
        self.tidy(MOST_BYTES)
    }

    /// Keeps what the last run left under the stamps of now: what has changed since bears on nothing.
    pub(crate) fn renew(&self, last: &Last) -> io::Result<()> {
        self.keep_known(
            last.head.contents.clone(),
            last.head.pack,
            &self.stamps,
            &last.notes,
        )
    }

    fn keep_known(
        &self,
        contents: Contents,
        pack: [u8; 32],
        stamps: &Stamps,
        notes: &[u8],
    ) -> io::Result<()> {
        let Some(program) = self.program else {
            return Ok(());
        };
        let head = Head {
            format: FORMAT.to_owned(),
            program,
            info: self.tree.info(),
            unread: self.tree.unread().to_vec(),
            state: self.state(),
            contents,
            pack,
            stamps: stamps.0.len() as u64,
        };
        let mut bytes = postcard::to_stdvec(&head).map_err(io::Error::other)?;
        bytes.extend_from_slice(&stamps.0);
        bytes.extend_from_slice(notes);
        self.keep("known", FORMAT, &bytes)
    }

    /// What was kept under `name` for this tree, when it was kept with the same `key`.
    pub(crate) fn recall(&self, name: &str, key: &str) -> Option<Vec<u8>> {
        let mut bytes = read_kept(&self.file(name), MOST_BYTES).ok()?;
        let rest = bytes.get(32..)?;
        let sum = blake3::keyed_hash(blake3::hash(key.as_bytes()).as_bytes(), rest);
        (sum.as_bytes() == &bytes[..32]).then(|| bytes.split_off(32))
    }

    /// Keeps `bytes` under `name` and `key`; the file is replaced whole or not at all.
    pub(crate) fn keep(&self, name: &str, key: &str, bytes: &[u8]) -> io::Result<()> {
        let sum = blake3::keyed_hash(blake3::hash(key.as_bytes()).as_bytes(), bytes);
        self.replace(name, &[sum.as_bytes(), bytes])
    }

    fn replace(&self, name: &str, pieces: &[&[u8]]) -> io::Result<()> {
        std::fs::create_dir_all(&self.directory)?;
        let mut file = tempfile::Builder::new()
            .prefix(WRITING)
            .tempfile_in(&self.directory)?;
        for piece in pieces {
            file.write_all(piece)?;
        }
        file.persist(self.file(name))?;
        Ok(())
    }

    /// Takes away what makes the cache larger than `most` bytes, what was written longest ago first, and what
    /// killed runs left behind. What belongs to this tree stays.
    fn tidy(&self, most: u64) -> io::Result<()> {
        let mut files = Vec::new();
        for entry in std::fs::read_dir(&self.directory)? {
            let entry = entry?;
            // Another run may have taken it away.
            let Ok(meta) = entry.metadata() else { continue };
            if !meta.is_file() {
                continue;
            }
            let name = entry.file_name().to_string_lossy().into_owned();
            let written = meta.modified()?;
            let age = written.elapsed().unwrap_or_default();
            if name.starts_with(WRITING) {
                if age > ABANDONED {
                    let _ = std::fs::remove_file(entry.path());
                }
            } else {
                files.push((written, meta.len(), name));
            }
        }
        files.sort();
        let mut size: u64 = files.iter().map(|(_, size, _)| size).sum();
        for (_, bytes, name) in files {
            if size <= most {
                break;
            }
            if !name.ends_with(&self.place) {
                let _ = std::fs::remove_file(self.directory.join(&name));
                size -= bytes;
            }
        }
        Ok(())
    }

    fn file(&self, name: &str) -> Utf8PathBuf {
        self.directory.join(format!("{name}-{}", self.place))
    }
}

/// Size and time of the program that runs.
fn program() -> Option<(u64, u128)> {
    let meta = std::fs::metadata(std::env::current_exe().ok()?).ok()?;
    let changed = meta.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
    Some((meta.len(), changed.as_nanos()))
}

/// A stamp that equals none, not even itself.
const NONE: &[u8] = &[];

impl Stamps {
    fn of(tree: &Tree) -> Self {
        let now = SystemTime::now();
        let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        let stamps = tree.stamps();
        let mut out = Stamps(Vec::with_capacity(stamps.len() * 64));
        for (path, stamp) in tree.files().iter().zip(&stamps) {
            let stamp = stamp.as_ref().filter(|stamp| !is_fresh(stamp, now));
            let mut room = [0; 64];
            let stamp = stamp.and_then(|stamp| postcard::to_slice(stamp, &mut room).ok());
            out.push(path.as_str(), stamp.as_deref().unwrap_or(NONE));
        }
        out
    }

    fn push(&mut self, path: &str, stamp: &[u8]) {
        // No path is longer than 4096 bytes, no stamp longer than 48.
        self.0.extend_from_slice(&(path.len() as u16).to_le_bytes());
        self.0.extend_from_slice(path.as_bytes());
        self.0.push(stamp.len() as u8);
        self.0.extend_from_slice(stamp);
    }

    fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        let mut rest = self.0.as_slice();
        std::iter::from_fn(move || {
            let (length, after) = rest.split_first_chunk::<2>()?;
            let (path, after) = after.split_at_checked(u16::from_le_bytes(*length).into())?;
            let (length, after) = after.split_first()?;
            let (stamp, after) = after.split_at_checked(usize::from(*length))?;
            rest = after;
            Some((std::str::from_utf8(path).ok()?, stamp))
        })
    }

    /// Takes the stamps of some paths away.
    fn forget(&mut self, paths: &std::collections::BTreeSet<Utf8PathBuf>) {
        if paths.is_empty() {
            return;
        }
        let mut out = Stamps::default();
        for (path, stamp) in self.iter() {
            let forgotten = paths.contains(Utf8Path::new(path));
            out.push(path, if forgotten { NONE } else { stamp });
        }
        *self = out;
    }
}

/// A file written a moment ago may be written again without its time telling: clocks of file systems tick in
/// milliseconds.
fn is_fresh(stamp: &Stamp, now: Duration) -> bool {
    // In nanoseconds: two ticks of a kernel with CONFIG_HZ=100, whose file systems take the time from the tick.
    const TICK: u128 = 20_000_000;
    match stamp {
        Stamp::File(_, changed, _) => {
            u128::try_from(*changed).is_ok_and(|changed| changed.abs_diff(now.as_nanos()) < TICK)
        }
        Stamp::Blob(_) | Stamp::Embedded => false,
    }
}

/// What is other in `now` than it was `before`.
fn differences(before: &Stamps, now: &Stamps) -> Changes {
    let mut out = Changes::default();
    let (mut olds, mut news) = (before.iter(), now.iter());
    let (mut old, mut new) = (olds.next(), news.next());
    loop {
        match (old, new) {
            (Some((a, was)), Some((b, is))) if a == b => {
                if was != is || is == NONE {
                    out.changed.insert(a.into());
                }
                (old, new) = (olds.next(), news.next());
            }
            (Some((a, _)), b) if b.is_none_or(|(b, _)| a < b) => {
                out.gone.insert(a.into());
                old = olds.next();
            }
            (_, Some((b, _))) => {
                out.added.insert(b.into());
                new = news.next();
            }
            (_, None) => return out,
        }
    }
}

#[cfg(test)]
mod tests;
