// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the walk over one function says of it, by itself: to be said again to any [`State`].
//!
//! A script names values, objects, fields and functions by numbers of its own. It is the same as long as the function
//! and whatever the names in it mean are, so it serves every round, and every later run.

use super::graph::{Few, Node, Obj};
use super::hash::{FastMap, FastSet};
use super::program::{FnId, Program, holds_pages};
use super::state::{Call, FieldId, FieldStore, IndirectCall, Object, Owner, SiteKey, State, Touch};
use crate::index::ir::Span;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

/// Contexts of expanded macros begin here; that of the function itself is [`SELF`].
const MACROS: u32 = 1 << 24;
/// The context of the function itself, once the script is sealed.
const SELF: u32 = 0;

/// Loads of one function beyond this many share their value with another load through the same pointers: n loads of n pages
/// are n pages then, and not n times n. No function that is read of 6.12 or 4.19 has more than 100.
const MOST_LOADS: usize = 256;

/// How a value comes to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
enum Made {
    Temp(u32, u32, u32, u8),
    Param(FnId, u32),
    Returned(FnId),
    /// By its place in the list of globals.
    Global(u32),
    Field(FieldId),
}

/// One thing that is said.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
enum Op {
    Make(Node),
    Object(Obj),
    Field(FieldId),
    Add(Node, Obj),
    Copy(Node, Node),
    Load(Node, Node),
    Store(Node, Node),
}

/// What the walk over one function said.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Script {
    /// Where the functions in it stand: hash of the path, first byte. The function itself comes first.
    pub functions: Vec<(u64, u32)>,
    contexts: Vec<(u32, u32)>,
    nodes: Vec<Made>,
    globals: Vec<SmolStr>,
    objects: Vec<Object>,
    fields: Vec<(Owner, SmolStr)>,
    /// Constraints.
    pub graph: Edges,
    made: Vec<(Node, Obj)>,
    calls: Vec<Call>,
    indirect: Vec<IndirectCall>,
    touches: Vec<Touch>,
    /// Values stored into fields.
    pub field_stores: Vec<FieldStore>,
    /// Values of page arguments of get_page() and its kin.
    pub references: Vec<(SiteKey, Few<Node>)>,
    /// Values used as an index or cut to a smaller number.
    numbers: Vec<(SiteKey, Few<Node>)>,
    /// Functions called.
    pub callees: FastSet<(FnId, FnId)>,
    /// Fields named.
    pub field_uses: FastSet<(FieldId, FnId)>,
    /// Tags of records that were needed and not there.
    pub missing_records: FastSet<(SmolStr, u32)>,
    /// Iterator macros that were not read.
    pub calls_of_unknown_iterators: FastSet<(SmolStr, u32)>,
    #[serde(skip)]
    known: Known,
}

/// What is needed while the script is written.
#[derive(Debug, Default)]
struct Known {
    nodes: FastMap<Made, Node>,
    globals: FastMap<SmolStr, u32>,
    objects: FastMap<Object, Obj>,
    fields: FastMap<(Owner, SmolStr), FieldId>,
    field_nodes: Vec<Node>,
    contexts: FastMap<(u32, u32), u32>,
    made: FastSet<(Node, Obj)>,
    calls: FastMap<(u32, Span), usize>,
    indirect: FastMap<(u32, Span), usize>,
    touches: FastSet<(u32, Span, bool)>,
    numbers: FastMap<(u32, Span), usize>,
    /// How many loads there were, and what was loaded by those beyond [`MOST_LOADS`].
    loads: usize,
    loaded: FastMap<Few<Node>, Node>,
}

/// Constraints in the order in which they were said.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Edges {
    ops: Vec<Op>,
    #[serde(skip)]
    known: FastSet<(u32, u32, u8)>,
}

impl Edges {
    /// `node` may be `object`.
    pub(super) fn add(&mut self, node: Node, object: Obj) {
        if self.known.insert((node.0, object.0, 0)) {
            self.ops.push(Op::Add(node, object));
        }
    }

