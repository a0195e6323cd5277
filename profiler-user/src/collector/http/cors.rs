//! Whether pages of other origins may ask: those that were listed, and no other. Never with credentials.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use super::Shared;

/// Answers what browsers ask ahead, and names the origin in answers where it is a listed one.
pub(super) async fn check(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let origins = &shared.settings.origins;
    if origins.is_empty() {
        return next.run(request).await;
    }
    let listed = request
        .headers()
        .get(header::ORIGIN)
        .filter(|origin| origins.iter().any(|listed| listed.as_bytes() == origin.as_bytes()));
    let listed = listed.cloned();
    let is_ahead = request.method() == Method::OPTIONS
        && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    let mut response =
        if is_ahead { StatusCode::NO_CONTENT.into_response() } else { next.run(request).await };
    allow(response.headers_mut(), listed, is_ahead);
    response
}

fn allow(headers: &mut HeaderMap, origin: Option<HeaderValue>, is_ahead: bool) {
    headers.append(header::VARY, HeaderValue::from_static("origin"));
    let Some(origin) = origin else { return };
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    if is_ahead {
        let own = "authorization, x-seatunnel-token, content-type, last-event-id";
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST"));
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static(own));
        headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    }
}
