//! A mergeable histogram of durations on a logarithmic scale: 64 steps an octave, so that a percentile is within 0.8 % of the exact one. Pure.
//!
//! Owns: the scale, which every store shares (those that count in SQL use the same steps), merging, percentiles by nearest rank, and the bytes in which
//! it is stored. Counts, sum, minimum and maximum are exact.

use crate::varint;

/// Steps of one octave, as a power of two.
pub const STEP_BITS: u32 = 6;

/// The step of a duration: durations below 64 ns have one each.
#[must_use]
pub const fn step_of(ns: u64) -> u16 {
    if ns < 1 << STEP_BITS {
        return ns as u16;
    }
    let top = ns.ilog2();
    let octave = (top - STEP_BITS + 1) as u16;
    (octave << STEP_BITS) + ((ns >> (top - STEP_BITS)) as u16 & ((1 << STEP_BITS) - 1))
}

/// The duration that stands for a step, ns: its middle, at most 0.8 % from any in it.
#[must_use]
pub const fn middle_ns(step: u16) -> u64 {
    least_ns(step) + (width_ns(step) >> 1)
}

/// The shortest duration of a step, ns.
#[must_use]
pub const fn least_ns(step: u16) -> u64 {
    let octave = (step >> STEP_BITS) as u32;
    if octave == 0 {
        return step as u64;
    }
    let part = (step & ((1 << STEP_BITS) - 1)) as u64 | 1 << STEP_BITS;
    part << (octave - 1)
}

/// The longest duration of a step, ns.
#[must_use]
pub const fn most_ns(step: u16) -> u64 {
    least_ns(step) + (width_ns(step) - 1)
}

/// How many durations, ns, a step holds.
const fn width_ns(step: u16) -> u64 {
    1 << ((step >> STEP_BITS) as u32).saturating_sub(1)
}

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sketch {
    /// Steps that hold any, ascending, with their counts. A list: there are a few dozen, and adding up lists is what most of a query's time goes into.
    cells: Vec<(u16, u64)>,
    count: u64,
    total_ns: i128,
    min_ns: i64,
    max_ns: i64,
}

/// What a sketch comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Figures {
    /// Number of durations.
    pub count: u64,
    /// Their mean, ns, exact.
    pub mean_ns: i64,
    /// Half of the durations are no longer, ns.
    pub p50_ns: i64,
    /// 95 % are no longer, ns.
    pub p95_ns: i64,
    /// 99 % are no longer, ns.
    pub p99_ns: i64,
    /// The longest, ns, exact.
    pub max_ns: i64,
}

impl Sketch {
    /// Adds a duration, ns. A negative one, of clocks that disagree, is counted as 0 in the percentiles.
    pub fn add(&mut self, ns: i64) {
        self.put(step_of(u64::try_from(ns).unwrap_or(0)), 1);
        self.min_ns = if self.count == 0 { ns } else { self.min_ns.min(ns) };
        self.max_ns = if self.count == 0 { ns } else { self.max_ns.max(ns) };
        self.count += 1;
        self.total_ns += i128::from(ns);
    }

    /// One that was counted elsewhere with the same steps: counts by step, and the exact sum, minimum and maximum, ns.
    #[must_use]
    pub fn from_cells(
        cells: impl IntoIterator<Item = (u16, u64)>,
        total_ns: i128,
        min_ns: i64,
        max_ns: i64,
    ) -> Self {
        let mut sketch = Self { total_ns, min_ns, max_ns, ..Self::default() };
        for (step, count) in cells {
            sketch.count += count;
            sketch.put(step, count);
        }
        sketch
    }

    /// Counts more of a step.
    fn put(&mut self, step: u16, count: u64) {
        // Stored ones come in their order.
        if self.cells.last().is_none_or(|(last, _)| *last < step) {
            self.cells.push((step, count));
            return;
        }
        let place = self.cells.binary_search_by_key(&step, |(step, _)| *step);
        match place.map(|at| self.cells.get_mut(at)) {
            Ok(Some((_, held))) => *held += count,
            Ok(None) => {}
            Err(at) => self.cells.insert(at, (step, count)),
        }
    }

