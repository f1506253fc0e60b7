// SPDX-License-Identifier: MIT OR Apache-2.0
//! A path that can only name a place inside a tree, and why another text is none.

use super::LIMIT;
use camino::{Utf8Path, Utf8PathBuf};
use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;

/// The longest path and the longest name that Linux takes, in bytes without the final NUL ("include/uapi/linux/limits.h").
const PATH_BYTES: usize = 4095;
const NAME_BYTES: usize = 255;

/// A path that was checked: relative, normal, and nothing that git would refuse in a patch. Only [`TreePath::parse`] makes one.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TreePath(Utf8PathBuf);

impl TreePath {
    /// Checks a path as it stands in a patch, without `a/` or `b/`.
    ///
    /// The rules are git's ("read-cache.c", verify_path(), 2.47): no component is empty, `.` or `..`, or `.git` in any case;
    /// so the path is not absolute and ends in a name. Control characters, which no path of a kernel has, are refused too:
    /// they would break a line of output or of a list.
    ///
    /// # Errors
    /// [`Error::Refused`] with the rule that the path breaks.
    pub fn parse(text: &str) -> Result<TreePath, Error> {
        match broken(text) {
            Some(why) => Err(Error::Refused {
                path: text.to_owned(),
                why,
            }),
            None => Ok(TreePath(Utf8PathBuf::from(text))),
        }
    }

    /// As a path, relative to the tree.
    pub fn as_path(&self) -> &Utf8Path {
        &self.0
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// Its last component.
    pub(super) fn name(&self) -> &str {
        let text = self.as_str();
        text.rsplit_once('/').map_or(text, |(_, name)| name)
    }

    /// The directory it stands in, unless that is the tree.
    pub(super) fn parent(&self) -> Option<TreePath> {
        let (above, _) = self.as_str().rsplit_once('/')?;
        Some(TreePath(Utf8PathBuf::from(above)))
    }

    /// Whether a link that stands here and says `target` leads to a place inside of the tree and not into `.git`, read as
    /// text: other links are not followed.
    ///
    /// A step up is taken only before the first name: after one it starts from where that name leads, and another link of
    /// the same series may say where that is (`l` to the root of the tree, then a link to `l/../outside`).
    pub fn leads_inside(&self, target: &[u8]) -> bool {
        let Ok(target) = std::str::from_utf8(target) else {
            return false;
        };
        if target.is_empty() || target.starts_with('/') || target.chars().any(char::is_control) {
            return false;
        }
        let mut depth = self.as_str().matches('/').count();
        let mut named = false;
        for name in target.split('/') {
            match name {
                "" | "." => {}
                ".." if named || depth == 0 => return false,
                ".." => depth -= 1,
                name if name.eq_ignore_ascii_case(".git") => return false,
                _ => named = true,
            }
        }
        true
    }

    /// That it breaks a rule which its text does not show.
    pub fn refused(&self, why: Refusal) -> Error {
        Error::Refused {
            path: self.as_str().to_owned(),
            why,
        }
    }
}

/// The first rule that `text` breaks.
fn broken(text: &str) -> Option<Refusal> {
    if text.is_empty() {
        return Some(Refusal::Empty);
    }
    if text.starts_with('/') {
        return Some(Refusal::Absolute);
    }
    if text.chars().any(char::is_control) {
        return Some(Refusal::Control);
    }
    if text.len() > PATH_BYTES {
        return Some(Refusal::TooLong);
    }
    text.split('/').find_map(|name| match name {
        "" | "." => Some(Refusal::NotNormal),
        ".." => Some(Refusal::Outside),
        name if name.eq_ignore_ascii_case(".git") => Some(Refusal::Git),
        name if name.len() > NAME_BYTES => Some(Refusal::TooLong),
        _ => None,
    })
}

impl FromStr for TreePath {
    type Err = Error;

    fn from_str(text: &str) -> Result<TreePath, Error> {
        TreePath::parse(text)
    }
}

impl TryFrom<String> for TreePath {
    type Error = Error;

    fn try_from(text: String) -> Result<TreePath, Error> {
        TreePath::parse(&text)
    }
}

impl From<TreePath> for String {
    fn from(path: TreePath) -> String {
        path.0.into_string()
    }
}

impl From<TreePath> for Utf8PathBuf {
    fn from(path: TreePath) -> Utf8PathBuf {
        path.0
    }
}

impl AsRef<Utf8Path> for TreePath {
    fn as_ref(&self) -> &Utf8Path {
        &self.0
    }
}

/// A map of [`TreePath`]s is asked by a plain path; both compare alike.
impl Borrow<Utf8Path> for TreePath {
    fn borrow(&self) -> &Utf8Path {
        &self.0
    }
}

impl fmt::Display for TreePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for TreePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

/// Why a path from outside was not followed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The path, or what stands there, is not one that may be used: whoever wrote it is at fault.
    #[error("use the path {path:?}: {why}")]
    Refused {
        /// As it was given.
        path: String,
        /// The rule that it breaks.
        why: Refusal,
    },
    /// The system refused.
    #[error("access {path}")]
    Io {
        /// The file or directory.
        path: Utf8PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

impl Error {
    pub(super) fn io(path: &Utf8Path, source: impl Into<std::io::Error>) -> Error {
        Error::Io {
            path: path.to_owned(),
            source: source.into(),
        }
    }

    /// Whether the path is at fault, not the machine.
    pub fn is_refused(&self) -> bool {
        matches!(self, Error::Refused { .. })
    }
}

/// The rule that a path breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// There is no path.
    Empty,
    /// It begins with `/`.
    Absolute,
    /// A component is `..`.
    Outside,
    /// A component is empty or `.`.
    NotNormal,
    /// A component is `.git`.
    Git,
    /// It holds a control character.
    Control,
    /// Linux has no file of such a name.
    TooLong,
    /// A symbolic link stands on the way, or in the place of the file.
    Link,
    /// A file stands in the place of a directory.
    NotADirectory,
    /// A directory, device, socket or FIFO stands in the place of the file.
    NotOrdinary,
    /// The file has more than [`LIMIT`] bytes.
    TooLarge,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Refusal::Empty => "it is empty",
            Refusal::Absolute => "it is absolute",
            Refusal::Outside => "it leads out of its directory",
            Refusal::NotNormal => "it has an empty component or `.`",
            Refusal::Git => "it leads into .git",
            Refusal::Control => "it has a control character",
            Refusal::TooLong => "it is longer than a path can be",
            Refusal::Link => "it leads over a symbolic link",
            Refusal::NotADirectory => "it leads over a file as if that were a directory",
            Refusal::NotOrdinary => "it is not an ordinary file",
            Refusal::TooLarge => return write!(f, "it is larger than {} MiB", LIMIT >> 20),
        })
    }
}
