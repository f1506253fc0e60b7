// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the files of a module say of the macros that its conditions ask.
//!
//! A module that is built for many kernels asks names that a header of its own defines for some releases, or that a configure
//! script writes into a header. Both are read here for one release. Of a name that no header speaks of, the arms may tell
//! (`arms`); what one file tells of it holds in all of them.

use super::arms;
use super::conditions::directive;
use super::lex::{Kind, Mode, Token, line_starts, tokens};
use super::prefilter::Prefilter;
use super::versions::{Known, outside, settled};
use super::wanted::NameSet;
use crate::tree::{Defined, Features, Inferred, Told, Tree, VersionCode};
use camino::{Utf8Path, Utf8PathBuf};
use memchr::memmem;
use refimpl::api::followed;
use smol_str::SmolStr;
use std::collections::{BTreeMap, BTreeSet};

/// How often what is known is asked again: a name that a header defines where another is defined takes one more turn.
const TURNS: usize = 8;

/// Files in which a compiler is told of macros, beside those that it compiles.
const MAKEFILES: [&str; 6] = [
    "Kbuild",
    "Kbuild.in",
    "Makefile",
    "Makefile.am",
    "Makefile.in",
    "GNUmakefile",
];

/// The files of a module that speak of macros.
#[derive(Debug, Default)]
pub struct Module {
    /// Headers that define what is asked.
    headers: Vec<(Utf8PathBuf, Vec<u8>)>,
    /// Files that name a function of the catalogue.
    hits: Vec<(Utf8PathBuf, Vec<u8>)>,
    /// Names that a condition asks, or the text of such a macro.
    asked: BTreeSet<SmolStr>,
    /// Names that a Makefile gives.
    given: BTreeSet<SmolStr>,
    names: Vec<(SmolStr, i64)>,
}

impl Module {
    /// What decides the conditions of a module in the release that it is read for.
    pub(crate) fn features(tree: &Tree) -> Features {
        let release = tree.defined().code;
        let told = release.and_then(|release| Module::read(tree).at(release).module);
        told.unwrap_or_default()
    }

    /// Reads the files of a module; of a kernel tree nothing is read.
    pub fn read(tree: &Tree) -> Module {
        let mut module = Module {
            names: tree.defines().to_vec(),
            ..Module::default()
        };
        if tree.kernel().is_none() {
            return module;
        }
        let seeds = Prefilter::new(NameSet::new(followed().seeds()));
        let mut included = BTreeSet::new();
        let mut headers = Vec::new();
        let mut defines: BTreeMap<SmolStr, Vec<(SmolStr, SmolStr)>> = BTreeMap::new();
        for path in tree.files() {
            let Ok(bytes) = tree.read(path) else { continue };
            let mut own: Vec<SmolStr> = Vec::new();
            lines(&bytes, &mut |word, rest| match word {
                "if" | "ifdef" | "ifndef" | "elif" => module.asked.extend(names(rest)),
                "include" => included.extend(file_name(rest).map(SmolStr::from)),
                "define" => {
                    let mut words = names(rest);
                    let Some(name) = words.next() else { return };
                    let text = words.map(|word| (name.clone(), word));
                    defines.entry(name.clone()).or_default().extend(text);
                    own.push(name);
                }
                "undef" => own.extend(names(rest).next()),
                _ => {}
            });
            let hit = seeds.hits(&bytes);
            if path.extension() == Some("h") {
                headers.push((path.clone(), bytes.clone(), own));
            }
            if hit {
                module.hits.push((path.clone(), bytes));
            }
        }
        let mut directories: BTreeSet<&Utf8Path> = BTreeSet::new();
        for path in tree.files() {
            directories.extend(path.ancestors().skip(1));
        }
        for makefile in directories
            .into_iter()
            .flat_map(|directory| MAKEFILES.map(|name| directory.join(name)))
        {
            let Ok(bytes) = tree.read(&makefile) else {
                continue;
            };
            let text = String::from_utf8_lossy(&bytes);
            let words: Vec<&str> = text.split_ascii_whitespace().collect();
            for (at, word) in words.iter().enumerate() {
                if let Some(name) = word.strip_prefix("-D").and_then(|rest| names(rest).next()) {
                    module.given.insert(name);
                }
                if *word == "-include" {
                    included.extend(
                        words
                            .get(at + 1)
                            .and_then(|path| file_name(path))
                            .map(SmolStr::from),
                    );
                }
            }
        }
        for _ in 0..TURNS {
            let more = module.asked.iter().filter_map(|name| defines.get(name));
            let more: Vec<SmolStr> = more.flatten().map(|(_, word)| word.clone()).collect();
            let before = module.asked.len();
            module.asked.extend(more);
            if module.asked.len() == before {
                break;
            }
        }
        let reached = |path: &Utf8Path, bytes: &[u8]| {
            path.file_name().is_some_and(|name| included.contains(name))
                || memmem::find(bytes, UNDEFINED).is_some()
        };
        module.headers = headers
            .into_iter()
            .filter(|(path, bytes, own)| {
                own.iter().any(|name| module.asked.contains(name)) && reached(path, bytes)
                    || memmem::find(bytes, UNDEFINED).is_some()
            })
            .map(|(path, bytes, _)| (path, bytes))
            .collect();
        module
    }