    /// Takes another one in.
    pub fn merge(&mut self, other: &Self) {
        if other.count == 0 {
            return;
        }
        self.put_all(&other.cells);
        self.min_ns = if self.count == 0 { other.min_ns } else { self.min_ns.min(other.min_ns) };
        self.max_ns = if self.count == 0 { other.max_ns } else { self.max_ns.max(other.max_ns) };
        self.count += other.count;
        self.total_ns += other.total_ns;
    }

    /// Counts more of many steps, which ascend.
    fn put_all(&mut self, cells: &[(u16, u64)]) {
        let (mut at, mut new) = (0, Vec::new());
        for (step, count) in cells {
            let rest = self.cells.get(at..).unwrap_or_default();
            at += rest.partition_point(|(held, _)| held < step);
            match self.cells.get_mut(at) {
                Some((held, sum)) if held == step => *sum += count,
                _ => new.push((*step, *count)),
            }
        }
        if !new.is_empty() {
            self.cells.append(&mut new);
            // Two lists in their order, one behind the other: put together, not sorted anew.
            self.cells.sort_by_key(|(step, _)| *step);
        }
    }

    /// Takes a duration out again that was added before: false, and no change, when no such one is there. Counts, sum and percentiles are as if it had never
    /// been added; where it was the longest or the shortest, that is from then on known to its step only (1.6 %).
    pub fn remove(&mut self, ns: i64) -> bool {
        let step = step_of(u64::try_from(ns).unwrap_or(0));
        let Ok(at) = self.cells.binary_search_by_key(&step, |(step, _)| *step) else { return false };
        let Some((_, count)) = self.cells.get_mut(at) else { return false };
        *count -= 1;
        if *count == 0 {
            self.cells.remove(at);
        }
        self.count -= 1;
        self.total_ns -= i128::from(ns);
        let (Some((first, _)), Some((last, _))) = (self.cells.first(), self.cells.last()) else {
            *self = Self::default();
            return true;
        };
        let near = |ns: u64| i64::try_from(ns).unwrap_or(i64::MAX);
        self.max_ns = self.max_ns.min(near(most_ns(*last)));
        if *first > 0 {
            self.min_ns = self.min_ns.max(near(least_ns(*first)));
        }
        true
    }

    /// Number of durations.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// Their sum, ns.
    #[must_use]
    pub const fn total_ns(&self) -> i128 {
        self.total_ns
    }

    /// The steps that hold any, ascending, with their counts.
    pub fn cells(&self) -> impl Iterator<Item = (u16, u64)> + '_ {
        self.cells.iter().copied()
    }

    /// What it comes to; `None` without a duration.
    #[must_use]
    pub fn figures(&self) -> Option<Figures> {
        let mean = self.total_ns.checked_div(i128::from(self.count))?;
        let at = |percent| self.percentile_ns(percent);
        Some(Figures {
            count: self.count,
            mean_ns: i64::try_from(mean).unwrap_or(self.max_ns),
            p50_ns: at(50),
            p95_ns: at(95),
            p99_ns: at(99),
            max_ns: self.max_ns,
        })
    }

    /// The duration that `percent` of all are no longer than, by nearest rank, ns.
    #[must_use]
    pub fn percentile_ns(&self, percent: u8) -> i64 {
        let rank = (u128::from(percent) * u128::from(self.count)).div_ceil(100).max(1);
        let mut below = 0u128;
        for (step, count) in &self.cells {
            below += u128::from(*count);
            if below >= rank {
                let ns = i64::try_from(middle_ns(*step)).unwrap_or(i64::MAX);
                return ns.clamp(self.min_ns, self.max_ns);
            }
        }
        self.max_ns
    }

    /// The bytes in which it is stored: the counts' names are their places, so that a later form can be told by its first byte.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(48 + 3 * self.cells.len());
        out.push(FORM);
        out.extend_from_slice(&self.total_ns.to_be_bytes());
        out.extend_from_slice(&self.min_ns.to_be_bytes());
        out.extend_from_slice(&self.max_ns.to_be_bytes());
        let mut before = 0u16;
        for (step, count) in &self.cells {
            varint::put(&mut out, u64::from(step.wrapping_sub(before)));
            varint::put(&mut out, *count);
            before = *step;
        }
        out
    }

    /// Reads [`Sketch::to_bytes`]; `None` where they are damaged or of a later form.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (form, rest) = bytes.split_first()?;
        let (total, rest) = rest.split_first_chunk::<16>()?;
        let (min, rest) = rest.split_first_chunk::<8>()?;
        let (max, mut rest) = rest.split_first_chunk::<8>()?;
        if *form != FORM {
            return None;
        }
        let mut sketch = Self {
            total_ns: i128::from_be_bytes(*total),
            min_ns: i64::from_be_bytes(*min),
            max_ns: i64::from_be_bytes(*max),
            ..Self::default()
        };
        let mut step = 0u16;
        while !rest.is_empty() {
            step = step.checked_add(u16::try_from(varint::take(&mut rest)?).ok()?)?;
            let count = varint::take(&mut rest)?;
            sketch.count = sketch.count.checked_add(count)?;
            sketch.put(step, count);
        }
        Some(sketch)
    }
}

