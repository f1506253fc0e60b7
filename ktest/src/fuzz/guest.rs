// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a guest may write to its console and its results port.

use crate::boot::{Ended, Seen};
use crate::console::Patterns;
use crate::error::Error;
use crate::formats::{Format, write};
use crate::judge::{Changed, Converted, boot, exercise, judge};
use crate::results::Results;
use crate::target::{TargetSpec, select};
use crate::verdict::{Build, Outcome, Stage, Verdict, summarise};
use callsites::fuzz::dice::Dice;

/// A console of two targets, one of which kills the kernel.
pub(super) const CONSOLE: &str = "[    0.000000] Linux version 6.12.117\n[    1.000000] ktest: begin vmci\n\
    [    1.100000] WARNING: CPU: 0 PID: 41 at mm/gup.c:84 try_grab_folio+0x1/0x2\n[    1.100000] RIP: 0010:f+0x1/0x2\n\
    [    1.200000]  g+0x1/0x2\n[    1.300000] ktest: end vmci\n[    1.400000] ktest: begin gup-test\n\
    [    1.500000] kernel BUG at mm/gup.c:1!\n[    1.600000] ktest: end gup-test\n";
/// A console without a complaint.
const QUIET: &str = "[    0.000000] Linux version 6.12.117\n[    1.000000] ktest: begin vmci\n[    1.300000] ktest: end vmci\n\
    [    1.400000] ktest: begin gup-test\n[    1.600000] ktest: end gup-test\n";
/// Results that pass.
pub(super) const RESULTS: &str = "KTAP version 1\n# unwatched f it has no symbol\n1..2\n# begin vmci FAILED\n    KTAP version 1\n\
    \x20   # pins notify held=1 acquired=1 released=1\n    # seconds notify 0.25\n    ok 1 notify\n    # inner notify passed=3 skipped=1\n\
    \x20   1..1\n# pins vmci acquired=1 released=1\n# drift vmci pages=-3 repetitions=64\n# probe vmci function=f symbol=f hits=2\n\
    # taint vmci before=0x0 after=0x200 warnings=1 oopses=0\n# end vmci pass\nok 1 vmci\n# begin gup-test FAILED\n    ok 1 pin\n\
    # end gup-test pass\nok 2 gup-test\n# noise machine acquired=0 released=0\n# tainted 0x0\nktest verdict: pass\n";
/// What breaks readers: the largest numbers, numbers that are none, control characters, marks in odd places.
pub(super) const ODD: &[&str] = &[
    "18446744073709551615",
    "-9223372036854775808",
    "9223372036854775807",
    "inf",
    "NaN",
    "-1",
    "1e308",
    "\u{1b}[2J",
    "\0",
    "\r",
    "\n",
    "#",
    " # ",
    "=",
    "]]>",
    "\u{fffd}",
    "# begin ",
    "ktest: end ",
    "ktest verdict: ",
    "0xffffffffffffffff",
    "[",
    "+0x1/0x2",
    "\u{202e}",
    "\u{9b}",
    "</testcase>",
    "not ok ",
];

/// What a guest has left behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guest {
    /// How its run ended.
    pub ended: Ended,
    /// Its console.
    pub console: Vec<u8>,
    /// Its results port.
    pub results: Vec<u8>,
}

impl Guest {
    /// A guest by its number.
    pub fn of_case(seed: u64, number: u64) -> Guest {
        let mut dice = Dice::of_case(seed, number);
        let ends = [Ended::Exited, Ended::Deadline, Ended::Flooded];
        let console = if dice.once_in(2) { CONSOLE } else { QUIET };
        Guest {
            ended: dice.pick(&ends).copied().unwrap_or(Ended::Exited),
            console: text(console, &mut dice),
            results: text(RESULTS, &mut dice),
        }
    }

    /// The verdict on one that does nothing wrong.
    ///
    /// # Errors
    /// As [`Guest::run`].
    pub fn good() -> Result<Verdict, Error> {
        verdict(Ended::Exited, QUIET, RESULTS)
    }

