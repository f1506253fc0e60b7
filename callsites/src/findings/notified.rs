// SPDX-License-Identifier: MIT OR Apache-2.0
//! Whether the callbacks of the mmu notifiers of a file reach the record that holds some pages.
//!
//! A notifier is about the pages that its callback lets go. One that stands in the same file, and knows nothing of the
//! record in which others keep their pages, is not about these.

use super::view::View;
use super::visit;
use crate::index::ir::{Expr, Function, OutlineKind, Span};
use crate::report::Callsite;
use refimpl::api::{acts, followed};
use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::rc::Rc;

/// How deep the callbacks' own calls are looked into: as deep as rules follow calls.
const DEPTH: usize = 3;

/// What the callbacks of each file reach, looked through once.
#[derive(Default)]
pub(super) struct Notifiers {
    by_file: RefCell<HashMap<usize, Rc<Callbacks>>>,
}

/// The callbacks of the notifiers of a file.
struct Callbacks {
    any: bool,
    /// The records that they, and the functions that they call, name.
    reached: HashSet<String>,
}

impl Notifiers {
    /// Whether a notifier may be about the pages of these calls; true where the record that holds the pages is not known.
    pub(super) fn about(
        &self,
        view: &View<'_>,
        acquires: &[&Callsite],
        releases: &[&Callsite],
    ) -> bool {
        let sites = acquires.iter().chain(releases);
        let files: BTreeSet<usize> = sites.filter_map(|site| view.file(&site.path)).collect();
        let callbacks: Vec<Rc<Callbacks>> = files.iter().map(|file| self.of(view, *file)).collect();
        // A notifier that is registered elsewhere may be about anything.
        if !callbacks.iter().any(|callbacks| callbacks.any) {
            return true;
        }
        releases.iter().any(|site| match record(view, site) {
            Some(tag) => callbacks.iter().any(|all| all.reached.contains(&tag)),
            None => true,
        })
    }

    fn of(&self, view: &View<'_>, file: usize) -> Rc<Callbacks> {
        let mut by_file = self.by_file.borrow_mut();
        let callbacks = by_file.entry(file);
        Rc::clone(callbacks.or_insert_with(|| Rc::new(callbacks_of(view, file))))
    }
}

fn callbacks_of(view: &View<'_>, file: usize) -> Callbacks {
    let outlined = view.files[file].outline.iter();
    let functions: Vec<(&str, String)> = outlined
        .filter(|item| item.kind == OutlineKind::Function)
        .map(|item| (item.name.as_str(), view.text(file, item.span)))
        .collect();
    let mut by_name: HashMap<&str, Vec<usize>> = HashMap::new();
    for (at, (name, _)) in functions.iter().enumerate() {
        by_name.entry(name).or_default().push(at);
    }
    let is_callback = |text: &str| {
        let head = text.split('{').next().unwrap_or_default();
        words_after_struct(head).any(|tag| acts().is_notifier(tag))
    };
    let mut fresh: Vec<usize> = (0..functions.len())
        .filter(|at| is_callback(&functions[*at].1))
        .collect();
    let any = !fresh.is_empty();
    let mut seen: HashSet<usize> = HashSet::new();
    let mut reached = HashSet::new();
    for _ in 0..=DEPTH {
        let mut next = Vec::new();
        for at in fresh {
            if !seen.insert(at) {
                continue;
            }
            let text = &functions[at].1;
            reached.extend(words_after_struct(text).map(str::to_owned));
            let named = words(text).filter_map(|word| by_name.get(word));
            next.extend(named.flatten().copied());
        }
        fresh = next;
    }
    Callbacks { any, reached }
}

fn words_after_struct(text: &str) -> impl Iterator<Item = &str> {
    let mut words = words(text);
    std::iter::from_fn(move || {
        words.by_ref().find(|word| *word == "struct")?;
        words.next()
    })
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.split(move |c| !word(c))
        .filter(|word| !word.is_empty())
}

/// The record of which a member is released.
fn record(view: &View<'_>, site: &Callsite) -> Option<String> {
    let file = view.file(&site.path)?;
    let mut functions = view.around(file, site.span);
    functions.find_map(|function| {
        let page = released_at(function, site.span)?;
        let ty = super::paths::Locals::of(function).get(member_of(page)?)?;
        ty.name.strip_prefix("struct ").map(str::to_owned)
    })
}

fn released_at(function: &Function, span: Span) -> Option<&Expr> {
    let mut found = None;
    visit::all_calls(&function.body, &mut |name, args, at| {
        if at.start == span.start {
            let function = followed().get(name);
            found = function
                .and_then(|function| function.page_argument(args.len()))
                .and_then(|at| args.get(at));
        }
    });
    found
}

/// The variable of which a member is named.
fn member_of(expr: &Expr) -> Option<&str> {
    match visit::bare(expr) {
        Expr::Field { base, .. } => match visit::bare(base) {
            Expr::Name(name, _) => Some(name),
            base => member_of(base),
        },
        Expr::Index { base, .. } => member_of(base),
        Expr::AddressOf(inner, _) => member_of(inner),
        _ => None,
    }
}
