// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the arms of a condition tell of it, in a module that is built for many kernels.
//!
//! `#ifdef HAVE_X` asks a configure script that nobody has run here. An arm that calls a function as the release has it not,
//! or defines one that the release has, is not compiled for that release. Of an arm that pins and one that takes plain
//! references, a release with pins compiles the first: for the others the second is there.

use super::conditions::{Group, directive};
use super::lex::{Kind, Mode, Token, is_ident, tokens};
use crate::tree::VersionCode;
use refimpl::api::{Count, Era, Function, Role, acts, followed};
use refimpl::version::KernelVersion;
use smol_str::SmolStr;
use std::collections::BTreeSet;
use std::ops::Range;

/// The arms of a group in a file.
pub(super) struct Arms<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) all: &'a [Token],
    pub(super) group: &'a Group,
    /// All groups of the file.
    pub(super) groups: &'a [Group],
    /// Functions of the catalogue that the module defines itself.
    pub(super) own: &'a BTreeSet<SmolStr>,
    pub(super) code: Option<VersionCode>,
}

impl Arms<'_> {
    /// The arms of which `values` do not know whether they are compiled, and that tell: the token of the function that
    /// tells, and whether the arm's condition holds.
    pub(super) fn tell(&self, values: &[Option<bool>]) -> Vec<(usize, (Token, bool))> {
        let taken = values.iter().position(|value| *value == Some(true));
        let open: Vec<usize> = (0..taken.unwrap_or(values.len()))
            .filter(|n| values[*n].is_none())
            .collect();
        let Some(version) = self.code.map(version).filter(|_| !open.is_empty()) else {
            return Vec::new();
        };
        let mut refused: Vec<(usize, Token)> = Vec::new();
        // A ladder is sorted by age: behind an arm that is not of this release, and that stands behind one that is, none is.
        let (mut fits, mut passed) = (false, None);
        for n in &open {
            let takes = self.first(*n, &|part| part.takes(version)).is_some();
            match self.first(*n, &|part| self.refused(version, part)) {
                Some(token) => {
                    passed = passed.or(fits.then_some(token));
                    refused.push((*n, token));
                }
                None if takes => match passed {
                    Some(token) => refused.push((*n, token)),
                    None => fits = true,
                },
                None => {}
            }
        }
        let mut out: Vec<(usize, (Token, bool))> = refused
            .iter()
            .map(|(n, token)| (*n, (*token, false)))
            .collect();
        if let Some((_, token)) = refused.first() {
            let mut left = open
                .iter()
                .filter(|n| refused.iter().all(|(no, _)| no != *n));
            if let (Some(last), None) = (left.next(), left.next()) {
                if taken.is_none() && self.group.has_else {
                    out.push((*last, (*token, true)));
                }
            }
            return out;
        }
        self.pinning(version, &open)
    }

    /// Of several open arms the only one that pins, where another takes or drops plain references.
    fn pinning(&self, version: KernelVersion, open: &[usize]) -> Vec<(usize, (Token, bool))> {
        // What the configuration of the kernel asks says nothing of its release.
        let asks_config = |n: &usize| self.group.arms[*n].condition.contains("CONFIG_");
        if open.len() < 2 || open.iter().any(asks_config) {
            return Vec::new();
        }
        let pins = |part: &Part<'_>| part.known(version).is_some_and(Function::is_pinning);
        let plain = |part: &Part<'_>| part.known(version).is_some_and(is_plain);
        let mut pinned = open
            .iter()
            .filter_map(|n| Some((*n, self.first(*n, &pins)?)));
        let (Some((at, token)), None) = (pinned.next(), pinned.next()) else {
            return Vec::new();
        };
        let others = open.iter().copied().filter(|n| *n != at);
        let others: Vec<usize> = others
            .filter(|n| self.first(*n, &plain).is_some())
            .collect();
        if others.is_empty() {
            return Vec::new();
        }
        let others = others.into_iter().map(|n| (n, (token, false)));
        std::iter::once((at, (token, true))).chain(others).collect()
    }

    /// The first name of an arm that passes a test, outside of the groups within it; of a `#define` its directive.
    fn first(&self, n: usize, test: &dyn Fn(&Part<'_>) -> bool) -> Option<Token> {
        let range = self.group.arms[n].tokens.clone();
        let within = |group: &&Group| range.contains(&group.directives[0]);
        let inner: Vec<Range<usize>> = self
            .groups
            .iter()
            .filter(within)
            .map(Group::range)
            .collect();
        let mut at = range.start;
        while at < range.end.min(self.all.len()) {
            if let Some(inner) = inner.iter().find(|inner| inner.contains(&at)) {
                at = inner.end;
                continue;
            }
            let token = self.all[at];
            let passes = match token.kind {
                Kind::Directive => in_define(token.text(self.bytes), test),
                Kind::Ident => Part::at(self.bytes, self.all, at).is_some_and(|part| test(&part)),
                _ => false,
            };
            if passes {
                return Some(token);
            }
            at += 1;
        }
        None
    }

    /// Whether a release cannot compile that.
    fn refused(&self, version: KernelVersion, part: &Part<'_>) -> bool {
        let Some(function) = followed()
            .get(part.name)
            .filter(|function| is_of_api(function))
        else {
            return false;
        };
        let exists = function.exists_in(version);
        let came_or_went = function.since.is_some() || function.until.is_some();
        match part.use_ {
            Use::Defined => exists && came_or_went,
            Use::Called(_) if self.own.contains(part.name) => false,
            Use::Called(_) if !exists => true,
            Use::Called(args) => {
                let mut forms = function.signatures.iter().filter(|form| form.args == args);
                let there = forms.clone().any(|form| form.exists_in(version));
                forms.next().is_some() && !there
            }
            Use::Named => false,
        }
    }
}

