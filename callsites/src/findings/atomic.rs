// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where sleeping is forbidden, and which functions sleep because they dirty pages under the page's lock.

use super::view::Input;
use super::visit;
use crate::index::ir::{Expr, FileFacts, Function, OutlineKind, Span, Stmt};
use crate::index::parse_items;
use crate::lex::code;
use memchr::memmem;
use refimpl::api::{Does, Role, Sleeps, acts, followed};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Whether `name` takes a lock under which sleeping is forbidden.
pub(crate) fn takes(name: &str) -> bool {
    acts().is(name, Does::ForbidsSleep)
}

/// Whether `name` tries to take such a lock, and says whether it did.
pub(crate) fn tries(name: &str) -> bool {
    acts().is(name, Does::MayForbidSleep)
}

/// Whether a macro of include/linux/cleanup.h holds such a lock to the end of a block: its first argument is the class.
pub(crate) fn holds_in_block(name: &str, args: &[Expr]) -> bool {
    let class = args.first().map(visit::bare);
    acts().is(name, Does::HoldsInBlock)
        && matches!(class, Some(Expr::Name(class, _)) if acts().is(class, Does::Guards))
}

/// Position of the callback that a call of `name` arranges for atomic context.
pub(crate) fn arranges(name: &str) -> Option<usize> {
    let act = acts().get(name)?;
    act.at.filter(|_| act.does == Does::CallsAtomic)
}

/// When a function sleeps.
#[derive(Debug, Clone, PartialEq, Eq)]
enum When {
    Always,
    /// When the parameter at that position is true.
    Parameter(usize),
}

/// A function that may sleep since it dirties pages.
#[derive(Debug, Clone)]
pub(crate) struct Sleeper {
    when: When,
    /// The kernel-wide function it comes down to.
    pub api: String,
    /// Where it is called.
    pub at: Span,
}

/// All of them, by file and name.
#[derive(Debug, Default)]
pub(crate) struct Sleepers {
    found: BTreeMap<usize, BTreeMap<String, Sleeper>>,
    /// Functions that give back a lock which their caller took.
    unlockers: BTreeMap<usize, BTreeSet<String>>,
}

impl Sleepers {
    /// Finds them, up to four calls deep within a file, and reads the callers that were not read yet.
    pub(crate) fn of(input: &Input<'_>) -> (Vec<Arc<FileFacts>>, Self) {
        let mut files: Vec<Arc<FileFacts>> = input.files.to_vec();
        let mut sleepers = Self::default();
        for (at, file) in files.iter_mut().enumerate() {
            for turn in 0..4 {
                let known = |sleepers: &Self| sleepers.found.get(&at).map_or(0, BTreeMap::len);
                let before = known(&sleepers);
                sleepers.learn(at, file);
                if known(&sleepers) == before {
                    break;
                }
                if turn == 0 {
                    sleepers.learn_unlockers(at, file, input);
                }
                if let Some(more) = sleepers.callers(at, file, input) {
                    *file = Arc::new(more);
                }
            }
        }
        (files, sleepers)
    }

    /// What a call with these arguments comes down to, when it may sleep.
    pub(crate) fn call(&self, file: usize, name: &str, args: &[Expr]) -> Option<String> {
        if let Some((dirty, api)) = sleeping_api(name, args) {
            return (!dirty.is_some_and(is_false)).then_some(api);
        }
        let sleeper = self.get(file, name)?;
        match sleeper.when {
            When::Always => Some(sleeper.api.clone()),
            When::Parameter(at) => args
                .get(at)
                .is_some_and(|arg| !is_false(arg))
                .then(|| sleeper.api.clone()),
        }
    }

    /// Whether a function of the file gives back a lock that its caller took.
    pub(crate) fn unlocks(&self, file: usize, name: &str) -> bool {
        let known = self.unlockers.get(&file);
        known.is_some_and(|names| names.contains(name))
    }

    /// Told by sparse's annotation, or by a body that unlocks and never locks.
    fn learn_unlockers(&mut self, at: usize, file: &FileFacts, input: &Input<'_>) {
        let Some(bytes) = (input.read)(&file.path) else {
            return;
        };
        for item in file
            .outline
            .iter()
            .filter(|item| item.kind == OutlineKind::Function)
        {
            let text = bytes
                .get(item.span.start as usize..item.span.end as usize)
                .unwrap_or_default();
            let unlocks = |text: &[u8]| {
                let says = |word: &str| memmem::find(text, word.as_bytes()).is_some();
                says("__releases") || says("spin_unlock") && !says("spin_lock")
            };
            // Comments speak of locks too.
            let speaks = |word: &[u8]| memmem::find(text, word).is_some();
            if (speaks(b"__releases") || speaks(b"spin_unlock")) && unlocks(&code(text)) {
                let known = self.unlockers.entry(at).or_default();
                known.insert(item.name.to_string());
            }
        }
    }

    /// The sleeper of that name in that file.
    pub(crate) fn get(&self, file: usize, name: &str) -> Option<&Sleeper> {
        self.found.get(&file)?.get(name)
    }

    fn learn(&mut self, at: usize, file: &FileFacts) {
        for function in &file.functions {
            if self.get(at, &function.name).is_some() {
                continue;
            }
            if let Some(sleeper) = self.sleeper(at, function) {
                let known = self.found.entry(at).or_default();
                known.insert(function.name.to_string(), sleeper);
            }
        }
    }

