// SPDX-License-Identifier: MIT OR Apache-2.0
//! A verdict as text for people, as JSON, as JUnit, and as KTAP.

mod junit;

use crate::build::not_compared;
use crate::error::Error;
use crate::verdict::{Outcome, Pins, Stage, Target, Verdict};
use camino::Utf8PathBuf;
use std::fmt::Write as _;
use std::io::Write;

/// How a verdict is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// The schema `verdict/1`.
    Json,
    /// For CI systems.
    Junit,
    /// For the kernel's own tools.
    Ktap,
}

impl std::str::FromStr for Format {
    type Err = String;

    fn from_str(word: &str) -> Result<Format, String> {
        match word {
            "text" => Ok(Format::Text),
            "json" => Ok(Format::Json),
            "junit" => Ok(Format::Junit),
            "ktap" => Ok(Format::Ktap),
            other => Err(format!("no format `{other}`: text, json, junit or ktap")),
        }
    }
}

/// Writes `verdict` to `to`.
///
/// # Errors
/// [`Error::Io`] when `to` cannot be written.
pub fn write(verdict: &Verdict, format: Format, to: &mut dyn Write) -> Result<(), Error> {
    let text = match format {
        Format::Text => text(verdict),
        Format::Ktap => ktap(verdict),
        Format::Json => {
            let json = serde_json::to_string_pretty(verdict)
                .map_err(|error| Error::Internal(format!("write a verdict as JSON: {error}")))?;
            format!("{json}\n")
        }
        Format::Junit => junit::junit(verdict, stages(verdict))
            .map_err(|error| Error::Internal(format!("write a verdict as JUnit: {error}")))?,
    };
    to.write_all(text.as_bytes()).map_err(|source| Error::Io {
        what: "write",
        path: Utf8PathBuf::from("the verdict"),
        source,
    })
}

fn stages(verdict: &Verdict) -> impl Iterator<Item = &Stage> {
    std::iter::once(&verdict.base).chain(&verdict.patches)
}

fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Pass => "pass",
        Outcome::Skip => "skip",
        Outcome::Fail => "FAIL",
        Outcome::Inconclusive => "inconclusive",
        Outcome::Crash => "CRASH",
        Outcome::Timeout => "TIMEOUT",
    }
}

fn text(verdict: &Verdict) -> String {
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _infallible = write_text(verdict, &mut out);
    out
}

fn write_text(verdict: &Verdict, out: &mut String) -> std::fmt::Result {
    for stage in stages(verdict) {
        writeln!(out, "{}", stage.subject)?;
        let build = &stage.build;
        let reason = build
            .reason
            .as_deref()
            .map_or(String::new(), |r| format!("  {r}"));
        writeln!(
            out,
            "  build        {:<12} {:.1} s{reason}",
            word(build.result),
            build.seconds
        )?;
        for line in build.changes.lines() {
            writeln!(out, "               {line}")?;
        }
        for warning in &build.new_warnings {
            writeln!(out, "               new warning: {warning}")?;
        }
        if let Some(line) = not_compared(&build.uncompared_warnings) {
            writeln!(out, "               {line}")?;
        }
        for target in &stage.targets {
            write_target(target, out)?;
        }
    }
    writeln!(out, "{}: {}", word(verdict.result), verdict.reason)?;
    writeln!(out, "run {}", verdict.run)
}

fn write_target(target: &Target, out: &mut String) -> std::fmt::Result {
    let count = |outcome| {
        target
            .subtests
            .iter()
            .filter(|s| s.result == outcome)
            .count()
    };
    let (passed, skipped) = (count(Outcome::Pass), count(Outcome::Skip));
    write!(
        out,
        "  {:<12} {:<12} {passed}/{} subtests",
        target.name,
        word(target.result),
        target.subtests.len()
    )?;
    if skipped > 0 {
        write!(out, ", {skipped} skipped")?;
    }
    match target.pins {
        Some(pins) => write!(out, ", {}", pins_text(pins))?,
        None => write!(out, ", pins not totalled")?,
    }
    if let Some(pages) = target.drift_pages {
        write!(out, ", drift {pages} pages")?;
    }
    writeln!(out)?;
    if let Some(reason) = &target.reason {
        writeln!(out, "               {reason}")?;
    }
    for splat in &target.splats {
        writeln!(
            out,
            "               console:{}: {}: {}",
            splat.console_line, splat.kind, splat.first_line
        )?;
    }
    for site in &target.callsites {
        let evidence = format!("{:?}", site.evidence).to_lowercase();
        writeln!(out, "               {evidence:<9} {}", site.id)?;
    }
    Ok(())
}

fn pins_text(pins: Pins) -> String {
    format!(
        "pins acquired {}, released {}",
        pins.acquired, pins.released
    )
}

