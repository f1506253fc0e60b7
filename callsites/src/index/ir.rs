// SPDX-License-Identifier: MIT OR Apache-2.0
//! The reduced C that every later room reads: functions, statements, expressions, types, each with its span.
//!
//! Read once per function. Spans are byte ranges into the bytes of the file. What the reading does not understand
//! becomes [`Stmt::Unread`] or [`Expr::Unread`] and keeps its span and its children, so that no call is ever lost.

use super::body::Body;
use crate::tree::Defined;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

pub use crate::span::Span;

/// What the index keeps of one file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
pub struct FileFacts {
    /// Path relative to the tree.
    pub path: camino::Utf8PathBuf,
    /// Of the bytes they were read from.
    pub hash: [u8; 16],
    /// What decided its conditions of the preprocessor.
    pub defined: Defined,
    /// Calls in arms that this leaves out.
    pub not_compiled: Vec<NotCompiled>,
    /// Offset of the first byte of each line; line numbers are 1-based.
    pub line_starts: Vec<u32>,
    /// Functions that were parsed, in source order. A function-like macro is one too ([`Linkage::Macro`]).
    pub functions: Vec<Function>,
    /// Structs and unions defined in this file.
    pub records: Vec<Record>,
    /// `typedef struct foo foo_t;` and the like: alias to type.
    pub typedefs: Vec<(SmolStr, TypeRef)>,
    /// Variables at file scope, with their initialisers (ops tables among them).
    pub globals: Vec<Declaration>,
    /// Names of functions that are declared or defined here without being parsed, each with the span of its item.
    pub outline: Vec<OutlineItem>,
    /// What could not be read, each with the reason.
    pub unread: Vec<Unread>,
}

/// A call of the catalogue in an arm of `#if` that is left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotCompiled {
    /// The callee.
    pub name: SmolStr,
    /// Its name's place.
    pub span: Span,
    /// The condition of the arm.
    pub condition: SmolStr,
}

/// A top-level item that was recognised but not parsed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutlineItem {
    /// Name of the function, record or macro.
    pub name: SmolStr,
    /// What it is.
    pub kind: OutlineKind,
    /// The whole item.
    pub span: Span,
}

/// Kinds of top-level items.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum OutlineKind {
    /// A function definition.
    Function,
    /// A `struct` or `union` definition.
    Record,
    /// A function-like `#define`.
    Macro,
    /// Anything else with an initialiser in braces (ops tables).
    Table,
    /// Any other variable.
    Variable,
    /// A function declared only.
    Prototype,
}

/// A stretch of source that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unread {
    /// The function it stands in, where that is known.
    pub function: Option<String>,
    /// Where.
    pub span: Span,
    /// Why: "syntax error", "nested too deep", "not UTF-8 path", …
    pub why: String,
}

/// How a function can be reached by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Linkage {
    /// `static` (or `static inline` in a header: then visible to every file that may include it).
    Static,
    /// External.
    External,
    /// A function-like macro; parameters have no type.
    Macro,
}

/// One function definition or function-like macro.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Function {
    /// Its name. Of a `SYSCALL_DEFINEn(name, …)`, `sys_name`.
    pub name: SmolStr,
    /// Span of the name.
    pub name_span: Span,
    /// The whole definition.
    pub span: Span,
    /// The body with its braces.
    pub body_span: Span,
    /// How it can be reached.
    pub linkage: Linkage,
    /// Type returned.
    pub returns: TypeRef,
    /// Parameters in order.
    pub params: Vec<Declaration>,
    /// The statements of the body.
    pub body: Body,
    /// `#if` conditions around the definition, outermost first, as written ("CONFIG_MMU", "!defined(CONFIG_X)").
    pub guards: Vec<String>,
    /// Whether part of the function was not understood: true when anything in it is [`Stmt::Unread`] or [`Expr::Unread`].
    pub has_unread: bool,
}

/// A struct or union with its fields.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Tag; anonymous inner records are named `outer::field` or `outer::{n}` and their fields are also reachable
    /// from the outer record when the member has no name.
    pub tag: SmolStr,
    /// True for a union.
    pub is_union: bool,
    /// Span of the definition.
    pub span: Span,
    /// Members in order.
    pub fields: Vec<Declaration>,
}

/// A type as far as the audit needs it: the name under the pointers and arrays.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Default)]
pub struct TypeRef {
    /// `struct page`, `unsigned long`, `dma_addr_t`; of an anonymous record its made-up tag. Empty when unknown.
    pub name: SmolStr,
    /// Number of `*`.
    pub pointers: u8,
    /// Number of `[…]`.
    pub arrays: u8,
    /// A function pointer (then `name` is the type returned).
    pub function: bool,
}

/// A variable, parameter or field.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Declaration {
    /// Name; empty for an unnamed parameter or member.
    pub name: SmolStr,
    /// Its type.
    pub ty: TypeRef,
    /// Initialiser, where there is one.
    pub init: Option<Expr>,
    /// Span of the declarator (`**pages`), initialiser excluded.
    pub span: Span,
    /// Span of the whole declaration it stands in, `;` included.
    pub statement: Span,
}

