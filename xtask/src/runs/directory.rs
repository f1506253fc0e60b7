// SPDX-License-Identifier: MIT OR Apache-2.0
//! A run's directory: made, locked, written to, found again.

use crate::console::deliver_as_it_is;
use crate::exit::{Exit, Failure};
use crate::runs::record::Record;
use callsites::tree::beneath::{Root, TreePath};
use camino::{Utf8Path, Utf8PathBuf};
use std::fs::File;

/// A run that this process alone writes to.
#[derive(Debug)]
pub(crate) struct Run {
    /// Name of its directory.
    pub(crate) id: String,
    /// Its directory.
    pub(crate) dir: Utf8PathBuf,
    _lock: File,
}

const RECORD: &str = "pipeline.json";

impl Run {
    /// A new run: the next free number and a word that says of what.
    pub(crate) fn create(runs: &Utf8Path, what: &str) -> Result<Run, Failure> {
        std::fs::create_dir_all(runs).map_err(|error| refused(runs, error))?;
        let mut number = numbers(runs).max().unwrap_or(0);
        loop {
            number += 1;
            let id = format!("{number:04}-{what}");
            match std::fs::create_dir(runs.join(&id)) {
                Ok(()) => return Run::lock(runs.join(&id), id),
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(refused(runs, error)),
            }
        }
    }

    /// A run that was begun.
    pub(crate) fn resume(runs: &Utf8Path, name: &str) -> Result<Run, Failure> {
        let dir = find(runs, name)?;
        let id = dir.file_name().unwrap_or(name).to_owned();
        Run::lock(dir, id)
    }

    fn lock(dir: Utf8PathBuf, id: String) -> Result<Run, Failure> {
        let lock = File::create(dir.join("lock")).map_err(|error| refused(&dir, error))?;
        crate::lock::take(&lock).map_err(|_| {
            Failure::new(
                Exit::Infrastructure,
                format!("run {id} is being written by another process"),
            )
            .hint("wait for it, or start a run of your own")
        })?;
        Ok(Run {
            id,
            dir,
            _lock: lock,
        })
    }

    /// Writes a file of the run.
    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> Result<(), Failure> {
        deliver_as_it_is(Some(&self.dir.join(name)), |to| Ok(to.write_all(bytes)?))
    }

    /// Writes its record.
    pub(crate) fn record(&self, record: &Record) -> Result<(), Failure> {
        let mut bytes = serde_json::to_vec_pretty(record).map_err(std::io::Error::from)?;
        bytes.push(b'\n');
        self.write(RECORD, &bytes)
    }
}

/// The record of a run.
pub(crate) fn read(dir: &Utf8Path) -> Result<Record, Failure> {
    let path = dir.join(RECORD);
    let bytes = file(dir, RECORD)?.ok_or_else(|| {
        Failure::new(
            Exit::Usage,
            format!("{dir} holds no finished stage of a run"),
        )
        .hint("cargo xtask pipeline makes one")
    })?;
    serde_json::from_slice(&bytes).map_err(|error| {
        Failure::new(Exit::Usage, format!("{path} is no record of a run")).because(error)
    })
}

/// A file of a run, which may come from somebody else's machine: an ordinary one, over no link; `None` where there is none.
pub(crate) fn file(dir: &Utf8Path, name: &str) -> Result<Option<Vec<u8>>, Failure> {
    if !dir.is_dir() {
        return Ok(None);
    }
    let read = || Root::open(dir)?.read(&TreePath::parse(name)?);
    read().map_err(|error| {
        Failure::new(Exit::Usage, format!("{dir} is no run that can be read")).because(error)
    })
}

/// The directory of a run: by id under `runs`, by a unique beginning of an id ("0007"), or by path.
pub(crate) fn find(runs: &Utf8Path, name: &str) -> Result<Utf8PathBuf, Failure> {
    if Utf8Path::new(name).is_dir() {
        return Ok(name.into());
    }
    let entries = runs.read_dir_utf8().into_iter().flatten().flatten();
    let mut matching: Vec<Utf8PathBuf> = entries
        .map(|entry| entry.into_path())
        .filter(|dir| {
            dir.file_name()
                .is_some_and(|id| id == name || id.starts_with(&format!("{name}-")))
        })
        .collect();
    match (matching.pop(), matching.pop()) {
        (Some(dir), None) => Ok(dir),
        _ => Err(
            Failure::new(Exit::Usage, format!("there is no run `{name}`"))
                .hint(format!("ls {runs}")),
        ),
    }
}

fn numbers(runs: &Utf8Path) -> impl Iterator<Item = u32> {
    let entries = runs.read_dir_utf8().into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().split('-').next()?.parse().ok())
}

fn refused(dir: &Utf8Path, error: std::io::Error) -> Failure {
    Failure::new(Exit::Infrastructure, format!("failed to write to {dir}"))
        .because(error)
        .hint("free space or rights on that directory, then run the same command again")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_numbered_found_by_number_and_locked() {
        let dir = tempfile::tempdir().unwrap();
        let runs = Utf8Path::from_path(dir.path()).unwrap();
        let first = Run::create(runs, "6.12.117").unwrap();
        assert_eq!(first.id, "0001-6.12.117");
        assert_eq!(Run::create(runs, "embedded").unwrap().id, "0002-embedded");
        assert_eq!(find(runs, "0001").unwrap(), first.dir);
        assert_eq!(find(runs, "7").unwrap_err().exit, Exit::Usage);
        assert_eq!(
            Run::resume(runs, "0001").unwrap_err().exit,
            Exit::Infrastructure
        );
        drop(first);
        assert!(Run::resume(runs, "0001").is_ok());
    }

    #[test]
    fn a_directory_without_a_record_is_no_run() {
        let dir = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(dir.path()).unwrap();
        assert_eq!(read(path).unwrap_err().exit, Exit::Usage);
        std::fs::write(path.join("pipeline.json"), "{}").unwrap();
        assert_eq!(read(path).unwrap_err().exit, Exit::Usage);
    }

    #[test]
    fn a_pipe_or_a_link_in_a_run_is_refused_and_not_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let dir = Utf8Path::from_path(dir.path()).unwrap();
        rustix::fs::mknodat(
            rustix::fs::CWD,
            dir.join("verdict.json").as_std_path(),
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR,
            0,
        )
        .unwrap();
        std::os::unix::fs::symlink("/etc/passwd", dir.join("audit.json")).unwrap();
        for name in ["verdict.json", "audit.json"] {
            assert_eq!(file(dir, name).unwrap_err().exit, Exit::Usage, "{name}");
        }
        assert!(file(dir, "absent").unwrap().is_none());
        assert!(file(&dir.join("absent"), "verdict.json").unwrap().is_none());
    }
}
