// SPDX-License-Identifier: MIT OR Apache-2.0
//! How far one kernel came on a machine of the user's, and what is known of it.
//!
//! Known is what this very kernel did: its name stands in its banner, in every splat and in what the targets report. What a
//! console shows before the name was seen may be another kernel's, and blames nobody.

use super::boots::Boot;
use super::passage::{Passage, console};
use super::remote::{Brought, brought};
use crate::boot::Seen;
use crate::console::{Found, Patterns, Scan};
use crate::error::Error;
use crate::verdict::{Outcome, Splat, Target};

/// What ktest.pl says of a kernel that make did not finish (ktest.pl: build()).
const NOT_BUILT: &str = "failed build";
/// ktest.pl: monitor().
const NO_PROMPT: &str = "never got a boot prompt";

/// How far a kernel came.
#[derive(Debug, Clone)]
pub(crate) enum Came {
    /// It does not compile.
    NotBuilt(String),
    /// It is not known how far.
    Unknown(String),
    /// It was built and started, and its targets never ran.
    Started(Outcome, String, Vec<Splat>),
    /// Its targets ran; what was seen, and why it must not pass.
    Tested(Box<Seen>, Option<String>),
}

/// Of a kernel called `name`, from what ktest.pl `printed` of it and from the `boot` of which its targets were called.
pub(crate) fn came(
    passage: &Passage,
    printed: &str,
    boot: Option<&Boot>,
    name: &str,
) -> Result<Came, Error> {
    let why = passage.why().map(|why| format!("ktest.pl says: {why}"));
    if passage.failed.as_deref() == Some(NOT_BUILT) {
        return Ok(Came::NotBuilt(why.unwrap_or_default()));
    }
    let console = console(&passage.text(printed), name);
    let scan = Patterns::built_in()?.scan(&console.text);
    let boot = boot.filter(|_| passage.tested);
    if let Some(boot) = boot {
        let brought = brought(boot)?;
        return tested(brought, scan, console.whole, why, name);
    }
    let why = why.unwrap_or_else(|| "ktest.pl ended before the targets ran".into());
    if !console.named {
        return Ok(Came::Unknown(format!(
            "{why}; this kernel was not seen on the console"
        )));
    }
    let fatal = scan.found.iter().find(|f| f.fatal);
    let (outcome, reason) = match (fatal, scan.found.first(), console.followed_by) {
        (Some(found), _, _) => (Outcome::Crash, found.splat.told()),
        (None, _, Some(other)) => (
            Outcome::Crash,
            format!("the machine started Linux {other} by itself"),
        ),
        (None, Some(found), None) => (Outcome::Fail, format!("console: {}", found.splat.told())),
        (None, None, None) if why.contains(NO_PROMPT) => (
            Outcome::Timeout,
            "the kernel started, and its boot prompt never came".into(),
        ),
        (None, None, None) => (Outcome::Inconclusive, why),
    };
    let splats = scan.found.into_iter().map(|f| f.splat).collect();
    Ok(Came::Started(outcome, reason, splats))
}

fn tested(
    mut brought: Brought,
    console: Scan,
    whole: bool,
    mut why: Option<String>,
    name: &str,
) -> Result<Came, Error> {
    let other = |kernel: &&String| !kernel.contains(&format!(" #{name} "));
    if let Some(kernel) = brought.results.kernel.as_ref().filter(other) {
        return Ok(Came::Unknown(format!(
            "the machine runs Linux {kernel}, not the kernel that was built (#{name})"
        )));
    }
    let results = &mut brought.results;
    if results.kernel.is_none() && !results.verdicts.is_empty() {
        return Ok(Came::Unknown(
            "the targets did not say which kernel they ran on".into(),
        ));
    }
    if !results.verdicts.is_empty() && !brought.from_its_beginning && !whole {
        results
            .problems
            .push("neither the kernel's log nor the console begins where the kernel did".into());
    }
    why = brought.nothing.or(why);
    let scan = merged(Patterns::built_in()?.scan(&brought.log), console);
    let seen = Seen {
        ended: brought.ended,
        scan,
        results: brought.results,
    };
    Ok(Came::Tested(Box::new(seen), why))
}

/// The kernel's own log, and what only the console shows: a crash is never in the log that came back.
fn merged(log: Scan, console: Scan) -> Scan {
    let known = |found: &Found| {
        let same = |f: &Found| f.splat.first_line == found.splat.first_line;
        log.found.iter().any(same)
    };
    let more: Vec<Found> = console.found.into_iter().filter(|f| !known(f)).collect();
    Scan {
        found: log.found.into_iter().chain(more).collect(),
        running: console.running.or(log.running),
    }
}

/// What ktest.pl says against a kernel keeps its targets from passing where none of them shows why, and says why nothing came
/// back where nothing did.
pub(crate) fn not_better(targets: &mut [Target], seen: &Seen, why: Option<&str>) {
    let Some(why) = why else { return };
    let bad = |t: &Target| matches!(t.result, Outcome::Fail | Outcome::Crash | Outcome::Timeout);
    let shown = targets.iter().any(bad);
    let nothing = seen.results.verdicts.is_empty();
    for target in targets {
        let open = match target.result {
            Outcome::Pass => true,
            Outcome::Inconclusive => nothing,
            _ => false,
        };
        if open && !shown {
            target.result = Outcome::Inconclusive;
            target.reason = Some(why.to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boot::Ended;
    use crate::judge::{Converted, judge};
    use crate::results::Results;

    #[test]
    fn what_ktest_pl_says_is_held_against_all_where_nothing_shows_why() {
        let text = |given: u32| {
            format!(
                "# begin process-vm FAILED\n    ok 1 a\n# pins process-vm acquired=5 released={given}\n# end process-vm pass\n\
                # begin vmci FAILED\n    ok 1 a\n# pins vmci acquired=5 released=5\n# end vmci pass\nktest verdict: pass\n"
            )
        };
        let outcomes = |given: u32| {
            let seen = Seen {
                ended: Ended::Exited,
                scan: Scan::default(),
                results: Results::parse(&text(given)),
            };
            let specs = crate::target::select(&["process-vm,vmci".into()]).unwrap();
            let mut targets: Vec<Target> = specs
                .iter()
                .map(|spec| judge(spec, Converted::No, &seen))
                .collect();
            not_better(&mut targets, &seen, Some("ktest.pl says: test failed"));
            targets.iter().map(|t| t.result).collect::<Vec<_>>()
        };
        assert_eq!(outcomes(4), [Outcome::Fail, Outcome::Pass]);
        assert_eq!(outcomes(5), [Outcome::Inconclusive, Outcome::Inconclusive]);
    }
}
