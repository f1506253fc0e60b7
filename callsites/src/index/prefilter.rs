// SPDX-License-Identifier: MIT OR Apache-2.0
//! Tells in one pass over a file's bytes whether any of many names stands in it.
//!
//! Few names are found by a part that several of them share (`_page`), which the processor searches for at memory
//! speed; the identifier around each find decides. Many names are found by an automaton.

use super::lex::is_ident;
use super::wanted::NameSet;
use aho_corasick::packed::{self, Searcher};
use aho_corasick::{AhoCorasick, MatchKind, Span};
use memchr::memmem::Finder;
use refimpl::api::{Role, followed};

/// With more shared parts than this, the names themselves are searched for with an automaton. The search for all parts at
/// once sorts them into eight buckets by their first bytes (aho-corasick's `packed::teddy`): a part in each is as many as it
/// tells apart in one pass.
const PARTS_LIMIT: usize = 8;

/// A search for whole names.
#[derive(Debug)]
pub(crate) struct Prefilter {
    names: NameSet,
    how: How,
}

#[derive(Debug)]
enum How {
    /// All parts in one pass over the bytes.
    Together(Box<Searcher>),
    Parts(Vec<Finder<'static>>),
    Automaton(Box<AhoCorasick>),
    Nothing,
}

impl Prefilter {
    /// A search for `names`.
    pub(crate) fn new(names: NameSet) -> Self {
        let all = names.names();
        let parts = shared_parts(&all);
        let how = if all.is_empty() {
            How::Nothing
        } else if parts.len() <= PARTS_LIMIT {
            let together = packed::Config::new().builder().extend(&parts).build();
            // Not every processor can.
            together.map_or_else(
                || How::Parts(finders(&parts)),
                |searcher| How::Together(Box::new(searcher)),
            )
        } else {
            match AhoCorasick::builder()
                .match_kind(MatchKind::LeftmostLongest)
                .build(&all)
            {
                Ok(automaton) => How::Automaton(Box::new(automaton)),
                Err(_) => How::Parts(finders(&all)),
            }
        };
        Prefilter { names, how }
    }

    /// The names searched for.
    pub(crate) fn names(&self) -> &NameSet {
        &self.names
    }

    /// Does any of the names stand in `bytes` as a whole identifier, comments and strings included?
    pub(crate) fn hits(&self, bytes: &[u8]) -> bool {
        match &self.how {
            How::Nothing => false,
            How::Together(searcher) => {
                let mut rest = Span::from(0..bytes.len());
                while let Some(found) = searcher.find_in(bytes, rest) {
                    let (start, end) = around(bytes, found.start());
                    if self.names.contains(&bytes[start..end]) {
                        return true;
                    }
                    rest.start = end.max(found.end());
                }
                false
            }
            How::Parts(finders) => finders.iter().any(|finder| {
                let mut from = 0;
                while let Some(at) = finder.find(&bytes[from..]) {
                    let (start, end) = around(bytes, from + at);
                    if self.names.contains(&bytes[start..end]) {
                        return true;
                    }
                    from = end.max(from + at + 1);
                }
                false
            }),
            How::Automaton(automaton) => automaton.find_iter(bytes).any(|found| {
                let (start, end) = around(bytes, found.start());
                self.names.contains(&bytes[start..end])
            }),
        }
    }
}

/// The files that are read: those that name a seed, and those that take references on pages of an address.
#[derive(Debug)]
pub(crate) struct Seeds {
    seeds: Prefilter,
    /// The seeds, and what makes a page of an address: one pass tells for most files that there is neither.
    wide: Prefilter,
    /// What takes a reference.
    references: NameSet,
}

impl Seeds {
    /// A search for `seeds`.
    pub(crate) fn new(seeds: NameSet) -> Self {
        let of_address = followed()
            .with_role(Role::Translate)
            .filter(|function| function.kind == "kernel address")
            .map(|function| function.name.clone());
        let all: Vec<String> = seeds.names().into_iter().chain(of_address).collect();
        let references = followed().with_role(Role::Reference);
        Seeds {
            seeds: Prefilter::new(seeds),
            wide: Prefilter::new(NameSet::new(all)),
            references: NameSet::new(references.map(|function| function.name.as_str())),
        }
    }

    /// The seeds.
    pub(crate) fn names(&self) -> &NameSet {
        self.seeds.names()
    }

    /// All names that are searched for: what was found by others is found anew.
    pub(crate) fn all(&self) -> Vec<String> {
        self.wide.names().names()
    }

    /// Is a file with these bytes read?
    pub(crate) fn hits(&self, bytes: &[u8]) -> bool {
        let refers = || {
            let mut words = bytes.split(|byte| !is_ident(*byte));
            words.any(|word| self.references.contains(word))
        };
        self.wide.hits(bytes) && (self.seeds.hits(bytes) || refers())
    }
}

fn finders(parts: &[String]) -> Vec<Finder<'static>> {
    let finder = |part: &String| Finder::new(part.as_bytes()).into_owned();
    parts.iter().map(finder).collect()
}

/// The identifier around byte `at`.
fn around(bytes: &[u8], at: usize) -> (usize, usize) {
    let start = bytes[..at]
        .iter()
        .rposition(|b| !is_ident(*b))
        .map_or(0, |n| n + 1);
    let end = bytes[at..]
        .iter()
        .position(|b| !is_ident(*b))
        .map_or(bytes.len(), |n| at + n);
    (start, end)
}

/// A small set of substrings such that each name holds one: the most shared first, the longer of equals.
fn shared_parts(names: &[String]) -> Vec<String> {
    let mut left: Vec<&str> = names
        .iter()
        .map(String::as_str)
        .filter(|n| n.is_ascii())
        .collect();
    let mut parts = Vec::new();
    while let Some(first) = left.first().copied() {
        if parts.len() > PARTS_LIMIT || left.len() > 256 {
            parts.extend(left.iter().map(|n| (*n).to_owned()));
            break;
        }
        let count = |part: &str| left.iter().filter(|n| n.contains(part)).count();
        let mut best = (0, first);
        for name in &left {
            for length in 5..=name.len().min(12) {
                for start in 0..=name.len() - length {
                    let part = &name[start..start + length];
                    let found = (count(part), part);
                    if (found.0, part.len()) > (best.0, best.1.len())
                        || found.0 == best.0 && part.len() == best.1.len() && part < best.1
                    {
                        best = found;
                    }
                }
            }
        }
        let best = best.1.to_owned();
        left.retain(|n| !n.contains(best.as_str()));
        parts.push(best);
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_names_hit() {
        let filter = Prefilter::new(NameSet::new([
            "put_page",
            "get_user_pages",
            "release_pages",
        ]));
        assert!(matches!(&filter.how, How::Together(_)));
        assert!(filter.hits(b"x = put_page(y);"));
        assert!(!filter.hits(b"x = my_put_page(y) + put_pages;"));
        assert!(filter.hits(b"release_pages"));
    }

    #[test]
    fn many_names_are_found_too() {
        let names: Vec<String> = (0..40)
            .map(|n| format!("{}name{n}", ["a", "bx", "cyz", "dd"][n % 4]))
            .collect();
        let filter = Prefilter::new(NameSet::new(&names));
        assert!(filter.hits(b"f(bxname13)"));
        assert!(!filter.hits(b"f(bxname2)"));
    }
}
