// SPDX-License-Identifier: MIT OR Apache-2.0
//! Direct I/O on a file system that this program serves itself: one file, kept in memory by a child process.
//!
//! Interface: include/uapi/linux/fuse.h, protocol 7.31; fs/fuse/file.c: fuse_direct_io(), fuse_get_user_pages() (6.12).

use crate::check::{Check, OFTEN, Stop, Test, attempt, ensure};
use crate::failing;
use crate::memory::{PAGE, Pages};
use crate::sys::{memory_file, open};
use crate::window::{Window, bytes, differing, shapes};
use rustix::fs::{MemfdFlags, Mode, OFlags, ftruncate};
use rustix::io::{pread, pwrite};
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};

const MOUNT: &str = "/tmp/fuse";
const FILE: &str = "/tmp/fuse/file";
/// The least round number whose loss is more than what chance takes in a round (`check::FEW`): a request here takes few pages.
const COUNT: usize = 64;
const BYTES: usize = COUNT * PAGE;
const ROOT: u64 = 1;
const NODE: u64 = 2;
/// The largest request: what is written, and its heads.
const REQUEST: usize = BYTES + 4096;
const HEAD: usize = 40;
/// Reads and writes from here on are refused.
const REFUSED_FROM: usize = 4 * BYTES;

/// Runs every subtest.
pub(super) fn run(check: &mut Check) {
    let server = match serve() {
        Ok(server) => server,
        Err(why) => {
            check.skip("file system", &why);
            return;
        }
    };
    check.run("written and read back", || {
        let file = attempt("open", direct())?;
        let (mut out, mut back) = (
            attempt("map", Pages::new(COUNT))?,
            attempt("map", Pages::new(COUNT))?,
        );
        out.bytes().fill(0x3c);
        let written = attempt("write", pwrite(&file, out.bytes(), 0))?;
        let read = attempt("read", pread(&file, back.bytes(), 0))?;
        ensure(
            written == BYTES && read == BYTES,
            format!("{written} and {read} bytes"),
        )?;
        ensure(
            back.bytes().iter().all(|b| *b == 0x3c),
            "other bytes came back",
        )
    });
    check.run("read into memory of which half may only be read", || {
        let file = attempt("open", direct())?;
        let mut pages = attempt("map", Pages::small(COUNT))?;
        attempt("protect", pages.read_only_in(COUNT / 2..COUNT))?;
        let bytes = pages.read_beyond(&file, COUNT);
        let most = (BYTES / 2) as i64;
        ensure(bytes <= most, format!("{bytes} bytes came"))
    });
    check.run("read into memory that is half not mapped", || {
        let file = attempt("open", direct())?;
        let mut pages = attempt("map", Pages::with_hole(COUNT, COUNT / 2))?;
        let bytes = pages.read_beyond(&file, COUNT);
        ensure(bytes <= pages.len() as i64, format!("{bytes} bytes came"))
    });
    for (at, (offset, length)) in shapes().into_iter().enumerate() {
        // The file has room for no more.
        if length > BYTES - 7 {
            continue;
        }
        let seed = at as u64 + 1;
        check.run(
            &format!("{length} bytes at {offset}, written and read back"),
            || {
                let file = attempt("open", direct())?;
                let mut window = Window::new(offset, length)?;
                window.fill(seed);
                let before = window.marked_dirty()?;
                let written = attempt("write", pwrite(&file, window.inside(), 7))?;
                window.only_read_since(before)?;
                window.inside().fill(0);
                let before = window.marked_dirty()?;
                let read = attempt("read", pread(&file, window.inside(), 7))?;
                ensure(
                    written == length && read == length,
                    format!("{written} and {read} of {length} bytes"),
                )?;
                window.holds(seed)?;
                window.written_since(before)
            },
        );
    }
    check.run("read beyond the end", || {
        let file = attempt("open", direct())?;
        let mut window = Window::new(5, 3 * PAGE)?;
        let before = window.marked_dirty()?;
        let read = attempt("read", pread(&file, window.inside(), BYTES as u64 - 100))?;
        ensure(read == 100, format!("{read} bytes came, not 100"))?;
        window.nothing_behind(100)?;
        let (dirty, least) = (window.marked_dirty()?, u64::from(before == 0));
        ensure(
            dirty >= least,
            format!("{dirty} of 1 pages that were read into were marked dirty"),
        )
    });
    check.run("read and write that the server refuses", refused);
    check.repeat("refused many times", 16, 2 * COUNT as u64, refused);
    failing::run(check, "read", |failing| {
        let file = attempt("open", direct())?;
        let mut window = Window::new(9, BYTES / 2)?;
        let _failed_or_not = failing.during(|| pread(&file, window.inside(), 0));
        Ok(())
    });
    check.repeat("read very often", OFTEN, 0, || {
        let file = attempt("open", direct())?;
        let mut page = attempt("map", Pages::small(1))?;
        attempt("read", pread(&file, page.bytes(), 0)).map(drop)
    });
    check.repeat("read many times", 32, COUNT as u64, read_once);
    check.run("unmounted", || stop(server, MOUNT));
    check.run("read into pages that go meanwhile", read_into_what_goes);
    check.run("a request, to pages of the server", request_to_pages);
    // One of them is filled to its end. What is kept of a server shows once it has given its memory up.
    check.repeat(
        "a request, to pages of many servers",
        64,
        1,
        request_to_pages,
    );
}

