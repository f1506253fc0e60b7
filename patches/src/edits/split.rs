// SPDX-License-Identifier: MIT OR Apache-2.0
//! A loop that dirties and releases becomes one that dirties, and one call on the array after it.
//!
//! Only asked for where a series wants its array function to have callers; otherwise a loop stays a loop.

use super::count::Sign;
use super::fold::{Fold, Why};
use super::layout::{self, begins_line, column, indent, line_end, line_start};
use super::release::{Released, negative_count};
use super::replace::Edit;
use super::source::{Found, Source};
use callsites::index::ir::{Span, Stmt};

/// Takes the release out of the loop `fold` and calls `name` after it.
///
/// # Errors
/// Why the loop stays as it is, as a clause.
pub(super) fn released(
    source: &Source,
    found: &Found<'_>,
    path: &[&Stmt],
    fold: Fold,
    name: &'static str,
    arguments: [String; 2],
) -> Result<Released, Why> {
    if fold.by_index || fold.guard.is_some() {
        return Err("its count or its condition belongs to the loop");
    }
    let bytes = &source.bytes;
    let (start, end) = (fold.statement.start as usize, fold.statement.end as usize);
    let depth = path.iter().position(|stmt| stmt.span() == fold.statement);
    let above = depth
        .and_then(|depth| depth.checked_sub(1))
        .map(|depth| path[depth]);
    if !begins_line(bytes, start) || !matches!(above, None | Some(Stmt::Block(..))) {
        return Err("nothing can stand after it");
    }
    let statement = path.last().map(|stmt| stmt.span()).unwrap_or_default();
    let mut edits = match path.get(path.len().wrapping_sub(2)) {
        Some(Stmt::Block(list, block)) => without(source, list, *block, statement)?,
        _ => return Err("its body is no block"),
    };
    let margin = String::from_utf8_lossy(indent(bytes, start)).into_owned();
    let begin = column(margin.as_bytes(), 0);
    let call = layout::call(name, &arguments, begin, ";", source.columns);
    edits.push(Edit::new(end, end, format!("\n\n{margin}{call};")));
    let function = source.shown(found.function);
    let changes = vec![format!(
        "{function}() marked each page dirty and released it at once; now all pages are marked first and released \
         afterwards."
    )];
    let notes = match fold.count.sign {
        Sign::Signed => vec![negative_count(function, name)],
        _ => Vec::new(),
    };
    Ok(Released {
        edits,
        becomes: name.into(),
        gone: None,
        changes,
        notes,
        kept: None,
    })
}

/// The block without `statement`, and without braces where one line is left.
fn without(source: &Source, list: &[Stmt], block: Span, statement: Span) -> Result<Vec<Edit>, Why> {
    let bytes = &source.bytes;
    let (start, end) = (statement.start as usize, statement.end as usize);
    let rest: Vec<&Stmt> = list
        .iter()
        .filter(|stmt| stmt.span() != statement)
        .collect();
    let one_line = |stmt: &&Stmt| {
        matches!(stmt, Stmt::Expr(..)) && !source.slice(stmt.span()).contains(&b'\n')
    };
    if let [only] = rest.as_slice() {
        if !one_line(only) {
            return cut(bytes, start, end);
        }
        let open = bytes[..block.start as usize].trim_ascii_end().len();
        let from = line_start(bytes, only.span().start as usize);
        let text = [b"\n", &bytes[from..only.span().end as usize]].concat();
        return Ok(vec![Edit::new(open, block.end as usize, text)]);
    }
    cut(bytes, start, end)
}

/// Takes the lines from `start` to `end` out.
fn cut(bytes: &[u8], start: usize, end: usize) -> Result<Vec<Edit>, Why> {
    if !begins_line(bytes, start) {
        return Err("its release does not begin its line");
    }
    let after = line_end(bytes, end);
    if !bytes[end..after].trim_ascii().is_empty() {
        return Err("its release shares its line");
    }
    Ok(vec![Edit::new(line_start(bytes, start), after, "")])
}
