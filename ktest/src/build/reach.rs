// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which options make a source file build, read from the Makefiles between it and the top of the tree.
//!
//! `obj-$(CONFIG_X) += file.o`, `whole-$(CONFIG_Y) += part.o`, lists that are named elsewhere as `$(list-y)`, directories
//! and `ifdef CONFIG_X` blocks are understood, lines continued and commented. A file that several objects take in has
//! several [`Alternatives`]. Computed names are not understood; the compiler is then asked without knowing more.

use super::makefile::{Rule, rules};
use crate::config::{DotConfig, Fragment, find_symbols};
use camino::{Utf8Path, Utf8PathBuf};
use std::collections::BTreeSet;

/// Options without `CONFIG_`: a file is compiled where all of one of the sets are on.
pub(crate) type Alternatives = Vec<BTreeSet<String>>;

/// A Makefile that names things around three corners is not followed further.
const DEPTH: usize = 6;
/// `obj-y += a/b/c/` is the longest way down in one word.
const LEVELS: usize = 3;

/// What lies between the top of the tree and `file`; one empty set where nothing is known.
pub(crate) fn options_of(source: &Utf8Path, file: &Utf8Path) -> Alternatives {
    let (Some(stem), Some(mut directory)) = (file.file_stem(), file.parent()) else {
        return vec![BTreeSet::new()];
    };
    let here = rules(&source.join(directory));
    let mut found = or_nothing(chains(&here, &format!("{stem}.o"), 0));
    while directory.parent().is_some() {
        let (above, conditions) = entry(source, directory);
        found = product(&found, &conditions);
        directory = above;
    }
    found.sort();
    found.dedup();
    found
}

/// The alternative by which `config` compiles a file, where it does.
pub(super) fn compiled<'a>(
    alternatives: &'a Alternatives,
    config: &DotConfig,
) -> Option<&'a BTreeSet<String>> {
    alternatives
        .iter()
        .find(|options| options.iter().all(|name| config.is_on(name)))
}

/// The directory whose Makefile names `directory`, and under which conditions.
fn entry<'a>(source: &Utf8Path, directory: &'a Utf8Path) -> (&'a Utf8Path, Alternatives) {
    let mut above = directory;
    for _ in 0..LEVELS {
        let Some(parent) = above.parent() else {
            break;
        };
        above = parent;
        let below = directory.strip_prefix(above).unwrap_or(directory);
        let found = chains(&rules(&source.join(above)), &format!("{below}/"), 0);
        if !found.is_empty() {
            return (above, found);
        }
    }
    let parent = directory.parent().unwrap_or(Utf8Path::new(""));
    (parent, vec![BTreeSet::new()])
}

/// How `word` comes into an `obj-…` list.
fn chains(rules: &[Rule], word: &str, depth: usize) -> Alternatives {
    let mut found = Alternatives::new();
    for rule in rules
        .iter()
        .filter(|rule| rule.words.iter().any(|w| w == word))
    {
        let mut own: BTreeSet<String> = rule.guards.iter().cloned().collect();
        own.extend(rule.option().map(str::to_owned));
        let Some(name) = rule.list_name() else {
            found.push(own);
            continue;
        };
        if depth == DEPTH {
            continue;
        }
        let mut onward = chains(rules, &format!("{name}.o"), depth + 1);
        for reference in rule.references() {
            onward.extend(chains(rules, &reference, depth + 1));
        }
        found.extend(product(&onward, &vec![own]));
    }
    found
}

fn product(left: &Alternatives, right: &Alternatives) -> Alternatives {
    left.iter()
        .flat_map(|a| right.iter().map(move |b| a.union(b).cloned().collect()))
        .collect()
}

fn or_nothing(found: Alternatives) -> Alternatives {
    if found.is_empty() {
        return vec![BTreeSet::new()];
    }
    found
}

/// Adds to `fragment` what the files need and `config` lacks, with the plain options that those depend on.
pub(crate) fn extend(
    fragment: &mut Fragment,
    config: &DotConfig,
    source: &Utf8Path,
    files: &[Utf8PathBuf],
) -> bool {
    let before = fragment.settings.len();
    let c_files = files.iter().filter(|file| file.extension() == Some("c"));
    for file in c_files {
        let alternatives = options_of(source, file);
        if compiled(&alternatives, config).is_some() {
            continue;
        }
        let mut wanted = alternatives.into_iter().next().unwrap_or_default();
        // Three steps of dependencies reach from a driver to its subsystem and its bus.
        for _ in 0..3 {
            let names: BTreeSet<&str> = wanted.iter().map(String::as_str).collect();
            let plain = find_symbols(source, &names)
                .into_values()
                .flatten()
                .flat_map(|symbol| symbol.depends)
                .flat_map(|expression| conjunction(&expression));
            let more: BTreeSet<String> = plain.collect();
            wanted.extend(more);
        }
        for name in wanted {
            if !config.is_on(&name) && !fragment.settings.contains_key(&name) {
                fragment.set(
                    &name,
                    "y",
                    "a touched file is compiled only with it",
                    file.as_str(),
                );
            }
        }
    }
    fragment.settings.len() > before
}

