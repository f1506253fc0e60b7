// SPDX-License-Identifier: MIT OR Apache-2.0
//! Our patches against what maintainers did: function by function, the lines and the functions called on them.
//!
//! In go a labelled set (`truth-A-B.tsv`: a row for each function that maintainers converted, with the lines of its calls),
//! the audited tree A and the tree B. A function is the same when our patch changes each labelled release (and each labelled
//! dirtying call) that theirs changes, no other, and calls the same releasing functions equally often afterwards.
//! `unpin_user_page*` of B is read as `put_user_page*` where A is of that era. Whether another patch is as good as theirs no
//! program can tell: people judge that in a table, which is read along and held against what was computed.

use crate::base;
use crate::convert::{planned, words};
use crate::edits::{Fix, Functions, Planned};
use crate::error::Error;
use crate::info::Replaced;
use crate::lines;
use crate::options::{Api, Select};
use callsites::index::ir::{Expr, Function};
use callsites::index::{NameSet, Wanted, parse};
use callsites::report::{Era, Report};
use callsites::tree::Tree;
use callsites::truth::{Row, Table};
use camino::{Utf8Path, Utf8PathBuf};
use refimpl::api::{Role, catalogue};
use regex::Regex;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

mod judged;
mod series;
mod stays;

pub use judged::{Judged, Word};
pub use series::compare_series;

/// How our patch of one function stands to that of the maintainers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// The same lines, the same functions.
    Same,
    /// Converted in another way.
    Other,
    /// Not converted by us.
    Refused,
}

/// One function that maintainers converted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compared {
    /// Its file in the earlier tree.
    pub path: String,
    /// Its name there.
    pub function: String,
    /// How it compares.
    pub state: State,
    /// Releasing functions that our patch leaves in it, with how often where that is not once.
    pub ours: Vec<String>,
    /// The same of theirs, by the earlier tree's names.
    pub theirs: Vec<String>,
    /// Why it was refused; empty otherwise.
    pub why: String,
}

/// All functions of a set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comparison {
    /// "5.4-5.9"
    pub pair: String,
    /// Sorted by (path, function).
    pub functions: Vec<Compared>,
    /// What people judged of those that are not the same.
    pub judged: Judged,
    /// Calls that must stay, and those of them that a patch of ours changes; None where no set says which must.
    pub must_stay: Option<(usize, Vec<String>)>,
}

/// Plans every group of `report` and compares the functions of the set.
///
/// # Errors
/// A table or file that cannot be read, or a plan whose edits overlap.
pub fn compare(
    set: &Utf8Path,
    pair: &str,
    tree: &Tree,
    later: &Tree,
    report: &Report,
    judged: Judged,
) -> Result<Comparison, Error> {
    let table = |name: String| Table::read(set, &name).map_err(Error::Truth);
    let before = pair.split_once('-').map_or(pair, |(before, _)| before);
    let ours = Ours::of(tree, report, None)?;
    let mut labels: BTreeMap<(String, String), Label> = BTreeMap::new();
    let truth = table(format!("truth-{pair}.tsv"))?;
    for row in truth.rows() {
        Label::add(&mut labels, row).map_err(Error::Truth)?;
    }
    let mut functions = Vec::new();
    for ((path, function), label) in labels {
        functions.push(compared(
            tree, later, report, &ours, path, function, &label,
        )?);
    }
    let negatives = table(format!("negatives-{before}.tsv"))?;
    let excluded = table(format!("excluded-{pair}.tsv"))?;
    let must_stay =
        stays::must_stay(&negatives, &excluded, &ours.replaced).map_err(Error::Truth)?;
    Ok(Comparison {
        pair: pair.to_owned(),
        functions,
        judged,
        must_stay: Some(must_stay),
    })
}

/// What the set says of one function.
#[derive(Debug, Default)]
struct Label {
    /// Callee and line of the releases and dirtying calls that stood in it.
    calls: Vec<(String, u32)>,
    /// Where it went: file and functions of the later tree.
    moved: Option<(String, Vec<String>)>,
}

