// SPDX-License-Identifier: MIT OR Apache-2.0
//! What functions of a file do with what they are given, told from single bodies: for calls that a walk does not follow.

use super::paths::root;
use super::visit;
use crate::index::ir::{Expr, FileFacts, Function, Linkage, Stmt, TypeRef};
use refimpl::api::{Does, Role, acts, followed};
use smol_str::SmolStr;
use std::collections::HashSet;
use std::sync::OnceLock;

/// What the functions of a file are like, told when it is asked.
pub(super) struct Manners<'f> {
    file: &'f FileFacts,
    keeping: OnceLock<HashSet<&'f str>>,
    spared: OnceLock<HashSet<&'f str>>,
    failing: OnceLock<HashSet<&'f str>>,
}

impl<'f> Manners<'f> {
    pub(super) fn of(file: &'f FileFacts) -> Self {
        Self {
            file,
            keeping: OnceLock::new(),
            spared: OnceLock::new(),
            failing: OnceLock::new(),
        }
    }

    pub(super) fn keeps_in_result(&self, name: &str) -> bool {
        let known = self.keeping.get_or_init(|| keeping_in_result(self.file));
        known.contains(name)
    }

    pub(super) fn spares(&self, name: &str) -> bool {
        let known = self.spared.get_or_init(|| spared_in(self.file));
        known.contains(name)
    }

    pub(super) fn fails(&self, name: &str) -> bool {
        let known = self.failing.get_or_init(|| failing_in(self.file));
        known.contains(name)
    }
}

/// The functions of a file that put the pages which they are given into an object that they make and return, and nowhere
/// else. Who gets no object has the pages still.
fn keeping_in_result(file: &FileFacts) -> HashSet<&str> {
    let keeps = |function: &&Function| {
        let of_pages = |ty: &TypeRef| ty.name == "struct page" && ty.pointers > 0;
        let mut pages = function.params.iter().filter(|param| of_pages(&param.ty));
        if function.returns.pointers == 0 || function.has_unread || pages.clone().next().is_none() {
            return false;
        }
        let mut made: HashSet<&str> = HashSet::new();
        let allocates = |value: &Expr| {
            let callee = visit::bare(value).callee_name();
            callee.and_then(|name| acts().of(name)).is_some_and(|does| {
                matches!(
                    does,
                    Does::Allocates
                        | Does::AllocatesZeroed
                        | Does::AllocatesSlab
                        | Does::AllocatesZeroedSlab
                        | Does::AllocatesManaged
                        | Does::Zeroes
                )
            })
        };
        visit::statements(&function.body, &mut |statement| {
            if let Stmt::Decl(declarations, _) = statement {
                let new = declarations
                    .iter()
                    .filter(|d| d.init.as_ref().is_some_and(&allocates));
                made.extend(new.map(|d| d.name.as_str()));
            }
        });
        let (mut uses, mut kept) = (Vec::new(), HashSet::new());
        visit::all(&function.body, &mut |expr| match expr {
            Expr::Assign {
                op, target, value, ..
            } => match (visit::bare(target), visit::bare(value)) {
                (Expr::Name(name, _), value) if allocates(value) => {
                    made.insert(name);
                }
                (Expr::Field { base, .. }, Expr::Name(_, at)) if op == "=" => {
                    if let Expr::Name(object, _) = visit::bare(base) {
                        kept.insert((object.as_str(), at.start));
                    }
                }
                _ => {}
            },
            Expr::Name(name, at) => uses.push((name.as_str(), at.start)),
            _ => {}
        });
        let mut returned = true;
        visit::statements(&function.body, &mut |statement| {
            if let Stmt::Return(Some(value), _) = statement {
                let object = visit::text(value);
                returned &= object == "NULL" || made.contains(object.as_str());
            }
        });
        let stored = |at: u32| {
            kept.iter()
                .any(|(object, place)| *place == at && made.contains(object))
        };
        returned
            && pages.all(|param| {
                let mut used = uses.iter().filter(|(name, _)| *name == param.name);
                used.all(|(_, at)| stored(*at))
            })
    };
    let functions = file.functions.iter();
    let own = functions.filter(|function| function.linkage != Linkage::Macro);
    own.filter(keeps)
        .map(|function| function.name.as_str())
        .collect()
}

/// The functions of a file that return error numbers alone, as such or as pointers: what they begin ends elsewhere.
fn failing_in(file: &FileFacts) -> HashSet<&str> {
    let is_error = |value: &Expr| {
        let value = match visit::bare(value) {
            Expr::Call { callee, args, .. } => match (callee.as_ref(), args.as_slice()) {
                (Expr::Name(name, _), [one]) if acts().is(name, Does::MakesError) => {
                    visit::bare(one)
                }
                _ => return false,
            },
            value => value,
        };
        let Expr::Unary { op, operand, .. } = value else {
            return false;
        };
        // A constant of the kernel: a variable may be 0.
        let capital = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit();
        let constant = |name: &SmolStr| name.starts_with('E') && name.bytes().all(capital);
        op == "-" && matches!(visit::bare(operand), Expr::Name(name, _) if constant(name))
    };
    let fails = |function: &&Function| {
        let (mut returns, mut errors) = (0, 0);
        visit::statements(&function.body, &mut |statement| {
            if let Stmt::Return(value, _) = statement {
                returns += 1;
                errors += usize::from(value.as_ref().is_some_and(is_error));
            }
        });
        !function.has_unread && returns > 0 && returns == errors
    };
    let functions = file.functions.iter();
    let own = functions.filter(|function| function.linkage != Linkage::Macro);
    own.filter(fails)
        .map(|function| function.name.as_str())
        .collect()
}

/// The functions that some function of a file calls, and releases afterwards what can be reached through an argument of
/// the call: they let it be.
fn spared_in(file: &FileFacts) -> HashSet<&str> {
    let mut spared = HashSet::new();
    let mut block = |statements: &'_ [Stmt]| {
        let mut given: Vec<(SmolStr, SmolStr)> = Vec::new();
        for statement in statements {
            let Stmt::Expr(call @ Expr::Call { args, .. }, _) = statement else {
                continue;
            };
            let Some(name) = call.callee_name() else {
                continue;
            };
            let releases = followed().is(name, Role::Release) || acts().is(name, Does::DropsPins);
            for root in args.iter().filter_map(root) {
                if releases {
                    let before = given.iter().filter(|(_, given)| given == root);
                    spared.extend(before.map(|(name, _)| name.clone()));
                } else {
                    given.push((name.into(), root.into()));
                }
            }
        }
    };
    for function in file.functions.iter() {
        block(&function.body);
        visit::statements(&function.body, &mut |statement| {
            if let Stmt::Block(inner, _) = statement {
                block(inner);
            }
        });
    }
    let mut names = HashSet::new();
    for function in &file.functions {
        visit::all_calls(&function.body, &mut |name, _, _| {
            if spared.contains(name) {
                names.insert(name);
            }
        });
    }
    names
}
