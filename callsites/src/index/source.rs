// SPDX-License-Identifier: MIT OR Apache-2.0
//! A file as tokens, with its brackets paired and its `#if` groups known.
//!
//! Kernel code puts half a statement into an arm of `#if`. Where the arms of a group do not each hold whole brackets,
//! one arm (the first whose condition is not `0`) gives the file its structure and the tokens of the others are
//! "aside": they are read on their own, later, so that no call in them is lost.

use super::conditions::{Group, groups};
use super::ir::{NotCompiled, Span};
use super::lex::{self, Kind, Mode, Token};
use super::versions;
use crate::tree::Defined;
use smol_str::SmolStr;
use std::collections::BTreeMap;
use std::ops::Range;

/// The partner of a token that is no bracket or has none.
pub(super) const NO_MATE: u32 = u32::MAX;

/// Tokens of a file with what belongs together.
#[derive(Debug)]
pub(crate) struct Source<'a> {
    /// The file.
    pub(crate) bytes: &'a [u8],
    /// Its tokens.
    pub(crate) tokens: Vec<Token>,
    /// For each bracket the index of its partner, else [`NO_MATE`].
    pub(super) mates: Vec<u32>,
    /// Tokens that give no structure: other arms of split groups.
    pub(crate) aside: Vec<bool>,
    /// `#if` groups, outer ones before inner ones.
    pub(crate) groups: Vec<Group>,
    /// Every directive of a group in order: its token, the group, and which of the group's directives it is.
    pub(super) steps: Vec<(usize, usize, usize)>,
    /// Where the body of a function ends whose `{` has no partner.
    pub(super) cut: BTreeMap<usize, usize>,
    /// Where a comment begins that never ends.
    pub(crate) open_comment: Option<u32>,
    /// Calls of the catalogue that what is defined leaves out.
    pub(super) not_compiled: Vec<NotCompiled>,
}

impl<'a> Source<'a> {
    /// Reads a file.
    #[cfg(test)]
    pub(crate) fn of_file(bytes: &'a [u8]) -> Self {
        Self::of_release(bytes, &Defined::default())
    }

    /// Reads what a release compiles of a file; without one, all of it.
    pub(crate) fn of_release(bytes: &'a [u8], defined: &Defined) -> Self {
        Self::new(bytes, 0, bytes.len(), Mode::File, defined)
    }

    /// Reads the body of a `#define`.
    pub(crate) fn of_macro(bytes: &'a [u8], body: Span) -> Self {
        Self::new(
            bytes,
            body.start as usize,
            body.end as usize,
            Mode::MacroBody,
            &Defined::default(),
        )
    }

    /// Tokens of which all give structure.
    pub(crate) fn of_tokens(bytes: &'a [u8], tokens: Vec<Token>) -> Self {
        let mut source = Source {
            bytes,
            mates: vec![NO_MATE; tokens.len()],
            aside: vec![false; tokens.len()],
            tokens,
            groups: Vec::new(),
            steps: Vec::new(),
            cut: BTreeMap::new(),
            open_comment: None,
            not_compiled: Vec::new(),
        };
        source.pair();
        source
    }

    fn new(bytes: &'a [u8], from: usize, to: usize, mode: Mode, defined: &Defined) -> Self {
        let (tokens, open_comment) = lex::tokens_and_end(bytes, from, to, mode);
        let (tokens, not_compiled) = versions::live(bytes, tokens, defined);
        let (groups, steps) = groups(bytes, &tokens);
        let mut source = Source {
            bytes,
            mates: vec![NO_MATE; tokens.len()],
            aside: vec![false; tokens.len()],
            tokens,
            groups,
            steps,
            cut: BTreeMap::new(),
            open_comment,
            not_compiled,
        };
        source.choose_arms();
        if !source.pair() {
            source.mend();
        }
        source
    }

    /// The bytes of token `i`.
    pub(crate) fn text(&self, i: usize) -> &'a [u8] {
        self.tokens[i].text(self.bytes)
    }

    /// The text of token `i` as a string.
    pub(crate) fn string(&self, i: usize) -> SmolStr {
        String::from_utf8_lossy(self.text(i)).into()
    }

    /// True when token `i` is the operator `text`.
    pub(crate) fn is(&self, i: usize, text: &[u8]) -> bool {
        self.tokens.get(i).is_some_and(|t| t.is(self.bytes, text))
    }

    /// True when token `i` is an identifier.
    pub(crate) fn is_ident(&self, i: usize) -> bool {
        self.tokens.get(i).is_some_and(|t| t.kind == Kind::Ident)
    }

    /// True when token `i` is the identifier `text`.
    pub(crate) fn is_word(&self, i: usize, text: &[u8]) -> bool {
        self.is_ident(i) && self.text(i) == text
    }

    /// The partner of bracket `i`.
    pub(crate) fn mate(&self, i: usize) -> Option<usize> {
        self.mates
            .get(i)
            .filter(|m| **m != NO_MATE)
            .map(|m| *m as usize)
    }

    /// The index after token `i`, or after the group it opens.
    pub(crate) fn after(&self, i: usize) -> usize {
        match self.mate(i) {
            Some(mate) if mate > i => mate + 1,
            None => self.cut.get(&i).copied().unwrap_or(i + 1),
            _ => i + 1,
        }
    }

    /// The bytes tokens `range` cover.
    pub(crate) fn span(&self, range: &Range<usize>) -> Span {
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
    pub(crate) fn split_commas(&self, range: Range<usize>) -> Vec<Range<usize>> {
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

    /// The group that directive `at` belongs to, and which of its directives it is.
    pub(crate) fn step(&self, at: usize) -> Option<(usize, usize)> {
        let found = self.steps.binary_search_by_key(&at, |step| step.0).ok()?;
        Some((self.steps[found].1, self.steps[found].2))
    }

    /// The groups and arms around token `at`, innermost first.
    pub(crate) fn arms_around(&self, at: usize) -> impl Iterator<Item = (usize, usize)> + '_ {
        let after = self.steps.partition_point(|step| step.0 < at);
        let inner = after.checked_sub(1).and_then(|last| {
            let (_, group, nth) = self.steps[last];
            let closed = nth + 1 == self.groups[group].directives.len();
            if closed {
                self.groups[group].parent
            } else {
                Some((group, nth))
            }
        });
        std::iter::successors(inner, |(group, _)| self.groups[*group].parent)
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
    fn a_lost_brace_is_mended_where_the_next_function_begins() {
        let text = b"int f(void)\n{\n if (a) {\n } int g(void)\n{\n}\n";
        let source = Source::of_file(text);
        let braces: Vec<usize> = (0..source.tokens.len())
            .filter(|i| source.is(*i, b"{"))
            .collect();
        assert_eq!(
            source.mate(braces[0]).map(|m| source.tokens[m].start),
            Some(25)
        );
        assert!(source.mate(braces[2]).is_some());
    }
}