/// What the server is asked is copied into its own pages, which are marked dirty and given back; nothing beside it changes.
/// The first request waits from mounting on.
fn request_to_pages() -> Test {
    const AT: &str = "/tmp/asked";
    /// FUSE_INIT.
    const INIT: u32 = 26;
    let mut device = mounted(AT).map_err(Stop::Skip)?;
    // What the kernel wants room for: FUSE_MIN_READ_BUFFER, and more than one page.
    let mut window = Window::new(PAGE - 8, 2 * PAGE + 100)?;
    window.fill(1);
    let before = window.marked_dirty()?;
    let length = device.read(window.inside());
    let unmounted = unmount(AT, UnmountFlags::DETACH);
    let length = attempt("read a request", length)?;
    attempt("unmount", unmounted)?;
    let said = |at: usize, all: &[u8]| {
        let bytes = all.get(at..at + 4).and_then(|bytes| bytes.try_into().ok());
        u32::from_ne_bytes(bytes.unwrap_or_default())
    };
    let (says, asks) = (said(0, window.inside()), said(4, window.inside()));
    ensure(
        says as usize == length && asks == INIT,
        format!("a request of {length} bytes says that it has {says}, and asks for {asks}"),
    )?;
    // It begins in one page and ends in the next.
    let (dirty, least) = (window.marked_dirty()?, 2);
    ensure(
        before > 0 || dirty >= least,
        format!("{dirty} of {least} pages that a request was copied into were marked dirty"),
    )?;
    let (all, at_first) = (window.inside(), bytes(1, 2 * PAGE + 100));
    let wrong = differing(&all[length..], &at_first[length..]);
    ensure(
        wrong == 0,
        format!("{wrong} bytes behind the request changed"),
    )?;
    window.nothing_beside()
}

