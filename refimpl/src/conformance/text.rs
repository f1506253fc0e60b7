// SPDX-License-Identifier: MIT OR Apache-2.0
//! Traces as text, both ways, and with answers.

use super::trace::{Acquire, ErrorAsCount, Ground, Op, Release, Trace};
use super::world::{Answer, Refused, World};
use crate::gup::Flags;
use crate::page::VmStat;
use crate::version::Version;
use std::fmt::{self, Write as _};

/// A line that is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("read line {line} of a trace: `{text}`")]
pub struct ParseError {
    /// From 1.
    pub line: usize,
    /// What stands there.
    pub text: String,
}

/// The trace with an answer below each operation.
///
/// # Errors
/// [`Refused`] where an operation cannot be replayed, or would not be survived by a kernel.
pub fn answered(trace: &Trace, version: Version, bias: i32) -> Result<String, Refused> {
    let mut world = World::new(version, bias);
    let mut text = format!("trace {}\n", trace.name);
    for op in &trace.ops {
        let answer = world.apply(op)?;
        let _infallible = writeln!(text, "{op}\n= {answer}");
    }
    Ok(text)
}

impl Trace {
    /// Reads one trace; empty lines, answers and what follows a `#` are passed over.
    ///
    /// # Errors
    /// The first line that is none, or a first line that names no trace.
    pub fn parse(text: &str) -> Result<Trace, ParseError> {
        let mut trace: Option<Trace> = None;
        for (index, whole) in text.lines().enumerate() {
            let line = whole.split('#').next().unwrap_or_default().trim();
            let bad = || ParseError {
                line: index + 1,
                text: whole.to_owned(),
            };
            if line.is_empty() || line.starts_with('=') {
                continue;
            }
            match (&mut trace, line.strip_prefix("trace ")) {
                (None, Some(name)) => {
                    trace = Some(Trace {
                        name: name.trim().to_owned(),
                        ops: Vec::new(),
                    });
                }
                (Some(trace), None) => trace.ops.push(op(line).ok_or_else(bad)?),
                _ => return Err(bad()),
            }
        }
        trace.ok_or(ParseError {
            line: 1,
            text: String::new(),
        })
    }
}

fn op(line: &str) -> Option<Op> {
    let (line, slot) = match line.split_once(" -> ") {
        Some((line, slot)) => (line, Some(slot.parse().ok()?)),
        None => (line, None),
    };
    let words: Vec<&str> = line.split_whitespace().collect();
    let (word, rest) = words.split_first()?;
    let number = |at: usize| rest.get(at)?.parse::<u32>().ok();
    let slots = |from: usize| -> Option<Vec<Option<u32>>> {
        rest.get(from..)?
            .iter()
            .map(|word| match *word {
                "-" => Some(None),
                word => word.parse().ok().map(Some),
            })
            .collect()
    };
    let dirty = || match rest.first() {
        Some(&"0") => Some(false),
        Some(&"1") => Some(true),
        _ => None,
    };
    if let Some(call) = Acquire::ALL.into_iter().find(|call| call.name() == *word) {
        return Some(Op::Acquire {
            call,
            area: number(0)?,
            page: number(1)?,
            nr: number(2)?,
            flags: flags(rest.get(3)?)?,
            slot: slot?,
        });
    }
    if let Some(call) = Release::ALL.into_iter().find(|call| call.name() == *word) {
        return Some(Op::Release {
            call,
            slots: slots(0).filter(|slots| !call.is_single() || slots.len() == 1)?,
        });
    }
    Some(match *word {
        "map" => Op::Map {
            area: number(0)?,
            ground: ground(rest.get(1)?)?,
            pages: number(2)?,
        },
        "touch" => Op::Touch {
            area: number(0)?,
            page: number(1)?,
            write: match *rest.get(2)? {
                "r" => false,
                "w" => true,
                _ => return None,
            },
        },
        "peek" => Op::Peek {
            area: number(0)?,
            page: number(1)?,
            slot: slot?,
        },
        "memfd_pin_folios" => Op::Memfd {
            area: number(0)?,
            first: number(1)?,
            last: number(2)?,
            slot: slot?,
        },
        "get_page" => Op::GetPage {
            slot: number(0)?,
            times: number(1).unwrap_or(1),
        },
        "put_pages" => Op::PutPages {
            slot: number(0)?,
            times: number(1)?,
        },
        "unpin_user_pages_dirty_lock" => Op::DirtyLock {
            dirty: dirty()?,
            slots: slots(1)?,
        },
        "unpin_user_page_range_dirty_lock" => Op::Range {
            dirty: dirty()?,
            slot: number(1)?,
            nr: number(2)?,
        },
        "unpin_user_folio" => Op::UnpinUserFolio {
            slot: number(0)?,
            nr: number(1)?,
        },
        "folio_put_refs" => Op::FolioPutRefs {
            slot: number(0)?,
            nr: number(1)?,
        },
        "folio_add_pins" => Op::FolioAddPins {
            slot: number(0)?,
            nr: number(1)?,
        },
        "error_as_count" => Op::ErrorAsCount {
            call: ErrorAsCount::ALL
                .into_iter()
                .find(|call| Some(&call.name()) == rest.first())?,
            errno: number(1)?,
        },
        "fork" => Op::Fork,
        "reap" => Op::Reap,
        "folio_mark_dirty" => Op::FolioMarkDirty { slot: number(0)? },
        "set_page_dirty" => Op::SetPageDirty { slot: number(0)? },
        "set_page_dirty_lock" => Op::SetPageDirtyLock { slot: number(0)? },
        "clean" => Op::Clean { slot: number(0)? },
        "munmap" => Op::Munmap { area: number(0)? },
        "truncate" => Op::Truncate { area: number(0)? },
        "close" => Op::Close { area: number(0)? },
        "repair" => Op::Repair {
            slot: number(0)?,
            base: rest.get(1)?.parse().ok()?,
        },
        _ => return None,
    })
}