    /// `to` may be all that `from` is.
    pub(super) fn copy(&mut self, from: Node, to: Node) {
        if from != to && self.known.insert((from.0, to.0, 1)) {
            self.ops.push(Op::Copy(from, to));
        }
    }

    fn load(&mut self, pointer: Node, to: Node) {
        if self.known.insert((pointer.0, to.0, 2)) {
            self.ops.push(Op::Load(pointer, to));
        }
    }

    fn store(&mut self, from: Node, pointer: Node) {
        if self.known.insert((from.0, pointer.0, 3)) {
            self.ops.push(Op::Store(from, pointer));
        }
    }
}

impl Script {
    /// How many values it speaks of.
    pub(super) fn nodes(&self) -> usize {
        self.nodes.len()
    }

    fn node(&mut self, made: Made) -> Node {
        if let Some(node) = self.known.nodes.get(&made) {
            return *node;
        }
        let node = Node(self.nodes.len() as u32);
        self.nodes.push(made);
        self.known.nodes.insert(made, node);
        self.graph.ops.push(Op::Make(node));
        node
    }

    /// The id of an object.
    pub(super) fn object(&mut self, object: Object) -> Obj {
        if let Some(id) = self.known.objects.get(&object) {
            return *id;
        }
        let id = Obj(self.objects.len() as u32);
        self.objects.push(object.clone());
        self.known.objects.insert(object, id);
        self.graph.ops.push(Op::Object(id));
        id
    }

    /// A field of a record.
    pub(super) fn field(&mut self, owner: Owner, name: &str) -> FieldId {
        let key = (owner, SmolStr::new(name));
        if let Some(id) = self.known.fields.get(&key) {
            return *id;
        }
        let id = FieldId(self.fields.len() as u32);
        self.fields.push(key.clone());
        self.known.fields.insert(key, id);
        self.graph.ops.push(Op::Field(id));
        let node = self.node(Made::Field(id));
        self.known.field_nodes.push(node);
        id
    }

    /// The value of a field.
    pub(super) fn field_node(&self, field: FieldId) -> Node {
        self.known.field_nodes[field.0 as usize]
    }

    /// The value of a global; `key` is its name, with the file before it when it is static.
    pub(super) fn global(&mut self, key: SmolStr) -> Node {
        let next = self.globals.len() as u32;
        let at = *self.known.globals.entry(key.clone()).or_insert(next);
        if at == next {
            self.globals.push(key);
        }
        self.node(Made::Global(at))
    }

    /// The value of a parameter.
    pub(super) fn param(&mut self, function: FnId, at: u32) -> Node {
        self.node(Made::Param(function, at))
    }

    /// What a function returns.
    pub(super) fn returned(&mut self, function: FnId) -> Node {
        self.node(Made::Returned(function))
    }

    /// The context of a macro expanded at `at` of `context`.
    pub(super) fn context(&mut self, context: u32, at: u32) -> u32 {
        let next = MACROS + self.contexts.len() as u32;
        let known = *self.known.contexts.entry((context, at)).or_insert(next);
        if known == next {
            self.contexts.push((context, at));
        }
        known
    }

    /// A value for an expression.
    pub(super) fn temp(&mut self, context: u32, span: Span, tag: u8) -> Node {
        self.node(Made::Temp(context, span.start, span.end, tag))
    }

    /// A value that may be just `object`.
    pub(super) fn only(&mut self, context: u32, span: Span, tag: u8, object: Object) -> Node {
        let node = self.temp(context, span, tag);
        let page = matches!(object, Object::Page(_));
        let id = self.object(object);
        self.graph.add(node, id);
        if page && self.known.made.insert((node, id)) {
            self.made.push((node, id));
        }
        node
    }

