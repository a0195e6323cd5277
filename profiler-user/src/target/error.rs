//! Why a process cannot be traced, in sentences for the user.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// A process, or a file of it, that cannot be used.
#[derive(Debug, Error)]
pub enum TargetError {
    /// There is no process of this id.
    #[error("there is no process {pid}; it may have ended, or its id belongs to another container")]
    NoSuchProcess {
        /// Process id.
        pid: u32,
    },
    /// It has no user code.
    #[error("process {pid} ({comm}) is a kernel thread: it runs no program that could be traced")]
    KernelThread {
        /// Process id.
        pid: u32,
        /// Its short name.
        comm: String,
    },
    /// It has ended.
    #[error(
        "process {pid} ({comm}) has ended and only waits for its parent to notice (a zombie); name one that runs"
    )]
    Zombie {
        /// Process id.
        pid: u32,
        /// Its short name.
        comm: String,
    },
    /// A thread's id instead of its process's.
    #[error("{pid} is a thread of process {process}; name the process")]
    IsThread {
        /// The id that was given.
        pid: u32,
        /// The process it belongs to.
        process: u32,
    },
    /// The agent would probe its own code.
    #[error("process {pid} is stain itself, which it does not trace")]
    Itself {
        /// Process id.
        pid: u32,
    },
    /// The kernel does not let us look.
    #[error("no permission to read {what}; {}", denied(), what = what.display())]
    Denied {
        /// What was refused.
        what: PathBuf,
    },
    /// A file of proc is not as it should be.
    #[error("{what} cannot be read: {source}", what = what.display())]
    Unreadable {
        /// The file.
        what: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// The file that a process maps is at no path that reaches it.
    #[error("process {pid} runs code of {name}, but no path reaches that very file (it was replaced or deleted); run stain as root, or restart the process", name = name.display())]
    Unreachable {
        /// Process id.
        pid: u32,
        /// What the process calls the file.
        name: PathBuf,
    },
    /// The first digits of several containers' ids.
    #[error("{id} means {count} containers ({list}); write more digits of the one that is meant", count = ids.len(), list = shown(ids))]
    SeveralContainers {
        /// What the user wrote.
        id: String,
        /// All that it means.
        ids: Vec<String>,
    },
    /// A name or path that no process runs.
    #[error("no process runs {what}; start it first, or name it by --pid")]
    NothingRuns {
        /// The name or path.
        what: String,
    },
    /// The file was named directly and cannot be used.
    #[error(transparent)]
    Symbol(#[from] crate::symbol::SymbolError),
}

/// What to do about a refusal.
fn denied() -> &'static str {
    if rustix::process::geteuid().is_root() {
        "the kernel refuses it even to root: the process is protected, or belongs to a user namespace that is not ours; run stain where that process was started from"
    } else {
        "run stain as root, or give it CAP_SYS_PTRACE (the process must be visible in /proc, too)"
    }
}

/// Some ids, by as many digits as engines show.
fn shown(ids: &[String]) -> String {
    let short: Vec<&str> = ids.iter().take(8).map(|id| id.get(..12).unwrap_or(id)).collect();
    short.join(", ") + if ids.len() > short.len() { ", .." } else { "" }
}

impl TargetError {
    /// An error of reading a file of process `pid`.
    pub(super) fn reading(pid: u32, what: &Path, source: io::Error) -> Self {
        // ESRCH: the process ended between the opening and the reading.
        let gone = source.kind() == io::ErrorKind::NotFound || source.raw_os_error() == Some(libc::ESRCH);
        match source.kind() {
            _ if gone => Self::NoSuchProcess { pid },
            io::ErrorKind::PermissionDenied => Self::Denied { what: what.to_owned() },
            _ => Self::Unreadable { what: what.to_owned(), source },
        }
    }
}
