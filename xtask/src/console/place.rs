// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a user names with `-o`: a file to make or replace, or something open that is written to.

use camino::Utf8Path;
use rustix::fs::{Mode, OFlags, fcntl_setfl, open};
use rustix::io::Errno;
use std::fs::File;
use std::io::Error;
use std::os::fd::FromRawFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt};

/// Where a result goes.
#[derive(Debug)]
pub(crate) enum Place {
    /// A file that is made, or replaced when all of it is there.
    File,
    /// Something that is written to and never replaced: a descriptor of this process, a device, a pipe with a reader.
    Open(File),
}

/// What `path` is.
///
/// A descriptor of this process (`/dev/stdout`, `/dev/fd/63` as a shell's `>(…)` has it) is written to, whatever it leads
/// to. A FIFO that nobody reads, which would be waited for without end, a directory, a socket, a disk, and a device that is
/// neither a terminal nor one of null, zero and full are refused.
pub(crate) fn of(path: &Utf8Path) -> std::io::Result<Place> {
    if let Some(descriptor) = descriptor(path) {
        return Ok(Place::Open(again(descriptor)?));
    }
    let kind = match std::fs::metadata(path) {
        Ok(found) => found,
        // What is not there is made; a link that leads nowhere is replaced.
        Err(_) => return Ok(Place::File),
    };
    let is = kind.file_type();
    if is.is_file() {
        return Ok(Place::File);
    }
    let harmless = is.is_char_device() && harmless(kind.rdev());
    if !harmless && !is.is_fifo() {
        return Err(Error::other("it is neither a file nor a terminal"));
    }
    // Without waiting for a reader of a FIFO, and without making a terminal ours.
    let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = match open(path.as_std_path(), flags, Mode::empty()) {
        Ok(file) => file,
        Err(Errno::NXIO) if is.is_fifo() => {
            return Err(Error::other("it is a FIFO, and nobody reads it"));
        }
        Err(errno) => return Err(errno.into()),
    };
    // From here on a reader that is slow is waited for.
    fcntl_setfl(&file, OFlags::WRONLY)?;
    Ok(Place::Open(file.into()))
}

/// The descriptor of this process that a path names.
fn descriptor(path: &Utf8Path) -> Option<i32> {
    match path.as_str() {
        "/dev/stdout" => return Some(1),
        "/dev/stderr" => return Some(2),
        _ => {}
    }
    let number = path
        .as_str()
        .strip_prefix("/dev/fd/")
        .or_else(|| path.as_str().strip_prefix("/proc/self/fd/"))?;
    number.parse().ok().filter(|number| *number >= 0)
}

/// Another descriptor of what `descriptor` is open for.
fn again(descriptor: i32) -> std::io::Result<File> {
    // SAFETY: fcntl() takes any number, and says of one that is not open that it is not.
    let copy = unsafe { libc::fcntl(descriptor, libc::F_DUPFD_CLOEXEC, 0) };
    if copy < 0 {
        return Err(Error::last_os_error());
    }
    // SAFETY: it was made just now, and nobody else has it.
    Ok(unsafe { File::from_raw_fd(copy) })
}

/// Terminals, and the devices that swallow what is written. Numbers of Documentation/admin-guide/devices.txt of the kernel.
fn harmless(device: u64) -> bool {
    let (major, minor) = (libc::major(device), libc::minor(device));
    // 1:3 null, 1:5 zero, 1:7 full; 4 and 5 terminals, 136 to 143 those of Unix98.
    matches!((major, minor), (1, 3 | 5 | 7) | (4 | 5 | 136..=143, _))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::FileType;
    use std::io::{Read, Write};

    fn fifo(path: &Utf8Path) {
        let mode = Mode::RUSR | Mode::WUSR;
        rustix::fs::mknodat(rustix::fs::CWD, path.as_std_path(), FileType::Fifo, mode, 0).unwrap();
    }

    #[test]
    fn a_fifo_is_written_to_where_somebody_reads_and_refused_where_nobody_does() {
        let dir = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(dir.path()).unwrap().join("fifo");
        fifo(&path);
        assert!(of(&path).unwrap_err().to_string().contains("nobody reads"));
        let mut reader = std::fs::OpenOptions::new()
            .read(true)
            .write(true)
            .open(&path)
            .unwrap();
        let Place::Open(mut file) = of(&path).unwrap() else {
            panic!("a FIFO is no file");
        };
        file.write_all(b"x").unwrap();
        let mut byte = [0];
        reader.read_exact(&mut byte).unwrap();
        assert_eq!(&byte, b"x");
    }

    #[test]
    fn files_are_replaced_descriptors_and_null_are_written_to_and_the_rest_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let dir = Utf8Path::from_path(dir.path()).unwrap();
        std::fs::write(dir.join("file"), "x").unwrap();
        assert!(matches!(of(&dir.join("file")).unwrap(), Place::File));
        assert!(matches!(of(&dir.join("absent")).unwrap(), Place::File));
        for path in [
            "/dev/null",
            "/dev/full",
            "/dev/stdout",
            "/dev/fd/1",
            "/proc/self/fd/2",
        ] {
            assert!(matches!(of(path.into()).unwrap(), Place::Open(_)), "{path}");
        }
        let _listener = std::os::unix::net::UnixListener::bind(dir.join("socket")).unwrap();
        for path in [dir.to_owned(), dir.join("socket"), "/dev/fd/987654".into()] {
            assert!(of(&path).is_err(), "{path}");
        }
    }
}
