// SPDX-License-Identifier: MIT OR Apache-2.0
//! What was not run, said as plainly as what was.

use super::stages;
use crate::verdict::{Exercise, Outcome, Stage, Verdict};
use maud::{Markup, html};
use page::{Mark, mark, soft};

/// What no target reached, kernel by kernel.
pub(super) fn not_run(verdict: &Verdict) -> Markup {
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
