// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a kernel complained about, on the lines of its console.

use super::{Consoles, subject};
use crate::results::clean;
use crate::verdict::{Outcome, Splat, Stage};
use maud::{Markup, html};
use page::{Mark, Note, Window, console, mark, soft};

/// Lines of a console around a complaint: its trace stands below it.
const BEFORE: usize = 3;
const AFTER: usize = 24;
/// Last lines of a console that are shown where a kernel did not end well.
const LAST: usize = 30;
/// In characters: a console line that is longer says nothing more.
const LONGEST: usize = 400;

/// What the kernel complained about, on the console where that is at hand.
pub(super) fn complaints(
    stage: &Stage,
    result: Outcome,
    splats: &[Splat],
    consoles: &Consoles,
) -> Markup {
    let consoles: Vec<Vec<&str>> = consoles
        .get(&stage.number)
        .into_iter()
        .flatten()
        .map(|text| lines(text))
        .collect();
    let badly = matches!(result, Outcome::Crash | Outcome::Timeout) && splats.is_empty();
    let title = format!("console of {}", subject(stage));
    html! {
        @if !splats.is_empty() {
            section {
                h3 { "Complaints on the console" }
                @for splat in splats {
                    p class="said-of" { (mark(Mark::Bad, &splat.kind)) " " (soft(&splat.told())) " (line " (splat.console_line) ")" }
                }
                @for lines in &consoles {
                    @let here: Vec<&Splat> = splats.iter().filter(|splat| stands(splat, lines)).collect();
                    @let windows: Vec<Window<'_>> = windows(&here, lines.len())
                        .into_iter().map(|(first, from, to)| (first, lines[from..to].to_vec())).collect();
                    @if !windows.is_empty() { (console(&title, &windows, &notes(&here))) }
                }
                @let shown = |splat: &&Splat| consoles.iter().any(|lines| stands(splat, lines));
                @let missing = splats.iter().filter(|splat| !shown(splat)).count();
                @if missing > 0 {
                    p class="dim" { "The console with " @if missing == splats.len() { "them" } @else { (missing) " of them" } " is not at hand, so that its lines are not shown." }
                }
            }
        }
        @if badly {
            @for lines in consoles.iter().filter(|lines| !lines.is_empty()) {
                @let from = lines.len().saturating_sub(LAST);
                section {
                    h3 { "The last lines of the console" }
                    (console(&title, &[(number_of(from), lines[from..].to_vec())], &[]))
                }
            }
        }
    }
}

/// The lines of a console as they are counted when it is read ([`Splat::console_line`]): each ends with a line feed, and
/// one that is too long is cut.
fn lines(console: &str) -> Vec<&str> {
    let cut = |line: &'_ str| {
        line.char_indices()
            .nth(LONGEST)
            .map_or(line.len(), |(at, _)| at)
    };
    let ended = console.strip_suffix('\n').unwrap_or(console);
    ended
        .split('\n')
        .map(|line| line[..cut(line)].trim_end_matches('\r'))
        .collect()
}

/// Whether a complaint stands on its line of this console, rather than on that of another machine.
fn stands(splat: &Splat, lines: &[&str]) -> bool {
    let line = splat
        .console_line
        .checked_sub(1)
        .and_then(|at| lines.get(at));
    // What is shown of a long line is its beginning.
    let said: String = splat.first_line.chars().take(LONGEST / 2).collect();
    line.is_some_and(|line| clean(line).contains(&said))
}

/// The number of the line with that index.
fn number_of(index: usize) -> u32 {
    u32::try_from(index + 1).unwrap_or(u32::MAX)
}

fn notes(splats: &[&Splat]) -> Vec<Note> {
    let notes = splats.iter().map(|splat| Note {
        line: u32::try_from(splat.console_line).unwrap_or(u32::MAX),
        label: splat.kind.clone(),
        class: "m-bad",
    });
    notes.collect()
}

