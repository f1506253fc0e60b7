// SPDX-License-Identifier: MIT OR Apache-2.0
//! The shape of a release: one page, a counting loop over an array, a loop over a scatterlist, with or without
//! dirtying, and whether the loop does nothing else.

use super::hash::FastMap;
use crate::index::ir::{Expr, Function as Source, LoopKind, Span, Stmt};
use crate::index::lex::{Mode, tokens};
use crate::index::walk;
use crate::report::Shape;
use refimpl::api::{Function, Role, followed};
use std::cell::OnceCell;

/// A release as it stands.
pub(super) struct Place<'p, 'b> {
    pub function: &'p Source,
    pub named: &'b Named<'p>,
    pub bytes: &'b [u8],
    pub listed: &'static Function,
    /// The page argument.
    pub page: Option<&'p Expr>,
    pub call: Span,
    pub statement: &'p Stmt,
    /// The call is the whole statement.
    pub whole: bool,
    pub innermost: Option<&'p Stmt>,
    /// The statements of the innermost block.
    pub block: &'b [&'p Stmt],
    pub arguments: usize,
}

/// Where a function names each of its variables first and last; looked at once, and not for each of its releases.
#[derive(Default)]
pub(super) struct Named<'p>(OnceCell<FastMap<&'p str, Span>>);

impl<'p> Named<'p> {
    fn outside(&self, function: &'p Source, name: &str, within: Span) -> bool {
        let named = self.0.get_or_init(|| {
            let mut named: FastMap<&str, Span> = FastMap::default();
            walk::expressions(&function.body, &mut |expr| {
                if let Expr::Name(name, span) = expr {
                    let all = named.entry(name).or_insert(*span);
                    all.start = all.start.min(span.start);
                    all.end = all.end.max(span.end);
                }
            });
            named
        });
        let outside = |all: &Span| all.start < within.start || all.end > within.end;
        function.params.iter().any(|param| param.name == name)
            || named.get(name).is_some_and(outside)
    }
}

/// What was found.
pub(super) struct Found {
    pub shape: Shape,
    pub statement: Span,
    pub array: Option<String>,
    pub range: Option<(String, String)>,
    pub dirty_condition: Option<String>,
    pub unused_after: Vec<String>,
    pub only_releases: bool,
}

/// How pages are marked dirty before their release.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Dirtying {
    condition: String,
    locked: bool,
}

/// What the statements of a loop body amount to.
#[derive(Default)]
struct Body<'p> {
    dirty: Option<Dirtying>,
    alias: Option<(&'p str, &'p Expr)>,
    only: bool,
}

impl Found {
    /// Nothing but where the call stands.
    pub(super) fn plain(statement: Span, whole: bool) -> Self {
        Found {
            shape: Shape::Single,
            statement,
            array: None,
            range: None,
            dirty_condition: None,
            unused_after: Vec::new(),
            only_releases: whole,
        }
    }
}

