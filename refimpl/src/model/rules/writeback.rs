// SPDX-License-Identifier: MIT OR Apache-2.0
//! Writing pages back: the flusher and fsync take the same way through a page, the disk completes what they start.

use crate::model::config::{Config, Fairness, Mutation, WaitAt, Waiting};
use crate::model::graph::Class;
use crate::model::policy::Writeback;
use crate::model::property::Property;
use crate::model::state::{Pass, State, Syncer, flag};
use crate::model::step::{Actor, Event};

use super::protocol::{Moves, invalidate, looks_pinned, revoke, strong, weak};

/// Fairness codes of the flusher's choice of a page, past those of the actors.
const FLUSH: u8 = 26;

pub(crate) fn moves(moves: &mut Moves<'_>) {
    let (config, from) = (moves.config, moves.from);
    for p in 0..config.pages as usize {
        disk(moves, p);
    }
    if config.flusher {
        match from.flusher.pass {
            Pass::Idle => {
                for p in 0..config.pages as usize {
                    let page = &from.pages[p];
                    if page.has(flag::DIRTY | flag::CACHED)
                        && !page.has(flag::WRITEBACK)
                        && !page.is_locked()
                    {
                        // A promise for each page: a page that is dirty again and again is written in the end.
                        begin_page(moves, Actor::Flusher, p, Class::Strong(FLUSH + p as u8));
                    }
                }
            }
            _ => write_page(moves, Actor::Flusher),
        }
    }
    for i in 0..config.fsyncs as usize {
        fsync(moves, i);
    }
}

/// The pass a task is in while it waits for pins.
pub(crate) fn waiting_pass(config: &Config) -> Pass {
    match config.wait_at {
        WaitAt::AfterProtect if config.mutation != Mutation::CheckBeforeMkclean => Pass::Protected,
        _ => Pass::Locked,
    }
}

fn syncer(state: &mut State, actor: Actor) -> &mut Syncer {
    match actor {
        Actor::Fsync(i) => &mut state.fsyncs[i as usize],
        _ => &mut state.flusher,
    }
}

/// lock_page() on a page that was found dirty.
fn begin_page(moves: &mut Moves<'_>, actor: Actor, p: usize, class: Class) {
    let mut to = *moves.from;
    to.pages[p].lock(actor);
    let task = syncer(&mut to, actor);
    task.pass = Pass::Locked;
    task.at = p as u8;
    moves.add(actor, p, Event::LocksDirtyPage, class, to, 0);
}

/// Unlocks page `p` and goes on with the next.
fn finish_page(config: &Config, to: &mut State, actor: Actor, p: usize) {
    to.pages[p].unlock();
    match actor {
        Actor::Fsync(i) => advance(config, to, i as usize, p),
        _ => to.flusher = Syncer::default(),
    }
}

/// Fsync task `i` is through with page `p`: the next of its pages, or, after the last, the wait for the I/O of them all.
fn advance(config: &Config, to: &mut State, i: usize, p: usize) {
    let task = &mut to.fsyncs[i];
    let mine = |at: &u8| config.flushes(i, *at as usize);
    match (p as u8 + 1..config.pages).find(mine) {
        Some(next) => (task.pass, task.at) = (Pass::Scan, next),
        None => (task.pass, task.at) = (Pass::WaitIo, (0..config.pages).find(mine).unwrap_or(0)),
    }
}