/// Pages that leave their file while a read into them waits are held by the read alone. If it had given them back, what
/// is read would come to whoever has them now.
fn read_into_what_goes() -> Test {
    const AT: &str = "/tmp/slow";
    let memory = memory_file(MemfdFlags::empty())?;
    let size = BYTES as u64;
    attempt("size", ftruncate(&memory, size))?;
    let mut pages = attempt("map", Pages::of_file(&memory, COUNT))?;
    pages.bytes().fill(1);
    let (asked, tell) = attempt("make a pipe", rustix::pipe::pipe())?;
    let (hear, done) = attempt("make a pipe", rustix::pipe::pipe())?;
    let (report, verdict) = attempt("make a pipe", rustix::pipe::pipe())?;
    let (last_word, waits) = attempt("make a pipe", rustix::pipe::pipe())?;
    // SAFETY: this process has one thread, so the child may go on as if nothing had happened.
    let other = unsafe { libc::fork() };
    if other < 0 {
        return Err(Stop::from(std::io::Error::last_os_error()));
    }
    if other == 0 {
        drop((tell, waits));
        let unharmed = taken_over(&memory, &asked, &done, &last_word);
        let _parent_gone = rustix::io::write(&verdict, &[u8::from(unharmed)]);
        // SAFETY: the child has nothing to tidy up, and must not print the parent's buffered report.
        unsafe { libc::_exit(0) }
    }
    drop((asked, done, verdict));
    let server = serve_at(AT, Some(Meanwhile { tell, hear })).map_err(Stop::Skip)?;
    let read = direct_at(&format!("{AT}/file")).and_then(|file| pread(&file, pages.bytes(), 0));
    let _child_gone = rustix::io::write(&waits, b"+");
    let mut unharmed = [0u8];
    let heard = rustix::io::read(&report, &mut unharmed);
    // SAFETY: plain system calls on a child of ours.
    unsafe {
        libc::waitpid(other, std::ptr::null_mut(), 0);
    }
    stop(server, AT)?;
    attempt("read", read)?;
    attempt("hear from the child", heard)?;
    ensure(
        unharmed[0] == 1,
        "what was read came to pages that were free meanwhile",
    )
}

/// Once it is `asked`, takes the pages out of `memory`, takes as many and more for itself, and, when nobody waits any
/// longer, says whether they are as it left them.
fn taken_over(memory: &OwnedFd, asked: &OwnedFd, done: &OwnedFd, last_word: &OwnedFd) -> bool {
    let _asker_gone = rustix::io::read(asked, &mut [0u8]);
    let gone = ftruncate(memory, 0);
    let own = Pages::small(4 * COUNT);
    if let Ok(mut own) = own {
        own.bytes().fill(0x11);
        let _parent_gone = rustix::io::write(done, b"+");
        let _parent_gone = rustix::io::read(last_word, &mut [0u8]);
        return gone.is_ok() && own.bytes().iter().all(|byte| *byte == 0x11);
    }
    false
}

/// What the server answers with an error number.
fn refused() -> Test {
    let file = attempt("open", direct())?;
    let mut pages = attempt("map", Pages::small(COUNT))?;
    let at = REFUSED_FROM as u64;
    let came = [
        pread(&file, pages.bytes(), at),
        pwrite(&file, pages.bytes(), at),
    ];
    ensure(
        came.iter().all(|came| *came == Err(rustix::io::Errno::IO)),
        format!("the server refused, and {came:?} came"),
    )
}

fn read_once() -> Test {
    let file = attempt("open", direct())?;
    let mut back = attempt("map", Pages::new(COUNT))?;
    attempt("read", pread(&file, back.bytes(), 0)).map(drop)
}

fn direct() -> rustix::io::Result<OwnedFd> {
    direct_at(FILE)
}

fn direct_at(path: &str) -> rustix::io::Result<OwnedFd> {
    rustix::fs::open(path, OFlags::RDWR | OFlags::DIRECT, Mode::empty())
}

/// What goes on while somebody waits for a read: who hears of it, and who says that it is done.
pub(super) struct Meanwhile {
    /// Written to before the first read is answered.
    pub(super) tell: OwnedFd,
    /// Read from before it is answered.
    pub(super) hear: OwnedFd,
}

impl Meanwhile {
    fn pass(self) {
        let _nobody_hears = rustix::io::write(&self.tell, b"+");
        let _nobody_says = rustix::io::read(&self.hear, &mut [0u8]);
    }
}

/// Mounts, and starts the child that answers; its number.
fn serve() -> Result<i32, String> {
    serve_at(MOUNT, None)
}

/// Ends what [`serve_at`] began.
pub(super) fn stop(server: i32, at: &str) -> Test {
    let unmounted = unmount(at, UnmountFlags::DETACH);
    // SAFETY: plain system calls on a child of ours.
    unsafe {
        libc::kill(server, libc::SIGKILL);
        libc::waitpid(server, std::ptr::null_mut(), 0);
    }
    attempt("unmount", unmounted)
}

