// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where the pages of a release come from.

mod references;

use super::analysis::Analysis;
use super::apart;
use super::graph::{Few, Node, Obj};
use super::hash::{FastMap, FastSet};
use super::iterators::Backing;
use super::mapping;
use super::numbers;
use super::program::FnId;
use super::sites::Site;
use super::state::{Object, Owner, SiteKey};
use super::window;
use crate::index::ir::Span;
use refimpl::api::{Count, Role, followed};
use std::collections::{BTreeMap, BTreeSet};

/// The origins of the pages a call is given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Origins {
    /// Calls that acquire user pages.
    pub user: BTreeSet<SiteKey>,
    /// Calls that make or find other pages with a reference.
    pub other: BTreeSet<SiteKey>,
    /// Calls that turn an address or frame number into a page without taking a reference.
    pub found: BTreeSet<SiteKey>,
    /// get_page() and its kin on the same pages, whose own reference may be the one that is dropped.
    pub extra: BTreeSet<SiteKey>,
    /// get_page() and its kin whose own reference is the one that is stored where the page comes from.
    pub own: BTreeSet<SiteKey>,
    /// Acquires of the pages on which these references were taken.
    pub under: BTreeSet<SiteKey>,
    /// Acquires whose iterators walk pages of the kernel.
    pub kernel: BTreeSet<SiteKey>,
    /// The release in the other arm of a condition that has the user pages.
    pub apart: Option<SiteKey>,
    /// Acquires for objects of another table of functions.
    pub elsewhere: BTreeSet<SiteKey>,
    /// The call that took the page out of a page table just before: the reference dropped is the table's.
    pub mapping: Option<SiteKey>,
    /// Acquires whose frame numbers leave for a place that is not followed, where the page is found by such a number:
    /// each with that place.
    pub numbers: BTreeMap<SiteKey, SiteKey>,
    /// The call stands where the fragments of all socket buffers let go their pages.
    pub fragments: bool,
    /// What stopped the analysis.
    pub open: BTreeSet<String>,
}

/// What the page argument of a call may be: what keeps the values, and whether the pages are in an array; in every context the
/// call is walked in.
type Argument = Few<(Few<Node>, bool)>;

fn argument(analysis: &Analysis, site: SiteKey) -> Argument {
    let calls = analysis.calls_at(site).filter(|call| call.listed);
    let mut argument: Argument = calls
        .filter_map(|call| {
            let function = followed().get(&call.name)?;
            let given = call.args.len();
            let address = || function.signature(given)?.address.filter(|at| *at < given);
            let at = function.page_argument(given).or_else(address)?;
            let keepers = analysis.state.graph.keepers(&call.args[at]);
            Some((keepers, function.takes_array(given)))
        })
        .collect();
    argument.sort_unstable();
    argument.dedup();
    argument
}

fn page_objects(analysis: &Analysis, argument: &Argument) -> BTreeSet<Obj> {
    let mut out = BTreeSet::new();
    for (values, array) in argument {
        if *array {
            out.extend(analysis.contents(values));
        }
        if !*array || out.is_empty() {
            out.extend(analysis.objects(values));
        }
    }
    out
}

/// The origins of pages, by what a call is given and whether it is an address.
#[derive(Default)]
struct Known(FastMap<(Argument, bool), Origins>);

impl Known {
    /// The origins of the pages a call at `site` is given.
    fn of(&mut self, analysis: &Analysis, site: SiteKey) -> Origins {
        let by_address = analysis
            .listed(site)
            .is_some_and(|function| function.kind == "free-address");
        let key = (argument(analysis, site), by_address);
        let known = self.0.entry(key);
        let mut origins = known
            .or_insert_with_key(|(argument, by_address)| of(analysis, argument, *by_address))
            .clone();
        if analysis.calls_at(site).next().is_none() {
            origins.open =
                BTreeSet::from(["it stands in a macro that nothing read here uses".to_owned()]);
        }
        origins
    }
}

