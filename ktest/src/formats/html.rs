// SPDX-License-Identifier: MIT OR Apache-2.0
//! A verdict as parts of a page: kernels against targets with a word for each, what the counters and consoles showed, and what
//! was not run, said as plainly as what was.

use super::stages;
use crate::verdict::{Evidence, Exercise, Outcome, Splat, Stage, Target, Verdict};
use maud::{Markup, html};
use page::{
    Figure, Heat, Ids, List, Mark, Note, Part, Pins, Row, console, figures, heat, list, mark,
    number, pins, soft,
};
use std::collections::BTreeMap;

/// What each kernel printed, by its number in the series, as far as it is at hand.
pub type Consoles = BTreeMap<usize, String>;

/// Lines of a console around a complaint: its trace stands below it.
const BEFORE: usize = 3;
const AFTER: usize = 24;
/// Last lines of a console that are shown where a kernel did not end well.
const LAST: usize = 30;
/// In characters: a console line that is longer says nothing more.
const LONGEST: usize = 400;

/// The parts of a page on `verdict`.
pub fn parts(verdict: &Verdict, consoles: &Consoles, ids: &Ids) -> Vec<Part> {
    let rows = stages(verdict).flat_map(|stage| kernel(stage, consoles, ids));
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
            "targets that did what they should, and it was seen.",
        ),
        (
            &[Outcome::Fail, Outcome::Crash, Outcome::Timeout],
            "fail",
            Mark::Bad,
            "targets that did something else, crashed or hung.",
        ),
        (
            &[Outcome::Inconclusive],
            "inconclusive",
            Mark::Unsure,
            "targets of which too little was seen for a verdict.",
        ),
        (
            &[Outcome::Skip],
            "skipped",
            Mark::Skipped,
            "targets that were not run; that is no pass.",
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
    let columns = ["build", "boot"].into_iter().chain(names.iter().copied());
    let rows = stages(verdict).map(|stage| {
        let cell = |outcome: Outcome, name: &str| (marked(outcome), word(outcome).to_owned(), Some(target_id(stage, name, ids)));
        let absent = || (Mark::Skipped, "not run".to_owned(), None);
        let mut cells = vec![cell(stage.build.result, "kernel")];
        cells.push(stage.boot.as_ref().map_or_else(absent, |boot| cell(boot.result, "kernel")));
        for name in &names {
            let target = stage.targets.iter().find(|target| target.name == *name);
            cells.push(target.map_or_else(absent, |target| cell(target.result, name)));
        }
        let name = html! { (if stage.number == 0 { "base: ".to_owned() } else { format!("{}. ", stage.number) }) (soft(&stage.subject)) };
        (name, cells)
    });
    heat(&Heat {
        title: "kernels against targets".into(),
        corner: "kernel".into(),
        columns: columns
            .map(|name| (name.to_owned(), format!("target {name}")))
            .collect(),
        rows: rows.collect(),
    })
}

/// What no target reached, kernel by kernel.
fn not_run(verdict: &Verdict) -> Markup {
    let partly: Vec<(&Stage, &Exercise)> = verdict
        .patches
        .iter()
        .filter_map(|stage| Some((stage, stage.exercise.as_ref()?)))
        .filter(|(_, exercise)| exercise.reason().is_some())
        .collect();
    let watched = verdict.patches.iter().any(|stage| stage.exercise.is_some());
    let mut skipped: Vec<(&str, &str)> = stages(verdict)
        .flat_map(|stage| &stage.targets)
        .filter(|target| target.result == Outcome::Skip)
        .map(|target| {
            (
                target.name.as_str(),
                target.reason.as_deref().unwrap_or("no reason was given"),
            )
        })
        .collect();
    skipped.sort_unstable();
    skipped.dedup();
    let never: Vec<&Stage> = verdict
        .patches
        .iter()
        .filter(|stage| stage.targets.is_empty())
        .collect();
    html! {
        h3 { "What was not run" }
        @if !watched {
            p { (mark(Mark::Skipped, "not watched")) " Which of the changed functions ran was not watched in this run." }
        } @else if partly.is_empty() && never.is_empty() {
            p { "Every function that a patch changes ran, and every call in them that was watched." }
        }
        @for (name, why) in skipped { p { (mark(Mark::Skipped, "skipped")) " " (soft(name)) ": " (soft(why)) } }
        @for stage in never {
            p { (mark(Mark::Skipped, "no target")) " " (soft(&stage.subject)) @if let Some(why) = &stage.build.reason { ": " (soft(why)) } }
        }
        @for (stage, exercise) in partly {
            p { b { (soft(&stage.subject)) } }
            ul {
                @for function in &exercise.not_run {
                    li { (mark(Mark::Skipped, "not run")) " " code { (soft(&function.function)) } @if let Some(why) = &function.why { ": " (soft(why)) } }
                }
                @for call in &exercise.calls_not_run { li { (mark(Mark::Skipped, "not run")) " " code { (soft(call)) } } }
            }
        }
    }
}

