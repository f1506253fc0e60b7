// SPDX-License-Identifier: MIT OR Apache-2.0
//! Declarations from tokens: parameters, members of records, typedefs, variables; initialisers are left aside.
//!
//! Kernel declarations are regular enough to be read without a parser, and read this way no unknown attribute macro
//! can spoil them.

use super::ir::{Declaration, Record, Span, TypeRef};
use super::lex::Kind;
use super::source::Source;
use super::words;
use smol_str::{SmolStr, format_smolstr};
use std::ops::Range;

/// A declaration with the tokens of its initialiser.
#[derive(Debug)]
pub(crate) struct Declared {
    /// Name, type, spans; `init` is empty.
    pub(crate) declaration: Declaration,
    /// The tokens after `=`.
    pub(crate) init: Option<Range<usize>>,
}

/// The specifiers of a declaration.
struct Specifiers {
    ty: TypeRef,
    /// First token of the first declarator.
    next: usize,
    /// The body of a record defined here: (union?, tag, braces).
    body: Option<(bool, SmolStr, usize)>,
}

/// Reads `range`, one declaration without its `;`. Records defined in it are added to `records` with `outer` before
/// the made-up tags of those that have none.
pub(crate) fn declaration(
    source: &Source<'_>,
    range: Range<usize>,
    outer: &str,
    records: &mut Vec<Record>,
) -> Vec<Declared> {
    let statement =
        source.span(&(range.start..range.end + usize::from(source.is(range.end, b";"))));
    let mut specifiers = specifiers(source, range.clone());
    let mut out = Vec::new();
    for part in source.split_commas(specifiers.next..range.end) {
        if let Some(declared) = declarator(source, part, &specifiers.ty, statement) {
            out.push(declared);
        }
    }
    if let Some((is_union, tag, brace)) = specifiers.body.take() {
        let tag = match out.first() {
            _ if !tag.is_empty() => tag,
            Some(first) if outer.is_empty() => first.declaration.name.clone(),
            Some(first) => format_smolstr!("{outer}::{}", first.declaration.name),
            None => format_smolstr!("{outer}::{{{}}}", records.len()),
        };
        let named = specifiers.ty.name.contains(' ');
        if !named {
            specifiers.ty.name.clone_from(&tag);
            for declared in &mut out {
                declared.declaration.ty.name.clone_from(&tag);
            }
        }
        if out.is_empty() && !outer.is_empty() {
            let declaration = Declaration {
                name: SmolStr::default(),
                ty: specifiers.ty.clone(),
                init: None,
                span: Span::default(),
                statement,
            };
            out.push(Declared {
                declaration,
                init: None,
            });
        }
        record(source, is_union, &tag, brace, statement, records);
    } else if out.is_empty() && !specifiers.ty.name.is_empty() {
        // An unnamed parameter: `struct page *`.
        let declaration = Declaration {
            name: SmolStr::default(),
            ty: specifiers.ty,
            init: None,
            span: Span::default(),
            statement,
        };
        out.push(Declared {
            declaration,
            init: None,
        });
    }
    out
}

/// How deep records may nest in records: each level repeats the members of those inside it that have no name.
const RECORD_DEPTH: usize = 32;

/// Does a record in `range` hold records deeper than can be read?
pub(crate) fn nests_too_deep(source: &Source<'_>, range: &Range<usize>) -> bool {
    let mut i = range.start;
    while i < range.end && !source.is(i, b"=") {
        if source.is(i, b"{") {
            let mut depth = 0usize;
            for inside in i..source.after(i).min(range.end) {
                if source.is(inside, b"{") {
                    depth += 1;
                } else if source.is(inside, b"}") {
                    depth = depth.saturating_sub(1);
                }
                if depth > RECORD_DEPTH {
                    return true;
                }
            }
        }
        i = source.after(i);
    }
    false
}

/// The parameters between the parentheses `open` and its partner.
pub(crate) fn parameters(source: &Source<'_>, open: usize) -> Vec<Declaration> {
    let Some(close) = source.mate(open) else {
        return Vec::new();
    };
    let mut out = Vec::new();
    for part in source.split_commas(open + 1..close) {
        if part.len() == 1 && source.text(part.start) == b"void" || source.is(part.start, b"...") {
            continue;
        }
        let first = declaration(source, part.clone(), "", &mut Vec::new())
            .into_iter()
            .next();
        out.push(first.map_or_else(
            || Declaration {
                name: SmolStr::default(),
                ty: TypeRef::default(),
                init: None,
                span: source.span(&part),
                statement: source.span(&part),
            },
            |declared| declared.declaration,
        ));
    }
    out
}

