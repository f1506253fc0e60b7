// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the tree's scripts say, and what is made of it when they fail or talk nonsense.

use super::*;

/// What is said of one mail.
fn one(script: &Script<'_>, mail: &Path, reversed: &Path) -> Check {
    let mut all = checkpatch(script, &[(mail.to_owned(), reversed.to_owned())]);
    assert_eq!(all.len(), 1);
    all.remove(0)
}

#[test]
fn maintainers_are_written_to_and_lists_are_copied() {
    let said = "\"Jørn Å. Doe\" <jd@example.org> (maintainer:FOO DRIVER)\n\
                Jane <jane@example.org> (reviewer:FOO DRIVER)\n\
                linux-kernel@vger.kernel.org (open list)\n\
                Jane <jane@example.org> (reviewer:BAR)\n";
    let recipients = recipients(said);
    assert_eq!(recipients.to, ["\"Jørn Å. Doe\" <jd@example.org>"]);
    assert_eq!(
        recipients.cc,
        ["Jane <jane@example.org>", "linux-kernel@vger.kernel.org"]
    );
}

#[test]
fn a_title_or_a_name_with_brackets_does_not_become_part_of_an_address() {
    let said = "Jane <jane@example.org> (maintainer:TOYS (WOODEN AND OTHER) FOR RDMA (FUTURE))\n\
                \"Doe, John (DMA)\" <john@example.org> (supporter:TOYS (WOODEN))\n\
                toys@lists.example.org (moderated list:TOYS (NEW AND \"OLD\"))\n\
                Max <max@example.org> (orphan minder:TOYS)\n\
                Ann <ann@example.org> (reviewer:TOYS (WOODEN))\n\
                Ann <ann@example.org> (maintainer:TOYS)\n\
                plain@example.org (odd fixer:TOYS)\n\
                nobody (maintainer:TOYS)\n";
    let recipients = recipients(said);
    assert_eq!(
        recipients.to,
        [
            "Jane <jane@example.org>",
            "\"Doe, John (DMA)\" <john@example.org>",
            "Max <max@example.org>",
            "Ann <ann@example.org>",
            "plain@example.org",
        ]
    );
    assert_eq!(recipients.cc, ["toys@lists.example.org"]);
}

#[test]
fn a_tree_without_scripts_skips_the_check_and_says_so() {
    let dir = tempfile::tempdir().expect("a directory");
    let root = Utf8Path::from_path(dir.path()).expect("UTF-8");
    let script = Script {
        name: "checkpatch.pl",
        root: Ok(root),
        inside: true,
        scratch: dir.path(),
    };
    let check = one(&script, Path::new("0001.patch"), Path::new("reversed"));
    assert_eq!(check.outcome, Outcome::Skipped);
    assert_eq!(check.detail, "the tree has no scripts/checkpatch.pl");
}

#[test]
fn a_complaint_that_the_lines_had_before_is_not_ours() {
    let line = |text: &str| text.to_owned();
    let new = [
        line("9:CHECK:SPACING: no space"),
        line("12:CHECK:SPACING: no space"),
        line("14:WARNING:LONG_LINE: too long"),
    ];
    let old = [
        line("30:CHECK:SPACING: no space"),
        line("31:CHECK:OTHER: gone now"),
    ];
    let (ours, before) = ours(&new, &old);
    assert_eq!(ours, [new[1].as_str(), new[2].as_str()]);
    assert_eq!(before, 1);
}

/// A tree with one script that does what `body` says, and a mail for it.
fn tree_with(name: &str, body: &str) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().expect("a directory");
    let scripts = dir.path().join("scripts");
    std::fs::create_dir(&scripts).expect("a directory");
    std::fs::write(scripts.join(name), body).expect("a file");
    let mail = dir.path().join("0001.patch");
    std::fs::write(&mail, "a mail").expect("a file");
    (dir, mail)
}

fn maintainers(body: &str) -> (Recipients, Check) {
    let (dir, mail) = tree_with("get_maintainer.pl", body);
    let script = Script {
        name: "get_maintainer.pl",
        root: Ok(Utf8Path::from_path(dir.path()).expect("UTF-8")),
        inside: true,
        scratch: dir.path(),
    };
    get_maintainer(&script, &mail)
}

