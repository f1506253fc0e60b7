// SPDX-License-Identifier: MIT OR Apache-2.0
//! The bytes of the files that were read in part, for whoever shows a line of them.

use super::analysis::Analysis;
use super::hash::FastMap;
use super::library::Files;
use crate::index::lex::code;
use camino::Utf8Path;
use std::cell::{Cell, OnceCell};
use std::sync::Arc;

/// Bytes by path; read when they are asked for.
pub(crate) struct Sources<'f> {
    files: &'f dyn Files,
    known: FastMap<&'f str, Source>,
    buffer: Cell<Vec<u8>>,
}

/// A file's bytes, and what is code in them.
#[derive(Default)]
struct Source {
    bytes: OnceCell<Option<Arc<[u8]>>>,
    code: OnceCell<Vec<u8>>,
}

impl<'f> Sources<'f> {
    /// Those of all files of a solved flow.
    pub(crate) fn new(analysis: &'f Analysis, files: &'f dyn Files) -> Self {
        let all = analysis.program.files().iter();
        let known = all.map(|file| {
            let bytes = match analysis.sources.get(&file.path) {
                Some(bytes) => OnceCell::from(Some(Arc::clone(bytes))),
                None => OnceCell::new(),
            };
            let source = Source {
                bytes,
                ..Source::default()
            };
            (file.path.as_str(), source)
        });
        Self {
            files,
            known: known.collect(),
            buffer: Cell::default(),
        }
    }

    /// The bytes of a file.
    pub(crate) fn get(&self, path: &Utf8Path) -> Option<&[u8]> {
        let (path, source) = self.known.get_key_value(path.as_str())?;
        self.bytes(path, source)
    }

    /// What is code in a file, as [`code`] tells.
    pub(crate) fn code(&self, path: &Utf8Path) -> Option<&[u8]> {
        let (path, source) = self.known.get_key_value(path.as_str())?;
        let bytes = self.bytes(path, source)?;
        Some(source.code.get_or_init(|| code(bytes)))
    }

    fn bytes<'s>(&self, path: &str, source: &'s Source) -> Option<&'s [u8]> {
        let path = Utf8Path::new(path);
        let read = || {
            let mut buffer = self.buffer.take();
            let read = self.files.read_into(path, &mut buffer);
            let bytes = read.map(|()| Arc::from(buffer.as_slice()));
            self.buffer.set(buffer);
            bytes
        };
        source.bytes.get_or_init(read).as_deref()
    }
}
