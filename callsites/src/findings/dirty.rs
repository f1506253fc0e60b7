// SPDX-License-Identifier: MIT OR Apache-2.0
//! R7, dirty: pages that were acquired for writing are not marked dirty, or not in a safe way, or too late.
//!
//! Matches a group whose acquiring call asks for write access while none of its releases dirties the pages; a
//! set_page_dirty() on user pages without the page lock; the flag set and nobody told; and dirtying after the release.
//! Wrong because what the device wrote is lost when the page is reclaimed, or because the mapping can go away under
//! set_page_dirty(). Would have caught net/rds/info.c, whose snapshots were written and never dirtied, and is what
//! "dirty, then unpin" in Documentation/core-api/pin_user_pages.rst is about.

use super::kind_mismatch::Origin;
use super::nearby::Nearby;
use super::notified::Notifiers;
use super::paths::{What, with_helpers};
use super::view::View;
use super::visit;
use crate::index::ir::{Expr, Function, Span, Stmt};
use crate::report::{Callsite, Era, Finding, Group, Role, Severity, Verdict};
use refimpl::api::{Dirties, Does, Sleeps, acts, followed};
use std::cell::{OnceCell, RefCell};
use std::collections::{BTreeSet, HashMap, HashSet};

/// Too late, told by the ways through one function.
pub(crate) fn check(view: &View<'_>, findings: &mut Vec<Finding>) {
    for walked in view.walked(&[What::DirtiedAfterRelease]) {
        for fact in &walked.facts {
            let message = "the page is marked dirty after it was released".to_owned();
            let evidence = view.way(walked.file, fact, "already released");
            let rule = ("R7", "dirty-too-late", Severity::Error);
            findings.push(view.finding(
                rule,
                (walked.file, &walked.function.name, fact.at),
                message,
                evidence,
            ));
        }
    }
}

/// Never, and unlocked: told by what belongs together.
pub(crate) fn across(view: &View<'_>, findings: &mut Vec<Finding>) {
    let known = Known {
        nearby: Nearby::of(view),
        notifiers: Notifiers::default(),
        left: RefCell::default(),
        dirtied: OnceCell::new(),
    };
    for group in view.input.groups {
        findings.extend(never(view, &known, group));
    }
    for site in view
        .input
        .callsites
        .iter()
        .filter(|s| s.role == Role::Dirty)
    {
        findings.extend(unlocked(view, site));
    }
}

/// What is asked for many groups, and found once.
struct Known<'v> {
    nearby: Nearby<'v>,
    notifiers: Notifiers,
    /// Of files, whether [`left_to_undone`] holds.
    left: RefCell<HashMap<usize, bool>>,
    /// The places of the acquires whose pages some call dirties.
    dirtied: OnceCell<HashSet<(&'v str, u32)>>,
}

fn never<'v>(view: &'v View<'_>, known: &Known<'v>, group: &Group) -> Option<Finding> {
    let acquires = view.members(&group.acquires);
    let releases = view.members(&group.releases);
    let judged = |site: &&Callsite| matches!(site.verdict, Verdict::Convert | Verdict::Done);
    let kept = |site: &&Callsite| site.verdict == Verdict::Keep && site.case == Some(3);
    if releases.is_empty() || !group.dirties.is_empty() {
        return None;
    }
    if !acquires.iter().chain(&releases).all(judged) {
        let of_notifier = acquires.iter().all(kept) && !acquires.is_empty();
        if !of_notifier || known.notifiers.about(view, &acquires, &releases) {
            return None;
        }
    }
    // Where one of them does not ask for writing, the others may do so for another reason than to write.
    let places: Option<Vec<(usize, &Callsite)>> = acquires
        .iter()
        .map(|site| {
            let file = view.file(&site.path)?;
            writes(view, file, site.span).then_some((file, *site))
        })
        .collect();
    let (file, writes) = *places?.first()?;
    let left = |file: usize| {
        let mut left = known.left.borrow_mut();
        *left
            .entry(file)
            .or_insert_with(|| left_to_undone(view, file))
    };
    // mm/ tests the calls themselves, and writes nothing: the rules are about callers.
    if writes.path.starts_with("mm/") {
        return None;
    }
    if acquires
        .iter()
        .chain(&releases)
        .any(|site| only_reads(view, site))
    {
        return None;
    }
    if releases.iter().any(|site| dirties(view, site))
        || dirtied_elsewhere(view, known, &acquires)
        || only_undone(view, &acquires, &releases) && !left(file)
    {
        return None;
    }
    let members: Vec<&Callsite> = acquires.iter().chain(&releases).copied().collect();
    if known.nearby.dirties(&members) {
        return None;
    }
    let message = format!(
        "{}() takes the pages for writing, but none of their releases marks them dirty",
        writes.call
    );
    let mut evidence = vec![view.evidence(file, writes.span, "for writing")];
    for site in &releases {
        let file = view.file(&site.path)?;
        evidence.push(view.evidence(file, site.span, "not dirtied"));
    }
    evidence.truncate(6);
    let rule = ("R7", "dirty-never", Severity::Warning);
    Some(view.finding(
        rule,
        (file, &writes.function, writes.span),
        message,
        evidence,
    ))
}

