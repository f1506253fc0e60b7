// SPDX-License-Identifier: MIT OR Apache-2.0
//! Expressions as values: which nodes an expression may be, and where an assignment puts them.

use super::graph::{Few, Node};
use super::state::{Object, Touch};
use super::types::Member;
use super::walk::{Binding, Walk};
use crate::index::ir::{Expr, OutlineKind, Span, Stmt};
use smol_str::{SmolStr, format_smolstr};

impl<'p> Walk<'p, '_> {
    /// Runs `f` where an argument of a macro was written.
    pub(super) fn at_argument<T>(
        &mut self,
        frame: usize,
        context: u32,
        f: impl FnOnce(&mut Self) -> T,
    ) -> T {
        let before = (self.frame, self.context);
        self.frame = frame;
        self.context = context;
        let out = f(self);
        (self.frame, self.context) = before;
        out
    }

    /// The address of a local variable.
    pub(super) fn address_of(&mut self, variable: usize, _span: Span) -> Vec<Node> {
        let (context, span) = self.variables[variable].home;
        vec![
            self.state
                .only(context, span, 201, Object::Local(context, span)),
        ]
    }

    /// The values an expression may be.
    pub(super) fn eval(&mut self, expr: &'p Expr) -> Vec<Node> {
        match expr {
            Expr::Name(name, span) => self.name(name, *span),
            Expr::Literal(..) | Expr::Sizeof(_) | Expr::Type(..) => Vec::new(),
            Expr::Field {
                base,
                name,
                arrow,
                span,
                ..
            } => self.field(base, name, *arrow, *span),
            Expr::Index { base, index, span } => {
                self.index(index);
                let pointers = self.eval(base);
                self.through(expr, pointers, *span)
            }
            Expr::Deref(operand, span) => {
                let pointers = self.eval(operand);
                self.through(expr, pointers, *span)
            }
            Expr::AddressOf(operand, span) => self.address(operand, *span),
            Expr::Cast { operand, .. } | Expr::Update { operand, .. } => self.eval(operand),
            Expr::Unary { op, operand, .. } => {
                let values = self.eval(operand);
                if op == "~" || op == "-" {
                    values
                } else {
                    Vec::new()
                }
            }
            Expr::Assign {
                op,
                target,
                value,
                span,
            } => self.assignment(op, target, value, *span),
            Expr::Binary {
                op, left, right, ..
            } => self.binary(op, left, right),
            Expr::Conditional {
                cond,
                then,
                otherwise,
                ..
            } => {
                let cond = self.eval(cond);
                let entry = self.env.clone();
                let mut values = match then {
                    Some(then) => self.eval(then),
                    None => cond,
                };
                let after = std::mem::replace(&mut self.env, entry);
                values.extend(self.eval(otherwise));
                self.env.join(&after, &mut self.sets);
                values
            }
            Expr::Block(statements, _) => {
                let before = self.enter();
                let values = self.block_value(statements);
                self.leave(before);
                values
            }
            Expr::Initialiser { items, .. } => {
                let mut values = Vec::new();
                for item in items {
                    values.extend(self.eval(&item.value));
                }
                values
            }
            Expr::Unread(inner, _) => inner.iter().flat_map(|inner| self.eval(inner)).collect(),
            Expr::Call { callee, args, span } => self.call(callee, args, *span),
        }
    }

    /// The value of a statement expression or a macro body: that of its last expression.
    pub(super) fn block_value(&mut self, statements: &'p [Stmt]) -> Vec<Node> {
        match statements.split_last() {
            Some((Stmt::Expr(last, _) | Stmt::Return(Some(last), _), before)) => {
                self.block(before);
                self.eval(last)
            }
            _ => {
                self.block(statements);
                Vec::new()
            }
        }
    }

    fn name(&mut self, name: &'p str, span: Span) -> Vec<Node> {
        match self.binding(name) {
            Some(Binding::Variable(id)) if self.variables[id].aggregate => {
                self.address_of(id, span)
            }
            Some(Binding::Variable(id)) => self.sets.get(self.env.get(id)).to_vec(),
            Some(Binding::Argument {
                expr,
                frame,
                context,
            }) => self.at_argument(frame, context, |walk| walk.eval(expr)),
            None => self.outer_name(name, span),
        }
    }

    fn outer_name(&mut self, name: &'p str, span: Span) -> Vec<Node> {
        if let Some((file, global)) = self.program.global(name, self.file) {
            let key = global_key(self.program.file(file), name);
            let aggregate = global.ty.arrays > 0 || self.is_record(&global.ty);
            let node = self.state.global(key.clone());
            if aggregate {
                return vec![
                    self.state
                        .only(self.context, span, 202, Object::Global(key)),
                ];
            }
            return vec![node];
        }
        if self.is_function(name) {
            return vec![self.state.only(
                self.context,
                span,
                203,
                Object::Function(name.into(), self.file),
            )];
        }
        Vec::new()
    }

    /// Whether `name` is a function as seen from here, read or not.
    pub(super) fn is_function(&self, name: &str) -> bool {
        let outline = &self.program.file(self.file).outline;
        outline
            .iter()
            .any(|item| item.kind == OutlineKind::Function && item.name == name)
            || !self.program.resolve(name, self.file).is_empty()
    }

    /// A load through pointers; of an array element that is itself an array or struct, its address.
    fn through(&mut self, expr: &'p Expr, pointers: Vec<Node>, span: Span) -> Vec<Node> {
        if pointers.is_empty() {
            return pointers;
        }
        if let Some(ty) = self.type_of(expr) {
            if ty.arrays > 0 || self.is_record(&ty) {
                return pointers;
            }
        }
        let site = self.site(span);
        self.state.touch(
            self.context,
            Touch {
                site,
                through: Few::from_slice(&pointers),
                write: false,
            },
        );
        self.state.load(self.context, span, 204, &pointers)
    }

    fn field(&mut self, base: &'p Expr, name: &'p str, arrow: bool, span: Span) -> Vec<Node> {
        match self.member(base, name, arrow) {
            Member::Number => {
                let through = self.base(base, arrow);
                if !through.is_empty() {
                    let site = self.site(span);
                    self.state.touch(
                        self.context,
                        Touch {
                            site,
                            through: through.into(),
                            write: false,
                        },
                    );
                }
                Vec::new()
            }
            Member::Carrier => {
                let mut values = self.base(base, arrow);
                let held = self.state.load(self.context, span, 205, &values);
                values.extend(held);
                values
            }
            Member::Field { field, aggregate } => {
                let through = self.base(base, arrow);
                if !through.is_empty() {
                    let site = self.site(span);
                    self.state.touch(
                        self.context,
                        Touch {
                            site,
                            through: through.into(),
                            write: false,
                        },
                    );
                }
                if aggregate {
                    return vec![
                        self.state
                            .only(self.context, span, 206, Object::Field(field)),
                    ];
                }
                vec![self.state.field_node(field)]
            }
        }
    }

    /// The index of an array: what is computed with there says where, and goes no further.
    pub(super) fn index(&mut self, index: &'p Expr) {
        self.eval(index);
        let mut values = Vec::new();
        self.terms(index, &mut values);
        let site = self.site(index.span());
        self.state.number(self.context, site, &values);
    }

    /// The values that a number is computed from: `pfn` of `pfn / BITS_PER_LONG`.
    fn terms(&mut self, expr: &'p Expr, out: &mut Vec<Node>) {
        match expr {
            Expr::Binary { left, right, .. } => {
                self.terms(left, out);
                self.terms(right, out);
            }
            Expr::Cast { operand, .. } => self.terms(operand, out),
            Expr::Call { args, .. } => args.iter().for_each(|arg| self.terms(arg, out)),
            Expr::Name(..) | Expr::Field { .. } => out.extend(self.eval(expr)),
            _ => {}
        }
    }

    /// The pointer under `base->` or the address of `base` in `base.`.
    pub(super) fn base(&mut self, base: &'p Expr, arrow: bool) -> Vec<Node> {
        if arrow {
            self.eval(base)
        } else {
            self.address(base, base.span())
        }
    }

    /// The values of `&expr`.
    pub(super) fn address(&mut self, expr: &'p Expr, span: Span) -> Vec<Node> {
        match expr {
            Expr::Name(name, _) => match self.binding(name) {
                Some(Binding::Variable(id)) => {
                    let home = self.address_of(id, span);
                    if !self.variables[id].aggregate {
                        self.expose(id, &home, span);
                    }
                    home
                }
                Some(Binding::Argument {
                    expr,
                    frame,
                    context,
                }) => self.at_argument(frame, context, |walk| walk.address(expr, span)),
                None => match self.program.global(name, self.file) {
                    Some((file, _)) => {
                        let key = global_key(self.program.file(file), name);
                        self.state.global(key.clone());
                        vec![
                            self.state
                                .only(self.context, span, 207, Object::Global(key)),
                        ]
                    }
                    None => self.outer_name(name, span),
                },
            },
            Expr::Field {
                base, name, arrow, ..
            } => match self.member(base, name, *arrow) {
                Member::Number => {
                    self.base(base, *arrow);
                    Vec::new()
                }
                Member::Carrier => self.base(base, *arrow),
                Member::Field { field, .. } => {
                    self.base(base, *arrow);
                    vec![
                        self.state
                            .only(self.context, span, 208, Object::Field(field)),
                    ]
                }
            },
            Expr::Index { base, index, .. } => {
                self.index(index);
                self.eval(base)
            }
            Expr::Deref(operand, _) => self.eval(operand),
            Expr::Cast { operand, .. } => self.address(operand, span),
            _ => self.eval(expr),
        }
    }

    /// The address of a variable got out: from here on it may be what others put there.
    fn expose(&mut self, id: usize, home: &[Node], span: Span) {
        let (context, at) = self.variables[id].home;
        let content = self.state.load(context, at, 209, home);
        let now = self.sets.get(self.env.get(id)).to_vec();
        self.state.store(&now, home);
        let _ = span;
        let outside = self.sets.intern(content);
        let set = self.sets.union(self.env.get(id), outside);
        self.env.set(id, set);
    }

    fn binary(&mut self, op: &str, left: &'p Expr, right: &'p Expr) -> Vec<Node> {
        let values = self.eval(left);
        match op {
            "," => self.eval(right),
            "&&" | "||" => {
                let entry = self.env.clone();
                self.eval(right);
                self.env.join(&entry, &mut self.sets);
                Vec::new()
            }
            "&" => {
                self.eval(right);
                if is_page_mask(right) {
                    values
                } else {
                    Vec::new()
                }
            }
            "-" => {
                self.eval(right);
                // The difference of two addresses is a length, and no page.
                let difference = self
                    .type_of(right)
                    .is_some_and(|ty| ty.pointers > 0 || ty.arrays > 0);
                if difference { Vec::new() } else { values }
            }
            "<<" | ">>" => {
                self.eval(right);
                values
            }
            "+" | "|" => {
                let mut values = values;
                values.extend(self.eval(right));
                values
            }
            _ => {
                self.eval(right);
                Vec::new()
            }
        }
    }
}

/// `PAGE_MASK`, `~(size - 1)`: what is left is still the address of a page.
fn is_page_mask(expr: &Expr) -> bool {
    match expr {
        Expr::Name(name, _) => name.ends_with("_MASK"),
        Expr::Unary { op, operand, .. } => op == "~" && !is_page_mask(operand),
        Expr::Cast { operand, .. } => is_page_mask(operand),
        _ => false,
    }
}

/// The key of a variable at file scope: two files may each have a static one of that name, so the file goes with it
/// unless it is a header, whose declarations everybody shares.
pub(super) fn global_key(file: &crate::index::ir::FileFacts, name: &str) -> SmolStr {
    if file.path.extension() == Some("h") {
        name.into()
    } else {
        format_smolstr!("{}:{name}", file.path)
    }
}