/// Whether it takes, drops or dirties pages.
fn is_of_api(function: &Function) -> bool {
    matches!(function.role, Role::Acquire | Role::Release | Role::Dirty)
}

/// Whether it takes or drops plain references where pins could be.
fn is_plain(function: &Function) -> bool {
    is_of_api(function)
        && matches!(function.count, Count::Get | Count::Put)
        && function.replacement(Era::Pin).is_some()
}

/// A name in an arm.
struct Part<'a> {
    name: &'a str,
    use_: Use,
}

/// How it is used.
#[derive(Clone, Copy)]
enum Use {
    /// With so many arguments.
    Called(usize),
    /// As a function or a macro.
    Defined,
    /// In another way.
    Named,
}

impl<'a> Part<'a> {
    /// The name that is token `at`.
    fn at(bytes: &'a [u8], all: &[Token], at: usize) -> Option<Part<'a>> {
        let token = all.get(at).filter(|token| token.kind == Kind::Ident)?;
        let name = std::str::from_utf8(token.text(bytes)).ok()?;
        let before = at.checked_sub(1).and_then(|before| all.get(before));
        if before.is_some_and(|one| one.is(bytes, b".") || one.is(bytes, b"->")) {
            return None;
        }
        let use_ = match arguments(bytes, all, at + 1) {
            None => Use::Named,
            Some((count, end)) => {
                let typed = |one: &Token| one.kind == Kind::Ident || one.is(bytes, b"*");
                let body = all.get(end + 1).is_some_and(|next| next.is(bytes, b"{"));
                match body && before.is_some_and(typed) {
                    true => Use::Defined,
                    false => Use::Called(count),
                }
            }
        };
        Some(Part { name, use_ })
    }

    /// Whether it is a call that takes pages.
    fn takes(&self, version: KernelVersion) -> bool {
        matches!(self.use_, Use::Called(_))
            && self
                .known(version)
                .is_some_and(|function| function.role == Role::Acquire)
    }

    /// The function of the catalogue that it names, where the release has it.
    fn known(&self, version: KernelVersion) -> Option<&'static Function> {
        let used = !matches!(self.use_, Use::Defined);
        let function = followed().get(self.name).filter(|_| used)?;
        function.exists_in(version).then_some(function)
    }
}