/// Whether all releases stand where the pages are taken, in functions that keep them when nothing fails: then who releases
/// what was written was not seen.
fn only_undone(view: &View<'_>, acquires: &[&Callsite], releases: &[&Callsite]) -> bool {
    releases.iter().all(|release| {
        let Some(file) = view.file(&release.path) else {
            return false;
        };
        view.around(file, release.span).any(|function| {
            let taken_here = |site: &&&Callsite| {
                let span = function.span;
                site.path == release.path && (span.start..span.end).contains(&site.span.start)
            };
            let mut taken = acquires.iter().filter(taken_here).peekable();
            match taken.peek() {
                Some(_) => {
                    let kept = view.kept(file, function);
                    taken.any(|site| kept.contains(&site.span.start))
                }
                None => keeps_what_a_helper_takes(view, file, function),
            }
        })
    })
}

/// Whether a function keeps, when nothing fails, the pages that a helper of its file takes for it.
fn keeps_what_a_helper_takes(view: &View<'_>, file: usize, function: &Function) -> bool {
    let functions = &view.files[file].functions;
    let helper = |_: usize, name: &str| {
        let mut named = functions.iter().filter(|helper| helper.name == name);
        match (named.next(), named.next()) {
            (Some(helper), None) => Some((file, helper)),
            _ => None,
        }
    };
    let whole = with_helpers((file, function), &helper);
    whole.is_some_and(|whole| !view.kept(file, &whole).is_empty())
}

/// Whether a file has more releases than those that the flow found, and marks no page dirty anywhere.
fn left_to_undone(view: &View<'_>, file: usize) -> bool {
    let path = view.files[file].path.as_str();
    let (mut more, mut dirty) = (false, false);
    for function in &view.files[file].functions {
        visit::all_calls(&function.body, &mut |name, args, at| {
            let Some(known) = followed().get(name) else {
                return;
            };
            let clean = || {
                let form = known.signature(args.len());
                let dirty = form.and_then(|form| args.get(form.dirty?));
                dirty.is_some_and(|arg| matches!(visit::text(arg).as_str(), "0" | "false"))
            };
            dirty |= known.role == refimpl::api::Role::Dirty
                || known.dirties == Dirties::Yes
                || known.dirties == Dirties::Argument && !clean();
            let listed = || {
                let site = view.callsite(path, at);
                site.is_some_and(|site| !site.origins.is_empty())
            };
            more |= known.role == refimpl::api::Role::Release && known.is_pinning() && !listed();
        });
    }
    more && !dirty
}

/// Whether a call of another group is given pages of these acquires and dirties them: what joins nothing stands in one
/// group, and may be given the pages of several.
fn dirtied_elsewhere<'v>(view: &'v View<'_>, known: &Known<'v>, acquires: &[&Callsite]) -> bool {
    let dirtied = known.dirtied.get_or_init(|| {
        let dirtying = view.input.callsites.iter().filter(|site| {
            site.role == Role::Dirty || site.role != Role::Acquire && dirties(view, site)
        });
        let origins = dirtying.flat_map(|site| &site.origins);
        origins
            .filter_map(|text| Origin::of_kind(text))
            .map(|origin| (origin.path, origin.line))
            .collect()
    });
    let mut acquires = acquires.iter();
    acquires.any(|acquire| dirtied.contains(&(acquire.path.as_str(), acquire.line)))
}

/// Whether the function maps for a device that only reads.
fn only_reads(view: &View<'_>, site: &Callsite) -> bool {
    let (mut to, mut from) = (false, false);
    if let Some(file) = view.file(&site.path) {
        for function in view.around(file, site.span) {
            // What a direction is compared with says nothing of what it is.
            let mut compared: BTreeSet<u32> = BTreeSet::new();
            visit::all(&function.body, &mut |expr| {
                if let Expr::Binary {
                    op, left, right, ..
                } = expr
                {
                    if op == "==" || op == "!=" {
                        compared.extend([left.span().start, right.span().start]);
                    }
                }
            });
            visit::all(&function.body, &mut |expr| {
                if let Expr::Name(name, span) = expr {
                    if compared.contains(&span.start) {
                        return;
                    }
                    // include/linux/pci-dma-compat.h has them under names of their own, 5.4.
                    let name = name.strip_prefix("PCI_").unwrap_or(name);
                    to |= matches!(name, "DMA_TO_DEVICE" | "DMA_TODEVICE");
                    from |= matches!(
                        name,
                        "DMA_FROM_DEVICE" | "DMA_FROMDEVICE" | "DMA_BIDIRECTIONAL"
                    );
                }
            });
        }
    }
    to && !from
}

