//! What a slot can say that no journey of one record can have been.

/// Why a slot is not a trace. None is ever expected; each counts as lost, reason `corrupt`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Corrupt {
    /// See the message.
    #[error("the slot has room for {0} entries, a trace needs two")]
    TooSmall(usize),
    /// See the message.
    #[error("outcome code {0} is none")]
    Outcome(u32),
    /// See the message.
    #[error("trace id {0:#x} is not below 2^63")]
    TraceId(u64),
    /// See the message.
    #[error("the agent knows no process number {0}")]
    Process(u32),
    /// See the message.
    #[error("the trace ends at {end_ns} ns, before its start at {start_ns} ns")]
    EndsBeforeStart {
        /// Monotonic clock, ns.
        start_ns: u64,
        /// Monotonic clock, ns.
        end_ns: u64,
    },
    /// See the message.
    #[error("the first entry is missing or incomplete")]
    NoFirst,
    /// See the message.
    #[error("the first entry was taken by probe {0}, which begins no journey")]
    FirstNotSource(u32),
    /// See the message.
    #[error("the first entry was taken at {entry_ns} ns, the trace started at {start_ns} ns")]
    FirstTime {
        /// Monotonic clock, ns.
        entry_ns: u64,
        /// Monotonic clock, ns.
        start_ns: u64,
    },
    /// See the message.
    #[error("the entry that ended the trace is missing or incomplete")]
    NoTerminal,
    /// See the message.
    #[error("the last entry was taken by probe {0}, which does not end a trace in this outcome")]
    TerminalProbe(u32),
    /// See the message.
    #[error("the last entry was taken at {entry_ns} ns, the trace ended at {end_ns} ns")]
    TerminalTime {
        /// Monotonic clock, ns.
        entry_ns: u64,
        /// Monotonic clock, ns.
        end_ns: u64,
    },
    /// See the message.
    #[error("the journey that it branched off is not known")]
    NoParent,
}
