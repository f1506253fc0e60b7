// SPDX-License-Identifier: MIT OR Apache-2.0
//! Whether two readings of a file hold the same code, wherever it stands.
//!
//! Places are compared by their order: what came before another thing, or inside it, still does.

use super::ir::FileFacts;
use std::fmt::Write as _;

/// Whether the code is the same: names, types, statements, and the order of all places.
pub(crate) fn alike(a: &FileFacts, b: &FileFacts) -> bool {
    a.path == b.path && by_order(&told(a)) == by_order(&told(b))
}

fn told(facts: &FileFacts) -> String {
    let mut out = String::new();
    // Writing to memory does not fail.
    let _ = write!(
        out,
        "{:?}",
        (
            &facts.functions,
            &facts.records,
            &facts.typedefs,
            &facts.globals,
            &facts.outline,
            &facts.unread
        )
    );
    out
}

/// The text with every place replaced by its rank, the places left out.
fn by_order(text: &str) -> (String, Vec<usize>) {
    const START: &str = "Span { start: ";
    let mut rest = text;
    let mut out = String::with_capacity(text.len());
    let mut places: Vec<u32> = Vec::new();
    while let Some((before, after)) = rest.split_once(START) {
        out.push_str(before);
        out.push('@');
        let Some((span, after)) = after.split_once(" }") else {
            rest = after;
            continue;
        };
        let ends = span.split(", end: ");
        places.extend(ends.filter_map(|place| place.parse::<u32>().ok()));
        rest = after;
    }
    out.push_str(rest);
    let mut order = places.clone();
    order.sort_unstable();
    order.dedup();
    let ranks = places
        .iter()
        .map(|place| order.partition_point(|known| known < place));
    let ranks = ranks.collect();
    (out, ranks)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::{Wanted, parse};

    fn facts(text: &str) -> FileFacts {
        parse("a.c".into(), text.as_bytes(), &Wanted::All)
    }

    #[test]
    fn blanks_and_comments_do_not_count_and_everything_else_does() {
        let text =
            "struct s { int a; };\nint f(struct s *s)\n{\n\tif (s->a)\n\t\tg(s);\n\treturn 1;\n}\n";
        let same = facts(text);
        for other in [
            format!("\n/* more */\n{text}"),
            text.replace("\tif", "\n\n\t/* why */ if"),
            text.replace("g(s)", "g( s )"),
        ] {
            assert_ne!(facts(&other), same);
            assert!(alike(&facts(&other), &same), "{other}");
        }
        for (from, to) in [
            ("g(s)", "h(s)"),
            ("1;", "2;"),
            ("int a", "long a"),
            ("->a)", "->a && s)"),
        ] {
            assert!(!alike(&facts(&text.replace(from, to)), &same), "{to}");
        }
    }
}
