// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which functions to watch, and whether a series has made a target ask for pins.

use crate::build::{Call, edited};
use crate::judge::{Changed, Converted};
use crate::series::{Content, Overlay, Staged};
use crate::source::Source;
use crate::target::TargetSpec;
use crate::verdict::Changes;
use callsites::report::{Callsite, Verdict};
use camino::{Utf8Path, Utf8PathBuf};
use regex::Regex;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

/// A callsite whose function is watched.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Watched {
    /// The audit's id, or `path:function`.
    pub(crate) id: String,
    /// Relative to the tree.
    pub(crate) path: Utf8PathBuf,
    /// The function that holds it.
    pub(crate) function: String,
    /// What is called there once the series has converted it.
    pub(crate) callee: Option<String>,
}

static PINNING: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"\b(pin_user_(page|folio)\w*|memfd_pin_folios)\s*\(")
        .expect("a literal pattern compiles")
});

/// What to watch for a series.
#[derive(Debug, Clone, Default)]
pub(super) struct Watch {
    /// The audit's converted callsites in files that the series touches, and the functions whose text it changes without such a
    /// callsite in them.
    pub(super) sites: Vec<Watched>,
    /// The functions whose text each patch changes, with their files.
    pub(super) edited: Vec<Vec<(Utf8PathBuf, String)>>,
    /// The headers that each patch touches, and whether it touches anything else.
    headers: Vec<Vec<Utf8PathBuf>>,
    code: Vec<bool>,
}

/// Stands for the macros and types of a header where no function of it is edited.
const WHAT_IT_DEFINES: &str = "what it defines";
/// How many of the functions that an inline function or a macro stands in are watched: each is a probe in the guest, and one that ran
/// suffices.
const MOST_WATCHED: usize = 200;

impl Watch {
    /// Of a series on a tree.
    pub(super) fn new(source: &Source, staged: &[Staged], callsites: &[Callsite]) -> Watch {
        let mut before = Overlay::new();
        let mut by_patch = Vec::new();
        for stage in staged {
            let of = |path: &Utf8PathBuf| {
                let names = edited(&source.root, path, &before, &stage.overlay);
                names
                    .into_iter()
                    .map(|name| (path.clone(), name))
                    .collect::<Vec<_>>()
            };
            by_patch.push(stage.touched.iter().flat_map(of).collect::<Vec<_>>());
            before = stage.overlay.clone();
        }
        let touched = |path: &str| staged.iter().any(|s| s.touched.iter().any(|t| t == path));
        let mut sites = BTreeSet::new();
        for site in callsites {
            if site.verdict == Verdict::Convert && touched(&site.path) {
                sites.insert(Watched {
                    id: site.id.clone(),
                    path: Utf8PathBuf::from(&site.path),
                    function: site.function.clone(),
                    callee: Some(site.replacement.as_ref().unwrap_or(&site.call).clone()),
                });
            }
        }
        let known: BTreeSet<(Utf8PathBuf, String)> = sites
            .iter()
            .map(|w: &Watched| (w.path.clone(), w.function.clone()))
            .collect();
        for (path, function) in by_patch.iter().flatten() {
            if !known.contains(&(path.clone(), function.clone())) {
                sites.insert(Watched {
                    id: format!("{path}:{function}"),
                    path: path.clone(),
                    function: function.clone(),
                    callee: None,
                });
            }
        }
        let is_header = |path: &&Utf8PathBuf| path.extension() == Some("h");
        let of = |stage: &Staged| stage.touched.iter().filter(is_header).cloned().collect();
        let other = |stage: &Staged| !stage.touched.iter().all(|path| is_header(&path));
        Watch {
            sites: sites.into_iter().collect(),
            edited: by_patch,
            headers: staged.iter().map(of).collect(),
            code: staged.iter().map(other).collect(),
        }
    }

    /// Of a series of which only the callsites are known.
    pub(super) fn of_sites(sites: Vec<Watched>) -> Watch {
        Watch {
            sites,
            ..Watch::default()
        }
    }

