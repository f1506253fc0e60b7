// SPDX-License-Identifier: MIT OR Apache-2.0
//! A verdict as parts of a page: kernels against targets with a word for each, what the counters and consoles showed, and what
//! was not run, said as plainly as what was.

mod complaints;
mod not_run;

use super::stages;
use crate::verdict::{Evidence, Exercise, Outcome, Stage, Target, Verdict};
use complaints::complaints;
use maud::{Markup, html};
use not_run::not_run;
use page::{
    Cell, Facet, Figure, Heat, Ids, List, Mark, Part, Pins, Row, figures, heat, list, mark, number,
    pins, soft,
};
use std::collections::BTreeMap;

/// What each kernel printed, by its number in the series, as far as it is at hand: of one that several machines booted
/// there are several.
pub type Consoles = BTreeMap<usize, Vec<String>>;

/// What is known of the kernels of a verdict beside it.
#[derive(Debug, Default)]
pub struct Beside {
    /// What they printed.
    pub consoles: Consoles,
    /// What a kernel's patch can be filtered by, by its number; the base has what all of them have.
    pub facets: BTreeMap<usize, Vec<Facet>>,
    /// Where the calls stand, by their ids.
    pub calls: BTreeMap<String, String>,
}

/// The parts of a page on `verdict`.
pub fn parts(verdict: &Verdict, beside: &Beside, ids: &Ids) -> Vec<Part> {
    let rows = stages(verdict).flat_map(|stage| kernel(stage, beside, ids));
    vec![
        Part {
            id: ids.part("verdicts"),
            name: "Verdicts".into(),
            count: Some(1 + verdict.patches.len()),
            body: html! {
                p { (mark(marked(verdict.result), word(verdict.result))) " " (soft(&verdict.reason)) }
                (figures(&headline(verdict)))
                (matrix(verdict, ids))
                (not_run(verdict))
            },
        },
        Part {
            id: ids.part("targets"),
            name: "What ran".into(),
            count: None,
            body: list(&List {
                what: "result",
                rows: rows.collect(),
                nothing: "Nothing was built and nothing was run.",
            }),
        },
    ]
}

/// What came of building and booting a kernel, and of each of its targets: name, on the base, and on the kernel with the
/// patches up to `number`.
pub fn compared(verdict: &Verdict, number: usize, ids: &Ids) -> Vec<(String, Cell, Cell)> {
    let stage = verdict.patches.iter().find(|stage| stage.number == number);
    let Some(stage) = stage else {
        return Vec::new();
    };
    let (base, patched) = (cells(&verdict.base, ids), cells(stage, ids));
    let on_base = |name: &str| {
        let cell = base.iter().find(|(known, _)| known == name);
        cell.map_or_else(absent, |(_, cell)| cell.clone())
    };
    patched
        .into_iter()
        .map(|(name, cell)| (name.clone(), on_base(&name), cell))
        .collect()
}

/// What was done with a kernel, and what came of it.
fn cells(stage: &Stage, ids: &Ids) -> Vec<(String, Cell)> {
    let cell = |outcome: Outcome, name: &str| {
        let to = target_id(stage, name, ids);
        (marked(outcome), word(outcome).to_owned(), Some(to))
    };
    let build = Some(("build".to_owned(), cell(stage.build.result, "kernel")));
    let boot = stage.boot.as_ref();
    let boot = boot.map(|boot| ("boot".to_owned(), cell(boot.result, "kernel")));
    let targets = stage.targets.iter();
    let targets = targets.map(|target| (target.name.clone(), cell(target.result, &target.name)));
    build.into_iter().chain(boot).chain(targets).collect()
}

fn absent() -> Cell {
    (Mark::Skipped, "not run".to_owned(), None)
}

fn marked(outcome: Outcome) -> Mark {
    match outcome {
        Outcome::Pass => Mark::Good,
        Outcome::Skip => Mark::Skipped,
        Outcome::Inconclusive => Mark::Unsure,
        Outcome::Fail | Outcome::Crash | Outcome::Timeout => Mark::Bad,
    }
}

fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Pass => "pass",
        Outcome::Skip => "skipped",
        Outcome::Fail => "fail",
        Outcome::Inconclusive => "inconclusive",
        Outcome::Crash => "crash",
        Outcome::Timeout => "timeout",
    }
}

fn headline(verdict: &Verdict) -> Vec<Figure> {
    let targets = || stages(verdict).flat_map(|stage| &stage.targets);
    let count = |wanted: &[Outcome]| {
        targets()
            .filter(|target| wanted.contains(&target.result))
            .count()
    };
    let taken: u64 = targets()
        .filter_map(|target| target.pins)
        .map(|pins| pins.acquired)
        .sum();
    let given: u64 = targets()
        .filter_map(|target| target.pins)
        .map(|pins| pins.released)
        .sum();
    let kinds: [(&[Outcome], &str, Mark, &str); 4] = [
        (
            &[Outcome::Pass],
            "pass",
            Mark::Good,
            "runs of a target on a kernel that did what they should, and it was seen.",
        ),
        (
            &[Outcome::Fail, Outcome::Crash, Outcome::Timeout],
            "fail",
            Mark::Bad,
            "runs that did something else, crashed or hung.",
        ),
        (
            &[Outcome::Inconclusive],
            "inconclusive",
            Mark::Unsure,
            "runs of which too little was seen for a verdict.",
        ),
        (
            &[Outcome::Skip],
            "skipped",
            Mark::Skipped,
            "runs that were left out; that is no pass.",
        ),
    ];
    let mut all: Vec<Figure> = kinds
        .iter()
        .map(|(outcomes, what, mark, sentence)| Figure {
            count: count(outcomes),
            what: (*what).into(),
            mark: *mark,
            sentence: (*sentence).into(),
            facet: Some(("result", (*what).into())),
        })
        .collect();
    all.push(Figure {
        count: usize::try_from(taken).unwrap_or(usize::MAX),
        what: "pins taken".into(),
        mark: if taken == given {
            Mark::Good
        } else {
            Mark::Bad
        },
        sentence: format!("on all kernels together, and {given} given back."),
        facet: None,
    });
    all
}

/// What a target's result is filtered under.
fn facet(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Crash | Outcome::Timeout => "fail",
        other => word(other),
    }
}

fn target_id(stage: &Stage, name: &str, ids: &Ids) -> String {
    ids.of("result", &format!("{}/{name}", stage.number))
}

/// Kernels against what was done with them.
fn matrix(verdict: &Verdict, ids: &Ids) -> Markup {
    let mut names: Vec<&str> = Vec::new();
    for target in stages(verdict).flat_map(|stage| &stage.targets) {
        if !names.contains(&target.name.as_str()) {
            names.push(&target.name);
        }
    }
    // A run in user space boots nothing; its kernels need no column for that.
    let boots = stages(verdict).any(|stage| stage.boot.is_some());
    let columns: Vec<&str> = std::iter::once("build")
        .chain(boots.then_some("boot"))
        .chain(names.iter().copied())
        .collect();
    let rows = stages(verdict).map(|stage| {
        let known = cells(stage, ids);
        let cell = |name: &&str| {
            let cell = known.iter().find(|(known, _)| known == name);
            cell.map_or_else(absent, |(_, cell)| cell.clone())
        };
        (
            html! { (soft(&subject(stage))) },
            columns.iter().map(cell).collect(),
        )
    });
    let shared = shared(&names);
    heat(&Heat {
        title: "kernels against targets".into(),
        corner: "kernel".into(),
        columns: columns
            .iter()
            .map(|name| {
                (
                    name.strip_prefix(shared).unwrap_or(name).to_owned(),
                    (*name).to_owned(),
                )
            })
            .collect(),
        rows: rows.collect(),
    })
}

/// The directories that all names begin with: they would be repeated above every column.
fn shared<'n>(names: &[&'n str]) -> &'n str {
    let Some((first, others)) = names.split_first().filter(|(_, others)| !others.is_empty()) else {
        return "";
    };
    let mut ends = first.match_indices('/').map(|(at, _)| &first[..=at]);
    ends.rfind(|start| others.iter().all(|name| name.starts_with(start)))
        .unwrap_or_default()
}

