// SPDX-License-Identifier: MIT OR Apache-2.0
//! Why a page is held: the cases of Documentation/core-api/pin_user_pages.rst, told from what the code does with it.
//!
//! A page whose data a device or the CPU touches, or that is held until somebody lets go, ought to be pinned (cases 1,
//! 2 and 5). A page of which only struct page is looked at (case 4), or whose mapping an mmu notifier tears down
//! (case 3), keeps its plain reference.

mod form;
mod given;
mod near;
mod until;

pub(crate) use near::Seen;
pub(super) use near::{has_asked, put_untouched};

use crate::flow::analysis::{Analysis, Held};
use crate::flow::graph::Node;
use crate::flow::hash::FastSet;
use crate::flow::iterators::Backing;
use crate::flow::library::Files;
use crate::flow::mapping;
use crate::flow::program::FnId;
use crate::flow::sites::Site;
use crate::flow::state::{FieldId, Object, Owner, SiteKey};
use crate::report::{Confidence, Verdict};
use form::{far_from_pages, member_iterator, one_page, pointer};
use refimpl::api::{Role, followed};
use smol_str::SmolStr;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// What happens to the pages of one acquire.
#[derive(Debug, Clone, Default)]
pub(crate) struct Uses {
    /// A device reads or writes them, with the call that says so.
    pub dma: Option<SiteKey>,
    /// The CPU writes their data.
    pub cpu_write: Option<SiteKey>,
    /// The CPU maps or reads their data.
    pub cpu_read: Option<SiteKey>,
    /// They go into fragments of socket buffers.
    pub sent: Option<SiteKey>,
    /// They are marked dirty.
    pub dirty: Option<SiteKey>,
    /// Only struct page is looked at.
    pub struct_page: Option<SiteKey>,
    /// They, or an array that holds them, are stored into a field of a struct or a variable at file scope.
    pub held: Option<String>,
    /// The field, of those that are fields.
    pub held_in: Option<FieldId>,
    /// The functions that they are given to and that were not read.
    pub handed_on: BTreeSet<SmolStr>,
    /// The pointer through which a function is called with them, when no function was found for it.
    pub called: Option<SmolStr>,
    /// The function that is given the address of their data, by a caller that reads no more of it: what it does there is to
    /// the data.
    pub address_given: Option<SmolStr>,
    /// Functions that release them.
    pub released_in: BTreeSet<FnId>,
}

/// What a call of the catalogue does to pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Done {
    Dma,
    CpuWrite,
    CpuRead,
    Sent,
    Dirty,
    StructPage,
    Released(FnId),
}

impl Uses {
    fn note(&mut self, done: Done, site: SiteKey) {
        let slot = match done {
            Done::Dma => &mut self.dma,
            Done::CpuWrite => &mut self.cpu_write,
            Done::CpuRead => &mut self.cpu_read,
            Done::Sent => &mut self.sent,
            Done::Dirty => &mut self.dirty,
            Done::StructPage => &mut self.struct_page,
            Done::Released(function) => {
                self.released_in.insert(function);
                return;
            }
        };
        slot.get_or_insert(site);
    }
}

/// A verdict on an acquire.
#[derive(Debug, Clone)]
pub(super) struct Judgement {
    /// Convert, keep, unknown or done.
    pub verdict: Verdict,
    /// 1 to 5.
    pub case: Option<u8>,
    /// How sure.
    pub confidence: Confidence,
    /// One sentence.
    pub reason: String,
}