impl Label {
    fn add(
        labels: &mut BTreeMap<(String, String), Label>,
        row: Row<'_>,
    ) -> Result<(), callsites::truth::Error> {
        if row.get("kind")?.trim_end_matches('*') != "release" {
            return Ok(());
        }
        let calls = Regex::new(r"(\w+)@(\d+)").expect("a constant");
        let moved = Regex::new(r"\[NEW: ([^:\]]+):([^\]]+)\]").expect("a constant");
        let key = (row.get("file")?.to_owned(), row.get("function")?.to_owned());
        let label = labels.entry(key).or_default();
        for call in calls.captures_iter(row.get("before_calls(OLD line)")?) {
            label
                .calls
                .push((call[1].to_owned(), row.number(&call[2])?));
        }
        if let Some(place) = moved.captures(row.get("note")?) {
            let functions = place[2].split('+').map(str::to_owned).collect();
            label.moved = Some((place[1].to_owned(), functions));
        }
        Ok(())
    }
}

/// Everything we would change.
struct Ours {
    files: BTreeMap<Utf8PathBuf, Vec<u8>>,
    replaced: Vec<Replaced>,
    refused: BTreeMap<String, String>,
}

impl Ours {
    /// `later`: what that tree declares for iterators is taken as given.
    fn of(tree: &Tree, report: &Report, later: Option<&Tree>) -> Result<Ours, Error> {
        let mut words = words(tree, report, Api::Auto)?;
        if let Some(later) = later {
            let header = base::read(later, Utf8Path::new("include/linux/uio.h"));
            words = words.with_iterators(&Functions::Header(header.unwrap_or_default()));
        }
        let (sources, plans, refused) =
            planned(tree, report, &Select::All, &words, &BTreeMap::new())?;
        let mut all = Planned::default();
        // What a page is freed by is another thing than what it was taken by.
        let conversions = plans
            .into_iter()
            .filter(|plan| plan.fix != Some(Fix::Freed));
        for plan in conversions {
            all = all.join(plan);
        }
        Ok(Ours {
            files: all.contents(&sources).map_err(Error::Unproven)?,
            replaced: all.replaced,
            refused: refused
                .into_iter()
                .map(|refused| {
                    // One reason stands for all in a table.
                    let more = match refused.reasons.len() {
                        0 | 1 => String::new(),
                        n => format!("; and {} more", n - 1),
                    };
                    let first = refused.reasons.into_iter().next().unwrap_or_default();
                    (refused.group, first + &more)
                })
                .collect(),
        })
    }

    /// Why a labelled call was left alone.
    fn why(&self, report: &Report, path: &str, calls: &[(String, u32)]) -> String {
        let site = report.callsites.iter().find(|site| {
            site.path == path
                && calls
                    .iter()
                    .any(|(name, line)| *name == site.call && site.line == *line)
        });
        let Some(site) = site else {
            return "the audit did not see the call".into();
        };
        let group = site.group.as_ref().and_then(|id| self.refused.get(id));
        match group {
            Some(reasons) => crate::series::shortened(reasons),
            None => crate::series::shortened(&site.reason),
        }
    }
}