/// The lines around complaints: number of the first, and the range, 0-based; windows that touch are one.
fn windows(splats: &[&Splat], lines: usize) -> Vec<(u32, usize, usize)> {
    let mut windows: Vec<(usize, usize)> = Vec::new();
    let mut places: Vec<usize> = splats.iter().map(|splat| splat.console_line).collect();
    places.sort_unstable();
    for place in places {
        let from = place.saturating_sub(BEFORE + 1);
        let to = (place + AFTER).min(lines);
        match windows.last_mut() {
            Some((_, end)) if from <= *end => *end = to.max(*end),
            _ if from < to => windows.push((from, to)),
            _ => {}
        }
    }
    let numbered = windows
        .into_iter()
        .map(|(from, to)| (number_of(from), from, to));
    numbered.collect()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    fn splat(line: usize) -> Splat {
        Splat {
            kind: "warning".into(),
            first_line: "WARNING: at mm/gup.c".into(),
            console_line: line,
            function: None,
            trace: Vec::new(),
            times: 1,
        }
    }

    #[test]
    fn windows_around_complaints_touch_nobody_twice_and_end_with_the_console() {
        let (ten, twenty, hundred) = (splat(10), splat(20), splat(100));
        let found = windows(&[&ten, &twenty, &hundred], 110);
        assert_eq!(found, [(7, 6, 44), (97, 96, 110)]);
        assert_eq!(windows(&[&ten], 0), [], "there is no console");
        assert_eq!(windows(&[&splat(500)], 110), [], "it is another console");
    }

    /// Lines as a serial console has them: carriage returns, an escape sequence of the firmware, bytes that are no UTF-8,
    /// stamps, and a complaint far down.
    fn printed(complaint: &str) -> String {
        let mut bytes = b"\x1b[2J\x1bcSeaBIOS\r\n\xff\xfe\r\n".to_vec();
        for at in 0..200 {
            bytes.extend(format!("[    1.{at:06}] driver: line {at}\r\n").bytes());
        }
        bytes.extend(b"[    2.000000] ktest: begin vmci\r\n");
        bytes.extend(format!("[    2.100000] {complaint}\r\n").bytes());
        bytes.extend(b"[    2.100001] RIP: 0010:qp_release_pages+0x12/0x34\r\n");
        for at in 0..100 {
            bytes.extend(format!("[    3.{at:06}] later {at}\r\n").bytes());
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }

    pub(in super::super) fn stage(number: usize, splats: Vec<Splat>) -> Stage {
        let result = if splats.is_empty() { "pass" } else { "fail" };
        let value = serde_json::json!({ "number": number, "subject": "a patch", "build": { "result": "pass", "reason": null,
            "new_warnings": [], "image_hash": null, "seconds": 1.0 }, "targets": [{ "name": "vmci", "result": result, "reason": null,
            "drift_pages": null, "subtests": [], "pins": null, "splats": splats, "callsites": [] }] });
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn what_the_reader_of_consoles_finds_is_the_line_that_is_marked() {
        let complaint = "WARNING: CPU: 0 PID: 41 at mm/gup.c:1234 unpin_user_page+0x12/0x34";
        let text = printed(complaint);
        let scan = crate::console::Patterns::built_in().unwrap().scan(&text);
        let splats: Vec<Splat> = scan.found.into_iter().map(|found| found.splat).collect();
        assert_eq!(splats.len(), 1, "{splats:?}");
        let stage = stage(1, splats.clone());
        let consoles = Consoles::from([(1, vec![text.clone()])]);
        let page = complaints(&stage, Outcome::Fail, &splats, &consoles).into_string();
        // Three lines before it, and its number is that of the file.
        assert_eq!(
            text.split('\n').position(|line| line.contains(complaint)),
            Some(203)
        );
        let marked = format!("<li class=\"hit m-bad\">[    2.100000] {complaint} ");
        assert!(page.contains(&marked), "{page}");
        let (_, list) = page.split_once("<ol start=\"").unwrap();
        let (first, list) = list.split_once('"').unwrap();
        let before = list
            .split("<li class=\"hit")
            .next()
            .unwrap()
            .matches("<li>")
            .count();
        assert_eq!(first.parse::<usize>().unwrap() + before, 204, "{page}");
        assert_eq!(page.matches("class=\"hit").count(), 1);
        assert!(!page.contains("not at hand"));
    }

    #[test]
    fn a_complaint_is_shown_on_the_console_of_the_machine_that_printed_it() {
        let here = printed("BUG: sleeping function called from invalid context at mm/gup.c:1");
        let read = |text: &str| {
            crate::console::Patterns::built_in()
                .unwrap()
                .scan(text)
                .found
        };
        let splats: Vec<Splat> = read(&here).into_iter().map(|found| found.splat).collect();
        assert!(!splats.is_empty());
        let elsewhere = printed("all is well");
        let stage = stage(0, splats.clone());
        let both = Consoles::from([(0, vec![elsewhere.clone(), here])]);
        let page = complaints(&stage, Outcome::Fail, &splats, &both).into_string();
        assert_eq!(page.matches("<figure").count(), 1, "{page}");
        assert!(page.contains("hit m-bad"));
        let other = Consoles::from([(0, vec![elsewhere])]);
        for consoles in [other, Consoles::new()] {
            let page = complaints(&stage, Outcome::Fail, &splats, &consoles).into_string();
            assert!(page.contains("is not at hand"), "{page}");
            assert!(!page.contains("hit m-bad"), "no other line is marked");
        }
    }
}