/// What happens to the pages of every acquire.
pub(super) fn uses(analysis: &Analysis) -> BTreeMap<SiteKey, Uses> {
    let mut out: BTreeMap<SiteKey, Uses> = BTreeMap::new();
    let mut held = Held::of(analysis);
    let mut of = |pages: &BTreeSet<SiteKey>, note: &mut dyn FnMut(&mut Uses)| {
        for site in pages {
            note(out.entry(*site).or_default());
        }
    };
    // What is done to the same pages again, and where they are let go in the same function again, says nothing new.
    let mut seen: FastSet<(*const BTreeSet<SiteKey>, Done)> = FastSet::default();
    for call in &analysis.state.calls {
        if call.listed {
            let Some(function) = followed().get(&call.name) else {
                continue;
            };
            let site = call.site;
            let done = match (function.role, function.kind.as_str()) {
                // Under a test of a page-table entry's dirty bit nobody wrote but whoever mapped the page.
                (Role::Dirty, _) if mapping::hands_on_dirty_bit(analysis, site) => continue,
                (Role::Dirty, _) => Done::Dirty,
                (Role::Use, "dma") => Done::Dma,
                (Role::Store, "skb") => Done::Sent,
                (Role::Use, "cpu-write" | "cpu-write-address") => Done::CpuWrite,
                (Role::Use, "cpu-map" | "cpu-read") => Done::CpuRead,
                (Role::Use, "struct-page" | "unmap") => Done::StructPage,
                (Role::Release, _) => Done::Released(site.function),
                _ => continue,
            };
            let all = match function.page_argument(call.args.len()) {
                Some(at) if function.takes_array(call.args.len()) => {
                    held.pages_within(&call.args[at])
                }
                Some(at) => held.pages(&call.args[at]),
                None => match function
                    .signature(call.args.len())
                    .and_then(|form| form.address)
                {
                    Some(at) if at < call.args.len() => held.pages(&call.args[at]),
                    _ => continue,
                },
            };
            if seen.insert((Rc::as_ptr(&all), done)) {
                of(&all, &mut |uses| uses.note(done, site));
            }
        } else if call.targets.is_empty() {
            let all = held.pages_within(&call.pointers);
            of(&all, &mut |uses| {
                uses.handed_on.insert(call.name.clone());
            });
        }
    }
    for call in &analysis.state.indirect {
        let targets = analysis.state.graph.values(call.pointer);
        let mut targets = targets.iter();
        if targets.any(|object| matches!(analysis.state.what(*object), Object::Function(..))) {
            continue;
        }
        let given: Vec<Node> = call.args.iter().flatten().copied().collect();
        of(&held.pages_within(&given), &mut |uses| {
            uses.called
                .get_or_insert_with(|| pointer(analysis, call.site));
        });
    }
    for touch in &analysis.state.touches {
        // Through a pointer that is the page itself one reaches its data only when it was mapped first.
        let all = held.pages(&touch.through);
        of(&all, &mut |uses| {
            if uses.cpu_read.is_some() && touch.write {
                uses.cpu_write.get_or_insert(touch.site);
            }
        });
    }
    let mut told: BTreeMap<SiteKey, u8> = BTreeMap::new();
    for (field, (owner, name)) in analysis.state.fields() {
        let node = analysis.state.field_node(field);
        let all = held.pages_within(&[node]);
        let text = match owner {
            // A record within another has a name of ours behind that of the other.
            Owner::Record(tag) | Owner::Within(tag, _) => {
                let outer = tag.split("::").next().unwrap_or(tag);
                format!("{name} of struct {outer}")
            }
            Owner::Directory(_) => format!("a field {name}"),
        };
        let far = far_from_pages(analysis, owner, name);
        for site in all.iter().copied() {
            let uses = out.entry(site).or_default();
            uses.held_in.get_or_insert(field);
            if told.get(&site).is_none_or(|known| far < *known) {
                told.insert(site, far);
                uses.held = Some(text.clone());
            }
        }
    }
    given::note(analysis, &mut out);
    out
}

