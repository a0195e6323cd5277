//! Whether a hop takes longer and longer, or less and less. Pure.

use crate::stats::window::Load;

/// Parts of the time that are looked at.
pub(super) const PARTS: usize = 12;

/// Parts with records in the first third and in the last one that it takes to say anything.
const FEWEST: usize = 2;

/// So many times as long at the end as at the beginning.
const RISES: f64 = 1.25;

/// Where the mean goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trend {
    Rising,
    Falling,
    Flat,
}

impl Trend {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Rising => "rising",
            Self::Falling => "falling",
            Self::Flat => "flat",
        }
    }
}

/// The trend of what went into each part of the time. It rises or falls where the mean of each third says so, in order; `None` while too little is known.
pub(super) fn of(parts: &[Load]) -> Option<Trend> {
    let each = parts.len() / 3;
    let (first, rest) = parts.split_at_checked(each)?;
    let (middle, last) = rest.split_at_checked(rest.len() - each)?;
    let known = |parts: &[Load]| parts.iter().filter(|load| load.count > 0).count();
    if known(first) < FEWEST || known(last) < FEWEST {
        return None;
    }
    let mean = |parts: &[Load]| {
        let all = parts.iter().fold(Load::default(), |sum, load| sum.and(load));
        (all.count > 0).then(|| all.total_ns as f64 / all.count as f64)
    };
    let (a, c) = (mean(first)?, mean(last)?);
    let b = mean(middle).unwrap_or(f64::midpoint(a, c));
    Some(match () {
        () if c > a * RISES && b <= c * 1.1 && b * 1.1 >= a => Trend::Rising,
        () if a > c * RISES && b <= a * 1.1 && b * 1.1 >= c => Trend::Falling,
        () => Trend::Flat,
    })
}

#[cfg(test)]
mod tests {
    use super::{Trend, of};
    use crate::stats::window::Load;
    use proptest::prelude::*;

    fn loads(means: &[u64]) -> Vec<Load> {
        means
            .iter()
            .map(|ns| Load { count: u64::from(*ns > 0) * 10, total_ns: u128::from(*ns) * 10 })
            .collect()
    }

    #[test]
    fn means_that_go_one_way_are_a_trend() {
        for (means, trend) in [
            (&[10, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20][..], Some(Trend::Rising)),
            (&[20, 20, 18, 16, 15, 14, 13, 12, 10, 10, 9, 8], Some(Trend::Falling)),
            (&[10, 11, 10, 11, 10, 11, 10, 11, 10, 11, 10, 11], Some(Trend::Flat)),
            // A burst in the middle is none.
            (&[10, 10, 10, 10, 90, 90, 90, 90, 20, 20, 20, 20], Some(Trend::Flat)),
            (&[0, 0, 0, 10, 10, 10, 10, 10, 20, 20, 20, 20], None),
            (&[10, 10], None),
            (&[], None),
        ] {
            assert_eq!(of(&loads(means)), trend, "{means:?}");
        }
    }

    proptest! {
        /// What rises falls when time runs backwards.
        #[test]
        fn time_has_a_direction(mut means in proptest::collection::vec(0u64..100, 0..30)) {
            let turned = |trend| match trend {
                Some(Trend::Rising) => Some(Trend::Falling),
                Some(Trend::Falling) => Some(Trend::Rising),
                other => other,
            };
            let forward = of(&loads(&means));
            means.reverse();
            prop_assert_eq!(turned(of(&loads(&means))), forward);
        }
    }
}
