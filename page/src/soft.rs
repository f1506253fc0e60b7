// SPDX-License-Identifier: MIT OR Apache-2.0
//! Text in which a line may end at a slash or an underscore, so that no name has to be broken inside a word.

use maud::{Markup, PreEscaped, Render, html};

/// Characters of a name that fit the narrowest column of a page 400 pixels wide; a longer one may end a line after an
/// underscore, a dot or a dash too.
const FITS: usize = 24;

/// `text` with places where a line may end in what is longer than a word: after the slashes of a path, and in names that
/// are too long for a line after whatever they are put together with.
pub fn soft(text: &str) -> Markup {
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    for word in text.split_inclusive(char::is_whitespace) {
        let mut start = 0;
        for (at, c) in word.char_indices() {
            let end = at + c.len_utf8();
            // A bracket that begins a word belongs to it, and so does one that closes.
            let anyway = matches!(c, '/' | ',' | '|' | '=' | '@') || c == '(' && at > 0;
            let if_long = matches!(c, '_' | '.' | ':' | '-');
            let rest = &word[end..];
            // What is left of the name up to its next slash decides whether it fits; its brackets are part of it.
            let left = rest.find(['/', ',', '(']).unwrap_or(rest.len());
            let brackets = if rest[left..].starts_with("()") { 2 } else { 0 };
            let name = word[start..end].len() + left + brackets;
            let ends = anyway && word.len() > FITS / 2 || if_long && name > FITS;
            let arrow = c == '-' && rest.starts_with('>');
            let closes = rest.starts_with(')');
            if ends && !arrow && !closes && !rest.trim_end().trim_end_matches(')').is_empty() {
                word[start..end].render_to(&mut out);
                out.push_str("<wbr>");
                start = end;
            }
        }
        word[start..].render_to(&mut out);
    }
    html! { (PreEscaped(out)) }
}

/// `1 file`, `2 files`.
pub fn number(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_name_may_end_a_line_after_its_slashes_and_nothing_is_lost() {
        let text = "in drivers/misc/a.c:12 <b>&a_short_name get_user_pages_of_a_very_long_name()";
        let soft = soft(text).into_string();
        assert_eq!(
            soft,
            "in drivers/<wbr>misc/<wbr>a.c:12 &lt;b&gt;&amp;a_short_name get_<wbr>user_<wbr>pages_<wbr>of_a_very_long_name()"
        );
        assert_eq!(soft_text(&soft), text);
    }

    #[test]
    fn a_bracket_stays_with_what_it_opens_and_closes() {
        let plain = |text: &str| soft(text).into_string();
        // 26 characters: one more than fits, so that it may end after an underscore instead of between its brackets.
        assert_eq!(
            plain("kvmppc_xive_cleanup_vcpu()"),
            "kvmppc_<wbr>xive_cleanup_vcpu()"
        );
        assert_eq!(
            plain("(unpin_user_page drivers"),
            "(unpin_user_page drivers"
        );
    }

    fn soft_text(html: &str) -> String {
        html.replace("<wbr>", "")
            .replace("&lt;", "<")
            .replace("&gt;", ">")
            .replace("&amp;", "&")
    }
}
