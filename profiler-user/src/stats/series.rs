//! A series of durations: exact count, sum and maximum, and a histogram for the percentiles.
//!
//! The histogram keeps two significant digits from 1 ns to a longest duration, 1 h unless said otherwise, and grows with the largest value, never
//! beyond 37 KiB for 1 h. A longer one is counted as that in the percentiles; maximum and mean stay exact.

use hdrhistogram::Histogram;

/// Longest duration that percentiles tell apart unless said otherwise, ns: 1 h.
pub const LONGEST_NS: u64 = 3_600_000_000_000;

/// Durations of one kind. `LONGEST` is the longest that percentiles tell apart, ns.
#[derive(Clone, Debug, Default)]
pub struct Series<const LONGEST: u64 = LONGEST_NS> {
    /// `None` until the first value. Grows by doubling its range.
    histogram: Option<Box<Histogram<u64>>>,
    count: u64,
    total_ns: u128,
    max_ns: u64,
}

/// What a series comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Figures {
    /// Number of values.
    pub count: u64,
    /// Their sum, ns, exact.
    pub total_ns: u128,
    /// Their mean, ns, exact to the nearest ns.
    pub mean_ns: u64,
    /// Half of the values are no longer, ns. Percentiles are by nearest rank, and at most 0.8 % too large.
    pub p50_ns: u64,
    /// 95 % of the values are no longer, ns.
    pub p95_ns: u64,
    /// 99 % of the values are no longer, ns.
    pub p99_ns: u64,
    /// The longest, ns, exact.
    pub max_ns: u64,
}

impl<const LONGEST: u64> Series<LONGEST> {
    /// Adds a duration.
    pub fn add(&mut self, ns: u64) {
        self.count += 1;
        self.total_ns += u128::from(ns);
        self.max_ns = self.max_ns.max(ns);
        if self.histogram.is_none() {
            self.histogram = Histogram::new(2).ok().map(Box::new);
        }
        if let Some(histogram) = &mut self.histogram {
            // Cannot fail: an auto-resizing histogram takes every value, and the bound keeps it small.
            let _ = histogram.record(ns.min(LONGEST));
        }
    }

    /// Number of values.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// What the series comes to; `None` without a value.
    #[must_use]
    pub fn figures(&self) -> Option<Figures> {
        let count = u128::from(self.count);
        let mean_ns = (self.total_ns + count / 2).checked_div(count)?;
        let [p50_ns, p95_ns, p99_ns] = self.percentiles([50, 95, 99]);
        Some(Figures {
            count: self.count,
            total_ns: self.total_ns,
            mean_ns: u64::try_from(mean_ns).unwrap_or(u64::MAX),
            p50_ns,
            p95_ns,
            p99_ns,
            max_ns: self.max_ns,
        })
    }

    /// Percentiles by nearest rank: the value at rank ceil(percent * count / 100), in whole numbers. Percents ascend.
    fn percentiles<const N: usize>(&self, percents: [u64; N]) -> [u64; N] {
        self.at_ranks(percents.map(|percent| (u128::from(percent) * u128::from(self.count)).div_ceil(100)))
    }

    /// The value at a rank, from 1 for the smallest.
    #[must_use]
    pub fn at_rank(&self, rank: u128) -> u64 {
        let [value] = self.at_ranks([rank]);
        value
    }

    /// The values at ranks that ascend.
    fn at_ranks<const N: usize>(&self, ranks: [u128; N]) -> [u64; N] {
        let mut values = [self.max_ns; N];
        let Some(histogram) = &self.histogram else { return values };
        let mut wanted = ranks.into_iter().zip(&mut values).peekable();
        let mut seen = 0u128;
        for step in histogram.iter_recorded() {
            seen += u128::from(step.count_since_last_iteration());
            while let Some((_, value)) = wanted.next_if(|(rank, _)| *rank <= seen) {
                // The bucket's upper end may lie past the longest value that is in it.
                *value = step.value_iterated_to().min(self.max_ns);
            }
        }
        values
    }
}

#[cfg(test)]
mod tests {
    use super::{LONGEST_NS, Series};
    use proptest::prelude::*;

    fn series(values: &[u64]) -> Series {
        let mut series = Series::default();
        values.iter().for_each(|ns| series.add(*ns));
        series
    }

    #[test]
    fn small_values_are_exact() {
        let cases: [(&[u64], [u64; 5]); 5] = [
            (&[7], [7, 7, 7, 7, 7]),
            (&[0], [0, 0, 0, 0, 0]),
            (&[1, 2], [2, 1, 2, 2, 2]),
            (&[10, 20, 30, 40], [25, 20, 40, 40, 40]),
            (&[1, 1, 1, 100], [26, 1, 100, 100, 100]),
        ];
        for (values, expected) in cases {
            let f = series(values).figures().unwrap();
            assert_eq!([f.mean_ns, f.p50_ns, f.p95_ns, f.p99_ns, f.max_ns], expected, "{values:?}");
        }
        let hundred: Vec<u64> = (1..=100).collect();
        let f = series(&hundred).figures().unwrap();
        assert_eq!((f.count, f.p50_ns, f.p95_ns, f.p99_ns, f.total_ns), (100, 50, 95, 99, 5050));
    }

    #[test]
    fn nothing_has_no_figures() {
        assert_eq!(<Series>::default().figures(), None);
    }

    #[test]
    fn durations_past_the_bound_keep_memory_bounded_and_extremes_exact() {
        let series = series(&[1, u64::MAX, u64::MAX]);
        let f = series.figures().unwrap();
        assert_eq!((f.max_ns, f.mean_ns), (u64::MAX, 12_297_829_382_473_034_410));
        assert!((LONGEST_NS..LONGEST_NS + LONGEST_NS / 100).contains(&f.p99_ns), "{}", f.p99_ns);
        assert!(series.histogram.unwrap().distinct_values() * 8 < 38_000);
    }

    proptest! {
        #[test]
        fn percentiles_are_the_nearest_rank_within_the_precision(
            mut values in proptest::collection::vec(prop_oneof![0u64..1000, 0..LONGEST_NS], 1..300)
        ) {
            let f = series(&values).figures().unwrap();
            values.sort_unstable();
            for (percent, found) in [(50, f.p50_ns), (95, f.p95_ns), (99, f.p99_ns)] {
                let exact = values[(percent * values.len()).div_ceil(100) - 1];
                prop_assert!(found >= exact && found <= exact + exact / 128, "P{percent} {found}, exact {exact}");
            }
            prop_assert_eq!(f.max_ns, *values.last().unwrap());
            prop_assert_eq!(f.total_ns, values.iter().map(|ns| u128::from(*ns)).sum::<u128>());
        }
    }
}
