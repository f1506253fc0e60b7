// SPDX-License-Identifier: MIT OR Apache-2.0
//! Rewrites a function body so that a C grammar can read it, byte for byte at the same place.
//!
//! Comments, attributes and preprocessor lines become blanks; a type as a macro's argument becomes one identifier;
//! an iterator macro becomes `while`; the arms of `#if` become blocks; strings lose their contents. Every newline
//! stays. What was rewritten is remembered by offset ([`Mark`]), so that the lowering can say what stood there.

use super::arms;
use super::declare;
use super::ir::{Record, Span, TypeRef};
use super::lex::Kind;
use super::source::Source;
use super::words;
use std::collections::HashMap;
use std::ops::Range;

/// What stood where the masked text has something else.
#[derive(Debug, Clone, PartialEq)]
pub enum Mark {
    /// A type; the masked text has an identifier.
    Type(TypeRef, Span),
    /// `sizeof(…)` or inline assembly; the masked text has an identifier.
    Opaque(Span),
    /// An iterator macro; the masked text has `while`.
    Iterator {
        /// Where its name stands.
        name: Span,
        /// It had no arguments; the masked text has a `1`.
        empty: bool,
    },
    /// The arms of an `#if` group: a block of blocks, with the condition of each.
    Arms(Vec<String>),
}

/// Tokens that could not be kept in place and are to be read on their own.
#[derive(Debug, Clone, PartialEq)]
pub struct Aside {
    /// The `#if` condition they depend on; empty for a statement given as a macro's argument.
    pub condition: String,
    /// Their bytes.
    pub span: Span,
}

/// A body made readable.
#[derive(Debug, Default)]
pub struct Masked {
    /// As long as the bytes it stands for.
    pub text: Vec<u8>,
    /// Offset of `text[0]` in the file.
    pub start: u32,
    /// By offset in the file.
    pub marks: HashMap<u32, Mark>,
    /// What is to be read on its own.
    pub asides: Vec<Aside>,
    /// Records defined inside.
    pub records: Vec<Record>,
}

/// Masks `range` of the tokens, the bytes from the first to the last of them. `owner` names records without a tag.
pub fn mask(source: &Source<'_>, range: Range<usize>, owner: &str) -> Masked {
    let span = source.span(&range);
    let mut masker = Masker {
        source,
        skip: source.aside[range.clone()].to_vec(),
        out: Masked {
            start: span.start,
            ..Masked::default()
        },
        owner,
        range,
    };
    masker.out.text = source.bytes[span.start as usize..span.end as usize].to_vec();
    for byte in &mut masker.out.text {
        if *byte != b'\n' {
            *byte = b' ';
        }
    }
    arms::settle(&mut masker);
    masker.copy();
    masker.rewrite();
    masker.out
}

/// The work in progress; [`arms`] settles what becomes of `#if` groups first.
pub struct Masker<'s, 'a> {
    /// The file.
    pub source: &'s Source<'a>,
    /// The tokens to mask.
    pub range: Range<usize>,
    /// Tokens of `range` that stay blank.
    pub skip: Vec<bool>,
    /// What comes out.
    pub out: Masked,
    owner: &'s str,
}

impl Masker<'_, '_> {
    /// True when token `i` does not show in the masked text.
    pub fn hidden(&self, i: usize) -> bool {
        self.source.tokens[i].kind == Kind::Directive || self.skip[i - self.range.start]
    }

    /// The last token before `i` that shows.
    pub fn before(&self, i: usize) -> Option<usize> {
        (self.range.start..i).rev().find(|n| !self.hidden(*n))
    }

    /// The first token from `i` on that shows.
    pub fn from(&self, i: usize) -> Option<usize> {
        (i..self.range.end).find(|n| !self.hidden(*n))
    }

    /// Writes at offset `at`, newlines and the end of the text excepted.
    pub fn write(&mut self, at: u32, bytes: &[u8]) {
        let at = (at - self.out.start) as usize;
        for (to, from) in self.out.text[at..].iter_mut().zip(bytes) {
            if *to != b'\n' {
                *to = *from;
            }
        }
    }

