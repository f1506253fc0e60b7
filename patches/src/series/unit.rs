// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which groups share a patch, and how its subject begins.
//!
//! One patch is one driver, or one subsystem where that is the custom (data/prefixes.toml). A group is never split: one
//! that reaches over several drivers makes them one patch.

use crate::edits::Planned;
use regex::Regex;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

/// Subjects of the history of these files that are looked at for a prefix: years of a driver's, and git is asked once.
pub(crate) const HISTORY: usize = 60;

/// Subjects of one prefix that make it a habit: one is a commit, two may be one series.
const HABIT: usize = 3;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    subsystem: Vec<Subsystem>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Subsystem {
    dir: String,
    prefix: String,
    unit: Kind,
    /// Words of a file's name that its subjects leave out, as they do the subsystem's own.
    #[serde(default)]
    without: Vec<String>,
}

impl Subsystem {
    /// What the paths begin with.
    fn stem(&self) -> &str {
        self.dir.trim_end_matches('*')
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Driver,
    Subsystem,
}

static TABLE: LazyLock<Vec<Subsystem>> = LazyLock::new(|| {
    let table: Table = toml::from_str(include_str!("../../data/prefixes.toml"))
        .expect("the table is part of the program, and a test reads it");
    table.subsystem
});

/// The directory or file (without ".c") that a patch covers.
pub(crate) fn unit(path: &str) -> String {
    let Some(subsystem) = subsystem(path) else {
        return path
            .rsplit_once('/')
            .map_or(path, |(dir, _)| dir)
            .to_owned();
    };
    match subsystem.unit {
        Kind::Subsystem => subsystem.stem().to_owned(),
        Kind::Driver => {
            let below = &path[subsystem.dir.len() + 1..];
            let name = below.split('/').next().unwrap_or(below);
            format!("{}/{}", subsystem.dir, name.trim_end_matches(".c"))
        }
    }
}

fn subsystem(path: &str) -> Option<&'static Subsystem> {
    TABLE
        .iter()
        .filter(|entry| {
            let rest = path.strip_prefix(entry.stem());
            rest.is_some_and(|rest| entry.dir.ends_with('*') || rest.starts_with('/'))
        })
        .max_by_key(|entry| entry.dir.len())
}

/// The prefix of a unit's subjects where there is no history.
pub(crate) fn prefix_of(unit: &str) -> String {
    let probe = format!("{unit}/");
    match subsystem(&probe) {
        Some(entry) => {
            let driver = probe[entry.stem().len()..].trim_matches('/');
            // What the prefix says already is not said again: "tee: shm", not "tee: tee_shm".
            let before = entry.prefix.trim_end_matches("{driver}");
            let class = before.trim_end_matches([' ', ':', '/', '-']);
            // The file that bears the subsystem's name is the subsystem itself.
            if driver == class {
                return class.to_owned();
            }
            let short = driver
                .strip_prefix(class)
                .and_then(|rest| rest.strip_prefix('_'))
                .filter(|_| !class.is_empty());
            let short = entry
                .without
                .iter()
                .fold(short.unwrap_or(driver), |name, word| {
                    let rest = name.strip_prefix(word.as_str());
                    rest.and_then(|rest| rest.strip_prefix('_')).unwrap_or(name)
                });
            // That it is a driver goes without saying.
            let short = short.strip_suffix("_drv").unwrap_or(short);
            entry.prefix.replace("{driver}", short)
        }
        None => unit.rsplit('/').next().unwrap_or(unit).to_owned(),
    }
}

/// The prefix that most of `subjects` have, the newest first; None when they have none in common use.
pub(crate) fn learnt_prefix(subjects: &[String]) -> Option<String> {
    static PREFIX: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"^((?:[A-Za-z0-9_+.,/& -]{1,28}: ?)*[A-Za-z0-9_+.,/& -]{1,28}): ")
            .expect("a constant")
    });
    let mut counts: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    for (age, subject) in subjects.iter().enumerate() {
        let Some(found) = PREFIX.captures(subject) else {
            continue;
        };
        let prefix = found[1].to_owned();
        let treewide = prefix.to_lowercase().starts_with("tree") || subject.starts_with("Revert");
        if !treewide {
            counts.entry(prefix).or_insert((0, age)).0 += 1;
        }
    }
    // The most frequent; among equals the newest. What was done once or twice is no habit.
    let best = counts
        .into_iter()
        .filter(|(_, (count, _))| *count >= HABIT)
        .max_by_key(|(_, (count, age))| (*count, std::cmp::Reverse(*age)));
    best.map(|(prefix, _)| prefix)
}

