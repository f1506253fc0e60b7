// SPDX-License-Identifier: MIT OR Apache-2.0
//! The value of a condition, by the precedence that the preprocessor has.

use super::Known;
use crate::index::lex::{Kind, Mode, Token, tokens};
use crate::tree::Told;
use refimpl::api::acts;

/// The binary operators of a condition, those that bind least first (ISO C, 6.6 and 6.10.1).
const OPERATORS: [&[&[u8]]; 10] = [
    &[b"||"],
    &[b"&&"],
    &[b"|"],
    &[b"^"],
    &[b"&"],
    &[b"==", b"!="],
    &[b"<", b"<=", b">", b">="],
    &[b"<<", b">>"],
    &[b"+", b"-"],
    &[b"*", b"/", b"%"],
];

/// What an operator makes of two values; one side alone may decide `||` and `&&`.
fn applied(operator: &[u8], left: Option<i64>, right: Option<i64>) -> Option<i64> {
    match (operator, left, right) {
        (b"||", Some(a), _) | (b"||", _, Some(a)) if a != 0 => return Some(1),
        (b"&&", Some(0), _) | (b"&&", _, Some(0)) => return Some(0),
        _ => {}
    }
    let (a, b) = (left?, right?);
    let bits = || u32::try_from(b).ok().filter(|bits| *bits < i64::BITS);
    match operator {
        b"||" => Some(0),
        b"&&" => Some(1),
        b"|" => Some(a | b),
        b"^" => Some(a ^ b),
        b"&" => Some(a & b),
        b"==" => Some(i64::from(a == b)),
        b"!=" => Some(i64::from(a != b)),
        b"<" => Some(i64::from(a < b)),
        b"<=" => Some(i64::from(a <= b)),
        b">" => Some(i64::from(a > b)),
        b">=" => Some(i64::from(a >= b)),
        b"<<" => a.checked_shl(bits()?),
        b">>" => a.checked_shr(bits()?),
        b"+" => a.checked_add(b),
        b"-" => a.checked_sub(b),
        b"*" => a.checked_mul(b),
        b"/" => a.checked_div(b),
        _ => a.checked_rem(b),
    }
}

/// An integer constant: decimal, octal or hexadecimal.
fn number(word: &str) -> Option<i64> {
    let digits = word.trim_end_matches(['u', 'U', 'l', 'L']);
    match digits.strip_prefix("0x").or(digits.strip_prefix("0X")) {
        Some(digits) => i64::from_str_radix(digits, 16).ok(),
        None if digits.len() > 1 && digits.starts_with('0') => i64::from_str_radix(digits, 8).ok(),
        None => digits.parse().ok(),
    }
}

/// Reads a condition; None for what the version does not decide.
pub(super) struct Reader<'k> {
    pub(super) known: &'k Known<'k>,
    pub(super) bytes: &'k [u8],
    pub(super) tokens: Vec<Token>,
    pub(super) at: usize,
    pub(super) depth: u32,
}

