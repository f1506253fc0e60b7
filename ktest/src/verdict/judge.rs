// SPDX-License-Identifier: MIT OR Apache-2.0
//! The rules.

use super::types::{CallsiteEvidence, Outcome, Pins, SCHEMA, Splat, Stage, Target, Verdict};
use crate::console::{Found, Scan};
use crate::results::{Report, Results};
use crate::target::{PinRule, TargetSpec};

/// How QEMU's run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// By itself.
    Exited,
    /// It was stopped at its deadline.
    Deadline,
    /// It was stopped because the console or the results grew beyond their limit.
    Flooded,
}

/// All that one boot left behind.
#[derive(Debug, Clone)]
pub struct Seen {
    /// How it ended.
    pub ended: Ended,
    /// The console.
    pub scan: Scan,
    /// The results port.
    pub results: Results,
}

impl Seen {
    /// The guest gave no verdict, and its kernel did not complain.
    pub(crate) fn is_silent(&self) -> bool {
        self.results.verdicts.is_empty() && self.scan.found.is_empty()
    }
}

/// What a series has changed about a target: whether what it exercises now asks for pins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Converted {
    /// A patch brought pinning calls into files that the target exercises.
    Yes,
    /// None did.
    No,
}

/// The verdict on one target after one boot.
pub fn judge(spec: &TargetSpec, converted: Converted, seen: &Seen) -> Target {
    let splats: Vec<Splat> = seen
        .scan
        .found
        .iter()
        .filter(|f| f.target.as_deref().is_none_or(|t| t == spec.name))
        .filter(|f| !provoked(spec, f))
        .map(|f| f.splat.clone())
        .collect();
    let report = seen.results.target(&spec.name);
    let (result, reason) = outcome(spec, converted, seen, report);
    let report = report.cloned().unwrap_or_default();
    Target {
        name: spec.name.clone(),
        result,
        reason,
        subtests: report.subtests,
        pins: report.pins,
        drift_pages: report.drift_pages,
        accelerator: None,
        splats,
        callsites: Vec::<CallsiteEvidence>::new(),
    }
}

/// A warning that the target says it provokes, and that was printed while it ran.
fn provoked(spec: &TargetSpec, found: &Found) -> bool {
    found.target.as_deref() == Some(spec.name.as_str())
        && spec.provokes(&found.splat.kind, &found.splat.first_line)
}

type Judgement = (Outcome, Option<String>);

fn outcome(
    spec: &TargetSpec,
    converted: Converted,
    seen: &Seen,
    report: Option<&Report>,
) -> Judgement {
    if let Some(judgement) = died(spec, seen, report) {
        return judgement;
    }
    if let Some(reason) = untrustworthy(seen) {
        return (Outcome::Inconclusive, Some(reason));
    }
    let Some(report) = report else {
        return inconclusive("the guest never began it");
    };
    let Some((word, why)) = &report.end else {
        return inconclusive("the guest began it and never ended it");
    };
    match word.as_str() {
        "timeout" => return (Outcome::Timeout, Some(why.clone())),
        "pass" | "fail" | "skip" => {}
        other => {
            return inconclusive(&format!(
                "the guest ended it with the unknown word `{other}`"
            ));
        }
    }
    let complaint = seen
        .scan
        .found
        .iter()
        .find(|f| f.target.as_deref().is_none_or(|t| t == spec.name) && !provoked(spec, f));
    if let Some(reason) = imbalance(report) {
        return (Outcome::Fail, Some(reason));
    }
    if let Some(found) = complaint {
        return (
            Outcome::Fail,
            Some(format!("console: {}", found.splat.first_line)),
        );
    }
    if let Some(failed) = report.subtests.iter().find(|s| s.result == Outcome::Fail) {
        let why = failed.reason.as_deref().unwrap_or("failed");
        return (Outcome::Fail, Some(format!("{}: {why}", failed.name)));
    }
    match word.as_str() {
        "fail" => (Outcome::Fail, Some(why.clone())),
        _ if report.subtests.is_empty() && word == "pass" => {
            inconclusive("it passed without a subtest")
        }
        _ if report.subtests.iter().all(|s| s.result == Outcome::Skip) => {
            let first = report.subtests.first().and_then(|s| s.reason.clone());
            let why = Some(why.clone()).filter(|w| !w.is_empty()).or(first);
            (
                Outcome::Skip,
                Some(why.unwrap_or_else(|| "no reason given".into())),
            )
        }
        "skip" => inconclusive("the guest skipped it although subtests ran"),
        _ => unmoved(spec, converted, report),
    }
}

