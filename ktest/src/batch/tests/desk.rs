// SPDX-License-Identifier: MIT OR Apache-2.0
//! A prepared run, an emulator and a Slurm, all of them stand-ins.

use crate::batch::{Batch, BatchOptions, submit};
use crate::error::Error;
use crate::options::KtestOptions;
use crate::run::Prepared;
use crate::verdict::Verdict;
use camino::{Utf8Path, Utf8PathBuf};
use proc::slurm::Slurm;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

/// Where the shard that a task boots is prepared, and which it is.
pub(super) const HOME: &str = "BATCH_TEST_HOME";
pub(super) const SHARD: &str = "BATCH_TEST_SHARD";

const EMULATOR: &str = concat!(
    include_str!("../../../tests/it/serial_lines.sh"),
    include_str!("emulator.sh")
);
const SLURM: &str = include_str!("slurm.sh");

pub(super) struct Desk {
    _dir: tempfile::TempDir,
    root: Utf8PathBuf,
    /// The directory that all nodes see.
    pub(super) home: Utf8PathBuf,
}

impl Desk {
    pub(super) fn new(name: &str, patches: &[&str]) -> Desk {
        let dir = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(dir.path())
            .unwrap()
            .canonicalize_utf8()
            .unwrap();
        let home = root.join(name);
        Prepared::stand_in(&home, "process-vm", patches);
        let desk = Desk {
            _dir: dir,
            root,
            home,
        };
        for name in ["bin", "state", "fate"] {
            std::fs::create_dir(desk.root.join(name)).unwrap();
        }
        desk.script("emulator", EMULATOR);
        for name in ["sbatch", "squeue", "scontrol", "sacct"] {
            desk.script(&format!("bin/{name}"), SLURM);
        }
        let tests = std::env::current_exe().unwrap();
        let tests = proc::quote(&tests.to_string_lossy());
        let start = "--ignored --exact batch::tests::boots_a_shard --nocapture";
        desk.script(
            "program",
            &format!("{HOME}=$PWD {SHARD}=$5 exec {tests} {start}\n"),
        );
        desk
    }