/// Whether the flags argument of the call at `span` says FOLL_WRITE, itself or through a local variable.
fn writes(view: &View<'_>, file: usize, span: Span) -> bool {
    let mut writes = false;
    for function in view.around(file, span) {
        visit::all_calls(&function.body, &mut |name, args, at| {
            if at.start != span.start {
                return;
            }
            let form = followed().get(name).and_then(|f| f.signature(args.len()));
            let Some(flags) = form.and_then(|form| args.get(form.flags?)) else {
                return;
            };
            // Before 5.2 the fast functions took `int write` (73b0140bf0fe).
            if view.input.released == Era::PutPage && name.contains("fast") {
                writes |= !matches!(visit::text(flags).as_str(), "0" | "false");
                return;
            }
            writes |= says_write(flags)
                || matches!(visit::bare(flags), Expr::Name(name, _) if is_given_write(function, name));
        });
    }
    writes
}

fn says_write(flags: &Expr) -> bool {
    let mut says = false;
    visit::expressions(flags, &mut |inner| {
        says |= matches!(inner, Expr::Name(name, _) if name == "FOLL_WRITE");
    });
    says
}

/// Whether a local variable is given FOLL_WRITE. What a caller hands down is not looked for.
fn is_given_write(function: &Function, variable: &str) -> bool {
    let mut given = false;
    visit::statements(&function.body, &mut |statement| {
        if let Stmt::Decl(declarations, _) = statement {
            let own = declarations.iter().filter(|d| d.name == variable);
            given |= own.filter_map(|d| d.init.as_ref()).any(says_write);
        }
    });
    visit::all(&function.body, &mut |expr| {
        if let Expr::Assign {
            op, target, value, ..
        } = expr
        {
            let own = matches!(visit::bare(target), Expr::Name(name, _) if name == variable);
            given |= own && (op == "=" || op == "|=") && says_write(value);
        }
    });
    given
}

fn dirties(view: &View<'_>, site: &Callsite) -> bool {
    let Some(function) = followed().get(&site.call) else {
        return true;
    };
    match function.dirties {
        Dirties::No => false,
        Dirties::Yes => true,
        Dirties::Argument => {
            let Some(file) = view.file(&site.path) else {
                return true;
            };
            let mut never = false;
            each_call(view, file, site.span, &mut |_, args| {
                let dirty = function
                    .signature(args.len())
                    .and_then(|form| form.dirty)
                    .and_then(|at| args.get(at));
                never = dirty.is_some_and(|arg| matches!(visit::text(arg).as_str(), "0" | "false"));
            });
            !never
        }
    }
}

fn each_call(view: &View<'_>, file: usize, span: Span, found: &mut dyn FnMut(&str, &[Expr])) {
    for function in view.around(file, span) {
        visit::all_calls(&function.body, &mut |name, args, at| {
            if at.start == span.start {
                found(name, args);
            }
        });
    }
}

/// mm/page-writeback.c: set_page_dirty() wants the page locked, or the inode pinned; set_page_dirty_lock() sees to it.
fn unlocked(view: &View<'_>, site: &Callsite) -> Option<Finding> {
    // mm/ dirties what a page table says, under its lock or with the page locked by a caller: the rules are about
    // callers.
    let function = followed().get(&site.call)?;
    let flag = function.kind == "flag" && function.page_argument(1) == Some(0);
    let plain = function.kind.is_empty() && function.sleeps == Sleeps::Never;
    if !plain && !flag
        || matches!(site.verdict, Verdict::Unknown | Verdict::Mixed)
        || site.origins.is_empty()
        || site.path.starts_with("mm/")
    {
        return None;
    }
    // Of an iterator they are a user's where the call would be converted.
    let converted = matches!(site.verdict, Verdict::Convert | Verdict::Done);
    let of_user = |text: &String| match converted {
        true => Origin::of_kind(text).is_some(),
        false => Origin::parse(text).is_some(),
    };
    if !site.origins.iter().all(of_user) {
        return None;
    }
    let file = view.file(&site.path)?;
    let function = view.files[file]
        .functions
        .iter()
        .find(|f| f.name == site.function)?;
    let mut locked = false;
    visit::all_calls(&function.body, &mut |name, _, _| {
        locked |= acts().is(name, Does::LocksPage);
    });
    if flag {
        let message = format!(
            "{}() on user pages sets the flag alone; the mapping is told by set_page_dirty_lock()",
            site.call
        );
        let rule = ("R7", "dirty-flag-alone", Severity::Warning);
        let evidence = vec![view.evidence(file, site.span, "")];
        return Some(view.finding(rule, (file, &site.function, site.span), message, evidence));
    }
    if locked {
        return None;
    }
    let message = format!(
        "{}() on user pages without the page lock; set_page_dirty_lock() takes it",
        site.call
    );
    let rule = ("R7", "dirty-unlocked", Severity::Warning);
    let evidence = vec![view.evidence(file, site.span, "")];
    Some(view.finding(rule, (file, &site.function, site.span), message, evidence))
}
