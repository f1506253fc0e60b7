// SPDX-License-Identifier: MIT OR Apache-2.0
//! Variants of the guest's kernel: the same targets on a kernel that checks more (`config/variants/*.toml`).
//!
//! A variant is a fragment on top of the others, so that its kernel has an output directory of its own, and what it asks of the
//! guest: memory, words of the command line, and how much longer everything may take.

use super::fragment::{Fragment, Releases, Value};
use crate::error::Error;
use serde::Deserialize;
use std::collections::BTreeMap;

/// Every file of `config/variants/`, embedded; a test compares the list with the directory.
const FILES: &[(&str, &str)] = &[
    ("kasan", include_str!("../../config/variants/kasan.toml")),
    (
        "lockdep",
        include_str!("../../config/variants/lockdep.toml"),
    ),
    (
        "failing",
        include_str!("../../config/variants/failing.toml"),
    ),
    (
        "kmemleak",
        include_str!("../../config/variants/kmemleak.toml"),
    ),
];

/// A kernel that checks more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Variant {
    pub(crate) name: String,
    /// What it finds, in one line.
    pub(crate) title: String,
    /// By how much deadlines grow.
    pub(crate) slower: u64,
    /// The least memory of the guest, in MiB.
    pub(crate) memory_mib: u32,
    /// Words of the kernel's command line.
    pub(crate) cmdline: Vec<String>,
    pub(crate) fragment: Fragment,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Data {
    name: String,
    title: String,
    slower: u64,
    memory_mib: u32,
    cmdline: Vec<String>,
    #[serde(default)]
    y: BTreeMap<String, String>,
    #[serde(default)]
    n: BTreeMap<String, String>,
    #[serde(default)]
    value: BTreeMap<String, Value>,
    #[serde(default)]
    since: Releases,
    #[serde(default)]
    until: Releases,
    #[serde(default)]
    off_until: Releases,
}

/// The variants called `names`, each once, in that order; a name may be several with commas between.
///
/// # Errors
/// [`Error::Usage`] for a name that no variant has, with the list of those that there are.
pub(crate) fn variants(names: &[String]) -> Result<Vec<Variant>, Error> {
    let mut chosen: Vec<Variant> = Vec::new();
    for name in names.iter().flat_map(|name| name.split(',')) {
        let Some((name, text)) = FILES.iter().find(|(known, _)| *known == name) else {
            let known: Vec<&str> = FILES.iter().map(|(known, _)| *known).collect();
            let known = known.join(", ");
            return Err(Error::Usage(format!(
                "find variant `{name}`: there are {known}"
            )));
        };
        if !chosen.iter().any(|variant| variant.name == *name) {
            chosen.push(parse(name, text)?);
        }
    }
    Ok(chosen)
}

fn parse(name: &str, text: &str) -> Result<Variant, Error> {
    let path = format!("ktest/config/variants/{name}.toml");
    let data: Data = toml::from_str(text).map_err(|error| Error::Data {
        path: path.clone(),
        why: error.to_string(),
    })?;
    let mut fragment = Fragment::new(&path, data.y, data.n, data.value)?;
    fragment.add_releases(&path, data.since, data.until, data.off_until)?;
    Ok(Variant {
        name: data.name,
        title: data.title,
        slower: data.slower.max(1),
        memory_mib: data.memory_mib,
        cmdline: data.cmdline,
        fragment,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_the_directory_is_a_variant_and_contradicts_neither_the_base_nor_another() {
        let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/config/variants");
        let count = std::fs::read_dir(dir).unwrap().count();
        let all = variants(&["kasan,lockdep".into(), "kmemleak,failing".into()]).unwrap();
        assert_eq!((all.len(), FILES.len()), (count, count));
        let base = crate::config::base().unwrap();
        let fragments: Vec<&Fragment> = all.iter().map(|v| &v.fragment).chain([&base]).collect();
        for (a, b) in fragments
            .iter()
            .flat_map(|a| fragments.iter().map(move |b| (a, b)))
        {
            for (name, setting) in &a.settings {
                let other = b.settings.get(name);
                assert!(
                    other.is_none_or(|other| other.value == setting.value),
                    "{name}"
                );
            }
        }
        assert!(
            all.iter()
                .all(|variant| variant.title.len() > 10 && variant.slower > 1)
        );
    }

    /// lib/Kconfig.kasan: SLUB until 6.1, and not SLUB_TINY since; kernel/configs/tiny.config takes SLOB and SLUB_TINY.
    #[test]
    fn kasan_gets_an_allocator_that_it_knows_in_every_release() {
        let kasan = variants(&["kasan".into()]).unwrap().remove(0).fragment;
        for release in ["4.19", "6.1", "6.2", "6.12", "7.3"] {
            let at = kasan.at(release.parse().unwrap());
            let value = |name| at.settings.get(name).map(|s| s.value.as_str());
            let slub = matches!(release, "4.19" | "6.1").then_some("y");
            assert_eq!((value("SLUB"), value("SLUB_TINY")), (slub, Some("n")));
        }
    }

    #[test]
    fn a_variant_that_does_not_exist_is_a_mistake_of_the_user() {
        let error = variants(&["kasan,ksan".into()]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "find variant `ksan`: there are kasan, lockdep, failing, kmemleak"
        );
        assert_eq!(variants(&[]).unwrap(), []);
        assert_eq!(variants(&["kasan,kasan".into()]).unwrap().len(), 1);
    }
}
