// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where kernel C needs to know what is a type: local declarations and casts; and what a word is in an expression.
//!
//! The names of types are not known, so the words around a name decide: two names in a row declare, and a name in
//! parentheses before an operand casts.

use super::declare;
use super::expressions::{begins_statement, is_literal_word};
use super::ir::{Expr, Stmt, TypeRef};
use super::lex::Kind;
use super::source::Source;
use super::statements::Parser;
use super::words;
use smol_str::SmolStr;
use std::ops::Range;

impl Parser<'_, '_> {
    /// Does a declaration begin with the word at hand? Words before a macro call that take no part are skipped.
    pub(super) fn declares(&mut self) -> bool {
        let source = &self.stream.source;
        let (at, limit) = (self.at, self.limit);
        let word = source.text(at);
        let is = |i: usize, text: &[u8]| i < limit && source.is(i, text);
        let ident = |i: usize| i < limit && source.is_ident(i);
        if words::is_typeof(word) {
            return is(at + 1, b"(");
        }
        if words::is_base_type(word) || words::is_tag_keyword(word) || word == b"typedef" {
            return true;
        }
        if words::is_qualifier(word) {
            let mut name = at;
            while ident(name) && words::is_qualifier(source.text(name)) {
                name += 1;
            }
            // `static DEFINE_MUTEX(lock);`
            let called = ident(name)
                && !words::is_keyword(source.text(name))
                && !words::is_typeof(source.text(name))
                && is(name + 1, b"(")
                && !is(name + 2, b"*");
            if called {
                self.at = name;
            }
            return !called;
        }
        if words::is_keyword(word) || words::is_sizeof(word) || is_assembly(word) {
            return false;
        }
        if ident(at + 1) {
            let next = source.text(at + 1);
            if begins_statement(next) && !words::is_qualifier(next) || is_assembly(next) {
                return false;
            }
            let calls = is(at + 2, b"(")
                && !words::is_typeof(next)
                && !words::is_attribute_with_arguments(next)
                && !words::looks_like_attribute(word)
                && !is(at + 3, b"*");
            let names_a_type = ident(at + 3) && words::is_keyword(source.text(at + 3));
            let calls = calls && !names_a_type;
            if calls && !words::is_base_type(next) {
                // A word before a call is an attribute of some kind; a prototype would name types.
                self.at = at + 1;
                return false;
            }
            return true;
        }
        if is(at + 1, b"*") {
            let mut name = at + 1;
            while is(name, b"*") || ident(name) && words::is_qualifier(source.text(name)) {
                name += 1;
            }
            return ident(name)
                && (ident(name + 1)
                    || name + 1 >= limit
                    || matches!(
                        source.text(name + 1),
                        b";" | b"=" | b"," | b"[" | b"(" | b")"
                    ));
        }
        // `type (*name)(…)`
        is(at + 1, b"(")
            && is(at + 2, b"*")
            && ident(at + 3)
            && source
                .mate(at + 1)
                .is_some_and(|close| close > at && is(close + 1, b"("))
    }

    /// Reads a local declaration and its `;`.
    pub(super) fn declaration(&mut self, out: &mut Vec<Stmt>) {
        let start = self.at;
        let end = self.end_of_declaration();
        let range = start..end;
        self.at = end;
        self.semicolon();
        let (after, statement) = (self.at, self.since(start));
        let source = &self.stream.source;
        if declare::nests_too_deep(source, &range) {
            return self.note(statement, "nested too deep");
        }
        let is_type = source.is_word(start, b"typedef");
        let declared = declare::declaration(source, range.clone(), self.owner, &mut self.records);
        if is_type {
            return;
        }
        let mut declarations = Vec::new();
        let mut values: Vec<Range<usize>> = Vec::new();
        let mut height = 0;
        for mut one in declared {
            if one.declaration.name.is_empty() {
                continue;
            }
            one.declaration.statement = statement;
            if let Some(init) = one.init.take().filter(|init| !init.is_empty()) {
                let outer = std::mem::replace(&mut self.limit, init.end);
                self.at = init.start;
                let value = self.value();
                let value = self.rest_of(value, init.start);
                one.declaration.init = Some(value);
                height = height.max(self.height);
                self.limit = outer;
                values.push(init);
            }
            declarations.push(one.declaration);
        }
        let mut loose = Vec::new();
        if declarations.is_empty() {
            self.lost_in(range, &mut loose);
        } else {
            self.sizes(range, &values, &mut loose);
        }
        self.at = after;
        if !declarations.is_empty() {
            out.push(Stmt::Decl(declarations, statement));
        }
        out.append(&mut loose);
    }

