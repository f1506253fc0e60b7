// SPDX-License-Identifier: MIT OR Apache-2.0
//! What ktest.pl printed, kernel by kernel: how far each came, and what its console showed.
//!
//! Its standard output is read, not its log: lines of the console that come while it waits go there alone
//! (ktest.pl: wait_for_monitor()).

use camino::Utf8Path;
use std::ops::Range;

/// One kernel's part of what ktest.pl printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Passage {
    /// The number of ktest.pl's test.
    pub(crate) test: usize,
    /// The commit, in a patchcheck.
    pub(crate) commit: Option<String>,
    /// Why ktest.pl let it fail.
    pub(crate) failed: Option<String>,
    /// Why ktest.pl gave up altogether.
    pub(crate) died: Option<String>,
    /// Whether the targets were called.
    pub(crate) tested: bool,
    /// Lines until the good kernel was asked for again.
    lines: Range<usize>,
    /// It ended in a reboot to the good kernel, or with the test: ktest.pl was through with it.
    pub(crate) over: bool,
}

impl Passage {
    /// ktest.pl's own reason, whichever it is.
    pub(crate) fn why(&self) -> Option<&str> {
        self.died.as_deref().or(self.failed.as_deref())
    }

    /// What was printed while this kernel was built and ran.
    pub(crate) fn text(&self, printed: &str) -> String {
        printed
            .lines()
            .skip(self.lines.start)
            .take(self.lines.len())
            .map(|line| format!("{line}\n"))
            .collect()
    }
}

/// What ktest.pl printed, with each line of the console on a line of its own: it leaves the line on which it says what it runs
/// open, and while its TEST, which is `command`, runs, the console comes behind it (ktest.pl: child_run_test()).
pub(crate) fn by_lines(printed: &str, command: &Utf8Path) -> String {
    let open = format!("{command} ... ");
    printed.replace(&open, &format!("{command}\n"))
}

/// Passages in order.
pub(crate) fn passages(printed: &str) -> Vec<Passage> {
    let mut passages: Vec<Passage> = Vec::new();
    let mut test = 0;
    let mut count = 0;
    for (number, line) in printed.lines().enumerate() {
        count = number + 1;
        let mut begin = |commit: Option<String>, test: usize| {
            if let Some(last) = passages.last_mut().filter(|last| last.lines.end == 0) {
                last.lines.end = number;
            }
            passages.push(Passage {
                test,
                commit,
                failed: None,
                died: None,
                tested: false,
                lines: number..0,
                over: false,
            });
        };
        if let Some(rest) = line.strip_prefix("RUNNING TEST ") {
            test = number_of(rest);
            begin(None, test);
            continue;
        }
        if let Some(rest) = line.strip_prefix("Processing commit \"") {
            begin(rest.split(' ').next().map(str::to_owned), test);
            continue;
        }
        let Some(last) = passages.last_mut() else {
            continue;
        };
        // The console may leave a line without its end before what ktest.pl says.
        if let Some((_, rest)) = line.split_once("KTEST RESULT: TEST ") {
            match rest.split_once(" Failed: ") {
                Some((_, why)) => last.failed = Some(why.trim().to_owned()),
                None if rest.contains("SUCCESS") => {}
                None => last.failed = Some(rest.trim().to_owned()),
            }
            last.over = true;
        } else if let Some((_, rest)) = line.split_once("CRITICAL FAILURE... ") {
            last.died = Some(rest.trim().to_owned());
        } else if line.contains("run test /") {
            last.tested = true;
        }
        let good = ["REBOOTING", "Reboot and wait ", "Reboot and sleep "];
        if good.iter().any(|word| line.starts_with(word)) {
            last.over = true;
            if last.lines.end == 0 {
                last.lines.end = number;
            }
        }
    }
    if let Some(last) = passages.last_mut().filter(|last| last.lines.end == 0) {
        last.lines.end = count;
    }
    passages
}

fn number_of(rest: &str) -> usize {
    let digits = rest.split(' ').next().unwrap_or("");
    digits.parse().unwrap_or(0)
}

