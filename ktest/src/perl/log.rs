// SPDX-License-Identifier: MIT OR Apache-2.0
//! What ktest.pl wrote to its log.

/// What it says of the tests that it ran.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Said {
    /// Of each of its tests whether it succeeded, and why not.
    pub(crate) tests: Vec<Result<(), String>>,
    /// The commit of the series that it came to last.
    pub(crate) last: Option<String>,
    /// Why it gave up altogether.
    pub(crate) died: Option<String>,
}

/// Reads a log; what is not understood is passed over.
pub(crate) fn read(log: &str) -> Said {
    let mut said = Said::default();
    for line in log.lines() {
        if let Some(rest) = line.split("KTEST RESULT: TEST ").nth(1) {
            let why = rest.split_once(" Failed: ").map(|(_, why)| why.trim());
            said.tests.push(match why {
                Some(why) => Err(why.to_owned()),
                None if rest.contains("SUCCESS") => Ok(()),
                None => Err(rest.trim().to_owned()),
            });
        } else if let Some(rest) = line.trim().strip_prefix("Processing commit \"") {
            said.last = rest.split(' ').next().map(str::to_owned);
        } else if let Some(rest) = line.strip_prefix("CRITICAL FAILURE... ") {
            said.died = Some(rest.trim().to_owned());
        }
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn successes_failures_and_the_last_commit_are_read() {
        let log = "KTEST RESULT: TEST 1 SUCCESS!!!!   **\n\nProcessing commit \"abc first\"\n\nProcessing commit \"def second\"\n\
            KTEST RESULT: TEST 3 Failed: test failed\n";
        let said = read(log);
        assert_eq!(said.tests, [Ok(()), Err("test failed".to_owned())]);
        assert_eq!(said.last.as_deref(), Some("def"));
        assert_eq!(said.died, None);
        let died = read("CRITICAL FAILURE... (Test 1): could not copy\n").died;
        assert_eq!(died.as_deref(), Some("(Test 1): could not copy"));
    }
}
