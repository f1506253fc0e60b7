// SPDX-License-Identifier: MIT OR Apache-2.0
//! The solved flow of a tree: rounds of reading, walking and solving until no question is left that more reading
//! would answer.

mod containers;
mod held;

pub(crate) use held::Held;

use super::ahead;
use super::answers::Answers;
use super::demand;
use super::graph::{Few, Node, Obj};
use super::hash::{FastMap, FastSet};
use super::iterators::{self, Backing};
use super::library::{Files, Library};
use super::program::{FnId, Program};
use super::scripts::Scripts;
use super::state::{Call, FieldId, Object, SiteKey, State};
use super::tables::{self, Table};
use crate::index::Shelf;
use crate::index::ir::{FileFacts, Linkage, OutlineKind};
use camino::{Utf8Path, Utf8PathBuf};
use refimpl::api::{Role, followed};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

/// No more rounds than this: what is still open then stays unknown and says so. Each round solves the whole graph again,
/// and reads what is one call further from every page.
const ROUNDS: usize = 2;
/// Beyond this many functions nothing more is read: a bound on time and memory, and not a measurement.
const FUNCTIONS: usize = 6000;

/// Objects of one value that are looked at one by one: the most crowded value of a kernel has half of it.
const VALUES: usize = 1024;

/// What the solved flow knows.
pub struct Analysis {
    /// What was read.
    pub(crate) program: Program,
    /// Constraints, solution, calls.
    pub(crate) state: State,
    /// Tables of functions.
    pub(crate) tables: Vec<Table>,
    /// Bytes of files that were read.
    pub(crate) sources: BTreeMap<Utf8PathBuf, Arc<[u8]>>,
    calls: FastMap<SiteKey, Vec<usize>>,
    holding: Vec<bool>,
    params: FastMap<Node, (FnId, u32)>,
    fields: FastMap<Node, FieldId>,
    api_files: FastSet<u32>,
    /// What the iterators of acquires walk.
    backings: FastMap<SiteKey, Backing>,
    /// Of the calls that take one more reference on acquired pages, the acquires.
    under: FastMap<SiteKey, BTreeSet<SiteKey>>,
    /// The acquires of the pages that an object is.
    users: FastMap<Obj, Few<SiteKey>>,
    naming: OnceLock<FastMap<String, BTreeSet<String>>>,
    next: OnceLock<FastMap<FnId, Vec<FnId>>>,
    above: OnceLock<FastMap<FnId, Vec<FnId>>>,
    reads: OnceLock<containers::Reads>,
}

impl Analysis {
    /// Follows the pages of a tree, beginning with the functions in `hits`.
    pub fn new(files: &dyn Files, hits: Vec<FileFacts>) -> Self {
        let known = (Answers::none(), Scripts::default());
        Self::with(files, hits, &Shelf::none(), known).0
    }

    /// The same with what is known from before, and what the next run is to know.
    pub(crate) fn with(
        files: &dyn Files,
        hits: Vec<FileFacts>,
        shelf: &Shelf,
        (answers, mut scripts): (Answers, Scripts),
    ) -> (Self, (Answers, Scripts)) {
        let mut library = Library::new(files, hits, shelf, answers);
        ahead::read(&mut library);
        ahead::numbers(&mut library);
        let (mut round, mut more) = (0, true);
        let mut asked = BTreeSet::new();
        loop {
            round += 1;
            // The same code asks the same questions.
            if more && round <= ROUNDS {
                if let Some(wants) = library.remembered(round) {
                    library.ask(&wants);
                    asked.extend(wants);
                    more = library.settle();
                    continue;
                }
            }
            if !more || round > ROUNDS {
                library.close();
            }
            let mut analysis = Self::saying(library.facts(), &mut scripts);
            let full = analysis.program.functions().count() > FUNCTIONS;
            if more && round <= ROUNDS && !full {
                // What a field's type decides is known before anything is asked for the field's sake.
                let mut wants = demand::records(&analysis, &mut asked);
                let before = analysis.program.files().len();
                for want in &wants {
                    library.ask_one(want);
                }
                let records = library.settle();
                let mut read = library.facts();
                if read.len() > before {
                    let known: FastSet<&str> = analysis
                        .program
                        .files()
                        .iter()
                        .map(|file| file.path.as_str())
                        .collect();
                    read.retain(|file| !known.contains(file.path.as_str()));
                } else {
                    read.clear();
                }
                let read = Program::new(read);
                wants.extend(demand::wants(&analysis, &read, &mut asked, round));
                library.ask(&wants);
                // Facts that nobody else holds are added to where they are.
                drop((analysis, read));
                more = library.settle() || records;
                continue;
            }
            for file in analysis.program.files() {
                if let Some(bytes) = library.known(&file.path) {
                    analysis.sources.insert(file.path.clone(), bytes);
                }
            }
            return (analysis, (library.into_answers(), scripts));
        }
    }

