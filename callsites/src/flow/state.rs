// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the walk over the functions builds: the constraint graph, the objects in it, and every call that matters.

use super::graph::{Few, Graph, Interner, Node, Obj, PointerCall};
use super::hash::{FastMap, FastSet};
use super::program::{FnId, Program, holds_pages};
use crate::index::ir::Span;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

/// What an object is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) enum Object {
    /// Pages that one call makes, finds or acquires.
    Page(SiteKey),
    /// Kernel memory that one call allocates, in one context: of a macro that allocates, in one expansion.
    Memory(SiteKey, u32),
    /// A local array, struct, or variable whose address is taken.
    Local(u32, Span),
    /// An array or struct embedded in a field, or a field whose address is taken.
    Field(FieldId),
    /// A variable at file scope.
    Global(SmolStr),
    /// What a pointer of unknown target points to.
    Target(Node),
    /// What a call returns whose callee was not read, in one context.
    Opaque(SiteKey, u32),
    /// A function, by name, as seen from a file.
    Function(SmolStr, u32),
}

/// A call: the function it stands in, its span, and the calls through which a macro was expanded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct SiteKey {
    /// The function or macro whose text holds the call.
    pub function: FnId,
    /// The call expression.
    pub span: Span,
}

/// A field of a struct type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct FieldId(pub u32);

/// The struct a field belongs to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) enum Owner {
    /// A struct or union of that tag.
    Record(SmolStr),
    /// A record as a part of the tree has it: a public one whose field is whoever's who fills it, or one of several that bear
    /// the tag, which its file alone knows. The tag, and the directories or the file.
    Within(SmolStr, SmolStr),
    /// Unknown; the directory in which the field is named.
    Directory(SmolStr),
}

/// A call by name.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Call {
    /// Where.
    pub site: SiteKey,
    /// Who is called, as written.
    pub name: SmolStr,
    /// The functions that were read and may be meant; empty for functions of the catalogue.
    pub targets: Few<FnId>,
    /// Whether the catalogue's function is meant.
    pub listed: bool,
    /// Values of the arguments.
    pub args: Vec<Few<Node>>,
    /// Those of them that may be pointers: whatever is done with them is worth reading.
    pub pointers: Few<Node>,
    /// What the call returns.
    pub result: Node,
}

/// A call through a pointer.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct IndirectCall {
    /// Where.
    pub site: SiteKey,
    /// The pointer.
    pub pointer: Node,
    /// Values of the arguments.
    pub args: Vec<Few<Node>>,
    /// What it returns.
    pub result: Node,
}

/// Access to memory through a pointer, which may be the data of a page.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Touch {
    /// Where.
    pub site: SiteKey,
    /// The pointer.
    pub through: Few<Node>,
    /// Written rather than read.
    pub write: bool,
}

/// A value stored into a field.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct FieldStore {
    /// Where.
    pub site: SiteKey,
    /// The field.
    pub field: FieldId,
    /// What is stored.
    pub values: Few<Node>,
}

/// Everything the walk builds.
#[derive(Debug, Default)]
pub(crate) struct State {
    /// Constraints and solution.
    pub graph: Graph,
    objects: Vec<Object>,
    object_ids: FastMap<Object, Obj>,
    /// Values of expressions, by (context, span, tag).
    pub temps: Vec<((u32, u32, u32, u8), Node)>,
    /// Parameters.
    pub params: Interner<(FnId, u32)>,
    /// What functions return.
    pub returns: Interner<FnId>,
    globals: Interner<SmolStr>,
    fields: Vec<(Owner, SmolStr)>,
    field_ids: FastMap<(Owner, SmolStr), FieldId>,
    field_nodes: Vec<Node>,
    /// Fields named in each function.
    pub field_uses: FastSet<(FieldId, FnId)>,
    contexts: FastMap<(u32, u32), u32>,
    /// Values that stand for the pages a call makes, with those pages.
    pub made: Vec<(Node, Obj)>,
    /// Calls by name.
    pub calls: Vec<Call>,
    /// Calls through pointers.
    pub indirect: Vec<IndirectCall>,
    /// Reads and writes through pointers.
    pub touches: Vec<Touch>,
    /// Values stored into fields.
    pub field_stores: Vec<FieldStore>,
    /// Which functions each function calls or names, as found by name or pointer.
    pub callees: FastSet<(FnId, FnId)>,
    /// Tags of records that were needed and not there, with the file that needs them.
    pub missing_records: FastSet<(SmolStr, u32)>,
    /// Iterator macros that were not read, with the file that uses them.
    pub calls_of_unknown_iterators: FastSet<(SmolStr, u32)>,
    /// Values of page arguments of get_page() and its kin: (site, values).
    pub references: Vec<(SiteKey, Few<Node>)>,
    /// Values that are used as the index of an array or cut to a smaller number: a frame number that comes here is not
    /// followed any further.
    pub numbers: Vec<(SiteKey, Few<Node>)>,
}

