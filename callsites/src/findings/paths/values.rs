// SPDX-License-Identifier: MIT OR Apache-2.0
//! What variables and members are worth at one point of one way.

use super::shared::Shared;
use super::state::Value;
use crate::index::lex::is_ident;
use memchr::memchr_iter;
use smol_str::SmolStr;
use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

/// What variables and members are worth, by their text.
///
/// What has a new value makes stale what is reached through it: only the members that its first word leads to are looked
/// at for that, so that a function of many variables costs no more for each of them.
#[derive(Debug, Clone, Default)]
pub(super) struct Values {
    variables: Shared<BTreeMap<SmolStr, Value>>,
    members: Shared<BTreeMap<SmolStr, Value>>,
    /// By each variable, the texts of the members that are reached through it, of all ways so far.
    reached: Rc<RefCell<BTreeMap<SmolStr, BTreeSet<SmolStr>>>>,
    /// By each value, the texts of the members that have it, of all ways so far.
    holding: Rc<RefCell<BTreeMap<Value, BTreeSet<SmolStr>>>>,
}

impl Values {
    fn of(&self, name: &str) -> &BTreeMap<SmolStr, Value> {
        if name.bytes().all(is_ident) {
            &self.variables
        } else {
            &self.members
        }
    }

    fn of_mut(&mut self, name: &str) -> &mut BTreeMap<SmolStr, Value> {
        if name.bytes().all(is_ident) {
            &mut self.variables
        } else {
            &mut self.members
        }
    }

    pub(super) fn get(&self, name: &str) -> Option<&Value> {
        self.of(name).get(name)
    }

    pub(super) fn insert(&mut self, name: SmolStr, value: Value) {
        if !name.bytes().all(is_ident) {
            if !self.members.contains_key(&name) {
                let mut reached = self.reached.borrow_mut();
                for word in words(&name).filter(|word| mentions(&name, word)) {
                    let texts = reached.entry(word.into()).or_default();
                    texts.insert(name.clone());
                }
            }
            let mut holding = self.holding.borrow_mut();
            holding.entry(value).or_default().insert(name.clone());
        }
        self.of_mut(&name).insert(name, value);
    }

    pub(super) fn remove(&mut self, name: &str) {
        self.of_mut(name).remove(name);
    }

    /// The members, by their text.
    pub(super) fn members(&self) -> impl Iterator<Item = (&str, &Value)> {
        let members = self.members.iter();
        members.map(|(key, value)| (key.as_str(), value))
    }

    /// Whether one of the members that have a value is like that.
    pub(super) fn has_member(&self, value: Value, like: impl Fn(&str) -> bool) -> bool {
        let holding = self.holding.borrow();
        let texts = holding.get(&value).into_iter().flatten();
        let mut texts = texts.filter(|text| self.members.get(*text) == Some(&value));
        texts.any(|text| like(text))
    }

    /// What the members are worth that are reached through `name`, a variable or a place.
    pub(super) fn through(&self, name: &str) -> Vec<Value> {
        let reached = self.reached.borrow();
        let texts = words(name).next().and_then(|first| reached.get(first));
        let texts = texts.into_iter().flatten();
        texts
            .filter(|text| mentions(text, name))
            .filter_map(|text| self.members.get(text))
            .copied()
            .collect()
    }

    /// Forgets the members that are reached through `name`, for it has a new value.
    pub(super) fn forget_through(&mut self, name: &str) {
        let reached = self.reached.borrow();
        let texts = words(name).next().and_then(|first| reached.get(first));
        for text in texts.into_iter().flatten() {
            if mentions(text, name) {
                self.members.remove(text);
            }
        }
    }
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    let words = text.split(|c: char| !is_word(c));
    words.filter(|word| !word.is_empty())
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Whether the text of a place goes through variable `name` without being it.
pub(super) fn mentions(key: &str, name: &str) -> bool {
    let Some(first) = name.bytes().next().filter(|_| key.len() > name.len()) else {
        return false;
    };
    // Keys are short, and asked for often: a searcher costs more to make than it saves.
    let starts = memchr_iter(first, key.as_bytes());
    let mut found = starts.filter(|start| key.as_bytes()[*start..].starts_with(name.as_bytes()));
    found.any(|start| {
        let end = start + name.len();
        let before = key[..start].chars().next_back();
        let after = key[end..].chars().next();
        // A member of that name (`x->name`) is another thing than the variable.
        let member = key[..start].ends_with("->") || before == Some('.');
        !before.is_some_and(is_word) && !after.is_some_and(is_word) && !member
    })
}

#[cfg(test)]
mod tests {
    use super::{Value, Values, mentions};

    #[test]
    fn a_place_mentions_its_variables_but_not_its_members() {
        assert!(mentions("dma->pages", "dma"));
        assert!(mentions("table[i].mem", "i"));
        assert!(!mentions("dma->pages", "pages"));
        assert!(!mentions("dma", "dma"));
        assert!(!mentions("dma2->pages", "dma"));
    }

    #[test]
    fn a_new_value_makes_stale_what_is_reached_through_it() {
        let mut values = Values::default();
        let texts = [
            "dma->pages",
            "(*dma).count",
            "other->dma",
            "bio.bi_private->dma",
        ];
        for (at, text) in texts.into_iter().enumerate() {
            values.insert(text.into(), Value::Int(at as i64));
        }
        let other_way = values.clone();
        assert_eq!(values.through("dma"), [Value::Int(1), Value::Int(0)]);
        assert_eq!(values.through("bio.bi_private"), [Value::Int(3)]);
        values.forget_through("dma");
        values.forget_through("bio.bi_private");
        let left: Vec<&str> = values.members().map(|(text, _)| text).collect();
        assert_eq!(left, ["other->dma"]);
        assert_eq!(other_way.members().count(), 4);
        assert!(other_way.has_member(Value::Int(1), |text| text == "(*dma).count"));
        assert!(!values.has_member(Value::Int(1), |_| true));
        values.insert("other->dma".into(), Value::Int(7));
        assert!(!values.has_member(Value::Int(2), |_| true));
        assert!(values.has_member(Value::Int(7), |_| true));
    }
}
