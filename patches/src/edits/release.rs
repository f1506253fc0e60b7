// SPDX-License-Identifier: MIT OR Apache-2.0
//! One release gets its replacement: the loop around it becomes one call, or only its name changes.

use super::comment;
use super::count::Sign;
use super::fold::{self, Fold, Guard};
use super::folio;
use super::layout::{self, begins_line, column, indent, line_start};
use super::pair;
use super::rename::Call;
use super::replace::Edit;
use super::source::{Found, Source, is_macro};
use super::split;
use super::walk;
use super::words::{Dirty, Words, begins_with_the_last};
use callsites::index::ir::{Function, OutlineItem, OutlineKind, Span, Stmt};
use callsites::report::Callsite;
use refimpl::api::{Role, Sleeps, catalogue};

/// Why an array is not released at once.
pub(super) const NO_MANY: &str = "the tree has no function that releases an array of user pages";

/// What becomes of one release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Released {
    /// The edits.
    pub edits: Vec<Edit>,
    /// The function that stands there now.
    pub becomes: String,
    /// The statement that went, where it was more than the call.
    pub gone: Option<Gone>,
    /// Changes in behaviour, whole sentences.
    pub changes: Vec<String>,
    /// What a reviewer should know, whole sentences.
    pub notes: Vec<String>,
    /// Why the loop around it stays, where there is one.
    pub kept: Option<&'static str>,
}

/// A statement that one call has replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Gone {
    /// The whole of it.
    pub statement: Span,
    /// Variables that only served it, if nothing else uses them.
    pub variables: Vec<String>,
}

/// Plans the edits of one release.
///
/// # Errors
/// Why it cannot be converted, as a clause.
pub(super) fn release(source: &Source, site: &Callsite, words: &Words) -> Result<Released, String> {
    let found = source.find(site)?;
    let released = match site.call.as_str() {
        "release_pages" => release_pages(source, &found, words)?,
        "put_page" | "put_user_page" => put_page(source, &found, words)?,
        other if folio::drops(other, &found) => folio::released(source, &found, words)?,
        // A patch of its own has made it put_page() before.
        other if freed(other, &found) => Released {
            edits: vec![call(source, &found).renamed(words.one)],
            becomes: words.one.into(),
            gone: None,
            changes: Vec::new(),
            notes: Vec::new(),
            kept: None,
        },
        other if frees(other) => {
            return Err(format!(
                "{other}() frees the page, though it came from user space and may have other holders; write put_page() there \
                 first, in a patch of its own"
            ));
        }
        other => {
            return Err(format!("there is no pinning counterpart of {other}()"));
        }
    };
    // A static function that merely bears the name would be called instead of the kernel's.
    let own =
        |item: &OutlineItem| item.name == released.becomes && item.kind != OutlineKind::Prototype;
    let parsed = |function: &Function| function.name == released.becomes;
    let has = source.facts.outline.iter().any(own) || source.facts.functions.iter().any(parsed);
    match has && !source.renamed.contains_key(&released.becomes) {
        true => Err(format!("the file has a {}() of its own", released.becomes)),
        false => Ok(released),
    }
}

/// Whether a function gives memory back without asking whether others hold it.
fn frees(name: &str) -> bool {
    catalogue()
        .get(name)
        .is_some_and(|function| matches!(function.kind.as_str(), "free" | "free-address"))
}

/// Whether a call gives one page back as if it had been allocated: put_page() takes the same argument.
pub(super) fn freed(name: &str, found: &Found<'_>) -> bool {
    let page = catalogue()
        .get(name)
        .is_some_and(|function| function.kind == "free");
    page && found.arguments.len() == 1
}

/// What puts a page that was given back as if it had been allocated.
pub(super) fn put(source: &Source, site: &Callsite) -> Result<Option<Edit>, String> {
    let found = source.find(site)?;
    Ok(freed(&site.call, &found).then(|| call(source, &found).renamed("put_page")))
}

