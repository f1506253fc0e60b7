// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the kernel does about pinned pages of a file: every answer that was proposed, posted or merged, as questions the rules ask.

use serde::{Deserialize, Serialize};

use super::error::Error;

/// How writeback, reclaim, truncate and pinning treat a pinned page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Policy {
    /// 2018: nobody can see that a page is pinned.
    None,
    /// Since 6.4 (commit d824ec2a1546): reclaim leaves pinned pages alone; writeback does not look.
    SkipReclaim,
    /// Reclaim compares the reference count with what mappings, cache and buffers explain, by the right formula for this filesystem.
    Mapcount,
    /// The same with a formula that takes one reference too many for granted.
    MapcountWrong,
    /// Writeback waits for the last unpin under the page lock; the releaser looks at PageDirty before it takes the lock.
    Wait,
    /// The same, and the releaser takes the page lock whatever the page's state.
    WaitLocked,
    /// The filesystem writes a copy and leaves a pinned page dirty.
    BounceKeep,
    /// The filesystem writes a copy, leaves the page dirty, and reserves space again before each pass.
    BounceReserve,
    /// The filesystem writes a copy and clears dirty.
    BounceClear,
    /// The block layer copies, after the filesystem has taken its checksum; dirty and reserved as in `BounceReserve`.
    BounceBlock,
    /// Leases as posted in 2019: truncate breaks the lease and takes the pin away; writeback does not look.
    Lease,
    /// Leases that writeback breaks too.
    LeaseWriteback,
    /// Only devices that follow an mmu notifier may be given user memory.
    Odp,
    /// Since 6.5 (commit 8ac268436e6d): long-term writable pins of files with dirty tracking are refused.
    Forbid,
}

/// What writeback does with a pinned page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Writeback {
    /// As with any other page.
    Blind,
    /// Waits, with the page locked.
    Wait,
    /// Writes a copy.
    Bounce,
    /// Takes the pin away first.
    Revoke,
}

impl Policy {
    /// All policies, in the order of the table.
    pub const ALL: [Self; 14] = [
        Self::None,
        Self::SkipReclaim,
        Self::Mapcount,
        Self::MapcountWrong,
        Self::Wait,
        Self::WaitLocked,
        Self::BounceKeep,
        Self::BounceReserve,
        Self::BounceClear,
        Self::BounceBlock,
        Self::Lease,
        Self::LeaseWriteback,
        Self::Odp,
        Self::Forbid,
    ];

    /// The name used in tables, flags and JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::SkipReclaim => "skip-reclaim",
            Self::Mapcount => "mapcount",
            Self::MapcountWrong => "mapcount-wrong",
            Self::Wait => "wait",
            Self::WaitLocked => "wait-locked",
            Self::BounceKeep => "bounce-keep",
            Self::BounceReserve => "bounce-reserve",
            Self::BounceClear => "bounce-clear",
            Self::BounceBlock => "bounce-block",
            Self::Lease => "lease",
            Self::LeaseWriteback => "lease-writeback",
            Self::Odp => "odp",
            Self::Forbid => "forbid",
        }
    }

    /// Finds a policy by its name, in any case.
    ///
    /// # Errors
    /// When no policy bears the name.
    pub fn parse(name: &str) -> Result<Self, Error> {
        super::named("policy", name, &Self::ALL, Self::name)
    }

    /// Is there a pin count at all, apart from plain references?
    pub(crate) fn counts_pins(self) -> bool {
        !matches!(self, Self::None | Self::Mapcount | Self::MapcountWrong)
    }

    /// How many references reclaim takes for granted after unmapping, beyond the cache's own and the buffers'; `None`: it does not compare.
    pub(crate) fn granted_references(self) -> Option<u16> {
        match self {
            Self::Mapcount => Some(0),
            Self::MapcountWrong => Some(1),
            _ => None,
        }
    }

    pub(crate) fn writeback(self) -> Writeback {
        match self {
            Self::Wait | Self::WaitLocked => Writeback::Wait,
            Self::BounceKeep | Self::BounceReserve | Self::BounceClear | Self::BounceBlock => {
                Writeback::Bounce
            }
            Self::LeaseWriteback => Writeback::Revoke,
            _ => Writeback::Blind,
        }
    }

    /// Does truncate take pins away?
    pub(crate) fn truncate_revokes(self) -> bool {
        matches!(self, Self::Lease | Self::LeaseWriteback)
    }

    /// Does truncate of storage that is memory wait for foreign references? (xfs_break_dax_layouts; not in the 2018 baseline.)
    pub(crate) fn truncate_waits(self) -> bool {
        self != Self::None
    }
}
