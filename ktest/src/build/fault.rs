// SPDX-License-Identifier: MIT OR Apache-2.0
//! Tells a machine that failed from code that does not compile.

use crate::error::Error;

/// What compilers, make and ccache print when the disk is full, memory is short or a device fails.
const SIGNS: [&str; 5] = [
    "No space left on device",
    "Disk quota exceeded",
    "Killed signal terminated program",
    "Cannot allocate memory",
    "Input/output error",
];

/// An error where what was `said` while doing `what` shows that the machine failed: no patch is to blame for it.
///
/// # Errors
/// [`Error::Machine`].
pub(super) fn machine(what: &str, said: &str) -> Result<(), Error> {
    let line = said
        .lines()
        .find(|line| SIGNS.iter().any(|sign| line.contains(sign)));
    match line {
        None => Ok(()),
        Some(line) => Err(Error::Machine {
            what: what.to_owned(),
            line: line.trim().to_owned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_no_fault_of_the_code() {
        let said = "  CC      a.o\nfatal error: error writing to /tmp/x.s: No space left on device\nmake: *** [a.o] Error 1\n";
        let error = machine("build the image", said).unwrap_err();
        assert_eq!(error.exit(), crate::Exit::Infrastructure);
        assert!(error.hint().is_some_and(|hint| hint.contains("df")));
        assert!(machine("build", "a.c:1:2: error: expected `;`\n").is_ok());
    }
}
