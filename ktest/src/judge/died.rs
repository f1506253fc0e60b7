// SPDX-License-Identifier: MIT OR Apache-2.0
//! Crash, hang, flood: whatever keeps the guest from speaking for itself, and the target that it happened in.

use super::target::{Judgement, beside, complaints, inconclusive};
use crate::boot::{Ended, Seen};
use crate::console::Found;
use crate::results::Report;
use crate::target::TargetSpec;
use crate::verdict::Outcome;

pub(super) fn died(spec: &TargetSpec, seen: &Seen, report: Option<&Report>) -> Option<Judgement> {
    let ended = report.is_some_and(|r| r.end.is_some());
    let fatal = |of: &dyn Fn(&Found) -> bool| seen.scan.found.iter().find(|f| f.fatal && of(f));
    if let Some(found) = fatal(&|f| f.target.as_deref() == Some(spec.name.as_str())) {
        return Some((Outcome::Crash, Some(found.splat.told())));
    }
    if let (Some(found), false) = (fatal(&|f| f.target.is_none()), ended) {
        let reason = format!("while booting: {}", found.splat.told());
        return Some((Outcome::Crash, Some(reason)));
    }
    if let (Some(found), false) = (fatal(&|_| true), ended) {
        let during = found.target.as_deref().unwrap_or("the boot");
        let reason = format!("not reached: the kernel crashed during {during}");
        return Some(inconclusive(&reason));
    }
    // In a guest of ours an oops ends the kernel; a machine of the user's may go on.
    let earlier = |f: &Found| {
        let at = f.target.as_deref().and_then(|during| place(seen, during));
        at.is_some_and(|at| place(seen, &spec.name).is_some_and(|own| at < own))
    };
    if let Some(during) = fatal(&earlier).and_then(|f| f.target.as_deref()) {
        let reason = format!("it ran on a kernel that had crashed during {during}");
        return Some(inconclusive(&reason));
    }
    match (seen.ended, ended) {
        (Ended::Flooded, false) => Some(flooded(spec, seen)),
        (Ended::Deadline, false) => Some(hung(spec, seen, report)),
        (Ended::Deadline, true) if seen.results.verdicts.len() == 1 => Some((
            Outcome::Timeout,
            Some("the guest gave its verdict, then hung instead of powering off".into()),
        )),
        _ => None,
    }
}

/// Whether what ended the guest without a verdict came in a target that began after this one had ended: then this one has
/// its own say.
pub(super) fn explained(spec: &TargetSpec, seen: &Seen) -> bool {
    let Some(own) = place(seen, &spec.name) else {
        return false;
    };
    let later = |name: &str| place(seen, name).is_some_and(|at| at > own);
    let fatal = seen.scan.found.iter().find(|f| f.fatal);
    let crashed = fatal.and_then(|f| f.target.as_deref()).is_some_and(later);
    let stopped = seen.ended != Ended::Exited;
    crashed || (stopped && running(seen).is_some_and(later))
}

fn place(seen: &Seen, target: &str) -> Option<usize> {
    let mut targets = seen.results.targets.iter();
    targets.position(|(name, _)| name == target)
}

fn running(seen: &Seen) -> Option<&str> {
    let running = seen.results.targets.iter().rfind(|(_, r)| r.end.is_none());
    running.map(|(name, _)| name.as_str())
}

/// A kernel that complains without end has failed; one that only talks has not said what it is worth.
fn flooded(spec: &TargetSpec, seen: &Seen) -> Judgement {
    let stopped = "the guest wrote more than its logs may hold, and was stopped";
    match running(seen) {
        Some(name) if name != spec.name => {
            inconclusive(&format!("not reached: in {name} {stopped}"))
        }
        Some(_) => match loudest(spec, seen) {
            Some(found) => {
                let reason = format!("console: {}; {stopped}", found.splat.told());
                (Outcome::Fail, Some(reason))
            }
            None => inconclusive(stopped),
        },
        None => inconclusive(stopped),
    }
}

fn loudest<'s>(spec: &'s TargetSpec, seen: &'s Seen) -> Option<&'s Found> {
    let mut loudest: Option<&Found> = None;
    for found in complaints(spec, seen) {
        if loudest.is_none_or(|known| found.splat.times > known.splat.times) {
            loudest = Some(found);
        }
    }
    loudest
}

fn hung(spec: &TargetSpec, seen: &Seen, report: Option<&Report>) -> Judgement {
    let timeout = |reason: &str| (Outcome::Timeout, Some(reason.to_owned()));
    match running(seen) {
        Some(name) if name == spec.name => {
            let hung = "the guest hung in it and was stopped";
            let complaint = complaints(spec, seen).next();
            let complaint = complaint.map(|found| format!("console: {}", found.splat.told()));
            let nothing = Report::default();
            timeout(&beside(hung, report.unwrap_or(&nothing), complaint))
        }
        Some(name) => inconclusive(&format!("not reached: the guest hung in {name}")),
        None if seen.results.targets.is_empty() => {
            timeout("the guest hung while booting and was stopped")
        }
        None => timeout("the guest hung between two targets and was stopped"),
    }
}
