// SPDX-License-Identifier: MIT OR Apache-2.0
//! A run as a list of jobs, kernel by target, and the part of it that a shard takes.
//!
//! Kernels come in the order of the series, because the first bad one is what is asked for; for each kernel the targets
//! that reach what the series touches come first. A shard is a run of neighbours in that list, so that it builds as few
//! kernels as can be. Whatever it boots a patched kernel with, it boots the base with too.

use crate::series::{Overlay, Staged};
use crate::target::TargetSpec;
use crate::verdict::Shard;

/// For each kernel, the base first, the indices of the targets that it is booted with.
pub(super) fn plan(
    targets: &[TargetSpec],
    staged: &[Staged],
    kernels: &[usize],
    shard: Option<Shard>,
) -> Vec<Vec<usize>> {
    let touched = staged.last().map(|last| &last.overlay);
    in_order(&order(targets, touched), staged.len(), kernels, shard)
}

/// The indices of the targets, those first that reach what is touched.
pub(super) fn order(targets: &[TargetSpec], touched: Option<&Overlay>) -> Vec<usize> {
    let reaches = |target: &TargetSpec| {
        touched.is_some_and(|files| files.keys().any(|path| target.reaches(path.as_str())))
    };
    let mut order: Vec<usize> = (0..targets.len()).collect();
    order.sort_by_key(|index| !reaches(&targets[*index]));
    order
}

/// The same as [`plan`] with the targets in this order, for a series of `patches`.
pub(super) fn in_order(
    order: &[usize],
    patches: usize,
    kernels: &[usize],
    shard: Option<Shard>,
) -> Vec<Vec<usize>> {
    // Without patches the base's jobs are what there is to share.
    let kernels: Vec<usize> = if kernels.is_empty() {
        vec![0]
    } else {
        kernels.to_vec()
    };
    let jobs: Vec<(usize, usize)> = kernels
        .iter()
        .flat_map(|kernel| order.iter().map(move |target| (*kernel, *target)))
        .collect();
    let part = match shard {
        Some(shard) => {
            let at = |index: usize| jobs.len() * index / shard.count;
            &jobs[at(shard.index - 1)..at(shard.index)]
        }
        None => &jobs[..],
    };
    let mut plan = vec![Vec::new(); patches + 1];
    for (kernel, target) in part {
        if !plan[*kernel].contains(target) {
            plan[*kernel].push(*target);
        }
        if !plan[0].contains(target) {
            plan[0].push(*target);
        }
    }
    plan
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::series::Content;
    use crate::target::select;

    fn staged(count: usize) -> Vec<Staged> {
        let overlay = Overlay::from([("io_uring/rsrc.c".into(), Content::file(""))]);
        (0..count)
            .map(|number| Staged {
                subject: format!("patch {number}"),
                overlay: overlay.clone(),
                touched: vec!["io_uring/rsrc.c".into()],
            })
            .collect()
    }

    #[test]
    fn every_job_is_in_exactly_one_shard_and_the_base_in_each() {
        let targets = select(&["vmci,io-uring,udmabuf".into()]).unwrap();
        let staged = staged(3);
        let whole = plan(&targets, &staged, &[1, 2, 3], None);
        assert_eq!(
            whole[1],
            [1, 0, 2],
            "what reaches the touched file is first"
        );
        for count in 1..12 {
            let mut seen = Vec::new();
            for index in 1..=count {
                let part = plan(&targets, &staged, &[1, 2, 3], Some(Shard { index, count }));
                for (kernel, of) in part.iter().enumerate().skip(1) {
                    assert!(of.iter().all(|target| part[0].contains(target)));
                    seen.extend(of.iter().map(|target| (kernel, *target)));
                }
            }
            seen.sort_unstable();
            seen.dedup();
            assert_eq!(seen.len(), 9, "{count} shards");
        }
    }

    #[test]
    fn without_a_series_the_bases_targets_are_shared() {
        let targets = select(&["vmci,io-uring".into()]).unwrap();
        let part = |index| plan(&targets, &[], &[], Some(Shard { index, count: 2 }));
        assert_eq!((part(1), part(2)), (vec![vec![0]], vec![vec![1]]));
    }
}