/// A row for the kernel itself, then one for each target.
fn kernel(stage: &Stage, consoles: &Consoles, ids: &Ids) -> Vec<Row> {
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
            ("where", html! { "kernel" }),
            ("", html! { @if build.seconds >= 0.5 { (seconds) } }),
            ("why", soft(reason.map_or("", String::as_str))),
        ],
        facets: vec![("result", facet(worst).into()), ("target", "kernel".into())],
        size: splats.len(),
        body: html! {
            @if let Some(reason) = reason { p class="said-of" { (soft(reason)) } }
            @for line in build.changes.lines() { p { (soft(&line)) } }
            @for warning in &build.new_warnings { p { (mark(Mark::Bad, "new warning")) " " code { (soft(warning)) } } }
            @for warning in &build.uncompared_warnings { p { (mark(Mark::Unsure, "warning, old or new")) " " code { (soft(warning)) } } }
            @if let Some(exercise) = &stage.exercise { (ran(exercise)) }
            (complaints(stage, worst, splats, consoles))
        },
        open: false,
    }];
    rows.extend(
        stage
            .targets
            .iter()
            .map(|target| one(stage, target, consoles, ids)),
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

fn one(stage: &Stage, target: &Target, consoles: &Consoles, ids: &Ids) -> Row {
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
        name: subject(stage),
        cells: vec![
            ("where", soft(&target.name)),
            ("", html! { (tests) }),
            ("why", soft(&short)),
        ],
        facets: vec![
            ("result", facet(target.result).into()),
            ("target", target.name.clone()),
        ],
        size: target.subtests.len(),
        body: html! {
            @if !reason.is_empty() { p class="said-of" { (soft(reason)) } }
            @if let Some(drift) = target.drift_pages { p { "After all repetitions " (drift) " fewer pages were free than before." } }
            (counted(target))
            (subtests(target))
            (evidence(target, ids))
            (complaints(stage, target.result, &target.splats, consoles))
        },
        open: false,
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

fn evidence(target: &Target, ids: &Ids) -> Markup {
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
                li { (mark(state, word)) " " a href={ "#" (ids.of("call", &call.id)) } { (soft(&call.id)) } }
            } } }
        }
    }
}

/// What the kernel complained about, on the console where that is at hand.
fn complaints(stage: &Stage, result: Outcome, splats: &[Splat], consoles: &Consoles) -> Markup {
    let lines: Vec<String> = consoles
        .get(&stage.number)
        .map(|text| {
            text.lines()
                .map(|line| line.chars().take(LONGEST).collect())
                .collect()
        })
        .unwrap_or_default();
    let badly = matches!(result, Outcome::Crash | Outcome::Timeout) && splats.is_empty();
    html! {
        @if !splats.is_empty() {
            section {
                h3 { "Complaints on the console" }
                @for splat in splats {
                    p class="said-of" { (mark(Mark::Bad, &splat.kind)) " " (soft(&splat.told())) " (line " (splat.console_line) ")" }
                }
                @for (first, from, to) in windows(splats, lines.len()) {
                    (console(&format!("console of {}, line {}", stage.subject, first), first, lines[from..to].iter().map(String::as_str), &notes(splats)))
                }
            }
        }
        @if badly && !lines.is_empty() {
            @let from = lines.len().saturating_sub(LAST);
            section {
                h3 { "The last lines of the console" }
                (console(&format!("console of {}", stage.subject), from as u32 + 1, lines[from..].iter().map(String::as_str), &[]))
            }
        }
    }
}

fn notes(splats: &[Splat]) -> Vec<Note> {
    let notes = splats.iter().map(|splat| Note {
        line: u32::try_from(splat.console_line).unwrap_or(u32::MAX),
        label: splat.kind.clone(),
        class: "m-bad",
    });
    notes.collect()
}

/// The lines around complaints: number of the first, and the range, 0-based; windows that touch are one.
fn windows(splats: &[Splat], lines: usize) -> Vec<(u32, usize, usize)> {
    let mut windows: Vec<(usize, usize)> = Vec::new();
    let mut places: Vec<usize> = splats.iter().map(|splat| splat.console_line).collect();
    places.sort_unstable();
    for place in places {
        let from = place.saturating_sub(BEFORE + 1);
        let to = (place + AFTER).min(lines);
        match windows.last_mut() {
            Some((_, end)) if from <= *end => *end = to.max(*end),
            _ if from < to => windows.push((from, to)),
            _ => {}
        }
    }
    let numbered = windows
        .into_iter()
        .map(|(from, to)| (from as u32 + 1, from, to));
    numbered.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn splat(line: usize) -> Splat {
        Splat {
            kind: "warning".into(),
            first_line: "WARNING: at mm/gup.c".into(),
            console_line: line,
            function: None,
            trace: Vec::new(),
            times: 1,
        }
    }

    #[test]
    fn windows_around_complaints_touch_nobody_twice_and_end_with_the_console() {
        let found = windows(&[splat(10), splat(20), splat(100)], 110);
        assert_eq!(found, [(7, 6, 44), (97, 96, 110)]);
        assert_eq!(windows(&[splat(10)], 0), [], "there is no console");
        assert_eq!(windows(&[splat(500)], 110), [], "it is another console");
    }
}
