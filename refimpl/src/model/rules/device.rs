// SPDX-License-Identifier: MIT OR Apache-2.0
//! A device and its driver: acquire, DMA, an explicit "done", mark dirty, release, in the order the callsite has them.

use crate::model::config::{Mutation, Storage};
use crate::model::driver::Callsites;
use crate::model::property::Property;
use crate::model::state::{Cut, Device, Hold, State, flag};
use crate::model::step::{Actor, Event};

use super::protocol::{Moves, can_fault, read_fault, write_fault};

pub(crate) fn moves(moves: &mut Moves<'_>, d: usize) {
    let from = moves.from;
    let p = d % moves.config.pages as usize;
    if moves.config.follows_notifier(d) {
        return follow_notifier(moves, d, p);
    }
    match from.devices[d].hold {
        Hold::Idle => acquire(moves, d, p),
        Hold::Armed => armed(moves, d, p),
        Hold::EarlyDirty => {
            dma_write(moves, d, p, Hold::EarlyDirty);
            put(moves, d, p, Hold::Loose);
        }
        Hold::Loose => {
            dma_write(moves, d, p, Hold::Loose);
            let mut to = *from;
            to.devices[d] = idle(&from.devices[d]);
            moves.weak(actor(d), p, Event::DmaDone, to, 0);
        }
        Hold::Done => release(moves, d, p),
        Hold::WantLock => dirty_locked(moves, d, p),
        Hold::Dirtied => put(moves, d, p, Hold::Idle),
        Hold::PutEarly => dirty_too_late(moves, d, p),
        Hold::Kept | Hold::Stopped => {}
    }
}

fn actor(d: usize) -> Actor {
    Actor::Device(d as u8)
}

/// The device at rest. A hold in which it did not write counts as one of its tries, so that it does not pin for nothing forever.
fn idle(device: &Device) -> Device {
    let wasted = device.writes && device.last == 0;
    Device {
        left: device.left.saturating_sub(u8::from(wasted)),
        ..Device::default()
    }
}

/// get_user_pages() or pin_user_pages(): a writable pin needs a writable entry, else a fault comes first.
fn acquire(moves: &mut Moves<'_>, d: usize, p: usize) {
    let (config, from) = (moves.config, moves.from);
    let page = &from.pages[p];
    if config.refuses(d) || page.has(flag::TRUNCATED) {
        return;
    }
    let grab = |writes: bool| {
        let mut to = *from;
        to.devices[d] = Device {
            hold: Hold::Armed,
            writes,
            ..idle(&from.devices[d])
        };
        to.pages[p].refs += 1;
        to.pages[p].pins += i8::from(config.takes_pin(d));
        to
    };
    let plain = !config.takes_pin(d);
    if from.devices[d].left > 0 {
        if page.has(flag::WRITABLE) {
            let fast_read = false;
            let event = Event::Pin { plain, fast_read };
            moves.may(actor(d), p, event, grab(true), 0);
        } else if can_fault(config, from, p, true) {
            let mut to = *from;
            write_fault(&mut to.pages[p]);
            moves.may(actor(d), p, Event::WriteFault, to, 0);
        }
    }
    if config.habits().pins_on {
        if page.has(flag::MAPPED) {
            let fast_read = true;
            let event = Event::Pin { plain, fast_read };
            moves.may(actor(d), p, event, grab(false), 0);
        } else if can_fault(config, from, p, false) {
            let mut to = *from;
            read_fault(&mut to.pages[p]);
            moves.may(actor(d), p, Event::ReadFault, to, 0);
        }
    }
}

