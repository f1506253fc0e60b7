// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the audit says of a file, as the protocol has it.

use super::auditor::{Audited, Setup, stamp};
use super::client::Client;
use super::documents::{Document, Documents};
use super::lines::{Encoding, Lines, Position, Range, Shift};
use super::uri;
use callsites::editor::{self, Mark, Place};
use callsites::report::{Fix, Group, Severity};
use camino::{Utf8Path, Utf8PathBuf};
use patches::{ConvertOptions, Select, Signer};
use serde_json::{Value, json};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// All that an answer is made of.
#[derive(Clone, Copy)]
pub(crate) struct Shown<'s> {
    /// The last audit.
    pub(crate) audited: &'s Audited,
    /// What is open.
    pub(crate) documents: &'s Documents,
    /// The other side.
    pub(crate) client: &'s Client,
    /// The command line.
    pub(crate) setup: &'s Setup,
}

/// Files are other than when they were audited.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Stale;

/// A file with the state in which the editor has it.
struct Text<'s> {
    saved: Cow<'s, [u8]>,
    shift: Option<Shift>,
}

impl Shown<'_> {
    /// The path in the tree that a URI names.
    pub(crate) fn path(&self, name: &str) -> Option<Utf8PathBuf> {
        path(self.audited, name)
    }

    /// How the editor names a file.
    fn uri(&self, path: &str) -> String {
        let open = self.open(Utf8Path::new(path));
        let name = open.map(|(name, _)| name.clone());
        name.unwrap_or_else(|| self.own_uri(path))
    }

    /// How a file is named that the editor has not named.
    pub(crate) fn own_uri(&self, path: &str) -> String {
        uri::of(&self.audited.root.join(path))
    }

    fn open(&self, path: &Utf8Path) -> Option<(&String, &Document)> {
        let mut documents = self.documents.iter();
        documents.find(|(_, document)| document.path.as_deref() == Some(path))
    }

    fn text(&self, path: &str) -> Option<Text<'_>> {
        let path = Utf8Path::new(path);
        if let Some((_, document)) = self.open(path) {
            return Some(Text {
                saved: Cow::Borrowed(&document.saved),
                shift: Some(document.shift()),
            });
        }
        let tree = &self.audited.tree;
        let saved = tree.has(path).then(|| tree.read(path).ok()).flatten()?;
        Some(Text {
            saved: Cow::Owned(saved),
            shift: None,
        })
    }

    /// Where a word stands in the editor; None when its line was changed and not saved.
    fn range(&self, place: &Place) -> Option<Range> {
        let text = self.text(&place.path)?;
        range(&text, place, self.client.encoding)
    }

    fn location(&self, place: &Place) -> Option<Value> {
        Some(json!({ "uri": self.uri(&place.path), "range": self.range(place)? }))
    }

    /// The diagnostics of a file.
    pub(crate) fn diagnostics(&self, marks: &[Mark]) -> Vec<Value> {
        let shown = marks.iter().filter_map(|mark| {
            let mut diagnostic = json!({
                "range": self.range(&mark.place)?,
                "severity": match mark.severity {
                    Severity::Error => 1,
                    Severity::Warning => 2,
                    Severity::Note => 3,
                },
                "code": mark.code,
                "source": "callsites",
                "message": mark.message,
            });
            if self.client.related && !mark.related.is_empty() {
                let related = mark.related.iter().filter_map(|(place, text)| {
                    Some(json!({ "location": self.location(place)?, "message": text }))
                });
                diagnostic["relatedInformation"] = related.collect();
            }
            Some(diagnostic)
        });
        shown.collect()
    }

    /// The place of the audited file at which the editor points: path, line, column.
    fn pointed(&self, name: &str, at: Position) -> Option<(Utf8PathBuf, u32, u32)> {
        let path = self.path(name)?;
        let text = self.text(path.as_str())?;
        let line = match text.shift {
            Some(shift) => shift.to_old(at.line)?,
            None => at.line,
        };
        let lines = Lines::of(&text.saved);
        let offset = lines.offset(Position { line, ..at }, self.client.encoding);
        let (line, column) = lines.as_audited(offset);
        Some((path, line, column))
    }

    /// The story of a call or a finding.
    pub(crate) fn hover(&self, name: &str, at: Position) -> Option<Value> {
        let report = &self.audited.report;
        let (path, line, column) = self.pointed(name, at)?;
        let about = editor::about(report, path.as_str(), line, column)?;
        let story = editor::story(&self.audited.tree, report, about).ok()?;
        let mut place = Place {
            path: path.into_string(),
            line,
            column: 0,
            length: 0,
        };
        if let editor::About::Callsite(site) = about {
            place = editor::place(site);
        }
        let contents = match self.client.markdown {
            true => json!({ "kind": "markdown", "value": fenced(&story) }),
            false => json!({ "kind": "plaintext", "value": story }),
        };
        Some(json!({ "contents": contents, "range": self.range(&place)? }))
    }

    /// The other ends of a call, or all members of its group.
    pub(crate) fn ends(&self, name: &str, at: Position, all: bool) -> Option<Value> {
        let report = &self.audited.report;
        let (path, line, column) = self.pointed(name, at)?;
        let about = editor::about(report, path.as_str(), line, column)?;
        let editor::About::Callsite(site) = about else {
            return None;
        };
        let sites = match all {
            true => {
                let mut groups = report.groups.iter();
                let group = groups.find(|group| site.group.as_ref() == Some(&group.id))?;
                editor::members(report, group)
            }
            false => editor::other_ends(report, site),
        };
        let places = sites.into_iter().map(editor::place);
        Some(places.filter_map(|place| self.location(&place)).collect())
    }

    /// What can be done about the calls and findings in some lines.
    ///
    /// # Errors
    /// The files have changed since the audit, which has to be made anew first.
    pub(crate) fn actions(
        &self,
        name: &str,
        range: Range,
        wanted: impl Fn(&str) -> bool,
    ) -> Result<Vec<Value>, Stale> {
        let report = &self.audited.report;
        let ends = [range.start, range.end].map(|at| self.pointed(name, at));
        let [Some((path, first, _)), Some((_, last, _))] = ends else {
            return Ok(Vec::new());
        };
        let mut actions = Vec::new();
        if wanted("refactor.rewrite") {
            for group in editor::groups(report, path.as_str(), &(first..=last)) {
                actions.extend(self.conversion(group)?);
            }
        }
        if wanted("quickfix") {
            let findings = report.findings.iter().filter(|finding| {
                path == finding.path.as_str() && (first..=last).contains(&finding.line)
            });
            for fix in findings.filter_map(|finding| finding.fix.as_ref()) {
                actions.extend(self.fix(fix)?);
            }
        }
        Ok(actions)
    }

    /// "Convert this group", or why it cannot be.
    fn conversion(&self, group: &Group) -> Result<Option<Value>, Stale> {
        let members = editor::members(&self.audited.report, group);
        let paths = members.iter().map(|site| site.path.as_str());
        self.fresh(paths)?;
        let title = format!("Convert group {} of {}", group.id, group.subsystem);
        let refused = |reason: String| {
            let action = json!({ "title": title, "kind": "refactor.rewrite", "disabled": { "reason": reason } });
            Ok(self.client.disabled.then_some(action))
        };
        let mut options = ConvertOptions::new(&self.setup.work);
        options.select = Select::Groups(vec![group.id.clone()]);
        options.oldest = self.setup.oldest;
        options.signer = Signer::Unsigned;
        let report = &self.audited.report;
        let preview = match patches::preview(&self.audited.tree, report, &options) {
            Ok(preview) => preview,
            Err(patches::Error::Nothing { reasons, .. }) => return refused(reasons.join("; ")),
            Err(error) => return refused(error.to_string()),
        };
        let mut edits = BTreeMap::new();
        for (path, file) in &preview.files {
            let text = Lines::of(&file.before);
            let mut changes = Vec::new();
            for change in file.changes() {
                // Where an editor shows bytes in a way of its own, it is given none to show.
                let is_plain = change.text.is_ascii() || std::str::from_utf8(&file.before).is_ok();
                let Some(new) = std::str::from_utf8(&change.text).ok().filter(|_| is_plain) else {
                    return refused(format!("{path} is not UTF-8 where it changes"));
                };
                let at = |offset| text.position(offset, self.client.encoding);
                let range = Range {
                    start: at(change.start),
                    end: at(change.end),
                };
                changes.push(json!({ "range": range, "newText": new }));
            }
            if let Some((_, document)) = self.open(path) {
                if document.saved != file.before {
                    return Err(Stale);
                }
                if !document.shift().is_none() {
                    return refused(format!("{path} has changes that are not saved"));
                }
            }
            edits.insert(path.as_str(), changes);
        }
        let files = failure::counted(edits.len(), "file");
        let calls = failure::counted(preview.calls.len(), "call");
        Ok(Some(json!({
            "title": format!("{title}: {calls} in {files}"),
            "kind": "refactor.rewrite",
            "edit": self.workspace_edit(edits),
        })))
    }

    /// The replacement that a finding carries.
    fn fix(&self, fix: &Fix) -> Result<Option<Value>, Stale> {
        self.fresh(std::iter::once(fix.path.as_str()))?;
        let Some(text) = self.text(&fix.path) else {
            return Ok(None);
        };
        if text.shift.is_some_and(|shift| !shift.is_none()) {
            return Ok(None);
        }
        let lines = Lines::of(&text.saved);
        let at = |offset: u32| lines.position(offset as usize, self.client.encoding);
        let range = Range {
            start: at(fix.span.start),
            end: at(fix.span.end),
        };
        let edits = vec![json!({ "range": range, "newText": fix.text })];
        Ok(Some(json!({
            "title": format!("Write {}", fix.text),
            "kind": "quickfix",
            "edit": self.workspace_edit(BTreeMap::from([(fix.path.as_str(), edits)])),
        })))
    }

    fn workspace_edit(&self, edits: BTreeMap<&str, Vec<Value>>) -> Value {
        if !self.client.versions {
            let named = edits
                .into_iter()
                .map(|(path, edits)| (self.uri(path), edits));
            return json!({ "changes": named.collect::<BTreeMap<_, _>>() });
        }
        let changes = edits.into_iter().map(|(path, edits)| {
            let open = self.open(Utf8Path::new(path));
            let version = open.map(|(_, document)| document.version);
            json!({ "textDocument": { "uri": self.uri(path), "version": version }, "edits": edits })
        });
        json!({ "documentChanges": changes.collect::<Vec<_>>() })
    }

    /// Whether files are as they were audited; those without a callsite are not watched.
    ///
    /// # Errors
    /// One is not.
    pub(crate) fn fresh<'p>(&self, mut paths: impl Iterator<Item = &'p str>) -> Result<(), Stale> {
        let as_it_was = |path: &str| {
            let known = self.audited.stamps.get(path);
            known.is_none_or(|known| *known == stamp(&self.audited.root.join(path)))
        };
        match paths.all(as_it_was) {
            true => Ok(()),
            false => Err(Stale),
        }
    }
}

