// SPDX-License-Identifier: MIT OR Apache-2.0
//! New functions go after functions that are there.

use super::definition::Place;
use crate::edits::{Edit, Source, layout};

/// The edit that puts the text of `place` after its function, and after the EXPORT_SYMBOL of that.
///
/// # Errors
/// Why there is no such place, as a clause.
pub(super) fn place(source: &Source, place: &Place) -> Result<Edit, String> {
    let mut all = source
        .facts
        .functions
        .iter()
        .filter(|f| f.name == place.after);
    let function = match (all.next(), all.next()) {
        (Some(only), None) => only,
        (None, _) => return Err(format!("{} has no {}()", place.file, place.after)),
        (Some(_), Some(_)) => {
            return Err(format!(
                "{} has more than one {}()",
                place.file, place.after
            ));
        }
    };
    // What a header keeps from user space is there for every kernel.
    if function.guards.iter().any(|guard| guard != "__KERNEL__") {
        return Err(format!(
            "{}() in {} is there only under {}",
            place.after,
            place.file,
            function.guards.join(" and ")
        ));
    }
    let bytes = &source.bytes;
    let mut at = layout::line_end(bytes, function.span.end as usize - 1);
    let next = &bytes[at..layout::line_end(bytes, at.min(bytes.len() - 1))];
    if next.starts_with(b"EXPORT_SYMBOL") {
        at += next.len();
    }
    Ok(Edit::new(
        at,
        at,
        format!("\n{}\n", place.text.trim_matches('\n')),
    ))
}
