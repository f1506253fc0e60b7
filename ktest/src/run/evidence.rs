// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which functions to watch, and whether a series has made a target ask for pins.

use crate::build::Overlay;
use crate::series::Staged;
use crate::source::Source;
use crate::target::TargetSpec;
use crate::verdict::Converted;
use callsites::report::{Callsite, Verdict};
use camino::{Utf8Path, Utf8PathBuf};
use regex::Regex;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

/// A callsite whose function is watched.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Watched {
    /// The audit's id, or `path:function`.
    pub(crate) id: String,
    /// Relative to the tree.
    pub(crate) path: Utf8PathBuf,
    /// The function that holds it.
    pub(crate) function: String,
}

static PINNING: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"\b(pin_user_(page|folio)\w*|memfd_pin_folios)\s*\(")
        .expect("a literal pattern compiles")
});

/// What to watch for a series: the audit's converted callsites in files that it touches, and the functions whose text it
/// changes without such a callsite in them.
pub(crate) fn watched(source: &Source, staged: &[Staged], callsites: &[Callsite]) -> Vec<Watched> {
    let Some(last) = staged.last() else {
        return Vec::new();
    };
    let mut watched = BTreeSet::new();
    for site in callsites {
        let path = Utf8PathBuf::from(&site.path);
        if site.verdict == Verdict::Convert && last.overlay.contains_key(&path) {
            watched.insert(Watched {
                id: site.id.clone(),
                path,
                function: site.function.clone(),
            });
        }
    }
    let known: BTreeSet<(Utf8PathBuf, String)> = watched
        .iter()
        .map(|w: &Watched| (w.path.clone(), w.function.clone()))
        .collect();
    for (path, now) in &last.overlay {
        let before = std::fs::read(source.root.join(path)).unwrap_or_default();
        let now = now.as_deref().unwrap_or_default();
        for function in changed_functions(&before, now) {
            if known.contains(&(path.clone(), function.clone())) {
                continue;
            }
            watched.insert(Watched {
                id: format!("{path}:{function}"),
                path: path.clone(),
                function,
            });
        }
    }
    watched.into_iter().collect()
}

/// Functions whose text differs, sorted.
pub(crate) fn changed_functions(before: &[u8], now: &[u8]) -> Vec<String> {
    let (before, now) = (functions(before), functions(now));
    let differs = |(name, text): &(&String, &String)| before.get(*name) != Some(*text);
    now.iter()
        .filter(differs)
        .map(|(name, _)| name.clone())
        .collect()
}

/// Functions by name, as kernel style writes them: a head that begins in column one, a body between `{` and `}` in
/// column one. What is written otherwise is not found, and then not watched.
fn functions(bytes: &[u8]) -> BTreeMap<String, String> {
    let text = String::from_utf8_lossy(bytes);
    let mut found = BTreeMap::new();
    let (mut head, mut body): (String, Option<String>) = (String::new(), None);
    for line in text.lines() {
        match &mut body {
            Some(text) if line.starts_with('}') => {
                if let Some(name) = name_of(&head) {
                    found.insert(name, format!("{head}{text}"));
                }
                (head, body) = (String::new(), None);
            }
            Some(text) => {
                text.push_str(line);
                text.push('\n');
            }
            None if line.starts_with('{') => body = Some(String::new()),
            None => {
                let fresh = line.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
                if fresh && !head.ends_with(",\n") && head.contains('(') {
                    head.clear();
                }
                if line.is_empty() || line.ends_with(';') || line.starts_with(['#', '/', ' ']) {
                    head.clear();
                } else {
                    head.push_str(line);
                    head.push('\n');
                }
            }
        }
    }
    found
}

/// The name before the first parenthesis.
fn name_of(head: &str) -> Option<String> {
    let before = head.split('(').next().filter(|b| b.len() < head.len())?;
    let name: String = before
        .trim_end()
        .chars()
        .rev()
        .take_while(|c| c.is_ascii_alphanumeric() || *c == '_')
        .collect();
    let name: String = name.chars().rev().collect();
    (!name.is_empty()).then_some(name)
}

/// Whether `overlay` brings more pinning calls into files that the target exercises than the base has there.
pub(crate) fn converted(source: &Utf8Path, overlay: &Overlay, target: &TargetSpec) -> Converted {
    let count = |bytes: &[u8]| PINNING.find_iter(&String::from_utf8_lossy(bytes)).count();
    let more = overlay
        .iter()
        .filter(|(path, _)| target.reaches(path.as_str()))
        .any(|(path, now)| {
            let before = std::fs::read(source.join(path)).unwrap_or_default();
            now.as_deref()
                .is_some_and(|now| count(now) > count(&before))
        });
    if more { Converted::Yes } else { Converted::No }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEFORE: &str = "#include <x.h>\nstatic int take(struct ctx *c,\n\t\tunsigned long a)\n{\n\tget(a);\n}\n\nint other(void);\n\n\
        /* text */\nvoid give(struct page *p)\n{\n\tput_page(p);\n}\n\nstatic const struct ops o = {\n\t.f = give,\n};\n";

    #[test]
    fn only_functions_whose_text_changed_are_watched() {
        let now = BEFORE.replace("put_page(p)", "unpin_user_page(p)");
        assert_eq!(
            changed_functions(BEFORE.as_bytes(), now.as_bytes()),
            ["give"]
        );
        let now = BEFORE.replace("get(a)", "pin(a)");
        assert_eq!(
            changed_functions(BEFORE.as_bytes(), now.as_bytes()),
            ["take"]
        );
        assert!(changed_functions(BEFORE.as_bytes(), BEFORE.as_bytes()).is_empty());
    }

    #[test]
    fn a_series_that_only_changes_releases_does_not_make_a_target_pin() {
        let dir = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(dir.path()).unwrap();
        let mut target = crate::target::select(&["vmci".into()]).unwrap().remove(0);
        target.exercises = vec!["d/".into()];
        let with = |text: &str| Overlay::from([("d/a.c".into(), Some(text.as_bytes().to_vec()))]);
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
}
