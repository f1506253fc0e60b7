// SPDX-License-Identifier: MIT OR Apache-2.0
//! All rules over one audit.

use super::view::{Input, View};
use super::{
    accounting, compound, dirty, double_release, errno, gup_flags, half_converted, kind_mismatch,
    leak, locks, look_alike, never_released, none_taken, overwritten, page_number, partial, slab,
    sleeping, stale, still_mapped, unfilled, wrong_count,
};
use crate::flow::places::parent;
use crate::index::ir::FileFacts;
use crate::index::shelf::Key;
use crate::report::{Callsite, Finding};
use camino::Utf8PathBuf;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

type Rule = fn(&View<'_>, &mut Vec<Finding>);

/// The rules that look at one file and its callsites; the order decides which of two findings about one line stays
/// when one is the consequence of the other.
const OF_A_FILE: [Rule; 21] = [
    kind_mismatch::check,
    errno::check,
    wrong_count::check,
    page_number::check,
    partial::check,
    none_taken::check,
    unfilled::check,
    double_release::check,
    stale::check,
    leak::check,
    overwritten::check,
    never_released::check,
    slab::check,
    locks::check,
    dirty::check,
    sleeping::check,
    still_mapped::check,
    gup_flags::check,
    accounting::check,
    compound::check,
    look_alike::check,
];

/// The rules that look at what the flow found across files.
const ACROSS: [Rule; 4] = [
    kind_mismatch::across,
    dirty::across,
    half_converted::check,
    gup_flags::across,
];

/// Findings that rest on one file, by path, each under a key that names all they rest on.
pub(crate) type Kept = BTreeMap<Utf8PathBuf, (Key, Vec<Finding>)>;

/// Runs every rule; the findings are sorted by (path, line, column, rule) and free of repetitions.
pub fn run(input: &Input<'_>) -> Vec<Finding> {
    run_with(input, &|_| None, Kept::new()).0
}

/// The same. What `kept` has of a file under the key that `key` gives it is taken as it is; what comes back besides
/// the findings is to be kept for the next time.
pub(crate) fn run_with(
    input: &Input<'_>,
    key: &dyn Fn(&FileFacts) -> Option<Key>,
    mut kept: Kept,
) -> (Vec<Finding>, Kept) {
    let mut sites: BTreeMap<&str, Vec<&Callsite>> = BTreeMap::new();
    for site in input.callsites {
        sites.entry(&site.path).or_default().push(site);
    }
    // Functions of one file are looked at with those of others of its directory that they call.
    let mut together: BTreeMap<&str, Vec<Option<Key>>> = BTreeMap::new();
    for file in input.files {
        together
            .entry(parent(&file.path))
            .or_default()
            .push(key(file));
    }
    let together: BTreeMap<&str, Option<Key>> = together
        .into_iter()
        .map(|(directory, keys)| {
            let keys: Option<Vec<Key>> = keys.into_iter().collect();
            (directory, keys.map(|keys| Key::of(&keys)))
        })
        .collect();
    let key = |file: &FileFacts| together.get(parent(&file.path)).copied().flatten();
    let mut known = Kept::new();
    let mut open: Vec<(Arc<FileFacts>, Option<Key>)> = Vec::new();
    for file in input.files {
        let key = key(file).map(|facts| {
            Key::of(&(
                facts,
                input.era,
                input.released,
                sites.get(file.path.as_str()),
            ))
        });
        match kept.remove(&file.path) {
            Some((old, findings)) if Some(old) == key => {
                known.insert(file.path.clone(), (old, findings));
            }
            _ => open.push((Arc::clone(file), key)),
        }
    }
    let files: Vec<Arc<FileFacts>> = open.iter().map(|(file, _)| Arc::clone(file)).collect();
    let some = Input {
        files: &files,
        ..*input
    };
    let view = View::of(&some);
    let mut fresh = Vec::new();
    for rule in OF_A_FILE {
        rule(&view, &mut fresh);
    }
    for (file, key) in &open {
        let of_file = fresh.iter().filter(|finding| finding.path == file.path);
        if let Some(key) = key {
            known.insert(file.path.clone(), (*key, of_file.cloned().collect()));
        }
    }
    let reused = known.iter().filter(|(path, _)| {
        let at = files.binary_search_by(|file| file.path.as_str().cmp(path.as_str()));
        at.is_err()
    });
    let mut findings: Vec<Finding> = reused.flat_map(|(_, (_, found))| found.clone()).collect();
    findings.extend(fresh);
    let view = View::plain(input);
    for rule in ACROSS {
        rule(&view, &mut findings);
    }
    let mut seen = BTreeSet::new();
    findings.retain(|f| {
        let place = (f.path.clone(), f.line, f.column);
        seen.insert((place, f.rule.clone(), f.name.clone()))
    });
    findings.sort_by(|a, b| {
        let place = |f: &Finding| (f.line, f.column);
        (&a.path, place(a), &a.rule, &a.message).cmp(&(&b.path, place(b), &b.rule, &b.message))
    });
    name(&mut findings);
    (findings, known)
}

/// Gives each finding its id: where it stands in its function does not matter, only which of its kind it is.
fn name(findings: &mut [Finding]) {
    let mut ordinals: BTreeMap<[String; 4], usize> = BTreeMap::new();
    for finding in findings {
        let key = [
            finding.path.clone(),
            finding.function.clone(),
            finding.rule.clone(),
            finding.name.clone(),
        ];
        let mut hasher = blake3::Hasher::new();
        for part in &key {
            hasher.update(part.as_bytes());
            hasher.update(b"\0");
        }
        let ordinal = ordinals.entry(key).or_default();
        *ordinal += 1;
        hasher.update(ordinal.to_string().as_bytes());
        finding.id = hasher.finalize().to_hex()[..12].to_owned();
    }
}