impl Reader<'_> {
    fn text(&self) -> &[u8] {
        self.tokens
            .get(self.at)
            .map_or(b"".as_slice(), |token| token.text(self.bytes))
    }

    fn takes(&mut self, text: &[u8]) -> bool {
        let found = self.text() == text;
        self.at += usize::from(found);
        found
    }

    /// A whole expression: `a ? b : c` binds least.
    pub(super) fn either(&mut self) -> Option<i64> {
        let asked = self.binary(0);
        if !self.takes(b"?") {
            return asked;
        }
        let yes = self.either();
        if !self.takes(b":") {
            return None;
        }
        let no = self.either();
        match asked {
            Some(0) => no,
            Some(_) => yes,
            None => yes.filter(|yes| no == Some(*yes)),
        }
    }

    fn binary(&mut self, level: usize) -> Option<i64> {
        let Some(operators) = OPERATORS.get(level) else {
            return self.one();
        };
        let mut left = self.binary(level + 1);
        while let Some(operator) = operators.iter().find(|one| self.text() == **one) {
            self.at += 1;
            let right = self.binary(level + 1);
            left = applied(operator, left, right);
        }
        left
    }

    fn one(&mut self) -> Option<i64> {
        self.depth = self.depth.checked_sub(1)?;
        let value = self.one_of();
        self.depth += 1;
        value
    }

    fn one_of(&mut self) -> Option<i64> {
        if self.takes(b"!") {
            return self.one().map(|value| i64::from(value == 0));
        }
        if self.takes(b"-") {
            return self.one().and_then(i64::checked_neg);
        }
        if self.takes(b"~") {
            return self.one().map(|value| !value);
        }
        if self.takes(b"+") {
            return self.one();
        }
        if self.takes(b"(") {
            let value = self.either();
            return if self.takes(b")") { value } else { None };
        }
        let token = *self.tokens.get(self.at)?;
        let word = String::from_utf8_lossy(token.text(self.bytes)).into_owned();
        self.at += 1;
        match (token.kind, word.as_str()) {
            (Kind::Number, _) => number(&word),
            (Kind::Ident, "LINUX_VERSION_CODE") => Some(i64::from(self.known.given.code?.0)),
            (Kind::Ident, "KERNEL_VERSION") => self.version(),
            (Kind::Ident, "defined") => {
                let open = self.takes(b"(");
                let name = String::from_utf8_lossy(self.text()).into_owned();
                self.at += 1;
                if open && !self.takes(b")") {
                    return None;
                }
                if name == "LINUX_VERSION_CODE" || name == "KERNEL_VERSION" {
                    return self.known.given.code.map(|_| 1);
                }
                if self.known.given.value(&name).is_some() {
                    return Some(1);
                }
                let defined = self.known.defined.get(&name).copied();
                let told = self.known.given.told(&name);
                let defined = defined.or(told.map(|told| *told != Told::Absent));
                let vendors = self.known.is_vendors(&name).then_some(false);
                defined.or(vendors).map(i64::from)
            }
            (Kind::Ident, _) => {
                if self.text() == b"(" {
                    let arguments = self.arguments();
                    return self.applied(&word, &arguments);
                }
                if let Some(value) = self.known.given.value(&word) {
                    return Some(value);
                }
                match (
                    self.known.macros.get(&word),
                    self.known.defined.get(&word).copied(),
                ) {
                    (_, Some(false)) => Some(0),
                    (Some(text), _) => self.known.value(text, self.depth),
                    (None, Some(true)) => Some(1),
                    (None, None) => match self.known.given.told(&word) {
                        Some(Told::Absent) => Some(0),
                        Some(Told::Text { params: None, text }) => {
                            self.known.value(text, self.depth)
                        }
                        Some(Told::Text { .. }) => None,
                        None => self.known.is_vendors(&word).then_some(0),
                    },
                }
            }
            _ => None,
        }
    }

    /// `KERNEL_VERSION(a, b, c)` (include/generated/uapi/linux/version.h, as the top Makefile of 6.12 writes it).
    fn version(&mut self) -> Option<i64> {
        if !self.takes(b"(") {
            return None;
        }
        let mut parts = [0_i64; 3];
        for (n, part) in parts.iter_mut().enumerate() {
            if n > 0 && !self.takes(b",") {
                return None;
            }
            *part = self.one()?;
        }
        let [a, b, c] = parts;
        let code = a
            .checked_mul(1 << 16)?
            .checked_add(b.checked_mul(1 << 8)?)?;
        self.takes(b")").then_some(code + c.min(255))
    }

    /// Takes a list of arguments in parentheses, each as text.
    fn arguments(&mut self) -> Vec<String> {
        let mut depth = 0u32;
        let mut arguments = vec![String::new()];
        while self.at < self.tokens.len() {
            let text = String::from_utf8_lossy(self.text()).into_owned();
            self.at += 1;
            match text.as_str() {
                "(" => depth += 1,
                ")" => depth = depth.saturating_sub(1),
                _ => {}
            }
            match (text.as_str(), depth) {
                (_, 0) => break,
                ("(", 1) => {}
                (",", 1) => arguments.push(String::new()),
                _ => {
                    if let Some(argument) = arguments.last_mut() {
                        argument.push_str(&text);
                        argument.push(' ');
                    }
                }
            }
        }
        arguments
    }

    /// A macro with its arguments: one of the file, or the release of a vendor as a number.
    fn applied(&mut self, name: &str, arguments: &[String]) -> Option<i64> {
        let own = self.known.functions.get(name);
        let own = own.map(|(params, text)| (params.clone(), text.clone()));
        let told = || match self.known.given.told(name)? {
            Told::Text {
                params: Some(params),
                text,
            } => {
                let params = params.iter().map(ToString::to_string).collect::<Vec<_>>();
                Some((params, text.to_string()))
            }
            _ => None,
        };
        let Some((params, text)) = own.or_else(told) else {
            let parts = acts().vendor_version(name)?;
            let values = arguments
                .iter()
                .map(|arg| self.known.value(arg, self.depth));
            let values: Vec<i64> = values.collect::<Option<_>>()?;
            return (values.len() == parts).then(|| values.iter().fold(0, |all, n| all << 8 | n));
        };
        if params.len() != arguments.len() {
            return None;
        }
        let bytes = text.as_bytes();
        let words = tokens(bytes, 0, bytes.len(), Mode::MacroBody);
        let mut filled = String::new();
        for word in words {
            let word = String::from_utf8_lossy(word.text(bytes));
            let argument = params.iter().position(|param| *param == word);
            filled.push_str(argument.map_or(&*word, |at| &arguments[at]));
            filled.push(' ');
        }
        self.known.value(&filled, self.depth)
    }
}
