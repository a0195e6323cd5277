//! The contract's events: a list of JSON, types mixed. Pure.
//!
//! Owns: which events are traces, which are index entries of packets, and which are kept as they came. An event that is not understood is kept
//! with the reason, and takes no other with it; only a body that is no list of JSON is refused as a whole.

mod field;
mod packet;
mod scan;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};

use serde::Deserialize;
use serde::de::{Error as _, IgnoredAny};

pub(super) use field::fit;
pub use scan::Broken;

use super::invalid::Invalid;
use super::names::{Names, branch_of};
use super::part::{self, Said};
use crate::collector::model::{Part, RawEvent};
use crate::collector::settings::Limits;
use crate::collector::store::Batch;
use field::Field;
use packet::Told;

/// The type of a raw event that holds one that was not understood, and why.
pub const INVALID: &str = "INVALID";

/// What a body comes to.
#[derive(Clone, Debug, Default)]
pub struct Decoded {
    /// What is to be stored.
    pub batch: Batch,
    /// Events of the body.
    pub received: u64,
    /// Those of them that are traces, understood or not.
    pub traces: u64,
    /// Events by their type.
    pub types: BTreeMap<String, u64>,
    /// Events that were not understood, by reason.
    pub invalid: BTreeMap<&'static str, u64>,
}

/// The keys of any event, and those of a trace.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Event<'a> {
    #[serde(borrow)]
    created_time: Field<'a>,
    #[serde(borrow)]
    job_id: Field<'a>,
    #[serde(borrow)]
    event_type: Field<'a>,
    #[serde(borrow)]
    trace_id: Field<'a>,
    #[serde(borrow)]
    payload: Field<'a>,
    #[serde(borrow)]
    sink_task_id: Field<'a>,
    #[serde(borrow)]
    table_id: Field<'a>,
    #[serde(borrow)]
    outcome: Field<'a>,
    #[serde(borrow)]
    root_trace_id: Field<'a>,
    #[serde(borrow)]
    branch: Field<'a>,
    #[serde(borrow)]
    shared: Field<'a>,
}

/// One event, as far as it can be told alone.
enum Kind<'a> {
    Trace(Box<Event<'a>>),
    Packet(Box<Told>),
    Raw(RawEvent),
}

/// Reads a body that came at `received_ms` (ms since the Unix epoch).
///
/// # Errors
/// When it is no list of JSON, or beyond the limits.
pub fn decode(body: &[u8], limits: &Limits, received_ms: i64) -> Result<Decoded, Broken> {
    let text = std::str::from_utf8(body).map_err(|error| Broken::Utf8(error.valid_up_to()))?;
    let places = scan::elements(text, limits.depth, limits.events)?;
    let mut decoded = Decoded { received: places.len() as u64, ..Decoded::default() };
    let mut kinds = Vec::with_capacity(places.len());
    for place in places {
        let text = text.get(place.clone()).unwrap_or_default();
        kinds.push((place, kind_of(text, received_ms, &mut decoded)?));
    }
    // From the end: a packet's index entry follows its traces.
    let mut names: HashMap<String, Names> = HashMap::new();
    let none = Names::default();
    for (place, kind) in kinds.into_iter().rev() {
        match kind {
            Kind::Raw(event) => decoded.batch.raw.push(event),
            Kind::Packet(told) => {
                let Told { seen, names: told } = *told;
                names.insert(seen.job.clone(), told);
                decoded.batch.packets.push(seen);
            }
            Kind::Trace(event) => {
                let (job, created) = (event.job_id.job().ok(), event.created_time.i64_or_0("").unwrap_or(0));
                let known = job.as_ref().and_then(|job| names.get(job)).unwrap_or(&none);
                match trace(*event, received_ms, known) {
                    Ok(part) => decoded.batch.parts.push(part),
                    Err(invalid) => {
                        let text = text.get(place).unwrap_or_default();
                        let raw = decoded.refuse(&invalid, job, created, text, received_ms);
                        decoded.batch.raw.push(raw);
                    }
                }
            }
        }
    }
    decoded.batch.raw.reverse();
    decoded.batch.packets.reverse();
    decoded.batch.parts.reverse();
    Ok(decoded)
}