/// The path in an audited tree that a URI names.
pub(crate) fn path(audited: &Audited, name: &str) -> Option<Utf8PathBuf> {
    let named = uri::path(name)?;
    let inside = named.strip_prefix(&audited.root).map(Utf8Path::to_owned);
    let inside = inside.ok().or_else(|| {
        let root = audited.root.canonicalize_utf8().ok()?;
        let named = named.canonicalize_utf8().ok()?;
        named.strip_prefix(root).ok().map(Utf8Path::to_owned)
    });
    inside.filter(|path| audited.tree.has(path))
}

fn range(text: &Text<'_>, place: &Place, encoding: Encoding) -> Option<Range> {
    let lines = Lines::of(&text.saved);
    let mut start = lines.audited(place.line, place.column);
    let mut end = start + place.length as usize;
    if place.column == 0 {
        let rest = &text.saved[start..];
        let blank = rest.iter().take_while(|byte| b" \t".contains(byte)).count();
        start += blank;
        end = start
            + rest[blank..]
                .iter()
                .take_while(|byte| !b"\r\n".contains(byte))
                .count();
    } else if place.length == 0 {
        end = lines.word_end(start);
    }
    let moved = |offset| {
        let at = lines.position(offset, encoding);
        let line = match text.shift {
            Some(shift) => shift.to_new(at.line)?,
            None => at.line,
        };
        Some(Position { line, ..at })
    };
    Some(Range {
        start: moved(start)?,
        end: moved(end)?,
    })
}

/// A text that Markdown leaves alone, whatever stands in it.
fn fenced(text: &str) -> String {
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    let mut out = String::with_capacity(text.len() + 2 * fence.len() + 8);
    let _infallible = write!(out, "{fence}text\n{}\n{fence}", text.trim_end());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fence_is_longer_than_what_it_holds() {
        assert_eq!(fenced("a\n"), "```text\na\n```");
        assert_eq!(fenced("a ```` b"), "`````text\na ```` b\n`````");
    }

    #[test]
    fn a_line_without_a_column_is_shown_without_its_blanks() {
        let text = Text {
            saved: Cow::Borrowed(b"a\n\t b c \r\nd"),
            shift: None,
        };
        let place = Place {
            path: String::new(),
            line: 2,
            column: 0,
            length: 0,
        };
        let range = range(&text, &place, Encoding::Utf16).unwrap();
        let columns = (range.start.character, range.end.character);
        assert_eq!((range.start.line, columns), (1, (2, 6)));
    }
}