fn release_pages(source: &Source, found: &Found<'_>, words: &Words) -> Result<Released, String> {
    let name = words.many.ok_or(NO_MANY)?;
    if found.arguments.len() != 2 {
        return Err("release_pages() has a third argument here".into());
    }
    let path = walk::path(found.function, found.whole);
    let mut count = Sign::NotNegative;
    walk::all_expressions(found.function, &mut |expr| {
        if expr.span() == found.arguments[1] {
            count = super::count::sign(found.function, &path, expr, &source.takers());
        }
    });
    let function = source.shown(found.function);
    let notes = match count {
        Sign::NotNegative => Vec::new(),
        Sign::Signed => vec![negative_count(function, name)],
        Sign::MayBeError => {
            return Err(
                "its count may be a negative error code, which release_pages() ignores".into(),
            );
        }
    };
    let changes = Vec::from_iter(order(function, false, name));
    Ok(Released {
        edits: vec![call(source, found).renamed(name)],
        becomes: name.into(),
        gone: None,
        changes,
        notes,
        kept: None,
    })
}

fn put_page(source: &Source, found: &Found<'_>, words: &Words) -> Result<Released, String> {
    if found.arguments.len() != 1 {
        return Err("it does not have one argument".into());
    }
    let path = walk::path(found.function, found.whole);
    let in_loop = path.iter().any(|stmt| matches!(stmt, Stmt::Loop { .. }));
    let kept = match folded(source, found, &path, words) {
        Ok(released) => return Ok(released),
        Err(why) => in_loop.then_some(why),
    };
    // Outside of a loop two statements say it as well as one.
    let pair = in_loop.then(|| pair::released(source, found, &path, words));
    if let Some(pair) = pair.flatten() {
        return Ok(pair);
    }
    Ok(Released {
        edits: vec![call(source, found).renamed(words.one)],
        becomes: words.one.into(),
        gone: None,
        changes: Vec::new(),
        notes: Vec::new(),
        kept,
    })
}

fn call<'a>(source: &'a Source, found: &Found<'_>) -> Call<'a> {
    Call {
        bytes: &source.bytes,
        callee: found.callee,
        whole: found.whole,
        arguments: found.arguments.clone(),
        in_macro: is_macro(found.function),
        columns: source.columns,
    }
}

fn folded(
    source: &Source,
    found: &Found<'_>,
    path: &[&Stmt],
    words: &Words,
) -> Result<Released, fold::Why> {
    if is_macro(found.function) {
        return Err("it stands in a macro");
    }
    let fold = fold::read(
        &source.bytes,
        found.function,
        path,
        found.whole,
        &source.takers(),
    )?;
    let bytes = &source.bytes;
    let loop_text = source.slice(fold.statement);
    if loop_text.starts_with(b"#") || bstr::ByteSlice::contains_str(loop_text, "\n#") {
        return Err("it holds a preprocessor line");
    }
    let mut array = layout::one_line(&source.text(fold.array));
    if let Some(first) = fold.slice {
        array = format!("&{array}[{}]", layout::one_line(&source.text(first)));
    }
    let count = layout::one_line(&source.text(fold.count.span));
    let condition = fold
        .dirty
        .and_then(|(_, condition)| condition)
        .map(|span| layout::one_line(&source.text(span)));
    let guard = match &fold.guard {
        None => None,
        Some(Guard::Condition(span)) => Some(layout::one_line(&source.text(*span))),
        Some(Guard::Positive) => Some(format!("{count} > 0")),
    };
    let mut lines = match lines(words, &fold, array.clone(), count.clone(), condition) {
        Ok(lines) => lines,
        Err(why) => {
            return match words.many.filter(|_| words.split_loops) {
                Some(name) if !fold.range && !has_comment(loop_text) => {
                    split::released(source, found, path, fold, name, [array, count])
                }
                _ => Err(why),
            };
        }
    };
    if let Some(guard) = &guard {
        match lines.as_mut_slice() {
            [only] if only.above.is_none() && in_block(path, fold.statement) => {
                only.above = Some(format!("if ({guard})"));
            }
            _ => return Err("its condition does not fit above one call"),
        }
    }
    let (start, end) = (fold.statement.start as usize, fold.statement.end as usize);
    if !begins_line(bytes, start) {
        return Err("it does not begin its line");
    }
    let margin = String::from_utf8_lossy(indent(bytes, start)).into_owned();
    let begin = column(margin.as_bytes(), 0);
    let becomes = lines.last().map(|line| line.callee).unwrap_or(words.one);
    // What is said in the loop is said above the call.
    let above = comment::lifted(loop_text, &margin)?;
    if !above.is_empty() && !in_block(path, fold.statement) {
        return Err("it holds a comment");
    }
    let single = lines.len() == 1 && guard.is_none() && above.is_empty() && fold.clears.is_none();
    let mut text = above.clone() + &render(source, &lines, begin, &margin);
    if let Some(clears) = fold.clears {
        let stays = lines.len() == 1 && above.is_empty() && in_block(path, fold.statement);
        let head = path.iter().find_map(|stmt| match stmt {
            Stmt::Loop { body, span, .. } if *span == fold.statement => {
                let head = Span {
                    start: span.start,
                    end: body.span().start,
                };
                Some(layout::one_line(&source.text(head)))
            }
            _ => None,
        });
        let Some(head) = head.filter(|_| stays) else {
            return Err("it does more than release");
        };
        let cleared = source.text(clears);
        text += &format!("\n{margin}{head}\n{margin}\t{cleared}");
    }
    let edit = match around(source, path, fold.statement) {
        Some((open, close)) if single => {
            // The braces go with the loop: a single statement has none.
            let line = line_start(bytes, start);
            let before = source.bytes[..open].trim_ascii_end().len();
            Edit::new(
                before,
                close,
                format!("\n{}{text}", String::from_utf8_lossy(&bytes[line..start])),
            )
        }
        _ => Edit::new(start, end, text),
    };
    Ok(Released {
        edits: vec![edit],
        becomes: becomes.into(),
        changes: changes(source, found.function, &fold, becomes, words),
        notes: match fold.count.sign {
            Sign::Signed => vec![negative_count(source.shown(found.function), becomes)],
            _ => Vec::new(),
        },
        gone: Some(Gone {
            statement: fold.statement,
            variables: fold.variables,
        }),
        kept: None,
    })
}

