// SPDX-License-Identifier: MIT OR Apache-2.0
//! Signedness, as far as a function shows it: C compares an int with an unsigned int as two unsigned ints.

use crate::index::ir::{Expr, Function, Stmt, TypeRef};
use std::collections::BTreeMap;

/// Types of the parameters and local variables of one function.
#[derive(Debug, Default)]
pub(crate) struct Locals<'f>(BTreeMap<&'f str, &'f TypeRef>);

impl<'f> Locals<'f> {
    /// Collects them; where a name is declared twice, the first stands.
    pub(crate) fn of(function: &'f Function) -> Self {
        let mut locals = Self::default();
        for parameter in &function.params {
            locals.0.insert(&parameter.name, &parameter.ty);
        }
        locals.collect(&function.body);
        locals
    }

    /// The type of a local variable or parameter.
    pub(crate) fn get(&self, name: &str) -> Option<&'f TypeRef> {
        self.0.get(name).copied()
    }

    fn collect(&mut self, statements: &'f [Stmt]) {
        for statement in statements {
            match statement {
                Stmt::Decl(declarations, _) => {
                    for declaration in declarations {
                        self.0.entry(&declaration.name).or_insert(&declaration.ty);
                    }
                }
                Stmt::Block(inner, _) | Stmt::Unread(inner, _) => self.collect(inner),
                Stmt::If {
                    then, otherwise, ..
                } => {
                    self.collect(std::slice::from_ref(then));
                    if let Some(otherwise) = otherwise {
                        self.collect(std::slice::from_ref(otherwise));
                    }
                }
                Stmt::Loop { init, body, .. } => {
                    if let Some(init) = init {
                        self.collect(std::slice::from_ref(init));
                    }
                    self.collect(std::slice::from_ref(body));
                }
                Stmt::Switch { body, .. } => self.collect(std::slice::from_ref(body)),
                Stmt::Arms(arms, _) => arms.iter().for_each(|(_, inner)| self.collect(inner)),
                _ => {}
            }
        }
    }
}

/// Width in bytes and signedness of an integer after promotion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Integer {
    width: u8,
    unsigned: bool,
}

/// Whether C converts a signed operand of `left < right` to unsigned, so that a negative one becomes huge.
///
/// False when a type is not known.
pub(super) fn compared_unsigned(types: Types<'_, '_>, left: &Expr, right: &Expr) -> bool {
    let (Some(left), Some(right)) = (types.integer(left), types.integer(right)) else {
        return false;
    };
    let (signed, unsigned) = match (left.unsigned, right.unsigned) {
        (false, true) => (left, right),
        (true, false) => (right, left),
        (both, _) => return both,
    };
    unsigned.width >= signed.width
}

/// Whether `expr` is an unsigned integer; false when its type is not known.
pub(super) fn is_unsigned(types: Types<'_, '_>, expr: &Expr) -> bool {
    types.integer(expr).is_some_and(|integer| integer.unsigned)
}

/// What is known of the types of variables and members.
#[derive(Clone, Copy)]
pub(super) struct Types<'a, 'f> {
    pub locals: &'a Locals<'f>,
    pub member: &'a dyn Fn(&str, &str) -> Option<TypeRef>,
}

impl Types<'_, '_> {
    fn of_place(self, expr: &Expr) -> Option<TypeRef> {
        match expr {
            Expr::Name(name, _) => self.locals.get(name).cloned(),
            Expr::Field { base, name, .. } => {
                let record = self.of_place(base)?;
                let tag = record.name.strip_prefix("struct ")?;
                (self.member)(tag, name)
            }
            _ => None,
        }
    }

    fn integer(self, expr: &Expr) -> Option<Integer> {
        match expr {
            Expr::Name(..) | Expr::Field { .. } => of_type(&self.of_place(expr)?),
            Expr::Cast { ty, .. } => of_type(ty),
            Expr::Sizeof(_) => Some(Integer {
                width: 8,
                unsigned: true,
            }),
            Expr::Literal(text, _) => {
                text.starts_with(|c: char| c.is_ascii_digit())
                    .then(|| Integer {
                        width: 4,
                        unsigned: text.contains(['u', 'U']),
                    })
            }
            Expr::Unary { operand, op, .. } if op != "!" => self.integer(operand),
            Expr::Update { operand, .. } => self.integer(operand),
            Expr::Binary {
                op, left, right, ..
            } if ["+", "-", "*", "/", "%", "&", "|"].contains(&op.as_str()) => {
                let (left, right) = (self.integer(left)?, self.integer(right)?);
                let width = left.width.max(right.width);
                let unsigned = [left, right]
                    .iter()
                    .any(|side| side.unsigned && side.width == width);
                Some(Integer { width, unsigned })
            }
            _ => None,
        }
    }
}

fn of_type(ty: &TypeRef) -> Option<Integer> {
    if ty.pointers > 0 || ty.arrays > 0 || ty.function {
        return None;
    }
    let (width, unsigned) = match ty.name.as_str() {
        "size_t" | "u64" | "__u64" | "uint64_t" | "uintptr_t" | "dma_addr_t" | "phys_addr_t" => {
            (8, true)
        }
        "u32" | "__u32" | "uint32_t" | "uint" => (4, true),
        "ssize_t" | "s64" | "__s64" | "int64_t" | "loff_t" | "ptrdiff_t" => (8, false),
        "s32" | "__s32" | "int32_t" | "u8" | "u16" | "__u8" | "__u16" | "s8" | "s16" | "bool"
        | "_Bool" => (4, false),
        name => {
            let words: Vec<&str> = name.split_whitespace().collect();
            let known = ["unsigned", "signed", "int", "long", "short", "char"];
            if words.is_empty() || !words.iter().all(|word| known.contains(word)) {
                return None;
            }
            let narrow = words.contains(&"short") || words.contains(&"char");
            let width = if words.contains(&"long") { 8 } else { 4 };
            (width, words.contains(&"unsigned") && !narrow)
        }
    };
    Some(Integer { width, unsigned })
}
