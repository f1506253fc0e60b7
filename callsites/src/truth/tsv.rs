// SPDX-License-Identifier: MIT OR Apache-2.0
//! Tab-separated tables with a heading and no quoting.

use camino::{Utf8Path, Utf8PathBuf};
use failure::{Act, Exit, Failure, Hint};
use std::{collections::BTreeMap, fs, io};

/// Why a truth set could not be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A table is missing or unreadable.
    #[error("read {path}: {source}")]
    Read {
        /// The table.
        path: Utf8PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A table lacks a column.
    #[error("find column `{column}` in {path}")]
    Column {
        /// The table.
        path: Utf8PathBuf,
        /// The column.
        column: String,
    },
    /// A line number is none.
    #[error("read `{text}` in {path} as a line number")]
    Line {
        /// The table.
        path: Utf8PathBuf,
        /// What stands there.
        text: String,
    },
    /// The pair is not written A-B.
    #[error("read `{0}` as a pair of versions")]
    Pair(String),
}

impl Failure for Error {
    fn exit(&self) -> Exit {
        Exit::Usage
    }

    fn hint(&self) -> Option<Hint> {
        match self {
            Error::Read { path, .. } => {
                let file = path.file_name().unwrap_or("the tables").to_owned();
                Some(Act::NameSet { file }.into())
            }
            Error::Pair(_) => Some(Act::NamePair.into()),
            Error::Column { .. } | Error::Line { .. } => None,
        }
    }
}

/// One table: its rows by column name.
pub struct Table {
    path: Utf8PathBuf,
    columns: BTreeMap<String, usize>,
    rows: Vec<Vec<String>>,
}

/// A row of a table.
#[derive(Clone, Copy)]
pub struct Row<'t> {
    table: &'t Table,
    cells: &'t [String],
}

impl Table {
    /// Reads `name` in `dir`.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn read(dir: &Utf8Path, name: &str) -> Result<Self, Error> {
        let path = dir.join(name);
        let bytes = fs::read(&path).map_err(|source| Error::Read {
            path: path.clone(),
            source,
        })?;
        let text = String::from_utf8_lossy(&bytes);
        let mut lines = text
            .lines()
            .map(|line| line.split('\t').map(str::to_owned).collect::<Vec<_>>());
        let heading = lines.next().unwrap_or_default();
        let columns = heading
            .into_iter()
            .enumerate()
            .map(|(at, name)| (name, at))
            .collect();
        let rows = lines
            .filter(|cells| cells.iter().any(|cell| !cell.is_empty()))
            .collect();
        Ok(Self {
            path,
            columns,
            rows,
        })
    }

    /// Its rows in order.
    pub fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        self.rows.iter().map(|cells| Row { table: self, cells })
    }
}

impl<'t> Row<'t> {
    /// A cell; empty when the row is short.
    pub fn get(self, column: &str) -> Result<&'t str, Error> {
        self.optional(column).ok_or_else(|| Error::Column {
            path: self.table.path.clone(),
            column: column.to_owned(),
        })
    }

    /// None when the table has no such column.
    pub fn optional(self, column: &str) -> Option<&'t str> {
        let at = *self.table.columns.get(column)?;
        Some(self.cells.get(at).map_or("", String::as_str))
    }

    /// The column `line`.
    pub fn line(self) -> Result<u32, Error> {
        self.number(self.get("line")?)
    }

    /// A line number written in a cell.
    pub fn number(self, text: &str) -> Result<u32, Error> {
        text.trim().parse().map_err(|_| Error::Line {
            path: self.table.path.clone(),
            text: text.to_owned(),
        })
    }
}
