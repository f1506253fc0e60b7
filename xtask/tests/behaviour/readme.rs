// SPDX-License-Identifier: MIT OR Apache-2.0
//! The README's transcripts: each command is run, and what it writes to standard output compared with what stands there.

use crate::sandbox::{Outcome, Sandbox};

#[test]
fn the_transcripts_of_the_readme_are_what_the_program_prints() {
    let readme = include_str!("../../../README.md");
    let sandbox = Sandbox::new();
    let mut checked = 0;
    for block in readme.split("```console\n").skip(1) {
        let block = block.split("```").next().unwrap();
        for part in block.split("$ cargo xtask ").skip(1) {
            let (command, expected) = part.split_once('\n').unwrap();
            let words: Vec<&str> = command.split_whitespace().collect();
            let outcome = Outcome::of(
                &sandbox
                    .xtask(&words)
                    // Who has given this repository an identity of his own is shown what a stranger is.
                    .current_dir(env!("CARGO_MANIFEST_DIR"))
                    .env(
                        "GIT_CEILING_DIRECTORIES",
                        concat!(env!("CARGO_MANIFEST_DIR"), "/.."),
                    )
                    .deadline(std::time::Duration::from_secs(600)),
            );
            assert_eq!(outcome.code, Some(0), "{command}: {}", outcome.stderr);
            assert_eq!(
                numbered(&outcome.stdout),
                numbered(expected.trim_end()),
                "{command}"
            );
            checked += 1;
        }
    }
    assert!(checked >= 2, "the README shows {checked} commands");
}

/// Runs are numbered as they come.
fn numbered(text: &str) -> String {
    let mut parts = text.split("target/runs/");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let rest = part.split_once('-').map_or(part, |(_, rest)| rest);
        out.push_str(&format!("target/runs/N-{rest}"));
    }
    out
}
