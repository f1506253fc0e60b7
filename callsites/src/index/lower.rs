// SPDX-License-Identifier: MIT OR Apache-2.0
//! From tree-sitter's nodes to the reduced C: statements and local declarations; [`super::expressions`] does the rest.
//!
//! Nothing is dropped: a node that is not understood becomes `Unread` around what could be read inside it.

use super::ir::{Declaration, Expr, LoopKind, Span, Stmt, TypeRef};
use super::mask::Mark;
use smol_str::SmolStr;
use std::collections::HashMap;
use tree_sitter::Node;

/// How deep statements and expressions may nest before the rest is listed as unread.
pub const DEPTH_LIMIT: u32 = 200;

/// What the lowering needs beside the tree.
pub struct Lowerer<'a> {
    /// The original bytes of the file.
    pub bytes: &'a [u8],
    /// What to add to an offset in the parsed text to get one in the file.
    pub base: i64,
    /// What was rewritten, by offset in the file.
    pub marks: &'a HashMap<u32, Mark>,
    /// Whether anything was not understood, and where first.
    pub unread: Option<(Span, &'static str)>,
    /// Current nesting.
    pub depth: u32,
}

impl<'a> Lowerer<'a> {
    /// A lowering of text that begins at `start` in the file, after `prefix` bytes of its own.
    pub fn new(bytes: &'a [u8], start: u32, prefix: usize, marks: &'a HashMap<u32, Mark>) -> Self {
        Lowerer {
            bytes,
            base: i64::from(start) - prefix as i64,
            marks,
            unread: None,
            depth: 0,
        }
    }

    /// The bytes of a node in the file.
    pub fn span(&self, node: Node<'_>) -> Span {
        let clamp = |at: usize| (at as i64 + self.base).clamp(0, self.bytes.len() as i64) as u32;
        Span {
            start: clamp(node.start_byte()),
            end: clamp(node.end_byte()),
        }
    }

    /// The original text of a span.
    pub fn text(&self, span: Span) -> SmolStr {
        String::from_utf8_lossy(&self.bytes[span.start as usize..span.end as usize]).into()
    }

