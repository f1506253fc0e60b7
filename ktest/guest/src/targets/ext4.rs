// SPDX-License-Identifier: MIT OR Apache-2.0
//! Makes a small file system of the ext family on a disk of the guest and mounts it with the ext4 driver.
//!
//! One group of 1024-byte blocks, the oldest layout that the driver still mounts: super block in block 1, group descriptor
//! in block 2, bitmaps in 3 and 4, inodes from 5 on, the root directory behind them
//! (Documentation/filesystems/ext4/, "Layout").

use std::os::unix::fs::FileExt;

const BLOCK: usize = 1024;
/// Blocks of one group: as many as its bitmap has bits.
const BLOCKS: u32 = 8192;
const INODES: u32 = 64;
const INODE_BYTES: u32 = 128;
const INODE_TABLE: u32 = 5;
const ROOT_DIRECTORY: u32 = INODE_TABLE + INODES * INODE_BYTES / BLOCK as u32;
/// The first inode that is not reserved.
const FIRST_INODE: u32 = 11;
const ROOT_INODE: u32 = 2;

/// Makes the file system on `disk` and mounts it at `at`.
///
/// # Errors
/// A sentence: what the disk or the kernel refused.
pub(super) fn mount(disk: &str, at: &str) -> Result<(), String> {
    make(disk).map_err(|error| format!("make a file system on {disk}: {error}"))?;
    std::fs::create_dir_all(at).map_err(|error| format!("make {at}: {error}"))?;
    rustix::mount::mount(disk, at, "ext4", rustix::mount::MountFlags::empty(), c"")
        .map_err(|error| format!("mount ext4: {error}"))
}

fn make(disk: &str) -> std::io::Result<()> {
    let file = std::fs::OpenOptions::new().write(true).open(disk)?;
    file.write_all_at(&image(), 0)?;
    file.sync_all()
}

/// The first blocks of the disk.
fn image() -> Vec<u8> {
    let used = ROOT_DIRECTORY + 1;
    let mut image = vec![0u8; used as usize * BLOCK];
    let mut put = |block: u32, offset: usize, bytes: &[u8]| {
        let at = block as usize * BLOCK + offset;
        image[at..at + bytes.len()].copy_from_slice(bytes);
    };
    // The super block. Free blocks and inodes are counted without what is used from the start.
    let words = [
        (0, INODES),
        (4, BLOCKS),
        // Block 0 belongs to no group where blocks have 1024 bytes.
        (12, BLOCKS - used),
        (16, INODES - (FIRST_INODE - 1)),
        (20, 1),
        (32, BLOCKS),
        (36, BLOCKS),
        (40, INODES),
        // Revision 1, so that what follows counts.
        (76, 1),
        (84, FIRST_INODE),
        // Incompatible features: directory entries with a type.
        (96, 2),
    ];
    for (offset, value) in words {
        put(1, offset, &value.to_le_bytes());
    }
    // Magic; clean; errors: go on.
    for (offset, value) in [(56, 0xef53u16), (58, 1), (60, 1), (88, INODE_BYTES as u16)] {
        put(1, offset, &value.to_le_bytes());
    }
    for (offset, value) in [(0, 3u32), (4, 4), (8, INODE_TABLE)] {
        put(2, offset, &value.to_le_bytes());
    }
    let free = ((BLOCKS - used) as u16, (INODES - (FIRST_INODE - 1)) as u16);
    for (offset, value) in [(12, free.0), (14, free.1), (16, 1)] {
        put(2, offset, &value.to_le_bytes());
    }
    // Blocks 1 to the root directory are used; the last bit lies beyond the disk, which has blocks 1 to 8191.
    let mut bits = vec![0u8; BLOCK];
    for block in 1..used {
        bits[(block as usize - 1) / 8] |= 1 << ((block - 1) % 8);
    }
    bits[BLOCK - 1] |= 0x80;
    put(3, 0, &bits);
    // Reserved inodes, and bits of inodes that there are not.
    let mut bits = vec![0xffu8; BLOCK];
    for inode in FIRST_INODE..=INODES {
        bits[(inode as usize - 1) / 8] &= !(1 << ((inode - 1) % 8));
    }
    put(4, 0, &bits);
    let root = (ROOT_INODE as usize - 1) * INODE_BYTES as usize;
    let (links, mode) = (2u16, 0o40755u16);
    put(INODE_TABLE, root, &mode.to_le_bytes());
    put(INODE_TABLE, root + 4, &(BLOCK as u32).to_le_bytes());
    put(INODE_TABLE, root + 26, &links.to_le_bytes());
    // In sectors of 512 bytes; then the first block.
    put(INODE_TABLE, root + 28, &2u32.to_le_bytes());
    put(INODE_TABLE, root + 40, &ROOT_DIRECTORY.to_le_bytes());
    let mut directory = entry(12, ".");
    directory.extend(entry(BLOCK as u16 - 12, ".."));
    put(ROOT_DIRECTORY, 0, &directory);
    image
}

fn entry(length: u16, name: &str) -> Vec<u8> {
    let mut bytes = ROOT_INODE.to_le_bytes().to_vec();
    bytes.extend(length.to_le_bytes());
    // Length of the name; a directory.
    bytes.extend([name.len() as u8, 2]);
    bytes.extend(name.as_bytes());
    // The next entry begins at a multiple of four.
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_image_says_where_everything_is() {
        let image = image();
        let word = |at: usize| u32::from_le_bytes(image[at..at + 4].try_into().unwrap());
        assert_eq!(image.len(), (ROOT_DIRECTORY as usize + 1) * BLOCK);
        assert_eq!(image[BLOCK + 56..BLOCK + 58], [0x53, 0xef]);
        assert_eq!(word(2 * BLOCK + 8), INODE_TABLE);
        let root = INODE_TABLE as usize * BLOCK + INODE_BYTES as usize;
        assert_eq!(word(root + 40), ROOT_DIRECTORY);
        let (dot, dots) = (
            ROOT_DIRECTORY as usize * BLOCK,
            ROOT_DIRECTORY as usize * BLOCK + 12,
        );
        assert_eq!((word(dot), word(dots)), (ROOT_INODE, ROOT_INODE));
    }
}
