// SPDX-License-Identifier: MIT OR Apache-2.0
//! The "new ASCII" cpio format, as the kernel unpacks it.
//!
//! <https://docs.kernel.org/6.12/driver-api/early-userspace/buffer-format.html>: every member is a header of 110 bytes
//! (the magic `070701`, then 13 fields of 8 hexadecimal digits), the name with its NUL, padding to 4 bytes, the data,
//! padding to 4 bytes. The member `TRAILER!!!` ends the archive.

const DIRECTORY: u32 = 0o040_000;
const REGULAR: u32 = 0o100_000;
const CHARACTER: u32 = 0o020_000;

/// An archive in the making.
#[derive(Debug, Clone, Default)]
pub(crate) struct Archive {
    bytes: Vec<u8>,
    inode: u32,
}

struct Member<'a> {
    name: &'a str,
    mode: u32,
    links: u32,
    device: (u32, u32),
    data: &'a [u8],
}

impl Archive {
    /// Adds a directory; its parents must be there already.
    pub(crate) fn directory(&mut self, name: &str) {
        self.member(&Member {
            name,
            mode: DIRECTORY | 0o755,
            links: 2,
            device: (0, 0),
            data: &[],
        });
    }

    /// Adds a file with permission bits `mode`.
    pub(crate) fn file(&mut self, name: &str, mode: u32, data: &[u8]) {
        self.member(&Member {
            name,
            mode: REGULAR | mode,
            links: 1,
            device: (0, 0),
            data,
        });
    }

    /// Adds a character device.
    pub(crate) fn device(&mut self, name: &str, major: u32, minor: u32) {
        self.member(&Member {
            name,
            mode: CHARACTER | 0o600,
            links: 1,
            device: (major, minor),
            data: &[],
        });
    }

    /// Ends the archive.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.inode = u32::MAX;
        self.member(&Member {
            name: "TRAILER!!!",
            mode: 0,
            links: 1,
            device: (0, 0),
            data: &[],
        });
        self.bytes
    }

    fn member(&mut self, member: &Member<'_>) {
        self.inode = self.inode.wrapping_add(1);
        let (uid, gid, mtime, check) = (0, 0, 0, 0);
        let fields = [
            self.inode,
            member.mode,
            uid,
            gid,
            member.links,
            mtime,
            u32::try_from(member.data.len()).expect("no file of the guest is 4 GiB"),
            0,
            0,
            member.device.0,
            member.device.1,
            u32::try_from(member.name.len() + 1).expect("names are short"),
            check,
        ];
        self.bytes.extend_from_slice(b"070701");
        for field in fields {
            self.bytes
                .extend_from_slice(format!("{field:08x}").as_bytes());
        }
        self.bytes.extend_from_slice(member.name.as_bytes());
        self.bytes.push(0);
        self.pad();
        self.bytes.extend_from_slice(member.data);
        self.pad();
    }

    fn pad(&mut self) {
        while self.bytes.len() % 4 != 0 {
            self.bytes.push(0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_aligned_and_the_trailer_is_last() {
        let mut archive = Archive::default();
        archive.directory("dev");
        archive.file("init", 0o755, b"hello");
        let bytes = archive.finish();
        let text = String::from_utf8_lossy(&bytes);
        let heads: Vec<usize> = text.match_indices("070701").map(|(at, _)| at).collect();
        assert_eq!(heads.len(), 3);
        assert!(heads.iter().all(|at| at % 4 == 0));
        assert_eq!(
            &text[heads[1]..heads[1] + 110],
            "070701\
            00000002000081ed00000000000000000000000100000000000000050000000000000000000000000000000000000005\
            00000000"
        );
        assert!(text.trim_end_matches('\0').ends_with("TRAILER!!!"));
    }

    #[test]
    fn the_same_files_make_the_same_bytes() {
        let make = || {
            let mut archive = Archive::default();
            archive.file("a", 0o644, b"x");
            archive.device("dev/console", 5, 1);
            archive.finish()
        };
        assert_eq!(make(), make());
    }
}
