// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a release does not compile: arms of `#if` that its version decides.
//!
//! Drivers that are built for many kernels hold a ladder of `#if LINUX_VERSION_CODE …`. A tree has one version, so one
//! arm of such a ladder is code and the others are not; they are left out before anything else is read. Macros that
//! are one step from the version, and names that are defined in one of its arms only, decide too. A condition that
//! asks anything else stays open.

mod reader;

use super::arms::{self, Arms};
use super::conditions::{Group, directive, groups};
use super::ir::{NotCompiled, Span};
use super::lex::{Kind, Mode, Token, tokens};
use crate::tree::{Defined, Told, VersionCode};
use memchr::memmem;
use reader::Reader;
use refimpl::api::{Role, acts, followed};
use smol_str::SmolStr;
use std::collections::{BTreeSet, HashMap};
use std::ops::Range;

/// How deep parentheses and macros are followed in a condition: each is a call on the stack, and a macro that names itself
/// ends here. What is deeper stays open.
const DEPTH: u32 = 32;

/// What is compiled of a file.
#[derive(Debug, Default)]
pub(super) struct Live {
    /// The tokens.
    pub(super) tokens: Vec<Token>,
    /// The calls of the catalogue in the others.
    pub(super) left_out: Vec<NotCompiled>,
    /// Macros that the arms of a module tell of, each with whether it is defined and the token of the function that tells.
    pub(super) inferred: Vec<(SmolStr, bool, Token)>,
}

/// The tokens of a file that are compiled, as far as what is defined tells, and the calls of the catalogue in the others.
pub(super) fn live(
    bytes: &[u8],
    all: Vec<Token>,
    given: &Defined,
) -> (Vec<Token>, Vec<NotCompiled>) {
    let live = settled(bytes, all, given);
    (live.tokens, live.left_out)
}

/// The same, with what the arms tell of macros that nobody defines.
pub(super) fn settled(bytes: &[u8], all: Vec<Token>, given: &Defined) -> Live {
    let mentions = |word: &str| memmem::find(bytes, word.as_bytes()).is_some();
    let of_version = given.code.is_some()
        && (mentions("LINUX_VERSION_CODE")
            || mentions("KERNEL_VERSION")
            || acts().vendor_codes().any(mentions));
    let is_module = given.module.is_some() && mentions("#");
    if !of_version && !is_module && !given.names.iter().any(|(name, _)| mentions(name)) {
        return Live {
            tokens: all,
            ..Live::default()
        };
    }
    let (macros, functions) = macros(bytes, &all);
    let mut known = Known {
        given,
        macros,
        functions,
        defined: HashMap::new(),
        left_out: Vec::new(),
        inferred: Vec::new(),
    };
    let mut dead = vec![false; all.len()];
    let groups = groups(bytes, &all).0;
    for group in &groups {
        if !dead.get(group.directives[0]).is_none_or(|dead| *dead) {
            known.decide(bytes, &all, (group, &groups), &mut dead);
        }
    }
    let inferred = std::mem::take(&mut known.inferred);
    let calls = known.left_out.into_iter().flat_map(|(range, condition)| {
        let condition = SmolStr::from(condition);
        let all = &all;
        range.filter_map(move |at| called(bytes, all, at, &condition))
    });
    let calls = calls.collect();
    let kept = all.iter().zip(dead).filter(|(_, dead)| !*dead);
    Live {
        tokens: kept.map(|(token, _)| *token).collect(),
        left_out: calls,
        inferred,
    }
}

/// What decides conditions where a file itself says nothing.
pub(super) fn outside<'g>(given: &'g Defined) -> Known<'g> {
    Known {
        given,
        macros: HashMap::new(),
        functions: HashMap::new(),
        defined: HashMap::new(),
        left_out: Vec::new(),
        inferred: Vec::new(),
    }
}