    /// What one may find through `pointers`.
    pub(super) fn load(
        &mut self,
        context: u32,
        span: Span,
        tag: u8,
        pointers: &[Node],
    ) -> Vec<Node> {
        if pointers.is_empty() {
            return Vec::new();
        }
        let made = Made::Temp(context, span.start, span.end, tag);
        let fresh = !self.known.nodes.contains_key(&made);
        self.known.loads += usize::from(fresh);
        if fresh && self.known.loads > MOST_LOADS {
            let mut key = Few::from_slice(pointers);
            key.sort_unstable();
            if let Some(to) = self.known.loaded.get(&key) {
                return vec![*to];
            }
            let to = self.node(made);
            self.known.loaded.insert(key, to);
        }
        let to = self.node(made);
        for pointer in pointers {
            self.graph.load(*pointer, to);
        }
        vec![to]
    }

    /// Puts `values` where `pointers` point.
    pub(super) fn store(&mut self, values: &[Node], pointers: &[Node]) {
        for pointer in pointers {
            for value in values {
                self.graph.store(*value, *pointer);
            }
        }
    }

    /// Remembers a call by name; seen again in the same context, its arguments may be more.
    pub(super) fn record(&mut self, context: u32, call: Call) {
        let key = (context, call.site.span);
        match self.known.calls.get(&key) {
            Some(at) => merge(&mut self.calls[*at].args, call.args),
            None => {
                self.known.calls.insert(key, self.calls.len());
                self.calls.push(call);
            }
        }
    }

    /// Remembers a call through a pointer.
    pub(super) fn record_indirect(&mut self, context: u32, call: IndirectCall) {
        let key = (context, call.site.span);
        match self.known.indirect.get(&key) {
            Some(at) => merge(&mut self.indirect[*at].args, call.args),
            None => {
                self.known.indirect.insert(key, self.indirect.len());
                self.indirect.push(call);
            }
        }
    }

    /// Remembers an access through a pointer.
    pub(super) fn touch(&mut self, context: u32, touch: Touch) {
        let key = (context, touch.site.span, touch.write);
        if self.known.touches.insert(key) {
            self.touches.push(touch);
        }
    }

    /// Remembers that values are used as an index or cut to a smaller number.
    pub(super) fn number(&mut self, context: u32, site: SiteKey, values: &[Node]) {
        if values.is_empty() {
            return;
        }
        let at = *self
            .known
            .numbers
            .entry((context, site.span))
            .or_insert_with(|| {
                self.numbers.push((site, Few::new()));
                self.numbers.len() - 1
            });
        let known = &mut self.numbers[at].1;
        for value in values {
            if !known.contains(value) {
                known.push(*value);
            }
        }
    }

    /// Arguments go to the parameters of `target`, what it returns to `result`.
    pub(super) fn link(
        &mut self,
        program: &Program,
        target: FnId,
        args: &[impl AsRef<[Node]>],
        result: Node,
    ) {
        let function = program.function(target);
        for (at, (values, param)) in args.iter().zip(&function.params).enumerate() {
            if !holds_pages(&param.ty) {
                continue;
            }
            let param = self.param(target, at as u32);
            for value in values.as_ref() {
                self.graph.copy(*value, param);
            }
        }
        if holds_pages(&function.returns) {
            let returned = self.returned(target);
            self.graph.copy(returned, result);
        }
    }

    /// Ends the writing: functions get numbers of the script's own.
    pub(super) fn seal(&mut self, program: &Program, own: FnId) {
        self.known = Known::default();
        self.graph.known = FastSet::default();
        let mut numbers: FastMap<FnId, u32> = FastMap::default();
        let mut functions = vec![program.place(own)];
        numbers.insert(own, 0);
        self.each_function(&mut |id| {
            let number = *numbers.entry(*id).or_insert_with(|| {
                functions.push(program.place(*id));
                functions.len() as u32 - 1
            });
            *id = FnId(number);
        });
        let seal = |context: &mut u32| {
            if *context < MACROS {
                *context = SELF;
            }
        };
        self.contexts
            .iter_mut()
            .for_each(|(context, _)| seal(context));
        for made in &mut self.nodes {
            if let Made::Temp(context, ..) = made {
                seal(context);
            }
        }
        for object in &mut self.objects {
            if let Object::Local(context, _)
            | Object::Memory(_, context)
            | Object::Opaque(_, context) = object
            {
                seal(context);
            }
        }
        self.functions = functions;
    }

