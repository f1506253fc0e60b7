// SPDX-License-Identifier: MIT OR Apache-2.0
//! Splits a file into its top-level items without parsing them.
//!
//! An item is told by its brackets: a `{` after parameters opens a function, a `{` after `=` a table, a `{` after
//! `struct` a record. A macro call that lacks its `;` ends where a new declaration begins in the first column.

use super::ir::Span;
use super::lex::{Kind, Mode, tokens};
use super::source::Source;
use super::words;
use smol_str::SmolStr;
use std::ops::Range;

/// Kinds of items.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ItemKind {
    /// A function with a body.
    Function,
    /// A struct or union.
    Record,
    /// A typedef.
    Typedef,
    /// A variable, with or without an initialiser.
    Variable,
    /// A function declared only.
    Prototype,
    /// A `#define` with the bytes of its parameters (if it has any) and of its body.
    Macro {
        /// Between the parentheses.
        parameters: Option<Span>,
        /// After name and parameters.
        body: Span,
    },
    /// A macro used at file scope, and everything else.
    Other,
}

/// A top-level item.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Item {
    /// What it is.
    pub(crate) kind: ItemKind,
    /// Its name; of a definition by macro (`SYSCALL_DEFINE2(name, …)`) see [`Item::definer`].
    pub(crate) name: SmolStr,
    /// Where the name stands.
    pub(crate) name_span: Span,
    /// Its tokens; of a macro the one of its line.
    pub(crate) tokens: Range<usize>,
    /// The parenthesis that opens the parameters.
    pub(crate) open: Option<usize>,
    /// The brace that opens the body of a function, or the initialiser of a table.
    pub(crate) brace: Option<usize>,
    /// The macro that defines the function, `SYSCALL_DEFINE2`.
    pub(crate) definer: Option<String>,
    /// The bytes it covers.
    pub(crate) span: Span,
}

/// All items, in source order; `#define` lines stand among them wherever they are.
pub(crate) fn split(source: &Source<'_>) -> Vec<Item> {
    let mut out = Vec::new();
    Splitter {
        source,
        out: &mut out,
    }
    .run(0, source.tokens.len());
    for i in 0..source.tokens.len() {
        if source.tokens[i].kind == Kind::Directive {
            if let Some(item) = define(source, i) {
                out.push(item);
            }
        }
    }
    out.sort_by_key(|item| (item.span.start, item.span.end));
    out
}

struct Splitter<'s, 'a> {
    source: &'s Source<'a>,
    out: &'s mut Vec<Item>,
}

impl Splitter<'_, '_> {
    fn run(&mut self, from: usize, to: usize) {
        let mut i = from;
        while i < to {
            i = if self.skipped(i) || self.source.is(i, b";") {
                i + 1
            } else {
                self.item(i, to)
            };
        }
    }

    fn skipped(&self, i: usize) -> bool {
        self.source.aside[i] || self.source.tokens[i].kind == Kind::Directive
    }

    /// Reads the item that begins at `start`; the index after it.
    fn item(&mut self, start: usize, to: usize) -> usize {
        let source = self.source;
        let mut equals = false;
        let mut table = None;
        let mut tagged = false;
        // Where the head of a function may begin: behind the last braces.
        let mut from = start;
        let mut i = start;
        while i < to {
            if self.skipped(i) {
                i += 1;
                continue;
            }
            if source.is(i, b";") {
                self.declared(start..i + 1, table);
                return i + 1;
            }
            if source.is(i, b"=") {
                equals = true;
            } else if source.is(i, b"{") {
                if equals {
                    table.get_or_insert(i);
                } else if let Some(end) = self.body(start, from, i, tagged) {
                    return end;
                }
                from = source.after(i);
            } else if source.is(i, b"}") {
                return i + 1;
            }
            tagged |= source.is_ident(i) && words::is_tag_keyword(source.text(i));
            i = source.after(i);
            if !equals
                && self.is_use(start)
                && i == source.after(start + 1)
                && self.begins_item(i, to)
            {
                self.push(ItemKind::Other, start..i, Some(start), None, None, None);
                return i;
            }
        }
        if start < to {
            self.declared(start..to, table);
        }
        to
    }

