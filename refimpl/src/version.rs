// SPDX-License-Identifier: MIT OR Apache-2.0
//! The kernels that the running model knows, and what changed between them.
//!
//! A version stands for every later one up to the next. Differences are questions with a name ([`Version::null_rule`]),
//! so that no other module compares versions.

mod number;

pub use number::KernelVersion;

/// A kernel whose rules the model follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// put_user_page*() as placeholders of the first series.
    V4_19,
    /// put_user_page*() merged.
    V5_4,
    /// Pins are counted.
    V5_7,
    /// Most callers converted.
    V5_9,
    /// unpin_user_pages() looks at its count.
    V5_10,
    /// Folios; with the stable tree's zero-page rule.
    V6_1,
    /// NULL entries, refused long-term writes to files.
    V6_12,
    /// The newest that was read.
    V7_3,
}

/// What an array release does with a NULL entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NullRule {
    /// It is dereferenced.
    Crashes,
    /// Those before the first page are passed over; one after a page is dereferenced, because the run of equal folios
    /// looks ahead.
    PrefixOnly,
}

impl Version {
    /// All of them, the oldest first.
    pub const ALL: [Version; 8] = [
        Version::V4_19,
        Version::V5_4,
        Version::V5_7,
        Version::V5_9,
        Version::V5_10,
        Version::V6_1,
        Version::V6_12,
        Version::V7_3,
    ];

    const NAMES: [&str; Self::ALL.len()] =
        ["4.19", "5.4", "5.7", "5.9", "5.10", "6.1", "6.12", "7.3"];

    /// As it is written: "6.12".
    pub fn name(self) -> &'static str {
        Self::NAMES[self as usize]
    }

    /// The newest of them that is not newer than `version`; the oldest for anything older.
    pub fn at(version: KernelVersion) -> Version {
        let numbers = |known: Version| known.name().parse::<KernelVersion>().ok();
        Self::ALL
            .into_iter()
            .rev()
            .find(|known| numbers(*known).is_some_and(|known| known <= version))
            .unwrap_or(Version::V4_19)
    }

    /// Whether pins are counted apart from other references (3faa52c03f44, 5.7).
    pub fn counts_pins(self) -> bool {
        self >= Version::V5_7
    }

    /// Whether a folio of this order has a count of its pins beside its reference count. 5.7 to 5.17:
    /// `hpage_pincount_available()`, order above 1; in 5.19 every large folio (32-bit kernels of 6.18 ask for order
    /// above 1 again, `folio_has_pincount()`; the model is of 64 bits).
    pub(crate) fn has_pincount(self, order: u32) -> bool {
        match self {
            Version::V4_19 | Version::V5_4 => false,
            Version::V5_7 | Version::V5_9 | Version::V5_10 => order > 1,
            Version::V6_1 | Version::V6_12 | Version::V7_3 => order > 0,
        }
    }

    /// Whether pinning and unpinning the zero page does nothing (c8070b787519, 6.5; 6.1 stable took it as 476c1dfefab8).
    pub(crate) fn zero_page_is_never_pinned(self) -> bool {
        self >= Version::V6_1
    }

    /// See [`NullRule`] (a1268be280d8: 6.12.117 and 6.13.7 have it, 6.11.11 has not).
    pub(crate) fn null_rule(self) -> NullRule {
        if self >= Version::V6_12 {
            NullRule::PrefixOnly
        } else {
            NullRule::Crashes
        }
    }

    /// Whether unpin_user_pages() warns and returns for a count that is an error number (146608bb7ad0, 5.10).
    pub(crate) fn checks_count(self) -> bool {
        self >= Version::V5_10
    }

    /// Whether FOLL_WRITE with FOLL_LONGTERM is refused on a file whose dirty pages are tracked (8ac268436e6d, 6.5).
    pub(crate) fn refuses_longterm_write_to_tracked_file(self) -> bool {
        self >= Version::V6_12
    }

    /// Whether a long-term pin for reading breaks copy-on-write first, so that even the zero page is replaced by a page of its
    /// own (6.2).
    pub(crate) fn unshares_for_longterm(self) -> bool {
        self >= Version::V6_12
    }

    /// Whether the `_unlocked` functions take FOLL_LONGTERM (6.2); until 6.1 they warn and return EINVAL (mm/gup.c: get_user_pages_unlocked()).
    pub(crate) fn unlocked_takes_longterm(self) -> bool {
        self >= Version::V6_12
    }

    /// Whether pin_user_pages(), its _remote and its _unlocked form return 0 for arguments that they refuse (is_valid_gup_args(), 6.3).
    pub(crate) fn refuses_pins_with_zero(self) -> bool {
        self >= Version::V6_12
    }

    /// Whether unpin_folio(), unpin_folios() and unpin_user_folio() exist (6.11).
    pub(crate) fn has_folio_unpins(self) -> bool {
        self >= Version::V6_12
    }

    /// Whether folio_add_pin() exists, and fs/direct-io.c pins (6.5.0 has both, 6.4.6 has neither).
    pub(crate) fn has_folio_add_pin(self) -> bool {
        self >= Version::V6_12
    }

    /// Whether folio_add_pins() exists (6.13.7 has it, 6.12 has not).
    pub(crate) fn has_folio_add_pins(self) -> bool {
        self >= Version::V7_3
    }

    /// Whether fork() copies what may be pinned (70e806e4e645, 5.9), and a write fault keeps a page by its references and no
    /// longer by its mappings (09854ba94c6a, 5.9).
    pub(crate) fn copies_early(self) -> bool {
        self >= Version::V5_9
    }

    /// Whether private pages know that they are nobody else's (PG_anon_exclusive, 5.19).
    pub(crate) fn knows_exclusive(self) -> bool {
        self >= Version::V6_1
    }

    /// Whether secretmem exists and is refused (5.14).
    pub(crate) fn knows_secretmem(self) -> bool {
        self >= Version::V6_1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_stands_for_the_later_ones_up_to_the_next() {
        let at = |text: &str| Version::at(text.parse().unwrap()).name();
        assert_eq!(at("3.10"), "4.19");
        assert_eq!(at("5.6.1"), "5.4");
        assert_eq!(at("6.12.117"), "6.12");
        assert_eq!(at("6.18.2"), "6.12");
        assert_eq!(at("8.0"), "7.3");
    }
}