/// fsync(): write every dirty page, wait for the I/O, return; nothing that was complete at the start may be missing at the end.
fn fsync(moves: &mut Moves<'_>, i: usize) {
    let (config, from) = (moves.config, moves.from);
    let actor = Actor::Fsync(i as u8);
    let task = &from.fsyncs[i];
    let mut to = *from;
    let mine = |at: &u8| config.flushes(i, *at as usize);
    match task.pass {
        Pass::Idle if task.left > 0 => {
            let next = &mut to.fsyncs[i];
            next.left -= 1;
            next.pass = Pass::Scan;
            next.at = (0..config.pages).find(mine).unwrap_or(0);
            for p in (0..config.pages as usize).filter(|&p| config.flushes(i, p)) {
                next.promise[p] = from.pages[p].known;
            }
            moves.may(actor, next.at as usize, Event::FsyncBegins, to, 0);
        }
        Pass::Idle => {}
        Pass::Scan => {
            let page = &from.pages[task.at as usize];
            let by_tag = config.mutation != Mutation::NoDirtyTag && page.has(flag::TAGGED);
            if !page.has(flag::CACHED) || !page.has(flag::DIRTY) && !by_tag {
                advance(config, &mut to, i, task.at as usize);
                moves.weak(actor, task.at as usize, Event::FindsClean, to, 0);
            } else if !page.is_locked() {
                begin_page(moves, actor, task.at as usize, strong(actor));
            }
        }
        Pass::WaitIo if from.pages[task.at as usize].has(flag::WRITEBACK) => {}
        Pass::WaitIo => {
            let wait = io_wait(config, actor);
            if let Some(next) = (task.at + 1..config.pages).find(mine) {
                to.fsyncs[i].at = next;
                return moves.add(actor, task.at as usize, Event::IoSeen, wait, to, 0);
            }
            let late = |p: usize| {
                !from.pages[p].has(flag::TRUNCATED) && from.pages[p].disk < task.promise[p]
            };
            let lies = (0..config.pages as usize).any(late);
            to.fsyncs[i] = Syncer {
                left: task.left,
                ..Syncer::default()
            };
            let (p, broken) = (task.at as usize, Property::FsyncLies.where_broken(lies));
            moves.add(actor, p, Event::FsyncReturns, wait, to, broken);
        }
        _ => write_page(moves, actor),
    }
}

/// Who may count on the step that ends a wait for I/O: the page may be under I/O again before the task has looked.
fn io_wait(config: &Config, actor: Actor) -> Class {
    match config.io_wait {
        Fairness::Strong => strong(actor),
        Fairness::Weak => weak(actor),
    }
}

/// One page from lock to I/O: page_mkclean(), clear_page_dirty_for_io(), ->writepage().
fn write_page(moves: &mut Moves<'_>, actor: Actor) {
    let (config, from) = (moves.config, moves.from);
    let mut to = *from;
    let task = *syncer(&mut to, actor);
    let p = task.at as usize;
    let page = &from.pages[p];
    let waits = config.rules().writeback == Writeback::Wait && looks_pinned(config, page);
    match task.pass {
        Pass::Locked if !page.has(flag::DIRTY | flag::CACHED) => {
            finish_page(moves.config, &mut to, actor, p);
            moves.weak(actor, p, Event::NothingToWrite, to, 0);
        }
        Pass::Locked if page.has(flag::WRITEBACK) => {}
        Pass::Locked if waiting_pass(config) == Pass::Locked && waits => {
            wait_for_pins(moves, actor, p)
        }
        Pass::Locked if config.mutation == Mutation::CheckBeforeMkclean => {
            syncer(&mut to, actor).pass = Pass::Checked;
            moves.weak(actor, p, Event::LooksForPins, to, 0);
        }
        Pass::Locked | Pass::Checked => {
            to.pages[p].clear(flag::WRITABLE);
            invalidate(config, &mut to, p, false);
            syncer(&mut to, actor).pass = Pass::Protected;
            let class = after_wait(config, actor, Pass::Locked);
            moves.add(actor, p, Event::Mkclean, class, to, 0);
        }
        Pass::Protected => match config.rules().writeback {
            Writeback::Wait if waits && waiting_pass(config) == Pass::Protected => {
                wait_for_pins(moves, actor, p)
            }
            Writeback::Revoke if revoke(config, &mut to, p) => {
                moves.weak(actor, p, Event::Revokes, to, 0)
            }
            Writeback::Bounce if looks_pinned(config, page) => copy_page(moves, actor, p),
            _ => {
                to.pages[p].clear(flag::DIRTY);
                syncer(&mut to, actor).pass = Pass::Cleared;
                let class = after_wait(config, actor, Pass::Protected);
                moves.add(actor, p, Event::ClearsDirty, class, to, 0);
            }
        },
        Pass::Cleared | Pass::Copied => writepage(moves, actor, p, task.pass),
        Pass::Idle | Pass::Scan | Pass::WaitIo => {}
    }
}

