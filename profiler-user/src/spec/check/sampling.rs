//! How much to sample: ranges, and that the whole fits into memory.

use std::ops::RangeInclusive;
use std::time::Duration;

use profiler_common::config::SequenceMode;
use profiler_common::limits::{
    MAX_BATCHES, MAX_BRANCHES, MAX_BUDGET, MAX_ENTRIES, MAX_EXTRAS, MAX_KEYS, MAX_MEMBERS, MAX_SLOTS,
    MIN_ENTRIES,
};

use super::stage::parsed;
use crate::spec::defaults::{self, MAX_OPEN_ENTRIES, MAX_OPEN_EXTRAS, MAX_TRACE_TTL, MIN_TRACE_TTL};
use crate::spec::error::{ParseError, quote};
use crate::spec::locus::{At, Locus, Mistakes};
use crate::spec::raw::RawSampling;
use crate::spec::words::one_of;
use crate::spec::{Sampling, SamplingMode, Stage, extras};

/// Longest duration text, in bytes.
const MAX_DURATION_BYTES: usize = 64;

/// What layers say of sampling, each value in its range.
#[derive(Debug, Default)]
pub(in crate::spec) struct Sampled {
    mode: Option<At<SamplingMode>>,
    rate: Option<At<u64>>,
    sequence: Option<At<SequenceMode>>,
    max_traces_per_second: Option<At<u32>>,
    max_entries_per_trace: Option<At<u32>>,
    trace_ttl: Option<At<Duration>>,
    max_open_traces: Option<At<u32>>,
    max_keys_per_trace: Option<At<u32>>,
    max_branches_per_trace: Option<At<u32>>,
    max_batches: Option<At<u32>>,
    max_batch_members: Option<At<u32>>,
    max_attributes_per_trace: Option<At<u32>>,
}

/// The layer's sampling values that are right.
pub(in crate::spec) fn check_sampling(raw: RawSampling, mistakes: &mut Mistakes) -> Sampled {
    let RawSampling {
        mode,
        rate,
        sequence,
        max_traces_per_second,
        max_entries_per_trace,
        trace_ttl,
        max_open_traces,
        max_keys_per_trace,
        max_branches_per_trace,
        max_batches,
        max_batch_members,
        max_attributes_per_trace,
    } = raw;
    let budget = 0..=MAX_BUDGET;
    let entries = MIN_ENTRIES..=MAX_ENTRIES;
    Sampled {
        mode: mode.and_then(|at| word(&at, sampling_mode, mistakes)),
        rate: rate.and_then(|at| within(at, 0..=i64::MAX.cast_unsigned(), "; 0 samples nothing", mistakes)),
        sequence: sequence.and_then(|at| word(&at, sequence_mode, mistakes)),
        max_traces_per_second: max_traces_per_second
            .and_then(|at| within(at, budget, "; 0 means no bound", mistakes)),
        max_entries_per_trace: max_entries_per_trace
            .and_then(|at| within(at, entries, ": the first stamp and the last one need a place", mistakes)),
        trace_ttl: trace_ttl.and_then(|at| check_ttl(at, mistakes)),
        max_open_traces: max_open_traces.and_then(|at| within(at, 1..=MAX_SLOTS, "", mistakes)),
        max_keys_per_trace: max_keys_per_trace.and_then(|at| within(at, 1..=MAX_KEYS, "", mistakes)),
        max_branches_per_trace: max_branches_per_trace
            .and_then(|at| within(at, 1..=MAX_BRANCHES, "", mistakes)),
        max_batches: max_batches.and_then(|at| within(at, 1..=MAX_BATCHES, "", mistakes)),
        max_batch_members: max_batch_members.and_then(|at| within(at, 1..=MAX_MEMBERS, "", mistakes)),
        max_attributes_per_trace: max_attributes_per_trace
            .and_then(|at| within(at, 1..=MAX_EXTRAS, "", mistakes)),
    }
}

fn within<T>(at: At<i128>, range: RangeInclusive<T>, why: &str, mistakes: &mut Mistakes) -> Option<At<T>>
where
    T: Copy + PartialOrd + TryFrom<i128> + std::fmt::Display,
{
    let At { value, locus } = at;
    match T::try_from(value).ok().filter(|value| range.contains(value)) {
        Some(value) => Some(At { value, locus }),
        None => {
            let (low, high) = (range.start(), range.end());
            mistakes
                .wrong(&locus, format!("{value} is out of range; write a number from {low} to {high}{why}"));
            None
        }
    }
}

fn word<T>(
    at: &At<String>,
    parse: fn(&str) -> Result<T, ParseError>,
    mistakes: &mut Mistakes,
) -> Option<At<T>> {
    let value = parsed(Some(at), parse, mistakes)?;
    Some(At { value, locus: at.locus.clone() })
}

fn sampling_mode(text: &str) -> Result<SamplingMode, ParseError> {
    let words = [("sequence", SamplingMode::Sequence), ("key", SamplingMode::Key)];
    one_of(
        text,
        words,
        "sampling mode",
        "it is \"sequence\" (records are counted) or \"key\" (their key decides)",
    )
}

fn sequence_mode(text: &str) -> Result<SequenceMode, ParseError> {
    let words = [("task", SequenceMode::Task), ("process", SequenceMode::Process)];
    one_of(text, words, "sequence", "it is \"task\" (each thread counts for itself) or \"process\"")
}

