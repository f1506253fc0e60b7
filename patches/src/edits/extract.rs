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
    let block = innermost(found.function, path);
    if declared.is_none() {
        if let Some(more) = late(source, found, (path, block), pages, name, &text)? {
            edits.extend(more);
            return Ok(format!("&{name}"));
        }
    }
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
        let here = block.iter().any(|stmt| stmt.span() == root.statement);
        here.then_some(root.statement)
    });
    let edit = match root {
        Some(statement) => {
            let at = line_end(bytes, statement.end as usize) - 1;
            let margin = String::from_utf8_lossy(indent(bytes, statement.start as usize));
            Edit::new(at, at, format!("\n{margin}{line}"))
        }
        None => declare(source, found.function, block, &line)
            .ok_or("nothing can be declared in its block")?,
    };
    edits.push(edit);
    Ok(format!("&{name}"))
}

/// The declaration of a pointer to an array that is only known below the head of its block, and the statement that sets it
/// above the call: `toy->pages` has no address before `toy` is allocated. None where the declaration can set it.
fn late(
    source: &Source,
    found: &Found<'_>,
    (path, block): (&[&Stmt], &[Stmt]),
    pages: &Expr,
    name: &str,
    text: &str,
) -> Result<Option<Vec<Edit>>, String> {
    let mut bases = Vec::new();
    bases_of(source, pages, &mut bases);
    let own = path.last().ok_or("its statement could not be read")?;
    let here = block
        .iter()
        .position(|stmt| walk::holds(stmt.span(), own.span()))
        .ok_or("its statement could not be read")?;
    let base = |expr: &Expr| bases.contains(&layout::one_line(&source.text(expr.span())));
    let sets = |part: &Expr| match part {
        Expr::Assign { target, .. } => base(target),
        Expr::Update { operand, .. } => base(operand),
        Expr::AddressOf(inner, _) => base(inner),
        // What is asked for NULL has no array before the answer.
        Expr::Unary { op, operand, .. } => op == "!" && base(operand),
        _ => false,
    };
    let mut inside = false;
    callsites::index::walk::expressions(&block[here..=here], &mut |expr| {
        inside |= expr.span().start < found.whole.start && sets(expr);
    });
    if inside {
        return Err("its array of pages is chosen in the statement that takes them".into());
    }
    let bytes = &source.bytes;
    let start = block[here].span().start as usize;
    let margin = String::from_utf8_lossy(indent(bytes, start)).into_owned();
    if matches!(block[here], Stmt::Decl(..)) {
        let line = format!("struct page **{name} = {text};\n{margin}");
        return Ok(Some(vec![Edit::new(start, start, line)]));
    }
    let mut before = false;
    callsites::index::walk::expressions(&block[..here], &mut |expr| before |= sets(expr));
    if !before {
        return Ok(None);
    }
    if !begins_line(bytes, start) {
        return Err("its statement does not begin its line".into());
    }
    let line = format!("struct page **{name};");
    let head = declare(source, found.function, block, &line)
        .ok_or("nothing can be declared in its block")?;
    let set = Edit::new(start, start, format!("{name} = {text};\n{margin}"));
    Ok(Some(vec![head, set]))
}

/// The texts of what an array of pages is reached by: of `a->b.pages` itself, `a->b` and `a`.
fn bases_of(source: &Source, pages: &Expr, bases: &mut Vec<String>) {
    bases.push(layout::one_line(&source.text(pages.span())));
    match pages {
        Expr::Field { base, .. } | Expr::Index { base, .. } => bases_of(source, base, bases),
        Expr::AddressOf(inner, _) | Expr::Deref(inner, _) => bases_of(source, inner, bases),
        Expr::Cast { operand, .. } => bases_of(source, operand, bases),
        _ => {}
    }
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
        // Behind what asks for the kind of the iterator, which begins the line.
        edits.push(Edit::new(own, own, format!("{pointer} = NULL;\n{margin}")));
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

#[cfg(test)]
mod tests {
    use super::super::fixture::{asking, changed_lines};
    use callsites::report::When::Always;

    /// The change, or why there is none.
    fn diff(text: &str) -> String {
        match asking(Always, text) {
            Ok((_, new)) => changed_lines(text, &new),
            Err(why) => why.join("\n"),
        }
    }

    const ALLOCATED: &str = "\
static ssize_t toy_read(struct toy_dev *dev, struct iov_iter *to)
{
	struct toy *toy;
	ssize_t got;

	toy = toy_alloc(dev);
	if (!toy)
		return -ENOMEM;
	got = iov_iter_get_pages2(to, toy->pages, 4096, 16, &toy->offset);
	return got;
}
";

    #[test]
    fn a_record_that_is_allocated_first_has_its_array_named_below() {
        let given = ALLOCATED.replace("toy = toy_alloc(dev)", "err = toy_alloc(dev, &toy)");
        let tested = ALLOCATED
            .replace("*toy;", "*toy = dev->toy;")
            .replace("\ttoy = toy_alloc(dev);\n", "");
        for text in [ALLOCATED, &given, &tested] {
            let changed = diff(text);
            assert!(changed.contains("+→struct page **ppages;\n"), "{changed}");
            assert!(changed.contains("+→ppages = toy->pages;\n"), "{changed}");
        }
    }

    #[test]
    fn an_array_that_is_there_is_named_where_its_pointer_is_declared() {
        let set = ALLOCATED
            .replace("*toy;", "*toy = dev->toy;")
            .replace("\ttoy = toy_alloc(dev);\n", "")
            .replace("\tif (!toy)\n\t\treturn -ENOMEM;\n", "");
        let at_once = "\
static ssize_t toy_read(struct toy_dev *dev, struct iov_iter *to)
{
	struct toy *toy = dev->toy;
	ssize_t got = iov_iter_get_pages2(to, toy->pages, 4096, 16, &toy->offset);

	return got;
}
";
        for text in [set.as_str(), at_once] {
            let changed = diff(text);
            let line = "+→struct page **ppages = toy->pages;\n";
            assert!(changed.contains(line), "{changed}");
        }
    }

    #[test]
    fn an_array_that_is_chosen_in_the_statement_stays() {
        let chosen = ALLOCATED
            .replace("\ttoy = toy_alloc(dev);\n", "")
            .replace("got = iov", "got = !(toy = toy_alloc(dev)) ? 0 : iov");
        let refused = diff(&chosen);
        assert!(refused.contains("is chosen in the statement"), "{refused}");
    }
}