    /// The headers that define what conditions ask.
    pub(super) fn headers(&self) -> impl Iterator<Item = &[u8]> {
        self.headers.iter().map(|(_, bytes)| bytes.as_slice())
    }

    /// What they say for a release.
    pub fn at(&self, release: VersionCode) -> Defined {
        let mut defined = Defined {
            code: Some(release),
            names: self.names.clone(),
            module: None,
        };
        if self.hits.is_empty() {
            return defined;
        }
        defined.module = Some(Features::default());
        // Arms tell of a macro only once it is known which functions are the module's own.
        for infers in [false, true] {
            for _ in 0..TURNS {
                let next = self.once_more(&defined, infers);
                if defined.module.as_ref() == Some(&next) {
                    break;
                }
                defined.module = Some(next);
            }
        }
        defined
    }

    fn once_more(&self, defined: &Defined, infers: bool) -> Features {
        let mut said: BTreeMap<SmolStr, Said> = BTreeMap::new();
        let mut own = BTreeSet::new();
        for (_, bytes) in self.headers.iter().chain(&self.hits) {
            let all = tokens(bytes, 0, bytes.len(), Mode::File);
            let states = states(bytes, &all, &outside(defined));
            own.extend(functions(bytes, &all, &states));
        }
        for (_, bytes) in &self.headers {
            self.definitions(bytes, defined, &mut said);
        }
        let mut told: BTreeMap<SmolStr, Told> = said
            .into_iter()
            .filter(|(name, _)| self.asked.contains(name) && !self.given.contains(name))
            .filter_map(|(name, said)| Some((name, said.told()?)))
            .collect();
        let mut inferred: BTreeMap<SmolStr, Vec<Inferred>> = BTreeMap::new();
        for (path, bytes) in self.hits.iter().filter(|_| infers) {
            let all = tokens(bytes, 0, bytes.len(), Mode::File);
            for (name, is_defined, token) in settled(bytes, all, defined).inferred {
                let start = token.start as usize;
                let line = line_starts(bytes).partition_point(|at| *at as usize <= start);
                inferred.entry(name.clone()).or_default().push(Inferred {
                    name,
                    defined: is_defined,
                    path: path.as_str().into(),
                    line: line as u32,
                    call: called(bytes, token),
                });
            }
        }
        if let Some(before) = &defined.module {
            for one in &before.inferred {
                inferred
                    .entry(one.name.clone())
                    .or_default()
                    .push(one.clone());
            }
        }
        let mut kept = Vec::new();
        for (name, mut all) in inferred {
            all.sort();
            let known = told.contains_key(&name) || self.given.contains(&name);
            let agree = all.iter().all(|one| one.defined == all[0].defined);
            if !known && agree {
                told.insert(
                    name,
                    match all[0].defined {
                        true => Told::Text {
                            params: None,
                            text: "1".into(),
                        },
                        false => Told::Absent,
                    },
                );
                kept.extend(all.into_iter().next());
            }
        }
        Features {
            told,
            own,
            inferred: kept,
        }
    }

