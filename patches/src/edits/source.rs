// SPDX-License-Identifier: MIT OR Apache-2.0
//! A file that is edited: its bytes, and what the index read in them.

use super::layout::HARD_WIDTH;
use super::walk::{all_expressions, holds};
use crate::base;
use crate::error::Error;
use callsites::index::ir::{Expr, FileFacts, Function, Linkage, Span};
use callsites::index::{self, NameSet, Wanted};
use callsites::report::Callsite;
use callsites::tree::Tree;
use camino::{Utf8Path, Utf8PathBuf};
use refimpl::api::{Role, catalogue};
use std::collections::{BTreeMap, BTreeSet};

/// A file with its facts.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    /// Relative to the tree.
    pub path: Utf8PathBuf,
    /// As the tree has it.
    pub bytes: Vec<u8>,
    /// As the index read it.
    pub facts: FileFacts,
    /// Functions of this file that get another name in the same series: old and new.
    pub renamed: BTreeMap<String, String>,
    /// Columns that a line may have: a hundred, until whoever knows the tree says otherwise.
    pub columns: usize,
}

/// A call found again in its file.
pub(crate) struct Found<'a> {
    /// Around it.
    pub function: &'a Function,
    /// The callee's name.
    pub callee: Span,
    /// From the callee's name to the closing parenthesis.
    pub whole: Span,
    /// Its arguments.
    pub arguments: Vec<Span>,
}

impl Source {
    /// The functions and macros of the file that take pages: what they return may be an error code.
    pub(super) fn takers(&self) -> BTreeSet<&str> {
        let mut takers = BTreeSet::new();
        for function in &self.facts.functions {
            all_expressions(function, &mut |expr| {
                let listed = expr.callee_name().and_then(|name| catalogue().get(name));
                if listed.is_some_and(|listed| listed.role == Role::Acquire) {
                    takers.insert(function.name.as_str());
                }
            });
        }
        takers
    }

    /// Reads and parses the functions of `path` that bear one of `names`.
    ///
    /// # Errors
    /// When the tree cannot be read.
    pub(crate) fn read(
        tree: &Tree,
        path: &Utf8Path,
        names: &BTreeSet<&str>,
    ) -> Result<Source, Error> {
        let bytes = base::read(tree, path)?;
        Ok(Source::parse(path, bytes, names))
    }

    /// Parses every function of a file.
    pub(crate) fn whole(path: &Utf8Path, bytes: Vec<u8>) -> Source {
        Source {
            facts: index::parse(path, &bytes, &Wanted::All),
            path: path.to_owned(),
            bytes,
            renamed: BTreeMap::new(),
            columns: HARD_WIDTH,
        }
    }

    /// The files that the file includes by a name in quotes.
    pub(crate) fn includes(&self) -> BTreeSet<Utf8PathBuf> {
        let directory = self.path.parent().unwrap_or(Utf8Path::new(""));
        let names = self.included(b'"', b'"');
        names.map(|name| directory.join(name)).collect()
    }

    /// The headers of `include/` that the file includes, those of all of the kernel and of architectures aside: their records
    /// are no driver's.
    pub(crate) fn subsystem_includes(&self) -> BTreeSet<Utf8PathBuf> {
        let own = |name: &&str| {
            let mut general = ["linux/", "asm/", "asm-generic/", "uapi/"].into_iter();
            !general.any(|directory| name.starts_with(directory))
        };
        let names = self.included(b'<', b'>');
        names
            .filter(own)
            .map(|name| Utf8Path::new("include").join(name))
            .collect()
    }

    /// The names behind `#include` between these marks.
    fn included(&self, open: u8, close: u8) -> impl Iterator<Item = &str> {
        let lines = self.bytes.split(|&byte| byte == b'\n');
        lines.filter_map(move |line| {
            let rest = line.trim_ascii().strip_prefix(b"#")?.trim_ascii_start();
            let rest = rest.strip_prefix(b"include")?.trim_ascii_start();
            let name = rest.strip_prefix(&[open])?;
            let end = name.iter().position(|&byte| byte == close)?;
            std::str::from_utf8(&name[..end]).ok()
        })
    }