fn compared(
    tree: &Tree,
    later: &Tree,
    report: &Report,
    ours: &Ours,
    path: String,
    function: String,
    label: &Label,
) -> Result<Compared, Error> {
    let file = Utf8Path::new(&path);
    let base = tree.read(file)?;
    let new = ours.files.get(file).unwrap_or(&base);
    let (their_path, their_names) = match &label.moved {
        Some((path, names)) => (path.clone(), names.clone()),
        None => (path.clone(), vec![function.clone()]),
    };
    let their_file = later.read(Utf8Path::new(&their_path)).unwrap_or_default();
    let one = std::slice::from_ref(&function);
    let mine = Body::of(file, new, one, report.tree.era);
    let theirs = Body::of(
        Utf8Path::new(&their_path),
        &their_file,
        &their_names,
        report.tree.era,
    );
    let old = Body::of(file, &base, one, report.tree.era);
    let my_lines = lines::kept(&old.lines, &mine.lines);
    let their_lines = lines::kept(&old.lines, &theirs.lines);
    let stays = |kept: &BTreeSet<usize>, line: u32| {
        (line as usize)
            .checked_sub(old.first_line)
            .is_some_and(|at| kept.contains(&at))
    };
    let lines = |role: Role| -> Vec<u32> {
        let calls = label.calls.iter();
        let of_role = calls.filter(|(name, _)| catalogue().is(name, role));
        of_role.map(|(_, line)| *line).collect()
    };
    // A function that only takes pages is told by the calls that take them.
    let mut telling = lines(Role::Release);
    if telling.is_empty() {
        telling = lines(Role::Acquire);
    }
    let touched = mine.lines != old.lines && telling.iter().any(|&line| !stays(&my_lines, line));
    let same_lines = label
        .calls
        .iter()
        .all(|(_, line)| stays(&my_lines, *line) == stays(&their_lines, *line));
    let renamed = their_names.as_slice() != one;
    let state = match touched {
        false => State::Refused,
        true if same_lines && !renamed && mine.releases == theirs.releases => State::Same,
        true => State::Other,
    };
    let why = match state {
        State::Refused => ours.why(report, &path, &label.calls),
        _ => String::new(),
    };
    Ok(Compared {
        ours: counted(&mine.releases),
        theirs: counted(&theirs.releases),
        path,
        function,
        state,
        why,
    })
}

/// A function as far as it is compared.
#[derive(Default)]
struct Body {
    lines: Vec<String>,
    first_line: usize,
    releases: BTreeMap<String, usize>,
}

impl Body {
    /// The functions `names` of a file, one after the other.
    fn of(path: &Utf8Path, bytes: &[u8], names: &[String], era: Era) -> Body {
        let wanted: BTreeSet<&str> = names.iter().map(String::as_str).collect();
        let facts = parse(path, bytes, &Wanted::Named(&NameSet::new(&wanted)));
        let mut body = Body::default();
        for function in facts
            .functions
            .iter()
            .filter(|f| wanted.contains(f.name.as_str()))
        {
            let (start, end) = (function.span.start as usize, function.span.end as usize);
            body.first_line = bytes[..start].iter().filter(|&&byte| byte == b'\n').count() + 1;
            let text = String::from_utf8_lossy(&bytes[start..end]).into_owned();
            body.lines
                .extend(text.lines().map(|line| line.trim().to_owned()));
            for name in pinning(function, era) {
                let name = match era {
                    Era::Pin => name,
                    _ => name.replacen("unpin_user_page", "put_user_page", 1),
                };
                *body.releases.entry(name).or_default() += 1;
            }
        }
        body
    }
}

/// The calls of a function that release user pages and say so by their name; where there is an API of pins, also those that
/// take them.
fn pinning(function: &Function, era: Era) -> Vec<String> {
    let mut names = Vec::new();
    callsites::index::walk::expressions(&function.body, &mut |expr: &Expr| {
        let takes = |name: &str| {
            let known = catalogue().get(name);
            era == Era::Pin && known.is_some_and(|f| f.role == Role::Acquire && f.is_pinning())
        };
        let pins = |name: &&str| {
            name.starts_with("unpin_user_page") || name.starts_with("put_user_page") || takes(name)
        };
        names.extend(expr.callee_name().filter(pins).map(str::to_owned));
    });
    names
}

fn counted(names: &BTreeMap<String, usize>) -> Vec<String> {
    names
        .iter()
        .map(|(name, &count)| match count {
            1 => name.clone(),
            n => format!("{n} {name}"),
        })
        .collect()
}

