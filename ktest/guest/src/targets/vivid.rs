// SPDX-License-Identifier: MIT OR Apache-2.0
//! Video capture into the caller's own pages, on a camera made of memory.
//!
//! Interface: include/uapi/linux/videodev2.h (USERPTR buffers); drivers/media/common/videobuf2/: vb2_vmalloc_get_userptr()
//! and get_vaddr_frames() (6.12).

use crate::check::{Check, Stop, Test, attempt, ensure};
use crate::memory::{PAGE, Pages};
use crate::sys::{ioctl, iorw, killed_while_holding, open};
use crate::window::{Window, bytes as byte_patterns};
use crate::{failing, longterm, outlive};
use std::fs::File;
use std::os::fd::AsFd;

const CAPTURE: u32 = 1;
const USERPTR: u32 = 2;
/// Enough for the driver, which wants two.
const BUFFERS: u32 = 2;
/// How long a frame may take under software emulation.
const FRAME_MS: i64 = 20_000;

/// struct v4l2_format; the size of an image lies at its 28th byte.
#[repr(C, align(8))]
struct Format([u8; 208]);

#[repr(C)]
struct Request {
    count: u32,
    kind: u32,
    memory: u32,
    rest: [u32; 2],
}

#[repr(C)]
#[derive(Default)]
struct Buffer {
    index: u32,
    kind: u32,
    bytes_used: u32,
    flags: u32,
    field: u32,
    timestamp: [u64; 2],
    timecode: [u32; 4],
    sequence: u32,
    memory: u32,
    address: u64,
    length: u32,
    reserved: u32,
    request: i32,
}

const GET_FORMAT: u64 = iorw(3, b'V', 4, size_of::<Format>());
const REQUEST: u64 = iorw(3, b'V', 8, size_of::<Request>());
const QUEUE: u64 = iorw(3, b'V', 15, size_of::<Buffer>());
const DEQUEUE: u64 = iorw(3, b'V', 17, size_of::<Buffer>());
const STREAM_ON: u64 = iorw(1, b'V', 18, size_of::<u32>());
const STREAM_OFF: u64 = iorw(1, b'V', 19, size_of::<u32>());

/// A camera with its buffers.
struct Camera {
    file: File,
    memory: Vec<Pages>,
}

/// Runs every subtest.
pub(super) fn run(check: &mut Check) {
    if let Err(error) = open("/dev/video0") {
        check.skip("camera", &format!("no /dev/video0: {error}"));
        return;
    }
    let bytes = camera().map_or(0, |(_, bytes)| bytes);
    let pages = u64::from(BUFFERS) * bytes.div_ceil(PAGE) as u64;
    check.hold(
        "buffers queued, freed by request",
        pages,
        queued,
        |camera| camera.request(0),
    );
    check.hold("buffers queued, closed", pages, queued, |camera| {
        drop(camera);
        Ok(())
    });
    check.hold("a frame captured", pages, queued, |camera| {
        camera.captured()?;
        camera.request(0)
    });
    // Rows of an image are whole words; where it begins is the caller's choice.
    for offset in [0, 24] {
        let title = match offset {
            0 => "a frame captured into every page".to_owned(),
            _ => format!("a frame captured into every page, {offset} bytes behind the first"),
        };
        check.run(&title, || captured_at(offset));
    }
    let taken = |memory: &Pages| -> Test<Camera> {
        let (camera, bytes) = camera()?;
        camera.request(BUFFERS)?;
        attempt(
            "queue a buffer",
            camera.queue_at(0, memory.address(), bytes),
        )?;
        Ok(camera)
    };
    let count = pages as usize / BUFFERS as usize;
    longterm::leaves_movable(check, "buffer", count, taken);
    longterm::refuses_files(check, "buffer", count, taken);
    // Before, the camera forced its way to memory that may only be read: drivers/media/common/videobuf2/frame_vector.c (FOLL_FORCE, 6.1).
    if longterm::is_since((6, 2)) {
        longterm::refuses_read_only(check, "buffer", count, taken);
    }
    outlive::run_of(check, "buffer", count, taken);
    failing::run(check, "buffer", |failing| {
        let (camera, bytes) = camera()?;
        let window = Window::new(0, bytes)?;
        camera.request(BUFFERS)?;
        let _failed_or_not = failing.during(|| camera.queue_at(0, window.address(), bytes));
        camera.request(0)
    });
    check.run("buffer half not mapped", || {
        let (camera, bytes) = camera()?;
        let count = bytes.div_ceil(PAGE);
        let pages = attempt("map", Pages::with_hole(count, count / 2))?;
        camera.request(BUFFERS)?;
        let refused = camera.queue(0, &pages, bytes).is_err();
        ensure(refused, "memory that is not there was queued")
    });
    check.run("buffers, holder killed", || killed_while_holding(queued));
    check.repeat("buffers, many times", 24, 200, || queued()?.request(0));
}

