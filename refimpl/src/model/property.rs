// SPDX-License-Identifier: MIT OR Apache-2.0
//! What must never happen, and what must happen in the end, each under the name it is reported by.

super::named::names! { "property"
    /// A property of the pinned-page protocol: safety first, then liveness. The name is the name of the bad thing.
    Property {
        /// A dirty page without buffers reached writepage: BUG in 2018, since 5.18 a warning and lost data.
        Nobuf = "nobuf",
        /// The page cache dropped a page whose bytes never reached the disk.
        LostDma = "lostDMA",
        /// Bytes changed while they were on their way to the disk, so checksum or parity is of other bytes.
        Torn = "torn",
        /// A page became dirty without `page_mkwrite`: no space, no journal credit, no copy for a shared extent.
        Noresv = "noresv",
        /// fsync returned 0 without a write on disk that was complete before it began.
        FsyncLies = "fsyncLies",
        /// A page or a disk block was written, or a page read by a device, after it was freed.
        Uaf = "uaf",
        /// I/O ended in blocks that truncate had freed meanwhile.
        FreedIo = "freedIo",
        /// A release slept where its caller may not.
        SleepAtomic = "sleepAtomic",
        /// A pin is given back twice, or never.
        Unbalanced = "unbalanced",
        /// A gup caller holds a writable pin that the other side looked for and did not see.
        MissedPin = "missedPin",
        /// An fsync never returns.
        FsyncStuck = "fsyncStuck",
        /// A truncate or hole punch never returns.
        TruncStuck = "truncStuck",
        /// A release waits forever.
        RelDeadlock = "relDeadlock",
        /// A writer is throttled forever because dirty pages do not go away.
        ThrottleStuck = "throttleStuck",
        /// At least one CPU runs a wait loop forever.
        OneCpuBusy = "oneCpuBusy",
        /// Every CPU runs a wait loop forever.
        AllCpusBusy = "allCpusBusy",
        /// A call that asks for pins never returns.
        PinStuck = "pinStuck",
    }
}

impl Property {
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
            Self::Uaf => "something already freed was written, or read by a device",
            Self::FreedIo => "the disk wrote to blocks that were free by then",
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

    /// That bit where it is broken, else none.
    pub(crate) fn where_broken(self, broken: bool) -> u16 {
        u16::from(broken) * self.bit()
    }
}