/// Whether `statement` is one of several that could stand there.
fn in_block(path: &[&Stmt], statement: Span) -> bool {
    let depth = path.iter().position(|stmt| stmt.span() == statement);
    match depth.and_then(|depth| depth.checked_sub(1)) {
        Some(above) => matches!(path[above], Stmt::Block(..)),
        None => true,
    }
}

/// A call in a rendered replacement, with the `if` or `else` above it.
pub(super) struct Line {
    /// "if (…)" or "else".
    pub above: Option<String>,
    /// The function.
    pub callee: &'static str,
    /// Its arguments.
    pub arguments: Vec<String>,
}

/// The calls that do what the loop did.
fn lines(
    words: &Words,
    fold: &Fold,
    array: String,
    count: String,
    condition: Option<String>,
) -> Result<Vec<Line>, fold::Why> {
    const NONE: fold::Why = "the tree has no function that does the same for an array";
    if fold.range {
        return Ok(vec![Line {
            above: None,
            callee: words.range.ok_or(NONE)?,
            arguments: vec![
                array,
                count,
                match (fold.dirty, condition) {
                    (None, _) => "false".into(),
                    (_, None) => "true".into(),
                    (_, Some(condition)) => condition,
                },
            ],
        }]);
    }
    let plain = |callee: Option<&'static str>, above: Option<String>| {
        callee.ok_or(NONE).map(|callee| Line {
            above,
            callee,
            arguments: vec![array.clone(), count.clone()],
        })
    };
    let Some((dirty, _)) = fold.dirty else {
        return Ok(vec![plain(words.many, None)?]);
    };
    // Where there is a function that dirties without the lock, nothing needs to change.
    let (callee, flag) = match (dirty, words.many_dirty, words.many_dirty_lock) {
        (Dirty::Unlocked, Some(name), _) => (Some(name), false),
        (_, _, Some(lock)) => (Some(lock.name), lock.flag),
        _ => (None, false),
    };
    if flag {
        let condition = condition.unwrap_or_else(|| "true".into());
        let mut line = plain(callee, None)?;
        line.arguments.push(condition);
        return Ok(vec![line]);
    }
    Ok(match condition {
        None => vec![plain(callee, None)?],
        Some(condition) => vec![
            plain(callee, Some(format!("if ({condition})")))?,
            plain(words.many, Some("else".into()))?,
        ],
    })
}

