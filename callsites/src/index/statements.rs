// SPDX-License-Identifier: MIT OR Apache-2.0
//! From the tokens of a body to the reduced C: statements. [`super::expressions`] and [`super::locals`] read what
//! stands in them.
//!
//! One pass over a [`Stream`]. Every loop takes a token or ends, and what stands in a bracket is read up to its
//! partner, so that a fault in one place spoils nothing behind it. Nothing is dropped: what is not understood becomes
//! `Unread` around what could be read inside it. Layout is not looked at.

use super::ir::{Expr, Record, Span, Stmt};
use super::lex::Kind;
use super::source::Source;
use super::stream::{self, Mark, Stream};
use std::ops::Range;

/// How deep statements and expressions may nest; what nests deeper is listed as unread and read on its own, so that no
/// walk over the result needs more than this many steps of its stack. Kernel code stays below 30.
const DEPTH_LIMIT: u32 = 200;

/// What came of a stretch of statements.
#[derive(Default)]
pub(crate) struct Body {
    /// The statements.
    pub(crate) stmts: Vec<Stmt>,
    /// What was not understood.
    pub(crate) unread: Option<(Span, &'static str)>,
    /// Records defined inside.
    pub(crate) records: Vec<Record>,
}

/// Reads statements. `owner` names records without a tag.
pub(crate) fn statements(file: &Source<'_>, range: Range<usize>, owner: &str) -> Body {
    read(file, range, owner, |parser| parser.lists())
}

/// Reads an initialiser; a list of members needs no braces around it.
pub(crate) fn initialiser(file: &Source<'_>, range: Range<usize>, owner: &str) -> Body {
    read(file, range, owner, |parser| {
        let start = parser.at;
        let value = if parser.is(b".") {
            parser.items()
        } else {
            parser.value()
        };
        let value = parser.rest_of(value, start);
        vec![Stmt::Expr(value, parser.since(start))]
    })
}

fn read(
    file: &Source<'_>,
    range: Range<usize>,
    owner: &str,
    how: impl FnOnce(&mut Parser<'_, '_>) -> Vec<Stmt>,
) -> Body {
    let mut parser = Parser::new(file, range, owner, 0);
    let mut stmts = how(&mut parser);
    parser.finish(&mut stmts);
    let mut body = Body {
        stmts,
        unread: parser.unread,
        records: parser.records,
    };
    let mut late = parser.late;
    // What nested too deep in arms.
    while let Some(range) = late.pop() {
        let span = file.span(&range);
        let mut parser = Parser::new(file, range, owner, 0);
        let mut stmts = parser.lists();
        parser.finish(&mut stmts);
        body.stmts.push(Stmt::Unread(stmts, span));
        body.records.append(&mut parser.records);
        late.append(&mut parser.late);
    }
    body
}

/// The work in progress.
pub(super) struct Parser<'s, 'a> {
    file: &'s Source<'a>,
    pub(super) stream: Stream<'a>,
    /// The next token.
    pub(super) at: usize,
    /// Where what is being read ends: the partner of the innermost bracket.
    pub(super) limit: usize,
    /// How deep the reading is.
    pub(super) depth: u32,
    /// How deep the expression is that was read last.
    pub(super) height: u32,
    pub(super) owner: &'s str,
    pub(super) unread: Option<(Span, &'static str)>,
    pub(super) records: Vec<Record>,
    /// What is to stand before the statement that is being read.
    pub(super) early: Vec<Stmt>,
    /// What nested too deep, as tokens of the stream.
    deferred: Vec<Range<usize>>,
    /// The same, as tokens of the file.
    late: Vec<Range<usize>>,
}

impl<'s, 'a> Parser<'s, 'a> {
    fn new(file: &'s Source<'a>, range: Range<usize>, owner: &'s str, depth: u32) -> Self {
        let stream = stream::of(file, range, true);
        Parser {
            limit: stream.source.tokens.len(),
            file,
            stream,
            at: 0,
            depth,
            height: 0,
            owner,
            unread: None,
            records: Vec::new(),
            early: Vec::new(),
            deferred: Vec::new(),
            late: Vec::new(),
        }
    }

    /// Is the next token the operator `text`?
    pub(super) fn is(&self, text: &[u8]) -> bool {
        self.at < self.limit && self.stream.source.is(self.at, text)
    }

    /// Is the next token the word `text`?
    pub(super) fn is_word(&self, text: &[u8]) -> bool {
        self.at < self.limit && self.stream.source.is_word(self.at, text)
    }

    /// The kind of the next token.
    pub(super) fn kind(&self) -> Option<Kind> {
        (self.at < self.limit).then(|| self.stream.source.tokens[self.at].kind)
    }

    /// The text of token `i`.
    pub(super) fn text(&self, i: usize) -> &'a [u8] {
        self.stream.source.text(i)
    }