/// Plans by unit, in the order of their units: plans that share a unit or reach over several become one. A module outside
/// the kernel is one unit, which has its name.
pub(crate) fn patches(plans: Vec<Planned>, module: Option<&str>) -> Vec<(String, Planned)> {
    let mut result: Vec<(BTreeSet<String>, Planned)> = Vec::new();
    for plan in plans {
        let paths = plan.replaced.iter().map(|site| site.path.as_str());
        let mut units: BTreeSet<String> = paths
            .map(|path| module.map_or_else(|| unit(path), str::to_owned))
            .collect();
        let mut joined = plan;
        let (same, other): (Vec<_>, Vec<_>) =
            result
                .into_iter()
                .partition(|(seen, plan): &(BTreeSet<String>, Planned)| {
                    plan.fix == joined.fix && !seen.is_disjoint(&units)
                });
        for (seen, plan) in same {
            units.extend(seen);
            joined = plan.join(joined);
        }
        result = other;
        result.push((units, joined));
    }
    let mut result: Vec<(String, Planned)> = result
        .into_iter()
        .map(|(_, plan)| {
            let unit = module.map_or_else(|| most_touched(&plan), str::to_owned);
            (unit, plan)
        })
        .collect();
    // Fixes come first, so that they can be taken alone.
    result.sort_by(|a, b| {
        let key = |entry: &(String, Planned)| (entry.1.fix.is_none(), entry.0.clone(), entry.1.fix);
        key(a)
            .cmp(&key(b))
            .then_with(|| a.1.groups.cmp(&b.1.groups))
    });
    result
}

/// The unit in which most calls of the plan stand; the first in order among equals.
pub(crate) fn most_touched(plan: &Planned) -> String {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for site in &plan.replaced {
        *counts.entry(unit(&site.path)).or_default() += 1;
    }
    let most = counts.values().max().copied().unwrap_or(0);
    counts
        .into_iter()
        .find(|(_, count)| *count == most)
        .map(|(unit, _)| unit)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_driver_is_the_directory_or_the_file_below_its_subsystem() {
        assert_eq!(unit("drivers/misc/foo/host.c"), "drivers/misc/foo");
        assert_eq!(unit("drivers/misc/foo.c"), "drivers/misc/foo");
        assert_eq!(unit("drivers/gpu/drm/foo/gem/a.c"), "drivers/gpu/drm/foo");
        assert_eq!(
            unit("drivers/infiniband/hw/foo/mem.c"),
            "drivers/infiniband"
        );
        assert_eq!(unit("unheard/of/place.c"), "unheard/of");
    }

    #[test]
    fn the_prefix_comes_from_the_table_where_there_is_no_history() {
        assert_eq!(prefix_of("drivers/misc/foo"), "misc: foo");
        assert_eq!(prefix_of("drivers/gpu/drm/foo"), "drm/foo");
        assert_eq!(prefix_of("mm/foo"), "mm/foo");
        assert_eq!(prefix_of("arch/powerpc/mm"), "powerpc/mm");
        assert_eq!(prefix_of("arch/powerpc/kvm"), "KVM: PPC");
        assert_eq!(prefix_of("drivers/tee/tee_shm"), "tee: shm");
        assert_eq!(prefix_of("unheard/of"), "of");
        assert_eq!(prefix_of("drivers/vfio/vfio_iommu_foo"), "vfio/foo");
        assert_eq!(prefix_of("drivers/staging/media/foo"), "media: foo");
        assert_eq!(prefix_of("drivers/staging/foo"), "staging: foo");
        assert_eq!(prefix_of("drivers/misc/foo_drv"), "misc: foo");
        assert_eq!(prefix_of("drivers/staging/media/foo"), "media: foo");
        assert_eq!(prefix_of("drivers/vhost/vhost"), "vhost");
        assert_eq!(prefix_of("drivers/vhost/scsi"), "vhost-scsi");
    }

    #[test]
    fn files_that_begin_alike_are_one_unit() {
        let prefix = |path: &str| prefix_of(&unit(path));
        assert_eq!(prefix("arch/x86/kvm/svm.c"), "KVM: SVM");
        assert_eq!(prefix("arch/x86/kvm/svm/sev.c"), "KVM: SVM");
        assert_eq!(prefix("arch/x86/kvm/x86.c"), "KVM: x86");
        assert_eq!(unit("arch/x86/kvm/vmx/a.c"), unit("arch/x86/kvm/vmx_b.c"));
        assert_eq!(
            prefix("drivers/fpga/dfl-afu-dma-region.c"),
            "fpga: dfl: afu"
        );
        assert_eq!(prefix("drivers/fpga/dfl-fme-pr.c"), "fpga: dfl: fme");
        assert_eq!(prefix("drivers/fpga/dfl.c"), "fpga: dfl");
        assert_ne!(
            unit("arch/powerpc/kvm/e500_mmu.c"),
            unit("arch/powerpc/kvm/book3s_64_mmu_hv.c")
        );
    }

    #[test]
    fn the_most_frequent_prefix_of_the_history_wins_and_treewide_ones_do_not_count() {
        let subjects = [
            "treewide: use foo: in bar",
            "treewide: again",
            "treewide: and again",
            "misc: bar: fix a leak",
            "bar: fix it",
            "misc: bar: say it: better",
            "misc: bar: drop a lock",
            "misc: bar: take it again",
        ];
        let subjects = subjects.map(str::to_owned);
        assert_eq!(learnt_prefix(&subjects).as_deref(), Some("misc: bar"));
        assert_eq!(learnt_prefix(&["no prefix here".to_owned()]), None);
    }

    #[test]
    fn a_history_of_one_commit_is_no_habit() {
        let subjects = ["import: linux 6.12", "misc: bar: fix a leak"].map(str::to_owned);
        assert_eq!(learnt_prefix(&subjects), None);
    }
}
