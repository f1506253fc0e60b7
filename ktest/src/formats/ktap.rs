// SPDX-License-Identifier: MIT OR Apache-2.0
//! KTAP as the kernel's own tools read it (Documentation/dev-tools/ktap.rst and tools/testing/kunit/kunit_parser.py, version 6.12): a
//! result counts where it has no subtests, so everything that decides is a leaf.

use super::leaves::{Leaf, groups, run};
use super::stages;
use crate::verdict::{Outcome, Stage, Verdict};
use callsites::formats::visible::hidden;

/// For the kernel's own tools.
pub(super) fn ktap(verdict: &Verdict) -> String {
    let all: Vec<&Stage> = stages(verdict).collect();
    let mut out = vec!["KTAP version 1".to_owned(), format!("1..{}", all.len() + 1)];
    for (index, stage) in all.iter().enumerate() {
        let groups = groups(stage);
        let name = plain(&stage.subject);
        out.push("  KTAP version 1".into());
        out.push(format!("  # Subtest: {name}"));
        out.push(format!("  1..{}", groups.len()));
        let mut bad = false;
        for (number, group) in groups.iter().enumerate() {
            let (name, mut worst) = (plain(&group.name), false);
            out.push("    KTAP version 1".into());
            out.push(format!("    # Subtest: {name}"));
            out.push(format!("    1..{}", group.leaves.len()));
            for (n, leaf) in group.leaves.iter().enumerate() {
                out.extend(
                    leaf.output
                        .iter()
                        .map(|said| format!("    # {}", plain(said))),
                );
                out.push(format!("    {}", line(leaf, n)));
                worst |= is_bad(leaf.result);
            }
            let skipped = group.leaves.iter().all(|leaf| leaf.result == Outcome::Skip);
            out.push(format!("  {}", whole(worst, skipped, number, &name)));
            bad |= worst;
        }
        out.push(whole(bad, false, index, &name));
    }
    out.push(line(&run(verdict), all.len()));
    out.push(String::new());
    out.join("\n")
}

fn is_bad(result: Outcome) -> bool {
    !matches!(result, Outcome::Pass | Outcome::Skip)
}

fn whole(bad: bool, skipped: bool, index: usize, name: &str) -> String {
    let number = index + 1;
    match (bad, skipped) {
        (true, _) => format!("not ok {number} {name}"),
        (false, true) => format!("ok {number} {name} # SKIP"),
        (false, false) => format!("ok {number} {name}"),
    }
}

fn line(leaf: &Leaf, index: usize) -> String {
    let (ok, note) = match leaf.result {
        Outcome::Pass => return format!("ok {} {}", index + 1, plain(&leaf.name)),
        Outcome::Skip => ("ok", "SKIP"),
        Outcome::Timeout => ("not ok", "TIMEOUT"),
        Outcome::Fail => ("not ok", "FAIL"),
        Outcome::Crash => ("not ok", "CRASH"),
        Outcome::Inconclusive => ("not ok", "INCONCLUSIVE"),
    };
    let reason = plain(leaf.reason.as_deref().unwrap_or_default());
    let line = format!("{ok} {} {} # {note} {reason}", index + 1, plain(&leaf.name));
    line.trim_end().to_owned()
}

/// A word or a sentence that no reader takes for more: on one line, without the mark that begins a comment.
fn plain(text: &str) -> String {
    let text = text.replace('#', "no.");
    let plain: String = text
        .chars()
        .map(|c| if c.is_control() || hidden(c) { ' ' } else { c })
        .collect();
    match plain.trim() {
        "" => "nameless".into(),
        trimmed => trimmed.to_owned(),
    }
}
