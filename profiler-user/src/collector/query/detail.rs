//! One trace with everything in it, put together from all its parts.

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use serde::Serialize;

use super::clocks::{ClockShape, shape};
use super::context::Context;
use super::params::{Params, short};
use super::shapes::{self, Branch, Extras, PartShape, Stamp, Summary, TaskNames};
use crate::collector::http::ApiError;
use crate::collector::merge::{Journey, Merged, merge};
use crate::collector::model::{Certainty, Part};
use crate::trace::BranchPath;

/// Parameters of one trace.
pub(super) const PARAMS: &[&str] = &["jobId", "sinkTaskId", "branch"];

/// Parts that are put together. Who gives more of them one id does not tell records apart.
const MOST_PARTS: usize = 1000;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Detail<'a> {
    trace: Summary<'a>,
    entries: Vec<Stamp<'a>>,
    parts: Vec<PartShape<'a>>,
    branches: Vec<Branch<'a>>,
    #[serde(flatten)]
    extras: Extras<'a>,
    clocks: Vec<ClockShape>,
    order: &'static str,
    other_jobs: Vec<String>,
    left_out: usize,
}

/// What is not shown: other jobs with a trace of the same id, and how many parts.
struct Others {
    jobs: Vec<String>,
    parts: usize,
}

/// Which of the trace's journeys is asked for.
struct Wanted {
    sink_task: Option<i64>,
    branch: Option<BranchPath>,
}

pub(super) async fn one(
    State(context): State<Context>,
    id: Result<Path<String>, PathRejection>,
    params: Params,
) -> Result<Response, ApiError> {
    let Path(id) =
        id.map_err(|_| ApiError::bad_request("the trace id cannot be read; it is a whole number"))?;
    params.only(PARAMS)?;
    let job = params.name("jobId")?;
    let wanted = Wanted {
        sink_task: params.number("sinkTaskId", i64::MIN, i64::MAX)?,
        branch: params.branch("branch")?,
    };
    let trace_id = trace_id(&id)?;
    let found = context.read("trace", context.store.parts(job.as_deref(), trace_id)).await?;
    let (mut parts, other_jobs) = of_one_job(found);
    let others = Others { jobs: other_jobs, parts: parts.len().saturating_sub(MOST_PARTS) };
    parts.truncate(MOST_PARTS);
    let names = names(&context, &parts).await;
    answer(&context, &parts, others, &wanted, &names)
        .ok_or_else(|| ApiError::not_found(missing(&id, job.as_deref(), &wanted)))
}

fn trace_id(text: &str) -> Result<u64, ApiError> {
    text.parse::<u64>().ok().filter(|id| *id < 1 << 63).ok_or_else(|| {
        let shown = short(text);
        ApiError::bad_request(format!("`{shown}` is no trace id; it is a whole number from 0 to 2^63-1"))
    })
}

fn missing(id: &str, job: Option<&str>, wanted: &Wanted) -> String {
    let mut text = format!("there is no trace {id}");
    if let Some(job) = job {
        text += &format!(" of job {job}");
    }
    if let Some(branch) = wanted.branch {
        text += &format!(" with a branch {branch}");
    }
    if let Some(task) = wanted.sink_task {
        text += &format!(" that ended in task {task}");
    }
    text + "; it did not come, or retention has removed it"
}

/// The parts of the job that got one last, and the names of other jobs that have a trace of the same id.
fn of_one_job(parts: Vec<Part>) -> (Vec<Part>, Vec<String>) {
    let newest = parts.iter().max_by_key(|part| part.received_ms).map(|part| part.key.job.clone());
    let (own, others): (Vec<Part>, Vec<Part>) =
        parts.into_iter().partition(|part| Some(&part.key.job) == newest.as_ref());
    let mut jobs: Vec<String> = others.into_iter().map(|part| part.key.job).collect();
    jobs.sort_unstable();
    jobs.dedup();
    (own, jobs)
}

/// What an engine calls the tasks, where there is one.
async fn names(context: &Context, parts: &[Part]) -> TaskNames {
    let Some(first) = parts.first() else { return TaskNames::new() };
    context.mapping.learn(parts);
    let tasks = parts.iter().flat_map(|part| &part.entries).map(|entry| entry.task).collect();
    context.mapping.engine_names(&first.key.job, &tasks).await
}

fn answer(
    context: &Context,
    parts: &[Part],
    others: Others,
    wanted: &Wanted,
    names: &TaskNames,
) -> Option<Response> {
    let offsets = context.clocks.with(&merge(parts, &[]));
    let merged = merge(parts, &offsets);
    let at = chosen(&merged, wanted)?;
    let journey = merged.journeys.get(at)?;
    let hosts: Vec<&str> = parts.iter().map(|part| part.host.as_str()).collect();
    let seen = |host: &str| hosts.contains(&host);
    let clocks = offsets.iter().filter(|offset| seen(&offset.from_host) && seen(&offset.to_host));
    let detail = Detail {
        trace: shapes::merged_summary(journey, parts)?,
        entries: shapes::stamps(journey, parts, names),
        parts: shapes::parts(parts, names),
        branches: shapes::branches(&merged, at, names),
        extras: Extras::of(journey, parts),
        clocks: clocks.map(shape).collect(),
        order: match journey.certainty {
            Certainty::Stages => "stages",
            Certainty::Clocks => "clocks",
        },
        other_jobs: others.jobs,
        left_out: others.parts,
    };
    Some(Json(detail).into_response())
}

/// The place of the journey that is asked for: the record's own where nothing is said.
fn chosen(merged: &Merged<'_>, wanted: &Wanted) -> Option<usize> {
    let fits = |journey: &Journey<'_>| {
        let ends = |task: i64| {
            journey.parts.iter().filter_map(|at| merged.parts.get(*at)).any(|part| part.key.sink_task == task)
        };
        wanted.branch.is_none_or(|branch| journey.branch == branch) && wanted.sink_task.is_none_or(ends)
    };
    merged.journeys.iter().position(fits)
}