    /// The bytes from token `start` to the last that was read.
    pub(super) fn since(&self, start: usize) -> Span {
        if self.at > start {
            return self.stream.source.span(&(start..self.at));
        }
        // Nothing was read: the place where something is missing.
        let tokens = &self.stream.source.tokens;
        let at = match tokens.get(start) {
            Some(next) => next.start,
            None => tokens.last().map_or(0, |last| last.end),
        };
        Span { start: at, end: at }
    }

    /// The partner of bracket `i`, where that stands before the limit.
    pub(super) fn mate(&self, i: usize) -> Option<usize> {
        let mate = self.stream.source.mate(i);
        mate.filter(|mate| *mate > i && *mate < self.limit)
    }

    /// Notes that something was not understood.
    pub(super) fn note(&mut self, span: Span, why: &'static str) {
        self.unread.get_or_insert((span, why));
    }

    /// True, and one step deeper, when there is room below; else the rest is put off.
    pub(super) fn enters(&mut self) -> bool {
        if self.depth < DEPTH_LIMIT {
            self.depth += 1;
            return true;
        }
        let rest = self.at..self.limit;
        self.note(self.stream.source.span(&rest), "nested too deep");
        if !rest.is_empty() {
            self.deferred.push(rest);
        }
        self.at = self.limit;
        self.height = 0;
        false
    }

    /// How high an expression may still be built.
    pub(super) fn room(&self) -> u32 {
        DEPTH_LIMIT.saturating_sub(self.depth)
    }

    /// Reads all lists; brackets that close nothing stand between them.
    pub(super) fn lists(&mut self) -> Vec<Stmt> {
        let mut out = self.list();
        while self.at < self.limit {
            if self.stream.marks[self.at].is_none() {
                self.note(
                    self.stream.source.span(&(self.at..self.at + 1)),
                    "a bracket closes nothing",
                );
            }
            self.at += 1;
            out.extend(self.list());
        }
        out
    }

    /// Reads what was put off, each on its own.
    fn finish(&mut self, out: &mut Vec<Stmt>) {
        let base = self.depth;
        self.take_asides(usize::MAX, out);
        while let Some(range) = self.deferred.pop() {
            let span = self.stream.source.span(&range);
            (self.at, self.limit, self.depth) = (range.start, range.end, base);
            let stmts = self.lists();
            out.push(Stmt::Unread(stmts, span));
        }
    }

    /// Reads statements up to the limit, a `}`, or the end of an arm.
    pub(super) fn list(&mut self) -> Vec<Stmt> {
        let outer = std::mem::take(&mut self.early);
        let mut out = Vec::new();
        loop {
            self.take_asides(self.at, &mut out);
            let ends = self.at >= self.limit
                || self.is(b"}")
                || matches!(self.stream.marks[self.at], Some(Mark::Next | Mark::End));
            if ends {
                break;
            }
            let (place, start) = (out.len(), self.at);
            self.statement(&mut out);
            if self.at == start {
                self.note(self.stream.source.span(&(start..start + 1)), "syntax error");
                self.at += 1;
            }
            let mut early = std::mem::take(&mut self.early);
            self.take_asides(self.at - 1, &mut early);
            out.splice(place..place, early);
        }
        self.early = outer;
        // What is read is kept for as long as the audit runs.
        out.shrink_to_fit();
        out
    }

    /// Reads the arms that stand aside up to token `to`.
    fn take_asides(&mut self, to: usize, out: &mut Vec<Stmt>) {
        while let Some(aside) = self.stream.asides.front().copied() {
            if aside.at > to {
                break;
            }
            self.stream.asides.pop_front();
            let arm = &self.file.groups[aside.group].arms[aside.arm];
            let span = self.file.span(&arm.tokens);
            if self.depth >= DEPTH_LIMIT {
                self.note(span, "nested too deep");
                self.late.push(arm.tokens.clone());
                continue;
            }
            let mut inner = Parser::new(self.file, arm.tokens.clone(), self.owner, self.depth + 1);
            inner.skip_overhang();
            let mut stmts = inner.lists();
            inner.finish(&mut stmts);
            if let Some((at, why)) = inner.unread {
                self.note(at, why);
            }
            self.records.append(&mut inner.records);
            self.late.append(&mut inner.late);
            out.push(Stmt::Arms(vec![(arm.condition.clone(), stmts)], span));
        }
    }

    /// What hangs over from the statement that an arm cuts.
    fn skip_overhang(&mut self) {
        while self.at < self.limit {
            let hangs = matches!(
                self.text(self.at),
                b"}" | b")"
                    | b"]"
                    | b"else"
                    | b"&&"
                    | b"||"
                    | b","
                    | b"|"
                    | b"+"
                    | b"?"
                    | b":"
                    | b"="
                    | b"=="
            );
            if !hangs {
                break;
            }
            self.at += 1;
        }
    }

    /// Reads one statement as one; several become a block.
    pub(super) fn one(&mut self) -> Box<Stmt> {
        let start = self.at;
        let mut out = Vec::new();
        self.statement(&mut out);
        Box::new(match out.len() {
            1 => out.remove(0),
            _ => Stmt::Block(out, self.since(start)),
        })
    }

