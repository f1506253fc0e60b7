// SPDX-License-Identifier: MIT OR Apache-2.0
//! Boots an image in QEMU and waits for its end: power-off, deadline, or a log that grows beyond its limit.
//!
//! The first serial line is the console, the second the results port; each goes to a file of the run. The machine is
//! q35, by software emulation unless KVM was seen to work ([`Accelerator`]).

mod accelerator;
mod seen;

pub use crate::verdict::Accelerator;
pub(crate) use accelerator::{Choice, choose, distrust};
pub(crate) use seen::seen;
pub use seen::{Ended, Seen};

use crate::error::Error;
use crate::target::Guest;
use camino::{Utf8Path, Utf8PathBuf};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// The emulator.
pub(crate) const QEMU: &str = "qemu-system-x86_64";
/// A console of a sound run has some 500 lines; one of a kernel that complains without end must not fill the disk.
const LOG_BYTES: u64 = 8 << 20;
/// Memory that must stay movable, so that a pin for long can be seen to leave it: an eighth of the guest's, in which the pages of small
/// processes find room.
const MOVABLE: &str = " movablecore=64M";
/// So many deadlines a target may take that gets on, as software emulation on a busy host is slow; the guest stops it then:
/// ktest/guest/src/supervise.rs: DEADLINES. And so many seconds the guest has to end.
const SLACK: u64 = 3;
/// How often the logs are looked at: a guest of seconds is not kept waiting, and a look is two calls of stat().
const LOOK: Duration = Duration::from_millis(100);

/// What to boot, and how.
#[derive(Debug, Clone)]
pub struct Machine {
    /// The emulator.
    pub qemu: Utf8PathBuf,
    /// What executes the guest's instructions.
    pub accelerator: Accelerator,
    /// A bzImage.
    pub kernel: Utf8PathBuf,
    /// The initramfs.
    pub initrd: Utf8PathBuf,
    /// What runs in it, in order.
    pub guests: Vec<Guest>,
    /// In MiB.
    pub memory_mib: u32,
    /// Processors.
    pub cpus: u32,
    /// For everything that is no target.
    pub boot_seconds: u64,
    /// A file that is the guest's disk.
    pub disk: Option<Utf8PathBuf>,
}

impl Machine {
    /// The kernel command line.
    pub fn cmdline(&self) -> String {
        let targets: Vec<String> = self
            .guests
            .iter()
            .map(|guest| format!("{}:{}", guest.program, guest.deadline_seconds))
            .collect();
        let words: BTreeSet<&str> = self
            .guests
            .iter()
            .flat_map(|guest| &guest.cmdline)
            .map(String::as_str)
            .collect();
        let more: String = words.iter().map(|word| format!(" {word}")).collect();
        let movable = match self.guests.iter().any(|guest| guest.probe) {
            true => "",
            false => MOVABLE,
        };
        // An oops ends the guest at once: what comes after it is no test any more, and may hang for ever.
        // no_timer_check: on a busy host the emulated timer is late, and the kernel's test of it panics ("IO-APIC + timer
        // doesn't work", arch/x86/kernel/apic/io_apic.c: check_timer()); that would be held against a patch.
        // reboot=t with -no-reboot ends QEMU when a kernel panics; nokaslr makes addresses of two runs comparable.
        format!(
            "console=ttyS0 earlyprintk=serial,ttyS0 panic=-1 oops=panic reboot=t nokaslr no_timer_check{movable}{more} ktest.targets={}",
            targets.join(",")
        )
    }

    /// Arguments of the emulator; `console` and `results` are files.
    pub fn arguments(&self, console: &Utf8Path, results: &Utf8Path) -> Vec<String> {
        let mut words: Vec<String> = vec![
            "-nodefaults".into(),
            "-no-user-config".into(),
            "-display".into(),
            "none".into(),
            "-machine".into(),
            "q35".into(),
            "-accel".into(),
            self.accelerator.name().into(),
            "-cpu".into(),
            "max".into(),
            "-smp".into(),
            self.cpus.to_string(),
            "-m".into(),
            format!("{}M", self.memory_mib),
            "-no-reboot".into(),
            "-chardev".into(),
            format!("file,id=console,path={}", one_value(console)),
            "-serial".into(),
            "chardev:console".into(),
            "-chardev".into(),
            format!("file,id=results,path={}", one_value(results)),
            "-serial".into(),
            "chardev:results".into(),
            "-kernel".into(),
            self.kernel.to_string(),
            "-initrd".into(),
            self.initrd.to_string(),
            "-append".into(),
            self.cmdline(),
        ];
        words.extend(self.devices().into_iter().map(str::to_owned));
        if let Some(disk) = &self.disk {
            words.push("-drive".into());
            words.push(format!(
                "file={},format=raw,if=none,id=disk,cache=unsafe",
                one_value(disk)
            ));
            words.push("-device".into());
            words.push("virtio-blk-pci,drive=disk".into());
        }
        words
    }

