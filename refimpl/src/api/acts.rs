// SPDX-License-Identifier: MIT OR Apache-2.0
//! What kernel-wide functions do besides taking pages and giving them back: locks, errors, frees, charges.
//!
//! The data stand in `refimpl/data/acts.toml`.

use rustc_hash::FxHashMap;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

/// What a function does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Does {
    /// Takes a lock, or the like, under which sleeping is forbidden.
    ForbidsSleep,
    /// Gives such a lock back.
    AllowsSleep,
    /// Tries to take one, and says whether it did.
    MayForbidSleep,
    /// Has the function at [`Act::at`] called where sleeping is forbidden.
    CallsAtomic,
    /// Holds a lock of the class that is its first argument to the end of a block.
    HoldsInBlock,
    /// Is such a class, of a lock under which sleeping is forbidden.
    Guards,
    /// Returns what is true when something failed.
    FailsWhenTrue,
    /// Takes a lock under which sleeping is allowed.
    HoldsLock,
    /// Gives such a lock back.
    DropsLock,
    /// Locks a page.
    LocksPage,
    /// Is worth the least of its arguments.
    Least,
    /// Whether a number is an errno.
    IsErrno,
    /// Whether a pointer is an error.
    IsError,
    /// Whether a pointer is an error or null.
    IsErrorOrNull,
    /// The errno in a pointer, 0 when it is none.
    ErrnoOrZero,
    /// Is worth its argument.
    Same,
    /// The same; what is not 0 is an errno.
    MakesError,
    /// The same; it warns when that is true.
    Warns,
    /// Divides its first argument by its second, and rounds up.
    DividesUp,
    /// So many pages hold so many bytes.
    PagesUp,
    /// So many bytes fill so many pages.
    PagesDown,
    /// Says how far an address lies behind the beginning of its page.
    OffsetInPage,
    /// Asks whether an address begins with a page, or another unit.
    AsksAlignment,
    /// Rounds a number up to a unit.
    RoundsUp,
    /// Prints or measures, and keeps nothing.
    Measures,
    /// Frees memory.
    Frees,
    /// Makes memory that its caller owns.
    Allocates,
    /// The same, zeroed.
    AllocatesZeroed,
    /// The same, of the slab allocator.
    AllocatesSlab,
    /// The same, of the slab allocator and zeroed.
    AllocatesZeroedSlab,
    /// The same, zeroed; it is freed by itself, with the pages in it left as they are.
    AllocatesManaged,
    /// Makes memory that is zeroed, and belongs to others too.
    Zeroes,
    /// Moves memory to a larger place, or fails and leaves it where it is.
    Reallocates,
    /// Ends a device's mapping.
    Unmaps,
    /// Returns 0 when it fails, and never a negative number.
    ReturnsZeroOnFailure,
    /// Joins neighbouring pages to one entry of a scatterlist.
    JoinsPages,
    /// Frees the entries of a scatterlist.
    FreesList,
    /// Walks the entries of a scatterlist.
    WalksEntries,
    /// The entry of a scatterlist after this one.
    NextEntry,
    /// The first page of an entry of a scatterlist.
    FirstPageOfEntry,
    /// Makes an iterator user-backed, or asks whether it is.
    UserIterator,
    /// Asks whether an iterator walks memory of the kernel.
    KernelIterator,
    /// Asks whether pages of an iterator are pinned.
    AsksPin,
    /// The bytes that are left in an iterator.
    BytesLeft,
    /// The pages that are left in an iterator.
    PagesLeft,
    /// Takes pages for so many bytes of an iterator, and says for how many.
    TakesBytes,
    /// Charges for pinned pages.
    Charges,
    /// Gives back what was charged.
    Uncharges,
    /// Pins pages, and gives what holds them.
    HoldsPins,
    /// Drops them.
    DropsPins,
    /// Looks at what it is given, and does not keep it.
    Looks,
    /// Walks the entries of a list.
    WalksList,
    /// Puts a frame number into a page table, where it can be found again.
    MapsFrames,
    /// Puts the object that a member belongs to where others find it.
    Links,
    /// Gives a reference on an object back, of which others may have more.
    GivesUp,
}