fn ktap(verdict: &Verdict) -> String {
    let all: Vec<&Stage> = stages(verdict).collect();
    let mut out = format!("KTAP version 1\n1..{}\n", all.len());
    for (index, stage) in all.iter().enumerate() {
        let mut bad = stage.build.result == Outcome::Fail;
        let _infallible = writeln!(out, "  KTAP version 1\n  1..{}", stage.targets.len());
        for (number, target) in stage.targets.iter().enumerate() {
            let _infallible = writeln!(out, "    KTAP version 1\n    1..{}", target.subtests.len());
            for (n, subtest) in target.subtests.iter().enumerate() {
                let line = ktap_line(subtest.result, n, &subtest.name, subtest.reason.as_deref());
                let _infallible = writeln!(out, "    {line}");
            }
            let line = ktap_line(
                target.result,
                number,
                &target.name,
                target.reason.as_deref(),
            );
            let _infallible = writeln!(out, "  {line}");
            bad |= !matches!(target.result, Outcome::Pass | Outcome::Skip);
        }
        let outcome = if bad { Outcome::Fail } else { Outcome::Pass };
        let reason = stage.build.reason.as_deref().filter(|_| bad);
        let _infallible = writeln!(out, "{}", ktap_line(outcome, index, &stage.subject, reason));
    }
    out
}

fn ktap_line(outcome: Outcome, index: usize, name: &str, reason: Option<&str>) -> String {
    let (ok, note) = match outcome {
        Outcome::Pass => return format!("ok {} {}", index + 1, name.replace('#', "no.")),
        Outcome::Skip => ("ok", "SKIP"),
        Outcome::Timeout => ("not ok", "TIMEOUT"),
        Outcome::Fail => ("not ok", "FAIL"),
        Outcome::Crash => ("not ok", "CRASH"),
        Outcome::Inconclusive => ("not ok", "INCONCLUSIVE"),
    };
    let name = name.replace('#', "no.");
    let reason = reason.unwrap_or_default();
    format!("{ok} {} {name} # {note} {reason}", index + 1)
        .trim_end()
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::{Build, Splat, Subtest, summarise};

    fn stage(subject: &str, target: Target) -> Stage {
        Stage {
            number: 0,
            subject: subject.into(),
            build: Build {
                result: Outcome::Pass,
                reason: None,
                new_warnings: vec!["d/a.c: unused variable [-Wunused-variable]".into()],
                uncompared_warnings: vec!["i/a.h: odd [-Wodd]".into()],
                changes: Default::default(),
                image_hash: None,
                seconds: 2.5,
            },
            targets: vec![target],
        }
    }

    fn target(result: Outcome, pins: Pins, reason: Option<&str>) -> Target {
        let subtest = |name: &str, result, reason: Option<&str>| Subtest {
            name: name.into(),
            result,
            reason: reason.map(Into::into),
            seconds: 0.25,
            pins: Some(pins),
            inner: None,
        };
        Target {
            name: "vmci".into(),
            result,
            reason: reason.map(Into::into),
            subtests: vec![
                subtest("notify", result, reason),
                subtest("huge", Outcome::Skip, Some("no huge pages")),
            ],
            pins: Some(pins),
            drift_pages: Some(0),
            accelerator: None,
            splats: Vec::new(),
            callsites: Vec::new(),
        }
    }

    fn verdict() -> Verdict {
        let base = stage("Linux 6.12", target(Outcome::Pass, Pins::new(0, 0), None));
        let reason = Some("pins acquired 1, released 0");
        let mut bad = target(Outcome::Fail, Pins::new(1, 0), reason);
        bad.splats.push(Splat {
            kind: "warning".into(),
            first_line: "WARNING: CPU: 0 PID: 1 at mm/gup.c:84 f".into(),
            console_line: 300,
        });
        summarise("0001-abcd", base, vec![stage("misc: pin pages", bad)])
    }

    fn written(format: Format) -> String {
        let mut bytes = Vec::new();
        write(&verdict(), format, &mut bytes).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn people_read_the_imbalance_and_the_first_bad_patch() {
        insta::assert_snapshot!(written(Format::Text));
    }

    #[test]
    fn ktap_nests_subtests_in_targets_in_kernels() {
        insta::assert_snapshot!(written(Format::Ktap));
    }

    #[test]
    fn junit_counts_a_skipped_subtest_as_skipped() {
        let xml = written(Format::Junit);
        assert!(
            xml.contains("tests=\"8\" skipped=\"2\" failures=\"2\" errors=\"0\""),
            "{xml}"
        );
        assert!(
            xml.contains("<skipped message=\"no huge pages\" type=\"skip\"/>"),
            "{xml}"
        );
    }

    #[test]
    fn json_keeps_the_contracts_names() {
        let value: serde_json::Value = serde_json::from_str(&written(Format::Json)).unwrap();
        assert_eq!(value["schema"], "verdict/1");
        assert_eq!(value["result"], "fail");
        assert_eq!(value["first_bad"], "misc: pin pages");
        let target = &value["patches"][0]["targets"][0];
        assert_eq!(target["pins"]["acquired"], 1);
        assert_eq!(target["pins"]["balanced"], false);
        assert_eq!(target["subtests"][1]["result"], "skip");
        assert_eq!(target["splats"][0]["console_line"], 300);
    }
}