    fn blank(&mut self, tokens: Range<usize>) {
        let span = self.source.span(&tokens);
        self.write(span.start, &vec![b' '; (span.end - span.start) as usize]);
    }

    /// One identifier over `tokens`, up to the first line end; the rest blank.
    fn identifier(&mut self, tokens: Range<usize>, mark: Mark) {
        let span = self.source.span(&tokens);
        let text = &self.source.bytes[span.start as usize..span.end as usize];
        let line = text
            .iter()
            .position(|b| *b == b'\n')
            .unwrap_or(text.len())
            .max(1);
        let mut name = vec![b'_'; line];
        name[0] = b'T';
        name.resize(text.len(), b' ');
        self.write(span.start, &name);
        self.out.marks.insert(span.start, mark);
    }

    fn copy(&mut self) {
        for i in self.range.clone() {
            if self.hidden(i) {
                continue;
            }
            let token = self.source.tokens[i];
            let text = token.text(self.source.bytes);
            if token.kind != Kind::Str {
                self.write(token.start, text);
                continue;
            }
            let line = text.iter().position(|b| *b == b'\n').unwrap_or(text.len());
            let mut string = vec![b'_'; line.max(2)];
            string[0] = b'"';
            let last = string.len() - 1;
            string[last] = b'"';
            string.truncate(text.len());
            self.write(token.start, &string);
        }
    }

    fn rewrite(&mut self) {
        let mut i = self.range.start;
        while i < self.range.end {
            i = if self.hidden(i) {
                i + 1
            } else {
                match self.source.tokens[i].kind {
                    Kind::Ident => self.word(i),
                    Kind::Str => self.string(i),
                    Kind::Punct => self.operator(i),
                    _ => i + 1,
                }
            };
        }
    }

    /// Rewrites what begins with identifier `i`; the index to go on from.
    fn word(&mut self, i: usize) -> usize {
        let source = self.source;
        let word = source.text(i);
        let called =
            source.is(i + 1, b"(") && i + 1 < self.range.end && source.mate(i + 1).is_some();
        let after = if called { source.after(i + 1) } else { i + 1 };
        let before = self.before(i);
        if called && (words::is_typeof(word) || words::is_sizeof(word)) {
            let span = source.span(&(i..after));
            let text =
                String::from_utf8_lossy(&source.bytes[span.start as usize..span.end as usize]);
            let mark = if words::is_typeof(word) {
                Mark::Type(
                    TypeRef {
                        name: text.into_owned().into(),
                        ..TypeRef::default()
                    },
                    span,
                )
            } else {
                Mark::Opaque(span)
            };
            self.identifier(i..after, mark);
            return after;
        }
        if matches!(word, b"asm" | b"__asm__" | b"__asm") {
            return self.assembly(i, before);
        }
        if self.attribute(i, before, called) {
            self.blank(i..after);
            return after;
        }
        if words::is_tag_keyword(word) && word != b"enum" {
            return self.record(i);
        }
        let starts = self.starts_statement(before);
        if starts && words::is_qualifier(word) {
            let mut name = i;
            while source.is_ident(name) && words::is_qualifier(source.text(name)) {
                name += 1;
            }
            if source.is_ident(name)
                && !words::is_keyword(source.text(name))
                && source.is(name + 1, b"(")
                && name > i
                && !words::is_typeof(source.text(name))
                && !source.is(name + 2, b"*")
            {
                self.blank(i..name);
                return name;
            }
        }
        if words::is_keyword(word) {
            return i + 1;
        }
        if starts && source.is(i + 1, b"{") && i + 1 < self.range.end {
            self.blank(i..i + 1);
            return i + 1;
        }
        if called {
            if matches!(word, b"offsetof" | b"__builtin_offsetof") {
                self.write(
                    source.tokens[i].start,
                    if word.len() == 8 { b"offsetoF" } else { b"_" },
                );
            }
            if starts {
                self.statement_macro(i, after);
            }
            self.arguments(i + 2..after - 1);
        } else if source
            .tokens
            .get(i + 1)
            .is_some_and(|t| t.kind == Kind::Str)
            && !starts
        {
            return self.string(i);
        }
        i + 1
    }