fn ground(word: &str) -> Option<Ground> {
    Some(match word {
        "anon" => Ground::Anon,
        "huge" => Ground::Huge,
        "hugetlb" => Ground::Hugetlb,
        "shmem" => Ground::Shmem,
        "disk" => Ground::Disk,
        word => Ground::Driver(word.strip_prefix("driver")?.parse().ok()?),
    })
}

fn flags(word: &str) -> Option<Flags> {
    let known = word.chars().all(|c| matches!(c, 'w' | 'l' | '-'));
    known.then(|| Flags {
        write: word.contains('w'),
        longterm: word.contains('l'),
    })
}

impl fmt::Display for Op {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = self.word();
        match self {
            Op::Map {
                area,
                ground,
                pages,
            } => write!(out, "{word} {area} {} {pages}", ground.name()),
            Op::Touch { area, page, write } => {
                let way = if *write { "w" } else { "r" };
                write!(out, "{word} {area} {page} {way}")
            }
            Op::Peek { area, page, slot } => write!(out, "{word} {area} {page} -> {slot}"),
            Op::Acquire {
                area,
                page,
                nr,
                flags,
                slot,
                ..
            } => {
                let flags = match (flags.write, flags.longterm) {
                    (false, false) => "-",
                    (true, false) => "w",
                    (false, true) => "l",
                    (true, true) => "wl",
                };
                write!(out, "{word} {area} {page} {nr} {flags} -> {slot}")
            }
            Op::Memfd {
                area,
                first,
                last,
                slot,
            } => write!(out, "{word} {area} {first} {last} -> {slot}"),
            Op::GetPage { slot, times } | Op::PutPages { slot, times } => {
                write!(out, "{word} {slot} {times}")
            }
            Op::Release { slots, .. } => write!(out, "{word}{}", list(slots)),
            Op::DirtyLock { dirty, slots } => {
                write!(out, "{word} {}{}", u8::from(*dirty), list(slots))
            }
            Op::Range { dirty, slot, nr } => {
                write!(out, "{word} {} {slot} {nr}", u8::from(*dirty))
            }
            Op::UnpinUserFolio { slot, nr }
            | Op::FolioPutRefs { slot, nr }
            | Op::FolioAddPins { slot, nr } => write!(out, "{word} {slot} {nr}"),
            Op::ErrorAsCount { call, errno } => write!(out, "{word} {} {errno}", call.name()),
            Op::Fork | Op::Reap => write!(out, "{word}"),
            Op::SetPageDirty { slot }
            | Op::FolioMarkDirty { slot }
            | Op::SetPageDirtyLock { slot }
            | Op::Clean { slot } => write!(out, "{word} {slot}"),
            Op::Munmap { area } | Op::Truncate { area } | Op::Close { area } => {
                write!(out, "{word} {area}")
            }
            Op::Repair { slot, base } => write!(out, "{word} {slot} {base}"),
        }
    }
}

fn list(slots: &[Option<u32>]) -> String {
    let words = slots.iter().map(|slot| match slot {
        None => " -".to_owned(),
        Some(slot) => format!(" {slot}"),
    });
    words.collect()
}

impl fmt::Display for Answer {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let VmStat { acquired, released } = self.stat;
        let warns = if self.warns { "warns" } else { "-" };
        write!(out, "{} {acquired} {released} {warns}", self.returned)?;
        for seen in &self.seen {
            let mut flags = String::new();
            for (set, letter) in [(seen.dirty, 'd'), (seen.locked, 'l'), (seen.pinned, 'p')] {
                if set {
                    flags.push(letter);
                }
            }
            let flags = if flags.is_empty() { "-" } else { &flags };
            let (slot, refs, pins) = (seen.slot, seen.refcount, seen.pincount);
            write!(out, " {slot}:{refs}:{pins}:{}:{flags}", seen.mapcount)?;
        }
        Ok(())
    }
}
