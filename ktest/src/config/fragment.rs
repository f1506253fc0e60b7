// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a fragment is, ours and the user's.

use crate::error::Error;
use camino::Utf8Path;
use refimpl::api::KernelVersion;
use serde::Deserialize;
use std::collections::BTreeMap;

const BASE: &str = include_str!("../../config/base.toml");

/// A value with its reason, as a data file has it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Value {
    /// As it stands in .config: `4`, `"text"`.
    pub value: String,
    /// Why.
    pub reason: String,
}

/// One option.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// `y`, `m`, `n`, or a value.
    pub value: String,
    /// Why it is wanted.
    pub reason: String,
    /// The file that wants it.
    pub from: String,
    /// The first release that has the option; all have it when `None`.
    pub since: Option<KernelVersion>,
    /// The first release that has the option no more; none is known when `None`.
    pub until: Option<KernelVersion>,
}

/// Options by name, without their `CONFIG_`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Fragment {
    /// Sorted by name.
    pub settings: BTreeMap<String, Setting>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Data {
    #[serde(default)]
    y: BTreeMap<String, String>,
    #[serde(default)]
    n: BTreeMap<String, String>,
    #[serde(default)]
    value: BTreeMap<String, Value>,
    #[serde(default)]
    since: Releases,
    #[serde(default)]
    until: Releases,
    #[serde(default)]
    off_until: Releases,
}

/// Options with their reasons, by the release from which on, or until which, they are wanted.
pub(crate) type Releases = BTreeMap<KernelVersion, BTreeMap<String, String>>;

/// In bytes: several times a distribution's whole .config.
const LARGEST: u64 = 4 << 20;

impl Fragment {
    /// Of the three tables that a data file has.
    ///
    /// # Errors
    /// [`Error::Data`] for an option without a reason or in two tables.
    pub fn new(
        from: &str,
        y: BTreeMap<String, String>,
        n: BTreeMap<String, String>,
        value: BTreeMap<String, Value>,
    ) -> Result<Fragment, Error> {
        let yes = y
            .into_iter()
            .map(|(name, reason)| (name, "y".into(), reason));
        let no = n
            .into_iter()
            .map(|(name, reason)| (name, "n".into(), reason));
        let other = value.into_iter().map(|(name, v)| (name, v.value, v.reason));
        let mut settings = BTreeMap::new();
        for (name, value, reason) in yes.chain(no).chain(other) {
            let bad = |why| Error::Data {
                path: from.to_owned(),
                why,
            };
            if reason.is_empty() {
                return Err(bad(format!("option {name} has no reason")));
            }
            let setting = Setting {
                value,
                reason,
                from: from.to_owned(),
                since: None,
                until: None,
            };
            if settings.insert(name.clone(), setting).is_some() {
                return Err(bad(format!("option {name} is set twice")));
            }
        }
        Ok(Fragment { settings })
    }

    /// Adds options that are wanted from a release on: earlier ones do not have them; and options that are wanted
    /// until a release: it and later ones do not have them; and options that are kept off until a release.
    ///
    /// # Errors
    /// As [`Fragment::new`].
    pub(crate) fn add_releases(
        &mut self,
        from: &str,
        since: Releases,
        until: Releases,
        off_until: Releases,
    ) -> Result<(), Error> {
        let nothing = BTreeMap::new;
        let since = since
            .into_iter()
            .map(|(v, y)| (Some(v), None, y, nothing()));
        let until = until
            .into_iter()
            .map(|(v, y)| (None, Some(v), y, nothing()));
        let off = off_until
            .into_iter()
            .map(|(v, n)| (None, Some(v), nothing(), n));
        for (since, until, y, n) in since.chain(until).chain(off) {
            let more = Fragment::new(from, y, n, BTreeMap::new())?;
            for (name, setting) in more.settings {
                let setting = Setting {
                    since,
                    until,
                    ..setting
                };
                if self.settings.insert(name.clone(), setting).is_some() {
                    return Err(Error::Data {
                        path: from.to_owned(),
                        why: format!("option {name} is set twice"),
                    });
                }
            }
        }
        Ok(())
    }

    /// What of it a release has.
    pub fn at(&self, version: KernelVersion) -> Fragment {
        let settings = self
            .settings
            .iter()
            .filter(|(_, setting)| {
                setting.since.is_none_or(|since| since <= version)
                    && setting.until.is_none_or(|until| version < until)
            })
            .map(|(name, setting)| (name.clone(), setting.clone()))
            .collect();
        Fragment { settings }
    }

