// SPDX-License-Identifier: MIT OR Apache-2.0
//! The small machines with their mutants (the races K1 to K3, and pins that change hands, come in part, or must move), as named
//! variants that are explored like everything else.

use std::hash::Hash;

use super::error::Error;
use super::fair::lasso;
use super::fork::Fork;
use super::graph::{Edge, Graph, Machine};
use super::gup_fast::{GupFast, MAX_PINNERS, Order};
use super::property::Property;
use super::small::{Collapse, Migrate, Partial, Told, Transfer};
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
    Collapse(Collapse),
    Transfer(Transfer),
    Partial(Partial),
    Migrate(Migrate),
}

/// What exploring a race gave.
#[derive(Clone, Debug)]
pub struct InterleavingResult {
    /// Unique states.
    pub states: usize,
    /// Steps between them.
    pub transitions: usize,
    /// A shortest way to what must not be, if there is one.
    pub broken: Option<Trace>,
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

/// The kernel's own order of steps.
const fn kernel(name: &'static str, race: Race) -> Interleaving {
    Interleaving {
        name,
        is_faithful: true,
        race,
    }
}

/// One with a mistake.
const fn variant(name: &'static str, race: Race) -> Interleaving {
    Interleaving {
        name,
        is_faithful: false,
        race,
    }
}

const fn strong_memory(order: Order) -> Race {
    Race::GupFast(gup_fast(order))
}

const fn weak_memory(pinner_barrier: bool, cleaner_barrier: bool) -> GupFast {
    GupFast {
        store_buffers: true,
        pinner_barrier,
        cleaner_barrier,
        ..gup_fast(Order::GrabRecheck)
    }
}

const fn barriers(pinner: bool, cleaner: bool) -> Race {
    Race::GupFast(weak_memory(pinner, cleaner))
}

const TWO_PINNERS: Race = Race::GupFast(GupFast {
    pinners: 2,
    ..gup_fast(Order::GrabRecheck)
});

const CHECKS_FIRST: Race = Race::GupFast(GupFast {
    checks_first: true,
    ..gup_fast(Order::GrabRecheck)
});

/// K1 and its mutants.
pub(crate) const GUP_FAST: [Interleaving; 11] = [
    kernel("kernel", strong_memory(Order::GrabRecheck)),
    kernel("kernel-two-pinners", TWO_PINNERS),
    kernel(
        "kernel-large-folio",
        strong_memory(Order::RefPincountRecheck),
    ),
    kernel("kernel-store-buffers", barriers(true, true)),
    variant("no-recheck", strong_memory(Order::GrabOnly)),
    variant("recheck-before-grab", strong_memory(Order::RecheckGrab)),
    variant(
        "pincount-after-recheck",
        strong_memory(Order::RefRecheckPincount),
    ),
    variant("check-before-mkclean", CHECKS_FIRST),
    variant("no-barrier-after-grab", barriers(false, true)),
    variant("no-barrier-after-clear", barriers(true, false)),
    variant("no-barriers", barriers(false, false)),
];

const fn fork(rechecks: bool, reads_sequence: bool, copies_pinned: bool) -> Race {
    Race::Fork(Fork {
        rechecks,
        reads_sequence,
        copies_pinned,
    })
}

/// K2 and its mutants.
pub(crate) const FORK: [Interleaving; 4] = [
    kernel("kernel", fork(true, true, true)),
    variant("no-sequence", fork(true, false, true)),
    variant("share-pinned", fork(true, true, false)),
    kernel("no-recheck-but-sequence", fork(false, true, true)),
];

const fn collapse(rechecks_pmd: bool, tries: bool, freezes: bool) -> Race {
    Race::Collapse(Collapse {
        rechecks_pmd,
        tries,
        freezes,
    })
}

/// K3 and its mutants.
pub(crate) const COLLAPSE: [Interleaving; 4] = [
    kernel("kernel", collapse(true, true, true)),
    variant("no-pmd-recheck", collapse(false, true, true)),
    variant("grabs-from-zero", collapse(false, false, true)),
    variant("no-freeze", collapse(true, true, false)),
];

const fn transfer(taker_releases_after: bool, carrier_releases: bool) -> Race {
    Race::Transfer(Transfer {
        taker_releases_after,
        carrier_releases,
    })
}

/// Who releases what was handed over.
pub(crate) const TRANSFER: [Interleaving; 4] = [
    kernel("the-carrier-releases", transfer(false, true)),
    variant("both-release", transfer(true, true)),
    variant("nobody-releases", transfer(false, false)),
    variant("the-taker-releases-on-error-alone", transfer(true, false)),
];

/// What an error path does about a call that brought fewer pages.
pub(crate) const PARTIAL: [Interleaving; 4] = [
    kernel("releases-what-came", Race::Partial(Partial::Right)),
    variant(
        "releases-what-was-asked-for",
        Race::Partial(Partial::AllAskedFor),
    ),
    variant("releases-nothing", Race::Partial(Partial::Nothing)),
    variant("compares-unsigned", Race::Partial(Partial::UnsignedCompare)),
];

const fn migrate(retries: bool, unpins_first: bool, held: bool) -> Race {
    Race::Migrate(Migrate {
        retries,
        unpins_first,
        held,
    })
}

/// A long-term pin of movable memory.
pub(crate) const MIGRATE: [Interleaving; 5] = [
    kernel("kernel", migrate(false, true, false)),
    kernel("kernel-held-by-another", migrate(false, true, true)),
    variant("two-tasks-retry", migrate(true, true, false)),
    variant("retries-and-held-by-another", migrate(true, true, true)),
    variant("retries-with-its-own-pin", migrate(true, false, false)),
];

impl Interleaving {
    /// The faithful race K1 with several CPUs in gup_fast, 1 to 4.
    ///
    /// # Errors
    /// When there are none, or more than fit.
    pub(crate) fn gup_fast_on(cpus: u8) -> Result<Self, Error> {
        if cpus == 0 || cpus as usize > MAX_PINNERS {
            return Err(Error::Size {
                what: "CPUs in gup_fast",
                value: cpus,
                least: 1,
                most: MAX_PINNERS as u8,
            });
        }
        let race = GupFast {
            pinners: cpus,
            ..weak_memory(true, true)
        };
        Ok(kernel("kernel", Race::GupFast(race)))
    }