    fn definitions(&self, bytes: &[u8], defined: &Defined, said: &mut BTreeMap<SmolStr, Said>) {
        let all = tokens(bytes, 0, bytes.len(), Mode::File);
        let states = states(bytes, &all, &outside(defined));
        let mut guarded = None;
        for (token, state) in all.iter().zip(states) {
            if token.kind != Kind::Directive {
                continue;
            }
            let (word, rest) = directive(token.text(bytes));
            let name = names(&rest).next();
            // What guards a header, or is a default, says nothing of what is asked before it.
            let guards = word == "define" && guarded.is_some() && guarded == name;
            guarded = name.clone().filter(|_| word == "ifndef");
            let Some(name) = name.filter(|_| !guards) else {
                continue;
            };
            match (word.as_str(), state) {
                ("define", State::Dead) => said.entry(name).or_default().elsewhere = true,
                ("define", State::Live) => {
                    let told = definition(&rest[name.len()..]);
                    said.entry(name).or_default().here.push(told);
                }
                ("define" | "undef", _) if state != State::Dead => {
                    said.entry(name).or_default().perhaps = true;
                }
                _ => {}
            }
        }
        // What a configure script has looked for in vain: "/* #undef HAVE_X */".
        for at in memmem::find_iter(bytes, UNDEFINED) {
            let rest = &bytes[at + UNDEFINED.len()..];
            let line = rest.split(|byte| *byte == b'\n').next().unwrap_or_default();
            if let Some(name) = names(&String::from_utf8_lossy(line)).next() {
                said.entry(name).or_default().elsewhere = true;
            }
        }
    }
}

/// How autoconf writes that a macro is not defined.
const UNDEFINED: &[u8] = b"/* #undef ";

/// What the headers say of a macro.
#[derive(Debug, Default)]
struct Said {
    /// Definitions that are compiled.
    here: Vec<Told>,
    /// One that may be.
    perhaps: bool,
    /// One that is not.
    elsewhere: bool,
}

impl Said {
    fn told(self) -> Option<Told> {
        let mut here = self.here.into_iter();
        match (here.next(), self.perhaps) {
            (_, true) => None,
            (Some(first), false) => here.all(|other| other == first).then_some(first),
            (None, false) => self.elsewhere.then_some(Told::Absent),
        }
    }
}

/// What stands behind the name in a `#define`.
fn definition(rest: &str) -> Told {
    let (params, text) = match rest.strip_prefix('(').and_then(|rest| rest.split_once(')')) {
        Some((params, text)) => {
            let params = params.split(',').map(|param| param.trim().into());
            (Some(params.collect()), text)
        }
        None => (None, rest),
    };
    let text = text.trim();
    // Defined without a text: what asks for its value does not compile.
    let text = if text.is_empty() { "1" } else { text };
    Told::Text {
        params,
        text: text.into(),
    }
}

/// Whether a token is compiled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Live,
    Open,
    Dead,
}

/// For each token whether it is compiled, by the conditions around it.
fn states(bytes: &[u8], all: &[Token], known: &Known<'_>) -> Vec<State> {
    struct Frame {
        outer: State,
        taken: bool,
        open: bool,
    }
    let mut frames: Vec<Frame> = Vec::new();
    let mut state = State::Live;
    let mut out = Vec::with_capacity(all.len());
    let of_arm = |frame: &mut Frame, value: Option<bool>| {
        let state = match (frame.outer, value) {
            (State::Dead, _) | (_, Some(false)) => State::Dead,
            _ if frame.taken => State::Dead,
            (State::Live, Some(true)) if !frame.open => State::Live,
            _ => State::Open,
        };
        frame.taken |= value == Some(true) && !frame.open;
        frame.open |= value.is_none();
        state
    };
    for (at, token) in all.iter().enumerate() {
        if token.kind == Kind::Directive {
            let (word, rest) = directive(token.text(bytes));
            match word.as_str() {
                "if" | "ifdef" | "ifndef" => {
                    let condition = match word.as_str() {
                        "ifndef" => format!("!{rest}"),
                        _ => rest.clone(),
                    };
                    let value = known.truth(&condition, word != "if");
                    // `#ifndef X`, `#define X`: a guard, or a default.
                    let guards = word == "ifndef"
                        && all.get(at + 1).is_some_and(|next| {
                            let (word, name) = directive(next.text(bytes));
                            next.kind == Kind::Directive
                                && word == "define"
                                && names(&name).next() == names(&rest).next()
                        });
                    let value = if guards { Some(true) } else { value };
                    let mut frame = Frame {
                        outer: state,
                        taken: false,
                        open: false,
                    };
                    state = of_arm(&mut frame, value);
                    frames.push(frame);
                }
                "elif" | "else" => {
                    if let Some(frame) = frames.last_mut() {
                        let value = match word.as_str() {
                            "else" => Some(true),
                            _ => known.truth(&rest, false),
                        };
                        state = of_arm(frame, value);
                    }
                }
                "endif" => {
                    if let Some(frame) = frames.pop() {
                        state = frame.outer;
                    }
                }
                _ => {}
            }
        }
        out.push(state);
    }
    out
}