impl Comparison {
    /// How many functions are the same, and how many of the others people called equivalent.
    pub fn counts(&self) -> (usize, usize) {
        let same = self.functions.iter().filter(|f| f.state == State::Same);
        let equivalent = self.functions.iter().filter(|f| {
            f.state == State::Other
                && self
                    .word(f)
                    .is_some_and(|(word, _)| *word == Word::Equivalent)
        });
        (same.count(), equivalent.count())
    }

    fn word(&self, function: &Compared) -> Option<&(Word, String)> {
        self.judged.get(&function.path, &function.function)
    }

    /// Rows of the table of judgements that say something else than what was computed, or that nobody needs.
    pub fn stale(&self) -> Vec<String> {
        let mut stale: Vec<String> = self
            .functions
            .iter()
            .filter_map(|function| {
                let (word, _) = self.word(function)?;
                let right = match function.state {
                    State::Same => *word == Word::Same,
                    State::Other => matches!(word, Word::Equivalent | Word::Different),
                    State::Refused => *word == Word::Refused,
                };
                (!right).then(|| {
                    let Compared {
                        path,
                        function,
                        state,
                        ..
                    } = function;
                    format!(
                        "{path} {function}(): judged {word}, but it is {}",
                        shown(*state)
                    )
                })
            })
            .collect();
        let known = |path: &str, name: &str| {
            self.functions
                .iter()
                .any(|f| f.path == path && f.function == name)
        };
        stale.extend(
            self.judged
                .keys()
                .filter(|(path, name)| !known(path, name))
                .map(|(path, name)| format!("{path} {name}(): judged, but no function of the set")),
        );
        stale
    }

    /// Whether both bars are met: 60 % the same, 85 % the same or equivalent, and nothing that must stay is changed. Without a
    /// set there are no bars, and what was judged must be what is computed.
    pub fn met(&self) -> bool {
        let Some((_, changed)) = &self.must_stay else {
            return self.stale().is_empty();
        };
        let (same, equivalent) = self.counts();
        let all = self.functions.len();
        100 * same >= 60 * all
            && 100 * (same + equivalent) >= 85 * all
            && changed.is_empty()
            && self.stale().is_empty()
    }
}

/// The word for a state.
pub fn shown(state: State) -> &'static str {
    match state {
        State::Same => "same",
        State::Other => "other",
        State::Refused => "refused",
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (same, equivalent) = self.counts();
        let all = self.functions.len();
        let share = |count: usize| 100.0 * count as f64 / all.max(1) as f64;
        let bars = match self.must_stay {
            Some(_) => [">= 60 %", ">= 85 %"],
            None => ["", ""],
        };
        writeln!(f, "| {} | count | of | share | wanted |", self.pair)?;
        writeln!(f, "|---|---:|---:|---:|---|")?;
        writeln!(
            f,
            "| same lines, same functions | {same} | {all} | {:.1} % | {} |",
            share(same),
            bars[0]
        )?;
        let both = same + equivalent;
        writeln!(
            f,
            "| same or judged equivalent | {both} | {all} | {:.1} % | {} |",
            share(both),
            bars[1]
        )?;
        let nothing = Vec::new();
        let wrong = match &self.must_stay {
            Some((stay, wrong)) => {
                writeln!(
                    f,
                    "| calls that must stay and that a patch changes | {} | {stay} | | 0 |",
                    wrong.len()
                )?;
                wrong
            }
            None => &nothing,
        };
        writeln!(f, "\n| file | function | | ours | maintainers' | why |")?;
        writeln!(f, "|---|---|---|---|---|---|")?;
        for function in &self.functions {
            let (word, why) = match self.word(function) {
                Some((word, why)) if function.state != State::Same => {
                    (word.to_string(), why.as_str())
                }
                _ => (shown(function.state).to_owned(), function.why.as_str()),
            };
            writeln!(
                f,
                "| {} | {} | {word} | {} | {} | {why} |",
                function.path,
                function.function,
                function.ours.join(", "),
                function.theirs.join(", "),
            )?;
        }
        for line in wrong.iter().chain(&self.stale()) {
            writeln!(f, "\n{line}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