    fn script(&self, name: &str, text: &str) {
        let path = self.root.join(name);
        let root = proc::quote(self.root.as_str());
        std::fs::write(&path, format!("#!/bin/sh\nroot={root}\n{text}")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// What becomes of the attempts at a shard, one after the other; the ordinary where nothing is said.
    pub(super) fn fate(&self, shard: usize, words: &[&str]) {
        let lines: String = words.iter().map(|word| format!("{word}\n")).collect();
        std::fs::write(self.root.join(format!("fate/{shard}")), lines).unwrap();
    }

    /// A run directory of a shard with this as its verdict.
    pub(super) fn plant(&self, index: usize, count: usize, verdict: &str) {
        let text = std::fs::read(self.home.join("run.json")).unwrap();
        let mut run: serde_json::Value = serde_json::from_slice(&text).unwrap();
        run["shard"] = serde_json::json!({ "index": index, "count": count });
        let dir = self.home.join("shards/0001-planted");
        std::fs::create_dir_all(&dir).unwrap();
        std::fs::write(dir.join("run.json"), run.to_string()).unwrap();
        std::fs::write(dir.join("verdict.json"), verdict).unwrap();
    }

    /// How many attempts have left a verdict.
    pub(super) fn verdicts(&self) -> usize {
        let runs = self.prepared().runs().unwrap();
        let left = |run: &&Utf8PathBuf| run.join("verdict.json").is_file();
        runs.iter().filter(left).count()
    }

    /// A kernel on which the target fails.
    pub(super) fn fails(&self, number: usize) {
        std::fs::write(self.root.join(format!("fails-{number:02}")), "").unwrap();
    }

    /// A patch that was found not to compile when the run was prepared.
    pub(super) fn does_not_compile(&self, number: usize) {
        let dir = self.home.join(format!("{number:02}"));
        std::fs::remove_file(dir.join("kernel.json")).unwrap();
        edit(&dir.join("stage.json"), &|stage| {
            stage["build"]["result"] = "fail".into();
            stage["build"]["reason"] = "mm/a.c does not compile".into();
        });
        edit(&self.home.join("prepared.json"), &|prepared| {
            prepared["kernels"][number - 1][2] = false.into();
        });
    }

    /// Two functions of which patch `number` takes lines away that can be seen running in kernel `number - 1` only: those of `f` do not
    /// run there and those of `g` do, and both functions run in kernel `number`, `g` without the line that is added to it.
    pub(super) fn takes_lines_away(&self, number: usize) {
        let kernel = |number: usize| self.home.join(format!("{number:02}/kernel.json"));
        edit(&kernel(number - 1), &|kernel| {
            let places = serde_json::json!({ "a.c:f": ["f+0x9"], "a.c:g": ["g+0x9"] });
            kernel["later"][number.to_string()] = places;
        });
        edit(&kernel(number), &|kernel| {
            let changed = |function: &str, lines: &[&str]| {
                serde_json::json!({
                    "path": "a.c", "function": function, "within": [], "calls": [], "lines": lines, "ran_before": null,
                })
            };
            kernel["changed"] = vec![changed("f", &[]), changed("g", &["g+0x3"])].into();
        });
        let probes = |number: usize, counts: &[(&str, u64)]| {
            let line = |(place, hits): &(&str, u64)| {
                format!("# probe process-vm function={place} symbol={place} hits={hits}\n")
            };
            let text: String = counts.iter().map(line).collect();
            std::fs::write(self.root.join(format!("probes-{number:02}")), text).unwrap();
        };
        probes(number - 1, &[("f+0x9", 0), ("g+0x9", 4)]);
        probes(number, &[("f", 1), ("g", 1), ("g+0x3", 0)]);
    }

    /// A kernel that is not done before the returned file is removed.
    pub(super) fn holds(&self, number: usize) -> Utf8PathBuf {
        let file = self.root.join(format!("hold-{number:02}"));
        std::fs::write(&file, "").unwrap();
        file
    }

    /// The kernels that were booted, each with the node.
    pub(super) fn places(&self) -> Vec<String> {
        lines(&self.root.join("where"))
    }

    /// A directory for whatever a test needs besides.
    pub(super) fn place(&self, name: &str) -> Utf8PathBuf {
        let dir = self.root.join(name);
        std::fs::create_dir_all(&dir).unwrap();
        dir
    }

    /// Slurm answers `times` questions with an error.
    pub(super) fn deaf(&self, times: usize) {
        std::fs::write(self.root.join("deaf"), "x\n".repeat(times)).unwrap();
    }

    pub(super) fn prepared(&self) -> Prepared {
        Prepared::read(&self.home).unwrap()
    }

    pub(super) fn options(&self, shards: usize) -> BatchOptions {
        let mut options = BatchOptions::new(self.root.join("program"));
        options.slurm = Slurm::at(self.root.join("bin"));
        options.shards = Some(shards);
        options.pace = Duration::from_millis(100);
        options.grace = Duration::from_millis(200);
        options
    }

    pub(super) fn batch(&self, shards: usize) -> Batch {
        self.again_with(self.options(shards))
    }

    /// As another process takes it up.
    pub(super) fn again(&self) -> Batch {
        let mut options = self.options(1);
        options.shards = None;
        self.again_with(options)
    }

    /// The same. What another test is just about to start holds on to every lock of this process until it has begun.
    pub(super) fn again_with(&self, options: BatchOptions) -> Batch {
        let mut batch = None;
        super::within("the lock is free", || {
            batch = match submit(self.prepared(), options.clone()) {
                Err(Error::Locked(_)) => None,
                done => Some(done.unwrap()),
            };
            batch.is_some()
        });
        batch.unwrap()
    }

    /// The same kernels with the same emulator, without Slurm.
    pub(super) fn on_one_machine(&self) -> Verdict {
        let mut options = KtestOptions::new(&self.home, &self.home);
        options.qemu = Some(self.root.join("emulator"));
        options.at_once = Some(1);
        let verdict = self.prepared().boot(None, &options).unwrap();
        std::fs::remove_dir_all(self.home.join("shards")).unwrap();
        for name in ["boots", "where"] {
            std::fs::remove_file(self.root.join(name)).unwrap();
        }
        verdict
    }

    /// The arrays that were submitted.
    pub(super) fn submitted(&self) -> Vec<String> {
        lines(&self.root.join("submitted"))
    }

    /// The kernels that were booted.
    pub(super) fn boots(&self) -> Vec<String> {
        lines(&self.root.join("boots"))
    }
}

fn edit(file: &Utf8Path, change: &dyn Fn(&mut serde_json::Value)) {
    let text = std::fs::read(file).unwrap();
    let mut value = serde_json::from_slice(&text).unwrap();
    change(&mut value);
    std::fs::write(file, value.to_string()).unwrap();
}

fn lines(file: &Utf8Path) -> Vec<String> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}
