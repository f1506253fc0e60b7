// SPDX-License-Identifier: MIT OR Apache-2.0
//! The size and the rules of one model: who takes part, how often, and under which policy.

use failure::counted;
use serde::{Deserialize, Serialize};

use super::driver::{Callsites, Driver, Habits};
use super::error::Error;
use super::policy::{Policy, Refuses, Rules};
use super::state::{MAX_DEVICES, MAX_FSYNCS, MAX_PAGES};

/// Where the bytes of the file live.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Storage {
    /// A disk behind the page cache.
    PageCache,
    /// The page is the storage (fsdax): truncate frees the very block the device writes to.
    Dax,
}

/// What a task does that waits for pins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Waiting {
    /// Sleeps in a wait queue.
    Queue,
    /// Loops around `schedule()`, as posted in July 2018.
    Yield,
    /// Loops without letting go of its CPU.
    Spin,
}

/// How often a task that waits for pins gets to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fairness {
    /// In the end, if the page stays free of pins until it has looked.
    Weak,
    /// In the end, if the page is free of pins again and again, however briefly.
    Strong,
}

/// When `page_mkclean` waits: before it takes write permission from the page tables, or after.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WaitAt {
    /// New pins still find a writable entry.
    BeforeProtect,
    /// New writable pins must fault, and the fault waits for the page lock.
    AfterProtect,
}

/// A mistake put into the kernel's side on purpose, to see whether the properties notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mutation {
    /// None: the kernel as the policy describes it.
    Faithful,
    /// Writeback looks for pins before it write-protects, reclaim before it unmaps.
    CheckBeforeMkclean,
    /// The last unpin does not wake the truncate that sleeps for it (mended by d8ddc099c6b3).
    MissingWakeup,
    /// The mmu notifier is not called, so the device keeps its mapping.
    NoInvalidate,
    /// A write fault does not wait for writeback to end.
    NoStableFault,
    /// Every small page looks pinned, held by 1024 plain references or by a count that has become negative.
    FalsePositive,
    /// Truncate does not wait for the I/O of the page that it cuts off.
    NoWritebackWait,
    /// fsync looks at PG_dirty alone, and misses a page between clear_page_dirty_for_io() and the start of its I/O.
    NoDirtyTag,
}

/// One model. Plain data; there is no default, see [`Config::base`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// What the kernel does about pinned pages.
    pub policy: Policy,
    /// How the drivers hold pages.
    pub driver: Driver,
    /// The mistake of the first driver.
    pub callsites: Callsites,
    /// Pages of the file, 1 to 4.
    pub pages: u8,
    /// Devices, 0 to 4; device d uses page d modulo `pages`.
    pub devices: u8,
    /// The first so many devices never write; those of a chain pin for reading alone.
    pub readers: u8,
    /// How often each other device writes.
    pub dma_writes: u8,
    /// How often a program stores to the last page through its mapping.
    pub user_writes: u8,
    /// Tasks that call fsync, 0 to 4.
    pub fsyncs: u8,
    /// How often each of them does.
    pub fsync_calls: u8,
    /// Does fsync task i flush page i alone (a file each), or every task all pages?
    pub file_per_fsync: bool,
    /// Is there a background flusher?
    pub flusher: bool,
    /// Is there reclaim?
    pub reclaim: bool,
    /// Does someone truncate page 0?
    pub truncate: bool,
    /// Where the bytes live.
    pub storage: Storage,
    /// CPUs that tasks share; matters where a waiter does not let go of one.
    pub cpus: u8,
    /// What a waiter does.
    pub waiting: Waiting,
    /// Whether a brief moment without pins is enough for a waiter to get on.
    pub fairness: Fairness,
    /// Whether a brief moment without I/O is enough for an fsync that waits for it.
    pub io_wait: Fairness,
    /// May reserving again, for a page that was written as a copy and stays dirty, fail?
    pub reserve_fails: bool,
    /// Rules of one's own in place of the policy's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub own_rules: Option<Rules>,
    /// Habits of one's own in place of the driver's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub own_habits: Option<Habits>,
    /// Where the wait stands.
    pub wait_at: WaitAt,
    /// A writer sleeps after its store while this many pages are dirty; 0 is no limit.
    pub dirty_limit: u8,
    /// The mistake of the kernel.
    pub mutation: Mutation,
}

