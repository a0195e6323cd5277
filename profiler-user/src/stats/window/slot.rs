//! Durations of one stretch of time: dense while it fills, sparse once it is over.

use crate::stats::Figures;
use crate::stats::scale::{STEPS, highest_ns, lowest_ns, step_of};

/// A step with the number of its durations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cell {
    pub(super) step: u16,
    pub(super) count: u32,
}

/// A stretch that is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Slot {
    /// Which stretch of its lane's width it is, from the clock's zero.
    pub(super) index: u64,
    pub(super) count: u64,
    pub(super) total_ns: u128,
    pub(super) max_ns: u64,
    /// By step, ascending; none is empty.
    pub(super) cells: Vec<Cell>,
}

impl Slot {
    /// Takes another stretch in.
    pub(super) fn merge(&mut self, other: &Self) {
        self.count += other.count;
        self.total_ns += other.total_ns;
        self.max_ns = self.max_ns.max(other.max_ns);
        let mine = std::mem::take(&mut self.cells);
        self.cells.reserve_exact(mine.len().max(other.cells.len()));
        let (mut left, mut right) = (mine.into_iter().peekable(), other.cells.iter().copied().peekable());
        loop {
            let cell = match (left.peek(), right.peek()) {
                (None, None) => break,
                (Some(a), Some(b)) if a.step == b.step => {
                    let sum = Cell { step: a.step, count: a.count.saturating_add(b.count) };
                    right.next();
                    left.next().map(|_| sum)
                }
                (Some(a), Some(b)) if a.step < b.step => left.next(),
                (Some(_), None) => left.next(),
                _ => right.next(),
            };
            self.cells.extend(cell);
        }
    }
}

/// A sum of durations that still grows.
#[derive(Clone, Debug)]
pub struct Sum {
    count: u64,
    total_ns: u128,
    max_ns: u64,
    counts: Box<[u32; STEPS]>,
}

impl Default for Sum {
    fn default() -> Self {
        Self { count: 0, total_ns: 0, max_ns: 0, counts: Box::new([0; STEPS]) }
    }
}

impl Sum {
    /// Adds a duration.
    pub fn add(&mut self, ns: u64) {
        self.count += 1;
        self.total_ns += u128::from(ns);
        self.max_ns = self.max_ns.max(ns);
        if let Some(count) = self.counts.get_mut(step_of(ns)) {
            *count = count.saturating_add(1);
        }
    }

    /// Adds durations that were added up elsewhere: how many are near which duration, and their exact sum and maximum.
    pub fn add_many(&mut self, cells: impl IntoIterator<Item = (u64, u64)>, total_ns: u128, max_ns: u64) {
        for (ns, count) in cells {
            self.count += count;
            if let Some(here) = self.counts.get_mut(step_of(ns)) {
                *here = here.saturating_add(u32::try_from(count).unwrap_or(u32::MAX));
            }
        }
        self.total_ns += total_ns;
        self.max_ns = self.max_ns.max(max_ns);
    }

    /// Takes another sum in.
    pub fn merge(&mut self, other: &Self) {
        self.count += other.count;
        self.total_ns += other.total_ns;
        self.max_ns = self.max_ns.max(other.max_ns);
        for (mine, more) in self.counts.iter_mut().zip(other.counts.iter()) {
            *mine = mine.saturating_add(*more);
        }
    }

    pub(super) fn add_slot(&mut self, slot: &Slot) {
        self.count += slot.count;
        self.total_ns += slot.total_ns;
        self.max_ns = self.max_ns.max(slot.max_ns);
        for cell in &slot.cells {
            if let Some(count) = self.counts.get_mut(usize::from(cell.step)) {
                *count = count.saturating_add(cell.count);
            }
        }
    }

    /// Empties it into a slot; `None` when it is empty.
    pub(super) fn close(&mut self, index: u64) -> Option<Slot> {
        if self.count == 0 {
            return None;
        }
        let cell = |(step, count): (usize, &u32)| {
            (*count > 0).then_some(Cell { step: u16::try_from(step).unwrap_or(u16::MAX), count: *count })
        };
        let mut cells = Vec::with_capacity(self.counts.iter().filter(|count| **count > 0).count());
        cells.extend(self.counts.iter().enumerate().filter_map(cell));
        let slot = Slot { index, count: self.count, total_ns: self.total_ns, max_ns: self.max_ns, cells };
        (self.count, self.total_ns, self.max_ns) = (0, 0, 0);
        self.counts.fill(0);
        Some(slot)
    }

