// SPDX-License-Identifier: MIT OR Apache-2.0
//! A file as tokens, with its brackets paired and its `#if` groups known.
//!
//! Kernel code puts half a statement into an arm of `#if`. Where the arms of a group do not each hold whole brackets,
//! one arm (the first whose condition is not `0`) gives the file its structure and the tokens of the others are
//! "aside": they are read on their own, later, so that no call in them is lost.

use super::ir::Span;
use super::lex::{self, Kind, Mode, Token};
use smol_str::SmolStr;
use std::ops::Range;

/// The partner of a token that is no bracket or has none.
pub const NO_MATE: u32 = u32::MAX;

/// One arm of an `#if` group.
#[derive(Debug, Clone)]
pub struct Arm {
    /// The condition as written; of `#ifdef X` "X", of `#else` the negation of those before.
    pub condition: String,
    /// The tokens between its directive and the next.
    pub tokens: Range<usize>,
}

/// An `#if … #endif` group, directives as token indices.
#[derive(Debug, Clone)]
pub struct Group {
    /// The token of each `#if`, `#elif`, `#else`, and of `#endif` last.
    pub directives: Vec<usize>,
    /// The arms.
    pub arms: Vec<Arm>,
    /// The arm that gives structure, when the arms do not hold whole brackets.
    pub main_of_split: Option<usize>,
}

/// Tokens of a file with what belongs together.
#[derive(Debug)]
pub struct Source<'a> {
    /// The file.
    pub bytes: &'a [u8],
    /// Its tokens.
    pub tokens: Vec<Token>,
    /// For each bracket the index of its partner, else [`NO_MATE`].
    pub mates: Vec<u32>,
    /// Tokens that give no structure: other arms of split groups.
    pub aside: Vec<bool>,
    /// `#if` groups, inner ones before outer ones.
    pub groups: Vec<Group>,
}

impl<'a> Source<'a> {
    /// Reads a file.
    pub fn of_file(bytes: &'a [u8]) -> Self {
        Self::new(bytes, 0, bytes.len(), Mode::File)
    }

    /// Reads the body of a `#define`.
    pub fn of_macro(bytes: &'a [u8], body: Span) -> Self {
        Self::new(
            bytes,
            body.start as usize,
            body.end as usize,
            Mode::MacroBody,
        )
    }

    /// Reads a stretch of a file on its own.
    pub fn of_fragment(bytes: &'a [u8], span: Span) -> Self {
        Self::new(bytes, span.start as usize, span.end as usize, Mode::File)
    }

    fn new(bytes: &'a [u8], from: usize, to: usize, mode: Mode) -> Self {
        let tokens = lex::tokens(bytes, from, to, mode);
        let groups = groups(bytes, &tokens);
        let aside = vec![false; tokens.len()];
        let mut source = Source {
            bytes,
            mates: vec![NO_MATE; tokens.len()],
            tokens,
            aside,
            groups,
        };
        source.choose_arms();
        if !source.pair(false) {
            source.pair(true);
        }
        source
    }

