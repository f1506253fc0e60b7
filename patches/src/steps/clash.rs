// SPDX-License-Identifier: MIT OR Apache-2.0
//! Whether a name that is to be introduced is in use somewhere in the tree.
//!
//! A static function of that name would clash with the declaration in a header that nearly everybody includes, so it is
//! renamed. A function that others can call, or a macro, is somebody else's name: then nothing is introduced. Fields and
//! local variables may be named as they like.

use crate::edits::{Edit, Source, layout};
use crate::error::Error;
use callsites::index::ir::{Linkage, OutlineKind};
use callsites::index::lex::{Kind, Mode, Token, tokens};
use callsites::index::{self, NameSet, Wanted};
use callsites::tree::Tree;
use camino::Utf8PathBuf;
use regex::bytes::Regex;
use std::collections::{BTreeMap, BTreeSet};

/// A file in which a function gets another name.
#[derive(Debug, Clone)]
pub(super) struct Renamed {
    /// The file.
    pub source: Source,
    /// Old names and new ones.
    pub names: BTreeMap<String, String>,
    /// The edits.
    pub edits: Vec<Edit>,
}

/// Looks through the whole tree for `names`.
///
/// # Errors
/// The outer one when the tree cannot be read, the inner one is why the names cannot be had.
pub(super) fn check(tree: &Tree, names: &[String]) -> Result<Result<Vec<Renamed>, String>, Error> {
    let pattern = format!(r"\b(?:__)?(?:{})\b", names.join("|"));
    let pattern = Regex::new(&pattern).expect("names are identifiers");
    let mut found: BTreeMap<Utf8PathBuf, Vec<u8>> = BTreeMap::new();
    let mut bytes = Vec::new();
    for path in tree.files() {
        // What cannot be read cannot be renamed either; the audit lists it as unread.
        if tree.read_into(path, &mut bytes).is_ok() && pattern.is_match(&bytes) {
            found.insert(path.clone(), bytes.clone());
        }
    }
    let headers = found
        .iter()
        .filter(|(path, _)| path.extension() == Some("h"));
    let in_headers: BTreeSet<String> = headers
        .flat_map(|(_, bytes)| identifiers(bytes).into_iter().map(|(text, _)| text))
        .collect();
    let mut renamed = Vec::new();
    for (path, bytes) in found {
        match rename(path, bytes, names, &in_headers) {
            Ok(None) => {}
            Ok(Some(file)) => renamed.push(file),
            Err(why) => return Ok(Err(why)),
        }
    }
    Ok(Ok(renamed))
}

/// Every identifier of a file, those in preprocessor lines included, with its range.
fn identifiers(bytes: &[u8]) -> Vec<(String, Token)> {
    let mut all = Vec::new();
    for token in tokens(bytes, 0, bytes.len(), Mode::File) {
        match token.kind {
            Kind::Directive => all.extend(tokens(
                bytes,
                token.start as usize + 1,
                token.end as usize,
                Mode::MacroBody,
            )),
            _ => all.push(token),
        }
    }
    all.into_iter()
        .filter(|token| token.kind == Kind::Ident)
        .map(|token| {
            (
                String::from_utf8_lossy(token.text(bytes)).into_owned(),
                token,
            )
        })
        .collect()
}

fn rename(
    path: Utf8PathBuf,
    bytes: Vec<u8>,
    names: &[String],
    in_headers: &BTreeSet<String>,
) -> Result<Option<Renamed>, String> {
    let set = NameSet::new(names);
    let facts = index::parse(&path, &bytes, &Wanted::Named(&set));
    let mut new_names = BTreeMap::new();
    for name in names {
        let own = facts.functions.iter().find(|f| f.name == *name);
        let declared = facts.outline.iter().any(|item| {
            item.name == *name
                && matches!(
                    item.kind,
                    OutlineKind::Prototype | OutlineKind::Macro | OutlineKind::Variable
                )
        });
        match own.map(|function| function.linkage) {
            Some(Linkage::Static) if path.extension() == Some("c") => {
                let field = facts.records.iter().flat_map(|record| &record.fields);
                if field.clone().any(|field| field.name == *name) {
                    return Err(format!("{path} has a function and a field named {name}"));
                }
                new_names.insert(name.clone(), format!("__{name}"));
            }
            Some(_) => return Err(format!("{path} has a {name}() that others can call")),
            None if declared => return Err(format!("{path} declares {name} already")),
            None => {}
        }
    }
    if new_names.is_empty() {
        return Ok(None);
    }
    let all = identifiers(&bytes);
    for new in new_names.values() {
        if in_headers.contains(new) || all.iter().any(|(text, _)| text == new) {
            return Err(format!("{path}: {new} is in use as well"));
        }
    }
    let edits = all
        .iter()
        .filter_map(|(text, token)| Some((token, new_names.get(text)?)))
        .map(|(token, new)| edit(&bytes, *token, new))
        .collect();
    let all_names = facts.functions.iter().map(|f| f.name.as_str()).collect();
    Ok(Some(Renamed {
        source: Source::parse(&path, bytes, &all_names),
        names: new_names,
        edits,
    }))
}

/// The new name; lines that are aligned with the parenthesis after it move along.
fn edit(bytes: &[u8], token: Token, new: &str) -> Edit {
    let (start, end) = (token.start as usize, token.end as usize);
    let plain = Edit::new(start, end, new);
    if bytes.get(end) != Some(&b'(') {
        return plain;
    }
    let mut depth = 0_usize;
    let close = bytes[end..].iter().position(|byte| {
        match byte {
            b'(' => depth += 1,
            b')' => depth -= 1,
            _ => {}
        }
        depth == 0
    });
    let Some(close) = close.map(|close| end + close + 1) else {
        return plain;
    };
    let inside = String::from_utf8_lossy(&bytes[end..close]).into_owned();
    let open = layout::column(&bytes[layout::line_start(bytes, start)..=end], 0);
    let shift = new.len() - (end - start);
    let mut lines = inside.split('\n');
    let mut text = format!("{new}{}", lines.next().unwrap_or_default());
    for line in lines {
        let body = line.trim_start();
        let blanks = &line[..line.len() - body.len()];
        if layout::column(blanks.as_bytes(), 0) != open {
            return plain;
        }
        text = format!("{text}\n{}{body}", layout::blanks(open + shift));
    }
    Edit::new(start, close, text)
}
