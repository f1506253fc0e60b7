// SPDX-License-Identifier: MIT OR Apache-2.0
//! Objects of one type that are told apart: by the table of functions that they were given, and by a member that is set
//! where the page is stored and tested where it is released.

use super::analysis::Analysis;
use super::conditions::{block_of, facts, is_null, same};
use super::graph::Obj;
use super::hash::{FastMap, FastSet};
use super::origins::Origins;
use super::program::FnId;
use super::sites::Site;
use super::state::{FieldStore, Object, SiteKey};
use crate::index::ir::{Expr, Function, Span, Stmt};
use crate::index::walk;
use refimpl::api::followed;
use smol_str::SmolStr;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// A function of a table, or one that gives it to its objects, releases pages of objects of this table. Whoever acquires
/// pages for objects of another table of that kind names that one.
pub(super) fn by_named_table(analysis: &Analysis, sites: &[Site], all: &mut [Origins]) {
    let mut kinds: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (at, table) in analysis.tables.iter().enumerate() {
        kinds.entry(table.record.as_str()).or_default().push(at);
    }
    kinds.retain(|_, tables| tables.len() > 1);
    let mut homes: FastMap<FnId, Vec<usize>> = FastMap::default();
    for at in kinds.values().flatten() {
        let table = &analysis.tables[*at];
        for (_, name) in &table.entries {
            for function in analysis.program.resolve(name, table.file) {
                homes.entry(function).or_default().push(*at);
            }
        }
    }
    let mut named: FastMap<FnId, Rc<FastSet<SmolStr>>> = FastMap::default();
    let mut names_of = |function: FnId| {
        let names = || Rc::new(names_in(&analysis.program.function(function).body));
        Rc::clone(named.entry(function).or_insert_with(names))
    };
    let mut given_in: FastMap<FnId, Given> = FastMap::default();
    for (site, origins) in sites.iter().zip(all.iter_mut()) {
        if origins.user.is_empty() {
            continue;
        }
        let home = homes.get(&site.key.function).cloned().unwrap_or_default();
        // Or the function gives the objects their table itself.
        let names = names_of(site.key.function);
        let all = kinds.values().flatten().copied();
        let gives = all.filter(|at| names.contains(&analysis.tables[*at].name));
        for mine in [home, gives.collect()] {
            let Some(first) = mine.first() else { continue };
            let kind = &analysis.tables[*first].record;
            let siblings = kinds.get(kind.as_str()).into_iter().flatten();
            let siblings: Vec<usize> = siblings.copied().collect();
            origins.user.retain(|from| {
                let names = names_of(from.function);
                let names_one = |at: &usize| names.contains(&analysis.tables[*at].name);
                let stays = !siblings.iter().any(names_one) || mine.iter().any(names_one);
                if !stays {
                    origins.elsewhere.insert(*from);
                }
                stays
            });
        }
        let mut given = |function: FnId| {
            let body = &analysis.program.function(function).body;
            Rc::clone(given_in.entry(function).or_insert_with(|| given(body)))
        };
        by_given_table(analysis, site, origins, &kinds, &mut given);
    }
}

/// `buf->ops = &these_ops; … put_page(buf->page);`: a function that gives its objects a table which was not read has no pages
/// of an acquire that gives its own, in the same member, another.
fn by_given_table(
    analysis: &Analysis,
    site: &Site,
    origins: &mut Origins,
    kinds: &BTreeMap<&str, Vec<usize>>,
    given: &mut dyn FnMut(FnId) -> Given,
) {
    let here = given(site.key.function);
    if here.is_empty() {
        return;
    }
    let is_table = |name: &SmolStr| {
        let mut all = kinds.values().flatten();
        all.any(|at| analysis.tables[*at].name == *name)
    };
    let mut elsewhere = BTreeSet::new();
    origins.user.retain(|from| {
        let other = given(from.function).iter().any(|(field, table)| {
            let mut same = here.iter().filter(|(own, _)| own == field).peekable();
            is_table(table) && same.peek().is_some() && same.all(|(_, own)| own != table)
        });
        if other {
            elsewhere.insert(*from);
        }
        !other
    });
    origins.elsewhere.extend(elsewhere);
}

/// The members that a body gives the address of a variable, each with that variable.
type Given = Rc<[(SmolStr, SmolStr)]>;

