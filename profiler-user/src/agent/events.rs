//! What the agent tells whoever runs it, while it runs.

use std::fmt;
use std::time::Duration;

use crate::ledger::Ledger;
use crate::sink::Change;

/// Something happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Nothing to attach to yet: waiting for the target to start.
    Waiting {
        /// What the user knows the target by.
        target: String,
    },
    /// A process has not loaded all libraries with stages yet: it is waited for.
    Awaits {
        /// The process.
        pid: u32,
        /// The stages that wait, with their libraries.
        stages: Vec<String>,
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
    /// A setting was changed over the control socket, or a stage, with what it is called.
    Changed(Change, Option<String>),
    /// Something that the user should know and that stops nothing.
    Warning(String),
}

impl fmt::Display for Event {
    /// In one sentence, without a full stop.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Waiting { target } => write!(f, "waiting for {target} to start"),
            Self::Awaits { pid, stages } => write!(
                f,
                "process {pid} has not loaded all libraries yet: {}; nothing is sampled there until all stages are probed",
                stages.join(", ")
            ),
            Self::Attached { sites, pids } => f.write_str(&attached(*sites, pids)),
            Self::Joined { pid } => write!(f, "joined: process {pid}"),
            Self::Exited { pid } => write!(f, "exited: process {pid}"),
            Self::Replaced { pid } => write!(f, "replaced: process {pid} became another program"),
            Self::NotAttached { pid, reason } => write!(f, "not attached to process {pid}: {reason}"),
            Self::Changed(change, stage) => f.write_str(&change.told(|_| stage.clone())),
            Self::Warning(text) => f.write_str(text),
        }
    }
}

fn attached(sites: usize, pids: &[u32]) -> String {
    let plural =
        |count: usize, one: &str, many: &str| format!("{count} {}", if count == 1 { one } else { many });
    let sites = plural(sites, "site", "sites");
    let processes = plural(pids.len(), "process", "processes");
    let list: Vec<String> = pids.iter().take(8).map(u32::to_string).collect();
    let more = if pids.len() > 8 { ", .." } else { "" };
    format!("attached: {sites} in {processes} ({}{more})", list.join(", "))
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
    /// Asked for over the control socket.
    Detached,
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
            Self::Detached => "detached",
            Self::TargetExit => "target exited",
            Self::Output => "output failed",
        }
    }
}