/// A row for the kernel itself, then one for each target.
fn kernel(stage: &Stage, beside: &Beside, ids: &Ids) -> Vec<Row> {
    let build = &stage.build;
    let boot = stage.boot.as_ref();
    let worst = boot.map_or(build.result, |boot| boot.result.max(build.result));
    let reason = build
        .reason
        .as_ref()
        .or(boot.and_then(|boot| boot.reason.as_ref()));
    let splats = boot.map_or(&[][..], |boot| boot.splats.as_slice());
    let seconds = format!("built in {:.0} s", build.seconds);
    let mut rows = vec![Row {
        id: target_id(stage, "kernel", ids),
        state: (marked(worst), word(worst).into()),
        name: subject(stage),
        cells: vec![
            ("", html! { "kernel" }),
            ("", html! { @if build.seconds >= 0.5 { (seconds) } }),
            ("why", soft(reason.map_or("", String::as_str))),
        ],
        facets: facets(stage, worst, "kernel", beside),
        size: splats.len(),
        body: html! {
            @if let Some(reason) = reason { p class="said-of" { (soft(reason)) } }
            @for line in build.changes.lines() { p { (soft(&line)) } }
            @for warning in &build.new_warnings { p { (mark(Mark::Bad, "new warning")) " " code { (soft(warning)) } } }
            @for warning in &build.uncompared_warnings { p { (mark(Mark::Unsure, "warning, old or new")) " " code { (soft(warning)) } } }
            @if let Some(exercise) = &stage.exercise { (ran(exercise)) }
            (complaints(stage, worst, splats, &beside.consoles))
        },
        open: false,
    }];
    rows.extend(
        stage
            .targets
            .iter()
            .map(|target| one(stage, target, beside, ids)),
    );
    rows
}

fn subject(stage: &Stage) -> String {
    match stage.number {
        0 => format!("base: {}", stage.subject),
        number => format!("{number}. {}", stage.subject),
    }
}

fn ran(exercise: &Exercise) -> Markup {
    html! {
        @if !exercise.ran.is_empty() {
            p { (mark(Mark::Good, "ran")) " " (soft(&exercise.ran.join(", "))) }
        }
        @for function in &exercise.not_run { p { (mark(Mark::Skipped, "not run")) " " code { (soft(&function.function)) } } }
    }
}

fn facets(stage: &Stage, outcome: Outcome, target: &str, beside: &Beside) -> Vec<Facet> {
    let own = [
        ("result", facet(outcome).to_owned()),
        ("target", target.to_owned()),
    ];
    let of_patch = beside.facets.get(&stage.number).into_iter().flatten();
    own.into_iter().chain(of_patch.cloned()).collect()
}

/// Which kernel a target ran on, in two words: its subject stands on the line of the kernel itself.
fn on(stage: &Stage) -> String {
    match stage.number {
        0 => "on the base".into(),
        number => format!("on patch {number}"),
    }
}

fn one(stage: &Stage, target: &Target, beside: &Beside, ids: &Ids) -> Row {
    let reason = target.reason.as_deref().unwrap_or_default();
    let tests = number(target.subtests.len(), "subtest");
    let counters = target
        .pins
        .map(|pins| format!("{} pins taken, {} given back", pins.acquired, pins.released));
    let short = match (reason, counters) {
        ("", Some(counters)) => counters,
        (reason, _) => reason.to_owned(),
    };
    Row {
        id: target_id(stage, &target.name, ids),
        state: (marked(target.result), word(target.result).into()),
        name: target.name.clone(),
        cells: vec![
            ("", html! { (on(stage)) }),
            ("", html! { @if !target.subtests.is_empty() { (tests) } }),
            ("why", soft(&short)),
        ],
        facets: facets(stage, target.result, &target.name, beside),
        size: target.subtests.len(),
        body: html! {
            @if !reason.is_empty() { p class="said-of" { (soft(reason)) } }
            p { "Ran " (on(stage)) ": " (soft(&stage.subject)) }
            @if let Some(drift) = target.drift_pages { p { (drifted(drift)) } }
            (counted(target))
            (subtests(target))
            (evidence(target, beside, ids))
            (complaints(stage, target.result, &target.splats, &beside.consoles))
        },
        open: false,
    }
}

