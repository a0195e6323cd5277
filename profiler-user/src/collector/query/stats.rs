//! Figures of every hop and from end to end, by bucket of time and by task, machine or table.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use profiler_common::StageCode;
use serde::Serialize;

use super::context::Context;
use super::params::{Params, short};
use super::pipeline;
use super::range::{FEW_BUCKETS, Range, USUAL_BUCKETS};
use super::series::{self, Budget, Question};
use crate::collector::http::ApiError;
use crate::collector::model::{Dimension, HopKey, StageName};
use crate::collector::sketch;
use crate::trace::Cause;

/// Parameters of the statistics.
pub(super) const PARAMS: &[&str] = &["jobId", "tableId", "fromMs", "toMs", "group", "member", "bucketMs"];

/// How far percentiles are off at most, as a share.
const PRECISION: f64 = 0.008;

/// What durations come to, ns.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Figures {
    count: u64,
    mean_ns: i64,
    p50_ns: i64,
    p95_ns: i64,
    p99_ns: i64,
    max_ns: i64,
}

impl From<sketch::Figures> for Figures {
    fn from(figures: sketch::Figures) -> Self {
        let sketch::Figures { count, mean_ns, p50_ns, p95_ns, p99_ns, max_ns } = figures;
        Self { count, mean_ns, p50_ns, p95_ns, p99_ns, max_ns }
    }
}

/// One end of a hop.
#[derive(Clone, Debug, Serialize)]
pub(super) struct End {
    code: u8,
    name: String,
}

/// The ends of a hop, and what its time goes into; nothing of what is from end to end.
pub(super) fn ends(hop: &HopKey) -> (Option<End>, Option<End>, Option<&'static str>) {
    let end = |StageName { code, name }: &StageName| Some(End { code: *code, name: name.clone() });
    match hop {
        HopKey::EndToEnd => (None, None, None),
        HopKey::Hop { from, to } => {
            (end(from), end(to), Some(Cause::of(StageCode(from.code), StageCode(to.code)).name()))
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Bucket {
    from_ms: i64,
    #[serde(flatten)]
    figures: Figures,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SeriesShape {
    hop: String,
    from: Option<End>,
    to: Option<End>,
    cause: Option<&'static str>,
    member: Option<String>,
    member_name: Option<String>,
    total: Figures,
    buckets: Vec<Bucket>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Stats {
    from_ms: i64,
    to_ms: i64,
    bucket_ms: i64,
    precision: f64,
    series: Vec<SeriesShape>,
}

pub(super) async fn stats(State(context): State<Context>, params: Params) -> Result<Response, ApiError> {
    params.only(PARAMS)?;
    let range = Range::of(&params, context.clock.now_ms())?;
    let (by, member) = dimension(&params)?;
    let usual = if by == Dimension::All || member.is_some() { USUAL_BUCKETS } else { FEW_BUCKETS };
    let bucket_ms = range.bucket_ms(&params, usual)?;
    let job = params.name("jobId")?;
    let question = Question { job: job.clone(), by, member, range, bucket_ms: Some(bucket_ms) };
    let all = series::read(&context, &question, &mut Budget::default()).await?;
    let stages = pipeline::stages(all.keys().map(|(hop, _)| hop));
    let mut ordered: Vec<_> = all.iter().collect();
    ordered.sort_by_key(|((hop, member), _)| (pipeline::place(hop, &stages), member.as_str()));
    let names = |member: &str| {
        let task = member.parse().ok().filter(|_| by == Dimension::Task)?;
        context.mapping.describe(job.as_deref()?, task)
    };
    let shape = |((hop, member), series): (&(HopKey, String), &series::Series)| {
        let (from, to, cause) = ends(hop);
        let bucket = |(from_ms, sketch): (&i64, &sketch::Sketch)| {
            Some(Bucket { from_ms: *from_ms, figures: sketch.figures()?.into() })
        };
        Some(SeriesShape {
            hop: pipeline::name(hop),
            from,
            to,
            cause,
            member: (by != Dimension::All).then(|| member.clone()),
            member_name: names(member),
            total: series.total.figures()?.into(),
            buckets: series.buckets.iter().filter_map(bucket).collect(),
        })
    };
    let series = ordered.into_iter().filter_map(shape).collect();
    let Range { from_ms, to_ms } = range;
    Ok(Json(Stats { from_ms, to_ms, bucket_ms, precision: PRECISION, series }).into_response())
}

/// By what durations are told apart, and whose are wanted: `tableId` alone means that table's.
fn dimension(params: &Params) -> Result<(Dimension, Option<String>), ApiError> {
    let (group, member, table) = (params.one("group")?, params.name("member")?, params.name("tableId")?);
    let by = match group {
        None => None,
        Some(word) => {
            Some(Dimension::from_name(word).filter(|by| *by != Dimension::All).ok_or_else(|| {
                ApiError::bad_request(format!("group is `{}`; it has to be task, host or table", short(word)))
            })?)
        }
    };
    match (by, member, table) {
        (None, Some(_), _) => Err(ApiError::bad_request(
            "member is of no group; add group=task, host or table, or leave it out",
        )),
        (None, None, Some(table)) | (Some(Dimension::Table), None, Some(table)) => {
            Ok((Dimension::Table, Some(table)))
        }
        (Some(_), _, Some(_)) => Err(ApiError::bad_request(
            "statistics are by table or by another group, not both; leave out tableId, or group and member",
        )),
        (by, member, None) => Ok((by.unwrap_or(Dimension::All), member)),
    }
}