/// Crash, hang, flood: whatever keeps the guest from speaking for itself.
fn died(spec: &TargetSpec, seen: &Seen, report: Option<&Report>) -> Option<Judgement> {
    let ended = report.is_some_and(|r| r.end.is_some());
    let fatal = seen.scan.found.iter().find(|f| {
        let mine = f.target.as_deref() == Some(spec.name.as_str());
        f.fatal && (mine || (f.target.is_none() && !ended))
    });
    if let Some(found) = fatal {
        return Some((Outcome::Crash, Some(found.splat.first_line.clone())));
    }
    let elsewhere = seen.scan.found.iter().find(|f| f.fatal);
    if let (Some(found), false) = (elsewhere, ended) {
        let during = found.target.as_deref().unwrap_or("another");
        return Some(inconclusive(&format!(
            "not reached: the kernel crashed during {during}"
        )));
    }
    // In a guest of ours an oops ends the kernel; a machine of the user's may go on.
    let began = |name: &str| seen.results.targets.iter().position(|(n, _)| n == name);
    let earlier = seen.scan.found.iter().filter(|f| f.fatal).find_map(|f| {
        let during = f.target.as_deref()?;
        (began(during)? < began(&spec.name)?).then_some(during)
    });
    if let Some(during) = earlier {
        return Some(inconclusive(&format!(
            "it ran on a kernel that had crashed during {during}"
        )));
    }
    if seen.ended == Ended::Flooded && !ended {
        return Some(inconclusive(
            "the guest wrote more than its logs may hold, and was stopped",
        ));
    }
    if seen.ended == Ended::Deadline && !ended {
        let running = seen.results.targets.iter().rfind(|(_, r)| r.end.is_none());
        return Some(match running {
            Some((name, _)) if *name == spec.name => (
                Outcome::Timeout,
                Some("the guest hung in it and was stopped".into()),
            ),
            Some((name, _)) => inconclusive(&format!("not reached: the guest hung in {name}")),
            None if seen.results.targets.is_empty() => (
                Outcome::Timeout,
                Some("the guest hung while booting and was stopped".into()),
            ),
            None => (
                Outcome::Timeout,
                Some("the guest hung between two targets and was stopped".into()),
            ),
        });
    }
    if seen.ended == Ended::Deadline && seen.results.verdicts.len() == 1 {
        return Some((
            Outcome::Timeout,
            Some("the guest gave its verdict, then hung instead of powering off".into()),
        ));
    }
    None
}

/// Why nothing that the guest says counts.
fn untrustworthy(seen: &Seen) -> Option<String> {
    if let Some(why) = &seen.results.refused {
        return Some(format!("the guest could do nothing: {why}"));
    }
    if let Some(noise) = &seen.results.noise {
        return Some(format!(
            "other programs of the machine take pins ({} acquired, {} released while nothing of ours ran)",
            noise.acquired, noise.released
        ));
    }
    let verdicts = &seen.results.verdicts;
    match verdicts.as_slice() {
        [] => return Some("the guest ended without a verdict".into()),
        [word] if word == "pass" || word == "fail" => {}
        [word] => return Some(format!("the guest's verdict is the unknown word `{word}`")),
        many => return Some(format!("the guest gave {} verdicts", many.len())),
    }
    if seen.ended == Ended::Flooded {
        return Some("the guest wrote more than its logs may hold, and was stopped".into());
    }
    let all_well = seen.results.targets.iter().all(|(_, report)| {
        report
            .end
            .as_ref()
            .is_some_and(|(word, _)| word == "pass" || word == "skip")
    });
    if (verdicts[0] == "pass") != all_well {
        return Some(format!(
            "the guest's verdict is `{}`, its targets say otherwise",
            verdicts[0]
        ));
    }
    if let Some(problem) = seen.results.problems.first() {
        return Some(format!(
            "the results hold a line that nobody can read: {problem}"
        ));
    }
    None
}

