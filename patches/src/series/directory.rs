// SPDX-License-Identifier: MIT OR Apache-2.0
//! The directory of a series: written whole or not at all, read with every mistake named.

use crate::error::Error;
use crate::info::{Checks, Info, SCHEMA};
use crate::mbox::{Mail, concatenate};
use callsites::tree::beneath::{Root, TreePath};
use camino::Utf8Path;

/// The cover letter's name.
const COVER: &str = "0000-cover-letter.patch";

/// A series.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Series {
    /// series.toml.
    pub info: Info,
    /// checks.json.
    pub checks: Checks,
    /// The mails in order, the cover letter first.
    pub mails: Vec<Mail>,
}

impl Series {
    /// The patches as one mbox.
    pub fn mbox(&self) -> Vec<u8> {
        concatenate(&self.mails)
    }

    /// Groups that were selected and left alone.
    pub fn refused(&self) -> &[super::Refused] {
        &self.info.refused
    }

    /// Writes the directory. An earlier series in its place is replaced as a whole.
    ///
    /// # Errors
    /// [`Error::TargetInUse`] when `dir` holds something else; [`Error::Output`] where it cannot be made; [`Error::Io`].
    pub fn write(&self, dir: &Utf8Path) -> Result<(), Error> {
        let occupied = dir.is_dir()
            && dir
                .read_dir_utf8()
                .map_err(Error::io(dir))?
                .next()
                .is_some();
        // A file, a FIFO, a link that leads nowhere.
        let other = dir.symlink_metadata().is_ok() && !dir.is_dir();
        if occupied && !dir.join("series.toml").is_file() || other {
            return Err(Error::TargetInUse(dir.to_owned()));
        }
        let parent = match dir.parent() {
            Some(parent) if !parent.as_str().is_empty() => parent,
            _ => Utf8Path::new("."),
        };
        std::fs::create_dir_all(parent).map_err(Error::output(dir))?;
        let fresh = tempfile::Builder::new()
            .prefix(".series-")
            .tempdir_in(parent)
            .map_err(Error::output(dir))?;
        let files = self.files()?;
        for (name, bytes) in &files {
            let path = fresh.path().join(name);
            std::fs::write(&path, bytes).map_err(Error::io(dir))?;
        }
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(fresh.path(), mode).map_err(Error::io(dir))?;
        // The old series steps aside first, so that no moment shows a mixture of two.
        let aside = occupied
            .then(|| {
                tempfile::Builder::new()
                    .prefix(".old-series-")
                    .tempdir_in(parent)
            })
            .transpose()
            .map_err(Error::io(parent))?;
        if let Some(aside) = &aside {
            std::fs::rename(dir, aside.path().join("series")).map_err(Error::io(dir))?;
        } else if dir.is_dir() {
            std::fs::remove_dir(dir).map_err(Error::io(dir))?;
        }
        std::fs::rename(fresh.path(), dir).map_err(Error::io(dir))?;
        // Renamed away: nothing is left for the temporary directory to remove.
        let _moved = fresh.keep();
        Ok(())
    }

    /// Writes every file of the series into the directory that it was read from, one by one; what else lies there stays.
    /// The mails come first: what says of them how they were written must never be ahead of them.
    pub(super) fn rewrite(&self, dir: &Utf8Path) -> Result<(), Error> {
        let mut files = self.files()?;
        files.reverse();
        for (name, bytes) in &files {
            replace(dir, name, bytes)?;
        }
        Ok(())
    }

    /// Writes checks.json alone, into the directory that the series was read from.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn write_checks(&self, dir: &Utf8Path) -> Result<(), Error> {
        replace(dir, "checks.json", &self.checks_json()?)
    }

    fn checks_json(&self) -> Result<Vec<u8>, Error> {
        let mut json = serde_json::to_vec_pretty(&self.checks)
            .map_err(|error| Error::Unproven(error.to_string()))?;
        json.push(b'\n');
        Ok(json)
    }

    /// Every file of the directory.
    fn files(&self) -> Result<Vec<(String, Vec<u8>)>, Error> {
        let unproven = |what: String| Error::Unproven(what);
        let toml = toml::to_string(&self.info).map_err(|e| unproven(e.to_string()))?;
        let json = self.checks_json()?;
        let mut files = vec![
            ("series.toml".to_owned(), toml.into_bytes()),
            ("checks.json".to_owned(), json),
            ("series.mbox".to_owned(), self.mbox()),
        ];
        files.extend(
            self.mails
                .iter()
                .map(|mail| (mail.file.clone(), mail.bytes.clone())),
        );
        Ok(files)
    }

    /// Reads a directory. The mails count, not series.mbox: they are what people edit.
    ///
    /// # Errors
    /// [`Error::BadSeries`] with what is missing or damaged.
    pub fn read(dir: &Utf8Path) -> Result<Series, Error> {
        let bad = |why: String| Error::BadSeries {
            path: dir.to_owned(),
            why,
        };
        // A series comes from a stranger: a link, a FIFO or a device in it is not read.
        let root = Root::open(dir).map_err(|error| bad(chain(&error)))?;
        let read = |name: &str| match TreePath::parse(name).and_then(|name| root.read(&name)) {
            Ok(bytes) => Ok(bytes),
            Err(error) => Err(bad(chain(&error))),
        };
        let needed = |name: &str| read(name)?.ok_or_else(|| bad(format!("{name}: no such file")));
        let text = String::from_utf8(needed("series.toml")?)
            .map_err(|error| bad(format!("series.toml: {error}")))?;
        let info: Info =
            toml::from_str(&text).map_err(|error| bad(format!("series.toml: {error}")))?;
        if info.schema != SCHEMA {
            return Err(bad(format!("its schema is {}, not {SCHEMA}", info.schema)));
        }
        let paths = info.patches.iter().flat_map(|patch| {
            let calls = patch.callsites.iter().map(|call| &call.path);
            patch.files.iter().chain(calls)
        });
        for path in paths {
            TreePath::parse(path).map_err(|error| bad(format!("series.toml: {error}")))?;
        }
        let checks = match read("checks.json")? {
            Some(bytes) => serde_json::from_slice(&bytes)
                .map_err(|error| bad(format!("checks.json: {error}")))?,
            None => Checks::default(),
        };
        let mut mails = Vec::new();
        let cover = read(COVER)?.map(|bytes| Mail {
            file: COVER.to_owned(),
            bytes,
        });
        mails.extend(cover);
        for patch in &info.patches {
            let file = &patch.file;
            // A name in series.toml must not lead out of the directory.
            if file.contains('/') || file.starts_with('.') {
                return Err(bad(format!("`{file}` is not the name of a mail")));
            }
            mails.push(Mail {
                file: file.clone(),
                bytes: needed(file)?,
            });
        }
        Ok(Series {
            info,
            checks,
            mails,
        })
    }
}

/// An error with its causes on one line.
fn chain(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {}", chain(source)),
        None => error.to_string(),
    }
}

/// Puts a file into its place in one step.
fn replace(dir: &Utf8Path, name: &str, bytes: &[u8]) -> Result<(), Error> {
    let path = dir.join(name);
    let mut fresh = tempfile::NamedTempFile::new_in(dir).map_err(Error::io(dir))?;
    std::io::Write::write_all(&mut fresh, bytes).map_err(Error::io(&path))?;
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    std::fs::set_permissions(fresh.path(), mode).map_err(Error::io(&path))?;
    fresh
        .persist(&path)
        .map_err(|error| Error::io(&path)(error.error))?;
    Ok(())
}
