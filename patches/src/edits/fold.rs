// SPDX-License-Identifier: MIT OR Apache-2.0
//! Loops over an array that do nothing but (dirty and) release its pages: what one call on the array can replace.
//!
//! Whatever the loop does beyond that keeps it a loop, and only the name of the call inside changes: that is always
//! right, and a reviewer sees at once that nothing else has changed.

use super::after::{overwritten, read_elsewhere};
use super::count::{self, Count};
use super::filled;
use super::header::{Header, counts_down, header};
use super::walk::{all_expressions, every_part, is_name, is_null, plain};
use super::words::{Dirty, dirties};
use callsites::index::ir::{Expr, Function, Span, Stmt};
use std::collections::BTreeSet;

/// A loop that one call can replace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fold {
    /// The whole loop.
    pub statement: Span,
    /// The array; of a [`Fold::range`] its first page.
    pub array: Span,
    /// The entry at which the loop begins, where that is not the first (`pages[first + i]`).
    pub slice: Option<Span>,
    /// The pages are not entries of an array, but follow each other in memory (`page + i`).
    pub range: bool,
    /// How many of its first entries are released.
    pub count: Count,
    /// How they are dirtied first, and under which condition (None: always).
    pub dirty: Option<(Dirty, Option<Span>)>,
    /// The loop released from the last entry to the first.
    pub downwards: bool,
    /// The loop counts its own bound down, so that it is gone afterwards.
    pub by_index: bool,
    /// What must hold for anything to be released.
    pub guard: Option<Guard>,
    /// The statement that clears each entry after its release: a loop of its own afterwards.
    pub clears: Option<Span>,
    /// Variables that only served this loop, if nothing else uses them.
    pub variables: Vec<String>,
}

/// What must hold for anything to be released.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Guard {
    /// A condition of the loop's.
    Condition(Span),
    /// The count is positive: it may be an error code, for which the loop did nothing.
    Positive,
}

/// Why a loop stays.
pub(super) type Why = &'static str;

/// Reads the innermost loop of `path`, which leads to the release `call`.
///
/// # Errors
/// Why the loop must stay, as a clause.
pub(super) fn read(
    bytes: &[u8],
    function: &Function,
    path: &[&Stmt],
    call: Span,
    takers: &BTreeSet<&str>,
) -> Result<Fold, Why> {
    let depth = path
        .iter()
        .rposition(|stmt| matches!(stmt, Stmt::Loop { .. }))
        .ok_or("it stands in no loop")?;
    let Stmt::Loop { body, span, .. } = path[depth] else {
        return Err("it stands in no loop");
    };
    let header = header(path[depth]).ok_or("it is not a counting loop from the first entry")?;
    let body = Body::read(bytes, body, &header, call)?;
    if every_part(header.count, changes) {
        return Err("its bound has side effects");
    }
    let nested = path[..depth]
        .iter()
        .any(|stmt| matches!(stmt, Stmt::Loop { .. }));
    if !overwritten(path, header.index, *span)
        && read_elsewhere(function, header.index, *span, nested)
    {
        return Err("its index is read after it");
    }
    for alias in &body.aliases {
        if read_elsewhere(function, alias, *span, true) {
            return Err("its page variable is read outside of it");
        }
    }
    let count = Count {
        span: header.count.span(),
        sign: count::sign(function, path, header.count, takers),
    };
    let array = body.array.ok_or("it releases no entry of an array")?;
    let mut sign = count.sign;
    if body.skips_null {
        if body.range
            || body.slice.is_some()
            || !filled::by_acquire(bytes, function, path, header.count, array)
        {
            return Err("it skips entries that are NULL");
        }
        // The type of a field is not known here: what an acquire returned may be an error code.
        if !matches!(plain(header.count), Expr::Name(..)) {
            sign = count::Sign::MayBeError;
        }
    }
    let guard = match (header.guard, sign) {
        (None, count::Sign::MayBeError) => Some(Guard::Positive),
        (Some(_), count::Sign::MayBeError) => {
            return Err("its count may be a negative error code");
        }
        (guard, _) => guard.map(|guard| Guard::Condition(guard.span())),
    };
    if matches!(body.dirty, Some((Dirty::Unlocked, _))) && may_be_atomic(function) {
        return Err("it dirties pages without their lock in a function that takes spinlocks");
    }
    // Without dirtying a loop that also clears says in one place what two places would.
    if body.clears.is_some() && (body.dirty.is_none() || header.by_index || guard.is_some()) {
        return Err("it does more than release");
    }
    let mut variables = body.aliases.clone();
    if !header.by_index && body.clears.is_none() {
        variables.push(header.index.to_owned());
    }
    Ok(Fold {
        statement: *span,
        array,
        slice: body.slice,
        range: body.range,
        count,
        dirty: body.dirty,
        downwards: header.downwards,
        by_index: header.by_index,
        guard,
        clears: body.clears,
        variables,
    })
}

