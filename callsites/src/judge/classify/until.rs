// SPDX-License-Identifier: MIT OR Apache-2.0
//! Until when pages are held that are kept in a record: until the call ends that had them taken, or longer.

use super::{Seen, Uses};
use crate::flow::analysis::Analysis;
use crate::flow::hash::FastSet;
use crate::flow::program::FnId;
use crate::flow::sites::Site;
use crate::index::ir::{Expr, Span, Stmt};
use crate::index::walk;
use memchr::memmem;
use std::collections::BTreeSet;

/// So many callers up it is looked for who sees to both the taking and the letting go. Further up stands what tells one
/// request from another, an ioctl or a table, and reaches everything.
const CALLERS: usize = 3;

/// Whether whoever takes the pages, or has them taken, lets them go before it returns, and nobody else does.
pub(super) fn let_go_soon(
    analysis: &Analysis,
    seen: &Seen<'_>,
    acquire: FnId,
    released_in: &BTreeSet<FnId>,
) -> bool {
    if released_in.is_empty() || released_unread(analysis, seen, acquire, released_in) {
        return false;
    }
    let mut level: BTreeSet<FnId> = BTreeSet::from([acquire]);
    for _ in 0..=CALLERS {
        let sees = |function: &FnId| sees_to_it(analysis, *function, acquire, released_in);
        if level.iter().any(sees) {
            return true;
        }
        let above = level
            .iter()
            .flat_map(|function| analysis.callers(*function));
        level = above.copied().collect();
    }
    false
}

/// Whether all releases are reached from a function and from nowhere else but by those who call it, and the function does
/// not choose between taking and letting go.
fn sees_to_it(
    analysis: &Analysis,
    function: FnId,
    acquire: FnId,
    released_in: &BTreeSet<FnId>,
) -> bool {
    let reached = analysis.reached([function]);
    if !released_in.iter().all(|release| reached.contains(release)) {
        return false;
    }
    // Down the calls that lead to a release: whoever else makes one of them lets go too.
    let mut leading: Vec<FnId> = released_in.iter().copied().collect();
    let mut seen: FastSet<FnId> = leading.iter().copied().collect();
    let mut elsewhere = false;
    while let Some(callee) = leading.pop() {
        if callee == function || callee == acquire {
            continue;
        }
        for caller in analysis.callers(callee) {
            if !reached.contains(caller) {
                // Whoever does both, and does not choose between them, is another such caller.
                let theirs = analysis.reached([*caller]);
                elsewhere |= !theirs.contains(&acquire)
                    || chooses(analysis, *caller, acquire, released_in, &theirs);
            }
            if reached.contains(caller) && seen.insert(*caller) {
                leading.push(*caller);
            }
        }
    }
    !elsewhere && !chooses(analysis, function, acquire, released_in, &reached)
}

/// Whether taking and letting go stand in different cases of a `switch`.
fn chooses(
    analysis: &Analysis,
    function: FnId,
    acquire: FnId,
    released_in: &BTreeSet<FnId>,
    reached: &FastSet<FnId>,
) -> bool {
    if function == acquire || released_in.contains(&function) {
        return false;
    }
    let file = analysis.program.file_of(function);
    let leads_to = |name: &str, wanted: &dyn Fn(&FnId) -> bool| {
        let targets = analysis.program.resolve(name, file);
        let targets = targets.into_iter().filter(|id| reached.contains(id));
        analysis.reached(targets).iter().any(wanted)
    };
    let mut found = false;
    switches(&analysis.program.function(function).body, &mut |body| {
        let (mut takes, mut lets_go) = (false, false);
        walk::expressions(std::slice::from_ref(body), &mut |expr| {
            if let Some(name) = Expr::callee_name(expr) {
                // What takes may let go again on its own way of errors.
                if leads_to(name, &|id| *id == acquire) {
                    takes = true;
                } else {
                    lets_go |= leads_to(name, &|id| released_in.contains(id));
                }
            }
        });
        found |= takes && lets_go;
    });
    found
}

