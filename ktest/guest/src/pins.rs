// SPDX-License-Identifier: MIT OR Apache-2.0
//! The pin counters and free memory, as /proc/vmstat has them.
//!
//! nr_foll_pin_acquired and nr_foll_pin_released exist since 5.6 (mm/gup.c: try_grab_folio(), gup_put_folio()). They are
//! kept per processor and folded from time to time; writing to stat_refresh folds them at once (mm/vmstat.c).

use std::time::{Duration, Instant};

/// How long pins may take to be given back after the call that does it: some users unpin from a work queue.
const SETTLE: Duration = Duration::from_millis(1500);

/// Counter values, in pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counters {
    pub acquired: u64,
    pub released: u64,
}

impl Counters {
    /// What happened since `before`.
    pub fn since(self, before: Counters) -> Counters {
        Counters {
            acquired: self.acquired.wrapping_sub(before.acquired),
            released: self.released.wrapping_sub(before.released),
        }
    }
}

/// The counters now; `None` on a kernel that has none.
pub fn read() -> Option<Counters> {
    let text = vmstat();
    Some(Counters {
        acquired: field(&text, "nr_foll_pin_acquired")?,
        released: field(&text, "nr_foll_pin_released")?,
    })
}

/// The counters once as much was released as acquired since `before`, or when no more is to be expected.
pub fn settled(before: Option<Counters>) -> Option<Counters> {
    let before = before?;
    let until = Instant::now() + SETTLE;
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
pub fn free_pages() -> u64 {
    rustix::fs::sync();
    for _ in 0..2 {
        let _old_kernel = std::fs::write("/proc/sys/vm/drop_caches", "3");
        let _no_compaction = std::fs::write("/proc/sys/vm/compact_memory", "1");
    }
    field(&vmstat(), "nr_free_pages").unwrap_or(0)
}

/// How many free pages are gone since there were `before`. While more than `few` are, what the kernel gives back late (after a
/// grace period of RCU, from a work queue) is waited for, as long as for pins.
pub fn gone_pages(before: u64, few: i64) -> i64 {
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
