// SPDX-License-Identifier: MIT OR Apache-2.0
//! An acquire from an iterator becomes iov_iter_extract_pages(), whose arguments stand in other places.
//!
//! It is given the address of a pointer to the array, also where the array is the caller's; it takes flags; and an array
//! that it has allocated is the caller's to free even if it fails ("lib/iov_iter.c", 6.12).

use super::layout::{self, begins_line, column, indent, line_end, line_start};
use super::replace::Edit;
use super::source::{Found, Source};
use super::walk::{self, every_part, is_null, plain};
use callsites::index::ir::{Declaration, Expr, Function, Span, Stmt};

/// Where the arguments of a call stand that takes references on pages of an iterator ("include/linux/uio.h", 6.4 and 6.12).
struct Form {
    /// The most bytes.
    size: usize,
    /// The most pages; None where the array is allocated.
    most: Option<usize>,
    /// The offset into the first page.
    offset: usize,
    /// Extraction flags (6.3 and 6.4).
    flags: Option<usize>,
}

fn form(call: &str, arguments: usize) -> Option<Form> {
    let (most, offset, flags) = match (call, arguments) {
        ("iov_iter_get_pages2", 5) => (Some(3), 4, None),
        ("iov_iter_get_pages", 6) => (Some(3), 4, Some(5)),
        ("iov_iter_get_pages_alloc2", 4) => (None, 3, None),
        ("iov_iter_get_pages_alloc", 5) => (None, 3, Some(4)),
        _ => return None,
    };
    Some(Form {
        size: 2,
        most,
        offset,
        flags,
    })
}

/// The edits of one acquire, and what the message says of its array.
///
/// # Errors
/// Why it cannot be rewritten, as a clause.
pub(super) fn extract(
    source: &Source,
    found: &Found<'_>,
    call: &str,
    becomes: &str,
) -> Result<(Vec<Edit>, Option<String>), String> {
    let form = form(call, found.arguments.len())
        .ok_or_else(|| format!("{call}() has other arguments here than those that are known"))?;
    let text = |at: usize| layout::one_line(&source.text(found.arguments[at]));
    let path = walk::path(found.function, found.whole);
    let mut edits = Vec::new();
    let pages = argument(found.function, found.arguments[1])
        .ok_or("its array of pages could not be read")?;
    let array = match form.most {
        None => {
            edits.extend(allocated(source, found, &path, pages)?);
            text(1)
        }
        Some(_) => pointer_to(source, found, &path, pages, &mut edits)?,
    };
    let arguments = [
        text(0),
        array,
        text(form.size),
        form.most.map_or("INT_MAX".into(), text),
        form.flags.map_or("0".into(), text),
        text(form.offset),
    ];
    let (start, end) = (found.callee.start as usize, found.whole.end as usize);
    let bytes = &source.bytes;
    let begin = column(&bytes[line_start(bytes, start)..start], 0);
    let rest = String::from_utf8_lossy(&bytes[end..line_end(bytes, end)]).into_owned();
    let called = layout::call(becomes, &arguments, begin, rest.trim_end(), source.columns);
    edits.push(Edit::new(start, end, called));
    let freed = form.most.is_none().then(|| {
        format!(
            "If it fails, {becomes}() leaves the array that it has allocated to its caller, which {call}() does not: {}() frees it.",
            found.function.name
        )
    });
    Ok((edits, freed))
}

/// The argument at `span`.
fn argument(function: &Function, span: Span) -> Option<&Expr> {
    let mut found = None;
    walk::all_expressions(function, &mut |expr| {
        let own = expr.span();
        // A cast begins before its operand; the innermost is what counts.
        if walk::holds(span, own) && found.is_none() {
            found = Some(expr);
        }
    });
    found
}

