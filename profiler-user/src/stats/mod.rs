//! What many traces come to: durations of every hop, end to end, in queues, in transforms, in the sink.
//!
//! Which traces count: end to end and sink write only written ones. A hop counts whatever became of its record
//! later, for it happened. A hop in which stamps are known to be missing (see [`crate::trace::Hop::has_gap`]) and a sum
//! over such hops count nowhere but in [`Stats::gaps`]. Hops that a branch shares with its parent count once, with the parent.
//! Refuses: unbounded memory, whatever the target does: hops, series and kept traces each have a bound.

pub mod cost;
pub mod keep;
pub mod latency;
pub mod overhead;
pub mod scale;
pub mod series;
pub mod tasks;
pub mod window;

use std::collections::HashMap;

pub use cost::{Cost, Measured, ProbeCost, ProbeHits};
pub use keep::Keep;
pub use latency::{Latencies, LatencyFigures, RecordLatency};
pub use overhead::Prices;
use profiler_common::{Outcome, StageCode};
pub use series::{Figures, Series};
pub use tasks::{Task, TaskFigures, Tasks};
pub use window::{Subject, Windows};

use crate::trace::{Cause, Flags, Trace};

/// Distinct hops told apart: every pair of sixteen stages. With its histogram a hop takes 37 KiB at most.
pub const MAX_HOPS: usize = 256;

/// Statistics over all traces of a session.
#[derive(Clone, Debug, Default)]
pub struct Stats {
    hops: HashMap<(usize, usize), HopSeries>,
    /// Hops that were one kind too many to be told apart.
    pub hops_overflowed: u64,
    /// Hops left out because stamps are missing in them.
    pub gaps: u64,
    /// From S0 to W!, of written traces.
    pub e2e: Series,
    /// See [`Trace::queue_wait_ns`].
    pub queue_wait: Series,
    /// See [`Trace::transform_ns`].
    pub transform: Series,
    /// See [`Trace::sink_write_ns`].
    pub sink_write: Series,
    /// How old records were, by their own time.
    pub record_latency: RecordLatency,
    /// Traces kept whole.
    pub keep: Keep,
    /// The same durations over time.
    pub windows: Windows,
    /// The same by task.
    pub tasks: Tasks,
    /// Sums of the traces' flags.
    pub flags: FlagTotals,
    outcomes: [u64; Outcome::COUNT],
}

/// What the traces' flags add up to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FlagTotals {
    /// See [`Flags::entries_dropped`].
    pub entries_dropped: u64,
    /// See [`Flags::late_stamps`].
    pub late_stamps: u64,
    /// See [`Flags::torn_stamps`].
    pub torn_stamps: u64,
    /// See [`Flags::early_stamps`].
    pub early_stamps: u64,
    /// See [`Flags::keys_dropped`].
    pub keys_dropped: u64,
    /// See [`Flags::branches_dropped`].
    pub branches_dropped: u64,
    /// See [`Flags::batches_dropped`].
    pub batches_dropped: u64,
    /// See [`Flags::attributes_dropped`].
    pub attributes_dropped: u64,
    /// See [`Flags::attributes_unreadable`].
    pub attributes_unreadable: u64,
    /// Journeys with [`Flags::is_partial`].
    pub partial: u64,
}

#[derive(Clone, Debug)]
struct HopSeries {
    codes: (StageCode, StageCode),
    series: Series,
    pairs: overhead::Pairs,
}

/// One kind of hop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HopFigures {
    /// Index of the stage where it starts.
    pub from: usize,
    /// Index of the stage where it ends.
    pub to: usize,
    /// Code of the stage where it starts.
    pub from_code: StageCode,
    /// Code of the stage where it ends.
    pub to_code: StageCode,
    /// Its durations.
    pub figures: Figures,
}

impl HopFigures {
    /// What its time goes into.
    #[must_use]
    pub const fn cause(&self) -> Cause {
        Cause::of(self.from_code, self.to_code)
    }
}

impl Stats {
    /// Adds a trace.
    pub fn add(&mut self, trace: &Trace) {
        if let Some(count) = self.outcomes.get_mut(trace.outcome.index()) {
            *count += 1;
        }
        self.flags.add(trace.flags);
        trace.own_hops().for_each(|hop| self.add_hop(hop));
        for (series, ns) in [
            (&mut self.e2e, trace.e2e_ns()),
            (&mut self.queue_wait, trace.queue_wait_ns()),
            (&mut self.transform, trace.transform_ns()),
            (&mut self.sink_write, trace.sink_write_ns()),
        ] {
            ns.into_iter().for_each(|ns| series.add(ns));
        }
        self.record_latency.add(trace);
        self.keep.add(trace);
        self.windows.add(trace);
        self.tasks.add(trace);
    }

    /// Traces added, of all outcomes.
    #[must_use]
    pub fn traces(&self) -> u64 {
        self.outcomes.iter().sum()
    }

    /// Traces added that ended in `outcome`.
    #[must_use]
    pub fn ended(&self, outcome: Outcome) -> u64 {
        self.outcomes.get(outcome.index()).copied().unwrap_or(0)
    }

