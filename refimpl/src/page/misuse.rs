// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is wrong with a call, and what a kernel would do about it.

use super::FolioId;

/// A call that a kernel does not survive, or survives with damage. The model's counts are afterwards what the kernel's
/// would be; after an oops they are what they were at that point.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{call}: {what}; a kernel would {consequence}")]
pub struct Misuse {
    /// The function called.
    pub call: &'static str,
    /// What is wrong.
    pub what: What,
    /// What comes of it.
    pub consequence: Consequence,
    /// The folio hit, where there is one.
    pub folio: Option<FolioId>,
}

impl Misuse {
    /// With what such a call comes to as a rule.
    pub(crate) fn new(call: &'static str, what: What) -> Misuse {
        let consequence = match what {
            What::NullPage | What::NullArray => Consequence::Oops,
            What::ErrorAsCount | What::SleepsInAtomic => Consequence::Warn,
            What::OutOfBounds => Consequence::Runaway,
            What::Freed => Consequence::UseAfterFree,
            What::NotPinned | What::Underflow => Consequence::PinnedForever,
            What::FreedPinned | What::NotLocked => Consequence::BadPage,
            What::LockHeld => Consequence::Deadlock,
            What::NoSuchFunction => Consequence::DoesNotCompile,
        };
        let folio = None;
        Misuse {
            call,
            what,
            consequence,
            folio,
        }
    }

    /// The same, of that folio.
    pub(crate) fn of(self, folio: FolioId) -> Misuse {
        let folio = Some(folio);
        Misuse { folio, ..self }
    }

    /// The same, where a kernel would do something else about it.
    pub(crate) fn but(self, consequence: Consequence) -> Misuse {
        Misuse {
            consequence,
            ..self
        }
    }
}

/// What is wrong with a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum What {
    /// A NULL entry.
    #[error("a NULL page")]
    NullPage,
    /// No array to put the pages into.
    #[error("no array for the pages")]
    NullArray,
    /// An error number where a count of pages belongs.
    #[error("an error number as count")]
    ErrorAsCount,
    /// More entries asked for than the array has.
    #[error("reads beyond the end of the array")]
    OutOfBounds,
    /// The reference count was zero already.
    #[error("the folio is free")]
    Freed,
    /// The count of references is smaller than what a pin has added.
    #[error("no pin is held")]
    NotPinned,
    /// More references dropped than held.
    #[error("more references dropped than held")]
    Underflow,
    /// The last reference went while the count of pins was not zero.
    #[error("freed with a pincount that is not zero")]
    FreedPinned,
    /// Something that sleeps, called where nothing may sleep.
    #[error("sleeps in atomic context")]
    SleepsInAtomic,
    /// The caller holds the page lock that it asks for.
    #[error("waits for a page lock that nobody will release")]
    LockHeld,
    /// Unlocks what is not locked.
    #[error("the page is not locked")]
    NotLocked,
    /// The kernel has no such function.
    #[error("not in this kernel")]
    NoSuchFunction,
}

impl Consequence {
    /// The call ends there.
    pub(crate) fn stops(self) -> bool {
        matches!(
            self,
            Consequence::Oops
                | Consequence::Runaway
                | Consequence::Deadlock
                | Consequence::DoesNotCompile
        )
    }

    /// Nothing is noticed for now: counts are wrong, and the next caller is told wrong things.
    pub(crate) fn spoils_counts(self) -> bool {
        matches!(
            self,
            Consequence::PinnedForever | Consequence::FalseNegative
        )
    }
}

/// What a kernel would do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, thiserror::Error)]
pub enum Consequence {
    /// Dereference a bad pointer.
    #[error("oops")]
    Oops,
    /// Print a warning and do nothing.
    #[error("warn and return")]
    Warn,
    /// Report a bad page when it is freed.
    #[error("report a bad page")]
    BadPage,
    /// Take the folio for pinned for ever, and refuse new references.
    #[error("take the folio for pinned for ever")]
    PinnedForever,
    /// Take a folio that is pinned for one that is not.
    #[error("not see the pins of others")]
    FalseNegative,
    /// Use memory that belongs to somebody else.
    #[error("use freed memory")]
    UseAfterFree,
    /// Walk an array of nearly 2^64 entries.
    #[error("walk past the array until it faults")]
    Runaway,
    /// Stop for good.
    #[error("deadlock")]
    Deadlock,
    /// Not compile.
    #[error("not compile")]
    DoesNotCompile,
}