fn specifiers(source: &Source<'_>, range: Range<usize>) -> Specifiers {
    let mut words_of_type: Vec<String> = Vec::new();
    let mut name = String::new();
    let mut body = None;
    let mut i = range.start;
    while i < range.end {
        if source.aside[i] || source.tokens[i].kind == Kind::Directive {
            i += 1;
            continue;
        }
        if !source.is_ident(i) {
            break;
        }
        let word = source.text(i);
        let next = next_token(source, i + 1, range.end);
        if words::is_attribute_with_arguments(word) {
            i = if source.is(next, b"(") {
                source.after(next)
            } else {
                i + 1
            };
        } else if words::is_qualifier(word) || word == b"typedef" || words::is_bare_attribute(word)
        {
            i += 1;
        } else if words::is_typeof(word) && source.is(next, b"(") {
            let end = source.after(next);
            let span = source.span(&(i..end));
            name = String::from_utf8_lossy(&source.bytes[span.start as usize..span.end as usize])
                .into_owned();
            i = end;
        } else if words::is_tag_keyword(word) {
            let keyword = source.string(i);
            let (tag, after) = tag(source, i + 1, range.end);
            i = after;
            name = if tag.is_empty() {
                String::new()
            } else {
                format!("{keyword} {tag}")
            };
            if source.is(i, b"{") {
                if keyword != "enum" {
                    body = Some((keyword == "union", tag, i));
                }
                if name.is_empty() {
                    name = keyword.as_str().into();
                }
                i = source.after(i);
            }
        } else if words::is_base_type(word) {
            words_of_type.push(source.string(i).to_string());
            i += 1;
        } else if name.is_empty()
            && words_of_type.is_empty()
            && is_type_here(source, i, next, range.end)
        {
            name = source.string(i).to_string();
            i += 1;
        } else if (source.is_ident(next) || source.is(next, b"*"))
            && next < range.end
            && !named_before(source, i, next)
        {
            i += 1;
        } else {
            break;
        }
    }
    if name.is_empty() {
        name = words_of_type.join(" ");
    }
    // Only a made-up tag replaces the bare keyword of an anonymous record.
    if body.is_some() && (name == "struct" || name == "union") {
        name.clear();
    }
    Specifiers {
        ty: TypeRef {
            name: name.into(),
            ..TypeRef::default()
        },
        next: i.min(range.end),
        body,
    }
}

/// After a type, `a b`: is `a` the name, with `b` an attribute?
fn named_before(source: &Source<'_>, i: usize, next: usize) -> bool {
    source.is_ident(next)
        && words::looks_like_attribute(source.text(next))
        && !words::looks_like_attribute(source.text(i))
}

fn is_type_here(source: &Source<'_>, i: usize, next: usize, end: usize) -> bool {
    if next >= end {
        return words::is_kernel_type(source.text(i)) || i + 1 == end;
    }
    if source.is_ident(next) {
        // `ATTRIBUTE int x`: a type word further on wins.
        let word = source.text(next);
        return !(words::is_base_type(word)
            || words::is_tag_keyword(word)
            || words::looks_like_attribute(source.text(i)));
    }
    source.is(next, b"*") || (source.is(next, b"(") && source.is(next + 1, b"*"))
}

fn tag(source: &Source<'_>, mut i: usize, end: usize) -> (SmolStr, usize) {
    let mut tag = SmolStr::default();
    while i < end && source.is_ident(i) {
        let word = source.text(i);
        if words::is_attribute_with_arguments(word) && source.is(i + 1, b"(") {
            i = source.after(i + 1);
        } else if tag.is_empty() && !(words::looks_like_attribute(word) && source.is_ident(i + 1)) {
            tag = source.string(i);
            i += 1;
        } else if words::looks_like_attribute(word) && !tag.is_empty() && source.is(i + 1, b"{")
            || tag.is_empty()
        {
            i += 1;
        } else {
            break;
        }
    }
    (tag, i)
}

fn next_token(source: &Source<'_>, mut i: usize, end: usize) -> usize {
    while i < end && (source.aside[i] || source.tokens[i].kind == Kind::Directive) {
        i += 1;
    }
    i
}

