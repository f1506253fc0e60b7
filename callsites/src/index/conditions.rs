// SPDX-License-Identifier: MIT OR Apache-2.0
//! The `#if` groups of a file: their arms, with the condition of each, and how they nest.

use super::lex::{self, Kind, Mode, Token};
use std::ops::Range;

/// One arm of an `#if` group.
#[derive(Debug, Clone)]
pub(crate) struct Arm {
    /// The condition as written; of `#ifdef X` "X", of `#else` the negation of those before.
    pub(crate) condition: String,
    /// The tokens between its directive and the next.
    pub(crate) tokens: Range<usize>,
    /// The first and the last of them that is no directive.
    pub(crate) ends: Option<(usize, usize)>,
    /// Every bracket in it has its partner there.
    pub(crate) whole: bool,
}

/// An `#if … #endif` group, directives as token indices.
#[derive(Debug, Clone)]
pub(crate) struct Group {
    /// The token of each `#if`, `#elif`, `#else`, and of `#endif` last.
    pub(crate) directives: Vec<usize>,
    /// The arms.
    pub(crate) arms: Vec<Arm>,
    /// The arm that gives structure, when the arms do not hold whole brackets.
    pub(crate) main_of_split: Option<usize>,
    /// The arm that gives structure where not every arm can: the first that is not compiled out.
    pub(crate) main: usize,
    /// The group and the arm it stands in.
    pub(super) parent: Option<(usize, usize)>,
    pub(super) has_else: bool,
}

/// The keyword of a preprocessor line and what follows it, comments and continuations removed.
pub(crate) fn directive(text: &[u8]) -> (String, String) {
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

/// The groups of a file and the order of their directives.
pub(super) fn groups(bytes: &[u8], tokens: &[Token]) -> (Vec<Group>, Vec<(usize, usize, usize)>) {
    let mut open: Vec<usize> = Vec::new();
    let mut out: Vec<Group> = Vec::new();
    let mut steps = Vec::new();
    let mut plain = None;
    // Arms whose first token has not come yet.
    let mut waiting: Vec<(usize, usize)> = Vec::new();
    for (i, token) in tokens.iter().enumerate() {
        if token.kind != Kind::Directive {
            while let Some((group, arm)) = waiting.pop() {
                out[group].arms[arm].ends = Some((i, i));
            }
            plain = Some(i);
            continue;
        }
        let text = token.text(bytes);
        if !matches!(text[1..].trim_ascii_start(), [b'i', b'f', ..] | [b'e', ..]) {
            continue;
        }
        let (word, condition) = directive(text);
        match word.as_str() {
            "if" | "ifdef" | "ifndef" => {
                let condition = if word == "ifndef" {
                    format!("!{condition}")
                } else {
                    condition
                };
                let parent = open
                    .last()
                    .map(|group| (*group, out[*group].arms.len() - 1));
                steps.push((i, out.len(), 0));
                waiting.push((out.len(), 0));
                open.push(out.len());
                out.push(Group::opened(i, condition, parent));
            }
            "elif" | "elifdef" | "elifndef" | "else" => {
                if let Some(at) = open.last() {
                    let group = &mut out[*at];
                    let condition = match word.as_str() {
                        "else" if !group.has_else => group.negated(),
                        // A second `#else` is never compiled.
                        "else" => "0".to_owned(),
                        "elifndef" => format!("!{condition}"),
                        _ => condition,
                    };
                    group.has_else |= word == "else";
                    steps.push((i, *at, group.arms.len()));
                    while waiting.last().is_some_and(|waits| waits.0 == *at) {
                        waiting.pop();
                    }
                    waiting.push((*at, group.arms.len()));
                    group.next_arm(i, condition, plain);
                }
            }
            "endif" => {
                if let Some(at) = open.pop() {
                    steps.push((i, at, out[at].arms.len()));
                    while waiting.last().is_some_and(|waits| waits.0 == at) {
                        waiting.pop();
                    }
                    out[at].close(i, plain);
                }
            }
            _ => {}
        }
    }
    while let Some(at) = open.pop() {
        steps.push((tokens.len(), at, out[at].arms.len()));
        out[at].close(tokens.len(), plain);
    }
    for group in &mut out {
        let main = group.arms.iter().position(|arm| arm.condition != "0");
        group.main = main.unwrap_or(0);
    }
    (out, steps)
}

impl Group {
    fn opened(at: usize, condition: String, parent: Option<(usize, usize)>) -> Self {
        let mut group = Group {
            directives: Vec::new(),
            arms: Vec::new(),
            main_of_split: None,
            main: 0,
            parent,
            has_else: false,
        };
        group.next_arm(at, condition, None);
        group
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

    fn next_arm(&mut self, at: usize, condition: String, plain: Option<usize>) {
        self.close(at, plain);
        self.arms.push(Arm {
            condition,
            tokens: at + 1..at + 1,
            ends: None,
            whole: true,
        });
    }

    fn close(&mut self, at: usize, plain: Option<usize>) {
        self.directives.push(at);
        if let Some(arm) = self.arms.last_mut() {
            arm.tokens.end = at.max(arm.tokens.start);
            if let (Some(ends), Some(plain)) = (&mut arm.ends, plain) {
                ends.1 = plain;
            }
        }
    }

    /// The directives and everything between them.
    pub(crate) fn range(&self) -> Range<usize> {
        self.directives[0]..self.directives[self.directives.len() - 1] + 1
    }
}
