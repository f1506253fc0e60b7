// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which files are near those with hits, and which words stand in them.
//!
//! Near are the files of the same directories and the headers those files include. Of each a small filter remembers
//! its identifiers, so that a demand for a name opens only the files that may have it.

use super::lex::{Kind, Token};
use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};

/// Remembers words: "may be there" or "is not there".
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Words {
    bits: Vec<u64>,
}

impl Words {
    /// The identifiers of a file, those in comments and strings too.
    pub fn of(bytes: &[u8]) -> Self {
        // About one distinct identifier for 25 bytes, and eight bits for each.
        let size = (bytes.len() / 25 * 8)
            .clamp(512, 1 << 17)
            .next_power_of_two();
        let mut words = Words {
            bits: vec![0; size / 64],
        };
        let mut at = 0;
        while at < bytes.len() {
            if !IDENT[usize::from(bytes[at])] {
                at += 1;
                continue;
            }
            let start = at;
            while at < bytes.len() && IDENT[usize::from(bytes[at])] {
                at += 1;
            }
            let hash = hash(bytes, start, at);
            let (a, b) = words.places(hash);
            words.bits[a / 64] |= 1 << (a % 64);
            words.bits[b / 64] |= 1 << (b % 64);
        }
        words
    }

    /// Bytes it takes.
    pub fn size(&self) -> usize {
        self.bits.len() * 8
    }

    /// False when `word` is certainly not there.
    pub fn may_hold(&self, word: &str) -> bool {
        if self.bits.is_empty() {
            return false;
        }
        let (a, b) = self.places(hash(word.as_bytes(), 0, word.len()));
        self.bits[a / 64] >> (a % 64) & 1 == 1 && self.bits[b / 64] >> (b % 64) & 1 == 1
    }

    fn places(&self, hash: u64) -> (usize, usize) {
        let mask = self.bits.len() * 64 - 1;
        let hash = hash ^ (hash >> 29);
        (hash as usize & mask, (hash >> 32) as usize & mask)
    }
}

/// The first and the last eight bytes, and the length: two words that agree in these count as one.
fn hash(bytes: &[u8], start: usize, end: usize) -> u64 {
    let length = end - start;
    let value = if length <= 8 {
        let unused = 8 * (8 - length as u32);
        eight(bytes, start) & u64::MAX.checked_shr(unused).unwrap_or(0)
    } else {
        eight(bytes, start) ^ eight(bytes, end - 8).rotate_left(29)
    };
    (value ^ (length as u64) << 56).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// Eight bytes from `at`, zeros past the end.
fn eight(bytes: &[u8], at: usize) -> u64 {
    match bytes
        .get(at..at + 8)
        .and_then(|eight| eight.try_into().ok())
    {
        Some(eight) => u64::from_le_bytes(eight),
        None => bytes[at..]
            .iter()
            .rev()
            .fold(0, |value, byte| value << 8 | u64::from(*byte)),
    }
}

static IDENT: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        let b = byte as u8;
        table[byte] = b.is_ascii_alphanumeric() || b == b'_' || b == b'$' || b >= 0x80;
        byte += 1;
    }
    table
};

/// What the `#include` lines of a file name: with quotes, or with angle brackets.
pub fn includes(bytes: &[u8], tokens: &[Token]) -> Vec<(bool, String)> {
    let mut out = Vec::new();
    for token in tokens.iter().filter(|t| t.kind == Kind::Directive) {
        let text = token.text(bytes);
        let Some(rest) = text[1..].trim_ascii_start().strip_prefix(b"include") else {
            continue;
        };
        let rest = rest.trim_ascii_start();
        let (quoted, close) = match rest.first() {
            Some(b'"') => (true, b'"'),
            Some(b'<') => (false, b'>'),
            _ => continue,
        };
        if let Some(end) = memchr::memchr(close, &rest[1..])
            && let Ok(name) = std::str::from_utf8(&rest[1..=end])
        {
            out.push((quoted, name.to_owned()));
        }
    }
    out
}

/// Where an included file may stand.
pub fn places(from: &Utf8Path, quoted: bool, name: &str) -> Vec<Utf8PathBuf> {
    let mut out = Vec::new();
    let directory = from.parent().unwrap_or(Utf8Path::new(""));
    if quoted {
        out.push(plain(&directory.join(name)));
    }
    out.push(plain(&Utf8Path::new("include").join(name)));
    let mut parts = from.components();
    if parts.next().map(|c| c.as_str()) == Some("arch")
        && let Some(arch) = parts.next()
    {
        out.push(plain(
            &Utf8Path::new("arch").join(arch).join("include").join(name),
        ));
    }
    // `ccflags-y += -I` most often names the directory itself, the one above, or an `include` in one of them.
    for above in directory.ancestors().take(3).filter(|above| *above != "") {
        out.push(plain(&above.join(name)));
        out.push(plain(&above.join("include").join(name)));
    }
    out
}

/// `a/b/../c` as `a/c`.
fn plain(path: &Utf8Path) -> Utf8PathBuf {
    let mut out = Utf8PathBuf::new();
    for part in path.components() {
        match part.as_str() {
            ".." => {
                out.pop();
            }
            "." => {}
            name => out.push(name),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_forgets_no_word() {
        let text = (0..2000)
            .map(|n| format!("word_{n} = w{n};\n"))
            .collect::<String>();
        let words = Words::of(text.as_bytes());
        assert!((0..2000).all(|n| words.may_hold(&format!("word_{n}"))));
        let wrong = (0..2000)
            .filter(|n| words.may_hold(&format!("absent_{n}")))
            .count();
        assert!(wrong < 400, "{wrong} of 2000 are wrongly held possible");
    }

    #[test]
    fn an_include_is_looked_for_beside_above_and_in_include() {
        let found = places(Utf8Path::new("drivers/a/b/c.c"), true, "../x.h");
        assert!(found.contains(&"drivers/a/x.h".into()));
        assert!(
            places(Utf8Path::new("a/c.c"), false, "linux/mm.h")
                .contains(&"include/linux/mm.h".into())
        );
    }
}