/// Judges one acquire.
pub(super) fn judge(
    analysis: &Analysis,
    files: &dyn Files,
    seen: &Seen<'_>,
    site: &Site,
    uses: &Uses,
) -> Judgement {
    let say = |verdict, case, confidence, reason: String| Judgement {
        verdict,
        case,
        confidence,
        reason,
    };
    let Some(function) = followed().get(&site.name) else {
        return say(
            Verdict::Unknown,
            None,
            Confidence::Low,
            format!("{} is not in the catalogue", site.name),
        );
    };
    if function.is_pinning() {
        let reason = match analysis.backing(site.key) {
            Some(Backing::Kernel) => format!(
                "{}() takes nothing here: the iterator walks pages of the kernel, not of user space",
                site.name
            ),
            Some(Backing::Either) => format!(
                "{}() pins the pages of a user-backed iterator already, and takes nothing on those of another",
                site.name
            ),
            Some(Backing::User) | None => {
                if let Some(held) = until::held_long(analysis, seen, site, function, uses) {
                    let reason = format!(
                        "{}() pins its pages already, and they stay in {held} until they are let go",
                        site.name
                    );
                    return say(Verdict::Done, Some(2), Confidence::High, reason);
                }
                format!("{}() pins its pages already", site.name)
            }
        };
        return say(Verdict::Done, None, Confidence::High, reason);
    }
    if site.null_pages {
        let reason =
            "no page array is given, so no reference is taken: the call only faults the page in"
                .to_owned();
        return say(Verdict::Keep, Some(4), Confidence::High, reason);
    }
    if analysis.program.function(site.key.function).name == site.name || in_api(analysis, site.key)
    {
        let reason = "this is the implementation of the API itself".to_owned();
        return say(Verdict::Keep, None, Confidence::High, reason);
    }
    if function.kind == "dump" {
        let reason = "a page of a dying process is read into its dump and put at once".to_owned();
        return say(Verdict::Keep, Some(4), Confidence::High, reason);
    }
    if analysis.backing(site.key) == Some(Backing::Kernel) {
        let reason = "the iterator walks pages of the kernel, not of user space".to_owned();
        return say(Verdict::Keep, None, Confidence::High, reason);
    }
    if function.kind == "iter" && near::put_before_use(analysis, site) {
        let reason = "the reference is dropped before anything is done with the page: whoever goes on to use it relies on another";
        return say(
            Verdict::Keep,
            Some(4),
            Confidence::Medium,
            reason.to_owned(),
        );
    }
    if function.kind == "iter" && member_iterator(analysis, site) {
        let reason = "the iterator is a member of a record that others set up, and may walk memory of the kernel: see which of the two they set it up with";
        return say(Verdict::Unknown, None, Confidence::Low, reason.to_owned());
    }
    let near = near::surroundings(analysis, files, seen, site.key);
    if near.exec_mm {
        let reason = "the pages belong to the mm of a program that does not run yet: nothing else can map or write them back";
        return say(
            Verdict::Keep,
            Some(4),
            Confidence::Medium,
            reason.to_owned(),
        );
    }
    let reachable = analysis.reached([site.key.function]);
    let at_once = uses
        .released_in
        .iter()
        .all(|function| reachable.contains(function))
        && !uses.released_in.is_empty();
    let elsewhere = |function: &&FnId| !reachable.contains(*function);
    let outside: Vec<FnId> = uses.released_in.iter().filter(elsewhere).copied().collect();
    if near.notifier_in_file && !near.pins_too && near::hands_out(analysis, site.key) {
        if let Some(other) = near::unwatched(analysis, seen, &outside) {
            let reason = format!(
                "some of those who are handed the pages ask an mmu notifier about them, and {} does not: give the latter a call of its own that pins",
                near::place_of_function(analysis, other)
            );
            return say(Verdict::Mixed, None, Confidence::Medium, reason);
        }
    }
    // How long the pages are held: a page of an iterator only until its I/O is done.
    let lasting = function.kind != "iter"
        && uses.held.is_some()
        && !until::let_go_soon(analysis, seen, site.key.function, &uses.released_in);
    let watched = !lasting
        || uses
            .held_in
            .is_none_or(|field| near::reaches(analysis, site.key, field));
    let kept_by_notifier = near.notifier_in_file
        && watched
        && !(uses.dma.is_some() && uses.held.is_some() && near.notifier_is_optional)
        || near.notifier_in_directory && near.asks_for_file;
    if kept_by_notifier {
        let reason = "an mmu notifier of the same driver tears the mapping down when the pages go, so they need not be pinned";
        return say(
            Verdict::Keep,
            Some(3),
            Confidence::Medium,
            reason.to_owned(),
        );
    }
    if function.kind == "remote" && at_once && uses.dma.is_none() && one_page(analysis, site) {
        let written = uses.cpu_write.is_some() || uses.dirty.is_some();
        let reason = format!(
            "one page of another process is {}, as a debugger does, and put before the function returns",
            if written { "written to" } else { "looked into" }
        );
        return say(Verdict::Keep, Some(4), Confidence::Medium, reason);
    }
    let untouched = uses.dma.is_none() && uses.cpu_write.is_none() && uses.held.is_none();
    if untouched && !outside.is_empty() && near::notify(analysis, seen, &outside) {
        let reason = "whoever is handed the pages watches the mapping with an mmu notifier until it puts them, so they need not be pinned";
        return say(
            Verdict::Keep,
            Some(3),
            Confidence::Medium,
            reason.to_owned(),
        );
    }
    if uses.dma.is_some() {
        let long = lasting || function.kind == "longterm";
        let reason = match (&uses.held, long) {
            (Some(held), true) => format!(
                "a device accesses the pages, and they stay in {held} until they are let go"
            ),
            _ => "a device accesses the pages".to_owned(),
        };
        return say(
            Verdict::Convert,
            Some(if long { 2 } else { 1 }),
            Confidence::High,
            reason,
        );
    }
    if uses.sent.is_some() {
        let reason = "the pages stand in a socket buffer until it is sent or received".to_owned();
        return say(Verdict::Convert, Some(1), Confidence::High, reason);
    }
    if let (Some(held), true) = (&uses.held, lasting) {
        let reason = format!("the pages stay in {held} until they are let go");
        return say(Verdict::Convert, Some(2), Confidence::High, reason);
    }
    if function.kind == "iter" && !at_once {
        let reason = "the pages under the iterator are read or written by whoever is given them (direct I/O)".to_owned();
        return say(Verdict::Convert, Some(1), Confidence::Medium, reason);
    }
    if uses.cpu_write.is_some() {
        let reason = "the CPU writes into the data of the pages".to_owned();
        return say(Verdict::Convert, Some(5), Confidence::High, reason);
    }
    if function.kind == "iter" {
        let reason = "the pages under the iterator are read or written by whoever is given them (direct I/O)".to_owned();
        return say(Verdict::Convert, Some(1), Confidence::Medium, reason);
    }
    if uses.dirty.is_some() {
        let reason = "the pages are marked dirty, so their data is written to, and no device is seen to do it";
        return say(
            Verdict::Convert,
            Some(5),
            Confidence::High,
            reason.to_owned(),
        );
    }
    if let (Some(held), false) = (&uses.held, at_once) {
        let reason = format!("the pages stay in {held} until whoever had them taken is done");
        return say(Verdict::Convert, Some(1), Confidence::Medium, reason);
    }
    if uses.cpu_read.is_some() && function.kind == "remote" {
        let reason = "the pages of another process are only looked at, and put at once".to_owned();
        return say(Verdict::Keep, Some(4), Confidence::Medium, reason);
    }
    if uses.cpu_read.is_some() && uses.called.is_none() && at_once && one_page(analysis, site) {
        let reason =
            "the CPU reads one page and puts it at once: nothing is written that could be lost";
        return say(
            Verdict::Keep,
            Some(4),
            Confidence::Medium,
            reason.to_owned(),
        );
    }
    if uses.cpu_read.is_some() {
        let reason = "the CPU accesses the data of the pages".to_owned();
        return say(Verdict::Convert, Some(5), Confidence::Medium, reason);
    }
    if let (Some(held), true) = (&uses.held, at_once) {
        let reason = format!(
            "the pages, or where they lie, are written into {held} for somebody to work on, and let go before the function \
             returns"
        );
        return say(Verdict::Convert, Some(1), Confidence::Low, reason);
    }
    if let Some(held) = &uses.held {
        let reason = format!("the pages stay in {held}");
        return say(Verdict::Convert, Some(2), Confidence::Low, reason);
    }
    if let Some(name) = &uses.address_given {
        let reason = format!("the address of the data of the pages is given to {name}()");
        return say(Verdict::Convert, Some(1), Confidence::Medium, reason);
    }
    if let Some(name) = &uses.called {
        let reason = format!(
            "the pages are given to the function that {name} points to, and none was found for it: see what it does with them"
        );
        return say(Verdict::Unknown, None, Confidence::Low, reason);
    }
    if at_once || uses.struct_page.is_some() && uses.handed_on.is_empty() {
        let reason =
            "only struct page or its address is looked at, and the reference is dropped at once"
                .to_owned();
        return say(Verdict::Keep, Some(4), Confidence::Medium, reason);
    }
    if !uses.released_in.is_empty() {
        let reason =
            "the reference outlives the function that took it, and another function drops it";
        return say(
            Verdict::Convert,
            Some(2),
            Confidence::Low,
            reason.to_owned(),
        );
    }
    let reason = match uses.handed_on.first() {
        Some(name) => format!(
            "the pages are given to {name}(), which was not followed: see what it does with them and who puts them"
        ),
        None => {
            "what is done with the pages was not found: see who uses what holds them".to_owned()
        }
    };
    say(Verdict::Unknown, None, Confidence::Low, reason)
}

/// Whether a place is inside the implementation of the API: in its file, or in a function that bears one of its names.
pub(super) fn in_api(analysis: &Analysis, site: SiteKey) -> bool {
    let file = analysis.program.file_of(site.function);
    let name = &analysis.program.function(site.function).name;
    let bears = followed().get(name).is_some_and(|function| {
        matches!(function.role, Role::Acquire | Role::Release | Role::Dirty)
    });
    analysis.is_api_file(file) || bears && !analysis.program.shadows(name, file)
}
