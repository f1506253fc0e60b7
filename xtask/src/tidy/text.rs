// SPDX-License-Identifier: MIT OR Apache-2.0
//! Rules about the text of one file.

use crate::tidy::problem::Problem;
use crate::tidy::rooms::Rooms;
use camino::Utf8Path;
use regex::Regex;
use std::sync::LazyLock;

/// Past this a source file lives uneasily: more than ten screens, which nobody reads in one go.
const LONG: usize = 500;

static UNFINISHED: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(concat!(
        r"\b(TO",
        r"DO|FIX",
        r"ME|XX",
        r"X)\b|\b(to",
        r"do|unimple",
        r"mented)!\("
    ))
    .expect("a literal pattern")
});
static MACHINE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(concat!(
        r"(^|[^A-Za-z0-9_.$}])/(wo",
        r"rk|fa",
        r"rm|ro",
        r"ot|home/[a-z]+|Users/[A-Za-z]+)/"
    ))
    .expect("a literal pattern")
});
static STARTS: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"\bprocess::(Command\b|\{[^}]*\bCommand\b)").expect("a literal pattern")
});

/// Checks one file.
pub(crate) fn check(path: &Utf8Path, text: &str, rooms: &Rooms) -> Vec<Problem> {
    let mut problems = Vec::new();
    let extension = path.extension().unwrap_or_default();
    if matches!(extension, "rs" | "c" | "h" | "S" | "sh") {
        problems.extend(head(path, text));
        problems.extend(length(path, text, rooms));
    }
    if matches!(extension, "rs" | "toml" | "md" | "c" | "h" | "sh") {
        problems.extend(lines(path, text));
    }
    problems
}

/// The licence, and what the module is.
fn head(path: &Utf8Path, text: &str) -> Option<Problem> {
    let mut lines = text
        .lines()
        .enumerate()
        .skip_while(|(_, line)| line.starts_with("#!/"));
    let (number, first) = lines.next().unwrap_or((0, ""));
    if !first.contains("SPDX-License-Identifier: ") {
        let message = "begin with `// SPDX-License-Identifier: MIT OR Apache-2.0`";
        return Some(Problem::new(path, number + 1, message));
    }
    let prose = lines
        .map(|(_, line)| line)
        .find(|line| !line.is_empty() && !line.starts_with("#!["));
    let told = prose.is_some_and(|line| line.starts_with("//!"));
    (path.extension() == Some("rs") && !told)
        .then(|| Problem::new(path, number + 2, "say with `//!` what this module is"))
}

fn length(path: &Utf8Path, text: &str, rooms: &Rooms) -> Option<Problem> {
    let count = text.lines().count();
    let listed = rooms.long.contains_key(path.as_str());
    match (count > LONG, listed) {
        (true, false) => {
            let message = format!(
                "{count} lines: what else lives there? Split it, or list it in rooms.toml with a reason"
            );
            Some(Problem::new(path, 0, message))
        }
        (false, true) => Some(Problem::new(
            path,
            0,
            "no longer long: take it off the list in rooms.toml",
        )),
        _ => None,
    }
}

fn lines(path: &Utf8Path, text: &str) -> Vec<Problem> {
    let may_start = path.starts_with("proc") || path.starts_with("ktest/guest");
    let mut problems = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let mut say = |message: &str| problems.push(Problem::new(path, index + 1, message));
        if UNFINISHED.is_match(line) {
            say("unfinished: do it, or say in an issue what is missing");
        }
        if MACHINE.is_match(line) {
            say("a path of one machine");
        }
        if path.extension() == Some("rs") && STARTS.is_match(line) && !may_start {
            say("only `proc` starts programs: use proc::Command");
        }
        if line.ends_with([' ', '\t']) {
            say("trailing blank");
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::rooms::rooms;

    const HEAD: &str = "// SPDX-License-Identifier: MIT OR Apache-2.0\n//! What it is.\n";

    fn problems(path: &str, text: &str) -> Vec<String> {
        let found = check(Utf8Path::new(path), text, &rooms());
        found
            .into_iter()
            .map(|problem| format!("{}: {}", problem.line, problem.message))
            .collect()
    }

    #[test]
    fn a_source_without_licence_or_prose_is_rejected() {
        assert_eq!(problems("a/src/b.rs", "fn a() {}\n").len(), 1);
        let no_prose = problems("a/src/b.rs", "// SPDX-License-Identifier: MIT\nfn a() {}\n");
        assert_eq!(no_prose, ["2: say with `//!` what this module is"]);
        assert!(problems("a/src/b.rs", HEAD).is_empty());
        assert!(problems("a.sh", "#!/bin/sh\n# SPDX-License-Identifier: MIT\n").is_empty());
    }

    #[test]
    fn unfinished_work_is_rejected() {
        let text = format!("{HEAD}// {}{}: later\n", "TO", "DO");
        assert_eq!(problems("a/src/b.rs", &text).len(), 1);
        assert!(problems("a/src/b.rs", &format!("{HEAD}// a to-do list\n")).is_empty());
    }

    #[test]
    fn a_path_of_one_machine_is_rejected_and_a_kernel_path_is_not() {
        for path in [
            concat!("/ro", "ot/x"),
            concat!("/home/", "me/x"),
            concat!("`/wo", "rk/x`"),
        ] {
            assert_eq!(
                problems("README.md", path),
                ["1: a path of one machine"],
                "{path}"
            );
        }
        assert!(problems("README.md", "~/linux, drivers/work/queue.c, $HOME/work/x").is_empty());
    }

    #[test]
    fn only_proc_may_start_programs() {
        let text = format!("{HEAD}use std::process::{}ExitCode, Command}};\n", "{");
        assert_eq!(problems("patches/src/b.rs", &text).len(), 1);
        assert!(problems("proc/src/b.rs", &text).is_empty());
        assert!(
            problems(
                "patches/src/b.rs",
                &format!("{HEAD}use std::process::ExitCode;\n")
            )
            .is_empty()
        );
    }

    #[test]
    fn a_file_past_500_lines_is_rejected_unless_it_is_listed() {
        let text = format!("{HEAD}{}", "fn a() {}\n".repeat(500));
        assert_eq!(problems("a/src/b.rs", &text).len(), 1);
        let mut rooms = rooms();
        rooms.long.insert("a/src/b.rs".into(), "a table".into());
        assert!(check(Utf8Path::new("a/src/b.rs"), &text, &rooms).is_empty());
        assert_eq!(check(Utf8Path::new("a/src/b.rs"), HEAD, &rooms).len(), 1);
    }
}