    fn saying(facts: Vec<Arc<FileFacts>>, scripts: &mut Scripts) -> Self {
        let program = Program::new(facts);
        let mut state = State::default();
        state.graph.reserve(scripts.nodes());
        let tables = tables::initialisers(&program, &mut state);
        for id in program.functions() {
            if program.function(id).linkage != Linkage::Macro {
                scripts.say(&program, id, &mut state);
            }
        }
        state.solve(&program);
        let mut calls: FastMap<SiteKey, Vec<usize>> = FastMap::default();
        for (at, call) in state.calls.iter().enumerate() {
            calls.entry(call.site).or_default().push(at);
        }
        let mut params = FastMap::default();
        for id in program.functions() {
            for at in 0..program.function(id).params.len() as u32 {
                if let Some(node) = state.params.get(&(id, at)) {
                    params.insert(node, (id, at));
                }
            }
        }
        let fields = state
            .fields()
            .map(|(field, _)| (state.field_node(field), field))
            .collect();
        let mut analysis = Self {
            program,
            state,
            tables,
            sources: BTreeMap::new(),
            calls,
            holding: Vec::new(),
            params,
            fields,
            api_files: FastSet::default(),
            backings: FastMap::default(),
            under: FastMap::default(),
            users: FastMap::default(),
            naming: OnceLock::new(),
            next: OnceLock::new(),
            above: OnceLock::new(),
            reads: OnceLock::new(),
        };
        analysis.find_api_files();
        analysis.backings = iterators::backings(&analysis.program, &analysis.state);
        analysis.find_under();
        analysis.find_holding();
        analysis
    }

    /// The calls at a place: one, or one for each expansion of the macro it stands in.
    pub(crate) fn calls_at(&self, site: SiteKey) -> impl Iterator<Item = &Call> {
        self.calls
            .get(&site)
            .into_iter()
            .flatten()
            .map(|at| &self.state.calls[*at])
    }

