// SPDX-License-Identifier: MIT OR Apache-2.0
//! One page that is dirtied under its lock and then released: one call does both.
//!
//! That is how it looks in a loop over a scatterlist, where there is no array. A page that is dirtied without its lock
//! keeps both statements, because the call takes the lock.

use super::layout::{self, begins_line, column, indent};
use super::release::{Gone, Line, Released, has_comment, render};
use super::replace::Edit;
use super::source::{Found, Source, is_macro};
use super::walk::every_part;
use super::words::{Dirty, Words, dirties};
use callsites::index::ir::{Expr, Span, Stmt};

/// The release `found` together with the statement before it; None where that is not one that dirties the same page.
pub(super) fn released(
    source: &Source,
    found: &Found<'_>,
    path: &[&Stmt],
    words: &Words,
) -> Option<Released> {
    let lock = words.many_dirty_lock?;
    // What a macro is given may have no address, and its lines end in backslashes.
    if is_macro(found.function) {
        return None;
    }
    let own = path.last()?.span();
    let list = match path.len().checked_sub(2).map(|above| path[above]) {
        Some(Stmt::Block(list, _)) => list.as_slice(),
        Some(_) => return None,
        None => found.function.body.as_slice(),
    };
    let at = list.iter().position(|stmt| stmt.span() == own)?;
    let before = list.get(at.checked_sub(1)?)?;
    let Stmt::Expr(Expr::Call { args, .. }, _) = list.get(at)? else {
        return None;
    };
    let page = args.first()?;
    if !matches!(
        page,
        Expr::Name(..) | Expr::Index { .. } | Expr::Field { .. }
    ) || changes(page)
    {
        return None;
    }
    let page = source.text(page.span());
    let condition = match before {
        Stmt::Expr(expr, _) if is_dirtying(source, expr, &page) => None,
        Stmt::If {
            cond,
            then,
            otherwise: None,
            ..
        } => {
            let inner = match then.as_ref() {
                Stmt::Block(list, _) if list.len() == 1 => &list[0],
                other => other,
            };
            match inner {
                Stmt::Expr(expr, _) if is_dirtying(source, expr, &page) => {
                    condition(source, cond, &page)
                }
                _ => return None,
            }
        }
        _ => return None,
    };
    let statement = Span {
        start: before.span().start,
        end: own.end,
    };
    let text = source.slice(statement);
    let start = statement.start as usize;
    let plain = !has_comment(text) && !bstr::ByteSlice::contains_str(text, "\n#");
    if !plain || !begins_line(&source.bytes, start) {
        return None;
    }
    let lines = lines(words, lock, &page, condition);
    let margin = String::from_utf8_lossy(indent(&source.bytes, start)).into_owned();
    let text = render(source, &lines, column(margin.as_bytes(), 0), &margin);
    let edit = match braces(source, path, lines.len()) {
        // The braces go: a single statement has none.
        Some((open, close)) => Edit::new(open, close, format!("\n{margin}{text}")),
        None => Edit::new(start, statement.end as usize, text),
    };
    Some(Released {
        edits: vec![edit],
        becomes: lock.name.into(),
        gone: Some(Gone {
            statement,
            variables: Vec::new(),
        }),
        changes: Vec::new(),
        notes: Vec::new(),
        kept: None,
    })
}

/// The braces of a loop, or of an `if` without `else`, that hold nothing but the two statements, with the blanks before
/// them, where one statement takes their place.
fn braces(source: &Source, path: &[&Stmt], lines: usize) -> Option<(usize, usize)> {
    let block = path.len().checked_sub(2)?;
    let (Stmt::Block(list, span), Some(above)) = (path[block], block.checked_sub(1)) else {
        return None;
    };
    let alone = list.len() == 2 && lines == 1 && !has_comment(source.slice(*span));
    let outer = match path[above] {
        Stmt::Loop { body, .. } => body.span() == *span,
        Stmt::If {
            then,
            otherwise: None,
            ..
        } => {
            // The last arm of an else-if chain keeps its braces, as the arms before it may have theirs.
            let chained = above.checked_sub(1).is_some_and(|at| {
                matches!(path[at], Stmt::If { otherwise: Some(other), .. } if other.span() == path[above].span())
            });
            then.span() == *span && !chained
        }
        _ => false,
    };
    let before = source.bytes[..span.start as usize].trim_ascii_end();
    (alone && outer).then_some((before.len(), span.end as usize))
}