    fn each_function(&mut self, see: &mut dyn FnMut(&mut FnId)) {
        for made in &mut self.nodes {
            if let Made::Param(function, _) | Made::Returned(function) = made {
                see(function);
            }
        }
        for object in &mut self.objects {
            if let Object::Page(site) | Object::Memory(site, _) | Object::Opaque(site, _) = object {
                see(&mut site.function);
            }
        }
        for call in &mut self.calls {
            see(&mut call.site.function);
            call.targets.iter_mut().for_each(&mut *see);
        }
        for call in &mut self.indirect {
            see(&mut call.site.function);
        }
        for touch in &mut self.touches {
            see(&mut touch.site.function);
        }
        for store in &mut self.field_stores {
            see(&mut store.site.function);
        }
        for (site, _) in self.references.iter_mut().chain(&mut self.numbers) {
            see(&mut site.function);
        }
        let mut pairs: Vec<(FnId, FnId)> = self.callees.drain().collect();
        pairs.sort_unstable();
        for (caller, callee) in &mut pairs {
            see(caller);
            see(callee);
        }
        self.callees.extend(pairs);
        let mut uses: Vec<(FieldId, FnId)> = self.field_uses.drain().collect();
        uses.sort_unstable();
        uses.iter_mut().for_each(|(_, function)| see(function));
        self.field_uses.extend(uses);
    }

    /// Says it all to `state`, about function `own` of `program`. False, with nothing said, when a function in it is
    /// not there.
    pub(super) fn say(&self, program: &Program, own: FnId, state: &mut State) -> bool {
        let functions: Option<Vec<FnId>> = self
            .functions
            .iter()
            .map(|place| program.at(*place))
            .collect();
        let Some(functions) = functions else {
            return false;
        };
        let file = program.file_of(own);
        let mut contexts = Vec::with_capacity(self.contexts.len());
        for (outer, at) in &self.contexts {
            let outer = context(&contexts, own, *outer);
            contexts.push(state.context(outer, *at));
        }
        let mut said = Said {
            functions,
            contexts,
            own,
            file,
            nodes: Vec::with_capacity(self.nodes.len()),
            objects: Vec::with_capacity(self.objects.len()),
            fields: Vec::with_capacity(self.fields.len()),
        };
        for op in &self.graph.ops {
            self.say_one(*op, &mut said, state);
        }
        for (node, object) in &self.made {
            state.made.push((said.node(*node), said.object(*object)));
        }
        for call in &self.calls {
            let call = Call {
                site: said.site(call.site),
                name: call.name.clone(),
                targets: call.targets.iter().map(|id| said.function(*id)).collect(),
                listed: call.listed,
                args: said.all(&call.args),
                pointers: said.each(&call.pointers),
                result: said.node(call.result),
            };
            state.calls.push(call);
        }
        for call in &self.indirect {
            let call = IndirectCall {
                site: said.site(call.site),
                pointer: said.node(call.pointer),
                args: said.all(&call.args),
                result: said.node(call.result),
            };
            state.record_indirect(call);
        }
        for touch in &self.touches {
            let touch = Touch {
                site: said.site(touch.site),
                through: said.each(&touch.through),
                write: touch.write,
            };
            state.touches.push(touch);
        }
        for store in &self.field_stores {
            state.field_stores.push(FieldStore {
                site: said.site(store.site),
                field: said.fields[store.field.0 as usize],
                values: said.each(&store.values),
            });
        }
        for (site, values) in &self.references {
            state.references.push((said.site(*site), said.each(values)));
        }
        for (site, values) in &self.numbers {
            state.numbers.push((said.site(*site), said.each(values)));
        }
        for (caller, callee) in &self.callees {
            let pair = (said.function(*caller), said.function(*callee));
            state.callees.insert(pair);
        }
        for (field, function) in &self.field_uses {
            let used = (said.fields[field.0 as usize], said.function(*function));
            state.field_uses.insert(used);
        }
        for (tag, _) in &self.missing_records {
            state.missing_records.insert((tag.clone(), file));
        }
        for (name, _) in &self.calls_of_unknown_iterators {
            let unknown = &mut state.calls_of_unknown_iterators;
            unknown.insert((name.clone(), file));
        }
        true
    }

