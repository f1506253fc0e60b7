// SPDX-License-Identifier: MIT OR Apache-2.0
//! How a kernel came up: what it complained of before the first target, beside what the base complains of.

use super::taint;
use crate::boot::Seen;
use crate::console::{Found, identity};
use crate::verdict::{Boot, Outcome, Splat};
use std::collections::BTreeSet;

/// Of all boots of one kernel. What the base complains of is the base's: it is told, and held against no patch.
pub fn boot(seen: &[&Seen], base: Option<&Boot>) -> Boot {
    let before_all = |seen: &&Seen| -> Vec<Found> {
        let found = seen.scan.found.iter().filter(|f| f.target.is_none());
        found.cloned().collect()
    };
    let mut known = BTreeSet::new();
    let all: Vec<Found> = seen.iter().flat_map(before_all).collect();
    let fatal = all.iter().find(|f| f.fatal).map(|f| f.splat.clone());
    let splats: Vec<Splat> = all
        .into_iter()
        .filter(|f| known.insert(identity(&f.splat.first_line)))
        .map(|f| f.splat)
        .collect();
    let first = |seen: &&Seen| seen.results.targets.first()?.1.taint;
    let taint = seen
        .iter()
        .filter_map(first)
        .fold(0, |all, t| all | t.before);
    let taint = taint & taint::BAD;
    let mut boot = Boot {
        result: Outcome::Pass,
        reason: None,
        taint,
        splats,
    };
    if let Some(fatal) = fatal {
        boot.result = Outcome::Crash;
        boot.reason = Some(format!("while booting: {}", fatal.told()));
        return boot;
    }
    let of_base: BTreeSet<String> = base
        .iter()
        .flat_map(|b| &b.splats)
        .map(|s| identity(&s.first_line))
        .collect();
    let new = boot
        .splats
        .iter()
        .find(|s| !of_base.contains(&identity(&s.first_line)));
    let gained = taint & !base.map_or(0, |base| base.taint);
    boot.reason = match (new, gained) {
        (Some(splat), _) => Some(format!("console while booting: {}", splat.told())),
        (None, 0) => None,
        (None, bits) => Some(format!("while booting {}", taint::told(bits))),
    };
    if base.is_some() && boot.reason.is_some() {
        boot.result = Outcome::Fail;
    }
    boot
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boot::Ended;
    use crate::console::Patterns;
    use crate::results::Results;

    fn seen(console: &str, results: &str) -> Seen {
        Seen {
            ended: Ended::Exited,
            scan: Patterns::built_in().unwrap().scan(console),
            results: Results::parse(results),
        }
    }

    #[test]
    fn what_the_base_complains_of_is_not_held_against_a_patch_and_what_is_new_is() {
        let warning = "WARNING: CPU: 1 PID: 1 at drivers/a.c:9 f+0x1/0x2\n";
        let moved = "WARNING: CPU: 0 PID: 7 at drivers/a.c:12 f+0x3/0x4\n";
        let base = boot(&[&seen(warning, "")], None);
        assert_eq!(base.result, Outcome::Pass);
        assert!(
            base.reason
                .as_deref()
                .is_some_and(|r| r.starts_with("console while booting: WARNING"))
        );
        let same = boot(&[&seen(moved, "")], Some(&base));
        assert_eq!((same.result, same.reason), (Outcome::Pass, None));
        let other = format!("{moved}BUG kmalloc-64 (Not tainted): Poison overwritten\n");
        let worse = boot(&[&seen(&other, "")], Some(&base));
        assert_eq!(worse.result, Outcome::Fail);
        assert!(worse.reason.unwrap().contains("BUG kmalloc-64"));
    }

    #[test]
    fn a_taint_without_a_complaint_and_a_crash_are_seen_too() {
        let tainted = "# begin a FAILED\n# taint a before=0x200 after=0x200\n";
        let clean = boot(&[&seen("", "")], None);
        let found = boot(&[&seen("", tainted)], Some(&clean));
        assert_eq!(found.result, Outcome::Fail);
        assert!(found.reason.unwrap().contains("W (a warning)"));
        let dead = boot(
            &[&seen("Kernel panic - not syncing: VFS: no root\n", "")],
            None,
        );
        assert_eq!(dead.result, Outcome::Crash);
    }
}