    /// The bytes of token `i`.
    pub fn text(&self, i: usize) -> &'a [u8] {
        self.tokens[i].text(self.bytes)
    }

    /// The text of token `i` as a string.
    pub fn string(&self, i: usize) -> SmolStr {
        String::from_utf8_lossy(self.text(i)).into()
    }

    /// True when token `i` is the operator `text`.
    pub fn is(&self, i: usize, text: &[u8]) -> bool {
        self.tokens.get(i).is_some_and(|t| t.is(self.bytes, text))
    }

    /// True when token `i` is an identifier.
    pub fn is_ident(&self, i: usize) -> bool {
        self.tokens.get(i).is_some_and(|t| t.kind == Kind::Ident)
    }

    /// True when token `i` is the identifier `text`.
    pub fn is_word(&self, i: usize, text: &[u8]) -> bool {
        self.is_ident(i) && self.text(i) == text
    }

    /// The partner of bracket `i`.
    pub fn mate(&self, i: usize) -> Option<usize> {
        self.mates
            .get(i)
            .filter(|m| **m != NO_MATE)
            .map(|m| *m as usize)
    }

    /// The index after token `i`, or after the group it opens.
    pub fn after(&self, i: usize) -> usize {
        match self.mate(i) {
            Some(mate) if mate > i => mate + 1,
            _ => i + 1,
        }
    }

    /// The bytes tokens `range` cover.
    pub fn span(&self, range: &Range<usize>) -> Span {
        match (
            self.tokens.get(range.start),
            range
                .end
                .checked_sub(1)
                .and_then(|last| self.tokens.get(last)),
        ) {
            (Some(first), Some(last)) if range.start < range.end => Span {
                start: first.start,
                end: last.end,
            },
            _ => Span::default(),
        }
    }

    /// Splits `range` at the commas that stand in no bracket.
    pub fn split_commas(&self, range: Range<usize>) -> Vec<Range<usize>> {
        let mut out = Vec::new();
        let mut start = range.start;
        let mut i = range.start;
        while i < range.end {
            if self.is(i, b",") {
                out.push(start..i);
                start = i + 1;
            }
            i = self.after(i);
        }
        if start < range.end || !out.is_empty() {
            out.push(start..range.end);
        }
        out
    }

    fn choose_arms(&mut self) {
        for g in 0..self.groups.len() {
            let group = &self.groups[g];
            let whole: Vec<bool> = group
                .arms
                .iter()
                .map(|arm| self.whole_brackets(arm.tokens.clone()))
                .collect();
            if group.arms.len() < 2 || whole.iter().all(|w| *w) {
                continue;
            }
            let main = group
                .arms
                .iter()
                .position(|arm| arm.condition != "0")
                .unwrap_or(0);
            let others: Vec<Range<usize>> = group
                .arms
                .iter()
                .enumerate()
                .filter(|(n, _)| *n != main)
                .map(|(_, arm)| arm.tokens.clone())
                .collect();
            self.groups[g].main_of_split = Some(main);
            for tokens in others {
                self.aside[tokens].fill(true);
            }
        }
    }

    /// True when every bracket in `tokens` has its partner there.
    pub fn whole_brackets(&self, tokens: Range<usize>) -> bool {
        let mut open = Vec::new();
        for i in tokens.filter(|i| !self.aside[*i]) {
            match bracket(self.text(i), self.tokens[i].kind) {
                Some(Bracket::Open(close)) => open.push(close),
                Some(Bracket::Close(byte)) if open.pop() != Some(byte) => return false,
                _ => {}
            }
        }
        open.is_empty()
    }

    /// Pairs brackets; with `by_column` a `}` in the first column closes the outermost `{`. False when some stay open.
    fn pair(&mut self, by_column: bool) -> bool {
        self.mates.fill(NO_MATE);
        let mut open: Vec<(usize, u8)> = Vec::new();
        let mut clean = true;
        for i in 0..self.tokens.len() {
            let token = self.tokens[i];
            if self.aside[i] || token.kind != Kind::Punct {
                continue;
            }
            match bracket(token.text(self.bytes), token.kind) {
                Some(Bracket::Open(close)) => open.push((i, close)),
                Some(Bracket::Close(byte)) => {
                    let first_column =
                        token.start > 0 && self.bytes[token.start as usize - 1] == b'\n';
                    let at = if by_column && byte == b'}' && first_column {
                        open.iter().position(|(_, close)| *close == byte)
                    } else {
                        open.iter().rposition(|(_, close)| *close == byte)
                    };
                    match at {
                        Some(at) => {
                            clean &= at + 1 == open.len();
                            let partner = open[at].0;
                            open.truncate(at);
                            self.mates[i] = partner as u32;
                            self.mates[partner] = i as u32;
                        }
                        None => clean = false,
                    }
                }
                None => {}
            }
        }
        clean && open.is_empty()
    }
}

enum Bracket {
    Open(u8),
    Close(u8),
}

fn bracket(text: &[u8], kind: Kind) -> Option<Bracket> {
    if kind != Kind::Punct || text.len() != 1 {
        return None;
    }
    match text[0] {
        b'(' => Some(Bracket::Open(b')')),
        b'[' => Some(Bracket::Open(b']')),
        b'{' => Some(Bracket::Open(b'}')),
        byte @ (b')' | b']' | b'}') => Some(Bracket::Close(byte)),
        _ => None,
    }
}