    /// Parses the functions of a file that bear one of `names`.
    pub(crate) fn parse(path: &Utf8Path, bytes: Vec<u8>, names: &BTreeSet<&str>) -> Source {
        let names = NameSet::new(names);
        Source {
            facts: index::parse(path, &bytes, &Wanted::Named(&names)),
            path: path.to_owned(),
            bytes,
            renamed: BTreeMap::new(),
            columns: HARD_WIDTH,
        }
    }

    /// The name that `function` has in the end.
    pub(crate) fn shown<'a>(&'a self, function: &'a Function) -> &'a str {
        let name = &function.name;
        self.renamed.get(name.as_str()).map_or(name, String::as_str)
    }

    /// Source text.
    pub(crate) fn text(&self, span: Span) -> String {
        String::from_utf8_lossy(self.slice(span)).into_owned()
    }

    /// Source bytes.
    pub(crate) fn slice(&self, span: Span) -> &[u8] {
        let end = (span.end as usize).min(self.bytes.len());
        &self.bytes[(span.start as usize).min(end)..end]
    }

    /// The call that `site` is about.
    ///
    /// # Errors
    /// Why it cannot be edited, as a clause.
    pub(crate) fn find(&self, site: &Callsite) -> Result<Found<'_>, &'static str> {
        let function = self
            .facts
            .functions
            .iter()
            .find(|function| holds(function.span, site.span))
            .ok_or("its function could not be read")?;
        let mut found = None;
        all_expressions(function, &mut |expr| {
            let Expr::Call { callee, args, span } = expr else {
                return;
            };
            let is_it = expr.callee_name() == Some(&site.call);
            if is_it && callee.span().start == site.span.start {
                // The index may end an argument before its closing parenthesis; only the call's own end counts.
                found = Some((callee.span(), *span, args.iter().map(Expr::span).collect()));
            }
        });
        let (callee, whole, arguments) = match (found, &site.edit) {
            (Some(found), _) => found,
            (None, Some(edit)) => (edit.callee, site.span, edit.arguments.clone()),
            (None, None) => return Err("its call could not be read"),
        };
        let alias = site.edit.as_ref().and_then(|edit| edit.alias.as_ref());
        let written = alias.unwrap_or(&site.call);
        if self.slice(callee) != written.as_bytes() {
            return Err("the file is not the one that was audited");
        }
        Ok(Found {
            function,
            callee,
            whole,
            arguments: self.whole_arguments(whole, &arguments),
        })
    }

    /// Argument spans widened to what stands between the commas: the index drops parentheses and casts may begin before
    /// the operand.
    fn whole_arguments(&self, whole: Span, arguments: &[Span]) -> Vec<Span> {
        let bytes = self.slice(whole);
        let Some(open) = bytes.iter().position(|&byte| byte == b'(') else {
            return arguments.to_vec();
        };
        let mut result = Vec::new();
        let (mut depth, mut start) = (0_usize, open + 1);
        let mut push = |from: usize, to: usize| {
            let text = &bytes[from..to];
            let lead = text.len() - text.trim_ascii_start().len();
            let kept = text.trim_ascii().len();
            result.push(Span {
                start: whole.start + (from + lead) as u32,
                end: whole.start + (from + lead + kept) as u32,
            });
        };
        for (at, byte) in bytes.iter().enumerate().skip(open + 1) {
            match byte {
                b'(' | b'[' | b'{' => depth += 1,
                b')' if depth == 0 => {
                    if at > start || !arguments.is_empty() {
                        push(start, at);
                    }
                    break;
                }
                b')' | b']' | b'}' => depth = depth.saturating_sub(1),
                b',' if depth == 0 => {
                    push(start, at);
                    start = at + 1;
                }
                _ => {}
            }
        }
        // A comma or parenthesis inside of a string would have misled this count.
        if result.len() == arguments.len() {
            result
        } else {
            arguments.to_vec()
        }
    }
}

/// Whether lines of `function` end in backslashes.
pub(super) fn is_macro(function: &Function) -> bool {
    function.linkage == Linkage::Macro
}
