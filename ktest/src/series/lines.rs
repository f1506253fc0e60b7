// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which lines of a C file a patch adds and takes away, and which lines belong to the same statement: a compiler may attribute the
//! code of a statement to any of its lines.

/// Cells of the table that finds the longest common subsequence; what differs more than that is taken to differ altogether. Two
/// stretches of two thousand lines fit.
const MOST_CELLS: usize = 4_000_000;

/// How two states of a file differ. Lines are numbered from 1.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Edited {
    /// Lines of the new state that belong to a statement with a line that the old state does not have.
    pub(crate) added: Vec<usize>,
    /// Lines of the old state that belong to a statement with a line that the new state does not have.
    pub(crate) removed: Vec<usize>,
    /// Lines that both have: (old, new), in order.
    same: Vec<(usize, usize)>,
}

impl Edited {
    /// Of two states.
    pub(crate) fn between(before: &[u8], now: &[u8]) -> Edited {
        let (before, now) = (
            String::from_utf8_lossy(before),
            String::from_utf8_lossy(now),
        );
        let (old, new): (Vec<&str>, Vec<&str>) = (before.lines().collect(), now.lines().collect());
        let same = common(&old, &new);
        let without = |count: usize, has: &dyn Fn(usize) -> bool, text: &str| {
            let statements = statements(text);
            let own: std::collections::BTreeSet<usize> = (1..=count)
                .filter(|line| !has(*line))
                .map(|line| statements[line - 1])
                .collect();
            (1..=count)
                .filter(|line| own.contains(&statements[line - 1]))
                .collect::<Vec<usize>>()
        };
        let in_old = |line: usize| same.binary_search_by_key(&line, |pair| pair.0).is_ok();
        let in_new = |line: usize| same.binary_search_by_key(&line, |pair| pair.1).is_ok();
        Edited {
            added: without(new.len(), &in_new, &now),
            removed: without(old.len(), &in_old, &before),
            same,
        }
    }

    /// Where a line of the new state stands in the old one.
    pub(crate) fn before(&self, line: usize) -> Option<usize> {
        let at = self.same.binary_search_by_key(&line, |pair| pair.1).ok()?;
        Some(self.same[at].0)
    }
}

/// The lines that both have, (old, new) from 1.
fn common(old: &[&str], new: &[&str]) -> Vec<(usize, usize)> {
    let ahead = old.iter().zip(new).take_while(|(a, b)| a == b).count();
    let (rest_old, rest_new) = (&old[ahead..], &new[ahead..]);
    let behind = rest_old
        .iter()
        .rev()
        .zip(rest_new.iter().rev())
        .take_while(|(a, b)| a == b)
        .count();
    let (m, n) = (rest_old.len() - behind, rest_new.len() - behind);
    let mut same: Vec<(usize, usize)> = (1..=ahead).map(|line| (line, line)).collect();
    if m.saturating_mul(n) <= MOST_CELLS {
        same.extend(
            middle(&rest_old[..m], &rest_new[..n])
                .into_iter()
                .map(|(a, b)| (ahead + a + 1, ahead + b + 1)),
        );
    }
    let ends = (1..=behind).rev();
    same.extend(ends.map(|back| (old.len() - back + 1, new.len() - back + 1)));
    same
}

/// The longest common subsequence, as pairs of indices.
fn middle(old: &[&str], new: &[&str]) -> Vec<(usize, usize)> {
    let width = new.len() + 1;
    let mut length = vec![0u32; (old.len() + 1) * width];
    for a in (0..old.len()).rev() {
        for b in (0..new.len()).rev() {
            length[a * width + b] = if old[a] == new[b] {
                length[(a + 1) * width + b + 1] + 1
            } else {
                length[(a + 1) * width + b].max(length[a * width + b + 1])
            };
        }
    }
    let (mut a, mut b, mut pairs) = (0, 0, Vec::new());
    while a < old.len() && b < new.len() {
        if old[a] == new[b] {
            pairs.push((a, b));
            (a, b) = (a + 1, b + 1);
        } else if length[(a + 1) * width + b] >= length[a * width + b + 1] {
            a += 1;
        } else {
            b += 1;
        }
    }
    pairs
}

