// SPDX-License-Identifier: MIT OR Apache-2.0
//! Variables at file scope with their initialisers: above all tables of functions.

use super::expr::global_key;
use super::program::{Program, tag};
use super::state::{Object, State};
use super::types::{owner_of, record_of};
use crate::index::ir::{Expr, InitItem, TypeRef};
use smol_str::SmolStr;

/// The records of the tables that an mmu notifier is registered with.
pub(crate) const NOTIFIER_TABLES: [&str; 2] = ["mmu_notifier_ops", "mmu_interval_notifier_ops"];

/// A table of functions: one value of a struct whose fields are function pointers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Table {
    /// Tag of its struct.
    pub record: SmolStr,
    /// The file it stands in.
    pub file: u32,
    /// Its name.
    pub name: SmolStr,
    /// Field and function, in order.
    pub entries: Vec<(SmolStr, SmolStr)>,
}

/// Adds the initialisers of all variables at file scope, and returns the tables among them.
pub(crate) fn initialisers(program: &Program, state: &mut State) -> Vec<Table> {
    let mut tables = Vec::new();
    for (at, file) in program.files().iter().enumerate() {
        let at = at as u32;
        for global in &file.globals {
            let Some(init) = &global.init else { continue };
            let key = global_key(file, &global.name);
            let node = state.global(key.clone());
            match init {
                Expr::Initialiser { items, .. } => {
                    let object = state.object(Object::Global(key));
                    let mut table = Table {
                        record: SmolStr::default(),
                        file: at,
                        name: global.name.clone(),
                        entries: Vec::new(),
                    };
                    fill(program, state, at, &global.ty, object, items, &mut table);
                    if !table.entries.is_empty() {
                        tables.push(table);
                    }
                }
                value => {
                    if let Some(name) = function_name(program, at, value) {
                        let object = state.object(Object::Function(name.into(), at));
                        state.graph.add(node, object);
                    }
                }
            }
        }
    }
    tables
}

fn fill(
    program: &Program,
    state: &mut State,
    file: u32,
    ty: &TypeRef,
    home: super::graph::Obj,
    items: &[InitItem],
    table: &mut Table,
) {
    let ty = program.expand(ty, file);
    let record = program.record(&ty.name, file);
    let owner = SmolStr::new(tag(&ty.name));
    if table.record.is_empty() {
        table.record.clone_from(&owner);
    }
    for (at, item) in items.iter().enumerate() {
        let name = match (item.fields.last(), record) {
            (Some(name), _) => Some(name.clone()),
            (None, Some(record)) if ty.arrays == 0 => {
                record.fields.get(at).map(|member| member.name.clone())
            }
            _ => None,
        };
        if let Expr::Initialiser { items, .. } = &item.value {
            let inner = match (&name, record) {
                (Some(name), Some(record)) => program
                    .member(record, name, file)
                    .map(|(_, member)| member.ty.clone())
                    .unwrap_or_default(),
                (None, _) => TypeRef {
                    arrays: ty.arrays.saturating_sub(1),
                    ..ty.clone()
                },
                _ => TypeRef::default(),
            };
            fill(program, state, file, &inner, home, items, table);
            continue;
        }
        let Some(function) = function_name(program, file, &item.value) else {
            continue;
        };
        let object = state.object(Object::Function(function.into(), file));
        match name {
            Some(name) => {
                let found = record.and_then(|record| program.member(record, &name, file));
                let owner = match found {
                    Some((owner, member)) => owner_of(program, &ty.name, owner, member, file),
                    None => record_of(program, &ty.name, &owner, file),
                };
                let field = state.field(owner, &name);
                let node = state.field_node(field);
                state.graph.add(node, object);
                table.entries.push((name, function.into()));
            }
            None => {
                if let Some(content) = state.graph.content(home) {
                    state.graph.add(content, object);
                }
            }
        }
    }
}

fn function_name<'e>(program: &Program, file: u32, value: &'e Expr) -> Option<&'e str> {
    let name = match value {
        Expr::Name(name, _) => name,
        Expr::AddressOf(inner, _) | Expr::Cast { operand: inner, .. } => {
            return function_name(program, file, inner);
        }
        _ => return None,
    };
    let upper = name
        .bytes()
        .all(|byte| byte.is_ascii_uppercase() || byte == b'_' || byte.is_ascii_digit());
    let variable = program.global(name, file).is_some();
    (!upper && !variable && name != "false" && name != "true").then_some(name)
}