/// A frame is captured into memory that begins `offset` bytes behind the beginning of a page: something comes to every
/// page, and nothing to what lies beside.
fn captured_at(offset: usize) -> Test {
    let (mut camera, bytes) = camera()?;
    camera.request(BUFFERS)?;
    let mut windows = Vec::new();
    for index in 0..BUFFERS {
        // Nothing that is filmed looks like that.
        let mut window = Window::new(offset, bytes)?;
        window.fill(u64::from(index) + 1);
        let queued = camera.queue_at(index, window.address(), bytes);
        attempt("queue a buffer", queued)?;
        windows.push(window);
    }
    let index = camera.captured()?;
    camera.request(0)?;
    for (at, window) in (0..).zip(&mut windows) {
        if at != index {
            continue;
        }
        let before = byte_patterns(u64::from(at) + 1, bytes);
        let pages = window.inside().chunks(PAGE).zip(before.chunks(PAGE));
        let left = pages.filter(|(now, before)| now == before).count();
        ensure(
            left == 0,
            format!("nothing was written to {left} pages of the frame"),
        )?;
        window.nothing_beside()?;
        let (dirty, spans) = (window.marked_dirty()?, window.spans());
        ensure(
            dirty == spans,
            format!("{dirty} of {spans} pages that the camera wrote to were marked dirty"),
        )?;
    }
    camera.memory.clear();
    Ok(())
}

/// The camera and the bytes of one image.
fn camera() -> Test<(Camera, usize)> {
    let file = attempt("open the camera", open("/dev/video0"))?;
    let mut format = Format([0; 208]);
    format.0[0] = CAPTURE as u8;
    attempt("get the format", ioctl(&file, GET_FORMAT, &mut format))?;
    let mut size = [0u8; 4];
    size.copy_from_slice(&format.0[28..32]);
    let memory = Vec::new();
    Ok((Camera { file, memory }, u32::from_ne_bytes(size) as usize))
}

fn queued() -> Test<Camera> {
    let (mut camera, bytes) = camera()?;
    camera.request(BUFFERS)?;
    for index in 0..BUFFERS {
        let pages = attempt("map", Pages::new(bytes.div_ceil(PAGE)))?;
        attempt("queue a buffer", camera.queue(index, &pages, bytes))?;
        camera.memory.push(pages);
    }
    Ok(camera)
}

impl Camera {
    /// Asks for `count` buffers; 0 gives back what is there.
    fn request(&self, count: u32) -> Test {
        let mut request = Request {
            count,
            kind: CAPTURE,
            memory: USERPTR,
            rest: [0; 2],
        };
        match ioctl(&self.file, REQUEST, &mut request) {
            Ok(_) => Ok(()),
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => Err(Stop::Skip(
                "this camera takes no memory of the caller's".into(),
            )),
            Err(error) => Err(Stop::Fail(format!("request buffers: {error}"))),
        }
    }

    fn queue(&self, index: u32, pages: &Pages, bytes: usize) -> std::io::Result<i32> {
        self.queue_at(index, pages.address(), bytes)
    }

    fn queue_at(&self, index: u32, address: u64, bytes: usize) -> std::io::Result<i32> {
        let mut buffer = Buffer {
            index,
            kind: CAPTURE,
            memory: USERPTR,
            address,
            length: bytes as u32,
            ..Buffer::default()
        };
        ioctl(&self.file, QUEUE, &mut buffer)
    }

    /// Streams until one frame has come; the buffer that it is in.
    fn captured(&self) -> Test<u32> {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};
        let mut kind = CAPTURE;
        attempt("start the stream", ioctl(&self.file, STREAM_ON, &mut kind))?;
        let fd = self.file.as_fd();
        let mut fds = [PollFd::from_borrowed_fd(fd, PollFlags::IN)];
        let timeout = Timespec {
            tv_sec: FRAME_MS / 1000,
            tv_nsec: 0,
        };
        let came = attempt("wait for a frame", poll(&mut fds, Some(&timeout)))?;
        ensure(came == 1, format!("no frame came in {FRAME_MS} ms"))?;
        let mut buffer = Buffer {
            kind: CAPTURE,
            memory: USERPTR,
            ..Buffer::default()
        };
        attempt("dequeue a frame", ioctl(&self.file, DEQUEUE, &mut buffer))?;
        attempt("stop the stream", ioctl(&self.file, STREAM_OFF, &mut kind))?;
        ensure(buffer.bytes_used > 0, "an empty frame came")?;
        Ok(buffer.index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn structures_have_the_sizes_that_the_kernel_expects() {
        assert_eq!((size_of::<Buffer>(), size_of::<Request>()), (88, 20));
        assert_eq!(std::mem::offset_of!(Buffer, address), 64);
    }
}