    /// Whether a statement can begin after token `before`.
    fn starts_statement(&self, before: Option<usize>) -> bool {
        let Some(before) = before else { return true };
        let source = self.source;
        match source.text(before) {
            b";" | b"{" | b"}" | b":" | b"else" | b"do" => true,
            b")" => source
                .mate(before)
                .filter(|open| *open > self.range.start)
                .is_some_and(|open| {
                    let word = source.text(open - 1);
                    matches!(word, b"if" | b"for" | b"while" | b"switch") || is_iterator_name(word)
                }),
            _ => false,
        }
    }

    /// `NAME(…)` at the beginning of a statement and not followed by `;`: an iterator, or a macro that lacks it.
    fn statement_macro(&mut self, i: usize, after: usize) {
        let source = self.source;
        let Some(next) = self.from(after) else { return };
        let (name, token) = (source.tokens[i], source.tokens[next]);
        let iterator_name = is_iterator_name(source.text(i));
        let opens = match token.kind {
            Kind::Ident => {
                source.text(next) != b"else" && !words::looks_like_attribute(source.text(next))
            }
            Kind::Punct => {
                matches!(source.text(next), b"{" | b"++" | b"--")
                    || iterator_name && matches!(source.text(next), b"(" | b"*" | b"!")
            }
            _ => false,
        };
        if !opens {
            return;
        }
        let line_end = |from: u32, to: u32| {
            memchr::memchr(b'\n', &source.bytes[from as usize..to as usize]).is_some()
        };
        let close = source.tokens[after - 1];
        let own_line = line_end(close.end, token.start);
        let deeper =
            own_line && column(source.bytes, token.start) > column(source.bytes, name.start);
        if source.is(next, b"{") || iterator_name || deeper {
            let empty = after == i + 3;
            let text: &[u8] = if empty { b"while(1)" } else { b"while" };
            let room = if empty {
                close.end - name.start
            } else {
                name.end - name.start
            };
            if room as usize >= text.len() {
                let mut masked = text.to_vec();
                masked.resize(room as usize, b' ');
                self.write(name.start, &masked);
                let span = Span {
                    start: name.start,
                    end: name.end,
                };
                self.out
                    .marks
                    .insert(name.start, Mark::Iterator { name: span, empty });
            }
        } else if own_line
            || !matches!(
                source.text((next + 1).min(source.tokens.len() - 1)),
                b";" | b"=" | b"," | b"["
            )
        {
            self.semicolon(close.end, token.start);
        }
    }

    /// Writes `;` over the first blank between two offsets.
    fn semicolon(&mut self, from: u32, to: u32) {
        let gap = (from - self.out.start) as usize..(to - self.out.start) as usize;
        if let Some(at) = self.out.text[gap.clone()].iter().position(|b| *b == b' ') {
            self.out.text[gap.start + at] = b';';
        }
    }

    /// Rewrites arguments no C expression has.
    fn arguments(&mut self, range: Range<usize>) {
        let source = self.source;
        for argument in source.split_commas(range) {
            if argument.is_empty() || argument.clone().any(|i| self.hidden(i)) {
                continue;
            }
            let first = source.text(argument.start);
            if is_type(source, argument.clone()) {
                let mark = Mark::Type(
                    declare::type_name(source, argument.clone()),
                    source.span(&argument),
                );
                if argument.len() == 1 && !words::is_keyword(first) {
                    self.out
                        .marks
                        .insert(source.tokens[argument.start].start, mark);
                } else {
                    self.identifier(argument.clone(), mark);
                    self.skip[argument.start - self.range.start..argument.end - self.range.start]
                        .fill(true);
                }
            } else if argument
                .clone()
                .all(|i| source.tokens[i].kind == Kind::Punct && source.mate(i).is_none())
            {
                self.blank(argument.clone());
                self.write(source.tokens[argument.start].start, b"0");
            } else if is_statement(source, argument.clone()) {
                let span = source.span(&argument);
                self.blank(argument.clone());
                self.write(span.start, b"0");
                self.skip[argument.start - self.range.start..argument.end - self.range.start]
                    .fill(true);
                self.out.asides.push(Aside {
                    condition: String::new(),
                    span,
                });
            }
        }
    }

