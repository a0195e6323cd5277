//! What can go wrong between a plan and its probes.

use std::io;
use std::path::PathBuf;

/// Why the kernel program could not be loaded or a probe not be set.
#[derive(Debug, thiserror::Error)]
pub enum AttachError {
    /// The agent may not use BPF.
    #[error(
        "no permission to {what}: run as root, or give the binary the capabilities CAP_BPF, CAP_PERFMON and CAP_SYS_PTRACE; `stain doctor` shows what is missing"
    )]
    Permission {
        /// What was refused.
        what: String,
    },
    /// The kernel refused the program.
    #[error("the kernel refused the program `{program}`: {reason}\nverifier log:\n{log}")]
    Verifier {
        /// The program's name.
        program: String,
        /// The kernel's error.
        reason: String,
        /// The verifier's own words, the end of them where they are long.
        log: String,
    },
    /// The BPF object could not be loaded.
    #[error("the BPF object could not be loaded: {0}; `stain doctor` shows what this kernel lacks")]
    Load(String),
    /// A map is not what the agent was built for.
    #[error(
        "the BPF object has no usable map `{0}`: agent and kernel program are of different builds; build both again"
    )]
    Map(&'static str),
    /// More sites than there was room made for.
    #[error(
        "{sites} sites would be needed, and this session has room for {room}, which is fixed when it begins; start it again, with that level, and with all libraries \
         of its stages loaded, or make the patterns of its points narrower"
    )]
    NoRoom {
        /// All sites of the session, those of other levels and processes too.
        sites: usize,
        /// How many there is room for.
        room: u32,
    },
    /// The kernel refused the probes of one file.
    #[error("cannot set {count} probe(s) in {file} for process {pid}: {reason}", file = .file.display())]
    Probe {
        /// The file.
        file: PathBuf,
        /// The target.
        pid: u32,
        /// How many probes were asked for.
        count: usize,
        /// What the kernel said, and what it means.
        reason: String,
    },
    /// A system call failed.
    #[error("{what} failed: {error}")]
    System {
        /// The call.
        what: &'static str,
        /// Its error.
        error: io::Error,
    },
}

impl AttachError {
    /// An I/O error of `what`, told apart where the cause is a missing privilege.
    pub(crate) fn system(what: &'static str, error: io::Error) -> Self {
        match error.raw_os_error() {
            Some(libc::EPERM | libc::EACCES) => Self::Permission { what: what.to_owned() },
            _ => Self::System { what, error },
        }
    }

    /// Whether the cause is a missing privilege.
    #[must_use]
    pub fn is_permission(&self) -> bool {
        matches!(self, Self::Permission { .. })
    }
}
