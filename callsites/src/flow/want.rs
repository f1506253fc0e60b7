// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the flow asks of the tree.

use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;
use std::hash::{Hash, Hasher};

/// Something to be read, asked for once.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Want {
    /// The function or macro of that name.
    Definition { from: Utf8PathBuf, name: String },
    /// The functions that name it.
    Callers {
        from: Utf8PathBuf,
        name: String,
        private: bool,
    },
    /// The functions that name the field.
    Users {
        from: Utf8PathBuf,
        field: String,
        record: Option<String>,
        /// The name of the private header that defines the record, without its directory.
        header: Option<String>,
    },
    /// The struct of that tag.
    Record { from: Utf8PathBuf, tag: String },
}

/// How far to look for a word.
#[derive(Debug, Clone, Copy)]
pub enum Scope<'a> {
    /// The file itself.
    File,
    /// Its directory.
    Directory,
    /// Its directory and all below.
    Subtree,
    /// The same, in files that name this struct, or the header that defines it.
    Naming(&'a str, Option<&'a str>),
}

/// Compared and hashed by the bytes of the path: [`Utf8Path`] takes itself apart for each of these.
impl PartialEq for Want {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Want {}

impl PartialOrd for Want {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Want {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(&other.key())
    }
}

impl Hash for Want {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key().hash(state);
    }
}

impl Want {
    fn key(&self) -> (u8, &str, &str, [Option<&str>; 2], bool) {
        match self {
            Want::Definition { from, name } => (0, from.as_str(), name, [None; 2], false),
            Want::Callers {
                from,
                name,
                private,
            } => (1, from.as_str(), name, [None; 2], *private),
            Want::Users {
                from,
                field,
                record,
                header,
            } => {
                let of = [record.as_deref(), header.as_deref()];
                (2, from.as_str(), field, of, false)
            }
            Want::Record { from, tag } => (3, from.as_str(), tag, [None; 2], false),
        }
    }

    /// Who asks.
    pub fn from(&self) -> &Utf8Path {
        match self {
            Want::Definition { from, .. }
            | Want::Callers { from, .. }
            | Want::Users { from, .. }
            | Want::Record { from, .. } => from,
        }
    }

    /// The word that is looked for and how far, when it is one that is mentioned.
    pub fn mentioned(&self) -> Option<(&str, Scope<'_>)> {
        match self {
            Want::Callers { name, private, .. } => {
                let scope = if *private {
                    Scope::File
                } else {
                    Scope::Subtree
                };
                Some((name, scope))
            }
            Want::Users {
                field,
                record,
                header,
                ..
            } => {
                let naming = |tag| Scope::Naming(tag, header.as_deref());
                let scope = record.as_deref().map_or(Scope::Directory, naming);
                Some((field, scope))
            }
            Want::Definition { .. } | Want::Record { .. } => None,
        }
    }
}
