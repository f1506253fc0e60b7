// SPDX-License-Identifier: MIT OR Apache-2.0
//! What to do, from the kernel command line and from the list `probes` among the files that came with us.
//!
//! `ktest.targets=vmci:60,gup-test:120`: names and deadlines in seconds. A probe is a function's name, one a line.

use std::time::Duration;

/// Where the files lie that came with this program: in the image, or where `KTEST_FILES` says they were copied to.
pub(crate) fn files() -> String {
    std::env::var("KTEST_FILES").unwrap_or_else(|_| "/ktest".into())
}

/// One program to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Job {
    pub name: String,
    pub deadline: Duration,
}

/// The jobs that a kernel command line asks for.
///
/// # Errors
/// A word that is not `NAME:SECONDS`, or no word at all.
pub(crate) fn jobs(cmdline: &str) -> Result<Vec<Job>, String> {
    let words = cmdline
        .split_whitespace()
        .find_map(|word| word.strip_prefix("ktest.targets="))
        .ok_or("the kernel command line has no ktest.targets=")?;
    words
        .split(',')
        .map(|word| {
            let (name, seconds) = word
                .split_once(':')
                .ok_or_else(|| format!("`{word}` has no deadline"))?;
            let seconds = seconds
                .parse()
                .map_err(|_| format!("`{seconds}` is no number of seconds"))?;
            Ok(Job {
                name: name.to_owned(),
                deadline: Duration::from_secs(seconds),
            })
        })
        .collect()
}

/// Functions to probe; empty where there is no list.
pub(crate) fn probes() -> Vec<String> {
    let text = std::fs::read_to_string(format!("{}/probes", files())).unwrap_or_default();
    text.lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_deadlines_come_from_the_command_line() {
        let jobs = jobs("console=ttyS0 ktest.targets=vmci:60,gup-test:120 panic=-1\n").unwrap();
        assert_eq!(jobs[1].name, "gup-test");
        assert_eq!(jobs[1].deadline, Duration::from_secs(120));
    }

    #[test]
    fn a_command_line_that_names_nothing_is_an_error() {
        assert!(jobs("console=ttyS0").is_err());
        assert!(jobs("ktest.targets=vmci").is_err());
        assert!(jobs("ktest.targets=vmci:soon").is_err());
    }
}