/// Who may count on the step that ends a wait for pins, where the wait stands at `pass`.
fn after_wait(config: &Config, actor: Actor, pass: Pass) -> Class {
    let waits = config.rules().writeback == Writeback::Wait && waiting_pass(config) == pass;
    if waits && config.fairness == Fairness::Strong {
        strong(actor)
    } else {
        weak(actor)
    }
}

/// The wait of the July 2018 posting. Asleep there is no step to take; awake the task looks again and again.
fn wait_for_pins(moves: &mut Moves<'_>, actor: Actor, p: usize) {
    let mut to = *moves.from;
    if moves.config.rules().deadline && revoke(moves.config, &mut to, p) {
        moves.weak(actor, p, Event::Revokes, to, 0);
    }
    if moves.config.waiting != Waiting::Queue {
        moves.weak(actor, p, Event::WaitsForPins, *moves.from, 0);
    }
}

fn copy_page(moves: &mut Moves<'_>, actor: Actor, p: usize) {
    let mut to = *moves.from;
    syncer(&mut to, actor).pass = Pass::Copied;
    let event = if moves.config.rules().copy_cleans {
        to.pages[p].clear(flag::DIRTY);
        Event::CopiesClearDirty
    } else {
        Event::CopiesKeepDirty
    };
    moves.weak(actor, p, event, to, 0);
}

/// ->writepage(): the reservation is spent, the bytes are taken (or copied), the page is unlocked.
fn writepage(moves: &mut Moves<'_>, actor: Actor, p: usize, pass: Pass) {
    let rules = moves.config.rules();
    let mut to = *moves.from;
    let page = &mut to.pages[p];
    if !page.has(flag::BUFFERS) {
        // Since 5.18 ext4 warns and goes on; the dirty bit is gone and nothing is written.
        page.clear(flag::DIRTY | flag::TAGGED | flag::RESERVED);
        finish_page(moves.config, &mut to, actor, p);
        let broken = Property::Nobuf.bit();
        return moves.weak(actor, p, Event::WritepageNoBuffers, to, broken);
    }
    page.set(flag::WRITEBACK);
    page.flight = page.ram;
    if !page.has(flag::DIRTY) {
        page.clear(flag::TAGGED);
    }
    let reserves_again = pass == Pass::Copied && rules.copy_reserves;
    if !reserves_again {
        page.clear(flag::RESERVED);
    }
    if pass == Pass::Copied {
        page.set(if rules.copy_late {
            flag::BOUNCING
        } else {
            flag::BOUNCED
        });
    }
    finish_page(moves.config, &mut to, actor, p);
    moves.weak(actor, p, Event::WritepageStarts, to, 0);
    if reserves_again && moves.config.reserve_fails {
        to.pages[p].clear(flag::RESERVED);
        moves.may(actor, p, Event::NothingReserved, to, 0);
    }
}

/// The disk, and before it the block layer where that is what copies.
fn disk(moves: &mut Moves<'_>, p: usize) {
    let page = &moves.from.pages[p];
    let actor = Actor::Disk(p as u8);
    let mut to = *moves.from;
    if page.has(flag::BOUNCING) && !page.has(flag::BOUNCED) {
        to.pages[p].set(flag::BOUNCED);
        let broken = Property::Torn.where_broken(page.ram != page.flight);
        moves.weak(actor, p, Event::BlockCopies, to, broken);
    } else if page.has(flag::WRITEBACK) {
        let page = &mut to.pages[p];
        page.disk = page.flight;
        page.flight = 0;
        page.clear(flag::WRITEBACK | flag::BOUNCED | flag::BOUNCING);
        let freed = Property::FreedIo.where_broken(page.has(flag::TRUNCATED));
        moves.weak(actor, p, Event::IoEnds, to, freed);
    }
}
