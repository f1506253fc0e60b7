// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which questions are open after a round, and what must be read to answer them.
//!
//! Forwards from every acquire: wherever its pages, or an array that holds them, go to a function, a field or a caller
//! that was not read. Backwards from every release whose page comes out of a parameter, a field or a call that was not
//! read.

mod back;

use super::analysis::{Analysis, Held};
use super::hash::FastSet;
use super::iterators::Backing;
use super::places::{is_inside, parent};
use super::program::{FnId, Program, alias_of};
use super::state::{FieldId, Object, Owner, SiteKey};
use super::tables::{NOTIFIER_TABLES, Table};
use super::unfilled;
use super::want::Want;
use crate::index::ir::{Linkage, Stmt, TypeRef};
use crate::index::walk;
use back::{backwards, functions_named};
use refimpl::api::{Role, followed};
use std::collections::BTreeSet;
use std::rc::Rc;

/// Releases far from any acquire are followed backwards in this many rounds only: each asks for callers one call
/// further away. A bound on time, and not a measurement.
const BACKWARDS: usize = 3;

/// The records that decide whether a field through which pages go is a number: those that were not read.
pub(super) fn records(analysis: &Analysis, asked: &mut BTreeSet<Want>) -> Vec<Want> {
    let mut wants = BTreeSet::new();
    for (field, function) in carrying_fields(analysis) {
        let file = analysis.program.file_of(function);
        let (Owner::Record(tag) | Owner::Within(tag, _)) = &analysis.state.field_name(field).0
        else {
            continue;
        };
        let tag = tag.split("::").next().unwrap_or(tag);
        if analysis.program.record(tag, file).is_none() {
            wants.insert(Want::Record {
                from: analysis.program.file(file).path.clone(),
                tag: tag.to_owned(),
            });
        }
    }
    wants.retain(|want| asked.insert(want.clone()));
    wants.into_iter().collect()
}

/// The fields that carry pages, with each function that names them.
fn carrying_fields(analysis: &Analysis) -> Vec<(FieldId, FnId)> {
    let uses: BTreeSet<(FieldId, FnId)> = analysis.state.field_uses.iter().copied().collect();
    let carries = |field: &FieldId| analysis.node_carries(analysis.state.field_node(*field));
    uses.into_iter()
        .filter(|(field, _)| carries(field))
        .collect()
}

/// What is needed and was not asked for yet; `read` holds the records that were read since the flow was solved.
pub(super) fn wants(
    analysis: &Analysis,
    read: &Program,
    asked: &mut BTreeSet<Want>,
    round: usize,
) -> Vec<Want> {
    let mut wants = BTreeSet::new();
    forwards(analysis, read, &mut wants);
    if round <= BACKWARDS {
        backwards(analysis, &mut wants);
    }
    unused_macros(analysis, &mut wants);
    unfilled::ask(analysis, &mut wants);
    deciding(analysis, &mut wants);
    for (tag, file) in &analysis.state.missing_records {
        if !tag.is_empty() {
            wants.insert(Want::Record {
                from: analysis.program.file(*file).path.clone(),
                tag: tag.to_string(),
            });
        }
    }
    for (name, file) in &analysis.state.calls_of_unknown_iterators {
        wants.insert(Want::Definition {
            from: analysis.program.file(*file).path.clone(),
            name: name.to_string(),
        });
    }
    wants.retain(|want| asked.insert(want.clone()));
    wants.into_iter().collect()
}

/// What decides of an acquire whether it is to be converted, besides the way of its pages: whoever gives it an iterator,
/// and what the callbacks of an mmu notifier beside it get to.
fn deciding(analysis: &Analysis, wants: &mut BTreeSet<Want>) {
    let acquires = analysis.state.calls.iter().filter(|call| {
        let listed = followed().get(&call.name).filter(|_| call.listed);
        listed.is_some_and(|function| function.role == Role::Acquire)
    });
    let mut directories: FastSet<&str> = FastSet::default();
    for call in acquires {
        directories.insert(parent(analysis.path(call.site)));
        if analysis.backing(call.site) == Some(Backing::Kernel) {
            callers(analysis, call.site.function, wants);
        }
    }
    let_go(analysis, wants);
    siblings(analysis, wants);
    for table in &analysis.tables {
        let path = &analysis.program.file(table.file).path;
        if NOTIFIER_TABLES.contains(&table.record.as_str()) && directories.contains(parent(path)) {
            for (_, name) in &table.entries {
                wants.insert(Want::Definition {
                    from: path.clone(),
                    name: name.to_string(),
                });
            }
        }
    }
}

