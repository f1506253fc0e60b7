// SPDX-License-Identifier: MIT OR Apache-2.0
//! The ways to build a module outside the kernel: kbuild in the directories that name objects, or Makefiles of its own.

use callsites::tree::Tree;
use camino::{Utf8Path, Utf8PathBuf};
use std::collections::BTreeSet;

/// How a module is built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Way {
    /// By kbuild, in these directories one after another.
    Kbuild(Vec<Utf8PathBuf>),
    /// By the Makefile of a directory.
    Makefile(Utf8PathBuf),
}

impl Way {
    /// As it is told; None where nothing is to be told of it.
    pub(super) fn told(&self) -> Option<String> {
        let named = |path: &Utf8PathBuf| match path.as_str() {
            "" => "its own Makefile".to_owned(),
            path => format!("{path}/Makefile"),
        };
        match self {
            Way::Kbuild(places) if places.iter().all(|place| place.as_str().is_empty()) => None,
            Way::Kbuild(places) => {
                let places: Vec<&str> = places.iter().map(|place| place.as_str()).collect();
                Some(format!("in {}", places.join(", ")))
            }
            Way::Makefile(place) => Some(format!("by {}", named(place))),
        }
    }
}

/// The variables by which a module's own Makefile is told which kernel it is built for: those that the modules use that were
/// read when this was written.
pub(super) const OF_KERNEL: [&str; 9] = [
    "KDIR",
    "KERNEL_DIR",
    "KERNELDIR",
    "KERNEL_SRC",
    "KSRC",
    "KOBJ",
    "KERNEL_PATH",
    "KBUILD_DIR",
    "BUILDSYSTEM_DIR",
];

/// The ways to build the module, the likeliest first. `touched` are the files of a series: only what is built from them
/// matters.
pub(super) fn places(tree: &Tree, touched: &BTreeSet<Utf8PathBuf>) -> Vec<Way> {
    let text = |directory: &Utf8Path, name: &str| {
        let bytes = tree.read(&directory.join(name)).ok()?;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    };
    let mut directories: BTreeSet<&Utf8Path> = BTreeSet::new();
    for path in tree.files() {
        directories.extend(path.ancestors().skip(1));
    }
    let names_objects = |directory: &Utf8Path| {
        ["Kbuild", "Makefile"].iter().any(|name| {
            let lines = text(directory, name);
            lines.is_some_and(|text| {
                text.lines()
                    .any(|line| line.trim_start().starts_with("obj-"))
            })
        })
    };
    let kbuild: BTreeSet<&Utf8Path> = directories
        .iter()
        .copied()
        .filter(|directory| names_objects(directory))
        .collect();
    let mut chosen: BTreeSet<&Utf8Path> = BTreeSet::new();
    for path in touched {
        let mut above = path.ancestors().skip(1);
        chosen.extend(above.find(|directory| kbuild.contains(directory)));
    }
    if chosen.is_empty() {
        // Those that no other one leads to.
        let inner = |directory: &&Utf8Path| {
            let mut above = directory.ancestors().skip(1);
            above.any(|above| kbuild.contains(above))
        };
        chosen = kbuild
            .iter()
            .copied()
            .filter(|place| !inner(place))
            .collect();
    }
    let mut ways = Vec::new();
    if !chosen.is_empty() {
        let places = chosen.iter().map(|place| place.to_path_buf());
        ways.push(Way::Kbuild(places.collect()));
    }
    let roots = chosen.iter().flat_map(|place| place.ancestors());
    let mut makefiles: Vec<&Utf8Path> = roots
        .filter(|directory| text(directory, "Makefile").is_some())
        .collect();
    // From within outwards: the Makefile of a whole project may build much that is no module.
    makefiles.sort_by_key(|path| std::cmp::Reverse(path.components().count()));
    makefiles.dedup();
    ways.extend(
        makefiles
            .into_iter()
            .map(|path| Way::Makefile(path.to_owned())),
    );
    if ways.is_empty() {
        ways.push(Way::Kbuild(vec![Utf8PathBuf::new()]));
    }
    ways
}

/// Whether a module was made somewhere below.
pub(super) fn has_module(directory: &Utf8Path) -> bool {
    let entries = directory.read_dir_utf8().into_iter().flatten().flatten();
    entries.into_iter().any(|entry| {
        let is_directory = entry.file_type().is_ok_and(|kind| kind.is_dir());
        match is_directory {
            true => has_module(entry.path()),
            false => entry.path().extension() == Some("ko"),
        }
    })
}

/// A path below a directory; the empty one is the directory itself.
pub(super) fn join(copy: &Utf8Path, place: &Utf8Path) -> Utf8PathBuf {
    match place.as_str().is_empty() {
        true => copy.to_owned(),
        false => copy.join(place),
    }
}
