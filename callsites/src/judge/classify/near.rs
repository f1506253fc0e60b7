// SPDX-License-Identifier: MIT OR Apache-2.0
//! What stands near an acquire in the source: mmu notifiers, and whose mm the pages belong to.

use crate::flow::analysis::Analysis;
use crate::flow::conditions::block_of;
use crate::flow::graph::{Node, Obj};
use crate::flow::hash::FastMap;
use crate::flow::library::Files;
use crate::flow::places::parent;
use crate::flow::program::FnId;
use crate::flow::sites::Site;
use crate::flow::sources::Sources;
use crate::flow::state::{Call, FieldId, Object, SiteKey};
use crate::flow::tables::NOTIFIER_TABLES;
use crate::flow::text;
use crate::index::ir::{Expr, OutlineItem, OutlineKind, Stmt};
use crate::index::lex::{code, has_word, words};
use crate::index::walk;
use camino::{Utf8Path, Utf8PathBuf};
use memchr::memmem;
use refimpl::api::{Role, followed};
use std::cell::RefCell;
use std::collections::{BTreeSet, HashSet};
use std::rc::Rc;

/// What stands near an acquire in the source.
pub(super) struct Surroundings {
    pub notifier_in_file: bool,
    pub notifier_is_optional: bool,
    pub notifier_in_directory: bool,
    pub asks_for_file: bool,
    pub exec_mm: bool,
    /// The function pins as well, for whoever asks for that.
    pub pins_too: bool,
}

/// The option that a file names which does without mmu notifiers where they are not configured.
const OPTIONAL: &[u8] = b"CONFIG_MMU_NOTIFIER";

/// What files say of mmu notifiers, each looked at once.
pub(crate) struct Seen<'f> {
    pub(super) sources: &'f Sources<'f>,
    notes: RefCell<FastMap<Utf8PathBuf, Notes>>,
    on_close: RefCell<FastMap<u32, Rc<HashSet<Vec<u8>>>>>,
    unread: RefCell<FastMap<u32, Rc<ByWord>>>,
    asks_and_pins: RefCell<FastMap<FnId, (bool, bool)>>,
}

/// Of words, what they stand in.
type ByWord = FastMap<Vec<u8>, BTreeSet<u32>>;

#[derive(Clone, Copy, Default)]
struct Notes {
    notifies: bool,
    /// The notifier depends on how the kernel is configured.
    optional: bool,
}

impl<'f> Seen<'f> {
    pub(crate) fn of(sources: &'f Sources<'f>) -> Self {
        Self {
            sources,
            notes: RefCell::default(),
            on_close: RefCell::default(),
            unread: RefCell::default(),
            asks_and_pins: RefCell::default(),
        }
    }

    /// The words in those functions of a file that nobody read, and that are given an inode and a file, as what user space's
    /// closing of a file calls is.
    pub(super) fn named_on_close(&self, analysis: &Analysis, file: u32) -> Rc<HashSet<Vec<u8>>> {
        if let Some(known) = self.on_close.borrow().get(&file) {
            return Rc::clone(known);
        }
        let code = self.sources.code(&analysis.program.file(file).path);
        let mut named = HashSet::new();
        for item in analysis.program.unread(file) {
            let range = item.span.start as usize..item.span.end as usize;
            let text = code.and_then(|code| code.get(range)).unwrap_or_default();
            let (head, body) = text.split_at(memmem::find(text, b"{").unwrap_or(text.len()));
            if has_word(head, b"inode") && has_word(head, b"file") {
                named.extend(words(body).map(<[u8]>::to_vec));
            }
        }
        let named = Rc::new(named);
        self.on_close.borrow_mut().insert(file, Rc::clone(&named));
        named
    }

    /// The functions of a file that nobody read, as numbers, by the words in them.
    pub(super) fn unread_by_word(&self, analysis: &Analysis, file: u32) -> Rc<ByWord> {
        if let Some(known) = self.unread.borrow().get(&file) {
            return Rc::clone(known);
        }
        let code = self.sources.code(&analysis.program.file(file).path);
        let mut by_word = ByWord::default();
        for (at, item) in (0_u32..).zip(analysis.program.unread(file)) {
            let range = item.span.start as usize..item.span.end as usize;
            let text = code.and_then(|code| code.get(range)).unwrap_or_default();
            for word in words(text) {
                match by_word.get_mut(word) {
                    Some(items) => {
                        items.insert(at);
                    }
                    None => {
                        by_word.insert(word.to_vec(), BTreeSet::from([at]));
                    }
                }
            }
        }
        let by_word = Rc::new(by_word);
        self.unread.borrow_mut().insert(file, Rc::clone(&by_word));
        by_word
    }

