// SPDX-License-Identifier: MIT OR Apache-2.0
//! RDMA WRITE from one registered region into another: what is written, what is refused, and whose pages are pinned and
//! marked dirty meanwhile.

use super::ring::{Completion, RdmaWrite, wait};
use super::verbs::{LOCAL_WRITE, REMOTE_WRITE, Region, Verbs};
use crate::check::{Check, Stop, Test, attempt, ensure, held_since};
use crate::memory::{PAGE, Pages};
use crate::pins;
use crate::sys::killed_while_holding;
use crate::window::{self, Window, differing};

/// Pages of the source, and as many of the target: more than one packet and more than one page table entry.
const COUNT: usize = 64;
/// What both regions pin.
const BOTH: u64 = 2 * COUNT as u64;
/// Connections over which a write may be refused before it is known that all of it was sent.
const ATTEMPTS: u32 = 8;

/// Where in a page the regions begin, and how much is moved: less than a page, over the edge of one, and several packets.
#[derive(Clone, Copy)]
struct Place {
    from: usize,
    to: usize,
    bytes: usize,
}

const PLACES: [Place; 4] = [
    Place {
        from: 0,
        to: 0,
        bytes: 1,
    },
    Place {
        from: 5,
        to: PAGE - 3,
        bytes: PAGE,
    },
    Place {
        from: PAGE - 1,
        to: 7,
        bytes: 3 * PAGE + 5,
    },
    Place {
        from: 2048,
        to: 0,
        bytes: 2 * PAGE,
    },
];

/// Two queue pairs of one device, connected with each other; we write from the first.
pub(super) trait Connection {
    /// Whether a completion without error says that the bytes are there; otherwise they may still be on their way.
    const ACKNOWLEDGED: bool;

    /// The device, to register memory with.
    fn verbs(&self) -> &Verbs;

    /// Posts `write` and waits for its completion.
    fn write(&mut self, write: &RdmaWrite) -> Test<Completion>;

    /// Fails unless the other end has refused the write that ended with `completion`. Returns whether all of the write was
    /// sent for certain.
    fn refused(&mut self, completion: Completion) -> Test<bool>;
}

/// A connection, a source that nobody may write to, and a target that the other end may write to.
struct Transfer<C> {
    connection: C,
    source: Pages,
    target: Pages,
    from: Region,
    to: Region,
}

