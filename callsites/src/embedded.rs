// SPDX-License-Identifier: MIT OR Apache-2.0
//! The small kernel tree that comes with the program, in two eras over the same drivers.
//!
//! [`materialise`] writes it out; [`files`] gives its bytes without a directory. Each of its C files says at its head
//! what an audit must find in it, and [`expectations`] reads that: the tree is its own answer sheet.

use std::collections::BTreeMap;
use std::io::Write as _;

use camino::{Utf8Path, Utf8PathBuf};
use include_dir::{Dir, include_dir};

static COMMON: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/embedded/common");
static V4_19: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/embedded/4.19");
static V6_12: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/embedded/6.12");

/// The two ages that the embedded tree has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Era {
    /// Linux 4.19 with put_user_page*() as placeholders: an audit calls it `put_user_page`.
    V4_19,
    /// Linux 6.12, where pin_user_pages*() count apart: an audit calls it `pin`.
    #[default]
    V6_12,
}

impl Era {
    /// Both, the older first.
    pub const ALL: [Era; 2] = [Era::V4_19, Era::V6_12];

    /// What its top Makefile says, without the extra version.
    pub fn version(self) -> &'static str {
        match self {
            Era::V4_19 => "4.19.0",
            Era::V6_12 => "6.12.0",
        }
    }

    fn overlay(self) -> &'static Dir<'static> {
        match self {
            Era::V4_19 => &V4_19,
            Era::V6_12 => &V6_12,
        }
    }
}

/// Why the embedded tree could not be written.
#[derive(Debug, thiserror::Error)]
#[error("failed to write {path}: {source}")]
pub struct Error {
    /// The file or directory.
    pub path: Utf8PathBuf,
    /// What the system said.
    pub source: std::io::Error,
}

/// Every file of an era, by path relative to the tree, sorted.
pub fn files(era: Era) -> BTreeMap<&'static Utf8Path, &'static [u8]> {
    let mut found = BTreeMap::new();
    collect(&COMMON, &mut found);
    collect(era.overlay(), &mut found);
    found
}

fn collect(dir: &'static Dir<'static>, found: &mut BTreeMap<&'static Utf8Path, &'static [u8]>) {
    for file in dir.files() {
        let path = Utf8Path::from_path(file.path())
            .expect("the embedded paths were written here, in ASCII");
        found.insert(path, file.contents());
    }
    for inner in dir.dirs() {
        collect(inner, found);
    }
}

/// Writes the tree of an era into `dir`, which is made where it is missing. Each file is written whole or not at all;
/// files of other names are left alone.
pub fn materialise(era: Era, dir: &Utf8Path) -> Result<(), Error> {
    for (path, bytes) in files(era) {
        let path = dir.join(path);
        write(&path, bytes).map_err(|source| Error { path, source })?;
    }
    Ok(())
}

fn write(path: &Utf8Path, bytes: &[u8]) -> std::io::Result<()> {
    let parent = path.parent().unwrap_or(Utf8Path::new("."));
    std::fs::create_dir_all(parent)?;
    let mut file = tempfile::NamedTempFile::new_in(parent)?;
    file.write_all(bytes)?;
    set_mode(file.as_file())?;
    file.persist(path)?;
    Ok(())
}

/// A temporary file is for its owner only; a source file is for everybody.
fn set_mode(file: &std::fs::File) -> std::io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        file.set_permissions(std::fs::Permissions::from_mode(0o644))?;
    }
    Ok(())
}

/// What an audit must say about one call.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Expectation {
    /// Relative to the tree.
    pub path: Utf8PathBuf,
    /// Enclosing function or macro.
    pub function: String,
    /// The callee as written.
    pub call: String,
    /// Among the calls of that callee in that function, from 0.
    pub ordinal: usize,
    /// The verdict.
    pub expected: Expected,
}

/// The verdicts that the head of a file can name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Expected {
    /// Belongs to a conversion.
    Convert,
    /// User pages, and must stay.
    Keep,
    /// Pages of more than one origin.
    Mixed,
    /// Already converted.
    Done,
    /// A release of pages that are not a caller's: not listed by default.
    Other,
    /// Anything but `convert`.
    NeverConvert,
}

/// What the heads of an era's files say, sorted by path, in the order of each file.
pub fn expectations(era: Era) -> Vec<Expectation> {
    let mut all = Vec::new();
    for (path, bytes) in files(era) {
        if path.extension() == Some("c") {
            expectations_of(path, &String::from_utf8_lossy(bytes), &mut all);
        }
    }
    all
}

fn expectations_of(path: &Utf8Path, text: &str, all: &mut Vec<Expectation>) {
    let mut seen: BTreeMap<(String, String), usize> = BTreeMap::new();
    for line in text.lines() {
        let Some(rest) = line.trim_start().strip_prefix("* audit: ") else {
            continue;
        };
        let words: Vec<&str> = rest.split_whitespace().collect();
        let [function, call, verdict] = words[..] else {
            continue;
        };
        let Some(expected) = expected(verdict) else {
            continue;
        };
        let count = seen
            .entry((function.to_owned(), call.to_owned()))
            .or_default();
        all.push(Expectation {
            path: path.to_owned(),
            function: function.to_owned(),
            call: call.to_owned(),
            ordinal: *count,
            expected,
        });
        *count += 1;
    }
}

fn expected(word: &str) -> Option<Expected> {
    Some(match word {
        "convert" => Expected::Convert,
        "keep" => Expected::Keep,
        "mixed" => Expected::Mixed,
        "done" => Expected::Done,
        "other" => Expected::Other,
        "never-convert" => Expected::NeverConvert,
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