/// The first byte of a stored sketch.
const FORM: u8 = 1;

#[cfg(test)]
mod tests {
    use super::{Sketch, least_ns, middle_ns, most_ns, step_of};
    use proptest::prelude::*;

    #[test]
    fn steps_ascend_and_their_middles_are_near() {
        for ns in (0..70_000).chain((0..64).map(|bit| 1u64 << bit)).chain([u64::MAX]) {
            let middle = middle_ns(step_of(ns));
            assert!(middle.abs_diff(ns) <= ns / 127, "{ns}: {middle}");
            assert!((least_ns(step_of(ns))..=most_ns(step_of(ns))).contains(&ns), "{ns}");
            assert!(ns == u64::MAX || step_of(ns) <= step_of(ns + 1));
        }
    }

    #[test]
    fn damaged_bytes_are_refused() {
        assert_eq!(Sketch::from_bytes(&[]), None);
        assert_eq!(Sketch::from_bytes(&[9; 40]), None);
        let mut bytes = Sketch::default().to_bytes();
        assert_eq!(Sketch::from_bytes(&bytes), Some(Sketch::default()));
        bytes.push(0x80);
        assert_eq!(Sketch::from_bytes(&bytes), None);
    }

    proptest! {
        #[test]
        fn what_is_taken_out_was_never_there(
            kept in proptest::collection::vec(-5i64..10_000_000_000, 0..50), gone in proptest::collection::vec(-5i64..10_000_000_000, 1..50)
        ) {
            let mut plain = Sketch::default();
            kept.iter().for_each(|ns| plain.add(*ns));
            let mut sketch = plain.clone();
            gone.iter().for_each(|ns| sketch.add(*ns));
            prop_assert!(gone.iter().all(|ns| sketch.remove(*ns)));
            prop_assert_eq!((&sketch.cells, sketch.count, sketch.total_ns), (&plain.cells, plain.count, plain.total_ns));
            prop_assert!(sketch.max_ns.abs_diff(plain.max_ns) <= plain.max_ns.unsigned_abs() / 64 + 5);
            prop_assert!(!sketch.remove(11_000_000_000));
        }

        #[test]
        fn parts_merge_to_the_whole_and_percentiles_are_near(
            mut values in proptest::collection::vec(-5i64..10_000_000_000, 1..300), cut in 0usize..300
        ) {
            let of = |values: &[i64]| {
                let mut sketch = Sketch::default();
                values.iter().for_each(|ns| sketch.add(*ns));
                sketch
            };
            let (left, right) = values.split_at(cut.min(values.len()));
            let mut merged = of(left);
            merged.merge(&of(right));
            let whole = of(&values);
            prop_assert_eq!(&merged, &whole);
            prop_assert_eq!(Sketch::from_bytes(&whole.to_bytes()), Some(merged));
            values.sort_unstable();
            for percent in [1u8, 50, 95, 99, 100] {
                let exact = values[(usize::from(percent) * values.len()).div_ceil(100) - 1];
                let found = whole.percentile_ns(percent);
                prop_assert!((found - exact.max(0)).abs() <= exact.max(0) / 125 || exact < 0, "P{percent} {found}, exact {exact}");
            }
            prop_assert_eq!(whole.figures().unwrap().max_ns, *values.last().unwrap());
        }
    }
}
