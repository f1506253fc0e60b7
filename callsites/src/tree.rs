// SPDX-License-Identifier: MIT OR Apache-2.0
//! A kernel tree: a directory, a git revision read from the object store, or the one that comes with the program.
//!
//! In goes "DIR" or "REPO@REV"; out come paths and bytes. Whatever it is, it is only read. A path that is not UTF-8, a
//! link that leads back, a directory that cannot be listed: each becomes an item of [`Tree::unread`], none an error.
//!
//! ```no_run
//! let tree = callsites::tree::Tree::open("/usr/src/linux")?;
//! println!("{} with {} files", tree.version(), tree.files().len());
//! # Ok::<(), callsites::tree::Error>(())
//! ```

pub mod beneath;
mod directory;
mod error;
mod listing;
mod module;
mod revision;
mod version;

pub(crate) use directory::{read_kept, size_limit};
pub use error::Error;
pub use module::{Kernel, shared_headers};
pub(crate) use version::era_of;
pub use version::{Defined, Features, Inferred, Told, VersionCode};

use crate::embedded;
use crate::report::{Decided, Era, TreeInfo, UnreadItem};
use camino::{Utf8Path, Utf8PathBuf};
use smol_str::SmolStr;
use std::collections::BTreeMap;
use std::sync::OnceLock;

/// A tree that was found to be a kernel's.
#[derive(Debug)]
pub struct Tree {
    store: Store,
    version: String,
    era: Era,
    files: Vec<Utf8PathBuf>,
    unread: Vec<UnreadItem>,
    overlay: BTreeMap<Utf8PathBuf, Option<Vec<u8>>>,
    /// Of a module the kernel that it is built for.
    kernel: Option<Kernel>,
    /// Sorted by name.
    defines: Vec<(SmolStr, i64)>,
    /// Of a module, once somebody has read its files for that.
    features: OnceLock<Features>,
}

#[derive(Debug)]
enum Store {
    Directory(Utf8PathBuf),
    Revision(revision::Revision),
    Embedded(BTreeMap<&'static Utf8Path, &'static [u8]>),
}

/// What tells whether a file has changed without reading it.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
pub enum Stamp {
    /// Of a file: bytes, nanoseconds of its last change, inode.
    File(u64, i128, u64),
    /// Of a blob: its object id.
    Blob([u8; 20]),
    /// Comes with the program.
    Embedded,
}

impl Tree {
    /// Opens "DIR" or "REPO@REV". Fails when there is no such thing or when it is no kernel tree.
    pub fn open(spec: &str) -> Result<Tree, Error> {
        Self::open_with(spec, None)
    }

    /// The same; of a directory, the list of files is taken from `cache`, as far as it is still true, and kept there.
    pub fn open_with(spec: &str, cache: Option<&Utf8Path>) -> Result<Tree, Error> {
        let (store, files, unread) = stored(spec, cache)?;
        Tree::checked(store, files, unread, spec)
    }

    /// A module outside the kernel: "DIR" or "REPO@REV" with no Makefile of a kernel. Version and era are those of `kernel`.
    ///
    /// # Errors
    /// [`Error::NoModule`] when there is no `.c` file, and those of [`Tree::open`].
    pub fn module(spec: &str, kernel: Kernel, cache: Option<&Utf8Path>) -> Result<Tree, Error> {
        let (store, files, unread) = stored(spec, cache)?;
        if !files.iter().any(|path| path.extension() == Some("c")) {
            return Err(Error::NoModule {
                spec: spec.to_owned(),
            });
        }
        let mut tree = Tree::sorted(store, files, unread);
        tree.version = kernel.version().to_owned();
        tree.era = kernel.era();
        tree.kernel = Some(kernel);
        Ok(tree)
    }

    /// The small tree of an era that comes with the program. There is none without any releasing function of its own:
    /// [`Era::PutPage`] gets the older of the two.
    pub fn embedded(era: Era) -> Tree {
        let files = embedded::files(match era {
            Era::PutPage | Era::PutUserPage => embedded::Era::V4_19,
            Era::Pin => embedded::Era::V6_12,
        });
        let mut paths: Vec<Utf8PathBuf> = files
            .keys()
            .filter(|path| is_source(path))
            .map(|path| path.to_path_buf())
            .collect();
        paths.sort_unstable_by(|a, b| a.as_str().cmp(b.as_str()));
        let mut tree = Tree {
            store: Store::Embedded(files),
            version: String::new(),
            era,
            files: paths,
            unread: Vec::new(),
            overlay: BTreeMap::new(),
            kernel: None,
            defines: Vec::new(),
            features: OnceLock::new(),
        };
        tree.version = tree
            .read(Utf8Path::new("Makefile"))
            .ok()
            .and_then(|text| version::parse(&text))
            .unwrap_or_default();
        tree.era = tree.told_era();
        tree
    }

