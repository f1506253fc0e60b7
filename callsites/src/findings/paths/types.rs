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
pub(super) fn compared_unsigned(locals: &Locals<'_>, left: &Expr, right: &Expr) -> bool {
    let (Some(left), Some(right)) = (integer(locals, left), integer(locals, right)) else {
        return false;
    };
    let (signed, unsigned) = match (left.unsigned, right.unsigned) {
        (false, true) => (left, right),
        (true, false) => (right, left),
        _ => return false,
    };
    unsigned.width >= signed.width
}

/// Whether `expr` is an unsigned integer; false when its type is not known.
pub(super) fn is_unsigned(locals: &Locals<'_>, expr: &Expr) -> bool {
    integer(locals, expr).is_some_and(|integer| integer.unsigned)
}

fn integer(locals: &Locals<'_>, expr: &Expr) -> Option<Integer> {
    match expr {
        Expr::Name(name, _) => of_type(locals.get(name)?),
        Expr::Cast { ty, .. } => of_type(ty),
        Expr::Sizeof(_) => Some(Integer {
            width: 8,
            unsigned: true,
        }),
        Expr::Literal(text, _) => text
            .starts_with(|c: char| c.is_ascii_digit())
            .then(|| Integer {
                width: 4,
                unsigned: text.contains(['u', 'U']),
            }),
        Expr::Unary { operand, op, .. } if op != "!" => integer(locals, operand),
        Expr::Update { operand, .. } => integer(locals, operand),
        Expr::Binary {
            op, left, right, ..
        } if ["+", "-", "*", "/", "%", "&", "|"].contains(&op.as_str()) => {
            let (left, right) = (integer(locals, left)?, integer(locals, right)?);
            let width = left.width.max(right.width);
            let unsigned = [left, right]
                .iter()
                .any(|side| side.unsigned && side.width == width);
            Some(Integer { width, unsigned })
        }
        _ => None,
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