    fn sleeper(&self, at: usize, function: &Function) -> Option<Sleeper> {
        let mut found: Option<Sleeper> = None;
        guarded(
            &function.body,
            &mut Vec::new(),
            &mut |name, args, span, guards| {
                let (api, condition) = match sleeping_api(name, args) {
                    Some((dirty, api)) => (api, dirty),
                    None => match self.get(at, name) {
                        Some(Sleeper {
                            when: When::Always,
                            api,
                            ..
                        }) => (api.clone(), None),
                        Some(Sleeper {
                            when: When::Parameter(n),
                            api,
                            ..
                        }) => (api.clone(), args.get(*n)),
                        None => return,
                    },
                };
                if condition.is_some_and(is_false) {
                    return;
                }
                let parameter = |expr: &Expr| {
                    let mut which = None;
                    visit::expressions(expr, &mut |inner| {
                        if let Expr::Name(name, _) = inner {
                            which = which.or(function
                                .params
                                .iter()
                                .position(|p| p.name == *name && p.ty.pointers == 0));
                        }
                    });
                    which
                };
                let when = condition
                    .and_then(parameter)
                    .or_else(|| guards.iter().find_map(|guard| parameter(guard)))
                    .map_or(When::Always, When::Parameter);
                // What always sleeps says more than what sometimes does.
                if found.as_ref().is_none_or(|old| old.when != When::Always) {
                    found = Some(Sleeper {
                        when,
                        api,
                        at: span,
                    });
                }
            },
        );
        found
    }

    /// The file with the functions that call one of its sleepers and were only outlined so far.
    fn callers(&self, at: usize, file: &FileFacts, input: &Input<'_>) -> Option<FileFacts> {
        let names: Vec<&str> = self
            .found
            .get(&at)
            .into_iter()
            .flat_map(BTreeMap::keys)
            .map(String::as_str)
            .collect();
        let read: BTreeSet<u32> = file.functions.iter().map(|f| f.span.start).collect();
        let mut unread = file
            .outline
            .iter()
            .filter(|item| item.kind == OutlineKind::Function && !read.contains(&item.span.start))
            .peekable();
        unread.peek()?;
        let bytes = (input.read)(&file.path)?;
        let spans: Vec<Span> = unread
            .filter(|item| {
                let text = bytes
                    .get(item.span.start as usize..item.span.end as usize)
                    .unwrap_or_default();
                let speaks = |text: &[u8]| {
                    let mut names = names.iter();
                    names.any(|name| memmem::find(text, name.as_bytes()).is_some())
                };
                speaks(text) && speaks(&code(text))
            })
            .map(|item| item.span)
            .collect();
        if spans.is_empty() {
            return None;
        }
        let more = parse_items(file, &bytes, &spans);
        let mut file = file.clone();
        file.functions.extend(
            more.functions
                .into_iter()
                .filter(|f| !read.contains(&f.span.start)),
        );
        file.functions.sort_by_key(|f| f.span.start);
        Some(file)
    }
}

/// A kernel-wide release or dirtying call that may sleep, with the argument that decides whether it does.
fn sleeping_api<'e>(name: &str, args: &'e [Expr]) -> Option<(Option<&'e Expr>, String)> {
    let function = followed().get(name)?;
    match (function.role, function.sleeps) {
        (Role::Release, Sleeps::WhenDirty) => {
            let dirty = function
                .signature(args.len())
                .and_then(|form| form.dirty)
                .and_then(|at| args.get(at));
            Some((dirty, name.to_owned()))
        }
        // Others that dirty find their own way out of atomic context.
        (Role::Release | Role::Dirty, Sleeps::May) if name.ends_with("_lock") => {
            Some((None, name.to_owned()))
        }
        _ => None,
    }
}

fn is_false(expr: &Expr) -> bool {
    match visit::bare(expr) {
        Expr::Literal(text, _) => text == "0" || text == "false",
        Expr::Name(name, _) => name == "false",
        _ => false,
    }
}

type OnCall<'o, 'e> = &'o mut dyn FnMut(&'e str, &'e [Expr], Span, &[&'e Expr]);

/// Calls with the conditions of the `if`s they stand in.
fn guarded<'e>(statements: &'e [Stmt], guards: &mut Vec<&'e Expr>, found: OnCall<'_, 'e>) {
    for statement in statements {
        match statement {
            Stmt::If {
                cond,
                then,
                otherwise,
                ..
            } => {
                visit::calls(cond, &mut |name, args, span| {
                    found(name, args, span, guards)
                });
                guards.push(cond);
                guarded(std::slice::from_ref(then), guards, found);
                guards.pop();
                if let Some(otherwise) = otherwise {
                    guarded(std::slice::from_ref(otherwise), guards, found);
                }
            }
            Stmt::Block(inner, _) | Stmt::Unread(inner, _) => guarded(inner, guards, found),
            Stmt::Loop { body, .. } | Stmt::Switch { body, .. } => {
                guarded(std::slice::from_ref(body), guards, found);
            }
            Stmt::Arms(arms, _) => arms
                .iter()
                .for_each(|(_, inner)| guarded(inner, guards, found)),
            other => {
                visit::all_calls(std::slice::from_ref(other), &mut |name, args, span| {
                    found(name, args, span, guards)
                });
            }
        }
    }
}
