// SPDX-License-Identifier: MIT OR Apache-2.0
//! The program: stores to the last page through its mapping, and sleeps when too many pages are dirty.

use crate::model::state::flag;
use crate::model::step::{Actor, Event};

use super::protocol::{Moves, can_fault, write_fault};

pub(crate) fn moves(moves: &mut Moves<'_>) {
    let (config, from) = (moves.config, moves.from);
    let p = config.pages as usize - 1;
    let page = &from.pages[p];
    let dirty = from
        .pages
        .iter()
        .filter(|page| page.has(flag::DIRTY))
        .count() as u8;
    if from.throttled {
        if dirty < config.dirty_limit {
            let mut to = *from;
            to.throttled = false;
            moves.strong(Actor::User, p, Event::Unthrottle, to, 0);
        }
        return;
    }
    if from.stores == 0 {
        return;
    }
    let mut to = *from;
    if page.has(flag::WRITABLE) {
        to.pages[p].write();
        to.pages[p].known = to.pages[p].ram;
        to.stores -= 1;
        if config.dirty_limit > 0 && dirty >= config.dirty_limit {
            to.throttled = true;
            moves.may(Actor::User, p, Event::Throttle, to, 0);
        } else {
            moves.may(Actor::User, p, Event::Store, to, 0);
        }
    } else if can_fault(config, from, p, true) {
        write_fault(&mut to.pages[p]);
        moves.may(Actor::User, p, Event::WriteFault, to, 0);
    }
}
