// SPDX-License-Identifier: MIT OR Apache-2.0
//! What becomes of `#if` groups inside a function: every arm is kept.
//!
//! Arms of whole statements become blocks, `{{ … }{ … }}`, in place. A group with one arm that is no whole statement
//! (`&& x`, `else if (…) …`) is read as if its condition held. Of a group with several such arms one stays in place
//! and the others are read on their own.

use super::lex::Kind;
use super::mask::{Aside, Mark, Masker};
use super::source::Group;

/// Settles all groups that lie inside the masker's range, outer ones first.
pub fn settle(masker: &mut Masker<'_, '_>) {
    let source = masker.source;
    for group in source.groups.iter().rev() {
        let range = group.range();
        if range.start < masker.range.start || range.end > masker.range.end {
            continue;
        }
        if masker.skip[range.start - masker.range.start] && group.main_of_split.is_none() {
            continue;
        }
        if let Some(main) = group.main_of_split {
            set_aside(masker, group, main);
        } else if group.arms.iter().all(|arm| {
            masker
                .from(arm.tokens.start)
                .is_none_or(|i| i >= arm.tokens.end)
        }) {
            continue;
        } else if whole_statements(masker, group) {
            blocks(masker, group);
        } else if group.arms.len() > 1 && !continues_a_list(masker, group) {
            let main = group
                .arms
                .iter()
                .position(|arm| arm.condition != "0")
                .unwrap_or(0);
            set_aside(masker, group, main);
        }
    }
}

fn set_aside(masker: &mut Masker<'_, '_>, group: &Group, main: usize) {
    if masker.skip[group.directives[0] - masker.range.start] {
        return;
    }
    for (n, arm) in group.arms.iter().enumerate() {
        if n == main || arm.tokens.is_empty() {
            continue;
        }
        let range = arm.tokens.start - masker.range.start..arm.tokens.end - masker.range.start;
        masker.skip[range].fill(true);
        // Directives of inner groups are skipped too, which tells `settle` to leave those groups alone.
        let span = masker.source.span(&arm.tokens);
        masker.out.asides.push(Aside {
            condition: arm.condition.clone(),
            span,
        });
    }
}

fn whole_statements(masker: &Masker<'_, '_>, group: &Group) -> bool {
    let source = masker.source;
    let range = group.range();
    let begins = masker.before(range.start).is_some_and(|b| {
        matches!(
            source.text(b),
            b";" | b"{" | b"}" | b":" | b")" | b"else" | b"do"
        )
    });
    let else_follows = masker
        .from(range.end)
        .is_some_and(|n| matches!(source.text(n), b"else"));
    begins
        && !else_follows
        && group.arms.iter().all(|arm| {
            let shown: Vec<usize> = arm.tokens.clone().filter(|i| !masker.hidden(*i)).collect();
            let (Some(first), Some(last)) = (shown.first(), shown.last()) else {
                return true;
            };
            !matches!(source.text(*first), b"else")
                && source.whole_brackets(arm.tokens.clone())
                && matches!(source.text(*last), b";" | b"}")
                && !open_operator(source.tokens[*first].kind, source.text(*first))
        })
}

/// An arm that begins with an operator goes on with the expression before it.
fn open_operator(kind: Kind, text: &[u8]) -> bool {
    kind == Kind::Punct
        && matches!(
            text,
            b"&&" | b"||" | b"|" | b"." | b"->" | b"," | b")" | b"=" | b"?" | b":"
        )
}

/// Arms that each end with a comma follow one another in a list.
fn continues_a_list(masker: &Masker<'_, '_>, group: &Group) -> bool {
    group.arms.iter().all(|arm| {
        arm.tokens
            .clone()
            .rev()
            .find(|i| !masker.hidden(*i))
            .is_none_or(|last| masker.source.is(last, b","))
    })
}

fn blocks(masker: &mut Masker<'_, '_>, group: &Group) {
    let source = masker.source;
    for (n, directive) in group.directives.iter().enumerate() {
        let Some(token) = source.tokens.get(*directive) else {
            continue;
        };
        let text: &[u8] = match n {
            0 => b"{{",
            _ if n + 1 == group.directives.len() => b"}}",
            _ => b"}{",
        };
        masker.write(token.start, text);
        if n == 0 {
            let conditions = group.arms.iter().map(|arm| arm.condition.clone()).collect();
            masker.out.marks.insert(token.start, Mark::Arms(conditions));
        }
    }
}
