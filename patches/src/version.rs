// SPDX-License-Identifier: MIT OR Apache-2.0
//! A new version of a series: what people wrote into the old one stays, and the difference is shown.

use crate::commit::Store;
use crate::error::Error;
use crate::mbox::{parse, strip_prefix};
use crate::series::Series;
use crate::series::text::Since;
use git2::Oid;
use proc::git::store;

/// Where the tables that we write begin in a cover letter.
const TABLES: &str = "\nPatches:\n";

/// Title and body of the old cover letter as they stand in its mail, hand edits included; None without such a mail.
pub fn hand_written(previous: &Series) -> Option<(String, String)> {
    let mail = previous
        .mails
        .iter()
        .find(|mail| mail.file.starts_with("0000-"))?;
    let read = parse(mail).ok()?;
    let body = read.message.split(TABLES).next()?.trim().to_owned();
    Some((strip_prefix(&read.subject).to_owned(), body))
}

/// The range-diff between the old series and `base..tip`.
///
/// # Errors
/// When git fails; an old series for another base is no failure, the text then says so.
pub fn since(store: &Store, previous: &Series, base: Oid, tip: Oid) -> Result<Since, Error> {
    let range_diff = match old_commits(store, previous, base)? {
        Some(old) => proc::git::mail::range_diff(
            store.path().as_std_path(),
            &format!("{base}..{old}"),
            &format!("{base}..{tip}"),
        )?,
        None => "No range-diff: the version before does not apply to this base.".to_owned(),
    };
    Ok(Since {
        version: previous.info.version,
        range_diff,
    })
}

/// The old mails as commits on `base`; None where one does not apply.
fn old_commits(store: &Store, previous: &Series, base: Oid) -> Result<Option<Oid>, Error> {
    let repo = store.path().as_std_path();
    let index = store.scratch().join("previous.index");
    store::read_tree(repo, &index, &store.tree_id(base)?.to_string())?;
    let mut parent = base;
    let seconds = store.seconds(base)?;
    for mail in &previous.mails {
        if mail.file.starts_with("0000-") {
            continue;
        }
        if !store::apply_cached(repo, &index, &mail.bytes, false)?.success() {
            return Ok(None);
        }
        let read = parse(mail)?;
        let message = format!("{}\n\n{}\n", read.subject, read.message);
        let tree = store::write_tree(repo, &index)?;
        parent = store.commit_tree(parent, &tree, &message, &read.author, seconds)?;
    }
    Ok(Some(parent))
}