/// The functions of the tables that stand beside one whose functions acquire pages: which objects have those pages is
/// told from what the other tables' functions do with theirs.
fn siblings(analysis: &Analysis, wants: &mut BTreeSet<Want>) {
    let acquires = analysis.state.calls.iter().filter(|call| {
        let listed = followed().get(&call.name).filter(|_| call.listed);
        listed.is_some_and(|function| function.role == Role::Acquire)
    });
    let acquiring: FastSet<FnId> = acquires.map(|call| call.site.function).collect();
    let home = |table: &Table| {
        let path = &analysis.program.file(table.file).path;
        (table.record.clone(), parent(path).to_owned())
    };
    let mut kinds: BTreeSet<_> = BTreeSet::new();
    let mut seen: BTreeSet<_> = BTreeSet::new();
    let mut twice: BTreeSet<_> = BTreeSet::new();
    for table in &analysis.tables {
        if !seen.insert(home(table)) {
            twice.insert(home(table));
        }
    }
    for table in analysis
        .tables
        .iter()
        .filter(|table| twice.contains(&home(table)))
    {
        let mut entries = table.entries.iter();
        let acquires = entries.any(|(_, name)| {
            let functions = analysis.program.resolve(name, table.file);
            functions
                .iter()
                .any(|function| acquiring.contains(function))
        });
        if acquires {
            kinds.insert(home(table));
        }
    }
    for table in analysis
        .tables
        .iter()
        .filter(|table| kinds.contains(&home(table)))
    {
        for (_, name) in &table.entries {
            wants.insert(Want::Definition {
                from: analysis.program.file(table.file).path.clone(),
                name: name.to_string(),
            });
        }
    }
}

/// Who in its file calls a function that takes pages, and who one that lets them go: whether one of them sees to both
/// decides until when the pages are held.
fn let_go(analysis: &Analysis, wants: &mut BTreeSet<Want>) {
    let mut asks = |function: FnId| {
        let definition = analysis.program.function(function);
        wants.insert(Want::Callers {
            from: analysis.program.path_of(function).to_owned(),
            name: definition.name.to_string(),
            private: definition.linkage == Linkage::Static,
        });
    };
    let mut held = Held::of(analysis);
    // By what releases: the pages, and the function.
    let mut seen: FastSet<(*const BTreeSet<SiteKey>, FnId)> = FastSet::default();
    for call in analysis.state.calls.iter().filter(|call| call.listed) {
        let Some(function) = followed()
            .get(&call.name)
            .filter(|function| function.role == Role::Release && !function.is_pinning())
        else {
            continue;
        };
        let Some(at) = function.page_argument(call.args.len()) else {
            continue;
        };
        let pages = &call.args[at];
        let taken = if function.takes_array(call.args.len()) {
            held.pages_within(pages)
        } else {
            held.pages(pages)
        };
        if !seen.insert((Rc::as_ptr(&taken), call.site.function)) {
            continue;
        }
        let file = analysis.program.file_of(call.site.function);
        let mut elsewhere = false;
        for from in taken.iter().copied() {
            // Pages of an iterator are let go when its I/O is done, whoever does it.
            let plain = analysis
                .listed(from)
                .is_some_and(|acquire| !acquire.is_pinning() && acquire.kind != "iter");
            if plain && analysis.program.file_of(from.function) == file {
                asks(from.function);
                // On the way of errors of who has them taken: who calls that one is asked when it hands them on.
                elsewhere |= call.site.function != from.function
                    && !analysis
                        .callers(from.function)
                        .contains(&call.site.function);
            }
        }
        // And of what calls one that lets them go: it may have another name for the rest of the driver.
        if elsewhere {
            asks(call.site.function);
            for caller in analysis.callers(call.site.function) {
                asks(*caller);
            }
        }
    }
}

/// A macro whose text holds a call of the catalogue means nothing until somebody uses it.
fn unused_macros(analysis: &Analysis, wants: &mut BTreeSet<Want>) {
    let used: BTreeSet<FnId> = analysis
        .state
        .calls
        .iter()
        .flat_map(|call| call.targets.iter().copied())
        .collect();
    for function in analysis.program.functions() {
        let definition = analysis.program.function(function);
        if definition.linkage == Linkage::Macro
            && !used.contains(&function)
            && (touches_pages(&definition.body) || alias_of(definition).is_some())
        {
            let from = analysis.program.path_of(function).to_owned();
            let private = from.extension() == Some("c");
            wants.insert(Want::Callers {
                from,
                name: definition.name.to_string(),
                private,
            });
        }
    }
}

fn touches_pages(body: &[Stmt]) -> bool {
    let mut found = false;
    walk::expressions(body, &mut |expr| {
        found |= expr
            .callee_name()
            .and_then(|name| followed().get(name))
            .is_some_and(|function| matches!(function.role, Role::Acquire | Role::Release));
    });
    found
}