fn of(analysis: &Analysis, argument: &Argument, by_address: bool) -> Origins {
    let mut origins = Origins::default();
    for object in page_objects(analysis, argument) {
        match analysis.state.what(object) {
            Object::Page(from) => {
                let Some(function) = analysis.listed(*from) else {
                    continue;
                };
                match function.role {
                    // On pages of the kernel the pinning form takes nothing, and the other form takes plain references.
                    Role::Acquire if analysis.backing(*from) == Some(Backing::Kernel) => {
                        if !function.is_pinning() {
                            origins.other.insert(*from);
                        }
                        origins.kernel.insert(*from)
                    }
                    Role::Acquire => origins.user.insert(*from),
                    Role::Reference => {
                        origins.under.extend(analysis.under(*from));
                        origins.own.insert(*from)
                    }
                    Role::Translate => origins.found.insert(*from),
                    _ => origins.other.insert(*from),
                };
            }
            // free_page() on the address of memory is no release of the pages that memory may list.
            Object::Memory(from, _) if by_address => {
                origins.other.insert(*from);
            }
            Object::Opaque(call, _) => {
                let name = analysis
                    .calls_at(*call)
                    .next()
                    .map_or("a function pointer", |call| call.name.as_str());
                origins.open.insert(format!(
                    "the page comes from {name}, which was not followed"
                ));
            }
            Object::Target(node) => {
                if let Some((function, _)) = analysis.param(*node) {
                    let name = &analysis.program.function(function).name;
                    origins.open.insert(format!(
                        "no caller that hands a known page to {name}() was found"
                    ));
                } else if let Some(field) = analysis.field(*node) {
                    let (owner, name) = analysis.state.field_name(field);
                    let owner = match owner {
                        Owner::Record(tag) | Owner::Within(tag, _) => format!("struct {tag}"),
                        Owner::Directory(_) => "a struct of unknown type".to_owned(),
                    };
                    origins
                        .open
                        .insert(format!("no known page is stored into {name} of {owner}"));
                }
            }
            _ => {}
        }
    }
    if origins.user.is_empty()
        && origins.other.is_empty()
        && origins.found.is_empty()
        && origins.own.is_empty()
        && origins.kernel.is_empty()
        && origins.open.is_empty()
    {
        origins
            .open
            .insert("no page was found to reach it".to_owned());
    }
    origins
}

/// Origins of all releases, sharpened by what stands around them.
pub(crate) fn of_all(analysis: &Analysis, sites: &[Site]) -> Vec<Origins> {
    let mut known = Known::default();
    let origins = |site: &Site| match site.beyond {
        true => Origins::default(),
        false => known.of(analysis, site.key),
    };
    let mut all: Vec<Origins> = sites.iter().map(origins).collect();
    by_sibling_tables(analysis, sites, &mut all);
    apart::by_named_table(analysis, sites, &mut all);
    apart::by_flag(analysis, sites, &mut all);
    window::narrow(analysis, sites, &mut all);
    by_other_arm(analysis, sites, &mut all);
    references::extra(analysis, sites, &mut all);
    let mut unmaps: FastMap<FnId, FastMap<Span, Span>> = FastMap::default();
    for (site, origins) in sites.iter().zip(all.iter_mut()) {
        if origins.user.is_empty() {
            continue;
        }
        let function = site.key.function;
        let body = || mapping::unmapped_before(&analysis.program.function(function).body);
        let known = unmaps.entry(function).or_insert_with(body);
        if let Some(span) = known.get(&site.key.span).copied() {
            origins.user.clear();
            origins.mapping = Some(SiteKey { function, span });
        }
    }
    by_number(analysis, sites, &mut all);
    of_fragments(analysis, sites, &mut all);
    all
}

/// Socket buffers go through queues to whoever ends them: what drops the reference of a fragment is given the pages of
/// all acquires that put theirs into one, and any other.
fn of_fragments(analysis: &Analysis, sites: &[Site], all: &mut [Origins]) {
    let ends = |site: &Site| {
        let function = analysis.program.function(site.key.function);
        followed().is(&site.name, Role::Release) && followed().drops_fragments(&function.name)
    };
    if !sites.iter().any(ends) {
        return;
    }
    let put = in_fragments(analysis);
    for (_, origins) in sites
        .iter()
        .zip(all.iter_mut())
        .filter(|(site, _)| ends(site))
    {
        if !put.is_empty() {
            origins.user.extend(&put);
            origins.fragments = true;
        }
    }
}

/// The acquires whose own references go into fragments of socket buffers.
fn in_fragments(analysis: &Analysis) -> BTreeSet<SiteKey> {
    let mut out = BTreeSet::new();
    for call in analysis.state.calls.iter().filter(|call| call.listed) {
        let stores = followed()
            .get(&call.name)
            .filter(|function| (function.role, function.kind.as_str()) == (Role::Store, "skb"));
        let Some(page) = stores
            .and_then(|function| function.page_argument(call.args.len()))
            .and_then(|at| call.args.get(at))
        else {
            continue;
        };
        // What the function took a reference of its own for says nothing of the acquire's.
        let own = analysis.state.references.iter().any(|(reference, values)| {
            reference.function == call.site.function
                && values.iter().any(|value| page.contains(value))
        });
        if own {
            continue;
        }
        let objects = analysis.objects(page);
        out.extend(
            objects
                .iter()
                .filter_map(|object| match analysis.state.what(*object) {
                    Object::Page(from) if analysis.is_user(*from) => Some(*from),
                    _ => None,
                }),
        );
    }
    out
}

/// Notes which releases of pages found by frame number may find pages that were acquired.
fn by_number(analysis: &Analysis, sites: &[Site], all: &mut [Origins]) {
    let leaving = numbers::leaving(analysis);
    if leaving.is_empty() {
        return;
    }
    for (site, origins) in sites.iter().zip(all.iter_mut()) {
        let found = numbers::found_again(analysis, &leaving, site.key, origins);
        origins.numbers = found.map(|(from, at)| (*from, *at)).collect();
    }
}

