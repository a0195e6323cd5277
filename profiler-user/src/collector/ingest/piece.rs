//! What is sent without a request around it, a message of Kafka or a line of a file: which of the known forms it has, and what it holds. Pure.
//!
//! Owns: the forms (an event, a list of them, a payload, OTLP in either form, a line of our own), and what is counted of each, by whichever way it came.

use std::collections::BTreeMap;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message as _;

use super::{Invalid, events, jsonl, otlp, payload_part, reason_of};
use crate::collector::http::Metrics;
use crate::collector::model::Part;
use crate::collector::settings::Limits;
use crate::collector::store::Batch;
use crate::sink::sttr::MAGIC;

/// How a request in protocol buffers begins: its first field, with its length.
const PROTOBUF: u8 = 0x0a;

/// What something that was sent comes to.
#[derive(Clone, Debug, Default)]
pub struct Piece {
    /// What is to be stored.
    pub batch: Batch,
    /// Traces, understood or not.
    pub traces: u64,
    /// Events by their type.
    pub types: BTreeMap<String, u64>,
    /// Those that were not understood, by reason: they are among the batch's raw events.
    pub invalid: BTreeMap<&'static str, u64>,
    /// Spans of others, which are not taken.
    pub foreign: u64,
}

/// Why something that was sent is nothing that is known here, as a whole.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{told}")]
pub struct Unread {
    /// The word that metrics have for it.
    pub reason: &'static str,
    /// What is wrong.
    pub told: String,
}

impl Unread {
    /// For this reason, in these words.
    pub fn new(reason: &'static str, told: impl Into<String>) -> Self {
        Self { reason, told: told.into() }
    }
}

impl From<events::Decoded> for Piece {
    fn from(decoded: events::Decoded) -> Self {
        let events::Decoded { batch, received: _, traces, types, invalid } = decoded;
        Self { batch, traces, types, invalid, foreign: 0 }
    }
}

impl From<otlp::Decoded> for Piece {
    fn from(decoded: otlp::Decoded) -> Self {
        let otlp::Decoded { batch, spans, rejected, invalid } = decoded;
        let traces = invalid.values().sum::<u64>() + batch.parts.len() as u64;
        Self { batch, traces, types: [("OTLP_SPAN".to_owned(), spans)].into(), invalid, foreign: rejected }
    }
}

impl Piece {
    /// Adds what is in another one.
    pub fn add(&mut self, other: Self) {
        let Self { batch: Batch { parts, raw, packets }, traces, types, invalid, foreign } = other;
        self.batch.parts.extend(parts);
        self.batch.raw.extend(raw);
        self.batch.packets.extend(packets);
        self.traces += traces;
        self.foreign += foreign;
        for (event_type, count) in types {
            *self.types.entry(event_type).or_default() += count;
        }
        for (reason, count) in invalid {
            *self.invalid.entry(reason).or_default() += count;
        }
    }

    /// Counts what came.
    pub fn count(&self, metrics: &Metrics) {
        for (event_type, count) in &self.types {
            metrics.events(event_type, *count);
        }
        for (reason, count) in &self.invalid {
            metrics.invalid(reason, *count);
        }
        metrics.invalid("foreign_span", self.foreign);
        metrics.traces(self.traces);
    }
}

/// Tells the form, and decodes. `job` is that of traces that name none; `received_ms` is when it came, ms since the Unix epoch.
///
/// # Errors
/// When it has none of the forms, or is beyond the limits.
pub fn decode(bytes: &[u8], job: &str, limits: &Limits, received_ms: i64) -> Result<Piece, Unread> {
    if bytes.starts_with(&MAGIC.to_be_bytes()) {
        return payload(bytes, job, received_ms);
    }
    let trimmed = bytes.trim_ascii();
    match trimmed.first() {
        None => Err(Unread::new("shape", "it is empty")),
        Some(b'[' | b'{') => json(trimmed, job, limits, received_ms),
        _ if bytes.first() == Some(&PROTOBUF) => {
            let request = ExportTraceServiceRequest::decode(bytes);
            spans(request.map_err(|error| error.to_string()), job, limits, received_ms)
        }
        Some(_) => Err(Unread::new("shape", "neither an event, nor a payload, nor spans of OTLP")),
    }
}

fn payload(bytes: &[u8], job: &str, received_ms: i64) -> Result<Piece, Unread> {
    one(payload_part(bytes, job, received_ms))
}