    /// Joins `"a" NAME "b" NAME(x)` into one string.
    fn string(&mut self, i: usize) -> usize {
        let source = self.source;
        let mut end = i;
        while end < self.range.end && !self.hidden(end) {
            let part = match source.tokens[end].kind {
                Kind::Str => end + 1,
                Kind::Ident if !words::is_keyword(source.text(end)) => {
                    if source.is(end + 1, b"(") {
                        source.after(end + 1)
                    } else {
                        end + 1
                    }
                }
                _ => break,
            };
            end = part;
        }
        if end <= i + 1 {
            return i + 1;
        }
        let span = source.span(&(i..end));
        let text = &source.bytes[span.start as usize..span.end as usize];
        let line = text.iter().position(|b| *b == b'\n').unwrap_or(text.len());
        self.blank(i..end);
        if line >= 2 {
            let mut string = vec![b'_'; line];
            string[0] = b'"';
            string[line - 1] = b'"';
            self.write(span.start, &string);
        } else {
            self.write(span.start, b"0");
        }
        end
    }

    fn assembly(&mut self, i: usize, before: Option<usize>) -> usize {
        let source = self.source;
        let mut open = i + 1;
        while source.is_ident(open) {
            open += 1;
        }
        if !source.is(open, b"(") || open >= self.range.end {
            return i + 1;
        }
        let after = source.after(open);
        if before.is_some_and(|b| {
            source.is_ident(b) && source.text(b) != b"else" && source.text(b) != b"do"
        }) {
            self.blank(i..after);
        } else {
            self.identifier(i..after, Mark::Opaque(source.span(&(i..after))));
        }
        after
    }

    fn attribute(&self, i: usize, before: Option<usize>, called: bool) -> bool {
        let source = self.source;
        let word = source.text(i);
        let before_is = |texts: &[&[u8]]| before.is_some_and(|b| texts.contains(&source.text(b)));
        if matches!(word, b"__extension__") {
            return true;
        }
        if before_is(&[b".", b"->", b"struct", b"union", b"enum", b"goto"]) {
            return false;
        }
        if called {
            return matches!(word, b"__attribute__" | b"__attribute" | b"_Pragma")
                || words::is_attribute_with_arguments(word)
                    && before.is_some_and(|b| {
                        source.is_ident(b) && !is_flow_keyword(source.text(b))
                            || matches!(source.text(b), b"*" | b"]")
                    });
        }
        if !words::looks_like_attribute(word) {
            return false;
        }
        let Some(next) = self.from(i + 1) else {
            return false;
        };
        if is_known_attribute(word) {
            return true;
        }
        let beside_type =
            before.is_some_and(|b| source.is_ident(b) && !is_flow_keyword(source.text(b)));
        let next_text = source.text(next);
        if source.is_ident(next) {
            let after_qualifier = before.is_none_or(|b| words::is_qualifier(source.text(b)));
            return beside_type && !after_qualifier
                || words::is_base_type(next_text)
                || words::is_tag_keyword(next_text)
                || before_is(&[b"(", b"*"]);
        }
        if next_text == b"*" {
            return beside_type && !before.is_some_and(|b| words::is_qualifier(source.text(b)));
        }
        if matches!(next_text, b";" | b"=" | b"," | b")") {
            let name =
                before.filter(|b| source.is_ident(*b) && !words::is_keyword(source.text(*b)));
            let named = name.and_then(|n| self.before(n)).is_some_and(|p| {
                source.is(p, b"*")
                    || source.is_ident(p)
                        && !words::is_tag_keyword(source.text(p))
                        && !words::is_qualifier(source.text(p))
                        && !is_flow_keyword(source.text(p))
            });
            return named || before_is(&[b"]"]) || (next_text == b")" && beside_type);
        }
        false
    }

