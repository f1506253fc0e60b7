// SPDX-License-Identifier: MIT OR Apache-2.0
//! Files as editors, merges and disks leave them: bytes, tokens and lines lost, doubled, swapped and replaced.

use super::dice::Dice;
use crate::lex::{Mode, Token, tokens};
use std::ops::Range;

/// What a reader of C looks at, whole and broken; some of it is what stopped this one once.
const PIECES: [&str; 52] = [
    "{",
    "}",
    "(",
    ")",
    "[",
    "]",
    ";",
    ",",
    ":",
    "?",
    "*",
    "&",
    "=",
    "==",
    "->",
    ".",
    "\"",
    "'",
    "\\\n",
    "/*",
    "*/",
    "//",
    "#if A\n",
    "\n#else\n",
    "\n#elif B\n",
    "\n#endif\n",
    "\n#define M(a) a ## a\n",
    "\n#include <x>\n",
    "if (",
    "else ",
    "for (;;) ",
    "do ",
    "while (x) ",
    "switch (x) { case 1 ... 2: ",
    "goto out;",
    "out:",
    "return ",
    "const int;",
    "struct page *;",
    "struct s {",
    "union { int a; }",
    "enum {",
    "typedef ",
    "sizeof(",
    "({",
    "})",
    "__attribute__((",
    "asm volatile(",
    " * A line of a comment that has lost its beginning, of it\n",
    "put_page(",
    "get_user_pages_fast(",
    "\u{e9}\u{0}\u{feff}",
];

/// How many changes a file gets at most: one shows a fault alone, a few show faults that need each other.
const MOST_CHANGES: usize = 6;
/// How often a piece is repeated at most: deep enough for a stack, and small enough that 20,000 cases end.
const MOST_REPEATS: usize = 3000;

/// `bytes`, damaged; `other` is another file, from which pieces are taken.
pub fn broken(bytes: &[u8], other: &[u8], dice: &mut Dice) -> Vec<u8> {
    let mut out = bytes.to_vec();
    for _ in 0..=dice.below(MOST_CHANGES) {
        match dice.below(3) {
            0 => of_bytes(&mut out, other, dice),
            1 => of_tokens(&mut out, dice),
            _ => of_lines(&mut out, other, dice),
        }
    }
    out
}

fn of_bytes(out: &mut Vec<u8>, other: &[u8], dice: &mut Dice) {
    match dice.below(7) {
        0 => {
            let at = dice.below(out.len());
            let bit = 1 << dice.below(8);
            if let Some(byte) = out.get_mut(at) {
                *byte ^= bit;
            }
        }
        1 => {
            let at = dice.below(out.len() + 1);
            out.insert(at, u8::try_from(dice.below(256)).unwrap_or(0));
        }
        2 => drop(out.drain(dice.range(out.len(), 200))),
        3 => out.truncate(dice.below(out.len() + 1)),
        4 => {
            let range = dice.range(out.len(), 200);
            out[range].fill(0);
        }
        5 => {
            let at = dice.below(out.len() + 1);
            let from = dice.range(other.len(), 2000);
            out.splice(at..at, other[from].iter().copied());
        }
        _ => {
            let at = dice.below(out.len() + 1);
            let piece = dice.pick(&PIECES).copied().unwrap_or_default();
            // Mostly once; sometimes until a recursive reader has no stack left.
            let times = match dice.once_in(40) {
                true => dice.below(MOST_REPEATS),
                false => 1,
            };
            out.splice(at..at, piece.repeat(times).into_bytes());
        }
    }
}

fn of_tokens(out: &mut Vec<u8>, dice: &mut Dice) {
    let all = tokens(out, 0, out.len(), Mode::File);
    let Some(one) = dice.pick(&all).map(span) else {
        return;
    };
    match dice.below(5) {
        0 => drop(out.drain(one)),
        1 => {
            let again = out[one.clone()].to_vec();
            out.splice(one.start..one.start, again.into_iter().chain([b' ']));
        }
        2 => {
            let piece = dice.pick(&PIECES).copied().unwrap_or_default();
            out.splice(one, piece.bytes());
        }
        3 => {
            let from = dice.pick(&all).map(span).unwrap_or(0..0);
            let text = out[from].to_vec();
            out.splice(one, text);
        }
        // From here to a token nearby: an unfinished statement.
        _ => {
            let end = (one.end + dice.below(60)).min(out.len());
            out.drain(one.start..end);
        }
    }
}

fn span(token: &Token) -> Range<usize> {
    token.start as usize..token.end as usize
}

fn of_lines(out: &mut Vec<u8>, other: &[u8], dice: &mut Dice) {
    let line = any_line(out, dice);
    match dice.below(6) {
        0 => drop(out.drain(line)),
        1 => {
            let again = out[line.clone()].to_vec();
            out.splice(line.start..line.start, again);
        }
        2 => {
            let to = any_line(out, dice).start;
            let moved = out[line].to_vec();
            out.splice(to..to, moved);
        }
        // A line that has lost its beginning, or its end with the line end.
        3 => {
            let cut = dice.below(line.len() + 1);
            out.drain(line.start..line.start + cut);
        }
        4 => {
            let cut = dice.below(line.len() + 1);
            out.drain(line.end - cut..line.end);
        }
        _ => {
            let from = any_line(other, dice);
            out.splice(line.start..line.start, other[from].iter().copied());
        }
    }
}

/// A line with its end.
fn any_line(bytes: &[u8], dice: &mut Dice) -> Range<usize> {
    let at = dice.below(bytes.len());
    let before = bytes.get(..at).unwrap_or_default();
    let start = before
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |end| end + 1);
    let rest = bytes.get(start..).unwrap_or_default();
    let end = rest.iter().position(|byte| *byte == b'\n');
    start..end.map_or(bytes.len(), |end| start + end + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &[u8] = b"int f(void)\n{\n\tput_page(p);\n\treturn 0;\n}\n";

    #[test]
    fn every_seed_damages_the_file_and_the_same_seed_does_it_alike() {
        let other = b"int g;\nlong h(void);\n";
        let with = |seed| broken(FILE, other, &mut Dice::new(seed));
        let same = (0..400).filter(|seed| with(*seed) == FILE).count();
        // A change may undo another, or take away nothing.
        assert!(same < 40, "{same} of 400 files are as they were");
        assert!((0..400).all(|seed| with(seed) == with(seed)));
    }

    #[test]
    fn a_file_without_anything_can_be_damaged_too() {
        for seed in 0..200 {
            broken(b"", b"", &mut Dice::new(seed));
        }
    }
}
