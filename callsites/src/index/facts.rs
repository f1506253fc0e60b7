// SPDX-License-Identifier: MIT OR Apache-2.0
//! One file's bytes to its facts.

use super::declare;
use super::function::{self, Parsed};
use super::ir::{FileFacts, Function, OutlineItem, OutlineKind, Span, TypeRef, Unread};
use super::items::{Item, ItemKind, split};
use super::lex::{self, Kind};
use super::source::Source;
use super::wanted::{NameSet, Wanted, holds, sys_name};
use crate::tree::{Defined, size_limit};
use camino::Utf8Path;
use smol_str::SmolStr;
use std::collections::{HashMap, HashSet};

/// Tables of more bytes than this keep their initialiser unread unless they were asked for: a table of functions has some
/// lines, and what is larger is data (firmware, fonts, registers).
const TABLE_LIMIT: u32 = 1 << 16;

/// Reads a file: the items `wanted` selects are parsed, the others stand in the outline. Records, typedefs and
/// the heads of variables are always read; never fails, what was not understood is in [`FileFacts::unread`].
pub fn parse(path: &Utf8Path, bytes: &[u8], wanted: &Wanted<'_>) -> FileFacts {
    parse_for(path, bytes, wanted, &Defined::default())
}

/// The same of what a release compiles, as far as its version tells.
pub(crate) fn parse_for(
    path: &Utf8Path,
    bytes: &[u8],
    wanted: &Wanted<'_>,
    defined: &Defined,
) -> FileFacts {
    read(path, bytes, defined, false, |source, item| {
        wanted.selects(source, item)
    })
}

/// Reads more of a file that was read before: only the functions and initialisers that `wanted` selects and that do
/// not stand in `own`, for [`FileFacts::merge`].
pub(crate) fn parse_more(
    path: &Utf8Path,
    bytes: &[u8],
    wanted: &Wanted<'_>,
    own: &FileFacts,
) -> FileFacts {
    let known = own.parsed();
    let known = known.iter().filter_map(|at| own.outline.get(*at));
    let starts: Vec<u32> = known.map(|item| item.span.start).collect();
    read(path, bytes, &own.defined, true, |source, item| {
        starts.binary_search(&item.span.start).is_err() && wanted.selects(source, item)
    })
}

/// Reads only the functions and initialisers of a file that begin where one of `spans` does (spans of
/// [`FileFacts::outline`]).
pub(crate) fn parse_items(own: &FileFacts, bytes: &[u8], spans: &[Span]) -> FileFacts {
    let mut starts: Vec<u32> = spans.iter().map(|span| span.start).collect();
    starts.sort_unstable();
    read(&own.path, bytes, &own.defined, true, |_, item| {
        starts.binary_search(&item.span.start).is_ok()
    })
}

/// Names the bytes of a file.
pub(crate) fn hash(bytes: &[u8]) -> [u8; 16] {
    let mut out = [0; 16];
    out.copy_from_slice(&blake3::hash(bytes).as_bytes()[..16]);
    out
}