/// The call of the catalogue whose name is token `at`.
pub(super) fn called(
    bytes: &[u8],
    all: &[Token],
    at: usize,
    condition: &SmolStr,
) -> Option<NotCompiled> {
    let token = all.get(at).filter(|token| token.kind == Kind::Ident)?;
    let name = std::str::from_utf8(token.text(bytes)).ok()?;
    let asked = |role| matches!(role, Role::Acquire | Role::Release | Role::Dirty);
    let is_call = all.get(at + 1).is_some_and(|next| next.is(bytes, b"("))
        && followed()
            .get(name)
            .is_some_and(|function| asked(function.role));
    is_call.then(|| NotCompiled {
        name: name.into(),
        span: Span {
            start: token.start,
            end: token.end,
        },
        condition: condition.clone(),
    })
}

/// The releases that directives name by numbers alone.
pub(super) fn releases(bytes: &[u8], all: &[Token]) -> BTreeSet<VersionCode> {
    let mut found = BTreeSet::new();
    for token in all.iter().filter(|token| token.kind == Kind::Directive) {
        let (_, text) = directive(token.text(bytes));
        for (at, name) in text.match_indices("KERNEL_VERSION") {
            let rest = text[at + name.len()..].trim_start().strip_prefix('(');
            let numbers = rest.and_then(|rest| rest.split_once(')'));
            let Some((numbers, _)) = numbers else {
                continue;
            };
            let numbers = numbers
                .split(',')
                .map(|number| number.trim().parse::<u32>());
            let numbers: Vec<u32> = numbers.map_while(Result::ok).collect();
            if let [a @ ..=255, b @ ..=255, c] = numbers[..] {
                found.insert(VersionCode(a << 16 | b << 8 | c.min(255)));
            }
        }
    }
    found
}

/// Macros that take arguments: their parameters and their text.
type Functions = HashMap<String, (Vec<String>, String)>;

/// Macros that speak of the version, with their text: object-like ones, and those that take arguments.
fn macros(bytes: &[u8], all: &[Token]) -> (HashMap<String, String>, Functions) {
    let (mut objects, mut functions) = (HashMap::new(), Functions::new());
    for token in all.iter().filter(|token| token.kind == Kind::Directive) {
        let (word, rest) = directive(token.text(bytes));
        if word != "define" || !mentions_version(&rest) {
            continue;
        }
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_');
        let Some(end) = end else { continue };
        let (name, rest) = rest.split_at(end);
        match rest.strip_prefix('(').map(|rest| rest.split_once(')')) {
            Some(Some((params, text))) => {
                let params = params.split(',').map(|param| param.trim().to_owned());
                functions.insert(name.to_owned(), (params.collect(), text.to_owned()));
            }
            Some(None) => {}
            None => {
                objects.insert(name.to_owned(), rest.to_owned());
            }
        }
    }
    (objects, functions)
}

fn mentions_version(text: &str) -> bool {
    text.contains("LINUX_VERSION_CODE")
        || text.contains("KERNEL_VERSION")
        || acts().vendor_codes().any(|code| text.contains(code))
}

pub(super) struct Known<'g> {
    given: &'g Defined,
    macros: HashMap<String, String>,
    functions: Functions,
    /// Names that are defined in an arm which the version decides: whether that arm is compiled.
    defined: HashMap<String, bool>,
    /// Arms that are not compiled, with their conditions.
    left_out: Vec<(Range<usize>, String)>,
    /// What arms tell of macros.
    inferred: Vec<(SmolStr, bool, Token)>,
}

