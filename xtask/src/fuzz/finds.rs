// SPDX-License-Identifier: MIT OR Apache-2.0
//! What was found, made small and kept.

use super::herd::Herd;
use super::order::{Fate, Kind};
use super::tally::Find;
use crate::exit::Failure;
use callsites::fuzz::case::Corpus;
use camino::{Utf8Path, Utf8PathBuf};
use ktest::fuzz::Guest;
use patches::fuzz::Desk;

/// How often a smaller file is tried: a try that hangs takes its 5 s.
const TRIES: usize = 200;
/// So many finds are made small and kept; of one fault there are often hundreds.
const MOST: usize = 20;

/// Writes the finds beneath `dir`, each in a directory of its own; the directories.
pub(crate) fn keep(
    herd: &Herd,
    finds: &[Find],
    dir: &Utf8Path,
) -> Result<Vec<Utf8PathBuf>, Failure> {
    let mut kept = Vec::new();
    for find in finds
        .iter()
        .filter(|find| find.kind != Kind::Whole)
        .take(MOST)
    {
        let place = dir.join(format!("{}-{}-{}", find.kind, herd.seed, find.case));
        std::fs::create_dir_all(&place)?;
        std::fs::write(place.join("what.txt"), format!("{}\n", find.fate))?;
        match find.kind {
            Kind::Files => file(herd, find, &place)?,
            Kind::Guest => {
                let guest = Guest::of_case(herd.seed, find.case);
                std::fs::write(place.join("console"), &guest.console)?;
                std::fs::write(place.join("results"), &guest.results)?;
            }
            Kind::Series => {
                let scratch = tempfile::tempdir_in(&herd.scratch)?;
                if let Some(root) = Utf8Path::from_path(scratch.path()) {
                    let letters = Desk::new(root)?.case(herd.seed, find.case);
                    Desk::lay(&letters, &place.join("series"))?;
                }
            }
            Kind::File | Kind::Runs | Kind::Whole => {}
        }
        kept.push(place);
    }
    Ok(kept)
}

/// A file: as it was before, as it was found, and, where it is broken, the smallest that fares alike.
fn file(herd: &Herd, find: &Find, place: &Utf8Path) -> Result<(), Failure> {
    let corpus = Corpus::read(&herd.corpus)?;
    let Some(case) = corpus.case(herd.seed, find.case) else {
        return Ok(());
    };
    std::fs::write(place.join("found.c"), &case.bytes)?;
    if case.change.is_some() {
        std::fs::write(place.join("before.c"), &case.original)?;
        return Ok(());
    }
    let scratch = tempfile::tempdir_in(&herd.scratch)?;
    let Some(root) = Utf8Path::from_path(scratch.path()) else {
        return Ok(());
    };
    let try_at = root.join(&case.path);
    std::fs::create_dir_all(try_at.parent().unwrap_or(root))?;
    let small = smaller(case.bytes, TRIES, |bytes| {
        std::fs::write(&try_at, bytes)?;
        let fate = herd.one(root)?;
        Ok(fate.as_ref().map(Fate::word) == Some(find.fate.word()))
    })?;
    std::fs::write(place.join("small.c"), small)?;
    Ok(())
}

/// Takes away half of the lines, then a quarter at a time, and so on, as long as the rest fares `alike`.
fn smaller(
    bytes: Vec<u8>,
    mut tries: usize,
    mut alike: impl FnMut(&[u8]) -> Result<bool, Failure>,
) -> Result<Vec<u8>, Failure> {
    let mut lines: Vec<Vec<u8>> = bytes
        .split_inclusive(|b| *b == b'\n')
        .map(<[u8]>::to_vec)
        .collect();
    let mut piece = lines.len().div_ceil(2);
    while piece > 0 && tries > 0 {
        let mut at = 0;
        while at < lines.len() && tries > 0 {
            let end = (at + piece).min(lines.len());
            let rest: Vec<Vec<u8>> = [&lines[..at], &lines[end..]].concat();
            tries -= 1;
            if alike(&rest.concat())? {
                lines = rest;
            } else {
                at = end;
            }
        }
        piece /= 2;
    }
    Ok(lines.concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_find_is_made_small_by_its_lines() {
        let text: String = (0..100).map(|n| format!("line {n}\n")).collect();
        let alike = |bytes: &[u8]| {
            let text = String::from_utf8_lossy(bytes);
            Ok(text.contains("line 17\n") && text.contains("line 80\n"))
        };
        let small = smaller(text.into_bytes(), 200, alike).unwrap();
        assert_eq!(String::from_utf8(small).unwrap(), "line 17\nline 80\n");
    }
}
