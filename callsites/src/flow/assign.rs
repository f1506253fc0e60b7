// SPDX-License-Identifier: MIT OR Apache-2.0
//! Assignments and initialisers: where values are put.

use super::conditions::Written;
use super::expr::global_key;
use super::graph::{Few, Node};
use super::owned::page_of;
use super::state::{FieldId, FieldStore, Object, Touch};
use super::types::{Member, owner_of, pointee, record_of};
use super::walk::{Binding, Walk};
use crate::index::ir::{Expr, InitItem, Span, TypeRef};

/// Where an assignment goes.
enum Target {
    /// A local variable.
    Variable(usize),
    /// A field or global.
    Node(Node, Option<FieldId>),
    /// Whatever the pointers point to.
    Through(Vec<Node>),
    /// A constant, a bit field macro, something without a place.
    Nowhere,
}

impl<'p> Walk<'p, '_> {
    /// `target op value`; its value.
    pub(super) fn assignment(
        &mut self,
        op: &str,
        target: &'p Expr,
        value: &'p Expr,
        span: Span,
    ) -> Vec<Node> {
        if let Expr::Initialiser { items, .. } = value {
            let home = self.address(target, span);
            let ty = self.type_of(target).unwrap_or_default();
            self.initialise(&ty, &home, items);
            return home;
        }
        let mut values = self.eval(value);
        if op != "=" {
            values.extend(self.eval(target));
        } else if self.local(target).is_none() {
            let kept = self.kept(value, values.clone());
            self.assign(target, &kept, span);
            return values;
        }
        self.assign(target, &values, span);
        values
    }

    /// What is stored where `expr` is: a page that the function takes a reference on for what it stores is a page of
    /// that reference, and no longer of whoever acquired it.
    pub(super) fn kept(&mut self, expr: &'p Expr, values: Vec<Node>) -> Vec<Node> {
        if values.is_empty() || self.owned.is_empty() || self.text != self.function {
            return values;
        }
        let taken = Written::of(page_of(expr)).and_then(|page| self.owned.get(&page));
        let Some(&span) = taken else {
            return values;
        };
        let object = Object::Page(self.site(span));
        vec![self.state.only(self.context, span, 211, object)]
    }

    /// Puts `values` where `target` is.
    pub(super) fn assign(&mut self, target: &'p Expr, values: &[Node], span: Span) {
        match self.target(target) {
            Target::Variable(id) => {
                self.define(id, span, values, false);
            }
            Target::Node(node, field) => {
                for value in values {
                    self.state.graph.copy(*value, node);
                }
                if let Some(field) = field {
                    let site = self.site(span);
                    self.state.field_stores.push(FieldStore {
                        site,
                        field,
                        values: Few::from_slice(values),
                    });
                }
            }
            Target::Through(pointers) => {
                let site = self.site(span);
                self.state.touch(
                    self.context,
                    Touch {
                        site,
                        through: Few::from_slice(&pointers),
                        write: true,
                    },
                );
                self.state.store(values, &pointers);
            }
            Target::Nowhere => {
                let site = self.site(span);
                self.state.number(self.context, site, values);
            }
        }
    }

    fn target(&mut self, expr: &'p Expr) -> Target {
        match expr {
            Expr::Name(name, _) => match self.binding(name) {
                Some(Binding::Variable(id)) if !self.variables[id].aggregate => {
                    Target::Variable(id)
                }
                Some(Binding::Variable(id)) => Target::Through(self.address_of(id, expr.span())),
                Some(Binding::Argument {
                    expr,
                    frame,
                    context,
                }) => self.at_argument(frame, context, |walk| walk.target(expr)),
                None => match self.program.global(name, self.file) {
                    Some((file, _)) => {
                        let key = global_key(self.program.file(file), name);
                        Target::Node(self.state.global(key), None)
                    }
                    None => Target::Nowhere,
                },
            },
            Expr::Field {
                base,
                name,
                arrow,
                span,
                ..
            } => match self.member(base, name, *arrow) {
                Member::Carrier => Target::Through(self.base(base, *arrow)),
                Member::Number => {
                    let through = self.base(base, *arrow);
                    if !through.is_empty() {
                        let site = self.site(*span);
                        self.state.touch(
                            self.context,
                            Touch {
                                site,
                                through: through.into(),
                                write: true,
                            },
                        );
                    }
                    Target::Nowhere
                }
                Member::Field { field, .. } => {
                    let through = self.base(base, *arrow);
                    if !through.is_empty() {
                        let site = self.site(*span);
                        self.state.touch(
                            self.context,
                            Touch {
                                site,
                                through: through.into(),
                                write: true,
                            },
                        );
                    }
                    Target::Node(self.state.field_node(field), Some(field))
                }
            },
            Expr::Index { base, index, .. } => {
                self.index(index);
                Target::Through(self.eval(base))
            }
            Expr::Deref(operand, _) => Target::Through(self.eval(operand)),
            Expr::Cast { operand, .. } => self.target(operand),
            Expr::Unread(inner, _) if inner.len() == 1 => self.target(&inner[0]),
            _ => {
                self.eval(expr);
                Target::Nowhere
            }
        }
    }

    /// Puts the items of `{ … }` into the record or array that `home` points to.
    pub(super) fn initialise(&mut self, ty: &TypeRef, home: &[Node], items: &'p [InitItem]) {
        let element = if ty.arrays > 0 {
            pointee(ty.clone())
        } else {
            ty.clone()
        };
        let record = self
            .program
            .record(&element.name, self.file)
            .filter(|_| element.pointers == 0 && element.arrays == 0);
        let carrier = self.is_carrier(&element);
        for (at, item) in items.iter().enumerate() {
            let field = match (item.fields.last(), record) {
                (Some(name), _) => Some(name.as_str()),
                (None, Some(record)) if ty.arrays == 0 => {
                    record.fields.get(at).map(|member| member.name.as_str())
                }
                _ => None,
            };
            match (&item.value, field, record) {
                (Expr::Initialiser { items, .. }, None, _) => {
                    self.initialise(&element, home, items)
                }
                (value, Some(name), Some(record)) if !carrier => {
                    let found = self.program.member(record, name, self.file);
                    let owner = match found {
                        Some((owner, member)) => {
                            owner_of(self.program, &element.name, owner, member, self.file)
                        }
                        None => {
                            let owner = super::program::tag(&record.tag);
                            record_of(self.program, &element.name, owner, self.file)
                        }
                    };
                    let inner = found
                        .map(|(_, member)| member.ty.clone())
                        .unwrap_or_default();
                    let field = self.state.field(owner, name);
                    if let Expr::Initialiser { items, span } = value {
                        let home =
                            vec![
                                self.state
                                    .only(self.context, *span, 210, Object::Field(field)),
                            ];
                        self.initialise(&inner, &home, items);
                        continue;
                    }
                    let values = self.eval(value);
                    let node = self.state.field_node(field);
                    for value in &values {
                        self.state.graph.copy(*value, node);
                    }
                    let site = self.site(value.span());
                    self.state.field_stores.push(FieldStore {
                        site,
                        field,
                        values: values.into(),
                    });
                }
                (value, _, _) => {
                    let values = self.eval(value);
                    self.state.store(&values, home);
                }
            }
        }
    }
}