    /// The catalogue's entry of a call at a place.
    pub(crate) fn listed(&self, site: SiteKey) -> Option<&'static refimpl::api::Function> {
        self.calls_at(site)
            .find(|call| call.listed)
            .and_then(|call| followed().get(&call.name))
    }

    /// Whether a file implements the API: it defines, for all to see, a function of the catalogue that acquires.
    pub(crate) fn is_api_file(&self, file: u32) -> bool {
        self.api_files.contains(&file)
    }

    fn find_api_files(&mut self) {
        for (at, file) in self.program.files().iter().enumerate() {
            let at = at as u32;
            let defines = file.outline.iter().any(|item| {
                item.kind == OutlineKind::Function
                    && followed().is(&item.name, Role::Acquire)
                    && !self.program.shadows(&item.name, at)
            });
            if defines {
                self.api_files.insert(at);
            }
        }
    }

    /// The acquires of the pages on which a call takes one more reference.
    pub(crate) fn under(&self, reference: SiteKey) -> impl Iterator<Item = SiteKey> + '_ {
        self.under.get(&reference).into_iter().flatten().copied()
    }

    fn find_under(&mut self) {
        // A page that one function refers to may be handed to another that does so again.
        for _ in 0..2 {
            let mut found: Vec<(SiteKey, BTreeSet<SiteKey>)> = Vec::new();
            for (reference, values) in &self.state.references {
                let mut under = BTreeSet::new();
                for object in values.iter().flat_map(|node| self.values(*node)) {
                    if let Object::Page(from) = self.state.what(object) {
                        if self.is_user(*from) {
                            under.insert(*from);
                        }
                        under.extend(self.under(*from));
                    }
                }
                if !under.is_empty() {
                    found.push((*reference, under));
                }
            }
            for (reference, under) in found {
                self.under.entry(reference).or_default().extend(under);
            }
        }
    }

    /// What the iterator walks that an acquire is given; None of those that are given none.
    pub(crate) fn backing(&self, site: SiteKey) -> Option<Backing> {
        self.backings.get(&site).copied()
    }

    /// Whether the pages of `site` are taken from user space.
    pub(crate) fn is_user(&self, site: SiteKey) -> bool {
        self.backing(site) != Some(Backing::Kernel)
            && !self.is_api_file(self.program.file_of(site.function))
            && self
                .listed(site)
                .is_some_and(|function| function.role == Role::Acquire)
    }

    /// All objects a value may be.
    pub(crate) fn objects(&self, nodes: &[Node]) -> BTreeSet<Obj> {
        nodes.iter().flat_map(|node| self.values(*node)).collect()
    }

    /// The objects a value may be, as many as are looked at one by one.
    fn values(&self, node: Node) -> impl Iterator<Item = Obj> {
        let values = self.state.graph.values(node).iter();
        values.take(VALUES).copied()
    }

    /// The objects in the containers a value may be.
    pub(crate) fn contents(&self, nodes: &[Node]) -> BTreeSet<Obj> {
        let objects = self.objects(nodes);
        let contents = objects
            .iter()
            .filter_map(|object| self.state.graph.content_if_any(*object));
        self.objects(&self.state.graph.keepers(&contents.collect::<Few<Node>>()))
    }

    /// The acquires whose pages a value may be.
    pub(crate) fn user_pages(&self, nodes: &[Node]) -> BTreeSet<SiteKey> {
        let values = nodes.iter().flat_map(|node| self.values(*node));
        self.users(values).collect()
    }

    /// The acquires whose pages objects are.
    fn users(&self, objects: impl Iterator<Item = Obj>) -> impl Iterator<Item = SiteKey> {
        let carrying = objects.filter(|object| self.carries(*object));
        let users = carrying.filter_map(|object| self.users.get(&object));
        users.flatten().copied()
    }

    /// Whether an object is a user page or holds one.
    pub(crate) fn carries(&self, object: Obj) -> bool {
        self.holding
            .get(object.0 as usize)
            .copied()
            .unwrap_or(false)
    }

    /// Whether a value may be a user page or hold one.
    pub(crate) fn node_carries(&self, node: Node) -> bool {
        self.state
            .graph
            .values(node)
            .iter()
            .any(|object| self.carries(*object))
    }

    /// Whether a value goes from one node to the other in a few copies.
    pub(crate) fn leads(&self, from: Node, to: Node) -> bool {
        self.led_to(from).contains(&to)
    }

    /// The nodes that a value goes to in a few copies.
    pub(crate) fn led_to(&self, from: Node) -> Vec<Node> {
        let mut seen = vec![from];
        let mut at = 0;
        while at < seen.len() && seen.len() < 64 {
            for next in self.state.graph.copies(seen[at]) {
                if !seen.contains(next) {
                    seen.push(*next);
                }
            }
            at += 1;
        }
        seen
    }

    /// The parameter a node is.
    pub(crate) fn param(&self, node: Node) -> Option<(FnId, u32)> {
        self.params.get(&node).copied()
    }

    /// The field a node is.
    pub(crate) fn field(&self, node: Node) -> Option<FieldId> {
        self.fields.get(&node).copied()
    }

    /// The fields through which a function of that name may be called.
    pub(crate) fn fields_naming(&self, function: &str) -> impl Iterator<Item = &str> {
        let naming = self.naming.get_or_init(|| {
            let mut naming: FastMap<String, BTreeSet<String>> = FastMap::default();
            let mut note = |function: &str, field: &str| {
                let fields = naming.entry(function.to_owned()).or_default();
                fields.insert(field.to_owned());
            };
            for (field, function) in self.tables.iter().flat_map(|table| &table.entries) {
                note(function, field);
            }
            for (field, (_, name)) in self.state.fields() {
                for object in self.state.graph.values(self.state.field_node(field)) {
                    if let Object::Function(function, _) = self.state.what(*object) {
                        note(function, name);
                    }
                }
            }
            naming
        });
        naming
            .get(function)
            .into_iter()
            .flatten()
            .map(String::as_str)
    }

    /// Path of the file a place stands in.
    pub(crate) fn path(&self, site: SiteKey) -> &Utf8Path {
        self.program.path_of(site.function)
    }

    /// 1-based line and column of an offset of the file a function stands in.
    pub(crate) fn position(&self, function: FnId, offset: u32) -> (u32, u32) {
        self.program
            .file(self.program.file_of(function))
            .position(offset)
    }

    /// The functions that call one, or name it.
    pub(crate) fn callers(&self, function: FnId) -> &[FnId] {
        let above = self.above.get_or_init(|| {
            let mut above: FastMap<FnId, Vec<FnId>> = FastMap::default();
            for (caller, callee) in &self.state.callees {
                above.entry(*callee).or_default().push(*caller);
            }
            above
                .values_mut()
                .for_each(|callers| callers.sort_unstable());
            above
        });
        above.get(&function).map_or(&[], Vec::as_slice)
    }

    /// Functions reached from `from` by calls that were resolved.
    pub(crate) fn reached(&self, from: impl IntoIterator<Item = FnId>) -> FastSet<FnId> {
        self.reached_without(from, |_| false)
    }

    /// The same, without going into functions that `closed` names.
    pub(crate) fn reached_without(
        &self,
        from: impl IntoIterator<Item = FnId>,
        closed: impl Fn(&FnId) -> bool,
    ) -> FastSet<FnId> {
        let next = self.next.get_or_init(|| {
            let mut next: FastMap<FnId, Vec<FnId>> = FastMap::default();
            for (caller, callee) in &self.state.callees {
                next.entry(*caller).or_default().push(*callee);
            }
            next
        });
        let mut seen: FastSet<FnId> = FastSet::default();
        let mut queue: Vec<FnId> = from.into_iter().collect();
        while let Some(function) = queue.pop() {
            if !closed(&function) && seen.insert(function) {
                queue.extend(next.get(&function).into_iter().flatten());
            }
        }
        seen
    }

    fn find_holding(&mut self) {
        let mut objects = Vec::new();
        for at in 0.. {
            let Some(object) = self.state.objects_get(at) else {
                break;
            };
            let mut users: Few<SiteKey> = Few::new();
            if let Object::Page(site) = object {
                users.extend(self.under(*site));
                users.extend(Some(*site).filter(|site| self.is_user(*site)));
            }
            objects.push(!users.is_empty());
            if !users.is_empty() {
                self.users.insert(Obj(at as u32), users);
            }
        }
        // Arrays of arrays of pages are as deep as kernel code goes.
        for _ in 0..3 {
            let mut changed = false;
            for at in 0..objects.len() {
                if objects[at] {
                    continue;
                }
                let Some(content) = self.state.graph.content_if_any(Obj(at as u32)) else {
                    continue;
                };
                if self
                    .state
                    .graph
                    .values(content)
                    .iter()
                    .any(|inner| objects[inner.0 as usize])
                {
                    objects[at] = true;
                    changed = true;
                }
            }
            if !changed {
                break;
            }
        }
        self.holding = objects;
    }
}