/// How many free pages went missing over the repetitions of a target.
fn drifted(pages: i64) -> String {
    let count = pages.unsigned_abs();
    let (noun, were) = if count == 1 {
        ("page", "was")
    } else {
        ("pages", "were")
    };
    match pages {
        0 => "After all repetitions as many pages were free as before.".into(),
        1.. => format!("After all repetitions {count} {noun} fewer {were} free than before."),
        _ => format!("After all repetitions {count} {noun} more {were} free than before."),
    }
}

fn counted(target: &Target) -> Markup {
    let mut steps: Vec<Pins> = target
        .subtests
        .iter()
        .filter_map(|test| {
            let pins = test.pins.filter(|pins| pins.acquired + pins.released > 0)?;
            Some(Pins {
                name: test.name.clone(),
                taken: pins.acquired,
                given_back: pins.released,
            })
        })
        .collect();
    if let Some(all) = target.pins {
        steps.push(Pins {
            name: "the whole target".into(),
            taken: all.acquired,
            given_back: all.released,
        });
    }
    html! {
        section { h3 { "Pins" }
            @if steps.is_empty() { p { (mark(Mark::Skipped, "not counted")) ": the kernel has no pin counters, or the target did not get that far." } }
            @else { (pins(&steps)) }
        }
    }
}

fn subtests(target: &Target) -> Markup {
    html! {
        @if !target.subtests.is_empty() {
            section { h3 { "Subtests" } table class="plain" { @for test in &target.subtests {
                tr {
                    td { (mark(marked(test.result), word(test.result))) }
                    td { (soft(&test.name)) @if let Some(inner) = test.inner { " (" (inner.passed) " of its own tests passed, " (inner.skipped) " skipped)" } }
                    td { (soft(test.reason.as_deref().unwrap_or_default())) }
                    td class="n" { (format!("{:.3} s", test.seconds)) }
                }
            } } }
        }
    }
}

fn evidence(target: &Target, beside: &Beside, ids: &Ids) -> Markup {
    let said = |evidence: Evidence| match evidence {
        Evidence::Executed => (Mark::Good, "executed"),
        Evidence::Booted => (Mark::Note, "booted, not seen running"),
        Evidence::Built => (Mark::Note, "built"),
        Evidence::None => (Mark::Skipped, "not run"),
    };
    html! {
        @if !target.callsites.is_empty() {
            section { h3 { "Calls" } ul { @for call in &target.callsites {
                @let (state, word) = said(call.evidence);
                li { (mark(state, word)) " " a href={ "#" (ids.of("call", &call.id)) } { (soft(beside.calls.get(&call.id).unwrap_or(&call.id))) } }
            } } }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::complaints::tests::stage;
    use super::*;

    #[test]
    fn a_line_of_a_target_says_its_name_and_the_directories_of_all_are_not_repeated() {
        assert_eq!(
            shared(&["drivers/misc/a.c", "drivers/misc/b.c", "drivers/x/c.c"]),
            "drivers/"
        );
        assert_eq!(shared(&["drivers/a.c", "net/b.c"]), "");
        assert_eq!(shared(&["drivers/a.c"]), "", "one name is told whole");
        let row = &kernel(&stage(3, vec![]), &Beside::default(), &Ids::plain())[1];
        assert_eq!(row.name, "vmci");
    }

    #[test]
    fn pages_that_went_missing_and_pages_that_came_back_are_said_in_english() {
        for (pages, words) in [
            (3, "3 pages fewer were"),
            (1, "1 page fewer was"),
            (-1, "1 page more was"),
            (0, "as many pages"),
        ] {
            assert!(drifted(pages).contains(words), "{}", drifted(pages));
        }
    }
}
