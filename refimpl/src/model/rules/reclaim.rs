// SPDX-License-Identifier: MIT OR Apache-2.0
//! Reclaim: shrink_page_list() on a clean page, from the lock to __remove_mapping().

use crate::model::config::{Config, Mutation};
use crate::model::property::Property;
use crate::model::state::{Page, Shrink, State, flag};
use crate::model::step::{Actor, Event};

use super::protocol::{Moves, invalidate, looks_pinned};

const ACTOR: Actor = Actor::Reclaim;

pub(crate) fn moves(moves: &mut Moves<'_>) {
    let (config, from) = (moves.config, moves.from);
    let p = from.shrink_at as usize;
    let page = &from.pages[p];
    let mut to = *from;
    let early = config.mutation == Mutation::CheckBeforeMkclean;
    let mut go = |event, shrink, change: &dyn Fn(&mut State)| {
        to.shrink = shrink;
        change(&mut to);
        moves.weak(ACTOR, p, event, to, 0);
    };
    let unlock = |to: &mut State| {
        to.pages[p].unlock();
        to.shrink_at = 0;
    };
    match from.shrink {
        Shrink::Idle => begin(moves),
        Shrink::Locked if early && leaves_alone(config, page) => {
            go(Event::ReclaimSkips, Shrink::Idle, &unlock)
        }
        Shrink::Locked if early => go(Event::ReclaimGoesOn, Shrink::Checked, &|_| {}),
        Shrink::Locked | Shrink::Checked => {
            let next = if early {
                Shrink::Cleared
            } else {
                Shrink::Unmapped
            };
            go(Event::ReclaimUnmaps, next, &|to| {
                to.pages[p].clear(flag::MAPPED | flag::WRITABLE);
                invalidate(config, to, p, true);
            });
        }
        Shrink::Unmapped if leaves_alone(config, page) => {
            go(Event::ReclaimSkips, Shrink::Idle, &unlock)
        }
        Shrink::Unmapped => go(Event::ReclaimGoesOn, Shrink::Cleared, &|_| {}),
        Shrink::Cleared if page.has(flag::DIRTY) => go(Event::ReclaimSkips, Shrink::Idle, &unlock),
        Shrink::Cleared => go(Event::StripsBuffers, Shrink::Stripped, &|to| {
            to.pages[p].clear(flag::BUFFERS)
        }),
        Shrink::Stripped => remove_mapping(moves, p),
    }
}

fn begin(moves: &mut Moves<'_>) {
    for p in 0..moves.config.pages as usize {
        let page = &moves.from.pages[p];
        if page.has(flag::CACHED)
            && !page.has_any(flag::DIRTY | flag::WRITEBACK)
            && !page.is_locked()
        {
            let mut to = *moves.from;
            to.pages[p].lock(ACTOR);
            to.shrink = Shrink::Locked;
            to.shrink_at = p as u8;
            moves.may(ACTOR, p, Event::ReclaimLocks, to, 0);
        }
    }
}

/// Does the policy keep reclaim away from this page?
fn leaves_alone(config: &Config, page: &Page) -> bool {
    match config.rules().granted_references {
        Some(granted) => i32::from(page.refs) > i32::from(granted),
        None => config.rules().counts_pins && looks_pinned(config, page),
    }
}

/// __remove_mapping(): the reference count is frozen at what the cache explains, else the page stays.
fn remove_mapping(moves: &mut Moves<'_>, p: usize) {
    let mut to = *moves.from;
    let page = &mut to.pages[p];
    let fails = page.refs != 0 || page.has_any(flag::MAPPED | flag::DIRTY);
    let mut broken = 0;
    if !fails {
        if page.ram > page.disk {
            broken = Property::LostDma.bit();
        }
        page.clear(flag::CACHED | flag::RESERVED | flag::BUFFERS | flag::DIRTY | flag::TAGGED);
        page.ram = page.disk;
    }
    page.unlock();
    to.shrink = Shrink::Idle;
    to.shrink_at = 0;
    let event = match fails {
        true => Event::DropFails,
        false => Event::Drops,
    };
    moves.weak(ACTOR, p, event, to, broken);
}
