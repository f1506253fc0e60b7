// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the drivers did.

use super::{Error, Options};
use camino::{Utf8Path, Utf8PathBuf};
use refimpl::capi::report::{Problem, Run, SCHEMA};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// All drivers of a tree.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UserspaceRun {
    /// The version whose rules applied, "6.12".
    pub version: String,
    /// The files compiled, sorted.
    pub sources: Vec<Utf8PathBuf>,
    /// What the compiler warned of, sorted.
    pub warnings: Vec<String>,
    /// By the path of their module_init(), sorted.
    pub drivers: Vec<DriverRun>,
}

/// One driver.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DriverRun {
    /// The file of its module_init().
    pub module: String,
    /// How it ended.
    pub ended: Ended,
    /// What it did; `None` when it did not live to tell.
    pub run: Option<Run>,
}

/// How a driver's process ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ended {
    /// By itself, with a report.
    Finished,
    /// By a signal, or with a code that it should not have.
    Crashed,
    /// It was stopped after its deadline.
    Hung,
}

impl DriverRun {
    /// It finished, made no mistake, and gave back what it took. Device writes that nobody could see are no mistake of an
    /// unconverted driver's; ask [`DriverRun::unseen`].
    pub fn clean(&self) -> bool {
        self.ended == Ended::Finished
            && self
                .run
                .as_ref()
                .is_some_and(|run| run.problems.is_empty() && run.balanced())
    }

    /// Writes of a device to pages that nobody could see are pinned.
    pub fn unseen(&self) -> u64 {
        self.run.as_ref().map_or(0, Run::unseen)
    }

    /// Every file in which the driver takes or gives back a page, sorted.
    pub fn files(&self) -> BTreeSet<&str> {
        let Some(run) = &self.run else {
            return BTreeSet::new();
        };
        run.acquires
            .iter()
            .chain(&run.releases)
            .map(|traffic| traffic.site.path.as_str())
            .collect()
    }
}

impl UserspaceRun {
    /// No driver made a mistake, crashed, or hung.
    pub fn clean(&self) -> bool {
        self.drivers.iter().all(DriverRun::clean)
    }

    /// Unseen device writes of all drivers.
    pub fn unseen(&self) -> u64 {
        self.drivers.iter().map(DriverRun::unseen).sum()
    }

    /// Whether pins can be seen under this version's rules.
    pub fn counts_pins(&self) -> bool {
        self.version
            .parse()
            .is_ok_and(|version| refimpl::version::Version::at(version).counts_pins())
    }

    /// Every mistake, with the driver that made it.
    pub fn problems(&self) -> impl Iterator<Item = (&DriverRun, &Problem)> {
        self.drivers.iter().flat_map(|driver| {
            driver
                .run
                .iter()
                .flat_map(move |run| run.problems.iter().map(move |p| (driver, p)))
        })
    }

    /// The driver of a module.
    pub fn driver(&self, module: &str) -> Option<&DriverRun> {
        self.drivers.iter().find(|driver| driver.module == module)
    }

    /// A table of the drivers and a list of the mistakes.
    pub fn text(&self) -> String {
        let mut text = format!(
            "{:<40} {:>6} {:>6} {:>9} {:>9} {:>6} {:>7} {:>6}\n",
            "driver", "gets", "pins", "put_page", "put_user", "unpins", "device", "unseen"
        );
        for driver in &self.drivers {
            let Some(run) = &driver.run else {
                let _ = writeln!(text, "{:<40} {}", driver.module, driver.ended.words());
                continue;
            };
            let totals = run.totals;
            let _ = writeln!(
                text,
                "{:<40} {:>6} {:>6} {:>9} {:>9} {:>6} {:>7} {:>6}",
                driver.module,
                totals.gets,
                totals.pins,
                totals.put_page,
                totals.put_user_page,
                totals.unpins,
                run.device_writes,
                run.unseen()
            );
        }
        for (_, problem) in self.problems() {
            let _ = write!(
                text,
                "{}: {}() {}",
                problem.site, problem.call, problem.message
            );
            if let Some(related) = &problem.related {
                let _ = write!(text, " ({related})");
            }
            let _ = writeln!(text, " x{}", problem.count);
        }
        text
    }
}

impl Ended {
    fn words(&self) -> &'static str {
        match self {
            Ended::Finished => "finished without a report",
            Ended::Crashed => "crashed",
            Ended::Hung => "hung",
        }
    }
}

/// Runs one driver in a process of its own.
pub(super) fn drive(
    program: &Utf8Path,
    how: &str,
    version: &str,
    module: &str,
    work: &Utf8Path,
    options: &Options,
) -> Result<DriverRun, Error> {
    let name = module.replace('/', "_");
    let report = work.join(format!("{name}.json"));
    let command = proc::Command::new(program)
        .args([how, version, module, report.as_str()])
        .log(work.join(format!("{name}.log")))
        .deadline(options.deadline);
    let ended = match command.run_unchecked() {
        Ok(output) if output.success() => Ended::Finished,
        Ok(_) => Ended::Crashed,
        Err(proc::Error::Timeout { .. }) => Ended::Hung,
        Err(error) => return Err(error.into()),
    };
    let run = if ended == Ended::Finished {
        Some(read(module, &report)?)
    } else {
        None
    };
    Ok(DriverRun {
        module: module.to_owned(),
        ended,
        run,
    })
}

fn read(module: &str, report: &Utf8Path) -> Result<Run, Error> {
    let bytes =
        std::fs::read(report).map_err(|source| Error::io("read", report.to_owned(), source))?;
    let wrong = |why: String| Error::Report {
        module: module.to_owned(),
        why,
    };
    let run: Run = serde_json::from_slice(&bytes).map_err(|error| wrong(error.to_string()))?;
    if run.schema == SCHEMA {
        Ok(run)
    } else {
        Err(wrong(format!("schema {}", run.schema)))
    }
}
