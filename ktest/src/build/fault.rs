// SPDX-License-Identifier: MIT OR Apache-2.0
//! Tells a machine that failed from code that does not compile.

use crate::error::Error;
use camino::Utf8Path;

/// What compilers, make and ccache print when the disk is full, memory is short or a device fails.
const SIGNS: [&str; 5] = [
    "No space left on device",
    "Disk quota exceeded",
    "Killed signal terminated program",
    "Cannot allocate memory",
    "Input/output error",
];

/// Below this many bytes a disk counts as full: a tool that could not write may have removed what it had begun, so that a
/// little is free again.
const LEAST_BYTES: u64 = 1 << 20;

/// An error where what was `said` while doing `what` or a full disk under `output` shows that the machine failed: no patch is to blame for it.
///
/// # Errors
/// [`Error::Machine`].
pub(crate) fn machine(what: &str, said: &str, output: &Utf8Path) -> Result<(), Error> {
    let line = said
        .lines()
        .find(|line| SIGNS.iter().any(|sign| line.contains(sign)));
    // Not every tool says why it could not write.
    let full = || {
        let left = rustix::fs::statvfs(output.as_std_path()).ok()?;
        (left.f_bavail * left.f_frsize < LEAST_BYTES)
            .then_some("No space left on the output directory's device")
    };
    let line = line.or_else(full);
    match line {
        None => Ok(()),
        Some(line) => Err(Error::Machine {
            what: what.to_owned(),
            line: line.trim().to_owned(),
        }),
    }
}

/// An error where kbuild has left out the checker that was asked for: it says so in one line and goes on (Makefile,
/// scripts/checker-valid.sh, version 7.3).
///
/// # Errors
/// [`Error::Unchecked`].
pub(crate) fn checker(said: &str) -> Result<(), Error> {
    let mut words = said.lines().filter_map(|line| line.split_once(": C="));
    let refused = words.find(|(_, rest)| rest.contains(" specified, but "));
    match refused {
        None => Ok(()),
        Some((_, rest)) => Err(Error::Unchecked(format!("C={rest}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use failure::Failure as _;

    #[test]
    fn a_checker_that_was_left_out_is_no_check() {
        let said = "/c/source/Makefile:1311: C=1 specified, but sparse is not available or not up to date\n  CC      a.o\n";
        let error = checker(said).unwrap_err();
        assert_eq!(error.exit(), failure::Exit::Infrastructure);
        assert_eq!(
            error.to_string(),
            "check the source with C=: C=1 specified, but sparse is not available or not up to date"
        );
        assert!(checker("  CC      a.o\n  CHECK   /c/source/a.c\n").is_ok());
    }

    #[test]
    fn a_full_disk_is_no_fault_of_the_code() {
        let said = "  CC      a.o\nfatal error: error writing to /tmp/x.s: No space left on device\nmake: *** [a.o] Error 1\n";
        let error = machine("build the image", said, Utf8Path::new(".")).unwrap_err();
        assert_eq!(error.exit(), failure::Exit::Infrastructure);
        assert!(matches!(error.hint(), Some(failure::Hint::Say(hint)) if hint.contains("df")));
        assert!(
            machine(
                "build",
                "a.c:1:2: error: expected `;`\n",
                Utf8Path::new(".")
            )
            .is_ok()
        );
    }
}