/// Changes the bytes, and says what that breaks.
fn scribble(moves: &Moves<'_>, d: usize, p: usize, to: &mut State) -> u16 {
    let config = moves.config;
    let page = &mut to.pages[p];
    let device = &mut to.devices[d];
    device.left -= 1;
    if page.has(flag::TRUNCATED) {
        // An orphan of the page cache belongs to nobody else yet while it is referenced; a freed block does.
        let freed = config.storage == Storage::Dax || page.refs == 0;
        return Property::Uaf.where_broken(freed);
    }
    if !page.has(flag::CACHED) {
        return Property::Uaf.bit();
    }
    page.write();
    device.last = page.ram;
    if config.habits().longterm {
        page.known = page.ram;
    }
    if config.storage == Storage::Dax {
        page.disk = page.ram;
    }
    let streams = page.has(flag::WRITEBACK) && !page.has_any(flag::BOUNCED | flag::BOUNCING);
    Property::Torn.where_broken(streams)
}

fn dma_write(moves: &mut Moves<'_>, d: usize, p: usize, hold: Hold) {
    let mut to = *moves.from;
    if to.devices[d].left == 0 || !to.devices[d].writes {
        return;
    }
    to.devices[d].hold = hold;
    let broken = scribble(moves, d, p, &mut to);
    moves.may(actor(d), p, Event::DmaWrite, to, broken);
}

fn armed(moves: &mut Moves<'_>, d: usize, p: usize) {
    let (config, from) = (moves.config, moves.from);
    if config.mistake(d) == Callsites::BeforeDeviceDone
        && config.habits().releases
        && from.devices[d].writes
    {
        dma_write(moves, d, p, Hold::Armed);
        let mut to = *from;
        if from.pages[p].has(flag::DIRTY) || !from.pages[p].is_locked() {
            set_page_dirty(&mut to, p);
            to.devices[d].hold = Hold::EarlyDirty;
            moves.weak(actor(d), p, Event::DirtyTooEarly, to, 0);
        }
        return;
    }
    let (releases, mut to) = (config.habits().releases, *from);
    to.devices[d].hold = if releases { Hold::Done } else { Hold::Kept };
    if config.habits().writes_often {
        dma_write(moves, d, p, Hold::Armed);
        if releases {
            moves.weak(actor(d), p, Event::DmaDone, to, 0);
        }
    } else if from.devices[d].writes && from.devices[d].left > 0 {
        let broken = scribble(moves, d, p, &mut to);
        moves.weak(actor(d), p, Event::DmaWrite, to, broken);
    } else {
        moves.weak(actor(d), p, Event::DmaDone, to, 0);
    }
}

/// set_page_dirty(): without a mapping (cut off by truncate, or dropped) there is nothing to do.
fn set_page_dirty(to: &mut State, p: usize) {
    if to.pages[p].has(flag::CACHED) {
        to.pages[p].set(flag::DIRTY | flag::TAGGED);
    }
}

/// The first step of a release: unpin_user_pages_dirty_lock() and the orders callers get wrong.
fn release(moves: &mut Moves<'_>, d: usize, p: usize) {
    let (config, from) = (moves.config, moves.from);
    let page = &from.pages[p];
    if !from.devices[d].writes {
        return put(moves, d, p, Hold::Idle);
    }
    let mut to = *from;
    match config.mistake(d) {
        Callsites::NoDirty => put(moves, d, p, Hold::Idle),
        Callsites::PutBeforeDirty => put(moves, d, p, Hold::PutEarly),
        _ if config.rules().locks_always => {
            to.devices[d].hold = Hold::WantLock;
            moves.weak(actor(d), p, Event::SkipsCheck, to, 0);
        }
        _ if page.has(flag::DIRTY) => {
            to.devices[d].hold = Hold::Dirtied;
            moves.weak(actor(d), p, Event::SawDirty, to, 0);
        }
        _ => {
            to.devices[d].hold = Hold::WantLock;
            moves.weak(actor(d), p, Event::SawClean, to, 0);
        }
    }
}