/// The same at `at`, where the first read takes as long as `meanwhile` does.
pub(super) fn serve_at(at: &str, meanwhile: Option<Meanwhile>) -> Result<i32, String> {
    let device = mounted(at)?;
    // SAFETY: this process has one thread, so the child may go on as if nothing had happened.
    match unsafe { libc::fork() } {
        0 => {
            answer_all(device, meanwhile);
            // SAFETY: the child has nothing to tidy up, and must not print the parent's buffered report.
            unsafe { libc::_exit(0) }
        }
        pid if pid > 0 => Ok(pid),
        _ => Err(std::io::Error::last_os_error().to_string()),
    }
}

/// Mounts at `at` a file system that whoever has the device answers for.
fn mounted(at: &str) -> Result<File, String> {
    let device = open("/dev/fuse").map_err(|error| format!("no /dev/fuse: {error}"))?;
    std::fs::create_dir_all(at).map_err(|error| format!("make {at}: {error}"))?;
    let options = format!(
        "fd={},rootmode=40000,user_id=0,group_id=0",
        device.as_raw_fd()
    );
    let options = std::ffi::CString::new(options).map_err(|error| error.to_string())?;
    mount("ktest", at, "fuse", MountFlags::empty(), options.as_c_str())
        .map_err(|error| format!("mount: {error}"))?;
    Ok(device)
}

/// Answers until the file system is gone.
fn answer_all(mut device: File, mut meanwhile: Option<Meanwhile>) {
    let mut contents = vec![0u8; BYTES];
    let mut request = vec![0u8; REQUEST];
    while let Ok(length) = device.read(&mut request) {
        const READ: [u8; 4] = 15u32.to_ne_bytes();
        if request[..length].get(4..8) == Some(&READ) {
            if let Some(meanwhile) = meanwhile.take() {
                meanwhile.pass();
            }
        }
        let Some(answer) = answer(&request[..length], &mut contents) else {
            continue;
        };
        let mut message = Vec::with_capacity(16 + BYTES);
        let (error, body) = match answer {
            Ok(body) => (0, body),
            Err(error) => (-error, Vec::new()),
        };
        message.extend_from_slice(&(16 + body.len() as u32).to_ne_bytes());
        message.extend_from_slice(&error.to_ne_bytes());
        message.extend_from_slice(&request[8..16]);
        message.extend_from_slice(&body);
        let _asker_gone = device.write(&message);
    }
}

/// The body of the answer or an error's number; `None` for what wants no answer.
fn answer(request: &[u8], contents: &mut [u8]) -> Option<Result<Vec<u8>, i32>> {
    let word = |at: usize| {
        let bytes = request.get(at..at + 4).and_then(|b| b.try_into().ok());
        u32::from_ne_bytes(bytes.unwrap_or_default())
    };
    let long = |at: usize| {
        let bytes = request.get(at..at + 8).and_then(|b| b.try_into().ok());
        u64::from_ne_bytes(bytes.unwrap_or_default())
    };
    let range = |at: usize| {
        let start = (long(at + 8) as usize).min(BYTES);
        start..(start + word(at + 16) as usize).min(BYTES)
    };
    let node = long(16);
    Some(match word(4) {
        // LOOKUP
        1 if request
            .get(HEAD..)
            .is_some_and(|name| name.starts_with(b"file\0")) =>
        {
            let mut body = NODE.to_ne_bytes().to_vec();
            body.extend([0; 32]);
            body.extend(attributes(NODE));
            Ok(body)
        }
        1 => Err(libc::ENOENT),
        // FORGET, INTERRUPT, BATCH_FORGET
        2 | 36 | 42 => return None,
        // GETATTR
        3 => {
            let mut body = vec![0; 16];
            body.extend(attributes(node));
            Ok(body)
        }
        // OPEN, with FOPEN_DIRECT_IO
        14 => {
            let mut body = vec![0; 8];
            body.extend([1u32, 0].map(u32::to_ne_bytes).concat());
            Ok(body)
        }
        15 | 16 if long(HEAD + 8) >= REFUSED_FROM as u64 => Err(libc::EIO),
        // READ
        15 => Ok(contents[range(HEAD)].to_vec()),
        // WRITE; its bytes lie behind its own head of 40 bytes.
        16 => {
            let range = range(HEAD);
            let from = request.get(HEAD + 40..HEAD + 40 + range.len())?;
            contents[range].copy_from_slice(from);
            Ok([from.len() as u32, 0].map(u32::to_ne_bytes).concat())
        }
        // RELEASE, FLUSH
        18 | 25 => Ok(Vec::new()),
        // INIT: version, read-ahead, flags, background limits, largest write, time granularity.
        26 => {
            let mut body = [7u32, 31, 0, 0].map(u32::to_ne_bytes).concat();
            body.extend([0u16; 2].map(u16::to_ne_bytes).concat());
            body.extend([BYTES as u32, 1].map(u32::to_ne_bytes).concat());
            body.resize(64, 0);
            Ok(body)
        }
        _ => Err(libc::ENOSYS),
    })
}