/// Runs every subtest, each over a connection of its own, on the device that they call `title`.
pub(super) fn run<C: Connection>(check: &mut Check, title: &str, connect: impl Fn() -> Test<C>) {
    check.run_pinning_for_long(&format!("{title}, RDMA write"), BOTH, || {
        let before = pins::read();
        let mut transfer = prepare(&connect, LOCAL_WRITE | REMOTE_WRITE)?;
        transfer.written(1)?;
        held_since(before, BOTH)?;
        transfer.deregister(transfer.from)?;
        held_since(before, BOTH / 2)?;
        transfer.deregister(transfer.to)
    });
    check.run(
        &format!("{title}, RDMA write marks its target dirty"),
        || {
            let mut transfer = prepare(&connect, LOCAL_WRITE | REMOTE_WRITE)?;
            let dirty = |pages: &Pages| attempt("read page flags", pages.marked_dirty());
            let before = dirty(&transfer.source)? + dirty(&transfer.target)?;
            if before > 0 {
                return Err(Stop::Skip(format!("{before} pages are dirty already")));
            }
            transfer.written(1)?;
            transfer.deregister(transfer.from)?;
            transfer.deregister(transfer.to)?;
            let (source, target) = (dirty(&transfer.source)?, dirty(&transfer.target)?);
            let why = format!("{target} of {COUNT} pages that were written to were marked dirty");
            ensure(target == COUNT, why)?;
            let why = format!("{source} of {COUNT} pages that were only read were marked dirty");
            ensure(source == 0, why)
        },
    );
    for place in PLACES {
        let Place { from, to, bytes } = place;
        let name = format!("{title}, RDMA write of {bytes} bytes at {from} to {to}");
        check.run(&name, || placed(&connect, place));
    }
    check.run(&format!("{title}, RDMA write with a wrong key"), || {
        refused(&connect, LOCAL_WRITE | REMOTE_WRITE, |transfer| {
            Ok((transfer.to.rkey ^ 1, 0))
        })
    });
    for (what, offset) in [
        (
            "beyond the end of the region",
            ((COUNT - 1) * PAGE + 1) as i64,
        ),
        ("before its beginning", -1),
    ] {
        check.run(&format!("{title}, RDMA write {what}"), || {
            refused(&connect, LOCAL_WRITE | REMOTE_WRITE, |transfer| {
                Ok((transfer.to.rkey, offset))
            })
        });
    }
    check.run(&format!("{title}, RDMA write without the right"), || {
        // A region without remote rights may have no such key at all; the local one names the same region.
        refused(&connect, LOCAL_WRITE, |transfer| Ok((transfer.to.lkey, 0)))
    });
    let title_of_gone = format!("{title}, RDMA write after deregistration");
    check.run(&title_of_gone, || {
        refused(&connect, LOCAL_WRITE | REMOTE_WRITE, |transfer| {
            transfer.written(1)?;
            transfer.deregister(transfer.to)?;
            Ok((transfer.to.rkey, 0))
        })
    });
    check.run(&format!("{title}, killed after an RDMA write"), || {
        killed_while_holding(|| {
            let mut transfer = prepare(&connect, LOCAL_WRITE | REMOTE_WRITE)?;
            transfer.written(1)?;
            Ok(transfer)
        })
    });
    check.repeat(&format!("{title}, RDMA write many times"), 32, BOTH, || {
        let mut transfer = prepare(&connect, LOCAL_WRITE | REMOTE_WRITE)?;
        transfer.written(1)?;
        transfer.deregister(transfer.to)?;
        transfer.deregister(transfer.from)
    });
}

fn prepare<C: Connection>(connect: impl Fn() -> Test<C>, rights: u32) -> Test<Transfer<C>> {
    let connection = connect()?;
    let source = attempt("map", Pages::small(COUNT))?;
    let target = attempt("map", Pages::small(COUNT))?;
    let verbs = connection.verbs();
    let bytes = source.len() as u64;
    let from = attempt("register the source", verbs.register(&source, bytes, 0))?;
    let to = attempt(
        "register the target",
        verbs.register(&target, bytes, rights),
    )?;
    Ok(Transfer {
        connection,
        source,
        target,
        from,
        to,
    })
}

/// A region begins where its window does, anywhere in a page, and a part of it is written.
fn placed<C: Connection>(connect: impl Fn() -> Test<C>, place: Place) -> Test {
    let mut connection = connect()?;
    let Place { from, to, bytes } = place;
    // Regions that begin before what is moved and end behind it.
    let (mut source, mut target) = (
        Window::new(from % PAGE, bytes + 2 * PAGE)?,
        Window::new(to % PAGE, bytes + 3 * PAGE)?,
    );
    source.fill(11);
    target.fill(12);
    let verbs = connection.verbs();
    let register = |window: &Window, rights| {
        let region = verbs.register_at(window.address(), window.len() as u64, rights);
        attempt("register", region)
    };
    let (ours, theirs) = (
        register(&source, 0)?,
        register(&target, LOCAL_WRITE | REMOTE_WRITE)?,
    );
    let (out, into) = (PAGE + 1, 2 * PAGE - 1);
    let write = RdmaWrite {
        id: 5,
        local: source.address() + out as u64,
        lkey: ours.lkey,
        bytes: bytes as u32,
        remote: target.address() + into as u64,
        rkey: theirs.rkey,
    };
    let done = connection.write(&write)?;
    ensure(
        done.id == 5 && done.status == 0,
        format!("completion {} with status {}", done.id, done.status),
    )?;
    let mut expected = window::bytes(12, bytes + 3 * PAGE);
    let moved = window::bytes(11, bytes + 2 * PAGE);
    expected[into..into + bytes].copy_from_slice(&moved[out..out + bytes]);
    if !C::ACKNOWLEDGED {
        // They may still be on their way; what is compared below says what is wrong.
        let _in_time = wait("whole copy in the target", || {
            (target.inside() == expected).then_some(())
        });
    }
    let verbs = connection.verbs();
    verbs.deregister(ours)?;
    verbs.deregister(theirs)?;
    let wrong = differing(target.inside(), &expected);
    ensure(
        wrong == 0,
        format!("{wrong} bytes of the target are not those that belong there"),
    )?;
    target.nothing_beside()?;
    source.holds(11)
}