    /// Whether a function asks for the file of a mapping, and whether it pins.
    fn asks_and_pins(&self, analysis: &Analysis, function: FnId) -> (bool, bool) {
        let mut known = self.asks_and_pins.borrow_mut();
        *known.entry(function).or_insert_with(|| {
            let (mut asks, mut pins) = (false, false);
            let body = &analysis.program.function(function).body;
            walk::expressions(body, &mut |expr| {
                asks |= matches!(expr, Expr::Field { name, .. } if name == "vm_file");
                let listed = expr.callee_name().and_then(|name| followed().get(name));
                pins |= listed
                    .is_some_and(|listed| listed.role == Role::Acquire && listed.is_pinning());
            });
            (asks, pins)
        })
    }

    fn look(&self, path: &Utf8Path) -> Notes {
        let mut seen = self.notes.borrow_mut();
        if let Some(known) = seen.get(path) {
            return *known;
        }
        let notes = self
            .sources
            .get(path)
            .map_or_else(Notes::default, |bytes| Notes {
                notifies: notifies(bytes),
                optional: memmem::find(bytes, OPTIONAL).is_some()
                    && memmem::find(&code(bytes), OPTIONAL).is_some(),
            });
        seen.insert(path.to_owned(), notes);
        notes
    }
}

/// Looks around an acquire.
pub(super) fn surroundings(
    analysis: &Analysis,
    files: &dyn Files,
    seen: &Seen<'_>,
    site: SiteKey,
) -> Surroundings {
    let path = analysis.path(site).to_owned();
    let own = seen.look(&path);
    let directory = path.parent().unwrap_or(Utf8Path::new(""));
    let (asks_for_file, pins_too) = seen.asks_and_pins(analysis, site.function);
    Surroundings {
        notifier_in_file: own.notifies,
        notifier_is_optional: own.optional,
        notifier_in_directory: asks_for_file && files.any_in(directory, &notifies),
        asks_for_file,
        exec_mm: exec_mm(analysis, site),
        pins_too,
    }
}

/// Whether a function asks an mmu notifier whether the mapping has changed, or has one of its file ask.
pub(in crate::judge) fn has_asked(
    analysis: &Analysis,
    sources: &Sources<'_>,
    function: FnId,
) -> bool {
    if asks(analysis, function) {
        return true;
    }
    let file = analysis.program.file(analysis.program.file_of(function));
    let mut called: BTreeSet<&str> = BTreeSet::new();
    walk::expressions(&analysis.program.function(function).body, &mut |expr| {
        called.extend(expr.callee_name());
    });
    let Some(code) = sources.code(&file.path) else {
        return false;
    };
    let of_file = |item: &&OutlineItem| {
        item.kind == OutlineKind::Function && called.contains(item.name.as_str())
    };
    file.outline.iter().filter(of_file).any(|item| {
        let text = code.get(item.span.start as usize..item.span.end as usize);
        let text = text.unwrap_or_default();
        let mut notifiers = followed().with_role(Role::Notifier);
        notifiers.any(|notifier| text::calls(text, &notifier.name))
    })
}

/// Whether a function asks an mmu notifier whether the mapping has changed.
fn asks(analysis: &Analysis, function: FnId) -> bool {
    let mut found = false;
    walk::expressions(&analysis.program.function(function).body, &mut |expr| {
        let name = expr.callee_name();
        found |= name.is_some_and(|name| followed().is(name, Role::Notifier));
    });
    found
}

/// Whether each of these functions stands in a file that registers or consults mmu notifiers.
pub(super) fn notify(analysis: &Analysis, seen: &Seen<'_>, functions: &[FnId]) -> bool {
    functions.iter().all(|function| {
        let path = analysis.program.path_of(*function);
        seen.look(path).notifies
    })
}

/// Of functions that let pages go, where some stand in a file that registers or consults mmu notifiers, the first that does
/// not.
pub(super) fn unwatched(analysis: &Analysis, seen: &Seen<'_>, functions: &[FnId]) -> Option<FnId> {
    let watches = |function: &FnId| {
        let path = analysis.program.path_of(*function);
        seen.look(path).notifies
    };
    let first = functions.iter().find(|function| !watches(function))?;
    functions.iter().any(watches).then_some(*first)
}

/// Whether the function of an acquire hands the page itself, or its number, to its caller: it returns it, or puts it where
/// a parameter points.
pub(super) fn hands_out(analysis: &Analysis, site: SiteKey) -> bool {
    let function = site.function;
    let is = |object: &Obj| *analysis.state.what(*object) == Object::Page(site);
    let holds = |node: Node| analysis.objects(&[node]).iter().any(is);
    let returned = analysis.state.returns.get(&function);
    if returned.is_some_and(holds) {
        return true;
    }
    let params = analysis.program.function(function).params.len() as u32;
    (0..params)
        .filter_map(|at| analysis.state.params.get(&(function, at)))
        .any(|node| analysis.contents(&[node]).iter().any(is))
}