/// Whether a name in a `#define`, or the name that it defines, passes a test.
fn in_define(text: &[u8], test: &dyn Fn(&Part<'_>) -> bool) -> bool {
    let (word, rest) = directive(text);
    if word != "define" {
        return false;
    }
    let bytes = rest.as_bytes();
    let all = tokens(bytes, 0, bytes.len(), Mode::MacroBody);
    let Some(name) = all
        .first()
        .and_then(|token| std::str::from_utf8(token.text(bytes)).ok())
    else {
        return false;
    };
    let defined = Part {
        name,
        use_: Use::Defined,
    };
    test(&defined)
        || (1..all.len()).any(|at| Part::at(bytes, &all, at).is_some_and(|part| test(&part)))
}

/// How many arguments stand in the parentheses that open at token `open`, and the token that closes them.
pub(super) fn arguments(bytes: &[u8], all: &[Token], open: usize) -> Option<(usize, usize)> {
    all.get(open).filter(|token| token.is(bytes, b"("))?;
    let (mut depth, mut count) = (0usize, 0usize);
    for (at, token) in all.iter().enumerate().skip(open) {
        match (token.kind, token.text(bytes)) {
            (Kind::Punct, b"(" | b"[" | b"{") => depth += 1,
            (Kind::Punct, b")" | b"]" | b"}") => depth -= 1,
            (Kind::Punct, b",") if depth == 1 => count += 1,
            _ => {}
        }
        if depth == 0 {
            return Some((if at == open + 1 { 0 } else { count + 1 }, at));
        }
    }
    None
}

/// The version without its third number.
pub(super) fn version(code: VersionCode) -> KernelVersion {
    KernelVersion {
        major: (code.0 >> 16) as u16,
        minor: (code.0 >> 8 & 0xff) as u16,
    }
}

/// The only macro that a condition asks, and whether it holds where that is defined: `defined(X)`, `!defined(X)`, `X`.
pub(super) fn named(condition: &str) -> Option<(SmolStr, bool)> {
    let mut plain = true;
    let mut rest = condition.trim();
    loop {
        if let Some(inner) = rest.strip_prefix('!') {
            plain = !plain;
            rest = inner.trim();
        } else if let Some(inner) = rest.strip_prefix("defined") {
            rest = inner.trim();
            if rest.bytes().all(is_ident) && inner.starts_with(is_part) {
                return None;
            }
        } else if let Some(inner) = rest
            .strip_prefix('(')
            .and_then(|rest| rest.strip_suffix(')'))
        {
            rest = inner.trim();
        } else {
            break;
        }
    }
    let is_name = rest.bytes().all(is_ident)
        && rest.starts_with(|first: char| first.is_alphabetic() || first == '_');
    (is_name && !acts().is_vendor_code(rest)).then(|| (rest.into(), plain))
}

fn is_part(one: char) -> bool {
    one.is_alphanumeric() || one == '_'
}

#[cfg(test)]
mod tests {
    use super::super::versions::settled;
    use super::*;
    use crate::tree::{Defined, Features};

    /// What is compiled, and the macros that are told.
    fn read(text: &str, release: &str) -> (String, Vec<(String, bool)>) {
        let bytes = text.as_bytes();
        let given = Defined {
            code: VersionCode::of(release),
            names: Vec::new(),
            module: Some(Features::default()),
        };
        let all = tokens(bytes, 0, bytes.len(), Mode::File);
        let live = settled(bytes, all, &given);
        let words = live.tokens.iter().filter(|token| token.kind == Kind::Ident);
        let words = words.map(|token| String::from_utf8_lossy(token.text(bytes)));
        let told = live.inferred.iter();
        let told = told.map(|(name, defined, _)| (name.to_string(), *defined));
        (words.collect::<Vec<_>>().join(" "), told.collect())
    }

    #[test]
    fn an_arm_with_the_arguments_of_another_release_is_not_compiled() {
        let text = "#ifdef HAVE_NEW\na = get_user_pages_remote(mm, at, n, f, p, NULL);\n#elif defined(HAVE_OLD)\nb = get_user_pages_remote(mm, at, n, f, p, NULL, NULL);\n#else\nc = get_user_pages_remote(t, mm, at, n, f, p, NULL, NULL);\n#endif\n";
        let of = |release| {
            let (words, told) = read(text, release);
            (words.chars().next().unwrap_or(' '), told)
        };
        let (first, told) = of("6.12");
        assert_eq!(first, 'a');
        assert!(told.contains(&("HAVE_NEW".into(), true)), "{told:?}");
        let (first, told) = of("6.1");
        assert_eq!(first, 'b');
        assert_eq!(told[0], ("HAVE_NEW".into(), false));
        assert_eq!(of("5.4").0, 'c');
    }

    #[test]
    fn a_ladder_is_sorted_by_age() {
        // With seven arguments it was called twice in its history: before 4.10, and from 5.9 to 6.5.
        let text = "#ifdef A\na = get_user_pages_remote(mm, at, n, f, p, NULL);\n#elif defined(B)\nb = get_user_pages_remote(mm, at, n, f, p, NULL, NULL);\n#elif defined(C)\nc = get_user_pages_remote(t, mm, at, n, f, p, NULL, NULL);\n#else\nd = get_user_pages_remote(t, mm, at, n, f, p, NULL);\n#endif\n";
        let (words, told) = read(text, "5.10");
        assert!(words.starts_with('b'), "{words}");
        assert!(told.contains(&("B".into(), true)), "{told:?}");
        assert_eq!(words.matches("get_user_pages_remote").count(), 1, "{words}");
    }

    #[test]
    fn what_the_module_defines_itself_is_compiled_where_the_kernel_lacks_it() {
        let text = "#ifndef HAVE_UNPIN\nstatic void unpin_user_page(struct page *p)\n{ put_page(p); }\n#endif\n";
        assert_eq!(
            read(text, "6.12"),
            (String::new(), vec![("HAVE_UNPIN".into(), true)])
        );
        assert!(read(text, "5.4").0.contains("put_page"));
        let text = text.replace(
            "static void unpin_user_page(struct page *p)\n{ put_page(p); }",
            "#define unpin_user_page put_page\na",
        );
        assert_eq!(read(&text, "6.12").0, "");
        assert_eq!(read(&text, "5.4").0, "a");
    }

    #[test]
    fn a_release_with_pins_compiles_the_arm_that_pins() {
        let text = "#if defined(HAVE_PIN)\nunpin_user_page(p);\n#else\nput_page(p);\n#endif\n";
        assert_eq!(
            read(text, "6.12"),
            (
                "unpin_user_page p".into(),
                vec![("HAVE_PIN".into(), true), ("HAVE_PIN".into(), true)]
            )
        );
        // There it is the arm that cannot be compiled.
        assert_eq!(read(text, "5.4").0, "put_page p");
        // A driver's choice under the kernel's configuration is none of the release.
        let text = text.replace("HAVE_PIN", "CONFIG_PIN");
        assert_eq!(
            read(&text, "6.12"),
            ("unpin_user_page p put_page p".into(), vec![])
        );
        let text = "#ifdef X\na(p);\n#else\nput_page(p);\n#endif\n";
        assert_eq!(read(text, "6.12"), ("a p put_page p".into(), vec![]));
    }

    #[test]
    fn a_macro_that_other_releases_have_otherwise_tells_by_its_body() {
        let text = "#ifdef HAS_VMAS\n#define PIN(s, n, f, p) pin_user_pages(s, n, f, p, NULL)\na\n#else\n#define PIN pin_user_pages\nb\n#endif\n";
        assert_eq!(read(text, "6.12").0, "b");
        assert_eq!(read(text, "6.1").0, "a b");
    }

    #[test]
    fn a_condition_asks_one_macro() {
        let one = |text: &str| named(text).map(|(name, plain)| format!("{name} {plain}"));
        assert_eq!(one("defined(A)").as_deref(), Some("A true"));
        assert_eq!(one("!defined (A)").as_deref(), Some("A false"));
        assert_eq!(one("!(A)").as_deref(), Some("A false"));
        assert_eq!(one("defined A").as_deref(), Some("A true"));
        assert_eq!(one("definedA"), None);
        assert_eq!(one("A && B"), None);
        assert_eq!(one("(A) || (B)"), None);
        assert_eq!(one("0"), None);
    }
}
