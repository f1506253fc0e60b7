// SPDX-License-Identifier: MIT OR Apache-2.0
//! Targets: what can be tested in a guest, as data (`targets/*.toml`).
//!
//! A new target is one file here, with the options it needs and why, and one program in the guest. A target for which no
//! device can be had names objects instead of a program: it is compiled only, and says so.

use crate::config::{Fragment, Releases, Value};
use crate::error::Error;
use camino::Utf8PathBuf;
use refimpl::api::KernelVersion;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Every file of `targets/`, embedded; a test compares the list with the directory.
const FILES: &[(&str, &str)] = &[
    ("gup-test", include_str!("../targets/gup-test.toml")),
    ("vmci", include_str!("../targets/vmci.toml")),
    ("infiniband", include_str!("../targets/infiniband.toml")),
    ("process-vm", include_str!("../targets/process-vm.toml")),
    ("io-uring", include_str!("../targets/io-uring.toml")),
    ("udmabuf", include_str!("../targets/udmabuf.toml")),
    (
        "refimpl-conformance",
        include_str!("../targets/refimpl-conformance.toml"),
    ),
    ("af-xdp", include_str!("../targets/af-xdp.toml")),
    ("direct-io", include_str!("../targets/direct-io.toml")),
    ("scsi-generic", include_str!("../targets/scsi-generic.toml")),
    ("scsi-tape", include_str!("../targets/scsi-tape.toml")),
    ("vivid", include_str!("../targets/vivid.toml")),
    ("vfio", include_str!("../targets/vfio.toml")),
    ("iommufd", include_str!("../targets/iommufd.toml")),
    ("vhost", include_str!("../targets/vhost.toml")),
    ("rds", include_str!("../targets/rds.toml")),
    ("fuse", include_str!("../targets/fuse.toml")),
    (
        "goldfish-pipe",
        include_str!("../targets/goldfish-pipe.toml"),
    ),
    ("hfi1", include_str!("../targets/hfi1.toml")),
    ("qib", include_str!("../targets/qib.toml")),
    ("mthca", include_str!("../targets/mthca.toml")),
    ("usnic", include_str!("../targets/usnic.toml")),
];

/// mm/gup.c: pins are counted in /proc/vmstat since 5.6.
const COUNTERS_SINCE: KernelVersion = KernelVersion { major: 5, minor: 6 };

/// What the pin counters must do while a target runs. In every case they must balance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PinRule {
    /// Pins are taken on every kernel that has the counters.
    Moved,
    /// Pins are taken once a series has converted what the target exercises.
    WhenConverted,
    /// Pins may be taken or not; it depends on the kernel's version.
    Balanced,
    /// The kernel has no counters: free memory over repetitions stands in for them.
    Drift,
}

/// A target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetSpec {
    /// Its name.
    pub name: String,
    /// What it does, in one line.
    pub title: String,
    /// A name for several targets at once; `--target drivers`.
    pub group: Option<String>,
    /// How it is tested.
    pub way: Way,
    /// What the pin counters must do.
    pub pins: PinRule,
    /// The release from which on they must move, where that is not every one.
    pub moved_since: Option<KernelVersion>,
    /// Files (or directories, with a slash at their end) of the kernel that it reaches.
    pub exercises: Vec<String>,
    /// Why it runs in a guest of our own only, never on a machine that others use too; `None` where it may.
    pub alone: Option<String>,
    /// Files of the kernel whose warnings it provokes, each with the reason.
    pub warnings: BTreeMap<String, String>,
    /// The options it needs.
    pub fragment: Fragment,
}

/// How a target is tested.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Way {
    /// A program runs in a guest.
    Booted(Guest),
    /// Objects are compiled, and nothing runs.
    Compiled {
        /// Why it cannot run.
        why: String,
        /// Relative to the tree, `….o`.
        objects: Vec<Utf8PathBuf>,
    },
}

