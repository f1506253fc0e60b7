// SPDX-License-Identifier: MIT OR Apache-2.0
//! How the heap of this process grows.

/// Bytes by which the heap grows: an audit takes some 200 MiB, mostly in small pieces. Room that is not used costs no memory.
#[cfg(target_env = "gnu")]
const STEP: i32 = 64 << 20;

/// Lets the C library ask the kernel for much memory seldom, instead of 128 KiB a time (mallopt(3), M_TOP_PAD). False when it
/// has no such setting; nothing but time is lost then.
pub fn grow_in_large_steps() -> bool {
    #[cfg(target_env = "gnu")]
    // SAFETY: mallopt() takes two numbers and may be called at any time.
    return unsafe { libc::mallopt(libc::M_TOP_PAD, STEP) } == 1;
    #[cfg(not(target_env = "gnu"))]
    false
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_c_library_of_gnu_takes_the_setting() {
        assert_eq!(super::grow_in_large_steps(), cfg!(target_env = "gnu"));
    }
}
