// SPDX-License-Identifier: MIT OR Apache-2.0
//! What of a series ran on any node. Shards share out the targets of a kernel: one may have seen a function run, and another, in an
//! earlier kernel, the lines that are taken away from it. What all of them saw is put together before it is judged.

use super::directory::{lines, ran};
use super::kernel::Kernel;
use super::lines::{RanBefore, known};
use super::prepared::{KERNEL, Prepared};
use crate::error::Error;
use crate::judge::{Ran, exercised};
use crate::verdict::{Stage, Target};
use camino::Utf8PathBuf;

impl Prepared {
    /// Judges anew what ran of the patches of `parts`, by what all of `runs` have left. A kernel of which they have left nothing stays as
    /// it is.
    ///
    /// # Errors
    /// [`Error::Resume`] where a kernel's description is missing or damaged.
    pub(super) fn exercise(&self, parts: &mut [Stage], runs: &[Utf8PathBuf]) -> Result<(), Error> {
        let mut earlier = vec![self.before(parts, runs, 0)];
        for (number, _, boots) in &self.data.kernels {
            let seen: Vec<Ran> = runs.iter().filter_map(|run| ran(run, *number)).collect();
            if *boots && !seen.is_empty() {
                let kernel: Kernel = self.json(&format!("{number:02}/{KERNEL}"))?;
                let mut of_all = Ran::default();
                for seen in &seen {
                    of_all.add(seen);
                }
                let exercise = exercised(&kernel.changed_after(&earlier), &of_all);
                let same = |part: &&mut Stage| part.number == *number && part.exercise.is_some();
                for part in parts.iter_mut().filter(same) {
                    part.exercise.clone_from(&exercise);
                }
            }
            earlier.push(self.before(parts, runs, *number));
        }
        Ok(())
    }

    /// Which of the lines that later patches take away ran in kernel `number` in any of `runs`.
    fn before(&self, parts: &[Stage], runs: &[Utf8PathBuf], number: usize) -> RanBefore {
        let mut of_all = RanBefore::new();
        for (patch, functions) in runs.iter().flat_map(|run| lines(run, number)) {
            let known = of_all.entry(patch).or_default();
            for (function, ran) in functions {
                *known.entry(function).or_default() |= ran;
            }
        }
        let booted = |target: &&Target| {
            let spec = self.targets.iter().find(|spec| spec.name == target.name);
            spec.is_some_and(|spec| spec.guest().is_some())
        };
        let same = parts.iter().filter(|part| part.number == number);
        known(of_all, same.flat_map(|part| &part.targets).filter(booted))
    }
}