/// A function and its file, as a reason names them.
pub(super) fn place_of_function(analysis: &Analysis, function: FnId) -> String {
    format!(
        "{}() of {}",
        analysis.program.function(function).name,
        analysis.program.path_of(function)
    )
}

/// Whether a notifier can reach pages that are kept in a field: whoever takes them asks it whether the mapping has
/// changed meanwhile, or one of its callbacks gets to a function that names the field.
pub(super) fn reaches(analysis: &Analysis, site: SiteKey, field: FieldId) -> bool {
    let mut callers = analysis.callers(site.function).iter().copied();
    if asks(analysis, site.function) || callers.any(|caller| asks(analysis, caller)) {
        return true;
    }
    let directory = parent(analysis.path(site));
    let tables = analysis.tables.iter().filter(|table| {
        NOTIFIER_TABLES.contains(&table.record.as_str())
            && parent(&analysis.program.file(table.file).path) == directory
    });
    let users = &analysis.state.field_uses;
    for table in tables {
        for (_, name) in &table.entries {
            let callbacks = analysis.program.resolve(name, table.file);
            // What a callback does that was not read is not known.
            if callbacks.is_empty() {
                return true;
            }
            let reached = analysis.reached(callbacks);
            let file = analysis.program.file(table.file);
            let unread = |call: &Call| {
                call.targets.is_empty()
                    && !call.listed
                    && reached.contains(&call.site.function)
                    && file.outline.iter().any(|item| item.name == call.name)
            };
            if analysis.state.calls.iter().any(unread) {
                return true;
            }
            if reached
                .iter()
                .any(|function| users.contains(&(field, *function)))
            {
                return true;
            }
        }
    }
    false
}

/// Whether the one page that a call takes is put again, in the same block, before more than struct page is looked at.
pub(super) fn put_before_use(analysis: &Analysis, site: &Site) -> bool {
    let body = &analysis.program.function(site.key.function).body;
    let block = block_of(body, site.key.span);
    let holds = |statement: &Stmt| {
        let span = statement.span();
        span.start <= site.key.span.start && site.key.span.end <= span.end
    };
    let Some(at) = block.iter().position(holds) else {
        return false;
    };
    let Some(page) = taken_into(&block[at], site) else {
        return false;
    };
    for statement in &block[at + 1..] {
        let (mut put, mut used) = (false, false);
        let whole = match statement {
            Stmt::Expr(whole, _) => Some(whole),
            _ => None,
        };
        let listed = whole
            .and_then(Expr::callee_name)
            .and_then(|name| followed().get(name));
        walk::expressions(std::slice::from_ref(statement), &mut |expr| {
            used |= matches!(expr, Expr::Name(name, _) if name == page);
        });
        if let (Some(function), Some(Expr::Call { args, .. })) = (listed, whole) {
            put = function.role == Role::Release
                && function
                    .page_argument(args.len())
                    .and_then(|at| args.get(at))
                    .is_some_and(|arg| matches!(arg, Expr::Name(name, _) if name == page));
            used &= !matches!(function.kind.as_str(), "inert" | "struct-page");
        }
        if put || used {
            return put;
        }
    }
    false
}

/// Whether a page that a function was handed is put again, and nothing but conditions looks at it before.
pub(in crate::judge) fn put_untouched(analysis: &Analysis, site: &Site) -> bool {
    let function = analysis.program.function(site.key.function);
    let mut page = None;
    walk::expressions(&function.body, &mut |expr| {
        if let (Expr::Call { args, span, .. }, Some(name)) = (expr, expr.callee_name()) {
            if *span == site.key.span {
                let listed = followed().get(name);
                let at = listed.and_then(|listed| listed.page_argument(args.len()));
                if let Some(Expr::Name(name, _)) = at.and_then(|at| args.get(at)) {
                    page = Some(name.as_str());
                }
            }
        }
    });
    let Some(page) = page.filter(|page| function.params.iter().all(|param| param.name != *page))
    else {
        return false;
    };
    let named = |expr: &Expr| {
        let mut times = 0;
        walk::expression(expr, &mut |expr| {
            times += usize::from(matches!(expr, Expr::Name(name, _) if name == page));
        });
        times
    };
    let (mut all, mut harmless) = (0, 0);
    walk::expressions(&function.body, &mut |expr| match expr {
        Expr::Name(name, _) => all += usize::from(name == page),
        Expr::Assign { target, .. } => {
            harmless += usize::from(matches!(target.as_ref(), Expr::Name(name, _) if name == page));
        }
        Expr::Call { args, .. } => {
            let listed = expr.callee_name().and_then(|name| followed().get(name));
            if listed.is_some_and(|listed| listed.role == Role::Release) {
                harmless += args.iter().map(named).sum::<usize>();
            }
        }
        _ => {}
    });
    harmless += in_conditions(&function.body, &named);
    all == harmless
}

