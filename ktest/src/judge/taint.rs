// SPDX-License-Identifier: MIT OR Apache-2.0
//! The second line: what the kernel itself remembers of what went wrong, whether or not the console showed it.
//!
//! Bits of /proc/sys/kernel/tainted: Documentation/admin-guide/tainted-kernels.rst, kernel/panic.c: taint_flags, version 6.12. A bit
//! stays set; the counts of warnings and oopses, which since 6.2 stand in /sys/kernel, go on.

use crate::results::{Results, Tainted};
use crate::target::TargetSpec;
use failure::counted;

/// Bits that say that something went wrong, their letters, and what they mean. The others tell of modules, firmware and the user.
const BITS: [(u32, char, &str); 6] = [
    (3, 'R', "a module removed by force"),
    (4, 'M', "a machine check"),
    (5, 'B', "a bad page"),
    (7, 'D', "an oops or a BUG"),
    (9, 'W', "a warning"),
    (14, 'L', "a soft lockup"),
];
const WARNING: u64 = 1 << 9;

/// All of them.
pub(super) const BAD: u64 = {
    let (mut all, mut index) = (0, 0);
    while index < BITS.len() {
        all |= 1 << BITS[index].0;
        index += 1;
    }
    all
};

/// The bits in words.
pub(super) fn told(bits: u64) -> String {
    let set = BITS.iter().filter(|(bit, _, _)| bits & (1 << bit) != 0);
    let words: Vec<String> = set
        .map(|(_, letter, what)| format!("{letter} ({what})"))
        .collect();
    format!("the kernel tainted itself {}", words.join(", "))
}

/// What the kernel remembers of the time from the beginning of `spec` to that of the next target.
pub(super) fn complaint(spec: &TargetSpec, results: &Results) -> Option<String> {
    let place = results
        .targets
        .iter()
        .position(|(name, _)| *name == spec.name)?;
    let taint = results.targets[place].1.taint?;
    let next = results
        .targets
        .get(place + 1)
        .and_then(|(_, next)| Some(next.taint?.before));
    let end = next.or(results.tainted).unwrap_or(taint.after) | taint.after;
    // A target that provokes warnings has its own said which, on the console.
    let own = match spec.warnings.is_empty() {
        true => 0,
        false => WARNING,
    };
    let gained = end & !taint.before & BAD & !own;
    if gained != 0 {
        return Some(told(gained));
    }
    let Tainted {
        warnings, oopses, ..
    } = taint;
    match (oopses.unwrap_or(0), warnings.unwrap_or(0)) {
        (0, 0) => None,
        (0, _) if own != 0 => None,
        (0, warnings) => Some(format!(
            "the kernel counted {}, of which the console shows none",
            counted(warnings, "warning")
        )),
        (oopses, _) => Some(format!(
            "the kernel counted {}, of which the console shows none",
            counted(oopses, "oops")
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::select;

    fn of(name: &str, text: &str) -> Option<String> {
        complaint(&select(&[name.into()]).unwrap()[0], &Results::parse(text))
    }

    #[test]
    fn a_bad_bit_is_told_and_a_harmless_one_is_not() {
        let text = |after: &str| {
            format!("# begin vmci FAILED\n# taint vmci before=0x1000 after={after}\n")
        };
        assert_eq!(of("vmci", &text("0x1000")), None);
        assert_eq!(of("vmci", &text("0x3000")), None, "an unsigned module");
        for (after, letter) in [
            ("0x1020", 'B'),
            ("0x1080", 'D'),
            ("0x1200", 'W'),
            ("0x5000", 'L'),
        ] {
            let said = of("vmci", &text(after)).unwrap();
            assert!(said.contains(&format!("{letter} (")), "{said}");
        }
    }

    #[test]
    fn what_follows_a_target_is_its_own_and_no_other_ones() {
        let text = "# begin vmci FAILED\n# taint vmci before=0x0 after=0x0\n# begin rds FAILED\n# taint rds before=0x20 after=0x20\n# tainted 0x220\n";
        assert!(of("vmci", text).unwrap().contains("B (a bad page)"));
        assert!(of("rds", text).unwrap().contains("W (a warning)"));
        assert_eq!(of("vfio", text), None);
    }

    #[test]
    fn counts_are_seen_where_the_bit_was_set_before() {
        let text =
            "# begin vmci FAILED\n# taint vmci before=0x200 after=0x200 warnings=2 oopses=0\n";
        assert!(of("vmci", text).unwrap().contains("counted 2 warnings"));
        let own = text.replace("vmci", "refimpl-conformance");
        assert_eq!(of("refimpl-conformance", &own), None);
    }
}
