// SPDX-License-Identifier: MIT OR Apache-2.0
//! One function, or function-like macro, from its tokens to the reduced C.

use super::declare;
use super::grammar;
use super::ir::{Declaration, Expr, Function, Linkage, Record, Span, Stmt, TypeRef, Unread};
use super::items::{Item, ItemKind, split};
use super::lex::Kind;
use super::lower::Lowerer;
use super::mask::{self, Masked};
use super::source::Source;
use super::wanted::sys_name;
use super::{walk, words};
use smol_str::SmolStr;
use std::collections::HashSet;
use std::ops::Range;
use std::time::Instant;

/// What came of a stretch of statements.
pub struct Body {
    /// The statements.
    pub stmts: Vec<Stmt>,
    /// What was not understood.
    pub unread: Option<(Span, &'static str)>,
    /// Records defined inside.
    pub records: Vec<Record>,
}

/// A function with what else its parse brought to light.
pub struct Parsed {
    /// The function.
    pub function: Function,
    /// What was not understood in it.
    pub unread: Option<Unread>,
    /// Records defined inside it.
    pub records: Vec<Record>,
}

/// Parses a function definition.
pub fn function(source: &Source<'_>, item: &Item, deadline: Instant) -> Option<Parsed> {
    let (open, brace) = (item.open?, item.brace?);
    let name = sys_name(item);
    let body = statements(
        source,
        brace..item.tokens.end,
        &name,
        ("void f()", ""),
        deadline,
    );
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
pub fn define(source: &Source<'_>, item: &Item, deadline: Instant) -> Option<Parsed> {
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
        let tried = statements(
            &inner,
            whole.clone(),
            &item.name,
            ("void f(){", ";}"),
            deadline,
        );
        let table = inner.is(0, b"{") || inner.is(0, b".");
        if tried.unread.is_some() && table {
            let prefix = if inner.is(0, b".") {
                ("int a={", "};")
            } else {
                ("int a=", ";")
            };
            let again = statements(&inner, whole, &item.name, prefix, deadline);
            if again.unread.is_none() { again } else { tried }
        } else {
            tried
        }
    } else {
        let mut all = Body {
            stmts: Vec::new(),
            unread: None,
            records: Vec::new(),
        };
        for f in &functions {
            let Some(brace) = f.brace else { continue };
            let one = statements(
                &inner,
                brace..f.tokens.end,
                &item.name,
                ("void f()", ""),
                deadline,
            );
            all.stmts.push(Stmt::Block(one.stmts, f.span));
            all.unread = all.unread.or(one.unread);
            all.records.extend(one.records);
        }
        all
    };
    if let [Stmt::Expr(..)] = body.stmts.as_slice()
        && let Some(Stmt::Expr(value, span)) = body.stmts.pop()
    {
        body.stmts.push(Stmt::Return(Some(value), span));
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
pub fn file_scope_use(source: &Source<'_>, item: &Item, deadline: Instant) -> Parsed {
    let end = item.tokens.end - usize::from(source.is(item.tokens.end - 1, b";"));
    let body = statements(
        source,
        item.tokens.start..end,
        &item.name,
        ("void f(){", ";}"),
        deadline,
    );
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
pub fn initialiser(
    source: &Source<'_>,
    tokens: Range<usize>,
    deadline: Instant,
) -> (Option<Expr>, Option<(Span, &'static str)>) {
    let body = statements(source, tokens, "", ("int a=", ";"), deadline);
    let init = body.stmts.into_iter().find_map(|stmt| match stmt {
        Stmt::Decl(declarations, _) => declarations.into_iter().find_map(|d| d.init),
        _ => None,
    });
    (init, body.unread)
}

/// Masks, parses and lowers `range`, with text of our own around it.
pub fn statements(
    source: &Source<'_>,
    range: Range<usize>,
    owner: &str,
    around: (&str, &str),
    deadline: Instant,
) -> Body {
    let masked = mask::mask(source, range.clone(), owner);
    let mut body = lowered(source.bytes, &masked, around, deadline);
    for aside in &masked.asides {
        let inner = read_aside(source.bytes, aside.span, owner, deadline);
        body.unread = body.unread.or(inner.unread);
        let stmt = if aside.condition.is_empty() {
            Stmt::Block(inner.stmts, aside.span)
        } else {
            Stmt::Arms(vec![(aside.condition.clone(), inner.stmts)], aside.span)
        };
        insert(&mut body.stmts, stmt, aside.span.start);
    }
    if body.unread.is_some() {
        recover(source, range, &mut body, deadline);
    }
    body.records.extend(masked.records);
    body
}

fn lowered(
    bytes: &[u8],
    masked: &Masked,
    (prefix, suffix): (&str, &str),
    deadline: Instant,
) -> Body {
    let mut text = Vec::with_capacity(masked.text.len() + prefix.len() + suffix.len());
    text.extend_from_slice(prefix.as_bytes());
    text.extend_from_slice(&masked.text);
    text.extend_from_slice(suffix.as_bytes());
    let span = Span {
        start: masked.start,
        end: masked.start + masked.text.len() as u32,
    };
    let Some(tree) = grammar::parse(&text, deadline) else {
        return Body {
            stmts: vec![Stmt::Unread(Vec::new(), span)],
            unread: Some((span, "time limit")),
            records: Vec::new(),
        };
    };
    let mut lowerer = Lowerer::new(bytes, masked.start, prefix.len(), &masked.marks);
    let root = tree.root_node();
    let mut stmts = Vec::new();
    match root
        .named_child(0)
        .filter(|first| first.kind() == "function_definition" && root.named_child_count() == 1)
    {
        Some(f) => {
            if let Some(body) = f.child_by_field_name("body") {
                stmts = lowerer.statements(body);
            }
        }
        None => stmts = lowerer.statements(root),
    }
    // What stands in our own suffix is no part of the file.
    stmts.retain(|stmt| stmt.span().start < span.end);
    if root.has_error() && lowerer.unread.is_none() && holds_error(root) {
        lowerer.unread = Some((span, "syntax error"));
    }
    Body {
        stmts,
        unread: lowerer.unread,
        records: Vec::new(),
    }
}

/// True when there is an error other than a missing `;`.
fn holds_error(root: tree_sitter::Node<'_>) -> bool {
    let mut open = vec![root];
    while let Some(node) = open.pop() {
        if node.is_error() || (node.is_missing() && node.kind() != ";") {
            return true;
        }
        let mut cursor = node.walk();
        open.extend(
            node.children(&mut cursor)
                .filter(|child| child.has_error() || child.is_missing()),
        );
    }
    false
}

/// Reads a fragment, its open brackets closed and what hangs over at its beginning left out.
fn read_aside(bytes: &[u8], span: Span, owner: &str, deadline: Instant) -> Body {
    let fragment = Source::of_fragment(bytes, span);
    let mut start = 0;
    let mut depth = 0;
    while start < fragment.tokens.len() {
        let text = fragment.text(start);
        let hangs = matches!(
            text,
            b"}" | b")"
                | b"]"
                | b"else"
                | b"&&"
                | b"||"
                | b","
                | b"|"
                | b"+"
                | b"?"
                | b":"
                | b"="
                | b"=="
        );
        if !hangs && fragment.tokens[start].kind != Kind::Directive {
            break;
        }
        start += 1;
    }
    let mut closers = String::new();
    for i in start..fragment.tokens.len() {
        if fragment.mate(i).is_none() {
            match fragment.text(i) {
                b"(" => closers.insert(0, ')'),
                b"{" => closers.insert(0, '}'),
                b"[" => closers.insert(0, ']'),
                b")" | b"}" | b"]" => depth += 1,
                _ => {}
            }
        }
    }
    if start == fragment.tokens.len() {
        return Body {
            stmts: Vec::new(),
            unread: None,
            records: Vec::new(),
        };
    }
    let range = start..fragment.tokens.len();
    if depth > 0 {
        let mut body = statements(&fragment, range, owner, ("void f(){", ";}"), deadline);
        body.unread.get_or_insert((span, "brackets split by #if"));
        return body;
    }
    let suffix = format!("{closers};}}");
    statements(&fragment, range, owner, ("void f(){", &suffix), deadline)
}

/// Puts a statement before the one that follows `at`, in the innermost block around it.
fn insert(stmts: &mut Vec<Stmt>, stmt: Stmt, at: u32) {
    let Some(n) = stmts.iter().position(|s| s.span().end > at) else {
        return stmts.push(stmt);
    };
    if stmts[n].span().start <= at
        && let Some(inner) = block_at(&mut stmts[n], at)
    {
        return insert(inner, stmt, at);
    }
    stmts.insert(n, stmt);
}

fn block_at(stmt: &mut Stmt, at: u32) -> Option<&mut Vec<Stmt>> {
    let inside = |s: &Stmt| s.span().start <= at && at < s.span().end;
    match stmt {
        Stmt::Block(inner, _) => Some(inner),
        Stmt::Arms(arms, _) => arms
            .iter_mut()
            .map(|(_, inner)| inner)
            .find(|inner| inner.iter().any(inside)),
        Stmt::If {
            then, otherwise, ..
        } => {
            if inside(then) {
                block_at(then, at)
            } else {
                otherwise
                    .as_mut()
                    .filter(|o| inside(o))
                    .and_then(|o| block_at(o, at))
            }
        }
        Stmt::Loop { body, .. } | Stmt::Switch { body, .. } => Some(body)
            .filter(|b| inside(b))
            .and_then(|b| block_at(b, at)),
        _ => None,
    }
}

/// After an error: every call that stands in the tokens but not in what was read is read on its own.
fn recover(source: &Source<'_>, range: Range<usize>, body: &mut Body, deadline: Instant) {
    let mut known = HashSet::new();
    walk::expressions(&body.stmts, &mut |expr| {
        if let Expr::Name(_, span) = expr {
            known.insert(span.start);
        }
    });
    let mut lost = Vec::new();
    for i in range.clone() {
        let called =
            source.is_ident(i) && source.is(i + 1, b"(") && !words::is_keyword(source.text(i));
        if called
            && !source.aside[i]
            && !known.contains(&source.tokens[i].start)
            && i + 1 < range.end
        {
            lost.push(i);
        }
    }
    let mut end = 0;
    for i in lost {
        let after = source.after(i + 1);
        if i < end || after > range.end || after == i + 2 || after - i == range.len() {
            continue;
        }
        let word = source.text(i);
        if words::is_typeof(word)
            || words::is_sizeof(word)
            || words::is_attribute_with_arguments(word)
        {
            continue;
        }
        end = after;
        let masked = mask::mask(source, i..after, "");
        let one = lowered(source.bytes, &masked, ("void f(){", ";}"), deadline);
        let span = source.span(&(i..after));
        insert(&mut body.stmts, Stmt::Unread(one.stmts, span), span.start);
    }
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

/// The conditions around token `at`, outermost first; a header's guard against double inclusion is none.
pub fn guards(source: &Source<'_>, at: usize) -> Vec<String> {
    let mut out: Vec<(usize, String)> = Vec::new();
    for group in &source.groups {
        if let Some(arm) = group.arms.iter().find(|arm| arm.tokens.contains(&at)) {
            let inclusion = group.arms.len() == 1
                && source.tokens.get(group.directives[0] + 1).is_some_and(|t| {
                    arm.condition.strip_prefix('!').is_some_and(|name| {
                        let (word, rest) = super::source::directive(t.text(source.bytes));
                        word == "define" && rest.split_whitespace().next() == Some(name)
                    })
                });
            if !inclusion {
                out.push((group.directives[0], arm.condition.clone()));
            }
        }
    }
    out.sort();
    out.into_iter().map(|(_, condition)| condition).collect()
}
