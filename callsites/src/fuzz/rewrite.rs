// SPDX-License-Identifier: MIT OR Apache-2.0
//! The same statements written otherwise: braces around a single one, conditions in an equivalent form.

use super::dice::Dice;
use crate::lex::{Kind, Mode, Token, tokens};

/// Bytes that stand in the place of others.
struct Edit {
    start: usize,
    end: usize,
    text: Vec<u8>,
}

/// A statement of more tokens is left alone: it is a table or a macro of a size that nobody puts behind an `if`.
const LONGEST: usize = 400;

/// Braces around statements that stand alone behind `if`, `else`, `for` and `while`.
pub(crate) fn braced(bytes: &[u8], dice: &mut Dice) -> Vec<u8> {
    let all = tokens(bytes, 0, bytes.len(), Mode::File);
    let mut edits = Vec::new();
    for (at, token) in all.iter().enumerate() {
        let body = match word(bytes, token) {
            b"if" | b"for" | b"while" => closing(bytes, &all, at + 1).map(|close| close + 1),
            b"else" => Some(at + 1),
            _ => None,
        };
        let Some((first, last)) = body.and_then(|body| simple(bytes, &all, body)) else {
            continue;
        };
        if dice.once_in(2) {
            edits.push(insert(first.start, b"{ "));
            edits.push(insert(last.end, b" }"));
        }
    }
    applied(bytes, edits)
}

/// Conditions in parentheses of their own, compared with zero, or with their sides swapped.
pub(crate) fn reworded(bytes: &[u8], dice: &mut Dice) -> Vec<u8> {
    let all = tokens(bytes, 0, bytes.len(), Mode::File);
    let mut edits = Vec::new();
    for (at, token) in all.iter().enumerate() {
        if !matches!(word(bytes, token), b"if" | b"while") {
            continue;
        }
        let Some(close) = closing(bytes, &all, at + 1) else {
            continue;
        };
        let inner = &all[at + 2..close];
        if inner.iter().any(|token| token.kind == Kind::Directive) {
            continue;
        }
        match (dice.below(3), inner) {
            (0, [first, .., last]) => {
                edits.push(insert(first.start, b"("));
                edits.push(insert(last.end, b")"));
            }
            (1, [name]) if name.kind == Kind::Ident => edits.push(insert(name.end, b" != 0")),
            (1, [not, name]) if not.is(bytes, b"!") && name.kind == Kind::Ident => {
                edits.push(replace(not, b""));
                edits.push(insert(name.end, b" == 0"));
            }
            _ => edits.extend(swapped(bytes, &all[at + 1..=close], dice)),
        }
    }
    applied(bytes, edits)
}

/// `a < b` between `(`, `)`, `&&` and `||`, where both sides are one token.
fn swapped(bytes: &[u8], condition: &[Token], dice: &mut Dice) -> Vec<Edit> {
    let mut edits = Vec::new();
    for five in condition.windows(5) {
        let [open, left, operator, right, close] = five else {
            continue;
        };
        let is = |token: &Token, texts: &[&[u8]]| {
            token.kind == Kind::Punct && texts.contains(&token.text(bytes))
        };
        let side = |token: &Token| matches!(token.kind, Kind::Ident | Kind::Number);
        let alone = is(open, &[b"(", b"&&", b"||"]) && is(close, &[b")", b"&&", b"||"]);
        let turned: &[u8] = match operator.text(bytes) {
            b"<" => b">",
            b">" => b"<",
            b"<=" => b">=",
            b">=" => b"<=",
            b"==" => b"==",
            b"!=" => b"!=",
            _ => continue,
        };
        if alone && side(left) && side(right) && dice.once_in(2) {
            edits.push(replace(left, right.text(bytes)));
            edits.push(replace(operator, turned));
            edits.push(replace(right, left.text(bytes)));
        }
    }
    edits
}

/// The identifier or keyword that a token is; empty of anything else.
fn word<'a>(bytes: &'a [u8], token: &Token) -> &'a [u8] {
    match token.kind {
        Kind::Ident => token.text(bytes),
        _ => b"",
    }
}