    /// Whether one of `count` patches behind the first `skipped` touches anything but headers.
    fn touches_code(&self, skipped: usize, count: usize) -> bool {
        self.code.iter().skip(skipped).take(count).any(|code| *code)
    }

    /// Names of the functions, each once.
    pub(super) fn functions(&self) -> Vec<String> {
        let names: BTreeSet<&String> = self.sites.iter().map(|w| &w.function).collect();
        names.into_iter().cloned().collect()
    }

    /// The functions that the patches `numbers` (from 1) change, as far as the compiled code says that they do: one whose code is
    /// the same has nothing to run. Where no function is edited, those whose code changed all the same (a macro, a structure).
    pub(super) fn changed(
        &self,
        numbers: std::ops::RangeInclusive<usize>,
        changes: &Changes,
        calls: &BTreeMap<Utf8PathBuf, Vec<Call>>,
    ) -> Vec<Changed> {
        let skipped = numbers.start().saturating_sub(1);
        let count = (numbers.end() + 1).saturating_sub(*numbers.start());
        let mut edited: BTreeSet<(String, String)> = self
            .edited
            .iter()
            .skip(skipped)
            .take(count)
            .flatten()
            .map(|(path, function)| (path.to_string(), function.clone()))
            .collect();
        let is = |list: &[String], path: &str, function: &str| {
            list.iter().any(|name| {
                name.strip_prefix(path)
                    .and_then(|rest| rest.strip_prefix(':'))
                    == Some(function)
            })
        };
        let beyond = || {
            changes
                .beyond
                .iter()
                .filter_map(|name| name.rsplit_once(':'))
        };
        let headers = self.headers.iter().skip(skipped).take(count).flatten();
        if edited.is_empty() && self.touches_code(skipped, count) {
            edited.extend(beyond().map(|(path, function)| (path.to_owned(), function.to_owned())));
        } else if edited.is_empty() && beyond().next().is_some() {
            edited.extend(headers.map(|path| (path.to_string(), WHAT_IT_DEFINES.to_owned())));
        }
        edited.retain(|(path, function)| !is(&changes.without_effect, path, function));
        let changed = edited.into_iter().map(|(path, function)| {
            let header = path.ends_with(".h");
            let within = match header || is(&changes.inlined, &path, &function) {
                true => {
                    // A header's code stands in every file that takes it in.
                    let same = beyond().filter(|(of, _)| header || *of == path);
                    let same = same.map(|(_, function)| function.to_owned());
                    same.take(MOST_WATCHED).collect()
                }
                false => Vec::new(),
            };
            let own = calls.get(Utf8Path::new(&path)).into_iter().flatten();
            let own = own.filter(|call| call.function == function);
            Changed {
                calls: own
                    .map(|call| (call.place.clone(), call.callee.clone()))
                    .collect(),
                within,
                path,
                function,
                lines: Vec::new(),
                ran_before: None,
            }
        });
        changed.collect()
    }
}

