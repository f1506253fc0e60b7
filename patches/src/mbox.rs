// SPDX-License-Identifier: MIT OR Apache-2.0
//! Commits become mails: written by `git format-patch`, then read back and compared.
//!
//! Every mail is read by two readers that know nothing of each other, mail-parser and `git mailinfo`. They must agree on
//! author, subject and message, and the bytes of the patch must be those that stand in the mail. A mail on which they
//! differ is [`Error::Unproven`] and is never written out.

use crate::commit::{BRANCH, Identity, Store};
use crate::error::Error;
use crate::info::Digest;
use camino::Utf8PathBuf;
use git2::{ObjectType, Oid};
use mail_parser::MessageParser;
use proc::git::mail::{Committer, FormatPatch, MailInfo, format_patch, mailinfo};

/// A mail of a series.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    /// "0001-foo-convert-….patch"
    pub file: String,
    /// As git wrote it, beginning with its "From " line.
    pub bytes: Vec<u8>,
}

/// What a mail says, as both readers agree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Read {
    /// Its author.
    pub author: Identity,
    /// Subject without `[PATCH …]`.
    pub subject: String,
    /// The commit message below the subject.
    pub message: String,
    /// The patch, `---` line and diffstat included.
    pub patch: Vec<u8>,
}

/// Writes the commits `base..BRANCH` as mails, the cover letter first.
///
/// # Errors
/// When git fails or the directory cannot be read.
pub(crate) fn write(
    store: &Store,
    base: Oid,
    public_base: Option<&str>,
    version: u32,
    committer: &Committer,
) -> Result<Vec<Mail>, Error> {
    let out = store.scratch().join("mails");
    let range = format!("{base}..{BRANCH}");
    let options = FormatPatch {
        range: &range,
        base: public_base,
        version,
        out: &out,
        committer,
    };
    format_patch(store.path().as_std_path(), &options)?;
    let out = Utf8PathBuf::from_path_buf(out).map_err(|path| Error::bad_path(&path))?;
    let mut mails = Vec::new();
    for entry in out.read_dir_utf8().map_err(Error::io(&out))? {
        let entry = entry.map_err(Error::io(&out))?;
        let bytes = std::fs::read(entry.path()).map_err(Error::io(entry.path()))?;
        mails.push(Mail {
            file: entry.file_name().to_owned(),
            bytes,
        });
    }
    mails.sort_by(|a, b| a.file.cmp(&b.file));
    std::fs::remove_dir_all(&out).map_err(Error::io(&out))?;
    Ok(mails)
}

/// Puts text between the `---` line of a mail and its diffstat, where no reader takes it for the message.
///
/// # Errors
/// [`Error::Unproven`] when it is no mail of a patch.
pub(crate) fn add_below(mail: &mut Mail, text: &str) -> Result<(), Error> {
    let line = b"\n---\n";
    let Some(at) = bstr::ByteSlice::find(mail.bytes.as_slice(), line) else {
        return Err(Error::Unproven(format!("{}: no `---` line", mail.file)));
    };
    let at = at + line.len();
    mail.bytes.splice(at..at, format!("{text}\n").into_bytes());
    Ok(())
}

/// Names the tree that a mail is for in its subject: "[PATCH net 1/3]".
///
/// # Errors
/// [`Error::Unproven`] when its subject does not begin with `[PATCH`.
pub(crate) fn for_tree(mail: &mut Mail, tree: &str) -> Result<(), Error> {
    let tag = b"\nSubject: [PATCH";
    let Some(at) = bstr::ByteSlice::find(mail.bytes.as_slice(), tag) else {
        return Err(Error::Unproven(format!(
            "{}: no [PATCH] in its subject",
            mail.file
        )));
    };
    let at = at + tag.len();
    mail.bytes.splice(at..at, format!(" {tree}").into_bytes());
    Ok(())
}

/// Reads one patch mail with both readers.
///
/// # Errors
/// [`Error::Unproven`] where they disagree, with what they read.
pub(crate) fn read(mail: &Mail, scratch: &std::path::Path) -> Result<Read, Error> {
    let git = mailinfo(scratch, &mail.bytes)?;
    let ours = parse(mail).map_err(|error| Error::Unproven(error.to_string()))?;
    compare(mail, &git, &ours)?;
    Ok(Read {
        patch: git.patch,
        ..ours
    })
}

/// Reads one patch mail with mail-parser alone: it may be somebody else's.
///
/// # Errors
/// [`Error::BadSeries`] when it is not a mail with author, subject and text.
pub(crate) fn parse(mail: &Mail) -> Result<Read, Error> {
    let broken = |what: &str| Error::BadSeries {
        path: mail.file.clone().into(),
        why: what.to_owned(),
    };
    // The "From <id> <date>" line belongs to the mbox, not to the mail.
    let start = match mail.bytes.strip_prefix(b"From ") {
        Some(rest) => 6 + rest.iter().position(|&byte| byte == b'\n').unwrap_or(0),
        None => 0,
    };
    let message = MessageParser::default()
        .parse(&mail.bytes[start..])
        .ok_or_else(|| broken("not a mail"))?;
    let from = message
        .from()
        .and_then(|from| from.first())
        .ok_or_else(|| broken("no author"))?;
    let subject = message.subject().ok_or_else(|| broken("no subject"))?;
    let body = message.body_text(0).ok_or_else(|| broken("no text"))?;
    let body = body.replace("\r\n", "\n");
    let end = body.find("\n---\n").map_or(body.len(), |at| at + 1);
    Ok(Read {
        author: Identity {
            name: from.name().unwrap_or_default().to_owned(),
            email: from.address().unwrap_or_default().to_owned(),
        },
        subject: strip_prefix(subject).to_owned(),
        message: body[..end].trim_end().to_owned(),
        patch: body.as_bytes()[end..].to_vec(),
    })
}

