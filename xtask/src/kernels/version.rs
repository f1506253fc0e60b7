// SPDX-License-Identifier: MIT OR Apache-2.0
//! Kernel versions: what a user asks for, and what a tree's Makefile says.

use camino::Utf8Path;
use std::fmt;
use std::str::FromStr;

/// A kernel version: "6.12" (patch level unknown: a series) or "6.12.117".
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Version {
    /// VERSION
    pub(crate) major: u16,
    /// PATCHLEVEL
    pub(crate) minor: u16,
    /// SUBLEVEL; `None` names the whole series.
    pub(crate) sub: Option<u16>,
}

/// In bytes. The top Makefile of Linux 6.12.117 has 71,529, and a megabyte is no Makefile any more.
const LARGEST_MAKEFILE: u64 = 1 << 20;

impl Version {
    /// The series, "6.12".
    pub(crate) fn series(self) -> String {
        format!("{}.{}", self.major, self.minor)
    }

    /// Whether a tree of version `other` is what was asked for.
    pub(crate) fn accepts(self, other: Version) -> bool {
        (self.major, self.minor) == (other.major, other.minor)
            && self.sub.is_none_or(|sub| other.sub == Some(sub))
    }

    /// What the top Makefile of a tree says; `None` when it is no kernel tree's.
    pub(crate) fn of_tree(dir: &Utf8Path) -> Option<Version> {
        let path = dir.join("Makefile");
        let metadata = std::fs::metadata(&path).ok()?;
        // A pipe would be waited for without end, and a device has no end.
        if !metadata.is_file() || metadata.len() > LARGEST_MAKEFILE {
            return None;
        }
        let makefile = std::fs::read_to_string(path).ok()?;
        let value = |name: &str| {
            makefile.lines().take(20).find_map(|line| {
                let (left, right) = line.split_once('=')?;
                (left.trim() == name).then(|| right.trim().parse::<u16>().ok())?
            })
        };
        let sub = value("SUBLEVEL")?;
        Some(Version {
            major: value("VERSION")?,
            minor: value("PATCHLEVEL")?,
            sub: Some(sub),
        })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)?;
        self.sub.map_or(Ok(()), |sub| write!(f, ".{sub}"))
    }
}

/// Not a version.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is no kernel version")]
pub(crate) struct NoVersion(String);

impl FromStr for Version {
    type Err = NoVersion;

    fn from_str(text: &str) -> Result<Self, NoVersion> {
        let wrong = || NoVersion(text.to_owned());
        let numbers = text
            .strip_prefix('v')
            .unwrap_or(text)
            .split('.')
            .map(|part| part.parse().map_err(|_| wrong()))
            .collect::<Result<Vec<u16>, _>>()?;
        match numbers[..] {
            [major, minor] => Ok(Version {
                major,
                minor,
                sub: None,
            }),
            [major, minor, sub] => Ok(Version {
                major,
                minor,
                sub: Some(sub),
            }),
            _ => Err(wrong()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> Version {
        text.parse().unwrap()
    }

    #[test]
    fn a_series_accepts_its_releases_and_a_release_only_itself() {
        assert!(version("6.12").accepts(version("6.12.117")));
        assert!(version("v6.12.117").accepts(version("6.12.117")));
        assert!(!version("6.12.116").accepts(version("6.12.117")));
        assert!(!version("6.1").accepts(version("6.12.117")));
    }

    #[test]
    fn releases_sort_by_number_not_by_letter() {
        assert!(version("6.12.9") < version("6.12.117"));
        assert!(version("5.10.1") < version("6.1.1"));
    }

    #[test]
    fn words_that_are_no_version_are_refused() {
        for word in ["", "6", "six.twelve", "6.12.117.1", "6.-1", "../6.12"] {
            assert!(word.parse::<Version>().is_err(), "{word}");
        }
    }

    #[test]
    fn the_version_of_a_tree_is_read_from_its_makefile() {
        let dir = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(dir.path()).unwrap();
        assert_eq!(Version::of_tree(path), None);
        let text = "# SPDX\nVERSION = 6\nPATCHLEVEL = 1\nSUBLEVEL = 192\nEXTRAVERSION =\n";
        std::fs::write(path.join("Makefile"), text).unwrap();
        assert_eq!(Version::of_tree(path), Some(version("6.1.192")));
    }
}