/// The keyword of a preprocessor line and what follows it, comments and continuations removed.
pub fn directive(text: &[u8]) -> (String, String) {
    let mut rest = text.strip_prefix(b"#").unwrap_or(text);
    while let [b' ' | b'\t', tail @ ..] = rest {
        rest = tail;
    }
    let length = rest
        .iter()
        .position(|b| !b.is_ascii_alphanumeric() && *b != b'_')
        .unwrap_or(rest.len());
    let (word, tail) = rest.split_at(length);
    let tokens = lex::tokens(tail, 0, tail.len(), Mode::MacroBody);
    let mut condition = String::new();
    for (n, token) in tokens.iter().enumerate() {
        if n > 0 && tokens[n - 1].end < token.start {
            condition.push(' ');
        }
        condition.push_str(&String::from_utf8_lossy(token.text(tail)));
    }
    (String::from_utf8_lossy(word).into_owned(), condition)
}

fn groups(bytes: &[u8], tokens: &[Token]) -> Vec<Group> {
    let mut open: Vec<Group> = Vec::new();
    let mut out = Vec::new();
    for (i, token) in tokens
        .iter()
        .enumerate()
        .filter(|(_, t)| t.kind == Kind::Directive)
    {
        let text = token.text(bytes);
        if !text[1..].trim_ascii_start().starts_with(b"if")
            && !text[1..].trim_ascii_start().starts_with(b"e")
        {
            continue;
        }
        let (word, condition) = directive(text);
        match word.as_str() {
            "if" => open.push(Group::opened(i, condition)),
            "ifdef" => open.push(Group::opened(i, condition)),
            "ifndef" => open.push(Group::opened(i, format!("!{condition}"))),
            "elif" | "elifdef" | "elifndef" | "else" => {
                if let Some(group) = open.last_mut() {
                    let condition = if word == "else" {
                        group.negated()
                    } else {
                        condition
                    };
                    group.next_arm(i, condition);
                }
            }
            "endif" => {
                if let Some(mut group) = open.pop() {
                    group.close(i);
                    out.push(group);
                }
            }
            _ => {}
        }
    }
    while let Some(mut group) = open.pop() {
        group.close(tokens.len());
        out.push(group);
    }
    out
}

impl Group {
    fn opened(at: usize, condition: String) -> Self {
        Group {
            directives: vec![at],
            arms: vec![Arm {
                condition,
                tokens: at + 1..at + 1,
            }],
            main_of_split: None,
        }
    }

    fn negated(&self) -> String {
        let terms: Vec<String> = self
            .arms
            .iter()
            .map(|arm| match arm.condition.strip_prefix('!') {
                Some(rest) if rest.bytes().all(lex::is_ident) => rest.to_owned(),
                _ if arm.condition.bytes().all(lex::is_ident) => format!("!{}", arm.condition),
                _ => format!("!({})", arm.condition),
            })
            .collect();
        terms.join(" && ")
    }

    fn next_arm(&mut self, at: usize, condition: String) {
        self.close(at);
        self.arms.push(Arm {
            condition,
            tokens: at + 1..at + 1,
        });
    }

    fn close(&mut self, at: usize) {
        self.directives.push(at);
        if let Some(arm) = self.arms.last_mut() {
            arm.tokens.end = at.max(arm.tokens.start);
        }
    }

    /// The directives and everything between them.
    pub fn range(&self) -> Range<usize> {
        self.directives[0]..self.directives[self.directives.len() - 1] + 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arms_that_split_a_bracket_leave_one_arm_to_give_structure() {
        let text = b"#ifdef A\nint f(int a) {\n#else\nint f(void) {\n#endif\n g();\n}\nint h;\n";
        let source = Source::of_file(text);
        assert_eq!(source.groups[0].main_of_split, Some(0));
        assert_eq!(source.groups[0].arms[1].condition, "!A");
        let brace = (0..source.tokens.len())
            .find(|i| source.is(*i, b"{"))
            .unwrap();
        let close = source.mate(brace).unwrap();
        assert_eq!(source.text(close + 1), b"int");
    }

    #[test]
    fn a_lost_brace_is_mended_at_the_next_brace_in_the_first_column() {
        let text = b"int f(void)\n{\n if (a) {\n}\nint g(void)\n{\n}\n";
        let source = Source::of_file(text);
        let braces: Vec<usize> = (0..source.tokens.len())
            .filter(|i| source.is(*i, b"{"))
            .collect();
        assert_eq!(
            source.mate(braces[0]).map(|m| source.tokens[m].start),
            Some(24)
        );
        assert!(source.mate(braces[2]).is_some());
    }
}
