// SPDX-License-Identifier: MIT OR Apache-2.0
//! The machine as a whole: the first state, all actors' moves, and what holds for every step.

use crate::model::config::{Config, Mutation, Storage, Waiting};
use crate::model::graph::{Class, Machine, Move};
use crate::model::policy::Writeback;
use crate::model::property::Property;
use crate::model::state::{Cut, Device, Hold, MAX_DEVICES, Page, State, Syncer, flag};
use crate::model::step::{Actor, Event, Step};

use super::{device, reclaim, truncate, user, writeback};

/// The pinned-page protocol under one configuration.
pub(crate) struct Protocol<'a> {
    pub(crate) config: &'a Config,
}

/// Where an actor puts its moves.
pub(crate) struct Moves<'a> {
    pub(crate) config: &'a Config,
    pub(crate) from: &'a State,
    out: &'a mut Vec<Move<State, Step>>,
    /// No CPU is free for tasks that do not already hold one.
    full: bool,
}

impl Moves<'_> {
    /// Adds a step; what breaks for being dirty without a reservation is seen here, for all actors.
    pub(crate) fn add(
        &mut self,
        actor: Actor,
        page: usize,
        event: Event,
        class: Class,
        to: State,
        broken: u16,
    ) {
        if self.full && !event.is_hardware() && event != Event::WaitsForPins {
            return;
        }
        let unreserved =
            |page: &Page| page.has(flag::DIRTY | flag::CACHED) && !page.has(flag::RESERVED);
        let noresv = (0..self.config.pages as usize)
            .any(|p| unreserved(&to.pages[p]) && !unreserved(&self.from.pages[p]));
        let broken = broken | Property::Noresv.where_broken(noresv);
        self.out.push(Move {
            step: Step {
                actor,
                event,
                page: page as u8,
            },
            to,
            class,
            broken,
        });
    }

    /// A step that nobody may count on.
    pub(crate) fn may(&mut self, actor: Actor, page: usize, event: Event, to: State, broken: u16) {
        self.add(actor, page, event, Class::May, to, broken);
    }

    /// Sooner or later, if nothing keeps it from happening.
    pub(crate) fn weak(&mut self, actor: Actor, page: usize, event: Event, to: State, broken: u16) {
        self.add(actor, page, event, weak(actor), to, broken);
    }

    /// Sooner or later, if it is possible again and again.
    pub(crate) fn strong(
        &mut self,
        actor: Actor,
        page: usize,
        event: Event,
        to: State,
        broken: u16,
    ) {
        self.add(actor, page, event, strong(actor), to, broken);
    }
}

/// Sooner or later, if nothing keeps it from happening.
pub(crate) fn weak(actor: Actor) -> Class {
    Class::Weak(actor.code())
}

/// Sooner or later, if it is possible again and again: waiting in the queue of a lock.
pub(crate) fn strong(actor: Actor) -> Class {
    Class::Strong(actor.code())
}

impl Machine for Protocol<'_> {
    type State = State;
    type Step = Step;

    fn initial(&self) -> State {
        let config = self.config;
        let mut state = State {
            pages: Default::default(),
            devices: Default::default(),
            fsyncs: Default::default(),
            flusher: Syncer::default(),
            shrink: Default::default(),
            shrink_at: 0,
            cut: Default::default(),
            stores: config.user_writes,
            throttled: false,
        };
        for page in &mut state.pages[..config.pages as usize] {
            page.set(flag::CACHED);
        }
        for device in &mut state.devices[..config.devices as usize] {
            *device = Device {
                left: config.dma_writes,
                ..Device::default()
            };
        }
        for reader in &mut state.devices[..config.readers as usize] {
            reader.left = 0;
        }
        for fsync in &mut state.fsyncs[..config.fsyncs as usize] {
            fsync.left = config.fsync_calls;
        }
        state
    }

    fn moves(&self, from: &State, out: &mut Vec<Move<State, Step>>) {
        let config = self.config;
        let full = config.waiting == Waiting::Spin && waiters(config, from) >= config.cpus;
        let mut moves = Moves {
            config,
            from,
            out,
            full,
        };
        user::moves(&mut moves);
        for d in 0..config.devices as usize {
            device::moves(&mut moves, d);
        }
        writeback::moves(&mut moves);
        if config.reclaim {
            reclaim::moves(&mut moves);
        }
        if config.truncate {
            truncate::moves(&mut moves);
        }
    }
}

