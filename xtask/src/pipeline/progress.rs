// SPDX-License-Identifier: MIT OR Apache-2.0
//! Runs stages one after another and keeps the record of what came of them.

use crate::console::Console;
use crate::exit::{Exit, Failure};
use crate::runs::directory::Run;
use crate::runs::record::{Ended, Record, Stage};
use std::time::Instant;

/// A run on its way.
pub(crate) struct Progress<'a> {
    /// Its directory.
    pub(crate) run: Run,
    /// What is known so far.
    pub(crate) record: Record,
    /// What an earlier try of the same run has finished.
    pub(crate) earlier: Vec<Stage>,
    /// What the first stage that failed means to the shell.
    pub(crate) exit: Exit,
    /// Where to talk.
    pub(crate) console: &'a Console,
}

/// What came of a stage.
pub(crate) enum Came {
    /// It ran and found nothing wrong: one line, and lines for those who want to know more.
    Well(String, Vec<String>),
    /// It ran and found something wrong.
    Ill(Exit, String, Vec<String>),
    /// It could not run: why, and the next command.
    Skipped(String, Option<String>),
}

impl Progress<'_> {
    /// Runs a stage, unless an earlier try has finished it; returns whether it passed.
    ///
    /// # Errors
    /// Only what must end the run: ctrl-C, and a run directory that cannot be written.
    pub(crate) fn stage(
        &mut self,
        name: &str,
        work: impl FnOnce(&Run) -> Result<Came, Failure>,
    ) -> Result<bool, Failure> {
        let done = |stage: &&Stage| stage.name == name && stage.result == Ended::Passed;
        let stage = match self.earlier.iter().find(done) {
            Some(stage) => stage.clone(),
            None => self.work(name, work)?,
        };
        let (result, summary) = (stage.result, stage.summary.clone());
        self.console
            .say(format!("{name:<10} {:<8} {summary}", result.word()));
        self.record.stages.push(stage);
        self.run.record(&self.record)?;
        Ok(result == Ended::Passed)
    }

    fn work(
        &mut self,
        name: &str,
        work: impl FnOnce(&Run) -> Result<Came, Failure>,
    ) -> Result<Stage, Failure> {
        let started = Instant::now();
        let came = work(&self.run);
        if proc::interrupted() {
            return Err(Failure::new(Exit::Interrupted, "interrupted"));
        }
        let (result, summary, details, hint) = match came {
            Ok(Came::Well(summary, details)) => (Ended::Passed, summary, details, None),
            Ok(Came::Ill(exit, summary, details)) => {
                self.failed_with(exit);
                (Ended::Failed, summary, details, None)
            }
            Ok(Came::Skipped(reason, hint)) => (Ended::Skipped, reason, Vec::new(), hint),
            Err(failure) => {
                self.failed_with(failure.exit);
                let mut lines = failure.lines();
                let summary = lines.remove(0);
                (
                    Ended::Failed,
                    summary,
                    lines,
                    failure.hint_text().map(str::to_owned),
                )
            }
        };
        let seconds = (started.elapsed().as_secs_f64() * 10.0).round() / 10.0;
        Ok(Stage {
            name: name.to_owned(),
            result,
            summary,
            details,
            hint,
            seconds,
        })
    }

    fn failed_with(&mut self, exit: Exit) {
        if self.exit == Exit::Clean {
            self.exit = exit;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flags::Common;
    use crate::runs::record::{Inputs, SCHEMA};
    use camino::Utf8Path;

    fn progress<'a>(dir: &tempfile::TempDir, console: &'a Console) -> Progress<'a> {
        let inputs = Inputs {
            tree: "6.12".into(),
            revision: None,
            paths: vec![],
            targets: vec![],
            kbuild: vec![],
            module: None,
        };
        Progress {
            run: Run::create(Utf8Path::from_path(dir.path()).unwrap(), "test").unwrap(),
            record: Record {
                schema: SCHEMA.into(),
                inputs,
                tools: Default::default(),
                stages: vec![],
            },
            earlier: vec![],
            exit: Exit::Clean,
            console,
        }
    }

    #[test]
    fn a_failed_stage_decides_the_exit_code_and_a_later_one_does_not_change_it() {
        let dir = tempfile::tempdir().unwrap();
        let console = Console::new(&Common {
            quiet: true,
            ..Common::default()
        });
        let mut progress = progress(&dir, &console);
        assert!(
            progress
                .stage("audit", |_| Ok(Came::Well("fine".into(), vec![])))
                .unwrap()
        );
        assert!(
            !progress
                .stage("apply", |_| Ok(Came::Ill(
                    Exit::Conflict,
                    "no".into(),
                    vec![]
                )))
                .unwrap()
        );
        assert!(
            !progress
                .stage("ktest", |_| Err(Failure::new(Exit::Crash, "panic")))
                .unwrap()
        );
        assert_eq!(progress.exit, Exit::Conflict);
        assert_eq!(
            crate::runs::directory::read(&progress.run.dir).unwrap(),
            progress.record
        );
    }

    #[test]
    fn what_an_earlier_try_has_passed_is_not_done_again_and_what_it_skipped_is() {
        let dir = tempfile::tempdir().unwrap();
        let console = Console::new(&Common {
            quiet: true,
            ..Common::default()
        });
        let mut progress = progress(&dir, &console);
        let stage = |name: &str, result| Stage {
            name: name.into(),
            result,
            summary: "earlier".into(),
            details: vec![],
            hint: None,
            seconds: 1.0,
        };
        progress.earlier = vec![
            stage("convert", Ended::Passed),
            stage("ktest", Ended::Skipped),
        ];
        assert!(
            progress
                .stage("convert", |_| unreachable!("it was done"))
                .unwrap()
        );
        assert!(
            progress
                .stage("ktest", |_| Ok(Came::Well("now".into(), vec![])))
                .unwrap()
        );
        assert_eq!(progress.record.stages[1].summary, "now");
    }
}