pub(super) fn check_ttl(at: At<String>, mistakes: &mut Mistakes) -> Option<At<Duration>> {
    let At { value: text, locus } = at;
    let parsed =
        Some(text.as_str()).filter(|text| text.len() <= MAX_DURATION_BYTES).map(humantime::parse_duration);
    let message = match parsed {
        Some(Ok(value)) if (MIN_TRACE_TTL..=MAX_TRACE_TTL).contains(&value) => {
            return Some(At { value, locus });
        }
        Some(Ok(_)) => {
            let (low, high) =
                (humantime::format_duration(MIN_TRACE_TTL), humantime::format_duration(MAX_TRACE_TTL));
            format!("{} is out of range; write a duration from {low} to {high}", quote(&text))
        }
        Some(Err(error)) => {
            format!("{} is no duration ({error}); write one such as \"30s\" or \"1m 30s\"", quote(&text))
        }
        None => format!("{} is no duration; write one such as \"30s\" or \"1m 30s\"", quote(&text)),
    };
    mistakes.wrong(&locus, message);
    None
}

impl Sampled {
    /// These values, and those of `below` where there are none.
    pub(in crate::spec) fn over(self, below: Self) -> Self {
        Self {
            mode: self.mode.or(below.mode),
            rate: self.rate.or(below.rate),
            sequence: self.sequence.or(below.sequence),
            max_traces_per_second: self.max_traces_per_second.or(below.max_traces_per_second),
            max_entries_per_trace: self.max_entries_per_trace.or(below.max_entries_per_trace),
            trace_ttl: self.trace_ttl.or(below.trace_ttl),
            max_open_traces: self.max_open_traces.or(below.max_open_traces),
            max_keys_per_trace: self.max_keys_per_trace.or(below.max_keys_per_trace),
            max_branches_per_trace: self.max_branches_per_trace.or(below.max_branches_per_trace),
            max_batches: self.max_batches.or(below.max_batches),
            max_batch_members: self.max_batch_members.or(below.max_batch_members),
            max_attributes_per_trace: self.max_attributes_per_trace.or(below.max_attributes_per_trace),
        }
    }

    /// These values, and the defaults where there are none.
    pub(in crate::spec) fn or_default(self, mistakes: &mut Mistakes) -> Sampling {
        let defaults = defaults::sampling();
        let place = self.place(self.max_entries_per_trace.as_ref());
        let sampling = Sampling {
            mode: value(self.mode, defaults.mode),
            rate: value(self.rate, defaults.rate),
            sequence: value(self.sequence, defaults.sequence),
            max_traces_per_second: value(self.max_traces_per_second, defaults.max_traces_per_second),
            max_entries_per_trace: value(self.max_entries_per_trace, defaults.max_entries_per_trace),
            trace_ttl: value(self.trace_ttl, defaults.trace_ttl),
            max_open_traces: value(self.max_open_traces, defaults.max_open_traces),
            max_keys_per_trace: value(self.max_keys_per_trace, defaults.max_keys_per_trace),
            max_branches_per_trace: value(self.max_branches_per_trace, defaults.max_branches_per_trace),
            max_batches: value(self.max_batches, defaults.max_batches),
            max_batch_members: value(self.max_batch_members, defaults.max_batch_members),
            max_attributes_per_trace: value(self.max_attributes_per_trace, defaults.max_attributes_per_trace),
        };
        check_memory(&sampling, &place, mistakes);
        sampling
    }

    /// Where it is said how many traces there may be; otherwise where `other` stands.
    fn place(&self, other: Option<&At<u32>>) -> Locus {
        let at = self.max_open_traces.as_ref().or(other);
        at.map_or_else(|| Locus::named("sampling"), |at| at.locus.clone())
    }

    /// Where it is said how much may be read of all records together.
    pub(in crate::spec) fn place_of_extras(&self) -> Locus {
        self.place(self.max_attributes_per_trace.as_ref())
    }
}

fn value<T>(at: Option<At<T>>, default: T) -> T {
    at.map_or(default, |at| at.value)
}

fn check_memory(sampling: &Sampling, locus: &Locus, mistakes: &mut Mistakes) {
    let (open, entries) = (sampling.max_open_traces, sampling.max_entries_per_trace);
    if u64::from(open) * u64::from(entries) > MAX_OPEN_ENTRIES {
        let message = format!(
            "{open} open traces of {entries} entries would take more than 1 GiB; lower max_open_traces or max_entries_per_trace"
        );
        mistakes.wrong(locus, message);
    }
}

/// What is read of records, where a spec has any of it, must fit into memory too.
pub(in crate::spec) fn check_extras(
    stages: &[Stage],
    sampling: &Sampling,
    locus: &Locus,
    mistakes: &mut Mistakes,
) {
    let (open, each) = (sampling.max_open_traces, extras(stages, sampling));
    if u64::from(open) * u64::from(each) > MAX_OPEN_EXTRAS {
        let message = format!(
            "{open} open traces with {each} attributes and notes on batches would take more than 1 GiB; lower max_open_traces or max_attributes_per_trace"
        );
        mistakes.wrong(locus, message);
    }
}
