// SPDX-License-Identifier: MIT OR Apache-2.0
//! How a driver holds pages and how its code lets go of them.

use serde::{Deserialize, Serialize};

super::named::names! { "driver"
    /// When the device is done and the driver releases.
    Driver {
        /// One write per pin, released when it completes (direct I/O).
        AtOnce = "at-once",
        /// Writes as long as it likes; releases in the end (a registered region of a program that will exit).
        Eventually = "eventually",
        /// Never releases (a registered region of a program that stays).
        Never = "never",
        /// One short pin after the other without end; when it has nothing more to write it pins for reading.
        Chain = "chain",
        /// Follows an mmu notifier: the device's mapping can be taken away at any time, and no page is pinned.
        Invalidatable = "invalidatable",
        /// Like `AtOnce`, and releases where sleeping is forbidden (interrupt, spinlock).
        Atomic = "atomic",
    }
}

/// The habits that a driver consists of; a file may give others, see [`super::Own`]. What is not said is as with `at-once`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Habits {
    /// It would ask for FOLL_LONGTERM: its program sees each write as soon as the device has made it.
    pub longterm: bool,
    /// The device writes as often as it likes under one pin, rather than once.
    pub writes_often: bool,
    /// Each pin is given back in the end.
    pub releases: bool,
    /// It pins for reading between its writes and after them, without end.
    pub pins_on: bool,
    /// It follows an mmu notifier and takes no pin.
    pub notifier: bool,
    /// It releases where sleeping is forbidden.
    pub atomic: bool,
}

impl Default for Habits {
    fn default() -> Self {
        Habits {
            longterm: false,
            writes_often: false,
            releases: true,
            pins_on: false,
            notifier: false,
            atomic: false,
        }
    }
}

impl Driver {
    /// The habits that it consists of.
    pub(crate) fn habits(self) -> Habits {
        let mut all = Habits::default();
        all.longterm = matches!(self, Self::Eventually | Self::Never | Self::Invalidatable);
        all.writes_often = all.longterm;
        all.releases = self != Self::Never;
        all.pins_on = self == Self::Chain;
        all.notifier = self == Self::Invalidatable;
        all.atomic = self == Self::Atomic;
        all
    }
}

super::named::names! { "callsites"
    /// Which mistake, if any, the first device's driver code makes. Further devices make none.
    Callsites {
        /// Every caller pins, marks dirty, unpins.
        Converted = "converted",
        /// One caller still takes a plain reference (FOLL_GET) and puts it.
        OneMissing = "one-missing",
        /// One caller drops its reference before it marks the page dirty.
        PutBeforeDirty = "put-before-dirty",
        /// One caller never marks the page dirty.
        NoDirty = "no-dirty",
        /// One caller marks dirty and releases while its device still writes.
        BeforeDeviceDone = "before-device-done",
        /// One caller takes a plain reference and unpins it (a large folio, whose pin count is exact).
        UnpinOnGet = "unpin-on-get",
    }
}
