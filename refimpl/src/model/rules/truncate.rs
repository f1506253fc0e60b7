// SPDX-License-Identifier: MIT OR Apache-2.0
//! Truncate, or a hole punched, of page 0: it cuts the page off, and on fsdax frees the block that the page is.

use crate::model::config::Storage;
use crate::model::graph::Class;
use crate::model::state::{Cut, Page, flag};
use crate::model::step::{Actor, Event};

use super::protocol::{Moves, invalidate, revoke, strong, weak};

const ACTOR: Actor = Actor::Truncate;

pub(crate) fn moves(moves: &mut Moves<'_>) {
    let (config, from) = (moves.config, moves.from);
    let page = &from.pages[0];
    let mut to = *from;
    match from.cut {
        Cut::Idle => {
            to.cut = Cut::Wanted;
            moves.add(ACTOR, 0, Event::TruncateBegins, Class::May, to, 0);
        }
        Cut::Wanted if config.storage == Storage::Dax => {
            to.pages[0].clear(flag::MAPPED | flag::WRITABLE);
            invalidate(config, &mut to, 0);
            to.cut = Cut::Emptied;
            moves.add(ACTOR, 0, Event::TruncateUnmaps, weak(ACTOR), to, 0);
        }
        Cut::Wanted | Cut::Emptied => {
            if config.policy.truncate_revokes() && revoke(config, &mut to, 0) {
                return moves.add(ACTOR, 0, Event::Revokes, weak(ACTOR), to, 0);
            }
            // xfs_break_dax_layouts(): the reference count says whether anyone else is there, by whatever kind of reference.
            if config.storage == Storage::Dax && config.policy.truncate_waits() && page.refs > 0 {
                to.cut = Cut::Asleep;
                return moves.add(ACTOR, 0, Event::TruncateSleeps, weak(ACTOR), to, 0);
            }
            if !page.is_locked() {
                to.pages[0].lock(ACTOR);
                to.cut = Cut::Locked;
                moves.add(ACTOR, 0, Event::TruncateLocks, strong(ACTOR), to, 0);
            }
        }
        Cut::Locked if !page.has(flag::WRITEBACK) => {
            to.pages[0] = Page {
                flags: flag::TRUNCATED,
                refs: page.refs,
                pins: page.pins,
                ..Page::default()
            };
            invalidate(config, &mut to, 0);
            to.cut = Cut::Done;
            moves.add(ACTOR, 0, Event::Detaches, strong(ACTOR), to, 0);
        }
        Cut::Locked | Cut::Asleep | Cut::Done => {}
    }
}
