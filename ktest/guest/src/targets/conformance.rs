// SPDX-License-Identifier: MIT OR Apache-2.0
//! Replays traces on real pages, and compares what the probe module sees with what the reference implementation said.
//!
//! `/ktest/traces` holds traces with an answer below each line (refimpl/src/conformance.rs says what the lines mean);
//! `/ktest/traces.wrong` the same with the answers of a model that is wrong on purpose: there a difference must be found.
//! The program makes the process's own accesses and mappings; every call on pages goes to `/dev/gup_probe`.

mod area;
mod direct;
mod on_ext4;

use self::area::{Area, free};
use crate::check::{Check, Stop, Test, attempt};
use crate::memory::PAGE;
use rustix::fs::{MemfdFlags, ftruncate, memfd_create};
use rustix::mm::{Advice, MapFlags, madvise};
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::OpenOptionsExt;

const MODULE: &str = "/ktest/gup_probe.ko";
const TRACES: &str = "/ktest/traces";
const WRONG: &str = "/ktest/traces.wrong";
const DEVICE: &str = "/dev/gup_probe";
/// A folio that is mapped as a whole.
const HUGE: usize = 2 << 20;
/// A read of a file's page maps its neighbours up to such a border of addresses (mm/memory.c: do_fault_around()); no area of
/// a file is larger, and each begins at one.
const FAULT_AROUND: usize = 16 * PAGE;
/// An area's pages start at that many pages times its number in the probe's file (probe/gup_probe.c: AREA_SHIFT).
const AREA_PAGES: u64 = 256;

/// Runs every trace.
pub(super) fn run(check: &mut Check) {
    // Counts that are wrong on purpose are what this target is about.
    check.without_total();
    if let Err(stop) = load(MODULE, DEVICE) {
        check.report("probe module", &Err(stop));
        return;
    }
    on_one_processor();
    // A small machine starts with huge pages switched off; only one kind of area asks for them.
    let _without = std::fs::write("/sys/kernel/mm/transparent_hugepage/enabled", "madvise");
    let Ok(text) = std::fs::read_to_string(TRACES) else {
        check.skip("traces", "none in this image");
        return;
    };
    settle();
    let mut steps = BTreeMap::<String, u32>::new();
    let mut traces = 0;
    for (name, lines) in split(&text) {
        let result = replay(&lines, &mut steps);
        traces += 1;
        if let Ok(Some(difference)) = &result {
            println!("# differs {name} {difference}");
        }
        check.report(
            &format!("trace {name}"),
            &result.and_then(|difference| match difference {
                None => Ok(()),
                Some(difference) => Err(Stop::Fail(difference)),
            }),
        );
    }
    let total: u32 = steps.values().sum();
    println!("# mix {traces} traces {total} operations");
    for (call, times) in &steps {
        println!("# mix {call} {times}");
    }
    if let Ok(text) = std::fs::read_to_string(WRONG) {
        check.report("a wrong model is found out", &wrong(&text));
    }
    direct::run(check);
    on_ext4::run(check);
}

/// Nothing writes to a disk of its own accord for an hour.
fn settle() {
    for name in ["dirty_writeback_centisecs", "dirty_expire_centisecs"] {
        let _as_it_was = std::fs::write(format!("/proc/sys/vm/{name}"), "360000");
    }
}

/// A new pool: a folio that goes back to it keeps its dirty flag.
fn fresh_pool() -> Test {
    for count in ["0", "4"] {
        let written = std::fs::write("/proc/sys/vm/nr_hugepages", count);
        attempt("set the pool's size", written)?;
    }
    Ok(())
}

/// Every trace of a wrong model must differ somewhere.
fn wrong(text: &str) -> Test {
    let mut steps = BTreeMap::new();
    for (name, lines) in split(text) {
        match replay(&lines, &mut steps)? {
            Some(difference) => println!("# wrong {name} {difference}"),
            None => return Err(Stop::Fail(format!("{name} agrees with the wrong model"))),
        }
    }
    Ok(())
}

/// Names and lines of the traces in a text.
fn split(text: &str) -> Vec<(String, Vec<&str>)> {
    let mut traces: Vec<(String, Vec<&str>)> = Vec::new();
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("trace ") {
            traces.push((name.to_owned(), Vec::new()));
        } else if let Some((_, lines)) = traces.last_mut() {
            lines.push(line);
        }
    }
    traces
}