/// What a booted target asks of the guest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guest {
    /// The guest's program.
    pub program: String,
    /// How long the program may run, in seconds of the guest's clock.
    pub deadline_seconds: u64,
    /// Arguments of the emulator, for devices.
    pub machine: Vec<String>,
    /// Words of the kernel's command line.
    pub cmdline: Vec<String>,
    /// MiB of the disk that it needs.
    pub disk_mib: Option<u64>,
    /// It needs the probe module and traces ([`crate::conformance`]).
    pub probe: bool,
    /// A module of ours that it needs besides (`probe/NAME.c`).
    pub module: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Data {
    name: String,
    title: String,
    #[serde(default)]
    group: Option<String>,
    #[serde(default)]
    program: Option<String>,
    #[serde(default)]
    deadline_seconds: Option<u64>,
    #[serde(default)]
    pins: Option<PinRule>,
    #[serde(default)]
    moved_since: Option<KernelVersion>,
    #[serde(default)]
    compile_only: Option<String>,
    #[serde(default)]
    objects: Vec<Utf8PathBuf>,
    #[serde(default)]
    machine: Vec<String>,
    #[serde(default)]
    cmdline: Vec<String>,
    #[serde(default)]
    disk_mib: Option<u64>,
    #[serde(default)]
    probe: bool,
    #[serde(default)]
    module: Option<String>,
    exercises: Vec<String>,
    #[serde(default)]
    alone: Option<String>,
    #[serde(default)]
    warnings: BTreeMap<String, String>,
    /// Options that exist since a release.
    #[serde(default)]
    since: Releases,
    /// Options that exist until a release.
    #[serde(default)]
    until: Releases,
    /// Options that are kept off until a release.
    #[serde(default)]
    off_until: Releases,
    #[serde(default)]
    y: BTreeMap<String, String>,
    #[serde(default)]
    n: BTreeMap<String, String>,
    #[serde(default)]
    value: BTreeMap<String, Value>,
}

impl TargetSpec {
    /// What it asks of a guest, where it has one.
    pub fn guest(&self) -> Option<&Guest> {
        match &self.way {
            Way::Booted(guest) => Some(guest),
            Way::Compiled { .. } => None,
        }
    }

    /// What it demands of a kernel of this release.
    pub fn at(&mut self, version: KernelVersion) {
        if version < COUNTERS_SINCE {
            self.pins = PinRule::Drift;
            return;
        }
        if self.moved_since.is_some_and(|since| since <= version) {
            self.pins = PinRule::Moved;
        }
    }

    /// Whether it provokes this complaint of the kernel: a warning of a file that it names.
    pub(crate) fn provokes(&self, kind: &str, first_line: &str) -> bool {
        // `at FILE:LINE` until 6.18, `FILE:LINE at` since; the path may begin above the tree where it was built elsewhere.
        let of = |file: &String| {
            let place = format!("{file}:");
            let mut places = first_line.match_indices(&place);
            places.any(|(at, _)| first_line[..at].ends_with([' ', '/']))
        };
        kind == "warning" && self.warnings.keys().any(of)
    }

    /// Whether it reaches `path`.
    pub fn reaches(&self, path: &str) -> bool {
        self.exercises.iter().any(|place| {
            if place.ends_with('/') {
                path.starts_with(place.as_str())
            } else {
                path == place
            }
        })
    }
}

/// All targets, in their listed order.
///
/// # Errors
/// When the data does not parse, which a test rules out.
pub fn all() -> Result<Vec<TargetSpec>, Error> {
    FILES.iter().map(|(name, text)| parse(name, text)).collect()
}

/// The targets and groups called `names`, in that order, each target once; a name may be several with commas between.
/// All when `names` is empty.
///
/// # Errors
/// [`Error::NoSuchTarget`].
pub fn select(names: &[String]) -> Result<Vec<TargetSpec>, Error> {
    let all = all()?;
    if names.is_empty() {
        return Ok(all);
    }
    let mut chosen: Vec<TargetSpec> = Vec::new();
    for name in names.iter().flat_map(|name| name.split(',')) {
        let called = |t: &&TargetSpec| t.name == name || t.group.as_deref() == Some(name);
        let found: Vec<&TargetSpec> = all.iter().filter(called).collect();
        if found.is_empty() {
            return Err(Error::NoSuchTarget(name.to_owned()));
        }
        for target in found {
            if !chosen.iter().any(|c| c.name == target.name) {
                chosen.push(target.clone());
            }
        }
    }
    Ok(chosen)
}