/// Whether `overlay` brings more pinning calls into files that the target exercises than the base has there.
pub(crate) fn converted(source: &Utf8Path, overlay: &Overlay, target: &TargetSpec) -> Converted {
    let count = |bytes: &[u8]| PINNING.find_iter(&String::from_utf8_lossy(bytes)).count();
    let more = overlay
        .iter()
        .filter(|(path, _)| target.reaches(path.as_str()))
        .any(|(path, now)| {
            let before = Content::at(source, path).map_or(0, |before| count(before.bytes()));
            count(now.bytes()) > before
        });
    if more { Converted::Yes } else { Converted::No }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_that_only_changes_releases_does_not_make_a_target_pin() {
        let dir = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(dir.path()).unwrap();
        let mut target = crate::target::select(&["vmci".into()]).unwrap().remove(0);
        target.exercises = vec!["d/".into()];
        let with = |text: &str| Overlay::from([("d/a.c".into(), Content::file(text))]);
        assert_eq!(
            converted(root, &with("unpin_user_page(p);"), &target),
            Converted::No
        );
        assert_eq!(
            converted(
                root,
                &with("n = pin_user_pages_fast(a, 1, 0, &p);"),
                &target
            ),
            Converted::Yes
        );
    }

    fn staged(text: &str) -> Staged {
        Staged {
            subject: "a".into(),
            overlay: Overlay::from([("d/a.c".into(), Content::file(text))]),
            touched: vec!["d/a.c".into()],
        }
    }

    #[test]
    fn each_patch_answers_for_the_functions_that_it_edits_itself() {
        let dir = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(dir.path()).unwrap();
        let text =
            |f: &str, g: &str| format!("int f(void)\n{{\n{f}\n}}\n\nint g(void)\n{{\n{g}\n}}\n");
        std::fs::create_dir(root.join("d")).unwrap();
        std::fs::write(root.join("d/a.c"), text("1", "1")).unwrap();
        let source = Source::at(root, "6.12");
        // The second takes back what the first did to f, and edits g.
        let series = [staged(&text("2", "1")), staged(&text("1", "2"))];
        let watch = Watch::new(&source, &series, &[]);
        assert_eq!(watch.functions(), ["f", "g"]);
        let names = |changes: &Changes, numbers| -> Vec<String> {
            let changed = watch.changed(numbers, changes, &BTreeMap::new());
            changed.into_iter().map(|c| c.function).collect()
        };
        let none = Changes::default();
        assert_eq!(names(&none, 1..=1), ["f"]);
        assert_eq!(names(&none, 2..=2), ["f", "g"]);
        assert_eq!(names(&none, 1..=2), ["f", "g"]);
        let same = Changes {
            without_effect: vec!["d/a.c:f".into()],
            ..Changes::default()
        };
        assert_eq!(names(&same, 2..=2), ["g"]);
        let inlined = Changes {
            inlined: vec!["d/a.c:f".into()],
            beyond: vec!["d/a.c:caller".into(), "d/b.c:other".into()],
            ..Changes::default()
        };
        let call = Call {
            function: "f".into(),
            place: "f+0x12".into(),
            callee: "unpin_user_page".into(),
        };
        let calls = BTreeMap::from([("d/a.c".into(), vec![call])]);
        let changed = watch.changed(1..=1, &inlined, &calls);
        assert_eq!(changed[0].within, ["caller"]);
        assert_eq!(
            changed[0].calls,
            [("f+0x12".to_owned(), "unpin_user_page".to_owned())]
        );
    }

    #[test]
    fn a_header_ran_where_one_of_the_functions_that_take_it_in_ran() {
        let watch = |edited: Vec<(Utf8PathBuf, String)>| Watch {
            edited: vec![edited],
            headers: vec![vec!["include/x.h".into()]],
            code: vec![false],
            ..Watch::default()
        };
        let none = Changes::default();
        let changes = Changes {
            beyond: vec!["d/a.c:f".into(), "e/b.c:g".into()],
            inlined: vec!["include/x.h:helper".into()],
            ..Changes::default()
        };
        let of = |watch: &Watch, changes: &Changes| watch.changed(1..=1, changes, &BTreeMap::new());
        let helper = of(
            &watch(vec![("include/x.h".into(), "helper".into())]),
            &changes,
        );
        assert_eq!((helper.len(), helper[0].function.as_str()), (1, "helper"));
        assert_eq!(helper[0].within, ["f", "g"]);
        // A macro or a type.
        let other = of(&watch(Vec::new()), &changes);
        assert_eq!(other[0].function, WHAT_IT_DEFINES);
        assert_eq!(other[0].within, ["f", "g"]);
        assert!(of(&watch(Vec::new()), &none).is_empty(), "no code differs");
    }

    #[test]
    fn where_no_function_is_edited_those_whose_code_changed_stand_in() {
        let watch = Watch {
            edited: vec![Vec::new()],
            code: vec![true],
            ..Watch::default()
        };
        let changes = Changes {
            beyond: vec!["d/a.c:f".into()],
            ..Changes::default()
        };
        let changed = watch.changed(1..=1, &changes, &BTreeMap::new());
        assert_eq!(changed.len(), 1);
        assert!(
            watch
                .changed(1..=1, &Changes::default(), &BTreeMap::new())
                .is_empty()
        );
    }
}