fn given(body: &[Stmt]) -> Given {
    fn address(value: &Expr) -> Option<&SmolStr> {
        match value {
            Expr::AddressOf(inner, _) => match inner.as_ref() {
                Expr::Name(name, _) => Some(name),
                _ => None,
            },
            _ => None,
        }
    }
    let mut out = Vec::new();
    walk::expressions(body, &mut |expr| match expr {
        Expr::Assign {
            op, target, value, ..
        } if op == "=" => {
            if let (Expr::Field { name, .. }, Some(table)) = (target.as_ref(), address(value)) {
                out.push((name.clone(), table.clone()));
            }
        }
        Expr::Initialiser { items, .. } => {
            for item in items {
                if let (Some(name), Some(table)) = (item.fields.last(), address(&item.value)) {
                    out.push((name.clone(), table.clone()));
                }
            }
        }
        _ => {}
    });
    out.into()
}

/// The names whose addresses a body takes, or that stand in its initialisers.
fn names_in(body: &[Stmt]) -> FastSet<SmolStr> {
    let mut out = FastSet::default();
    walk::expressions(body, &mut |expr| {
        if let Expr::AddressOf(inner, _) = expr {
            if let Expr::Name(name, _) = inner.as_ref() {
                out.insert(name.clone());
            }
        }
    });
    out
}

/// `if (slot->borrowed) … else put_page(slot->page);`: a page that is stored together with a member that the condition
/// excludes does not come there.
pub(super) fn by_flag(analysis: &Analysis, sites: &[Site], all: &mut [Origins]) {
    for (site, origins) in sites.iter().zip(all.iter_mut()) {
        if site.beyond || site.branches.is_empty() {
            continue;
        }
        if !origins.user.is_empty() {
            if let Some((base, array, tested)) = released_as_tested(analysis, site) {
                let other = |from: &SiteKey| taken_otherwise(analysis, *from, (array, &tested));
                let same_record = |from: &SiteKey| record_of(analysis, *from) == base;
                origins
                    .user
                    .retain(|from| !(same_record(from) && other(from)));
            }
        }
        if origins.user.len() + origins.other.len() + origins.found.len() < 2 {
            continue;
        }
        if let Some(stays) = stored_as_tested(analysis, site) {
            let page = |from: &SiteKey| stays.contains(&Object::Page(*from));
            if origins.user.iter().any(page) {
                origins.user.retain(page);
                origins.other.retain(page);
                origins.found.retain(page);
                origins.own.retain(page);
            }
        }
    }
}

/// A record, an array of it, and what other members of the same object are known to be.
type Tested<'a> = (Option<&'a str>, &'a str, Vec<(&'a SmolStr, bool)>);

/// `if (o->borrowed) … else put_page(o->pages[i]);`: the record of `o`, the name of the array, and what its other members are
/// known to be there.
fn released_as_tested<'a>(analysis: &'a Analysis, site: &Site) -> Option<Tested<'a>> {
    let function = analysis.program.function(site.key.function);
    let page = page_of(&function.body, site.key.span)?;
    let Expr::Index { base, .. } = page else {
        return None;
    };
    let Expr::Field {
        base: object, name, ..
    } = base.as_ref()
    else {
        return None;
    };
    let tested: Vec<(&SmolStr, bool)> = facts(&function.body, site.key.span)
        .into_iter()
        .filter_map(|(cond, truth)| match cond {
            Expr::Field { base, name, .. } if same(base, object) => Some((name, truth)),
            _ => None,
        })
        .collect();
    let record = record(function, object);
    (!tested.is_empty()).then_some((record, name, tested))
}

/// The page, or the array of pages, of the call of the catalogue at a place.
fn page_of(body: &[Stmt], at: Span) -> Option<&Expr> {
    let mut found = None;
    walk::expressions(body, &mut |expr| {
        if let (Expr::Call { args, span, .. }, Some(name)) = (expr, expr.callee_name()) {
            if *span == at {
                let form = followed().get(name).and_then(|f| f.signature(args.len()));
                found = form.and_then(|form| args.get(form.pages.or(form.page)?));
            }
        }
    });
    found
}

/// The record that a parameter points to.
fn record<'f>(function: &'f Function, object: &Expr) -> Option<&'f str> {
    let Expr::Name(name, _) = object else {
        return None;
    };
    let mut params = function.params.iter();
    let param = params.find(|param| param.name == *name)?;
    Some(param.ty.name.as_str())
}

/// The record in which an acquiring call puts its pages.
fn record_of(analysis: &Analysis, from: SiteKey) -> Option<&str> {
    let function = analysis.program.function(from.function);
    let object = match page_of(&function.body, from.span)? {
        Expr::Field { base, .. } => base,
        _ => return None,
    };
    record(function, object)
}