    /// `struct tag { … }` inside a function: the members are read here, and the grammar sees `struct tag`.
    fn record(&mut self, i: usize) -> usize {
        let source = self.source;
        let mut brace = i + 1;
        while source.is_ident(brace)
            || source.is(brace, b"(") && source.is_ident(brace - 1) && brace > i + 1
        {
            brace = source.after(brace);
        }
        if !source.is(brace, b"{") || brace >= self.range.end {
            return i + 1;
        }
        let mut end = brace;
        while end < self.range.end && !source.is(end, b";") && !source.is(end, b"=") {
            end = source.after(end);
        }
        let declared = declare::declaration(
            source,
            i..end.min(self.range.end),
            self.owner,
            &mut self.out.records,
        );
        let after = source.after(brace);
        self.blank(i + 1..after);
        let span = source.span(&(i..after));
        if let Some(first) = declared.first() {
            let ty = TypeRef {
                pointers: 0,
                arrays: 0,
                function: false,
                ..first.declaration.ty.clone()
            };
            self.out.marks.insert(span.start, Mark::Type(ty, span));
        }
        // `{` stands at least one byte after the keyword: room for a tag.
        self.write(source.tokens[brace].start, b"T");
        after
    }

    fn operator(&mut self, i: usize) -> usize {
        let source = self.source;
        match source.text(i) {
            b"..." => {
                let in_case = (self.range.start..i)
                    .rev()
                    .take(12)
                    .take_while(|n| !matches!(source.text(*n), b";" | b":" | b"["))
                    .any(|n| source.text(n) == b"case");
                if in_case {
                    self.write(source.tokens[i].start, b"|  ");
                }
            }
            b"##" => self.paste(i),
            b"#" => self.blank(i..i + 1),
            b"(" => return self.cast(i),
            _ => {}
        }
        i + 1
    }

    /// `a ## b` is one identifier; `, ## args` is just `args`.
    fn paste(&mut self, i: usize) {
        let source = self.source;
        self.blank(i..i + 1);
        if i == self.range.start || i + 1 >= self.range.end {
            return;
        }
        let joins = |n: usize| matches!(source.tokens[n].kind, Kind::Ident | Kind::Number);
        if joins(i - 1) && joins(i + 1) {
            let (from, to) = (source.tokens[i - 1].end, source.tokens[i + 1].start);
            if memchr::memchr(b'\n', &source.bytes[from as usize..to as usize]).is_none() {
                self.write(from, &vec![b'_'; (to - from) as usize]);
            }
        }
    }

    /// `(u64)(x)` and `(u64)&x` read as a call and as a conjunction unless the type is one the grammar knows.
    fn cast(&mut self, i: usize) -> usize {
        let source = self.source;
        let single = source.is_ident(i + 1) && source.is(i + 2, b")") && i + 3 < self.range.end;
        if !single || !words::is_kernel_type(source.text(i + 1)) {
            return i + 1;
        }
        let called = self.before(i).is_some_and(|b| {
            source.is_ident(b) && !is_flow_keyword(source.text(b))
                || matches!(source.text(b), b")" | b"]")
        });
        if called || !matches!(source.text(i + 3), b"(" | b"&" | b"*" | b"-" | b"+" | b"~") {
            return i + 1;
        }
        let name = source.tokens[i + 1];
        if name.end - name.start < 3 {
            self.blank(i..i + 3);
        } else {
            let mut text = b"int".to_vec();
            text.resize((name.end - name.start) as usize, b' ');
            self.write(name.start, &text);
            let ty = TypeRef {
                name: source.string(i + 1),
                ..TypeRef::default()
            };
            self.out.marks.insert(
                name.start,
                Mark::Type(
                    ty,
                    Span {
                        start: name.start,
                        end: name.end,
                    },
                ),
            );
        }
        i + 3
    }
}

