// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a run of one driver has shown, as data. The schema is `refimpl-run/1`.

use serde::{Deserialize, Serialize};

/// The schema written.
pub const SCHEMA: &str = "refimpl-run/1";

/// A place in a driver.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Site {
    /// As the compiler was given it: relative to the tree.
    pub path: String,
    /// 1-based.
    pub line: u32,
    /// The function it stands in.
    pub function: String,
}

impl std::fmt::Display for Site {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}:{} {}()", self.path, self.line, self.function)
    }
}

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// Never given back; the place is where it was taken.
    Leak,
    /// Given back though nothing was held.
    DoubleRelease,
    /// A pin given back by put_page(), a plain reference by unpin_user_page(), or the like.
    KindMismatch,
    /// Dirtied after its reference was given back.
    DirtyAfterRelease,
    /// Written by a device and given back without being dirtied.
    NotDirtied,
    /// A device wrote a page that nobody held any more.
    WriteAfterRelease,
    /// Given back while a device still had an address for it.
    StillMapped,
    /// A device wrote a page that was taken without FOLL_WRITE.
    NotWritable,
    /// A device used an address that is not mapped for it.
    DmaUnmapped,
    /// What may sleep, called under a spinlock.
    SleepsInAtomic,
    /// Another call that a kernel would not survive, or not without damage.
    Misuse,
}

impl Class {
    /// All of them.
    pub const ALL: [Class; 11] = [
        Class::Leak,
        Class::DoubleRelease,
        Class::KindMismatch,
        Class::DirtyAfterRelease,
        Class::NotDirtied,
        Class::WriteAfterRelease,
        Class::StillMapped,
        Class::NotWritable,
        Class::DmaUnmapped,
        Class::SleepsInAtomic,
        Class::Misuse,
    ];
}

/// Something wrong at a place.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Problem {
    /// What.
    pub class: Class,
    /// Where.
    pub site: Site,
    /// The function called.
    pub call: String,
    /// In a sentence.
    pub message: String,
    /// The other end: where the page was taken, or given back before.
    pub related: Option<Site>,
    /// How often.
    pub count: u64,
}

/// Writes by a device to pages that nobody can see are pinned.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct UnseenWrite {
    /// Where the device was started.
    pub site: Site,
    /// Where the page had been taken.
    pub acquired: Option<Site>,
    /// How often.
    pub count: u64,
}

/// References of one callsite, or given back at it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Traffic {
    /// Where.
    pub site: Site,
    /// The function called.
    pub call: String,
    /// Number of page references, taken or given back.
    pub pages: u64,
}

/// User pages by how they were taken and how they were given back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Totals {
    /// By get_user_pages*().
    pub gets: u64,
    /// By pin_user_pages*().
    pub pins: u64,
    /// User pages given back by put_page() or release_pages().
    pub put_page: u64,
    /// By put_user_page*().
    pub put_user_page: u64,
    /// By unpin_user_page*().
    pub unpins: u64,
}

/// A run of one driver.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// Always [`SCHEMA`].
    pub schema: String,
    /// The kernel whose rules applied.
    pub version: String,
    /// The file of the driver's module_init().
    pub module: String,
    /// User pages taken and given back.
    pub totals: Totals,
    /// nr_foll_pin_acquired of /proc/vmstat.
    pub vmstat_acquired: i64,
    /// nr_foll_pin_released.
    pub vmstat_released: i64,
    /// Pages that a device wrote, user pages only.
    pub device_writes: u64,
    /// Those of them that nobody could see are pinned, by place.
    pub unseen_writes: Vec<UnseenWrite>,
    /// Every callsite that took references, by place.
    pub acquires: Vec<Traffic>,
    /// Every callsite that gave some back.
    pub releases: Vec<Traffic>,
    /// What is wrong, by class and place.
    pub problems: Vec<Problem>,
}

impl Run {
    /// Number of unseen device writes.
    pub fn unseen(&self) -> u64 {
        self.unseen_writes.iter().map(|write| write.count).sum()
    }

    /// All user pages were given back, by the names of one age: pins by unpinning, others by put_page() or put_user_page().
    pub fn balanced(&self) -> bool {
        let totals = self.totals;
        totals.pins == totals.unpins
            && totals.gets == totals.put_page + totals.put_user_page
            && self.vmstat_acquired == self.vmstat_released
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_lists_every_class() {
        let page = include_str!("../../../docs/refimpl.md");
        for class in Class::ALL {
            let name = serde_json::to_string(&class).unwrap();
            let row = format!("| `{}` |", name.trim_matches('"'));
            assert!(page.contains(&row), "docs/refimpl.md has no {row}");
        }
    }
}
