// SPDX-License-Identifier: MIT OR Apache-2.0
//! Short programs: git, cargo, rustc, apt-get, dpkg. They end by themselves in seconds, say little, and need no log.
//!
//! A program that may take minutes, hang, or start others goes through [`Command`](crate::Command) instead, with a
//! deadline and a process group. A short one shares our group: ctrl-C reaches it from the terminal itself.
//!
//! ```
//! let here = proc::short::shell(".")?;
//! let text = proc::short::read(proc::cmd!(here, "git --version"))?;
//! assert!(text.starts_with("git version"));
//! # Ok::<(), proc::Error>(())
//! ```

use crate::error::Error;
use std::path::Path;
use xshell::{Cmd, Shell};

/// A place to run short programs in; `proc::cmd!` makes the command line.
///
/// # Errors
/// [`Error::Io`] when there is no such directory.
pub fn shell(directory: impl AsRef<Path>) -> Result<Shell, Error> {
    let directory = directory.as_ref();
    let refused = |what: String| {
        move |source: std::io::Error| Error::Io {
            argv: "cd".into(),
            what,
            source,
        }
    };
    let place = format!("enter {}", directory.display());
    let real = directory.canonicalize().map_err(refused(place.clone()))?;
    let shell = Shell::new().map_err(|error| refused(place)(std::io::Error::other(error)))?;
    shell.change_dir(real);
    Ok(shell)
}

/// What the program writes to standard output, without the last newline.
///
/// # Errors
/// [`Error::NotFound`] when there is no such program, [`Error::Failed`] with the end of what it said when it ends with
/// anything but 0.
pub fn read(command: Cmd<'_>) -> Result<String, Error> {
    let argv = command.to_string();
    let output = started(&argv, command.quiet().ignore_status().output())?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let last: Vec<&str> = said.trim_end().lines().rev().take(10).collect();
        return Err(Error::Failed {
            argv,
            status: output.status.to_string(),
            code: output.status.code(),
            stderr: last.into_iter().rev().collect::<Vec<_>>().join("\n"),
        });
    }
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.truncate(text.trim_end_matches('\n').len());
    Ok(text)
}

/// Runs the program with its output on the terminal; whether it ended with 0.
///
/// # Errors
/// [`Error::NotFound`] when there is no such program.
pub fn succeeds(command: Cmd<'_>) -> Result<bool, Error> {
    let argv = command.to_string();
    match command.quiet().run() {
        Ok(()) => Ok(true),
        Err(_) if crate::on_path(program(&argv)).is_some() => Ok(false),
        Err(_) => Err(Error::NotFound {
            program: program(&argv).to_owned(),
            argv,
        }),
    }
}

fn started(
    argv: &str,
    ran: xshell::Result<std::process::Output>,
) -> Result<std::process::Output, Error> {
    ran.map_err(|error| match crate::on_path(program(argv)) {
        None => Error::NotFound {
            program: program(argv).to_owned(),
            argv: argv.to_owned(),
        },
        Some(_) => Error::Io {
            argv: argv.to_owned(),
            what: "start it".into(),
            source: std::io::Error::other(error),
        },
    })
}

fn program(argv: &str) -> &str {
    argv.split_whitespace().next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cmd;

    #[test]
    fn what_a_short_program_says_is_read_and_why_it_failed_is_kept() {
        let shell = shell(".").unwrap();
        assert_eq!(read(cmd!(shell, "printf a\\nb")).unwrap(), "a\nb");
        let failed = read(cmd!(shell, "ls /no/such/file")).unwrap_err();
        assert!(
            matches!(&failed, Error::Failed { code: Some(2), stderr, .. } if stderr.contains("/no/such/file")),
            "{failed}"
        );
        let absent = read(cmd!(shell, "no-such-program-anywhere")).unwrap_err();
        assert!(matches!(absent, Error::NotFound { .. }), "{absent}");
        assert!(super::shell("/no/such/directory").is_err());
        assert!(!succeeds(cmd!(shell, "false")).unwrap());
    }
}
