// SPDX-License-Identifier: MIT OR Apache-2.0
//! A new version of a series: what people wrote into the old one stays, and the difference is shown.

use crate::commit::{Files, Identity, Store, UNDATED};
use crate::error::Error;
use crate::info::Digest;
use crate::mbox::{digest, parse, strip_prefix};
use crate::series::Series;
use crate::series::cover::Since;
use camino::Utf8PathBuf;
use git2::Oid;
use proc::git::store;
use std::collections::BTreeSet;

/// Where the tables that we write begin in a cover letter.
const TABLES: &str = "\nPatches:\n";

/// Title and body of the old cover letter as they stand in its mail, hand edits included; None without such a mail.
pub(crate) fn hand_written(previous: &Series) -> Option<(String, String)> {
    let mail = previous
        .mails
        .iter()
        .find(|mail| mail.file.starts_with("0000-"))?;
    let read = parse(mail).ok()?;
    let body = read.message.split(TABLES).next()?.trim().to_owned();
    Some((strip_prefix(&read.subject).to_owned(), body))
}

/// What people changed in the mails of an older version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Edited {
    /// Ids of the patch's groups; a patch of the new version with the same ones takes the edits over.
    groups: BTreeSet<String>,
    /// Its files, for a series whose groups have other ids by now.
    files: BTreeSet<String>,
    /// The name of its mail.
    pub file: String,
    /// Subject and message, where they were changed.
    pub message: Option<(String, String)>,
    /// The mail, where its diff was changed.
    pub diff: Option<Vec<u8>>,
    /// What the program had written.
    written: Digest,
}

impl Edited {
    /// The digest of a mail that takes the edits over: for these parts still that of the program's own words, so that
    /// the version after it sees them as edits too.
    pub(crate) fn digest(&self, now: Digest) -> Digest {
        Digest {
            message: match self.message {
                Some(_) => self.written.message.clone(),
                None => now.message,
            },
            diff: match self.diff {
                Some(_) => self.written.diff.clone(),
                None => now.diff,
            },
        }
    }

    /// Whether it is about the same patch.
    pub(crate) fn is_of(&self, groups: &[String], files: &Files) -> bool {
        let same_groups = !groups.is_empty() && groups.iter().all(|id| self.groups.contains(id));
        let names: BTreeSet<String> = files.keys().map(|path| path.to_string()).collect();
        same_groups || names == self.files
    }
}

/// The patches of `previous` that people changed by hand after they were written.
///
/// # Errors
/// [`Error::BadSeries`] for a mail that cannot be read.
pub(crate) fn edited(previous: &Series) -> Result<Vec<Edited>, Error> {
    let mut all = Vec::new();
    for patch in &previous.info.patches {
        let mail = previous.mails.iter().find(|mail| mail.file == patch.file);
        let (Some(mail), Some(written)) = (mail, &patch.written) else {
            continue;
        };
        let read = parse(mail)?;
        let now = digest(&read);
        let edited = Edited {
            groups: patch.groups.iter().cloned().collect(),
            files: patch.files.iter().cloned().collect(),
            file: mail.file.clone(),
            message: (now.message != written.message).then_some((read.subject, read.message)),
            diff: (now.diff != written.diff).then(|| mail.bytes.clone()),
            written: written.clone(),
        };
        if edited.message.is_some() || edited.diff.is_some() {
            all.push(edited);
        }
    }
    Ok(all)
}

/// The files of a patch with the diff of its older version, by hand, on top of `parent` in place of ours.
///
/// # Errors
/// [`Error::HandEdit`] when that diff does not apply any more or does more than change lines: nothing of it must get lost.
pub(crate) fn by_hand(
    store: &Store,
    parent: Oid,
    edited: &Edited,
    mail: &[u8],
    files: &Files,
) -> Result<Files, Error> {
    let repo = store.path().as_std_path();
    let index = store.scratch().join("by-hand.index");
    store::read_tree(repo, &index, &store.tree_id(parent)?.to_string())?;
    if !store::apply_cached(repo, &index, mail, false)?.success() {
        return Err(Error::HandEdit(edited.file.clone()));
    }
    let tree = store::write_tree(repo, &index)?;
    let nobody = Identity {
        name: "patches".into(),
        email: "patches@localhost".into(),
    };
    let commit = store.commit_tree(parent, &tree, "by hand", &nobody, UNDATED)?;
    let mut kept = Files::new();
    let names = edited.files.iter().map(Utf8PathBuf::from);
    for path in names.chain(files.keys().cloned()) {
        if let Some(bytes) = store.read(commit, &path)? {
            kept.insert(path, bytes);
        }
    }
    // A file that is removed, a mode, a link: what the edits of a series cannot say must not get lost either.
    let again = store.commit(parent, &kept, "by hand", &nobody, UNDATED)?;
    match store.tree_id(again)? == store.tree_id(commit)? {
        true => Ok(kept),
        false => Err(Error::HandEdit(edited.file.clone())),
    }
}

/// The range-diff between the old series and `base..tip`.
///
/// # Errors
/// When git fails; an old series for another base is no failure, the text then says so.
pub(crate) fn since(store: &Store, previous: &Series, base: Oid, tip: Oid) -> Result<Since, Error> {
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
