// SPDX-License-Identifier: MIT OR Apache-2.0
//! SIGTERM and ctrl-C at moments that nobody chose: the run ends, what it leaves is whole or absent, and no process stays.
//!
//! `cargo nextest run -p xtask --run-ignored only -E 'test(twenty_moments)' --no-capture` measures twenty moments of each verb
//! and holds them to a second, on a machine that does nothing else.

use crate::sandbox::Sandbox;
use camino::{Utf8Path, Utf8PathBuf};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// A second, and two where a child may be winding up; a machine that is busy with other tests gets more.
const PROMISED: Duration = Duration::from_secs(1);
const PROMISED_WITH_CHILDREN: Duration = Duration::from_secs(2);
const BUSY: Duration = Duration::from_secs(20);

/// A verb, the file or directory that it makes, and whether it starts programs that may take long.
struct Subject {
    words: Vec<String>,
    makes: Utf8PathBuf,
    children: bool,
}

fn subject(sandbox: &Sandbox, words: &[&str], makes: &str, children: bool) -> Subject {
    let makes = sandbox.path(makes);
    let mut words: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
    words.extend(["-o".to_owned(), makes.to_string()]);
    Subject {
        words,
        makes,
        children,
    }
}

/// Verbs on a small tree of the sandbox's own.
fn subjects(sandbox: &Sandbox) -> Vec<Subject> {
    let tree = sandbox.path("tree");
    callsites::embedded::materialise(callsites::embedded::Era::V6_12, &tree).unwrap();
    let series = sandbox.path("good");
    let kernel = ["--kernel", tree.as_str()];
    let convert = ["convert", "drivers/misc", "--unsigned", "-q"];
    let made = sandbox.run(&[&convert[..], &kernel, &["-o", series.as_str()]].concat());
    assert_eq!(made.code, Some(0), "{}", made.stderr);
    let with = |words: &[&'static str]| -> Vec<&str> { [words, &kernel].concat() };
    vec![
        subject(
            sandbox,
            &with(&["audit", "--json", "--no-cache"]),
            "audit.json",
            false,
        ),
        subject(sandbox, &with(&convert), "series", true),
        subject(
            sandbox,
            &[&["apply", series.as_str()], &kernel[..]].concat(),
            "applied",
            true,
        ),
        subject(
            sandbox,
            &[
                &["ktest", series.as_str(), "--via", "refimpl", "--json"],
                &kernel[..],
            ]
            .concat(),
            "verdict.json",
            true,
        ),
    ]
}

/// What stands at a path: every file beneath it with its bytes.
fn bytes(path: &Utf8Path) -> BTreeMap<Utf8PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    if path.is_file() {
        found.insert(path.to_owned(), std::fs::read(path).unwrap());
    }
    for entry in path.read_dir_utf8().into_iter().flatten().flatten() {
        // An object's time is that of its making.
        if entry.file_name() != ".git" {
            found.extend(bytes(entry.path()));
        }
    }
    found
}

/// Names that are in the sandbox and in its parent's temporary directory of the run.
fn listed(dir: &Utf8Path) -> Vec<String> {
    let entries = dir.read_dir_utf8().unwrap().flatten();
    let mut names: Vec<String> = entries.map(|e| e.file_name().to_owned()).collect();
    names.sort();
    names
}

/// Processes whose HOME is the sandbox's, but for those that have ended.
fn processes(sandbox: &Sandbox) -> Vec<String> {
    let mark = format!("HOME={}", sandbox.path("home"));
    let all = std::fs::read_dir("/proc").unwrap().flatten();
    all.filter_map(|entry| {
        let place = entry.path();
        let environment = std::fs::read(place.join("environ")).ok()?;
        let ours = environment
            .split(|byte| *byte == 0)
            .any(|word| word == mark.as_bytes());
        let stat = std::fs::read_to_string(place.join("stat")).ok()?;
        (ours && !stat.contains(") Z ")).then_some(stat)
    })
    .collect()
}

