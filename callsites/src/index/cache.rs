// SPDX-License-Identifier: MIT OR Apache-2.0
//! The index of the last run, kept in a directory of the caller's choice.
//!
//! A walk that reads no file compares the stamp of every file (size, time, inode; of a blob its id) with that of the
//! last run. What changed is read again, and what was demanded then is answered for it; the rest is taken as it was.
//! Whoever keeps a result under [`Session::digest`] or [`super::Index::fingerprint`] need not compute it again.
//!
//! A cache that is missing, damaged or of another version of this program is no error: everything is read.

use super::build::Index;
use crate::tree::{Stamp, Tree};
use camino::{Utf8Path, Utf8PathBuf};
use rayon::prelude::*;
use serde::Deserialize;
use std::io::{self, Write as _};

/// Changes whenever the meaning of what is kept does.
const FORMAT: &str = concat!("index/1/", env!("CARGO_PKG_VERSION"));

/// One run over one tree.
#[derive(Debug)]
pub struct Session<'t> {
    tree: &'t Tree,
    directory: Utf8PathBuf,
    seeds: Vec<String>,
    stamps: Vec<(Utf8PathBuf, Option<Stamp>)>,
    /// Hash of the place of the tree, which names the file.
    place: String,
}

#[derive(Deserialize)]
struct Kept {
    format: String,
    stamps: Vec<(Utf8PathBuf, Option<Stamp>)>,
    index: Index,
}

impl<'t> Session<'t> {
    /// Stamps every file of the tree; reads none. `directory` is made when something is kept.
    pub fn open<S: AsRef<str>>(
        tree: &'t Tree,
        seeds: impl IntoIterator<Item = S>,
        directory: &Utf8Path,
    ) -> Self {
        let mut seeds: Vec<String> = seeds.into_iter().map(|s| s.as_ref().to_owned()).collect();
        seeds.sort();
        seeds.dedup();
        let stamps = tree
            .files()
            .par_iter()
            .with_min_len(64)
            .map(|path| (path.clone(), tree.stamp(path)))
            .collect();
        let place = match (tree.root(), tree.repository()) {
            (Some(root), _) => root
                .canonicalize_utf8()
                .unwrap_or_else(|_| root.to_owned())
                .to_string(),
            (None, Some((repository, commit))) => format!("{repository}@{commit}"),
            (None, None) => format!("embedded {}", tree.version()),
        };
        let place = blake3::hash(place.as_bytes()).to_hex()[..16].to_owned();
        Session {
            tree,
            directory: directory.to_owned(),
            seeds,
            stamps,
            place,
        }
    }

    /// Names the state of the tree and the question: same digest, same index.
    pub fn digest(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        hasher.update(FORMAT.as_bytes());
        hasher.update(&postcard::to_stdvec(&(&self.seeds, &self.stamps)).unwrap_or_default());
        hasher.finalize().to_hex().to_string()
    }

    /// Names all that an audit's result depends on: the digest, what the tree says of itself, and this program, so
    /// that a rebuilt one trusts no result of its forerunner. None when a file or the program has no stamp.
    pub fn state(&self) -> Option<String> {
        if self.stamps.iter().any(|(_, stamp)| stamp.is_none()) {
            return None;
        }
        let program = std::fs::metadata(std::env::current_exe().ok()?).ok()?;
        let changed = program
            .modified()
            .ok()?
            .duration_since(std::time::UNIX_EPOCH)
            .ok()?;
        let info = self.tree.info();
        let rest = (
            crate::report::SCHEMA,
            &info,
            program.len(),
            changed.as_nanos(),
        );
        let mut hasher = blake3::Hasher::new();
        hasher.update(self.digest().as_bytes());
        hasher.update(&postcard::to_stdvec(&rest).ok()?);
        Some(hasher.finalize().to_hex().to_string())
    }

    /// The index: that of the last run brought up to date, or a new one.
    pub fn index(&self) -> Index {
        let kept = self
            .recall("index", FORMAT)
            .and_then(|bytes| postcard::from_bytes::<Kept>(&bytes).ok());
        let Some(Kept {
            mut index, stamps, ..
        }) = kept.filter(|kept| kept.format == FORMAT && kept.index.seeds == self.seeds)
        else {
            return Index::build(self.tree, &self.seeds);
        };
        let (changed, gone) = differences(&stamps, &self.stamps);
        if !changed.is_empty() || !gone.is_empty() {
            index.refresh(self.tree, &changed, &gone);
        }
        index
    }

    /// Keeps the index for the next run.
    pub fn save(&self, index: &Index) -> io::Result<()> {
        // A reference to each field is written as the field itself.
        let bytes =
            postcard::to_stdvec(&(FORMAT, &self.stamps, index)).map_err(io::Error::other)?;
        self.keep("index", FORMAT, &bytes)
    }

