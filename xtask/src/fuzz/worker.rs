// SPDX-License-Identifier: MIT OR Apache-2.0
//! This program again, as a worker: it runs numbered cases, and ends itself when one hangs or eats memory.

use super::order::{Event, Fate, Kind, Order, Rewritten};
use crate::exit::{Exit, Failure};
use crate::runs::record::{Inputs, Record, SCHEMA};
use crate::runs::{page, shown};
use crate::tree;
use callsites::fuzz::case::{Case, Corpus, listed, rewritten};
use callsites::fuzz::same::Change;
use callsites::report::{Era, Report};
use callsites::tree::Tree;
use camino::Utf8Path;
use ktest::fuzz::{Guest, laid};
use patches::fuzz::{Desk, Laid, Letters};
use rustix::time::{ClockId, clock_gettime};
use std::collections::BTreeMap;
use std::io::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How often a worker looks at itself: often enough that little memory is taken between two looks.
const LOOK: Duration = Duration::from_millis(20);
/// What a worker ends with that has ended itself.
const ENDED_ITSELF: i32 = 86;

/// Runs the cases of an order, and says of each how it went.
pub(crate) fn run(order: &Order) -> Result<Exit, Failure> {
    let said: Arc<Mutex<String>> = Arc::default();
    let heard = Arc::clone(&said);
    std::panic::set_hook(Box::new(move |panic| {
        *heard.lock().unwrap_or_else(PoisonError::into_inner) = panic.to_string();
    }));
    let mut bench = Bench::of(order)?;
    let running: Arc<Mutex<Option<Running>>> = Arc::default();
    let watched = Arc::clone(&running);
    let kind = order.kind;
    std::thread::spawn(move || watch(kind, &watched));
    for number in order.from..order.to {
        if proc::interrupted() {
            return Ok(Exit::Interrupted);
        }
        say(&Event::Begin(number));
        let begun = cpu();
        *lock(&running) = Some(Running {
            number,
            cpu: begun,
            at: Instant::now(),
        });
        let ran = catch_unwind(AssertUnwindSafe(|| bench.case(order, number)));
        *lock(&running) = None;
        match ran {
            Ok(Ok(wrong)) if wrong.is_empty() => {}
            Ok(Ok(wrong)) => say(&Event::Bad(number, Fate::Wrong(wrong))),
            Ok(Err(failure)) => return Err(failure),
            Err(_) => {
                let said = said.lock().unwrap_or_else(PoisonError::into_inner);
                say(&Event::Bad(number, Fate::Panic(said.clone())));
            }
        }
        say(&Event::End(number, cpu() - begun));
    }
    Ok(Exit::Clean)
}

