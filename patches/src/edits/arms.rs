// SPDX-License-Identifier: MIT OR Apache-2.0
//! The arms of an `if` that say the same after their edits become one statement.
//!
//! So do one that dirties and releases and one that only releases the same array: the function that dirties is told by a
//! flag whether to.

use super::layout::{self, begins_line, column, indent};
use super::replace::{Edit, carry_out, ordered};
use super::source::{Source, is_macro};
use super::walk::{every_part, holds, statements};
use callsites::index::ir::{Expr, Function, Span, Stmt};

/// The function that dirties by a flag, and the one that does not dirty ("include/linux/mm.h", 6.12).
const DIRTIES: (&str, &str) = ("unpin_user_pages_dirty_lock", "unpin_user_pages");

/// Joins arms in every function that `edits` touch.
pub(super) fn joined(source: &Source, edits: &mut Vec<Edit>) {
    for function in &source.facts.functions {
        let touched = edits
            .iter()
            .any(|edit| holds(function.body_span, edit.span));
        if touched && !is_macro(function) {
            in_function(source, function, edits);
        }
    }
}

fn in_function(source: &Source, function: &Function, edits: &mut Vec<Edit>) {
    let mut found: Vec<(Span, String)> = Vec::new();
    let mut chained: Vec<Span> = Vec::new();
    for stmt in &function.body {
        statements(stmt, &mut |stmt| {
            let Stmt::If {
                cond,
                then,
                otherwise: Some(otherwise),
                span,
            } = stmt
            else {
                return;
            };
            if matches!(otherwise.as_ref(), Stmt::If { .. }) {
                chained.push(otherwise.span());
            }
            let quiet = !every_part(cond, |part| {
                matches!(
                    part,
                    Expr::Call { .. }
                        | Expr::Assign { .. }
                        | Expr::Update { .. }
                        | Expr::Unread(..)
                )
            });
            let in_both = [then, otherwise]
                .iter()
                .all(|arm| edits.iter().any(|edit| holds(arm.span(), edit.span)));
            if !quiet || !in_both || chained.contains(span) {
                return;
            }
            let arms = [
                arm(source, then.span(), edits),
                arm(source, otherwise.span(), edits),
            ];
            if let [Some(first), Some(second)] = arms {
                let cond = layout::one_line(&source.text(cond.span()));
                found.extend(one(&first, &second, &cond).map(|call| (*span, call)));
            }
        });
    }
    for (span, call) in found {
        let start = span.start as usize;
        let Some((name, arguments)) = parts(&call).filter(|_| begins_line(&source.bytes, start))
        else {
            continue;
        };
        let begin = column(indent(&source.bytes, start), 0);
        edits.retain(|edit| !holds(span, edit.span));
        let text = format!(
            "{};",
            layout::call(name, &arguments, begin, ";", source.columns)
        );
        edits.push(Edit::new(start, span.end as usize, text));
    }
}

/// The one statement of an arm as it is after its edits, on one line; None where there are more, or a comment.
pub(super) fn arm(source: &Source, span: Span, edits: &[Edit]) -> Option<String> {
    let inside: Vec<Edit> = edits
        .iter()
        .filter(|edit| holds(span, edit.span))
        .map(|edit| {
            Edit::new(
                (edit.span.start - span.start) as usize,
                (edit.span.end - span.start) as usize,
                &*edit.text,
            )
        })
        .collect();
    let base = source.slice(span);
    let text = carry_out(base, &ordered(inside, base.len()).ok()?);
    let text = layout::one_line(&String::from_utf8_lossy(&text));
    let bare = text
        .strip_prefix('{')
        .and_then(|text| text.strip_suffix('}'));
    let bare = bare.unwrap_or(&text).trim();
    let one = bare.matches(';').count() == 1 && bare.ends_with(';');
    (one && !bare.contains("/*") && !bare.contains("//")).then(|| bare.to_owned())
}

/// The statement that does what both arms do.
fn one(first: &str, second: &str, cond: &str) -> Option<String> {
    if first == second {
        return Some(first.to_owned());
    }
    let dirties = |call: &str| {
        let (name, mut arguments) = parts(call)?;
        let last = arguments.pop()?;
        (name == DIRTIES.0 && last == "true").then_some(arguments)
    };
    let releases = |call: &str| {
        let (name, arguments) = parts(call)?;
        (name == DIRTIES.1).then_some(arguments)
    };
    let weak = cond.contains(|c: char| !c.is_alphanumeric() && !"_.->[]".contains(c));
    let negated = match weak {
        true => format!("!({cond})"),
        false => format!("!{cond}"),
    };
    let told = |arguments: Vec<String>, flag: &str| {
        format!("{}({}, {flag});", DIRTIES.0, arguments.join(", "))
    };
    match (
        dirties(first),
        releases(second),
        releases(first),
        dirties(second),
    ) {
        (Some(one), Some(other), ..) if one == other => Some(told(one, cond)),
        (_, _, Some(one), Some(other)) if one == other => Some(told(one, &negated)),
        _ => None,
    }
}

/// Name and arguments of a call statement.
fn parts(call: &str) -> Option<(&str, Vec<String>)> {
    let (name, rest) = call.strip_suffix(");")?.split_once('(')?;
    let is_name = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if !is_name || name.is_empty() {
        return None;
    }
    let mut arguments = vec![String::new()];
    let mut depth = 0_i32;
    for c in rest.chars() {
        match c {
            '(' | '[' => depth += 1,
            ')' | ']' => depth -= 1,
            ',' if depth == 0 => {
                arguments.push(String::new());
                continue;
            }
            _ => {}
        }
        if let Some(last) = arguments.last_mut() {
            last.push(c);
        }
    }
    // `f(a) + g(b);` ends like a call and is none.
    let whole = depth == 0;
    let arguments = arguments.into_iter().map(|text| text.trim().to_owned());
    whole.then(|| (name, arguments.collect()))
}