    /// After `NAME(…)` without `;`: does a new item begin here?
    fn begins_item(&self, i: usize, to: usize) -> bool {
        if i >= to {
            return true;
        }
        let token = self.source.tokens[i];
        matches!(token.kind, Kind::Ident | Kind::Directive)
            && !(token.kind == Kind::Ident
                && words::looks_like_attribute(token.text(self.source.bytes))
                && !self.source.is_ident(i + 1))
    }

    /// At a `{` outside an initialiser: the end of the item when it is a function, None when the item goes on.
    fn body(&mut self, start: usize, from: usize, brace: usize, tagged: bool) -> Option<usize> {
        let source = self.source;
        let end = source.after(brace);
        if let Some(head) = head(source, from..brace) {
            self.push(
                ItemKind::Function,
                start..end,
                Some(head.name),
                Some(head.open),
                Some(brace),
                head.definer,
            );
            return Some(end);
        }
        if source.is_word(start, b"extern") && source.tokens[brace - 1].kind == Kind::Str {
            return Some(brace + 1);
        }
        if tagged {
            return None;
        }
        if let Some((from, name)) = self.old_style_head().filter(|_| start == brace) {
            let at = source.tokens[from].start;
            while self.out.last().is_some_and(|item| item.span.start >= at) {
                self.out.pop();
            }
            self.push(
                ItemKind::Function,
                from..end,
                Some(name),
                Some(name + 1),
                Some(brace),
                None,
            );
            return Some(end);
        }
        self.push(ItemKind::Other, start..end, Some(start), None, None, None);
        Some(end)
    }

    /// Is `start` the name of a macro that is used at file scope?
    fn is_use(&self, start: usize) -> bool {
        let word = self.source.text(start);
        self.source.is_ident(start)
            && self.source.is(start + 1, b"(")
            && !words::is_keyword(word)
            && !words::is_attribute_with_arguments(word)
            && !self.source.is(start + 2, b"*")
    }

    /// `int f(a, b) int a; char *b;` just before a `{`: where it begins, and its name.
    fn old_style_head(&self) -> Option<(usize, usize)> {
        let source = self.source;
        self.out.iter().rev().take(12).find_map(|item| {
            let open = item.tokens.clone().find(|i| source.is(*i, b"("))?;
            let close = source.mate(open)?;
            let names = (open + 1..close).all(|i| source.is_ident(i) || source.is(i, b","));
            (names && close > open + 1 && open > item.tokens.start)
                .then_some((item.tokens.start, open - 1))
        })
    }

    /// An item that ended with `;`.
    fn declared(&mut self, tokens: Range<usize>, table: Option<usize>) {
        let source = self.source;
        if source.is_word(tokens.start, b"typedef") {
            return self.push(ItemKind::Typedef, tokens, None, None, None, None);
        }
        let mut i = tokens.start;
        let mut record = None;
        let mut called = None;
        let mut name = None;
        while i < tokens.end {
            if source.is(i, b"{") && table.is_none() && record.is_none() {
                record = name;
            } else if source.is(i, b"=") || source.is(i, b"[") {
                break;
            } else if source.is(i, b"(") && called.is_none() {
                called = Some(i);
            } else if source.is_ident(i)
                && !words::looks_like_attribute(source.text(i))
                && called.is_none()
                && record.is_none()
            {
                name = Some(i);
            } else if source.is_ident(i)
                && words::is_attribute_with_arguments(source.text(i))
                && source.is(i + 1, b"(")
            {
                i += 1;
            }
            i = source.after(i);
        }
        let single = self.is_use(tokens.start);
        let kind = match (record, called) {
            (Some(_), _) => ItemKind::Record,
            (None, Some(_)) if single => ItemKind::Other,
            (None, Some(open))
                if table.is_none() && !source.is(open + 1, b"*") && i >= tokens.end =>
            {
                ItemKind::Prototype
            }
            _ => ItemKind::Variable,
        };
        let inner = called
            .filter(|open| source.is(open + 1, b"*") && open + 2 < tokens.end)
            .map(|open| open + 2);
        let name = if kind == ItemKind::Variable {
            inner.or(name)
        } else {
            record.or(name)
        };
        self.push(kind, tokens, name, called, table, None);
    }