fn say(event: &Event) {
    let Ok(line) = serde_json::to_string(event) else {
        return;
    };
    // Whoever started the worker is gone, and with it the reason to work.
    if writeln!(std::io::stdout().lock(), "{line}").is_err() {
        std::process::exit(ENDED_ITSELF);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The case that is being run.
struct Running {
    number: u64,
    cpu: f64,
    at: Instant,
}

/// Seconds that this process has been on a processor.
fn cpu() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// MiB of the resident set, proc(5); 0 where the system does not tell.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or(0) / 1024
}

fn watch(kind: Kind, running: &Mutex<Option<Running>>) {
    let limits = kind.limits();
    loop {
        std::thread::sleep(LOOK);
        let now = lock(running);
        let Some(case) = now.as_ref() else {
            continue;
        };
        let hangs = cpu() - case.cpu > limits.cpu_seconds
            || case.at.elapsed().as_secs_f64() > limits.wall_seconds;
        let mib = resident();
        let fate = match mib > limits.mib {
            true => Fate::Memory(mib),
            false if hangs => Fate::Hang,
            false => continue,
        };
        say(&Event::Bad(case.number, fate));
        std::process::exit(ENDED_ITSELF);
    }
}

/// What the cases of a kind are run with.
enum Bench {
    Files(Corpus),
    File(Vec<Case>),
    Desk(Desk, Letters, tempfile::TempDir),
    Guest,
    Whole(Box<Whole>),
}

/// A tree that is rewritten again and again.
struct Whole {
    kernel: Option<String>,
    before: Report,
}

impl Bench {
    fn of(order: &Order) -> Result<Bench, Failure> {
        Ok(match order.kind {
            Kind::Files => Bench::Files(Corpus::read(&order.dir)?),
            Kind::File => Bench::File(vec![one(&order.dir)?]),
            Kind::Guest => Bench::Guest,
            Kind::Series | Kind::Runs => {
                let scratch = tempfile::tempdir_in(&order.dir)?;
                let desk = Desk::new(utf8(&scratch)?)?;
                let letters = match order.kind {
                    Kind::Runs => a_run()?,
                    _ => desk.good().clone(),
                };
                Bench::Desk(desk, letters, scratch)
            }
            Kind::Whole => {
                let tree = whole(order.kernel.as_deref())?;
                let before = callsites::audit(&tree, &listed())?;
                let kernel = order.kernel.clone();
                Bench::Whole(Box::new(Whole { kernel, before }))
            }
        })
    }

    /// Runs a case; what is wrong with what it gave.
    fn case(&mut self, order: &Order, number: u64) -> Result<Vec<String>, Failure> {
        Ok(match self {
            Bench::Files(corpus) => match corpus.case(order.seed, number) {
                Some(case) => {
                    say(&Event::Count(match case.change {
                        Some(change) => format!("{change} rewritten"),
                        None => "broken".to_owned(),
                    }));
                    case.run()
                }
                None => Vec::new(),
            },
            Bench::File(cases) => cases.iter().flat_map(Case::run).collect(),
            Bench::Guest => Guest::of_case(order.seed, number).run()?,
            Bench::Desk(desk, letters, scratch) => {
                let root = utf8(scratch)?;
                let letters = desk.case_of(letters, order.seed, number);
                let dir = root.join("series");
                Desk::lay(&letters, &dir)?;
                let wrong = match order.kind {
                    Kind::Runs => shows(desk, &dir),
                    _ => applies(desk, root, &dir, number),
                };
                std::fs::remove_dir_all(&dir)?;
                wrong
            }
            Bench::Whole(bench) => {
                let (change, seed) = numbered(order.seed, number);
                let tree = whole(bench.kernel.as_deref())?;
                let files = Corpus::of(&tree, &bench.before).len();
                let difference = rewritten(tree, &bench.before, change, seed);
                let wrong = difference.lines().map(str::to_owned).collect();
                say(&Event::Whole(Rewritten {
                    change: change.to_string(),
                    files,
                    callsites: bench.before.callsites.len(),
                    difference,
                }));
                wrong
            }
        })
    }
}

fn utf8(dir: &tempfile::TempDir) -> std::io::Result<&Utf8Path> {
    Utf8Path::from_path(dir.path()).ok_or_else(|| std::io::Error::other("a directory is not UTF-8"))
}

fn whole(kernel: Option<&str>) -> Result<Tree, Failure> {
    match kernel {
        Some(spec) => tree::open(spec, None),
        None => Ok(Tree::embedded(Era::Pin)),
    }
}

/// Every change, then every change with another seed.
fn numbered(seed: u64, number: u64) -> (Change, u64) {
    let all = Change::ALL.len() as u64;
    let change = Change::ALL[usize::try_from(number % all).unwrap_or(0)];
    (change, seed.wrapping_add(number / all))
}

/// The one file beneath a directory, as a broken one.
fn one(dir: &Utf8Path) -> Result<Case, Failure> {
    let corpus = Corpus::read(dir)?;
    let file = corpus.files().next();
    let (path, bytes) = file.ok_or_else(|| std::io::Error::other(format!("{dir} has no file")))?;
    Ok(Case {
        path: path.to_owned(),
        original: Vec::new(),
        bytes: bytes.to_vec(),
        change: None,
    })
}

/// Applies a series and lays it over a tree of links.
fn applies(desk: &Desk, root: &Utf8Path, dir: &Utf8Path, number: u64) -> Vec<String> {
    let (mut wrong, done) = desk.apply(dir, number);
    let shadow = root.join("shadow");
    let over = laid(&desk.tree(), "6.12.0", dir, &shadow);
    say(&Event::Count(
        match (done, over.is_ok()) {
            (true, true) => "applied and laid over",
            (true, false) => "applied, not laid over",
            (false, true) => "laid over, not applied",
            (false, false) => "refused",
        }
        .to_owned(),
    ));
    wrong.extend(desk.wrong(&shadow));
    wrong
}

/// A run as `pipeline` leaves it, of the small tree and of a guest that passes.
fn a_run() -> Result<Letters, Failure> {
    let report = callsites::audit(
        &Tree::embedded(Era::Pin),
        &callsites::AuditOptions::default(),
    )?;
    let record = Record {
        schema: SCHEMA.into(),
        inputs: Inputs {
            tree: "6.12.0".into(),
            revision: None,
            paths: vec!["drivers/misc".into()],
            targets: vec!["vmci".into()],
            kbuild: Vec::new(),
            module: None,
        },
        tools: BTreeMap::from([("cc".to_owned(), "12".to_owned())]),
        stages: Vec::new(),
    };
    let verdict = Guest::good()?;
    Ok(Letters::from([
        ("audit.json".to_owned(), Laid::File(json(&report)?)),
        ("pipeline.json".to_owned(), Laid::File(json(&record)?)),
        ("verdict.json".to_owned(), Laid::File(json(&verdict)?)),
    ]))
}

fn json(value: &impl serde::Serialize) -> Result<Vec<u8>, Failure> {
    Ok(serde_json::to_vec(value).map_err(std::io::Error::from)?)
}

/// A page of a run that a stranger has made.
fn shows(desk: &Desk, dir: &Utf8Path) -> Vec<String> {
    let mut wrong = desk.wrong(dir);
    let shown = shown::read(dir);
    say(&Event::Count(
        if shown.is_ok() { "shown" } else { "refused" }.to_owned(),
    ));
    match shown {
        Ok(shown) => wrong.extend(desk.repeats(dir, &page::page(&[shown]))),
        Err(failure) if failure.exit == Exit::Usage => {}
        Err(failure) => wrong.push(format!("{failure:?} is not the fault of whoever named it")),
    }
    wrong
}