fn read(
    path: &Utf8Path,
    bytes: &[u8],
    defined: &Defined,
    more: bool,
    mut selects: impl FnMut(&Source<'_>, &Item) -> bool,
) -> FileFacts {
    let mut facts = FileFacts {
        path: path.to_owned(),
        defined: defined.clone(),
        ..FileFacts::default()
    };
    let limit = size_limit(path);
    if bytes.len() > limit {
        facts.unread.push(Unread {
            function: None,
            span: Span {
                start: 0,
                end: limit as u32,
            },
            why: format!("larger than {} MiB", limit >> 20),
        });
        return facts;
    }
    let mut source = Source::of_release(bytes, defined);
    let items = split(&source);
    if !more {
        facts.line_starts = lex::line_starts(bytes);
        facts.not_compiled = std::mem::take(&mut source.not_compiled);
        facts.outline = items.iter().filter_map(outlined).collect();
    }
    let own = NameSet::new(
        items
            .iter()
            .filter(|i| i.kind == ItemKind::Function)
            .map(|i| i.name.as_str()),
    );
    let mut reader = Reader {
        source: &source,
        facts: &mut facts,
        own: &own,
    };
    if let Some(start) = source.open_comment.filter(|_| !more) {
        reader.facts.unread.push(Unread {
            function: None,
            span: Span {
                start,
                end: bytes.len() as u32,
            },
            why: "a comment never closes".to_owned(),
        });
    }
    for item in &items {
        let declares = matches!(item.kind, ItemKind::Record | ItemKind::Typedef);
        let selected = !(more && declares) && selects(&source, item);
        if selected || !more {
            reader.item(item, selected);
        }
    }
    facts
}

fn outlined(item: &Item) -> Option<OutlineItem> {
    let kind = match item.kind {
        ItemKind::Function => OutlineKind::Function,
        ItemKind::Record => OutlineKind::Record,
        ItemKind::Macro { .. } => OutlineKind::Macro,
        ItemKind::Variable if item.brace.is_some() => OutlineKind::Table,
        ItemKind::Variable => OutlineKind::Variable,
        ItemKind::Prototype => OutlineKind::Prototype,
        ItemKind::Typedef | ItemKind::Other => return None,
    };
    Some(OutlineItem {
        name: sys_name(item).into(),
        kind,
        span: item.span,
    })
}

struct Reader<'s, 'a> {
    source: &'s Source<'a>,
    facts: &'s mut FileFacts,
    /// The file's own functions: a table that names one is an ops table.
    own: &'s NameSet,
}

impl Reader<'_, '_> {
    fn item(&mut self, item: &Item, selected: bool) {
        match item.kind {
            ItemKind::Function if selected => match function::function(self.source, item) {
                Some(parsed) => self.add(parsed),
                None => self.unread(item, "no body"),
            },
            ItemKind::Macro { .. } if selected => {
                if let Some(parsed) = function::define(self.source, item) {
                    self.add(parsed);
                }
            }
            ItemKind::Other if selected && self.calls(item) => {
                self.add(function::file_scope_use(self.source, item));
            }
            ItemKind::Record | ItemKind::Typedef | ItemKind::Variable => {
                self.declared(item, selected)
            }
            _ => {}
        }
    }

    fn add(&mut self, parsed: Parsed) {
        self.facts.functions.push(parsed.function);
        self.facts.records.extend(parsed.records);
        self.facts.unread.extend(parsed.unread);
    }

    fn unread(&mut self, item: &Item, why: &str) {
        self.facts.unread.push(Unread {
            function: Some(item.name.to_string()),
            span: item.span,
            why: why.to_owned(),
        });
    }

    /// Does a macro use at file scope hold a call, beside its own?
    fn calls(&self, item: &Item) -> bool {
        let inner = (item.tokens.start + 1)..item.tokens.end.saturating_sub(1);
        inner
            .into_iter()
            .any(|i| self.source.is_ident(i) && self.source.is(i + 1, b"("))
    }

    fn declared(&mut self, item: &Item, selected: bool) {
        let source = self.source;
        let end = item.tokens.end - usize::from(source.is(item.tokens.end - 1, b";"));
        if declare::nests_too_deep(source, &(item.tokens.start..end)) {
            return self.unread(item, "nested too deep");
        }
        let mut records = Vec::new();
        let declared = declare::declaration(source, item.tokens.start..end, "", &mut records);
        if item.kind == ItemKind::Typedef {
            for one in declared {
                let ty: TypeRef = one.declaration.ty;
                if !one.declaration.name.is_empty() && ty.name != one.declaration.name {
                    self.facts.typedefs.push((one.declaration.name, ty));
                }
            }
        } else {
            for mut one in declared
                .into_iter()
                .filter(|d| !d.declaration.name.is_empty())
            {
                if let Some(init) = one.init.filter(|init| !init.is_empty()) {
                    let span = source.span(&init);
                    let ops = item.brace.is_some()
                        && span.end - span.start < TABLE_LIMIT
                        && holds(source, item, self.own);
                    let plain = init.len() == 1 && source.tokens[init.start].kind != Kind::Punct;
                    if selected || ops || plain {
                        let (init, unread) = function::initialiser(source, init);
                        one.declaration.init = init;
                        if let Some((span, why)) = unread {
                            self.facts.unread.push(Unread {
                                function: Some(item.name.to_string()),
                                span,
                                why: why.to_owned(),
                            });
                        }
                    }
                }
                self.facts.globals.push(one.declaration);
            }
        }
        self.facts.records.extend(records);
    }
}

impl FileFacts {
    /// 1-based line and column, in bytes, of an offset.
    pub fn position(&self, offset: u32) -> (u32, u32) {
        let line = self
            .line_starts
            .partition_point(|start| *start <= offset)
            .max(1);
        let start = self.line_starts.get(line - 1).copied().unwrap_or(0);
        (line as u32, offset.saturating_sub(start) + 1)
    }

    /// The bytes of a 1-based line, without its end.
    pub(crate) fn line_span(&self, line: u32) -> Option<Span> {
        let start = *self.line_starts.get(line.checked_sub(1)? as usize)?;
        let end = self
            .line_starts
            .get(line as usize)
            .map_or(u32::MAX, |next| next - 1);
        Some(Span { start, end })
    }

    /// Places in the outline of the functions that were parsed, sorted.
    pub fn parsed(&self) -> Vec<usize> {
        let place = |function: &Function| {
            let found = self
                .outline
                .binary_search_by_key(&function.span.start, |item| item.span.start);
            found.ok()
        };
        let mut places: Vec<usize> = self.functions.iter().filter_map(place).collect();
        places.sort_unstable();
        places
    }

    /// Takes over functions and initialisers that another reading of the same file parsed.
    pub fn merge(&mut self, other: FileFacts) {
        let known: HashSet<Span> = self.functions.iter().map(|f| f.span).collect();
        let fresh = other.functions.into_iter();
        self.functions
            .extend(fresh.filter(|f| !known.contains(&f.span)));
        self.functions.sort_by_key(|f| f.span.start);
        let places = self.globals.iter().enumerate();
        let places: HashMap<Span, usize> = places.rev().map(|(n, g)| (g.span, n)).collect();
        for global in other.globals {
            match places.get(&global.span) {
                Some(n) => {
                    let own = &mut self.globals[*n];
                    own.init = own.init.take().or(global.init);
                }
                None => self.globals.push(global),
            }
        }
        let known = self.records.iter().map(|r| (r.span, r.tag.clone()));
        let known: HashSet<(Span, SmolStr)> = known.collect();
        let fresh = other.records.into_iter();
        self.records
            .extend(fresh.filter(|r| !known.contains(&(r.span, r.tag.clone()))));
        for unread in other.unread {
            if !self.unread.contains(&unread) {
                self.unread.push(unread);
            }
        }
    }
}

#[cfg(test)]
mod tests;
