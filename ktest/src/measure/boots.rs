// SPDX-License-Identifier: MIT OR Apache-2.0
//! Boots of one kernel with nothing to do: how long until the init speaks, and until the power is off.

use crate::boot::{Accelerator, Machine, QEMU};
use crate::error::Error;
use crate::image::Archive;
use crate::options::KtestOptions;
use camino::{Utf8Path, Utf8PathBuf};
use std::time::{Duration, Instant};

/// Where Debian's busybox-static lies, and where others put theirs.
const BUSYBOX: [&str; 2] = ["/bin/busybox", "/usr/bin/busybox"];
/// Our kernels run no scripts by themselves: busybox is the init, and is told to have its shell read one.
const INITTAB: &str = "::sysinit:/bin/busybox sh /etc/start\n";
/// Speaks on the results port, as our init does, and powers off.
const SCRIPT: &str = "/bin/busybox mount -t devtmpfs devtmpfs /dev\necho up > /dev/ttyS1\n/bin/busybox poweroff -f\n";
/// A boot takes seconds, and a minute where much else runs; after five it hangs.
const DEADLINE: Duration = Duration::from_secs(300);

/// What a boot took.
#[derive(Debug, Clone, Copy)]
pub(super) struct Boot {
    /// Until the first byte came from the init.
    pub(super) spoke: f64,
    /// Until the emulator ended.
    pub(super) off: f64,
}

/// An initramfs that holds a static busybox and the script above; why not, where there is none.
pub(super) fn busybox(to: &Utf8Path) -> Result<Result<Utf8PathBuf, String>, Error> {
    let Some(program) = BUSYBOX.iter().find(|path| Utf8Path::new(path).is_file()) else {
        return Ok(Err("no busybox: apt-get install busybox-static".into()));
    };
    let bytes = std::fs::read(program).map_err(Error::io("read", (*program).into()))?;
    if asks_for_a_loader(&bytes) {
        return Ok(Err(format!(
            "{program} needs shared libraries: apt-get install busybox-static"
        )));
    }
    let mut archive = Archive::default();
    for directory in ["dev", "bin", "etc"] {
        archive.directory(directory);
    }
    archive.device("dev/console", 5, 1);
    archive.file("bin/busybox", 0o755, &bytes);
    archive.file("init", 0o755, &bytes);
    archive.file("etc/inittab", 0o644, INITTAB.as_bytes());
    archive.file("etc/start", 0o644, SCRIPT.as_bytes());
    std::fs::write(to, archive.finish()).map_err(Error::io("write", to))?;
    Ok(Ok(to.to_owned()))
}

/// Whether a 64-bit ELF program has a PT_INTERP header: elf(5).
fn asks_for_a_loader(program: &[u8]) -> bool {
    const PT_INTERP: u32 = 3;
    let number = |at: usize, bytes: usize| {
        let field = program.get(at..at + bytes)?.iter().rev();
        Some(field.fold(0usize, |value, byte| value << 8 | usize::from(*byte)))
    };
    let header = |index: usize| {
        let (start, size) = (number(32, 8)?, number(54, 2)?);
        number(start + index * size, 4)
    };
    let count = number(56, 2).unwrap_or(0);
    (0..count).any(|index| header(index) == Some(PT_INTERP as usize))
}

/// Boots `image` with `initrd`, which powers off by itself.
pub(super) fn boot(
    image: &Utf8Path,
    initrd: &Utf8Path,
    options: &KtestOptions,
    dir: &Utf8Path,
) -> Result<Boot, Error> {
    let machine = Machine {
        qemu: options.qemu.clone().unwrap_or_else(|| QEMU.into()),
        accelerator: options.accelerator.unwrap_or(Accelerator::Tcg),
        kernel: image.to_owned(),
        initrd: initrd.to_owned(),
        guests: Vec::new(),
        memory_mib: options.memory_mib,
        cpus: options.cpus,
        boot_seconds: options.boot_seconds,
        disk: None,
    };
    let (console, results) = (dir.join("console.log"), dir.join("results.ktap"));
    for file in [&console, &results] {
        std::fs::write(file, b"").map_err(Error::io("write", file))?;
    }
    let started = Instant::now();
    let mut child = proc::Command::new(&machine.qemu)
        .args(machine.arguments(&console, &results))
        .deadline(DEADLINE)
        .spawn()
        .map_err(Error::child("start the emulator"))?;
    let mut spoke = None;
    loop {
        let ended = child
            .wait_for(Duration::from_millis(5))
            .map_err(Error::child("run the emulator"))?;
        let said = std::fs::metadata(&results).is_ok_and(|file| file.len() > 0);
        if said && spoke.is_none() {
            spoke = Some(started.elapsed().as_secs_f64());
        }
        if ended.is_some() {
            break;
        }
    }
    let off = started.elapsed().as_secs_f64();
    let spoke = spoke.ok_or_else(|| Error::Machine {
        what: "boot".into(),
        line: format!("the init of {initrd} never spoke; see {console}"),
    })?;
    Ok(Boot { spoke, off })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_asks_for_a_loader_is_told_apart() {
        let mut program = vec![0u8; 64 + 2 * 56];
        program[32] = 64;
        program[54] = 56;
        program[56] = 2;
        assert!(!asks_for_a_loader(&program));
        program[64 + 56] = 3;
        assert!(asks_for_a_loader(&program));
        assert!(!asks_for_a_loader(b"#!/bin/sh\n"));
    }
}
