//! The list of traces, by what they are asked for.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use profiler_common::StageCode;
use serde::Serialize;

use super::context::Context;
use super::cursor;
use super::params::{Params, short};
use super::range::bounds;
use super::shapes::{Summary, summary};
use crate::collector::http::ApiError;
use crate::collector::store::{Cursor, Filter, Page};

/// Parameters of the list.
pub(super) const PARAMS: &[&str] = &[
    "jobId",
    "tableId",
    "fromMs",
    "toMs",
    "stage",
    "outcome",
    "task",
    "host",
    "minLatencyMs",
    "attribute",
    "limit",
    "offset",
    "cursor",
];

/// Traces of a page: what the contract says.
const LIMIT: u32 = 100;

/// The same at most.
const MAX_LIMIT: u32 = 2000;

/// How far an offset may go: a cursor goes on from any place at the same cost.
const MAX_OFFSET: u32 = 1_000_000;

/// Attributes that one question may name.
const MAX_ATTRIBUTES: usize = 8;

#[derive(Serialize)]
struct List<'a> {
    count: usize,
    total: u64,
    items: Vec<Summary<'a>>,
    next: Option<String>,
}

pub(super) async fn list(State(context): State<Context>, params: Params) -> Result<Response, ApiError> {
    let (filter, page) = question(&params)?;
    let found = context.read("traces", context.store.traces(&filter, &page)).await?;
    let items: Vec<Summary<'_>> = found.items.iter().map(summary).collect();
    let next = found.next.as_ref().map(cursor::to_text);
    Ok(Json(List { count: items.len(), total: found.total, items, next }).into_response())
}

fn question(params: &Params) -> Result<(Filter, Page), ApiError> {
    params.only(PARAMS)?;
    let (from_ms, to_ms) = bounds(params)?;
    let (stage, stage_name) = match params.name("stage")? {
        Some(text) => stage(text),
        None => (None, None),
    };
    let filter = Filter {
        job: params.name("jobId")?,
        table: params.name("tableId")?,
        from_ms,
        to_ms,
        stage,
        stage_name,
        outcome: params.name("outcome")?,
        task: params.number("task", i64::MIN, i64::MAX)?,
        host: params.name("host")?,
        min_duration_ns: min_duration_ns(params)?,
        attributes: attributes(params)?,
    };
    let limit = params.number("limit", 1, MAX_LIMIT)?.unwrap_or(LIMIT);
    let offset = params.number("offset", 0, MAX_OFFSET)?.unwrap_or(0);
    let after = after(params)?;
    if after.is_some() && offset > 0 {
        return Err(ApiError::bad_request("cursor and offset exclude each other; leave offset out"));
    }
    Ok((filter, Page { limit, offset, after }))
}

/// A stage by code, by short name, or by the name that a sender told.
fn stage(text: String) -> (Option<u8>, Option<String>) {
    let numbered = || text.strip_prefix("STAGE_").unwrap_or(&text).parse::<u8>().ok();
    match StageCode::from_short_name(&text).map(|code| code.0).or_else(numbered) {
        Some(code) => (Some(code), None),
        None => (None, Some(text)),
    }
}

fn min_duration_ns(params: &Params) -> Result<Option<i64>, ApiError> {
    let Some(text) = params.one("minLatencyMs")? else { return Ok(None) };
    // Up to a year: what is longer is no latency.
    let ms = text.parse::<f64>().ok().filter(|ms| (0.0..=3.2e10).contains(ms));
    let ms = ms.ok_or_else(|| {
        let shown = short(text);
        ApiError::bad_request(format!(
            "minLatencyMs is `{shown}`; it has to be a number of milliseconds, as in 2.5"
        ))
    })?;
    Ok(Some((ms * 1e6).ceil() as i64))
}

fn attributes(params: &Params) -> Result<Vec<(String, String)>, ApiError> {
    let pair = |text: &str| match text.split_once(':') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err(ApiError::bad_request(format!("attribute is `{}`; write it as NAME:VALUE", short(text)))),
    };
    let all: Vec<_> = params.all("attribute").map(pair).collect::<Result<_, _>>()?;
    if all.len() > MAX_ATTRIBUTES {
        return Err(ApiError::bad_request(format!("attribute is given more than {MAX_ATTRIBUTES} times")));
    }
    Ok(all)
}

fn after(params: &Params) -> Result<Option<Cursor>, ApiError> {
    let Some(text) = params.one("cursor")? else { return Ok(None) };
    cursor::from_text(text).map(Some).ok_or_else(|| {
        ApiError::bad_request(
            "cursor is not one that a collector gave as `next`; leave it out to begin at the newest",
        )
    })
}