impl Decoded {
    /// An event that was not understood, as it is kept. `event` is JSON.
    fn refuse(
        &mut self,
        invalid: &Invalid,
        job: Option<String>,
        created_ms: i64,
        event: &str,
        received_ms: i64,
    ) -> RawEvent {
        *self.invalid.entry(invalid.reason()).or_default() += 1;
        let reason = serde_json::Value::from(invalid.to_string());
        let body = format!("{{\"reason\":{reason},\"event\":{}}}", event.trim());
        RawEvent { event_type: INVALID.to_owned(), job, created_ms, received_ms, body }
    }

    fn count(&mut self, event_type: &str) {
        match self.types.get_mut(event_type) {
            Some(count) => *count += 1,
            None => {
                self.types.insert(event_type.to_owned(), 1);
            }
        }
    }
}

fn kind_of<'a>(text: &'a str, received_ms: i64, decoded: &mut Decoded) -> Result<Kind<'a>, Broken> {
    let read = if text.trim_start().starts_with('{') {
        serde_json::from_str::<Event<'_>>(text)
    } else {
        // A list would be taken for the values in their order.
        Err(serde_json::Error::custom("it is something else"))
    };
    let event = match read {
        Ok(event) => event,
        Err(error) if error.is_data() => {
            // Read no further than to what was wrong: the rest may be no JSON at all.
            serde_json::from_str::<IgnoredAny>(text).map_err(|error| broken(&error))?;
            let invalid = Invalid::Shape(error.to_string());
            return Ok(Kind::Raw(decoded.refuse(&invalid, None, 0, text, received_ms)));
        }
        Err(error) => return Err(broken(&error)),
    };
    let job = event.job_id.job().ok();
    let created_ms = event.created_time.i64_or_0("createdTime").unwrap_or(0);
    let Field::Text(event_type) = &event.event_type else {
        return Ok(Kind::Raw(decoded.refuse(&Invalid::EventType, job, created_ms, text, received_ms)));
    };
    decoded.count(event_type);
    match &**event_type {
        "STAIN_TRACE" => {
            decoded.traces += 1;
            Ok(Kind::Trace(Box::new(event)))
        }
        "STAIN_PACKET" => Ok(match packet::read(text, received_ms) {
            Ok(told) => Kind::Packet(Box::new(told)),
            Err(invalid) => Kind::Raw(decoded.refuse(&invalid, job, created_ms, text, received_ms)),
        }),
        other => Ok(match fit(other, "eventType") {
            Ok(event_type) => {
                Kind::Raw(RawEvent { event_type, job, created_ms, received_ms, body: text.trim().to_owned() })
            }
            Err(invalid) => Kind::Raw(decoded.refuse(&invalid, job, created_ms, text, received_ms)),
        }),
    }
}

fn broken(error: &serde_json::Error) -> Broken {
    Broken::Json(error.to_string())
}

fn trace(event: Event<'_>, received_ms: i64, names: &Names) -> Result<Part, Invalid> {
    let trace_id = |field: &Field<'_>| {
        let id = field.int().and_then(|id| u64::try_from(id).ok());
        id.filter(|id| *id <= i64::MAX.cast_unsigned()).ok_or(Invalid::TraceId)
    };
    let optional = |field: &Field<'_>, name| field.is_there().then(|| field.i64(name)).transpose();
    let id = trace_id(&event.trace_id)?;
    let branch = match (event.root_trace_id.is_there(), &event.branch) {
        (true, Field::Text(text)) => {
            let branch = branch_of(text).ok_or(Invalid::Text("branch"))?;
            Some((trace_id(&event.root_trace_id)?, branch))
        }
        (false, branch) if !branch.is_there() => None,
        _ => return Err(Invalid::Text("branch, which goes together with rootTraceId,")),
    };
    let said = Said {
        job: event.job_id.job()?,
        id: Some(id),
        branch,
        shared: u16::try_from(event.shared.u64_or_0("shared")?).map_err(|_| Invalid::Number("shared"))?,
        sink_task: optional(&event.sink_task_id, "sinkTaskId")?,
        table: event.table_id.name("tableId")?,
        outcome: event.outcome.name("outcome")?,
        created_ms: optional(&event.created_time, "createdTime")?,
        received_ms,
    };
    part::make(event.payload.payload()?, &said, names)
}
