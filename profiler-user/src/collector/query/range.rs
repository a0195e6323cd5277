//! Stretches of time and the buckets in them. Pure.

use super::params::Params;
use crate::collector::http::ApiError;
use crate::collector::store::BUCKET_MS;

/// The stretch of statistics unless told otherwise, ms.
const HOUR_MS: i64 = 3_600_000;

/// The longest stretch of statistics, ms: what one answer reads has to end.
const LONGEST_MS: i64 = 31 * 24 * HOUR_MS;

/// Buckets in an answer at most.
const MOST_BUCKETS: i64 = 1000;

/// Buckets that are aimed at where the client does not say.
pub(super) const USUAL_BUCKETS: i64 = 120;

/// The same where there are many members.
pub(super) const FEW_BUCKETS: i64 = 12;

/// Widths that people read easily, ms.
const WIDTHS_MS: [i64; 12] = [
    BUCKET_MS,
    30_000,
    60_000,
    120_000,
    300_000,
    600_000,
    900_000,
    1_800_000,
    HOUR_MS,
    3 * HOUR_MS,
    6 * HOUR_MS,
    24 * HOUR_MS,
];

/// A stretch of time, both ends inclusive, ms since the Unix epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) from_ms: i64,
    pub(super) to_ms: i64,
}

impl Range {
    /// What `fromMs` and `toMs` say; the last hour without them.
    pub(super) fn of(params: &Params, now_ms: i64) -> Result<Self, ApiError> {
        let (from, to) = bounds(params)?;
        let to_ms = to.unwrap_or_else(|| now_ms.max(from.unwrap_or(now_ms)));
        let from_ms = from.unwrap_or(to_ms - HOUR_MS);
        if to_ms - from_ms > LONGEST_MS {
            return Err(ApiError::bad_request(
                "fromMs and toMs are more than 31 days apart; ask for a part of that time",
            ));
        }
        Ok(Self { from_ms, to_ms })
    }

    /// How wide buckets are: what `bucketMs` says, or what gives about as many as are usual.
    pub(super) fn bucket_ms(self, params: &Params, usual: i64) -> Result<i64, ApiError> {
        let length_ms = self.to_ms - self.from_ms;
        let usual = || self.width_ms(usual);
        let Some(width) = params.number("bucketMs", BUCKET_MS, LONGEST_MS)? else { return Ok(usual()) };
        if width % BUCKET_MS != 0 {
            return Err(ApiError::bad_request(format!(
                "bucketMs is {width}; it has to be a multiple of {BUCKET_MS}"
            )));
        }
        if length_ms / width >= MOST_BUCKETS {
            let least = self.width_ms(MOST_BUCKETS);
            return Err(ApiError::bad_request(format!(
                "with bucketMs={width} there would be more than {MOST_BUCKETS} buckets; take {least} or more, or a shorter time"
            )));
        }
        Ok(width)
    }

    /// The width of buckets, of those that people read easily, that gives so many at most, or nearly.
    pub(super) fn width_ms(self, most: i64) -> i64 {
        let fits = |width: &&i64| (self.to_ms - self.from_ms) / **width < most;
        WIDTHS_MS.iter().find(fits).copied().unwrap_or(24 * HOUR_MS)
    }

    /// The stretch in steps of the store's time that begin on a bucket of that width, so that no more has to be held than what one step finds.
    pub(super) fn steps(self, step_ms: i64) -> impl Iterator<Item = (i64, i64)> {
        // The store asks for buckets that end after the one and begin before the other.
        let (from_ms, to_ms) = (self.from_ms, self.to_ms + 1);
        let first = from_ms.div_euclid(step_ms) * step_ms;
        let starts = (0i64..).map(move |n| first + n * step_ms).take_while(move |start| *start < to_ms);
        starts.map(move |start| (start.max(from_ms), (start + step_ms).min(to_ms)))
    }
}

/// The two parameters, where they are given.
pub(super) fn bounds(params: &Params) -> Result<(Option<i64>, Option<i64>), ApiError> {
    let (from, to) = (params.time_ms("fromMs")?, params.time_ms("toMs")?);
    if let (Some(from_ms), Some(to_ms)) = (from, to)
        && from_ms > to_ms
    {
        return Err(ApiError::bad_request(format!(
            "fromMs ({from_ms}) is after toMs ({to_ms}); exchange the two"
        )));
    }
    Ok((from, to))
}

#[cfg(test)]
mod tests {
    use super::{LONGEST_MS, Range};
    use proptest::prelude::*;

    proptest! {
        /// Every bucket of the store that overlaps the stretch lies in one step and no other.
        #[test]
        fn steps_have_each_bucket_once(from in 0i64..1_000_000, length in 0i64..1_000_000, step in 1i64..40) {
            let range = Range { from_ms: from, to_ms: from + length };
            let steps: Vec<_> = range.steps(step * 10_000).collect();
            for bucket in (0..2_100_000).step_by(10_000) {
                let overlaps = bucket + 10_000 > from && bucket <= from + length;
                let found = steps.iter().filter(|(a, b)| bucket + 10_000 > *a && bucket < *b).count();
                prop_assert_eq!(found, usize::from(overlaps), "{}", bucket);
            }
            prop_assert!(LONGEST_MS / 3_600_000 == 744);
        }
    }
}
