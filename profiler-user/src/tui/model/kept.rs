//! The traces that are kept whole: the latest, and the slowest of every few seconds, so that any time window has its slowest.
//!
//! Refuses: unbounded memory. A trace is shared, not copied; what is kept is bounded in number and in stamps.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use crate::trace::{BranchPath, Trace};

/// The latest ones.
const LATEST: usize = 2048;

/// The slowest ones of each slice of time.
const SLOWEST: usize = 16;

/// How long a slice is, ns.
const SLICE_NS: u64 = 10_000_000_000;

/// Slices, the last ones: an hour.
const SLICES: usize = 360;

/// Stamps of all that is kept: 24 MiB of them.
const MAX_STAMPS: usize = (24 << 20) / size_of::<crate::trace::Stamp>();

/// What a journey is known by.
pub type TraceId = (u64, BranchPath);

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct Kept {
    latest: VecDeque<Arc<Trace>>,
    slices: VecDeque<Slice>,
    stamps: usize,
}

/// The slowest that ended in one slice, the slowest first.
#[derive(Clone, Debug)]
struct Slice {
    number: u64,
    slowest: Vec<Arc<Trace>>,
}

/// How long a journey took, whatever became of it, ns.
#[must_use]
pub fn age_ns(trace: &Trace) -> u64 {
    trace.end_ns.saturating_sub(trace.start_ns)
}

impl Kept {
    /// Looks at one more.
    pub fn add(&mut self, trace: &Arc<Trace>) {
        self.stamps += trace.stamps.len();
        self.latest.push_back(Arc::clone(trace));
        if self.latest.len() > LATEST {
            self.drop_latest();
        }
        self.add_slow(trace);
        while self.stamps > MAX_STAMPS && self.latest.len() > 1 {
            self.drop_latest();
        }
        while self.stamps > MAX_STAMPS && self.slices.len() > 1 {
            self.drop_slice();
        }
    }

    fn add_slow(&mut self, trace: &Arc<Trace>) {
        // A slot that no trace of its time came to: the order of ends is not quite that of arrival.
        let number = (trace.end_ns / SLICE_NS).max(self.slices.back().map_or(0, |slice| slice.number));
        if self.slices.back().is_none_or(|slice| slice.number < number) {
            self.slices.push_back(Slice { number, slowest: Vec::new() });
            if self.slices.len() > SLICES {
                self.drop_slice();
            }
        }
        let Some(slice) = self.slices.back_mut() else { return };
        let place = slice.slowest.partition_point(|kept| age_ns(kept) >= age_ns(trace));
        if place < SLOWEST {
            slice.slowest.insert(place, Arc::clone(trace));
            self.stamps += trace.stamps.len();
            if slice.slowest.len() > SLOWEST {
                self.stamps -= slice.slowest.pop().map_or(0, |trace| trace.stamps.len());
            }
        }
    }

    fn drop_latest(&mut self) {
        self.stamps -= self.latest.pop_front().map_or(0, |trace| trace.stamps.len());
    }

    fn drop_slice(&mut self) {
        let slice = self.slices.pop_front();
        self.stamps -= slice.map_or(0, |slice| slice.slowest.iter().map(|trace| trace.stamps.len()).sum());
    }

    /// The latest that ended in a time window, the latest first.
    pub fn latest(&self, from_ns: u64, to_ns: u64) -> impl Iterator<Item = &Arc<Trace>> {
        self.latest.iter().rev().filter(move |trace| (from_ns..=to_ns).contains(&trace.end_ns))
    }

    /// The slowest that ended in a time window, the slowest first.
    #[must_use]
    pub fn slowest(&self, from_ns: u64, to_ns: u64) -> Vec<&Arc<Trace>> {
        let slices = self.slices.iter().flat_map(|slice| &slice.slowest);
        let mut seen: BTreeSet<TraceId> = BTreeSet::new();
        let mut traces: Vec<_> = slices
            .chain(&self.latest)
            .filter(|trace| {
                (from_ns..=to_ns).contains(&trace.end_ns) && seen.insert((trace.id, trace.branch))
            })
            .collect();
        traces.sort_by_key(|trace| std::cmp::Reverse((age_ns(trace), trace.end_ns)));
        traces
    }

    /// The journeys of one trace that are kept; some of them twice.
    pub fn of_trace(&self, id: u64) -> impl Iterator<Item = &Arc<Trace>> {
        let slow = self.slices.iter().flat_map(|slice| &slice.slowest);
        self.latest.iter().chain(slow).filter(move |trace| trace.id == id)
    }

    #[cfg(test)]
    fn find(&self, (id, branch): TraceId) -> Option<&Arc<Trace>> {
        let slow = self.slices.iter().flat_map(|slice| &slice.slowest);
        self.latest.iter().rev().chain(slow).find(|trace| trace.id == id && trace.branch == branch)
    }
}

#[cfg(test)]
mod tests {
    use super::{Arc, Kept, LATEST, MAX_STAMPS, SLICE_NS, SLICES};
    use crate::trace::Trace;
    use crate::trace::testing::trace;
    use profiler_common::Outcome;

    fn kept(id: u64, end_ns: u64, took_ns: u64) -> Arc<Trace> {
        let text = format!("S0@{} W!@{end_ns}", end_ns - took_ns);
        Arc::new(Trace { id, ..trace(&text, Outcome::Written) })
    }

    #[test]
    fn any_window_has_its_slowest() {
        let mut all = Kept::default();
        for id in 0..10_000u64 {
            // A slow one each hundred, ever slower; then thousands of quick ones.
            let took = if id % 100 == 0 { 1_000_000 + id } else { 50 };
            all.add(&kept(id, (id + 1) * SLICE_NS / 200, took));
        }
        let ids = |traces: Vec<&Arc<Trace>>| traces.into_iter().map(|trace| trace.id).collect::<Vec<_>>();
        assert_eq!(ids(all.slowest(0, u64::MAX))[..3], [9900, 9800, 9700]);
        assert_eq!(ids(all.slowest(0, 10 * SLICE_NS))[..3], [1900, 1800, 1700]);
        let latest: Vec<_> = all.latest(0, 9_990 * SLICE_NS / 200).map(|trace| trace.id).take(2).collect();
        assert_eq!(latest, [9989, 9988]);
        assert_eq!(all.latest.len(), LATEST);
        assert!(all.find((200, crate::trace::BranchPath::ROOT)).is_some());
        assert!(all.find((350, crate::trace::BranchPath::ROOT)).is_none());
    }

    #[test]
    fn memory_is_bounded_in_traces_and_in_stamps() {
        let mut all = Kept::default();
        for id in 0..8_000 {
            all.add(&kept(id, (id + 1) * SLICE_NS, 10));
        }
        assert_eq!((all.slices.len(), all.latest.len()), (SLICES, LATEST));
        let mut long = trace("S0@10 W!@20", Outcome::Written);
        long.stamps = vec![long.stamps[0]; MAX_STAMPS / 100];
        for id in 0..500u64 {
            all.add(&Arc::new(Trace { id, end_ns: (9_000 + id) * SLICE_NS, ..long.clone() }));
        }
        let held = all.latest.iter().chain(all.slices.iter().flat_map(|slice| &slice.slowest));
        assert_eq!(held.map(|trace| trace.stamps.len()).sum::<usize>(), all.stamps);
        assert!(all.stamps <= MAX_STAMPS);
    }
}
