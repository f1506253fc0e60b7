// SPDX-License-Identifier: MIT OR Apache-2.0
//! The returns inside of a function's loop become jumps to one label at its end.
//!
//! For functions that count what they have got: each exit returns the count, or, where that is zero, an error. Every exit
//! must be of that form, and the function must end by returning the count; what is not, is refused.

use crate::edits::walk::{holds, is_name, path, plain, statements};
use crate::edits::{Edit, Source, layout, unused};
use callsites::index::ir::{Expr, Function, Span, Stmt};

/// The rewrite.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct OneExit {
    /// Its edits.
    pub edits: Vec<Edit>,
    /// How many exits there were.
    pub returns: usize,
}

/// A return and what it says.
struct Exit<'a> {
    span: Span,
    /// The error where the count is zero; None where the count is returned alone.
    error: Option<&'a Expr>,
}

/// Gives `name` one exit, at `label`.
///
/// # Errors
/// Why its structure does not allow it, as a clause.
pub(super) fn one_exit(source: &Source, name: &str, label: &str) -> Result<OneExit, String> {
    let function = source.facts.functions.iter().find(|f| f.name == name);
    let function = function.ok_or_else(|| format!("{} has no function {name}()", source.path))?;
    if function.has_unread {
        return Err(format!("{name}() could not be read as a whole"));
    }
    let (count, end) = ending(function).ok_or_else(|| {
        format!("{name}() does not end by returning the variable in which it counts")
    })?;
    let mut taken = false;
    let mut returns = Vec::new();
    every(function, &mut |stmt| match stmt {
        Stmt::Label { name, .. } => taken |= name == label,
        Stmt::Return(value, span) => returns.push((value.as_ref(), *span)),
        _ => {}
    });
    if taken {
        return Err(format!("{name}() has a label `{label}` already"));
    }
    let first = function
        .body
        .iter()
        .find(|stmt| matches!(stmt, Stmt::Loop { .. }));
    let first = first.ok_or_else(|| format!("{name}() has no loop"))?.span();
    // What leaves before the loop has got nothing yet, and has nothing to give back.
    let exits: Vec<Exit<'_>> = returns
        .into_iter()
        .filter(|(_, span)| span.start >= first.start && *span != end)
        .map(|(value, span)| exit(source, value, span, count))
        .collect::<Result<_, _>>()?;
    if exits.len() < 2 {
        return Err(format!("{name}() has no exits to bring together"));
    }
    let variable = variable(&exits);
    let mut edits = declare(source, function, count, &variable)?;
    for exit in &exits {
        edits.extend(leave(source, function, exit, &variable, label)?);
    }
    let margin = margin(source, end)?;
    let outer = margin.strip_suffix('\t').unwrap_or_default();
    let text =
        format!("{variable} = 0;\n{outer}{label}:\n{margin}return {count} ? {count} : {variable};");
    edits.push(Edit::new(end.start as usize, end.end as usize, text));
    Ok(OneExit {
        edits,
        returns: exits.len() + 1,
    })
}

fn every<'a>(function: &'a Function, each: &mut impl FnMut(&'a Stmt)) {
    for stmt in &function.body {
        statements(stmt, each);
    }
}

/// The variable that the last statement returns, and that statement.
fn ending(function: &Function) -> Option<(&str, Span)> {
    match function.body.last()? {
        Stmt::Return(Some(Expr::Name(name, _)), span) => Some((name, *span)),
        _ => None,
    }
}

fn exit<'a>(
    source: &Source,
    value: Option<&'a Expr>,
    span: Span,
    count: &str,
) -> Result<Exit<'a>, String> {
    let error = match value.map(plain) {
        Some(Expr::Name(name, _)) if name == count => None,
        Some(Expr::Conditional {
            cond,
            then,
            otherwise,
            ..
        }) if is_name(cond, count) && then.as_deref().is_none_or(|then| is_name(then, count)) => {
            Some(otherwise.as_ref())
        }
        _ => {
            return Err(format!(
                "`{}` returns something else than the count or an error",
                layout::one_line(&source.text(span))
            ));
        }
    };
    Ok(Exit { span, error })
}

