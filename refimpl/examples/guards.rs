// SPDX-License-Identifier: MIT OR Apache-2.0
//! A driver in Rust whose pins are values: a buffer that a device writes, a range of it, and the folios of a memfd.
//!
//!     cargo run -p refimpl --example guards

use refimpl::guard::{Error, Leaks, memfd_pin_folios, pin_user_pages};
use refimpl::gup::{Flags, Path};
use refimpl::mapping::{Area, Mm, PageIndex, Vma};
use refimpl::page::Memory;
use refimpl::version::Version;

const BUFFER: PageIndex = PageIndex(16);

fn main() -> Result<(), Error> {
    let mut memory = Memory::new(Version::V6_12);
    let mut mm = Mm::default();
    mm.mmap(Vma {
        start: BUFFER,
        pages: 8,
        area: Area::Anon,
        writable: true,
        order: 2,
    });
    let leaks = Leaks::default();
    let write = Flags {
        write: true,
        ..Flags::default()
    };

    // A device has written all of it: dirty, then given back, page by page or as a range.
    let pins = pin_user_pages(&mut memory, &mut mm, BUFFER, 8, write, Path::Fast, &leaks)?;
    match pins.into_range() {
        Ok(range) => range.unpin(&mut memory, true)?,
        Err(pins) => pins.unpin_dirty_lock(&mut memory)?,
    }

    // The folios of a memfd, one pin each.
    let folios = memfd_pin_folios(&mut memory, &mut mm, 0, 0..=3, 8, &leaks)?;
    println!("{} folios of the memfd", folios.folios().len());
    folios.unpin(&mut memory)?;

    // What does not fit is one error for all of them.
    let beyond = PageIndex(BUFFER.0 + 8);
    let nothing = pin_user_pages(&mut memory, &mut mm, beyond, 1, write, Path::Fast, &leaks);
    if let Err(error) = nothing {
        println!("failed to {error}");
    }
    println!("{} pages leaked", leaks.count());
    Ok(())
}