/// set_page_dirty_lock(): the lock is held for nothing but this, so taking, marking and dropping it are one step. The call alone is
/// wrong where nothing may sleep, whether the lock is free or not (might_sleep() in folio_lock()).
fn dirty_locked(moves: &mut Moves<'_>, d: usize, p: usize) {
    let (config, from) = (moves.config, moves.from);
    let mut to = *from;
    let broken = Property::SleepAtomic.where_broken(config.habits().atomic);
    if from.pages[p].is_locked() {
        if broken != 0 {
            moves.may(actor(d), p, Event::SleepsOnLock, to, broken);
        }
        return;
    }
    set_page_dirty(&mut to, p);
    to.devices[d].hold = Hold::Dirtied;
    moves.strong(actor(d), p, Event::DirtyLocked, to, broken);
}

/// set_page_dirty() on a page that is no longer held: nobody says that it still is the same page.
fn dirty_too_late(moves: &mut Moves<'_>, d: usize, p: usize) {
    let mut to = *moves.from;
    let freed = !to.pages[p].has(flag::CACHED);
    set_page_dirty(&mut to, p);
    to.devices[d] = idle(&to.devices[d]);
    let broken = Property::Uaf.where_broken(freed);
    moves.weak(actor(d), p, Event::DirtyTooLate, to, broken);
}

/// unpin_user_page() or put_page(); the last one wakes whoever waits for it.
fn put(moves: &mut Moves<'_>, d: usize, p: usize, hold: Hold) {
    let (config, from) = (moves.config, moves.from);
    let mut to = *from;
    let unpins = config.takes_pin(d)
        || config.mistake(d) == Callsites::UnpinOnGet && config.rules().counts_pins;
    let page = &mut to.pages[p];
    page.refs -= 1;
    // A caller that unpins what it never pinned, again and again, keeps the count below zero; one below says as much as a hundred.
    page.pins = (page.pins - i8::from(unpins)).max(-1);
    if !page.has(flag::TRUNCATED) {
        page.known = page.known.max(from.devices[d].last);
    }
    let wakes = p == 0
        && page.refs == 0
        && from.cut == Cut::Asleep
        && config.mutation != Mutation::MissingWakeup;
    if wakes {
        to.cut = Cut::Emptied;
    }
    to.devices[d] = match hold {
        Hold::Idle => idle(&from.devices[d]),
        _ => Device {
            hold,
            ..from.devices[d]
        },
    };
    let event = match wakes {
        true => Event::Woken,
        false => Event::Put { pin: unpins },
    };
    moves.weak(actor(d), p, event, to, 0);
}

/// A device under an mmu notifier (hmm_range_fault(), ODP): its mapping is one more writable entry, and goes when the others go.
fn follow_notifier(moves: &mut Moves<'_>, d: usize, p: usize) {
    let (config, from) = (moves.config, moves.from);
    let (page, device) = (&from.pages[p], &from.devices[d]);
    let mut to = *from;
    if d < config.readers as usize {
        // Its mapping is one more read-only entry.
        if device.mapped {
            let gone = !page.has(flag::CACHED) || page.has(flag::TRUNCATED);
            let broken = Property::Uaf.where_broken(gone);
            moves.may(actor(d), p, Event::DmaRead, to, broken);
        } else if page.has(flag::MAPPED) {
            to.devices[d].mapped = true;
            moves.may(actor(d), p, Event::NotifierMap, to, 0);
        } else if can_fault(config, from, p, false) {
            read_fault(&mut to.pages[p]);
            moves.may(actor(d), p, Event::ReadFault, to, 0);
        }
    } else if device.mapped && device.left > 0 {
        let broken = scribble(moves, d, p, &mut to);
        moves.may(actor(d), p, Event::DmaWrite, to, broken);
    } else if device.mapped {
        to.devices[d] = Device::default();
        moves.may(actor(d), p, Event::NotifierUnmap, to, 0);
    } else if device.left > 0 && page.has(flag::WRITABLE) {
        to.devices[d].mapped = true;
        moves.may(actor(d), p, Event::NotifierMap, to, 0);
    } else if device.left > 0 && can_fault(config, from, p, true) {
        write_fault(&mut to.pages[p]);
        moves.may(actor(d), p, Event::WriteFault, to, 0);
    }
}
