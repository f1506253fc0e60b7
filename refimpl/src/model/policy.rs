// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the kernel does about pinned pages of a file: every answer that was proposed, posted or merged, as the rules that it consists of.

use serde::{Deserialize, Serialize};

super::named::names! { "policy"
    /// How writeback, reclaim, truncate and pinning treat a pinned page.
    Policy {
        /// 2018: nobody can see that a page is pinned.
        None = "none",
        /// Since 6.4 (commit d824ec2a1546): reclaim leaves pinned pages alone; writeback does not look.
        SkipReclaim = "skip-reclaim",
        /// Reclaim compares the reference count with what mappings, cache and buffers explain, by the right formula for this filesystem.
        Mapcount = "mapcount",
        /// The same with a formula that takes one reference too many for granted.
        MapcountWrong = "mapcount-wrong",
        /// Writeback waits for the last unpin under the page lock; the releaser looks at PageDirty before it takes the lock.
        Wait = "wait",
        /// The same, and the releaser takes the page lock whatever the page's state.
        WaitLocked = "wait-locked",
        /// The filesystem writes a copy and leaves a pinned page dirty.
        BounceKeep = "bounce-keep",
        /// The filesystem writes a copy, leaves the page dirty, and reserves space again before each pass.
        BounceReserve = "bounce-reserve",
        /// The filesystem writes a copy and clears dirty.
        BounceClear = "bounce-clear",
        /// The block layer copies, after the filesystem has taken its checksum; dirty and reserved as in `BounceReserve`.
        BounceBlock = "bounce-block",
        /// Leases as posted in 2019: truncate breaks the lease and takes the pin away; writeback does not look.
        Lease = "lease",
        /// Leases that writeback breaks too.
        LeaseWriteback = "lease-writeback",
        /// Only devices that follow an mmu notifier may be given user memory.
        Odp = "odp",
        /// Since 6.5 (commit 8ac268436e6d): long-term writable pins of files with dirty tracking are refused.
        Forbid = "forbid",
    }
}

/// What writeback does with a pinned page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Writeback {
    /// As with any other page.
    Blind,
    /// Waits, with the page locked.
    Wait,
    /// Writes a copy.
    Bounce,
    /// Takes the pin away first.
    Revoke,
}

/// What truncate does with a page that somebody holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Truncate {
    /// As with any other page (2018).
    Blind,
    /// Waits where the page is the storage (`xfs_break_dax_layouts()`).
    Wait,
    /// Takes pins away, then waits for other references as above.
    Revoke,
}

/// Who is not given a pin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Refuses {
    /// Nobody is refused.
    Nobody,
    /// Devices that would hold it for long.
    Longterm,
    /// Every device that does not follow an mmu notifier.
    Everybody,
}

/// The rules that a policy consists of; a file may give others, see [`super::Own`]. What is not said is as under `skip-reclaim`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Rules {
    /// Pins are counted apart from plain references, and reclaim leaves alone what looks pinned.
    pub counts_pins: bool,
    /// Reclaim compares the reference count instead: how many references of gup callers it takes for granted.
    pub granted_references: Option<u16>,
    /// What writeback does with a pinned page.
    pub writeback: Writeback,
    /// Whoever waits for pins takes them away when a deadline has passed.
    pub deadline: bool,
    /// The release takes the page lock whatever PageDirty says.
    pub locks_always: bool,
    /// A copied page is marked clean.
    pub copy_cleans: bool,
    /// Space is reserved again for a copied page, which stays dirty.
    pub copy_reserves: bool,
    /// The block layer copies, after the checksum was taken.
    pub copy_late: bool,
    /// What truncate does.
    pub truncate: Truncate,
    /// Who is not given a pin.
    pub refuses: Refuses,
}

impl Default for Rules {
    fn default() -> Self {
        Rules {
            counts_pins: true,
            granted_references: None,
            writeback: Writeback::Blind,
            deadline: false,
            locks_always: false,
            copy_cleans: false,
            copy_reserves: false,
            copy_late: false,
            truncate: Truncate::Wait,
            refuses: Refuses::Nobody,
        }
    }
}

impl Policy {
    /// The rules that it consists of.
    pub(crate) fn rules(self) -> Rules {
        let mut all = Rules::default();
        match self {
            Self::None => (all.counts_pins, all.truncate) = (false, Truncate::Blind),
            Self::SkipReclaim => {}
            Self::Mapcount => (all.counts_pins, all.granted_references) = (false, Some(0)),
            Self::MapcountWrong => (all.counts_pins, all.granted_references) = (false, Some(1)),
            Self::Wait => all.writeback = Writeback::Wait,
            Self::WaitLocked => (all.writeback, all.locks_always) = (Writeback::Wait, true),
            Self::BounceKeep => all.writeback = Writeback::Bounce,
            Self::BounceReserve => (all.writeback, all.copy_reserves) = (Writeback::Bounce, true),
            Self::BounceClear => (all.writeback, all.copy_cleans) = (Writeback::Bounce, true),
            Self::BounceBlock => {
                all.writeback = Writeback::Bounce;
                (all.copy_reserves, all.copy_late) = (true, true);
            }
            Self::Lease => all.truncate = Truncate::Revoke,
            Self::LeaseWriteback => {
                (all.writeback, all.truncate) = (Writeback::Revoke, Truncate::Revoke);
            }
            Self::Odp => all.refuses = Refuses::Everybody,
            Self::Forbid => all.refuses = Refuses::Longterm,
        }
        all
    }
}