    /// Explores the race to the end.
    ///
    /// # Errors
    /// When there are more states than [`super::explore::DEFAULT_LIMIT`].
    pub fn explore(&self) -> Result<InterleavingResult, Error> {
        match &self.race {
            Race::GupFast(race) => self.finish(race, |step| {
                let actor = match step.pinner {
                    None => "mkclean".to_owned(),
                    Some(i) if race.pinners > 1 => format!("gup_fast{i}"),
                    Some(_) => "gup_fast".to_owned(),
                };
                (actor, step.what)
            }),
            Race::Fork(race) => self.finish(race, told),
            Race::Collapse(race) => self.finish(race, told),
            Race::Transfer(race) => self.finish(race, told),
            Race::Partial(race) => self.finish(race, told),
            Race::Migrate(race) => {
                let graph = self.graph(race)?;
                let tell = |path: &[(u32, Edge<Told>)], from| {
                    lines(path.iter().map(|(_, edge)| told(edge.step)), from)
                };
                let stuck = (0..2).find_map(|task| lasso(&graph, |at| at.is_pending(task)));
                let broken = stuck.map(|lasso| {
                    let mut steps = tell(&lasso.prefix, 1);
                    let repeats_from = steps.len() + 1;
                    steps.extend(tell(&lasso.cycle, repeats_from));
                    let repeats_from = Some(repeats_from);
                    Trace {
                        repeats_from,
                        ..Trace::of(Property::PinStuck, steps)
                    }
                });
                Ok(InterleavingResult::of(&graph, broken))
            }
        }
    }

    fn graph<M: Machine>(&self, machine: &M) -> Result<Graph<M::State, M::Step>, Error> {
        let limit = super::explore::DEFAULT_LIMIT;
        Graph::explore(machine, limit).ok_or_else(|| Error::TooManyStates {
            what: self.name.to_owned(),
            limit,
        })
    }

    fn finish<M: Machine>(
        &self,
        machine: &M,
        tell: impl Fn(M::Step) -> (String, &'static str),
    ) -> Result<InterleavingResult, Error> {
        let graph = self.graph(machine)?;
        let safety = Property::ALL.into_iter().filter(|one| one.is_safety());
        let breach = safety.into_iter().find_map(|property| {
            graph.breaches[property as usize].map(|breach| (property, breach))
        });
        let broken = breach.map(|(property, breach)| {
            let mut path = graph.path_to(breach.from);
            path.push((breach.from, breach.edge));
            let steps = path.iter().map(|(_, edge)| tell(edge.step));
            Trace::of(property, lines(steps, 1))
        });
        Ok(InterleavingResult::of(&graph, broken))
    }
}

impl InterleavingResult {
    fn of<S: Copy + Eq + Hash, T: Copy>(graph: &Graph<S, T>, broken: Option<Trace>) -> Self {
        InterleavingResult {
            states: graph.states.len(),
            transitions: graph.edge_count(),
            broken,
        }
    }
}

fn told(step: Told) -> (String, &'static str) {
    (step.actor.to_owned(), step.what)
}

/// Steps, numbered from `from` on.
fn lines(steps: impl Iterator<Item = (String, &'static str)>, from: usize) -> Vec<TraceStep> {
    let steps = (from..)
        .zip(steps)
        .map(|(number, (actor, what))| TraceStep {
            number,
            actor,
            what: what.to_owned(),
            changes: Vec::new(),
        });
    steps.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In how many words of its description a race differs from another.
    fn apart(one: Race, other: Race) -> usize {
        let words = |race: Race| -> Vec<String> {
            let text = format!("{race:?}");
            text.split_whitespace().map(str::to_owned).collect()
        };
        let (one, other) = (words(one), words(other));
        let pairs = one.iter().zip(&other);
        pairs.filter(|(left, right)| left != right).count() + one.len().abs_diff(other.len())
    }

    /// A mistake that comes with another might be noticed by the other alone.
    #[test]
    fn each_mistake_is_one_step_from_what_is_right() {
        let together = [
            "no-barriers",
            "grabs-from-zero",
            "the-taker-releases-on-error-alone",
            "retries-with-its-own-pin",
        ];
        let all: [&[Interleaving]; 6] =
            [&GUP_FAST, &FORK, &COLLAPSE, &TRANSFER, &PARTIAL, &MIGRATE];
        for variants in all {
            let right = || variants.iter().filter(|variant| variant.is_faithful);
            for wrong in variants.iter().filter(|variant| !variant.is_faithful) {
                let nearest = right().map(|right| apart(right.race, wrong.race)).min();
                let expected = if together.contains(&wrong.name) { 2 } else { 1 };
                assert_eq!(nearest, Some(expected), "{}", wrong.name);
            }
        }
    }
}
