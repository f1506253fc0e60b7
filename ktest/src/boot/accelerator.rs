// SPDX-License-Identifier: MIT OR Apache-2.0
//! What executes a guest's instructions: software emulation, which works everywhere, or KVM where a kernel was seen to come
//! up with it.
//!
//! That /dev/kvm exists and can be opened says little: in a guest of somebody else's a kernel may die on an MSR or stand
//! still. So the kernel at hand is booted once with nothing to do, and has to give its verdict and power off in time.
//! What came of that holds until the host is booted again.

use super::seen::{Ended, Seen};
use super::{Machine, boot};
use crate::error::Error;
use crate::host;
use crate::verdict::Accelerator;
use camino::Utf8Path;
use serde::{Deserialize, Serialize};

/// The host's part of KVM: Documentation/virt/kvm/api.rst, version 6.12.
const DEVICE: &str = "/dev/kvm";
/// Another one after every boot of the host: random(4).
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";
/// How long the trial may take: ten times a bare boot of two seconds (docs/ktest.md), for a host with other load.
const TRIAL_SECONDS: u64 = 20;
/// Where the outcome is kept in the cache.
const FILE: &str = "accelerator.json";

/// What was chosen, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Choice {
    /// It.
    pub accelerator: Accelerator,
    /// One sentence.
    pub why: String,
}

/// A trial's outcome, and what it holds for.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Remembered {
    boot_id: String,
    emulator: Option<String>,
    choice: Choice,
}

/// Finds out, with `machine`'s kernel and initramfs where this boot of the host has had no trial yet; its log stays in `dir`.
///
/// # Errors
/// [`Error::Child`] after ctrl-C, [`Error::Io`]; a trial that fails is a reason for software emulation.
pub(crate) fn choose(
    machine: &Machine,
    cache: &Utf8Path,
    dir: &Utf8Path,
    say: &dyn Fn(&str),
) -> Result<Choice, Error> {
    choose_with(Utf8Path::new(DEVICE), machine, cache, dir, say)
}

fn choose_with(
    device: &Utf8Path,
    machine: &Machine,
    cache: &Utf8Path,
    dir: &Utf8Path,
    say: &dyn Fn(&str),
) -> Result<Choice, Error> {
    if let Err(error) = std::fs::File::options().read(true).write(true).open(device) {
        return Ok(emulated(format!("{device}: {error}")));
    }
    let boot_id = std::fs::read_to_string(BOOT_ID).map_err(Error::io("read", BOOT_ID.into()))?;
    let emulator = host::version(machine.qemu.as_str());
    let file = cache.join(FILE);
    // One that does not parse is tried again.
    let before = std::fs::read(&file).ok();
    let before = before.and_then(|bytes| serde_json::from_slice::<Remembered>(&bytes).ok());
    let same = |r: &Remembered| r.boot_id == boot_id.trim() && r.emulator == emulator;
    if let Some(remembered) = before.filter(same) {
        return Ok(remembered.choice);
    }
    say("trying KVM");
    let choice = trial(machine, &dir.join("kvm-trial"))?;
    remember(&file, boot_id.trim(), emulator, &choice)?;
    Ok(choice)
}

/// What went wrong later under KVM is not tried again before the host's next boot.
///
/// # Errors
/// [`Error::Io`].
pub(crate) fn distrust(machine: &Machine, cache: &Utf8Path, why: &str) -> Result<(), Error> {
    let boot_id = std::fs::read_to_string(BOOT_ID).map_err(Error::io("read", BOOT_ID.into()))?;
    let emulator = host::version(machine.qemu.as_str());
    let choice = emulated(why.to_owned());
    remember(&cache.join(FILE), boot_id.trim(), emulator, &choice)
}

fn remember(
    file: &Utf8Path,
    boot_id: &str,
    emulator: Option<String>,
    choice: &Choice,
) -> Result<(), Error> {
    let remembered = Remembered {
        boot_id: boot_id.to_owned(),
        emulator,
        choice: choice.clone(),
    };
    let bytes = serde_json::to_vec_pretty(&remembered)
        .map_err(|error| Error::Internal(format!("write {file} as JSON: {error}")))?;
    if let Some(dir) = file.parent() {
        std::fs::create_dir_all(dir).map_err(Error::io("make directory", dir))?;
    }
    crate::build::Shadow::write_beside(file, &bytes)
}

fn trial(machine: &Machine, dir: &Utf8Path) -> Result<Choice, Error> {
    std::fs::create_dir_all(dir).map_err(Error::io("make directory", dir))?;
    let idle = Machine {
        guests: Vec::new(),
        disk: None,
        boot_seconds: TRIAL_SECONDS,
        accelerator: Accelerator::Kvm,
        ..machine.clone()
    };
    match boot(&idle, dir) {
        Ok(seen) => Ok(match unsound(&seen) {
            None => Choice {
                accelerator: Accelerator::Kvm,
                why: "a kernel came up with it and powered off".into(),
            },
            Some(why) => emulated(format!("with KVM {why}")),
        }),
        Err(Error::Child { source, what }) => match *source {
            // Its first line says what it could not do; what follows is how it ended for that.
            proc::Error::Failed { status, stderr, .. } => {
                let said = stderr.lines().next().unwrap_or(&status);
                Ok(emulated(format!("with KVM the emulator failed: {said}")))
            }
            other => Err(Error::child(what)(other)),
        },
        Err(error) => Err(error),
    }
}

