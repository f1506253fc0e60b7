// SPDX-License-Identifier: MIT OR Apache-2.0
//! From a tree and a series to a verdict.

use super::{Error, Kernel, Options, compile, verdict};
use crate::series::{Content, stage};
use crate::source::Source;
use crate::verdict::Verdict;
use callsites::embedded::{self, Era};
use callsites::report::Callsite;
use callsites::tree::Tree;
use camino::{Utf8Path, Utf8PathBuf};

/// Whether drivers of this tree can be run, looked at before anything is copied. A git revision is looked at when it is.
///
/// # Errors
/// The directory is not a tree of this kind.
pub fn suits(tree: &Tree) -> Result<(), Error> {
    tree.root()
        .map_or(Ok(()), |root| compile::version(root).map(drop))
}

/// Runs the drivers of an embedded tree, and again after every patch of the series: what `ktest --via refimpl` does.
///
/// The tree may be the one that comes with the program, a directory that was written from it, or a git revision of one.
/// It is copied, never written. `name` is what the verdict calls the run; `callsites` are the audit's, for the evidence.
///
/// # Errors
/// No verdict could be reached: the tree is none of these, the base does not compile, the series does not apply, a program
/// is missing.
pub fn test(
    name: &str,
    tree: &Tree,
    series_dir: Option<&Utf8Path>,
    callsites: &[Callsite],
    options: &Options,
) -> Result<Verdict, Error> {
    let scratch = tempfile::tempdir().map_err(|source| {
        Error::io(
            "make a directory in",
            "the temporary directory".into(),
            source,
        )
    })?;
    let scratch = Utf8Path::from_path(scratch.path())
        .ok_or_else(|| Error::NotUtf8(scratch.path().to_owned()))?;
    let root = directory(tree, scratch)?;
    compile::version(&root)?;
    let base = Kernel {
        subject: tree.version().to_owned(),
        tree: root.clone(),
    };
    let mut patches = Vec::new();
    if let Some(dir) = series_dir {
        let source = Source::at(&root, tree.version());
        for (index, staged) in stage(&source, dir)
            .map_err(Box::new)?
            .into_iter()
            .enumerate()
        {
            let copy = scratch.join(format!("patched-{index:04}"));
            copy_tree(&root, &copy)?;
            for (path, content) in &staged.overlay {
                lay_over(&copy.join(path), content)?;
            }
            patches.push(Kernel {
                subject: staged.subject,
                tree: copy,
            });
        }
    }
    verdict(name, &base, &patches, callsites, options)
}

/// The directory that holds the tree's files.
fn directory(tree: &Tree, scratch: &Utf8Path) -> Result<Utf8PathBuf, Error> {
    if tree.root().is_some() || tree.repository().is_some() {
        return Ok(Source::of(tree, None, &scratch.join("export"))
            .map_err(Box::new)?
            .root);
    }
    let era = Era::ALL
        .into_iter()
        .find(|era| tree.version().starts_with(era.version()));
    let root = scratch.join("base");
    embedded::materialise(era.unwrap_or_default(), &root)
        .map_err(|error| Error::io("write", error.path, error.source))?;
    Ok(root)
}

fn copy_tree(from: &Utf8Path, to: &Utf8Path) -> Result<(), Error> {
    for entry in walkdir::WalkDir::new(from) {
        let entry = entry.map_err(|error| Error::io("read", from.to_owned(), error.into()))?;
        let path = Utf8Path::from_path(entry.path())
            .ok_or_else(|| Error::NotUtf8(entry.path().to_owned()))?;
        let Ok(relative) = path.strip_prefix(from) else {
            continue;
        };
        if relative.starts_with(".git") || !entry.file_type().is_file() {
            continue;
        }
        let bytes =
            std::fs::read(path).map_err(|source| Error::io("read", path.to_owned(), source))?;
        lay(&to.join(relative), Some(&bytes))?;
    }
    Ok(())
}

fn lay_over(path: &Utf8Path, content: &Content) -> Result<(), Error> {
    match content {
        Content::File { bytes, .. } => lay(path, Some(bytes)),
        Content::Gone => lay(path, None),
        Content::Link(_) => {
            let why = std::io::Error::other(
                "a driver's tree has files only, and a patch makes this a link",
            );
            Err(Error::io("write", path.to_owned(), why))
        }
    }
}

/// Makes a file what it should be, or takes it away.
fn lay(path: &Utf8Path, bytes: Option<&[u8]>) -> Result<(), Error> {
    let done = match (bytes, path.parent()) {
        (Some(bytes), Some(parent)) => {
            std::fs::create_dir_all(parent).and_then(|()| std::fs::write(path, bytes))
        }
        (None, _) if path.exists() => std::fs::remove_file(path),
        _ => Ok(()),
    };
    done.map_err(|source| Error::io("write", path.to_owned(), source))
}
