//! Rollups as evidence for the verdict: the agent's own reasoning, over many machines. Pure.

use profiler_common::StageCode;

use super::pipeline;
use super::range::Range;
use super::series::{AllSeries, Series};
use crate::collector::model::{HopKey, StageName};
use crate::collector::sketch::{Sketch, middle_ns};
use crate::stats::window::Sum;
use crate::stats::{Figures, HopFigures, Stats, Subject};
use crate::verdict::{Evidence, Hop};

/// Hops that are judged: those that take the most. As many as are followed over time.
const MOST_HOPS: usize = crate::stats::window::MAX_LANES;

/// What is judged.
pub(super) struct Case {
    stages: Vec<StageName>,
    /// The hops, in the order of the pipeline.
    pub(super) hops: Vec<HopFigures>,
    stats: Stats,
    span_ns: (u64, u64),
}

impl Case {
    /// The case of series that were read in buckets of `bucket_ms`.
    pub(super) fn new(all: &AllSeries, range: Range, bucket_ms: i64) -> Self {
        let mut largest: Vec<(&HopKey, &Series)> =
            all.iter().map(|((hop, _), series)| (hop, series)).collect();
        largest.retain(|(hop, _)| matches!(hop, HopKey::Hop { .. }));
        largest.sort_by_key(|(_, series)| std::cmp::Reverse(series.total.total_ns()));
        largest.truncate(MOST_HOPS);
        let stages = pipeline::stages(largest.iter().map(|(hop, _)| *hop));
        let figures = |(hop, series): &(&HopKey, &Series)| hop_figures(hop, &series.total, &stages);
        let mut hops: Vec<HopFigures> = largest.iter().filter_map(figures).collect();
        hops.sort_unstable_by_key(|hop| (hop.from, hop.to));
        let stats = over_time(&largest, &stages, range, bucket_ms);
        let span_ns = (to_ns(range.from_ms), to_ns(range.to_ms + 1));
        Self { stages, hops, stats, span_ns }
    }

    /// What the verdict is made from. How often stages were hit is not known here: nothing is said of how busy workers are.
    pub(super) fn evidence(&self) -> Evidence<'_> {
        Evidence {
            stats: &self.stats,
            span_ns: Some(self.span_ns),
            hits: &[],
            // Nor is the spec.
            fills: &[],
            hits_ns: 0,
            past_from_ns: None,
        }
    }

    /// The hop of two stages.
    pub(super) fn key(&self, (from, to): Hop) -> Option<HopKey> {
        Some(HopKey::Hop { from: self.stages.get(from)?.clone(), to: self.stages.get(to)?.clone() })
    }

    /// What it is called.
    pub(super) fn name(&self, hop: Hop) -> String {
        self.key(hop).as_ref().map(pipeline::name).unwrap_or_default()
    }

    /// Its durations over the time that is judged, in so many parts at most.
    pub(super) fn loads(&self, (from, to): Hop, most: usize) -> Vec<crate::stats::window::Load> {
        let (from_ns, to_ns) = self.span_ns;
        self.stats.windows.loads(Subject::Hop(from, to), from_ns, to_ns, most)
    }
}

fn to_ns(ms: i64) -> u64 {
    u64::try_from(ms).unwrap_or(0).saturating_mul(1_000_000)
}

fn at(stages: &[StageName], hop: &HopKey) -> Option<Hop> {
    let HopKey::Hop { from, to } = hop else { return None };
    let place = |stage: &StageName| stages.iter().position(|known| known == stage);
    Some((place(from)?, place(to)?))
}

fn hop_figures(hop: &HopKey, sketch: &Sketch, stages: &[StageName]) -> Option<HopFigures> {
    let (from, to) = at(stages, hop)?;
    let code = |place: usize| stages.get(place).map(|stage| StageCode(stage.code));
    let figures = sketch.figures()?;
    // Of clocks that disagree a duration may be negative: as no time, it does the least harm to shares.
    let ns = |ns: i64| u64::try_from(ns).unwrap_or(0);
    let figures = Figures {
        count: figures.count,
        total_ns: u128::try_from(sketch.total_ns()).unwrap_or(0),
        mean_ns: ns(figures.mean_ns),
        p50_ns: ns(figures.p50_ns),
        p95_ns: ns(figures.p95_ns),
        p99_ns: ns(figures.p99_ns),
        max_ns: ns(figures.max_ns),
    };
    Some(HopFigures { from, to, from_code: code(from)?, to_code: code(to)?, figures })
}

/// The hops' durations over time, as the agent keeps them. A bucket counts in its middle.
fn over_time(hops: &[(&HopKey, &Series)], stages: &[StageName], range: Range, bucket_ms: i64) -> Stats {
    let mut stats = Stats::default();
    let mut buckets: Vec<(i64, Hop, &Sketch)> = Vec::new();
    for (hop, series) in hops {
        let Some(hop) = at(stages, hop) else { continue };
        buckets.extend(series.buckets.iter().map(|(start_ms, sketch)| (*start_ms, hop, sketch)));
    }
    buckets.sort_unstable_by_key(|(start_ms, hop, _)| (*start_ms, *hop));
    for (start_ms, (from, to), sketch) in buckets {
        let middle_ms = (start_ms + bucket_ms / 2).clamp(range.from_ms, range.to_ms);
        let mut sum = Sum::default();
        let cells = sketch.cells().map(|(step, count)| (middle_ns(step), count));
        let total_ns = u128::try_from(sketch.total_ns()).unwrap_or(0);
        let max_ns = sketch.figures().and_then(|figures| u64::try_from(figures.max_ns).ok()).unwrap_or(0);
        sum.add_many(cells, total_ns, max_ns);
        stats.windows.add_sum(Subject::Hop(from, to), to_ns(middle_ms), &sum);
    }
    stats.windows.advance(to_ns(range.to_ms));
    stats
}
