// SPDX-License-Identifier: MIT OR Apache-2.0
//! For people.

use super::{stages, word};
use crate::build::not_compared;
use crate::verdict::{Outcome, Pins, Target, Verdict};
use std::fmt::Write as _;

/// For people.
pub(super) fn text(verdict: &Verdict) -> String {
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _infallible = write_text(verdict, &mut out);
    out
}

fn write_text(verdict: &Verdict, out: &mut String) -> std::fmt::Result {
    for stage in stages(verdict) {
        writeln!(out, "{}", stage.subject)?;
        let build = &stage.build;
        let reason = build
            .reason
            .as_deref()
            .map_or(String::new(), |r| format!("  {r}"));
        writeln!(
            out,
            "  build        {:<12} {:.1} s{reason}",
            word(build.result),
            build.seconds
        )?;
        for line in build.changes.lines() {
            writeln!(out, "               {line}")?;
        }
        for warning in &build.new_warnings {
            writeln!(out, "               new warning: {warning}")?;
        }
        if let Some(line) = not_compared(&build.uncompared_warnings) {
            writeln!(out, "               {line}")?;
        }
        if let Some(boot) = stage.boot.as_ref().filter(|boot| boot.reason.is_some()) {
            let reason = boot.reason.as_deref().unwrap_or_default();
            writeln!(out, "  boot         {:<12} {reason}", word(boot.result))?;
        }
        for target in &stage.targets {
            write_target(target, out)?;
        }
        if let Some(reason) = stage
            .exercise
            .as_ref()
            .and_then(|exercise| exercise.reason())
        {
            writeln!(out, "  {reason}")?;
        }
    }
    writeln!(out, "{}: {}", word(verdict.result), verdict.reason)?;
    writeln!(out, "run {}", verdict.run)
}

fn write_target(target: &Target, out: &mut String) -> std::fmt::Result {
    let count = |outcome| {
        target
            .subtests
            .iter()
            .filter(|s| s.result == outcome)
            .count()
    };
    let (passed, skipped) = (count(Outcome::Pass), count(Outcome::Skip));
    write!(
        out,
        "  {:<12} {:<12} {passed}/{} subtests",
        target.name,
        word(target.result),
        target.subtests.len()
    )?;
    if skipped > 0 {
        write!(out, ", {skipped} skipped")?;
    }
    match target.pins {
        Some(pins) => write!(out, ", {}", pins_text(pins))?,
        None => write!(out, ", pins not totalled")?,
    }
    if let Some(pages) = target.drift_pages {
        write!(out, ", drift {pages} pages")?;
    }
    writeln!(out)?;
    if let Some(reason) = &target.reason {
        writeln!(out, "               {reason}")?;
    }
    for splat in &target.splats {
        writeln!(
            out,
            "               console:{}: {}: {}",
            splat.console_line,
            splat.kind,
            splat.told()
        )?;
    }
    for site in &target.callsites {
        let evidence = format!("{:?}", site.evidence).to_lowercase();
        writeln!(out, "               {evidence:<9} {}", site.id)?;
    }
    Ok(())
}

pub(super) fn pins_text(pins: Pins) -> String {
    format!(
        "pins acquired {}, released {}",
        pins.acquired, pins.released
    )
}
