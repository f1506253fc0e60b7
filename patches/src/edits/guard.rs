// SPDX-License-Identifier: MIT OR Apache-2.0
//! A statement gets a condition, in the way in which the kernel writes it at that place.

use super::layout::{self, begins_line, column, indent};
use super::replace::Edit;
use super::source::Source;
use callsites::index::ir::{Expr, Stmt};

/// The edits that put `condition` over the last statement of `path`, a call that becomes `callee(arguments)`.
///
/// # Errors
/// Why there is no place for it, as a clause.
pub(super) fn guarded(
    source: &Source,
    path: &[&Stmt],
    (callee, arguments): (&str, &[String]),
    condition: &str,
) -> Result<Vec<Edit>, String> {
    let Some((own @ Stmt::Expr(Expr::Call { .. }, span), above)) = path.split_last() else {
        return Err("it is part of a larger statement".into());
    };
    let bytes = &source.bytes;
    let (start, end) = (span.start as usize, span.end as usize);
    if !begins_line(bytes, start) {
        return Err("it does not begin its line".into());
    }
    let margin = String::from_utf8_lossy(indent(bytes, start)).into_owned();
    let wide = column(margin.as_bytes(), 0);
    let call = |at: usize| format!("{};", layout::call(callee, arguments, at, ";"));
    let below = format!("if ({condition})\n{margin}\t{}", call(wide + 8));
    match above.last() {
        Some(Stmt::If {
            cond,
            then,
            otherwise,
            ..
        }) => {
            if then.span() != own.span() {
                // `else` and the condition share a line.
                let head = bytes[..start].trim_ascii_end().len();
                return Ok(vec![Edit::new(
                    head,
                    end,
                    format!(" if ({condition})\n{margin}{}", call(wide)),
                )]);
            }
            if otherwise.is_some() {
                return Err("a condition of its own would take the else that follows".into());
            }
            let head = bytes[..start].trim_ascii_end();
            let close = head.len() - 1;
            if head.last() != Some(&b')') {
                return Err("the condition above it could not be read".into());
            }
            let weak = match cond {
                Expr::Binary { op, .. } => op == "||" || op == ",",
                Expr::Conditional { .. } | Expr::Assign { .. } => true,
                _ => false,
            };
            let mut edits = Vec::new();
            let open = cond.span().start as usize;
            let more = match weak {
                true => {
                    edits.push(Edit::new(open, open, "("));
                    format!(") && {condition}")
                }
                false => format!(" && {condition}"),
            };
            edits.push(Edit::new(close, close, more));
            edits.push(Edit::new(start, end, call(wide)));
            Ok(edits)
        }
        // A loop with more than one line in it has braces.
        Some(Stmt::Loop { .. }) => {
            let head = bytes[..start].trim_ascii_end().len();
            let outer = margin.strip_suffix('\t').unwrap_or(&margin);
            Ok(vec![Edit::new(
                head,
                end,
                format!(" {{\n{margin}{below}\n{outer}}}"),
            )])
        }
        Some(Stmt::Block(..)) | None => Ok(vec![Edit::new(start, end, below)]),
        Some(_) => Err("its place among the statements could not be read".into()),
    }
}
