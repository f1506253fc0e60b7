// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which functions of a file a patch edits, by their text.

use std::collections::BTreeMap;
use std::ops::Range;

/// A function as it is written.
struct Function {
    name: String,
    /// Its head and its body.
    text: String,
    /// Lines from 1, of the head and the body.
    lines: Range<usize>,
}

/// Functions whose text differs, sorted.
pub(crate) fn changed_functions(before: &[u8], now: &[u8]) -> Vec<String> {
    let by_name = |bytes| -> BTreeMap<String, String> {
        functions(bytes)
            .into_iter()
            .map(|function| (function.name, function.text))
            .collect()
    };
    let (before, now) = (by_name(before), by_name(now));
    let differs = |(name, text): &(&String, &String)| before.get(*name) != Some(*text);
    now.iter()
        .filter(differs)
        .map(|(name, _)| name.clone())
        .collect()
}

/// For each of `lines`, in order, the function that it stands in.
pub(crate) fn functions_at(bytes: &[u8], lines: &[usize]) -> Vec<Option<String>> {
    let functions = functions(bytes);
    let of = |line: &usize| {
        let found = functions.iter().find(|f| f.lines.contains(line));
        found.map(|f| f.name.clone())
    };
    lines.iter().map(of).collect()
}

/// Functions as kernel style writes them: a head that begins in column one, a body between `{` and `}` in column one. What is
/// written otherwise is not found, and then not watched.
fn functions(bytes: &[u8]) -> Vec<Function> {
    let text = String::from_utf8_lossy(bytes);
    let mut found = Vec::new();
    let (mut head, mut body): (String, Option<String>) = (String::new(), None);
    let mut start = 1;
    for (line, number) in text.lines().zip(1..) {
        match &mut body {
            Some(text) if line.starts_with('}') => {
                if let Some(name) = name_of(&head) {
                    found.push(Function {
                        name,
                        text: format!("{head}{text}"),
                        lines: start..number + 1,
                    });
                }
                (head, body) = (String::new(), None);
            }
            Some(text) => {
                text.push_str(line);
                text.push('\n');
            }
            None if line.starts_with('{') => body = Some(String::new()),
            None => {
                let fresh = line.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
                if fresh && !head.ends_with(",\n") && head.contains('(') {
                    head.clear();
                }
                if line.is_empty() || line.ends_with(';') || line.starts_with(['#', '/', ' ']) {
                    head.clear();
                } else {
                    if head.is_empty() {
                        start = number;
                    }
                    head.push_str(line);
                    head.push('\n');
                }
            }
        }
    }
    found
}

/// The name before the first parenthesis.
fn name_of(head: &str) -> Option<String> {
    let before = head.split('(').next().filter(|b| b.len() < head.len())?;
    let name: String = before
        .trim_end()
        .chars()
        .rev()
        .take_while(|c| c.is_ascii_alphanumeric() || *c == '_')
        .collect();
    let name: String = name.chars().rev().collect();
    (!name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEFORE: &str = "#include <x.h>\nstatic int take(struct ctx *c,\n\t\tunsigned long a)\n{\n\tget(a);\n}\n\nint other(void);\n\n\
        /* text */\nvoid give(struct page *p)\n{\n\tput_page(p);\n}\n\nstatic const struct ops o = {\n\t.f = give,\n};\n";

    #[test]
    fn only_functions_whose_text_changed_are_watched() {
        let now = BEFORE.replace("put_page(p)", "unpin_user_page(p)");
        assert_eq!(
            changed_functions(BEFORE.as_bytes(), now.as_bytes()),
            ["give"]
        );
        let now = BEFORE.replace("get(a)", "pin(a)");
        assert_eq!(
            changed_functions(BEFORE.as_bytes(), now.as_bytes()),
            ["take"]
        );
        assert!(changed_functions(BEFORE.as_bytes(), BEFORE.as_bytes()).is_empty());
    }

    #[test]
    fn a_line_stands_in_the_function_whose_head_or_body_has_it() {
        let name = |name: &str| Some(name.to_owned());
        let at = functions_at(BEFORE.as_bytes(), &[1, 3, 5, 8, 11, 13, 17]);
        assert_eq!(
            at,
            [
                None,
                name("take"),
                name("take"),
                None,
                name("give"),
                name("give"),
                None
            ]
        );
    }
}