    /// The `;` of the declaration at hand, or where it must end without one.
    fn end_of_declaration(&mut self) -> usize {
        let source = &self.stream.source;
        let mut braces = false;
        let mut i = self.at;
        while i < self.limit && self.stream.marks[i].is_none() {
            if source.is(i, b";") || source.is(i, b"}") {
                return i;
            }
            if source.is(i, b"{") && !braces {
                // A function inside a function, or a lost `}`.
                let span = source.span(&(self.at..i));
                self.note(span, "syntax error");
                return i.max(self.at + 1);
            }
            braces |=
                source.is(i, b"=") || source.is_ident(i) && words::is_tag_keyword(source.text(i));
            i = source.after(i);
        }
        i.min(self.limit)
    }

    /// Calls in the sizes of arrays are statements of their own.
    fn sizes(&mut self, range: Range<usize>, values: &[Range<usize>], out: &mut Vec<Stmt>) {
        let mut values = values.iter().peekable();
        let mut i = range.start;
        while i < range.end {
            if let Some(value) = values.next_if(|value| value.start <= i) {
                i = value.end.max(i);
                continue;
            }
            let after = self.stream.source.after(i);
            if self.stream.source.is(i, b"[") && after > i + 1 {
                let inside = i + 1..after - 1;
                if inside.clone().any(|n| self.stream.source.is(n, b"(")) {
                    let outer = std::mem::replace(&mut self.limit, inside.end);
                    self.at = inside.start;
                    let size = self.expr();
                    let size = self.rest_of(size, inside.start);
                    self.limit = outer;
                    if let Expr::Call { span, .. } | Expr::Unread(_, span) = &size {
                        let span = *span;
                        out.push(Stmt::Expr(size, span));
                    }
                }
            }
            i = after;
        }
    }

    /// What looked like a declaration and declares nothing is read for the calls in it.
    fn lost_in(&mut self, range: Range<usize>, out: &mut Vec<Stmt>) {
        let source = &self.stream.source;
        let calls = range.clone().any(|i| {
            source.is(i, b"(")
                && i > range.start
                && source.is_ident(i - 1)
                && !words::is_keyword(source.text(i - 1))
                && !words::is_typeof(source.text(i - 1))
                && !words::is_sizeof(source.text(i - 1))
                && !words::is_attribute_with_arguments(source.text(i - 1))
        });
        let records = range.clone().any(|i| source.is(i, b"{"));
        if !calls || records {
            return;
        }
        let span = source.span(&range);
        let outer = std::mem::replace(&mut self.limit, range.end);
        self.at = range.start;
        let mut parts = Vec::new();
        while self.at < self.limit {
            match self.next_of_rest() {
                Some(part) => parts.push(part),
                None => self.at += 1,
            }
        }
        self.limit = outer;
        self.note(span, "syntax error");
        let inside = parts.into_iter().map(|part| {
            let at = part.span();
            Stmt::Expr(part, at)
        });
        out.push(Stmt::Unread(inside.collect(), span));
    }

    /// The type in the parentheses at hand, when they cast, and where they close.
    pub(super) fn cast_type(&self) -> Option<(TypeRef, usize)> {
        let source = &self.stream.source;
        let close = self.mate(self.at)?;
        let inside = self.at + 1..close;
        let first = inside.start;
        if inside.is_empty() || !source.is_ident(first) {
            return None;
        }
        let next = close + 1;
        let literal = next < self.limit && source.is(next, b"{");
        let is_type = literal || spells_type(source, inside.clone()) || {
            inside.len() == 1
                && next < self.limit
                && !words::is_keyword(source.text(first))
                && match source.tokens[next].kind {
                    Kind::Ident => !begins_statement(source.text(next)),
                    Kind::Number | Kind::Str | Kind::Char => true,
                    Kind::Directive => false,
                    Kind::Punct => match source.text(next) {
                        b"!" | b"~" => true,
                        b"(" | b"&" | b"*" | b"-" | b"+" => {
                            words::is_kernel_type(source.text(first))
                        }
                        _ => false,
                    },
                }
        };
        is_type.then(|| (declare::type_name(source, inside), close))
    }