impl Known<'_> {
    fn decide(
        &mut self,
        bytes: &[u8],
        all: &[Token],
        (group, groups): (&Group, &[Group]),
        dead: &mut [bool],
    ) {
        let asks = group.arms.iter().any(|arm| {
            let text = &arm.condition;
            let words = tokens(text.as_bytes(), 0, text.len(), Mode::MacroBody);
            mentions_version(text)
                || words.iter().any(|word| {
                    let word = String::from_utf8_lossy(word.text(text.as_bytes()));
                    self.macros.contains_key(&*word)
                        || self.functions.contains_key(&*word)
                        || self.defined.contains_key(&*word)
                        || self.given.value(&word).is_some()
                        || self.given.told(&word).is_some()
                })
        });
        if !asks && self.given.module.is_none() {
            return;
        }
        let mut values: Vec<Option<bool>> = group
            .arms
            .iter()
            .zip(&group.directives)
            .map(|(arm, at)| {
                let (word, _) = directive(all.get(*at)?.text(bytes));
                self.truth(&arm.condition, matches!(word.as_str(), "ifdef" | "ifndef"))
            })
            .collect();
        if let Some(features) = &self.given.module {
            let arms = Arms {
                bytes,
                all,
                group,
                groups,
                own: &features.own,
                code: self.given.code,
            };
            for (n, (tells, value)) in arms.tell(&values) {
                values[n] = Some(value);
                self.inferred.extend(
                    arms::named(&group.arms[n].condition)
                        .map(|(name, plain)| (name, value == plain, tells)),
                );
            }
        }
        if !asks && values.iter().all(Option::is_none) {
            return;
        }
        // An arm is compiled when it is true and none before it may be.
        let taken = values.iter().position(|value| *value == Some(true));
        let open = |n: usize| values[n].is_none() && taken.is_none_or(|taken| n < taken);
        let lives = |n: usize| taken == Some(n) || open(n);
        for (n, arm) in group.arms.iter().enumerate() {
            let range = arm.tokens.start..arm.tokens.end.min(all.len());
            for token in all[range.clone()].iter() {
                if token.kind == Kind::Directive {
                    let (word, rest) = directive(token.text(bytes));
                    if word == "define" && (lives(n) != open(n) || !lives(n)) {
                        let name = rest.split([' ', '(']).next().unwrap_or_default();
                        *self.defined.entry(name.to_owned()).or_default() |= lives(n);
                        let text = rest[name.len()..].trim();
                        if lives(n) && !text.is_empty() && !text.starts_with('(') {
                            self.macros.insert(name.to_owned(), text.to_owned());
                        }
                    }
                }
            }
            if !lives(n) {
                self.left_out.push((range.clone(), arm.condition.clone()));
                dead[range].fill(true);
            }
        }
        // Decided as a whole, it is no condition any more.
        if (0..group.arms.len()).all(|n| !open(n)) {
            for at in &group.directives {
                if let Some(dead) = dead.get_mut(*at) {
                    *dead = true;
                }
            }
        }
    }

    /// Whether a condition holds; `#ifdef X` and `#ifndef X` come as `X` and `!X`, with `asks_if_defined`.
    pub(super) fn truth(&self, condition: &str, asks_if_defined: bool) -> Option<bool> {
        let name = condition.strip_prefix('!').unwrap_or(condition);
        if asks_if_defined && self.given.value(name).is_some() {
            return Some(!condition.starts_with('!'));
        }
        if asks_if_defined {
            if let Some(defined) = self.defined.get(name) {
                return Some(*defined != condition.starts_with('!'));
            }
            if let Some(told) = self.given.told(name) {
                return Some((*told != Told::Absent) != condition.starts_with('!'));
            }
            if self.is_vendors(name) {
                return Some(condition.starts_with('!'));
            }
        }
        self.value(condition, DEPTH).map(|value| value != 0)
    }

    /// Whether a name is one that only the kernels of a vendor define: a tree of another is compiled without it.
    fn is_vendors(&self, name: &str) -> bool {
        self.given.code.is_some() && acts().is_vendor_code(name)
    }

    fn value(&self, text: &str, depth: u32) -> Option<i64> {
        let bytes = text.as_bytes();
        let mut reader = Reader {
            known: self,
            bytes,
            tokens: tokens(bytes, 0, bytes.len(), Mode::MacroBody),
            at: 0,
            depth,
        };
        let value = reader.either();
        if reader.at < reader.tokens.len() {
            return None;
        }
        value
    }
}

#[cfg(test)]
mod tests;