    /// Reads, judges and writes it; what is wrong, a line each.
    ///
    /// # Errors
    /// None that a guest could bring about: our own patterns and targets do not parse.
    pub fn run(&self) -> Result<Vec<String>, Error> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (console, results) = (text(&self.console), text(&self.results));
        let verdict = verdict(self.ended, &console, &results)?;
        let mut wrong = written_and_read_again(&verdict);
        let passes = results
            .lines()
            .any(|line| line.contains("ktest verdict: pass"));
        if verdict.result == Outcome::Pass && !passes {
            wrong.push("a pass although no line says so".to_owned());
        }
        Ok(wrong)
    }
}

/// A good text, damaged; sometimes nothing but noise, or the same line very often.
fn text(good: &str, dice: &mut Dice) -> Vec<u8> {
    let mut out = good.as_bytes().to_vec();
    if dice.once_in(20) {
        let byte = |dice: &mut Dice| u8::try_from(dice.below(256)).unwrap_or(0);
        return (0..dice.below(4000)).map(|_| byte(dice)).collect();
    }
    for _ in 0..=dice.below(6) {
        let cut = dice.range(out.len(), 24);
        let odd = dice.pick(ODD).copied().unwrap_or_default();
        let again = out[cut.clone()].to_vec();
        out.splice(cut.clone(), odd.bytes());
        if dice.once_in(2) {
            // A guest may say the same a thousand times; a log of 8 MiB is what boot lets it have.
            let times = if dice.once_in(30) { 1000 } else { 2 };
            out.splice(cut.start..cut.start, again.repeat(times));
        }
    }
    out
}

fn specs() -> Result<Vec<TargetSpec>, Error> {
    select(&["vmci,gup-test,refimpl-conformance".into()])
}

/// The verdict on a base and one patch that both left this behind.
pub(super) fn verdict(ended: Ended, console: &str, results: &str) -> Result<Verdict, Error> {
    let seen = Seen {
        ended,
        scan: Patterns::built_in()?.scan(console),
        results: Results::parse(results),
    };
    let specs = specs()?;
    let stage = |number| {
        let base = (number > 0).then(|| boot(&[], None));
        Stage {
            subject: "a kernel".into(),
            boot: Some(boot(&[&seen], base.as_ref())),
            exercise: exercise(&[changed()], &[&seen]),
            targets: specs
                .iter()
                .map(|spec| judge(spec, Converted::Yes, &seen))
                .collect(),
            ..Stage::new(number, Build::of(Outcome::Pass, None))
        }
    };
    Ok(summarise("run", stage(0), vec![stage(1)]))
}

fn changed() -> Changed {
    Changed {
        path: "a.c".into(),
        function: "f".into(),
        within: vec!["g".into()],
        calls: vec![("f+0x1".into(), "unpin_user_page".into())],
        lines: vec!["f+0x3".into()],
        ran_before: None,
    }
}

/// Formats that hold what a terminal would obey, or that come back as another verdict.
pub(super) fn written_and_read_again(verdict: &Verdict) -> Vec<String> {
    let mut wrong = Vec::new();
    for format in [Format::Text, Format::Json, Format::Junit, Format::Ktap] {
        let mut bytes = Vec::new();
        if let Err(error) = write(verdict, format, &mut bytes) {
            wrong.push(format!("{format:?} cannot be written: {error}"));
        }
        let text = String::from_utf8_lossy(&bytes);
        let mark = |c: &char| c.is_control() && !matches!(c, '\n' | '\t');
        if let Some(mark) = text.chars().find(mark) {
            wrong.push(format!("{format:?} has the control character {mark:?}"));
        }
        if format == Format::Json {
            match serde_json::from_str::<Verdict>(&text) {
                Ok(again) if again == *verdict => {}
                Ok(_) => wrong.push("JSON read again is another verdict".to_owned()),
                Err(error) => wrong.push(format!("JSON cannot be read again: {error}")),
            }
        }
    }
    wrong
}
