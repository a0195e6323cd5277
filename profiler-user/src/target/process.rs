//! One process: who it is, and whether it still is who it was.
//!
//! Owns: `/proc/PID/stat`, `comm`, `exe`, `task`. A process id alone is no identity, the kernel gives it out again: with the time
//! of its start it is one.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;

use super::Proc;
use super::error::TargetError;

/// Set in a kernel thread's flags (PF_KTHREAD).
const KERNEL_THREAD: u64 = 0x0020_0000;
const DELETED: &[u8] = b" (deleted)";

/// What tells a process from every other since boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identity {
    /// Process id.
    pub pid: u32,
    /// When it started, in clock ticks since boot.
    pub start_ticks: u64,
}

/// A process that can be traced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// Who it is.
    pub identity: Identity,
    /// The kernel's short name for it, 15 bytes at most.
    pub comm: String,
    /// The path of its executable as it was started; `None` where we may not see it.
    pub exe: Option<PathBuf>,
    /// Whether that file is no longer at its path (deleted, or replaced by an upgrade).
    pub exe_deleted: bool,
}

/// The fields of `/proc/PID/stat` that matter here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stat {
    pub(super) comm: String,
    pub(super) state: u8,
    flags: u64,
    start_ticks: u64,
}

impl Stat {
    /// Parses the file. The short name stands in parentheses and may hold spaces and parentheses of its own.
    pub(super) fn parse(text: &[u8]) -> Option<Self> {
        let open = text.iter().position(|byte| *byte == b'(')?;
        let close = text.iter().rposition(|byte| *byte == b')')?;
        let comm = String::from_utf8_lossy(text.get(open + 1..close)?).into_owned();
        let mut fields = std::str::from_utf8(text.get(close + 1..)?).ok()?.split_ascii_whitespace();
        // Counted from 1 as in proc(5): the state is field 3, the flags 9, the start time 22.
        let state = *fields.next()?.as_bytes().first()?;
        let flags = fields.nth(9 - 4)?.parse().ok()?;
        let start_ticks = fields.nth(22 - 10)?.parse().ok()?;
        Some(Self { comm, state, flags, start_ticks })
    }

    pub(super) fn is_kernel_thread(&self) -> bool {
        self.flags & KERNEL_THREAD != 0
    }

    pub(super) fn has_ended(&self) -> bool {
        matches!(self.state, b'Z' | b'X' | b'x')
    }

    pub(super) fn identity(&self, pid: u32) -> Identity {
        Identity { pid, start_ticks: self.start_ticks }
    }
}

impl Proc {
    /// Whether the process filters its system calls. One that cannot be asked is taken to.
    pub fn is_filtered(&self, pid: u32) -> bool {
        let Ok(status) = std::fs::read_to_string(self.path(pid, "status")) else { return true };
        let mode = status.lines().find_map(|line| line.strip_prefix("Seccomp:"));
        mode.is_some_and(|mode| mode.trim() != "0")
    }

    pub(super) fn stat(&self, pid: u32) -> Result<Stat, TargetError> {
        let path = self.path(pid, "stat");
        let text = std::fs::read(&path).map_err(|error| TargetError::reading(pid, &path, error))?;
        Stat::parse(&text).ok_or_else(|| TargetError::Unreadable {
            what: path,
            source: std::io::Error::new(std::io::ErrorKind::InvalidData, "it is not in the kernel's format"),
        })
    }

    /// Who has this process id now.
    pub fn identity(&self, pid: u32) -> Result<Identity, TargetError> {
        Ok(self.stat(pid)?.identity(pid))
    }

    /// Whether the process still runs: the same one, and not all of its threads have ended.
    pub fn is_alive(&self, identity: Identity) -> bool {
        self.stat(identity.pid)
            .is_ok_and(|stat| stat.identity(identity.pid) == identity && !self.has_ended(identity.pid, &stat))
    }

    /// Whether all threads have ended. A main thread may end before the others: it looks like a zombie then, the process lives.
    pub(super) fn has_ended(&self, pid: u32, main: &Stat) -> bool {
        let ended = |tid: &u32| {
            let path = self.path(pid, "task").join(tid.to_string()).join("stat");
            std::fs::read(path).ok().and_then(|text| Stat::parse(&text)).is_none_or(|stat| stat.has_ended())
        };
        main.has_ended() && self.threads(pid).unwrap_or_default().iter().all(ended)
    }