/// An object of one kind is built and torn down by the functions of one table. Where a field is shared by several
/// kinds, a release reached from one table alone has only pages that some function of that table, or none, took.
///
/// What is called through a table of that kind is, on an object of this table, this table's own function.
fn by_sibling_tables(analysis: &Analysis, sites: &[Site], all: &mut [Origins]) {
    let mut kinds: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (at, table) in analysis.tables.iter().enumerate() {
        kinds.entry(table.record.as_str()).or_default().push(at);
    }
    for tables in kinds.values().filter(|tables| tables.len() > 1) {
        let entries: Vec<FastSet<FnId>> = tables
            .iter()
            .map(|at| {
                let table = &analysis.tables[*at];
                let named = table.entries.iter();
                named
                    .flat_map(|(_, name)| analysis.program.resolve(name, table.file))
                    .collect()
            })
            .collect();
        let called: FastSet<FnId> = entries.iter().flatten().copied().collect();
        // Of each function the one table it is reached from; None where several reach it.
        let mut holders: FastMap<FnId, Option<usize>> = FastMap::default();
        for (at, own) in entries.iter().enumerate() {
            let closed = |function: &FnId| called.contains(function) && !own.contains(function);
            for function in analysis.reached_without(own.iter().copied(), closed) {
                let known = holders.entry(function);
                known
                    .and_modify(|holder| *holder = None)
                    .or_insert(Some(at));
            }
        }
        let only = |function: FnId| holders.get(&function).copied().flatten();
        for (site, origins) in sites.iter().zip(all.iter_mut()) {
            if origins.user.len() + origins.other.len() < 2 {
                continue;
            }
            let Some(mine) = only(site.key.function) else {
                continue;
            };
            let foreign = |from: &SiteKey| only(from.function).is_some_and(|theirs| theirs != mine);
            let stays = origins
                .user
                .iter()
                .chain(&origins.other)
                .any(|from| !foreign(from));
            if stays {
                origins.user.retain(|from| !foreign(from));
                origins.other.retain(|from| !foreign(from));
            }
        }
    }
}

/// `if (flag) put_page(page); else __free_page(page);` and `if (flag) unpin_user_page(page); else put_page(page);`: the
/// flag tells the origins apart.
fn by_other_arm(analysis: &Analysis, sites: &[Site], all: &mut [Origins]) {
    let mut by_function: FastMap<FnId, Vec<usize>> = FastMap::default();
    for (at, site) in sites.iter().enumerate().filter(|(_, site)| !site.beyond) {
        by_function.entry(site.key.function).or_default().push(at);
    }
    let releases = |at: usize| {
        followed()
            .get(&sites[at].name)
            .filter(|function| function.role == Role::Release)
    };
    let frees = |at: &usize| releases(*at).is_some_and(|function| function.kind == "free");
    let unpins = |at: &usize| releases(*at).is_some_and(|function| function.is_pinning());
    let puts = |at: &usize| {
        releases(*at).is_some_and(|function| {
            matches!(function.count, Count::Put | Count::Unpin) && function.kind.is_empty()
        })
    };
    let opposed = |one: usize, two: usize| {
        sites[one].branches.iter().any(|branch| {
            sites[two].branches.iter().any(|other| {
                other.statement == branch.statement && other.otherwise != branch.otherwise
            })
        })
    };
    for members in by_function.values() {
        let freeing: Vec<usize> = members.iter().copied().filter(frees).collect();
        let unpinning: Vec<usize> = members.iter().copied().filter(unpins).collect();
        if freeing.is_empty() && unpinning.is_empty() {
            continue;
        }
        for put in members.iter().copied().filter(puts) {
            for free in freeing.iter().copied() {
                let shared: BTreeSet<SiteKey> = all[put]
                    .other
                    .intersection(&all[free].other)
                    .copied()
                    .collect();
                if opposed(put, free) && !all[put].user.is_empty() {
                    all[put]
                        .other
                        .retain(|from| !is_allocation(analysis, *from) || !shared.contains(from));
                    // Whoever frees frees what was allocated, found or not.
                    all[free].user.clear();
                    all[free].apart = Some(sites[put].key);
                }
            }
            for unpin in unpinning.iter().copied() {
                if !unpins(&put) && opposed(put, unpin) {
                    unpinned_beside(analysis, put, unpin, all);
                }
            }
        }
    }
}

/// Takes from a plain release the pinned pages that the other arm of its condition unpins.
fn unpinned_beside(analysis: &Analysis, put: usize, unpin: usize, all: &mut [Origins]) {
    let pins = |from: &SiteKey| {
        let acquire = analysis.listed(*from);
        acquire.is_some_and(|function| function.is_pinning())
    };
    let beside = all[unpin].user.clone();
    let before = all[put].user.len();
    all[put]
        .user
        .retain(|from| !pins(from) || !beside.contains(from));
    if before > all[put].user.len() && all[put].user.is_empty() && all[put].other.is_empty() {
        all[put].open.insert(
            "the other arm of the condition unpins what is pinned; what else comes here was not found".to_owned(),
        );
    }
}

fn is_allocation(analysis: &Analysis, site: SiteKey) -> bool {
    analysis
        .listed(site)
        .is_some_and(|function| function.role == Role::Allocate)
}