impl State {
    /// The id of an object.
    pub(crate) fn object(&mut self, object: Object) -> Obj {
        if let Some(id) = self.object_ids.get(&object) {
            return *id;
        }
        let holds = !matches!(object, Object::Page(_) | Object::Function(..));
        let id = self.graph.object(holds);
        self.objects.push(object.clone());
        self.object_ids.insert(object.clone(), id);
        match object {
            Object::Field(field) => {
                let node = self.field_nodes[field.0 as usize];
                self.graph.bind_content(id, node);
            }
            Object::Global(name) => {
                let (node, _) = self.globals.node(&mut self.graph, name);
                self.graph.bind_content(id, node);
            }
            _ => {}
        }
        id
    }

    /// The id of an object that was made.
    pub(crate) fn object_id(&self, object: &Object) -> Option<Obj> {
        self.object_ids.get(object).copied()
    }

    /// What an object is.
    pub(crate) fn what(&self, object: Obj) -> &Object {
        &self.objects[object.0 as usize]
    }

    /// The object of that number, in the order of their making.
    pub(crate) fn objects_get(&self, at: usize) -> Option<&Object> {
        self.objects.get(at)
    }

    /// The value of a field.
    pub(crate) fn field(&mut self, owner: Owner, name: &str) -> FieldId {
        let key = (owner, SmolStr::new(name));
        if let Some(id) = self.field_ids.get(&key) {
            return *id;
        }
        let id = FieldId(self.fields.len() as u32);
        let node = self.graph.node();
        self.fields.push(key.clone());
        self.field_nodes.push(node);
        self.field_ids.insert(key, id);
        let target = self.object(Object::Target(node));
        self.graph.add(node, target);
        id
    }

    /// The node of a field.
    pub(crate) fn field_node(&self, field: FieldId) -> Node {
        self.field_nodes[field.0 as usize]
    }

    /// Owner and name of a field.
    pub(crate) fn field_name(&self, field: FieldId) -> &(Owner, SmolStr) {
        &self.fields[field.0 as usize]
    }

    /// All fields.
    pub(crate) fn fields(&self) -> impl Iterator<Item = (FieldId, &(Owner, SmolStr))> {
        self.fields
            .iter()
            .enumerate()
            .map(|(n, field)| (FieldId(n as u32), field))
    }

    /// The value of a global; `key` is its name, with the file before it when it is static.
    pub(crate) fn global(&mut self, key: SmolStr) -> Node {
        let (node, new) = self.globals.node(&mut self.graph, key);
        if new {
            let target = self.object(Object::Target(node));
            self.graph.add(node, target);
        }
        node
    }

    /// The value of a parameter.
    pub(crate) fn param(&mut self, function: FnId, at: u32) -> Node {
        let (node, new) = self.params.node(&mut self.graph, (function, at));
        if new {
            let target = self.object(Object::Target(node));
            self.graph.add(node, target);
        }
        node
    }

    /// What a function returns.
    pub(crate) fn returned(&mut self, function: FnId) -> Node {
        self.returns.node(&mut self.graph, function).0
    }

    /// The context of a macro expanded at `at` of `context`.
    pub(crate) fn context(&mut self, context: u32, at: u32) -> u32 {
        let next = (1 << 24) + self.contexts.len() as u32;
        *self.contexts.entry((context, at)).or_insert(next)
    }

    /// The context and offset at which each macro was expanded, by the context of its expansion.
    pub(crate) fn contexts(&self) -> FastMap<u32, (u32, u32)> {
        self.contexts
            .iter()
            .map(|(outer, inner)| (*inner, *outer))
            .collect()
    }

    /// A value for an expression, made once.
    pub(crate) fn temp(&mut self, context: u32, span: Span, tag: u8) -> Node {
        let node = self.graph.node();
        self.temps
            .push(((context, span.start, span.end, tag), node));
        node
    }

    /// Remembers a call through a pointer.
    pub(crate) fn record_indirect(&mut self, call: IndirectCall) {
        let at = self.indirect.len() as u32;
        self.graph.call(call.pointer, PointerCall(at));
        self.indirect.push(call);
    }

    /// Solves, linking calls through pointers to functions as they are found.
    pub(crate) fn solve(&mut self, program: &Program) {
        loop {
            let mut found = Vec::new();
            let mut graph = std::mem::take(&mut self.graph);
            graph.solve(|_, call, object| found.push((call, object)));
            self.graph = graph;
            found.sort_unstable();
            found.dedup();
            if found.is_empty() {
                break;
            }
            for (call, object) in found {
                let Object::Function(name, file) = self.what(object).clone() else {
                    continue;
                };
                let call = self.indirect[call.0 as usize].clone();
                for target in program.resolve(&name, file) {
                    self.callees.insert((call.site.function, target));
                    self.link(program, target, &call.args, call.result);
                }
            }
        }
    }

    /// Arguments go to the parameters of `target`, what it returns to `result`.
    pub(crate) fn link(
        &mut self,
        program: &Program,
        target: FnId,
        args: &[Few<Node>],
        result: Node,
    ) {
        let count = program.function(target).params.len();
        for (at, values) in args.iter().enumerate().take(count) {
            if !holds_pages(&program.function(target).params[at].ty) {
                continue;
            }
            let param = self.param(target, at as u32);
            for value in values {
                self.graph.copy(*value, param);
            }
        }
        if holds_pages(&program.function(target).returns) {
            let returned = self.returned(target);
            self.graph.copy(returned, result);
        }
    }
}
