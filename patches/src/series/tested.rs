// SPDX-License-Identifier: MIT OR Apache-2.0
//! How each patch was tested: what builds and boots have shown so far, and the sentence that its mail says of it.
//!
//! What was shown is kept in checks.json and adds up over runs: another architecture, a boot. It is worth something only
//! for the diff that it was shown of, and only on the base that the series is for. A sentence that people have changed
//! is theirs and stays.

use super::Series;
use super::cover::testing;
use super::text::paragraph;
use crate::error::Error;
use crate::info::{Digest, Evidence, Patch, PatchChecks, Shown};
use crate::mbox;
use bstr::ByteSlice;
use camino::Utf8Path;
use std::collections::{BTreeMap, BTreeSet};

/// What a patch says of which nothing is known.
pub(crate) const NOT_TESTED: &str = "Not tested.";

/// What one run has shown of one patch.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct News {
    /// A file, an architecture, and whether it compiled.
    pub objects: Vec<(String, String, bool)>,
    /// By the id of the callsite.
    pub calls: BTreeMap<String, Evidence>,
}

/// Adds what a run on Linux `version` has shown, patch by patch, and says it in mails, cover letter, series.toml and
/// checks.json. Returns a sentence for each patch that does not say so, with the reason.
///
/// # Errors
/// [`Error::BadSeries`], [`Error::Io`], and [`Error::Unproven`] when a changed mail is read in two ways.
pub fn record(dir: &Utf8Path, version: &str, news: &[News]) -> Result<Vec<String>, Error> {
    let mut series = Series::read(dir)?;
    let mut silent = Vec::new();
    if series.info.base.version != version {
        silent.push(format!(
            "the series is for Linux {} and says nothing of a test on {version}",
            series.info.base.version
        ));
        return Ok(silent);
    }
    let before = testing(&series.info.patches);
    let scratch = tempfile::tempdir().map_err(Error::io(dir))?;
    for (at, news) in news.iter().enumerate() {
        let Some(patch) = series.info.patches.get_mut(at) else {
            continue;
        };
        let Some(mail) = series.mails.iter_mut().find(|mail| mail.file == patch.file) else {
            continue;
        };
        let digest = mbox::digest(&mbox::parse(mail)?);
        while series.checks.patches.len() <= at {
            series.checks.patches.push(PatchChecks {
                subject: patch.subject.clone(),
                checks: Vec::new(),
                shown: None,
            });
        }
        let shown = &mut series.checks.patches[at].shown;
        let known = shown.take().filter(|shown| shown.diff == digest.diff);
        let shown = shown.insert(known.unwrap_or_default());
        shown.diff.clone_from(&digest.diff);
        shown.add(news);
        let sentence = shown.sentence(patch);
        if sentence == patch.tested {
            continue;
        }
        let Some(bytes) = retold(&mail.bytes, &patch.tested, &sentence) else {
            silent.push(format!(
                "{}: how it was tested was changed by hand and stays; now it would be: {sentence}",
                mail.file
            ));
            continue;
        };
        mail.bytes = bytes;
        let read = mbox::read(mail, scratch.path())?;
        let unchanged = |written: &&mut Digest| written.message == digest.message;
        if let Some(written) = patch.written.as_mut().filter(unchanged) {
            written.message = mbox::digest(&read).message;
        }
        patch.tested = sentence;
    }
    let after = testing(&series.info.patches);
    let cover = series
        .mails
        .iter_mut()
        .find(|m| m.file.starts_with("0000-"));
    if let Some(cover) = cover.filter(|_| before != after) {
        let table = |text: &str| format!("\nTesting:\n\n{text}");
        match replaced(&cover.bytes, &table(&before), &table(&after)) {
            Some(bytes) => cover.bytes = bytes,
            None => silent.push(format!(
                "{}: its section on testing was changed by hand and stays",
                cover.file
            )),
        }
    }
    series.rewrite(dir)?;
    Ok(silent)
}

impl Shown {
    fn add(&mut self, news: &News) {
        for (path, architecture, well) in &news.objects {
            let known = self.compiled.entry(path.clone()).or_default();
            match well {
                true => known.insert(architecture.clone()),
                false => known.remove(architecture),
            };
        }
        self.compiled.retain(|_, known| !known.is_empty());
        for (id, &evidence) in &news.calls {
            let known = self.calls.entry(id.clone()).or_insert(evidence);
            *known = evidence.max(*known);
        }
    }

    /// What the mail of `patch` says.
    fn sentence(&self, patch: &Patch) -> String {
        let built = self.built(patch);
        let level = |id: &String| self.calls.get(id).copied();
        let total = patch.callsites.len();
        let executed = patch.callsites.iter().map(|site| level(&site.id));
        let executed = executed.filter(|l| *l == Some(Evidence::Executed)).count();
        let booted = patch.callsites.iter().any(|site| level(&site.id).is_some());
        let ran = match (executed, booted) {
            (0, false) => match built {
                Some(built) => return format!("Compile tested only{built}."),
                None => return NOT_TESTED.into(),
            },
            (0, true) => "Booted; no function with one of the converted calls ran.".to_owned(),
            (n, _) if n == total => {
                "Booted; every function with one of the converted calls ran.".to_owned()
            }
            (n, _) => format!("Booted; functions with {n} of the {total} calls ran."),
        };
        match built {
            Some(built) => format!("Compile tested{built}. {ran}"),
            None => ran,
        }
    }

    /// ", for powerpc and x86_64"; None where nothing was compiled.
    fn built(&self, patch: &Patch) -> Option<String> {
        let nothing = BTreeSet::new();
        let sources = patch.files.iter().filter(|file| file.ends_with(".c"));
        let each: Vec<(&String, &BTreeSet<String>)> = sources
            .map(|file| (file, self.compiled.get(file).unwrap_or(&nothing)))
            .collect();
        let (_, first) = each.first()?;
        if each.iter().all(|(_, known)| known.is_empty()) {
            return None;
        }
        if each.iter().all(|(_, known)| known == first) {
            return Some(format!(", for {}", listed(first)));
        }
        let parts: Vec<String> = each
            .iter()
            .map(|(file, known)| match known.is_empty() {
                true => format!("{file} not at all"),
                false => format!("{file} for {}", listed(known)),
            })
            .collect();
        Some(format!(": {}", parts.join(", ")))
    }
}

/// "a, b and c"
fn listed(names: &BTreeSet<String>) -> String {
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    match names.as_slice() {
        [most @ .., last] if !most.is_empty() => format!("{} and {last}", most.join(", ")),
        names => names.concat(),
    }
}

/// A mail with another sentence on testing in its message; None where the old one does not stand there just once.
fn retold(mail: &[u8], old: &str, new: &str) -> Option<Vec<u8>> {
    let end = mail.find(b"\n---\n")? + 1;
    let (message, patch) = mail.split_at(end);
    let alone = |sentence: &str| format!("\n\n{}\n", paragraph(sentence));
    let mut bytes = replaced(message, &alone(old), &alone(new))?;
    bytes.extend_from_slice(patch);
    Some(bytes)
}

fn replaced(bytes: &[u8], old: &str, new: &str) -> Option<Vec<u8>> {
    let mut places = bytes.find_iter(old);
    let at = places.next().filter(|_| places.next().is_none())?;
    let rest = &bytes[at + old.len()..];
    Some([&bytes[..at], new.as_bytes(), rest].concat())
}