fn is_flow_keyword(word: &[u8]) -> bool {
    matches!(
        word,
        b"return"
            | b"else"
            | b"do"
            | b"case"
            | b"goto"
            | b"sizeof"
            | b"if"
            | b"while"
            | b"for"
            | b"switch"
            | b"default"
    )
}

/// The kernel's convention for macros that are the head of a loop.
fn is_iterator_name(word: &[u8]) -> bool {
    let lower = word.to_ascii_lowercase();
    [b"for_each".as_slice(), b"foreach", b"for_every"]
        .iter()
        .any(|part| memchr::memmem::find(&lower, part).is_some())
}

fn is_known_attribute(word: &[u8]) -> bool {
    matches!(
        word,
        b"__user"
            | b"__iomem"
            | b"__rcu"
            | b"__percpu"
            | b"__force"
            | b"__kernel"
            | b"__nocast"
            | b"__private"
            | b"__maybe_unused"
            | b"__always_unused"
            | b"__unused"
            | b"__must_check"
            | b"__read_mostly"
            | b"__ro_after_init"
            | b"__packed"
            | b"__initdata"
            | b"__initconst"
            | b"__used"
            | b"__uninitialized"
            | b"__nosave"
            | b"__aligned_largest"
    )
}

fn is_type(source: &Source<'_>, argument: Range<usize>) -> bool {
    let word = source.text(argument.start);
    if !source.is_ident(argument.start) {
        return false;
    }
    let plain = |i: usize| source.is_ident(i) || source.is(i, b"*");
    let begins = words::is_tag_keyword(word)
        || words::is_base_type(word)
        || matches!(word, b"const" | b"volatile");
    if begins {
        return argument.clone().all(|i| {
            plain(i)
                || matches!(source.text(i), b"[" | b"]" | b"(" | b")" | b",")
                || source.tokens[i].kind == Kind::Number
        }) && !argument.clone().any(|i| source.is(i, b"("))
            || argument
                .clone()
                .any(|i| source.is(i, b"(") && source.is(i + 1, b"*") && source.is(i + 2, b")"));
    }
    if argument.len() > 1 {
        return source.is(argument.end - 1, b"*") && argument.clone().all(plain);
    }
    let common = matches!(
        word,
        b"size_t"
            | b"ssize_t"
            | b"loff_t"
            | b"pgoff_t"
            | b"dma_addr_t"
            | b"phys_addr_t"
            | b"resource_size_t"
            | b"uintptr_t"
            | b"gfp_t"
            | b"sector_t"
    );
    common || !word.ends_with(b"_t") && words::is_kernel_type(word)
}

fn is_statement(source: &Source<'_>, argument: Range<usize>) -> bool {
    if source.is(argument.start, b"{")
        || source.is(argument.start, b"(") && source.is(argument.start + 1, b"{")
    {
        return false;
    }
    let word = source.text(argument.start);
    matches!(
        word,
        b"if"
            | b"for"
            | b"while"
            | b"do"
            | b"switch"
            | b"return"
            | b"goto"
            | b"break"
            | b"continue"
    ) || argument
        .clone()
        .scan(0usize, |end, i| {
            let outside = i >= *end;
            if outside {
                *end = source.after(i);
            }
            Some(outside && source.is(i, b";"))
        })
        .any(|found| found)
}

fn column(bytes: &[u8], at: u32) -> usize {
    let at = at as usize;
    let line = memchr::memrchr(b'\n', &bytes[..at]).map_or(0, |n| n + 1);
    bytes[line..at].iter().fold(0, |column, b| {
        if *b == b'\t' {
            (column / 8 + 1) * 8
        } else {
            column + 1
        }
    })
}
