// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a shard of a prepared run may use, derived from the deadlines of its guests, and what a run would come to that is not prepared
//! yet.

use super::directory::RunDirectory;
use super::plan::{in_order, order};
use super::whole::ask;
use crate::error::Error;
use crate::options::KtestOptions;
use crate::target::TargetSpec;
use crate::verdict::Shard;
use callsites::tree::Tree;
use camino::Utf8Path;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a shard may use at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Limits {
    /// Seconds from its start to its verdict.
    pub(crate) seconds: u64,
    /// Memory in MiB.
    pub(crate) memory_mib: u64,
    /// Processors.
    pub(crate) cpus: u32,
}

/// What a run that is not prepared yet would come to, every kernel booted.
#[derive(Debug)]
pub(crate) struct Foreseen {
    /// Name of its directory.
    pub(crate) id: String,
    order: Vec<usize>,
    kernels: usize,
    targets: Vec<TargetSpec>,
    options: KtestOptions,
}

/// Looks at a run without making anything.
///
/// # Errors
/// Those of `prepare()` up to the first make.
pub(crate) fn foresee(
    tree: &Tree,
    series: Option<&Utf8Path>,
    options: &KtestOptions,
) -> Result<Foreseen, Error> {
    let asked = ask(tree, series, options)?;
    let touched = asked.staged.last().map(|last| &last.overlay);
    Ok(Foreseen {
        id: RunDirectory::next(&options.runs, &asked.inputs)?,
        order: order(&asked.targets, touched)
            .into_iter()
            .filter(|index| asked.targets[*index].guest().is_some())
            .collect(),
        kernels: asked.staged.len(),
        targets: asked.targets,
        options: asked.options,
    })
}

impl Foreseen {
    /// Patched kernels.
    pub(crate) fn kernels(&self) -> usize {
        self.kernels
    }

    /// Pairs of a kernel and a target that are shared out.
    pub(crate) fn jobs(&self) -> usize {
        self.order.len() * self.kernels.max(1)
    }

    /// What the longest of `count` shards may use.
    pub(crate) fn limits(&self, count: usize) -> Limits {
        let all: Vec<usize> = (1..=self.kernels).collect();
        let longest = (1..=count).map(|index| {
            let shard = Some(Shard { index, count });
            let plan = in_order(&self.order, self.kernels, &all, shard);
            seconds(&plan, &self.targets, &self.options)
        });
        limits(longest.max().unwrap_or(0), &self.options)
    }
}

/// Pairs of a kernel and a target: of the patches, or of the base where no patch is booted.
pub(super) fn jobs(plan: &[Vec<usize>]) -> usize {
    match plan.iter().skip(1).map(Vec::len).sum() {
        0 => plan.first().map_or(0, Vec::len),
        jobs => jobs,
    }
}

/// The deadlines of all guests of a plan, which are booted one after the other.
pub(super) fn seconds(plan: &[Vec<usize>], targets: &[TargetSpec], options: &KtestOptions) -> u64 {
    let mut all = 0;
    for kernel in plan {
        let mut groups: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for guest in kernel.iter().filter_map(|index| targets[*index].guest()) {
            let apart = (guest.probe, guest.machine.as_slice());
            groups.entry(apart).or_default().push(guest.clone());
        }
        for guests in groups.into_values() {
            all += crate::boot::seconds(&guests, options.boot_seconds);
        }
    }
    all
}

pub(super) fn limits(seconds: u64, options: &KtestOptions) -> Limits {
    Limits {
        seconds: seconds + AROUND,
        memory_mib: u64::from(options.memory_mib) + OVERHEAD_MIB,
        cpus: options.cpus,
    }
}

/// Seconds of a shard beside its guests: a boot that finds out whether KVM works (at most a minute), reading and hashing
/// what was prepared over a network, writing the verdict.
const AROUND: u64 = 180;
/// MiB of a shard beside the guest's memory: the emulator's translated code and devices, this program, and the page cache of what
/// they write, which a control group counts.
const OVERHEAD_MIB: u64 = 512;