fn lines(
    words: &Words,
    lock: super::words::DirtyLock,
    page: &str,
    condition: Option<String>,
) -> Vec<Line> {
    let line = |above: Option<String>, callee, arguments| Line {
        above,
        callee,
        arguments,
    };
    let mut both = vec![format!("&{page}"), "1".to_owned()];
    match (lock.flag, condition) {
        (true, condition) => {
            both.push(condition.unwrap_or_else(|| "true".into()));
            vec![line(None, lock.name, both)]
        }
        (false, None) => vec![line(None, lock.name, both)],
        (false, Some(condition)) => vec![
            line(Some(format!("if ({condition})")), lock.name, both),
            line(Some("else".into()), words.one, vec![page.to_owned()]),
        ],
    }
}

fn is_dirtying(source: &Source, expr: &Expr, page: &str) -> bool {
    let Expr::Call { args, .. } = expr else {
        return false;
    };
    let locked = expr.callee_name().and_then(dirties) == Some(Dirty::Locked);
    locked && matches!(args.as_slice(), [only] if source.text(only.span()) == page)
}

/// The condition without the test for a page that is dirty already, which the call makes itself; None when nothing is
/// left.
fn condition(source: &Source, cond: &Expr, page: &str) -> Option<String> {
    let mut parts = Vec::new();
    conjuncts(cond, &mut parts);
    let kept: Vec<String> = parts
        .into_iter()
        .filter(|part| !is_clean_test(source, part, page))
        .map(|part| whole(source, part))
        .collect();
    (!kept.is_empty()).then(|| kept.join(" && "))
}

fn conjuncts<'a>(cond: &'a Expr, parts: &mut Vec<&'a Expr>) {
    match cond {
        Expr::Binary {
            op, left, right, ..
        } if op == "&&" => {
            conjuncts(left, parts);
            conjuncts(right, parts);
        }
        other => parts.push(other),
    }
}

/// A part with parentheses where it is itself made of weaker operators.
fn whole(source: &Source, part: &Expr) -> String {
    let text = layout::one_line(&source.text(part.span()));
    match part {
        Expr::Binary { op, .. } if op == "||" => format!("({text})"),
        Expr::Conditional { .. } | Expr::Assign { .. } => format!("({text})"),
        _ => text,
    }
}

fn is_clean_test(source: &Source, part: &Expr, page: &str) -> bool {
    match part {
        Expr::Unary { op, operand, .. } if op == "!" => match operand.as_ref() {
            call @ Expr::Call { args, .. } => {
                call.callee_name() == Some("PageDirty")
                    && matches!(args.as_slice(), [only] if source.text(only.span()) == page)
            }
            _ => false,
        },
        _ => false,
    }
}

fn changes(expr: &Expr) -> bool {
    every_part(expr, |part| {
        matches!(
            part,
            Expr::Assign { .. } | Expr::Update { .. } | Expr::Call { .. } | Expr::Unread(..)
        )
    })
}

#[cfg(test)]
mod tests {
    use super::super::fixture::diff;
    use callsites::report::Era::Pin;

    #[test]
    fn a_macro_that_dirties_and_releases_keeps_both_its_lines() {
        let text = "\
#define TOY_RELEASE(page, dirty)		\\
	do {					\\
		if (dirty)			\\
			set_page_dirty_lock(page);	\\
		put_page(page);			\\
	} while (0)

static void toy_put(struct toy *toy)
{
	TOY_RELEASE(toy->page, true);
}
";
        let changed = diff(Pin, text);
        assert!(changed.contains("+→→unpin_user_page(page);"), "{changed}");
        assert!(!changed.contains("dirty"), "{changed}");
    }
}
