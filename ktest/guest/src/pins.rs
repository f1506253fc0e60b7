// SPDX-License-Identifier: MIT OR Apache-2.0
//! The pin counters and free memory, as /proc/vmstat has them.
//!
//! nr_foll_pin_acquired and nr_foll_pin_released exist since 5.6 (mm/gup.c: try_grab_folio(), gup_put_folio()). They are
//! kept per processor and folded from time to time; writing to stat_refresh folds them at once (mm/vmstat.c).

use std::time::{Duration, Instant};

/// How long pins may take to be given back after the call that does it: some users unpin from a work queue.
pub(crate) const SETTLE: Duration = Duration::from_millis(1500);

/// Counter values, in pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Counters {
    pub acquired: u64,
    pub released: u64,
}

impl Counters {
    /// What happened since `before`.
    pub(crate) fn since(self, before: Counters) -> Counters {
        Counters {
            acquired: self.acquired.wrapping_sub(before.acquired),
            released: self.released.wrapping_sub(before.released),
        }
    }
}

/// The counters now; `None` on a kernel that has none.
pub(crate) fn read() -> Option<Counters> {
    let text = vmstat();
    Some(Counters {
        acquired: field(&text, "nr_foll_pin_acquired")?,
        released: field(&text, "nr_foll_pin_released")?,
    })
}

/// The counters once as much was released as acquired since `before`, or when no more is to be expected.
pub(crate) fn settled(before: Option<Counters>) -> Option<Counters> {
    settled_within(before, SETTLE)
}

/// The same, waited for no longer than `patience`.
pub(crate) fn settled_within(before: Option<Counters>, patience: Duration) -> Option<Counters> {
    let before = before?;
    let until = Instant::now() + patience;
    loop {
        let now = read()?;
        let moved = now.since(before);
        if moved.acquired == moved.released || Instant::now() > until {
            return Some(now);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Free pages, after what can be dropped was dropped.
pub(crate) fn free_pages() -> u64 {
    rustix::fs::sync();
    for _ in 0..2 {
        let _old_kernel = std::fs::write("/proc/sys/vm/drop_caches", "3");
        let _no_compaction = std::fs::write("/proc/sys/vm/compact_memory", "1");
    }
    field(&vmstat(), "nr_free_pages").unwrap_or(0) + on_processors()
}

/// Free pages that each processor keeps for itself; nr_free_pages does not have them. mm/vmstat.c: zoneinfo_show_print().
fn on_processors() -> u64 {
    let text = std::fs::read_to_string("/proc/zoneinfo").unwrap_or_default();
    kept(&text)
}

fn kept(text: &str) -> u64 {
    let lines = text.lines().map(str::trim);
    let counts = lines.filter_map(|line| line.strip_prefix("count:"));
    counts
        .filter_map(|count| count.trim().parse::<u64>().ok())
        .sum()
}

/// How many free pages are gone since there were `before`. While more than `few` are, what the kernel gives back late (after a
/// grace period of RCU, from a work queue) is waited for, as long as for pins.
pub(crate) fn gone_pages(before: u64, few: i64) -> i64 {
    let before = i64::try_from(before).unwrap_or(0);
    let until = Instant::now() + SETTLE;
    loop {
        let gone = before - i64::try_from(free_pages()).unwrap_or(0);
        if gone <= few || Instant::now() > until {
            return gone;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// What this process is charged for, in KiB: pages pinned for it, and pages locked. fs/proc/task_mmu.c: task_mem(), version 6.12.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Charged {
    pub pinned: u64,
    pub locked: u64,
}

/// The charge now.
pub(crate) fn charged() -> Option<Charged> {
    let text = std::fs::read_to_string("/proc/self/status").ok()?;
    let of = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim().trim_end_matches(" kB").parse().ok()
    };
    Some(Charged {
        pinned: of("VmPin:")?,
        locked: of("VmLck:")?,
    })
}

/// The charge once it is as it was `before`, or when that is no longer to be expected: a ring that was closed gives back its buffers later.
pub(crate) fn charged_settled(before: Option<Charged>, patience: Duration) -> Option<Charged> {
    let before = before?;
    let until = Instant::now() + patience;
    loop {
        let now = charged()?;
        if now == before || Instant::now() > until {
            return Some(now);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn vmstat() -> String {
    let _old_kernel = std::fs::write("/proc/sys/vm/stat_refresh", "1");
    std::fs::read_to_string("/proc/vmstat").unwrap_or_default()
}

fn field(text: &str, name: &str) -> Option<u64> {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))?;
    line.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_processors_keep_is_free_too() {
        let text = "Node 0, zone    DMA32\n  pages free     5\n  pagesets\n    cpu: 0\n              count:    12\n              high:     378\n    cpu: 1\n              count:    30\n";
        assert_eq!(kept(text), 42);
        assert_eq!(kept(""), 0);
    }
}
