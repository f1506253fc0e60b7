// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is committed must be what was audited.

use super::Job;
use crate::commit::Store;
use crate::error::Error;
use camino::Utf8PathBuf;
use git2::Oid;
use std::collections::BTreeSet;

/// The commit must have what was audited, or the patches would be for something else.
pub(super) fn refuse_dirty(
    store: &Store,
    base: Oid,
    touched: &BTreeSet<&Utf8PathBuf>,
    job: Job<'_>,
) -> Result<(), Error> {
    let mut changed = Vec::new();
    for &path in touched {
        if store.read(base, path)?.as_ref() != Some(&job.sources[path].bytes) {
            changed.push(path.to_string());
        }
    }
    match (changed.is_empty(), job.origin) {
        (false, Some(origin)) => Err(Error::Dirty {
            paths: changed,
            tree: origin.repository.clone(),
        }),
        _ => Ok(()),
    }
}