/// For each line the number of the statement that it belongs to. A statement ends outside of parentheses at a line's end: behind `;`,
/// `{`, `}` and `:`, behind the head of an `if` or a loop, and behind `else` and `do`.
fn statements(text: &str) -> Vec<usize> {
    let (mut numbers, mut number) = (Vec::new(), 0);
    let (mut depth, mut comment) = (0i64, false);
    for line in text.lines() {
        numbers.push(number);
        let code = code(line, &mut comment);
        let code = code.trim();
        depth += code.matches('(').count() as i64 - code.matches(')').count() as i64;
        let word = code.trim_start_matches('}').trim();
        let ends = code.is_empty()
            || code.starts_with('#')
            || code.ends_with([';', '{', '}', ':', ')'])
            || matches!(word, "else" | "do");
        if ends && (depth <= 0 || code.starts_with('#')) {
            (number, depth) = (number + 1, 0);
        }
    }
    numbers
}

/// A line without comments and without what stands in quotes.
fn code(line: &str, comment: &mut bool) -> String {
    let (mut kept, mut rest) = (String::new(), line);
    while !rest.is_empty() {
        if *comment {
            let Some((_, after)) = rest.split_once("*/") else {
                return kept;
            };
            (*comment, rest) = (false, after);
            continue;
        }
        let Some(at) = rest.find(['/', '"', '\'']) else {
            kept.push_str(rest);
            break;
        };
        kept.push_str(&rest[..at]);
        rest = &rest[at..];
        if rest.starts_with("//") {
            break;
        }
        if let Some(after) = rest.strip_prefix("/*") {
            (*comment, rest) = (true, after);
            continue;
        }
        let quote = rest.as_bytes()[0];
        if quote == b'/' {
            kept.push('/');
            rest = &rest[1..];
            continue;
        }
        let bytes = rest.as_bytes();
        let mut end = 1;
        while end < bytes.len() && bytes[end] != quote {
            end += if bytes[end] == b'\\' { 2 } else { 1 };
        }
        kept.push('_');
        rest = rest.get(end + 1..).unwrap_or("");
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEFORE: &str = "int f(int a)\n{\n\tif (a &&\n\t    b)\n\t\tgive(a, /* ( */\n\t\t     \"(;\");\n\telse\n\t\tkeep(a);\n\treturn 0;\n}\n";

    fn between(now: &str) -> (Vec<usize>, Vec<usize>) {
        let edited = Edited::between(BEFORE.as_bytes(), now.as_bytes());
        (edited.added, edited.removed)
    }

    #[test]
    fn the_lines_of_a_statement_belong_together_and_those_beside_it_do_not() {
        let now = BEFORE.replace("\"(;\"", "\"\"");
        assert_eq!(between(&now), (vec![5, 6], vec![5, 6]));
        assert_eq!(
            between(&BEFORE.replace("keep(a)", "keep(b)")),
            (vec![8], vec![8])
        );
        assert_eq!(
            between(&BEFORE.replace("    b)", "    c)")),
            (vec![3, 4], vec![3, 4])
        );
    }

    #[test]
    fn a_statement_that_is_gone_leaves_no_line_and_one_that_came_takes_none() {
        let now = BEFORE.replace("\telse\n\t\tkeep(a);\n", "");
        assert_eq!(between(&now), (vec![], vec![7, 8]));
        let now = BEFORE.replace("\treturn 0;\n", "\tmore(a);\n\treturn 0;\n");
        assert_eq!(between(&now), (vec![9], vec![]));
        assert_eq!(between(BEFORE), (vec![], vec![]));
    }

    #[test]
    fn a_line_is_found_where_it_stood_before() {
        let now = BEFORE.replace("\treturn 0;\n", "\tmore(a);\n\treturn 0;\n");
        let edited = Edited::between(BEFORE.as_bytes(), now.as_bytes());
        assert_eq!(edited.before(10), Some(9));
        assert_eq!(edited.before(9), None);
        assert_eq!(edited.before(3), Some(3));
        // What differs in the middle is aligned, not only the ends.
        let edited = Edited::between(b"a;\nb;\nc;\nd;\n", b"x;\nb;\ny;\nc;\nz;\n");
        assert_eq!((edited.added, edited.removed), (vec![1, 3, 5], vec![1, 4]));
    }
}