/// Reads one declarator, of an unnamed parameter too; None when a bracket has no partner.
fn declarator(
    source: &Source<'_>,
    part: Range<usize>,
    ty: &TypeRef,
    statement: Span,
) -> Option<Declared> {
    let mut ty = ty.clone();
    let mut name: Option<usize> = None;
    let mut init = None;
    let mut last = part.start;
    let mut first = None;
    let mut i = part.start;
    while i < part.end {
        if source.aside[i] || source.tokens[i].kind == Kind::Directive {
            i += 1;
            continue;
        }
        if source.is(i, b"*") {
            ty.pointers = ty.pointers.saturating_add(1);
            first.get_or_insert(i);
        } else if source.is(i, b"=") {
            init = Some(i + 1..part.end);
            break;
        } else if source.is(i, b":") {
            break;
        } else if source.is(i, b"[") {
            ty.arrays = ty.arrays.saturating_add(1);
            last = source.after(i) - 1;
            i = last;
        } else if source.is(i, b"(") {
            let close = source.mate(i)?;
            if name.is_none() {
                first.get_or_insert(i);
                name = inner(source, i + 1..close, &mut ty, PARENTHESES_DEPTH);
                let called = source.is(close + 1, b"(") && close + 1 < part.end;
                ty.function |= called;
            } else {
                ty.function = true;
            }
            last = close;
            i = close;
        } else if source.is_ident(i) {
            let word = source.text(i);
            if words::is_attribute_with_arguments(word) && source.is(i + 1, b"(") {
                i = source.after(i + 1) - 1;
            } else if name.is_none_or(|n| words::looks_like_attribute(source.text(n)))
                && !words::is_qualifier(word)
            {
                let attribute = words::looks_like_attribute(word)
                    && next_token(source, i + 1, part.end) < part.end
                    && source.is_ident(next_token(source, i + 1, part.end));
                if !attribute && (name.is_none() || !words::looks_like_attribute(word)) {
                    name = Some(i);
                    last = i;
                    first.get_or_insert(i);
                }
            }
        }
        i += 1;
    }
    let declaration = match name {
        Some(name) => {
            let span = source.span(&(first.unwrap_or(name)..last.max(name) + 1));
            Declaration {
                name: source.string(name),
                ty,
                init: None,
                span,
                statement,
            }
        }
        None => Declaration {
            name: SmolStr::default(),
            ty,
            init: None,
            span: source.span(&part),
            statement,
        },
    };
    Some(Declared { declaration, init })
}

/// The type `range` spells, as in a cast or a macro argument.
pub(crate) fn type_name(source: &Source<'_>, range: Range<usize>) -> TypeRef {
    let specifiers = specifiers(source, range.clone());
    let rest = specifiers.next..range.end;
    if rest.is_empty() {
        return specifiers.ty;
    }
    declarator(source, rest, &specifiers.ty, Span::default())
        .map_or_else(TypeRef::default, |d| d.declaration.ty)
}

/// How deep a declarator may stand in parentheses: each pair is a call on the stack, and a person writes two or three.
const PARENTHESES_DEPTH: u32 = 32;

/// The inside of `(*name)` or `(*name[4])`.
fn inner(source: &Source<'_>, range: Range<usize>, ty: &mut TypeRef, deeper: u32) -> Option<usize> {
    let mut name = None;
    let mut i = range.start;
    while i < range.end {
        if source.is(i, b"(") {
            let close = source.mate(i)?;
            if name.is_none() && deeper > 0 {
                name = inner(source, i + 1..close, ty, deeper - 1);
            }
        } else if source.is(i, b"[") {
            ty.arrays = ty.arrays.saturating_add(1);
        } else if source.is_ident(i) && name.is_none() && !words::is_qualifier(source.text(i)) {
            name = Some(i);
        }
        i = source.after(i);
    }
    name
}

/// Reads the members between `brace` and its partner.
fn record(
    source: &Source<'_>,
    is_union: bool,
    tag: &str,
    brace: usize,
    span: Span,
    records: &mut Vec<Record>,
) {
    let Some(close) = source.mate(brace) else {
        return;
    };
    let mut fields = Vec::new();
    members(source, brace + 1..close, tag, &mut fields, records);
    records.push(Record {
        tag: tag.into(),
        is_union,
        span,
        fields,
    });
}

/// Reads members, those of unnamed inner records and of `struct_group` (include/linux/stddef.h, 6.12) among them.
fn members(
    source: &Source<'_>,
    range: Range<usize>,
    tag: &str,
    fields: &mut Vec<Declaration>,
    records: &mut Vec<Record>,
) {
    let mut start = range.start;
    let mut i = range.start;
    while i < range.end {
        if source.aside[i] || source.tokens[i].kind == Kind::Directive {
            if start == i {
                start = i + 1;
            }
            i += 1;
            continue;
        }
        if !source.is(i, b";") {
            i = source.after(i);
            continue;
        }
        member(source, start..i, tag, fields, records);
        i += 1;
        start = i;
    }
}