/// A write with the key that `key` returns, so far from the beginning of the target as it says, is refused, though all of it was sent.
/// Where the connection was ended so early that nobody can tell, it is done over another one.
fn refused<C: Connection>(
    connect: impl Fn() -> Test<C>,
    rights: u32,
    key: impl Fn(&mut Transfer<C>) -> Test<(u32, i64)>,
) -> Test {
    for _ in 0..ATTEMPTS {
        let before = pins::read();
        let mut transfer = prepare(&connect, rights)?;
        held_since(before, BOTH)?;
        let (key, offset) = key(&mut transfer)?;
        if transfer.refused(key, offset)? {
            return Ok(());
        }
        drop(transfer);
        pins::settled(before);
    }
    Err(Stop::Fail(format!(
        "each of {ATTEMPTS} connections ended before it was known that all was sent"
    )))
}

impl<C: Connection> Transfer<C> {
    /// Writes `seed`'s bytes from the source to the target and compares every one.
    fn written(&mut self, seed: u8) -> Test {
        pattern(self.source.bytes(), seed);
        self.target.bytes().fill(0);
        let done = self
            .connection
            .write(&self.request(self.to.rkey, seed, self.source.len()))?;
        let why = format!("completion {} with status {}", done.id, done.status);
        ensure(done.id == u64::from(seed) && done.status == 0, why)?;
        let mut differ = || differing(self.source.bytes(), self.target.bytes());
        if !C::ACKNOWLEDGED {
            return wait("whole copy in the target", || (differ() == 0).then_some(()));
        }
        let differ = differ();
        let why = format!("{differ} bytes of the target are not those written");
        ensure(differ == 0, why)
    }

    /// Writes a page with a key that gives no right to that place: it is refused and the target as it was. No more than a page, so that
    /// all of it can be sent before an answer comes; returns whether it was.
    fn refused(&mut self, rkey: u32, offset: i64) -> Test<bool> {
        let before = self.target.bytes().to_vec();
        pattern(self.source.bytes(), 77);
        let request = self.request(rkey, 77, PAGE);
        let done = self.connection.write(&RdmaWrite {
            remote: request.remote.wrapping_add_signed(offset),
            ..request
        })?;
        let sent = self.connection.refused(done)?;
        let differ = differing(&before, self.target.bytes());
        ensure(
            differ == 0,
            format!("{differ} bytes were written all the same"),
        )?;
        Ok(sent)
    }

    fn request(&self, rkey: u32, seed: u8, bytes: usize) -> RdmaWrite {
        RdmaWrite {
            id: u64::from(seed),
            local: self.source.address(),
            lkey: self.from.lkey,
            bytes: bytes as u32,
            remote: self.target.address(),
            rkey,
        }
    }

    fn deregister(&self, region: Region) -> Test {
        self.connection.verbs().deregister(region)
    }
}

/// Bytes of which no two pages are alike.
fn pattern(bytes: &mut [u8], seed: u8) {
    for (index, byte) in bytes.iter_mut().enumerate() {
        *byte = (index ^ (index >> 8)) as u8 ^ (index >> 12) as u8 ^ seed;
    }
}
