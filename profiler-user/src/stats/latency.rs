//! How old records are by their own time, when they come to the source and when the sink has written them.
//!
//! Two clocks are compared, the record's and this machine's, so a record may be from the future: latencies have a sign. Count, mean and maximum are
//! exact; percentiles are by nearest rank, exact within 0.8 % up to ten years.

use super::series::Series;
use crate::trace::Trace;

/// Largest latency that percentiles tell apart, ns: some ten years.
const LONGEST_NS: u64 = 10 * 366 * 24 * 3_600_000_000_000;

/// Latencies of one kind.
#[derive(Clone, Debug, Default)]
pub struct Latencies {
    /// Those of records from the past.
    past: Series<LONGEST_NS>,
    /// Those of records from the future, by how far.
    future: Series<LONGEST_NS>,
    total_ns: i128,
    max_ns: Option<i64>,
}

/// What latencies come to, ns. Negative: records from the future.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LatencyFigures {
    /// Number of values.
    pub count: u64,
    /// Their mean, exact to the nearest ns.
    pub mean_ns: i64,
    /// Half of the values are no longer.
    pub p50_ns: i64,
    /// 95 % of the values are no longer.
    pub p95_ns: i64,
    /// 99 % of the values are no longer.
    pub p99_ns: i64,
    /// The longest, exact.
    pub max_ns: i64,
}

impl Latencies {
    /// Adds one.
    pub fn add(&mut self, ns: i64) {
        let side = if ns < 0 { &mut self.future } else { &mut self.past };
        side.add(ns.unsigned_abs());
        self.total_ns += i128::from(ns);
        self.max_ns = Some(self.max_ns.map_or(ns, |max| max.max(ns)));
    }

    /// Number of values.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.past.count() + self.future.count()
    }

    /// What they come to; `None` without a value.
    #[must_use]
    pub fn figures(&self) -> Option<LatencyFigures> {
        let (count, max_ns) = (self.count(), self.max_ns?);
        let half = i128::from(count / 2) * self.total_ns.signum();
        let mean_ns = (self.total_ns + half).checked_div(i128::from(count))?;
        let at = |percent: u128| self.at_rank((percent * u128::from(count)).div_ceil(100)).min(max_ns);
        Some(LatencyFigures {
            count,
            mean_ns: i64::try_from(mean_ns).unwrap_or(max_ns),
            p50_ns: at(50),
            p95_ns: at(95),
            p99_ns: at(99),
            max_ns,
        })
    }

    /// The value at a rank, from 1 for the smallest: those from furthest in the future come first.
    fn at_rank(&self, rank: u128) -> i64 {
        let future = u128::from(self.future.count());
        let signed = |ns: u64| i64::try_from(ns).unwrap_or(i64::MAX);
        match rank.checked_sub(future) {
            Some(rank) if rank > 0 => signed(self.past.at_rank(rank)),
            _ => -signed(self.future.at_rank(future - rank + 1)),
        }
    }
}

/// How old records are.
#[derive(Clone, Debug, Default)]
pub struct RecordLatency {
    /// At S0. See [`Trace::source_latency_ns`].
    pub source: Latencies,
    /// When the sink has written them. See [`Trace::sink_latency_ns`].
    pub sink: Latencies,
}

impl RecordLatency {
    /// Adds a trace.
    pub fn add(&mut self, trace: &Trace) {
        for (latencies, ns) in
            [(&mut self.source, trace.source_latency_ns()), (&mut self.sink, trace.sink_latency_ns())]
        {
            ns.into_iter().for_each(|ns| latencies.add(ns));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Latencies, RecordLatency};
    use crate::trace::RecordTime;
    use crate::trace::testing::trace;
    use profiler_common::Outcome;
    use proptest::prelude::*;

    fn latencies(values: &[i64]) -> Latencies {
        let mut latencies = Latencies::default();
        values.iter().for_each(|ns| latencies.add(*ns));
        latencies
    }

    #[test]
    fn small_values_are_exact() {
        let cases: [(&[i64], [i64; 5]); 6] = [
            (&[7], [7, 7, 7, 7, 7]),
            (&[-7], [-7, -7, -7, -7, -7]),
            (&[-3, 4], [1, -3, 4, 4, 4]),
            (&[-4, 3], [-1, -4, 3, 3, 3]),
            (&[-30, -20, -10, 40], [-5, -20, 40, 40, 40]),
            (&[0, -1, 1], [0, 0, 1, 1, 1]),
        ];
        for (values, expected) in cases {
            let f = latencies(values).figures().unwrap();
            assert_eq!([f.mean_ns, f.p50_ns, f.p95_ns, f.p99_ns, f.max_ns], expected, "{values:?}");
        }
        assert_eq!(Latencies::default().figures(), None);
        let year = 365 * 24 * 3_600_000_000_000;
        let p99 = latencies(&[year, year, 2 * year]).figures().unwrap().p50_ns;
        assert!((year..=year + year / 120).contains(&p99), "{p99}");
        let extremes = latencies(&[i64::MIN, i64::MAX]).figures().unwrap();
        assert_eq!((extremes.max_ns, extremes.mean_ns), (i64::MAX, -1));
    }

    #[test]
    fn the_source_is_s0_and_the_sink_the_end_of_what_was_written() {
        let time = |stamp, latency_ns| RecordTime { stamp, event_ns: 0, latency_ns };
        let figures = |outcome, shared, times: &[RecordTime]| {
            let mut one = trace("S0@1000 Q+@1500 W!@4000", outcome);
            (one.shared, one.record_times) = (shared, times.to_vec());
            let mut latency = RecordLatency::default();
            latency.add(&one);
            [latency.source, latency.sink].map(|side| side.figures().map(|figures| figures.max_ns))
        };
        let (written, filtered) = (Outcome::Written, Outcome::Filtered);
        assert_eq!(figures(written, 0, &[time(0, 10), time(2, 99)]), [Some(10), Some(99)]);
        // A record's own time does not change: what was read last holds at the end, later by the time between.
        assert_eq!(figures(written, 0, &[time(0, 10)]), [Some(10), Some(3010)]);
        assert_eq!(figures(written, 0, &[time(1, -600)]), [None, Some(1900)]);
        assert_eq!(figures(filtered, 0, &[time(0, 10), time(2, 99)]), [Some(10), None]);
        // The source is the parent's; each branch that is written is.
        assert_eq!(figures(written, 2, &[time(0, 10)]), [None, Some(3010)]);
        assert_eq!(figures(written, 0, &[]), [None, None]);
    }

    proptest! {
        #[test]
        fn percentiles_are_the_nearest_rank_within_the_precision(
            mut values in proptest::collection::vec(-1_000_000i64..10_000_000, 1..200)
        ) {
            let f = latencies(&values).figures().unwrap();
            values.sort_unstable();
            for (percent, found) in [(50, f.p50_ns), (95, f.p95_ns), (99, f.p99_ns)] {
                let exact = values[(percent * values.len()).div_ceil(100) - 1];
                prop_assert!((found - exact).abs() <= exact.abs() / 120 + 1, "P{percent} {found}, exact {exact}");
            }
            prop_assert_eq!(f.max_ns, *values.last().unwrap());
        }
    }
}
