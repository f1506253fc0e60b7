// SPDX-License-Identifier: MIT OR Apache-2.0
//! Single steps of the rules, asked of a state that stands just before them.

use super::{Protocol, waiters};
use crate::model::config::Config;
use crate::model::graph::Machine;
use crate::model::state::{Cut, Pass, State, Syncer, flag};
use crate::model::step::Event;
use crate::model::{Callsites, Driver, Policy};

fn config(policy: Policy) -> Config {
    Config::base(policy, Driver::Never, Callsites::Converted)
}

fn initial(config: &Config) -> State {
    Protocol { config }.initial()
}

fn may(config: &Config, state: &State, event: Event) -> bool {
    let mut moves = Vec::new();
    Protocol { config }.moves(state, &mut moves);
    moves.iter().any(|found| found.step.event == event)
}

/// truncate_inode_pages_range(): folio_wait_writeback() under the lock, before the folio leaves its mapping.
#[test]
fn truncate_takes_no_page_away_from_under_its_io() {
    let mut config = config(Policy::None);
    config.truncate = true;
    let mut state = initial(&config);
    state.cut = Cut::Locked;
    assert!(may(&config, &state, Event::Detaches));
    state.pages[0].set(flag::WRITEBACK);
    assert!(!may(&config, &state, Event::Detaches));
}

/// Both kinds of task stand in the same wait: the flusher (wb_workfn()) and whoever calls fsync.
#[test]
fn the_flusher_waits_for_pins_as_fsync_does() {
    let config = config(Policy::Wait);
    let mut state = initial(&config);
    let waits = Syncer {
        pass: Pass::Protected,
        ..Syncer::default()
    };
    assert_eq!(waiters(&config, &state), 0);
    state.pages[0].pins = 1;
    state.flusher = waits;
    assert_eq!(waiters(&config, &state), 1);
    state.fsyncs[0] = waits;
    assert_eq!(waiters(&config, &state), 2);
    state.flusher = Syncer::default();
    assert_eq!(waiters(&config, &state), 1);
    state.pages[0].pins = 0;
    assert_eq!(waiters(&config, &state), 0);
}
