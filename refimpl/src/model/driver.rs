// SPDX-License-Identifier: MIT OR Apache-2.0
//! How a driver holds pages and how its code lets go of them.

use serde::{Deserialize, Serialize};

use super::error::Error;

/// When the device is done and the driver releases.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Driver {
    /// One write per pin, released when it completes (direct I/O).
    AtOnce,
    /// Writes as long as it likes; releases in the end (a registered region of a program that will exit).
    Eventually,
    /// Never releases (a registered region of a program that stays).
    Never,
    /// One short pin after the other without end; when it has nothing more to write it pins for reading.
    Chain,
    /// Follows an mmu notifier: the device's mapping can be taken away at any time, and no page is pinned.
    Invalidatable,
    /// Like `AtOnce`, and releases where sleeping is forbidden (interrupt, spinlock).
    Atomic,
}

impl Driver {
    /// All drivers, in the order of the table.
    pub const ALL: [Self; 6] = [
        Self::AtOnce,
        Self::Eventually,
        Self::Never,
        Self::Chain,
        Self::Invalidatable,
        Self::Atomic,
    ];

    /// The name used in tables, flags and JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::AtOnce => "at-once",
            Self::Eventually => "eventually",
            Self::Never => "never",
            Self::Chain => "chain",
            Self::Invalidatable => "invalidatable",
            Self::Atomic => "atomic",
        }
    }

    /// Finds a driver by its name, in any case.
    ///
    /// # Errors
    /// When no driver bears the name.
    pub fn parse(name: &str) -> Result<Self, Error> {
        super::named("driver", name, &Self::ALL, Self::name)
    }

    /// Would it ask for FOLL_LONGTERM? Its program then sees each write as soon as the device has made it.
    pub(crate) fn is_longterm(self) -> bool {
        matches!(self, Self::Eventually | Self::Never | Self::Invalidatable)
    }
}

/// Which mistake, if any, the first device's driver code makes. Further devices make none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Callsites {
    /// Every caller pins, marks dirty, unpins.
    Converted,
    /// One caller still takes a plain reference (FOLL_GET) and puts it.
    OneMissing,
    /// One caller drops its reference before it marks the page dirty.
    PutBeforeDirty,
    /// One caller never marks the page dirty.
    NoDirty,
    /// One caller marks dirty and releases while its device still writes.
    BeforeDeviceDone,
    /// One caller takes a plain reference and unpins it (a large folio, whose pin count is exact).
    UnpinOnGet,
}

impl Callsites {
    /// All kinds, in the order of the table.
    pub const ALL: [Self; 6] = [
        Self::Converted,
        Self::OneMissing,
        Self::PutBeforeDirty,
        Self::NoDirty,
        Self::BeforeDeviceDone,
        Self::UnpinOnGet,
    ];

    /// The name used in tables, flags and JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Converted => "converted",
            Self::OneMissing => "one-missing",
            Self::PutBeforeDirty => "put-before-dirty",
            Self::NoDirty => "no-dirty",
            Self::BeforeDeviceDone => "before-device-done",
            Self::UnpinOnGet => "unpin-on-get",
        }
    }

    /// Finds a kind by its name, in any case.
    ///
    /// # Errors
    /// When no kind bears the name.
    pub fn parse(name: &str) -> Result<Self, Error> {
        super::named("callsites", name, &Self::ALL, Self::name)
    }
}
