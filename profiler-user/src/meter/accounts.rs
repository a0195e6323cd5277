//! What the kernel counts of every process anyway.

use std::fs;
use std::path::Path;

/// CPU time of a process since its start, all its threads, ended ones too, in ns; `None` when it is gone.
///
/// The clock of another process: `clock_getcpuclockid(3)`, whose encoding is part of the kernel's interface
/// (`include/linux/posix-timers_types.h`: the complement of the pid above three bits, of which 2 means scheduler time).
#[must_use]
pub fn cpu_time_ns(pid: u32) -> Option<u64> {
    let clock = (!i32::try_from(pid).ok()? << 3) | 2;
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid place for the result.
    if unsafe { libc::clock_gettime(clock, &raw mut time) } != 0 {
        return None;
    }
    Some(time.tv_sec.unsigned_abs() * 1_000_000_000 + time.tv_nsec.unsigned_abs())
}

/// Context switches of the living threads of a process since their start; `None` when it is gone.
#[must_use]
pub fn context_switches(pid: u32) -> Option<u64> {
    let mut sum = 0;
    for thread in fs::read_dir(format!("/proc/{pid}/task")).ok()?.flatten() {
        // A thread may end while it is being read; then its switches are not known any more.
        sum += status_sum(&thread.path(), &["voluntary_ctxt_switches:", "nonvoluntary_ctxt_switches:"])
            .unwrap_or(0);
    }
    Some(sum)
}

/// Largest resident memory of this process so far, in bytes.
#[must_use]
pub fn max_rss_bytes() -> u64 {
    status_sum(Path::new("/proc/self"), &["VmHWM:"]).unwrap_or(0) * 1024
}

/// Resident memory of this process now, in bytes.
#[must_use]
pub fn rss_bytes() -> u64 {
    status_sum(Path::new("/proc/self"), &["VmRSS:"]).unwrap_or(0) * 1024
}

fn status_sum(folder: &Path, fields: &[&str]) -> Option<u64> {
    let status = fs::read_to_string(folder.join("status")).ok()?;
    let value = |line: &str| {
        let field = fields.iter().find(|field| line.starts_with(**field))?;
        line.get(field.len()..)?.split_whitespace().next()?.parse::<u64>().ok()
    };
    Some(status.lines().filter_map(value).sum())
}

#[cfg(test)]
mod tests {
    use super::{context_switches, cpu_time_ns, max_rss_bytes, rss_bytes};

    #[test]
    fn knows_this_process_and_no_other() {
        let pid = std::process::id();
        let before = cpu_time_ns(pid).expect("alive");
        let mut sum = 0u64;
        for i in 0..2_000_000u64 {
            sum = std::hint::black_box(sum.wrapping_add(i * i));
        }
        assert!(cpu_time_ns(pid).expect("alive") > before, "{sum}");
        assert!(context_switches(pid).is_some());
        assert!(max_rss_bytes() > 100_000);
        assert!(rss_bytes() > 100_000 && rss_bytes() <= max_rss_bytes());
        // Above the kernel's largest possible process id.
        assert_eq!(cpu_time_ns(1 << 23), None);
        assert_eq!(context_switches(1 << 23), None);
    }
}
