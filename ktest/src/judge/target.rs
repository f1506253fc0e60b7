// SPDX-License-Identifier: MIT OR Apache-2.0
//! The verdict on one target.

use super::died::{died, explained};
use super::taint;
use crate::boot::{Ended, Seen};
use crate::console::Found;
use crate::results::Report;
use crate::target::{PinRule, TargetSpec};
use crate::verdict::{Outcome, Pins, Splat, Target};
use failure::counted;

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
    let splats: Vec<Splat> = complaints(spec, seen).map(|f| f.splat.clone()).collect();
    let report = seen.results.target(&spec.name);
    let (result, reason) = outcome(spec, converted, seen, report);
    let report = report.cloned().unwrap_or_default();
    Target {
        result,
        reason,
        subtests: report.subtests,
        pins: report.pins,
        drift_pages: report.drift_pages,
        splats,
        ..Target::named(&spec.name)
    }
}

/// What the kernel complained of while it ran and before the next one, but for the warnings that it says it provokes.
pub(super) fn complaints<'s>(
    spec: &'s TargetSpec,
    seen: &'s Seen,
) -> impl Iterator<Item = &'s Found> + 's {
    let own = |f: &&Found| f.target.as_deref() == Some(spec.name.as_str());
    let provoked = |f: &&Found| spec.provokes(&f.splat.kind, &f.splat.first_line);
    seen.scan
        .found
        .iter()
        .filter(own)
        .filter(move |f| !provoked(f))
}

pub(super) type Judgement = (Outcome, Option<String>);

fn outcome(
    spec: &TargetSpec,
    converted: Converted,
    seen: &Seen,
    report: Option<&Report>,
) -> Judgement {
    if let Some(judgement) = died(spec, seen, report) {
        return judgement;
    }
    if let Some(reason) = untrustworthy(spec, seen) {
        return (Outcome::Inconclusive, Some(reason));
    }
    let Some(report) = report else {
        return inconclusive("the guest never began it");
    };
    let Some((word, why)) = &report.end else {
        return inconclusive("the guest began it and never ended it");
    };
    let complaint = complaints(spec, seen)
        .next()
        .map(|f| format!("console: {}", f.splat.told()));
    match word.as_str() {
        "timeout" => {
            return (Outcome::Timeout, Some(beside(why, report, complaint)));
        }
        "pass" | "fail" | "skip" => {}
        other => {
            return inconclusive(&format!(
                "the guest ended it with the unknown word `{other}`"
            ));
        }
    }
    if let Some(reason) = imbalance(report) {
        return (Outcome::Fail, Some(reason));
    }
    if let Some(reason) = complaint.or_else(|| taint::complaint(spec, &seen.results)) {
        return (Outcome::Fail, Some(reason));
    }
    if let Some(reason) = first_failed(report) {
        return (Outcome::Fail, Some(reason));
    }
    match word.as_str() {
        "fail" => (Outcome::Fail, Some(why.clone())),
        _ if report.subtests.is_empty() && word == "pass" => {
            inconclusive("it passed without a subtest")
        }
        _ if report.subtests.iter().all(|s| s.result == Outcome::Skip) => {
            let first = report.subtests.first().and_then(|s| s.reason.clone());
            let why = Some(why.clone()).filter(|w| !w.is_empty()).or(first);
            let why = why.unwrap_or_else(|| "no reason given".into());
            (Outcome::Skip, Some(why))
        }
        "skip" => inconclusive("the guest skipped it although subtests ran"),
        _ => unmoved(spec, converted, report),
    }
}

/// `why` a target did not come to its end, and what had gone wrong before, which is often the cause: what is not given
/// back leaves less and less memory to what follows.
pub(super) fn beside(why: &str, report: &Report, complaint: Option<String>) -> String {
    let wrong = imbalance(report).or_else(|| first_failed(report));
    let before = wrong.map(|wrong| format!("before, {wrong}"));
    let all = [Some(why.to_owned()), before, complaint];
    all.into_iter().flatten().collect::<Vec<_>>().join("; ")
}