/// The names of `A && B && C`; none of anything that is not just that.
fn conjunction(expression: &str) -> Vec<String> {
    let plain = |word: &str| {
        !word.is_empty()
            && word
                .chars()
                .all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
    };
    let names: Vec<&str> = expression.split("&&").map(str::trim).collect();
    names
        .iter()
        .filter(|name| plain(name))
        .map(|name| (*name).to_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree() -> (tempfile::TempDir, Utf8PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(dir.path()).unwrap().to_owned();
        let put = |path: &str, text: &str| {
            let file = root.join(path);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, text).unwrap();
        };
        put(
            "Kbuild",
            "obj-y += drivers/\nobj-$(CONFIG_FAR) += lib/far/\n",
        );
        put(
            "drivers/Makefile",
            "obj-$(CONFIG_BUS)\t+= bus/ \\\n\t\tother/\n",
        );
        put(
            "drivers/bus/Makefile",
            "obj-$(CONFIG_CARD) += card.o # the card\ncard-y := main.o\ncard-$(CONFIG_CARD_DMA) += dma.o\nobj-y += always.o\n\
             old-objs := shared.o\nnew-objs := shared.o\nifdef CONFIG_BOTH\nwhole-objs-$(CONFIG_OLD) := $(old-objs)\nendif\n\
             whole-objs-$(CONFIG_NEW) := $(new-objs)\nwhole-y += $(whole-objs-m) $(whole-objs-y)\nobj-$(CONFIG_WHOLE) += whole.o\n",
        );
        put("lib/far/Makefile", "obj-y += away.o\n");
        put(
            "drivers/Kconfig",
            "config CARD\n\tdepends on BUS && PCI && (A || B)\nconfig BUS\n\tdepends on NET\n",
        );
        (dir, root)
    }

    fn of(root: &Utf8Path, file: &str) -> Vec<String> {
        options_of(root, Utf8Path::new(file))
            .into_iter()
            .map(|set| set.into_iter().collect::<Vec<_>>().join(" "))
            .collect()
    }

    #[test]
    fn options_lie_in_the_makefiles_between_a_file_and_the_top() {
        let (_dir, root) = tree();
        assert_eq!(of(&root, "drivers/bus/dma.c"), ["BUS CARD CARD_DMA"]);
        assert_eq!(of(&root, "drivers/bus/main.c"), ["BUS CARD"]);
        assert_eq!(of(&root, "drivers/bus/always.c"), ["BUS"]);
        assert_eq!(of(&root, "lib/far/away.c"), ["FAR"]);
    }

    #[test]
    fn a_file_of_two_objects_has_two_alternatives() {
        let (_dir, root) = tree();
        let file = "drivers/bus/shared.c";
        assert_eq!(of(&root, file), ["BOTH BUS OLD WHOLE", "BUS NEW WHOLE"]);
        let alternatives = options_of(&root, Utf8Path::new(file));
        let on = |text: &str| compiled(&alternatives, &DotConfig::parse(text)).is_some();
        assert!(on("CONFIG_BUS=y\nCONFIG_NEW=m\nCONFIG_WHOLE=m\n"));
        assert!(!on("CONFIG_BUS=y\nCONFIG_OLD=y\nCONFIG_WHOLE=y\n"));
    }

    #[test]
    fn what_is_on_already_is_not_asked_for_again() {
        let (_dir, root) = tree();
        let config = DotConfig::parse("CONFIG_BUS=y\nCONFIG_PCI=y\n");
        let mut fragment = Fragment::default();
        let files = ["drivers/bus/main.c".into(), "drivers/bus/x.h".into()];
        assert!(extend(&mut fragment, &config, &root, &files));
        let names: Vec<&str> = fragment.settings.keys().map(String::as_str).collect();
        assert_eq!(names, ["CARD", "NET"]);
        assert!(!extend(&mut fragment, &config, &root, &files));
    }
}
