//! Rows as ClickHouse has them. Bytes and texts are the same to it.

use clickhouse::Row;
use serde::{Deserialize, Serialize};

use super::error::Fault;
use crate::collector::model::{Part, PartKey, RawEvent};
use crate::collector::store::digest::digest;
use crate::collector::store::{body, terms};

/// What a row takes besides its texts and bytes.
const ROW_BYTES: u64 = 100;

/// A row of `stain_parts`.
#[derive(Debug, Row, Serialize)]
pub(super) struct PartRow {
    trace_id: u64,
    job: String,
    sink_task: i64,
    branch: i64,
    place: u64,
    rank: u64,
    table_id: Option<String>,
    outcome: String,
    host: String,
    received_ms: i64,
    start_ns: i64,
    duration_ns: i64,
    size: u64,
    terms: String,
    body: Vec<u8>,
    payload: Vec<u8>,
}

impl PartRow {
    /// Of a part at a place: of rows with the same key, the one of the lowest place stays.
    pub(super) fn new(part: &Part, place: u64) -> Self {
        let (terms, body) = (terms::of(part), body::encode(part));
        Self {
            trace_id: part.key.trace_id,
            job: part.key.job.clone(),
            sink_task: part.key.sink_task,
            branch: part.key.branch.cast_signed(),
            place,
            rank: !place,
            table_id: part.table.clone(),
            outcome: part.outcome.clone(),
            host: part.host.clone(),
            received_ms: part.received_ms,
            start_ns: part.start_ns,
            duration_ns: part.duration_ns(),
            size: (terms.len() + body.len() + part.payload.len()) as u64 + ROW_BYTES,
            terms,
            body,
            payload: part.payload.clone(),
        }
    }
}

/// The columns of a [`FoundRow`], but for its payload.
pub(super) const COLUMNS: &str =
    "place, job, trace_id, sink_task, branch, table_id, outcome, host, received_ms, start_ns, body";

/// What is read of `stain_parts`.
#[derive(Debug, Row, Deserialize)]
pub(super) struct FoundRow {
    pub(super) place: u64,
    job: String,
    trace_id: u64,
    sink_task: i64,
    branch: i64,
    table_id: Option<String>,
    outcome: String,
    host: String,
    received_ms: i64,
    start_ns: i64,
    body: Vec<u8>,
    payload: Vec<u8>,
}

impl FoundRow {
    /// The part.
    pub(super) fn part(self) -> Result<Part, Fault> {
        let Self { job, trace_id, sink_task, branch, table_id, outcome, host, received_ms, start_ns, .. } =
            self;
        let key = PartKey { job, trace_id, sink_task, branch: branch.cast_unsigned() };
        let columns = body::Columns { key, table: table_id, outcome, host, received_ms, start_ns };
        let part = body::decode(columns, &self.body);
        let mut part = part.ok_or(Fault::Damage("the body of a part cannot be read"))?;
        part.payload = self.payload;
        Ok(part)
    }
}

/// A row of `stain_raw`.
#[derive(Debug, Row, Serialize)]
pub(super) struct RawRow {
    event_type: String,
    job: Option<String>,
    created_ms: i64,
    received_ms: i64,
    size: u64,
    body: String,
    pub(super) digest_high: u64,
    pub(super) digest_low: u64,
}

impl From<&RawEvent> for RawRow {
    fn from(event: &RawEvent) -> Self {
        let digest = u128::from_be_bytes(digest(event));
        let RawEvent { event_type, job, created_ms, received_ms, body } = event.clone();
        let size = body.len() as u64 + ROW_BYTES;
        // Both halves of it.
        let (digest_high, digest_low) = ((digest >> 64) as u64, digest as u64);
        Self { event_type, job, created_ms, received_ms, size, body, digest_high, digest_low }
    }
}

/// A row of `stain_streams`.
#[derive(Clone, Debug, Row, Serialize, Deserialize)]
pub(super) struct StreamStateRow {
    pub(super) job: String,
    pub(super) stream: u64,
    pub(super) state: String,
    pub(super) last_ms: i64,
    pub(super) rank: u64,
}
