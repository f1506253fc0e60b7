// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which functions of a file a patch edits, by their text.

use std::collections::BTreeMap;

/// Functions whose text differs, sorted.
pub(crate) fn changed_functions(before: &[u8], now: &[u8]) -> Vec<String> {
    let (before, now) = (functions(before), functions(now));
    let differs = |(name, text): &(&String, &String)| before.get(*name) != Some(*text);
    now.iter()
        .filter(differs)
        .map(|(name, _)| name.clone())
        .collect()
}

/// Functions by name, as kernel style writes them: a head that begins in column one, a body between `{` and `}` in
/// column one. What is written otherwise is not found, and then not watched.
fn functions(bytes: &[u8]) -> BTreeMap<String, String> {
    let text = String::from_utf8_lossy(bytes);
    let mut found = BTreeMap::new();
    let (mut head, mut body): (String, Option<String>) = (String::new(), None);
    for line in text.lines() {
        match &mut body {
            Some(text) if line.starts_with('}') => {
                if let Some(name) = name_of(&head) {
                    found.insert(name, format!("{head}{text}"));
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
}