/// The first difference, with step, call and both sides.
fn replay(lines: &[&str], steps: &mut BTreeMap<String, u32>) -> Test<Option<String>> {
    replay_by(lines, steps, compare)
}

/// The same, where `compare` says what of the model's answer and of what was seen differs.
fn replay_by(
    lines: &[&str],
    steps: &mut BTreeMap<String, u32>,
    compare: fn(&str, &str) -> Option<String>,
) -> Test<Option<String>> {
    let mut process = Process::new()?;
    let mut difference = None;
    for (number, pair) in lines.chunks(2).enumerate() {
        let [op, answer] = pair else {
            return Err(Stop::Fail(format!("step {}: no answer", number + 1)));
        };
        let expected = answer.strip_prefix("= ").unwrap_or(answer);
        if expected.split(' ').nth(3) == Some("warns") {
            // What warns once shall do so again.
            let _without = std::fs::write("/sys/kernel/debug/clear_warn_once", "1");
        }
        let seen =
            process
                .step(op)
                .and_then(|own| process.look(own))
                .map_err(|stop| match stop {
                    Stop::Fail(why) => Stop::Fail(format!("step {} `{op}`: {why}", number + 1)),
                    skip => skip,
                })?;
        let call = op.split(' ').next().unwrap_or_default();
        *steps.entry(call.to_owned()).or_default() += 1;
        if let Some(found) = compare(expected, &seen) {
            difference = Some(format!("step {} `{op}`: {found}", number + 1));
            process.tell("abandon")?;
            break;
        }
    }
    process.unmap();
    Ok(difference)
}

/// What differs, in words. Slots that the expectation does not name are of folios that are free or were seen already.
fn compare(expected: &str, seen: &str) -> Option<String> {
    let names = ["returned", "pins acquired", "pins released", "warning"];
    let seen: Vec<&str> = seen.split_whitespace().collect();
    let slots: BTreeMap<&str, &str> = seen
        .iter()
        .skip(names.len())
        .filter_map(|word| word.split_once(':'))
        .collect();
    let mut found = Vec::new();
    for (at, word) in expected.split_whitespace().enumerate() {
        if let Some(name) = names.get(at) {
            let kernel = seen.get(at).copied().unwrap_or("nothing");
            if kernel != word {
                found.push(format!("{name}: kernel {kernel}, model {word}"));
            }
            continue;
        }
        let (slot, model) = word.split_once(':').unwrap_or((word, ""));
        let kernel = slots.get(slot).copied().unwrap_or("");
        let fields = ["refcount", "pincount", "mapcount", "flags"];
        let both = kernel.split(':').zip(model.split(':'));
        if kernel.is_empty() {
            found.push(format!("slot {slot}: kernel has nothing"));
        }
        for (name, (kernel, model)) in fields.iter().zip(both) {
            if kernel != model {
                found.push(format!(
                    "slot {slot} {name}: kernel {kernel}, model {model}"
                ));
            }
        }
    }
    (!found.is_empty()).then(|| found.join("; "))
}

struct Process {
    probe: File,
    /// What the kernel prints from now on.
    messages: File,
    areas: BTreeMap<u32, Area>,
    child: Option<libc::pid_t>,
}