fn first_failed(report: &Report) -> Option<String> {
    let failed = report.subtests.iter().find(|s| s.result == Outcome::Fail)?;
    let why = failed.reason.as_deref().unwrap_or("failed");
    Some(format!("{}: {why}", failed.name))
}

/// Why nothing that the guest says of a target counts.
fn untrustworthy(spec: &TargetSpec, seen: &Seen) -> Option<String> {
    if let Some(why) = &seen.results.refused {
        return Some(format!("the guest could do nothing: {why}"));
    }
    if let Some(noise) = &seen.results.noise {
        return Some(format!(
            "other programs of the machine take pins ({} acquired, {} released while nothing of ours ran)",
            noise.acquired, noise.released
        ));
    }
    if let Some(problem) = seen.results.problems.first() {
        return Some(format!(
            "the results hold a line that nobody can read: {problem}"
        ));
    }
    let verdicts = &seen.results.verdicts;
    match verdicts.as_slice() {
        // What ended the guest ended it after this target.
        [] if explained(spec, seen) => return None,
        [] => return Some("the guest ended without a verdict".into()),
        [word] if word == "pass" || word == "fail" => {}
        [word] => return Some(format!("the guest's verdict is the unknown word `{word}`")),
        many => return Some(format!("the guest gave {} verdicts", many.len())),
    }
    if seen.ended == Ended::Flooded {
        return Some("the guest wrote more than its logs may hold, and was stopped".into());
    }
    let all_well = seen.results.targets.iter().all(|(_, report)| {
        let end = report.end.as_ref();
        end.is_some_and(|(word, _)| word == "pass" || word == "skip")
    });
    if (verdicts[0] == "pass") != all_well {
        return Some(format!(
            "the guest's verdict is `{}`, its targets say otherwise",
            verdicts[0]
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
            let gone = format!("{} gone over all repetitions", counted(pages, "free page"));
            (Outcome::Pass, Some(format!("{said}: {gone}")))
        }
        (None, None) => {
            inconclusive("the kernel has no pin counters, and no free memory was measured")
        }
        (Some(_), _) => inconclusive("the kernel counts pins although its release has no counters"),
    }
}

pub(super) fn inconclusive(reason: &str) -> Judgement {
    (Outcome::Inconclusive, Some(reason.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::Scan;
    use crate::results::Results;

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
        let console = "ktest: begin io-uring\nktest: end io-uring\nktest: begin vmci\nkernel BUG at mm/gup.c:1!\nktest: end vmci\n";
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
    fn a_target_that_did_not_end_says_what_had_failed_before() {
        let judged = |ended, lines: &str| {
            let text = format!("# begin process-vm FAILED\n    ok 1 a\n{lines}");
            let seen = Seen {
                ended,
                scan: Scan::default(),
                results: Results::parse(&text),
            };
            let spec = &crate::target::select(&["process-vm".into()]).unwrap()[0];
            let judged = judge(spec, Converted::No, &seen);
            assert_eq!(judged.result, Outcome::Timeout);
            judged.reason.unwrap()
        };
        let failed = "    not ok 2 read # other bytes came\n";
        let leaks = "    # pins write acquired=5 released=4\n    not ok 3 write # pins acquired 5, released 4\n";
        let late = "# end process-vm timeout not finished after 90 s\nktest verdict: fail\n";
        assert_eq!(judged(Ended::Exited, late), "not finished after 90 s");
        assert_eq!(
            judged(Ended::Exited, &format!("{failed}{late}")),
            "not finished after 90 s; before, read: other bytes came"
        );
        assert_eq!(
            judged(Ended::Exited, &format!("{failed}{leaks}{late}")),
            "not finished after 90 s; before, pins acquired 5, released 4 (write)"
        );
        assert_eq!(
            judged(Ended::Deadline, failed),
            "the guest hung in it and was stopped; before, read: other bytes came"
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
        let said = "no pin counters before 5.6; free memory stands in for them: 3 free pages gone over all repetitions";
        assert_eq!(reason.as_deref(), Some(said));
        assert_eq!(drifted(&Report::default()).0, Outcome::Inconclusive);
    }
}
