// SPDX-License-Identifier: MIT OR Apache-2.0
//! Types of expressions, as far as they are needed to know which struct a field belongs to.

use super::program::{Program, holds_pages, names_record, tag};
use super::state::{FieldId, Owner};
use super::walk::{Binding, Walk};
use crate::index::ir::{Declaration, Expr, Linkage, Stmt, TypeRef};
use refimpl::api::followed;

/// What a field access means.
pub(super) enum Member {
    /// The base is a generic carrier: what it holds belongs to the object, not to its type.
    Carrier,
    /// A field; `aggregate` when it is an array or struct whose value is its address.
    Field { field: FieldId, aggregate: bool },
    /// A number that no page is.
    Number,
}

/// The type of what a pointer to, or an array of, `ty` holds.
pub(super) fn pointee(mut ty: TypeRef) -> TypeRef {
    if ty.arrays > 0 {
        ty.arrays -= 1;
    } else {
        ty.pointers = ty.pointers.saturating_sub(1);
    }
    ty
}

impl<'p> Walk<'p, '_> {
    /// Whether a value of that type is a struct or union itself.
    pub(super) fn is_record(&self, ty: &TypeRef) -> bool {
        if ty.pointers > 0 || ty.function || ty.arrays > 0 {
            return false;
        }
        if names_record(&ty.name) {
            return true;
        }
        let expanded = self.program.expand(ty, self.file);
        expanded.pointers == 0 && expanded.arrays == 0 && names_record(&expanded.name)
            || followed().is_carrier(&ty.name)
    }

    /// Whether a value of that type is an integer.
    fn is_integer(&self, ty: &TypeRef) -> bool {
        let ty = self.program.expand(ty, self.file);
        let record = names_record(&ty.name) || self.is_carrier(&ty);
        ty.pointers == 0 && ty.arrays == 0 && !ty.function && !record
    }

    /// Whether the record of that type carries pages of every origin.
    pub(super) fn is_carrier(&self, ty: &TypeRef) -> bool {
        followed().is_carrier(tag(&ty.name))
            || followed().is_carrier(tag(&self.program.expand(ty, self.file).name))
    }

    /// The type of an expression; None when it cannot be told.
    pub(super) fn type_of(&mut self, expr: &'p Expr) -> Option<TypeRef> {
        match expr {
            Expr::Name(name, _) => match self.binding(name) {
                Some(Binding::Variable(id)) => {
                    Some(self.variables[id].ty.clone()).filter(|ty| !ty.name.is_empty())
                }
                Some(Binding::Argument {
                    expr,
                    frame,
                    context,
                }) => self.at_argument(frame, context, |walk| walk.type_of(expr)),
                None => self
                    .program
                    .global(name, self.file)
                    .map(|(_, global)| global.ty.clone()),
            },
            Expr::Field {
                base, name, arrow, ..
            } => self.member_type(base, name, *arrow),
            Expr::Index { base, .. } => self
                .type_of(base)
                .map(|ty| pointee(self.program.expand(&ty, self.file))),
            Expr::Deref(operand, _) => self
                .type_of(operand)
                .map(|ty| pointee(self.program.expand(&ty, self.file))),
            Expr::AddressOf(operand, _) => self.type_of(operand).map(|mut ty| {
                ty.pointers += 1;
                ty
            }),
            Expr::Cast { ty, .. } | Expr::Type(ty, _) => Some(ty.clone()),
            Expr::Assign { target, .. } => self.type_of(target),
            Expr::Update { operand, .. } => self.type_of(operand),
            Expr::Unary { .. } | Expr::Literal(..) | Expr::Sizeof(_) | Expr::Initialiser { .. } => {
                None
            }
            Expr::Binary {
                op, left, right, ..
            } => match op.as_str() {
                "," => self.type_of(right),
                "+" | "-" => self.type_of(left).or_else(|| self.type_of(right)),
                _ => None,
            },
            Expr::Conditional {
                cond,
                then,
                otherwise,
                ..
            } => self
                .type_of(then.as_deref().unwrap_or(cond))
                .or_else(|| self.type_of(otherwise)),
            Expr::Block(statements, _) => match statements.last() {
                // A variable of the block itself is no longer in scope here; its type stays unknown.
                Some(Stmt::Expr(last, _)) => self.type_of(last),
                _ => None,
            },
            Expr::Unread(inner, _) => inner.iter().find_map(|inner| self.type_of(inner)),
            Expr::Call { args, .. } => self.call_type(expr.callee_name()?, args),
        }
    }

    fn call_type(&mut self, name: &str, args: &'p [Expr]) -> Option<TypeRef> {
        let pointer = |ty: &TypeRef| TypeRef {
            pointers: ty.pointers + 1,
            ..ty.clone()
        };
        match name {
            "READ_ONCE"
            | "rcu_dereference"
            | "rcu_dereference_protected"
            | "rcu_dereference_raw"
            | "WRITE_ONCE"
            | "list_next_entry"
            | "list_prev_entry"
            | "ACCESS_ONCE"
            | "smp_load_acquire"
            | "xchg" => {
                return self.type_of(args.first()?);
            }
            _ => {}
        }
        // container_of(), list_entry(), rb_entry() and whatever else is given a type returns a pointer to it.
        if let Some(Expr::Type(ty, _)) = args.iter().find(|arg| matches!(arg, Expr::Type(..))) {
            return Some(pointer(ty));
        }
        let target = *self.program.resolve(name, self.file).first()?;
        let function = self.program.function(target);
        if function.linkage != Linkage::Macro {
            return Some(function.returns.clone()).filter(|ty| !ty.name.is_empty());
        }
        if self.depth > 2 {
            return None;
        }
        self.in_macro(target, args, expr_start(args), |walk| {
            match function.body.last() {
                Some(Stmt::Expr(last, _) | Stmt::Return(Some(last), _)) => walk.type_of(last),
                _ => None,
            }
        })
    }

    fn member_type(&mut self, base: &'p Expr, name: &str, arrow: bool) -> Option<TypeRef> {
        let mut ty = self.type_of(base)?;
        ty = self.program.expand(&ty, self.file);
        if arrow {
            ty = pointee(ty);
        }
        let program = self.program;
        let Some(record) = program.record(&ty.name, self.file) else {
            self.state
                .missing_records
                .insert((tag(&ty.name).into(), self.file));
            return None;
        };
        program
            .member(record, name, self.file)
            .map(|(_, member)| member.ty.clone())
    }

    /// What `base.name` or `base->name` is.
    pub(super) fn member(&mut self, base: &'p Expr, name: &str, arrow: bool) -> Member {
        let ty = self
            .type_of(base)
            .map(|ty| self.program.expand(&ty, self.file));
        let Some(ty) = ty.filter(|ty| !ty.name.is_empty()) else {
            return self.member_of_unknown(name);
        };
        let ty = if arrow || ty.arrays > 0 {
            pointee(ty)
        } else {
            ty
        };
        if self.is_carrier(&ty) {
            return Member::Carrier;
        }
        let program = self.program;
        match program.record(&ty.name, self.file) {
            Some(record) => match program.member(record, name, self.file) {
                Some((_, member)) if !holds_pages(&member.ty) => Member::Number,
                // Integers of records that all of the kernel uses are sizes, bounds and cookies; a frame number is
                // kept in a record of one's own.
                Some((_, member))
                    if self.is_integer(&member.ty) && program.is_public(&ty.name, self.file) =>
                {
                    Member::Number
                }
                // struct folio embeds its first struct page: both are the same page.
                Some((owner, member))
                    if is_page(owner)
                        && is_page(tag(&member.ty.name))
                        && member.ty.pointers == 0 =>
                {
                    Member::Carrier
                }
                Some((owner, member)) => {
                    let aggregate = member.ty.arrays > 0 || self.is_record(&member.ty);
                    let owner = owner_of(program, &ty.name, owner, member, self.file);
                    self.field_of(owner, &member.name, aggregate)
                }
                None => {
                    let owner = record_of(program, &ty.name, tag(&record.tag), self.file);
                    self.field_of(owner, name, false)
                }
            },
            None if ty.name.starts_with("struct ") || ty.name.starts_with("union ") => {
                // Whose it is, and whether the member is a number, is in its definition.
                let missing = (tag(&ty.name).into(), self.file);
                self.state.missing_records.insert(missing);
                self.field_of(Owner::Record(tag(&ty.name).into()), name, false)
            }
            None => {
                self.state
                    .missing_records
                    .insert((ty.name.clone(), self.file));
                self.member_of_unknown(name)
            }
        }
    }

    fn member_of_unknown(&mut self, name: &str) -> Member {
        let directory = self
            .program
            .file(self.file)
            .path
            .parent()
            .map(|dir| dir.to_string())
            .unwrap_or_default();
        self.field_of(Owner::Directory(directory.into()), name, false)
    }

    fn field_of(&mut self, owner: Owner, name: &str, aggregate: bool) -> Member {
        let field = self.state.field(owner, name);
        self.state.field_uses.insert((field, self.function));
        Member::Field { field, aggregate }
    }
}

