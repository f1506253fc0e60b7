// SPDX-License-Identifier: MIT OR Apache-2.0
//! Exit codes, and which failure ends with which.

use crate::hints;
use callsites::formats::visible::visible;
use std::error::Error;
use std::fmt;

pub(crate) use failure::Exit;

/// What the system says of ENOSPC, in its own words and in those of every program that we start.
const NO_SPACE: &str = "No space left on device";
const FREE_SPACE: &str =
    "free some space (`cargo clean`, old runs under target/runs), then run the same command again";

/// Why a verb could not do its work: what, the causes under it, and the next command where there is one.
#[derive(Debug)]
pub(crate) struct Failure {
    /// The exit code it ends with.
    pub(crate) exit: Exit,
    what: String,
    hint: Option<String>,
    cause: Option<Box<dyn Error + Send + Sync>>,
}

impl Failure {
    /// `what` reads on from "error: ".
    pub(crate) fn new(exit: Exit, what: impl Into<String>) -> Self {
        Self {
            exit,
            what: what.into(),
            hint: None,
            cause: None,
        }
    }

    /// The next command.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The next command, where none was given; nothing for what was stopped, which has said its own.
    pub(crate) fn or_help(mut self, verb: Option<&str>) -> Self {
        let words = match self.exit {
            Exit::Usage => verb.map(|verb| format!("cargo xtask {verb} --help says what it takes")),
            Exit::Infrastructure => Some(
                "the machine is at fault, not the request; cargo xtask doctor lists what it lacks"
                    .to_owned(),
            ),
            Exit::Internal => Some(
                "this is a mistake of the program: report what was typed and what stands here"
                    .to_owned(),
            ),
            _ => None,
        };
        self.hint = self.hint.or(words);
        self
    }

    /// The next command, unless a full disk has one of its own.
    pub(crate) fn hint_unless_full(self, hint: &str) -> Self {
        match self.exit {
            Exit::Usage => self.hint(hint),
            _ => self,
        }
    }

    /// A library's hint, where it has one.
    pub(crate) fn or_hint(mut self, hint: Option<String>) -> Self {
        self.hint = self.hint.or(hint);
        self
    }

    /// What it says, a line for the failure itself and one for each cause.
    pub(crate) fn lines(&self) -> Vec<String> {
        let mut shown = self.what.clone();
        let mut lines: Vec<String> = self.what.lines().map(str::to_owned).collect();
        let mut cause = self
            .cause
            .as_deref()
            .map(|cause| cause as &(dyn Error + 'static));
        while let Some(error) = cause {
            let message = error.to_string();
            // Many libraries repeat their source in their own text; saying it twice helps nobody.
            if !shown.contains(&message) {
                lines.push(format!(
                    "because: {}",
                    message.trim_end().replace('\n', "\n  ")
                ));
                shown.push_str(&message);
            }
            cause = error.source();
        }
        lines
    }

    /// The next command, where there is one.
    pub(crate) fn hint_text(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// What lies under it. Whatever was being done, a full disk is the machine's fault, and so is what a program said
    /// of one.
    pub(crate) fn because(mut self, cause: impl Error + Send + Sync + 'static) -> Self {
        self.cause = Some(Box::new(cause));
        if self.exit != Exit::Interrupted && self.lines().iter().any(|line| line.contains(NO_SPACE))
        {
            self.exit = Exit::Infrastructure;
            self.hint = Some(FREE_SPACE.to_owned());
        }
        self
    }

    /// A reader that has read enough (`| head`) is no error: nothing is printed, and the exit code is 0.
    pub(crate) fn is_closed_pipe(&self) -> bool {
        self.cause
            .as_ref()
            .and_then(|cause| cause.downcast_ref::<std::io::Error>())
            .is_some_and(|error| {
                self.exit == Exit::Clean && error.kind() == std::io::ErrorKind::BrokenPipe
            })
    }

    /// The one place that prints errors: what, its causes, the hint.
    pub(crate) fn print(&self, to: &mut dyn std::io::Write, colour: bool) {
        let (red, cyan, plain) = if colour {
            ("\x1b[1;31m", "\x1b[36m", "\x1b[0m")
        } else {
            ("", "", "")
        };
        let mut text = format!("{red}error:{plain} {}\n", self.lines().join("\n  "));
        if let Some(hint) = &self.hint {
            text.push_str(&format!("{cyan}hint:{plain} {hint}\n"));
        }
        let text = visible(&text, &[red, cyan, plain]);
        // Standard error is gone: there is nobody left to tell.
        let _ = to.write_all(text.as_bytes());
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

/// What a library says of itself, with its hint in words.
impl<E: failure::Failure + Send + Sync + 'static> From<E> for Failure {
    fn from(error: E) -> Self {
        let whole: &dyn std::any::Any = &error;
        if let Some(io) = whole.downcast_ref::<std::io::Error>() {
            let (exit, what) = match io.kind() {
                // A reader that has read enough is no failure.
                std::io::ErrorKind::BrokenPipe => (Exit::Clean, "the reader closed the pipe"),
                std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
                    (Exit::Infrastructure, "the disk is full")
                }
                _ => (Exit::Infrastructure, "failed to read or write"),
            };
            return Self::new(exit, what).because(error);
        }
        let hint = error.hint().map(hints::words);
        Self::new(error.exit(), format!("failed to {error}"))
            .because(error)
            .or_hint(hint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("failed to open `a`: {source}")]
    struct Outer {
        source: std::io::Error,
    }

    fn printed(failure: &Failure) -> String {
        let mut bytes = Vec::new();
        failure.print(&mut bytes, false);
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn an_error_prints_what_then_causes_then_the_hint() {
        let source = std::io::Error::other("no such thing");
        let failure = Failure::new(Exit::Usage, "failed to audit")
            .because(Outer { source })
            .hint("cargo xtask doctor");
        insta::assert_snapshot!(printed(&failure), @r"
        error: failed to audit
          because: failed to open `a`: no such thing
        hint: cargo xtask doctor
        ");
    }

    #[test]
    fn an_error_moves_no_cursor() {
        let failure =
            Failure::new(Exit::Usage, "failed to open `a\x1b[2J\u{202e}`").hint("b\u{9b}");
        let mut bytes = Vec::new();
        failure.print(&mut bytes, true);
        let text = String::from_utf8(bytes).unwrap();
        assert_eq!(
            text,
            "\x1b[1;31merror:\x1b[0m failed to open `a\\u{1b}[2J\\u{202e}`\n\x1b[36mhint:\x1b[0m b\\u{9b}\n"
        );
    }

    #[test]
    fn a_closed_pipe_is_no_error_and_a_full_disk_is_the_machines_fault() {
        let closed = Failure::from(std::io::Error::from(std::io::ErrorKind::BrokenPipe));
        assert!(closed.is_closed_pipe());
        assert_eq!(closed.exit, Exit::Clean);
        let full = Failure::from(std::io::Error::from(std::io::ErrorKind::StorageFull));
        assert!(!full.is_closed_pipe());
        assert_eq!(full.exit, Exit::Infrastructure);
    }

    #[test]
    fn a_full_disk_under_another_failure_is_still_the_machines_fault() {
        let source = std::io::Error::from_raw_os_error(28);
        let failure = Failure::new(Exit::Usage, "failed to audit").because(Outer { source });
        assert_eq!(failure.exit, Exit::Infrastructure);
        assert!(
            failure
                .hint_text()
                .is_some_and(|hint| hint.starts_with("free some space"))
        );
    }
}
