// SPDX-License-Identifier: MIT OR Apache-2.0
//! A verdict on a series from runs in user space: the base first, then the tree after every patch.

use super::{DriverRun, Ended, Error, Options, UserspaceRun, run};
use crate::verdict::{
    Build, CallsiteEvidence, Evidence, Outcome, Pins, Stage, Target, Verdict, summarise,
};
use callsites::report::Callsite;
use camino::{Utf8Path, Utf8PathBuf};
use failure::counted;
use refimpl::capi::report::Run;
use std::collections::BTreeSet;

/// An embedded tree with some patches applied.
#[derive(Debug, Clone)]
pub(crate) struct Kernel {
    /// Subject of the last patch in it; of the base its version.
    pub subject: String,
    /// Where it is.
    pub tree: Utf8PathBuf,
}

/// Runs the drivers of the base and of the tree after every patch, and gives exactly one verdict. Every driver is a target:
///
/// - wrong use of a page is a failure, with its place; so are pages that were not given back by the name they were taken by;
/// - a driver in a file that a patch has changed must have no unseen device write left (where the kernel counts pins), must
///   take pins where it took plain references, and must not give a user page back by put_page() any more (before 5.6);
/// - unseen writes of a driver that no patch has touched are what they were.
///
/// A callsite counts as executed when a reference was taken or given back in its function.
///
/// # Errors
/// As [`run`] for the base. A patch that does not compile is part of the verdict.
pub(crate) fn verdict(
    name: &str,
    base: &Kernel,
    patches: &[Kernel],
    callsites: &[Callsite],
    options: &Options,
) -> Result<Verdict, Error> {
    let first = run(&base.tree, &part_of(options, "base"))?;
    let untouched = BTreeSet::new();
    let base_stage = stage(&base.subject, &first, &first, &untouched, callsites);
    let mut stages = Vec::new();
    for (index, patch) in patches.iter().enumerate() {
        let part = part_of(options, &format!("patch-{:04}", index + 1));
        match run(&patch.tree, &part) {
            Ok(after) => {
                let changed = changed(&base.tree, &patch.tree, &after)?;
                stages.push(stage(&patch.subject, &first, &after, &changed, callsites));
            }
            Err(error @ (Error::Compile { .. } | Error::Link(_))) => {
                stages.push(unbuilt(&patch.subject, &error));
            }
            Err(error) => return Err(error),
        }
    }
    for (index, stage) in stages.iter_mut().enumerate() {
        stage.number = index + 1;
    }
    Ok(summarise(name, base_stage, stages))
}

fn part_of(options: &Options, name: &str) -> Options {
    Options {
        work: options.work.as_ref().map(|work| work.join(name)),
        ..options.clone()
    }
}

/// The C files that are not what they were in the base.
fn changed(
    base: &Utf8Path,
    tree: &Utf8Path,
    after: &UserspaceRun,
) -> Result<BTreeSet<String>, Error> {
    let mut changed = BTreeSet::new();
    for source in &after.sources {
        let now = tree.join(source);
        let now = std::fs::read(&now).map_err(|source| Error::io("read", now, source))?;
        // A file that the base does not have is a change too.
        if std::fs::read(base.join(source)).ok().as_deref() != Some(now.as_slice()) {
            changed.insert(source.to_string());
        }
    }
    Ok(changed)
}

fn build(result: Outcome, reason: Option<String>, new_warnings: Vec<String>) -> Build {
    Build {
        new_warnings,
        ..Build::of(result, reason)
    }
}

fn unbuilt(subject: &str, error: &Error) -> Stage {
    let build = build(Outcome::Fail, Some(error.to_string()), Vec::new());
    Stage {
        subject: subject.to_owned(),
        ..Stage::new(0, build)
    }
}

fn stage(
    subject: &str,
    before: &UserspaceRun,
    after: &UserspaceRun,
    changed: &BTreeSet<String>,
    callsites: &[Callsite],
) -> Stage {
    let known: BTreeSet<String> = before
        .warnings
        .iter()
        .map(|line| without_place(line))
        .collect();
    let new = after
        .warnings
        .iter()
        .filter(|line| !known.contains(&without_place(line)));
    Stage {
        subject: subject.to_owned(),
        targets: after
            .drivers
            .iter()
            .map(|driver| target(driver, before, after, changed, callsites))
            .collect(),
        ..Stage::new(0, build(Outcome::Pass, None, new.cloned().collect()))
    }
}

