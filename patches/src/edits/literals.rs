// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where comments and strings stand in C source.

/// What is no code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// With its marks.
    Comment,
    /// What stands between the quotes.
    String,
}

/// The comments and strings of `text`, in order; characters are passed over.
pub(super) fn find(text: &[u8]) -> Vec<(Kind, usize, usize)> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let rest = &text[at..];
        let comment = match rest {
            [b'/', b'*', ..] => {
                bstr::ByteSlice::find(&rest[2..], "*/").map_or(rest.len(), |n| n + 4)
            }
            [b'/', b'/', ..] => bstr::ByteSlice::find(rest, "\n").unwrap_or(rest.len()),
            _ => 0,
        };
        at += match rest {
            _ if comment > 0 => {
                found.push((Kind::Comment, at, at + comment));
                comment
            }
            [quote @ (b'"' | b'\''), ..] => {
                let mut end = 1;
                while end < rest.len() && rest[end] != *quote {
                    end += 1 + usize::from(rest[end] == b'\\');
                }
                let end = end.min(rest.len());
                if *quote == b'"' {
                    found.push((Kind::String, at + 1, at + end));
                }
                (end + 1).min(rest.len())
            }
            _ => 1,
        };
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_hides_the_others_marks() {
        let text = b"a /* \"x\" */ \"/* y \\\" */\" '\"' // z\nb \"open";
        let said: Vec<(Kind, &str)> = find(text)
            .into_iter()
            .map(|(kind, from, to)| (kind, std::str::from_utf8(&text[from..to]).unwrap()))
            .collect();
        assert_eq!(
            said,
            [
                (Kind::Comment, "/* \"x\" */"),
                (Kind::String, "/* y \\\" */"),
                (Kind::Comment, "// z"),
                (Kind::String, "open"),
            ]
        );
    }

    #[test]
    fn only_string_literals_are_messages() {
        let text = br#"f("a\"b", '"', /* "no" */ 1); // "no"
"c""#;
        let found: Vec<&[u8]> = find(text)
            .into_iter()
            .filter(|(kind, ..)| *kind == Kind::String)
            .map(|(_, from, to)| &text[from..to])
            .collect();
        assert_eq!(found, [b"a\\\"b".as_slice(), b"c"]);
    }
}
