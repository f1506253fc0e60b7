// SPDX-License-Identifier: MIT OR Apache-2.0
//! How a call and the members that hold its pages are written, as far as a verdict or its sentence asks.

use crate::flow::analysis::Analysis;
use crate::flow::program::tag;
use crate::flow::sites::Site;
use crate::flow::state::{Owner, SiteKey};
use crate::index::ir::Expr;
use crate::index::walk;
use refimpl::api::followed;
use smol_str::SmolStr;

/// How little the type of a field says that pages are in it: of several that a sentence could name, it names the one that
/// says so most.
pub(super) fn far_from_pages(analysis: &Analysis, owner: &Owner, name: &str) -> u8 {
    let (Owner::Record(of) | Owner::Within(of, _)) = owner else {
        return 1;
    };
    let program = &analysis.program;
    let member = program.any_record(of).and_then(|(file, record)| {
        let (_, member) = program.member(record, name, file)?;
        Some((file, &member.ty))
    });
    match member {
        Some((_, ty)) if matches!(tag(&ty.name), "page" | "folio") => 0,
        Some((file, ty)) if program.is_number(ty, file) => 2,
        _ => 1,
    }
}

/// The name of the pointer through which a function is called.
pub(super) fn pointer(analysis: &Analysis, site: SiteKey) -> SmolStr {
    let mut found = SmolStr::new_static("a pointer");
    let body = &analysis.program.function(site.function).body;
    walk::expressions(body, &mut |expr| {
        if let Expr::Call { callee, span, .. } = expr {
            let mut callee = callee.as_ref();
            while let Expr::Deref(inner, _) = callee {
                callee = inner;
            }
            if let (true, Expr::Name(name, _) | Expr::Field { name, .. }) =
                (*span == site.span, callee)
            {
                found = name.clone();
            }
        }
    });
    found
}

/// Whether the iterator an acquire is given is a member of a record: then it was set up elsewhere.
pub(super) fn member_iterator(analysis: &Analysis, site: &Site) -> bool {
    let iter = followed()
        .get(&site.name)
        .and_then(|function| function.signature(site.arguments.len()))
        .and_then(|form| form.iter);
    let mut member = false;
    walk::expressions(
        &analysis.program.function(site.key.function).body,
        &mut |expr| {
            if let Expr::Call { args, span, .. } = expr {
                if *span == site.key.span {
                    if let Some(Expr::AddressOf(inner, _)) = iter.and_then(|at| args.get(at)) {
                        member |= matches!(inner.as_ref(), Expr::Field { .. });
                    }
                }
            }
        },
    );
    member
}

/// Whether a call takes one page and no more.
pub(super) fn one_page(analysis: &Analysis, site: &Site) -> bool {
    let Some(nr) = followed()
        .get(&site.name)
        .and_then(|function| function.signature(site.arguments.len()))
        .map(|form| form.nr)
    else {
        return false;
    };
    let Some(nr) = nr else { return true };
    let mut one = false;
    walk::expressions(
        &analysis.program.function(site.key.function).body,
        &mut |expr| {
            if let Expr::Call { args, span, .. } = expr {
                if *span == site.key.span {
                    one |= matches!(args.get(nr), Some(Expr::Literal(text, _)) if text == "1");
                }
            }
        },
    );
    one
}
