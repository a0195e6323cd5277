//! What is known of the machine and of our rights on it: plain values, so that every machine can be made up in a test.

use std::path::PathBuf;

use crate::attach::{Grace, MultiSupport};
use crate::calibrate::Calibrated;

/// Everything that the checks go by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// This program's file, for the command that gives it capabilities.
    pub exe: PathBuf,
    /// The machine, as Rust calls it.
    pub arch: String,
    /// The kernel's release, as `uname -r` says.
    pub release: String,
    /// Whether the kernel describes its types.
    pub btf: bool,
    /// Effective user id.
    pub user: u32,
    /// Effective capabilities.
    pub capabilities: Capabilities,
    /// What the kernel said to our programs.
    pub load: Load,
    /// Whether many probes can be set at once, for one process.
    pub multi: MultiSupport,
    /// How grace periods are waited for.
    pub grace: Grace,
    /// What probes cost, and what five-byte nops do; or why that is not known.
    pub calibrated: Result<Calibrated, String>,
    /// What perf events count.
    pub perf: Perf,
    /// `kernel.perf_event_paranoid`.
    pub perf_event_paranoid: Option<i64>,
    /// `kernel.unprivileged_bpf_disabled`.
    pub unprivileged_bpf_disabled: Option<i64>,
    /// The lockdown mode in force; `None` where the kernel has no lockdown.
    pub lockdown: Option<String>,
    /// `kernel.yama.ptrace_scope`; `None` where the kernel has no Yama.
    pub ptrace_scope: Option<i64>,
    /// Memory that may be locked, bytes; `None` without a limit.
    pub memlock_bytes: Option<u64>,
    /// The mount option `hidepid` of /proc.
    pub hidepid: Option<String>,
    /// What is seen of other processes.
    pub others: Others,
}

/// A set of capabilities, as the kernel's mask.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Capabilities(pub u64);

impl Capabilities {
    /// Looking into processes of other users.
    pub const SYS_PTRACE: (Self, &'static str) = (Self(1 << 19), "CAP_SYS_PTRACE");
    /// Nearly everything; older than the two below, and includes them.
    pub const SYS_ADMIN: (Self, &'static str) = (Self(1 << 21), "CAP_SYS_ADMIN");
    /// Perf events and probes.
    pub const PERFMON: (Self, &'static str) = (Self(1 << 38), "CAP_PERFMON");
    /// BPF maps and programs.
    pub const BPF: (Self, &'static str) = (Self(1 << 39), "CAP_BPF");

    /// Whether all of `other` are among these.
    #[must_use]
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

/// What became of loading our kernel programs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Load {
    /// They are good.
    Loaded,
    /// We may not.
    NoPermission(String),
    /// The kernel does not take them, and says why.
    Refused(String),
}

/// Which perf events can be had on a process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Perf {
    /// Events of the kernel's own, such as CPU time.
    pub software: bool,
    /// The processor's cycles and instructions.
    pub hardware: bool,
}

/// What is seen of the processes of this machine, our own program left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Others {
    /// How many show all that tracing needs.
    pub open: u32,
    /// How many show no more than that they are there.
    pub closed: u32,
    /// There are some that do not even show that.
    pub hidden: bool,
}
