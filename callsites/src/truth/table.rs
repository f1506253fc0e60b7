// SPDX-License-Identifier: MIT OR Apache-2.0
//! A score as a Markdown table, which reads well at a terminal too, with the misses under it.

use super::score::{Measure, Score, Side};
use std::fmt;

impl fmt::Display for Score {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| {} | count | of | share | wanted | met |", self.pair)?;
        writeln!(f, "|---|---:|---:|---:|---|---|")?;
        for measure in &self.measures {
            let (what, wanted) = words(measure.side);
            let met = if measure.met() { "yes" } else { "no" };
            let Measure { count, of, .. } = measure;
            writeln!(
                f,
                "| {what} | {count} | {of} | {} | {wanted} | {met} |",
                share(*count, *of)
            )?;
        }
        for measure in self.measures.iter().filter(|m| !m.misses.is_empty()) {
            writeln!(f, "\n{}:", missed(measure.side))?;
            for miss in &measure.misses {
                writeln!(
                    f,
                    "- {}:{} {} ({})",
                    miss.path, miss.line, miss.call, miss.why
                )?;
            }
        }
        Ok(())
    }
}

fn share(count: usize, of: usize) -> String {
    if of == 0 {
        "-".to_owned()
    } else {
        format!("{:.1} %", 100.0 * count as f64 / of as f64)
    }
}

const fn words(side: Side) -> (&'static str, &'static str) {
    match side {
        Side::ReleaseRecall => ("converted releases found", ">= 90 %"),
        Side::AcquireRecall => ("converted acquires found", ">= 90 %"),
        Side::NegativesConverted => ("other pages' releases converted", "0"),
        Side::MustStayConverted => ("must-stay calls converted", "<= 5 %"),
        Side::MixedConverted => ("mixed releases converted", "0"),
        Side::UnknownReleases => ("unknown releases in files that acquire", "<= 10 %"),
    }
}

const fn missed(side: Side) -> &'static str {
    match side {
        Side::ReleaseRecall => "Converted by maintainers, not by the audit (release)",
        Side::AcquireRecall => "Converted by maintainers, not by the audit (acquire)",
        Side::NegativesConverted => "Other pages, converted by the audit",
        Side::MustStayConverted => "Must stay, converted by the audit",
        Side::MixedConverted => "Of several origins, converted by the audit",
        Side::UnknownReleases => "Unknown to the audit",
    }
}