    /// Every kind of hop, in the order of the spec's stages.
    #[must_use]
    pub fn hops(&self) -> Vec<HopFigures> {
        let figures = self.hops.iter().filter_map(|(&(from, to), hop)| {
            let (from_code, to_code) = hop.codes;
            Some(HopFigures { from, to, from_code, to_code, figures: hop.series.figures()? })
        });
        let mut hops: Vec<_> = figures.collect();
        hops.sort_unstable_by_key(|hop| (hop.from, hop.to));
        hops
    }

    /// What probes take of a kind of hop on average, ns: see [`overhead`].
    #[must_use]
    pub fn overhead_ns(&self, hop: (usize, usize), prices: &Prices) -> u64 {
        self.hops.get(&hop).map_or(0, |kind| kind.pairs.mean_ns(prices))
    }

    /// Every kind of hop, by the indices of its two stages, with the number of its durations, in the order of the spec's stages.
    #[must_use]
    pub fn hop_counts(&self) -> Vec<((usize, usize), u64)> {
        let mut counts: Vec<_> = self.hops.iter().map(|(hop, of)| (*hop, of.series.count())).collect();
        counts.sort_unstable();
        counts
    }

    fn add_hop(&mut self, hop: crate::trace::Hop<'_>) {
        if hop.has_gap {
            self.gaps += 1;
            return;
        }
        let key = (hop.from.stage, hop.to.stage);
        if self.hops.len() >= MAX_HOPS && !self.hops.contains_key(&key) {
            self.hops_overflowed += 1;
            return;
        }
        let codes = (hop.from.code, hop.to.code);
        let fresh = || HopSeries { codes, series: Series::default(), pairs: overhead::Pairs::default() };
        let kind = self.hops.entry(key).or_insert_with(fresh);
        kind.series.add(hop.ns);
        kind.pairs.add(hop.from.probe, hop.to.probe);
    }
}

impl FlagTotals {
    fn add(&mut self, flags: Flags) {
        let Flags {
            entries_dropped,
            late_stamps,
            torn_stamps,
            early_stamps,
            keys_dropped,
            branches_dropped,
            batches_dropped,
            attributes_dropped,
            attributes_unreadable,
            is_partial,
        } = flags;
        self.entries_dropped += u64::from(entries_dropped);
        self.late_stamps += u64::from(late_stamps);
        self.torn_stamps += u64::from(torn_stamps);
        self.early_stamps += u64::from(early_stamps);
        self.keys_dropped += u64::from(keys_dropped);
        self.branches_dropped += u64::from(branches_dropped);
        self.batches_dropped += u64::from(batches_dropped);
        self.attributes_dropped += u64::from(attributes_dropped);
        self.attributes_unreadable += u64::from(attributes_unreadable);
        self.partial += u64::from(is_partial);
    }
}

#[cfg(test)]
mod tests {
    use super::{Cause, FlagTotals, MAX_HOPS, Outcome, Stats};
    use crate::trace::testing::trace;

    fn counts(stats: &Stats) -> [u64; 4] {
        [&stats.e2e, &stats.queue_wait, &stats.transform, &stats.sink_write].map(super::Series::count)
    }

    #[test]
    fn hops_of_all_outcomes_count_ends_only_of_written_ones() {
        let mut stats = Stats::default();
        stats.add(&trace("S0@0 Q+@10 Q-@30 W!@31", Outcome::Written));
        stats.add(&trace("S0@0 Q+@20 Q-@50", Outcome::Superseded));
        let hops: Vec<_> = stats
            .hops()
            .iter()
            .map(|hop| (hop.from, hop.to, hop.cause(), hop.figures.count, hop.figures.mean_ns))
            .collect();
        assert_eq!(
            hops,
            [(0, 1, Cause::Source, 2, 15), (1, 2, Cause::Queue, 2, 25), (2, 3, Cause::SinkWrite, 1, 1),]
        );
        assert_eq!(counts(&stats), [1, 2, 0, 1]);
        assert_eq!(
            (stats.traces(), stats.ended(Outcome::Written), stats.ended(Outcome::Superseded)),
            (2, 1, 1)
        );
    }

    #[test]
    fn missing_stamps_are_no_hops() {
        let mut stats = Stats::default();
        let mut cut = trace("S0@0 T+@1 T-@2 W!@9", Outcome::Written);
        cut.flags.entries_dropped = 3;
        stats.add(&cut);
        assert_eq!((stats.hops().len(), stats.gaps, counts(&stats)), (2, 1, [1, 0, 0, 0]));
        assert_eq!(stats.flags, FlagTotals { entries_dropped: 3, ..FlagTotals::default() });
    }

    #[test]
    fn kinds_of_hops_are_bounded_and_the_rest_is_counted() {
        let mut stats = Stats::default();
        for stage in 0..MAX_HOPS + 5 {
            let mut one = trace("S0@0 W!@9", Outcome::Written);
            one.stamps[1].stage = stage;
            stats.add(&one);
            stats.add(&one);
        }
        assert_eq!((stats.hops().len(), stats.hops_overflowed), (MAX_HOPS, 10));
        assert!(stats.hops().iter().all(|hop| hop.figures.count == 2));
    }
}