/// The `)` of the `(` at `open`.
fn closing(bytes: &[u8], all: &[Token], open: usize) -> Option<usize> {
    if !all.get(open)?.is(bytes, b"(") {
        return None;
    }
    let mut depth = 0_usize;
    for (at, token) in all.iter().enumerate().skip(open).take(LONGEST) {
        match (token.kind, token.text(bytes)) {
            (Kind::Directive, _) => return None,
            (Kind::Punct, b"(") => depth += 1,
            (Kind::Punct, b")") if depth == 1 => return Some(at),
            (Kind::Punct, b")") => depth -= 1,
            _ => {}
        }
    }
    None
}

/// First and last token of a statement that begins at `at` and has no other statement in it.
fn simple<'t>(bytes: &[u8], all: &'t [Token], at: usize) -> Option<(&'t Token, &'t Token)> {
    const COMPOUND: [&[u8]; 8] = [
        b"if", b"else", b"for", b"while", b"do", b"switch", b"case", b"default",
    ];
    let first = all.get(at)?;
    if first.kind != Kind::Ident || COMPOUND.contains(&first.text(bytes)) {
        return None;
    }
    let mut depth = 0_usize;
    for token in all.get(at..)?.iter().take(LONGEST) {
        match (token.kind, token.text(bytes)) {
            (Kind::Directive, _) | (Kind::Punct, b"{" | b"}") => return None,
            (Kind::Punct, b"(" | b"[") => depth += 1,
            (Kind::Punct, b")" | b"]") => depth = depth.checked_sub(1)?,
            (Kind::Punct, b";") if depth == 0 => return Some((first, token)),
            _ => {}
        }
    }
    None
}

fn insert(at: u32, text: &[u8]) -> Edit {
    let at = at as usize;
    Edit {
        start: at,
        end: at,
        text: text.to_vec(),
    }
}

fn replace(token: &Token, text: &[u8]) -> Edit {
    Edit {
        start: token.start as usize,
        end: token.end as usize,
        text: text.to_vec(),
    }
}

/// The bytes after all edits; of two in one place the first comes first.
fn applied(bytes: &[u8], mut edits: Vec<Edit>) -> Vec<u8> {
    edits.sort_by_key(|edit| (edit.start, edit.end));
    let mut out = Vec::with_capacity(bytes.len() + edits.len() * 4);
    let mut at = 0;
    for edit in edits.iter().filter(|edit| edit.start <= edit.end) {
        // An edit inside another would belong to a statement that was rewritten already.
        if edit.start < at {
            continue;
        }
        out.extend_from_slice(&bytes[at..edit.start]);
        out.extend_from_slice(&edit.text);
        at = edit.end;
    }
    out.extend_from_slice(&bytes[at..]);
    out
}

/// The same names everywhere but for those of `names`, which become others.
pub(super) fn renamed(bytes: &[u8], places: Vec<(Token, Vec<u8>)>) -> Vec<u8> {
    let edits = places
        .into_iter()
        .map(|(token, name)| replace(&token, &name))
        .collect();
    applied(bytes, edits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(
        bytes: &str,
        change: fn(&[u8], &mut Dice) -> Vec<u8>,
    ) -> std::collections::BTreeSet<String> {
        (0..200)
            .map(|seed| {
                let out = change(bytes.as_bytes(), &mut Dice::new(seed));
                String::from_utf8(out).unwrap()
            })
            .collect()
    }

    #[test]
    fn braces_come_around_single_statements_only() {
        let found = all("if (a) f(b); else if (c) return; else { g(); }", braced);
        let expected = [
            "if (a) f(b); else if (c) return; else { g(); }",
            "if (a) f(b); else if (c) { return; } else { g(); }",
            "if (a) { f(b); } else if (c) return; else { g(); }",
            "if (a) { f(b); } else if (c) { return; } else { g(); }",
        ];
        assert_eq!(found.into_iter().collect::<Vec<_>>(), expected);
        let fixed = "do { x(); } while (a); if (a)\n#ifdef B\n\tf();\n#endif\nfor (;;) for_each(x) { y(); }";
        assert_eq!(all(fixed, braced).len(), 1);
    }

    #[test]
    fn a_condition_says_the_same_in_other_words() {
        let found = all(
            "if (a) x(); while (!b) y(); if (0 <= c && d(e)) z();",
            reworded,
        );
        let found: String = found.into_iter().collect();
        for words in [
            "if (a != 0)",
            "while (b == 0)",
            "if (c >= 0 && d(e))",
            "if ((0 <= c && d(e)))",
            "while ((!b))",
        ] {
            assert!(found.contains(words), "{words} is not in {found}");
        }
    }
}
