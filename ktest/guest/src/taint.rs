// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the kernel remembers of what went wrong, read around every target.
//!
//! /proc/sys/kernel/tainted keeps what was once set; /sys/kernel/warn_count and oops_count (since 6.2: kernel/panic.c, kernel/exit.c)
//! go on. A WARN_ONCE() speaks once: writing to clear_warn_once in debugfs (since 4.15: kernel/panic.c) lets it speak again, so
//! that each target hears its own.

/// Values at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Taint {
    bits: Option<u64>,
    warnings: Option<u64>,
    oopses: Option<u64>,
}

/// Reads them.
pub(crate) fn read() -> Taint {
    Taint {
        bits: number("/proc/sys/kernel/tainted"),
        warnings: number("/sys/kernel/warn_count"),
        oopses: number("/sys/kernel/oops_count"),
    }
}

/// Lets every WARN_ONCE() speak once more.
pub(crate) fn speak_again() {
    let _no_debugfs = std::fs::write("/sys/kernel/debug/clear_warn_once", "1");
}

fn number(file: &str) -> Option<u64> {
    std::fs::read_to_string(file).ok()?.trim().parse().ok()
}

impl Taint {
    /// The line of results for the time since `before`; `None` where the kernel does not say.
    pub(crate) fn since(self, before: Taint, name: &str) -> Option<String> {
        let (from, to) = (before.bits?, self.bits?);
        let grown = |now: Option<u64>, then: Option<u64>| Some(now?.wrapping_sub(then?));
        let mut line = format!("# taint {name} before={from:#x} after={to:#x}");
        for (word, count) in [
            ("warnings", grown(self.warnings, before.warnings)),
            ("oopses", grown(self.oopses, before.oopses)),
        ] {
            if let Some(count) = count {
                line += &format!(" {word}={count}");
            }
        }
        Some(line)
    }

    /// The line of results at the end of all.
    pub(crate) fn at_the_end(self) -> Option<String> {
        Some(format!("# tainted {:#x}", self.bits?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_grew_is_told_and_what_is_not_counted_is_left_out() {
        let before = Taint {
            bits: Some(0x1000),
            warnings: Some(2),
            oopses: None,
        };
        let after = Taint {
            bits: Some(0x1200),
            warnings: Some(5),
            oopses: None,
        };
        let line = "# taint vmci before=0x1000 after=0x1200 warnings=3";
        assert_eq!(after.since(before, "vmci").as_deref(), Some(line));
        assert_eq!(after.at_the_end().as_deref(), Some("# tainted 0x1200"));
        let unknown = Taint {
            bits: None,
            ..after
        };
        assert_eq!(unknown.since(before, "vmci"), None);
    }
}
