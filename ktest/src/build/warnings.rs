// SPDX-License-Identifier: MIT OR Apache-2.0
//! Warnings of a compiler as identities that survive a shift of lines, object by object.

use crate::progress::made;
use camino::{Utf8Path, Utf8PathBuf};
use regex::Regex;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

/// A warning without its place in the file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct Warning {
    /// Relative to the tree.
    pub(crate) path: String,
    /// What the compiler says, with `[-Wflag]`, numbers in it replaced by N.
    pub(crate) text: String,
}

impl std::fmt::Display for Warning {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.path, self.text)
    }
}

/// Everything that make named while it was made, in the output directory, with what was warned of and how often.
pub(crate) type Warnings = BTreeMap<Utf8PathBuf, BTreeMap<Warning, usize>>;

static LINE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?m)^(?:WARNING: )?(?P<path>[^\s:]+\.[chS]):\d+(?::\d+)?: (?P<kind>warning|error): (?P<text>.*)$")
        .expect("a literal pattern compiles")
});
static NUMBER: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\b\d+\b").expect("a literal pattern compiles"));

/// Hears what make says, where the output of each recipe stands in one piece (`make -Otarget`, one pipe for both outputs).
#[derive(Debug)]
pub(crate) struct Hearing {
    source: Utf8PathBuf,
    output: Utf8PathBuf,
    /// What the present lines belong to; empty before the first name.
    object: Utf8PathBuf,
    heard: Warnings,
}

impl Hearing {
    /// Of a build of `source` in `output`.
    pub(crate) fn new(source: &Utf8Path, output: &Utf8Path) -> Hearing {
        Hearing {
            source: source.to_owned(),
            output: output.to_owned(),
            object: Utf8PathBuf::new(),
            heard: Warnings::new(),
        }
    }

    /// One line of make's, of the compiler's, or of what checks a source file (`  CHECK   mm/gup.c`).
    pub(crate) fn line(&mut self, line: &str) {
        if let Some(name) = made(line) {
            let mut name = Utf8Path::new(name);
            for root in [&self.source, &self.output] {
                name = name.strip_prefix(root).unwrap_or(name);
            }
            self.object = match name.extension() {
                Some("c" | "S") => self.output.join(name.with_extension("o")),
                _ => self.output.join(name),
            };
            self.heard.entry(self.object.clone()).or_default();
        }
        let Some(captures) = LINE.captures(line) else {
            return;
        };
        if &captures["kind"] != "warning" {
            return;
        }
        let path = &captures["path"];
        let path = match path.rfind(self.source.as_str()) {
            Some(at) => path[at + self.source.as_str().len()..].trim_start_matches('/'),
            None => path.trim_start_matches("./").trim_start_matches("../"),
        };
        let text = NUMBER.replace_all(&captures["text"], "N").into_owned();
        let warning = Warning {
            path: path.to_owned(),
            text,
        };
        let of_object = self.heard.entry(self.object.clone()).or_default();
        *of_object.entry(warning).or_default() += 1;
    }

    /// What has been heard. With `cut_off`, what came last is left out: its lines may not have come to their end.
    pub(crate) fn heard(&self, cut_off: bool) -> Warnings {
        let mut heard = self.heard.clone();
        if cut_off {
            heard.remove(&self.object);
        }
        heard
    }
}

/// Adds what was heard later. What was made again warns anew: what it said before does not count. Where make names nothing
/// (`V=1`), everything counts.
pub(crate) fn add(all: &mut Warnings, later: Warnings) {
    for (object, warnings) in later {
        let before = all.entry(object.clone()).or_default();
        if object.as_str().is_empty() {
            for (warning, count) in warnings {
                *before.entry(warning).or_default() += count;
            }
        } else {
            *before = warnings;
        }
    }
}

/// What the base warns of.
#[derive(Debug, Clone, Default)]
pub(crate) struct Known {
    /// By object.
    pub(crate) warnings: Warnings,
    /// Objects of the base of which nobody knows what they warned of.
    pub(crate) unknown: BTreeSet<Utf8PathBuf>,
}

/// The warnings of a stage beside those of the base.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Compared {
    /// The base has not, or has less often in the same object.
    pub(crate) new: BTreeSet<Warning>,
    /// Of objects of which the base's warnings are not known.
    pub(crate) uncompared: BTreeSet<Warning>,
}

