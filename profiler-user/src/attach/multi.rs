//! Whether this kernel can set many probes at once for one process only (`uprobe_multi`), found by trying.

use std::io;
use std::os::fd::AsFd as _;

use super::bare::load_nothing;
use super::sys::{self, MultiLink};

/// What the kernel offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MultiSupport {
    /// One link holds all probes of a file, and only the target pays for them.
    PerProcess,
    /// Links exist, but filter by thread instead of by process (before 6.10): not usable.
    PerThread,
    /// No such link (before 6.6).
    None,
    /// The agent may not find out.
    NoPermission,
}

/// Tries it. Sets no probe: the path does not exist, and what is looked at is in which order the kernel objects.
#[must_use]
pub fn multi_support() -> MultiSupport {
    let program = match load_nothing("stain_try") {
        Ok(program) => program,
        Err(error) if matches!(error.raw_os_error(), Some(libc::EPERM | libc::EACCES)) => {
            return MultiSupport::NoPermission;
        }
        Err(_) => return MultiSupport::None,
    };
    let attempt = |path, pid| -> Option<i32> {
        let link = MultiLink { path, offsets: &[0], cookies: &[], at_return: false, pid };
        sys::create_link(program.as_fd(), &link)
            .map_or_else(|error: io::Error| error.raw_os_error(), |_| Some(0))
    };
    // A kernel with such links says that "/" is no file to probe; one without does not know the attach type.
    if attempt(c"/", 0) != Some(libc::EBADF) {
        return MultiSupport::None;
    }
    // A kernel that filters by process refuses process id -1 at once; older ones only find no such process.
    match attempt(c"/", u32::MAX) {
        Some(libc::EINVAL) => MultiSupport::PerProcess,
        _ => MultiSupport::PerThread,
    }
}
