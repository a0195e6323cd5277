//! RCU grace periods, seen from user space.
//!
//! A kernel program runs inside an RCU read-side section. After a grace period no program that was running before can
//! still write into a slot that it found then.

use std::io;
use std::time::Duration;

/// `MEMBARRIER_CMD_GLOBAL` of `linux/membarrier.h`: waits for an RCU grace period.
const MEMBARRIER_CMD_GLOBAL: libc::c_long = 1;

/// What to do where the kernel does not offer the call (`nohz_full` machines): far longer than a program can take,
/// preemption included.
const FALLBACK: Duration = Duration::from_secs(1);

/// A way to wait for a grace period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grace {
    /// By `membarrier(2)`.
    Membarrier,
    /// By waiting a second.
    Wait,
}

impl Grace {
    /// The best that this kernel offers.
    #[must_use]
    pub fn detect() -> Self {
        match membarrier() {
            Ok(()) => Self::Membarrier,
            Err(_) => Self::Wait,
        }
    }

    /// Blocks until a grace period has passed: some ten milliseconds.
    pub fn wait(self) {
        if self == Self::Wait || membarrier().is_err() {
            std::thread::sleep(FALLBACK);
        }
    }
}

fn membarrier() -> io::Result<()> {
    // SAFETY: the call takes no pointers.
    let result = unsafe { libc::syscall(libc::SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