impl Process {
    fn new() -> Test<Process> {
        let messages = OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_NONBLOCK)
            .open("/dev/kmsg");
        let mut messages = attempt("open the kernel's log", messages)?;
        attempt("go to its end", messages.seek(SeekFrom::End(0)))?;
        Ok(Process {
            probe: attempt("open the probe", crate::sys::open(DEVICE))?,
            messages,
            areas: BTreeMap::new(),
            child: None,
        })
    }

    /// Does one line; what a step of the process itself returned, or `None` where the probe knows.
    fn step(&mut self, op: &str) -> Test<Option<i64>> {
        let (line, slot) = op.split_once(" -> ").unwrap_or((op, ""));
        let words: Vec<&str> = line.split(' ').collect();
        let (call, rest) = (words[0], &words[1..]);
        let number = |at: usize| -> Test<u32> {
            let word = rest.get(at).copied().unwrap_or_default();
            attempt("read a number", word.parse())
        };
        match call {
            "map" => self.map(number(0)?, rest[1], number(2)?).map(Some),
            "touch" => {
                let at = self.address(number(0)?, number(1)?)? as *mut u8;
                // SAFETY: the trace's maker keeps within the area, which is mapped readable and writable.
                unsafe {
                    if rest[2] == "w" {
                        at.write_volatile(1);
                    } else {
                        at.read_volatile();
                    }
                }
                Ok(Some(0))
            }
            "munmap" => {
                let area = self.areas.remove(&number(0)?);
                let area = area.ok_or_else(|| Stop::Fail("no such area".into()))?;
                free(&area)?;
                Ok(Some(0))
            }
            "truncate" => {
                let area = self.area(number(0)?)?;
                let size = (area.pages * PAGE) as u64;
                if let Some(memfd) = &area.memfd {
                    attempt("truncate", ftruncate(memfd, 0))?;
                    attempt("extend", ftruncate(memfd, size))?;
                }
                Ok(Some(0))
            }
            "fork" => {
                // SAFETY: the child calls nothing but what a signal handler may.
                match unsafe { libc::fork() } {
                    0 => loop {
                        // SAFETY: as above.
                        unsafe { libc::pause() };
                    },
                    child if child > 0 => {
                        self.child = Some(child);
                        Ok(Some(0))
                    }
                    _ => Err(Stop::from(std::io::Error::last_os_error())),
                }
            }
            "reap" => {
                self.reap();
                Ok(Some(0))
            }
            "memfd_pin_folios" => {
                let area = self.area(number(0)?)?;
                let fd = area.memfd.as_ref().map_or(-1, AsRawFd::as_raw_fd);
                let (first, last) = (number(1)? as usize, number(2)? as usize);
                let range = format!("{} {}", first * PAGE, (last + 1) * PAGE - 1);
                self.tell(&format!("{call} {fd} {range} {slot}"))
            }
            "peek" => {
                let at = self.address(number(0)?, number(1)?)?;
                self.tell(&format!("peek {at} {slot}"))
            }
            _ if !slot.is_empty() => {
                let at = self.address(number(0)?, number(1)?)?;
                let write = u32::from(rest[3].contains('w'));
                // FOLL_LONGTERM has had several numbers; the probe knows its kernel's.
                let flags = write | (u32::from(rest[3].contains('l')) << 1);
                self.tell(&format!("{call} {at} {} {flags} {slot}", number(2)?))
            }
            _ => self.tell(op),
        }
    }

    fn tell(&mut self, command: &str) -> Test<Option<i64>> {
        attempt(
            "write to the probe",
            self.probe.write_all(command.as_bytes()),
        )?;
        Ok(None)
    }

    /// What the probe sees; `own` takes the place of what its last call returned.
    fn look(&mut self, own: Option<i64>) -> Test<String> {
        if own.is_some() {
            self.tell("look")?;
        }
        let mut answer = vec![0; 16384];
        let used = attempt("read from the probe", self.probe.read(&mut answer))?;
        let seen = String::from_utf8_lossy(&answer[..used]).into_owned();
        let warned = if self.warned() { "warns" } else { "-" };
        // It stands behind the numbers.
        let mut words: Vec<&str> = seen.split_whitespace().collect();
        words.insert(words.len().min(3), warned);
        Ok(words.join(" "))
    }

    /// Whether the kernel has printed a warning since this was asked last.
    fn warned(&mut self) -> bool {
        let mut warned = false;
        let mut record = vec![0; 8192];
        loop {
            match self.messages.read(&mut record) {
                Ok(0) => return warned,
                Ok(used) => {
                    warned |= String::from_utf8_lossy(&record[..used]).contains(";WARNING: ");
                }
                // Records that were overwritten before they were read.
                Err(error) if error.raw_os_error() == Some(libc::EPIPE) => {}
                Err(_) => return warned,
            }
        }
    }

    fn reap(&mut self) {
        if let Some(child) = self.child.take() {
            // SAFETY: a child of our own that nobody has waited for yet.
            unsafe {
                libc::kill(child, libc::SIGKILL);
                libc::waitpid(child, std::ptr::null_mut(), 0);
            }
        }
    }

    fn map(&mut self, number: u32, ground: &str, pages: u32) -> Test<i64> {
        let pages = pages as usize;
        let mut area = Area {
            room: (std::ptr::null_mut(), 0),
            start: std::ptr::null_mut(),
            bytes: pages * PAGE,
            pages,
            memfd: None,
        };
        match ground {
            "hugetlb" => {
                (area.bytes, area.pages) = (HUGE, HUGE / PAGE);
                fresh_pool()?;
                area.place(None, 0, MapFlags::HUGETLB)?;
            }
            "anon" | "huge" => {
                if ground == "huge" {
                    (area.bytes, area.pages) = (HUGE, HUGE / PAGE);
                }
                area.place(None, 0, MapFlags::empty())?;
                let advice = if ground == "huge" {
                    Advice::LinuxHugepage
                } else {
                    // Small areas may lie side by side; nobody shall make one large page of them.
                    Advice::LinuxNoHugepage
                };
                // SAFETY: advice on a mapping of our own that nothing refers to yet.
                attempt("advise", unsafe { madvise(area.start, area.bytes, advice) })?;
            }
            "shmem" => {
                let memfd = attempt("make a memfd", memfd_create("trace", MemfdFlags::CLOEXEC))?;
                attempt("extend", ftruncate(&memfd, area.bytes as u64))?;
                area.place(Some(memfd.as_fd()), 0, MapFlags::empty())?;
                area.memfd = Some(memfd);
            }
            "disk" | "ext4" => {
                let path = if ground == "disk" {
                    "/dev/ram0"
                } else {
                    on_ext4::FILE
                };
                let disk = attempt(&format!("open {path}"), crate::sys::open(path))?;
                area.place(Some(disk.as_fd()), 0, MapFlags::empty())?;
                // No page comes that nobody asked for.
                // SAFETY: advice on a mapping of our own that nothing refers to yet.
                attempt("advise", unsafe {
                    madvise(area.start, area.bytes, Advice::Random)
                })?;
            }
            driver => {
                let order = driver.strip_prefix("driver").unwrap_or(driver);
                let order: u32 = attempt("read an order", order.parse())?;
                let folios = pages.div_ceil(1 << order);
                area.pages = folios << order;
                area.bytes = area.pages * PAGE;
                self.tell(&format!("alloc {number} {order} {folios}"))?;
                let offset = u64::from(number) * AREA_PAGES * PAGE as u64;
                area.place(Some(self.probe.as_fd()), offset, MapFlags::empty())?;
            }
        }
        self.areas.insert(number, area);
        Ok(0)
    }

    fn area(&self, number: u32) -> Test<&Area> {
        let area = self.areas.get(&number);
        area.ok_or_else(|| Stop::Fail(format!("no area {number}")))
    }

    fn address(&self, number: u32, page: u32) -> Test<usize> {
        let area = self.area(number)?;
        Ok(area.start as usize + page as usize * PAGE)
    }

    fn unmap(&mut self) {
        self.reap();
        for area in std::mem::take(&mut self.areas).values() {
            let _gone = free(area);
        }
    }
}

