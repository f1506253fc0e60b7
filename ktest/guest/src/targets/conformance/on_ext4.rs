// SPDX-License-Identifier: MIT OR Apache-2.0
//! The traces of long-term pins once more, with a file of an ext4 where they say a disk's.
//!
//! What a call returns must be the same; counts are not compared, since a file system attaches and drops buffers of its own
//! accord.

use super::split;
use crate::check::{Check, Stop, Test, attempt};
use crate::memory::PAGE;
use crate::targets::ext4;
use rustix::mount::{UnmountFlags, unmount};
use std::collections::BTreeMap;

const TRACES: &str = "/ktest/traces.ext4";
const DISK: &str = "/dev/ram0";
const MOUNT: &str = "/tmp/ext4";
/// The file that the traces map.
pub(super) const FILE: &str = "/tmp/ext4/file";

/// One subtest for each trace, where the image holds them.
pub(super) fn run(check: &mut Check) {
    let Ok(text) = std::fs::read_to_string(TRACES) else {
        return;
    };
    let made = ext4::mount(DISK, MOUNT).and_then(|()| {
        std::fs::write(FILE, vec![1; 16 * PAGE]).map_err(|error| format!("fill {FILE}: {error}"))
    });
    for (name, lines) in split(&text) {
        let result = match &made {
            Ok(()) => replay(&lines),
            Err(why) => Err(Stop::Fail(why.clone())),
        };
        check.report(&format!("trace {name} on ext4"), &result);
    }
    if made.is_ok() {
        check.run("ext4, unmounted", || {
            attempt("unmount", unmount(MOUNT, UnmountFlags::empty()))
        });
    }
}

/// Replays a trace on that file; what else than the returned number differs, differs with the file system.
fn replay(lines: &[&str]) -> Test {
    let there: Vec<String> = lines
        .iter()
        .map(|line| line.replace(" disk ", " ext4 "))
        .collect();
    let there: Vec<&str> = there.iter().map(String::as_str).collect();
    match super::replay_by(&there, &mut BTreeMap::new(), returned)? {
        None => Ok(()),
        Some(difference) => Err(Stop::Fail(difference)),
    }
}

fn returned(expected: &str, seen: &str) -> Option<String> {
    let model = expected.split(' ').next().unwrap_or_default();
    let kernel = seen.split(' ').next().unwrap_or_default();
    (kernel != model).then(|| format!("returned: kernel {kernel}, model {model}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_returned_differs_here() {
        assert_eq!(
            returned("1 1 0 - 0:1025:0:1:p", "1 9 9 - 0:1026:0:1:p"),
            None
        );
        assert_eq!(
            returned("-14 0 0 -", "1 1 0 -").unwrap(),
            "returned: kernel 1, model -14"
        );
    }
}
