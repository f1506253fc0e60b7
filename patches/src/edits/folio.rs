// SPDX-License-Identifier: MIT OR Apache-2.0
//! References of a folio that were taken as references on its pages: one call drops as many pins.

use super::layout::{self, column, line_end, line_start};
use super::release::Released;
use super::replace::Edit;
use super::source::{Found, Source, is_macro};
use super::walk;
use super::words::Words;
use callsites::index::ir::Expr;

/// Whether a call drops references of a folio: folio_put(), or folio_put_refs() with their number.
pub(super) fn drops(name: &str, found: &Found<'_>) -> bool {
    matches!(
        (name, found.arguments.len()),
        ("folio_put", 1) | ("folio_put_refs", 2)
    )
}

/// The function that drops pins of a folio in place of references, and its arguments.
///
/// # Errors
/// Why there is none, as a clause.
pub(super) fn pins(
    source: &Source,
    found: &Found<'_>,
    words: &Words,
) -> Result<(&'static str, Vec<String>), String> {
    let text = |at: usize| layout::one_line(&source.text(found.arguments[at]));
    let mut page = None;
    let mut plain = false;
    walk::all_expressions(found.function, &mut |expr| {
        if expr.span() != found.arguments[0] {
            return;
        }
        plain |= matches!(expr, Expr::Name(..) | Expr::Field { .. });
        if let (Some("page_folio"), Expr::Call { args, .. }) = (expr.callee_name(), expr) {
            page = args.first().map(Expr::span);
        }
    });
    // The folio of a page has been looked up for this call alone: unpin_user_page() does it too ("mm/gup.c", 6.12).
    if let (Some(page), 1) = (page, found.arguments.len()) {
        return Ok((words.one, vec![layout::one_line(&source.text(page))]));
    }
    match words.folio {
        Some(name) if found.arguments.len() == 1 => Ok((name, vec![text(0), "1".into()])),
        Some(name) => Ok((name, vec![text(0), text(1)])),
        // A pin of any page of a folio is one of the folio.
        None if plain && found.arguments.len() == 1 => {
            Ok((words.one, vec![format!("&{}->page", text(0))]))
        }
        None => Err("the tree has no unpin_user_folio(), which came with 6.12".into()),
    }
}

/// The call that drops pins in its place.
///
/// # Errors
/// Why there is none, as a clause.
pub(super) fn released(
    source: &Source,
    found: &Found<'_>,
    words: &Words,
) -> Result<Released, String> {
    if is_macro(found.function) {
        return Err("its arguments change, and it stands in a macro".into());
    }
    let (becomes, arguments) = pins(source, found, words)?;
    let bytes = &source.bytes;
    let (start, end) = (found.callee.start as usize, found.whole.end as usize);
    let begin = column(&bytes[line_start(bytes, start)..start], 0);
    let rest = String::from_utf8_lossy(&bytes[end..line_end(bytes, end)]).into_owned();
    let called = layout::call(becomes, &arguments, begin, rest.trim_end(), source.columns);
    Ok(Released {
        edits: vec![Edit::new(start, end, called)],
        becomes: becomes.into(),
        gone: None,
        changes: Vec::new(),
        notes: Vec::new(),
        kept: None,
    })
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{diff, planned, sources};
    use super::super::{Functions, group};
    use super::*;
    use crate::fixture::report;
    use crate::options::Api;
    use callsites::report::Era::Pin;

    #[test]
    fn a_reference_of_a_folio_becomes_a_pin_of_it() {
        let text = "\
static void toy_put(struct toy *toy)
{
	folio_mark_dirty_lock(toy->folio);
	folio_put(toy->folio);
	folio_put_refs(toy->large, toy->nr);
	folio_put(page_folio(toy->pages[0]));
}
";
        let changed = diff(Pin, text);
        for line in [
            "+→unpin_user_folio(toy->folio, 1);",
            "+→unpin_user_folio(toy->large, toy->nr);",
            "+→unpin_user_page(toy->pages[0]);",
        ] {
            assert!(changed.contains(line), "{changed}");
        }
    }

    #[test]
    fn a_tree_without_pins_of_folios_unpins_the_page() {
        let text = "\
static void toy_put(struct toy *toy)
{
	folio_put(toy->folio);
}
";
        let files = [("drivers/misc/toy.c", text)];
        let report = report(Pin, &files);
        let words = Words::of(Api::Auto, Pin, &Functions::release("6.6")).expect("has pins");
        let sources = sources(&files, &report);
        let plan = group(&sources, &report, &report.groups[0], &words).expect("converts");
        let new = plan.contents(&sources).expect("no overlap");
        let new = String::from_utf8_lossy(new.values().next().expect("one file"));
        assert!(
            new.contains("\tunpin_user_page(&toy->folio->page);\n"),
            "{new}"
        );
    }

    #[test]
    fn a_macro_keeps_the_folio_it_is_given() {
        let text = "\
#define TOY_PUT(folio)		\\
	do {			\\
		folio_put(folio);	\\
	} while (0)

static void toy_put(struct toy *toy)
{
	TOY_PUT(toy->folio);
}
";
        let refused = planned(Pin, text).expect_err("a macro");
        assert!(refused[0].contains("it stands in a macro"), "{refused:?}");
    }
}
