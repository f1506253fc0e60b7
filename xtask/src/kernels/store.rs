// SPDX-License-Identifier: MIT OR Apache-2.0
//! The cache of kernel trees: `${XDG_CACHE_HOME:-~/.cache}/gup-toolkit/kernels/linux-<full version>`.

use crate::exit::{Exit, Failure};
use crate::kernels::version::Version;
use camino::{Utf8Path, Utf8PathBuf};
use std::fs::File;

/// A tree of the cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cached {
    /// What its Makefile says.
    pub(crate) version: Version,
    /// Where it is.
    pub(crate) dir: Utf8PathBuf,
}

/// The directory that holds the trees.
#[derive(Debug)]
pub(crate) struct Store {
    root: Utf8PathBuf,
}

const UNFINISHED: &str = ".unfinished-";

/// `${XDG_CACHE_HOME:-~/.cache}/gup-toolkit`
pub(crate) fn cache() -> Result<Utf8PathBuf, Failure> {
    let set = |name| {
        std::env::var(name)
            .ok()
            .filter(|value| Utf8Path::new(value).is_absolute())
            .map(Utf8PathBuf::from)
    };
    let cache = set("XDG_CACHE_HOME")
        .or_else(|| Some(set("HOME")?.join(".cache")))
        .ok_or_else(|| {
            Failure::new(
                Exit::Usage,
                "no place for a cache: neither XDG_CACHE_HOME nor HOME names a directory from / on",
            )
            .hint("XDG_CACHE_HOME=DIR cargo xtask …; audit --no-cache needs none")
        })?;
    Ok(cache.join("gup-toolkit"))
}

impl Store {
    /// The user's cache.
    pub(crate) fn of_user() -> Result<Store, Failure> {
        Ok(Store::at(&cache()?.join("kernels")))
    }

    /// A cache at a place of one's own.
    pub(crate) fn at(root: &Utf8Path) -> Store {
        Store {
            root: root.to_owned(),
        }
    }

    /// All trees, sorted by version. What is not named `linux-VERSION`, or says another version, is left out.
    pub(crate) fn list(&self) -> Vec<Cached> {
        let Ok(entries) = self.root.read_dir_utf8() else {
            return Vec::new();
        };
        let mut trees: Vec<Cached> = entries
            .filter_map(|entry| {
                let dir = entry.ok()?.into_path();
                let named: Version = dir.file_name()?.strip_prefix("linux-")?.parse().ok()?;
                let version = Version::of_tree(&dir)?;
                (version == named).then_some(Cached { version, dir })
            })
            .collect();
        trees.sort_by_key(|tree| tree.version);
        trees
    }

    /// The newest tree that is what was asked for.
    pub(crate) fn find(&self, wanted: Version) -> Option<Cached> {
        let mut trees = self.list();
        trees.retain(|tree| wanted.accepts(tree.version));
        trees.pop()
    }

    /// Takes the cache for writing, waiting for nobody, and clears what a killed run has left.
    pub(crate) fn lock(&self) -> Result<Locked<'_>, Failure> {
        let refused = |error| {
            Failure::new(
                Exit::Infrastructure,
                format!("failed to write to the cache `{}`", self.root),
            )
            .because(error)
            .hint("XDG_CACHE_HOME=DIR cargo xtask kernel … puts it elsewhere")
        };
        std::fs::create_dir_all(&self.root).map_err(refused)?;
        let lock = File::create(self.root.join(".lock")).map_err(refused)?;
        crate::lock::take(&lock).map_err(|_| {
            Failure::new(
                Exit::Infrastructure,
                "another `kernel get` is at work in the same cache",
            )
            .hint("wait for it, then run the same command again")
        })?;
        for entry in self.root.read_dir_utf8().map_err(refused)? {
            let entry = entry.map_err(refused)?;
            if entry.file_name().starts_with(UNFINISHED) {
                std::fs::remove_dir_all(entry.path()).map_err(refused)?;
            }
        }
        Ok(Locked {
            store: self,
            _lock: lock,
        })
    }
}

/// A cache that this process alone writes to.
#[derive(Debug)]
pub(crate) struct Locked<'a> {
    store: &'a Store,
    _lock: File,
}

impl Locked<'_> {
    /// A directory on the cache's own disk, removed when dropped.
    pub(crate) fn scratch(&self) -> Result<tempfile::TempDir, Failure> {
        Ok(tempfile::Builder::new()
            .prefix(UNFINISHED)
            .tempdir_in(&self.store.root)?)
    }

    /// Moves a finished tree to its place, after asking its Makefile for the version.
    pub(crate) fn adopt(&self, tree: &Utf8Path, wanted: Version) -> Result<Cached, Failure> {
        let version = Version::of_tree(tree).ok_or_else(|| {
            Failure::new(
                Exit::Infrastructure,
                format!("what came for {wanted} is no kernel tree"),
            )
        })?;
        if !wanted.accepts(version) {
            return Err(Failure::new(
                Exit::Infrastructure,
                format!("asked for {wanted}, but the Makefile of what came says {version}"),
            ));
        }
        let dir = self.store.root.join(format!("linux-{version}"));
        if dir.exists() {
            // An older tree of this name whose Makefile disagrees, or the same release again: the new one is checked.
            std::fs::remove_dir_all(&dir)?;
        }
        std::fs::rename(tree, &dir)?;
        Ok(Cached { version, dir })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(dir: &Utf8Path, version: &str) {
        let version: Version = version.parse().unwrap();
        std::fs::create_dir_all(dir).unwrap();
        let text = format!(
            "VERSION = {}\nPATCHLEVEL = {}\nSUBLEVEL = {}\n",
            version.major,
            version.minor,
            version.sub.unwrap()
        );
        std::fs::write(dir.join("Makefile"), text).unwrap();
    }

    #[test]
    fn the_newest_release_of_a_series_is_found_and_mislabelled_trees_are_not() {
        let root = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(root.path()).unwrap();
        tree(&root.join("linux-6.12.9"), "6.12.9");
        tree(&root.join("linux-6.12.117"), "6.12.117");
        tree(&root.join("linux-6.12.200"), "6.1.1");
        let found = Store::at(root).find("6.12".parse().unwrap()).unwrap();
        assert_eq!(found.version.to_string(), "6.12.117");
        assert_eq!(Store::at(root).find("6.1".parse().unwrap()), None);
    }

    #[test]
    fn a_tree_of_another_version_than_asked_for_is_not_adopted() {
        let root = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(root.path()).unwrap();
        let store = Store::at(root);
        let locked = store.lock().unwrap();
        let scratch = locked.scratch().unwrap();
        let dir = Utf8Path::from_path(scratch.path()).unwrap().join("tree");
        tree(&dir, "6.1.5");
        let refused = locked.adopt(&dir, "6.12".parse().unwrap()).unwrap_err();
        assert_eq!(refused.exit, Exit::Infrastructure);
        assert!(locked.adopt(&dir, "6.1".parse().unwrap()).is_ok());
        assert!(root.join("linux-6.1.5/Makefile").exists());
    }

    #[test]
    fn what_a_killed_run_left_is_cleared_and_two_runs_do_not_mix() {
        let root = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(root.path()).unwrap();
        tree(&root.join(".unfinished-abc/linux"), "6.1.5");
        let store = Store::at(root);
        let _locked = store.lock().unwrap();
        assert!(!root.join(".unfinished-abc").exists());
        assert_eq!(store.lock().unwrap_err().exit, Exit::Infrastructure);
    }
}
