// SPDX-License-Identifier: MIT OR Apache-2.0
//! Console lines of many releases, and to whom a complaint belongs.

use super::{Patterns, Scan};
use serde::Deserialize;

const LINES: &str = include_str!("../../config/console-lines.toml");

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Lines {
    complaint: Vec<Complaint>,
    ordinary: Vec<Ordinary>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Complaint {
    kind: String,
    releases: String,
    source: String,
    line: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Ordinary {
    source: String,
    line: String,
}

fn scan(console: &str) -> Scan {
    Patterns::built_in().unwrap().scan(console)
}

fn told(console: &str) -> Vec<(String, Option<String>)> {
    let found = scan(console).found.into_iter();
    found.map(|f| (f.splat.kind, f.target)).collect()
}

#[test]
fn every_complaint_of_4_19_to_7_3_is_recognised() {
    let lines: Lines = toml::from_str(LINES).unwrap();
    assert!(lines.complaint.len() > 80);
    for complaint in lines.complaint {
        let (line, kind) = (&complaint.line, &complaint.kind);
        assert!(
            !complaint.source.is_empty() && !complaint.releases.is_empty(),
            "{line}"
        );
        for stamp in [
            "",
            "[    1.234567] ",
            "[    1.234567][   T41] ",
            "<4>[   12.000001] ",
        ] {
            let found = told(&format!("{stamp}{line}\r\n"));
            assert_eq!(found, [(kind.clone(), None)], "{stamp}{line}");
        }
    }
}

#[test]
fn what_a_sound_kernel_says_while_it_boots_is_no_complaint() {
    let lines: Lines = toml::from_str(LINES).unwrap();
    assert!(lines.ordinary.len() > 40);
    for ordinary in lines.ordinary {
        assert!(!ordinary.source.is_empty());
        let line = format!("[    0.123456] {}", ordinary.line);
        assert_eq!(told(&line), [], "{line}");
    }
}

#[test]
fn every_pattern_has_a_line_that_it_alone_names() {
    let lines: Lines = toml::from_str(LINES).unwrap();
    let text = include_str!("../../config/splats.toml");
    let kinds = text
        .lines()
        .filter_map(|l| l.strip_prefix("kind = "))
        .map(|k| k.trim_matches('"'));
    for kind in kinds {
        assert!(lines.complaint.iter().any(|c| c.kind == kind), "{kind}");
    }
}

#[test]
fn a_complaint_belongs_to_the_target_it_came_in() {
    let warning =
        |line: u32| format!("WARNING: CPU: 0 PID: 1 at mm/gup.c:{line} f{line}+0x1/0x2\n");
    let mut log = String::from("booting\n");
    log += &warning(1);
    for (name, inside, after) in [("a", 2, 3), ("b", 4, 5)] {
        log += &format!(
            "ktest: begin {name}\n{}ktest: end {name}\n{}",
            warning(inside),
            warning(after)
        );
    }
    let belongs: Vec<Option<String>> = scan(&log).found.into_iter().map(|f| f.target).collect();
    let named = |name: &str| Some(name.to_owned());
    assert_eq!(
        belongs,
        [None, named("a"), named("a"), named("b"), named("b")]
    );
}

#[test]
fn a_task_that_hangs_is_of_the_target_that_could_not_be_killed() {
    let hangs = "INFO: task a b:144 blocked for more than 20 seconds.\n";
    let on_a_lock = "INFO: task exe:144 is blocked on a mutex likely owned by task exe:7.\n";
    let other = "INFO: task exe:14 blocked for more than 20 seconds.\n";
    let later = format!(
        "ktest: begin vmci\nktest: stuck vmci 144\nktest: end vmci\nktest: begin rds\n{hangs}{on_a_lock}{other}"
    );
    let told: Vec<Option<String>> = told(&later).into_iter().map(|(_, of)| of).collect();
    let (vmci, rds) = (Some("vmci".to_owned()), Some("rds".to_owned()));
    assert_eq!(told.first(), Some(&vmci));
    assert_eq!(told.last(), Some(&rds));
    assert_eq!(told.iter().filter(|of| **of == rds).count(), 1);
}

#[test]
fn a_flood_is_one_complaint_that_was_made_many_times() {
    let mut log = String::from("ktest: begin a\n");
    for pid in 0..5000 {
        log += &format!(
            "WARNING: CPU: 0 PID: {pid} at mm/gup.c:84 f+0x1/0x2\nRIP: 0010:f+0x1/0x2\n g+0x1/0x2\n"
        );
    }
    let scan = scan(&log);
    assert_eq!(scan.found.len(), 1);
    let splat = &scan.found[0].splat;
    assert_eq!(
        (splat.times, splat.trace.as_slice()),
        (5000, &["g".to_owned()][..])
    );
    assert!(
        splat.told().ends_with("(5000 times), in f < g"),
        "{}",
        splat.told()
    );
}

#[test]
fn a_crash_names_its_function_and_the_way_there() {
    let log = "[ 1.0] ktest: begin af-xdp\n[ 1.1] ------------[ cut here ]------------\n\
        [ 1.1] kernel BUG at mm/gup.c:99!\n[ 1.1] Oops: invalid opcode: 0000 [#1] PREEMPT SMP\n\
        [ 1.1] RIP: 0010:sanity_check_pinned_pages+0x1/0x2\n[ 1.1] Call Trace:\n[ 1.1]  <TASK>\n\
        [ 1.1]  ? die+0x1/0x2\n[ 1.1]  unpin_user_pages+0x1/0x2\n[ 1.1]  xdp_umem_unpin_pages+0x1/0x2\n\
        [ 1.1] ---[ end trace 0000000000000000 ]---\n[ 1.2] Kernel panic - not syncing: Fatal exception\n";
    let scan = scan(log);
    let fatal = scan.found.iter().find(|f| f.fatal).unwrap();
    let way = "kernel BUG at mm/gup.c:99!, in sanity_check_pinned_pages < unpin_user_pages < xdp_umem_unpin_pages";
    assert_eq!(fatal.splat.told(), way);
    assert_eq!(scan.running.as_deref(), Some("af-xdp"));
}

#[test]
fn the_running_target_is_known_when_the_log_ends_early() {
    let scan = scan("[ 1.0] ktest: begin a\n[ 1.1] ktest: end a\n[ 1.2] ktest: begin b\n[ 1.3] ");
    assert_eq!(scan.running.as_deref(), Some("b"));
}
