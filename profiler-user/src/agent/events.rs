//! What the agent tells whoever runs it, while it runs.

use std::time::Duration;

use crate::ledger::Ledger;

/// Something happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Nothing to attach to yet: waiting for the target to start.
    Waiting {
        /// What the user knows the target by.
        target: String,
    },
    /// The probes are set.
    Attached {
        /// Probes, over all processes.
        sites: usize,
        /// The processes.
        pids: Vec<u32>,
    },
    /// One more process of the target is traced.
    Joined {
        /// The process.
        pid: u32,
    },
    /// A process of the target ended.
    Exited {
        /// The process.
        pid: u32,
    },
    /// A process of the target replaced its image: its records are gone, and it may no longer be one.
    Replaced {
        /// The process.
        pid: u32,
    },
    /// A process of the target could not be attached to.
    NotAttached {
        /// The process.
        pid: u32,
        /// Why.
        reason: String,
    },
    /// Something that the user should know and that stops nothing.
    Warning(String),
}

/// How far it is, about once a second.
#[derive(Clone, Debug)]
pub struct Progress<'a> {
    /// Time since attaching.
    pub elapsed: Duration,
    /// The accounts so far.
    pub ledger: &'a Ledger,
    /// Processes traced now.
    pub processes: usize,
    /// 99th percentile from source to sink so far, ns, when there is any.
    pub p99_ns: Option<u64>,
}

/// Receives what happens.
pub trait Observer {
    /// Something happened.
    fn event(&mut self, event: &Event);

    /// How far it is.
    fn progress(&mut self, progress: &Progress<'_>);
}

/// Why a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The time asked for is over.
    Duration,
    /// Ctrl-C or SIGTERM.
    Interrupted,
    /// All processes of the target have ended.
    TargetExit,
    /// The output could not be written any more.
    Output,
}

impl End {
    /// In a few words.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Duration => "duration",
            Self::Interrupted => "interrupted",
            Self::TargetExit => "target exited",
            Self::Output => "output failed",
        }
    }
}
