// SPDX-License-Identifier: MIT OR Apache-2.0
//! The rules there are, each with its documentation: the head of the file that holds it.
//!
//! Who names a rule (`--rule`, `--explain R7`, a descriptor of SARIF) asks here; what is not here is no rule.

use crate::report::Severity;

/// A rule. It has a number, and a name for each mistake that it tells apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// "R3"
    pub id: &'static str,
    /// "leak-on-error-path", with how bad it is.
    pub names: &'static [(&'static str, Severity)],
    /// The file that holds it.
    source: &'static str,
}

const ALL: [Rule; 23] = [
    Rule {
        id: "R1",
        names: &[("kind-mismatch", Severity::Error)],
        source: include_str!("kind_mismatch.rs"),
    },
    Rule {
        id: "R2",
        names: &[("kind-mismatch-across-files", Severity::Error)],
        source: include_str!("kind_mismatch.rs"),
    },
    Rule {
        id: "R2",
        names: &[("half-converted-group", Severity::Warning)],
        source: include_str!("half_converted.rs"),
    },
    Rule {
        id: "R3",
        names: &[("leak-on-error-path", Severity::Error)],
        source: include_str!("leak.rs"),
    },
    Rule {
        id: "R3",
        names: &[("overwritten-pin", Severity::Warning)],
        source: include_str!("overwritten.rs"),
    },
    Rule {
        id: "R3",
        names: &[("never-released", Severity::Warning)],
        source: include_str!("never_released.rs"),
    },
    Rule {
        id: "R4",
        names: &[("wrong-count", Severity::Error)],
        source: include_str!("wrong_count.rs"),
    },
    Rule {
        id: "R4",
        names: &[("offset-forgotten", Severity::Error)],
        source: include_str!("page_number.rs"),
    },
    Rule {
        id: "R5",
        names: &[
            ("errno-as-count", Severity::Error),
            ("errno-compared-unsigned", Severity::Error),
            ("failure-not-seen", Severity::Error),
        ],
        source: include_str!("errno.rs"),
    },
    Rule {
        id: "R5",
        names: &[("partial-not-seen", Severity::Error)],
        source: include_str!("partial.rs"),
    },
    Rule {
        id: "R5",
        names: &[("none-not-seen", Severity::Warning)],
        source: include_str!("none_taken.rs"),
    },
    Rule {
        id: "R6",
        names: &[("released-unfilled", Severity::Error)],
        source: include_str!("unfilled.rs"),
    },
    Rule {
        id: "R7",
        names: &[
            ("dirty-too-late", Severity::Error),
            ("dirty-never", Severity::Warning),
            ("dirty-unlocked", Severity::Warning),
            ("dirty-flag-alone", Severity::Warning),
        ],
        source: include_str!("dirty.rs"),
    },
    Rule {
        id: "R8",
        names: &[
            ("sleeping-release", Severity::Error),
            ("sleeping-acquire", Severity::Error),
        ],
        source: include_str!("sleeping.rs"),
    },
    Rule {
        id: "R9",
        names: &[
            ("double-release", Severity::Error),
            ("success-after-release", Severity::Error),
            ("release-through-freed", Severity::Error),
            ("use-after-release", Severity::Error),
        ],
        source: include_str!("double_release.rs"),
    },
    Rule {
        id: "R9",
        names: &[("released-and-left", Severity::Error)],
        source: include_str!("stale.rs"),
    },
    Rule {
        id: "R10",
        names: &[("one-release-per-entry", Severity::Error)],
        source: include_str!("compound.rs"),
    },
    Rule {
        id: "R11",
        names: &[
            ("accounting", Severity::Error),
            ("charge-kept", Severity::Error),
        ],
        source: include_str!("accounting.rs"),
    },
    Rule {
        id: "R12",
        names: &[
            ("flags-not-flags", Severity::Error),
            ("internal-flag", Severity::Error),
            ("longterm-without-pin", Severity::Error),
            ("longterm-missing", Severity::Warning),
            ("write-missing", Severity::Warning),
        ],
        source: include_str!("gup_flags.rs"),
    },
    Rule {
        id: "R13",
        names: &[("look-alike", Severity::Note)],
        source: include_str!("look_alike.rs"),
    },
    Rule {
        id: "R16",
        names: &[("still-mapped", Severity::Warning)],
        source: include_str!("still_mapped.rs"),
    },
    Rule {
        id: "R17",
        names: &[("slab-reference", Severity::Warning)],
        source: include_str!("slab.rs"),
    },
    Rule {
        id: "R18",
        names: &[
            ("acquire-unlocked", Severity::Error),
            ("lock-kept", Severity::Error),
        ],
        source: include_str!("locks.rs"),
    },
];

/// Every rule, by number. A number that two files share stands twice.
pub fn all() -> &'static [Rule] {
    &ALL
}

/// The rules that `word` names: a number in either case, or a name.
pub fn named(word: &str) -> Vec<&'static Rule> {
    let bears = |rule: &&Rule| {
        rule.id.eq_ignore_ascii_case(word) || rule.names.iter().any(|(name, _)| *name == word)
    };
    ALL.iter().filter(bears).collect()
}

impl Rule {
    /// What it is about, in one line.
    pub fn title(&self) -> String {
        let text = self.documentation();
        let first = text.lines().next().unwrap_or_default();
        let after = first.split_once(": ").map_or(first, |(_, title)| title);
        after.trim_end_matches('.').to_owned()
    }

    /// What it matches, why that is wrong, and what it would have caught.
    pub fn documentation(&self) -> String {
        let lines = self
            .source
            .lines()
            .skip_while(|line| !line.starts_with("//!"));
        let head = lines.map_while(|line| line.strip_prefix("//!"));
        let text: Vec<&str> = head
            .map(|line| line.strip_prefix(' ').unwrap_or(line))
            .collect();
        text.join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_says_what_it_is_about() {
        for rule in all() {
            let text = rule.documentation();
            assert!(
                text.starts_with('R') && text.contains(rule.id),
                "{}: {text}",
                rule.id
            );
            assert!(text.lines().count() > 2, "{}: {text}", rule.id);
            assert!(!rule.title().is_empty() && !rule.title().contains("//"));
        }
        assert_eq!(named("r7").len(), 1);
        assert_eq!(named("R2").len(), 2);
        assert_eq!(named("dirty-never")[0].id, "R7");
        assert!(named("R99").is_empty() && named("leak").is_empty());
    }
}
