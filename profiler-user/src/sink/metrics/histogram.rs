//! A distribution of durations in both forms that receivers know, with the slowest recent trace as its exemplar.

use super::Exponential;
use crate::sink::otlp::span_id;
use crate::trace::Trace;

/// Upper bounds of the classic buckets, ns: 1, 2.5 and 5 of each decade from 1 us to 10 s.
pub const BOUNDS_NS: [u64; 22] = [
    1_000,
    2_500,
    5_000,
    10_000,
    25_000,
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    25_000_000,
    50_000_000,
    100_000_000,
    250_000_000,
    500_000_000,
    1_000_000_000,
    2_500_000_000,
    5_000_000_000,
    10_000_000_000,
];

/// A trace that stands for a distribution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exemplar {
    /// Id of the trace.
    pub trace_id: u64,
    /// Id of the span.
    pub span_id: [u8; 8],
    /// Its duration, ns.
    pub ns: u64,
    /// When it ended, ns since the Unix epoch.
    pub at_ns: i64,
}

impl Exemplar {
    /// Of a trace, or of one of its hops by index.
    #[must_use]
    pub fn of(trace: &Trace, hop: Option<usize>, ns: u64) -> Self {
        Self {
            trace_id: trace.id,
            span_id: span_id(trace.id, trace.branch, hop),
            ns,
            at_ns: trace.wall_at(trace.end_ns),
        }
    }
}

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct Histogram {
    /// Values.
    pub count: u64,
    /// Their sum, ns.
    pub sum_ns: u128,
    /// The least, ns; 0 without a value.
    pub min_ns: u64,
    /// The greatest, ns.
    pub max_ns: u64,
    /// The slowest trace so far.
    pub exemplar: Option<Exemplar>,
    /// The values in exponential buckets, in seconds.
    pub exponential: Exponential,
    classic: [u64; BOUNDS_NS.len()],
}

impl Histogram {
    /// Adds a value.
    pub fn add(&mut self, ns: u64, exemplar: impl FnOnce() -> Exemplar) {
        self.min_ns = if self.count == 0 { ns } else { self.min_ns.min(ns) };
        self.max_ns = self.max_ns.max(ns);
        self.count += 1;
        self.sum_ns += u128::from(ns);
        if self.exemplar.is_none_or(|slowest| ns > slowest.ns) {
            self.exemplar = Some(exemplar());
        }
        self.exponential.add(ns as f64 * 1e-9);
        let bucket = BOUNDS_NS.partition_point(|bound| *bound < ns);
        if let Some(count) = self.classic.get_mut(bucket) {
            *count += 1;
        }
    }

    /// Upper bound, ns, and how many values are at most that, bound by bound.
    pub fn cumulative(&self) -> impl Iterator<Item = (u64, u64)> {
        BOUNDS_NS.into_iter().zip(self.classic).scan(0u64, |sum, (bound, count)| {
            *sum += count;
            Some((bound, *sum))
        })
    }

    /// A percentile by nearest rank, ns: the upper bound of its exponential bucket, and no more than the greatest.
    #[must_use]
    pub fn percentile_ns(&self, percent: u64) -> f64 {
        let rank = (u128::from(percent) * u128::from(self.count)).div_ceil(100);
        let (scale, offset, buckets, zeros) = self.exponential.parts();
        let mut seen = u128::from(zeros);
        if seen >= rank {
            return 0.0;
        }
        for (index, count) in (offset..).zip(buckets) {
            seen += u128::from(*count);
            if seen >= rank {
                let upper = (f64::from(index + 1) * f64::from(-scale).exp2()).exp2() * 1e9;
                return upper.min(self.max_ns as f64);
            }
        }
        self.max_ns as f64
    }

    /// Their mean, ns; 0 without a value.
    #[must_use]
    pub fn mean_ns(&self) -> f64 {
        if self.count == 0 { 0.0 } else { self.sum_ns as f64 / self.count as f64 }
    }
}
