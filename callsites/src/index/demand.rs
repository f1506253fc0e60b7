// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the flow wants to know next: more functions of the tree, by what they are or hold.

use super::items::{Item, ItemKind};
use super::near::Words;
use super::source::Source;
use super::wanted::{NameSet, Wanted, holds, sys_name};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// A batch of questions. Answers are functions, records and tables that [`super::Index::expand`] adds to the index.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Demand {
    /// Functions and macros of these names.
    pub definitions: BTreeSet<String>,
    /// Functions and tables in which one of these names stands: callers, and ops tables that hold the function.
    pub callers: BTreeSet<String>,
    /// Functions that say `.field` or `->field`, in files where the record's tag (or typedef) stands as well. An
    /// empty tag asks for every such function that is near.
    pub fields: BTreeSet<(String, String)>,
    /// Records of these tags, and typedefs of these names.
    pub records: BTreeSet<String>,
}

/// How far to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Reach {
    /// The directories that hold hits, and what their files include.
    Near,
    /// The whole tree: one more pass over it.
    Tree,
}

impl Demand {
    /// True when it asks nothing.
    pub fn is_empty(&self) -> bool {
        self.definitions.is_empty()
            && self.callers.is_empty()
            && self.fields.is_empty()
            && self.records.is_empty()
    }

    /// Takes over the questions of `other`.
    pub fn add(&mut self, other: &Demand) {
        self.definitions.extend(other.definitions.iter().cloned());
        self.callers.extend(other.callers.iter().cloned());
        self.fields.extend(other.fields.iter().cloned());
        self.records.extend(other.records.iter().cloned());
    }

    /// Drops the questions that `known` asked.
    pub fn without(&self, known: &Demand) -> Demand {
        Demand {
            definitions: self
                .definitions
                .difference(&known.definitions)
                .cloned()
                .collect(),
            callers: self.callers.difference(&known.callers).cloned().collect(),
            fields: self.fields.difference(&known.fields).cloned().collect(),
            records: self.records.difference(&known.records).cloned().collect(),
        }
    }

    /// May a file with these words hold an answer?
    pub fn may_be_in(&self, words: &Words) -> bool {
        self.definitions
            .iter()
            .chain(&self.callers)
            .chain(&self.records)
            .any(|name| words.may_hold(name))
            || self.fields.iter().any(|(field, tag)| {
                words.may_hold(field) && (tag.is_empty() || words.may_hold(tag))
            })
    }

    /// Every name it mentions.
    pub fn names(&self) -> NameSet {
        let fields = self.fields.iter().map(|(field, _)| field);
        NameSet::new(
            self.definitions
                .iter()
                .chain(&self.callers)
                .chain(fields)
                .chain(&self.records),
        )
    }

    /// Makes it ready to be asked about items.
    pub fn chooser(&self) -> Chooser<'_> {
        Chooser {
            demand: self,
            definitions: NameSet::new(&self.definitions),
            callers: NameSet::new(&self.callers),
            fields: NameSet::new(self.fields.iter().map(|(field, _)| field)),
        }
    }
}

/// A demand with its names hashed.
#[derive(Debug)]
pub struct Chooser<'d> {
    demand: &'d Demand,
    definitions: NameSet,
    callers: NameSet,
    fields: NameSet,
}

impl Chooser<'_> {
    /// The field names whose record stands in this file.
    pub fn fields_of(&self, source: &Source<'_>) -> NameSet {
        let tags = NameSet::new(self.demand.fields.iter().map(|(_, tag)| tag));
        let mut there = BTreeSet::new();
        for i in 0..source.tokens.len() {
            if source.is_ident(i) && tags.contains(source.text(i)) {
                there.insert(source.string(i));
            }
        }
        let wanted = self
            .demand
            .fields
            .iter()
            .filter(|(_, tag)| tag.is_empty() || there.contains(tag));
        NameSet::new(wanted.map(|(field, _)| field))
    }

    /// Does any field name stand in the file at all?
    pub fn asks_for_fields(&self) -> bool {
        !self.fields.is_empty()
    }

    /// Is the item an answer?
    pub fn selects(&self, source: &Source<'_>, item: &Item, fields: &NameSet) -> bool {
        if self.definitions.contains(sys_name(item).as_bytes())
            || Wanted::Named(&self.definitions).selects(source, item)
        {
            return true;
        }
        if !self.callers.is_empty()
            && item.kind != ItemKind::Prototype
            && calls(source, item, &self.callers)
        {
            return true;
        }
        !fields.is_empty() && says_field(source, item, fields)
    }
}

/// Does one of the names stand in the item, its own name aside?
fn calls(source: &Source<'_>, item: &Item, names: &NameSet) -> bool {
    if let ItemKind::Macro { .. } = item.kind {
        return holds(source, item, names);
    }
    let own = item.name_span;
    item.tokens.clone().any(|i| {
        source.is_ident(i) && names.contains(source.text(i)) && source.tokens[i].start != own.start
    })
}

fn says_field(source: &Source<'_>, item: &Item, names: &NameSet) -> bool {
    if let ItemKind::Macro { .. } = item.kind {
        return holds(source, item, names);
    }
    item.tokens.clone().skip(1).any(|i| {
        source.is_ident(i)
            && (source.is(i - 1, b"->") || source.is(i - 1, b"."))
            && names.contains(source.text(i))
    })
}