/// A console of one kernel, as far as it can be told from those of others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Console {
    /// From where this kernel begins, if that was seen; all there is otherwise.
    pub(crate) text: String,
    /// The kernel's name was seen on it: in its first line, or in a splat.
    pub(crate) named: bool,
    /// It begins with the kernel's first line.
    pub(crate) whole: bool,
    /// Another kernel began where this one ran.
    pub(crate) followed_by: Option<String>,
}

/// The part of `text` that the kernel with this name printed.
pub(crate) fn console(text: &str, name: &str) -> Console {
    let mark = format!("#{name} ");
    let banner = |line: &str| line.contains("Linux version ");
    let lines: Vec<&str> = text.lines().collect();
    let start = lines
        .iter()
        .position(|line| banner(line) && line.contains(&mark));
    let named = lines.iter().any(|line| line.contains(&mark));
    let from = start.unwrap_or(0);
    let mut end = lines.len();
    let mut followed_by = None;
    let next = lines
        .iter()
        .skip(from + 1)
        .position(|line| banner(line) && !line.contains(&mark));
    if let (true, Some(next)) = (start.is_some(), next) {
        end = from + 1 + next;
        let other = lines[end].split("Linux version ").nth(1).unwrap_or("");
        followed_by = other.split(' ').next().map(str::to_owned);
    }
    Console {
        text: lines[from..end].iter().map(|l| format!("{l}\n")).collect(),
        named,
        whole: start.is_some(),
        followed_by,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRINTED: &str = "RUNNING TEST 1 of 2 with option test useconfig:/c\n\nbuilt\n[0.0] Linux version 6.12-ktest (x) #0001-aaa SMP\n\
        run test /m\n[1.0] WARNING: CPU\nKTEST RESULT: TEST 1 SUCCESS!!!!   **\nReboot and wait 2 seconds\n[0.0] Linux version 6.1 (y) #1 SMP\n[1.0] BUG: good\n\
        RUNNING TEST 2 of 2 with option patchcheck test\nProcessing commit \"bbb first\"\nReboot and sleep 2 seconds\n\
        Processing commit \"ccc second\"\n[0.0] Linux version 6.12-ktest (x) #0001-ccc SMP\n[1.0] x\n[0.0] Linux version 6.1 (y) #1 SMP\nFAILED\nREBOOTING\n\
        rubbishKTEST RESULT: TEST 2 Failed: failed - never got a boot prompt.\n";

    #[test]
    fn each_kernel_has_its_own_reason_and_its_own_console() {
        let passages = passages(PRINTED);
        let commits: Vec<_> = passages.iter().map(|p| p.commit.as_deref()).collect();
        assert_eq!(commits, [None, None, Some("bbb"), Some("ccc")]);
        assert!(passages[0].tested && passages[0].why().is_none() && passages[0].over);
        let first = passages[0].text(PRINTED);
        assert!(first.contains("WARNING") && !first.contains("BUG: good"));
        assert_eq!(passages[2].why(), None);
        assert_eq!(passages[3].why(), Some("failed - never got a boot prompt."));
        assert!(!passages[3].tested);
    }

    #[test]
    fn what_the_console_shows_behind_a_command_is_a_line_of_its_own() {
        let printed = "run test /d/machine\n/d/machine ... BUG: unable to handle\n";
        let lines = by_lines(printed, "/d/machine".into());
        assert!(lines.contains("\nBUG: unable"), "{lines}");
    }

    #[test]
    fn a_console_begins_with_its_kernel_and_ends_with_the_next() {
        let passages = passages(PRINTED);
        let of = |number: usize, name: &str| console(&passages[number].text(PRINTED), name);
        let first = of(0, "0001-aaa");
        assert!(first.whole && first.named && first.followed_by.is_none());
        assert!(first.text.starts_with("[0.0] Linux version 6.12-ktest"));
        let last = of(3, "0001-ccc");
        assert_eq!(last.followed_by.as_deref(), Some("6.1"));
        assert!(!last.text.contains("REBOOTING") && last.text.contains("[1.0] x"));
        let other = of(0, "0001-zzz");
        assert!(!other.named && !other.whole);
    }
}
