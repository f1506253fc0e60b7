// SPDX-License-Identifier: MIT OR Apache-2.0
//! A place of its own for each test.

use camino::{Utf8Path, Utf8PathBuf};
use std::time::Duration;

/// A temporary directory with a home in it.
pub(crate) struct Sandbox {
    root: tempfile::TempDir,
}

impl Sandbox {
    pub(crate) fn new() -> Sandbox {
        let sandbox = Sandbox {
            root: tempfile::tempdir().unwrap(),
        };
        std::fs::create_dir(sandbox.path("home")).unwrap();
        sandbox
    }

    pub(crate) fn root(&self) -> Utf8PathBuf {
        Utf8Path::from_path(self.root.path()).unwrap().to_owned()
    }

    pub(crate) fn path(&self, name: &str) -> Utf8PathBuf {
        Utf8Path::from_path(self.root.path()).unwrap().join(name)
    }

    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> Utf8PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
        path
    }

    /// A script that stands for a program; the directory is put on PATH by the caller.
    pub(crate) fn script(&self, name: &str, text: &str) -> Utf8PathBuf {
        use std::os::unix::fs::PermissionsExt;
        let path = self.write(name, text.as_bytes());
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    /// The program with these arguments.
    pub(crate) fn xtask(&self, arguments: &[&str]) -> proc::Command {
        proc::Command::new(env!("CARGO_BIN_EXE_xtask"))
            .args(arguments)
            // The embedded tree is assumed inside this repository alone.
            .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
            .env("HOME", self.path("home"))
            .env_remove("XDG_CACHE_HOME")
            .env_remove("KERNEL_TREE")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("TZ", "UTC")
            // cargo, where a verb starts it, keeps its own home.
            .env("RUSTUP_HOME", of_user("RUSTUP_HOME", ".rustup"))
            .env("CARGO_HOME", of_user("CARGO_HOME", ".cargo"))
            .deadline(Duration::from_secs(120))
    }

    /// Its exit code, standard output and standard error.
    pub(crate) fn run(&self, arguments: &[&str]) -> Outcome {
        Outcome::of(&self.xtask(arguments))
    }
}

fn of_user(variable: &str, default: &str) -> Utf8PathBuf {
    let home = || Utf8PathBuf::from(std::env::var("HOME").unwrap()).join(default);
    std::env::var(variable).map_or_else(|_| home(), Utf8PathBuf::from)
}

/// How it ended and what it said.
#[derive(Debug)]
#[must_use = "assert the exit code, and what it says"]
pub(crate) struct Outcome {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Outcome {
    pub(crate) fn of(command: &proc::Command) -> Outcome {
        let output = command.run_unchecked().unwrap();
        Outcome {
            code: output.code,
            stdout: output.stdout_text(),
            stderr: output.stderr_text(),
        }
    }
}
