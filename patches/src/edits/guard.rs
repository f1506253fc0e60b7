// SPDX-License-Identifier: MIT OR Apache-2.0
//! A statement gets a condition, in the way in which the kernel writes it at that place.

use super::layout::{self, WIDTH, begins_line, column, indent};
use super::replace::Edit;
use super::source::Source;
use super::walk::{self, every_part, holds, plain};
use callsites::index::ir::{Expr, LoopKind, Stmt};
use std::collections::BTreeSet;

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
    let Some((own @ Stmt::Expr(whole @ Expr::Call { .. }, span), above)) = path.split_last() else {
        return Err("it is part of a larger statement".into());
    };
    let bytes = &source.bytes;
    let (start, end) = (span.start as usize, span.end as usize);
    if !begins_line(bytes, start) {
        return Err("it does not begin its line".into());
    }
    let changes = every_part(whole, |part| {
        matches!(part, Expr::Assign { .. } | Expr::Update { .. })
    });
    if changes {
        return Err("its arguments change something, which the condition would leave out".into());
    }
    let margin = String::from_utf8_lossy(indent(bytes, start)).into_owned();
    let wide = column(margin.as_bytes(), 0);
    let call = |at: usize| {
        format!(
            "{};",
            layout::call(callee, arguments, at, ";", source.columns)
        )
    };
    if let Some(test) = only_for_it(source, above, own) {
        let mut edits = also(bytes, test, condition)?;
        edits.push(Edit::new(start, end, call(wide)));
        return Ok(edits);
    }
    let below = format!("if ({condition})\n{margin}\t{}", call(wide + 8));
    match above.last() {
        Some(
            test @ Stmt::If {
                then, otherwise, ..
            },
        ) => {
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
            let mut edits = also(bytes, test, condition)?;
            edits.push(Edit::new(start, end, call(wide)));
            Ok(edits)
        }
        // A loop with more than one line in it has braces.
        Some(Stmt::Loop { .. }) => {
            let head = bytes[..start].trim_ascii_end().len();
            let outer = margin.strip_suffix('\t').unwrap_or(&margin);
            let lines = |text: &str| text.lines().map(|line| column(line.as_bytes(), 0)).max();
            let body = format!("{margin}{below}");
            // One level less, where that is what a line lacks.
            let body = match lines(&body) > Some(WIDTH) && plain_member(condition) {
                true => format!(
                    "{margin}if (!{condition})\n{margin}\tcontinue;\n{margin}{}",
                    call(wide)
                ),
                false => body,
            };
            Ok(vec![Edit::new(
                head,
                end,
                format!(" {{\n{body}\n{outer}}}"),
            )])
        }
        Some(Stmt::Block(..)) | None => Ok(vec![Edit::new(start, end, below)]),
        Some(_) => Err("its place among the statements could not be read".into()),
    }
}

/// Whether a condition is a variable or a member, so that an exclamation mark negates all of it.
fn plain_member(condition: &str) -> bool {
    let rest = condition.replace("->", "");
    rest.chars()
        .all(|c| c.is_alphanumeric() || matches!(c, '_' | '.'))
}

/// The `if` around a loop that does nothing but release, where nothing else depends on it: one test before the loop says what
/// a test in each turn would.
fn only_for_it<'s>(source: &Source, above: &[&'s Stmt], own: &Stmt) -> Option<&'s Stmt> {
    let at = above
        .iter()
        .rposition(|stmt| matches!(stmt, Stmt::If { .. }))?;
    let Stmt::If {
        then,
        otherwise: None,
        span,
        ..
    } = above[at]
    else {
        return None;
    };
    let in_loop = |stmts: &[&Stmt]| stmts.iter().any(|stmt| matches!(stmt, Stmt::Loop { .. }));
    let inside = &above[at + 1..];
    if !in_loop(inside) || in_loop(&above[..at]) || !holds(then.span(), own.span()) {
        return None;
    }
    let leaves = |stmt: &Stmt| match stmt {
        Stmt::If {
            then,
            otherwise: None,
            ..
        } => matches!(then.as_ref(), Stmt::Break(_) | Stmt::Continue(_)),
        _ => false,
    };
    let name = |expr: &Expr| match plain(expr) {
        Expr::Name(name, _) => Some(name.to_string()),
        _ => None,
    };
    let mut counted: BTreeSet<String> = BTreeSet::new();
    for stmt in inside {
        let alone = match stmt {
            Stmt::Block(list, _) => list
                .iter()
                .all(|stmt| holds(stmt.span(), own.span()) || leaves(stmt)),
            Stmt::Loop { init, kind, .. } => {
                let mut parts = walk::expressions(stmt);
                parts.extend(init.iter().flat_map(|init| walk::expressions(init)));
                for part in parts {
                    every_part(part, |part| {
                        if let Expr::Assign { target, .. }
                        | Expr::Update {
                            operand: target, ..
                        } = part
                        {
                            counted.extend(name(target));
                        }
                        false
                    });
                }
                // An iterator macro sets variables that it is given.
                if let LoopKind::Iterator { args, .. } = kind {
                    counted.extend(args.iter().filter_map(name));
                }
                true
            }
            _ => false,
        };
        if !alone {
            return None;
        }
    }
    let function = source.facts.functions.iter();
    let mut around = function.filter(|function| holds(function.span, own.span()));
    let mut used = false;
    walk::all_expressions(around.next()?, &mut |expr| {
        if let Expr::Name(name, place) = expr {
            used |= place.start > span.end && counted.contains(name.as_str());
        }
    });
    (!used).then_some(above[at])
}

/// The edits that let the condition of an `if` ask for one thing more.
fn also(bytes: &[u8], stmt: &Stmt, condition: &str) -> Result<Vec<Edit>, String> {
    const UNREAD: &str = "the condition above it could not be read";
    let Stmt::If { cond, then, .. } = stmt else {
        return Err(UNREAD.into());
    };
    let head = bytes[..then.span().start as usize].trim_ascii_end();
    let close = head.len().saturating_sub(1);
    if head.last() != Some(&b')') {
        return Err(UNREAD.into());
    }
    let weak = match cond {
        Expr::Binary { op, .. } => op == "||" || op == ",",
        Expr::Conditional { .. } | Expr::Assign { .. } => true,
        _ => false,
    };
    let open = cond.span().start as usize;
    Ok(match weak {
        true => vec![
            Edit::new(open, open, "("),
            Edit::new(close, close, format!(") && {condition}")),
        ],
        false => vec![Edit::new(close, close, format!(" && {condition}"))],
    })
}