/// `&pages` of a pointer variable, which is there or is declared.
fn pointer_to(
    source: &Source,
    found: &Found<'_>,
    path: &[&Stmt],
    pages: &Expr,
    edits: &mut Vec<Edit>,
) -> Result<String, String> {
    let text = layout::one_line(&source.text(pages.span()));
    let declared = match plain(pages) {
        Expr::Name(name, _) => declaration(found.function, name),
        Expr::AddressOf(inner, _) => match plain(inner) {
            Expr::Name(name, _) => declaration(found.function, name),
            _ => None,
        },
        _ => None,
    };
    if let (Expr::Name(name, _), Some(declared)) = (plain(pages), declared) {
        if declared.ty.pointers == 2 && declared.ty.arrays == 0 {
            return Ok(format!("&{name}"));
        }
    }
    let name = free_name(source, found.function, &["pages", "ppages", "page_list"])
        .ok_or("every usual name for a pointer to its pages is taken")?;
    let still = !every_part(pages, |part| {
        matches!(
            part,
            Expr::Index { .. } | Expr::Binary { .. } | Expr::Call { .. } | Expr::Unread(..)
        )
    });
    if !still {
        return Err("its array of pages begins in another place in every turn".into());
    }
    let line = format!("struct page **{name} = {text};");
    let bytes = &source.bytes;
    let own = declared
        .filter(|declared| {
            !found
                .function
                .params
                .iter()
                .any(|p| p.span == declared.span)
        })
        .map(|declared| declared.statement);
    let root = own.or_else(|| {
        let root = declaration(found.function, root(pages)?)?;
        let inner = innermost(found.function, path);
        let here = inner.iter().any(|stmt| stmt.span() == root.statement);
        here.then_some(root.statement)
    });
    let edit = match root {
        Some(statement) => {
            let at = line_end(bytes, statement.end as usize) - 1;
            let margin = String::from_utf8_lossy(indent(bytes, statement.start as usize));
            Edit::new(at, at, format!("\n{margin}{line}"))
        }
        None => declare(
            source,
            found.function,
            innermost(found.function, path),
            &line,
        )
        .ok_or("nothing can be declared in its block")?,
    };
    edits.push(edit);
    Ok(format!("&{name}"))
}

/// The variable an expression begins with.
pub(super) fn root(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Name(name, _) => Some(name),
        Expr::Field { base, .. } | Expr::Index { base, .. } => root(base),
        Expr::AddressOf(inner, _) | Expr::Deref(inner, _) => root(inner),
        Expr::Cast { operand, .. } => root(operand),
        _ => None,
    }
}

/// The statements beside the last of `path`.
pub(super) fn innermost<'f>(function: &'f Function, path: &[&'f Stmt]) -> &'f [Stmt] {
    let block = path.iter().rev().find_map(|stmt| match stmt {
        Stmt::Block(list, _) => Some(list.as_slice()),
        _ => None,
    });
    block.unwrap_or(&function.body)
}

/// A declaration at the head of a block, before the first line that is shorter, as many files have them.
pub(super) fn declare(
    source: &Source,
    function: &Function,
    block: &[Stmt],
    line: &str,
) -> Option<Edit> {
    let bytes = &source.bytes;
    let heads: Vec<Span> = block
        .iter()
        .take_while(|stmt| matches!(stmt, Stmt::Decl(..)))
        .map(Stmt::span)
        .collect();
    let Some(first) = heads.first() else {
        let first = block.first()?.span().start as usize;
        let open = bytes[..first].iter().rposition(|&byte| byte == b'{')?;
        let at = line_end(bytes, open);
        let inside = function.body_span.start as usize <= open && begins_line(bytes, first);
        let margin = String::from_utf8_lossy(indent(bytes, first)).into_owned();
        return inside.then(|| Edit::new(at, at, format!("{margin}{line}\n\n")));
    };
    let margin = String::from_utf8_lossy(indent(bytes, first.start as usize)).into_owned();
    let wide = |span: &Span| span.end - span.start;
    let shorter = heads.iter().find(|span| wide(span) < line.len() as u32);
    Some(match shorter {
        Some(span) => {
            let at = line_start(bytes, span.start as usize);
            Edit::new(at, at, format!("{margin}{line}\n"))
        }
        None => {
            let at = line_end(bytes, heads.last()?.end as usize);
            Edit::new(at, at, format!("{margin}{line}\n"))
        }
    })
}

/// The first of `names` that stands nowhere in the function.
pub(super) fn free_name<'n>(
    source: &Source,
    function: &Function,
    names: &[&'n str],
) -> Option<&'n str> {
    let text = source.slice(function.span);
    let taken = |name: &&&str| {
        bstr::ByteSlice::find_iter(text, name.as_bytes()).any(|at| {
            let part = |byte: Option<&u8>| {
                byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
            };
            let before = at.checked_sub(1).and_then(|at| text.get(at));
            !part(before) && !part(text.get(at + name.len()))
        })
    };
    names.iter().find(|name| !taken(name)).copied()
}

