//! The worst hops, by their share of all the records' time: what is to blame, whether it is always so, and where it goes.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use serde::Serialize;

use super::context::Context;
use super::judge::Case;
use super::params::Params;
use super::range::Range;
use super::series::{self, AllSeries, Budget, Question};
use super::stats::{End, Figures, ends};
use super::{pipeline, trend};
use crate::collector::http::ApiError;
use crate::collector::model::{Dimension, HopKey};
use crate::verdict::words::{Speech, details, elsewhere, headline};
use crate::verdict::{Course, CourseKind, Verdict, judge_hop};

/// Parameters of the list.
pub(super) const PARAMS: &[&str] = &["jobId", "fromMs", "toMs"];

/// Hops in an answer.
const MOST: usize = 20;

/// Buckets that the course is followed in: more than the parts that it is divided into.
const BUCKETS: i64 = 360;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CourseShape {
    kind: &'static str,
    since_ms: Option<u64>,
    until_ms: Option<u64>,
    is_now: bool,
    period_ms: Option<u64>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Hop {
    rank: usize,
    hop: String,
    from: Option<End>,
    to: Option<End>,
    cause: &'static str,
    blame: &'static str,
    work: String,
    share: f64,
    figures: Figures,
    course: CourseShape,
    trend: Option<&'static str>,
    words: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Bottlenecks {
    from_ms: i64,
    to_ms: i64,
    sentence: String,
    hops: Vec<Hop>,
}

pub(super) async fn bottlenecks(
    State(context): State<Context>,
    params: Params,
) -> Result<Response, ApiError> {
    params.only(PARAMS)?;
    let range = Range::of(&params, context.clock.now_ms())?;
    let job = params.name("jobId")?;
    let bucket_ms = range.width_ms(BUCKETS);
    let question = Question { job, by: Dimension::All, member: None, range, bucket_ms: Some(bucket_ms) };
    let all = series::read(&context, &question, &mut Budget::default()).await?;
    let case = Case::new(&all, range, bucket_ms);
    let Range { from_ms, to_ms } = range;
    let (sentence, hops) = ranked(&case, &all);
    Ok(Json(Bottlenecks { from_ms, to_ms, sentence, hops }).into_response())
}

/// What is said of the worst, and all of them, the worst first: of equal ones the first in the pipeline.
fn ranked(case: &Case, all: &AllSeries) -> (String, Vec<Hop>) {
    let evidence = case.evidence();
    let mut worst: Vec<_> = case.hops.iter().filter(|hop| hop.figures.total_ns > 0).collect();
    worst.sort_by_key(|hop| std::cmp::Reverse(hop.figures.total_ns));
    worst.truncate(MOST);
    let verdicts: Vec<Verdict> = worst.iter().map(|hop| judge_hop(&evidence, &case.hops, hop)).collect();
    let label = |hop| case.name(hop);
    let speech = Speech { hop: &label, ascii: false };
    let sentence = verdicts.first().map_or_else(
        || "No journeys of which hops are known ended in this time.".to_owned(),
        |verdict| {
            let mut text = headline(verdict, &speech) + ".";
            details(verdict, &speech).iter().for_each(|more| text += &format!(" {more}"));
            elsewhere(verdict).into_iter().for_each(|more| text += &format!(" {more}"));
            text
        },
    );
    let hops = (1..).zip(&verdicts).filter_map(|(rank, verdict)| shape(rank, verdict, case, all, &speech));
    (sentence, hops.collect())
}

fn shape(rank: usize, verdict: &Verdict, case: &Case, all: &AllSeries, speech: &Speech<'_>) -> Option<Hop> {
    let key: HopKey = case.key(verdict.hop)?;
    let figures = all.get(&(key.clone(), String::new()))?.total.figures()?;
    let (from, to, _) = ends(&key);
    Some(Hop {
        rank,
        hop: pipeline::name(&key),
        from,
        to,
        cause: verdict.cause.name(),
        blame: verdict.class.name(),
        work: case.name(verdict.work()),
        share: verdict.share,
        figures: figures.into(),
        course: course(&verdict.course),
        trend: trend::of(&case.loads(verdict.hop, trend::PARTS)).map(trend::Trend::name),
        words: headline(verdict, speech) + ".",
    })
}

fn course(course: &Course) -> CourseShape {
    let ms = |ns: u64| ns / 1_000_000;
    let is_known = course.kind != CourseKind::Early;
    CourseShape {
        kind: if is_known { course.kind.name() } else { "early" },
        since_ms: is_known.then_some(ms(course.since_ns)),
        until_ms: is_known.then_some(ms(course.until_ns)),
        is_now: course.is_now,
        period_ms: course.period_ns.map(ms),
    }
}