pub(super) fn of_release(place: &Place<'_, '_>) -> Found {
    let mut found = Found::plain(place.statement.span(), place.whole);
    if place.listed.role != Role::Release {
        return found;
    }
    if place.listed.takes_array(place.arguments) {
        found.shape = Shape::ReleasePages;
        found.array = place.page.map(|page| key(place.bytes, page.span()));
        return found;
    }
    match place.innermost {
        Some(
            looped @ Stmt::Loop {
                kind,
                init,
                cond,
                step,
                body,
                span,
            },
        ) => {
            let inner = read_body(place, body);
            found.only_releases = inner.only && place.whole;
            found.dirty_condition = inner.dirty.as_ref().map(|dirty| dirty.condition.clone());
            if let LoopKind::Iterator { name, .. } = kind {
                if name.contains("sg") && followed().is(name, Role::Iterate) {
                    found.shape = if inner.dirty.is_some() {
                        Shape::SgLoopDirty
                    } else {
                        Shape::SgLoop
                    };
                } else {
                    found.shape = Shape::LoopOther;
                }
                return found;
            }
            let page = match (place.page, inner.alias) {
                (Some(Expr::Name(name, _)), Some((alias, value))) if name == alias => Some(value),
                (page, _) => page,
            };
            let counted = page.and_then(|page| {
                counting(
                    place.bytes,
                    page,
                    init.as_deref(),
                    cond.as_ref(),
                    step.as_ref(),
                )
            });
            match counted {
                Some((array, range, index)) if found.only_releases => {
                    found.shape = match &inner.dirty {
                        None => Shape::Loop,
                        Some(dirty) if dirty.locked => Shape::LoopDirtyLock,
                        Some(_) => Shape::LoopDirty,
                    };
                    found.array = Some(array);
                    found.range = Some(range);
                    found.statement = *span;
                    let names = [Some(index), inner.alias.map(|(alias, _)| alias.to_owned())];
                    found.unused_after = names
                        .into_iter()
                        .flatten()
                        .filter(|name| !place.named.outside(place.function, name, looped.span()))
                        .collect();
                }
                _ => found.shape = Shape::LoopOther,
            }
        }
        _ => {
            let page = place
                .page
                .map(|page| key(place.bytes, page.span()))
                .unwrap_or_default();
            let after = place
                .block
                .partition_point(|inner| inner.span().end <= place.call.start);
            let before = after.checked_sub(1).map(|last| place.block[last]);
            if let Some(dirty) = before.and_then(|last| dirtying(place.bytes, last, &page)) {
                found.shape = Shape::SingleDirty;
                found.dirty_condition = Some(dirty.condition);
            }
        }
    }
    found
}

/// The tokens at a place, a blank wherever anything stands between two of them.
fn text(bytes: &[u8], span: Span) -> String {
    spelled(bytes, span, " ")
}

/// The tokens at a place and nothing else: the same for every layout.
fn key(bytes: &[u8], span: Span) -> String {
    spelled(bytes, span, "")
}

fn spelled(bytes: &[u8], span: Span, between: &str) -> String {
    let end = (span.end as usize).min(bytes.len());
    let start = (span.start as usize).min(end);
    let mut out = String::new();
    let mut last = None;
    for token in tokens(bytes, start, end, Mode::MacroBody) {
        if last.is_some_and(|last| last < token.start) {
            out.push_str(between);
        }
        out.push_str(&String::from_utf8_lossy(token.text(bytes)));
        last = Some(token.end);
    }
    out
}

fn read_body<'p>(place: &Place<'p, '_>, body: &'p Stmt) -> Body<'p> {
    let statements: Vec<&Stmt> = match body {
        Stmt::Block(inner, _) => inner.iter().collect(),
        single => vec![single],
    };
    let mut out = Body {
        only: true,
        ..Body::default()
    };
    let page = place
        .page
        .map(|page| key(place.bytes, page.span()))
        .unwrap_or_default();
    for statement in statements {
        if statement.span().start <= place.call.start && place.call.end <= statement.span().end {
            out.only &= matches!(statement, Stmt::Expr(expr, _) if expr.span() == place.call);
        } else if let Some(dirty) = dirtying(place.bytes, statement, &page) {
            out.dirty = Some(dirty);
        } else if let Some(alias) = aliasing(statement) {
            out.alias = Some(alias);
        } else if !matches!(statement, Stmt::Decl(list, _) if list.iter().all(|one| one.init.is_none()))
        {
            out.only = false;
        }
    }
    out
}

/// `page = pages[i];` or `struct page *page = pages[i];`
fn aliasing(statement: &Stmt) -> Option<(&str, &Expr)> {
    match statement {
        Stmt::Expr(
            Expr::Assign {
                op, target, value, ..
            },
            _,
        ) if op == "=" => match (target.as_ref(), value.as_ref()) {
            (Expr::Name(name, _), value @ Expr::Index { .. }) => Some((name, value)),
            _ => None,
        },
        Stmt::Decl(list, _) => match list.as_slice() {
            [one] => one
                .init
                .as_ref()
                .filter(|init| matches!(init, Expr::Index { .. }))
                .map(|init| (one.name.as_str(), init)),
            _ => None,
        },
        _ => None,
    }
}