/// The variable in which most exits have their error.
fn variable(exits: &[Exit<'_>]) -> String {
    let named = exits.iter().find_map(|exit| match exit.error {
        Some(Expr::Name(name, _)) => Some(name.to_string()),
        _ => None,
    });
    named.unwrap_or_else(|| "ret".into())
}

/// The variable moves from the blocks that had their own to the function, beside the count.
fn declare(
    source: &Source,
    function: &Function,
    count: &str,
    variable: &str,
) -> Result<Vec<Edit>, String> {
    if function.params.iter().any(|param| param.name == variable) {
        return Err(format!("`{variable}` is a parameter"));
    }
    let mut edits = Vec::new();
    let mut outer = None;
    let mut trouble = None;
    every(function, &mut |stmt| {
        let Stmt::Decl(list, span) = stmt else { return };
        let top = function.body.iter().any(|own| own.span() == *span);
        for decl in list {
            let integer = decl.ty.pointers == 0 && matches!(decl.ty.name.as_str(), "int" | "long");
            if decl.name == count && top && decl.ty.name == function.returns.name {
                outer = list.last();
            }
            if decl.name != variable {
                continue;
            }
            let line = unused::whole_line(source, function, *span);
            match line {
                Some(edit) if !top && integer && list.len() == 1 && decl.init.is_none() => {
                    edits.push(edit);
                }
                _ => trouble = Some(format!("`{variable}` is declared in another way")),
            }
        }
    });
    if let Some(trouble) = trouble {
        return Err(trouble);
    }
    let last = outer.ok_or_else(|| {
        format!("`{count}` is not a variable of the function's own, of the type that it returns")
    })?;
    let end = last
        .init
        .as_ref()
        .map_or(last.span.end, |init| init.span().end) as usize;
    edits.push(Edit::new(end, end, format!(", {variable}")));
    Ok(edits)
}

fn margin(source: &Source, span: Span) -> Result<String, String> {
    let start = span.start as usize;
    if !layout::begins_line(&source.bytes, start) {
        return Err(format!("`{}` does not begin its line", source.text(span)));
    }
    Ok(String::from_utf8_lossy(layout::indent(&source.bytes, start)).into_owned())
}

/// One exit becomes a jump, with what it sets first; an `if` around it gets braces where it needs them.
fn leave(
    source: &Source,
    function: &Function,
    exit: &Exit<'_>,
    variable: &str,
    label: &str,
) -> Result<Vec<Edit>, String> {
    let error = match exit.error {
        None => "0".to_owned(),
        Some(error) => source.text(error.span()),
    };
    let balance = |text: &str| text.matches('(').count() == text.matches(')').count();
    if !balance(&error) {
        return Err(format!("`{}` could not be read", source.text(exit.span)));
    }
    let (start, end) = (exit.span.start as usize, exit.span.end as usize);
    let margin = margin(source, exit.span)?;
    if error == variable {
        return Ok(vec![Edit::new(start, end, format!("goto {label};"))]);
    }
    let text = format!("{variable} = {error};\n{margin}goto {label};");
    let around = path(function, exit.span);
    match around.iter().rev().nth(1) {
        Some(Stmt::Block(..) | Stmt::Switch { .. }) => Ok(vec![Edit::new(start, end, text)]),
        Some(Stmt::If {
            then,
            otherwise: None,
            span,
            ..
        }) if holds(then.span(), exit.span) => {
            let before = source.bytes[..start].trim_ascii_end().len();
            let outer = layout::indent(&source.bytes, span.start as usize);
            let outer = String::from_utf8_lossy(outer);
            let between = &source.bytes[before..start];
            if source.bytes.get(before - 1) != Some(&b')') || between.contains(&b'/') {
                return Err(format!(
                    "a comment stands before `{}`",
                    source.text(exit.span)
                ));
            }
            Ok(vec![
                Edit::new(before, before, " {"),
                Edit::new(start, end, format!("{text}\n{outer}}}")),
            ])
        }
        _ => Err(format!(
            "`{}` stands where a second statement needs more than braces",
            source.text(exit.span)
        )),
    }
}