    fn say_one(&self, op: Op, said: &mut Said, state: &mut State) {
        match op {
            Op::Make(node) => {
                let node = match &self.nodes[node.0 as usize] {
                    Made::Temp(context, start, end, tag) => {
                        let (start, end) = (*start, *end);
                        state.temp(said.context(*context), Span { start, end }, *tag)
                    }
                    Made::Param(function, at) => state.param(said.function(*function), *at),
                    Made::Returned(function) => state.returned(said.function(*function)),
                    Made::Global(at) => state.global(self.globals[*at as usize].clone()),
                    Made::Field(field) => state.field_node(said.fields[field.0 as usize]),
                };
                said.nodes.push(node);
            }
            Op::Object(object) => {
                let object = match &self.objects[object.0 as usize] {
                    Object::Page(site) => Object::Page(said.site(*site)),
                    Object::Memory(site, context) => {
                        Object::Memory(said.site(*site), said.context(*context))
                    }
                    Object::Opaque(site, context) => {
                        Object::Opaque(said.site(*site), said.context(*context))
                    }
                    Object::Local(context, span) => Object::Local(said.context(*context), *span),
                    Object::Field(field) => Object::Field(said.fields[field.0 as usize]),
                    Object::Target(node) => Object::Target(said.node(*node)),
                    Object::Function(name, _) => Object::Function(name.clone(), said.file),
                    Object::Global(key) => Object::Global(key.clone()),
                };
                said.objects.push(state.object(object));
            }
            Op::Field(field) => {
                let (owner, name) = &self.fields[field.0 as usize];
                said.fields.push(state.field(owner.clone(), name));
            }
            Op::Add(node, object) => state.graph.add(said.node(node), said.object(object)),
            Op::Copy(from, to) => state.graph.copy(said.node(from), said.node(to)),
            Op::Load(pointer, to) => state.graph.load(said.node(pointer), said.node(to)),
            Op::Store(from, pointer) => state.graph.store(said.node(from), said.node(pointer)),
        }
    }
}

/// What the numbers of a script are in a state.
struct Said {
    functions: Vec<FnId>,
    contexts: Vec<u32>,
    own: FnId,
    file: u32,
    nodes: Vec<Node>,
    objects: Vec<Obj>,
    fields: Vec<FieldId>,
}

impl Said {
    fn node(&self, node: Node) -> Node {
        self.nodes[node.0 as usize]
    }

    fn each(&self, nodes: &[Node]) -> Few<Node> {
        nodes.iter().map(|node| self.node(*node)).collect()
    }

    fn all(&self, lists: &[Few<Node>]) -> Vec<Few<Node>> {
        lists.iter().map(|nodes| self.each(nodes)).collect()
    }

    fn object(&self, object: Obj) -> Obj {
        self.objects[object.0 as usize]
    }

    fn function(&self, function: FnId) -> FnId {
        self.functions[function.0 as usize]
    }

    fn site(&self, site: SiteKey) -> SiteKey {
        SiteKey {
            function: self.function(site.function),
            span: site.span,
        }
    }

    fn context(&self, at: u32) -> u32 {
        context(&self.contexts, self.own, at)
    }
}

fn context(known: &[u32], own: FnId, at: u32) -> u32 {
    match at.checked_sub(MACROS) {
        Some(at) => known[at as usize],
        None => own.0,
    }
}

fn merge(into: &mut [Few<Node>], more: Vec<Few<Node>>) {
    for (into, more) in into.iter_mut().zip(more) {
        for node in more {
            if !into.contains(&node) {
                into.push(node);
            }
        }
    }
}
