// SPDX-License-Identifier: MIT OR Apache-2.0
//! Mistakes put in on purpose: each must break a property that the right order keeps, or the property sees nothing.

use serde::{Deserialize, Serialize};

use super::config::{Config, Mutation, Storage};
use super::driver::{Callsites, Driver};
use super::error::Error;
use super::explore::{Outcome, explore};
use super::interleaving::{COLLAPSE, FORK, GUP_FAST, MIGRATE, PARTIAL, TRANSFER};
use super::policy::Policy;
use super::property::Property;

/// What became of one mutant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MutantResult {
    /// What was done wrong.
    pub name: String,
    /// The property that is to notice.
    pub property: Property,
    /// Does the property hold without the mistake?
    pub holds_without: bool,
    /// Is it broken with it?
    pub broken_with: bool,
    /// Steps of the shortest story, its cycle included; 0 when nothing was broken.
    pub steps: usize,
}

impl MutantResult {
    /// Noticed: broken by the mistake, and by nothing else.
    pub fn is_killed(&self) -> bool {
        self.holds_without && self.broken_with
    }
}

/// Makes every mistake in turn.
///
/// # Errors
/// When a model does not fit, see [`Error`].
pub fn mutants() -> Result<Vec<MutantResult>, Error> {
    let mut results = Vec::new();
    for (name, property, right, wrong) in protocol() {
        let wrong = explore(&wrong)?;
        results.push(MutantResult {
            name: name.to_owned(),
            property,
            holds_without: explore(&right)?.outcome(property) == Outcome::Holds,
            broken_with: wrong.outcome(property) == Outcome::Broken,
            steps: wrong.trace(property).map_or(0, |trace| trace.steps.len()),
        });
    }
    for (race, variants) in [
        ("gup_fast against page_mkclean", &GUP_FAST[..]),
        ("gup_fast against fork", &FORK[..]),
        ("gup_fast against collapse", &COLLAPSE[..]),
        ("pins handed over", &TRANSFER[..]),
        ("fewer pages than asked for", &PARTIAL[..]),
        ("long-term pin of movable memory", &MIGRATE[..]),
    ] {
        let right = variants.iter().filter(|variant| variant.is_faithful);
        let holds_without = right
            .map(|variant| variant.explore())
            .try_fold(true, |all, result| {
                result.map(|result| all && result.broken.is_none())
            })?;
        for variant in variants.iter().filter(|variant| !variant.is_faithful) {
            let broken = variant.explore()?.broken;
            results.push(MutantResult {
                name: format!("{race}: {}", variant.name),
                property: broken
                    .as_ref()
                    .map_or(Property::MissedPin, |trace| trace.property),
                holds_without,
                broken_with: broken.is_some(),
                steps: broken.map_or(0, |trace| trace.steps.len()),
            });
        }
    }
    Ok(results)
}

/// Name, property, the right configuration, the wrong one.
fn protocol() -> Vec<(&'static str, Property, Config, Config)> {
    let base = |policy, driver| Config::base(policy, driver, Callsites::Converted);
    let skip = base(Policy::SkipReclaim, Driver::Eventually);
    let wait = base(Policy::Wait, Driver::Eventually);
    let notifier = base(Policy::Odp, Driver::Invalidatable);
    let reads = Config {
        readers: 1,
        ..notifier
    };
    let dax = Config {
        storage: Storage::Dax,
        fsyncs: 0,
        flusher: false,
        reclaim: false,
        ..skip
    };
    let caller = |right: Config, callsites| (right, Config { callsites, ..right });
    let kernel = |right: Config, mutation| (right, Config { mutation, ..right });
    let policy = |right: Config, policy| (right, Config { policy, ..right });
    let grants = base(Policy::Mapcount, Driver::Eventually);
    let copies = base(Policy::BounceReserve, Driver::Eventually);
    let stored = Config {
        user_writes: 2,
        dma_writes: 1,
        ..wait
    };
    [
        (
            "caller: put before dirty",
            Property::Nobuf,
            caller(skip, Callsites::PutBeforeDirty),
        ),
        (
            "caller: put before dirty",
            Property::Uaf,
            caller(skip, Callsites::PutBeforeDirty),
        ),
        (
            "caller: never dirty",
            Property::LostDma,
            caller(skip, Callsites::NoDirty),
        ),
        (
            "caller: released before the device is done",
            Property::Torn,
            caller(wait, Callsites::BeforeDeviceDone),
        ),
        (
            "caller: one still takes a plain reference",
            Property::Nobuf,
            caller(skip, Callsites::OneMissing),
        ),
        (
            "caller: unpins a plain reference",
            Property::Nobuf,
            caller(skip, Callsites::UnpinOnGet),
        ),
        (
            "caller: unconditional page lock",
            Property::RelDeadlock,
            policy(wait, Policy::WaitLocked),
        ),
        (
            "kernel: looks for pins before it write-protects",
            Property::Torn,
            kernel(wait, Mutation::CheckBeforeMkclean),
        ),
        (
            "kernel: the last unpin wakes nobody",
            Property::TruncStuck,
            kernel(dax, Mutation::MissingWakeup),
        ),
        (
            "kernel: the notifier is not called",
            Property::FsyncLies,
            kernel(notifier, Mutation::NoInvalidate),
        ),
        (
            "kernel: the notifier is not called for a device that reads",
            Property::Uaf,
            kernel(reads, Mutation::NoInvalidate),
        ),
        (
            "kernel: truncate does not wait for writeback",
            Property::FreedIo,
            kernel(skip, Mutation::NoWritebackWait),
        ),
        (
            "kernel: write faults do not wait for writeback",
            Property::Torn,
            kernel(stored, Mutation::NoStableFault),
        ),
        (
            "kernel: fsync looks at PG_dirty and not at the tag",
            Property::FsyncLies,
            kernel(wait, Mutation::NoDirtyTag),
        ),
        (
            "policy: a formula that grants one reference too many",
            Property::Nobuf,
            policy(grants, Policy::MapcountWrong),
        ),
        (
            "policy: a bounced page is not reserved again",
            Property::Noresv,
            policy(copies, Policy::BounceKeep),
        ),
        (
            "policy: a bounced page is marked clean",
            Property::FsyncLies,
            policy(copies, Policy::BounceClear),
        ),
        (
            "policy: the copy is made after the checksum",
            Property::Torn,
            policy(copies, Policy::BounceBlock),
        ),
    ]
    .into_iter()
    .map(|(name, property, (right, wrong))| (name, property, right, wrong))
    .collect()
}