    fn checked(
        store: Store,
        files: Vec<Utf8PathBuf>,
        unread: Vec<UnreadItem>,
        spec: &str,
    ) -> Result<Tree, Error> {
        let mut tree = Tree::sorted(store, files, unread);
        let makefile = tree.read(Utf8Path::new("Makefile")).unwrap_or_default();
        tree.version = version::parse(&makefile).ok_or_else(|| Error::NotKernel {
            spec: spec.to_owned(),
        })?;
        tree.era = tree.told_era();
        Ok(tree)
    }

    fn sorted(store: Store, mut files: Vec<Utf8PathBuf>, mut unread: Vec<UnreadItem>) -> Tree {
        // Paths compare by component, which costs ten times as much as comparing their text.
        files.sort_unstable_by(|a, b| a.as_str().cmp(b.as_str()));
        unread.sort();
        Tree {
            store,
            version: String::new(),
            era: Era::Pin,
            files,
            unread,
            overlay: BTreeMap::new(),
            kernel: None,
            defines: Vec::new(),
            features: OnceLock::new(),
        }
    }

    fn told_era(&self) -> Era {
        if let Some(kernel) = &self.kernel {
            return kernel.era();
        }
        match self.read(Utf8Path::new("include/linux/mm.h")) {
            Ok(header) => era_of(&header),
            Err(_) => version::era_by_number(&self.version),
        }
    }

    /// The same tree with other bytes in `files`, or without a file, as it is after a patch; nothing is written.
    pub fn overlaid(mut self, files: BTreeMap<Utf8PathBuf, Option<Vec<u8>>>) -> Tree {
        for (path, bytes) in files.iter().filter(|(path, _)| is_source(path)) {
            let found = self
                .files
                .binary_search_by(|file| file.as_str().cmp(path.as_str()));
            match (found, bytes) {
                (Err(at), Some(_)) => self.files.insert(at, path.clone()),
                (Ok(at), None) => drop(self.files.remove(at)),
                (Ok(_), Some(_)) | (Err(_), None) => {}
            }
        }
        self.overlay = files;
        self.features = OnceLock::new();
        self.era = self.told_era();
        self
    }

    /// Whether some of its bytes are those of [`Tree::overlaid`].
    pub fn is_overlaid(&self) -> bool {
        !self.overlay.is_empty()
    }

    /// Of a module the kernel that it is built for.
    pub fn kernel(&self) -> Option<&Kernel> {
        self.kernel.as_ref()
    }

    /// From the top Makefile, "6.12.117"; of a module that of its kernel.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The era of the release that the version names.
    pub fn released(&self) -> Era {
        version::era_by_number(&self.version)
    }

    /// The same tree where these object-like macros have these values, as `-D` on a compiler's command line would say.
    pub fn defining(mut self, names: &BTreeMap<String, i64>) -> Tree {
        let names = names.iter().map(|(name, value)| (name.into(), *value));
        self.defines = names.collect();
        self
    }

    /// What decides conditions of the preprocessor in it.
    pub(crate) fn defined(&self) -> Defined {
        Defined {
            code: VersionCode::of(&self.version),
            names: self.defines.clone(),
            module: self.features.get().cloned(),
        }
    }

    /// The macros that whoever audits has given, sorted by name.
    pub fn defines(&self) -> &[(SmolStr, i64)] {
        &self.defines
    }

    /// Sees to it that the files of a module have been read for what decides its conditions; of a kernel nothing is done.
    pub(crate) fn settle(&self, read: impl FnOnce(&Tree) -> Features) {
        if self.kernel.is_some() {
            self.features.get_or_init(|| read(self));
        }
    }

    /// Which releasing functions the tree declares.
    pub fn era(&self) -> Era {
        self.era
    }

    /// Every `.c` and `.h` file, relative to the tree, sorted by their text.
    pub fn files(&self) -> &[Utf8PathBuf] {
        &self.files
    }

    /// Is `path` one of [`Tree::files`]?
    pub fn has(&self, path: &Utf8Path) -> bool {
        self.files
            .binary_search_by(|file| file.as_str().cmp(path.as_str()))
            .is_ok()
    }

    /// Hash of where the tree is: the same for the same directory, or for the same revision of the same repository.
    pub fn place(&self) -> String {
        let place = match (self.root(), self.repository()) {
            (Some(root), _) => root
                .canonicalize_utf8()
                .unwrap_or_else(|_| root.to_owned())
                .to_string(),
            (None, Some((repository, commit))) => format!("{repository}@{commit}"),
            (None, None) => format!("embedded {}", self.version()),
        };
        hashed(&place)
    }

    /// What could not be listed, each with its reason; sorted.
    pub fn unread(&self) -> &[UnreadItem] {
        &self.unread
    }

    /// The directory, when the tree is one.
    pub fn root(&self) -> Option<&Utf8Path> {
        match &self.store {
            Store::Directory(root) => Some(root),
            _ => None,
        }
    }

