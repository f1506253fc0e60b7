// SPDX-License-Identifier: MIT OR Apache-2.0
//! One call gets another name; its later lines move with its parenthesis, and a line grown too long is broken.

use super::layout::{self, WIDTH, column, line_end, line_start};
use super::replace::Edit;
use callsites::index::ir::Span;

/// A call as the bytes have it.
pub(super) struct Call<'a> {
    /// The file.
    pub bytes: &'a [u8],
    /// The callee's name.
    pub callee: Span,
    /// The whole call, from the callee to the closing parenthesis.
    pub whole: Span,
    /// The arguments.
    pub arguments: Vec<Span>,
    /// Inside of a `#define`, where lines end in backslashes: then nothing is broken.
    pub in_macro: bool,
    /// Columns that a line of the tree may have.
    pub columns: usize,
}

impl Call<'_> {
    fn text(&self, span: Span) -> String {
        String::from_utf8_lossy(&self.bytes[span.start as usize..span.end as usize]).into_owned()
    }

    /// The edit that renames the callee.
    pub(super) fn renamed(&self, name: &str) -> Edit {
        let (start, end) = (self.callee.start as usize, self.callee.end as usize);
        let rename = || Edit::new(start, end, name);
        let old = end - start;
        if self.in_macro || name.len() == old {
            return rename();
        }
        let whole_end = self.whole.end as usize;
        let begin = column(&self.bytes[line_start(self.bytes, start)..start], 0);
        let many_lines = self.bytes[start..whole_end].contains(&b'\n');
        let rest = &self.bytes[whole_end..line_end(self.bytes, whole_end)];
        let rest = String::from_utf8_lossy(rest);
        let rest = rest.trim_end();
        if !many_lines {
            let line = column(&self.bytes[line_start(self.bytes, start)..whole_end], 0);
            let new = line - old + name.len() + rest.len();
            // A line that was too long before is left to whoever wrote it.
            if new <= 80 || name.len() <= old || self.arguments.len() < 2 && new <= 100 {
                return rename();
            }
        }
        // The longer name moves the parenthesis, and what is aligned with it.
        let arguments: Vec<String> = self.arguments.iter().map(|&a| self.text(a)).collect();
        if self.has_comment() {
            return rename();
        }
        if arguments.iter().any(|argument| argument.contains('\n')) {
            return self.carried_over(name, begin).unwrap_or_else(rename);
        }
        let aligned = self.aligned_text(name, begin);
        let text = match aligned {
            Some(text) => text,
            None => layout::call(name, &arguments, begin, rest, self.columns),
        };
        let text = match layout::indent(self.bytes, start).contains(&b'\t') {
            false if layout::indent(self.bytes, start).len() >= 4 => text.replace('\t', "        "),
            _ => text,
        };
        Edit::new(start, whole_end, text)
    }

    /// The rename with the last words of the first line moved to the next, where an argument of several lines makes the first
    /// too long now; None where it does not, or where there is no room for them.
    fn carried_over(&self, name: &str, begin: usize) -> Option<Edit> {
        let (start, end) = (self.callee.end as usize, self.whole.end as usize);
        let inside = std::str::from_utf8(&self.bytes[start..end]).ok()?;
        let (first, below) = inside.split_once('\n')?;
        let first = first.trim_end();
        let grown = begin + name.len();
        let was = begin + (self.callee.end - self.callee.start) as usize + first.chars().count();
        if grown + first.chars().count() <= WIDTH || was > WIDTH || first.contains(['"', '\'']) {
            return None;
        }
        let (kept, moved) = first
            .rmatch_indices(' ')
            .map(|(at, _)| (first[..at].trim_end(), first[at..].trim_start()))
            .find(|(kept, _)| grown + kept.chars().count() <= WIDTH)?;
        let next = below.lines().next()?;
        let body = next.trim_start();
        let blanks = &next[..next.len() - body.len()];
        // What follows the call stands in its last line.
        let line = &self.bytes[end - below.len()..];
        let line = &line[..line_end(line, 0)];
        let wide = column(line.trim_ascii_end(), 0) + moved.chars().count() + 1;
        (wide <= WIDTH).then(|| {
            let upto = end - below.len() + blanks.len();
            Edit::new(
                self.callee.start as usize,
                upto,
                format!("{name}{kept}\n{blanks}{moved} "),
            )
        })
    }

    fn has_comment(&self) -> bool {
        let text = &self.bytes[self.whole.start as usize..self.whole.end as usize];
        text.windows(2).any(|two| two == b"/*" || two == b"//")
    }

    /// The call with its own line breaks, the later lines moved by the difference in length; None where a line would
    /// pass the width or the lines are not aligned with the parenthesis.
    fn aligned_text(&self, name: &str, begin: usize) -> Option<String> {
        let inside = self.text(Span {
            start: self.callee.end,
            end: self.whole.end,
        });
        if !inside.contains('\n') {
            return None;
        }
        let open = begin + (self.callee.end - self.callee.start) as usize + 1;
        let moved = begin + name.len() + 1;
        let mut lines = inside.lines();
        let first = lines.next()?;
        let mut text = format!("{name}{}", first);
        let mut widest = begin + name.len() + first.len();
        for line in lines {
            let body = line.trim_start();
            let blanks = &line[..line.len() - body.len()];
            if column(blanks.as_bytes(), 0) != open {
                return None;
            }
            text.push('\n');
            text.push_str(&layout::blanks(moved));
            text.push_str(body);
            widest = widest.max(moved + body.chars().count());
        }
        (widest < 80).then_some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::super::replace::carry_out;
    use super::*;

    /// Renames the first call of `callee` in `source`, which has `arguments`.
    fn rename(source: &str, callee: &str, arguments: &[&str], name: &str) -> String {
        let start = source.find(callee).expect("stands there");
        let span = |from: usize, length: usize| Span {
            start: from as u32,
            end: (from + length) as u32,
        };
        let close = start + source[start..].find(");").expect("ends") + 1;
        let mut at = start + callee.len();
        let arguments = arguments
            .iter()
            .map(|argument| {
                at += source[at..].find(argument).expect("an argument");
                span(at, argument.len())
            })
            .collect();
        let call = Call {
            bytes: source.as_bytes(),
            callee: span(start, callee.len()),
            whole: span(start, close - start),
            arguments,
            in_macro: false,
            columns: 100,
        };
        let edited = carry_out(source.as_bytes(), &[call.renamed(name)]);
        String::from_utf8(edited).expect("UTF-8 in, UTF-8 out")
    }

    #[test]
    fn a_name_of_the_same_length_changes_nothing_else() {
        let source = "\tn = get_user_pages(start,\n\t\t count, flags, pages);\n";
        let new = rename(source, "get_user_pages", &[], "pin_user_pages");
        assert_eq!(new, source.replace("get_user", "pin_user"));
    }

    #[test]
    fn later_lines_move_with_the_parenthesis() {
        let source = "\trelease_pages(map->pages,\n\t\t      map->count);\n";
        let new = rename(
            source,
            "release_pages",
            &["map->pages", "map->count"],
            "unpin_user_pages",
        );
        assert_eq!(new, "\tunpin_user_pages(map->pages,\n\t\t\t map->count);\n");
    }

    #[test]
    fn an_argument_of_several_lines_gives_its_last_word_to_the_next_line() {
        let source =
            "\t\t\t\t\tput_page(pfn_to_page(mem->frames[j] >>\n\t\t\t\t\t\t\tPAGE_SHIFT));\n";
        let argument = "pfn_to_page(mem->frames[j] >>\n\t\t\t\t\t\t\tPAGE_SHIFT)";
        let new = rename(source, "put_page", &[argument], "put_user_page");
        assert_eq!(
            new,
            "\t\t\t\t\tput_user_page(pfn_to_page(mem->frames[j]\n\t\t\t\t\t\t\t>> PAGE_SHIFT));\n"
        );
        // One that still fits keeps its lines.
        let source = source.replacen("\t\t", "", 1);
        let new = rename(&source, "put_page", &[argument], "put_user_page");
        assert_eq!(new, source.replace("put_page", "put_user_page"));
    }

    #[test]
    fn a_file_that_is_indented_by_blanks_stays_so() {
        let source =
            "            release_pages(request->window.pages, request->window.lengths_of_all);\n";
        let arguments = ["request->window.pages", "request->window.lengths_of_all"];
        let new = rename(source, "release_pages", &arguments, "unpin_user_pages");
        assert_eq!(
            new,
            "            unpin_user_pages(request->window.pages,\n                             request->window.lengths_of_all);\n"
        );
    }

    #[test]
    fn a_line_that_does_not_grow_is_not_broken() {
        let source = "\t\t\tn = get_user_pages_compatible(request->window.start, request->window.len, pages);\n";
        let arguments = ["request->window.start", "request->window.len", "pages"];
        let new = rename(
            source,
            "get_user_pages_compatible",
            &arguments,
            "pin_user_pages",
        );
        assert_eq!(
            new,
            source.replace("get_user_pages_compatible", "pin_user_pages")
        );
    }

    #[test]
    fn a_line_grown_too_long_is_broken_at_a_comma() {
        let source = "\t\t\trelease_pages(request->window.pages, request->window.len);\n";
        let arguments = ["request->window.pages", "request->window.len"];
        let new = rename(source, "release_pages", &arguments, "unpin_user_pages");
        assert_eq!(
            new,
            "\t\t\tunpin_user_pages(request->window.pages,\n\t\t\t\t\t request->window.len);\n"
        );
    }
}
