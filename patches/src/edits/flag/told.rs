// SPDX-License-Identifier: MIT OR Apache-2.0
//! How a message tells the way of the answer.

use super::{ASK, Carried};
use std::collections::{BTreeMap, BTreeSet};

/// A step of the answer's way, in the order in which a message tells it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Told {
    /// A function asks and keeps the answer there.
    Asked(String, String),
    /// A record has a new member for it.
    Member(String, String),
    /// A function has a new parameter for it.
    Parameter(String),
}

impl Carried {
    /// Whole sentences; None where nothing is asked.
    pub(in crate::edits) fn told(&self) -> Option<String> {
        if self.told.is_empty() {
            return None;
        }
        let members: BTreeMap<&str, &str> = self
            .told
            .iter()
            .filter_map(|told| match told {
                Told::Member(name, tag) => Some((name.as_str(), tag.as_str())),
                _ => None,
            })
            .collect();
        let mut kept: BTreeSet<&str> = BTreeSet::new();
        let mut sentences = Vec::new();
        for told in &self.told {
            sentences.push(match told {
                Told::Asked(function, place) => {
                    let asks =
                        format!("So {function}() asks {ASK}() before the iterator is advanced");
                    // A place that is a new member says so itself.
                    let member = place.rsplit(['.', '>']).next().unwrap_or_default();
                    let own = members.get(member).filter(|_| member.len() < place.len());
                    match own {
                        Some(tag) => {
                            kept.insert(member);
                            format!(
                                "{asks}, and keeps the answer in {place}, a new member of struct {tag}."
                            )
                        }
                        // The member that keeps it is told next.
                        None if !members.is_empty() => format!("{asks}."),
                        None => format!("{asks}, and keeps the answer in {place}."),
                    }
                }
                Told::Member(name, _) if kept.contains(name.as_str()) => continue,
                Told::Member(name, tag) => format!(
                    "A new member of struct {tag}, {name}, keeps the answer until the pages are released."
                ),
                Told::Parameter(function) => {
                    format!("{function}() gets the answer as a new parameter.")
                }
            });
        }
        Some(sentences.join(" "))
    }
}
