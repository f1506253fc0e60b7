// SPDX-License-Identifier: MIT OR Apache-2.0
//! Who did what, in order, on a lifeline each; what changed stands on the right.

use crate::soft::soft;
use maud::{Markup, html};

/// One thing that is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// On whose lifeline.
    pub who: String,
    /// What.
    pub what: String,
    /// What is different afterwards.
    pub changes: Vec<String>,
}

/// A story with lifelines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sequence {
    /// What it is a story of, for those who hear the page.
    pub title: String,
    /// In order.
    pub steps: Vec<Step>,
    /// The index of the first step that repeats for ever; the number of steps where everything stands still.
    pub repeats_from: Option<usize>,
    /// What comes of it: lines below the last step.
    pub end: Vec<String>,
}

/// Lifelines up to which the table fits so many pixels: a lifeline takes 120 of them, what stands beside them 270. The
/// style sheet has a rule for each width, which writes the steps below each other where there is less room.
const WIDTHS: [(usize, &str); 2] = [(5, "sequence w880"), (8, "sequence w1240")];

/// The story as a table with a column for each who; where the page is narrow, as a list of steps that say who.
pub fn sequence(story: &Sequence) -> Markup {
    let mut lifelines: Vec<&str> = Vec::new();
    for step in &story.steps {
        if !lifelines.contains(&step.who.as_str()) {
            lifelines.push(&step.who);
        }
    }
    let columns = lifelines.len() + 2;
    let width = WIDTHS.iter().find(|(most, _)| lifelines.len() <= *most);
    let class = width.map_or("sequence", |(_, class)| class);
    html! {
        div class="sequences" {
            table class=(class) aria-label=(story.title) {
                thead { tr {
                    th scope="col" { "step" }
                    @for who in &lifelines { th scope="col" class="who" { (who) } }
                    th scope="col" { "what changes" }
                } }
                tbody {
                    @for (index, step) in story.steps.iter().enumerate() {
                        @if story.repeats_from == Some(index) { (again(columns, "from here on, again and again")) }
                        tr {
                            td class="n" { (index + 1) }
                            @for who in &lifelines {
                                td class="life" { @if *who == step.who { span class="act" data-who=(who) { (soft(&step.what)) } } }
                            }
                            td class="changes" { @for change in &step.changes { div { (soft(change)) } } }
                        }
                    }
                    @if story.repeats_from.is_some_and(|from| from >= story.steps.len()) {
                        (again(columns, "from here on nothing that anyone waits for can happen"))
                    }
                }
            }
        }
        @for line in &story.end { p class="end" { (soft(line)) } }
    }
}

fn again(columns: usize, said: &str) -> Markup {
    html! { tr class="again" { td colspan=(columns) { (said) } } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_says_who_and_a_story_of_many_stands_below_itself() {
        let story = |who: usize| Sequence {
            title: "a story".into(),
            steps: (0..who)
                .map(|at| Step {
                    who: format!("w{at}"),
                    what: "acts".into(),
                    changes: vec![],
                })
                .collect(),
            repeats_from: None,
            end: vec![],
        };
        let drawn = |who: usize| sequence(&story(who)).into_string();
        assert!(drawn(2).contains("data-who=\"w1\">acts"));
        for (who, class) in [(5, "sequence w880"), (8, "sequence w1240"), (9, "sequence")] {
            assert!(drawn(who).contains(&format!("class=\"{class}\"")), "{who}");
        }
    }
}