/// `set_page_dirty_lock(page);`, alone or under conditions.
fn dirtying(bytes: &[u8], statement: &Stmt, page: &str) -> Option<Dirtying> {
    match statement {
        Stmt::Expr(Expr::Call { callee, args, .. }, _) => {
            let Expr::Name(name, _) = callee.as_ref() else {
                return None;
            };
            let function = followed()
                .get(name)
                .filter(|function| function.role == Role::Dirty)?;
            let same = args
                .first()
                .is_some_and(|arg| key(bytes, arg.span()) == page);
            same.then(|| Dirtying {
                condition: "true".to_owned(),
                locked: function.kind == "locked",
            })
        }
        Stmt::Block(inner, _) => match inner.as_slice() {
            [one] => dirtying(bytes, one, page),
            _ => None,
        },
        Stmt::If {
            cond,
            then,
            otherwise: None,
            ..
        } => {
            let inner = dirtying(bytes, then, page)?;
            let mut terms = Vec::new();
            conjuncts(cond, &mut terms);
            // A page already dirty, or reserved, need not be marked: the helpers look themselves.
            terms.retain(|term| !asks_the_page(term));
            let mut texts: Vec<String> =
                terms.iter().map(|term| text(bytes, term.span())).collect();
            if inner.condition != "true" {
                texts.push(inner.condition);
            }
            let condition = if texts.is_empty() {
                "true".to_owned()
            } else {
                texts.join(" && ")
            };
            Some(Dirtying {
                condition,
                locked: inner.locked,
            })
        }
        _ => None,
    }
}

fn conjuncts<'e>(expr: &'e Expr, out: &mut Vec<&'e Expr>) {
    match expr {
        Expr::Binary {
            op, left, right, ..
        } if op == "&&" => {
            conjuncts(left, out);
            conjuncts(right, out);
        }
        other => out.push(other),
    }
}

fn asks_the_page(expr: &Expr) -> bool {
    match expr {
        Expr::Unary { op, operand, .. } if op == "!" => asks_the_page(operand),
        call => matches!(
            call.callee_name(),
            Some("PageDirty" | "PageReserved" | "PageCompound" | "folio_test_dirty")
        ),
    }
}

/// `for (i = a; i < b; i++)` around `pages[i]`, or `while (n--)` around `pages[n]`: array, range, index.
fn counting(
    bytes: &[u8],
    page: &Expr,
    init: Option<&Stmt>,
    cond: Option<&Expr>,
    step: Option<&Expr>,
) -> Option<(String, (String, String), String)> {
    let Expr::Index { base, index, .. } = page else {
        return None;
    };
    let Expr::Name(index, _) = index.as_ref() else {
        return None;
    };
    let array = text(bytes, base.span());
    match (init, cond, step) {
        (
            Some(init),
            Some(Expr::Binary {
                op, left, right, ..
            }),
            Some(Expr::Update {
                op: up, operand, ..
            }),
        ) if op == "<" && up == "++" && names(left, index) && names(operand, index) => {
            let first = first_index(bytes, init, index)?;
            Some((array, (first, text(bytes, right.span())), index.to_string()))
        }
        (
            None,
            Some(Expr::Update {
                op,
                prefix: false,
                operand,
                ..
            }),
            None,
        ) if op == "--" && names(operand, index) => Some((
            array,
            ("0".to_owned(), index.to_string()),
            index.to_string(),
        )),
        _ => None,
    }
}

fn first_index(bytes: &[u8], init: &Stmt, index: &str) -> Option<String> {
    match init {
        Stmt::Expr(
            Expr::Assign {
                op, target, value, ..
            },
            _,
        ) if op == "=" && names(target, index) => Some(text(bytes, value.span())),
        Stmt::Decl(list, _) => {
            let one = list.iter().find(|one| one.name == index)?;
            one.init.as_ref().map(|init| text(bytes, init.span()))
        }
        _ => None,
    }
}

fn names(expr: &Expr, name: &str) -> bool {
    matches!(expr, Expr::Name(known, _) if known == name)
}
