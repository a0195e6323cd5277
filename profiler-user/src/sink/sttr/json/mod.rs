//! Payloads as JSON, for people and for tests: what `stain decode` prints and `stain encode` takes. `docs/sttr.md` has the keys.
//!
//! Whole numbers of 64 bits, which many readers of JSON round, are strings; as input, numbers will do as well.

mod nano;
mod values;

use serde::{Deserialize, Serialize};

use super::{Payload, VERSION_1, VERSION_NANO, v1};
use values::{Int, Stage};

/// A payload of version 1.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct V1 {
    version: u16,
    trace_id: Int,
    start_ms: i64,
    entries: Vec<V1Entry>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct V1Entry {
    stage: Stage,
    task_id: i64,
    ts_ms: i64,
}

/// What every document has.
#[derive(Debug, Deserialize)]
struct Head {
    version: u16,
}

/// Why a JSON text is no payload.
#[derive(Debug, thiserror::Error)]
pub enum JsonError {
    /// It is not JSON, or not of the keys and types that a payload has.
    #[error("not a payload's JSON: {0}")]
    Syntax(#[from] serde_json::Error),
    /// There is no such version.
    #[error("version {0} cannot be encoded; 1 and {VERSION_NANO} can")]
    Version(u16),
    /// There are more entries than a payload can have.
    #[error("{0} entries are too many; a payload has at most {max}", max = super::MAX_ENTRIES)]
    TooMany(usize),
}

/// A payload as indented JSON, with a newline at its end.
///
/// # Errors
/// Never expected: every payload has a form in JSON.
pub fn from_payload(payload: &Payload<'_>) -> Result<String, JsonError> {
    let mut text = match payload {
        Payload::V1(view) => serde_json::to_string_pretty(&document(view))?,
        Payload::Nano(view) => serde_json::to_string_pretty(&nano::Document::of(view))?,
    };
    text.push('\n');
    Ok(text)
}

/// The payload that a JSON text describes.
///
/// # Errors
/// When it describes none.
pub fn to_payload(text: &str) -> Result<Vec<u8>, JsonError> {
    let Head { version } = serde_json::from_str(text)?;
    let mut out = Vec::new();
    match version {
        VERSION_1 => {
            let V1 { version: _, trace_id, start_ms, entries } = serde_json::from_str(text)?;
            within_bounds(entries.len())?;
            let entries = entries.into_iter().map(|V1Entry { stage, task_id, ts_ms }| v1::Entry {
                stage: stage.0,
                task_id,
                ts_ms,
            });
            v1::put(&mut out, trace_id.0, start_ms, entries);
        }
        VERSION_NANO => {
            let document: nano::Document = serde_json::from_str(text)?;
            within_bounds(document.entries())?;
            document.put(&mut out);
        }
        other => return Err(JsonError::Version(other)),
    }
    Ok(out)
}

fn within_bounds(entries: usize) -> Result<(), JsonError> {
    if entries > super::MAX_ENTRIES { Err(JsonError::TooMany(entries)) } else { Ok(()) }
}

fn document(view: &v1::View<'_>) -> V1 {
    let entries = view.entries().map(|v1::Entry { stage, task_id, ts_ms }| V1Entry {
        stage: Stage(stage),
        task_id,
        ts_ms,
    });
    V1 {
        version: VERSION_1,
        trace_id: Int(view.trace_id),
        start_ms: view.start_ms,
        entries: entries.collect(),
    }
}
