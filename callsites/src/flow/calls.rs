// SPDX-License-Identifier: MIT OR Apache-2.0
//! Calls: functions of the catalogue do what it says, macros are expanded, other functions get their arguments.

use super::graph::{Few, Node};
use super::program::FnId;
use super::state::{Call, IndirectCall, Object};
use super::walk::{Binding, Walk};
use crate::index::ir::{Expr, Linkage, Span, Stmt};
use refimpl::api::{Function, Place, Role, followed};

/// Macros inside macros are expanded to this depth. A macro that names itself ends here, and one that names others twice
/// grows sixteenfold and no further.
const DEPTH: u8 = 4;

impl<'p> Walk<'p, '_> {
    /// A call; its value.
    pub(super) fn call(&mut self, callee: &'p Expr, args: &'p [Expr], span: Span) -> Vec<Node> {
        if let Expr::Name(name, _) = callee {
            match self.binding(name) {
                None => return self.call_by_name(name, args, span),
                Some(Binding::Argument {
                    expr: Expr::Name(name, _),
                    ..
                }) if self.is_function(name) || followed().get(name).is_some() => {
                    return self.call_by_name(name, args, span);
                }
                Some(_) => {}
            }
        }
        let pointers = match callee {
            Expr::Deref(operand, _) => self.eval(operand),
            _ => self.eval(callee),
        };
        let values: Vec<_> = args.iter().map(|arg| self.eval(arg)).collect();
        let result = self.state.temp(self.context, span, 0);
        let opaque = self
            .state
            .object(Object::Opaque(self.site(span), self.context));
        self.state.graph.add(result, opaque);
        if let Some(pointer) = self.joined(&pointers, span, 1) {
            let site = self.site(span);
            self.state.record_indirect(
                self.context,
                IndirectCall {
                    site,
                    pointer,
                    args: values.into_iter().map(Few::from).collect(),
                    result,
                },
            );
        }
        vec![result]
    }

    fn joined(&mut self, nodes: &[Node], span: Span, tag: u8) -> Option<Node> {
        match nodes {
            [] => None,
            [one] => Some(*one),
            many => {
                let node = self.state.temp(self.context, span, tag);
                for from in many {
                    self.state.graph.copy(*from, node);
                }
                Some(node)
            }
        }
    }

    fn call_by_name(&mut self, name: &'p str, args: &'p [Expr], span: Span) -> Vec<Node> {
        if let Some(function) = self.program.listed(name, self.file) {
            return self.listed(function, args, span);
        }
        if let Some(values) = self.list_macro(name, args, span) {
            return values;
        }
        let targets = self.program.resolve(name, self.file);
        if let [target] = targets[..] {
            if self.program.function(target).linkage == Linkage::Macro && self.depth < DEPTH {
                return self.expand(target, args, span);
            }
        }
        let values: Vec<_> = args.iter().map(|arg| self.eval(arg)).collect();
        let result = self.state.temp(self.context, span, 0);
        if let [Expr::Type(..), ..] | [_, Expr::Type(..), ..] = args {
            // container_of() and its kin: the record around its first argument; records are told apart by type.
            return values.into_iter().next().unwrap_or_default();
        }
        if targets.is_empty() {
            let opaque = self
                .state
                .object(Object::Opaque(self.site(span), self.context));
            self.state.graph.add(result, opaque);
            self.callbacks(args, &values);
        }
        for target in &targets {
            self.state.callees.insert((self.function, *target));
            self.state.link(self.program, *target, &values, result);
        }
        let site = self.site(span);
        let mut pointers = Vec::new();
        if targets.is_empty() {
            for (arg, values) in args.iter().zip(&values) {
                let number = self
                    .type_of(arg)
                    .is_some_and(|ty| self.program.is_number(&ty, self.file));
                if !number {
                    pointers.extend(values);
                }
            }
        }
        let call = Call {
            site,
            name: name.into(),
            targets: targets.into(),
            listed: false,
            args: values.into_iter().map(Few::from).collect(),
            pointers: pointers.into(),
            result,
        };
        self.state.record(self.context, call);
        vec![result]
    }

    /// A function given to an unread one will be called, with what is given beside it: kref_put(), INIT_WORK().
    fn callbacks(&mut self, args: &'p [Expr], values: &[Vec<Node>]) {
        for (at, arg) in args.iter().enumerate() {
            let name = match arg {
                Expr::Name(name, _) => name,
                Expr::AddressOf(inner, _) => match inner.as_ref() {
                    Expr::Name(name, _) => name,
                    _ => continue,
                },
                _ => continue,
            };
            if self.binding(name).is_some() || !self.is_function(name) {
                continue;
            }
            let beside: Vec<Node> = values
                .iter()
                .enumerate()
                .filter(|(n, _)| *n != at)
                .flat_map(|(_, v)| v.clone())
                .collect();
            for target in self.program.resolve(name, self.file) {
                self.state.callees.insert((self.function, target));
                for param in 0..self.program.function(target).params.len() {
                    let param = self.state.param(target, param as u32);
                    for value in &beside {
                        self.state.graph.copy(*value, param);
                    }
                }
            }
        }
    }

    /// Walks the body of a macro in place of its call.
    fn expand(&mut self, target: FnId, args: &'p [Expr], span: Span) -> Vec<Node> {
        let site = self.site(span);
        let result = self.state.temp(self.context, span, 0);
        let call = Call {
            site,
            name: self.program.function(target).name.clone(),
            targets: Few::from_slice(&[target]),
            listed: false,
            args: Vec::new(),
            pointers: Few::new(),
            result,
        };
        self.state.record(self.context, call);
        let program = self.program;
        self.in_macro(target, args, span.start, |walk| {
            let text = std::mem::replace(&mut walk.text, target);
            let values = walk.block_value(&program.function(target).body);
            walk.text = text;
            values
        })
    }

    /// Runs `f` with the parameters of a macro bound to expressions.
    pub(super) fn in_macro<T>(
        &mut self,
        target: FnId,
        args: &'p [Expr],
        at: u32,
        f: impl FnOnce(&mut Self) -> T,
    ) -> T {
        let (frame, context) = (self.frame, self.context);
        let before = self.enter();
        for (param, expr) in self.program.function(target).params.iter().zip(args) {
            self.bind(
                &param.name,
                Binding::Argument {
                    expr,
                    frame,
                    context,
                },
            );
        }
        self.context = self.state.context(context, at);
        self.depth += 1;
        let out = f(self);
        self.depth -= 1;
        self.context = context;
        self.leave(before);
        out
    }

    /// Lists linked through a member of struct page: list_add(&page->lru, &head).
    fn list_macro(&mut self, name: &str, args: &'p [Expr], span: Span) -> Option<Vec<Node>> {
        match (name, args) {
            (
                "list_add" | "list_add_tail" | "list_move" | "list_move_tail",
                [Expr::AddressOf(entry, _), head],
            ) => {
                let Expr::Field {
                    base, arrow: true, ..
                } = entry.as_ref()
                else {
                    return None;
                };
                let values = self.eval(base);
                let home = self.eval(head);
                self.state.store(&values, &home);
                Some(Vec::new())
            }
            (
                "list_first_entry" | "list_last_entry" | "list_first_entry_or_null" | "list_entry",
                [head, Expr::Type(ty, _), _],
            ) if matches!(ty.name.as_str(), "struct page" | "struct folio") => {
                let home = self.eval(head);
                let mut values = self.state.load(self.context, span, 3, &home);
                values.extend(home);
                Some(values)
            }
            _ => None,
        }
    }

    /// The head of an iterating macro.
    pub(super) fn iterator(
        &mut self,
        name: &'p str,
        name_span: Span,
        args: &'p [Expr],
        span: Span,
    ) {
        let _ = name_span;
        if name.starts_with("list_for_each_entry") {
            if let [position, rest @ ..] = args {
                let is_head = |arg: &&Expr| matches!(arg, Expr::AddressOf(..) | Expr::Field { .. });
                if let Some(head) = rest.iter().find(is_head) {
                    let home = self.eval(head);
                    let values = self.state.load(self.context, span, 4, &home);
                    self.assign(position, &values, span);
                }
            }
            return;
        }
        if let Some(function) = followed().get(name) {
            self.listed(function, args, span);
            return;
        }
        let targets = self.program.resolve(name, self.file);
        let only = match targets[..] {
            [target] if self.depth < DEPTH => Some(target),
            _ => None,
        };
        if let Some(target) = only {
            let program = self.program;
            self.in_macro(target, args, span.start, |walk| {
                let text = std::mem::replace(&mut walk.text, target);
                walk.loop_head(&program.function(target).body);
                walk.text = text;
            });
        } else if targets.is_empty() {
            self.state
                .calls_of_unknown_iterators
                .insert((name.into(), self.file));
        }
        // Whatever the macro is, a page pointer it is given comes out of what else it is given.
        let page = args.iter().position(|arg| {
            self.type_of(arg).is_some_and(|ty| {
                ty.pointers == 1 && matches!(ty.name.as_str(), "struct page" | "struct folio")
            })
        });
        if let Some(page) = page {
            let mut values = Vec::new();
            for (at, arg) in args.iter().enumerate().filter(|(at, _)| *at != page) {
                let given = self.eval(arg);
                values.extend(self.state.load(self.context, span, 10 + at as u8, &given));
            }
            match self.local(&args[page]) {
                Some(id) => self.define(id, span, &values, true),
                None => self.assign(&args[page], &values, span),
            }
        } else {
            for arg in args {
                self.eval(arg);
            }
        }
    }

    /// The loops a macro opens, their bodies left to the caller.
    fn loop_head(&mut self, body: &'p [Stmt]) {
        for statement in body {
            if let Stmt::Loop {
                init,
                cond,
                step,
                body,
                ..
            } = statement
            {
                if let Some(Stmt::Expr(init, _)) = init.as_deref() {
                    self.eval(init);
                }
                for expr in cond.iter().chain(step) {
                    self.eval(expr);
                }
                self.loop_head(std::slice::from_ref(body));
            }
        }
    }

    fn listed(&mut self, function: &'static Function, args: &'p [Expr], span: Span) -> Vec<Node> {
        let values: Vec<_> = args.iter().map(|arg| self.eval(arg)).collect();
        let result = self.state.temp(self.context, span, 0);
        let site = self.site(span);
        for (n, flow) in function.flows(args.len()).iter().enumerate() {
            let tag = 20 + 8 * n as u8;
            let from: Vec<Node> = match flow.from {
                Place::New => vec![self.state.only(self.context, span, tag, Object::Page(site))],
                Place::Box => vec![self.state.only(
                    self.context,
                    span,
                    tag,
                    Object::Memory(site, self.context),
                )],
                Place::Return | Place::ReturnTarget => Vec::new(),
                Place::Argument(at) => {
                    let given = values.get(at).cloned().unwrap_or_default();
                    match args.get(at) {
                        Some(arg) if function.role == Role::Store => self.kept(arg, given),
                        _ => given,
                    }
                }
                Place::Target(at) => match values.get(at) {
                    Some(pointers) => self.state.load(self.context, span, tag + 1, pointers),
                    None => Vec::new(),
                },
                Place::TargetTarget(_) => Vec::new(),
            };
            self.put(flow.to, &from, args, &values, result, span, tag + 2);
        }
        if function.role == Role::Reference {
            if let Some(at) = function.page_argument(args.len()) {
                if let Some(values) = values.get(at) {
                    self.state.references.push((site, Few::from_slice(values)));
                }
            }
        }
        let call = Call {
            site,
            name: function.name.clone().into(),
            targets: Few::new(),
            listed: true,
            args: values.into_iter().map(Few::from).collect(),
            pointers: Few::new(),
            result,
        };
        self.state.record(self.context, call);
        vec![result]
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "one flow of one call, said in full"
    )]
    fn put(
        &mut self,
        to: Place,
        from: &[Node],
        args: &'p [Expr],
        values: &[Vec<Node>],
        result: Node,
        span: Span,
        tag: u8,
    ) {
        match to {
            Place::Return => {
                for value in from {
                    self.state.graph.copy(*value, result);
                }
            }
            Place::ReturnTarget => self.state.store(from, &[result]),
            Place::Argument(at) => {
                if let Some(arg) = args.get(at) {
                    self.assign(arg, from, span);
                }
            }
            Place::Target(at) => match args.get(at) {
                Some(Expr::AddressOf(inner, _)) => match self.local(inner) {
                    Some(id) => {
                        // What is put there is found there; a definition beside it tells its place.
                        if !self.is_crowded(id) {
                            self.define(id, span, from, true);
                        }
                        self.state.store(from, &values[at]);
                    }
                    None => self.state.store(from, &values[at]),
                },
                Some(_) => self.state.store(from, &values[at]),
                None => {}
            },
            Place::TargetTarget(at) => {
                let Some(arg) = args.get(at) else { return };
                let pointers = match arg {
                    Expr::AddressOf(inner, _) => self.eval(inner),
                    _ => self.state.load(self.context, span, tag, &values[at]),
                };
                self.state.store(from, &pointers);
            }
            Place::New | Place::Box => {}
        }
    }

    pub(super) fn local(&self, expr: &'p Expr) -> Option<usize> {
        match expr {
            Expr::Name(name, _) => match self.binding(name) {
                Some(Binding::Variable(id)) if !self.variables[id].aggregate => Some(id),
                _ => None,
            },
            _ => None,
        }
    }
}
