// SPDX-License-Identifier: MIT OR Apache-2.0
//! Braces that are left with one statement in place of declarations and statements go, as the kernel's style has it.

use super::arms::arm;
use super::layout::{begins_line, line_end, line_start};
use super::replace::Edit;
use super::source::{Source, is_macro};
use super::walk::{holds, statements};
use callsites::index::ir::{Span, Stmt};

/// Adds to `edits` those that take such braces away. An `if` with another arm keeps its braces, since both arms have them
/// where one needs them; so do braces that stood round one statement before.
pub(super) fn bared(source: &Source, edits: &mut Vec<Edit>) {
    let mut more = Vec::new();
    for function in &source.facts.functions {
        let touched = edits
            .iter()
            .any(|edit| holds(function.body_span, edit.span));
        if !touched || is_macro(function) {
            continue;
        }
        let mut arms: Vec<Span> = Vec::new();
        for stmt in &function.body {
            statements(stmt, &mut |stmt| {
                let Stmt::If {
                    then,
                    otherwise,
                    span,
                    ..
                } = stmt
                else {
                    return;
                };
                if let Some(other) = otherwise {
                    arms.push(other.span());
                }
                let alone = otherwise.is_none() && !arms.contains(span);
                let declares = matches!(then.as_ref(), Stmt::Block(list, _)
                    if matches!(list.as_slice(), [Stmt::Decl(..), _, ..]));
                if alone && declares && arm(source, then.span(), edits).is_some() {
                    more.extend(around(source, then.span(), edits));
                }
            });
        }
    }
    edits.extend(more.into_iter().flatten());
}

/// The opening brace at the end of its line, and the line of the closing one; None where they stand in another way, or where
/// an edit touches them.
fn around(source: &Source, block: Span, edits: &[Edit]) -> Option<[Edit; 2]> {
    let bytes = &source.bytes;
    let (open, close) = (block.start as usize, block.end as usize - 1);
    let head = bytes[..open].trim_ascii_end().len();
    let rest = bytes[open + 1..line_end(bytes, open)].trim_ascii();
    let tail = bytes[close + 1..line_end(bytes, close)].trim_ascii();
    let shape = rest.is_empty()
        && tail.is_empty()
        && begins_line(bytes, close)
        && bytes[head..open].iter().all(|&byte| byte == b' ');
    let both = [
        Edit::new(head, open + 1, ""),
        Edit::new(line_start(bytes, close), line_end(bytes, close), ""),
    ];
    let free = both.iter().all(|new| {
        let beside = |old: &Edit| old.span.end <= new.span.start || new.span.end <= old.span.start;
        edits.iter().all(beside)
    });
    (shape && free).then_some(both)
}

#[cfg(test)]
mod tests {
    use super::super::fixture::diff;
    use callsites::report::Era::PutUserPage;
    use insta::assert_snapshot;

    const HELD: &str = "\
static void toy_put(struct toy *toy)
{
	if (toy->held) {
		unsigned int i;

		for (i = 0; i < toy->count; i++)
			put_page(toy->pages[i]);
	}
	toy_done(toy);
}
";

    #[test]
    fn braces_that_a_declaration_asked_for_go_with_it() {
        assert_snapshot!(diff(PutUserPage, HELD), @r"
        -→if (toy->held) {
        -→→unsigned int i;
        -
        -→→for (i = 0; i < toy->count; i++)
        -→→→put_page(toy->pages[i]);
        -→}
        +→if (toy->held)
        +→→put_user_pages(toy->pages, toy->count);
        ");
    }

    #[test]
    fn braces_stay_where_they_are_still_wanted_or_were_the_files_own() {
        let kept = |text: &str| diff(PutUserPage, text).contains("toy->held) {");
        let with_more = HELD.replace("pages[i]);\n\t}", "pages[i]);\n\t\ttoy_wake(toy);\n\t}");
        assert!(!kept(&with_more), "{}", diff(PutUserPage, &with_more));
        let with_arm = HELD.replace(
            "\t}\n\ttoy_done",
            "\t} else {\n\t\ttoy_a(toy);\n\t\ttoy_b(toy);\n\t}\n\ttoy_done",
        );
        assert!(!kept(&with_arm), "{}", diff(PutUserPage, &with_arm));
        let own = HELD.replace("\t\tunsigned int i;\n\n", "").replace(
            "\t\tfor (i = 0; i < toy->count; i++)\n\t\t\tput_page(toy->pages[i]);",
            "\t\tput_page(toy->pages[0]);",
        );
        assert!(!kept(&own), "{}", diff(PutUserPage, &own));
    }
}