/// Whose field `member` is, found in `owner`, a record or unnamed part of the record `name`, and named in `file`.
pub(super) fn owner_of(
    program: &Program,
    name: &str,
    owner: &str,
    member: &Declaration,
    file: u32,
) -> Owner {
    if is_anything(&member.ty) && program.is_public(name, file) {
        let part = part_of_tree(program.file(file).path.as_str());
        return Owner::Within(owner.into(), part.into());
    }
    record_of(program, name, owner, file)
}

/// The record that `name` means in `file`, as the owner of what is found in `owner`, the record or an unnamed part of it.
pub(super) fn record_of(program: &Program, name: &str, owner: &str, file: u32) -> Owner {
    if program.is_one_of_several(name, file) {
        let path = program.file(file).path.as_str();
        return Owner::Within(owner.into(), path.into());
    }
    Owner::Record(owner.into())
}

fn is_page(tag: &str) -> bool {
    matches!(tag, "page" | "folio")
}

/// `void *`: what it points to is the business of who fills it, and of no other part of the kernel.
fn is_anything(ty: &TypeRef) -> bool {
    ty.name == "void" && ty.pointers == 1 && ty.arrays == 0 && !ty.function
}

/// The first directories of a path, as deep as drivers are told apart.
fn part_of_tree(path: &str) -> &str {
    let directory = path.rsplit_once('/').map_or("", |(directory, _)| directory);
    let end = directory
        .match_indices('/')
        .nth(3)
        .map_or(directory.len(), |(at, _)| at);
    &directory[..end]
}

fn expr_start(args: &[Expr]) -> u32 {
    args.first().map_or(0, |arg| arg.span().start)
}
