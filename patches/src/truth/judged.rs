// SPDX-License-Identifier: MIT OR Apache-2.0
//! What people judged: a table in Markdown, one row a function.
//!
//! ```text
//! | file | function | judgement | why |
//! |---|---|---|---|
//! | drivers/misc/toy.c | toy_put | equivalent | the loop stays, each page is released by the same function |
//! ```

use std::collections::BTreeMap;
use std::fmt;

/// A judgement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Word {
    /// The same lines and functions.
    Same,
    /// Another way, as good.
    Equivalent,
    /// Another way, and not as good.
    Different,
    /// Not converted.
    Refused,
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Word::Same => "same",
            Word::Equivalent => "equivalent",
            Word::Different => "different",
            Word::Refused => "refused",
        })
    }
}

/// Judgements by file and function, each with its reason.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Judged(BTreeMap<(String, String), (Word, String)>);

impl Judged {
    /// Reads every row of a page whose third column is a judgement; anything else on the page is passed over.
    pub fn parse(page: &str) -> Judged {
        let mut all = BTreeMap::new();
        for line in page.lines() {
            let cells: Vec<&str> = line
                .trim()
                .trim_matches('|')
                .split('|')
                .map(|cell| cell.trim().trim_matches('`'))
                .collect();
            let [path, function, word, why] = cells.as_slice() else {
                continue;
            };
            let word = match *word {
                "same" => Word::Same,
                "equivalent" => Word::Equivalent,
                "different" => Word::Different,
                "refused" => Word::Refused,
                _ => continue,
            };
            let key = (
                (*path).to_owned(),
                function.trim_end_matches("()").to_owned(),
            );
            all.insert(key, (word, (*why).to_owned()));
        }
        Judged(all)
    }

    /// What was judged of a function.
    pub fn get(&self, path: &str, function: &str) -> Option<&(Word, String)> {
        self.0.get(&(path.to_owned(), function.to_owned()))
    }

    /// Every function that was judged.
    pub fn keys(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .keys()
            .map(|(path, function)| (path.as_str(), function.as_str()))
    }
}
