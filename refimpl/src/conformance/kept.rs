// SPDX-License-Identifier: MIT OR Apache-2.0
//! Traces written by hand or kept from a difference: `refimpl/data/traces/*.trace`.

use super::text::ParseError;
use super::trace::{Op, Trace};
use super::world::World;
use crate::page::GUP_PIN_COUNTING_BIAS;
use crate::version::Version;

/// Every file of the directory; a test compares.
const FILES: &[&str] = &[
    include_str!("../../data/traces/aliasing.trace"),
    include_str!("../../data/traces/boundary.trace"),
    include_str!("../../data/traces/disk.trace"),
    include_str!("../../data/traces/extract.trace"),
    include_str!("../../data/traces/fork.trace"),
    include_str!("../../data/traces/fork-boundary.trace"),
    include_str!("../../data/traces/fork-file.trace"),
    include_str!("../../data/traces/hugetlb.trace"),
    include_str!("../../data/traces/large-misuse.trace"),
    include_str!("../../data/traces/longterm-file.trace"),
    include_str!("../../data/traces/longterm-zero.trace"),
    include_str!("../../data/traces/null-prefix.trace"),
    include_str!("../../data/traces/small-misuse.trace"),
    include_str!("../../data/traces/truncated.trace"),
    include_str!("../../data/traces/untouched.trace"),
    include_str!("../../data/traces/warns.trace"),
    include_str!("../../data/traces/whole-folio.trace"),
    include_str!("../../data/traces/zero-page.trace"),
];

/// Those that make sense in a kernel: what it lacks (a function, the rule for NULL entries) leaves a trace out.
///
/// # Errors
/// When a file is no trace, which a test rules out.
pub fn kept(version: Version) -> Result<Vec<Trace>, ParseError> {
    let mut traces = Vec::new();
    for text in FILES {
        let trace = Trace::parse(text)?;
        let mut world = World::new(version, GUP_PIN_COUNTING_BIAS);
        let fits = |op: &Op| world.apply(op).is_ok();
        if trace.ops.iter().all(fits) {
            traces.push(trace);
        }
    }
    Ok(traces)
}

#[cfg(test)]
mod tests {
    use super::super::answered;
    use super::*;

    #[test]
    fn every_file_is_a_trace_that_gives_everything_back() {
        let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/data/traces");
        assert_eq!(std::fs::read_dir(dir).unwrap().count(), FILES.len());
        let all = kept(Version::V6_12).unwrap();
        assert_eq!(all.len(), FILES.len());
        for trace in &all {
            let mut world = World::new(Version::V6_12, GUP_PIN_COUNTING_BIAS);
            for op in &trace.ops {
                world.apply(op).unwrap();
            }
            assert_eq!(world.spoilt(), [], "{}", trace.name);
            assert_eq!(world.areas().count() + world.owned().count(), 0);
        }
        assert!(kept(Version::V6_1).unwrap().len() < all.len());
    }

    #[test]
    fn versions_differ_where_they_are_known_to() {
        let said = |name: &str, version| {
            let all = kept(version).unwrap();
            let trace = all.iter().find(|trace| trace.name == name).unwrap();
            answered(trace, version, GUP_PIN_COUNTING_BIAS).unwrap()
        };
        let refused = "pin_user_pages 0 0 1 wl -> 0\n= -14 0 0 -";
        let allowed = "pin_user_pages 0 0 1 wl -> 0\n= 1 1 0 -";
        assert!(said("longterm-file", Version::V6_12).contains(refused));
        assert!(said("longterm-file", Version::V6_1).contains(allowed));
        assert_ne!(
            said("longterm-zero", Version::V6_12),
            said("longterm-zero", Version::V6_1)
        );
    }

    #[test]
    fn a_wrong_bias_gives_other_answers() {
        let all = kept(Version::V6_12).unwrap();
        let differ = all.iter().filter(|trace| {
            let said = |bias| answered(trace, Version::V6_12, bias).ok();
            said(512) != said(GUP_PIN_COUNTING_BIAS)
        });
        assert!(differ.count() >= 5);
    }
}
