// SPDX-License-Identifier: MIT OR Apache-2.0
//! A trace on which kernel and reference implementation differ, made short: one boot a round replays all the shorter traces
//! that make sense, and the shortest that still differs is the next to be shortened.

use super::kernel::IMAGE;
use super::stages::Session;
use crate::conformance;
use crate::error::Error;
use crate::image::write;
use crate::target::TargetSpec;
use crate::verdict::{Outcome, Target};
use camino::Utf8Path;
use refimpl::conformance::{Trace, shortest};
use refimpl::version::Version;

/// A trace of some forty operations takes about as many.
const ROUNDS: usize = 8;
/// What the guest puts before the name of a trace.
const PREFIX: &str = "trace-";

impl Session<'_> {
    /// Shortens the first difference of each target that replays traces, and says so in its reason. `home` holds the kernel and
    /// its probe module.
    pub(super) fn shorten(
        &self,
        specs: &[&TargetSpec],
        home: &Utf8Path,
        dir: &Utf8Path,
        targets: &mut [Target],
    ) -> Result<(), Error> {
        for spec in specs {
            let replays = spec.guest().is_some_and(|guest| guest.probe);
            let target = targets.iter_mut().find(|target| target.name == spec.name);
            let Some(target) = target.filter(|_| replays) else {
                continue;
            };
            let Some((name, step)) = first_difference(target) else {
                continue;
            };
            let short = self.shortest(spec, home, dir, (&name, step))?;
            let Some(text) = short else {
                continue;
            };
            let file = dir.join("shortest.trace");
            std::fs::write(&file, &text).map_err(Error::io("write", &file))?;
            let calls: Vec<&str> = text.lines().filter(|line| !line.starts_with('=')).collect();
            let reason = target.reason.take().unwrap_or_default();
            target.reason = Some(format!("{reason}; shortest: {}", calls.join("; ")));
        }
        Ok(())
    }

    /// The shortened trace with the model's answers. None where the trace is none of this version's, which cannot be while
    /// the guest reports the names it was given.
    fn shortest(
        &self,
        spec: &TargetSpec,
        home: &Utf8Path,
        dir: &Utf8Path,
        (name, step): (&str, usize),
    ) -> Result<Option<String>, Error> {
        let version = Version::at(self.source.kernel_version()?);
        let traces = conformance::traces(version)?;
        let Some(trace) = traces.iter().find(|trace| trace.name == name) else {
            return Ok(None);
        };
        let module = home.join("probe/gup_probe.ko");
        let module = std::fs::read(&module).map_err(Error::io("read", &module))?;
        let mut round = 0;
        let short = shortest(trace, step, version, ROUNDS, |candidates| {
            round += 1;
            let said = format!(
                "shortening {name}: round {round}, {} traces",
                candidates.len()
            );
            self.options.progress.say(&said);
            let dir = dir.join(format!("shorten-{round}"));
            std::fs::create_dir_all(&dir).map_err(Error::io("make directory", &dir))?;
            let extras = conformance::candidates(module.clone(), candidates, version)?;
            let initrd = write(&self.guest, &[], &extras, &dir.join("initrd"))?;
            let seen = self.boot_once(&[spec], (&home.join(IMAGE), &initrd), &dir)?;
            let failed: Vec<&str> = seen
                .results
                .target(&spec.name)
                .into_iter()
                .flat_map(|report| &report.subtests)
                .filter(|subtest| subtest.result == Outcome::Fail)
                .filter_map(|subtest| subtest.name.strip_prefix(PREFIX))
                .collect();
            let differs = |trace: &Trace| failed.contains(&trace.name.as_str());
            Ok::<_, Error>(candidates.iter().map(differs).collect())
        })?;
        let bias = refimpl::page::GUP_PIN_COUNTING_BIAS;
        conformance::text(&[short], version, bias).map(Some)
    }
}

/// Name and step of the first trace that differs.
fn first_difference(target: &Target) -> Option<(String, usize)> {
    let failed = target.subtests.iter().filter(|s| s.result == Outcome::Fail);
    let mut traces = failed.filter_map(|subtest| {
        let name = subtest.name.strip_prefix(PREFIX)?;
        let (_, rest) = subtest.reason.as_deref()?.split_once("step ")?;
        let step = rest.split(' ').next()?.parse().ok()?;
        Some((name.to_owned(), step))
    });
    traces.next()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::Subtest;

    #[test]
    fn the_first_trace_that_differs_is_found_with_its_step() {
        let subtest = |name: &str, result, reason: &str| Subtest {
            name: name.into(),
            result,
            reason: Some(reason.into()),
            seconds: 0.0,
            pins: None,
            drift: None,
            inner: None,
        };
        let target = |subtests| Target {
            subtests,
            ..Target::named("refimpl-conformance")
        };
        let found = first_difference(&target(vec![
            subtest("trace-a", Outcome::Pass, ""),
            subtest("probe-module", Outcome::Fail, "step 1"),
            subtest(
                "trace-g4-2",
                Outcome::Fail,
                "step 17 `put_page 3`: slot 3 refcount",
            ),
        ]));
        assert_eq!(found, Some(("g4-2".into(), 17)));
        assert_eq!(first_difference(&target(Vec::new())), None);
    }
}