fn style(body: &str) -> Check {
    let (dir, mail) = tree_with("checkpatch.pl", body);
    let script = Script {
        name: "checkpatch.pl",
        root: Ok(Utf8Path::from_path(dir.path()).expect("UTF-8")),
        inside: true,
        scratch: dir.path(),
    };
    one(&script, &mail, &dir.path().join("0001.patch"))
}

#[test]
fn a_get_maintainer_that_fails_is_silent_or_talks_nonsense_is_a_failed_check_that_names_nobody() {
    for (body, said) in [
        (
            "print STDERR \"no MAINTAINERS\\n\"; exit 2;",
            "no MAINTAINERS",
        ),
        ("exit 3;", "it ended with exit status 3 and said nothing"),
        ("exit 0;", "0 to, 0 cc"),
        ("print \"what is this\\n\\x{ff}\\n\";", "0 to, 0 cc"),
    ] {
        let (recipients, check) = maintainers(body);
        assert_eq!(recipients, Recipients::default(), "{body}");
        assert_eq!(check.outcome, Outcome::Failed, "{body}");
        assert_eq!(check.detail, said, "{body}");
    }
}

#[test]
fn what_a_script_leaves_where_it_runs_is_not_left_in_the_tree() {
    let (dir, mail) = tree_with(
        "checkpatch.pl",
        "open(F, '>', '.checkpatch-camelcase.x'); print F 'x'; close F; print \"total: 0 errors\\n\";",
    );
    let scratch = tempfile::tempdir().expect("a directory");
    let script = Script {
        name: "checkpatch.pl",
        root: Ok(Utf8Path::from_path(dir.path()).expect("UTF-8")),
        inside: true,
        scratch: scratch.path(),
    };
    let check = one(&script, &mail, &mail);
    assert_eq!(check.outcome, Outcome::Passed, "{}", check.detail);
    assert!(!dir.path().join(".checkpatch-camelcase.x").exists());
    assert!(scratch.path().join(".checkpatch-camelcase.x").exists());
}

#[test]
fn a_script_sees_nothing_of_the_environment_but_where_programs_are() {
    // Cargo sets this one for every test.
    assert!(std::env::var_os("CARGO_MANIFEST_DIR").is_some());
    let (_, check) = maintainers(
        "print STDERR join(' ', sort grep { !/^_$/ && !/^PWD$/ } keys %ENV), qq{\\n}; exit 2;",
    );
    assert_eq!(check.detail, "HOME LC_ALL PATH TZ");
}

#[test]
fn a_name_outside_of_ascii_survives() {
    let (recipients, check) =
        maintainers("print qq{\"J\\xc3\\xb8rn Doe\" <jd\\@example.org> (maintainer:FOO)\\n};");
    assert_eq!(recipients.to, ["\"Jørn Doe\" <jd@example.org>"]);
    assert_eq!(check.outcome, Outcome::Passed);
}

#[test]
fn a_checkpatch_that_fails_or_talks_nonsense_is_never_passed() {
    for body in [
        "print STDERR \"syntax error\\n\"; exit 255;",
        "exit 9;",
        "print \"what is this\\n\"; exit 0;",
        "kill 9, $$;",
    ] {
        assert_eq!(style(body).outcome, Outcome::Skipped, "{body}");
    }
    let said = style("exit 9;").detail;
    assert_eq!(said, "it ended with exit status 9 and said nothing");
}

/// An existing file of each entry of MAINTAINERS.
fn one_of_each(root: &Utf8Path) -> Vec<Utf8PathBuf> {
    let text = std::fs::read(root.join("MAINTAINERS")).expect("the tree has MAINTAINERS");
    let text = String::from_utf8_lossy(&text).into_owned();
    let first = |pattern: &str| {
        let mut path = Utf8PathBuf::from(pattern.split(['*', '?', '[']).next().unwrap_or_default());
        if pattern.contains(['*', '?', '[']) {
            path.pop();
        }
        for _ in 0..8 {
            if root.join(&path).is_file() {
                return Some(path);
            }
            let mut inner: Vec<_> = root.join(&path).read_dir_utf8().ok()?.flatten().collect();
            inner.sort_by_key(|entry| (entry.path().is_dir(), entry.path().to_owned()));
            path = path.join(inner.first()?.file_name());
        }
        None
    };
    let mut files: Vec<Utf8PathBuf> = text
        .split("\n\n")
        .filter_map(|entry| {
            let mut patterns = entry.lines().filter_map(|line| line.strip_prefix("F:"));
            patterns.find_map(|pattern| first(pattern.trim()))
        })
        .collect();
    files.sort();
    files.dedup();
    files
}