    /// Reads what begins with a word in an expression.
    pub(super) fn word(&mut self) -> Expr {
        let source = &self.stream.source;
        let start = self.at;
        let word = source.text(start);
        let called = start + 1 < self.limit && source.is(start + 1, b"(");
        if words::is_sizeof(word) {
            self.at += 1;
            match self.mate(self.at).filter(|_| called) {
                Some(close) => self.at = close + 1,
                None => {
                    self.unary();
                }
            }
            self.height = 0;
            return Expr::Sizeof(self.since(start));
        }
        if words::is_typeof(word) && called {
            self.at = self.mate(start + 1).map_or(start + 2, |close| close + 1);
            let span = self.since(start);
            return Expr::Type(
                declare::type_name(&self.stream.source, start..self.at),
                span,
            );
        }
        if is_assembly(word) {
            return self.assembly();
        }
        if called && matches!(word, b"__attribute__" | b"__attribute" | b"_Pragma") {
            self.at = self.mate(start + 1).map_or(start + 2, |close| close + 1);
            if self.ends() || self.is(b";") {
                return Expr::Sizeof(self.since(start));
            }
            return self.unary();
        }
        if words::is_base_type(word) || words::is_tag_keyword(word) {
            let mut end = start;
            while end < self.limit && (source.is_ident(end) || source.is(end, b"*")) {
                end += 1;
            }
            let ty = declare::type_name(source, start..end);
            self.at = end;
            return Expr::Type(ty, self.since(start));
        }
        if begins_statement(word) {
            let span = self.since(start);
            self.note(span, "syntax error");
            return Expr::Unread(Vec::new(), span);
        }
        self.at += 1;
        if self.kind() == Some(Kind::Str) {
            return self.joined_strings_from(start);
        }
        let name = self.pasted(start);
        let span = self.since(start);
        if is_literal_word(word) {
            return Expr::Literal(name, span);
        }
        Expr::Name(name, span)
    }

    /// The name that begins with token `start`, the last one read: `a ## b` is one.
    pub(super) fn pasted(&mut self, start: usize) -> SmolStr {
        let name = self.stream.source.string(start);
        let joins = |parser: &Self| {
            parser.is(b"##")
                && parser.at + 1 < parser.limit
                && matches!(
                    parser.stream.source.tokens[parser.at + 1].kind,
                    Kind::Ident | Kind::Number
                )
        };
        if !joins(self) {
            return name;
        }
        let mut name = name.to_string();
        while joins(self) {
            name.push_str("##");
            name.push_str(&self.stream.source.string(self.at + 1));
            self.at += 2;
        }
        name.into()
    }

    /// Reads `asm volatile (…)`: nothing of it carries a page.
    fn assembly(&mut self) -> Expr {
        let start = self.at;
        self.at += 1;
        while self.kind() == Some(Kind::Ident) {
            self.at += 1;
        }
        if self.is(b"(") {
            self.at = self.mate(self.at).map_or(self.at + 1, |close| close + 1);
        }
        Expr::Sizeof(self.since(start))
    }

    /// Reads `"a" NAME "b" NAME(x)` as one string.
    pub(super) fn joined_strings(&mut self) -> Expr {
        self.joined_strings_from(self.at)
    }

    fn joined_strings_from(&mut self, start: usize) -> Expr {
        while let Some(kind) = self.kind() {
            match kind {
                Kind::Str => self.at += 1,
                Kind::Ident if !words::is_keyword(self.text(self.at)) => {
                    self.at += 1;
                    if self.is(b"(") {
                        match self.mate(self.at) {
                            Some(close) => self.at = close + 1,
                            None => break,
                        }
                    }
                }
                Kind::Punct if self.is(b"#") || self.is(b"##") => self.at += 1,
                _ => break,
            }
        }
        let span = self.since(start);
        let bytes = self.stream.source.bytes;
        let text = String::from_utf8_lossy(&bytes[span.start as usize..span.end as usize]);
        Expr::Literal(text.into(), span)
    }
}

fn is_assembly(word: &[u8]) -> bool {
    matches!(word, b"asm" | b"__asm__" | b"__asm")
}

/// Does a type begin with this word, whatever follows?
pub(super) fn begins_type(source: &Source<'_>, i: usize) -> bool {
    let word = source.text(i);
    words::is_tag_keyword(word)
        || words::is_base_type(word)
        || matches!(word, b"const" | b"volatile" | b"__force")
        || words::is_typeof(word) && source.is(i + 1, b"(")
}

/// Do the tokens between two parentheses spell a type, so that these cast?
fn spells_type(source: &Source<'_>, inside: Range<usize>) -> bool {
    if begins_type(source, inside.start) {
        return true;
    }
    if inside.len() < 2
        || !inside
            .clone()
            .all(|i| source.is_ident(i) || source.is(i, b"*"))
    {
        return false;
    }
    let last = source.text(inside.end - 1);
    let pointer = inside.clone().any(|i| source.is(i, b"*"));
    !pointer || last == b"*" || words::is_qualifier(last) || words::looks_like_attribute(last)
}