    fn push(
        &mut self,
        kind: ItemKind,
        tokens: Range<usize>,
        name: Option<usize>,
        open: Option<usize>,
        brace: Option<usize>,
        definer: Option<String>,
    ) {
        let span = self.source.span(&tokens);
        let (name, name_span) = match name {
            Some(i) => (self.source.string(i), self.source.span(&(i..i + 1))),
            None => (
                SmolStr::default(),
                Span {
                    start: span.start,
                    end: span.start,
                },
            ),
        };
        self.out.push(Item {
            kind,
            name,
            name_span,
            tokens,
            open,
            brace,
            definer,
            span,
        });
    }
}

struct Head {
    name: usize,
    open: usize,
    definer: Option<String>,
}

/// Finds name and parameters in the tokens before a `{`.
fn head(source: &Source<'_>, range: Range<usize>) -> Option<Head> {
    let mut i = range.start;
    let mut found: Option<Head> = None;
    let mut tagged = false;
    while i < range.end {
        if source.aside[i] || !source.is(i, b"(") {
            tagged |=
                source.is_ident(i) && matches!(source.text(i), b"struct" | b"union" | b"enum");
            i = source.after(i);
            continue;
        }
        let before = (range.start..i)
            .rev()
            .find(|n| !source.aside[*n] && source.tokens[*n].kind != Kind::Directive);
        let after = source.after(i);
        if let Some(name) = before.filter(|n| source.is_ident(*n)) {
            let word = source.text(name);
            if words::is_attribute_with_arguments(word) || words::is_typeof(word) {
                i = after;
                continue;
            }
            if source.is(after, b"(") && source.is_ident(i + 1) && after < range.end {
                // `FNAME(walk)(params)`: the macro makes the name.
                return Some(Head {
                    name: i + 1,
                    open: after,
                    definer: None,
                });
            }
            if words::is_base_type(word)
                || word.ends_with(b"_t") && source.is(after, b"(")
                || tagged && source.is(i + 1, b"*")
            {
                return nested(source, i);
            }
            found = Some(Head {
                name,
                open: i,
                definer: defined_by_macro(source, name, i),
            });
            break;
        }
        return nested(source, i);
    }
    let head = found?;
    match head.definer {
        Some(_) => Some(Head {
            name: head.open + 1,
            ..head
        }),
        None => Some(head),
    }
}

/// `(name)(params)` and `(*name(params))(…)`.
fn nested(source: &Source<'_>, open: usize) -> Option<Head> {
    let close = source.mate(open)?;
    let name = (open + 1..close).find(|i| source.is_ident(*i))?;
    let open = if source.is(name + 1, b"(") {
        name + 1
    } else {
        close + 1
    };
    source.is(open, b"(").then_some(Head {
        name,
        open,
        definer: None,
    })
}

/// `SYSCALL_DEFINE3(name, type, arg, …)` and `BPF_CALL_2(name, …)` (include/linux/syscalls.h, filter.h, 6.12).
fn defined_by_macro(source: &Source<'_>, name: usize, open: usize) -> Option<String> {
    let word = source.text(name);
    let stem = word
        .strip_suffix(&word[word.len() - 1..])
        .filter(|_| word[word.len() - 1].is_ascii_digit())?;
    let defines = stem.ends_with(b"SYSCALL_DEFINE") || stem.ends_with(b"BPF_CALL_");
    (defines && source.is_ident(open + 1)).then(|| String::from_utf8_lossy(word).into_owned())
}