    /// What its targets want of the emulator, each pair of words once.
    fn devices(&self) -> Vec<&str> {
        let mut seen = BTreeSet::new();
        self.guests
            .iter()
            .flat_map(|guest| guest.machine.chunks(2))
            .filter(|pair| seen.insert(*pair))
            .flatten()
            .map(String::as_str)
            .collect()
    }

    /// The same in seconds, for others who start the emulator.
    pub(crate) fn seconds(&self) -> u64 {
        self.deadline().as_secs()
    }

    /// How long the whole guest may take.
    fn deadline(&self) -> Duration {
        Duration::from_secs(seconds(&self.guests, self.boot_seconds))
    }
}

/// A name as the value of an option of the emulator, where a comma would begin the next: it is doubled.
fn one_value(path: &Utf8Path) -> String {
    path.as_str().replace(',', ",,")
}

/// After how many seconds a guest with these programs is stopped.
pub(crate) fn seconds<'g>(guests: impl IntoIterator<Item = &'g Guest>, boot_seconds: u64) -> u64 {
    let targets: u64 = guests.into_iter().map(|guest| guest.deadline_seconds).sum();
    boot_seconds + targets * SLACK + SLACK
}

/// After how many seconds without a result it is: a program that says nothing for its deadline is stopped in the guest, so that
/// then the guest as a whole hangs.
fn silence(guests: &[Guest], boot_seconds: u64) -> u64 {
    let longest = guests.iter().map(|guest| guest.deadline_seconds).max();
    boot_seconds + longest.unwrap_or(0) * SLACK / 2 + SLACK
}

/// Boots `machine`, leaving `console.log`, `results.ktap` and `qemu.log` in `dir`.
///
/// # Errors
/// [`Error::Missing`] without an emulator, [`Error::Child`] when it ends with an error of its own or after ctrl-C,
/// [`Error::Io`] when a log cannot be read.
pub fn boot(machine: &Machine, dir: &Utf8Path) -> Result<Seen, Error> {
    crate::host::require(machine.qemu.as_str(), "booting kernels")?;
    let (console, results) = (dir.join("console.log"), dir.join("results.ktap"));
    for file in [&console, &results] {
        std::fs::write(file, b"").map_err(Error::io("write", file))?;
    }
    let deadline = machine.deadline();
    let mut child = proc::Command::new(&machine.qemu)
        .args(machine.arguments(&console, &results))
        .log(dir.join("qemu.log"))
        // Ours comes first; this one only stands behind it.
        .deadline(deadline + Duration::from_secs(60))
        .spawn()
        .map_err(Error::child("start the emulator"))?;
    let started = Instant::now();
    let silence = Duration::from_secs(silence(&machine.guests, machine.boot_seconds));
    let (mut said, mut spoke) = (0, started);
    let ended = loop {
        if let Some(output) = child
            .wait_for(LOOK)
            .map_err(Error::child("run the emulator"))?
        {
            let silent = size(&console) == 0 && size(&results) == 0;
            if output.code.is_none() || (!output.success() && silent) {
                // Somebody killed it, or it refused before a guest began: not the kernel's fault.
                return Err(Error::Child {
                    what: "run the emulator".into(),
                    source: Box::new(proc::Error::Failed {
                        argv: machine.qemu.to_string(),
                        status: match output.code {
                            Some(code) => format!("exit code {code}"),
                            None => "a signal that somebody else sent".into(),
                        },
                        code: output.code,
                        stderr: output.stderr_text(),
                    }),
                });
            }
            break Ended::Exited;
        }
        let says = size(&results);
        if says != said {
            (said, spoke) = (says, Instant::now());
        }
        if started.elapsed() > deadline || spoke.elapsed() > silence {
            child.stop();
            break Ended::Deadline;
        }
        if size(&console) > LOG_BYTES || says > LOG_BYTES {
            child.stop();
            break Ended::Flooded;
        }
    };
    seen(ended, &console, &results)
}

fn size(file: &Utf8Path) -> u64 {
    std::fs::metadata(file).map_or(0, |m| m.len())
}
