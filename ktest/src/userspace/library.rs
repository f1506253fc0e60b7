// SPDX-License-Identifier: MIT OR Apache-2.0
//! The reference implementation as a static library, built by the cargo that built this program.

use super::Error;
use camino::{Utf8Path, Utf8PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Where this workspace is: the drivers are run by people who build the program from its sources.
const WORKSPACE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
/// On two slow cores with nothing cached.
const DEADLINE: Duration = Duration::from_secs(1800);

/// What the static library needs of the host (`rustc --print native-static-libs`).
pub(super) const NATIVE: [&str; 6] = ["-lgcc_s", "-lutil", "-lrt", "-lpthread", "-lm", "-ldl"];

/// Builds the library, or finds it up to date, and returns its path. Asks cargo once per process: a program does not change
/// the sources it was built from.
pub(super) fn build() -> Result<Utf8PathBuf, Error> {
    static BUILT: Mutex<Option<Utf8PathBuf>> = Mutex::new(None);
    let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(library) = &*built {
        return Ok(library.clone());
    }
    let library = ask_cargo()?;
    *built = Some(library.clone());
    Ok(library)
}

fn ask_cargo() -> Result<Utf8PathBuf, Error> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = proc::Command::new(cargo)
        // With the command line's own package: the features of what both use are then those that it was built with,
        // and nothing is compiled again.
        .args([
            "build", "--quiet", "--locked", "-p", "refimpl", "-p", "xtask",
        ])
        .args(["--message-format", "json-render-diagnostics"])
        .current_dir(WORKSPACE)
        .deadline(DEADLINE);
    if let Some(target) = target_dir() {
        command = command.env("CARGO_TARGET_DIR", target);
    }
    let output = command.run_unchecked()?;
    if !output.success() {
        return Err(Error::Library(output.stderr_text()));
    }
    library_of(&output.stdout_text())
        .ok_or_else(|| Error::Library("cargo named no library".to_owned()))
}

/// The target directory that this very program lies in (`TARGET/PROFILE/program` or `TARGET/PROFILE/deps/program`), so that
/// nothing is compiled twice when the caller chose another one than the default.
fn target_dir() -> Option<Utf8PathBuf> {
    let program = Utf8PathBuf::from_path_buf(std::env::current_exe().ok()?).ok()?;
    program
        .ancestors()
        .skip(2)
        .take(3)
        .find(|dir| dir.join("CACHEDIR.TAG").is_file())
        .map(Utf8Path::to_owned)
}

/// The `.a` among what cargo says it made of refimpl.
fn library_of(messages: &str) -> Option<Utf8PathBuf> {
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter(|message| {
            message["reason"] == "compiler-artifact" && message["target"]["name"] == "refimpl"
        })
        .flat_map(|message| message["filenames"].as_array().cloned().unwrap_or_default())
        .filter_map(|name| name.as_str().map(Utf8PathBuf::from))
        .find(|name| name.extension() == Some("a"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_library_is_found_among_cargos_messages() {
        let messages = r#"{"reason":"compiler-artifact","target":{"name":"serde"},"filenames":["/t/libserde.a"]}
not json
{"reason":"compiler-artifact","target":{"name":"refimpl"},"filenames":["/t/librefimpl.rlib","/t/librefimpl.a"]}
{"reason":"build-finished","success":true}"#;
        assert_eq!(library_of(messages), Some("/t/librefimpl.a".into()));
        assert_eq!(library_of(""), None);
    }
}
