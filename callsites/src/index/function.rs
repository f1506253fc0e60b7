// SPDX-License-Identifier: MIT OR Apache-2.0
//! One function, or function-like macro, from its tokens to the reduced C.

use super::declare;
use super::ir::{Declaration, Expr, Function, Linkage, Record, Span, Stmt, TypeRef, Unread};
use super::items::{Item, ItemKind, split};
use super::source::Source;
use super::statements::{Body, statements};
use super::wanted::sys_name;
use super::words;
use smol_str::SmolStr;
use std::ops::Range;

/// A function with what else its parse brought to light.
pub(crate) struct Parsed {
    /// The function.
    pub(crate) function: Function,
    /// What was not understood in it.
    pub(crate) unread: Option<Unread>,
    /// Records defined inside it.
    pub(crate) records: Vec<Record>,
}

/// Parses a function definition.
pub(crate) fn function(source: &Source<'_>, item: &Item) -> Option<Parsed> {
    let (open, brace) = (item.open?, item.brace?);
    let name = sys_name(item);
    let mut body = whole_body(source, brace..item.tokens.end, &name);
    if source.mate(brace).is_none() {
        let why = match source.open_comment {
            Some(at) if at >= item.span.start => "cut off by a comment that never closes",
            _ => "its closing brace is missing",
        };
        body.unread = Some((item.name_span, why));
    }
    let head = item.tokens.start..brace;
    let params = match item.definer {
        Some(_) => pairs(
            source,
            open,
            item.definer.as_deref().is_some_and(|d| d.ends_with('0')),
        ),
        None => old_style(source, open, brace, declare::parameters(source, open)),
    };
    let name_at = source
        .tokens
        .partition_point(|t| t.start < item.name_span.start);
    let is_static = head
        .clone()
        .take_while(|i| *i < open)
        .any(|i| source.is_word(i, b"static"));
    Some(Parsed {
        unread: unread(&name, &body),
        function: Function {
            name: name.into(),
            name_span: item.name_span,
            span: item.span,
            body_span: source.span(&(brace..item.tokens.end)),
            linkage: if is_static {
                Linkage::Static
            } else {
                Linkage::External
            },
            returns: match item.definer {
                Some(_) => TypeRef {
                    name: "long".into(),
                    ..TypeRef::default()
                },
                None => declare::type_name(source, item.tokens.start..name_at),
            },
            params,
            has_unread: body.unread.is_some(),
            body: body.stmts.into(),
            guards: guards(source, item.tokens.start),
        },
        records: body.records,
    })
}

fn unread(name: &str, body: &Body) -> Option<Unread> {
    body.unread.map(|(span, why)| Unread {
        function: Some(name.to_owned()),
        span,
        why: why.to_owned(),
    })
}

/// Parses a `#define`. A body that is an expression becomes a `return` of it: that is what a use of the macro yields.
pub(crate) fn define(source: &Source<'_>, item: &Item) -> Option<Parsed> {
    let ItemKind::Macro {
        parameters,
        body: body_span,
    } = item.kind
    else {
        return None;
    };
    let inner = Source::of_macro(source.bytes, body_span);
    let whole = 0..inner.tokens.len();
    if whole.is_empty() {
        return None;
    }
    let functions: Vec<Item> = split(&inner)
        .into_iter()
        .filter(|f| {
            f.kind == ItemKind::Function
                && !words::is_keyword(f.name.as_bytes())
                && f.name_span.start > f.span.start
        })
        .collect();
    let mut body = if functions.is_empty() {
        macro_body(&inner, whole, &item.name)
    } else {
        let mut all = Body::default();
        for f in &functions {
            let Some(brace) = f.brace else { continue };
            let one = statements(&inner, brace..f.tokens.end, &item.name);
            all.stmts.push(Stmt::Block(one.stmts, f.span));
            all.unread = all.unread.or(one.unread);
            all.records.extend(one.records);
        }
        all
    };
    if let [Stmt::Expr(..)] = body.stmts.as_slice() {
        if let Some(Stmt::Expr(value, span)) = body.stmts.pop() {
            body.stmts.push(Stmt::Return(Some(value), span));
        }
    }
    let params = parameters.map(|span| {
        let list = Source::of_macro(source.bytes, span);
        let all = 0..list.tokens.len();
        let named = list
            .split_commas(all)
            .into_iter()
            .filter(|p| list.is_ident(p.start));
        named
            .map(|p| untyped(list.string(p.start), list.span(&p)))
            .collect()
    });
    Some(Parsed {
        unread: unread(&item.name, &body),
        function: Function {
            name: item.name.clone(),
            name_span: item.name_span,
            span: item.span,
            body_span,
            linkage: Linkage::Macro,
            returns: TypeRef::default(),
            params: params.unwrap_or_default(),
            has_unread: body.unread.is_some(),
            body: body.stmts.into(),
            guards: guards(source, item.tokens.start),
        },
        records: body.records,
    })
}