/// How often something stands in the conditions of a block and of all in it.
fn in_conditions(block: &[Stmt], times: &dyn Fn(&Expr) -> usize) -> usize {
    let inside = |statement: &Stmt| match statement {
        Stmt::Block(inner, _) | Stmt::Unread(inner, _) => in_conditions(inner, times),
        Stmt::If {
            cond,
            then,
            otherwise,
            ..
        } => {
            let arms = std::iter::once(then).chain(otherwise);
            let arms = arms.map(|arm| in_conditions(std::slice::from_ref(arm), times));
            times(cond) + arms.sum::<usize>()
        }
        Stmt::Loop { body, .. } | Stmt::Switch { body, .. } => {
            in_conditions(std::slice::from_ref(body), times)
        }
        Stmt::Arms(arms, _) => arms
            .iter()
            .map(|(_, inner)| in_conditions(inner, times))
            .sum(),
        _ => 0,
    };
    block.iter().map(inside).sum()
}

/// The variable whose address an acquire is given for its one page.
fn taken_into<'s>(statement: &'s Stmt, site: &Site) -> Option<&'s str> {
    let mut page = None;
    walk::expressions(std::slice::from_ref(statement), &mut |expr| {
        if let (Expr::Call { args, span, .. }, Some(name)) = (expr, expr.callee_name()) {
            if *span == site.key.span {
                let form = followed().get(name).and_then(|f| f.signature(args.len()));
                let array = form.and_then(|form| args.get(form.pages?));
                if let Some(Expr::AddressOf(inner, _)) = array {
                    if let Expr::Name(name, _) = inner.as_ref() {
                        page = Some(name.as_str());
                    }
                }
            }
        }
    });
    page
}

/// Whether a file registers or consults mmu notifiers.
fn notifies(bytes: &[u8]) -> bool {
    if memmem::find(bytes, b"mmu_").is_none() && memmem::find(bytes, b"hmm_").is_none() {
        return false;
    }
    let notifies = |bytes: &[u8]| {
        memmem::find(bytes, b"mmu_notifier_ops").is_some()
            || memmem::find(bytes, b"mmu_interval_notifier_ops").is_some()
            || followed()
                .with_role(Role::Notifier)
                .any(|function| text::calls(bytes, &function.name))
    };
    // Comments speak of notifiers too.
    notifies(bytes) && notifies(&code(bytes))
}

/// Whether the mm is that of a program being started: nobody else can reach its pages yet.
fn exec_mm(analysis: &Analysis, site: SiteKey) -> bool {
    let function = analysis.program.function(site.function);
    let binprm: Vec<&str> = function
        .params
        .iter()
        .filter(|param| crate::flow::program::tag(&param.ty.name) == "linux_binprm")
        .map(|param| param.name.as_str())
        .collect();
    if binprm.is_empty() {
        return false;
    }
    let of_binprm = |expr: &Expr| {
        matches!(expr, Expr::Field { base, .. }
            if matches!(base.as_ref(), Expr::Name(name, _) if binprm.contains(&name.as_str())))
    };
    let copies = copies_of(&function.body, &of_binprm);
    let mut found = false;
    walk::expressions(&function.body, &mut |expr| {
        if let Expr::Call { args, span, .. } = expr {
            if *span == site.span {
                found |= args.iter().any(|arg| {
                    of_binprm(arg)
                        || matches!(arg, Expr::Name(name, _) if copies.contains(&name.as_str()))
                });
            }
        }
    });
    found
}

/// Local variables that are set up with such an expression.
fn copies_of<'s>(body: &'s [Stmt], wanted: &dyn Fn(&Expr) -> bool) -> Vec<&'s str> {
    let mut out = Vec::new();
    for statement in body {
        match statement {
            Stmt::Decl(declarations, _) => {
                let set = declarations
                    .iter()
                    .filter(|one| one.init.as_ref().is_some_and(wanted));
                out.extend(set.map(|one| one.name.as_str()));
            }
            Stmt::Expr(Expr::Assign { target, value, .. }, _) if wanted(value) => {
                if let Expr::Name(name, _) = target.as_ref() {
                    out.push(name);
                }
            }
            _ => {}
        }
    }
    out
}