impl Config {
    /// One page, one device with two DMA writes, a flusher, one fsync, reclaim and truncate: the table's model.
    pub const fn base(policy: Policy, driver: Driver, callsites: Callsites) -> Self {
        Self {
            policy,
            driver,
            callsites,
            pages: 1,
            devices: 1,
            readers: 0,
            dma_writes: 2,
            user_writes: 0,
            fsyncs: 1,
            fsync_calls: 1,
            file_per_fsync: false,
            flusher: true,
            reclaim: true,
            truncate: true,
            storage: Storage::PageCache,
            cpus: 2,
            waiting: Waiting::Queue,
            fairness: Fairness::Weak,
            io_wait: Fairness::Strong,
            reserve_fails: false,
            own_rules: None,
            own_habits: None,
            wait_at: WaitAt::AfterProtect,
            dirty_limit: 0,
            mutation: Mutation::Faithful,
        }
    }

    /// The configuration in words, for reports and errors.
    pub(crate) fn describe(&self) -> String {
        format!(
            "{} x {} x {}, {}, {}, {}",
            self.own_rules.map_or(self.policy.name(), |_| "own policy"),
            self.own_habits.map_or(self.driver.name(), |_| "own device"),
            self.callsites.name(),
            counted(self.pages, "page"),
            counted(self.devices, "device"),
            counted(self.fsyncs, "fsync task"),
        )
    }

    /// Policy, driver and callsites in a row's name, or that of the file they come from.
    pub(crate) fn label(&self, own: &str) -> String {
        let policy = self.own_rules.is_none().then_some(self.policy.name());
        let driver = self.own_habits.is_none().then_some(self.driver.name());
        let callsites =
            Some(self.callsites.name()).filter(|_| self.callsites != Callsites::Converted);
        let own = Some(own).filter(|own| !own.is_empty());
        let parts = [own, policy, driver, callsites].into_iter().flatten();
        parts.collect::<Vec<_>>().join(", ")
    }

    pub(crate) fn check(&self) -> Result<(), Error> {
        for (what, value, least, most) in [
            ("pages", self.pages, 1, MAX_PAGES as u8),
            ("devices", self.devices, 0, MAX_DEVICES as u8),
            ("readers", self.readers, 0, self.devices),
            ("fsync tasks", self.fsyncs, 0, MAX_FSYNCS as u8),
            ("CPUs", self.cpus, 1, 4),
            ("DMA writes", self.dma_writes, 0, 8),
            ("stores", self.user_writes, 0, 8),
        ] {
            if value < least || value > most {
                return Err(Error::Size {
                    what,
                    value,
                    least,
                    most,
                });
            }
        }
        Ok(())
    }

    /// What the kernel does about pinned pages.
    pub(crate) fn rules(&self) -> Rules {
        self.own_rules.unwrap_or_else(|| self.policy.rules())
    }

    /// How the drivers hold pages.
    pub(crate) fn habits(&self) -> Habits {
        self.own_habits.unwrap_or_else(|| self.driver.habits())
    }

    /// Does device `d` take a pin, or a plain reference?
    pub(crate) fn takes_pin(&self, d: usize) -> bool {
        let plain = [Callsites::OneMissing, Callsites::UnpinOnGet];
        self.rules().counts_pins && !plain.contains(&self.mistake(d))
    }

    /// Does device `d` follow an mmu notifier in place of a pin?
    pub(crate) fn follows_notifier(&self, d: usize) -> bool {
        self.habits().notifier && self.mistake(d) != Callsites::OneMissing
    }

    /// Is device `d` turned away when it asks for a writable pin?
    pub(crate) fn refuses(&self, d: usize) -> bool {
        let asks = self.takes_pin(d) && !self.follows_notifier(d);
        match self.rules().refuses {
            Refuses::Nobody => false,
            Refuses::Longterm => asks && self.habits().longterm,
            Refuses::Everybody => asks,
        }
    }

    /// The mistake that device `d` makes.
    pub(crate) fn mistake(&self, d: usize) -> Callsites {
        match d {
            0 => self.callsites,
            _ => Callsites::Converted,
        }
    }

    /// Does fsync task `i` flush page `p`?
    pub(crate) fn flushes(&self, i: usize, p: usize) -> bool {
        !self.file_per_fsync || i == p
    }
}