#[test]
#[ignore = "asks get_maintainer.pl for thousands of files of the tree that KERNEL_TREE names: minutes"]
fn what_get_maintainer_prints_for_every_entry_of_a_tree_is_an_address() {
    let root = std::env::var("KERNEL_TREE").expect("KERNEL_TREE names a directory");
    let root = Utf8PathBuf::from(root);
    let scratch = tempfile::tempdir().expect("a directory");
    let files = one_of_each(&root);
    // A tree of the last ten years has more than two thousand entries.
    assert!(files.len() > 1000, "{} entries", files.len());
    let well_formed = regex::Regex::new(
        r#"^(?:(?:"(?:[^"\\]|\\.)*"|[^<>()@,;:\\"]+) <[^\s<>()@,;:]+@[^\s<>()@,;:]+>|[^\s<>()@,;:]+@[^\s<>()@,;:]+)$"#,
    )
    .expect("a constant");
    let mut lines = 0;
    let mut malformed = Vec::new();
    for some in files.chunks(200) {
        let script = Script {
            name: "get_maintainer.pl",
            root: Ok(&root),
            inside: true,
            scratch: scratch.path(),
        };
        let (command, root) = script.command().expect("the tree has the script");
        let output = command
            .current_dir(root)
            .deadline(Duration::from_secs(3600))
            .args([
                "--no-git",
                "--no-git-fallback",
                "--norolestats",
                "--roles",
                "--multiline",
                "-f",
            ])
            .args(some)
            .run_unchecked()
            .expect("perl runs");
        assert!(output.success(), "{}", output.stderr_text());
        for line in output.stdout_text().lines() {
            lines += 1;
            match addressed(line) {
                Some((address, _)) if well_formed.is_match(address) => {}
                // The script itself has lost the address of a list whose line it cannot read.
                None if !line.contains('@') => {}
                _ => malformed.push(line.to_owned()),
            }
        }
    }
    assert!(
        lines > files.len(),
        "{lines} lines for {} files",
        files.len()
    );
    assert!(
        malformed.is_empty(),
        "{} of {lines}: {malformed:#?}",
        malformed.len()
    );
}

#[test]
fn one_run_reads_all_mails_and_a_script_that_stops_in_the_middle_reads_each_alone() {
    let say = "foreach (grep { /patch$/ } @ARGV) { my ($n) = m,([^/]+)$,; print \"$n:3:CHECK:X: new\\n\" if $n =~ /^2/;";
    let mails = |dir: &tempfile::TempDir| -> Vec<(PathBuf, PathBuf)> {
        let names = ["1.patch", "2.patch", "3.patch"];
        let mails = names.map(|name| dir.path().join(name));
        mails
            .iter()
            .map(|mail| (mail.clone(), dir.path().join("0.patch")))
            .collect()
    };
    let outcomes = |body: &str| -> (Vec<Outcome>, String) {
        let (dir, mail) = tree_with("checkpatch.pl", body);
        let root = Utf8Path::from_path(dir.path()).expect("UTF-8");
        let script = Script {
            name: "checkpatch.pl",
            root: Ok(root),
            inside: true,
            scratch: dir.path(),
        };
        drop(mail);
        let checks = checkpatch(&script, &mails(&dir));
        let runs = std::fs::read_to_string(dir.path().join("runs")).expect("it ran");
        (
            checks.into_iter().map(|check| check.outcome).collect(),
            runs,
        )
    };
    let count = "open(my $f, '>>', 'runs'); print $f scalar(grep { /patch$/ } @ARGV);";
    let (all, runs) = outcomes(&format!(
        "{count} {say} print \"total: 0 errors\\n\" }} exit 1;"
    ));
    assert_eq!(all, [Outcome::Passed, Outcome::Failed, Outcome::Passed]);
    // All mails, and the lines before the one that it complains of.
    assert_eq!(runs, "31");
    let (all, runs) = outcomes(&format!(
        "{count} die 'no' if 1 < grep {{ /patch$/ }} @ARGV; {say} print \"total: 0 errors\\n\" }} exit 1;"
    ));
    assert_eq!(all, [Outcome::Passed, Outcome::Failed, Outcome::Passed]);
    assert_eq!(runs, "31111");
}
