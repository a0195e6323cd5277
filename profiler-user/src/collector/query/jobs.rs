//! Which jobs there are.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use serde::Serialize;

use super::context::Context;
use super::params::Params;
use crate::collector::http::ApiError;
use crate::collector::store::JobRow;

/// Jobs in an answer at most: those with the latest traces.
const MOST: usize = 1000;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Job {
    job_id: String,
    parts: u64,
    first_ms: i64,
    last_ms: i64,
}

#[derive(Serialize)]
struct List {
    items: Vec<Job>,
}

pub(super) async fn list(State(context): State<Context>, params: Params) -> Result<Response, ApiError> {
    params.only(&[])?;
    let rows = context.read("jobs", context.store.jobs()).await?;
    let job = |JobRow { job, parts, first_ms, last_ms }| Job { job_id: job, parts, first_ms, last_ms };
    Ok(Json(List { items: rows.into_iter().take(MOST).map(job).collect() }).into_response())
}
