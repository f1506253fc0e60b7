// SPDX-License-Identifier: MIT OR Apache-2.0
//! Warnings of a compiler as identities that survive a shift of lines.

use regex::Regex;
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// A warning without its place in the file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Warning {
    /// Relative to the tree.
    pub path: String,
    /// What the compiler says, with `[-Wflag]`, numbers in it replaced by N.
    pub text: String,
}

impl std::fmt::Display for Warning {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.path, self.text)
    }
}

static LINE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?m)^(?:WARNING: )?(?P<path>[^\s:]+\.[chS]):\d+(?::\d+)?: (?P<kind>warning|error): (?P<text>.*)$")
        .expect("a literal pattern compiles")
});
static NUMBER: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\b\d+\b").expect("a literal pattern compiles"));

/// Every warning in what make said, with how often it stands there. `source` is taken off the front of paths.
pub fn parse(said: &str, source: &str) -> BTreeMap<Warning, usize> {
    let mut found = BTreeMap::new();
    for captures in LINE.captures_iter(said) {
        if &captures["kind"] != "warning" {
            continue;
        }
        let path = &captures["path"];
        let path = match path.rfind(source) {
            Some(at) => path[at + source.len()..].trim_start_matches('/'),
            None => path.trim_start_matches("./").trim_start_matches("../"),
        };
        let text = NUMBER.replace_all(&captures["text"], "N").into_owned();
        let warning = Warning {
            path: path.to_owned(),
            text,
        };
        *found.entry(warning).or_default() += 1;
    }
    found
}

/// Those of `now` that `base` has not, or has less often.
pub fn new_warnings(
    base: &BTreeMap<Warning, usize>,
    now: &BTreeMap<Warning, usize>,
) -> Vec<Warning> {
    now.iter()
        .filter(|(warning, count)| base.get(warning).unwrap_or(&0) < count)
        .map(|(warning, _)| warning.clone())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAID: &str = "  CC      mm/gup.o\n/c/source/mm/gup.c: In function 'f':\n\
        /c/source/mm/gup.c:12:3: warning: unused variable 'i' [-Wunused-variable]\n\
        /c/source/mm/gup.c:90:3: warning: array of 12 bytes [-Wx]\n/c/source/mm/gup.c:1:1: error: no\n";

    #[test]
    fn a_warning_that_only_moved_is_not_new() {
        let base = parse(SAID, "/c/source");
        let moved = SAID
            .replace(":12:3:", ":14:5:")
            .replace("12 bytes", "13 bytes");
        assert_eq!(new_warnings(&base, &parse(&moved, "/c/source")), []);
    }

    #[test]
    fn a_second_warning_of_the_same_kind_is_new() {
        let base = parse(SAID, "/c/source");
        let twice = format!(
            "{SAID}/c/source/mm/gup.c:99:3: warning: unused variable 'i' [-Wunused-variable]\n"
        );
        let new = new_warnings(&base, &parse(&twice, "/c/source"));
        assert_eq!(
            new[0].to_string(),
            "mm/gup.c: unused variable 'i' [-Wunused-variable]"
        );
        assert_eq!(new.len(), 1);
    }
}