/// What one function does, and to which of its arguments.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Act {
    #[serde(default)]
    names: Vec<String>,
    #[serde(default)]
    suffixes: Vec<String>,
    #[serde(default)]
    prefixes: Vec<String>,
    /// What it does.
    pub does: Does,
    /// The argument that matters.
    pub at: Option<usize>,
    /// Where it stands in a form with another number of arguments.
    other: Option<Other>,
    /// The argument that holds the counter, of a charge.
    pub counter: Option<usize>,
    /// The argument that says whether it charges or gives back.
    pub sign: Option<usize>,
    /// Whether it charges, or keeps what it is given, only when it returns 0.
    #[serde(default)]
    pub fails: bool,
    /// The argument that says how many pages at most.
    pub most: Option<usize>,
    /// Where the offset in the first page goes.
    pub offset: Option<usize>,
    /// Whether it makes the array of pages itself.
    #[serde(default)]
    pub allocates: bool,
    /// What gives back what this takes.
    pub back: Option<String>,
    /// Where in the kernel that stands.
    pub source: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Other {
    args: usize,
    at: usize,
}

impl Act {
    /// The argument that matters, of a call with so many.
    pub fn at_of(&self, args: usize) -> Option<usize> {
        let other = self.other.filter(|other| other.args == args);
        other.map(|other| other.at).or(self.at)
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Data {
    act: Vec<Act>,
    counters: Counters,
    constants: BTreeMap<String, i64>,
    space: Space,
    notifiers: Notifiers,
    callbacks: Callbacks,
    vendors: Vendors,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Space {
    needs: BTreeSet<String>,
    words: BTreeSet<String>,
    prefixes: Vec<String>,
    holders: BTreeSet<String>,
    entries: Vec<String>,
    refuses: BTreeSet<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Callbacks {
    atomic: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Vendors {
    codes: BTreeSet<String>,
    versions: BTreeMap<String, usize>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Notifiers {
    records: BTreeSet<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Counters {
    members: BTreeSet<String>,
}

/// All acts, by name.
#[derive(Debug)]
pub struct Acts {
    data: Data,
    by_name: FxHashMap<String, usize>,
    by_prefix: Vec<(String, usize)>,
}

impl Acts {
    /// What the function of that name does.
    pub fn get(&self, name: &str) -> Option<&Act> {
        let named = self.by_name.get(name).copied();
        let at = named.or_else(|| {
            let first = *name.as_bytes().first()?;
            let begins = |prefix: &str| prefix.as_bytes()[0] == first && name.starts_with(prefix);
            let known = self.by_prefix.iter().find(|(prefix, _)| begins(prefix));
            known.map(|(_, at)| *at)
        })?;
        self.data.act.get(at)
    }

    /// The same, as a word.
    pub fn of(&self, name: &str) -> Option<Does> {
        self.get(name).map(|act| act.does)
    }

    /// Whether the function of that name does that.
    pub fn is(&self, name: &str, does: Does) -> bool {
        self.of(name) == Some(does)
    }

    /// Whether a member of that name counts pages that are charged for.
    pub fn is_counter(&self, member: &str) -> bool {
        self.data.counters.members.contains(member)
    }

    /// Whether the function of that name is called with the lock of the address space held.
    pub fn needs_space_lock(&self, name: &str) -> bool {
        self.data.space.needs.contains(name)
    }

    /// Whether a word tells that code takes the lock of an address space, or is called under it.
    pub fn tells_of_space_lock(&self, word: &str) -> bool {
        let begins = |prefix: &String| word.starts_with(prefix.as_str());
        self.data.space.words.contains(word)
            || self.data.space.holders.contains(word)
            || self.data.space.prefixes.iter().any(begins)
    }

    /// Whether a word is a call that is not made with that lock held.
    pub fn refuses_space_lock(&self, word: &str) -> bool {
        self.data.space.refuses.contains(word)
    }

    /// Whether a word is the macro that makes a system call.
    pub fn enters_kernel(&self, word: &str) -> bool {
        let begins = |prefix: &String| word.starts_with(prefix.as_str());
        self.data.space.entries.iter().any(begins)
    }

    /// Whether the record of that tag (without `struct`) is what a callback of an mmu notifier is given.
    pub fn is_notifier(&self, tag: &str) -> bool {
        self.data.notifiers.records.contains(tag)
    }

    /// Whether a function in that member of the record of that tag (without `struct`) is called where sleeping is forbidden.
    pub fn is_atomic_callback(&self, tag: &str, member: &str) -> bool {
        self.data
            .callbacks
            .atomic
            .get(tag)
            .is_some_and(|known| known == member)
    }

    /// The macros that hold the release of a vendor's kernel, sorted.
    pub fn vendor_codes(&self) -> impl Iterator<Item = &str> {
        self.data.vendors.codes.iter().map(String::as_str)
    }

    /// Whether a macro holds the release of a vendor's kernel.
    pub fn is_vendor_code(&self, name: &str) -> bool {
        self.data.vendors.codes.contains(name)
    }

    /// Of how many parts, a byte each, a macro makes the number of a vendor's release.
    pub fn vendor_version(&self, name: &str) -> Option<usize> {
        self.data.vendors.versions.get(name).copied()
    }

    /// The number that a constant stands for.
    pub fn constant(&self, name: &str) -> Option<i64> {
        self.data.constants.get(name).copied()
    }

    /// The names of those members, sorted.
    pub fn counters(&self) -> impl Iterator<Item = &str> {
        self.data.counters.members.iter().map(String::as_str)
    }

    /// The names of functions that do that.
    pub fn names(&self, does: Does) -> impl Iterator<Item = &str> {
        let acts = self.data.act.iter().filter(move |act| act.does == does);
        acts.flat_map(|act| act.names.iter().map(String::as_str))
    }
}

/// The acts, read on first use.
pub fn acts() -> &'static Acts {
    static ACTS: LazyLock<Acts> = LazyLock::new(|| read(data()));
    &ACTS
}

fn data() -> Data {
    toml::from_str(include_str!("../../data/acts.toml"))
        .expect("the acts are part of the program, and a test reads them")
}

fn read(data: Data) -> Acts {
    let mut by_name = FxHashMap::default();
    let mut by_prefix = Vec::new();
    for (at, act) in data.act.iter().enumerate() {
        for name in &act.names {
            by_name.insert(name.clone(), at);
            for suffix in &act.suffixes {
                by_name.insert(format!("{name}{suffix}"), at);
            }
        }
        by_prefix.extend(act.prefixes.iter().map(|prefix| (prefix.clone(), at)));
    }
    Acts {
        data,
        by_name,
        by_prefix,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_acts_are_well_formed() {
        let data = data();
        let mut seen = BTreeSet::new();
        for act in &data.act {
            assert!(!act.source.is_empty(), "{:?} has no source", act.names);
            assert!(!act.names.is_empty() || !act.prefixes.is_empty());
            for name in &act.names {
                assert!(seen.insert(name.clone()), "{name} is listed twice");
            }
            if let Some(back) = &act.back {
                assert!(acts().get(back).is_some(), "{back} does nothing");
            }
        }
    }

    #[test]
    fn a_lock_is_a_lock_in_each_of_its_forms() {
        for name in ["spin_lock", "raw_spin_lock_irqsave", "read_lock_bh"] {
            assert!(acts().is(name, Does::ForbidsSleep), "{name}");
        }
        assert!(acts().is("spin_unlock_irqrestore", Does::AllowsSleep));
        assert!(acts().is("spin_trylock_bh", Does::MayForbidSleep));
        assert_eq!(acts().of("spin_lock_init"), Some(Does::Looks));
        assert!(acts().is("mutex_lock", Does::HoldsLock) && acts().is("up_read", Does::DropsLock));
        assert!(
            acts()
                .get("mmap_read_lock_killable")
                .is_some_and(|act| act.fails)
        );
        assert!(acts().needs_space_lock("pin_user_pages"));
        assert!(!acts().needs_space_lock("pin_user_pages_fast"));
        assert!(acts().tells_of_space_lock("mmap_read_trylock"));
        assert!(!acts().tells_of_space_lock("mmap"));
        assert!(acts().is("spinlock_irqsave", Does::Guards));
        assert!(acts().is_atomic_callback("bio", "bi_end_io"));
        assert!(!acts().is_atomic_callback("bio", "bi_private"));
    }

    #[test]
    fn a_form_with_more_arguments_has_the_pages_elsewhere() {
        let charge = acts().get("io_account_mem").unwrap();
        assert_eq!((charge.at_of(2), charge.at_of(3)), (Some(1), Some(2)));
    }

    #[test]
    fn a_name_says_more_than_a_prefix() {
        assert!(acts().is("WARN_ON_ONCE", Does::Warns));
        assert!(acts().is("WARN_RATELIMIT", Does::Measures));
        assert!(acts().is("dma_unmap_sgtable", Does::Unmaps));
        assert!(acts().is_counter("pinned_vm") && !acts().is_counter("total_vm"));
    }
}
