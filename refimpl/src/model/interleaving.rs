// SPDX-License-Identifier: MIT OR Apache-2.0
//! The small races K1 and K2 with their mutants, as named variants that are explored like everything else.

use super::error::Error;
use super::fork::Fork;
use super::graph::{Graph, Machine};
use super::gup_fast::{GupFast, MAX_PINNERS, Order};
use super::property::Property;
use super::trace::{Trace, TraceStep};

/// A race with a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interleaving {
    /// The name of the variant, such as "no-recheck".
    pub name: &'static str,
    /// Is this the kernel's order of steps, in which no pin may be missed?
    pub is_faithful: bool,
    race: Race,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Race {
    GupFast(GupFast),
    Fork(Fork),
}

/// What exploring a race gave.
#[derive(Clone, Debug)]
pub struct InterleavingResult {
    /// Unique states.
    pub states: usize,
    /// Steps between them.
    pub transitions: usize,
    /// A shortest way to a missed pin, if there is one.
    pub missed: Option<Trace>,
}

const fn gup_fast(order: Order) -> GupFast {
    GupFast {
        pinners: 1,
        order,
        checks_first: false,
        store_buffers: false,
        pinner_barrier: true,
        cleaner_barrier: true,
    }
}

const fn variant(name: &'static str, race: GupFast) -> Interleaving {
    Interleaving {
        name,
        is_faithful: false,
        race: Race::GupFast(race),
    }
}

const fn kernel(name: &'static str, race: GupFast) -> Interleaving {
    Interleaving {
        name,
        is_faithful: true,
        race: Race::GupFast(race),
    }
}

const fn weak_memory(pinner_barrier: bool, cleaner_barrier: bool) -> GupFast {
    GupFast {
        store_buffers: true,
        pinner_barrier,
        cleaner_barrier,
        ..gup_fast(Order::GrabRecheck)
    }
}

/// K1 and its mutants.
pub(crate) const GUP_FAST: [Interleaving; 11] = [
    kernel("kernel", gup_fast(Order::GrabRecheck)),
    kernel(
        "kernel-two-pinners",
        GupFast {
            pinners: 2,
            ..gup_fast(Order::GrabRecheck)
        },
    ),
    kernel("kernel-large-folio", gup_fast(Order::RefPincountRecheck)),
    kernel("kernel-store-buffers", weak_memory(true, true)),
    variant("no-recheck", gup_fast(Order::GrabOnly)),
    variant("recheck-before-grab", gup_fast(Order::RecheckGrab)),
    variant(
        "pincount-after-recheck",
        gup_fast(Order::RefRecheckPincount),
    ),
    variant(
        "check-before-mkclean",
        GupFast {
            checks_first: true,
            ..gup_fast(Order::GrabRecheck)
        },
    ),
    variant("no-barrier-after-grab", weak_memory(false, true)),
    variant("no-barrier-after-clear", weak_memory(true, false)),
    variant("no-barriers", weak_memory(false, false)),
];

const fn fork(
    name: &'static str,
    is_faithful: bool,
    rechecks: bool,
    reads_sequence: bool,
    copies_pinned: bool,
) -> Interleaving {
    Interleaving {
        name,
        is_faithful,
        race: Race::Fork(Fork {
            rechecks,
            reads_sequence,
            copies_pinned,
        }),
    }
}

/// K2 and its mutants.
pub(crate) const FORK: [Interleaving; 4] = [
    fork("kernel", true, true, true, true),
    fork("no-sequence", false, true, false, true),
    fork("share-pinned", false, true, true, false),
    fork("no-recheck-but-sequence", true, false, true, true),
];

impl Interleaving {
    /// The faithful race K1 with several CPUs in gup_fast, 1 to 4.
    ///
    /// # Errors
    /// When there are none, or more than fit.
    pub fn gup_fast_on(cpus: u8) -> Result<Self, Error> {
        if cpus == 0 || cpus as usize > MAX_PINNERS {
            return Err(Error::Size {
                what: "CPUs in gup_fast",
                value: cpus,
                least: 1,
                most: MAX_PINNERS as u8,
            });
        }
        Ok(kernel(
            "kernel",
            GupFast {
                pinners: cpus,
                ..weak_memory(true, true)
            },
        ))
    }

    /// Explores the race to the end.
    ///
    /// # Errors
    /// When there are more states than [`super::DEFAULT_LIMIT`].
    pub fn explore(&self) -> Result<InterleavingResult, Error> {
        match &self.race {
            Race::GupFast(race) => self.finish(race, |step| {
                let actor = step.pinner.map_or("mkclean".to_owned(), |i| {
                    if race.pinners > 1 {
                        format!("gup_fast{i}")
                    } else {
                        "gup_fast".to_owned()
                    }
                });
                (actor, step.what)
            }),
            Race::Fork(race) => self.finish(race, |step| {
                (
                    (if step.fork { "fork" } else { "gup_fast" }).to_owned(),
                    step.what,
                )
            }),
        }
    }

    fn finish<M: Machine>(
        &self,
        machine: &M,
        tell: impl Fn(M::Step) -> (String, &'static str),
    ) -> Result<InterleavingResult, Error> {
        let limit = super::DEFAULT_LIMIT;
        let graph = Graph::explore(machine, limit).ok_or_else(|| Error::TooManyStates {
            what: self.name.to_owned(),
            limit,
        })?;
        let missed = graph.breaches[Property::MissedPin as usize].map(|breach| {
            let mut path = graph.path_to(breach.from);
            path.push((breach.from, breach.edge));
            let step = |(i, edge): (usize, M::Step)| {
                let (actor, what) = tell(edge);
                TraceStep {
                    number: i + 1,
                    actor,
                    what: what.to_owned(),
                    changes: Vec::new(),
                }
            };
            Trace {
                property: Property::MissedPin,
                meaning: Property::MissedPin.meaning().to_owned(),
                steps: path
                    .iter()
                    .map(|(_, edge)| edge.step)
                    .enumerate()
                    .map(step)
                    .collect(),
                repeats_from: None,
                waits: Vec::new(),
            }
        });
        Ok(InterleavingResult {
            states: graph.states.len(),
            transitions: graph.edge_count(),
            missed,
        })
    }
}
