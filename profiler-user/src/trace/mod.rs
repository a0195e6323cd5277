//! A trace: the stamped journey of one sampled record.
//!
//! Owns: the words of a finished journey and what can be computed from it alone (hops, spans). Refuses: knowing where it came from or goes to.

pub mod hop;
mod spans;
#[cfg(test)]
pub(crate) mod testing;

pub use hop::{Cause, Hop};
use profiler_common::{Outcome, StageCode};

/// One stamp of a trace, with names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Index of the stage in the spec.
    pub stage: usize,
    /// The stage's code.
    pub code: StageCode,
    /// The site that took it.
    pub probe: u32,
    /// The task: the thread unless the spec says otherwise.
    pub task_id: i64,
    /// Kernel thread id.
    pub tid: u32,
    /// CPU number.
    pub cpu: u32,
    /// Monotonic clock, ns.
    pub ts_ns: u64,
}

/// What a reader should know before trusting a trace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    /// Stamps not kept because the trace was at its maximum of entries.
    pub entries_dropped: u32,
    /// Stamps that came after the trace had ended, and are not shown.
    pub late_stamps: u32,
    /// Stamps that were found incomplete, and are not shown.
    pub torn_stamps: u32,
    /// Stamps from before the trace began, taken for an older record of the same key, and not shown.
    pub early_stamps: u32,
}

/// The journey of one sampled record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    /// In `0..2^63`.
    pub id: u64,
    /// How it ended.
    pub outcome: Outcome,
    /// Process id of the target.
    pub pid: u32,
    /// The record key's value at S0.
    pub key: u64,
    /// Number of the record in its source task's sequence.
    pub sequence: u64,
    /// Monotonic clock at S0, ns.
    pub start_ns: u64,
    /// Nanoseconds since the Unix epoch at S0.
    pub wall_ns: u64,
    /// Monotonic clock at the end, ns.
    pub end_ns: u64,
    /// The stamps in the order of time, S0 first.
    pub stamps: Vec<Stamp>,
    /// What to know before trusting it.
    pub flags: Flags,
}
