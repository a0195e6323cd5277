//! What a spec means where it says nothing, and how far its values may go where `profiler_common::limits` has no say.
//!
//! The one place of these numbers: the sample file is tested to equal them.

use std::time::Duration;

use profiler_common::config::SequenceMode;

use super::{Sampling, SamplingMode};

/// Shortest `trace_ttl`: the agent looks for old traces no more often.
pub const MIN_TRACE_TTL: Duration = Duration::from_millis(1);

/// Longest `trace_ttl`.
pub const MAX_TRACE_TTL: Duration = Duration::from_secs(7 * 24 * 3600);

/// Entries of all open traces together at most: `max_open_traces` times `max_entries_per_trace`. 1 GiB of 32-byte entries.
pub const MAX_OPEN_ENTRIES: u64 = 1 << 25;

/// Attributes of all open traces together at most: `max_open_traces` times `max_attributes_per_trace`. 1 GiB of 80 bytes each.
pub const MAX_OPEN_EXTRAS: u64 = (1 << 30) / 80;

/// Sampling where the spec says nothing.
#[must_use]
pub const fn sampling() -> Sampling {
    Sampling {
        mode: SamplingMode::Sequence,
        rate: 100_000,
        sequence: SequenceMode::Task,
        max_traces_per_second: 50,
        max_entries_per_trace: 32,
        trace_ttl: Duration::from_secs(30),
        max_open_traces: 4096,
        max_keys_per_trace: 8,
        max_branches_per_trace: 64,
        max_batches: 1024,
        max_batch_members: 64,
        max_attributes_per_trace: 16,
    }
}