    /// What stood at a node before it was masked.
    pub fn mark(&self, node: Node<'_>) -> Option<&'a Mark> {
        self.marks.get(&self.span(node).start)
    }

    /// Notes that something was not understood.
    pub fn note(&mut self, span: Span, why: &'static str) {
        self.unread.get_or_insert((span, why));
    }

    /// Lowers the statements among a node's children.
    pub fn statements(&mut self, node: Node<'_>) -> Vec<Stmt> {
        let mut out = Vec::new();
        let mut cursor = node.walk();
        for child in node.children(&mut cursor) {
            self.push(child, &mut out);
        }
        out
    }

    /// Lowers one statement to one; several become a block.
    fn statement(&mut self, node: Option<Node<'_>>) -> Box<Stmt> {
        let mut out = Vec::new();
        let span = node.map_or_else(Span::default, |n| self.span(n));
        if let Some(node) = node {
            self.push(node, &mut out);
        }
        Box::new(match out.len() {
            1 => out.remove(0),
            _ => Stmt::Block(out, span),
        })
    }

    /// Lowers a node that stands where statements do.
    pub fn push(&mut self, node: Node<'_>, out: &mut Vec<Stmt>) {
        if self.depth >= DEPTH_LIMIT {
            let span = self.span(node);
            self.note(span, "nested too deep");
            return out.push(Stmt::Unread(Vec::new(), span));
        }
        self.depth += 1;
        self.push_known(node, out);
        self.depth -= 1;
    }

    fn push_known(&mut self, node: Node<'_>, out: &mut Vec<Stmt>) {
        let span = self.span(node);
        let field = |name: &str| node.child_by_field_name(name);
        match node.kind() {
            "expression_statement" => match node.named_child(0) {
                Some(inner) => {
                    let expr = self.expr(inner);
                    out.push(Stmt::Expr(expr, span));
                }
                None => out.push(Stmt::Block(Vec::new(), span)),
            },
            "declaration" => self.declaration(node, out),
            "compound_statement" => match self.mark(node) {
                Some(Mark::Arms(conditions)) if node.named_child_count() == conditions.len() => {
                    let mut cursor = node.walk();
                    let blocks: Vec<Node<'_>> = node.named_children(&mut cursor).collect();
                    let arms = conditions
                        .iter()
                        .zip(blocks)
                        .map(|(c, block)| (c.clone(), self.statements(block)))
                        .collect();
                    out.push(Stmt::Arms(arms, span));
                }
                _ => {
                    let body = self.statements(node);
                    out.push(Stmt::Block(body, span));
                }
            },
            "if_statement" => {
                let cond = self.condition(field("condition"));
                let then = self.statement(field("consequence"));
                let otherwise = field("alternative").map(|clause| {
                    let inner = (0..clause.named_child_count() as u32)
                        .rev()
                        .find_map(|n| clause.named_child(n));
                    self.statement(inner)
                });
                out.push(Stmt::If {
                    cond,
                    then,
                    otherwise,
                    span,
                });
            }
            "while_statement" => {
                let kind = match self.mark(node) {
                    Some(Mark::Iterator { name, empty }) => {
                        let args = if *empty {
                            Vec::new()
                        } else {
                            self.arguments_of_condition(field("condition"))
                        };
                        Some(LoopKind::Iterator {
                            name: self.text(*name),
                            name_span: *name,
                            args,
                        })
                    }
                    _ => None,
                };
                let cond = if kind.is_none() {
                    Some(self.condition(field("condition")))
                } else {
                    None
                };
                let body = self.statement(field("body"));
                out.push(Stmt::Loop {
                    kind: kind.unwrap_or(LoopKind::While),
                    init: None,
                    cond,
                    step: None,
                    body,
                    span,
                });
            }
            "do_statement" => {
                let body = self.statement(field("body"));
                let cond = Some(self.condition(field("condition")));
                out.push(Stmt::Loop {
                    kind: LoopKind::DoWhile,
                    init: None,
                    cond,
                    step: None,
                    body,
                    span,
                });
            }
            "for_statement" => {
                let init = field("initializer").map(|inner| {
                    if inner.kind() == "declaration" {
                        self.statement(Some(inner))
                    } else {
                        let span = self.span(inner);
                        Box::new(Stmt::Expr(self.expr(inner), span))
                    }
                });
                let cond = field("condition").map(|inner| self.expr(inner));
                let step = field("update").map(|inner| self.expr(inner));
                let body = self.statement(field("body"));
                self.note_errors(node);
                out.push(Stmt::Loop {
                    kind: LoopKind::For,
                    init,
                    cond,
                    step,
                    body,
                    span,
                });
            }
            "switch_statement" => {
                let value = self.condition(field("condition"));
                let body = self.statement(field("body"));
                out.push(Stmt::Switch { value, body, span });
            }
            "case_statement" => {
                let value_node = field("value");
                let value = value_node.map(|inner| self.expr(inner));
                let mut cursor = node.walk();
                let mut colon = span;
                for child in node.children(&mut cursor) {
                    if child.kind() == ":" {
                        colon.end = self.span(child).end;
                        out.push(Stmt::Case {
                            value: value.clone(),
                            span: colon,
                        });
                    } else if child.is_named() && Some(child.id()) != value_node.map(|v| v.id()) {
                        self.push(child, out);
                    }
                }
            }
            "labeled_statement" => {
                let label = field("label");
                if let Some(label) = label {
                    let span = self.span(label);
                    out.push(Stmt::Label {
                        name: self.text(span),
                        span,
                    });
                }
                let mut cursor = node.walk();
                for child in node.named_children(&mut cursor) {
                    if Some(child.id()) != label.map(|l| l.id()) {
                        self.push(child, out);
                    }
                }
            }
            "goto_statement" => match field("label") {
                Some(label) => {
                    let name = self.span(label);
                    out.push(Stmt::Goto {
                        name: self.text(name),
                        span,
                    });
                }
                None => self.unread_statement(node, out),
            },
            "return_statement" => {
                let value = node.named_child(0).map(|inner| self.expr(inner));
                out.push(Stmt::Return(value, span));
            }
            "break_statement" => out.push(Stmt::Break(span)),
            "continue_statement" => out.push(Stmt::Continue(span)),
            "attributed_statement" | "else_clause" => out.extend(self.statements(node)),
            "type_definition" | "struct_specifier" | "union_specifier" | "enum_specifier"
            | "comment" => {}
            ";" | "{" | "}" | "else" => {}
            "ERROR" | "function_definition" => self.unread_statement(node, out),
            _ if !node.is_named() => {}
            kind if kind.ends_with("_expression")
                || matches!(kind, "identifier" | "string_literal" | "number_literal") =>
            {
                let expr = self.expr(node);
                out.push(Stmt::Expr(expr, span));
            }
            _ => self.unread_statement(node, out),
        }
        if !matches!(node.kind(), "compound_statement" | "for_statement") {
            self.note_errors(node);
        }
    }

    /// Lowers what can be read inside a node that is not understood.
    fn unread_statement(&mut self, node: Node<'_>, out: &mut Vec<Stmt>) {
        let span = self.span(node);
        self.note(span, "syntax error");
        let children = self.statements(node);
        out.push(Stmt::Unread(children, span));
    }

    /// Notes error nodes that no other rule looks at, among direct children.
    fn note_errors(&mut self, node: Node<'_>) {
        if !node.has_error() {
            return;
        }
        let mut cursor = node.walk();
        for child in node.children(&mut cursor) {
            if child.is_missing() && child.kind() != ";" {
                let span = self.span(child);
                self.note(span, "syntax error");
            }
        }
    }

    fn condition(&mut self, node: Option<Node<'_>>) -> Expr {
        match node {
            Some(node) => self.expr(node),
            None => Expr::Unread(Vec::new(), Span::default()),
        }
    }

    fn arguments_of_condition(&mut self, node: Option<Node<'_>>) -> Vec<Expr> {
        let mut out = Vec::new();
        let Some(node) = node else { return out };
        let mut cursor = node.walk();
        for child in node.named_children(&mut cursor) {
            let mut rest = child;
            while rest.kind() == "comma_expression" {
                let (Some(left), Some(right)) = (
                    rest.child_by_field_name("left"),
                    rest.child_by_field_name("right"),
                ) else {
                    break;
                };
                out.push(self.expr(left));
                rest = right;
            }
            out.push(self.expr(rest));
        }
        out
    }

    fn declaration(&mut self, node: Node<'_>, out: &mut Vec<Stmt>) {
        let statement = self.span(node);
        let base = node
            .child_by_field_name("type")
            .map_or_else(TypeRef::default, |ty| self.type_of(ty));
        let mut declarations = Vec::new();
        let mut loose = Vec::new();
        let mut cursor = node.walk();
        for child in node.children(&mut cursor) {
            match child.kind() {
                "init_declarator" => {
                    let inner = child.child_by_field_name("declarator");
                    let init = child
                        .child_by_field_name("value")
                        .map(|value| self.expr(value));
                    if let Some(inner) = inner {
                        declarations.push(self.declared(inner, &base, init, statement));
                    }
                }
                "identifier"
                | "pointer_declarator"
                | "array_declarator"
                | "function_declarator"
                | "parenthesized_declarator"
                | "attributed_declarator" => {
                    if let Some(call) = self.call_in_disguise(node, child, &base) {
                        return out.push(Stmt::Expr(call, statement));
                    }
                    declarations.push(self.declared(child, &base, None, statement));
                    self.sizes(child, &mut loose);
                }
                "ERROR" => {
                    let span = self.span(child);
                    self.note(span, "syntax error");
                    loose.extend(self.statements(child));
                }
                _ => {}
            }
        }
        out.push(Stmt::Decl(declarations, statement));
        out.append(&mut loose);
    }

    /// `put(*pages);` can be read as a declaration of `pages`: a type name, then a declarator in parentheses.
    fn call_in_disguise(
        &mut self,
        node: Node<'_>,
        declarator: Node<'_>,
        base: &TypeRef,
    ) -> Option<Expr> {
        let ty = node.child_by_field_name("type")?;
        if ty.kind() != "type_identifier"
            || declarator.kind() != "parenthesized_declarator"
            || self.mark(ty).is_some()
        {
            return None;
        }
        let name_span = self.span(ty);
        let argument = self.declarator_as_expr(declarator)?;
        let span = Span {
            start: name_span.start,
            end: self.span(declarator).end,
        };
        Some(Expr::Call {
            callee: Box::new(Expr::Name(base.name.clone(), name_span)),
            args: vec![argument],
            span,
        })
    }

    fn declarator_as_expr(&mut self, node: Node<'_>) -> Option<Expr> {
        let span = self.span(node);
        match node.kind() {
            "identifier" => Some(Expr::Name(self.text(span), span)),
            "parenthesized_declarator" => node
                .named_child(0)
                .and_then(|inner| self.declarator_as_expr(inner)),
            "pointer_declarator" => {
                let inner = self.declarator_as_expr(node.child_by_field_name("declarator")?)?;
                Some(Expr::Deref(Box::new(inner), span))
            }
            "array_declarator" => {
                let base =
                    Box::new(self.declarator_as_expr(node.child_by_field_name("declarator")?)?);
                let index = Box::new(self.expr(node.child_by_field_name("size")?));
                Some(Expr::Index { base, index, span })
            }
            _ => None,
        }
    }

    /// Calls in array sizes are expressions of their own.
    fn sizes(&mut self, node: Node<'_>, out: &mut Vec<Stmt>) {
        let mut rest = Some(node);
        while let Some(node) = rest {
            if let Some(size) = node
                .child_by_field_name("size")
                .filter(|size| size.kind() == "call_expression")
            {
                let span = self.span(size);
                let expr = self.expr(size);
                out.push(Stmt::Expr(expr, span));
            }
            rest = node.child_by_field_name("declarator");
        }
    }

    fn declared(
        &mut self,
        node: Node<'_>,
        base: &TypeRef,
        init: Option<Expr>,
        statement: Span,
    ) -> Declaration {
        let mut ty = base.clone();
        let mut name = String::new();
        let mut rest = Some(node);
        let mut pointers_inside = 0;
        while let Some(node) = rest {
            match node.kind() {
                "pointer_declarator" => {
                    ty.pointers = ty.pointers.saturating_add(1);
                    pointers_inside += 1;
                }
                "array_declarator" => ty.arrays = ty.arrays.saturating_add(1),
                "function_declarator" => {
                    ty.function = true;
                    pointers_inside = 0;
                }
                "identifier" | "type_identifier" | "field_identifier" => {
                    let span = self.span(node);
                    name = self.text(span).to_string();
                }
                _ => {}
            }
            rest = node.child_by_field_name("declarator").or_else(|| {
                matches!(
                    node.kind(),
                    "parenthesized_declarator" | "attributed_declarator"
                )
                .then(|| node.named_child(0))
                .flatten()
            });
        }
        if ty.function {
            ty.pointers = ty.pointers.saturating_sub(pointers_inside);
        }
        Declaration {
            name: name.into(),
            ty,
            init,
            span: self.span(node),
            statement,
        }
    }

    /// The type a specifier or a type descriptor names.
    pub fn type_of(&mut self, node: Node<'_>) -> TypeRef {
        if let Some(Mark::Type(ty, _)) = self.mark(node) {
            return ty.clone();
        }
        let span = self.span(node);
        match node.kind() {
            "struct_specifier" | "union_specifier" | "enum_specifier" => {
                let keyword = node.kind().trim_end_matches("_specifier");
                let tag = node
                    .child_by_field_name("name")
                    .map(|n| self.text(self.span(n)))
                    .unwrap_or_default();
                TypeRef {
                    name: format!("{keyword} {tag}").trim_end().into(),
                    ..TypeRef::default()
                }
            }
            "type_descriptor" => {
                let mut ty = node
                    .child_by_field_name("type")
                    .map_or_else(TypeRef::default, |inner| self.type_of(inner));
                let mut rest = node.child_by_field_name("declarator");
                while let Some(inner) = rest {
                    match inner.kind() {
                        "abstract_pointer_declarator" => {
                            ty.pointers = ty.pointers.saturating_add(1)
                        }
                        "abstract_array_declarator" => ty.arrays = ty.arrays.saturating_add(1),
                        "abstract_function_declarator" => ty.function = true,
                        _ => {}
                    }
                    rest = inner.child_by_field_name("declarator").or_else(|| {
                        (inner.kind() == "abstract_parenthesized_declarator")
                            .then(|| inner.named_child(0))
                            .flatten()
                    });
                }
                ty
            }
            _ => {
                let text = self.text(span);
                TypeRef {
                    name: text.split_whitespace().collect::<Vec<_>>().join(" ").into(),
                    ..TypeRef::default()
                }
            }
        }
    }
}
