// SPDX-License-Identifier: MIT OR Apache-2.0
//! Workers, until every case was run.

use super::order::{Event, Fate, Kind, Order};
use super::tally::{Find, Tally};
use crate::exit::Failure;
use camino::{Utf8Path, Utf8PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// A worker polices itself; whatever is past this hangs without knowing it.
const DEADLINE: Duration = Duration::from_secs(7200);

/// Cases of one kind.
#[derive(Debug, Clone)]
pub(crate) struct Job {
    /// What they are about.
    pub(crate) kind: Kind,
    /// How many.
    pub(crate) cases: u64,
    /// How many one worker runs: a process takes some 20 ms to start, and a desk for series a second to make.
    pub(crate) stretch: u64,
}

/// What all workers share.
#[derive(Debug, Clone)]
pub(crate) struct Herd {
    /// Draws the cases.
    pub(crate) seed: u64,
    /// How many workers at a time.
    pub(crate) jobs: usize,
    /// The corpus.
    pub(crate) corpus: Utf8PathBuf,
    /// A directory of our own.
    pub(crate) scratch: Utf8PathBuf,
    /// The tree that is rewritten as a whole.
    pub(crate) kernel: Option<String>,
}

impl Herd {
    /// Runs the cases of a job; `tick` is told how many have been run.
    pub(crate) fn run(
        &self,
        job: &Job,
        tick: &(dyn Fn(u64) + Sync),
    ) -> Result<(Tally, Vec<Find>), Failure> {
        let next = AtomicU64::new(0);
        let done: Mutex<(Tally, Vec<Find>)> = Mutex::default();
        let worked: Vec<Result<(), Failure>> = std::thread::scope(|scope| {
            let one = || {
                loop {
                    let from = next.fetch_add(job.stretch, Ordering::Relaxed);
                    if from >= job.cases {
                        return Ok(());
                    }
                    let to = (from + job.stretch).min(job.cases);
                    self.stretch(job.kind, from, to, &done)?;
                    tick(to - from);
                }
            };
            let all: Vec<_> = (0..self.jobs.max(1)).map(|_| scope.spawn(one)).collect();
            all.into_iter()
                .map(|thread| {
                    thread.join().unwrap_or_else(|_| {
                        Err(
                            std::io::Error::other("a thread that waits for workers panicked")
                                .into(),
                        )
                    })
                })
                .collect()
        });
        worked.into_iter().collect::<Result<(), Failure>>()?;
        let (tally, mut finds) = done.into_inner().unwrap_or_else(PoisonError::into_inner);
        finds.sort_by_key(|find| find.case);
        Ok((tally, finds))
    }

    /// Runs cases, with a new worker behind each that ended one.
    fn stretch(
        &self,
        kind: Kind,
        mut from: u64,
        to: u64,
        done: &Mutex<(Tally, Vec<Find>)>,
    ) -> Result<(), Failure> {
        while from < to {
            let order = Order {
                kind,
                seed: self.seed,
                from,
                to,
                dir: match kind {
                    Kind::Files => self.corpus.clone(),
                    _ => self.scratch.clone(),
                },
                kernel: self.kernel.clone(),
            };
            let (events, peak, next) = worked(&order)?;
            let mut done = done.lock().unwrap_or_else(PoisonError::into_inner);
            let (tally, finds) = &mut *done;
            tally.peak_mib = tally.peak_mib.max(peak);
            finds.extend(tally.count(kind, events));
            from = next;
        }
        Ok(())
    }

    /// How one file fares, which stands alone beneath `dir`.
    pub(crate) fn one(&self, dir: &Utf8Path) -> Result<Option<Fate>, Failure> {
        let order = Order {
            kind: Kind::File,
            seed: self.seed,
            from: 0,
            to: 1,
            dir: dir.to_owned(),
            kernel: None,
        };
        let (events, _, _) = worked(&order)?;
        Ok(events.into_iter().find_map(|event| match event {
            Event::Bad(_, fate) => Some(fate),
            _ => None,
        }))
    }
}

/// What a worker said, the MiB that it took, and the case that comes next.
fn worked(order: &Order) -> Result<(Vec<Event>, f64, u64), Failure> {
    let words = serde_json::to_string(order).map_err(std::io::Error::from)?;
    let output = proc::Command::new(std::env::current_exe()?)
        .args(["fuzz", "--quiet", "--worker", &words])
        .env_remove("KERNEL_TREE")
        .deadline(DEADLINE)
        .run_unchecked()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let events: Vec<Event> = text
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect();
    let peak = output.usage.peak_kib as f64 / 1024.0;
    let (events, next) = ended(events, order, &output);
    match next {
        Some(next) => Ok((events, peak, next)),
        // It could not even begin: the machine or this program is at fault, and not a case.
        None => Err(std::io::Error::other(format!(
            "a worker did not begin: {}",
            output.stderr_text()
        ))
        .into()),
    }
}

/// Adds what a worker could not say any more, and tells where the next one begins; None where no case had begun.
fn ended(
    mut events: Vec<Event>,
    order: &Order,
    output: &proc::Output,
) -> (Vec<Event>, Option<u64>) {
    let begun = events.iter().rev().find_map(|event| match event {
        Event::Begin(case) => Some(*case),
        _ => None,
    });
    let over = |case| {
        let of_case = |event: &Event| matches!(event, Event::End(at, _) if *at == case);
        events.iter().any(of_case)
    };
    let Some(case) = begun else {
        return (events, None);
    };
    if over(case) {
        // Between two cases nothing of theirs runs.
        let next = if output.success() { order.to } else { case + 1 };
        return (events, Some(next));
    }
    let told = matches!(events.last(), Some(Event::Bad(at, _)) if *at == case);
    if !told {
        let how = match output.code {
            Some(code) => format!("exit code {code}: {}", output.stderr_text()),
            None => format!("a signal: {}", output.stderr_text()),
        };
        events.push(Event::Bad(case, Fate::Died(how)));
    }
    (events, Some(case + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order() -> Order {
        Order {
            kind: Kind::Guest,
            seed: 1,
            from: 3,
            to: 9,
            dir: "d".into(),
            kernel: None,
        }
    }

    fn output(code: Option<i32>) -> proc::Output {
        proc::Output {
            code,
            ..proc::Output::default()
        }
    }

    #[test]
    fn a_worker_that_was_killed_is_told_of_its_last_case_and_the_next_one_goes_on_behind_it() {
        let events = vec![Event::Begin(3), Event::End(3, 0.1), Event::Begin(4)];
        let (events, next) = ended(events, &order(), &output(None));
        assert!(matches!(events.last(), Some(Event::Bad(4, Fate::Died(_)))));
        assert_eq!(next, Some(5));
        let events = vec![Event::Begin(4), Event::Bad(4, Fate::Hang)];
        let (events, next) = ended(events, &order(), &output(Some(86)));
        assert_eq!((events.len(), next), (2, Some(5)));
        let events = vec![Event::Begin(8), Event::End(8, 0.1)];
        assert_eq!(ended(events, &order(), &output(Some(0))).1, Some(9));
        assert_eq!(ended(Vec::new(), &order(), &output(Some(69))).1, None);
    }
}