fn forwards(analysis: &Analysis, read: &Program, wants: &mut BTreeSet<Want>) {
    for call in &analysis.state.calls {
        if call.listed || !call.targets.is_empty() {
            continue;
        }
        if call
            .pointers
            .iter()
            .any(|node| analysis.node_carries(*node))
        {
            wants.insert(definition(analysis, call.site, &call.name));
        }
    }
    for call in &analysis.state.indirect {
        let found = analysis
            .state
            .graph
            .values(call.pointer)
            .iter()
            .any(|object| matches!(analysis.state.what(*object), Object::Function(..)));
        let carries = call
            .args
            .iter()
            .flatten()
            .any(|node| analysis.node_carries(*node));
        if carries && !found {
            if let Some(field) = analysis.field(call.pointer) {
                users(analysis, call.site.function, field, wants);
            }
        }
        if carries {
            functions_named(analysis, call.pointer, wants);
        }
    }
    for function in analysis.program.functions() {
        let Some(returned) = analysis.state.returns.get(&function) else {
            continue;
        };
        if analysis.node_carries(returned)
            && !is_number(
                analysis,
                function,
                &analysis.program.function(function).returns,
            )
        {
            callers(analysis, function, wants);
        }
    }
    for function in analysis.program.functions() {
        for at in 0..analysis.program.function(function).params.len() as u32 {
            let Some(node) = analysis.state.params.get(&(function, at)) else {
                continue;
            };
            // Pages put where a parameter points: its callers hold them afterwards.
            let filled = analysis.state.graph.values(node).iter().any(|object| {
                matches!(analysis.state.what(*object), Object::Target(target) if *target == node)
                    && analysis.carries(*object)
            });
            if filled
                && !is_number(
                    analysis,
                    function,
                    &analysis.program.function(function).params[at as usize].ty,
                )
            {
                callers(analysis, function, wants);
            }
        }
    }
    for (field, function) in carrying_fields(analysis) {
        if !is_number_field(analysis, read, function, field) {
            users(analysis, function, field, wants);
        }
    }
}

/// Frame numbers and addresses spread through arithmetic into everything; they are followed where they are read
/// anyway, and no further reading is done for them.
fn is_number(analysis: &Analysis, function: FnId, ty: &TypeRef) -> bool {
    let file = analysis.program.file_of(function);
    analysis.program.is_number(ty, file)
}

fn is_number_field(analysis: &Analysis, read: &Program, function: FnId, field: FieldId) -> bool {
    let (owner, name) = analysis.state.field_name(field);
    let (Owner::Record(tag) | Owner::Within(tag, _)) = owner else {
        return true;
    };
    let file = analysis.program.file_of(function);
    let program = &analysis.program;
    if let Some(record) = program.record(tag, file) {
        let member = program.member(record, name, file);
        return member.is_some_and(|(_, member)| program.is_number(&member.ty, file));
    }
    let Some((file, record)) = read.any_record(tag) else {
        return false;
    };
    let member = read.member(record, name, file);
    member.is_some_and(|(_, member)| read.is_number(&member.ty, file))
}

fn definition(analysis: &Analysis, site: SiteKey, name: &str) -> Want {
    Want::Definition {
        from: analysis.path(site).to_owned(),
        name: name.to_owned(),
    }
}

fn callers(analysis: &Analysis, function: FnId, wants: &mut BTreeSet<Want>) {
    let from = analysis.program.path_of(function).to_owned();
    let definition = analysis.program.function(function);
    if followed().get(&definition.name).is_some() {
        return;
    }
    let private = definition.linkage == Linkage::Static && from.extension() == Some("c");
    wants.insert(Want::Callers {
        from: from.clone(),
        name: definition.name.to_string(),
        private,
    });
    for field in analysis.fields_naming(&definition.name) {
        wants.insert(Want::Users {
            from: from.clone(),
            field: field.to_owned(),
            record: None,
            header: None,
        });
    }
}

fn users(analysis: &Analysis, function: FnId, field: FieldId, wants: &mut BTreeSet<Want>) {
    let from = analysis.program.path_of(function).to_owned();
    let (owner, name) = analysis.state.field_name(field);
    let record = match owner {
        Owner::Record(tag) => Some(tag.split("::").next().unwrap_or(tag).to_owned()),
        Owner::Within(..) | Owner::Directory(_) => None,
    };
    // Whoever shares the header shares the record: another directory of the same driver.
    let file = analysis.program.file_of(function);
    let header = record
        .as_deref()
        .and_then(|tag| analysis.program.private_header(tag, file));
    let included = header.and_then(|header| header.file_name());
    let included = included.map(str::to_owned);
    if let Some(header) = header.filter(|header| !is_inside(header, parent(&from))) {
        wants.insert(Want::Users {
            from: header.to_owned(),
            field: name.to_string(),
            record: record.clone(),
            header: included.clone(),
        });
    }
    wants.insert(Want::Users {
        from,
        field: name.to_string(),
        record,
        header: included,
    });
}