/// A warning without line and column, which every patch above it moves.
fn without_place(line: &str) -> String {
    line.split(':')
        .filter(|part| part.parse::<u32>().is_err())
        .collect::<Vec<_>>()
        .join(":")
}

fn target(
    driver: &DriverRun,
    before: &UserspaceRun,
    after: &UserspaceRun,
    changed: &BTreeSet<String>,
    callsites: &[Callsite],
) -> Target {
    let touched = driver.files().iter().any(|file| changed.contains(*file))
        || changed.contains(&driver.module);
    let was = before
        .driver(&driver.module)
        .and_then(|driver| driver.run.as_ref());
    let counts_pins = after.counts_pins();
    let (result, reason) = match (&driver.ended, &driver.run) {
        (Ended::Crashed, _) => (
            Outcome::Crash,
            Some("the driver's process was ended by a signal".to_owned()),
        ),
        (Ended::Hung, _) => (
            Outcome::Timeout,
            Some("the driver did not end in its time".to_owned()),
        ),
        (Ended::Finished, None) => (
            Outcome::Inconclusive,
            Some("the driver left no report".to_owned()),
        ),
        (Ended::Finished, Some(now)) => match wrong(now, was.filter(|_| touched), counts_pins) {
            Some(reason) => (Outcome::Fail, Some(reason)),
            None if takes_none(now) => took_nothing(was),
            None => (Outcome::Pass, None),
        },
    };
    let pins = driver.run.as_ref().filter(|_| counts_pins).map(|run| {
        let number = |count: i64| u64::try_from(count).unwrap_or(0);
        Pins::new(number(run.vmstat_acquired), number(run.vmstat_released))
    });
    Target {
        result,
        reason,
        pins,
        callsites: evidence(driver, callsites),
        ..Target::named(&driver.module)
    }
}

fn takes_none(run: &Run) -> bool {
    run.totals.gets + run.totals.pins == 0
}

/// The verdict on a driver that took no page: one that never did has nothing to account for, and nothing was tested.
fn took_nothing(was: Option<&Run>) -> (Outcome, Option<String>) {
    match was {
        Some(was) if !takes_none(was) => (
            Outcome::Inconclusive,
            Some("it takes no page of user space any more".to_owned()),
        ),
        _ => (
            Outcome::Skip,
            Some("it takes no page of user space, so there is nothing to account for".to_owned()),
        ),
    }
}

/// The first thing wrong; `was` is what the driver did before a patch touched it, and `None` where none did.
fn wrong(now: &Run, was: Option<&Run>, counts_pins: bool) -> Option<String> {
    if let Some(problem) = now.problems.first() {
        let more = match now.problems.len() {
            1 => String::new(),
            number => format!(" (and {} more)", number - 1),
        };
        return Some(format!(
            "{}: {}() {}{more}",
            problem.site, problem.call, problem.message
        ));
    }
    let totals = now.totals;
    if !now.balanced() {
        let (acquired, released) = (totals.pins, totals.unpins);
        return Some(format!("pins acquired {acquired}, released {released}"));
    }
    let was = was?;
    if counts_pins {
        if let Some(write) = now.unseen_writes.first() {
            return Some(format!(
                "{}: a device writes a page that nobody can see is pinned",
                write.site
            ));
        }
        if was.totals.gets > 0 && totals.pins == 0 {
            return Some(
                "pins acquired 0: it was changed and still takes plain references only".to_owned(),
            );
        }
    } else if was.totals.put_page > 0 && totals.put_page > 0 {
        let number = totals.put_page;
        return Some(format!(
            "{} still given back by put_page()",
            counted(number, "user page")
        ));
    }
    None
}

