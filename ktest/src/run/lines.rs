// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which lines a series edits, and where their code stands in each kernel.
//!
//! What a patch adds is watched in its own kernel. What it takes away can only be seen running before: each kernel
//! watches those of its lines that later patches take away, and what was seen is kept beside its other results.

use crate::build::Lines;
use crate::build::stage::touched;
use crate::error::Error;
use crate::options::Stages;
use crate::series::{Content, Edited, Overlay, Staged, functions_at};
use crate::verdict::{Outcome, Target};
use camino::{Utf8Path, Utf8PathBuf};
use std::collections::BTreeMap;

/// Places by `path:function`.
pub(super) type Places = BTreeMap<String, Vec<String>>;
/// By the number of the patch that takes the lines away: whether any of them ran, by `path:function`.
pub(super) type RanBefore = BTreeMap<usize, BTreeMap<String, bool>>;

/// How many places are watched for one patch: each is a probe in the guest, which takes some milliseconds.
const MOST_PLACES: usize = 64;
/// And for all that follow it together: at some milliseconds each, a second or two of a boot that takes far longer.
const MOST_AHEAD: usize = 384;
/// How many patches ahead lines are followed: the kernels between may all have the same image, and then are not booted.
const AHEAD: usize = 16;

/// One file that a patch edits.
struct File {
    edited: Edited,
    /// The functions of the lines that it adds and takes away, in their order.
    adds_to: Vec<Option<String>>,
    takes_from: Vec<Option<String>>,
}

/// Which lines each kernel of a series has that the one before it has not, and the other way round.
#[derive(Default)]
pub(super) struct SeriesLines {
    /// From the first patch on.
    kernels: Vec<BTreeMap<Utf8PathBuf, File>>,
}

impl SeriesLines {
    /// Of the kernels that a series is built to: one for each patch, or one for all.
    pub(super) fn new(
        tree: &Utf8Path,
        staged: &[Staged],
        stages: Stages,
    ) -> Result<SeriesLines, Error> {
        let unpatched = Overlay::new();
        let mut before = &unpatched;
        let mut kernels = Vec::new();
        let all = touched(staged);
        for (number, stage) in staged.iter().enumerate() {
            let mut files = BTreeMap::new();
            let touched = match stages {
                Stages::EachPatch => &stage.touched,
                Stages::Last if number + 1 == staged.len() => &all,
                Stages::Last => {
                    kernels.push(files);
                    continue;
                }
            };
            for path in touched.iter().filter(|p| p.extension() == Some("c")) {
                let old = text(tree, path, before)?;
                let new = text(tree, path, &stage.overlay)?;
                let edited = Edited::between(&old, &new);
                let file = File {
                    adds_to: functions_at(&new, &edited.added),
                    takes_from: functions_at(&old, &edited.removed),
                    edited,
                };
                files.insert(path.clone(), file);
            }
            kernels.push(files);
            before = &stage.overlay;
        }
        Ok(SeriesLines { kernels })
    }

    /// What patch `number` (from 1) adds, in a kernel whose objects have their code at `lines`.
    pub(super) fn added(&self, number: usize, lines: &BTreeMap<Utf8PathBuf, Lines>) -> Places {
        let mut places = Places::new();
        let files = number.checked_sub(1).and_then(|at| self.kernels.get(at));
        for (path, file) in files.into_iter().flatten() {
            let adds = file.edited.added.iter().zip(&file.adds_to);
            for (line, function) in adds {
                put(&mut places, path, function.as_deref(), lines, *line);
            }
        }
        cut(places)
    }

    /// What the patches behind kernel `number` take away of it, by the number of the patch.
    pub(super) fn taken_later(
        &self,
        number: usize,
        lines: &BTreeMap<Utf8PathBuf, Lines>,
    ) -> BTreeMap<usize, Places> {
        let mut later = BTreeMap::new();
        let mut count = 0;
        let ahead = self.kernels.iter().zip(1..).skip(number).take(AHEAD);
        for (files, patch) in ahead {
            let mut places = Places::new();
            for (path, file) in files {
                for (line, function) in file.edited.removed.iter().zip(&file.takes_from) {
                    if let Some(line) = self.at(path, *line, number..patch - 1) {
                        put(&mut places, path, function.as_deref(), lines, line);
                    }
                }
            }
            let places = cut(places);
            count += places.values().map(Vec::len).sum::<usize>();
            if count > MOST_AHEAD {
                break;
            }
            if !places.is_empty() {
                later.insert(patch, places);
            }
        }
        later
    }

    /// Where a line of the kernel at the end of `patches` stands in the one at its beginning.
    fn at(&self, path: &Utf8Path, line: usize, patches: std::ops::Range<usize>) -> Option<usize> {
        patches.rev().try_fold(line, |line, at| {
            match self.kernels.get(at).and_then(|files| files.get(path)) {
                Some(file) => file.edited.before(line),
                None => Some(line),
            }
        })
    }
}

/// Whether any place of each function was hit, where one of them was watched.
pub(super) fn ran(places: &Places, hits: impl Fn(&str) -> Option<u64>) -> BTreeMap<String, bool> {
    let of = |(function, places): (&String, &Vec<String>)| {
        let counts: Vec<u64> = places.iter().filter_map(|place| hits(place)).collect();
        let ran = counts.iter().any(|count| *count > 0);
        (!counts.is_empty()).then(|| (function.clone(), ran))
    };
    places.iter().filter_map(of).collect()
}

