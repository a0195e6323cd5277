//! Rollups, read step by step and added up to what an answer needs: no more is held than that.

use std::collections::BTreeMap;

use super::context::Context;
use super::range::Range;
use crate::collector::http::ApiError;
use crate::collector::model::{Dimension, HopKey};
use crate::collector::sketch::Sketch;
use crate::collector::store::{Rollup, RollupFilter, Width};

/// Buckets that one step of reading covers: all together there are few rollups, and by member there may be many.
const STEP: i64 = 2160;
const STEP_BY_MEMBER: i64 = 60;

/// Histograms in one answer.
const MOST_SKETCHES: usize = 50_000;

/// Rollups that one answer may read: some seconds' work.
const MOST_ROLLUPS: usize = 4_000_000;

/// What one answer may still read.
#[derive(Debug)]
pub(super) struct Budget(usize);

impl Default for Budget {
    fn default() -> Self {
        Self(MOST_ROLLUPS)
    }
}

impl Budget {
    fn take(&mut self, rollups: usize) -> Result<(), ApiError> {
        self.0 = self.0.checked_sub(rollups).ok_or_else(too_much)?;
        Ok(())
    }
}

fn too_much() -> ApiError {
    ApiError::bad_request(
        "there is more in this than one answer reads or holds; ask for a shorter time, a larger bucketMs, one job, or one member",
    )
}

/// Which durations.
#[derive(Clone, Debug)]
pub(super) struct Question {
    pub(super) job: Option<String>,
    pub(super) by: Dimension,
    pub(super) member: Option<String>,
    pub(super) range: Range,
    /// How wide buckets are; none are told apart when `None`.
    pub(super) bucket_ms: Option<i64>,
}

/// Durations of one kind and member.
#[derive(Clone, Debug, Default)]
pub(super) struct Series {
    /// All of them.
    pub(super) total: Sketch,
    /// By the start of their bucket, ms.
    pub(super) buckets: BTreeMap<i64, Sketch>,
}

/// By kind, and by member of the dimension.
pub(super) type AllSeries = BTreeMap<(HopKey, String), Series>;

/// Reads what a question asks for, as far as the budget of its answer goes.
pub(super) async fn read(
    context: &Context,
    question: &Question,
    budget: &mut Budget,
) -> Result<AllSeries, ApiError> {
    let Question { job, by, member, .. } = question;
    let (mut all, mut sketches) = (AllSeries::new(), 0);
    for (width, from_ms, to_ms) in steps(question) {
        let filter =
            RollupFilter { job: job.clone(), from_ms, to_ms, by: *by, member: member.clone(), width };
        let rollups = context.read("rollups", context.store.rollups(&filter)).await?;
        budget.take(rollups.len())?;
        sketches += rollups.iter().map(|rollup| add(&mut all, rollup, question)).sum::<usize>();
        if sketches > MOST_SKETCHES {
            return Err(too_much());
        }
    }
    Ok(all)
}

/// What is read, in steps: the widest buckets that lie whole in those that are wanted, and at both ends of the time the narrowest.
fn steps(question: &Question) -> impl Iterator<Item = (Width, i64, i64)> {
    let Question { by, range, bucket_ms, .. } = question;
    let Range { from_ms, to_ms } = *range;
    let fits = |width: &Width| bucket_ms.is_none_or(|wanted| wanted % width.ms() == 0);
    let wide = Width::EACH.into_iter().rev().find(fits).unwrap_or_default();
    let (first, end) = (wide.start_ms(from_ms + wide.ms() - 1), wide.start_ms(to_ms + 1));
    let pieces = if wide == Width::default() || first >= end {
        vec![(Width::default(), *range)]
    } else {
        let of = |width, from_ms, end| (width, Range { from_ms, to_ms: end - 1 });
        vec![of(Width::default(), from_ms, first), of(wide, first, end), of(Width::default(), end, to_ms + 1)]
    };
    let buckets = if *by == Dimension::All { STEP } else { STEP_BY_MEMBER };
    let pieces = pieces.into_iter().filter(|(_, piece)| piece.from_ms <= piece.to_ms);
    pieces.flat_map(move |(width, piece)| {
        piece.steps(buckets * width.ms()).map(move |(from_ms, to_ms)| (width, from_ms, to_ms))
    })
}

/// Adds a rollup; how many histograms more there are then.
fn add(all: &mut AllSeries, rollup: &Rollup, question: &Question) -> usize {
    let Rollup { bucket_ms, hop, member, sketch } = rollup;
    let (before, series) = (all.len(), all.entry((hop.clone(), member.clone())).or_default());
    let buckets = series.buckets.len();
    series.total.merge(sketch);
    if let Some(width) = question.bucket_ms {
        series.buckets.entry(bucket_ms.div_euclid(width) * width).or_default().merge(sketch);
    }
    let more = series.buckets.len() - buckets;
    more + all.len() - before
}