    /// The ids of a process's threads, sorted.
    pub fn threads(&self, pid: u32) -> Result<Vec<u32>, TargetError> {
        let path = self.path(pid, "task");
        let entries = std::fs::read_dir(&path).map_err(|error| TargetError::reading(pid, &path, error))?;
        let mut threads: Vec<u32> =
            entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
        threads.sort_unstable();
        Ok(threads)
    }

    /// The children of a process that run the same executable as it does. None where it cannot be told.
    pub fn twins(&self, pid: u32) -> Vec<Identity> {
        let image = |pid| std::fs::metadata(self.path(pid, "exe")).ok().map(|file| (file.dev(), file.ino()));
        let Some(own) = image(pid) else { return Vec::new() };
        let children = self.threads(pid).unwrap_or_default().into_iter().flat_map(|tid| {
            let path = self.path(pid, "task").join(tid.to_string()).join("children");
            let text = std::fs::read_to_string(path).unwrap_or_default();
            text.split_ascii_whitespace().filter_map(|child| child.parse().ok()).collect::<Vec<u32>>()
        });
        let twins = children.filter(|child| image(*child) == Some(own));
        twins.filter_map(|child| self.identity(child).ok()).collect()
    }

    /// The process that a thread id belongs to.
    pub(super) fn thread_group(&self, tid: u32) -> Option<u32> {
        let status = std::fs::read_to_string(self.path(tid, "status")).ok()?;
        status.lines().find_map(|line| line.strip_prefix("Tgid:"))?.trim().parse().ok()
    }

    pub(super) fn process(&self, pid: u32, stat: &Stat) -> Process {
        let link = std::fs::read_link(self.path(pid, "exe")).ok();
        let (exe, exe_deleted) = link.map_or((None, false), |link| {
            let (path, deleted) = without_deleted(link);
            (Some(path), deleted)
        });
        Process { identity: stat.identity(pid), comm: stat.comm.clone(), exe, exe_deleted }
    }
}

/// A path as proc shows it, without the mark of a deleted file, and whether it had one.
pub(super) fn without_deleted(path: PathBuf) -> (PathBuf, bool) {
    match path.as_os_str().as_bytes().strip_suffix(DELETED) {
        Some(bytes) => (PathBuf::from(OsString::from_vec(bytes.to_vec())), true),
        None => (path, false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn line(comm: &str, state: char, flags: u64, start: u64) -> String {
        format!(
            "42 ({comm}) {state} 1 42 42 0 -1 {flags} 0 0 0 0 1 2 0 0 20 0 3 0 {start} 1000 200 18446744073709551615\n"
        )
    }

    #[test]
    fn names_with_spaces_and_parentheses_do_not_shift_fields() {
        for comm in ["nginx", "a b", ") S 1 (", "((", "tmux: server", ""] {
            let stat = Stat::parse(line(comm, 'S', 0x40_0000, 987_654).as_bytes()).unwrap();
            assert_eq!((stat.comm.as_str(), stat.state, stat.start_ticks), (comm, b'S', 987_654));
            assert!(!stat.is_kernel_thread() && !stat.has_ended());
        }
        assert!(
            Stat::parse(line("kworker/0:1", 'I', KERNEL_THREAD | 1, 1).as_bytes())
                .unwrap()
                .is_kernel_thread()
        );
        assert!(Stat::parse(line("gone", 'Z', 0, 1).as_bytes()).unwrap().has_ended());
        for broken in ["", "42", "42 (x", "42 (x) ", ")(", "42 (x) S 1 2 3"] {
            assert_eq!(Stat::parse(broken.as_bytes()), None, "{broken}");
        }
    }

    #[test]
    fn this_very_process_is_alive_and_nobody_else() {
        let proc = Proc::default();
        let own = proc.identity(std::process::id()).unwrap();
        assert!(proc.is_alive(own));
        assert!(!proc.is_alive(Identity { start_ticks: own.start_ticks + 1, ..own }));
        assert!(!proc.is_alive(Identity { pid: u32::MAX, ..own }));
        assert!(proc.threads(own.pid).unwrap().contains(&own.pid));
        assert_eq!(proc.own_pid(), Some(own.pid));
    }

    proptest! {
        #[test]
        fn any_stat_is_handled(text in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Stat::parse(&text);
        }
    }
}