fn load(module: &str, device: &str) -> Test {
    if std::path::Path::new(device).exists() {
        return Ok(());
    }
    crate::sys::load(module)?;
    for _ in 0..100 {
        if std::path::Path::new(device).exists() {
            return Ok(());
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    Err(Stop::Fail(format!("{device} does not appear")))
}

/// Pages wait for the LRU lists on the processor that touched them, and the probe hands in those of its own.
fn on_one_processor() {
    let mut set = rustix::thread::CpuSet::new();
    set.set(0);
    let _stays = rustix::thread::sched_setaffinity(None, &set);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_told_by_field() {
        assert_eq!(
            compare("1 1 0 - 0:1025:0:1:p", "1 1 0 - 0:1025:0:1:p 1:7:0:0:-"),
            None
        );
        assert_eq!(
            compare("1 1 0 - 0:1025:0:1:p", "1 2 0 - 0:513:0:1:-").unwrap(),
            "pins acquired: kernel 2, model 1; slot 0 refcount: kernel 513, model 1025; \
             slot 0 flags: kernel -, model p"
        );
        assert!(compare("0 0 0 3:1:0:0:-", "0 0 0").is_some());
    }

    #[test]
    fn a_text_of_traces_is_split_at_their_names() {
        let traces = split("trace a\nmap 0 anon 1\n= 0 0 0\ntrace b\n");
        assert_eq!(traces[0].1.len(), 2);
        assert_eq!(traces[1].0, "b");
    }
}