    /// A fragment of the user's, in kbuild's own format.
    ///
    /// # Errors
    /// [`Error::NotThere`], [`Error::Io`], or [`Error::Config`] for a line that is neither an option nor a comment.
    pub fn read(path: &Utf8Path) -> Result<Fragment, Error> {
        let is = std::fs::metadata(path).map_err(Error::named("the fragment", path))?;
        if !is.is_file() || is.len() > LARGEST {
            return Err(Error::Usage(format!(
                "read {path}: it is no fragment of a configuration"
            )));
        }
        let text = std::fs::read_to_string(path).map_err(Error::named("the fragment", path))?;
        let mut settings = BTreeMap::new();
        for (number, line) in text.lines().enumerate() {
            let Some((name, value)) = option_line(line) else {
                let line = line.trim();
                if line.is_empty() || line.starts_with('#') {
                    continue;
                }
                return Err(Error::Config(vec![format!(
                    "{path}:{}: not an option: {line}",
                    number + 1
                )]));
            };
            let setting = Setting {
                value: value.to_owned(),
                reason: "the user's fragment".into(),
                from: path.to_string(),
                since: None,
                until: None,
            };
            settings.insert(name.to_owned(), setting);
        }
        Ok(Fragment { settings })
    }

    /// One option more.
    pub fn set(&mut self, name: &str, value: &str, reason: &str, from: &str) {
        let setting = Setting {
            value: value.into(),
            reason: reason.into(),
            from: from.into(),
            since: None,
            until: None,
        };
        self.settings.insert(name.to_owned(), setting);
    }

    /// As kbuild reads it, sorted by name.
    pub fn text(&self) -> String {
        self.settings
            .iter()
            .map(|(name, setting)| match setting.value.as_str() {
                "n" => format!("# CONFIG_{name} is not set\n"),
                value => format!("CONFIG_{name}={value}\n"),
            })
            .collect()
    }
}

/// `CONFIG_X=v` or `# CONFIG_X is not set`.
pub(super) fn option_line(line: &str) -> Option<(&str, &str)> {
    let line = line.trim();
    if let Some(rest) = line.strip_prefix("# CONFIG_") {
        return Some((rest.strip_suffix(" is not set")?, "n"));
    }
    line.strip_prefix("CONFIG_")?.split_once('=')
}

/// What every kernel under test needs.
///
/// # Errors
/// When the data does not parse, which a test rules out.
pub(crate) fn base() -> Result<Fragment, Error> {
    let path = "ktest/config/base.toml";
    let data: Data = toml::from_str(BASE).map_err(|e| Error::Data {
        path: path.into(),
        why: e.to_string(),
    })?;
    let mut fragment = Fragment::new(path, data.y, data.n, data.value)?;
    fragment.add_releases(path, data.since, data.until, data.off_until)?;
    Ok(fragment)
}

/// All of them as one; of two that set an option the later one counts (the user's fragments come last).
pub(crate) fn merge<'a>(fragments: impl IntoIterator<Item = &'a Fragment>) -> Fragment {
    let mut merged = Fragment::default();
    for fragment in fragments {
        for (name, setting) in &fragment.settings {
            merged.settings.insert(name.clone(), setting.clone());
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_option_of_the_base_has_a_reason() {
        let base = base().unwrap();
        assert!(base.settings.len() > 80);
        assert!(base.settings.values().all(|s| s.reason.len() > 5));
    }

    #[test]
    fn an_option_is_left_out_where_the_release_does_not_have_it() {
        let mut fragment = Fragment::default();
        let options = |name: &str| BTreeMap::from([(name.to_owned(), "a reason".to_owned())]);
        let at = |version: &str| version.parse::<KernelVersion>().unwrap();
        let since = Releases::from([(at("6.2"), options("NEW"))]);
        let until = Releases::from([(at("6.12"), options("OLD"))]);
        let off = Releases::from([(at("6.2"), options("GONE"))]);
        fragment.add_releases("a.toml", since, until, off).unwrap();
        assert_eq!(
            fragment.at(at("6.1")).text(),
            "# CONFIG_GONE is not set\nCONFIG_OLD=y\n"
        );
        assert_eq!(
            fragment.at(at("6.11")).text(),
            "CONFIG_NEW=y\nCONFIG_OLD=y\n"
        );
        assert_eq!(fragment.at(at("6.12")).text(), "CONFIG_NEW=y\n");
        let twice = Releases::from([(at("6.3"), options("NEW"))]);
        assert!(
            fragment
                .add_releases("a.toml", twice, Releases::new(), Releases::new())
                .is_err()
        );
    }

    #[test]
    fn a_users_fragment_is_read_as_kbuild_reads_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(dir.path()).unwrap().join("frag");
        std::fs::write(
            &path,
            "# why\nCONFIG_A=y\n# CONFIG_B is not set\n\nCONFIG_C=\"x=y\"\n",
        )
        .unwrap();
        let text = Fragment::read(&path).unwrap().text();
        assert_eq!(
            text,
            "CONFIG_A=y\n# CONFIG_B is not set\nCONFIG_C=\"x=y\"\n"
        );
        std::fs::write(&path, "KASAN=y\n").unwrap();
        assert!(Fragment::read(&path).is_err());
    }
}