    /// What was kept under `name` for this tree, when it was kept with the same `key`.
    pub fn recall(&self, name: &str, key: &str) -> Option<Vec<u8>> {
        let bytes = std::fs::read(self.file(name)).ok()?;
        let (sum, rest) = bytes.split_at_checked(32)?;
        (blake3::keyed_hash(blake3::hash(key.as_bytes()).as_bytes(), rest).as_bytes() == sum)
            .then(|| rest.to_vec())
    }

    /// Keeps `bytes` under `name` and `key`; the file is replaced whole or not at all.
    pub fn keep(&self, name: &str, key: &str, bytes: &[u8]) -> io::Result<()> {
        std::fs::create_dir_all(&self.directory)?;
        let mut file = tempfile::NamedTempFile::new_in(&self.directory)?;
        file.write_all(
            blake3::keyed_hash(blake3::hash(key.as_bytes()).as_bytes(), bytes).as_bytes(),
        )?;
        file.write_all(bytes)?;
        file.persist(self.file(name))?;
        Ok(())
    }

    fn file(&self, name: &str) -> Utf8PathBuf {
        self.directory.join(format!("{name}-{}", self.place))
    }
}

/// Paths that are new or have another stamp, and paths that are no longer there.
fn differences(
    before: &[(Utf8PathBuf, Option<Stamp>)],
    now: &[(Utf8PathBuf, Option<Stamp>)],
) -> (Vec<Utf8PathBuf>, Vec<Utf8PathBuf>) {
    let (mut changed, mut gone) = (Vec::new(), Vec::new());
    let (mut a, mut b) = (0, 0);
    loop {
        match (before.get(a), now.get(b)) {
            (Some(old), Some(new)) if old.0 == new.0 => {
                if old.1 != new.1 || new.1.is_none() {
                    changed.push(new.0.clone());
                }
                a += 1;
                b += 1;
            }
            (Some(old), new) if new.is_none_or(|new| old.0.as_str() < new.0.as_str()) => {
                gone.push(old.0.clone());
                a += 1;
            }
            (_, Some(new)) => {
                changed.push(new.0.clone());
                b += 1;
            }
            (_, None) => return (changed, gone),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::{Demand, Reach};
    use std::fs;

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
            fs::create_dir_all(root.join(path).parent().unwrap()).unwrap();
            fs::write(root.join(path), text).unwrap();
        }
        (dir, root)
    }

    /// A run as the audit makes it: the index, the callers of what hits, and the index kept.
    fn run(root: &Utf8Path) -> Index {
        let tree = Tree::open(root.as_str()).unwrap();
        let session = Session::open(&tree, ["put_page"], &root.with_file_name("cache"));
        let mut index = session.index();
        let mut demand = Demand::default();
        demand.callers.insert("put".into());
        index.expand(&tree, &demand, Reach::Near);
        session.save(&index).unwrap();
        index
    }

    fn functions(index: &Index) -> Vec<String> {
        index
            .files()
            .flat_map(|f| f.functions.iter().map(|g| format!("{}:{}", f.path, g.name)))
            .collect()
    }

    #[test]
    fn an_index_brought_up_to_date_is_the_one_a_fresh_run_builds() {
        let (_dir, root) = tree();
        assert_eq!(functions(&run(&root)), ["a/caller.c:f", "a/hit.c:put"]);
        let again = run(&root);
        assert_eq!(functions(&again), ["a/caller.c:f", "a/hit.c:put"]);
        fs::write(
            root.join("a/caller.c"),
            "void g(void)\n{\n\tput(p);\n}\nvoid h(void) { put_page(q); }\n",
        )
        .unwrap();
        fs::write(root.join("b/new.c"), "void n(void) { put_page(q); }\n").unwrap();
        fs::remove_file(root.join("b/other.c")).unwrap();
        let warm = run(&root);
        assert_eq!(
            functions(&warm),
            ["a/caller.c:g", "a/caller.c:h", "a/hit.c:put", "b/new.c:n"]
        );
        fs::remove_dir_all(root.with_file_name("cache")).unwrap();
        let cold = run(&root);
        assert_eq!(warm, cold);
        assert_eq!(warm.fingerprint(), cold.fingerprint());
        assert_ne!(warm.fingerprint(), again.fingerprint());
    }

    #[test]
    fn a_damaged_cache_is_as_good_as_none() {
        let (_dir, root) = tree();
        let first = run(&root);
        for entry in fs::read_dir(root.with_file_name("cache")).unwrap() {
            let path = entry.unwrap().path();
            let mut bytes = fs::read(&path).unwrap();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 0x55;
            fs::write(&path, bytes).unwrap();
        }
        assert_eq!(run(&root), first);
    }
}