/// The functions of the catalogue that a file defines where it is compiled for sure.
fn functions(bytes: &[u8], all: &[Token], states: &[State]) -> BTreeSet<SmolStr> {
    let listed = |name: &str| followed().get(name).is_some();
    let mut out = BTreeSet::new();
    for (at, token) in all.iter().enumerate() {
        if states.get(at) != Some(&State::Live) {
            continue;
        }
        if token.kind == Kind::Directive {
            let (word, rest) = directive(token.text(bytes));
            if word == "define" {
                out.extend(names(&rest).next().filter(|name| listed(name)));
            }
            continue;
        }
        let Ok(name) = std::str::from_utf8(token.text(bytes)) else {
            continue;
        };
        if token.kind != Kind::Ident || !listed(name) {
            continue;
        }
        let before = at.checked_sub(1).and_then(|before| all.get(before));
        let typed = before.is_some_and(|one| one.kind == Kind::Ident || one.is(bytes, b"*"));
        let body = arms::arguments(bytes, all, at + 1).and_then(|(_, end)| all.get(end + 1));
        if typed && body.is_some_and(|next| next.is(bytes, b"{")) {
            out.insert(name.into());
        }
    }
    out
}

/// The function of the catalogue that a token names, of a `#define` the first in it.
fn called(bytes: &[u8], token: Token) -> SmolStr {
    let text = String::from_utf8_lossy(token.text(bytes));
    let mut listed = names(&text).filter(|name| followed().get(name).is_some());
    listed.next().unwrap_or_default()
}

/// The preprocessor lines of a file: the keyword and the rest, its continuation lines joined.
fn lines(bytes: &[u8], each: &mut dyn FnMut(&str, &str)) {
    let mut rest = bytes;
    while let Some(at) = memchr::memchr(b'#', rest) {
        let line = &rest[..at];
        let begins = line
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(line, |n| &line[n + 1..]);
        rest = &rest[at..];
        let mut end = 0;
        loop {
            let next = memchr::memchr(b'\n', &rest[end..]).map_or(rest.len(), |n| end + n);
            let continues = rest[..next].trim_ascii_end().ends_with(b"\\") && next < rest.len();
            end = next;
            if !continues {
                break;
            }
            end += 1;
        }
        if begins.iter().all(u8::is_ascii_whitespace) {
            let (word, said) = directive(&rest[..end]);
            each(&word, &said);
            rest = &rest[end..];
        } else {
            rest = &rest[1..];
        }
    }
}

/// The identifiers of a text, in order.
fn names(text: &str) -> impl Iterator<Item = SmolStr> + '_ {
    let words = text.split(|one: char| !one.is_ascii_alphanumeric() && one != '_');
    words
        .filter(|word| word.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_'))
        .map(SmolStr::from)
}

/// The file that an `#include` names, without its directories.
fn file_name(rest: &str) -> Option<&str> {
    let path = rest.trim_matches(['"', '<', '>', ' ']);
    Utf8Path::new(path).file_name()
}

#[cfg(test)]
mod tests;
