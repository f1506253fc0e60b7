// SPDX-License-Identifier: MIT OR Apache-2.0
//! The assignments of a kbuild Makefile: lists of objects, and the conditions they stand under.

use camino::Utf8Path;

/// `left += words`, within `ifdef CONFIG_…` blocks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rule {
    /// Left of the `=`.
    pub(super) left: String,
    /// Right of it.
    pub(super) words: Vec<String>,
    /// Options that must be on for the line to be read; an `else` or an `ifndef` asks for none.
    pub(super) guards: Vec<String>,
}

impl Rule {
    /// The option in `obj-$(CONFIG_X)`.
    pub(super) fn option(&self) -> Option<&str> {
        let at = self.left.find("$(CONFIG_")?;
        self.left[at + "$(CONFIG_".len()..].split(')').next()
    }

    /// What the list is a list of: `card` of `card-y`; `None` of the lists that kbuild itself builds.
    pub(super) fn list_name(&self) -> Option<&str> {
        let (name, _) = self.left.rsplit_once('-')?;
        let own = [
            "obj", "lib", "core", "init", "drivers", "net", "virt", "libs", "head", "subdir",
        ];
        (!own.contains(&name)).then_some(name)
    }

    /// How other lists take this one in.
    pub(super) fn references(&self) -> Vec<String> {
        match self.left.find("$(CONFIG_") {
            Some(at) => {
                let stem = &self.left[..at];
                vec![format!("$({stem}y)"), format!("$({stem}m)")]
            }
            None => vec![format!("$({})", self.left)],
        }
    }
}

/// The rules of the Makefile of `directory`; none where there is no such file.
pub(super) fn rules(directory: &Utf8Path) -> Vec<Rule> {
    // kbuild prefers a Kbuild file (scripts/Kbuild.include: kbuild-file), but those of some architectures name their
    // directories in their Makefile; read both.
    let read = |name: &str| std::fs::read(directory.join(name)).unwrap_or_default();
    let mut text = String::from_utf8_lossy(&read("Kbuild")).into_owned();
    text.push('\n');
    text.push_str(&String::from_utf8_lossy(&read("Makefile")));
    parse(&text)
}

fn parse(text: &str) -> Vec<Rule> {
    let mut rules = Vec::new();
    let mut blocks: Vec<Option<String>> = Vec::new();
    for line in text.replace("\\\n", " ").lines() {
        let line = line.split('#').next().unwrap_or_default().trim();
        let (word, rest) = line.split_once([' ', '\t']).unwrap_or((line, ""));
        match word {
            "ifdef" | "ifeq" | "ifneq" | "ifndef" => blocks.push(guard(word, rest)),
            "else" => {
                if let Some(block) = blocks.last_mut() {
                    let (word, rest) = rest.split_once([' ', '\t']).unwrap_or((rest, ""));
                    *block = guard(word, rest);
                }
            }
            "endif" => {
                blocks.pop();
            }
            _ => {
                let Some((left, right)) = line.split_once('=') else {
                    continue;
                };
                rules.push(Rule {
                    left: left.trim_end_matches([':', '+', '?']).trim().to_owned(),
                    words: right.split_whitespace().map(str::to_owned).collect(),
                    guards: blocks.iter().flatten().cloned().collect(),
                });
            }
        }
    }
    rules
}

/// The option of `ifdef CONFIG_X` and of `ifeq ($(CONFIG_X),y)`.
fn guard(word: &str, rest: &str) -> Option<String> {
    let rest = rest.trim();
    match word {
        "ifdef" => rest.strip_prefix("CONFIG_").map(str::to_owned),
        "ifeq" => {
            let name = rest.strip_prefix("($(CONFIG_")?;
            let (name, value) = name.split_once(')')?;
            let value = value.trim_start_matches(',').trim();
            value.starts_with(['y', 'm']).then(|| name.to_owned())
        }
        "ifneq" => {
            let name = rest.strip_prefix("($(CONFIG_")?;
            let (name, value) = name.split_once(')')?;
            (value.trim_start_matches(',').trim() == ")").then(|| name.to_owned())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_hold_within_their_block_only() {
        let rules = parse(
            "ifdef CONFIG_A\nobj-y += a.o\nelse\nobj-y += b.o\nendif\nifeq ($(CONFIG_C),y)\nifneq ($(CONFIG_D),)\nobj-y += c.o\nendif\nendif\nobj-y += d.o # not e.o\n",
        );
        let guards: Vec<(&str, String)> = rules
            .iter()
            .map(|rule| (rule.words[0].as_str(), rule.guards.join(" ")))
            .collect();
        let expected = [("a.o", "A"), ("b.o", ""), ("c.o", "C D"), ("d.o", "")];
        assert_eq!(
            guards,
            expected.map(|(word, guard)| (word, guard.to_owned()))
        );
    }
}