fn evidence(driver: &DriverRun, callsites: &[Callsite]) -> Vec<CallsiteEvidence> {
    let Some(run) = &driver.run else {
        return Vec::new();
    };
    let ran: BTreeSet<(&str, &str)> = run
        .acquires
        .iter()
        .chain(&run.releases)
        .map(|traffic| (traffic.site.path.as_str(), traffic.site.function.as_str()))
        .collect();
    callsites
        .iter()
        .filter(|site| ran.contains(&(site.path.as_str(), site.function.as_str())))
        .map(|site| CallsiteEvidence {
            id: site.id.clone(),
            evidence: Evidence::Executed,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use refimpl::capi::report::{Class, Problem, SCHEMA, Site, Totals, UnseenWrite};

    fn site() -> Site {
        Site {
            path: "drivers/x.c".to_owned(),
            line: 7,
            function: "x_read".to_owned(),
        }
    }

    fn report(totals: Totals) -> Run {
        Run {
            schema: SCHEMA.to_owned(),
            version: "6.12".to_owned(),
            module: "drivers/x.c".to_owned(),
            totals,
            vmstat_acquired: totals.pins as i64,
            vmstat_released: totals.unpins as i64,
            device_writes: 1,
            unseen_writes: Vec::new(),
            acquires: Vec::new(),
            releases: Vec::new(),
            problems: Vec::new(),
        }
    }

    #[test]
    fn a_driver_that_takes_no_page_is_no_pass() {
        assert_eq!(took_nothing(None).0, Outcome::Skip);
        assert_eq!(
            took_nothing(Some(&report(Totals::default()))).0,
            Outcome::Skip
        );
        assert_eq!(took_nothing(Some(&plain())).0, Outcome::Inconclusive);
        assert!(takes_none(&report(Totals::default())) && !takes_none(&pinned()));
    }

    fn plain() -> Run {
        report(Totals {
            gets: 3,
            put_page: 3,
            ..Totals::default()
        })
    }

    fn pinned() -> Run {
        report(Totals {
            pins: 3,
            unpins: 3,
            ..Totals::default()
        })
    }

    #[test]
    fn a_converted_driver_that_pins_and_is_seen_is_right() {
        assert_eq!(wrong(&pinned(), Some(&plain()), true), None);
    }

    #[test]
    fn unseen_writes_are_held_against_a_driver_only_once_it_was_touched() {
        let mut half = plain();
        half.unseen_writes.push(UnseenWrite {
            site: site(),
            acquired: None,
            count: 2,
        });
        assert_eq!(wrong(&half, None, true), None);
        let said = wrong(&half, Some(&plain()), true).unwrap();
        assert!(said.starts_with("drivers/x.c:7 x_read()"), "{said}");
        assert!(
            wrong(&plain(), Some(&plain()), true)
                .unwrap()
                .contains("plain references only")
        );
    }

    #[test]
    fn in_the_older_era_a_touched_driver_must_not_use_put_page_for_user_pages() {
        let marked = report(Totals {
            gets: 3,
            put_user_page: 3,
            ..Totals::default()
        });
        assert_eq!(wrong(&marked, Some(&plain()), false), None);
        let half = report(Totals {
            gets: 3,
            put_user_page: 2,
            put_page: 1,
            ..Totals::default()
        });
        assert_eq!(
            wrong(&half, Some(&plain()), false).unwrap(),
            "1 user page still given back by put_page()"
        );
    }

    #[test]
    fn a_warning_that_moved_is_not_new() {
        let at = |line| {
            without_place(&format!(
                "drivers/x.c:{line}:9: warning: unused variable 'i'"
            ))
        };
        assert_eq!(at(3), at(40));
        assert_ne!(
            at(3),
            without_place("drivers/x.c:3:9: warning: unused variable 'j'")
        );
    }

    #[test]
    fn an_imbalance_and_a_mistake_are_named_whoever_made_them() {
        let mut leaky = pinned();
        leaky.totals.unpins = 2;
        assert_eq!(
            wrong(&leaky, None, true).unwrap(),
            "pins acquired 3, released 2"
        );
        let problem = Problem {
            class: Class::Leak,
            site: site(),
            call: "pin_user_pages_fast".to_owned(),
            message: "takes a page that is never given back".to_owned(),
            related: None,
            count: 1,
        };
        leaky.problems = vec![problem.clone(), problem];
        assert_eq!(
            wrong(&leaky, None, true).unwrap(),
            "drivers/x.c:7 x_read(): pin_user_pages_fast() takes a page that is never given back (and 1 more)"
        );
    }
}