/// The declaration of a variable or parameter.
pub(super) fn declaration<'f>(function: &'f Function, name: &str) -> Option<&'f Declaration> {
    let mut found = function.params.iter().find(|param| param.name == name);
    for stmt in &function.body {
        walk::statements(stmt, &mut |stmt| {
            if let Stmt::Decl(list, _) = stmt {
                found = found.or(list.iter().find(|decl| decl.name == name));
            }
        });
    }
    found
}

/// What the allocating function did besides: the pointer is NULL at first, and again when nothing was taken.
fn allocated(
    source: &Source,
    found: &Found<'_>,
    path: &[&Stmt],
    pages: &Expr,
) -> Result<Vec<Edit>, String> {
    let (pointer, clean) = match plain(pages) {
        Expr::AddressOf(inner, _) => {
            let text = layout::one_line(&source.text(inner.span()));
            let declared = match plain(inner) {
                Expr::Name(name, _) => declaration(found.function, name),
                _ => None,
            };
            let null = declared
                .and_then(|declared| declared.init.as_ref())
                .is_some_and(|init| is_null(plain(init)));
            let once = !path.iter().any(|stmt| matches!(stmt, Stmt::Loop { .. }));
            (text, null && once)
        }
        Expr::Name(name, _) => (format!("*{name}"), false),
        _ => return Err("the pointer to the array that it allocates could not be read".into()),
    };
    let statement = path.last().ok_or("its statement could not be read")?;
    let Stmt::Expr(Expr::Assign { target, .. }, own) = statement else {
        return Err("what it returns is not kept in a variable".into());
    };
    let list = innermost(found.function, path);
    let after = list
        .iter()
        .skip_while(|stmt| stmt.span() != *own)
        .nth(1)
        .ok_or("nobody looks at what it returns")?;
    let result = source.text(target.span());
    let Stmt::If {
        cond,
        then,
        otherwise: None,
        ..
    } = after
    else {
        return Err("what it returns is not tested at once".into());
    };
    let failed = match cond {
        Expr::Binary {
            op, left, right, ..
        } => {
            matches!(op.as_str(), "<" | "<=")
                && source.text(left.span()) == result
                && matches!(plain(right), Expr::Literal(text, _) if text == "0")
        }
        _ => false,
    };
    if !failed {
        return Err("what it returns is not tested at once".into());
    }
    let bytes = &source.bytes;
    let own = own.start as usize;
    if !begins_line(bytes, own) {
        return Err("its statement does not begin its line".into());
    }
    let margin = String::from_utf8_lossy(indent(bytes, own)).into_owned();
    let mut edits = Vec::new();
    if !clean {
        let at = line_start(bytes, own);
        edits.push(Edit::new(at, at, format!("{margin}{pointer} = NULL;\n")));
    }
    let free = format!("{margin}\tkvfree({pointer});\n{margin}\t{pointer} = NULL;\n");
    match then.as_ref() {
        Stmt::Block(list, _) => {
            let first = list.first().ok_or("a failure changes nothing")?;
            let at = line_start(bytes, first.span().start as usize);
            edits.push(Edit::new(at, at, free));
        }
        one => {
            let (start, end) = (one.span().start as usize, one.span().end as usize);
            let head = bytes[..start].trim_ascii_end().len();
            let text = source.text(one.span());
            edits.push(Edit::new(
                head,
                end,
                format!(" {{\n{free}{margin}\t{text}\n{margin}}}"),
            ));
        }
    }
    Ok(edits)
}