pub(super) fn render(source: &Source, lines: &[Line], begin: usize, margin: &str) -> String {
    let mut text = String::new();
    for line in lines {
        let mut begin = begin;
        if !text.is_empty() {
            text.push('\n');
            text.push_str(margin);
        }
        if let Some(above) = &line.above {
            text.push_str(&format!("{above}\n{margin}\t"));
            begin += 8;
        }
        text.push_str(&layout::call(
            line.callee,
            &line.arguments,
            begin,
            ";",
            source.columns,
        ));
        text.push(';');
    }
    text
}

/// The braces of an `if` without `else` that hold nothing but `statement`: from `{` to past `}`.
fn around(source: &Source, path: &[&Stmt], statement: Span) -> Option<(usize, usize)> {
    let depth = path.iter().position(|stmt| stmt.span() == statement)?;
    let Stmt::Block(list, span) = path.get(depth.checked_sub(1)?)? else {
        return None;
    };
    let Stmt::If {
        then,
        otherwise: None,
        ..
    } = path.get(depth.checked_sub(2)?)?
    else {
        return None;
    };
    // The last arm of an else-if chain keeps its braces, as the arms before it may have theirs.
    let in_chain = depth >= 3
        && matches!(path[depth - 3], Stmt::If { otherwise: Some(other), .. } if other.span() == path[depth - 2].span());
    let inside = source.slice(*span);
    let alone = list.len() == 1 && then.span() == *span && !has_comment(inside) && !in_chain;
    alone.then_some((span.start as usize, span.end as usize))
}

pub(super) fn has_comment(text: &[u8]) -> bool {
    text.windows(2).any(|two| two == b"/*" || two == b"//")
}

fn changes(
    source: &Source,
    function: &Function,
    fold: &Fold,
    becomes: &str,
    words: &Words,
) -> Vec<String> {
    let name = source.shown(function);
    let mut changes = Vec::new();
    let locks = words
        .many_dirty_lock
        .is_some_and(|lock| lock.name == becomes)
        || words.range == Some(becomes);
    if matches!(fold.dirty, Some((Dirty::Unlocked, _))) && locks {
        let sleeps = match sleeping_call(function) {
            Some(other) if acquires(&other) => {
                format!("{name}() may already sleep where it takes the pages.")
            }
            Some(other) => format!("{name}() may already sleep in {other}()."),
            None => format!("{name}() must not be called in atomic context."),
        };
        changes.push(format!(
            "{name}() dirtied the pages without their lock. {becomes}() takes the page lock, which closes the race with \
             truncation, but may sleep. {sleeps}"
        ));
    }
    changes.extend(order(name, fold.downwards, becomes));
    changes
}

/// Whether a call takes pages and may sleep for it.
fn acquires(name: &str) -> bool {
    let known = catalogue().get(name);
    known.is_some_and(|known| known.role == Role::Acquire && known.sleeps == Sleeps::May)
}

/// The first call of a function that may sleep, by the catalogue or by its name.
fn sleeping_call(function: &Function) -> Option<String> {
    // Each calls might_sleep() or might_fault() before anything else, whatever it is given.
    const SLEEP: [&str; 10] = [
        "copy_from_user",
        "copy_to_user",
        "down_read",
        "down_write",
        "mmap_read_lock",
        "mmap_write_lock",
        "msleep",
        "mutex_lock",
        "mutex_lock_interruptible",
        "wait_for_completion",
    ];
    let mut found = None;
    walk::all_expressions(function, &mut |expr| {
        let name = expr.callee_name().unwrap_or_default();
        if found.is_none() && (SLEEP.contains(&name) || acquires(name)) {
            found = Some(name.to_owned());
        }
    });
    found
}

/// What changes in the order of release.
fn order(function: &str, downwards: bool, becomes: &str) -> Option<String> {
    let (before, after) = match (downwards, begins_with_the_last(becomes)) {
        (true, false) => ("from the last to the first", "first"),
        (false, true) => ("from the first to the last", "last"),
        _ => return None,
    };
    Some(format!(
        "{function}() released the pages {before}; {becomes}() begins with the {after}."
    ))
}

pub(super) fn negative_count(function: &str, becomes: &str) -> String {
    format!(
        "The count in {function}() is signed and is not tested before it is used. If it can be negative, nothing was \
         released; {becomes}() takes an unsigned count and must never be given a negative one."
    )
}