fn imbalance(report: &Report) -> Option<String> {
    let say = |pins: Pins| {
        format!(
            "pins acquired {}, released {}",
            pins.acquired, pins.released
        )
    };
    let subtests = report
        .subtests
        .iter()
        .filter_map(|s| s.pins.map(|p| (s, p)));
    if let Some((subtest, pins)) = subtests.clone().find(|(_, p)| !p.balanced) {
        return Some(format!("{} ({})", say(pins), subtest.name));
    }
    if let Some(pins) = report.pins.filter(|p| !p.balanced) {
        return Some(say(pins));
    }
    None
}

/// The last rule: counters that ought to have moved did.
fn unmoved(spec: &TargetSpec, converted: Converted, report: &Report) -> Judgement {
    let must_move = match spec.pins {
        PinRule::Moved => true,
        PinRule::WhenConverted => converted == Converted::Yes,
        PinRule::Balanced => false,
        PinRule::Drift => return drifted(report),
    };
    match report.pins {
        None if must_move => inconclusive("the kernel has no pin counters"),
        Some(pins) if must_move && pins.acquired == 0 => (
            Outcome::Fail,
            Some("pins acquired 0: what it exercises ought to pin and took none".into()),
        ),
        _ => (Outcome::Pass, None),
    }
}

/// Without counters: what the guest measured of free memory. A leak failed its subtest already.
fn drifted(report: &Report) -> Judgement {
    match (report.pins, report.drift_pages) {
        (None, Some(pages)) => {
            let said = "no pin counters before 5.6; free memory stands in for them";
            let gone = format!("{pages} page(s) gone over all repetitions");
            (Outcome::Pass, Some(format!("{said}: {gone}")))
        }
        (None, None) => {
            inconclusive("the kernel has no pin counters, and no free memory was measured")
        }
        (Some(_), _) => inconclusive("the kernel counts pins although its release has no counters"),
    }
}

fn inconclusive(reason: &str) -> Judgement {
    (Outcome::Inconclusive, Some(reason.to_owned()))
}

