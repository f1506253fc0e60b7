// SPDX-License-Identifier: MIT OR Apache-2.0
//! A command line, what surrounds it, and what came of it.

use crate::error::Error;
use crate::usage::Usage;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// How long a command may take when nothing else is said: far more than any that names no deadline of its own needs, so
/// that what is past it hangs.
const DEADLINE: Duration = Duration::from_secs(600);

/// A program with its arguments, environment, working directory, deadline and log.
#[derive(Debug, Clone)]
pub struct Command {
    pub(crate) program: OsString,
    pub(crate) args: Vec<OsString>,
    pub(crate) env: Vec<(OsString, Option<OsString>)>,
    pub(crate) cwd: Option<PathBuf>,
    pub(crate) stdin: Vec<u8>,
    pub(crate) is_told_more: bool,
    pub(crate) deadline: Duration,
    pub(crate) log: Option<PathBuf>,
    pub(crate) stdout: Stdio,
    pub(crate) listener: Option<Listener>,
}

/// Told every line of standard output.
#[derive(Clone)]
pub(crate) struct Listener(pub(crate) Arc<dyn Fn(&str) + Send + Sync>);

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Listener")
    }
}

/// Where a child's standard output and error go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stdio {
    /// Into [`Output`], and into the log where there is one.
    Capture,
    /// The same, with standard error written to standard output.
    Together,
    /// To this process's own, untouched.
    Inherit,
}

/// What a finished command has said.
#[derive(Debug, Clone, Default)]
pub struct Output {
    /// The exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: Vec<u8>,
    /// Standard error.
    pub stderr: Vec<u8>,
    /// What it cost.
    pub usage: Usage,
}

impl Output {
    /// Whether it ended with 0.
    pub fn success(&self) -> bool {
        self.code == Some(0)
    }

    /// Standard output as text, without the last line end.
    pub fn stdout_text(&self) -> String {
        String::from_utf8_lossy(&self.stdout)
            .trim_end_matches('\n')
            .to_owned()
    }

    /// Standard error as text, without the last line end.
    pub fn stderr_text(&self) -> String {
        String::from_utf8_lossy(&self.stderr)
            .trim_end_matches('\n')
            .to_owned()
    }
}

impl Command {
    /// A command without arguments, a deadline of ten minutes, and empty standard input.
    pub fn new(program: impl AsRef<OsStr>) -> Command {
        Command {
            program: program.as_ref().to_owned(),
            args: Vec::new(),
            env: Vec::new(),
            cwd: None,
            stdin: Vec::new(),
            is_told_more: false,
            deadline: DEADLINE,
            log: None,
            stdout: Stdio::Capture,
            listener: None,
        }
    }

    /// Adds one argument.
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Command {
        self.args.push(arg.as_ref().to_owned());
        self
    }

    /// Adds arguments.
    pub fn args<S: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = S>) -> Command {
        self.args
            .extend(args.into_iter().map(|a| a.as_ref().to_owned()));
        self
    }

    /// Sets a variable for the child.
    pub fn env(mut self, key: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Command {
        self.env
            .push((key.as_ref().to_owned(), Some(value.as_ref().to_owned())));
        self
    }

    /// Takes a variable away from the child.
    pub fn env_remove(mut self, key: impl AsRef<OsStr>) -> Command {
        self.env.push((key.as_ref().to_owned(), None));
        self
    }

    /// Runs it in `dir`.
    pub fn current_dir(mut self, dir: impl AsRef<Path>) -> Command {
        self.cwd = Some(dir.as_ref().to_owned());
        self
    }

    /// Gives it `bytes` on standard input.
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Command {
        self.stdin = bytes.into();
        self
    }

    /// Keeps its standard input open for [`Child::tell`](crate::Child::tell), until [`Child::told_all`](crate::Child::told_all).
    pub fn told_more(mut self) -> Command {
        self.is_told_more = true;
        self
    }

    /// Kills it after `time`.
    pub fn deadline(mut self, time: Duration) -> Command {
        self.deadline = time;
        self
    }

    /// Writes the quoted command line, then all it says, to `file`.
    pub fn log(mut self, file: impl AsRef<Path>) -> Command {
        self.log = Some(file.as_ref().to_owned());
        self
    }

    /// Calls `f` with every line of standard output as it comes; a last line without an end is left out.
    pub fn each_line(mut self, f: impl Fn(&str) + Send + Sync + 'static) -> Command {
        self.listener = Some(Listener(Arc::new(f)));
        self
    }

    /// Lets it write both to one pipe, in its own order: [`Output::stderr`] stays empty.
    pub fn together(mut self) -> Command {
        self.stdout = Stdio::Together;
        self
    }

    /// Lets it write to this process's own standard output and error.
    pub fn inherit(mut self) -> Command {
        self.stdout = Stdio::Inherit;
        self
    }

    /// The command line as a shell would take it.
    pub fn line(&self) -> String {
        std::iter::once(&self.program)
            .chain(&self.args)
            .map(|word| quote(&word.to_string_lossy()))
            .collect::<Vec<_>>()
            .join(" ")
    }

    pub(crate) fn io(&self, what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Error {
        let (argv, what) = (self.line(), what.into());
        move |source| Error::Io { argv, what, source }
    }

    /// Opens the log and writes its head.
    pub(crate) fn open_log(&self) -> Result<Option<std::fs::File>, Error> {
        let Some(path) = &self.log else {
            return Ok(None);
        };
        let what = format!("write log `{}`", path.display());
        let mut file = std::fs::File::create(path).map_err(self.io(&what))?;
        writeln!(file, "$ {}", self.line()).map_err(self.io(&what))?;
        Ok(Some(file))
    }
}

/// The first match for `program` on PATH, or `program` itself when it is a path to a file.
pub fn on_path(program: impl AsRef<Path>) -> Option<PathBuf> {
    let program = program.as_ref();
    if program.components().count() > 1 {
        return program.is_file().then(|| program.to_owned());
    }
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|dir| dir.join(program))
        .find(|file| is_executable(file))
}

fn is_executable(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    file.metadata()
        .is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
}

/// Quotes one word for a POSIX shell; plain words stay as they are.
pub fn quote(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./=:,+@%^".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}
