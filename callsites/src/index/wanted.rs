// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which items of a file are to be parsed.

use super::items::{Item, ItemKind};
use super::lex::{Kind, Mode, tokens};
use super::source::Source;
use std::collections::HashSet;

/// A set of names that is asked about every identifier of a file.
#[derive(Debug, Clone)]
pub struct NameSet {
    names: HashSet<Vec<u8>>,
    /// A bit for each pair of first and last byte: most identifiers are refused here.
    ends: Vec<u64>,
}

impl NameSet {
    /// The set of `names`.
    pub fn new<S: AsRef<str>>(names: impl IntoIterator<Item = S>) -> Self {
        let mut set = NameSet {
            names: HashSet::new(),
            ends: vec![0; 1024],
        };
        for name in names {
            let bytes = name.as_ref().as_bytes();
            if let Some(bit) = ends(bytes) {
                set.ends[bit / 64] |= 1 << (bit % 64);
                set.names.insert(bytes.to_vec());
            }
        }
        set
    }

    /// Is `word` in the set?
    pub fn contains(&self, word: &[u8]) -> bool {
        ends(word).is_some_and(|bit| {
            self.ends[bit / 64] >> (bit % 64) & 1 == 1 && self.names.contains(word)
        })
    }

    /// True when nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// The names, sorted.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self
            .names
            .iter()
            .map(|n| String::from_utf8_lossy(n).into_owned())
            .collect();
        names.sort();
        names
    }
}

fn ends(word: &[u8]) -> Option<usize> {
    Some(usize::from(*word.first()?) << 8 | usize::from(*word.last()?))
}

/// Selects items.
#[derive(Debug, Clone, Copy)]
pub enum Wanted<'n> {
    /// Every item.
    All,
    /// Items in which one of the names stands.
    Holding(&'n NameSet),
    /// Items that bear one of the names.
    Named(&'n NameSet),
    /// Items that bear one of the first names, hold one of the second, or name a member of the third.
    Either(&'n NameSet, &'n NameSet, &'n NameSet),
}

impl Wanted<'_> {
    /// Is `item` selected?
    pub(crate) fn selects(&self, source: &Source<'_>, item: &Item) -> bool {
        match self {
            Wanted::All => true,
            Wanted::Holding(names) => holds(source, item, names),
            Wanted::Named(names) => {
                names.contains(item.name.as_bytes()) || names.contains(sys_name(item).as_bytes())
            }
            Wanted::Either(named, held, members) => {
                Wanted::Named(named).selects(source, item)
                    || holds(source, item, held)
                    || names_member(source, item, members)
            }
        }
    }
}

/// The name under which an item is kept: that of a system call has a prefix.
pub(crate) fn sys_name(item: &Item) -> String {
    match item.definer.as_deref() {
        Some(definer) if definer.starts_with("COMPAT_SYSCALL") => {
            format!("compat_sys_{}", item.name)
        }
        Some(definer) if definer.contains("SYSCALL") => format!("sys_{}", item.name),
        _ => item.name.to_string(),
    }
}

/// Does the item name one of the members: behind `->` or `.`, or as the last argument of a macro, which is where
/// container_of() and list_for_each_entry() have theirs?
fn names_member(source: &Source<'_>, item: &Item, members: &NameSet) -> bool {
    if members.is_empty() {
        return false;
    }
    if matches!(item.kind, ItemKind::Macro { .. }) {
        return holds(source, item, members);
    }
    item.tokens.clone().any(|i| {
        source.tokens[i].kind == Kind::Ident
            && members.contains(source.text(i))
            && i > 0
            && (source.is(i - 1, b"->")
                || source.is(i - 1, b".")
                || source.is(i - 1, b",") && source.is(i + 1, b")"))
    })
}

/// Does one of the names stand in the item?
pub(crate) fn holds(source: &Source<'_>, item: &Item, names: &NameSet) -> bool {
    if let ItemKind::Macro { body, .. } = item.kind {
        return tokens(
            source.bytes,
            body.start as usize,
            body.end as usize,
            Mode::MacroBody,
        )
        .iter()
        .any(|t| t.kind == Kind::Ident && names.contains(t.text(source.bytes)));
    }
    item.tokens
        .clone()
        .any(|i| source.tokens[i].kind == Kind::Ident && names.contains(source.text(i)))
}
