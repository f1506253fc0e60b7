// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a walk comes back with, and what it has to be told.

use super::machine::Machine;
use super::state::{Acquisition, State};
use crate::index::ir::{Expr, Span, TypeRef};
use crate::tree::VersionCode;
use smol_str::SmolStr;

/// Something that happens on a way through a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum What {
    /// The way ends while pages are held that nobody else knows of.
    Leak,
    /// The way ends, and an array of pages that was allocated on it is lost.
    ArrayLost,
    /// The array that alone knew of held pages is freed.
    FreedWhileHeld,
    /// An entry is released that the acquiring call did not fill, since it got fewer pages.
    ReleasedBeyondGot,
    /// An entry is released although the acquiring call failed.
    ReleasedAfterFailure,
    /// A negative errno is passed as a number of pages to release.
    ErrnoAsCount,
    /// A negative errno is compared as an unsigned number.
    ErrnoUnsigned,
    /// A page is released more often than it was acquired.
    ReleasedTwice,
    /// A pin is dropped as a plain reference.
    PutOfPin,
    /// A plain reference is dropped as a pin.
    UnpinOfGet,
    /// An entry one past the last is used.
    UsedPastEnd,
    /// A release that may sleep, where sleeping is forbidden.
    SleepsWhenAtomic,
    /// A device mapping is undone after the pages were released.
    UnmappedAfterRelease,
    /// A page is marked dirty after it was released.
    DirtiedAfterRelease,
    /// A member that may hold a page is overwritten.
    Overwritten,
    /// A pin that was not taken on this way is dropped twice.
    ReleasedAgain,
    /// The way fails, its pages are back, and what was charged for them is not.
    ChargeKept,
    /// What was charged is given back a second time.
    UnchargedTwice,
    /// The way releases its pages for a failure, and tells of success.
    SuccessAfterRelease,
    /// A reference is taken on a page of the slab allocator.
    SlabReference,
    /// Pages are released through an array, or a list, that was freed before.
    ReleasedFromFreed,
    /// A page is mapped, or what lies behind a mapping is read, after it was released.
    UsedAfterRelease,
    /// The way got no page, and tells of success.
    NoneIsSuccess,
    /// The way fails, and keeps a lock that it has taken.
    LockKept,
    /// A short acquiring call is kept, together with the number that was asked for.
    WantedKept,
}

/// One such event and the way to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fact {
    /// What happens.
    pub what: What,
    /// Where.
    pub at: Span,
    /// The acquiring call concerned; of [`What::SleepsWhenAtomic`] the taking of the lock, of
    /// [`What::UnmappedAfterRelease`] the release.
    pub cause: Option<Span>,
    /// Name of the acquiring call, or of the call that sleeps.
    pub name: SmolStr,
    /// How many pages the call got, and how many it was asked for; a stand-in for numbers that are not constant.
    pub got: Option<(i64, i64)>,
    /// The member or counter concerned; else empty.
    pub member: SmolStr,
    /// The decisions on the way, in order.
    pub way: Vec<(Span, &'static str)>,
}

/// What the file of a function says of the functions that it calls.
pub(crate) struct Callees<'a> {
    /// Whether a callee may sleep because it dirties pages under their lock; says what it calls.
    pub sleeps: &'a dyn Fn(&str, &[Expr]) -> Option<String>,
    /// Whether a callee gives back a lock that its caller took.
    pub unlocks: &'a dyn Fn(&str) -> bool,
    /// Whether the file has a static function or a macro of its own under this name.
    pub shadowed: &'a dyn Fn(&str) -> bool,
    /// Whether the file defines a function of this name.
    pub defined: &'a dyn Fn(&str) -> bool,
    /// Whether another file of its directory defines one.
    pub beside: &'a dyn Fn(&str) -> bool,
    /// The type of a member, by the tag of its record and its name, as far as the file or a header beside it tells.
    pub member: &'a dyn Fn(&str, &str) -> Option<TypeRef>,
    /// Whether another place of the file calls a function of that name, and releases afterwards what it gave it.
    pub spared: &'a dyn Fn(&str) -> bool,
    /// Whether a function of the file keeps the pages that it is given in nothing but the object that it returns.
    pub in_result: &'a dyn Fn(&str) -> bool,
    /// Whether a function of the file returns error numbers alone.
    pub fails: &'a dyn Fn(&str) -> bool,
    /// The release of the tree.
    pub code: Option<VersionCode>,
}

impl Machine<'_, '_> {
    pub(super) fn fact(
        &mut self,
        state: &State,
        what: What,
        at: Span,
        cause: Option<Span>,
        name: &str,
    ) {
        self.fact_of(state, (what, at, cause), name, None, "");
    }

    pub(super) fn fact_about(
        &mut self,
        state: &State,
        what: What,
        at: Span,
        acquisition: &Acquisition,
    ) {
        let got = Some((acquisition.got, acquisition.wanted));
        let cause = Some(acquisition.call);
        self.fact_of(state, (what, at, cause), &acquisition.callee, got, "");
    }

    pub(super) fn fact_of(
        &mut self,
        state: &State,
        (what, at, cause): (What, Span, Option<Span>),
        name: &str,
        got: Option<(i64, i64)>,
        member: &str,
    ) {
        if state.none.is_some() && what != What::NoneIsSuccess {
            return;
        }
        let key = (what, at.start, cause.map_or(0, |span| span.start));
        let fact = || Fact {
            what,
            at,
            cause,
            name: name.into(),
            got,
            member: member.into(),
            way: state.way(),
        };
        let old = self.facts.entry(key).or_insert_with(fact);
        // The shortest way is the one to show.
        if state.way().len() < old.way.len() {
            *old = fact();
        }
    }
}