/// A statement.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Stmt {
    /// An expression and its `;`.
    Expr(Expr, Span),
    /// One or more local declarations in one statement.
    Decl(Vec<Declaration>, Span),
    /// `{ … }`
    Block(Vec<Stmt>, Span),
    /// `if (cond) then else otherwise`
    If {
        cond: Expr,
        then: Box<Stmt>,
        otherwise: Option<Box<Stmt>>,
        span: Span,
    },
    /// `for`, `while`, `do … while`, and the iterator macros of the kernel.
    Loop {
        kind: LoopKind,
        init: Option<Box<Stmt>>,
        cond: Option<Expr>,
        step: Option<Expr>,
        body: Box<Stmt>,
        span: Span,
    },
    /// `switch (value) body`; the cases stand inside the body.
    Switch {
        value: Expr,
        body: Box<Stmt>,
        span: Span,
    },
    /// `case value:` or `default:` (value is None).
    Case { value: Option<Expr>, span: Span },
    /// `name:`
    Label { name: SmolStr, span: Span },
    /// `goto name;`
    Goto { name: SmolStr, span: Span },
    /// `return value;`
    Return(Option<Expr>, Span),
    /// `break;`
    Break(Span),
    /// `continue;`
    Continue(Span),
    /// `#if … #else … #endif` inside a function: every arm is kept, each with its condition as written.
    Arms(Vec<(String, Vec<Stmt>)>, Span),
    /// Not understood; what could be read inside it is kept in order.
    Unread(Vec<Stmt>, Span),
}

/// Kinds of loops.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum LoopKind {
    /// `for (init; cond; step)`
    For,
    /// `while (cond)`
    While,
    /// `do … while (cond)`
    DoWhile,
    /// An iterator macro, `for_each_sg(sgl, sg, nents, i)`: its name and arguments.
    Iterator {
        name: SmolStr,
        name_span: Span,
        args: Vec<Expr>,
    },
}

/// An expression. Parentheses are dropped; spans are those of the expression inside them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Expr {
    /// An identifier.
    Name(SmolStr, Span),
    /// A number, string or character, as written.
    Literal(SmolStr, Span),
    /// `base.name` or, with `arrow`, `base->name`.
    Field {
        base: Box<Expr>,
        name: SmolStr,
        arrow: bool,
        name_span: Span,
        span: Span,
    },
    /// `base[index]`
    Index {
        base: Box<Expr>,
        index: Box<Expr>,
        span: Span,
    },
    /// `callee(args…)`; `callee` is most often a [`Expr::Name`].
    Call {
        callee: Box<Expr>,
        args: Vec<Expr>,
        span: Span,
    },
    /// `&operand`
    AddressOf(Box<Expr>, Span),
    /// `*operand`
    Deref(Box<Expr>, Span),
    /// `(ty)operand`
    Cast {
        ty: TypeRef,
        operand: Box<Expr>,
        span: Span,
    },
    /// `target op value`, op is `=`, `+=`, …
    Assign {
        op: SmolStr,
        target: Box<Expr>,
        value: Box<Expr>,
        span: Span,
    },
    /// `left op right`, the comma operator among them.
    Binary {
        op: SmolStr,
        left: Box<Expr>,
        right: Box<Expr>,
        span: Span,
    },
    /// `!x`, `-x`, `~x`
    Unary {
        op: SmolStr,
        operand: Box<Expr>,
        span: Span,
    },
    /// `x++`, `--x` and their kin.
    Update {
        op: SmolStr,
        prefix: bool,
        operand: Box<Expr>,
        span: Span,
    },
    /// `cond ? then : otherwise`; `then` is None in GNU's `a ?: b`.
    Conditional {
        cond: Box<Expr>,
        then: Option<Box<Expr>>,
        otherwise: Box<Expr>,
        span: Span,
    },
    /// `sizeof(…)`, `offsetof(…)`, `typeof(…)`: no value flows out.
    Sizeof(Span),
    /// `{ .field = value, [index] = value, value }`
    Initialiser { items: Vec<InitItem>, span: Span },
    /// `({ … })`: the value is that of the last expression statement.
    Block(Vec<Stmt>, Span),
    /// A type where an argument is expected (`container_of(p, struct foo, member)`).
    Type(TypeRef, Span),
    /// Not understood; the expressions that could be read inside it.
    Unread(Vec<Expr>, Span),
}

/// One item of an initialiser list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InitItem {
    /// `.a.b` as ["a", "b"]; empty for a positional or `[index]` item.
    pub fields: Vec<SmolStr>,
    /// The value.
    pub value: Expr,
}

impl Expr {
    /// The bytes the expression covers.
    pub fn span(&self) -> Span {
        match self {
            Expr::Name(_, span)
            | Expr::Literal(_, span)
            | Expr::AddressOf(_, span)
            | Expr::Deref(_, span)
            | Expr::Sizeof(span)
            | Expr::Block(_, span)
            | Expr::Type(_, span)
            | Expr::Unread(_, span)
            | Expr::Field { span, .. }
            | Expr::Index { span, .. }
            | Expr::Call { span, .. }
            | Expr::Cast { span, .. }
            | Expr::Assign { span, .. }
            | Expr::Binary { span, .. }
            | Expr::Unary { span, .. }
            | Expr::Update { span, .. }
            | Expr::Conditional { span, .. }
            | Expr::Initialiser { span, .. } => *span,
        }
    }

    /// The name of the function called, when `self` is a call by name.
    #[inline]
    pub fn callee_name(&self) -> Option<&str> {
        match self {
            Expr::Call { callee, .. } => match callee.as_ref() {
                Expr::Name(name, _) => Some(name),
                _ => None,
            },
            _ => None,
        }
    }
}

impl Stmt {
    /// The bytes the statement covers, its `;` or `}` included.
    pub fn span(&self) -> Span {
        match self {
            Stmt::Expr(_, span)
            | Stmt::Decl(_, span)
            | Stmt::Block(_, span)
            | Stmt::Return(_, span)
            | Stmt::Break(span)
            | Stmt::Continue(span)
            | Stmt::Arms(_, span)
            | Stmt::Unread(_, span)
            | Stmt::If { span, .. }
            | Stmt::Loop { span, .. }
            | Stmt::Switch { span, .. }
            | Stmt::Case { span, .. }
            | Stmt::Label { span, .. }
            | Stmt::Goto { span, .. } => *span,
        }
    }
}
