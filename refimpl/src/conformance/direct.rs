// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a direct read of the old kind (fs/direct-io.c) does to both counters of pins.
//!
//! Since 6.5 it pins its pages once, and takes two pins more on each by folio_add_pin(): one while the page is the one in hand, one
//! for the bio. All three are given back, and the release counts each, while folio_add_pin() does not
//! (mm/gup.c: folio_add_pin(), fs/direct-io.c: submit_page_section(), dio_bio_add_page(); 6.12). So the counters
//! drift apart by two a page although nothing leaks. Before 6.5 it takes plain references.

use crate::page::{Kind, Memory, Misuse, Pfn, VmStat};
use crate::version::Version;

/// Counters after a read into `pages` pages, each of which lies by itself.
pub fn legacy_direct_io(version: Version, pages: u32) -> VmStat {
    let mut memory = Memory::new(version);
    if version.has_folio_add_pin() {
        for _ in 0..pages {
            let pfn = memory.alloc(0, Kind::Anon);
            let _balanced = read_into(&mut memory, pfn);
        }
    }
    memory.stat()
}

/// A pin for the read, one for the page in hand, one for the bio; and all three back.
fn read_into(memory: &mut Memory, pfn: Pfn) -> Result<(), Misuse> {
    if let Some(id) = memory.page_folio(pfn) {
        memory.pin_refs(id, 1);
        memory.folio_add_pin(id);
        memory.folio_add_pin(id);
    }
    (0..3).try_for_each(|_| memory.unpin_user_page(Some(pfn)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_outnumber_acquires_where_pins_are_added_uncounted() {
        let moved = legacy_direct_io(Version::V6_12, 8);
        assert_eq!((moved.acquired, moved.released), (8, 24));
        let moved = legacy_direct_io(Version::V6_1, 8);
        assert_eq!((moved.acquired, moved.released), (0, 0));
    }

    #[test]
    fn a_direct_read_gives_back_as_many_pins_as_it_took() {
        for version in [Version::V6_12, Version::V7_3] {
            let mut memory = Memory::new(version);
            let pfn = memory.alloc(0, Kind::Anon);
            let id = memory.page_folio(pfn).unwrap();
            assert_eq!(read_into(&mut memory, pfn), Ok(()));
            assert_eq!(memory.folio(id).refcount, 1);
            assert_eq!(memory.folio(id).live_pins, 0);
        }
    }

    #[test]
    fn an_added_pin_is_a_pin_for_all_but_the_counter() {
        let mut memory = Memory::new(Version::V7_3);
        for order in [0, 2] {
            let pfn = memory.alloc(order, Kind::Kernel);
            let id = memory.page_folio(pfn).unwrap();
            memory.pin_refs(id, 1);
            let before = memory.stat();
            memory.folio_add_pin(id);
            assert_eq!(memory.stat(), before);
            memory.unpin_user_page(Some(pfn)).unwrap();
            assert!(memory.folio_maybe_dma_pinned(id) && !memory.false_negative(id));
            memory.unpin_user_page(Some(pfn)).unwrap();
            assert_eq!(
                (memory.folio(id).refcount, memory.folio(id).pincount),
                (1, 0)
            );
        }
    }
}