/// What is known once these targets were booted: one that did not come to its end takes its counts with it, so that what
/// others did not run may have run in it.
pub(super) fn known<'t>(
    mut ran: RanBefore,
    targets: impl IntoIterator<Item = &'t Target>,
) -> RanBefore {
    let came_to_its_end =
        |t: &Target| matches!(t.result, Outcome::Pass | Outcome::Fail | Outcome::Skip);
    if !targets.into_iter().all(came_to_its_end) {
        for functions in ran.values_mut() {
            functions.retain(|_, ran| *ran);
        }
    }
    ran
}

fn text(tree: &Utf8Path, path: &Utf8Path, overlay: &Overlay) -> Result<Vec<u8>, Error> {
    match overlay.get(path) {
        Some(content) => Ok(content.bytes().to_vec()),
        None => Ok(Content::at(tree, path)?.bytes().to_vec()),
    }
}

fn put(
    places: &mut Places,
    path: &Utf8Path,
    function: Option<&str>,
    lines: &BTreeMap<Utf8PathBuf, Lines>,
    line: usize,
) {
    let found = lines.get(path).and_then(|lines| lines.get(&line));
    if let (Some(function), Some(found)) = (function, found) {
        let of_function = places.entry(format!("{path}:{function}")).or_default();
        of_function.extend(found.iter().cloned());
    }
}

/// As many of each function as there is room for.
fn cut(mut places: Places) -> Places {
    let each = (MOST_PLACES / places.len().max(1)).max(1);
    for of_function in places.values_mut() {
        of_function.sort();
        of_function.dedup();
        of_function.truncate(each);
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(lines: &[&str]) -> String {
        format!("int f(int a)\n{{\n{}\n}}\n", lines.join("\n"))
    }

    #[test]
    fn what_is_added_is_found_in_its_kernel_and_what_is_taken_away_in_those_before() {
        let dir = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(dir.path()).unwrap();
        let states = [
            body(&["\tone(a);", "\ttwo(a);", "\tthree(a);"]),
            body(&["\tzero(a);", "\tone(a);", "\ttwo(a);", "\tthree(a);"]),
            body(&["\tzero(a);", "\tone(a);", "\tthree(a);"]),
        ];
        std::fs::write(root.join("a.c"), &states[0]).unwrap();
        let staged: Vec<Staged> = states[1..]
            .iter()
            .map(|text| Staged {
                subject: "s".into(),
                overlay: Overlay::from([("a.c".into(), Content::file(text.as_bytes()))]),
                touched: vec!["a.c".into()],
            })
            .collect();
        let series = SeriesLines::new(root, &staged, Stages::EachPatch).unwrap();
        let lines = |numbers: std::ops::Range<usize>| {
            let at = |line: usize| (line, vec![format!("f+{line:#x}")]);
            BTreeMap::from([(Utf8PathBuf::from("a.c"), numbers.map(at).collect::<Lines>())])
        };
        let of = |place: &str| Places::from([("a.c:f".into(), vec![place.to_owned()])]);
        assert_eq!(series.added(1, &lines(3..7)), of("f+0x3"));
        assert!(series.added(2, &lines(3..6)).is_empty());
        // Line 5 of the first patch's kernel is line 4 of the base.
        assert_eq!(
            series.taken_later(1, &lines(3..7)),
            BTreeMap::from([(2, of("f+0x5"))])
        );
        assert_eq!(
            series.taken_later(0, &lines(3..6)),
            BTreeMap::from([(2, of("f+0x4"))])
        );
        assert!(series.taken_later(2, &lines(3..6)).is_empty());
        assert!(series.added(0, &lines(3..6)).is_empty());
        let last = SeriesLines::new(root, &staged, Stages::Last).unwrap();
        assert_eq!(last.added(2, &lines(3..6)), of("f+0x3"));
        assert_eq!(
            last.taken_later(0, &lines(3..6)),
            BTreeMap::from([(2, of("f+0x4"))])
        );
    }

    #[test]
    fn what_did_not_run_beside_a_target_without_an_end_is_not_known() {
        let ran = |of: &[(&str, bool)]| {
            let of = of.iter().map(|(name, ran)| ((*name).to_owned(), *ran));
            RanBefore::from([(2, of.collect())])
        };
        let all = ran(&[("a.c:f", true), ("a.c:g", false)]);
        let mut targets = [Target::named("vmci"), Target::named("vhost")];
        targets[0].result = Outcome::Fail;
        targets[1].result = Outcome::Pass;
        assert_eq!(known(all.clone(), &targets), all);
        targets[1].result = Outcome::Timeout;
        assert_eq!(known(all, &targets), ran(&[("a.c:f", true)]));
    }

    #[test]
    fn what_was_not_watched_is_not_known() {
        let places = Places::from([
            ("a.c:f".into(), vec!["f+0x1".into(), "f+0x2".into()]),
            ("a.c:g".into(), vec!["g+0x1".into()]),
            ("a.c:h".into(), vec!["h+0x1".into()]),
        ]);
        let hits = |place: &str| match place {
            "f+0x2" => Some(3),
            "f+0x1" | "g+0x1" => Some(0),
            _ => None,
        };
        let expected = BTreeMap::from([("a.c:f".into(), true), ("a.c:g".into(), false)]);
        assert_eq!(ran(&places, hits), expected);
    }
}
