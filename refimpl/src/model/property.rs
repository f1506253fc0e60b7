// SPDX-License-Identifier: MIT OR Apache-2.0
//! What must never happen, and what must happen in the end, each under the name it is reported by.

use serde::{Deserialize, Serialize};

use super::error::Error;

/// A property of the pinned-page protocol. The name is the name of the bad thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Property {
    /// A dirty page without buffers reached writepage: BUG in 2018, since 5.18 a warning and lost data.
    Nobuf,
    /// The page cache dropped a page whose bytes never reached the disk.
    #[serde(rename = "lostDMA")]
    LostDma,
    /// Bytes changed while they were on their way to the disk, so checksum or parity is of other bytes.
    Torn,
    /// A page became dirty without `page_mkwrite`: no space, no journal credit, no copy for a shared extent.
    Noresv,
    /// fsync returned 0 without a write on disk that was complete before it began.
    FsyncLies,
    /// A page or a disk block was written after it was freed.
    Uaf,
    /// A release slept where its caller may not.
    SleepAtomic,
    /// A pin is given back twice, or never.
    Unbalanced,
    /// A gup caller holds a writable pin that the other side looked for and did not see.
    MissedPin,
    /// An fsync never returns.
    FsyncStuck,
    /// A truncate or hole punch never returns.
    TruncStuck,
    /// A release waits forever.
    RelDeadlock,
    /// A writer is throttled forever because dirty pages do not go away.
    ThrottleStuck,
    /// At least one CPU runs a wait loop forever.
    OneCpuBusy,
    /// Every CPU runs a wait loop forever.
    AllCpusBusy,
    /// A call that asks for pins never returns.
    PinStuck,
}

impl Property {
    /// All properties: safety first, then liveness.
    pub const ALL: [Self; 16] = [
        Self::Nobuf,
        Self::LostDma,
        Self::Torn,
        Self::Noresv,
        Self::FsyncLies,
        Self::Uaf,
        Self::SleepAtomic,
        Self::Unbalanced,
        Self::MissedPin,
        Self::FsyncStuck,
        Self::TruncStuck,
        Self::RelDeadlock,
        Self::ThrottleStuck,
        Self::OneCpuBusy,
        Self::AllCpusBusy,
        Self::PinStuck,
    ];

    /// The name used in tables, flags and JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Nobuf => "nobuf",
            Self::LostDma => "lostDMA",
            Self::Torn => "torn",
            Self::Noresv => "noresv",
            Self::FsyncLies => "fsyncLies",
            Self::Uaf => "uaf",
            Self::SleepAtomic => "sleepAtomic",
            Self::Unbalanced => "unbalanced",
            Self::MissedPin => "missedPin",
            Self::FsyncStuck => "fsyncStuck",
            Self::TruncStuck => "truncStuck",
            Self::RelDeadlock => "relDeadlock",
            Self::ThrottleStuck => "throttleStuck",
            Self::OneCpuBusy => "oneCpuBusy",
            Self::AllCpusBusy => "allCpusBusy",
            Self::PinStuck => "pinStuck",
        }
    }

    /// One sentence that ends a story: what has gone wrong.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Nobuf => "a dirty page without buffers reached writepage",
            Self::LostDma => "the page was dropped although its newest bytes are not on disk",
            Self::Torn => "the bytes changed while they were being written to disk",
            Self::Noresv => "the page is dirty and the filesystem has reserved nothing for it",
            Self::FsyncLies => {
                "fsync returned 0, and a write that was complete before it began is not on disk"
            }
            Self::Uaf => "something already freed was written",
            Self::SleepAtomic => {
                "the release takes the page lock, which may sleep, in a context that must not sleep"
            }
            Self::Unbalanced => "a pin was given back twice, or is left for ever",
            Self::MissedPin => "a writable pin is held and the check said that there is none",
            Self::FsyncStuck => "fsync never returns",
            Self::TruncStuck => "truncate never returns",
            Self::RelDeadlock => "the release never gets through",
            Self::ThrottleStuck => "the writer is never let go on",
            Self::OneCpuBusy => "one CPU runs the wait loop forever",
            Self::AllCpusBusy => "every CPU runs the wait loop forever",
            Self::PinStuck => "the call that asks for pins never returns",
        }
    }

    /// Is it broken by a state that is reached (safety) or by a run that never ends (liveness)?
    pub(crate) const fn is_safety(self) -> bool {
        (self as u8) <= Self::MissedPin as u8
    }

    /// The bit of a safety property in the set of properties that a step breaks.
    pub(crate) const fn bit(self) -> u16 {
        1 << self as u8
    }

    /// Finds a property by its name, in any case.
    ///
    /// # Errors
    /// When no property bears the name.
    pub fn parse(name: &str) -> Result<Self, Error> {
        super::named("property", name, &Self::ALL, Self::name)
    }
}
