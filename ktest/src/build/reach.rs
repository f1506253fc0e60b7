// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which options make a source file build, read from the Makefiles between it and the top of the tree.
//!
//! `obj-$(CONFIG_X) += file.o`, `whole-$(CONFIG_Y) += part.o` and `obj-$(CONFIG_Z) += directory/` are understood, lines
//! continued and commented; conditionals and computed names are not, and such a file is then reported as not reached.

use crate::config::{DotConfig, Fragment, find_symbols};
use camino::{Utf8Path, Utf8PathBuf};
use std::collections::BTreeSet;

/// The options, without `CONFIG_`, that lie between the top of the tree and `file`; sorted.
pub fn options_of(source: &Utf8Path, file: &Utf8Path) -> Vec<String> {
    let mut options = BTreeSet::new();
    let (Some(stem), Some(mut directory)) = (file.file_stem(), file.parent()) else {
        return Vec::new();
    };
    objects(
        &rules(&source.join(directory)),
        &format!("{stem}.o"),
        &mut options,
        0,
    );
    while let (Some(name), Some(parent)) = (directory.file_name(), directory.parent()) {
        objects(
            &rules(&source.join(parent)),
            &format!("{name}/"),
            &mut options,
            0,
        );
        directory = parent;
    }
    options.into_iter().collect()
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
        let mut wanted: BTreeSet<String> = options_of(source, file).into_iter().collect();
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

/// (left side, words of the right side) of every assignment.
fn rules(directory: &Utf8Path) -> Vec<(String, Vec<String>)> {
    // kbuild prefers a Kbuild file (scripts/Kbuild.include: kbuild-file).
    let read = |name: &str| std::fs::read(directory.join(name)).ok();
    let Some(bytes) = read("Kbuild").or_else(|| read("Makefile")) else {
        return Vec::new();
    };
    let text = String::from_utf8_lossy(&bytes).replace("\\\n", " ");
    text.lines()
        .filter_map(|line| {
            let line = line.split('#').next().unwrap_or_default();
            let (left, right) = line.split_once('=')?;
            let left = left.trim_end_matches([':', '+', '?']).trim();
            Some((
                left.to_owned(),
                right.split_whitespace().map(str::to_owned).collect(),
            ))
        })
        .collect()
}

fn objects(
    rules: &[(String, Vec<String>)],
    object: &str,
    options: &mut BTreeSet<String>,
    depth: usize,
) {
    for (left, right) in rules {
        if depth > 4 || !right.iter().any(|word| word == object) {
            continue;
        }
        if let Some(at) = left.find("$(CONFIG_") {
            let name = left[at + "$(CONFIG_".len()..]
                .split(')')
                .next()
                .unwrap_or_default();
            options.insert(name.to_owned());
        }
        let whole = left.rsplit_once('-').map_or("", |(whole, _)| whole);
        if !whole.is_empty() && whole != "obj" && whole != "lib" {
            objects(rules, &format!("{whole}.o"), options, depth + 1);
        }
    }
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
        put("Kbuild", "obj-y += drivers/\n");
        put(
            "drivers/Makefile",
            "obj-$(CONFIG_BUS)\t+= bus/ \\\n\t\tother/\n",
        );
        put(
            "drivers/bus/Makefile",
            "obj-$(CONFIG_CARD) += card.o # the card\ncard-y := main.o\ncard-$(CONFIG_CARD_DMA) += dma.o\nobj-y += always.o\n",
        );
        put(
            "drivers/Kconfig",
            "config CARD\n\tdepends on BUS && PCI && (A || B)\nconfig BUS\n\tdepends on NET\n",
        );
        (dir, root)
    }

    #[test]
    fn options_lie_in_the_makefiles_between_a_file_and_the_top() {
        let (_dir, root) = tree();
        let of = |file: &str| options_of(&root, Utf8Path::new(file));
        assert_eq!(of("drivers/bus/dma.c"), ["BUS", "CARD", "CARD_DMA"]);
        assert_eq!(of("drivers/bus/main.c"), ["BUS", "CARD"]);
        assert_eq!(of("drivers/bus/always.c"), ["BUS"]);
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