/// Parses a macro used at file scope (`DEFINE_FREE(name, type, statement)`) as the body of a macro of that name.
pub(crate) fn file_scope_use(source: &Source<'_>, item: &Item) -> Parsed {
    let end = item.tokens.end - usize::from(source.is(item.tokens.end - 1, b";"));
    let body = statements(source, item.tokens.start..end, &item.name);
    Parsed {
        unread: unread(&item.name, &body),
        function: Function {
            name: item.name.clone(),
            name_span: item.name_span,
            span: item.span,
            body_span: item.span,
            linkage: Linkage::Macro,
            returns: TypeRef::default(),
            params: Vec::new(),
            has_unread: body.unread.is_some(),
            body: body.stmts.into(),
            guards: guards(source, item.tokens.start),
        },
        records: body.records,
    }
}

/// Parses the initialiser of a variable: the tokens after `=`.
pub(crate) fn initialiser(
    source: &Source<'_>,
    tokens: Range<usize>,
) -> (Option<Expr>, Option<(Span, &'static str)>) {
    let body = super::statements::initialiser(source, tokens, "");
    let init = body.stmts.into_iter().find_map(|stmt| match stmt {
        Stmt::Expr(value, _) => Some(value),
        _ => None,
    });
    (init, body.unread)
}

/// The statements between the braces of a function.
fn whole_body(source: &Source<'_>, range: Range<usize>, owner: &str) -> Body {
    let end = match source.mate(range.start) {
        Some(close) => close,
        None => range.end,
    };
    statements(source, range.start + 1..end, owner)
}

/// The body of a macro: statements, or the text of an initialiser.
fn macro_body(inner: &Source<'_>, whole: Range<usize>, owner: &str) -> Body {
    if inner.is(0, b".") {
        return super::statements::initialiser(inner, whole, owner);
    }
    let tried = statements(inner, whole.clone(), owner);
    if tried.unread.is_some() && inner.is(0, b"{") {
        let again = super::statements::initialiser(inner, whole, owner);
        if again.unread.is_none() {
            return again;
        }
    }
    tried
}

fn untyped(name: SmolStr, span: Span) -> Declaration {
    Declaration {
        name,
        ty: TypeRef::default(),
        init: None,
        span,
        statement: span,
    }
}

/// `(name, type, argument, type, argument)`.
fn pairs(source: &Source<'_>, open: usize, none: bool) -> Vec<Declaration> {
    let (Some(close), false) = (source.mate(open), none) else {
        return Vec::new();
    };
    let parts = source.split_commas(open + 1..close);
    let arguments = parts.get(1..).unwrap_or_default();
    arguments
        .chunks_exact(2)
        .map(|pair| {
            let span = source.span(&pair[1]);
            let name = if pair[1].is_empty() {
                SmolStr::default()
            } else {
                source.string(pair[1].end - 1)
            };
            Declaration {
                ty: declare::type_name(source, pair[0].clone()),
                ..untyped(name, span)
            }
        })
        .collect()
}

/// Types of the parameters of a K&R definition stand between `)` and `{`.
fn old_style(
    source: &Source<'_>,
    open: usize,
    brace: usize,
    mut params: Vec<Declaration>,
) -> Vec<Declaration> {
    let mut start = source.after(open);
    for i in source.after(open)..brace {
        if source.is(i, b";") {
            for declared in declare::declaration(source, start..i, "", &mut Vec::new()) {
                let found = params.iter_mut().find(|p| {
                    p.name == declared.declaration.name || p.ty.name == declared.declaration.name
                });
                if let Some(param) = found {
                    *param = declared.declaration;
                }
            }
            start = i + 1;
        }
    }
    params
}

/// How many conditions around a function are kept, the innermost of them: the kernel's own nest less than ten deep.
const GUARDS_LIMIT: usize = 64;

/// The conditions around token `at`, outermost first; a header's guard against double inclusion is none.
pub(crate) fn guards(source: &Source<'_>, at: usize) -> Vec<String> {
    let mut out: Vec<String> = source
        .arms_around(at)
        .take(GUARDS_LIMIT)
        .filter(|(group, arm)| {
            let group = &source.groups[*group];
            let inclusion = group.arms.len() == 1
                && source.tokens.get(group.directives[0] + 1).is_some_and(|t| {
                    let name = group.arms[*arm].condition.strip_prefix('!');
                    name.is_some_and(|name| {
                        let (word, rest) = super::conditions::directive(t.text(source.bytes));
                        word == "define" && rest.split_whitespace().next() == Some(name)
                    })
                });
            !inclusion
        })
        .map(|(group, arm)| source.groups[group].arms[arm].condition.clone())
        .collect();
    out.reverse();
    out
}
