// SPDX-License-Identifier: MIT OR Apache-2.0
//! How the cost of a batch grows with patches and configurations, from what one batch was measured to cost.

use super::KERNELS_A_SHARD;
use crate::error::Error;
use crate::run::{Cost, Prepared, Size};
use failure::counted;
use std::fmt::Write as _;

/// Patches and configurations of each row: what a desk does, a subsystem's series, and what is tree-wide.
const ROWS: [(u64, u64); 6] = [(2, 1), (10, 1), (100, 1), (1000, 1), (100, 10), (1000, 10)];
/// Numbers of guests that run at once, for the time until the verdict: those of a few machines, and of a cluster.
const AT_ONCE: [u64; 2] = [10, 100];
const GIB: f64 = (1_u64 << 30) as f64;

/// What one batch was measured to cost.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Measured {
    /// Seconds of make for the base, and for one patch.
    base: f64,
    patch: f64,
    /// Guests to a kernel: targets that want other devices are booted apart.
    guests: u64,
    /// Seconds of one boot, with its share of what its shard does besides, and of the processors.
    wall: f64,
    cpu: f64,
    /// Bytes of one kernel with its initramfs, and of what one boot leaves.
    kernel: f64,
    left: f64,
}

/// A table in Markdown, with the figures that it is computed from above it.
///
/// # Errors
/// [`Error::Usage`] where no shard of `prepared` has left its cost, [`Error::Io`].
pub fn growth(prepared: &Prepared) -> Result<String, Error> {
    let costs = prepared.costs()?;
    let size = prepared.size();
    let guests = u64::try_from(prepared.guests()).unwrap_or(u64::MAX);
    let measured = measured(size, &costs, guests).ok_or_else(|| {
        let home = &prepared.home;
        Error::Usage(format!(
            "estimate by `{home}`: no shard of it was booted to its end"
        ))
    })?;
    let name = prepared.home.file_name().unwrap_or("run");
    let boots: usize = costs.iter().map(|cost| cost.boots).sum();
    let peak = costs.iter().map(|cost| cost.peak_kib).max().unwrap_or(0) / 1024;
    let mut text = format!(
        "Measured in {name}: {boots} boots in {} shards, {:.1} s and {:.1} s of a processor each, {} to a kernel, {:.1} s of make for the \
         base and {:.1} s for a patch, {:.1} MiB a kernel, {:.2} MiB left by a boot, {peak} MiB the largest process.\n\n",
        costs.len(),
        measured.wall,
        measured.cpu,
        counted(measured.guests, "guest"),
        measured.base,
        measured.patch,
        measured.kernel / f64::from(1 << 20),
        measured.left / f64::from(1 << 20),
    );
    text += "| patches | configurations | kernels made | hours of make | of one configuration | shards | boots | hours of booting | hours of processors |";
    for guests in AT_ONCE {
        let _infallible = write!(text, " {guests} guests at once, hours |");
    }
    text += " GiB prepared | GiB left |\n|";
    text += &"---|".repeat(11 + AT_ONCE.len());
    text.push('\n');
    for (patches, configurations) in ROWS {
        text += &row(&measured, patches, configurations);
    }
    Ok(text)
}

fn measured(size: Size, costs: &[Cost], guests: u64) -> Option<Measured> {
    let boots: usize = costs.iter().map(|cost| cost.boots).sum();
    if boots == 0 || guests == 0 || size.kernels == 0 {
        return None;
    }
    let a_boot = |of: &dyn Fn(&Cost) -> f64| costs.iter().map(of).sum::<f64>() / boots as f64;
    let (base, patches) = size.seconds;
    Some(Measured {
        base,
        patch: patches / (size.kernels - 1).max(1) as f64,
        guests,
        wall: a_boot(&|cost| cost.wall_seconds),
        cpu: a_boot(&|cost| cost.cpu_seconds),
        kernel: size.bytes as f64 / size.kernels as f64,
        left: a_boot(&|cost| cost.bytes as f64),
    })
}

fn row(measured: &Measured, patches: u64, configurations: u64) -> String {
    let kernels = configurations * (patches + 1);
    let make = configurations as f64 * (measured.base + patches as f64 * measured.patch);
    let shards = configurations * patches.div_ceil(KERNELS_A_SHARD as u64);
    // Each shard boots the base besides.
    let boots = measured.guests * (configurations * patches + shards);
    let hours = |seconds: f64| seconds / 3600.0;
    let booting = hours(boots as f64 * measured.wall);
    let mut text = format!(
        "| {patches} | {configurations} | {kernels} | {:.2} | {:.2} | {shards} | {boots} | {booting:.2} | {:.2} |",
        hours(make),
        hours(make / configurations as f64),
        hours(boots as f64 * measured.cpu),
    );
    for at_once in AT_ONCE {
        // A shard's boots come one after the other, so that no more guests run than there are shards.
        let rounds = shards.div_ceil(at_once) as f64 / shards as f64;
        let _infallible = write!(text, " {:.2} |", booting * rounds);
    }
    let prepared = kernels as f64 * measured.kernel / GIB;
    let left = boots as f64 * measured.left / GIB;
    let _infallible = writeln!(text, " {prepared:.2} | {left:.2} |");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_large_run_costs_is_computed_from_what_a_small_one_cost() {
        let size = Size {
            kernels: 3,
            jobs: 2,
            seconds: (60.0, 20.0),
            bytes: 3 << 20,
        };
        let cost = |boots, wall_seconds| Cost {
            host: "a".into(),
            wall_seconds,
            cpu_seconds: wall_seconds * 1.5,
            peak_kib: 1,
            boots,
            bytes: 1024 * boots as u64,
        };
        assert_eq!(measured(size, &[], 1), None);
        let measured = measured(size, &[cost(2, 10.0), cost(2, 14.0)], 2).unwrap();
        assert_eq!((measured.wall, measured.cpu), (6.0, 9.0));
        assert_eq!((measured.base, measured.patch), (60.0, 10.0));
        assert_eq!(
            row(&measured, 1000, 10),
            "| 1000 | 10 | 10010 | 27.94 | 2.79 | 2500 | 25000 | 41.67 | 62.50 | 4.17 | 0.42 | 9.78 | 0.02 |\n"
        );
    }
}
