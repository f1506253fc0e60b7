// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the tables say must stay.

use crate::info::Replaced;
use callsites::truth::Table;
use regex::Regex;

/// Calls that must stay, by the tables, and those of them that we change.
pub(super) fn must_stay(
    negatives: &Table,
    excluded: &Table,
    replaced: &[Replaced],
) -> Result<(usize, Vec<String>), callsites::truth::Error> {
    let calls = Regex::new(r"(\w+)@(\d+)").expect("a constant");
    let mut stay: Vec<(String, String, u32)> = Vec::new();
    for row in negatives.rows() {
        if row.get("label")? == "NEG" {
            stay.push((
                row.get("file")?.into(),
                row.get("call")?.into(),
                row.line()?,
            ));
        }
    }
    for row in excluded.rows() {
        let class = row.get("final_class")?;
        let stays = ["must-stay", "no reference", "not user"];
        if stays.iter().any(|word| class.starts_with(word)) {
            for call in calls.captures_iter(row.get("old_calls")?) {
                let line = row.number(&call[2])?;
                stay.push((row.get("file")?.into(), call[1].to_owned(), line));
            }
        }
    }
    let wrong = stay
        .iter()
        .filter(|(path, call, line)| {
            replaced.iter().any(|site| {
                site.path == *path
                    && site.call == *call
                    && site.line.abs_diff(*line) <= 2
                    && site.becomes != site.call
            })
        })
        .map(|(path, call, line)| format!("{path}:{line} {call}()"))
        .collect();
    Ok((stay.len(), wrong))
}
