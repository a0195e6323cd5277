//! What comes in: bodies within bounds, decoded, and in the store before they are answered.
//!
//! body -> events, otlp (pure) -> part (pure) -> writer
//!
//! Owns: every limit on what is sent, the words for what is not understood, and the answers. Refuses: an answer of success before the store has
//! everything, and asking anyone anything meanwhile.

mod body;
mod build;
pub mod events;
mod held;
mod invalid;
pub mod jsonl;
mod names;
pub mod otlp;
mod part;
mod piece;
mod traces;
mod writer;

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::routing::post;
use axum::{Json, Router};
use serde_json::{Value, json};

pub use held::{Full, Held, Hold};
pub use invalid::Invalid;
pub use piece::{Piece, Unread, decode};
pub use writer::{Committer, WriteError, Writer};

use super::http::{ApiError, Shared};
use super::model::Part;
use events::Broken;

/// The routes that take something in.
pub fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route("/api/v1/seatunnel/events", post(take_events))
        .route("/ingest", post(take_events))
        .route("/v1/traces", post(traces::http))
        .route(traces::CALL, post(traces::grpc))
}

impl From<Broken> for ApiError {
    fn from(broken: Broken) -> Self {
        let message = broken.to_string();
        match broken {
            Broken::Many(_) => Self::too_large(message),
            Broken::Utf8(_) | Broken::NoList | Broken::Json(_) | Broken::Depth(_) => {
                Self::bad_request(message)
            }
        }
    }
}

/// The word that metrics have for a body that is refused.
const fn reason_of(broken: &Broken) -> &'static str {
    match broken {
        Broken::Many(_) => "batch_size",
        Broken::Depth(_) => "depth",
        Broken::Utf8(_) | Broken::NoList | Broken::Json(_) => "json",
    }
}

/// The part of a payload without an event around it, which came at `received_ms` (ms since the Unix epoch).
///
/// # Errors
/// When it is none.
pub fn payload_part(payload: &[u8], job: &str, received_ms: i64) -> Result<Part, Invalid> {
    let said = part::Said { job: job.to_owned(), received_ms, ..part::Said::default() };
    part::make(payload.to_vec(), &said, &names::Names::default())
}

async fn take_events(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Value>, ApiError> {
    let body::Plain { bytes, hold } = body::read(&shared, &headers, body).await?;
    let decoded = events::decode(&bytes, &shared.settings.limits, shared.clock.now_ms());
    drop(bytes);
    let decoded = decoded.inspect_err(|broken| shared.metrics.invalid(reason_of(broken), 1))?;
    let received = decoded.received;
    let piece = Piece::from(decoded);
    piece.count(&shared.metrics);
    shared.writer.write(piece.batch, hold).await?;
    Ok(Json(json!({ "received": received })))
}
