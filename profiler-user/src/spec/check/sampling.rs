//! How much to sample: ranges, and that the whole fits into memory.

use std::ops::RangeInclusive;
use std::time::Duration;

use profiler_common::config::SequenceMode;
use profiler_common::limits::{MAX_BUDGET, MAX_ENTRIES, MAX_SLOTS, MIN_ENTRIES};

use crate::spec::Sampling;
use crate::spec::code::nearest;
use crate::spec::defaults::{self, MAX_OPEN_ENTRIES, MAX_TRACE_TTL, MIN_TRACE_TTL};
use crate::spec::error::quote;
use crate::spec::locus::{At, Locus, Mistakes};
use crate::spec::raw::RawSampling;

/// Longest duration text, in bytes.
const MAX_DURATION_BYTES: usize = 64;

/// What layers say of sampling, each value in its range.
#[derive(Debug, Default)]
pub(in crate::spec) struct Sampled {
    rate: Option<At<u64>>,
    sequence: Option<At<SequenceMode>>,
    max_traces_per_second: Option<At<u32>>,
    max_entries_per_trace: Option<At<u32>>,
    trace_ttl: Option<At<Duration>>,
    max_open_traces: Option<At<u32>>,
}

/// The layer's sampling values that are right.
pub(in crate::spec) fn check_sampling(raw: RawSampling, mistakes: &mut Mistakes) -> Sampled {
    let RawSampling {
        rate,
        sequence,
        max_traces_per_second,
        max_entries_per_trace,
        trace_ttl,
        max_open_traces,
    } = raw;
    let budget = 0..=MAX_BUDGET;
    let entries = MIN_ENTRIES..=MAX_ENTRIES;
    Sampled {
        rate: rate.and_then(|at| within(at, 0..=i64::MAX.cast_unsigned(), "; 0 samples nothing", mistakes)),
        sequence: sequence.and_then(|at| check_sequence(at, mistakes)),
        max_traces_per_second: max_traces_per_second
            .and_then(|at| within(at, budget, "; 0 means no bound", mistakes)),
        max_entries_per_trace: max_entries_per_trace
            .and_then(|at| within(at, entries, ": the first stamp and the last one need a place", mistakes)),
        trace_ttl: trace_ttl.and_then(|at| check_ttl(at, mistakes)),
        max_open_traces: max_open_traces.and_then(|at| within(at, 1..=MAX_SLOTS, "", mistakes)),
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

fn check_sequence(at: At<String>, mistakes: &mut Mistakes) -> Option<At<SequenceMode>> {
    let At { value, locus } = at;
    let value = match value.as_str() {
        "task" => SequenceMode::Task,
        "process" => SequenceMode::Process,
        other => {
            let hint = nearest(other, ["task", "process"].into_iter())
                .map(|near| format!(", did you mean \"{near}\"?"));
            let rest = "; it is \"task\" (each thread counts for itself) or \"process\"".to_owned();
            mistakes.wrong(&locus, format!("there is no sequence {}{}", quote(other), hint.unwrap_or(rest)));
            return None;
        }
    };
    Some(At { value, locus })
}

fn check_ttl(at: At<String>, mistakes: &mut Mistakes) -> Option<At<Duration>> {
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
            rate: self.rate.or(below.rate),
            sequence: self.sequence.or(below.sequence),
            max_traces_per_second: self.max_traces_per_second.or(below.max_traces_per_second),
            max_entries_per_trace: self.max_entries_per_trace.or(below.max_entries_per_trace),
            trace_ttl: self.trace_ttl.or(below.trace_ttl),
            max_open_traces: self.max_open_traces.or(below.max_open_traces),
        }
    }

    /// These values, and the defaults where there are none.
    pub(in crate::spec) fn or_default(self, mistakes: &mut Mistakes) -> Sampling {
        let defaults = defaults::sampling();
        let place = self.max_open_traces.as_ref().map(|at| &at.locus);
        let place = place.or(self.max_entries_per_trace.as_ref().map(|at| &at.locus)).cloned();
        let sampling = Sampling {
            rate: value(self.rate, defaults.rate),
            sequence: value(self.sequence, defaults.sequence),
            max_traces_per_second: value(self.max_traces_per_second, defaults.max_traces_per_second),
            max_entries_per_trace: value(self.max_entries_per_trace, defaults.max_entries_per_trace),
            trace_ttl: value(self.trace_ttl, defaults.trace_ttl),
            max_open_traces: value(self.max_open_traces, defaults.max_open_traces),
        };
        check_memory(&sampling, place.unwrap_or_else(|| Locus::named("sampling")), mistakes);
        sampling
    }
}

fn value<T>(at: Option<At<T>>, default: T) -> T {
    at.map_or(default, |at| at.value)
}

#[expect(clippy::needless_pass_by_value, reason = "made for this call")]
fn check_memory(sampling: &Sampling, locus: Locus, mistakes: &mut Mistakes) {
    let (open, entries) = (sampling.max_open_traces, sampling.max_entries_per_trace);
    if u64::from(open) * u64::from(entries) > MAX_OPEN_ENTRIES {
        let message = format!(
            "{open} open traces of {entries} entries would take more than 1 GiB; lower max_open_traces or max_entries_per_trace"
        );
        mistakes.wrong(&locus, message);
    }
}