impl Known {
    /// Compares what a stage said.
    pub(crate) fn compare(&self, now: &Warnings) -> Compared {
        let mut compared = Compared::default();
        for (object, warnings) in now {
            let before = self.warnings.get(object);
            for (warning, count) in warnings {
                if self.unknown.contains(object) {
                    compared.uncompared.insert(warning.clone());
                } else if before.and_then(|b| b.get(warning)).unwrap_or(&0) < count {
                    compared.new.insert(warning.clone());
                }
            }
        }
        let new = &compared.new;
        compared.uncompared.retain(|warning| !new.contains(warning));
        compared
    }
}

/// As they are printed.
pub(crate) fn strings(warnings: &BTreeSet<Warning>) -> Vec<String> {
    warnings.iter().map(Warning::to_string).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAID: &str = "make[1]: Entering directory '/c/out'\n  CC      mm/gup.o\n\
        /c/source/mm/gup.c: In function 'f':\n\
        /c/source/mm/gup.c:122:3: warning: unused variable 'i' [-Wunused-variable]\n\
        \x20 122 |   int i;\n      |       ^\n\
        /c/source/mm/gup.c:90:3: warning: array of 12 bytes [-Wx]\n/c/source/mm/gup.c:1:1: error: no\n";

    fn heard(said: &str) -> Warnings {
        let mut hearing = Hearing::new("/c/source".into(), "/c/out".into());
        said.lines().for_each(|line| hearing.line(line));
        hearing.heard(false)
    }

    fn known(said: &str) -> Known {
        Known {
            warnings: heard(said),
            unknown: BTreeSet::new(),
        }
    }

    #[test]
    fn a_warning_that_only_moved_is_not_new() {
        let moved = SAID
            .replace(":122:3:", ":124:5:")
            .replace("12 bytes", "13 bytes");
        assert_eq!(known(SAID).compare(&heard(&moved)), Compared::default());
    }

    #[test]
    fn a_second_warning_of_the_same_kind_is_new() {
        let twice = format!(
            "{SAID}/c/source/mm/gup.c:99:3: warning: unused variable 'i' [-Wunused-variable]\n"
        );
        let compared = known(SAID).compare(&heard(&twice));
        assert_eq!(
            strings(&compared.new),
            ["mm/gup.c: unused variable 'i' [-Wunused-variable]"]
        );
    }

    #[test]
    fn a_warning_of_a_header_belongs_to_the_object_that_includes_it() {
        let of = |object: &str| {
            format!("  CC [M]  {object}\n/c/source/include/a.h:3:1: warning: odd [-Wodd]\n")
        };
        let base = known(&format!("{}  CC      d/b.o\n", of("d/a.o")));
        assert_eq!(base.compare(&heard(&of("d/a.o"))), Compared::default());
        let compared = base.compare(&heard(&of("d/b.o")));
        assert_eq!(strings(&compared.new), ["include/a.h: odd [-Wodd]"]);
    }

    #[test]
    fn what_a_checker_says_belongs_to_the_object() {
        let said = "  CC      d/a.o\n  CHECK   /c/source/d/a.c\n\
            /c/source/d/a.c:3:9: warning: dereference of noderef expression\n";
        let heard = heard(said);
        let objects: Vec<&str> = heard.keys().map(|object| object.as_str()).collect();
        assert_eq!(objects, ["/c/out/d/a.o"]);
        assert_eq!(heard.values().map(BTreeMap::len).sum::<usize>(), 1);
    }

    #[test]
    fn what_is_not_known_of_the_base_is_not_called_new() {
        let mut base = known("  CC      mm/other.o\n");
        base.unknown.insert("/c/out/mm/gup.o".into());
        let compared = base.compare(&heard(SAID));
        assert_eq!((compared.new.len(), compared.uncompared.len()), (0, 2));
        // A file that the base does not have has nothing to be compared with: all it says is new.
        let compared = base.compare(&heard(
            &SAID.replace("CC      mm/gup.o", "CC      mm/new.o"),
        ));
        assert_eq!((compared.new.len(), compared.uncompared.len()), (2, 0));
    }

    #[test]
    fn what_was_cut_off_is_left_out() {
        let mut hearing = Hearing::new("/c/source".into(), "/c/out".into());
        let said = format!("  CC      mm/a.o\n{SAID}");
        said.lines().for_each(|line| hearing.line(line));
        let heard = hearing.heard(true);
        let objects: Vec<&str> = heard.keys().map(|object| object.as_str()).collect();
        assert_eq!(objects, ["/c/out/mm/a.o"]);
    }
}
