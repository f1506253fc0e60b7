// SPDX-License-Identifier: MIT OR Apache-2.0
//! Proof that mails say what the commits say: they apply, and taking them back gives the base byte for byte.
//!
//! `git apply` works on an index of its own in our store; tree ids decide, so a single different byte is seen.

use crate::commit::Store;
use crate::error::Error;
use crate::mbox::Mail;
use crate::series::{Check, Outcome};
use git2::Oid;
use proc::git::store;

/// Applies every mail on `base` in turn, then takes all back. `commits` are the trees that must come out.
///
/// # Errors
/// [`Error::Unproven`] at the first mail that does not give its commit's tree, or does not give it back.
pub fn round_trip(
    store: &Store,
    base: Oid,
    commits: &[Oid],
    mails: &[Mail],
) -> Result<Vec<[Check; 2]>, Error> {
    let repo = store.path().as_std_path();
    let index = store.scratch().join("round-trip.index");
    let tree = |commit: Oid| store.tree_id(commit).map(|id| id.to_string());
    let unproven = |mail: &Mail, what: &str| Error::Unproven(format!("{}: {what}", mail.file));
    store::read_tree(repo, &index, &tree(base)?)?;
    for (mail, &commit) in mails.iter().zip(commits) {
        let output = store::apply_cached(repo, &index, &mail.bytes, false)?;
        if !output.success() {
            return Err(unproven(mail, &output.stderr_text()));
        }
        if store::write_tree(repo, &index)? != tree(commit)? {
            return Err(unproven(
                mail,
                "applying it gives another tree than its commit",
            ));
        }
    }
    let below: Vec<Oid> = std::iter::once(base)
        .chain(commits.iter().copied())
        .collect();
    for (mail, &parent) in mails.iter().zip(&below).rev() {
        let output = store::apply_cached(repo, &index, &mail.bytes, true)?;
        if !output.success() || store::write_tree(repo, &index)? != tree(parent)? {
            return Err(unproven(
                mail,
                "taking it back does not give the tree before it",
            ));
        }
    }
    std::fs::remove_file(&index).map_err(Error::io(store.path()))?;
    Ok(commits
        .iter()
        .map(|_| {
            [
                Check::new("apply", Outcome::Passed, "gives the tree of its commit"),
                Check::new("reverse", Outcome::Passed, "gives the tree before it"),
            ]
        })
        .collect())
}
