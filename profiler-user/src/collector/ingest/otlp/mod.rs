//! OpenTelemetry spans, as far as they tell of journeys: those of our agent, and those of the stain-trace format's lines. Pure.
//!
//! Owns: which spans make a journey. Refuses: guessing at spans of others, which are told back as rejected, and a journey of which spans are missing:
//! those are kept as they came, with the reason.

pub mod json;
mod lines;
mod ours;
#[cfg(test)]
mod tests;
mod values;

use std::collections::{BTreeMap, HashMap};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message as _;

use super::invalid::Invalid;
use crate::collector::model::{Part, RawEvent};
use crate::collector::settings::Limits;
use crate::collector::store::Batch;
use crate::sink::event::{job_of, to_base64};
use values::{number, text};

/// Spans of one request at most, for each event that one may have: a journey has a span for itself and one a hop.
const SPANS_AN_EVENT: usize = 16;

/// Whether a request has no more spans than it may have.
///
/// # Errors
/// How many it may have, when it has more.
pub fn within(request: &ExportTraceServiceRequest, limits: &Limits) -> Result<(), usize> {
    let spans = request.resource_spans.iter().flat_map(|resource| &resource.scope_spans);
    let most = limits.events.saturating_mul(SPANS_AN_EVENT);
    if spans.map(|scope| scope.spans.len()).sum::<usize>() > most { Err(most) } else { Ok(()) }
}

/// What a request comes to.
#[derive(Clone, Debug, Default)]
pub struct Decoded {
    /// What is to be stored.
    pub batch: Batch,
    /// Spans of the request.
    pub spans: u64,
    /// Spans of others, which are not taken.
    pub rejected: u64,
    /// Journeys that were not understood, by reason.
    pub invalid: BTreeMap<&'static str, u64>,
}

/// Why spans of others are not taken.
pub const FOREIGN: &str = "only spans of stain and of the stain-trace format are taken here; send others to a collector of OpenTelemetry";

/// A request in protocol buffers.
///
/// # Errors
/// When it is none, with what is wrong with it.
pub fn of_bytes(bytes: &[u8]) -> Result<ExportTraceServiceRequest, String> {
    ExportTraceServiceRequest::decode(bytes).map_err(|error| error.to_string())
}

/// What a resource says of all its spans, or whoever sends lines of all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Source {
    pub(super) host: String,
    pub(super) job: String,
    pub(super) received_ms: i64,
}

impl Source {
    fn of(resource: &ResourceSpans, job: Option<&str>, received_ms: i64) -> Self {
        let attributes = resource.resource.as_ref().map_or(&[][..], |resource| &resource.attributes);
        let named = |key| text(attributes, key).and_then(|text| super::events::fit(text, "").ok());
        let host = named("host.name").unwrap_or_default();
        let told = named("stain.job_id")
            .or_else(|| named("seatunnel.job_id"))
            .or_else(|| number(attributes, "seatunnel.job_id").map(|job| job.to_string()))
            .filter(|job| !job.is_empty());
        // As our agent names the job of a target that has none.
        let made =
            || named("service.name").filter(|_| !host.is_empty()).map(|service| job_of(&host, &service));
        let job = told.or_else(made).or_else(|| job.map(str::to_owned)).unwrap_or_else(|| "0".to_owned());
        Self { host, job, received_ms }
    }
}

/// A journey's spans.
#[derive(Debug, Default)]
struct Journey<'a> {
    own: Option<&'a Span>,
    hops: Vec<&'a Span>,
}

/// Reads a request that came at `received_ms` (ms since the Unix epoch). `job` is that of spans that tell of none.
#[must_use]
pub fn decode(request: &ExportTraceServiceRequest, job: Option<&str>, received_ms: i64) -> Decoded {
    let mut decoded = Decoded::default();
    for resource in &request.resource_spans {
        let source = Source::of(resource, job, received_ms);
        // By trace and span of the journey, in the order in which they came.
        let mut places: HashMap<(&[u8], &[u8]), usize> = HashMap::new();
        let mut journeys: Vec<Journey<'_>> = Vec::new();
        for span in resource.scope_spans.iter().flat_map(|scope| &scope.spans) {
            decoded.spans += 1;
            if lines::is_one(span) {
                decoded.add(lines::part(span, &source), &[span], resource, &source);
                continue;
            }
            let (is_hop, id) = match ours::role(span) {
                Some(ours::Role::Journey) => (false, &span.span_id),
                Some(ours::Role::Hop) => (true, &span.parent_span_id),
                None => {
                    decoded.rejected += 1;
                    continue;
                }
            };
            let place = *places.entry((&span.trace_id, id)).or_insert_with(|| {
                journeys.push(Journey::default());
                journeys.len() - 1
            });
            let Some(journey) = journeys.get_mut(place) else { continue };
            if is_hop {
                journey.hops.push(span);
            } else {
                journey.own = Some(span);
            }
        }
        for Journey { own, hops } in journeys {
            let spans: Vec<_> = own.into_iter().chain(hops.iter().copied()).collect();
            decoded.add(ours::part(own, &hops, &source), &spans, resource, &source);
        }
    }
    decoded
}

impl Decoded {
    fn add(
        &mut self,
        part: Result<Part, Invalid>,
        spans: &[&Span],
        resource: &ResourceSpans,
        source: &Source,
    ) {
        match part {
            Ok(part) => self.batch.parts.push(part),
            Err(invalid) => {
                *self.invalid.entry(invalid.reason()).or_default() += 1;
                self.batch.raw.push(unread(&invalid, spans, resource, source));
            }
        }
    }
}

/// Spans that were not understood, as they are kept: a request of their own, in base64.
fn unread(invalid: &Invalid, spans: &[&Span], resource: &ResourceSpans, source: &Source) -> RawEvent {
    let spans = spans.iter().map(|span| (*span).clone()).collect();
    let request = ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans {
            resource: resource.resource.clone(),
            scope_spans: vec![ScopeSpans { spans, ..ScopeSpans::default() }],
            ..ResourceSpans::default()
        }],
    };
    let body = serde_json::json!({
        "reason": invalid.to_string(),
        "exportTraceServiceRequest": to_base64(&request.encode_to_vec()),
    });
    RawEvent {
        event_type: super::events::INVALID.to_owned(),
        job: Some(source.job.clone()),
        created_ms: 0,
        received_ms: source.received_ms,
        body: body.to_string(),
    }
}