/// A trace without an event around it.
fn one(part: Result<Part, Invalid>) -> Result<Piece, Unread> {
    let part = part.map_err(|invalid| Unread::new(invalid.reason(), invalid.to_string()))?;
    let batch = Batch { parts: vec![part], ..Batch::default() };
    Ok(Piece { batch, traces: 1, types: [("STAIN_TRACE".to_owned(), 1)].into(), ..Piece::default() })
}

fn json(bytes: &[u8], job: &str, limits: &Limits, received_ms: i64) -> Result<Piece, Unread> {
    let text = std::str::from_utf8(bytes).map_err(|error| Unread::new("json", error.to_string()))?;
    if text.starts_with('[') {
        return list(bytes, limits, received_ms);
    }
    if text.contains("\"eventType\"") {
        return list(format!("[{text}]").as_bytes(), limits, received_ms);
    }
    if text.contains("\"resourceSpans\"") {
        let request = otlp::json::request(text);
        return spans(request.map_err(|error| error.to_string()), job, limits, received_ms);
    }
    if text.starts_with("{\"summary\":") {
        // What a session came to is told by its traces.
        return Ok(Piece::default());
    }
    if text.contains("\"trace_id\"") {
        return one(jsonl::part(text, job, received_ms));
    }
    Err(Unread::new("shape", "neither an event, nor spans of OTLP in JSON, nor a trace of stain's own lines"))
}

fn list(bytes: &[u8], limits: &Limits, received_ms: i64) -> Result<Piece, Unread> {
    let decoded = events::decode(bytes, limits, received_ms);
    decoded.map(Piece::from).map_err(|broken| Unread::new(reason_of(&broken), broken.to_string()))
}

fn spans(
    request: Result<ExportTraceServiceRequest, String>,
    job: &str,
    limits: &Limits,
    received_ms: i64,
) -> Result<Piece, Unread> {
    let request = request.map_err(|told| Unread::new("otlp", told))?;
    if let Err(most) = otlp::within(&request, limits) {
        return Err(Unread::new("batch_size", format!("it has more than {most} spans")));
    }
    Ok(otlp::decode(&request, Some(job), received_ms).into())
}

#[cfg(test)]
mod tests {
    use super::{Limits, Unread, decode};
    use crate::sink::event::{Events, Origin};
    use crate::sink::otlp::lines;
    use crate::sink::sttr::nano;
    use crate::sink::testing::{info, rich};

    fn event() -> Vec<u8> {
        let mut event = Vec::new();
        let origin = Origin { job: "7".to_owned(), ..Origin::default() };
        Events::default().put(&rich(), &info(), &origin, &mut event).unwrap();
        event
    }

    #[test]
    fn every_form_is_known_by_its_beginning() {
        let (mut payload, mut line) = (Vec::new(), Vec::new());
        nano::encode(&rich(), &[], &mut payload);
        lines::put(&rich(), &info(), &lines::Origin { job: "7".to_owned(), table: None }, &mut line).unwrap();
        let list = [b"[", event().as_slice(), b",", &event(), b"]"].concat();
        let spaced = [b" \n", event().as_slice()].concat();
        for (bytes, traces) in [(event(), 1), (list, 2), (payload, 1), (line, 1), (spaced, 1)] {
            let piece = decode(&bytes, "7", &Limits::default(), 5).unwrap();
            assert_eq!((piece.traces, piece.batch.parts.len()), (traces, traces as usize), "{piece:?}");
            assert!(piece.batch.parts.iter().all(|part| part.key.job == "7"));
        }
    }

    #[test]
    fn what_has_none_of_the_forms_is_told_with_its_word() {
        let limits = Limits { events: 1, ..Limits::default() };
        let list = [b"[", event().as_slice(), b",", &event(), b"]"].concat();
        for (bytes, reason) in [
            (&b""[..], "shape"),
            (b"\n \t", "shape"),
            (b"hello", "shape"),
            (b"{}", "shape"),
            (b"{\"eventType\":", "json"),
            (b"[\xff]", "json"),
            (b"{\"resourceSpans\":1}", "otlp"),
            (b"\x0a\xff", "otlp"),
            (b"STTR\x01", "payload"),
            (&list, "batch_size"),
        ] {
            let Err(Unread { reason: said, told }) = decode(bytes, "7", &limits, 5) else {
                panic!("{bytes:?} was taken")
            };
            assert_eq!(said, reason, "{bytes:?}: {told}");
        }
    }
}