/// Runs each verb to its end, then stops it at `moments` fractions of that time; the longest it took to end.
fn stopped(
    moments: u32,
    most: impl Fn(bool) -> Duration,
    with_compilers: bool,
) -> Vec<(String, Duration)> {
    for signal in [libc::SIGINT, libc::SIGHUP] {
        // SAFETY: the default action runs no code of ours. Whoever started the tests may ignore these, and children inherit it.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
    let sandbox = Sandbox::new();
    let mut longest = Vec::new();
    let subjects = subjects(&sandbox).into_iter();
    for subject in subjects.filter(|subject| with_compilers || subject.words[0] != "ktest") {
        let words: Vec<&str> = subject.words.iter().map(String::as_str).collect();
        let scratch = sandbox.path("scratch");
        std::fs::create_dir_all(&scratch).unwrap();
        let command = sandbox
            .xtask(&words)
            .env("TMPDIR", &scratch)
            .env("SOURCE_DATE_EPOCH", "1700000000");
        let begun = Instant::now();
        let whole = command.run_unchecked().unwrap();
        let time = begun.elapsed();
        assert_eq!(whole.code, Some(0), "{words:?}: {}", whole.stderr_text());
        let complete = bytes(&subject.makes);
        assert!(!complete.is_empty(), "{words:?}");
        let mut worst = Duration::ZERO;
        for moment in 0..moments {
            let _absent = std::fs::remove_dir_all(&subject.makes);
            let _absent = std::fs::remove_file(&subject.makes);
            let before = listed(&sandbox.root());
            // Moments that are spread over the run, and not round ones.
            let wait = time.mul_f64((f64::from(moment) + 0.37) / f64::from(moments));
            let signal = [libc::SIGTERM, libc::SIGINT][moment as usize % 2];
            let mut child = command.spawn().unwrap();
            let early = child.wait_for(wait).unwrap();
            // SAFETY: a signal to a child of ours.
            unsafe { libc::kill(child.id(), signal) };
            let sent = Instant::now();
            let output = match early {
                Some(output) => output,
                None => child.wait_for(BUSY).unwrap().expect("it ends"),
            };
            let took = sent.elapsed();
            worst = worst.max(took);
            let said = output.stderr_text();
            assert!(
                took <= most(subject.children),
                "{words:?} takes {took:?} after {wait:?}: {said}"
            );
            let code = if signal == libc::SIGTERM { 143 } else { 130 };
            // A signal that comes before the program listens ends it at once; one that comes behind its end changes nothing.
            assert!(
                [Some(code), Some(0), None].contains(&output.code),
                "{words:?}: {:?} {said}",
                output.code
            );
            if output.code == Some(code) {
                assert!(said.contains("error: interrupted"), "{words:?}: {said}");
            }
            let left = bytes(&subject.makes);
            let is_verdict = subject.makes.file_name() == Some("verdict.json");
            // Of a verdict the seconds differ; it is one, or there is none.
            let is_whole = match is_verdict && !left.is_empty() {
                true => left
                    .values()
                    .all(|text| serde_json::from_slice::<serde_json::Value>(text).is_ok()),
                false => left.is_empty() || left == complete || rechecked(&left, &complete),
            };
            assert!(
                is_whole,
                "{words:?} leaves half of it after {wait:?}: {:?}",
                left.keys()
            );
            let until = Instant::now() + Duration::from_secs(5);
            while !processes(&sandbox).is_empty() && Instant::now() < until {
                std::thread::sleep(Duration::from_millis(20));
            }
            assert_eq!(processes(&sandbox), Vec::<String>::new(), "{words:?}");
            let name = subject.makes.file_name().unwrap();
            let now: Vec<String> = listed(&sandbox.root())
                .into_iter()
                .filter(|n| n != name)
                .collect();
            let before: Vec<String> = before.into_iter().filter(|n| n != name).collect();
            assert_eq!(now, before, "{words:?} after {wait:?}: {said}");
        }
        longest.push((words[0].to_owned(), worst));
    }
    longest
}

/// A series whose mails are all there, but whose last check has not been done.
fn rechecked(
    left: &BTreeMap<Utf8PathBuf, Vec<u8>>,
    complete: &BTreeMap<Utf8PathBuf, Vec<u8>>,
) -> bool {
    let same = |(path, bytes): (&Utf8PathBuf, &Vec<u8>)| {
        path.file_name() == Some("checks.json") || complete.get(path) == Some(bytes)
    };
    // The page of a series is made of all of it, and comes last.
    let page = |path: &Utf8PathBuf| path.file_name() == Some("series.html");
    let whole = |path: &Utf8PathBuf| left.contains_key(path) || page(path);
    complete.keys().all(whole) && left.iter().all(same)
}

#[test]
fn a_signal_at_a_few_moments_ends_every_verb_and_leaves_nothing_half_done() {
    // Compiling all drivers for each moment takes longer than all other tests; twenty_moments does it.
    stopped(3, |_| BUSY, false);
}

#[test]
#[ignore = "takes minutes, and measures seconds on a machine that does nothing else"]
fn twenty_moments() {
    let promised = |children| match children {
        true => PROMISED_WITH_CHILDREN,
        false => PROMISED,
    };
    for (verb, worst) in stopped(20, promised, true) {
        println!(
            "{verb}: ended {:.2} s after the signal at the latest, of 20 moments",
            worst.as_secs_f64()
        );
    }
}