    /// The repository and the full id of the commit, when the tree was read from one.
    pub fn repository(&self) -> Option<(&Utf8Path, &str)> {
        match &self.store {
            Store::Revision(revision) => Some((revision.repository(), revision.commit())),
            _ => None,
        }
    }

    /// Version, era and revision as a report has them.
    pub fn info(&self) -> TreeInfo {
        TreeInfo {
            version: self.version.clone(),
            module: self.kernel.is_some(),
            defines: self
                .defines
                .iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect(),
            decided: self.decided(),
            era: self.era,
            revision: self.repository().map(|(_, commit)| commit.to_owned()),
        }
    }

    /// What the files of a module say of macros that its conditions ask.
    fn decided(&self) -> Vec<Decided> {
        let Some(features) = self.features.get() else {
            return Vec::new();
        };
        let told = features.told.iter().map(|(name, told)| {
            let from = features.inferred.iter().find(|one| one.name == *name);
            let value = match told {
                Told::Absent => None,
                Told::Text { text, .. } => Some(text.to_string()),
            };
            Decided {
                name: name.to_string(),
                value,
                because: from.map(|one| format!("{}() at {}:{}", one.call, one.path, one.line)),
            }
        });
        told.collect()
    }

    /// The bytes of any file of the tree.
    pub fn read(&self, path: &Utf8Path) -> Result<Vec<u8>, Error> {
        let mut bytes = Vec::new();
        self.read_into(path, &mut bytes)?;
        Ok(bytes)
    }

    /// The bytes of any file of the tree, into a buffer that is emptied first.
    pub fn read_into(&self, path: &Utf8Path, bytes: &mut Vec<u8>) -> Result<(), Error> {
        bytes.clear();
        match self.overlay.get(path) {
            Some(Some(laid)) => {
                bytes.extend_from_slice(laid);
                return Ok(());
            }
            Some(None) => return Err(Error::absent(path)),
            None => {}
        }
        match &self.store {
            Store::Directory(root) => {
                directory::read(&root.join(path), bytes).map_err(|source| Error::Read {
                    path: path.to_owned(),
                    source,
                })
            }
            Store::Revision(revision) => revision.read(path, bytes),
            Store::Embedded(files) => match files.get(path) {
                Some(found) => {
                    bytes.extend_from_slice(found);
                    Ok(())
                }
                None => Err(Error::absent(path)),
            },
        }
    }

    /// The stamp of every file of [`Tree::files`], in their order; None for one that is not there any more.
    pub fn stamps(&self) -> Vec<Option<Stamp>> {
        let mut stamps = match &self.store {
            Store::Directory(root) => directory::stamps(root, &self.files),
            Store::Revision(revision) => {
                let blobs = self.files.iter().map(|path| revision.blob(path));
                blobs.map(|blob| blob.map(Stamp::Blob)).collect()
            }
            Store::Embedded(_) => vec![Some(Stamp::Embedded); self.files.len()],
        };
        // Bytes that are laid over a file are nobody's file.
        for path in self.overlay.keys() {
            let found = self
                .files
                .binary_search_by(|file| file.as_str().cmp(path.as_str()));
            if let Ok(at) = found {
                stamps[at] = None;
            }
        }
        stamps
    }
}

/// Where the bytes are, every source, and what could not be listed.
fn stored(
    spec: &str,
    cache: Option<&Utf8Path>,
) -> Result<(Store, Vec<Utf8PathBuf>, Vec<UnreadItem>), Error> {
    if Utf8Path::new(spec).is_dir() {
        let root = Utf8Path::new(spec);
        let found = match cache {
            Some(cache) => {
                let place = root.canonicalize_utf8();
                let place = place.unwrap_or_else(|_| root.to_owned());
                listing::of(
                    root,
                    &cache.join(format!("files-{}", hashed(place.as_str()))),
                )
            }
            None => directory::walk(root),
        };
        let store = Store::Directory(Utf8PathBuf::from(spec));
        return Ok((store, found.files, found.unread));
    }
    let at = spec
        .match_indices('@')
        .find(|(at, _)| Utf8Path::new(&spec[..*at]).is_dir());
    let Some((at, _)) = at else {
        return Err(Error::Missing {
            spec: spec.to_owned(),
        });
    };
    let revision = revision::Revision::open(Utf8Path::new(&spec[..at]), &spec[at + 1..])?;
    let (files, unread) = revision.files()?;
    Ok((Store::Revision(revision), files, unread))
}

fn hashed(place: &str) -> String {
    blake3::hash(place.as_bytes()).to_hex()[..16].to_owned()
}

/// Is it a C source or a header?
fn is_source(path: &Utf8Path) -> bool {
    matches!(path.extension(), Some("c" | "h"))
}

#[cfg(test)]
mod tests;
