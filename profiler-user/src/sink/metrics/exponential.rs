//! An exponential histogram as OpenTelemetry defines it: bucket `i` holds what is above `base^i` and at most `base^(i+1)`, with base = 2^(2^-scale).
//!
//! The scale falls as the range of values grows, so that there are never more buckets than the bound: the error is as small as that allows.

/// Buckets at most.
const MAX_BUCKETS: usize = 160;

/// The finest scale: buckets are 2.2 % wide. Finer ones would only cost memory.
const FINEST: i32 = 5;

/// See the module. Values are seconds.
#[derive(Clone, Debug, PartialEq)]
pub struct Exponential {
    scale: i32,
    /// Index of the first bucket.
    offset: i32,
    buckets: Vec<u64>,
    zeros: u64,
}

impl Default for Exponential {
    fn default() -> Self {
        Self { scale: FINEST, offset: 0, buckets: Vec::new(), zeros: 0 }
    }
}

impl Exponential {
    /// Adds a value.
    pub fn add(&mut self, seconds: f64) {
        if seconds <= 0.0 {
            self.zeros += 1;
            return;
        }
        let mut index = index(seconds, self.scale);
        while self.span_with(index) > MAX_BUCKETS {
            self.coarsen();
            index >>= 1;
        }
        if self.buckets.is_empty() {
            self.offset = index;
        }
        if index < self.offset {
            let missing = usize::try_from(self.offset - index).unwrap_or(0);
            self.buckets.splice(0..0, std::iter::repeat_n(0, missing));
            self.offset = index;
        }
        let place = usize::try_from(index - self.offset).unwrap_or(0);
        if place >= self.buckets.len() {
            self.buckets.resize(place + 1, 0);
        }
        if let Some(count) = self.buckets.get_mut(place) {
            *count += 1;
        }
    }

    fn span_with(&self, index: i32) -> usize {
        if self.buckets.is_empty() {
            return 1;
        }
        let end = self.offset + i32::try_from(self.buckets.len()).unwrap_or(i32::MAX) - 1;
        usize::try_from(end.max(index) - self.offset.min(index) + 1).unwrap_or(usize::MAX)
    }

    /// Joins each two neighbouring buckets.
    fn coarsen(&mut self) {
        self.scale -= 1;
        let first = self.offset >> 1;
        let mut joined: Vec<u64> = Vec::with_capacity(self.buckets.len() / 2 + 1);
        for (index, count) in (self.offset..).zip(&self.buckets) {
            let place = usize::try_from((index >> 1) - first).unwrap_or(0);
            if place >= joined.len() {
                joined.push(0);
            }
            if let Some(sum) = joined.get_mut(place) {
                *sum += count;
            }
        }
        (self.offset, self.buckets) = (first, joined);
    }

    /// Scale, index of the first bucket, the buckets, and how many values were zero.
    #[must_use]
    pub fn parts(&self) -> (i32, i32, &[u64], u64) {
        (self.scale, self.offset, &self.buckets, self.zeros)
    }
}

/// The bucket of a value.
fn index(seconds: f64, scale: i32) -> i32 {
    let exact = seconds.log2() * f64::from(scale).exp2();
    // Seconds of an u64 of nanoseconds: far within.
    #[expect(clippy::cast_possible_truncation, reason = "at most some thousands")]
    let index = exact.ceil() as i32 - 1;
    index
}

#[cfg(test)]
mod tests {
    use super::{Exponential, FINEST, MAX_BUCKETS};
    use proptest::prelude::*;

    fn bounds(scale: i32, index: i32) -> (f64, f64) {
        let base = f64::from(-scale).exp2().exp2();
        (base.powi(index), base.powi(index + 1))
    }

    #[test]
    fn powers_of_two_belong_to_the_bucket_below_them() {
        let mut histogram = Exponential::default();
        [1.0, 2.0, 2.0001].into_iter().for_each(|value| histogram.add(value));
        let (scale, offset, buckets, zeros) = histogram.parts();
        assert_eq!((scale, offset, zeros), (FINEST, -1, 0));
        assert_eq!((buckets[0], buckets[32], buckets[33], buckets.len()), (1, 1, 1, 34));
    }

    #[test]
    fn a_wide_range_coarsens_the_buckets() {
        let mut histogram = Exponential::default();
        [1e-9, 3600.0, 0.0].into_iter().for_each(|value| histogram.add(value));
        let (scale, _, buckets, zeros) = histogram.parts();
        assert_eq!((scale, zeros, buckets.iter().sum::<u64>()), (1, 1, 2));
        assert!(buckets.len() <= MAX_BUCKETS);
    }

    proptest! {
        #[test]
        fn every_value_lies_within_the_bounds_of_its_bucket(values in proptest::collection::vec(1u64..4_000_000_000_000, 1..200)) {
            let mut histogram = Exponential::default();
            values.iter().for_each(|ns| histogram.add(*ns as f64 * 1e-9));
            let (scale, offset, buckets, _) = histogram.parts();
            prop_assert!(buckets.len() <= MAX_BUCKETS);
            prop_assert_eq!(buckets.iter().sum::<u64>(), values.len() as u64);
            // Recounted by the definition of the bounds; those that lie on one may fall on either side of it.
            for (index, count) in (offset..).zip(buckets) {
                let (low, high) = bounds(scale, index);
                let slack = 1e-9;
                let surely = values.iter().filter(|ns| (low * (1.0 + slack)..high * (1.0 - slack)).contains(&(**ns as f64 * 1e-9))).count() as u64;
                let maybe = values.iter().filter(|ns| (low * (1.0 - slack)..=high * (1.0 + slack)).contains(&(**ns as f64 * 1e-9))).count() as u64;
                prop_assert!(surely <= *count && *count <= maybe, "{index}: {surely} {count} {maybe}");
            }
        }
    }
}
