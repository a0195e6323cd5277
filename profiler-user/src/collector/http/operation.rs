//! Routes for whoever runs the collector: whether it lives, whether it can work, what it counts.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::get;

use super::Shared;
use super::error::ApiError;
use crate::sink::metrics::prometheus::CONTENT_TYPE;

pub(super) fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route("/healthz", get(health))
        .route("/health", get(health))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
}

/// The process lives, whatever the store does: to end it would help nobody.
async fn health() -> &'static str {
    "ok"
}

/// The store can be asked, and the collector is not about to end. Brokers that are away are named, and change nothing: all collectors would leave the balancer
/// at once, although each of them can answer and take what is sent.
async fn ready(State(shared): State<Arc<Shared>>) -> Result<String, ApiError> {
    if *shared.stopping.borrow() {
        let status = axum::http::StatusCode::SERVICE_UNAVAILABLE;
        return Err(ApiError::new(status, "the collector is about to end; ask another one"));
    }
    shared.store.ready().await.inspect_err(|_| shared.metrics.read_failed("ready"))?;
    let mut text = "ready".to_owned();
    for source in shared.metrics.sources().iter().filter(|source| !source.is_connected()) {
        text.push_str(&format!("\n{}: no broker answers just now", source.name()));
    }
    Ok(text)
}

async fn metrics(State(shared): State<Arc<Shared>>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, CONTENT_TYPE)], shared.metrics.text())
}