/// What a mail says, told by ids: whether people have changed it since.
pub(crate) fn digest(read: &Read) -> Digest {
    let id = |bytes: &[u8]| {
        Oid::hash_object(ObjectType::Blob, bytes).map_or(String::new(), |id| id.to_string())
    };
    Digest {
        message: id(format!("{}\n\n{}", read.subject, read.message).as_bytes()),
        diff: id(diff(&read.patch)),
    }
}

/// The diff of a mail, without the summary above it and git's version below.
fn diff(patch: &[u8]) -> &[u8] {
    let start = match patch.starts_with(b"diff --git ") {
        true => 0,
        false => bstr::ByteSlice::find(patch, b"\ndiff --git ").map_or(patch.len(), |at| at + 1),
    };
    let diff = &patch[start..];
    let end = bstr::ByteSlice::rfind(diff, b"\n-- \n").map_or(diff.len(), |at| at + 1);
    &diff[..end]
}

/// "[PATCH v2 1/3] foo: bar" without its bracket.
pub(crate) fn strip_prefix(subject: &str) -> &str {
    match subject.strip_prefix('[').and_then(|s| s.split_once(']')) {
        Some((_, rest)) => rest.trim_start(),
        None => subject,
    }
}

fn compare(mail: &Mail, git: &MailInfo, ours: &Read) -> Result<(), Error> {
    let differ = |what: &str, git: &str, ours: &str| {
        Error::Unproven(format!(
            "{}: git reads the {what} as `{git}`, mail-parser as `{ours}`",
            mail.file
        ))
    };
    let message = String::from_utf8_lossy(&git.message);
    for (what, git, ours) in [
        ("author", git.author.as_str(), ours.author.name.as_str()),
        ("address", &git.email, &ours.author.email),
        ("subject", &git.subject, &ours.subject),
        ("message", message.trim_end(), &ours.message),
    ] {
        if git != ours {
            return Err(differ(what, git, ours));
        }
    }
    let stands = |part: &[u8]| bstr::ByteSlice::contains_str(mail.bytes.as_slice(), part);
    if !stands(&git.patch) {
        return Err(differ("patch", "other bytes", "those of the mail"));
    }
    Ok(())
}

/// The patch mails one after the other, as `git am` takes them.
///
/// Here, and not in the mails that are sent, each has a Message-ID and is a reply to the first: b4 takes nothing without.
pub(crate) fn concatenate(mails: &[Mail]) -> Vec<u8> {
    let mut all = Vec::new();
    let mut first = None;
    for mail in mails.iter().filter(|m| !m.file.starts_with("0000-")) {
        let line = bstr::ByteSlice::find_byte(mail.bytes.as_slice(), b'\n');
        let (from, rest) = mail.bytes.split_at(line.map_or(0, |at| at + 1));
        let hash = Oid::hash_object(ObjectType::Blob, &mail.bytes);
        let id = hash.map_or(mail.file.clone(), |hash| hash.to_string());
        let id = format!("<{id}@series.invalid>");
        // A mail that was saved with carriage returns has them in every line.
        let end = if from.ends_with(b"\r\n") {
            "\r\n"
        } else {
            "\n"
        };
        all.extend_from_slice(from);
        all.extend_from_slice(format!("Message-ID: {id}{end}").as_bytes());
        if let Some(first) = &first {
            all.extend_from_slice(format!("In-Reply-To: {first}{end}").as_bytes());
        }
        all.extend_from_slice(rest);
        first.get_or_insert(id);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mail_names_the_tree_it_is_for_and_its_subject_stays() {
        let bytes = b"From 1 Mon Sep 17 00:00:00 2001\nFrom: A <a@example.org>\nSubject: [PATCH v2 1/2] net: toy: fix it\n\nx\n---\n";
        let mut mail = Mail {
            file: "0001.patch".into(),
            bytes: bytes.to_vec(),
        };
        for_tree(&mut mail, "net").expect("it has a subject");
        let now = String::from_utf8_lossy(&mail.bytes).into_owned();
        assert!(
            now.contains("\nSubject: [PATCH net v2 1/2] net: toy: fix it\n"),
            "{now}"
        );
        assert_eq!(parse(&mail).expect("a mail").subject, "net: toy: fix it");
        mail.bytes = b"From: A <a@example.org>\n\nx\n".to_vec();
        assert!(for_tree(&mut mail, "net").is_err());
    }
}
