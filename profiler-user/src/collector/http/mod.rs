//! The collector's HTTP: one port, all routes.
//!
//! Owns: connections and every bound on them, who may ask, what is counted, and how rooms' routes come together. A room offers
//! `routes() -> Router<Arc<Shared>>` and is merged in [`app`]. Refuses: knowing what the routes answer.

mod answers;
mod auth;
mod cors;
mod error;
mod metrics;
mod operation;
mod serve;
mod shared;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{Method, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;

pub use error::ApiError;
pub use metrics::Metrics;
pub use serve::serve;
pub use shared::{Clock, Handles, Shared};

use super::{ingest, page, query};

/// All routes, with what goes around each of them.
pub fn app(shared: &Arc<Shared>) -> Router {
    let state = || Arc::clone(shared);
    // Rooms that answer are merged here.
    let routes = Router::new()
        .merge(operation::routes())
        .merge(ingest::routes())
        .merge(query::routes())
        .merge(page::routes());
    routes
        .fallback(nothing_here)
        .method_not_allowed_fallback(not_so)
        .layer(from_fn_with_state(state(), answers::hold))
        .layer(from_fn_with_state(state(), auth::check))
        .layer(from_fn_with_state(state(), cors::check))
        .layer(from_fn_with_state(state(), count))
        .with_state(state())
}

async fn nothing_here() -> ApiError {
    ApiError::not_found("there is nothing at this path; docs/collector.md lists what there is")
}

async fn not_so() -> ApiError {
    ApiError::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "this path takes another method; docs/collector.md lists them",
    )
}

/// The word of a method in metrics: methods are the client's choice, and series are not.
fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

async fn count(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let method = method_label(request.method());
    let path = request.extensions().get::<MatchedPath>().cloned();
    let began = Instant::now();
    let response = next.run(request).await;
    let path = path.as_ref().map_or("other", MatchedPath::as_str);
    shared.metrics.request(path, method, response.status().as_u16(), began.elapsed());
    response
}
