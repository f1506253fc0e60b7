// SPDX-License-Identifier: MIT OR Apache-2.0
//! The same tokens in another layout: comments between tokens, line ends for blanks and blanks for line ends.
//!
//! Preprocessor lines stay lines; everything else of a file may stand anywhere.

use super::dice::Dice;
use crate::lex::{Kind, Mode, Token, tokens};

/// What may stand between two tokens: blanks, line ends, and comments that hold what a reader looks for.
const BLANKS: [&[u8]; 3] = [b" ", b"\n", b"\n\t\t"];
const COMMENTS: [&[u8]; 5] = [
    b" /* a comment */ ",
    b"\n/*\n * put_page(page); } {\n */\n",
    b"/**/",
    b" // get_page(page);\n",
    SPEAKING,
];
/// Stands for a comment that speaks of what the file names, or of one of [`SPOKEN_OF`].
const SPEAKING: &[u8] = b"/* ... */";
/// Words that decide something where they are code.
const SPOKEN_OF: [&[u8]; 9] = [
    b"mmu_interval_notifier_ops",
    b"CONFIG_MMU_NOTIFIER",
    b"FOLL_LONGTERM",
    b"set_page_dirty_lock",
    b"unpin_user_pages",
    b"spin_unlock",
    b"switch",
    b"for",
    b"__free",
];

/// The same tokens with other blanks, line ends and comments between them.
pub(crate) fn relaid(bytes: &[u8], dice: &mut Dice) -> Vec<u8> {
    filled(bytes, &[&BLANKS[..], &COMMENTS].concat(), dice)
}

/// The same tokens with comments between them.
pub fn commented(bytes: &[u8], dice: &mut Dice) -> Vec<u8> {
    filled(bytes, &COMMENTS, dice)
}

fn filled(bytes: &[u8], fillings: &[&[u8]], dice: &mut Dice) -> Vec<u8> {
    // How much of a file changes is drawn too: a comment here or there, or everything.
    let every = 1 + dice.below(12);
    let mut out = Vec::with_capacity(bytes.len() * 2);
    let all = tokens(bytes, 0, bytes.len(), Mode::File);
    let mut end = 0;
    let mut before: Option<Kind> = None;
    for token in &all {
        let gap = &bytes[end..token.start as usize];
        let fixed = token.kind == Kind::Directive
            || before.is_none_or(|kind| kind == Kind::Directive)
            || is_open(&out)
            || !dice.once_in(every);
        if fixed {
            out.extend_from_slice(gap);
        } else {
            // A division and the comment behind it would be another comment.
            if out.last() == Some(&b'/') {
                out.push(b' ');
            }
            let filling = dice.pick(fillings).copied().unwrap_or(b" ");
            if filling == SPEAKING {
                out.extend_from_slice(b" /* ");
                out.extend_from_slice(spoken_of(bytes, &all, dice));
                out.extend_from_slice(b"() { */ ");
            } else {
                out.extend_from_slice(filling);
            }
        }
        out.extend_from_slice(token.text(bytes));
        end = token.end as usize;
        before = Some(token.kind);
    }
    out.extend_from_slice(&bytes[end..]);
    out
}

fn spoken_of<'b>(bytes: &'b [u8], all: &[Token], dice: &mut Dice) -> &'b [u8] {
    if dice.once_in(2) {
        return dice.pick(&SPOKEN_OF).copied().unwrap_or_default();
    }
    let word = dice.pick(all).filter(|token| token.kind == Kind::Ident);
    word.map_or(b"page", |token| token.text(bytes))
}

/// The last line holds a quote that was never closed: only its end ends it.
fn is_open(out: &[u8]) -> bool {
    let line = out
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |at| at + 1);
    let line = &out[line..];
    let quotes = |quote: u8| line.iter().filter(|byte| **byte == quote).count();
    quotes(b'"') % 2 == 1 || quotes(b'\'') % 2 == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_layout_has_the_same_tokens() {
        let file = b"#define M(a) (a / 2)\nint f(int a)\n{\n\treturn M(a) / 2 - *\"a // b\";\n}\n";
        let texts = |bytes: &[u8]| -> Vec<Vec<u8>> {
            let all = tokens(bytes, 0, bytes.len(), Mode::File);
            all.iter().map(|token| token.text(bytes).to_vec()).collect()
        };
        for seed in 0..200 {
            let other = relaid(file, &mut Dice::new(seed));
            assert_eq!(
                texts(&other),
                texts(file),
                "{}",
                String::from_utf8_lossy(&other)
            );
        }
    }
}
