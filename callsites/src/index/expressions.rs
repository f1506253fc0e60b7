// SPDX-License-Identifier: MIT OR Apache-2.0
//! From tree-sitter's nodes to the reduced C: expressions and initialisers.

use super::ir::{Expr, InitItem, Span, TypeRef};
use super::lower::{DEPTH_LIMIT, Lowerer};
use super::mask::Mark;
use super::words;
use smol_str::SmolStr;
use tree_sitter::Node;

impl Lowerer<'_> {
    /// Lowers an expression; parentheses fall away.
    pub fn expr(&mut self, node: Node<'_>) -> Expr {
        if self.depth >= DEPTH_LIMIT {
            let span = self.span(node);
            self.note(span, "nested too deep");
            return Expr::Unread(Vec::new(), span);
        }
        self.depth += 1;
        let expr = self.expr_known(node);
        self.depth -= 1;
        expr
    }

    fn expr_known(&mut self, node: Node<'_>) -> Expr {
        let span = self.span(node);
        if node.has_error() {
            self.note_missing(node);
        }
        match node.kind() {
            "identifier" | "field_identifier" | "type_identifier" | "primitive_type" => {
                match self.mark(node) {
                    Some(Mark::Type(ty, span)) => Expr::Type(ty.clone(), *span),
                    Some(Mark::Opaque(span)) => Expr::Sizeof(*span),
                    _ => Expr::Name(self.text(span), span),
                }
            }
            "number_literal"
            | "string_literal"
            | "concatenated_string"
            | "char_literal"
            | "true"
            | "false"
            | "null" => Expr::Literal(self.text(span), span),
            "parenthesized_expression" => match node.named_child(0) {
                Some(inner) if node.named_child_count() == 1 => self.expr(inner),
                _ => self.unread_expr(node),
            },
            "compound_statement" => Expr::Block(self.statements(node), span),
            "extension_expression" => node
                .named_child(0)
                .map_or(Expr::Unread(Vec::new(), span), |inner| self.expr(inner)),
            "call_expression" => self.call(node, span),
            "field_expression" => self.field(node, span),
            "subscript_expression" => match (self.part(node, "argument"), self.part(node, "index"))
            {
                (Some(base), Some(index)) => Expr::Index { base, index, span },
                _ => self.unread_expr(node),
            },
            "pointer_expression" => match self.part(node, "argument") {
                Some(operand) if self.operator(node) == "&" => Expr::AddressOf(operand, span),
                Some(operand) => Expr::Deref(operand, span),
                None => self.unread_expr(node),
            },
            "unary_expression" => match self.part(node, "argument") {
                Some(operand) => Expr::Unary {
                    op: self.operator(node),
                    operand,
                    span,
                },
                None => self.unread_expr(node),
            },
            "update_expression" => {
                let prefix = node.child(0).is_some_and(|first| !first.is_named());
                match self.part(node, "argument") {
                    Some(operand) => Expr::Update {
                        op: self.operator(node),
                        prefix,
                        operand,
                        span,
                    },
                    None => self.unread_expr(node),
                }
            }
            "assignment_expression" => match (self.part(node, "left"), self.part(node, "right")) {
                (Some(target), Some(value)) => Expr::Assign {
                    op: self.operator(node),
                    target,
                    value,
                    span,
                },
                _ => self.unread_expr(node),
            },
            "binary_expression" | "comma_expression" => {
                match (self.part(node, "left"), self.part(node, "right")) {
                    (Some(left), Some(right)) => {
                        let op = if node.kind() == "comma_expression" {
                            ",".to_owned()
                        } else {
                            self.operator(node).to_string()
                        };
                        Expr::Binary {
                            op: op.into(),
                            left,
                            right,
                            span,
                        }
                    }
                    _ => self.unread_expr(node),
                }
            }
            "conditional_expression" => {
                match (self.part(node, "condition"), self.part(node, "alternative")) {
                    (Some(cond), Some(otherwise)) => Expr::Conditional {
                        cond,
                        then: self.part(node, "consequence"),
                        otherwise,
                        span,
                    },
                    _ => self.unread_expr(node),
                }
            }
            "cast_expression" | "compound_literal_expression" => {
                let ty = node
                    .child_by_field_name("type")
                    .map_or_else(TypeRef::default, |ty| self.type_of(ty));
                match self.part(node, "value") {
                    Some(operand) => Expr::Cast { ty, operand, span },
                    None => self.unread_expr(node),
                }
            }
            "sizeof_expression" | "alignof_expression" | "offsetof_expression" => {
                Expr::Sizeof(span)
            }
            "initializer_list" => self.initialiser(node, span),
            "type_descriptor" => Expr::Type(self.type_of(node), span),
            // Operands of inline assembly and arms of _Generic carry no page.
            "gnu_asm_expression" | "generic_expression" => Expr::Unread(self.children(node), span),
            _ => self.unread_expr(node),
        }
    }

    fn part(&mut self, node: Node<'_>, field: &str) -> Option<Box<Expr>> {
        node.child_by_field_name(field)
            .map(|inner| Box::new(self.expr(inner)))
    }

    fn operator(&self, node: Node<'_>) -> SmolStr {
        node.child_by_field_name("operator")
            .map(|op| {
                let text = self.text(self.span(op));
                if text == "." && node.kind() == "binary_expression" {
                    SmolStr::new_static("...")
                } else {
                    text
                }
            })
            .unwrap_or_default()
    }

    fn field(&mut self, node: Node<'_>, span: Span) -> Expr {
        let (Some(base), Some(name)) = (
            self.part(node, "argument"),
            node.child_by_field_name("field"),
        ) else {
            return self.unread_expr(node);
        };
        let name_span = self.span(name);
        Expr::Field {
            base,
            name: self.text(name_span),
            arrow: self.operator(node) == "->",
            name_span,
            span,
        }
    }

    fn call(&mut self, node: Node<'_>, span: Span) -> Expr {
        let Some(callee) = self.part(node, "function") else {
            return self.unread_expr(node);
        };
        let mut args = Vec::new();
        if let Some(list) = node.child_by_field_name("arguments") {
            let mut cursor = list.walk();
            for child in list.named_children(&mut cursor) {
                if child.kind() != "comment" {
                    args.push(self.expr(child));
                }
            }
            if list.has_error() {
                self.note_missing(list);
            }
        }
        if let Expr::Name(name, _) = callee.as_ref() {
            if matches!(name.as_str(), "offsetof" | "__builtin_offsetof") {
                return Expr::Sizeof(span);
            }
            if let Some(Expr::Name(ty, at)) = words::type_argument(name)
                .and_then(|n| args.get(n))
                .cloned()
                && let Some(n) = words::type_argument(name)
            {
                args[n] = Expr::Type(
                    TypeRef {
                        name: ty,
                        ..TypeRef::default()
                    },
                    at,
                );
            }
        }
        Expr::Call {
            callee: Box::new(made_name(*callee)),
            args,
            span,
        }
    }

    fn initialiser(&mut self, node: Node<'_>, span: Span) -> Expr {
        let mut items = Vec::new();
        let mut cursor = node.walk();
        for child in node.named_children(&mut cursor) {
            if child.kind() == "comment" {
                continue;
            }
            if child.kind() != "initializer_pair" {
                items.push(InitItem {
                    fields: Vec::new(),
                    value: self.expr(child),
                });
                continue;
            }
            let mut fields = Vec::new();
            let mut inner = child.walk();
            for designator in child.children_by_field_name("designator", &mut inner) {
                let name = if designator.kind() == "field_designator" {
                    designator.named_child(0)
                } else {
                    Some(designator)
                };
                if let Some(name) = name.filter(|n| n.kind() == "field_identifier") {
                    fields.push(self.text(self.span(name)));
                }
            }
            if let Some(value) = child.child_by_field_name("value") {
                items.push(InitItem {
                    fields,
                    value: self.expr(value),
                });
            }
        }
        if node.has_error() {
            self.note_missing(node);
        }
        Expr::Initialiser { items, span }
    }

    fn unread_expr(&mut self, node: Node<'_>) -> Expr {
        let span = self.span(node);
        self.note(span, "syntax error");
        Expr::Unread(self.children(node), span)
    }

    fn children(&mut self, node: Node<'_>) -> Vec<Expr> {
        let mut cursor = node.walk();
        let children: Vec<Node<'_>> = node.named_children(&mut cursor).collect();
        children
            .into_iter()
            .filter(|c| c.kind() != "comment")
            .map(|child| self.expr(child))
            .collect()
    }

    /// A node the grammar made up, or skipped text, means that the reading is a guess.
    fn note_missing(&mut self, node: Node<'_>) {
        let mut cursor = node.walk();
        for child in node.children(&mut cursor) {
            if child.is_missing() || child.is_error() {
                let span = self.span(child);
                self.note(span, "syntax error");
            }
        }
    }
}

/// `FNAME(walk)(x)` calls `walk`, the name under which the definition is kept.
fn made_name(callee: Expr) -> Expr {
    match callee {
        Expr::Call {
            callee: maker,
            mut args,
            span,
        } => match (maker.as_ref(), args.as_slice()) {
            (Expr::Name(name, _), [Expr::Name(..)])
                if name.bytes().all(|b| b.is_ascii_uppercase() || b == b'_') =>
            {
                args.remove(0)
            }
            _ => Expr::Call {
                callee: maker,
                args,
                span,
            },
        },
        other => other,
    }
}