/// Whether the pages of an acquiring call go to that array, together with a member of the same object that the tests exclude:
/// nothing that can fail stands between the two.
fn taken_otherwise(
    analysis: &Analysis,
    from: SiteKey,
    (array, tested): (&str, &[(&SmolStr, bool)]),
) -> bool {
    let body = &analysis.program.function(from.function).body;
    let Some(Expr::Field {
        base: object, name, ..
    }) = page_of(body, from.span)
    else {
        return false;
    };
    if name != array {
        return false;
    }
    let holds = |statement: &Stmt| {
        let span = statement.span();
        span.start <= from.span.start && from.span.end <= span.end
    };
    let block = block_of(body, from.span);
    let Some(at) = block.iter().position(holds) else {
        return false;
    };
    let calls = |statement: &&Stmt| {
        let mut calls = false;
        walk::expressions(std::slice::from_ref(*statement), &mut |expr| {
            calls |= matches!(expr, Expr::Call { .. })
        });
        calls || !matches!(statement, Stmt::Expr(..))
    };
    let after = block[at + 1..].iter().take_while(|s| !calls(s));
    let mut set: BTreeMap<&str, bool> = BTreeMap::new();
    for statement in block[..at].iter().chain(after) {
        if let Stmt::Expr(
            Expr::Assign {
                op, target, value, ..
            },
            _,
        ) = statement
        {
            if let (Expr::Field { base, name, .. }, "=") = (target.as_ref(), op.as_str()) {
                if same(base, object) {
                    set.insert(name, !is_null(value));
                }
            }
        }
    }
    tested
        .iter()
        .any(|(name, truth)| set.get(name.as_str()).is_some_and(|set| set != truth))
}

/// The objects that a release may be given by the stores that the conditions around it allow; None where no condition
/// excludes one.
fn stored_as_tested(analysis: &Analysis, site: &Site) -> Option<BTreeSet<Object>> {
    let call = analysis.calls_at(site.key).find(|call| call.listed)?;
    let at = followed().get(&call.name)?.page_argument(call.args.len())?;
    let [node] = call.args.get(at)?[..] else {
        return None;
    };
    let field = analysis.field(node)?;
    let body = &analysis.program.function(site.key.function).body;
    let base = base_of_argument(body, site, at)?;
    // The members of the same object that are known to be null, or not.
    let tested: Vec<(&SmolStr, bool)> = facts(body, site.key.span)
        .into_iter()
        .filter_map(|(cond, truth)| match cond {
            Expr::Field { base: of, name, .. } if same(of, base) => Some((name, truth)),
            _ => None,
        })
        .collect();
    if tested.is_empty() {
        return None;
    }
    let stores = analysis.state.field_stores.iter();
    let stores: Vec<&FieldStore> = stores.filter(|store| store.field == field).collect();
    let allowed: Vec<&&FieldStore> = stores
        .iter()
        .filter(|store| !excluded(analysis, store, &tested))
        .collect();
    if allowed.is_empty() || allowed.len() == stores.len() {
        return None;
    }
    let objects: BTreeSet<Obj> = allowed
        .iter()
        .flat_map(|store| analysis.objects(&store.values))
        .collect();
    let what = objects.iter().map(|object| analysis.state.what(*object));
    Some(what.cloned().collect())
}

/// `slot` of the argument `slot->page` of a call.
fn base_of_argument<'s>(body: &'s [Stmt], site: &Site, at: usize) -> Option<&'s Expr> {
    let mut found = None;
    walk::expressions(body, &mut |expr| {
        if let Expr::Call { args, span, .. } = expr {
            if *span == site.key.span {
                if let Some(Expr::Field { base, .. }) = args.get(at) {
                    found = Some(base.as_ref());
                }
            }
        }
    });
    found
}

/// Whether the block of a store gives one of the members a value that the tests exclude.
fn excluded(analysis: &Analysis, store: &FieldStore, tested: &[(&SmolStr, bool)]) -> bool {
    let body = &analysis.program.function(store.site.function).body;
    let block = block_of(body, store.site.span);
    let mut base = None;
    let mut sets: Vec<(&SmolStr, &Expr, bool)> = Vec::new();
    for statement in block {
        let Stmt::Expr(
            Expr::Assign {
                op,
                target,
                value,
                span,
            },
            _,
        ) = statement
        else {
            continue;
        };
        if let (Expr::Field { base: of, name, .. }, "=") = (target.as_ref(), op.as_str()) {
            if *span == store.site.span {
                base = Some(of.as_ref());
            }
            sets.push((name, of.as_ref(), !is_null(value)));
        }
    }
    let Some(base) = base else { return false };
    tested.iter().any(|(name, truth)| {
        let last = sets
            .iter()
            .rev()
            .find(|(set, of, _)| set == name && same(of, base));
        last.is_some_and(|(_, _, set)| set != truth)
    })
}
