// SPDX-License-Identifier: MIT OR Apache-2.0
//! Truncate, or a hole punched, of page 0: it cuts the page off, and on fsdax frees the block that the page is.

use crate::model::config::{Mutation, Storage};
use crate::model::policy::Truncate;
use crate::model::state::{Cut, Page, flag};
use crate::model::step::{Actor, Event};

use super::protocol::{Moves, invalidate, revoke};

const ACTOR: Actor = Actor::Truncate;

pub(crate) fn moves(moves: &mut Moves<'_>) {
    let (config, from) = (moves.config, moves.from);
    let page = &from.pages[0];
    let mut to = *from;
    match from.cut {
        Cut::Idle => {
            to.cut = Cut::Wanted;
            moves.may(ACTOR, 0, Event::TruncateBegins, to, 0);
        }
        Cut::Wanted if config.storage == Storage::Dax => {
            to.pages[0].clear(flag::MAPPED | flag::WRITABLE);
            invalidate(config, &mut to, 0, true);
            to.cut = Cut::Emptied;
            moves.weak(ACTOR, 0, Event::TruncateUnmaps, to, 0);
        }
        Cut::Wanted | Cut::Emptied => {
            if config.rules().truncate == Truncate::Revoke && revoke(config, &mut to, 0) {
                return moves.weak(ACTOR, 0, Event::Revokes, to, 0);
            }
            // xfs_break_dax_layouts(): the reference count says whether anyone else is there, by whatever kind of reference.
            if config.storage == Storage::Dax
                && config.rules().truncate != Truncate::Blind
                && page.refs > 0
            {
                to.cut = Cut::Asleep;
                return moves.weak(ACTOR, 0, Event::TruncateSleeps, to, 0);
            }
            if !page.is_locked() {
                to.pages[0].lock(ACTOR);
                to.cut = Cut::Locked;
                moves.strong(ACTOR, 0, Event::TruncateLocks, to, 0);
            }
        }
        Cut::Locked
            if !page.has(flag::WRITEBACK) || config.mutation == Mutation::NoWritebackWait =>
        {
            let io = flag::WRITEBACK | flag::BOUNCED | flag::BOUNCING;
            to.pages[0] = Page {
                flags: flag::TRUNCATED | page.flags & io,
                flight: page.flight,
                refs: page.refs,
                pins: page.pins,
                ..Page::default()
            };
            invalidate(config, &mut to, 0, true);
            to.cut = Cut::Done;
            moves.strong(ACTOR, 0, Event::Detaches, to, 0);
        }
        Cut::Asleep if config.rules().deadline && revoke(config, &mut to, 0) => {
            to.cut = Cut::Emptied;
            moves.weak(ACTOR, 0, Event::Revokes, to, 0);
        }
        Cut::Locked | Cut::Asleep | Cut::Done => {}
    }
}
