// SPDX-License-Identifier: MIT OR Apache-2.0
//! System calls that no crate wraps, and what belongs to them.

use crate::check::{Stop, Test, attempt, ensure};
use rustix::fs::{MemfdFlags, memfd_create};
use std::fs::{File, OpenOptions};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::path::Path;

/// Number of an ioctl without argument size, as `_IO()` makes it.
pub(crate) const fn io(kind: u8, number: u8) -> u64 {
    ((kind as u64) << 8) | number as u64
}

/// The same with direction and size: `_IOW()` is 1, `_IOR()` 2, `_IOWR()` 3.
pub(crate) const fn iorw(direction: u64, kind: u8, number: u8, size: usize) -> u64 {
    (direction << 30) | ((size as u64) << 16) | io(kind, number)
}

/// An ioctl on a structure that the kernel reads and writes.
pub(crate) fn ioctl<T>(
    file: &impl AsRawFd,
    request: u64,
    argument: &mut T,
) -> std::io::Result<i32> {
    // SAFETY: the request's argument is a `T` by the definition of the request, and it is alive and exclusive.
    let result = unsafe { libc::ioctl(file.as_raw_fd(), request, std::ptr::from_mut(argument)) };
    if result < 0 {
        return Err(std::io::Error::last_os_error());
    }
    Ok(result)
}

/// An ioctl whose argument is a number.
pub(crate) fn ioctl_value(
    file: &impl AsRawFd,
    request: u64,
    argument: u64,
) -> std::io::Result<i32> {
    // SAFETY: the request takes a number, which the kernel does not follow as a pointer.
    let result = unsafe { libc::ioctl(file.as_raw_fd(), request, argument) };
    if result < 0 {
        return Err(std::io::Error::last_os_error());
    }
    Ok(result)
}

/// Loads the module in the file `path`; skips where the image does not have it.
pub(crate) fn load(path: &str) -> Test {
    let Ok(module) = File::open(path) else {
        return Err(Stop::Skip(format!("no {path} in this image")));
    };
    // SAFETY: a descriptor, an empty string with its NUL, and no flags.
    let done =
        unsafe { libc::syscall(libc::SYS_finit_module, module.as_raw_fd(), c"".as_ptr(), 0) };
    if done < 0 {
        let error = std::io::Error::last_os_error();
        return Err(Stop::Fail(format!("load {path}: {error}")));
    }
    Ok(())
}

/// Opens a device for reading and writing.
pub(crate) fn open(path: impl AsRef<Path>) -> std::io::Result<File> {
    OpenOptions::new().read(true).write(true).open(path)
}

/// Runs `body` in a child process, waits until it says that it is ready, then kills it: what it held must be given
/// back by the kernel. The child never returns from `body` by itself.
pub(crate) fn killed_while_holding<H>(body: impl FnOnce() -> Test<H>) -> Test {
    let (reader, writer) = attempt("make a pipe", rustix::pipe::pipe())?;
    // SAFETY: this process has one thread, so the child may go on as if nothing had happened.
    let pid = unsafe { libc::fork() };
    if pid < 0 {
        return Err(Stop::from(std::io::Error::last_os_error()));
    }
    if pid == 0 {
        drop(reader);
        let held = body();
        let said = match &held {
            Ok(_) => "+".to_owned(),
            Err(Stop::Skip(why)) => format!("?{why}"),
            Err(Stop::Fail(why)) => format!("-{why}"),
        };
        let _parent_gone = rustix::io::write(&writer, said.as_bytes());
        loop {
            std::thread::sleep(std::time::Duration::from_secs(1000));
        }
    }
    drop(writer);
    // One write of no more than that is read as a whole.
    let mut said = [0u8; libc::PIPE_BUF];
    let got = rustix::io::read(&reader, &mut said);
    // SAFETY: plain system calls on a child of ours.
    unsafe {
        libc::kill(pid, libc::SIGKILL);
        libc::waitpid(pid, std::ptr::null_mut(), 0);
    }
    let got = attempt("hear from the child", got)?;
    let said = String::from_utf8_lossy(&said[..got]);
    match said.split_at_checked(1) {
        Some(("+", _)) => Ok(()),
        Some(("?", why)) => Err(Stop::Skip(why.to_owned())),
        Some((_, why)) => Err(Stop::Fail(format!("in the child: {why}"))),
        None => Err(Stop::Fail("the child ended without a word".into())),
    }
}

/// Runs `body`, which waits in a system call for what never comes, in a child process, and kills it there.
pub(crate) fn killed_while_waiting<T>(body: impl FnOnce() -> T) -> Test {
    // Long enough for a process under software emulation to get from a write to the next call.
    const ON_ITS_WAY: std::time::Duration = std::time::Duration::from_millis(300);
    let (reader, writer) = attempt("make a pipe", rustix::pipe::pipe())?;
    // SAFETY: this process has one thread, so the child may go on as if nothing had happened.
    let pid = unsafe { libc::fork() };
    if pid < 0 {
        return Err(Stop::from(std::io::Error::last_os_error()));
    }
    if pid == 0 {
        drop(reader);
        let _parent_gone = rustix::io::write(&writer, b"+");
        let _never_comes = body();
        let _parent_gone = rustix::io::write(&writer, b"-");
        // SAFETY: the child has nothing to tidy up, and must not print the parent's buffered report.
        unsafe { libc::_exit(0) }
    }
    drop(writer);
    let ready = rustix::io::read(&reader, &mut [0u8]);
    std::thread::sleep(ON_ITS_WAY);
    // SAFETY: plain system calls on a child of ours.
    unsafe {
        libc::kill(pid, libc::SIGKILL);
        libc::waitpid(pid, std::ptr::null_mut(), 0);
    }
    attempt("hear from the child", ready)?;
    let ended = attempt("hear from the child", rustix::io::read(&reader, &mut [0u8]))?;
    ensure(ended == 0, "it did not wait")
}

/// A memory file without a name of its own, empty.
pub(crate) fn memory_file(flags: MemfdFlags) -> Test<OwnedFd> {
    attempt("memfd", memfd_create("ktest", MemfdFlags::CLOEXEC | flags))
}

/// A socket.
pub(crate) fn socket(family: i32, kind: i32, protocol: i32) -> std::io::Result<OwnedFd> {
    // SAFETY: numbers only.
    let fd = unsafe { libc::socket(family, kind | libc::SOCK_CLOEXEC, protocol) };
    if fd < 0 {
        return Err(std::io::Error::last_os_error());
    }
    // SAFETY: the kernel has just made this descriptor for us; nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// setsockopt() with a structure.
pub(crate) fn set_socket_option<T>(
    socket: &OwnedFd,
    level: i32,
    name: i32,
    value: &T,
) -> std::io::Result<()> {
    // SAFETY: the value is alive, and its length is its own.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            name,
            std::ptr::from_ref(value).cast(),
            size_of::<T>() as libc::socklen_t,
        )
    };
    if result < 0 {
        return Err(std::io::Error::last_os_error());
    }
    Ok(())
}
