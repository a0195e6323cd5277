//! Which pid namespace the agent is in, as the kernel program asks for it.

use std::path::Path;

/// Inode of the initial pid namespace (`PROC_PID_INIT_INO` in the kernel's `proc_ns.h`).
const INITIAL: u64 = 0xEFFF_FFFC;

/// Inode and device, as [`profiler_common::Config`] has them; zeros for the initial namespace, and where it cannot be told.
#[must_use]
pub fn own_pid_namespace() -> (u32, u32) {
    of(Path::new("/proc/self/ns/pid")).unwrap_or_default()
}

fn of(path: &Path) -> Option<(u32, u32)> {
    let stat = rustix::fs::stat(path).ok()?;
    if stat.st_ino == INITIAL {
        return None;
    }
    // The kernel's own way to write a device number, which is not the one of stat.
    let device = rustix::fs::major(stat.st_dev) << 20 | rustix::fs::minor(stat.st_dev);
    Some((u32::try_from(stat.st_ino).ok()?, device))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_namespace_has_an_inode_and_what_is_none_has_not() {
        assert_eq!(of(Path::new("/nowhere")), None);
        // Any other file that is no initial pid namespace will do.
        let (inode, device) = of(Path::new("/proc/self/ns/mnt")).unwrap();
        assert!(inode != 0 && device != 0);
    }
}
