//! The traces that are kept whole: the slowest written ones and the latest ones, both bounded.

use std::collections::VecDeque;

use crate::trace::Trace;

/// How many of the slowest are kept.
pub const SLOWEST: usize = 8;

/// How many of the latest are kept.
pub const LATEST: usize = 64;

/// Traces kept whole.
#[derive(Clone, Debug, Default)]
pub struct Keep {
    slowest: Vec<Trace>,
    latest: VecDeque<Trace>,
}

impl Keep {
    /// Looks at one more trace.
    pub fn add(&mut self, trace: &Trace) {
        self.add_slowest(trace);
        if self.latest.len() == LATEST
            && let Some(mut oldest) = self.latest.pop_front()
        {
            // Its allocation serves again.
            oldest.clone_from(trace);
            self.latest.push_back(oldest);
        } else {
            self.latest.push_back(trace.clone());
        }
    }

    /// The slowest written traces, the slowest first; of equally slow ones the earlier first.
    #[must_use]
    pub fn slowest(&self) -> &[Trace] {
        &self.slowest
    }

    /// The latest traces of any outcome, the oldest first.
    pub fn latest(&self) -> impl DoubleEndedIterator<Item = &Trace> {
        self.latest.iter()
    }

    fn add_slowest(&mut self, trace: &Trace) {
        let Some(ns) = trace.e2e_ns() else { return };
        let place = self.slowest.partition_point(|kept| kept.e2e_ns() >= Some(ns));
        if place < SLOWEST {
            self.slowest.truncate(SLOWEST - 1);
            self.slowest.insert(place, trace.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Keep, LATEST, SLOWEST};
    use crate::trace::testing::trace;
    use profiler_common::Outcome;

    #[test]
    fn keeps_the_slowest_and_the_latest() {
        let mut keep = Keep::default();
        for index in 0..100u64 {
            let end = 1000 + (index * 37) % 100;
            let mut trace = trace(&format!("S0@1000 W!@{end}"), Outcome::Written);
            trace.id = index;
            keep.add(&trace);
        }
        keep.add(&trace("S0@0 drop@9999", Outcome::Filtered));
        let slow: Vec<_> = keep.slowest().iter().filter_map(|trace| trace.e2e_ns()).collect();
        assert_eq!(slow, [99, 98, 97, 96, 95, 94, 93, 92]);
        assert_eq!(slow.len(), SLOWEST);
        assert_eq!(keep.latest().count(), LATEST);
        assert_eq!(keep.latest().next().map(|trace| trace.id), Some(37));
        assert_eq!(keep.latest().next_back().map(|trace| trace.outcome), Some(Outcome::Filtered));
    }

    #[test]
    fn of_equally_slow_ones_the_earlier_stay() {
        let mut keep = Keep::default();
        for id in 0..20 {
            keep.add(&crate::trace::Trace { id, ..trace("S0@0 W!@5", Outcome::Written) });
        }
        assert_eq!(keep.slowest().iter().map(|trace| trace.id).collect::<Vec<_>>(), [0, 1, 2, 3, 4, 5, 6, 7]);
    }
}