/// Reads a `#define` line.
fn define(source: &Source<'_>, i: usize) -> Option<Item> {
    let token = source.tokens[i];
    let text = token.text(source.bytes);
    let after_hash = 1 + text[1..].iter().position(|b| !matches!(b, b' ' | b'\t'))?;
    let rest = text[after_hash..].strip_prefix(b"define")?;
    let at = token.start as usize + after_hash + 6;
    let blanks = rest
        .iter()
        .position(|b| !matches!(b, b' ' | b'\t' | b'\\' | b'\n'))?;
    if blanks == 0 {
        return None;
    }
    let end = token.end as usize;
    let found = tokens(source.bytes, at, end, Mode::MacroBody);
    let name = found.first().filter(|t| t.kind == Kind::Ident)?;
    let name_span = Span {
        start: name.start,
        end: name.end,
    };
    let mut parameters = None;
    let mut body = found.get(1).map_or(token.end, |t| t.start);
    if found
        .get(1)
        .is_some_and(|t| t.is(source.bytes, b"(") && t.start == name.end)
    {
        let close = found.iter().position(|t| t.is(source.bytes, b")"))?;
        parameters = Some(Span {
            start: found[1].end,
            end: found[close].start,
        });
        body = found.get(close + 1).map_or(token.end, |t| t.start);
    }
    Some(Item {
        kind: ItemKind::Macro {
            parameters,
            body: Span {
                start: body,
                end: token.end,
            },
        },
        name: String::from_utf8_lossy(name.text(source.bytes))
            .into_owned()
            .into(),
        name_span,
        tokens: i..i + 1,
        open: None,
        brace: None,
        definer: None,
        span: Span {
            start: token.start,
            end: token.end,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(text: &str) -> Vec<String> {
        let source = Source::of_file(text.as_bytes());
        split(&source)
            .iter()
            .map(|item| format!("{:?} {}", item.kind, item.name))
            .collect()
    }

    #[test]
    fn every_kind_of_item_is_told_apart() {
        let text = "
MODULE_LICENSE(\"GPL\");
struct foo { int a; };
static struct page *keep __read_mostly;
static const struct ops ops = { .put = f };
typedef unsigned long gfn_t;
int proto(int a, struct foo *b);
static __always_inline struct page *__f(struct foo *x) __must_hold(&x->lock)
{ return x ? 0 : 1; }
SYSCALL_DEFINE2(bar, int, a, char __user *, b)
{ return 0; }
EXPORT_SYMBOL(bar)
int (*hook)(int);
static int FNAME(walk)(int a) { return 0; }
static void (*pick(int a))(int) { return 0; }
";
        assert_eq!(
            show(text),
            [
                "Other MODULE_LICENSE",
                "Record foo",
                "Variable keep",
                "Variable ops",
                "Typedef ",
                "Prototype proto",
                "Function __f",
                "Function bar",
                "Other EXPORT_SYMBOL",
                "Variable hook",
                "Function walk",
                "Function pick"
            ]
        );
    }

    #[test]
    fn a_file_may_end_inside_the_declarator_of_a_function_pointer() {
        assert_eq!(show("x (*"), ["Variable x"]);
    }

    #[test]
    fn an_old_style_head_belongs_to_its_body() {
        assert_eq!(
            show("f(a, b)\nint a;\nchar *b;\n{\n g();\n}\nint h;\n"),
            ["Function f", "Variable h"]
        );
    }

    #[test]
    fn a_define_is_found_inside_a_function_too() {
        let text = "int f(void)\n{\n#define PUT(x) \\\n\tput_page(x)\n return 0;\n}\n";
        let source = Source::of_file(text.as_bytes());
        let items = split(&source);
        assert_eq!(items[1].name, "PUT");
        let ItemKind::Macro {
            parameters: Some(p),
            body,
        } = items[1].kind
        else {
            panic!("no macro")
        };
        assert_eq!(&text[p.start as usize..p.end as usize], "x");
        assert_eq!(&text[body.start as usize..body.end as usize], "put_page(x)");
    }

    #[test]
    fn attribute_arguments_are_not_parameters() {
        assert_eq!(
            show(
                "struct __attribute__((packed)) s { int a; };\n__printf(1, 2) int f(char *x, ...) { }\n"
            ),
            ["Record s", "Function f"]
        );
    }
}