#[cfg(test)]
mod tests {
    use super::{AllSeries, Budget, Question, add, read, steps};
    use crate::collector::model::{Dimension, HopKey};
    use crate::collector::query::range::Range;
    use crate::collector::query::testing::{START_MS, later, part};
    use crate::collector::query::tests::context;
    use proptest::prelude::*;

    proptest! {
        /// However the time is divided, each journey is in one bucket, and percentiles are those of the exact list within the histogram's error.
        #[test]
        fn buckets_add_up_to_the_exact_durations(
            journeys in proptest::collection::vec((0i64..3_000_000, 1i64..5_000_000_000), 1..60), width in 1i64..50
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let parts: Vec<_> = journeys.iter().enumerate().map(|(id, (ms, ns))| {
                later(part(id as u64, &format!("S0@0 W!@{ns}")), *ms)
            }).collect();
            let ends: Vec<i64> = parts.iter().map(|part| part.end_ns / 1_000_000).collect();
            let (context, _) = context(parts);
            let range = Range { from_ms: START_MS, to_ms: START_MS + 3_600_000 };
            let question = Question {
                job: None, by: Dimension::All, member: None, range, bucket_ms: Some(width * 10_000)
            };
            let found = runtime.block_on(read(&context, &question, &mut Budget::default())).unwrap();
            let series = &found[&(HopKey::EndToEnd, String::new())];
            let mut durations: Vec<i64> = journeys.iter().map(|(_, ns)| *ns).collect();
            durations.sort_unstable();
            prop_assert_eq!(series.total.count(), durations.len() as u64);
            prop_assert_eq!(series.total.total_ns(), durations.iter().map(|ns| i128::from(*ns)).sum::<i128>());
            for percent in [50u8, 95, 99] {
                let exact = durations[(usize::from(percent) * durations.len()).div_ceil(100) - 1];
                prop_assert!((series.total.percentile_ns(percent) - exact).abs() <= exact / 125);
            }
            for (start, sketch) in &series.buckets {
                let inside = |end: &&i64| (*start..start + width * 10_000).contains(*end);
                prop_assert_eq!(sketch.count(), ends.iter().filter(inside).count() as u64);
            }
            prop_assert_eq!(series.buckets.values().map(|sketch| sketch.count()).sum::<u64>(), series.total.count());
        }
    }

    proptest! {
        /// Each of the narrowest buckets that overlap the time is read once, alone or in a wider one, which lies in the time and in one of those that are wanted.
        #[test]
        fn every_bucket_is_read_once(from in 0i64..9_000, length in 0i64..9_000, odd in 0i64..3, wanted in proptest::option::of(1i64..9)) {
            let range = Range { from_ms: from * 5_000 + odd, to_ms: from * 5_000 + odd + length * 5_000 };
            let bucket_ms = wanted.map(|times| times * [10_000, 300_000, 3_600_000][(times % 3) as usize]);
            let question = Question { job: None, by: Dimension::All, member: None, range, bucket_ms };
            let steps: Vec<_> = steps(&question).collect();
            for bucket in (0..(from + length + 5) * 5_000).step_by(10_000) {
                let overlaps = bucket + 10_000 > range.from_ms && bucket <= range.to_ms;
                let found: Vec<_> = steps.iter().filter(|(width, a, b)| {
                    let start = width.start_ms(bucket);
                    start + width.ms() > *a && start < *b
                }).collect();
                prop_assert_eq!(found.len(), usize::from(overlaps), "{} {:?}", bucket, steps);
                if let Some(wanted) = bucket_ms {
                    prop_assert!(found.iter().all(|(width, ..)| wanted % width.ms() == 0));
                }
            }
        }
    }

    #[tokio::test]
    async fn an_answer_reads_no_more_than_its_budget() {
        let parts = (0..20).map(|n| later(part(n, "S0@0 W!@5"), 60_000 * n as i64)).collect();
        let (context, _) = context(parts);
        let range = Range { from_ms: START_MS, to_ms: START_MS + 3_600_000 };
        let question = Question { job: None, by: Dimension::All, member: None, range, bucket_ms: None };
        // A hop and the whole of each.
        let mut budget = Budget(40);
        assert_eq!(read(&context, &question, &mut budget).await.unwrap().len(), 2);
        let error = read(&context, &question, &mut budget).await.unwrap_err();
        assert!(error.message.contains("ask for a shorter time"), "{error:?}");
    }

    #[test]
    fn histograms_are_counted() {
        let rollup = |bucket_ms, member: &str| crate::collector::store::Rollup {
            bucket_ms,
            hop: HopKey::EndToEnd,
            member: member.to_owned(),
            sketch: crate::collector::sketch::Sketch::default(),
        };
        let range = Range { from_ms: 0, to_ms: 1 };
        let question =
            Question { job: None, by: Dimension::Task, member: None, range, bucket_ms: Some(20_000) };
        let mut all = AllSeries::new();
        let counts = [rollup(0, "1"), rollup(10_000, "1"), rollup(20_000, "1"), rollup(0, "2")]
            .map(|rollup| add(&mut all, &rollup, &question));
        assert_eq!(counts, [2, 0, 1, 2]);
    }
}
