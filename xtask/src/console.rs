// SPDX-License-Identifier: MIT OR Apache-2.0
//! Standard output is the result, standard error is talk.

use crate::exit::{Exit, Failure};
use crate::flags::{Color, Common};
use callsites::formats::STYLES;
use callsites::formats::visible::{self, Visible, line, visible};
use camino::Utf8Path;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressFinish, ProgressStyle};
use serde::Serialize;
use std::ffi::OsStr;
use std::io::{IsTerminal, Write};
use std::os::unix::fs::PermissionsExt;

mod place;

use place::Place;

/// How to talk to whoever started the verb.
#[derive(Debug, Clone)]
pub(crate) struct Console {
    quiet: bool,
    verbose: u8,
    /// Colours on standard error.
    pub(crate) colour: bool,
    /// Colours on standard output.
    pub(crate) stdout_colour: bool,
}

impl Console {
    /// From the flags, the terminal, NO_COLOR, and TERM where it names a terminal that knows no colours.
    pub(crate) fn new(common: &Common) -> Self {
        let says = |name: &str| std::env::var_os(name);
        let refused = refuses_colour(says("NO_COLOR").as_deref(), says("TERM").as_deref());
        let colour = |terminal: bool| match common.color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => terminal && !refused,
        };
        Self {
            quiet: common.quiet,
            verbose: common.verbose,
            colour: colour(std::io::stderr().is_terminal()),
            stdout_colour: colour(std::io::stdout().is_terminal()),
        }
    }

    /// One line of talk, unless `-q`.
    pub(crate) fn say(&self, line: impl AsRef<str>) {
        if !self.quiet {
            self.talk(line.as_ref());
        }
    }

    /// One line of talk under `-v`.
    pub(crate) fn detail(&self, line: impl AsRef<str>) {
        if self.verbose > 0 {
            self.talk(line.as_ref());
        }
    }

    fn talk(&self, line: &str) {
        // Talk that nobody can hear is no reason to stop working.
        let _ = writeln!(std::io::stderr().lock(), "{}", visible(line, &[]));
    }

    /// Steps of make: a bar where it is known about how many there are, else a count. It is gone when it is dropped; invisible
    /// without a terminal or under `-q`.
    pub(crate) fn steps(&self, about: Option<usize>) -> ProgressBar {
        let template = match about {
            Some(_) => "[{bar:40}] {pos} of about {len}  {msg}",
            None => "{pos}  {msg}",
        };
        let style =
            ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        let about = about.map(|about| u64::try_from(about).unwrap_or(u64::MAX));
        ProgressBar::with_draw_target(about, self.target())
            .with_style(style.progress_chars("=> "))
            .with_finish(ProgressFinish::AndClear)
    }

    fn target(&self) -> ProgressDrawTarget {
        match self.quiet {
            true => ProgressDrawTarget::hidden(),
            false => ProgressDrawTarget::stderr(),
        }
    }

    /// A bar for `total` steps or bytes; invisible without a terminal or under `-q`.
    pub(crate) fn bar(&self, what: &str, total: u64, bytes: bool) -> ProgressBar {
        let counts = if bytes {
            "{bytes}/{total_bytes}"
        } else {
            "{pos}/{len}"
        };
        let template = format!("{{msg}} [{{bar:40}}] {counts}");
        let style = ProgressStyle::with_template(&template)
            .unwrap_or_else(|_| ProgressStyle::default_bar());
        ProgressBar::with_draw_target(Some(total), self.target())
            .with_style(style.progress_chars("=> "))
            .with_message(line(what).into_owned())
    }
}

/// Whether a person (NO_COLOR, where it is not empty) or the terminal (TERM) wants no colours.
fn refuses_colour(no_color: Option<&OsStr>, term: Option<&OsStr>) -> bool {
    no_color.is_some_and(|value| !value.is_empty()) || term.is_some_and(|term| term == "dumb")
}

/// Writes a text: to `-o FILE` atomically, else to standard output. What a terminal would obey is written so that it is
/// seen.
pub(crate) fn deliver(
    output: Option<&Utf8Path>,
    write: impl FnOnce(&mut dyn Write) -> Result<(), Failure>,
) -> Result<(), Failure> {
    deliver_as_it_is(output, |out| {
        write(&mut Visible {
            out,
            styles: &STYLES,
        })
    })
}

/// The same of a format that has rules of its own for what it may hold.
pub(crate) fn deliver_as_it_is(
    output: Option<&Utf8Path>,
    write: impl FnOnce(&mut dyn Write) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let Some(path) = output else {
        return through(std::io::stdout().lock(), write);
    };
    let directory = path
        .parent()
        .filter(|parent| !parent.as_str().is_empty())
        .unwrap_or(Utf8Path::new("."));
    let unwritable = |error| {
        Failure::new(Exit::Usage, format!("failed to write `{path}`"))
            .because(error)
            .hint("name a file in a directory that exists and is yours: -o FILE")
    };
    match place::of(path).map_err(unwritable)? {
        Place::Open(file) => through(file, write),
        Place::File => {
            let readable = std::fs::Permissions::from_mode(0o666);
            let file = tempfile::Builder::new()
                .permissions(readable)
                .tempfile_in(directory)
                .map_err(unwritable)?;
            let mut file = std::io::BufWriter::new(file);
            write(&mut file)?;
            let file = file
                .into_inner()
                .map_err(std::io::IntoInnerError::into_error)?;
            file.persist(path)
                .map_err(|error| unwritable(error.error))?;
            Ok(())
        }
    }
}

fn through(
    to: impl Write,
    write: impl FnOnce(&mut dyn Write) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut to = std::io::BufWriter::new(to);
    write(&mut to)?;
    Ok(to.flush()?)
}

/// Writes a result as JSON, one value and a newline.
pub(crate) fn deliver_json(
    output: Option<&Utf8Path>,
    value: &impl Serialize,
) -> Result<(), Failure> {
    deliver_as_it_is(output, |to| {
        visible::json(value, &mut *to).map_err(std::io::Error::from)?;
        Ok(to.write_all(b"\n")?)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_or_a_terminal_may_want_no_colours() {
        let refuses = |no_color: Option<&str>, term: Option<&str>| {
            refuses_colour(no_color.map(OsStr::new), term.map(OsStr::new))
        };
        assert!(refuses(Some("1"), Some("xterm")));
        assert!(refuses(None, Some("dumb")));
        assert!(!refuses(Some(""), Some("xterm-256color")));
        assert!(!refuses(None, None));
    }
}
