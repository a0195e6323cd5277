//! The agents: what of each one's stream is here, what is missing, and who lost it; and how far their clocks are apart.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use serde::Serialize;

use super::clocks::{ClockShape, shape};
use super::context::Context;
use super::params::Params;
use crate::collector::http::ApiError;
use crate::collector::store::StreamRow;
use crate::collector::streams::StreamState;

/// Parameters of the list.
pub(super) const PARAMS: &[&str] = &["jobId"];

/// Streams in an answer at most: those with the latest packets.
const MOST: u32 = 1000;

/// Gaps of a stream in an answer at most: the earliest.
const MOST_GAPS: usize = 100;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Agent {
    job_id: String,
    stream: String,
    host: Option<String>,
    agent: Option<u32>,
    version: Option<String>,
    target: Option<String>,
    traces: u64,
    complete_until_ns: Option<String>,
    is_whole: bool,
    is_ended: bool,
    first_received_ms: i64,
    last_received_ms: i64,
    discarded_kernel: u64,
    discarded_by_setting: Option<u64>,
    discarded_agent: u64,
    discarded_packets: u64,
    discarded_in_packets: u64,
    discarded_earlier: u64,
    missing_packets: u64,
    given_up_packets: u64,
    unaccounted_packets: u64,
    unaccounted_traces: Option<u64>,
    gaps: Vec<(u64, u64)>,
}

#[derive(Serialize)]
struct List {
    items: Vec<Agent>,
    clocks: Vec<ClockShape>,
}

pub(super) async fn list(State(context): State<Context>, params: Params) -> Result<Response, ApiError> {
    params.only(PARAMS)?;
    let job = params.name("jobId")?;
    let rows = context.read("streams", context.store.streams(MOST)).await?;
    let wanted = rows.into_iter().filter(|row| job.as_ref().is_none_or(|job| row.job == *job));
    let items = wanted.filter_map(agent).collect();
    let clocks = context.clocks.recent(&context).await.iter().map(shape).collect();
    Ok(Json(List { items, clocks }).into_response())
}

/// `None` where what is stored of it is damaged: nothing can be said of it then.
fn agent(row: StreamRow) -> Option<Agent> {
    let StreamRow { job, stream, state, last_ms } = row;
    let state = StreamState::from_text(&state)?;
    let mut gaps = state.gaps();
    gaps.truncate(MOST_GAPS);
    let known = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
    Some(Agent {
        job_id: job,
        stream: stream.to_string(),
        host: known(&state.host),
        agent: Some(state.agent).filter(|pid| *pid > 0),
        version: known(&state.version),
        target: known(&state.target),
        traces: state.traces,
        complete_until_ns: state.complete_until_ns().map(|ns| ns.to_string()),
        is_whole: state.is_whole(),
        is_ended: state.is_ended(),
        first_received_ms: state.first_received_ms,
        last_received_ms: last_ms,
        discarded_kernel: state.discarded_kernel,
        discarded_by_setting: state.discarded_by_setting,
        discarded_agent: state.discarded_agent,
        discarded_packets: state.discarded_packets,
        discarded_in_packets: state.discarded_in_packets,
        discarded_earlier: state.discarded_earlier,
        missing_packets: state.missing_packets(),
        given_up_packets: state.given_up_packets(),
        unaccounted_packets: state.unaccounted_packets(),
        unaccounted_traces: state.unaccounted_traces(),
        gaps,
    })
}