/// The verdict on a run of which every stage has been judged.
pub fn summarise(run: &str, base: Stage, patches: Vec<Stage>) -> Verdict {
    let bad = |stage: &Stage| -> Option<String> {
        if stage.build.result == Outcome::Fail {
            return Some(
                stage
                    .build
                    .reason
                    .clone()
                    .unwrap_or_else(|| "it does not compile".into()),
            );
        }
        let of = stage
            .targets
            .iter()
            .find(|t| !matches!(t.result, Outcome::Pass | Outcome::Skip))?;
        let reason = of.reason.as_deref().unwrap_or("failed");
        Some(format!("{}: {reason}", of.name))
    };
    let inconclusive_only = |stage: &Stage| {
        stage.build.result != Outcome::Fail
            && stage.targets.iter().all(|t| {
                matches!(
                    t.result,
                    Outcome::Pass | Outcome::Skip | Outcome::Inconclusive
                )
            })
    };
    let mut first_bad = None;
    let (result, reason) = if let Some(why) = bad(&base) {
        // With patches to judge, a bad base means that nothing can be said about them.
        let result = if patches.is_empty() && !inconclusive_only(&base) {
            Outcome::Fail
        } else {
            Outcome::Inconclusive
        };
        (result, format!("the base itself is not good: {why}"))
    } else if let Some((stage, why)) = patches.iter().find_map(|s| bad(s).map(|why| (s, why))) {
        first_bad = Some(stage.subject.clone());
        let result = if inconclusive_only(stage) {
            Outcome::Inconclusive
        } else {
            Outcome::Fail
        };
        (result, format!("\"{}\": {why}", stage.subject))
    } else {
        // A kernel with nothing new in it was not booted; the last that was is what is known.
        let booted = |stage: &&Stage| stage.targets.iter().any(|t| t.result != Outcome::Skip);
        let last = patches.iter().rfind(booted).or(patches.last());
        let last = last.unwrap_or(&base);
        let count = |r| last.targets.iter().filter(|t| t.result == r).count();
        let (passed, skipped) = (count(Outcome::Pass), count(Outcome::Skip));
        let result = if passed == 0 {
            Outcome::Inconclusive
        } else {
            Outcome::Pass
        };
        (
            result,
            format!("{passed} target(s) passed, {skipped} skipped"),
        )
    };
    Verdict {
        schema: SCHEMA.into(),
        result,
        reason,
        run: run.to_owned(),
        shard: None,
        inputs: None,
        first_bad,
        base,
        patches,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_runs_on_a_kernel_that_has_crashed_proves_nothing() {
        let of = |name: &str| {
            format!(
                "# begin {name} FAILED\n    ok 1 a\n# pins {name} acquired=5 released=5\n# end {name} pass\n"
            )
        };
        let text = [&of("io-uring"), &of("vmci"), &of("process-vm")]
            .map(String::as_str)
            .concat();
        let console = "ktest: begin vmci\nkernel BUG at mm/gup.c:1!\nktest: end vmci\n";
        let seen = Seen {
            ended: Ended::Exited,
            scan: crate::console::Patterns::built_in().unwrap().scan(console),
            results: Results::parse(&format!("{text}ktest verdict: pass\n")),
        };
        let specs = crate::target::select(&["io-uring,vmci,process-vm".into()]).unwrap();
        let judged: Vec<Target> = specs
            .iter()
            .map(|spec| judge(spec, Converted::No, &seen))
            .collect();
        let results: Vec<Outcome> = judged.iter().map(|t| t.result).collect();
        use Outcome::{Crash, Inconclusive, Pass};
        assert_eq!(results, [Pass, Crash, Inconclusive]);
        assert_eq!(
            judged[2].reason.as_deref(),
            Some("it ran on a kernel that had crashed during vmci")
        );
    }

    #[test]
    fn where_others_take_pins_or_nothing_was_done_nothing_counts() {
        let text = "# begin process-vm FAILED\n    # pins a acquired=5 released=5\n    ok 1 a\n\
            # pins process-vm acquired=5 released=5\n# end process-vm pass\nktest verdict: pass\n";
        let spec = &crate::target::select(&["process-vm".into()]).unwrap()[0];
        let judged = |before: &str| {
            let seen = Seen {
                ended: Ended::Exited,
                scan: Scan::default(),
                results: Results::parse(&format!("{before}{text}")),
            };
            judge(spec, Converted::No, &seen)
        };
        assert_eq!(judged("").result, Outcome::Pass);
        let noisy = judged("# noise machine acquired=1 released=1\n");
        assert_eq!(noisy.result, Outcome::Inconclusive);
        assert!(noisy.reason.unwrap().contains("1 acquired, 1 released"));
        let refused = judged("# init not root\n");
        assert_eq!(
            refused.reason.as_deref(),
            Some("the guest could do nothing: not root")
        );
    }

    #[test]
    fn without_counters_free_memory_must_have_been_measured() {
        let measured = Report {
            drift_pages: Some(3),
            ..Report::default()
        };
        let (outcome, reason) = drifted(&measured);
        assert_eq!(outcome, Outcome::Pass);
        let said = "no pin counters before 5.6; free memory stands in for them: 3 page(s) gone over all repetitions";
        assert_eq!(reason.as_deref(), Some(said));
        assert_eq!(drifted(&Report::default()).0, Outcome::Inconclusive);
    }
}