/// What a loop body was found to do.
struct Body<'a> {
    bytes: &'a [u8],
    aliases: Vec<String>,
    array: Option<Span>,
    dirty: Option<(Dirty, Option<Span>)>,
    slice: Option<Span>,
    range: bool,
    skips_null: bool,
    released: bool,
    clears: Option<Span>,
}

impl<'a> Body<'a> {
    fn read(
        bytes: &'a [u8],
        body: &Stmt,
        header: &Header<'_>,
        call: Span,
    ) -> Result<Body<'a>, Why> {
        let list: Vec<&Stmt> = match body {
            Stmt::Block(list, _) => list.iter().collect(),
            other => vec![other],
        };
        let mut read = Body {
            bytes,
            aliases: Vec::new(),
            array: None,
            dirty: None,
            slice: None,
            range: false,
            skips_null: false,
            released: false,
            clears: None,
        };
        let mut list = list.into_iter().peekable();
        if header.in_body {
            match list.next_if(
                |stmt| matches!(stmt, Stmt::Expr(expr, _) if counts_down(expr, header.index)),
            ) {
                Some(_) => {}
                None => return Err("it is not a counting loop from the first entry"),
            }
        }
        for stmt in list {
            read.statement(stmt, header, call)?;
        }
        if read.released {
            Ok(read)
        } else {
            Err("it releases under a condition")
        }
    }

    fn statement(&mut self, stmt: &Stmt, header: &Header<'_>, call: Span) -> Result<(), Why> {
        const MORE: Why = "it does more than release";
        if self.released {
            return match stmt {
                Stmt::Expr(
                    Expr::Assign {
                        op, target, value, ..
                    },
                    span,
                ) if op == "="
                    && is_null(plain(value))
                    && matches!(plain(target), Expr::Index { .. })
                    && self.clears.is_none()
                    && self.entry(target, header) =>
                {
                    self.clears = Some(*span);
                    Ok(())
                }
                _ => Err(MORE),
            };
        }
        match stmt {
            Stmt::Decl(list, _) => match list.as_slice() {
                [only] if only.init.as_ref().is_some_and(|e| self.entry(e, header)) => {
                    self.aliases.push(only.name.to_string());
                    Ok(())
                }
                _ => Err(MORE),
            },
            Stmt::Expr(
                Expr::Assign {
                    op, target, value, ..
                },
                _,
            ) if op == "=" => match target.as_ref() {
                Expr::Name(name, _) if self.entry(value, header) => {
                    self.aliases.push(name.to_string());
                    Ok(())
                }
                _ => Err(MORE),
            },
            Stmt::Expr(expr @ Expr::Call { args, span, .. }, _) if *span == call => {
                match (expr.callee_name(), args.as_slice()) {
                    (Some(_), [page]) if self.entry(page, header) => {
                        self.released = true;
                        Ok(())
                    }
                    _ => Err("it releases no entry of an array"),
                }
            }
            Stmt::Expr(expr, _) => {
                let dirty = self.dirtying(expr, header).ok_or(MORE)?;
                self.set_dirty(dirty, None)
            }
            Stmt::If {
                cond,
                then,
                otherwise: None,
                ..
            } if self.is_page_test(cond, header) => {
                self.skips_null = true;
                let list = match then.as_ref() {
                    Stmt::Block(list, _) => list.as_slice(),
                    other => std::slice::from_ref(other),
                };
                list.iter()
                    .try_for_each(|stmt| self.statement(stmt, header, call))
            }
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
                let Stmt::Expr(expr, _) = inner else {
                    return Err(MORE);
                };
                let dirty = self.dirtying(expr, header).ok_or(MORE)?;
                let condition = self.condition(cond, header)?;
                self.set_dirty(dirty, condition)
            }
            _ => Err(MORE),
        }
    }

    fn set_dirty(&mut self, dirty: Dirty, condition: Option<Span>) -> Result<(), Why> {
        if self.dirty.is_some() {
            return Err("it dirties pages in more than one way");
        }
        self.dirty = Some((dirty, condition));
        Ok(())
    }

    fn dirtying(&mut self, expr: &Expr, header: &Header<'_>) -> Option<Dirty> {
        let dirty = dirties(expr.callee_name()?)?;
        match expr {
            Expr::Call { args, .. } => match args.as_slice() {
                [page] if self.entry(page, header) => Some(dirty),
                _ => None,
            },
            _ => None,
        }
    }

    /// What is left of a condition when the test for an already dirty page is taken out; the helper makes that itself.
    fn condition(&mut self, cond: &Expr, header: &Header<'_>) -> Result<Option<Span>, Why> {
        if self.is_clean_test(cond, header) {
            return Ok(None);
        }
        let cond = match cond {
            Expr::Binary {
                op, left, right, ..
            } if op == "&&" && self.is_clean_test(right, header) => left,
            other => other,
        };
        let varies = every_part(cond, |expr| {
            changes(expr)
                || matches!(expr, Expr::Call { .. } | Expr::Block(..) | Expr::Unread(..))
                || is_name(expr, header.index)
                || self.aliases.iter().any(|alias| is_name(expr, alias))
        });
        if varies {
            return Err("its condition for dirtying differs from page to page");
        }
        Ok(Some(cond.span()))
    }

    fn is_clean_test(&mut self, expr: &Expr, header: &Header<'_>) -> bool {
        let Expr::Unary { op, operand, .. } = expr else {
            return false;
        };
        match operand.as_ref() {
            call @ Expr::Call { args, .. } => {
                op == "!"
                    && call.callee_name() == Some("PageDirty")
                    && args.len() == 1
                    && self.entry(&args[0], header)
            }
            _ => false,
        }
    }

    /// `page`, `page != NULL`
    fn is_page_test(&mut self, expr: &Expr, header: &Header<'_>) -> bool {
        match expr {
            Expr::Binary {
                op, left, right, ..
            } if op == "!=" && is_null(plain(right)) => self.entry(left, header),
            Expr::Name(..) | Expr::Index { .. } => self.entry(expr, header),
            _ => false,
        }
    }

    /// Whether `expr` is the entry of the array that this turn of the loop is about.
    fn entry(&mut self, expr: &Expr, header: &Header<'_>) -> bool {
        match plain(expr) {
            Expr::Name(name, _) => self.aliases.iter().any(|alias| name == alias),
            Expr::Index { base, index, .. } if is_name(plain(index), header.index) => {
                self.first(base, header.from, false, header)
            }
            // What stands beyond that counts from the first entry.
            _ if header.from.is_some() => false,
            // `pages[first + i]`: the entries from `first` on.
            Expr::Index { base, index, .. } => match plain(index) {
                Expr::Binary {
                    op, left, right, ..
                } if op == "+" => {
                    let own = |side: &Expr| is_name(plain(side), header.index);
                    match (own(left), own(right)) {
                        (true, false) => self.first(base, Some(right), false, header),
                        (false, true) => self.first(base, Some(left), false, header),
                        _ => false,
                    }
                }
                _ => false,
            },
            // The page after `page`, not an entry after `array`: what is released is a page, no pointer to one.
            Expr::Binary {
                op, left, right, ..
            } if op == "+" && is_name(plain(right), header.index) => {
                self.first(left, None, true, header)
            }
            call @ Expr::Call { args, .. } => match (call.callee_name(), args.as_slice()) {
                (Some("nth_page"), [page, index]) if is_name(plain(index), header.index) => {
                    self.first(page, None, true, header)
                }
                _ => false,
            },
            _ => false,
        }
    }

    /// Whether `base` is the same in every turn, and the array (or first page) of the whole loop.
    fn first(
        &mut self,
        base: &Expr,
        slice: Option<&Expr>,
        range: bool,
        header: &Header<'_>,
    ) -> bool {
        let moves = |expr: &Expr| {
            changes(expr) || matches!(expr, Expr::Call { .. }) || is_name(expr, header.index)
        };
        let varies = every_part(base, moves) || slice.is_some_and(|slice| every_part(slice, moves));
        let slice = slice.map(Expr::span);
        // A second array in one loop is not for one call.
        let text = |span: Span| &self.bytes[span.start as usize..span.end as usize];
        let same = self.array.is_none_or(|array| {
            self.range == range
                && text(array) == text(base.span())
                && self.slice.map(text) == slice.map(text)
        });
        if !varies && self.array.is_none() {
            self.array = Some(base.span());
            self.slice = slice;
            self.range = range;
        }
        !varies && same
    }
}

fn changes(expr: &Expr) -> bool {
    matches!(expr, Expr::Assign { .. } | Expr::Update { .. })
}

/// Whether the function itself enters a section in which nothing may sleep.
fn may_be_atomic(function: &Function) -> bool {
    const ENTERS: [&str; 10] = [
        "spin_lock",
        "spin_trylock",
        "raw_spin_lock",
        "read_lock",
        "write_lock",
        "rcu_read_lock",
        "preempt_disable",
        "local_irq_",
        "local_bh_disable",
        "kmap_atomic",
    ];
    let mut found = false;
    all_expressions(function, &mut |expr| {
        let name = expr.callee_name().unwrap_or_default();
        found |= ENTERS.iter().any(|enters| name.starts_with(enters));
    });
    found
}