/// folio_maybe_dma_pinned(), its false positives included.
pub(crate) fn looks_pinned(config: &Config, page: &Page) -> bool {
    page.is_pinned() || config.mutation == Mutation::FalsePositive
}

/// How many tasks stand in the wait for pins.
pub(crate) fn waiters(config: &Config, state: &State) -> u8 {
    let waits = |syncer: &Syncer| {
        let page = &state.pages[syncer.at as usize % state.pages.len()];
        config.rules().writeback == Writeback::Wait
            && syncer.pass == writeback::waiting_pass(config)
            && looks_pinned(config, page)
    };
    u8::from(waits(&state.flusher)) + state.fsyncs.iter().filter(|fsync| waits(fsync)).count() as u8
}

/// Can a fault take page `p` in hand now? It locks the page, and for writing waits until writeback is over.
pub(crate) fn can_fault(config: &Config, state: &State, p: usize, write: bool) -> bool {
    let page = &state.pages[p];
    let stable = !write || !page.has(flag::WRITEBACK) || config.mutation == Mutation::NoStableFault;
    // On fsdax truncate shuts faults out (the filesystem's invalidate lock) from the unmapping on.
    let shut =
        config.storage == Storage::Dax && p == 0 && matches!(state.cut, Cut::Emptied | Cut::Asleep);
    !page.has(flag::TRUNCATED) && !page.is_locked() && stable && !shut
}

/// A read fault: filemap_fault().
pub(crate) fn read_fault(page: &mut Page) {
    if !page.has(flag::CACHED) {
        page.set(flag::CACHED);
        page.ram = page.disk;
    }
    page.set(flag::MAPPED);
}

/// A write fault: do_shared_fault() or do_wp_page() with ->page_mkwrite().
pub(crate) fn write_fault(page: &mut Page) {
    read_fault(page);
    page.set(flag::WRITABLE | flag::DIRTY | flag::TAGGED | flag::BUFFERS | flag::RESERVED);
}

/// The notifier's part of page_mkclean(), which takes write permission away, and of unmapping: devices that follow it lose their
/// mapping, those that only read keep it through the former.
pub(crate) fn invalidate(config: &Config, state: &mut State, page: usize, unmaps: bool) {
    if config.mutation == Mutation::NoInvalidate {
        return;
    }
    for d in (0..MAX_DEVICES).filter(|d| d % config.pages as usize == page) {
        state.devices[d].mapped &= !unmaps && d < config.readers as usize;
    }
}

/// Takes the pins of page `p` away from every device: the devices are stopped, what they wrote is marked dirty, and they stay stopped.
pub(crate) fn revoke(config: &Config, state: &mut State, p: usize) -> bool {
    let mut any = false;
    for d in (0..config.devices as usize).filter(|d| d % config.pages as usize == p) {
        let device = &mut state.devices[d];
        let holds = !matches!(
            device.hold,
            Hold::Idle | Hold::PutEarly | Hold::Loose | Hold::Stopped
        );
        if holds && config.takes_pin(d) {
            let dirties = device.writes && state.pages[p].has(flag::CACHED);
            *device = Device {
                hold: Hold::Stopped,
                ..Device::default()
            };
            state.pages[p].pins -= 1;
            state.pages[p].refs -= 1;
            if dirties {
                state.pages[p].set(flag::DIRTY | flag::TAGGED);
            }
            any = true;
        }
    }
    any
}