    /// Reads one statement with the labels before it.
    fn statement(&mut self, out: &mut Vec<Stmt>) {
        let start = self.at;
        if !self.enters() {
            return out.push(Stmt::Unread(Vec::new(), self.since(start)));
        }
        while self.label(out) {}
        self.unlabelled(out);
        self.depth -= 1;
    }

    /// Reads `name:`, `case value:` or `default:`.
    fn label(&mut self, out: &mut Vec<Stmt>) -> bool {
        let start = self.at;
        if self.is_word(b"case") {
            self.at += 1;
            let value = self.case_value();
            if self.is(b":") {
                self.at += 1;
            } else {
                self.note(self.since(start), "syntax error");
            }
            out.push(Stmt::Case {
                value: Some(value),
                span: self.since(start),
            });
            return true;
        }
        let labels = self.kind() == Some(Kind::Ident)
            && start + 1 < self.limit
            && self.stream.source.is(start + 1, b":");
        if !labels {
            return false;
        }
        self.at += 2;
        if self.text(start) == b"default" {
            out.push(Stmt::Case {
                value: None,
                span: self.since(start),
            });
        } else {
            out.push(Stmt::Label {
                name: self.stream.source.string(start),
                span: self.stream.source.span(&(start..start + 1)),
            });
        }
        true
    }

    pub(super) fn unlabelled(&mut self, out: &mut Vec<Stmt>) {
        let Some(kind) = self.kind() else { return };
        let start = self.at;
        match kind {
            Kind::Directive => self.arms(out),
            Kind::Punct => match self.text(start) {
                b";" => {
                    self.at += 1;
                    out.push(Stmt::Block(Vec::new(), self.since(start)));
                }
                b"{" => {
                    let body = self.block();
                    out.push(Stmt::Block(body, self.since(start)));
                }
                b"}" => {}
                _ => self.simple(out),
            },
            Kind::Ident => self.worded(out),
            _ => self.simple(out),
        }
    }

    /// Reads the arms of a group between their marks.
    fn arms(&mut self, out: &mut Vec<Stmt>) {
        let start = self.at;
        let Some(Mark::Open(group)) = self.stream.marks[start] else {
            return;
        };
        let mut arms = Vec::new();
        for arm in &self.file.groups[group].arms {
            // Past the mark before the arm.
            self.at += 1;
            arms.push((arm.condition.clone(), self.list()));
            if self.at >= self.limit || self.stream.marks[self.at] != Some(Mark::Next) {
                break;
            }
        }
        if self.at < self.limit && self.stream.marks[self.at] == Some(Mark::End) {
            self.at += 1;
        }
        out.push(Stmt::Arms(arms, self.since(start)));
    }

    /// Reads `{ … }`; what stands aside before it is put before the statement.
    pub(super) fn block(&mut self) -> Vec<Stmt> {
        let open = self.at;
        let mut early = std::mem::take(&mut self.early);
        self.take_asides(open, &mut early);
        self.early = early;
        self.at += 1;
        match self.mate(open) {
            Some(close) => {
                let outer = std::mem::replace(&mut self.limit, close);
                let body = self.lists();
                self.limit = outer;
                self.at = close + 1;
                body
            }
            None => {
                let body = self.list();
                if self.is(b"}") {
                    self.at += 1;
                }
                body
            }
        }
    }

    /// True where a statement cannot go on.
    pub(super) fn ends(&self) -> bool {
        self.at >= self.limit || self.is(b"}") || self.stream.marks[self.at].is_some()
    }

    pub(super) fn semicolon(&mut self) {
        if self.is(b";") {
            self.at += 1;
        }
    }

    /// Puts what is left before the `;` beside `value`.
    pub(super) fn rest_of_statement(&mut self, value: Expr, start: usize) -> Expr {
        if self.is(b";") || self.ends() {
            return value;
        }
        let mut parts = vec![value];
        parts.extend(std::iter::from_fn(|| self.next_of_rest()));
        let span = self.since(start);
        self.note(span, "syntax error");
        Expr::Unread(parts, span)
    }

    /// Puts what is left before the limit beside `value`.
    pub(super) fn rest_of(&mut self, value: Expr, start: usize) -> Expr {
        if self.at >= self.limit {
            return value;
        }
        let mut parts = vec![value];
        while self.at < self.limit {
            match self.next_of_rest() {
                Some(part) => parts.push(part),
                None => self.at += 1,
            }
        }
        let span = self.since(start);
        self.note(span, "syntax error");
        Expr::Unread(parts, span)
    }

    /// The next expression in tokens that are not understood; None at a `;` or where the statement ends.
    pub(super) fn next_of_rest(&mut self) -> Option<Expr> {
        while !self.is(b";") && !self.ends() {
            let start = self.at;
            let value = self.expr();
            if self.at > start {
                return Some(value);
            }
            self.at += 1;
        }
        None
    }
}
