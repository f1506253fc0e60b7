// SPDX-License-Identifier: MIT OR Apache-2.0
//! What stands near an acquire in the source: mmu notifiers, and whose mm the pages belong to.

use crate::flow::analysis::Analysis;
use crate::flow::hash::FastMap;
use crate::flow::library::Files;
use crate::flow::places::parent;
use crate::flow::program::FnId;
use crate::flow::state::{Call, FieldId, SiteKey};
use crate::flow::tables::NOTIFIER_TABLES;
use crate::flow::text;
use crate::index::ir::{Expr, Stmt};
use crate::index::walk;
use camino::{Utf8Path, Utf8PathBuf};
use memchr::memmem;
use refimpl::api::{Role, followed};
use std::cell::RefCell;

/// What stands near an acquire in the source.
pub(super) struct Surroundings {
    pub notifier_in_file: bool,
    pub notifier_is_optional: bool,
    pub notifier_in_directory: bool,
    pub asks_for_file: bool,
    pub exec_mm: bool,
}

/// What files say of mmu notifiers, each looked at once.
#[derive(Default)]
pub(crate) struct Seen(RefCell<FastMap<Utf8PathBuf, Notes>>);

#[derive(Clone, Copy, Default)]
struct Notes {
    notifies: bool,
    /// The notifier depends on how the kernel is configured.
    optional: bool,
}

impl Seen {
    fn look(&self, files: &dyn Files, path: &Utf8Path) -> Notes {
        let mut seen = self.0.borrow_mut();
        if let Some(known) = seen.get(path) {
            return *known;
        }
        let notes = files
            .bytes(path)
            .map_or_else(Notes::default, |bytes| Notes {
                notifies: notifies(&bytes),
                optional: memmem::find(&bytes, b"CONFIG_MMU_NOTIFIER").is_some(),
            });
        seen.insert(path.to_owned(), notes);
        notes
    }
}

/// Looks around an acquire.
pub(super) fn surroundings(
    analysis: &Analysis,
    files: &dyn Files,
    seen: &Seen,
    site: SiteKey,
) -> Surroundings {
    let path = analysis.path(site).to_owned();
    let own = seen.look(files, &path);
    let directory = path.parent().unwrap_or(Utf8Path::new(""));
    let mut asks_for_file = false;
    let function = analysis.program.function(site.function);
    walk::expressions(&function.body, &mut |expr| {
        asks_for_file |= matches!(expr, Expr::Field { name, .. } if name == "vm_file");
    });
    Surroundings {
        notifier_in_file: own.notifies,
        notifier_is_optional: own.optional,
        notifier_in_directory: asks_for_file && files.any_in(directory, &notifies),
        asks_for_file,
        exec_mm: exec_mm(analysis, site),
    }
}

/// Whether each of these functions stands in a file that registers or consults mmu notifiers.
pub(super) fn notify(
    analysis: &Analysis,
    files: &dyn Files,
    seen: &Seen,
    functions: &[FnId],
) -> bool {
    functions.iter().all(|function| {
        let path = analysis.program.path_of(*function);
        seen.look(files, path).notifies
    })
}

/// Whether a notifier can reach pages that are kept in a field: whoever takes them asks it whether the mapping has
/// changed meanwhile, or one of its callbacks gets to a function that names the field.
pub(super) fn reaches(analysis: &Analysis, site: SiteKey, field: FieldId) -> bool {
    let asks = |function: FnId| {
        let mut found = false;
        walk::expressions(&analysis.program.function(function).body, &mut |expr| {
            let name = expr.callee_name();
            found |= name.is_some_and(|name| followed().is(name, Role::Notifier));
        });
        found
    };
    let mut callers = analysis.callers(site.function).iter().copied();
    if asks(site.function) || callers.any(asks) {
        return true;
    }
    let directory = parent(analysis.path(site));
    let tables = analysis.tables.iter().filter(|table| {
        NOTIFIER_TABLES.contains(&table.record.as_str())
            && parent(&analysis.program.file(table.file).path) == directory
    });
    let users = &analysis.state.field_uses;
    for table in tables {
        for (_, name) in &table.entries {
            let callbacks = analysis.program.resolve(name, table.file);
            // What a callback does that was not read is not known.
            if callbacks.is_empty() {
                return true;
            }
            let reached = analysis.reached(callbacks);
            let file = analysis.program.file(table.file);
            let unread = |call: &Call| {
                call.targets.is_empty()
                    && !call.listed
                    && reached.contains(&call.site.function)
                    && file.outline.iter().any(|item| item.name == call.name)
            };
            if analysis.state.calls.iter().any(unread) {
                return true;
            }
            if reached
                .iter()
                .any(|function| users.contains(&(field, *function)))
            {
                return true;
            }
        }
    }
    false
}

/// Whether a file registers or consults mmu notifiers.
fn notifies(bytes: &[u8]) -> bool {
    if memmem::find(bytes, b"mmu_").is_none() && memmem::find(bytes, b"hmm_").is_none() {
        return false;
    }
    memmem::find(bytes, b"mmu_notifier_ops").is_some()
        || memmem::find(bytes, b"mmu_interval_notifier_ops").is_some()
        || followed()
            .with_role(Role::Notifier)
            .any(|function| text::calls(bytes, &function.name))
}

/// Whether the mm is that of a program being started: nobody else can reach its pages yet.
fn exec_mm(analysis: &Analysis, site: SiteKey) -> bool {
    let function = analysis.program.function(site.function);
    let binprm: Vec<&str> = function
        .params
        .iter()
        .filter(|param| crate::flow::program::tag(&param.ty.name) == "linux_binprm")
        .map(|param| param.name.as_str())
        .collect();
    let of_binprm = |expr: &Expr| {
        matches!(expr, Expr::Field { base, .. }
            if matches!(base.as_ref(), Expr::Name(name, _) if binprm.contains(&name.as_str())))
    };
    let copies = copies_of(&function.body, &of_binprm);
    let mut found = false;
    walk::expressions(&function.body, &mut |expr| {
        if let Expr::Call { args, span, .. } = expr {
            if *span == site.span {
                found |= args.iter().any(|arg| {
                    of_binprm(arg)
                        || matches!(arg, Expr::Name(name, _) if copies.contains(&name.as_str()))
                });
            }
        }
    });
    found
}

/// Local variables that are set up with such an expression.
fn copies_of<'s>(body: &'s [Stmt], wanted: &dyn Fn(&Expr) -> bool) -> Vec<&'s str> {
    let mut out = Vec::new();
    for statement in body {
        match statement {
            Stmt::Decl(declarations, _) => {
                let set = declarations
                    .iter()
                    .filter(|one| one.init.as_ref().is_some_and(wanted));
                out.extend(set.map(|one| one.name.as_str()));
            }
            Stmt::Expr(Expr::Assign { target, value, .. }, _) if wanted(value) => {
                if let Expr::Name(name, _) = target.as_ref() {
                    out.push(name);
                }
            }
            _ => {}
        }
    }
    out
}
