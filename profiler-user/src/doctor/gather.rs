//! Asks the machine. Nothing here judges.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use profiler_common::Config;
use rustix::process::{Resource, getrlimit};

use super::facts::{Capabilities, Facts, Load, Others, Perf};
use crate::attach::{AttachError, Grace, Kernel, Settings, multi_support};
use crate::calibrate::calibrate;
use crate::meter::Events;

/// Gathers everything: some 100 ms. `exe` is this very program, see [`calibrate`].
#[must_use]
pub fn gather(exe: &Path) -> Facts {
    Facts {
        exe: exe.to_owned(),
        arch: std::env::consts::ARCH.to_owned(),
        release: text("/proc/sys/kernel/osrelease").unwrap_or_default().trim().to_owned(),
        btf: Path::new("/sys/kernel/btf/vmlinux").exists(),
        user: rustix::process::geteuid().as_raw(),
        capabilities: capabilities(&text("/proc/self/status").unwrap_or_default()),
        load: load(),
        multi: multi_support(),
        grace: Grace::detect(),
        calibrated: calibrate(exe).map_err(|error| error.to_string()),
        perf: perf(),
        perf_event_paranoid: number("/proc/sys/kernel/perf_event_paranoid"),
        unprivileged_bpf_disabled: number("/proc/sys/kernel/unprivileged_bpf_disabled"),
        lockdown: text("/sys/kernel/security/lockdown").and_then(|text| chosen(&text)),
        ptrace_scope: number("/proc/sys/kernel/yama/ptrace_scope"),
        memlock_bytes: getrlimit(Resource::Memlock).current,
        hidepid: text("/proc/self/mounts").and_then(|mounts| hidepid(&mounts)),
        others: others(),
    }
}

/// Loads all programs, with all watches, and throws them away.
fn load() -> Load {
    let settings = Settings::plain(Config { slots: 1, max_entries: 2, ..Config::default() });
    match Kernel::load(&settings) {
        Ok(_) => Load::Loaded,
        Err(error @ AttachError::Permission { .. }) => Load::NoPermission(error.to_string()),
        Err(error) => Load::Refused(error.to_string()),
    }
}

fn perf() -> Perf {
    let readings = Events::on_self().read();
    Perf { software: readings.task_clock_ns.is_some(), hardware: readings.cycles.is_some() }
}

/// Looks at every process, as far as is needed to find its files.
fn others() -> Others {
    // The first process is always there.
    let mut others = Others { hidden: !Path::new("/proc/1").exists(), ..Others::default() };
    let own = std::process::id();
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    for pid in pids.filter(|pid| *pid != own) {
        match fs::read_link(format!("/proc/{pid}/exe")) {
            Ok(_) => others.open += 1,
            Err(error) if error.kind() == ErrorKind::PermissionDenied => others.closed += 1,
            // The kernel's own threads run no file; others may just have ended.
            Err(_) => {}
        }
    }
    others
}

fn text(path: &str) -> Option<String> {
    fs::read_to_string(path).ok()
}

fn number(path: &str) -> Option<i64> {
    text(path)?.trim().parse().ok()
}

/// The effective capabilities in `/proc/self/status`.
fn capabilities(status: &str) -> Capabilities {
    let mask = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    Capabilities(mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0))
}

/// The word in brackets of a list such as `none [integrity] confidentiality`.
fn chosen(text: &str) -> Option<String> {
    let (_, rest) = text.split_once('[')?;
    Some(rest.split_once(']')?.0.to_owned())
}

/// The option of that name of the proc file system at /proc.
fn hidepid(mounts: &str) -> Option<String> {
    let mut options = mounts.lines().rev().filter_map(|line| {
        let mut words = line.split(' ').skip(1);
        (words.next() == Some("/proc") && words.next() == Some("proc")).then(|| words.next())?
    });
    options.next()?.split(',').find_map(|option| option.strip_prefix("hidepid=")).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::{Capabilities, capabilities, chosen, hidepid};

    #[test]
    fn reads_what_the_kernel_writes() {
        assert_eq!(capabilities("CapPrm:\t1\nCapEff:\t000000c000080000\n"), Capabilities(0xc0_0008_0000));
        assert_eq!(capabilities("CapEff:\tx\n"), Capabilities(0));
        assert_eq!(chosen("none [integrity] confidentiality\n").as_deref(), Some("integrity"));
        assert_eq!(chosen("none"), None);
    }

    #[test]
    fn the_mount_that_is_on_top_counts() {
        let mounts = "proc /proc proc rw,hidepid=2 0 0\nproc /a/proc proc rw,hidepid=1 0 0\n";
        assert_eq!(hidepid(mounts).as_deref(), Some("2"));
        assert_eq!(hidepid(&format!("{mounts}proc /proc proc rw,relatime 0 0\n")), None);
        assert_eq!(hidepid(""), None);
    }

    #[test]
    fn gathers_with_whatever_rights_the_test_has() {
        // No program of that name, so that no child is started.
        let facts = super::gather(std::path::Path::new("/no/such/program"));
        assert!(facts.calibrated.is_err());
        assert!(facts.release.contains('.'));
    }
}