fn parse(name: &str, text: &str) -> Result<TargetSpec, Error> {
    let path = format!("ktest/targets/{name}.toml");
    let bad = |why: String| Error::Data {
        path: path.clone(),
        why,
    };
    let data: Data = toml::from_str(text).map_err(|e| bad(e.to_string()))?;
    if data.name != name {
        return Err(bad(format!("it calls itself `{}`", data.name)));
    }
    let mut fragment = Fragment::new(&path, data.y, data.n, data.value)?;
    fragment.add_releases(&path, data.since, data.until, data.off_until)?;
    let (way, pins) = match (
        data.program,
        data.deadline_seconds,
        data.pins,
        data.compile_only,
    ) {
        (Some(program), Some(deadline_seconds), Some(pins), None) if data.objects.is_empty() => {
            let guest = Guest {
                program,
                deadline_seconds,
                machine: data.machine,
                cmdline: data.cmdline,
                disk_mib: data.disk_mib,
                probe: data.probe,
                module: data.module,
            };
            (Way::Booted(guest), pins)
        }
        (None, None, None, Some(why)) if !data.objects.is_empty() => {
            let objects = data.objects;
            (Way::Compiled { why, objects }, PinRule::Balanced)
        }
        _ => {
            return Err(bad(
                "it needs a program with deadline_seconds and pins, or compile_only with objects"
                    .into(),
            ));
        }
    };
    Ok(TargetSpec {
        fragment,
        name: data.name,
        title: data.title,
        group: data.group,
        way,
        pins,
        moved_since: data.moved_since,
        exercises: data.exercises,
        alone: data.alone,
        warnings: data.warnings,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_the_directory_is_a_target() {
        let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/targets");
        let mut on_disk: Vec<String> = std::fs::read_dir(dir)
            .unwrap()
            .map(|e| {
                e.unwrap()
                    .file_name()
                    .to_string_lossy()
                    .replace(".toml", "")
            })
            .collect();
        let mut listed: Vec<String> = all().unwrap().into_iter().map(|t| t.name).collect();
        on_disk.sort();
        listed.sort();
        assert_eq!(on_disk, listed);
    }

    #[test]
    fn a_target_that_does_not_exist_is_an_error() {
        let error = select(&["no-such".into()]).unwrap_err();
        assert_eq!(error.to_string(), "find target `no-such`");
    }

    #[test]
    fn a_group_names_its_targets_and_none_comes_twice() {
        let chosen = select(&["vmci,gup-test".into(), "drivers".into()]).unwrap();
        let names: Vec<&str> = chosen.iter().map(|t| t.name.as_str()).collect();
        assert_eq!(names[..2], ["vmci", "gup-test"]);
        assert_eq!(names.iter().filter(|n| **n == "vmci").count(), 1);
        assert!(names.contains(&"af-xdp") && !names.contains(&"infiniband"));
    }

    #[test]
    fn a_target_provokes_the_warnings_of_the_files_it_names_and_no_other_complaint() {
        let target = select(&["refimpl-conformance".into()]).unwrap().remove(0);
        let line = "WARNING: CPU: 0 PID: 1 at mm/gup.c:149 try_grab_folio+0x1/0x2";
        assert!(target.provokes("warning", line));
        assert!(target.provokes("warning", "WARNING: mm/gup.c:149 at try_grab_folio+0x1/0x2"));
        assert!(!target.provokes("warning", "WARNING: CPU: 0 PID: 1 at mm/swap.c:9 f+0x1/0x2"));
        assert!(target.provokes(
            "warning",
            "WARNING: [x] ../mm/gup.c:149 at f+0x1/0x2, CPU#0: a/1"
        ));
        assert!(!target.provokes("warning", "WARNING: arch/foomm/gup.c:149 at f+0x1/0x2"));
        assert!(!target.provokes("oops", line));
        let other = select(&["vmci".into()]).unwrap().remove(0);
        assert!(!other.provokes("warning", line));
    }

    #[test]
    fn a_directory_is_reached_only_below_its_slash() {
        let vmci = select(&["vmci".into()]).unwrap().remove(0);
        assert!(vmci.reaches("drivers/misc/vmw_vmci/vmci_host.c"));
        assert!(!vmci.reaches("drivers/misc/vmw_vmci_other.c"));
    }

    #[test]
    fn the_fragments_of_all_targets_do_not_contradict_each_other() {
        let mut fragments = vec![crate::config::base().unwrap()];
        fragments.extend(
            all()
                .unwrap()
                .into_iter()
                .filter(|t| t.guest().is_some())
                .map(|t| t.fragment),
        );
        for a in &fragments {
            for b in &fragments {
                for (name, setting) in &a.settings {
                    if let Some(other) = b.settings.get(name) {
                        assert_eq!(setting.value, other.value, "{name}");
                    }
                }
            }
        }
    }
}
