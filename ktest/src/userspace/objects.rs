// SPDX-License-Identifier: MIT OR Apache-2.0
//! Objects that were compiled already: of the trees of a series each differs from the one before in a file or two.

use super::Error;
use camino::{Utf8Path, Utf8PathBuf};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// An object, and the warnings of the compiler that made it.
#[derive(Debug)]
pub(super) struct Object {
    pub(super) bytes: Vec<u8>,
    pub(super) warnings: Vec<String>,
}

/// The objects of all runs that have these options: whoever clones them shares them.
#[derive(Debug, Clone, Default)]
pub struct Objects(Arc<Mutex<HashMap<blake3::Hash, Arc<Object>>>>);

impl Objects {
    pub(super) fn get(&self, key: &blake3::Hash) -> Option<Arc<Object>> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(key).cloned()
    }

    pub(super) fn put(&self, key: blake3::Hash, object: Object) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(key, Arc::new(object));
    }
}

/// What the sources of a tree may include: every file below it but the sources themselves.
pub(super) fn included(root: &Utf8Path, sources: &[Utf8PathBuf]) -> Result<blake3::Hash, Error> {
    let mut all = blake3::Hasher::new();
    for entry in walkdir::WalkDir::new(root).sort_by_file_name() {
        let entry = entry.map_err(|error| Error::io("read", root.to_owned(), error.into()))?;
        let path = Utf8Path::from_path(entry.path())
            .ok_or_else(|| Error::NotUtf8(entry.path().to_owned()))?;
        let relative = path.strip_prefix(root).unwrap_or(path);
        let is_other = entry.file_type().is_file() && !relative.starts_with(".git");
        if is_other
            && sources
                .binary_search_by(|known| known.as_path().cmp(relative))
                .is_err()
        {
            piece(&mut all, relative.as_str().as_bytes());
            piece(&mut all, &read(path)?);
        }
    }
    Ok(all.finalize())
}

/// What an object depends on. None for a source that includes another one.
pub(super) fn key(
    command: &[&str],
    included: blake3::Hash,
    (root, source): (&Utf8Path, &Utf8Path),
) -> Result<Option<blake3::Hash>, Error> {
    let bytes = read(&root.join(source))?;
    if names_source(&bytes) {
        return Ok(None);
    }
    let mut all = blake3::Hasher::new();
    for word in command {
        piece(&mut all, word.as_bytes());
    }
    piece(&mut all, included.as_bytes());
    piece(&mut all, source.as_str().as_bytes());
    piece(&mut all, &bytes);
    Ok(Some(all.finalize()))
}

/// Whether the name of a C file is quoted somewhere.
fn names_source(bytes: &[u8]) -> bool {
    bytes
        .windows(3)
        .any(|three| matches!(three, b".c\"" | b".c>"))
}

/// Adds one of several parts: its length tells it from the next.
fn piece(all: &mut blake3::Hasher, bytes: &[u8]) {
    all.update(&(bytes.len() as u64).to_le_bytes());
    all.update(bytes);
}

fn read(path: &Utf8Path) -> Result<Vec<u8>, Error> {
    std::fs::read(path).map_err(|source| Error::io("read", path.to_owned(), source))
}

#[cfg(test)]
mod tests {
    use super::super::{Options, run};
    use callsites::embedded::{Era, materialise};
    use camino::{Utf8Path, Utf8PathBuf};
    use std::os::unix::fs::PermissionsExt as _;

    /// A compiler that notes what it compiles.
    fn noting(dir: &Utf8Path) -> (Options, impl Fn() -> Vec<String>) {
        let (cc, log) = (dir.join("cc"), dir.join("log"));
        std::fs::write(
            &cc,
            format!("#!/bin/sh\necho \"$*\" >>{log}\nexec cc \"$@\"\n"),
        )
        .unwrap();
        std::fs::set_permissions(&cc, std::fs::Permissions::from_mode(0o755)).unwrap();
        let options = Options {
            cc: cc.into_string(),
            ..Options::default()
        };
        let compiled = move || {
            let said = std::fs::read_to_string(&log).unwrap();
            std::fs::remove_file(&log).unwrap();
            let words = said.lines().filter(|line| line.contains("refimpl_sites.h"));
            let sources = words.filter_map(|line| line.split(" -c ").nth(1)?.split(' ').next());
            let mut sources: Vec<String> = sources.map(str::to_owned).collect();
            sources.sort();
            sources
        };
        (options, compiled)
    }

    #[test]
    fn what_has_not_changed_is_not_compiled_again_and_what_it_includes_counts() {
        let dir = tempfile::tempdir().unwrap();
        let dir = Utf8Path::from_path(dir.path()).unwrap();
        let (options, compiled) = noting(dir);
        let tree = dir.join("tree");
        materialise(Era::default(), &tree).unwrap();
        let append = |path: &Utf8Path, text: &str| {
            let old = std::fs::read_to_string(tree.join(path)).unwrap();
            std::fs::write(tree.join(path), format!("{old}{text}")).unwrap();
        };

        let first = run(&tree, &options).unwrap();
        let all = compiled();
        assert!(all.len() > 10, "{all:?}");
        assert_eq!(run(&tree, &options).unwrap(), first);
        assert_eq!(compiled(), [""; 0]);

        append(Utf8Path::new(&all[0]), "static int unused_here;\n");
        let warned = run(&tree, &options).unwrap().warnings;
        assert_eq!(compiled(), all[..1]);
        let new: Vec<_> = warned
            .iter()
            .filter(|line| line.contains("unused_here"))
            .collect();
        assert_eq!(new.len(), 1, "{warned:?}");
        assert_eq!(run(&tree, &options).unwrap().warnings, warned);
        assert_eq!(compiled(), [""; 0]);

        let header = walkdir::WalkDir::new(tree.join("include"))
            .sort_by_file_name()
            .into_iter()
            .filter_map(Result::ok)
            .find(|entry| entry.file_type().is_file())
            .unwrap();
        let header = Utf8PathBuf::from_path_buf(header.into_path()).unwrap();
        append(&header, "/* changed */\n");
        run(&tree, &options).unwrap();
        assert_eq!(compiled(), all);

        // One that includes another is compiled each time.
        append(Utf8Path::new(&all[1]), "/* \"other.c\" */\n");
        run(&tree, &options).unwrap();
        run(&tree, &options).unwrap();
        assert_eq!(compiled(), [all[1].as_str(), &all[1]]);
    }
}