    /// Number of durations.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// Their sum, ns.
    #[must_use]
    pub const fn total_ns(&self) -> u128 {
        self.total_ns
    }

    /// How many durations lie in each step of the [scale](crate::stats::scale).
    #[must_use]
    pub fn steps(&self) -> &[u32] {
        &self.counts[..]
    }

    /// What it comes to; `None` without a duration. Count, sum, mean and maximum are exact, percentiles within 6.3 %.
    #[must_use]
    pub fn figures(&self) -> Option<Figures> {
        let count = u128::from(self.count);
        let mean_ns = (self.total_ns + count / 2).checked_div(count)?;
        let [p50_ns, p95_ns, p99_ns] = self.quantiles_ns([500, 950, 990]);
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

    /// The duration at rank ceil(permille * count / 1000), ns, as if those of one step lay evenly in it; 0 without any.
    #[must_use]
    pub fn quantile_ns(&self, permille: u64) -> u64 {
        let [quantile] = self.quantiles_ns([permille]);
        quantile
    }

    /// Several of them, ascending.
    fn quantiles_ns<const N: usize>(&self, permilles: [u64; N]) -> [u64; N] {
        let mut quantiles = [self.max_ns; N];
        let rank = |permille: u64| (u128::from(permille) * u128::from(self.count)).div_ceil(1000).max(1);
        let mut wanted =
            permilles.iter().zip(&mut quantiles).map(|(permille, place)| (rank(*permille), place)).peekable();
        let mut before = 0u128;
        for (step, count) in self.counts.iter().enumerate().filter(|(_, count)| **count > 0) {
            let here = u128::from(*count);
            while let Some((rank, place)) = wanted.next_if(|(rank, _)| before + here >= *rank) {
                let (low, high) = (lowest_ns(step), highest_ns(step).min(self.max_ns));
                let way = u128::from(high.saturating_sub(low)) * (rank - before) / here;
                *place = low.saturating_add(u64::try_from(way).unwrap_or(u64::MAX)).min(self.max_ns);
            }
            before += here;
        }
        quantiles
    }
}

#[cfg(test)]
mod tests {
    use super::Sum;
    use proptest::prelude::*;

    fn sum(values: &[u64]) -> Sum {
        let mut sum = Sum::default();
        values.iter().for_each(|ns| sum.add(*ns));
        sum
    }

    #[test]
    fn small_sums_are_exact() {
        let f = sum(&(1..=20).collect::<Vec<_>>()).figures().unwrap();
        assert_eq!((f.count, f.mean_ns, f.p50_ns, f.p95_ns, f.p99_ns, f.max_ns), (20, 11, 10, 19, 20, 20));
        assert_eq!(Sum::default().figures(), None);
        assert_eq!(sum(&[u64::MAX]).figures().unwrap().max_ns, u64::MAX);
        let mut many = Sum::default();
        many.add_many((1..=20).map(|ns| (ns, 1)), 210, 20);
        assert_eq!(many.figures(), Some(f));
    }

    proptest! {
        /// Closing and merging lose nothing, and percentiles stay within the step's width.
        #[test]
        fn merged_slots_are_the_sum_of_their_values(
            values in proptest::collection::vec(prop_oneof![0u64..100, 0u64..1 << 40], 1..200), cut in 0usize..200
        ) {
            let (first, second) = values.split_at(cut.min(values.len()));
            let mut merged = Sum::default();
            match (sum(first).close(7), sum(second).close(8)) {
                (Some(mut a), Some(b)) => {
                    a.merge(&b);
                    merged.add_slot(&a);
                }
                (one, other) => one.iter().chain(&other).for_each(|slot| merged.add_slot(slot)),
            }
            let whole = sum(&values);
            prop_assert_eq!(merged.figures(), whole.figures());
            prop_assert_eq!(merged.steps(), whole.steps());
            let mut sorted = values.clone();
            sorted.sort_unstable();
            for permille in [500, 950, 990, 1000] {
                let exact = sorted[(permille * sorted.len()).div_ceil(1000) - 1];
                let found = whole.quantile_ns(permille as u64);
                prop_assert!(found.abs_diff(exact) <= exact / 16, "{permille}: {found}, exact {exact}");
            }
        }
    }
}
