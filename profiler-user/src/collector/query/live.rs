//! Live traces as server-sent events.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};

use super::context::Context;
use super::params::Params;
use crate::collector::http::ApiError;
use crate::collector::live::{self, LiveError};

/// Parameters of the stream.
pub(super) const PARAMS: &[&str] = &["jobId"];

pub(super) async fn live(
    State(context): State<Context>,
    headers: HeaderMap,
    params: Params,
) -> Result<Response, ApiError> {
    params.only(PARAMS)?;
    let job = params.name("jobId")?;
    let last = last_event(&headers)?;
    let stream = context.hub.listen(job, last).await.map_err(|error| match error {
        LiveError::Store(error) => {
            context.metrics.read_failed("live");
            ApiError::from(error)
        }
        refused => ApiError::new(StatusCode::SERVICE_UNAVAILABLE, refused.to_string()),
    })?;
    let about = [
        (header::CONTENT_TYPE, "text/event-stream"),
        (header::CACHE_CONTROL, "no-store"),
        // A proxy that gathers an answer before it hands it on would hand on nothing.
        (header::HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    Ok((about, Body::new(stream)).into_response())
}

fn last_event(headers: &HeaderMap) -> Result<Option<u64>, ApiError> {
    // A client that has none yet may send an empty one.
    let Some(value) = headers.get("last-event-id").filter(|value| !value.is_empty()) else { return Ok(None) };
    value.to_str().ok().and_then(live::place).map(Some).ok_or_else(|| {
        ApiError::bad_request(
            "Last-Event-ID is not the id of one of our events; leave it out to begin with what comes now",
        )
    })
}