/// Whether a function of the same file that nobody had a reason to read names one that lets the pages go, and none that has
/// them taken, or chooses between the two.
fn released_unread(
    analysis: &Analysis,
    seen: &Seen<'_>,
    acquire: FnId,
    released_in: &BTreeSet<FnId>,
) -> bool {
    let name = |id: &FnId| analysis.program.function(*id).name.as_bytes();
    let mut taking: BTreeSet<FnId> = BTreeSet::from([acquire]);
    for _ in 0..CALLERS {
        let above = taking
            .iter()
            .flat_map(|function| analysis.callers(*function));
        let above: Vec<FnId> = above.copied().collect();
        taking.extend(above);
    }
    // Whoever calls a function that lets them go, and has none taken, lets them go as well.
    let mut leading: BTreeSet<FnId> = released_in - &taking;
    for _ in 0..CALLERS {
        let above = leading
            .iter()
            .flat_map(|function| analysis.callers(*function));
        let above: Vec<FnId> = above.copied().filter(|one| !taking.contains(one)).collect();
        leading.extend(above);
    }
    leading.extend(released_in.iter().filter(|release| **release != acquire));
    leading.iter().any(|release| {
        let file = analysis.program.file_of(*release);
        if seen
            .sources
            .get(&analysis.program.file(file).path)
            .is_none()
        {
            return true;
        }
        let by_word = seen.unread_by_word(analysis, file);
        let has = |word: &[u8], item: &u32| by_word.get(word).is_some_and(|all| all.contains(item));
        let takes = |item: &u32| taking.iter().any(|taken| has(name(taken), item));
        let mut naming = by_word.get(name(release)).into_iter().flatten();
        naming.any(|item| has(b"switch", item) || !takes(item))
    })
}

/// What holds the pages of a pinning call that does not say FOLL_LONGTERM, where they stay there for longer than the
/// call that had them taken, and until user space lets go: then the file is closed at the latest.
pub(super) fn held_long<'u>(
    analysis: &Analysis,
    seen: &Seen<'_>,
    site: &Site,
    function: &refimpl::api::Function,
    uses: &'u Uses,
) -> Option<&'u str> {
    let held = uses.held.as_deref().filter(|_| function.kind != "iter")?;
    let code = seen.sources.code(analysis.path(site.key))?;
    let says = |argument: &Span| {
        let text = code.get(argument.start as usize..argument.end as usize);
        memmem::find(text.unwrap_or_default(), b"FOLL_LONGTERM").is_some()
    };
    let soon = || let_go_soon(analysis, seen, site.key.function, &uses.released_in);
    let closed = || let_go_on_close(analysis, seen, site.key.function, &uses.released_in);
    let long =
        !uses.released_in.is_empty() && !site.arguments.iter().any(says) && closed() && !soon();
    long.then_some(held)
}

/// Whether pages are let go when user space closes the file: by a function that is given the inode and the file
/// (include/linux/fs.h: `release` of struct file_operations), and takes none.
fn let_go_on_close(
    analysis: &Analysis,
    seen: &Seen<'_>,
    acquire: FnId,
    released_in: &BTreeSet<FnId>,
) -> bool {
    let mut leading: BTreeSet<FnId> = released_in.iter().copied().collect();
    leading.remove(&acquire);
    for _ in 0..CALLERS {
        let above = leading
            .iter()
            .flat_map(|function| analysis.callers(*function));
        let above: Vec<FnId> = above.copied().filter(|one| *one != acquire).collect();
        leading.extend(above);
    }
    let closes = |id: &FnId| {
        let function = analysis.program.function(*id);
        let given = |at: usize, record: &str| {
            let param = function.params.get(at);
            param.is_some_and(|param| param.ty.name == record && param.ty.pointers == 1)
        };
        function.params.len() == 2 && given(0, "struct inode") && given(1, "struct file")
    };
    let takes = |id: &FnId| analysis.reached([*id]).contains(&acquire);
    if leading.iter().any(|id| closes(id) && !takes(id)) {
        return true;
    }
    leading.iter().any(|id| {
        let name = analysis.program.function(*id).name.as_bytes();
        let named = seen.named_on_close(analysis, analysis.program.file_of(*id));
        named.contains(name)
    })
}

fn switches<'s>(block: &'s [Stmt], see: &mut dyn FnMut(&'s Stmt)) {
    for statement in block {
        match statement {
            Stmt::Switch { body, .. } => see(body),
            Stmt::Block(inner, _) | Stmt::Unread(inner, _) => switches(inner, see),
            Stmt::If {
                then, otherwise, ..
            } => {
                switches(std::slice::from_ref(then), see);
                if let Some(otherwise) = otherwise {
                    switches(std::slice::from_ref(otherwise), see);
                }
            }
            Stmt::Loop { body, .. } => switches(std::slice::from_ref(body), see),
            Stmt::Arms(arms, _) => arms.iter().for_each(|(_, inner)| switches(inner, see)),
            _ => {}
        }
    }
}
