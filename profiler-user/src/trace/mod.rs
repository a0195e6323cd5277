//! A trace: the stamped journey of one sampled record.
//!
//! Owns: the words of a finished journey and what can be computed from it alone (hops, spans). Refuses: knowing where it came from or goes to.

pub mod hop;
mod journey;
mod spans;
#[cfg(test)]
pub(crate) mod testing;
mod wall;

pub use hop::{Cause, Hop};
pub use journey::{Attribute, AttributeValue, BranchPath, Membership, RecordTime};
use profiler_common::{Outcome, StageCode};
pub use wall::journey_id;

/// One stamp of a trace, with names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Index of the stage in the spec.
    pub stage: usize,
    /// The stage's code.
    pub code: StageCode,
    /// The site that took it.
    pub probe: u32,
    /// Process id of the target's process that took it: not always the one in which the record began.
    pub pid: u32,
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
    /// Keys that could not be bound to the trace, so that stages that know the record by them are missing.
    pub keys_dropped: u32,
    /// Outputs of the record that did not become journeys of their own: too many, too deep, or no slot free.
    pub branches_dropped: u32,
    /// Attributes that found no room.
    pub attributes_dropped: u32,
    /// Attributes whose memory could not be read.
    pub attributes_unreadable: u32,
    /// The record was put into a batch that had its bound of sampled members: what happens to the batch is not seen on it.
    pub batches_dropped: u32,
    /// The journey does not begin at a source: the record was met on its way.
    pub is_partial: bool,
}

impl Flags {
    /// What the counts are called, in the order of [`Flags::counts`], which formats rely on.
    pub const NAMES: [&str; 9] = [
        "entries_dropped",
        "late_stamps",
        "torn_stamps",
        "early_stamps",
        "keys_dropped",
        "branches_dropped",
        "attributes_dropped",
        "attributes_unreadable",
        "batches_dropped",
    ];

    /// The counts, all but `is_partial`.
    #[must_use]
    pub const fn counts(&self) -> [u32; Self::NAMES.len()] {
        let Self {
            entries_dropped,
            late_stamps,
            torn_stamps,
            early_stamps,
            keys_dropped,
            branches_dropped,
            attributes_dropped,
            attributes_unreadable,
            batches_dropped,
            is_partial: _,
        } = *self;
        [
            entries_dropped,
            late_stamps,
            torn_stamps,
            early_stamps,
            keys_dropped,
            branches_dropped,
            attributes_dropped,
            attributes_unreadable,
            batches_dropped,
        ]
    }

    /// The flags of these counts.
    #[must_use]
    pub const fn from_counts(counts: [u32; Self::NAMES.len()], is_partial: bool) -> Self {
        let [
            entries_dropped,
            late_stamps,
            torn_stamps,
            early_stamps,
            keys_dropped,
            branches_dropped,
            attributes_dropped,
            attributes_unreadable,
            batches_dropped,
        ] = counts;
        Self {
            entries_dropped,
            late_stamps,
            torn_stamps,
            early_stamps,
            keys_dropped,
            branches_dropped,
            attributes_dropped,
            attributes_unreadable,
            batches_dropped,
            is_partial,
        }
    }

    /// The counts with their names.
    pub fn named(&self) -> impl Iterator<Item = (&'static str, u32)> {
        Self::NAMES.into_iter().zip(self.counts())
    }
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
    /// Which journey of its trace it is.
    pub branch: BranchPath,
    /// How many stamps, from the first, it shares with the journey that it branched off. They are that one's in any statistics.
    pub shared: usize,
    /// How many journeys branched off it.
    pub branches: u32,
    /// The batches it was put into, in the order of time.
    pub batches: Vec<Membership>,
    /// What was read of the record, in the order of time.
    pub attributes: Vec<Attribute>,
    /// The record's own times, in the order of time.
    pub record_times: Vec<RecordTime>,
    /// What to know before trusting it.
    pub flags: Flags,
}

#[cfg(test)]
mod tests {
    use super::Flags;

    /// The order is part of two file formats.
    #[test]
    fn flags_have_their_names_and_their_order() {
        let flags = Flags::from_counts(std::array::from_fn(|place| place as u32 + 1), true);
        let shown = format!("{flags:?}");
        for (name, count) in flags.named() {
            assert!(shown.contains(&format!("{name}: {count},")), "{name} in {shown}");
        }
        assert_eq!((flags.entries_dropped, flags.early_stamps, flags.batches_dropped), (1, 4, 9));
        assert_eq!(Flags::from_counts(flags.counts(), true), flags);
    }
}