/// struct fuse_attr.
fn attributes(node: u64) -> Vec<u8> {
    let (mode, size) = if node == ROOT {
        (0o40755u32, 0)
    } else {
        (0o100644, BYTES as u64)
    };
    let mut body = [node, size, size / 512, 0, 0, 0]
        .map(u64::to_ne_bytes)
        .concat();
    body.extend(
        [0, 0, 0, mode, 1, 0, 0, 0, 4096, 0]
            .map(u32::to_ne_bytes)
            .concat(),
    );
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(operation: u32, node: u64, body: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0u8; HEAD];
        bytes[4..8].copy_from_slice(&operation.to_ne_bytes());
        bytes[16..24].copy_from_slice(&node.to_ne_bytes());
        bytes.extend(body);
        bytes
    }

    #[test]
    fn answers_have_the_sizes_that_the_protocol_wants() {
        let mut contents = vec![0u8; BYTES];
        let mut size = |operation, body: &[u8]| {
            answer(&request(operation, NODE, body), &mut contents)
                .unwrap()
                .unwrap()
                .len()
        };
        assert_eq!(size(1, b"file\0"), 128);
        assert_eq!(size(3, &[0; 16]), 104);
        assert_eq!(size(14, &[0; 8]), 16);
        assert_eq!(size(26, &[0; 16]), 64);
    }

    #[test]
    fn what_is_written_can_be_read() {
        let mut contents = vec![0u8; BYTES];
        let mut head = vec![0u8; 40];
        head[16..20].copy_from_slice(&3u32.to_ne_bytes());
        let write = [head.clone(), b"abc".to_vec()].concat();
        answer(&request(16, NODE, &write), &mut contents)
            .unwrap()
            .unwrap();
        let read = answer(&request(15, NODE, &head), &mut contents).unwrap();
        assert_eq!(read.unwrap(), b"abc");
    }

    #[test]
    fn a_request_beyond_the_end_or_cut_short_is_no_panic() {
        let mut contents = vec![0u8; BYTES];
        let mut head = vec![0xff; 40];
        head[8..16].copy_from_slice(&(REFUSED_FROM as u64 - 1).to_ne_bytes());
        assert_eq!(
            answer(&request(15, NODE, &head), &mut contents)
                .unwrap()
                .unwrap(),
            b""
        );
        head[8..16].copy_from_slice(&(REFUSED_FROM as u64).to_ne_bytes());
        for operation in [15, 16] {
            let refused = answer(&request(operation, NODE, &head), &mut contents);
            assert_eq!(refused, Some(Err(libc::EIO)));
        }
        head.truncate(3);
        assert!(answer(&request(15, NODE, &head), &mut contents).is_some());
        assert!(answer(&[], &mut contents).is_some());
    }
}
