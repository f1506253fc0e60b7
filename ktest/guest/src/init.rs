// SPDX-License-Identifier: MIT OR Apache-2.0
//! Process 1: from the first mount to power-off. Whatever goes wrong, it reaches the end.

use crate::plan::Job;
use crate::port::Port;
use crate::probes::Probes;
use crate::{leaks, mounts, plan, supervise, taint};
use rustix::system::{RebootCommand, reboot};

/// Runs everything, then powers off.
pub(crate) fn run() -> ! {
    let mounted = mounts::mount_all();
    let mut port = Port::open();
    port.line("KTAP version 1");
    let planned = mounted.and_then(|()| {
        let cmdline = std::fs::read_to_string("/proc/cmdline");
        plan::jobs(&cmdline.map_err(|e| format!("read /proc/cmdline: {e}"))?)
    });
    let passed = match planned.map(|jobs| everything(&mut port, &jobs)) {
        Ok(passed) => passed,
        Err(why) => {
            port.line(&format!("# init {why}"));
            port.mark(&format!("init: {why}"));
            false
        }
    };
    verdict(&mut port, passed);
    port.drain();
    rustix::fs::sync();
    let _never_returns = reboot(RebootCommand::PowerOff);
    loop {
        std::thread::sleep(std::time::Duration::from_secs(1000));
    }
}

/// The last line of every results file.
pub(crate) fn verdict(port: &mut Port, passed: bool) {
    let word = if passed { "pass" } else { "fail" };
    port.line(&format!("ktest verdict: {word}"));
}

/// Runs every job; whether all of them passed or had a reason to be skipped.
pub(crate) fn everything(port: &mut Port, jobs: &[Job]) -> bool {
    let probes = Probes::place(&plan::probes());
    port.line(&format!("1..{}", jobs.len()));
    for line in probes.unwatched() {
        port.line(&line);
    }
    let mut passed = true;
    for (index, job) in jobs.iter().enumerate() {
        // Failed from its first moment on: what dies on the way has not passed.
        port.line(&format!("# begin {} FAILED", job.name));
        port.mark(&format!("begin {}", job.name));
        taint::speak_again();
        leaks::clear();
        let (before, clean) = (probes.hits(), taint::read());
        let end = supervise::run(job, port);
        leaks::scan(&job.name, port);
        for ((function, symbol), hits) in probes.hits() {
            let earlier = before.get(&(function.clone(), symbol.clone())).copied();
            let hits = hits - earlier.unwrap_or(0).min(hits);
            let name = &job.name;
            port.line(&format!(
                "# probe {name} function={function} symbol={symbol} hits={hits}"
            ));
        }
        if let Some(line) = taint::read().since(clean, &job.name) {
            port.line(&line);
        }
        port.mark(&format!("end {}", job.name));
        port.kernel_messages();
        port.line(&format!("# end {} {} {}", job.name, end.word, end.reason));
        let (ok, note) = match end.word {
            "pass" => ("ok", String::new()),
            "skip" => ("ok", format!(" # SKIP {}", end.reason)),
            word => ("not ok", format!(" # {word}: {}", end.reason)),
        };
        passed &= ok == "ok";
        port.line(&format!("{ok} {} {}{note}", index + 1, job.name));
    }
    if let Some(line) = taint::read().at_the_end() {
        port.line(&line);
    }
    passed
}
