// SPDX-License-Identifier: MIT OR Apache-2.0
//! Places for the answer: a member of a record, one more argument, a condition over a call.

use super::super::extract::declaration;
use super::super::guard;
use super::super::layout::{self, blanks, column, indent, line_end, line_start};
use super::super::seen::{calls, prefix, tag};
use super::super::source::Source;
use super::super::walk::{self, plain};
use super::{NAMES, Told, Way};
use callsites::index::ir::{Declaration, Expr, Function, Linkage, Record, Span};
use camino::Utf8PathBuf;

/// Whether a member is a flag in a bit: `bool write:1;`.
fn is_bit(source: &Source, field: &Declaration) -> bool {
    let text = source.slice(field.statement).trim_ascii();
    text.starts_with(b"bool") && text.ends_with(b":1;") && !text.contains(&b',')
}

impl<'s> Way<'s> {
    /// `, text` behind the last of a list, on a line of its own where it would grow too long.
    pub(super) fn append(&mut self, source: &Source, whole: Span, last: Span, text: &str) {
        let bytes = &source.bytes;
        let end = last.end as usize;
        let line = line_start(bytes, end);
        let wide = column(&bytes[line..end], 0) + 2 + text.len() + 2;
        let new = match wide <= 80 {
            true => format!(", {text}"),
            false => {
                let open = bytes[whole.start as usize..end]
                    .iter()
                    .position(|&byte| byte == b'(')
                    .map_or(end, |at| whole.start as usize + at + 1);
                let margin = match open > line {
                    true => column(&bytes[line_start(bytes, open)..open], 0),
                    false => column(indent(bytes, end), 0),
                };
                format!(",\n{}{text}", blanks(margin))
            }
        };
        let path = source.path.clone();
        self.insert(&path, end, new);
    }

    /// A new member beside `beside`; None where the record is not at hand.
    pub(super) fn member(&mut self, tag: &str, beside: &str) -> Result<Option<String>, String> {
        let key = (tag.to_owned(), beside.to_owned());
        if let Some(known) = self.members.get(&key) {
            return Ok(Some(known.clone()));
        }
        let Some((source, record)) = self.record_of(tag) else {
            return Ok(None);
        };
        let Some(field) = record.fields.iter().find(|field| field.name == beside) else {
            return Ok(None);
        };
        // A record that keeps its flags in bits of a bool keeps this one there.
        let bits = record.fields.iter().rfind(|field| is_bit(source, field));
        let field = bits.unwrap_or(field);
        let prefix = prefix(record);
        let taken = |name: &str| record.fields.iter().any(|field| field.name == name);
        let name = NAMES
            .iter()
            .map(|name| format!("{prefix}{name}"))
            .find(|name| !taken(name))
            .ok_or("its names for a member are taken")?;
        let bytes = &source.bytes;
        let (start, end) = (field.statement.start as usize, field.statement.end as usize);
        let margin = String::from_utf8_lossy(indent(bytes, start)).into_owned();
        let line = line_start(bytes, start);
        let wanted = column(&bytes[line..field.span.start as usize], 0);
        let tabs = bytes[start..field.span.start as usize].contains(&b'\t');
        let mut text = format!("{margin}bool");
        match tabs {
            true => {
                while column(text.as_bytes(), 0) < wanted {
                    text.push('\t');
                }
            }
            false => text.push(' '),
        }
        let width = if bits.is_some() { ":1" } else { "" };
        text += &format!("{name}{width};\n");
        // Nothing can stand behind an array of open length.
        let open = source.slice(field.statement).ends_with(b"[];");
        let at = match open {
            true => line,
            false => line_end(bytes, end),
        };
        let path = source.path.clone();
        self.insert(&path, at, text);
        self.told.insert(Told::Member(name.clone(), tag.to_owned()));
        self.members.insert(key, name.clone());
        Ok(Some(name))
    }

    pub(super) fn record_of(&self, tag: &str) -> Option<(&'s Source, &'s Record)> {
        let sources = self.sources;
        sources.values().find_map(|source| {
            let found = source
                .facts
                .records
                .iter()
                .find(|record| record.tag == tag)?;
            Some((source, found))
        })
    }

    /// The tag of the record that an expression is, or points to.
    pub(super) fn type_of(&self, function: &Function, expr: &Expr) -> Option<String> {
        match plain(expr) {
            Expr::Name(name, _) => Some(tag(&declaration(function, name)?.ty.name)),
            Expr::Field { base, name, .. } => {
                let (_, record) = self.record_of(&self.type_of(function, base)?)?;
                let field = record.fields.iter().find(|field| field.name == *name)?;
                Some(tag(&field.ty.name))
            }
            Expr::Index { base, .. } | Expr::AddressOf(base, _) | Expr::Deref(base, _) => {
                self.type_of(function, base)
            }
            _ => None,
        }
    }

    pub(super) fn insert(&mut self, path: &Utf8PathBuf, at: usize, text: String) {
        let place = self.inserts.entry((path.clone(), at)).or_default();
        if !place.contains(&text) {
            place.push_str(&text);
        }
    }

    /// Whether every call of a function is at hand: nobody else can name it, or only the files of its directory, which have
    /// been read where they do.
    fn all_calls_known(&self, own: &Source, function: &Function) -> bool {
        let directory = own.path.parent();
        let declares = |source: &Source| {
            let items = source.facts.outline.iter();
            let header = source.path.extension() == Some("h") && source.path.parent() == directory;
            header && items.into_iter().any(|item| item.name == function.name)
        };
        function.linkage == Linkage::Static || self.sources.values().any(declares)
    }

    /// The calls of a function that only releases get the condition; whether all could.
    pub(super) fn over_the_calls(
        &mut self,
        own: &Source,
        released: &Function,
    ) -> Result<bool, String> {
        if !self.all_calls_known(own, released) {
            return Ok(false);
        }
        let source = self.source;
        let all: Vec<(&Source, &Function, Span, &[Expr])> = self
            .sources
            .values()
            .flat_map(|source| {
                calls(source, &released.name)
                    .into_iter()
                    .map(move |(caller, span, args)| (source, caller, span, args))
            })
            .collect();
        let ours = all
            .iter()
            .all(|(own, caller, ..)| own.path == source.path && self.is_home(&caller.name));
        if all.is_empty() || !ours {
            return Ok(false);
        }
        for (_, caller, span, args) in all {
            let condition = self.local(caller)?;
            let path = walk::path(caller, span);
            let arguments: Vec<String> = args
                .iter()
                .map(|arg| layout::one_line(&source.text(arg.span())))
                .collect();
            let edits = guard::guarded(source, &path, (&released.name, &arguments), &condition)?;
            self.edits
                .entry(source.path.clone())
                .or_default()
                .extend(edits);
        }
        Ok(true)
    }
}
