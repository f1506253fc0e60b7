// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the shards have left, read and put together. A verdict counts only where it is whole, of this run, and of the shard that
//! its directory is for.

use super::Batch;
use crate::error::Error;
use crate::run::Prepared;
use crate::verdict::{SCHEMA, Shard, Stage, Verdict};
use camino::{Utf8Path, Utf8PathBuf};
use std::collections::BTreeMap;

/// What was found of the shards.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// The verdicts of each shard. There are two where an attempt that was given up for lost came to its end all the same: the worse counts.
    pub(super) verdicts: BTreeMap<usize, Vec<Verdict>>,
    /// The directories that they are in.
    pub(super) runs: Vec<Utf8PathBuf>,
    /// What is wrong with a verdict that is there.
    pub(super) damaged: BTreeMap<usize, String>,
    /// How many kernels of the series the attempts have finished.
    pub(super) finished: BTreeMap<usize, usize>,
}

/// Looks at every attempt.
pub(super) fn found(prepared: &Prepared, count: usize) -> Result<Found, Error> {
    let mut found = Found::default();
    for run in prepared.runs()? {
        let Some(shard) = prepared.shard_of(&run).filter(|shard| shard.count == count) else {
            continue;
        };
        let stages = finished(&run);
        let most = found.finished.entry(shard.index).or_default();
        *most = stages.max(*most);
        match verdict(&run, shard, &prepared.inputs()) {
            Ok(None) => {}
            Ok(Some(verdict)) => {
                found.verdicts.entry(shard.index).or_default().push(verdict);
                found.runs.push(run);
            }
            Err(why) => {
                found.damaged.insert(shard.index, why);
            }
        }
    }
    Ok(found)
}

/// The verdict in a run's directory; `None` where there is none yet.
fn verdict(run: &Utf8Path, shard: Shard, inputs: &str) -> Result<Option<Verdict>, String> {
    let file = run.join("verdict.json");
    let bytes = match std::fs::read(&file) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(format!("its verdict cannot be read: {error}")),
    };
    let verdict: Verdict = serde_json::from_slice(&bytes)
        .map_err(|error| format!("its verdict is not whole: {error}"))?;
    if verdict.schema != SCHEMA {
        return Err(format!(
            "its verdict is {} and not {SCHEMA}",
            verdict.schema
        ));
    }
    if verdict.shard != Some(shard) || verdict.inputs.as_deref() != Some(inputs) {
        return Err("its verdict is that of another run or shard".into());
    }
    Ok(Some(verdict))
}

/// How many kernels of the series an attempt has finished; the base is booted by each anew.
fn finished(run: &Utf8Path) -> usize {
    let entries = run.read_dir_utf8().into_iter().flatten().flatten();
    let is_whole = |dir: &Utf8Path| {
        let bytes = std::fs::read(dir.join("stage.json")).unwrap_or_default();
        serde_json::from_slice::<Stage>(&bytes).is_ok()
    };
    let patched = entries.filter(|entry| entry.file_name() != "00");
    patched.filter(|entry| is_whole(entry.path())).count()
}

impl Batch {
    /// How many kernels of a shard are finished.
    pub(super) fn finished(&self, shard: usize) -> usize {
        let found = found(&self.prepared, self.data.shards).unwrap_or_default();
        found.finished.get(&shard).copied().unwrap_or(0)
    }

    /// One verdict of what the shards have left and what was decided without a boot; `given_up` are the shards without one, each with why.
    pub(super) fn put_together(
        &self,
        found: &Found,
        given_up: &BTreeMap<usize, String>,
    ) -> Result<Verdict, Error> {
        let count = self.data.shards;
        let mut parts = self.prepared.decided()?;
        for verdict in found.verdicts.values().flatten() {
            parts.push(verdict.base.clone());
            parts.extend(verdict.patches.iter().cloned());
        }
        let mut missing = Vec::new();
        for (index, why) in given_up {
            let shard = Shard {
                index: *index,
                count,
            };
            let told = self.prepared.told(shard);
            missing.push(format!("{shard} ({told}): {why}"));
            let of_each = format!("not run: shard {shard}: {why}");
            parts.extend(self.prepared.lost(shard, &of_each));
        }
        let id = self.prepared.home.file_name().unwrap_or("run");
        self.prepared.put_together(id, parts, &found.runs, &missing)
    }
}
