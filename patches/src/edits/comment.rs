// SPDX-License-Identifier: MIT OR Apache-2.0
//! Comments of a loop that goes: they are moved above what takes its place.

use super::fold::Why;
use super::layout::{indent, line_end, line_start};
use super::literals::{self, Kind};

/// The comments of `text`, each on lines of its own, with `margin` in front of their lines; empty where there is none.
///
/// # Errors
/// When code stands on a line of a comment: then nobody can say what it is about without that code.
pub(super) fn lifted(text: &[u8], margin: &str) -> Result<String, Why> {
    const SHARED: Why = "it holds a comment";
    let mut lifted = String::new();
    for (kind, start, end) in literals::find(text) {
        if kind != Kind::Comment {
            continue;
        }
        let line = line_start(text, start);
        let alone = text[line..start].trim_ascii().is_empty()
            && text[end..line_end(text, end)].trim_ascii().is_empty();
        if !alone {
            return Err(SHARED);
        }
        let own = indent(text, start);
        for line in text[start..end].split(|&byte| byte == b'\n') {
            // Later lines keep what they are indented by beyond the first.
            let line = line.strip_prefix(own).unwrap_or(line);
            let line = String::from_utf8_lossy(line);
            if !lifted.is_empty() && !lifted.ends_with('\n') {
                lifted.push('\n');
            }
            if !lifted.is_empty() {
                lifted.push_str(margin);
            }
            lifted.push_str(line.trim_end());
        }
    }
    if !lifted.is_empty() {
        lifted.push('\n');
        lifted.push_str(margin);
    }
    Ok(lifted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comment_on_lines_of_its_own_moves_with_its_shape() {
        let text = b"for (;;) {\n\t\t/* Why\n\t\t * so.\n\t\t */\n\t\tf(\"/* no */\");\n\t}";
        assert_eq!(
            lifted(text, "\t"),
            Ok("/* Why\n\t * so.\n\t */\n\t".to_owned())
        );
        assert_eq!(lifted(b"for (;;)\n\tf();", "\t"), Ok(String::new()));
    }

    #[test]
    fn a_comment_beside_code_cannot_be_moved() {
        assert!(lifted(b"for (;;) { /* each */\n\tf();\n}", "").is_err());
    }
}
