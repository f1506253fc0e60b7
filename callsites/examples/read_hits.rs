// SPDX-License-Identifier: MIT OR Apache-2.0
//! Reads every file of a tree that names a pinning call and compares what was read with a plain search.
//!
//! `KERNEL_TREE=DIR cargo run -p callsites --example read_hits [NAME…]` prints how many functions hold a hit, how
//! many of them could not be read whole (each is listed), and every call a word search finds that the reading lost.

use callsites::index::ir::{Expr, FileFacts};
use callsites::index::{self, NameSet, Wanted, lex, walk};
use camino::{Utf8Path, Utf8PathBuf};
use rayon::prelude::*;
use std::collections::HashSet;

const NAMES: [&str; 22] = [
    "get_user_pages",
    "get_user_pages_fast",
    "get_user_pages_unlocked",
    "get_user_pages_remote",
    "get_user_pages_locked",
    "get_user_pages_fast_only",
    "get_user_pages_longterm",
    "__get_user_pages_fast",
    "pin_user_pages",
    "pin_user_pages_fast",
    "pin_user_pages_unlocked",
    "pin_user_pages_remote",
    "pin_user_pages_fast_only",
    "unpin_user_page",
    "unpin_user_pages",
    "unpin_user_pages_dirty_lock",
    "unpin_user_page_range_dirty_lock",
    "put_user_page",
    "put_user_pages",
    "put_user_pages_dirty_lock",
    "put_page",
    "release_pages",
];

fn main() {
    let Ok(root) = std::env::var("KERNEL_TREE") else {
        println!("set KERNEL_TREE to the directory of a kernel tree");
        return;
    };
    let given: Vec<String> = std::env::args().skip(1).collect();
    let names = if given.is_empty() {
        NAMES.map(str::to_owned).to_vec()
    } else {
        given
    };
    let set = NameSet::new(&names);
    let files: Vec<Utf8PathBuf> = walkdir::WalkDir::new(&root)
        .into_iter()
        .flatten()
        .filter(|e| e.file_type().is_file())
        .filter_map(|e| Utf8PathBuf::from_path_buf(e.into_path()).ok())
        .filter(|p| matches!(p.extension(), Some("c" | "h")))
        .collect();
    let mut hits: Vec<(FileFacts, Vec<u8>)> = files
        .par_iter()
        .filter_map(|path| {
            let bytes = std::fs::read(path).ok()?;
            let all = lex::tokens(&bytes, 0, bytes.len(), lex::Mode::File);
            memchr::memmem::find(&bytes, b"_page")?;
            all.iter()
                .any(|t| t.kind != lex::Kind::Directive && set.contains(t.text(&bytes)))
                .then_some(())?;
            let path = path.strip_prefix(Utf8Path::new(&root)).ok()?;
            Some((index::parse(path, &bytes, &Wanted::Holding(&set)), bytes))
        })
        .collect();
    hits.sort_by(|a, b| a.0.path.cmp(&b.0.path));
    let (mut functions, mut unread, mut found, mut lost) = (0, 0, 0, 0);
    for (facts, bytes) in &hits {
        functions += facts.functions.len();
        for item in &facts.unread {
            let (line, column) = facts.position(item.span.start);
            unread += 1;
            println!(
                "{}:{line}:{column}: unread in {}: {}",
                facts.path,
                item.function.as_deref().unwrap_or("?"),
                item.why
            );
        }
        let mut known = HashSet::new();
        for function in &facts.functions {
            walk::expressions(&function.body, &mut |e| {
                if let Expr::Call { callee, .. } = e {
                    if let Expr::Name(name, span) = callee.as_ref() {
                        if set.contains(name.as_bytes()) {
                            known.insert(span.start);
                        }
                    }
                }
            });
        }
        found += known.len();
        let outside: HashSet<u32> = facts
            .outline
            .iter()
            .filter(|o| o.kind == index::ir::OutlineKind::Prototype)
            .map(|o| o.span.start)
            .collect();
        for (start, name) in plain_calls(bytes, &set) {
            let prototype = outside.iter().any(|s| {
                facts
                    .outline
                    .iter()
                    .any(|o| o.span.start == *s && o.span.start <= start && start < o.span.end)
            });
            let own = facts.functions.iter().any(|f| f.name_span.start == start)
                || facts
                    .outline
                    .iter()
                    .any(|o| o.name == name && o.span.start <= start && start < o.span.end);
            if !known.contains(&start) && !prototype && !own {
                let (line, column) = facts.position(start);
                lost += 1;
                println!("{}:{line}:{column}: lost {name}", facts.path);
            }
        }
    }
    println!(
        "{} files, {functions} functions with a hit, {unread} unread, {found} calls, {lost} lost",
        hits.len()
    );
}

/// Names followed by `(`, in no comment and no string.
fn plain_calls(bytes: &[u8], set: &NameSet) -> Vec<(u32, String)> {
    let mut out = Vec::new();
    let mut scan = |tokens: &[lex::Token]| {
        for pair in tokens.windows(2) {
            if set.contains(pair[0].text(bytes))
                && pair[0].kind == lex::Kind::Ident
                && pair[1].is(bytes, b"(")
            {
                out.push((
                    pair[0].start,
                    String::from_utf8_lossy(pair[0].text(bytes)).into_owned(),
                ));
            }
        }
    };
    let all = lex::tokens(bytes, 0, bytes.len(), lex::Mode::File);
    scan(&all);
    for token in all.iter().filter(|t| t.kind == lex::Kind::Directive) {
        scan(&lex::tokens(
            bytes,
            token.start as usize + 1,
            token.end as usize,
            lex::Mode::MacroBody,
        ));
    }
    out
}