fn member(
    source: &Source<'_>,
    part: Range<usize>,
    tag: &str,
    fields: &mut Vec<Declaration>,
    records: &mut Vec<Record>,
) {
    if part.is_empty() {
        return;
    }
    if source.is_ident(part.start)
        && source.is(part.start + 1, b"(")
        && source.after(part.start + 1) == part.end
    {
        return member_macro(source, part, tag, fields, records);
    }
    let known = records.len();
    for declared in declaration(source, part, tag, records) {
        let unnamed = declared.declaration.name.is_empty();
        let inner = declared.declaration.ty.name.clone();
        fields.push(declared.declaration);
        if unnamed {
            let inner = inner
                .strip_prefix("struct ")
                .or(inner.strip_prefix("union "))
                .unwrap_or(&inner)
                .to_owned();
            let reachable = records[known.min(records.len())..]
                .iter()
                .rfind(|r| r.tag == inner)
                .map(|r| r.fields.clone());
            fields.extend(reachable.into_iter().flatten());
        }
    }
}

/// `struct_group(name, members)`, `DECLARE_FLEX_ARRAY(type, name)`, `DECLARE_BITMAP(name, bits)`.
fn member_macro(
    source: &Source<'_>,
    part: Range<usize>,
    tag: &str,
    fields: &mut Vec<Declaration>,
    records: &mut Vec<Record>,
) {
    let open = part.start + 1;
    let close = part.end - 1;
    let word = source.text(part.start);
    if (open..close).any(|i| source.is(i, b";")) {
        // The members follow the last argument that holds no `;`.
        let start = source
            .split_commas(open + 1..close)
            .into_iter()
            .find(|argument| argument.clone().any(|i| source.is(i, b";")))
            .map_or(open + 1, |argument| argument.start);
        return members(source, start..close, tag, fields, records);
    }
    let arguments = source.split_commas(open + 1..close);
    let spelled = match (word, arguments.as_slice()) {
        (b"DECLARE_FLEX_ARRAY", [ty, name]) => {
            Some((specifiers(source, ty.clone()).ty, ty.clone(), name.clone()))
        }
        (_, [name, _]) if word.starts_with(b"DECLARE_") => Some((
            TypeRef {
                name: "unsigned long".into(),
                ..TypeRef::default()
            },
            name.clone(),
            name.clone(),
        )),
        _ => None,
    };
    if let Some((mut ty, written, name)) = spelled.filter(|(_, _, name)| name.len() == 1) {
        ty.pointers = written.filter(|i| source.is(*i, b"*")).count() as u8;
        ty.arrays = 1;
        let span = source.span(&name);
        fields.push(Declaration {
            name: source.string(name.start),
            ty,
            init: None,
            span,
            statement: source.span(&part),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(text: &str) -> Vec<String> {
        let source = Source::of_file(text.as_bytes());
        let mut records = Vec::new();
        let end = source.tokens.len() - 1;
        let mut out: Vec<String> = declaration(&source, 0..end, "", &mut records)
            .iter()
            .map(|d| one(&d.declaration))
            .collect();
        for record in records {
            out.push(format!(
                "{}: {}",
                record.tag,
                record.fields.iter().map(one).collect::<Vec<_>>().join(", ")
            ));
        }
        out
    }

    fn one(d: &Declaration) -> String {
        let f = if d.ty.function { "()" } else { "" };
        format!(
            "{} {}{}{}{f}",
            d.ty.name,
            "*".repeat(d.ty.pointers.into()),
            d.name,
            "[]".repeat(d.ty.arrays.into())
        )
    }

    #[test]
    fn attributes_do_not_hide_the_type_or_the_name() {
        assert_eq!(
            show("static struct page __rcu **pages __read_mostly, *one;"),
            ["struct page **pages", "struct page *one"]
        );
        assert_eq!(show("unsigned long __user *addr;"), ["unsigned long *addr"]);
        assert_eq!(show("u64 __aligned(8) x;"), ["u64 x"]);
        assert_eq!(show("__u64 __x;"), ["__u64 __x"]);
        assert_eq!(
            show("struct page *tab[MAX + 1] = { NULL };"),
            ["struct page *tab[]"]
        );
        assert_eq!(show("void (*done)(struct page *page);"), ["void done()"]);
    }

    #[test]
    fn unnamed_inner_records_are_reachable_from_the_outer_one() {
        assert_eq!(
            show(
                "struct a { int n; union { struct page *page; void *p; }; struct { int k; } in[2]; };"
            ),
            [
                "a::{0}: struct page *page, void *p",
                "a::in: int k",
                "a: int n, a::{0} , struct page *page, void *p, a::in in[]"
            ]
        );
    }

    #[test]
    fn a_typedef_names_an_anonymous_record() {
        assert_eq!(
            show("typedef struct { struct page **pages; } foo_t, *foo_p;"),
            ["foo_t foo_t", "foo_t *foo_p", "foo_t: struct page **pages"]
        );
    }

    #[test]
    fn members_of_struct_group_count() {
        assert_eq!(
            show(
                "struct a { struct_group(g, int n; struct page *p;); DECLARE_FLEX_ARRAY(struct page *, q); };"
            ),
            ["a: int n, struct page *p, struct page *q[]"]
        );
    }
}
