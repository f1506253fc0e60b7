// SPDX-License-Identifier: MIT OR Apache-2.0
//! Variables that lost their last use go from their declaration.

use super::layout::{begins_line, line_end, line_start};
use super::replace::Edit;
use super::source::Source;
use super::walk::{all_expressions, holds, statements};
use callsites::index::ir::{Declaration, Expr, Function, Span, Stmt};
use std::collections::BTreeSet;

/// The edits that remove those of `candidates` that nothing outside of the `gone` ranges uses.
pub(crate) fn remove(
    source: &Source,
    function: &Function,
    candidates: &BTreeSet<String>,
    gone: &[Span],
) -> Vec<Edit> {
    let unused: Vec<&String> = candidates
        .iter()
        .filter(|name| !used(function, name, gone))
        .collect();
    let mut edits = Vec::new();
    for stmt in &function.body {
        statements(stmt, &mut |stmt| {
            let Stmt::Decl(list, span) = stmt else {
                return;
            };
            let names_one = list
                .iter()
                .any(|decl| unused.iter().any(|name| decl.name == **name));
            if names_one && !gone.iter().any(|&gone| holds(gone, *span)) {
                edits.extend(shrink(source, function, list, *span, &unused));
            }
        });
    }
    edits
}

fn used(function: &Function, name: &str, gone: &[Span]) -> bool {
    let mut used = false;
    all_expressions(function, &mut |expr| {
        if let Expr::Name(found, span) = expr {
            used |= found == name && !gone.iter().any(|&gone| holds(gone, *span));
        }
    });
    used
}

fn shrink(
    source: &Source,
    function: &Function,
    list: &[Declaration],
    span: Span,
    unused: &[&String],
) -> Option<Edit> {
    let end_of = |decl: &Declaration| {
        decl.init
            .as_ref()
            .map_or(decl.span.end, |init| init.span().end)
    };
    let kept: Vec<String> = list
        .iter()
        .filter(|decl| !unused.iter().any(|name| decl.name == **name))
        .map(|decl| {
            source.text(Span {
                start: decl.span.start,
                end: end_of(decl),
            })
        })
        .collect();
    if kept.is_empty() {
        return whole_line(source, function, span);
    }
    let (first, last) = (list.first()?, list.last()?);
    Some(Edit::new(
        first.span.start as usize,
        end_of(last) as usize,
        kept.join(", "),
    ))
}

/// Removes the lines of a declaration, and the blank line below when it was the only declaration.
pub(crate) fn whole_line(source: &Source, function: &Function, span: Span) -> Option<Edit> {
    let bytes = &source.bytes;
    let (start, end) = (span.start as usize, span.end as usize);
    let line = line_start(bytes, start);
    let mut next = line_end(bytes, end);
    if !begins_line(bytes, start) || !bytes[end..next].trim_ascii().is_empty() {
        return None;
    }
    let mut alone = false;
    let mut check = |list: &[Stmt]| {
        let declarations = list.iter().filter(|stmt| matches!(stmt, Stmt::Decl(..)));
        let own = list.iter().any(|stmt| stmt.span() == span);
        alone |= own && declarations.count() == 1;
    };
    check(&function.body);
    for stmt in &function.body {
        statements(stmt, &mut |stmt| {
            if let Stmt::Block(list, _) = stmt {
                check(list);
            }
        });
    }
    let below = line_end(bytes, next.min(bytes.len()));
    if alone && bytes[next..below].trim_ascii().is_empty() {
        next = below;
    }
    Some(Edit::new(line, next, ""))
}
