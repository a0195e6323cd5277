//! Requests in, answers out: what is right, what is wrong, and what is too much.

mod connections;
mod ingest;
mod operation;
mod otlp;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::sink::sttr::from_text;

/// A payload of the format's first vectors: id 123, no entries.
fn payload() -> Vec<u8> {
    from_text("535454520001000000000000007b00000000000001c80000").unwrap()
}

/// An event around a payload.
fn event(job: &str, id: u64, payload: &[u8]) -> Value {
    json!({"createdTime": 1_700_000_000_010i64, "jobId": job, "eventType": "STAIN_TRACE", "traceId": id,
        "payload": STANDARD.encode(payload), "sinkTaskId": 99, "tableId": "db.tbl"})
}

/// A body of one event.
fn one(job: &str) -> String {
    json!([event(job, 123, &payload())]).to_string()
}
