// SPDX-License-Identifier: MIT OR Apache-2.0
//! The tokens of a body in the order in which they are read, with what becomes of `#if` groups settled: every arm is
//! kept.
//!
//! Where the arms of a group are whole statements, marks around them tell the parser. A group with one arm that is no
//! whole statement (`&& x`, `else if (…) …`) is read as if its condition held. Of a group with several such arms one
//! stays in place and the others are read on their own.

use super::conditions::Group;
use super::lex::{Kind, Token};
use super::source::Source;
use std::collections::VecDeque;
use std::ops::Range;

/// What a token of kind [`Kind::Directive`] in a stream stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mark {
    /// The first arm of a group begins.
    Open(usize),
    /// The next arm of the group begins.
    Next,
    /// The group ends.
    End,
}

/// An arm that is read on its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Aside {
    /// The token of the stream before which it stands.
    pub(crate) at: usize,
    /// Which group of the file.
    pub(crate) group: usize,
    /// Which of its arms.
    pub(crate) arm: usize,
}

/// Tokens to read, none of which is hidden.
pub(crate) struct Stream<'a> {
    /// The tokens, their brackets paired among themselves; a directive is a [`Mark`].
    pub(crate) source: Source<'a>,
    /// For each token its mark.
    pub(crate) marks: Vec<Option<Mark>>,
    /// What is read on its own, in order.
    pub(crate) asides: VecDeque<Aside>,
}

/// What becomes of a group.
#[derive(Clone, Copy, PartialEq, Eq)]
enum How {
    /// Marks stand around its arms.
    Marked,
    /// All arms stand in place.
    InPlace,
    /// This arm stands in place.
    One(usize),
}

/// The stream of `range`. `is_list` tells that a statement may begin with its first token.
pub(crate) fn of<'a>(source: &Source<'a>, range: Range<usize>, is_list: bool) -> Stream<'a> {
    let mut builder = Builder {
        source,
        range: range.clone(),
        is_list,
        tokens: Vec::with_capacity(range.len()),
        marks: Vec::with_capacity(range.len()),
        asides: VecDeque::new(),
        before: None,
        brackets: Vec::new(),
    };
    builder.run();
    Stream {
        source: Source::of_tokens(source.bytes, builder.tokens),
        marks: builder.marks,
        asides: builder.asides,
    }
}

struct Builder<'s, 'a> {
    source: &'s Source<'a>,
    range: Range<usize>,
    is_list: bool,
    tokens: Vec<Token>,
    marks: Vec<Option<Mark>>,
    asides: VecDeque<Aside>,
    /// The last token that is no mark.
    before: Option<usize>,
    /// The brackets that are open.
    brackets: Vec<u8>,
}

impl Builder<'_, '_> {
    fn run(&mut self) {
        let mut open: Vec<(usize, How)> = Vec::new();
        let mut at = self.range.start;
        while at < self.range.end {
            if self.source.tokens[at].kind != Kind::Directive {
                self.push(at, None);
                at += 1;
                continue;
            }
            let Some((number, nth)) = self.source.step(at) else {
                at += 1;
                continue;
            };
            let group = &self.source.groups[number];
            if nth == 0 {
                if group.range().end > self.range.end {
                    at += 1;
                    continue;
                }
                open.push((number, self.how(group)));
            }
            let Some((_, how)) = open.last().copied().filter(|(known, _)| *known == number) else {
                at += 1;
                continue;
            };
            let ends = nth == group.arms.len();
            match how {
                How::Marked => {
                    let mark = match nth {
                        0 => Mark::Open(number),
                        _ if ends => Mark::End,
                        _ => Mark::Next,
                    };
                    self.push(at, Some(mark));
                }
                How::One(arm) if !ends && arm != nth => {
                    if !group.arms[nth].tokens.is_empty() {
                        self.asides.push_back(Aside {
                            at: self.tokens.len(),
                            group: number,
                            arm: nth,
                        });
                    }
                    at = group.directives[nth + 1];
                    continue;
                }
                How::One(_) | How::InPlace => {}
            }
            if ends {
                open.pop();
            }
            at += 1;
        }
    }

    fn push(&mut self, at: usize, mark: Option<Mark>) {
        self.tokens.push(self.source.tokens[at]);
        self.marks.push(mark);
        if mark.is_some() {
            return;
        }
        self.before = Some(at);
        if self.source.tokens[at].kind == Kind::Punct {
            match self.source.text(at) {
                [byte @ (b'(' | b'[' | b'{')] => self.brackets.push(*byte),
                b")" | b"]" | b"}" => {
                    self.brackets.pop();
                }
                _ => {}
            }
        }
    }

    fn how(&self, group: &Group) -> How {
        if let Some(main) = group.main_of_split {
            How::One(main)
        } else if group.arms.iter().all(|arm| arm.ends.is_none()) {
            How::InPlace
        } else if self.whole_statements(group) {
            How::Marked
        } else if group.arms.len() > 1 && !self.continues_a_list(group) {
            How::One(group.main)
        } else {
            How::InPlace
        }
    }

    fn whole_statements(&self, group: &Group) -> bool {
        let source = self.source;
        let begins = self.before.map_or(self.is_list, |before| {
            matches!(
                source.text(before),
                b";" | b"{" | b"}" | b":" | b")" | b"else" | b"do"
            )
        });
        let in_block = self.brackets.last().is_none_or(|bracket| *bracket == b'{');
        let after = group.range().end;
        let follows = (after..self.range.end)
            .take(LOOK_AHEAD)
            .find(|i| source.tokens[*i].kind != Kind::Directive);
        begins
            && in_block
            && !follows.is_some_and(|next| source.is_word(next, b"else"))
            && group.arms.iter().all(|arm| {
                let Some((first, last)) = arm.ends else {
                    return true;
                };
                arm.whole
                    && !source.is_word(first, b"else")
                    && matches!(source.text(last), b";" | b"}")
                    && !goes_on(source, first)
            })
    }

    /// Arms that each end with a comma follow one another in a list.
    fn continues_a_list(&self, group: &Group) -> bool {
        let mut ends = group.arms.iter().filter_map(|arm| arm.ends);
        ends.all(|(_, last)| self.source.is(last, b","))
    }
}

/// How many directives in a row are looked past for an `else`: without a bound, a ladder of `#if` groups would be looked
/// through once for each of them.
const LOOK_AHEAD: usize = 64;

/// An arm that begins with an operator goes on with the expression before it.
fn goes_on(source: &Source<'_>, first: usize) -> bool {
    source.tokens[first].kind == Kind::Punct
        && matches!(
            source.text(first),
            b"&&" | b"||" | b"|" | b"." | b"->" | b"," | b")" | b"=" | b"?" | b":"
        )
}