/// What a kernel that had nothing to do did wrong.
fn unsound(seen: &Seen) -> Option<String> {
    if seen.ended != Ended::Exited {
        return Some(format!(
            "a kernel with nothing to do had not ended after {TRIAL_SECONDS} s"
        ));
    }
    if let Some(found) = seen.scan.found.first() {
        return Some(format!("a kernel complained: {}", found.splat.first_line));
    }
    let spoke = seen.results.verdicts.len() == 1;
    (!spoke).then(|| "a kernel never came to its init".into())
}

fn emulated(why: String) -> Choice {
    Choice {
        accelerator: Accelerator::Tcg,
        why,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use camino::Utf8PathBuf;
    use std::os::unix::fs::PermissionsExt;
    use std::sync::Mutex;

    const GOOD: &str = "echo 'ktest verdict: fail' >> $results";

    struct Host {
        _dir: tempfile::TempDir,
        path: Utf8PathBuf,
    }

    impl Host {
        /// A directory with a device that can be opened, and an emulator that counts its starts.
        fn new(script: &str) -> Host {
            let dir = tempfile::tempdir().unwrap();
            let path = Utf8Path::from_path(dir.path()).unwrap().to_owned();
            std::fs::write(path.join("kvm"), "").unwrap();
            let head = format!(
                "#!/bin/sh\n[ \"$1\" = --version ] && echo \"emulator 1\" && exit\n\
                 echo \"$@\" >> {path}/started\n{}",
                include_str!("../../tests/it/serial_lines.sh"),
            );
            let emulator = path.join("emulator");
            std::fs::write(&emulator, head + script).unwrap();
            std::fs::set_permissions(&emulator, std::fs::Permissions::from_mode(0o755)).unwrap();
            Host { _dir: dir, path }
        }

        fn machine(&self) -> Machine {
            Machine {
                qemu: self.path.join("emulator"),
                accelerator: Accelerator::Tcg,
                kernel: "bzImage".into(),
                initrd: "initrd".into(),
                guests: Vec::new(),
                memory_mib: 64,
                cpus: 1,
                boot_seconds: 60,
                disk: None,
            }
        }

        fn choose(&self, device: &str) -> (Accelerator, String) {
            let said = Mutex::new(Vec::new());
            let say = |sentence: &str| said.lock().unwrap().push(sentence.to_owned());
            let (machine, device) = (self.machine(), self.path.join(device));
            let cache = self.path.join("cache");
            let choice = choose_with(&device, &machine, &cache, &self.path, &say).unwrap();
            (choice.accelerator, choice.why)
        }

        fn starts(&self) -> usize {
            let text = std::fs::read_to_string(self.path.join("started")).unwrap_or_default();
            assert!(text.lines().all(|line| line.contains("-accel kvm")));
            text.lines().count()
        }
    }

    #[test]
    fn kvm_is_taken_where_a_kernel_comes_up_with_it_and_tried_once() {
        let host = Host::new(GOOD);
        assert_eq!(host.choose("kvm").0, Accelerator::Kvm);
        assert_eq!(host.choose("kvm").0, Accelerator::Kvm);
        assert_eq!(host.starts(), 1);
    }

    #[test]
    fn a_failed_trial_is_remembered_with_its_reason() {
        for (script, why) in [
            ("echo 'no permission' >&2; exit 1", "no permission"),
            ("kill -9 $$", "a signal that somebody else sent"),
            ("exit 0", "a kernel never came to its init"),
            (
                "echo 'BUG: Bad page state in process init' >> $console; echo 'ktest verdict: fail' >> $results",
                "Bad page state",
            ),
        ] {
            let host = Host::new(script);
            for _ in 0..2 {
                let (accelerator, said) = host.choose("kvm");
                assert_eq!(accelerator, Accelerator::Tcg);
                assert!(said.contains(why), "{said}");
            }
            assert_eq!(host.starts(), 1);
        }
    }

    #[test]
    fn without_a_device_nothing_is_started_or_remembered() {
        let host = Host::new(GOOD);
        let (accelerator, why) = host.choose("no-such-device");
        assert_eq!(accelerator, Accelerator::Tcg);
        assert!(why.contains("No such file"), "{why}");
        assert_eq!(host.starts(), 0);
        assert_eq!(host.choose("kvm").0, Accelerator::Kvm);
    }

    #[test]
    fn another_boot_of_the_host_or_another_emulator_is_tried_anew() {
        let host = Host::new(GOOD);
        host.choose("kvm");
        let file = host.path.join("cache").join(FILE);
        let change = |change: fn(&mut Remembered)| {
            let mut remembered: Remembered =
                serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
            change(&mut remembered);
            std::fs::write(&file, serde_json::to_vec(&remembered).unwrap()).unwrap();
        };
        change(|remembered| remembered.boot_id = "another".into());
        host.choose("kvm");
        assert_eq!(host.starts(), 2);
        change(|remembered| remembered.emulator = None);
        host.choose("kvm");
        assert_eq!(host.starts(), 3);
        std::fs::write(&file, "{").unwrap();
        host.choose("kvm");
        assert_eq!(host.starts(), 4);
    }

    #[test]
    fn what_failed_later_is_not_tried_again() {
        let host = Host::new(GOOD);
        let cache = host.path.join("cache");
        distrust(&host.machine(), &cache, "the guest fell silent").unwrap();
        let (accelerator, why) = host.choose("kvm");
        assert_eq!(accelerator, Accelerator::Tcg);
        assert_eq!(why, "the guest fell silent");
        assert_eq!(host.starts(), 0);
    }
}
