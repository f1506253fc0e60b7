// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a finished child has cost, as the kernel accounts for it.

use std::time::Duration;

/// Resources of one child and of the descendants that it waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// From start to end.
    pub wall: Duration,
    /// CPU time in user space.
    pub user: Duration,
    /// CPU time in the kernel.
    pub system: Duration,
    /// Largest resident set of a single process, in KiB.
    pub peak_kib: u64,
}

impl Usage {
    /// User and system time together.
    pub fn cpu(&self) -> Duration {
        self.user + self.system
    }
}

/// What this process and the children that it waited for have cost so far; `wall` stays zero, and `peak_kib` is that of the largest process.
pub fn spent() -> Usage {
    let of = |who| {
        // SAFETY: the pointer is to a live value of the type that getrusage writes; an all-zero rusage is valid.
        let usage = unsafe {
            let mut usage: libc::rusage = std::mem::zeroed();
            // The only error is an unknown `who`, and both are known.
            libc::getrusage(who, &raw mut usage);
            usage
        };
        of_rusage(&usage)
    };
    let (own, children) = (of(libc::RUSAGE_SELF), of(libc::RUSAGE_CHILDREN));
    Usage {
        wall: Duration::ZERO,
        user: own.user + children.user,
        system: own.system + children.system,
        peak_kib: own.peak_kib.max(children.peak_kib),
    }
}

fn of_rusage(usage: &libc::rusage) -> Usage {
    let time = |t: libc::timeval| {
        Duration::from_secs(t.tv_sec.try_into().unwrap_or(0))
            + Duration::from_micros(t.tv_usec.try_into().unwrap_or(0))
    };
    Usage {
        wall: Duration::ZERO,
        user: time(usage.ru_utime),
        system: time(usage.ru_stime),
        peak_kib: usage.ru_maxrss.try_into().unwrap_or(0),
    }
}

/// How a child ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    Code(i32),
    Signal(i32),
}

/// Reaps `pid` if it has ended; `None` while it runs.
pub(crate) fn reap(pid: i32) -> std::io::Result<Option<(Ended, Usage)>> {
    let mut status = 0;
    // SAFETY: both pointers are to live values of the types that wait4 writes; an all-zero rusage is valid.
    let (got, usage) = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        let got = libc::wait4(pid, &raw mut status, libc::WNOHANG, &raw mut usage);
        (got, usage)
    };
    if got == 0 {
        return Ok(None);
    }
    if got < 0 {
        return Err(std::io::Error::last_os_error());
    }
    let ended = if libc::WIFEXITED(status) {
        Ended::Code(libc::WEXITSTATUS(status))
    } else {
        Ended::Signal(libc::WTERMSIG(status))
    };
    Ok(Some((ended, of_rusage(&usage))))
}
