// SPDX-License-Identifier: MIT OR Apache-2.0
//! An acquire gets its pinning name; before 5.6 its text stays.

use super::extract;
use super::literals::{self, Kind};
use super::rename::Call;
use super::replace::Edit;
use super::source::{Found, Source, is_macro};
use super::words::Words;
use crate::options::Api;
use callsites::index::ir::Span;
use callsites::report::Callsite;
use refimpl::api::{Signature, catalogue};

/// What becomes of one acquire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Acquired {
    /// The edits; none where the text stays.
    pub edits: Vec<Edit>,
    /// The function that stands there now.
    pub becomes: String,
    /// Its pages outlive the call, and its flags do not say for how long.
    pub keeps_flags: bool,
    /// Changes in behaviour, whole sentences.
    pub changes: Vec<String>,
    /// What else the message must say, a paragraph each.
    pub remarks: Vec<String>,
    /// How many arguments the function that stands there now is given, where these are the old ones.
    pub arguments: Option<usize>,
}

/// Plans the edits of one acquire. `whole_function`: every call of that name in the function is converted, so that
/// messages that name it are rewritten too.
///
/// # Errors
/// Why it cannot be converted, as a clause.
pub(super) fn acquire(
    source: &Source,
    site: &Callsite,
    words: &Words,
    whole_function: bool,
) -> Result<Acquired, String> {
    let found = source.find(site)?;
    let stays = words.api != Api::Pin;
    let becomes = match &site.replacement {
        _ if stays => site.call.clone(),
        Some(name) => name.clone(),
        None => {
            return Err(format!(
                "there is no pinning counterpart of {}()",
                site.call
            ));
        }
    };
    let text = source.text(found.whole);
    if stays {
        return Ok(Acquired {
            edits: Vec::new(),
            becomes,
            keeps_flags: false,
            changes: Vec::new(),
            remarks: Vec::new(),
            arguments: None,
        });
    }
    if becomes == EXTRACT {
        return extracted(source, &found, site, words, whole_function);
    }
    same_arguments(&site.call, &becomes, found.arguments.len())?;
    let pages = catalogue()
        .get(&site.call)
        .and_then(|function| function.page_argument(found.arguments.len()));
    if pages.is_some_and(|at| source.slice(found.arguments[at]) == b"NULL") {
        return Err("it asks for no pages, so there is nothing to pin".into());
    }
    let keeps_flags = site.case == Some(2) && !text.contains("FOLL_LONGTERM");
    let call = Call {
        bytes: &source.bytes,
        callee: found.callee,
        whole: found.whole,
        arguments: found.arguments.clone(),
        in_macro: is_macro(found.function),
        columns: source.columns,
    };
    let mut edits = vec![call.renamed(&becomes)];
    let get = without_get(source, &found);
    let remarks = get.iter().map(|_| {
        format!("FOLL_GET goes: {becomes}() sets FOLL_PIN, and a call takes only one of the two.")
    });
    let remarks = remarks.collect();
    edits.extend(get);
    if whole_function {
        edits.extend(messages(source, &found, &site.call, &becomes));
    }
    Ok(Acquired {
        edits,
        becomes,
        keeps_flags,
        changes: Vec::new(),
        remarks,
        arguments: Some(found.arguments.len()),
    })
}

/// The function that pins the pages of an iterator.
const EXTRACT: &str = "iov_iter_extract_pages";

/// An acquire from an iterator.
fn extracted(
    source: &Source,
    found: &Found<'_>,
    site: &Callsite,
    words: &Words,
    whole_function: bool,
) -> Result<Acquired, String> {
    if !words.extracts {
        return Err(format!(
            "the tree does not have {EXTRACT}(), which came with 6.3"
        ));
    }
    let (mut edits, freed) = extract::extract(source, found, &site.call, EXTRACT)?;
    if whole_function {
        edits.extend(messages(source, found, &site.call, EXTRACT));
    }
    Ok(Acquired {
        edits,
        becomes: EXTRACT.to_owned(),
        keeps_flags: false,
        changes: Vec::new(),
        remarks: Vec::from_iter(freed),
        arguments: None,
    })
}

/// Flags without FOLL_GET: the pinning functions set FOLL_PIN, and is_valid_gup_args() in mm/gup.c takes only one of both.
fn without_get(source: &Source, found: &Found<'_>) -> Option<Edit> {
    let (span, text) = found
        .arguments
        .iter()
        .map(|&span| (span, source.text(span)))
        .find(|(_, text)| text.split('|').any(|flag| flag.trim() == "FOLL_GET"))?;
    let kept: Vec<&str> = text
        .split('|')
        .map(str::trim)
        .filter(|flag| *flag != "FOLL_GET")
        .collect();
    let flags = match kept.is_empty() {
        true => "0".to_owned(),
        false => kept.join(" | "),
    };
    Some(Edit::new(span.start as usize, span.end as usize, flags))
}

/// A rename is only right where both functions take the same arguments in the same places.
fn same_arguments(old: &str, new: &str, count: usize) -> Result<(), String> {
    let form = |name: &str| {
        let function = catalogue().get(name)?;
        let form = function.signatures.iter().find(|form| form.args == count)?;
        // Since when a form is there says nothing of its places.
        Some(Signature {
            since: None,
            until: None,
            ..form.clone()
        })
    };
    match (form(old), form(new)) {
        (Some(old), Some(new)) if old == new => Ok(()),
        _ => Err(format!(
            "{new}() takes other arguments than {old}(), so the call must be written anew by hand"
        )),
    }
}

/// Strings of the function that name the old call, which is no longer made there.
fn messages(source: &Source, found: &Found<'_>, old: &str, new: &str) -> Vec<Edit> {
    let body: Span = found.function.body_span;
    let text = source.slice(body);
    literals::find(text)
        .into_iter()
        .filter(|(kind, ..)| *kind == Kind::String)
        .flat_map(|(_, from, to)| {
            let start = body.start as usize + from;
            let here = words(&text[from..to], old).into_iter();
            here.map(move |at| Edit::new(start + at, start + at + old.len(), new))
        })
        .collect()
}

/// Where `word` stands in `text` as a whole identifier.
pub(super) fn words(text: &[u8], word: &str) -> Vec<usize> {
    let is_part = |byte: Option<&u8>| byte.is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_');
    bstr::ByteSlice::find_iter(text, word)
        .filter(|&at| {
            let before = at.checked_sub(1).and_then(|before| text.get(before));
            !is_part(before) && !is_part(text.get(at + word.len()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_longer_name_is_another_name() {
        assert_eq!(
            words(b"get_user_pages_fast get_user_pages(", "get_user_pages"),
            [20]
        );
    }
}
