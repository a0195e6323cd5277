//! Traces as the events of the stain-trace collector's contract: JSON objects around a payload. Pure.
//!
//! Besides the contract's keys, which every such collector reads, an event tells the outcome, and of a branch which record's it is. A batch ends with an
//! event of a type of our own, the packet's index entry (`STAIN_PACKET`), which others keep as it is.

use base64::Engine as _;
use base64::display::Base64Display;
use base64::engine::general_purpose::STANDARD;
use serde::{Serialize, Serializer};

use super::packet::Packet;
use super::sttr;
use crate::feed::SessionInfo;
use crate::trace::{AttributeValue, Trace};

/// Which payload an event carries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PayloadVersion {
    /// Milliseconds: every collector of stain traces.
    #[default]
    Millis,
    /// Nanoseconds: ours.
    Nanos,
}

/// What the events of a session have in common.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// The job, in decimal digits.
    pub job: String,
    /// The table of all records; an attribute named `table` is used where there is none.
    pub table: Option<String>,
    /// The machine.
    pub host: String,
    /// The payload.
    pub payload: PayloadVersion,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Event<'a> {
    created_time: i64,
    job_id: &'a str,
    event_type: &'static str,
    trace_id: u64,
    #[serde(serialize_with = "as_base64")]
    payload: &'a [u8],
    sink_task_id: i64,
    table_id: Option<&'a str>,
    outcome: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    root_trace_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    branch: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    shared: Option<usize>,
}

fn as_base64<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&Base64Display::new(bytes, &STANDARD))
}

/// Puts events together, without a list around them.
#[derive(Debug, Default)]
pub struct Events {
    payload: Vec<u8>,
}

impl Events {
    /// Appends the event of a trace.
    ///
    /// # Errors
    /// Never expected: every trace has a form in JSON.
    pub fn put(
        &mut self,
        trace: &Trace,
        info: &SessionInfo,
        origin: &Origin,
        out: &mut Vec<u8>,
    ) -> serde_json::Result<()> {
        self.payload.clear();
        match origin.payload {
            PayloadVersion::Millis => sttr::v1::encode(trace, trace.journey_id(), &mut self.payload),
            PayloadVersion::Nanos => sttr::nano::encode(trace, &info.outcomes, &mut self.payload),
        }
        let is_branch = !trace.branch.is_root();
        let event = Event {
            created_time: trace.wall_at(trace.end_ns).div_euclid(1_000_000),
            job_id: &origin.job,
            event_type: "STAIN_TRACE",
            trace_id: trace.journey_id(),
            payload: &self.payload,
            sink_task_id: trace.last_task(),
            table_id: table(trace, info, origin),
            outcome: trace.outcome.name(&info.outcomes),
            root_trace_id: is_branch.then(|| trace.id.to_string()),
            branch: is_branch.then(|| trace.branch.to_string()),
            shared: is_branch.then_some(trace.shared),
        };
        serde_json::to_writer(out, &event)
    }
}

/// The table that a record belongs to, as far as known.
#[must_use]
pub fn table<'a>(trace: &'a Trace, info: &SessionInfo, origin: &'a Origin) -> Option<&'a str> {
    let read = || {
        trace.attributes.iter().find_map(|attribute| {
            info.attribute_name(trace, attribute).filter(|name| *name == "table")?;
            match &attribute.value {
                AttributeValue::Word(text) | AttributeValue::Text(text) => Some(&**text),
                AttributeValue::Unsigned(_) | AttributeValue::Signed(_) => None,
            }
        })
    };
    origin.table.as_deref().or_else(read)
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PacketEvent<'a> {
    created_time: i64,
    job_id: &'a str,
    event_type: &'static str,
    #[serde(flatten)]
    packet: &'a Packet,
    host: &'a str,
    agent: u32,
    version: &'a str,
    target: &'a str,
    stages: Vec<Stage<'a>>,
    outcomes: &'a [String],
}

#[derive(Serialize)]
struct Stage<'a> {
    code: u8,
    name: &'a str,
    attributes: &'a [String],
}

/// Appends the event of a packet: its index entry, and the names that its payloads' numbers stand for.
///
/// # Errors
/// Never expected, as for [`Events::put`].
pub fn put_packet(
    packet: &Packet,
    info: &SessionInfo,
    origin: &Origin,
    out: &mut Vec<u8>,
) -> serde_json::Result<()> {
    let stages = info.stages.iter().map(|stage| Stage {
        code: stage.code.0,
        name: &stage.name,
        attributes: &stage.attributes,
    });
    let event = PacketEvent {
        created_time: packet.complete_ns.max(packet.last_ns).div_euclid(1_000_000),
        job_id: &origin.job,
        event_type: "STAIN_PACKET",
        packet,
        host: &origin.host,
        agent: info.agent,
        version: &info.version,
        target: &info.target,
        stages: stages.collect(),
        outcomes: &info.outcomes,
    };
    serde_json::to_writer(out, &event)
}

/// A job id for a target that has none: the same for each of its sessions on a machine, and unlikely to be another's.
#[must_use]
pub fn job_of(host: &str, target: &str) -> String {
    // FNV-1a: stable over versions, which the standard library's hasher is not.
    let bytes = host.bytes().chain([0]).chain(target.bytes());
    let hash = bytes
        .fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    (hash & (u64::MAX >> 1)).to_string()
}

/// The base64 of bytes, as in events.
#[must_use]
pub fn to_base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::{Events, Origin, PayloadVersion, job_of, put_packet};
    use crate::sink::packet::Packet;
    use crate::sink::sttr::{Payload, decode, from_text};
    use crate::sink::testing::{info, rich};
    use crate::trace::testing::trace;
    use crate::trace::{AttributeValue, Trace};
    use profiler_common::Outcome;
    use serde_json::{Value, json};

    fn event(trace: &Trace, origin: &Origin) -> Value {
        let mut out = Vec::new();
        Events::default().put(trace, &info(), origin, &mut out).unwrap();
        serde_json::from_slice(&out).unwrap()
    }

    #[test]
    fn an_event_has_the_keys_of_the_contract() {
        let origin = Origin { job: "1".to_owned(), ..Origin::default() };
        let event = event(&trace("S0@100 W!@2000000", Outcome::Written), &origin);
        let payload = from_text(event["payload"].as_str().unwrap()).unwrap();
        let Payload::V1(view) = decode(&payload).unwrap() else { panic!() };
        assert_eq!((view.trace_id, view.entries().len()), (42, 2));
        assert_eq!(
            event,
            json!({
                "createdTime": 1_700_000_000_002i64, "jobId": "1", "eventType": "STAIN_TRACE", "traceId": 42,
                "payload": event["payload"], "sinkTaskId": 4301, "tableId": null, "outcome": "written",
            })
        );
    }

    #[test]
    fn a_branch_names_its_record_and_the_table_is_read_from_it() {
        let mut trace = rich();
        trace.attributes[0].value = AttributeValue::Text("db.orders".into());
        let origin = Origin { payload: PayloadVersion::Nanos, ..Origin::default() };
        let event = event(&trace, &origin);
        assert_eq!((&event["tableId"], &event["branch"]), (&json!("db.orders"), &json!("2.3")));
        assert_eq!((&event["rootTraceId"], &event["shared"]), (&json!(trace.id.to_string()), &json!(3)));
        assert_eq!(
            (&event["traceId"], &event["outcome"]),
            (&json!(trace.journey_id()), &json!("error_routed"))
        );
        assert_ne!(trace.journey_id(), trace.id);
        let payload = from_text(event["payload"].as_str().unwrap()).unwrap();
        assert!(matches!(decode(&payload), Ok(Payload::Nano(view)) if view.trace_id == trace.id as i64));
    }

    #[test]
    fn a_packet_tells_its_place_and_its_names() {
        let packet = Packet {
            stream: u64::MAX >> 1,
            packet: 3,
            count: 2,
            complete_ns: 5_000_000,
            ..Packet::default()
        };
        let mut out = Vec::new();
        let origin = Origin { job: "7".to_owned(), host: "here".to_owned(), ..Origin::default() };
        put_packet(&packet, &info(), &origin, &mut out).unwrap();
        let event: Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(
            (&event["eventType"], &event["stream"], &event["packet"], &event["completeNs"]),
            (&json!("STAIN_PACKET"), &json!("9223372036854775807"), &json!(3), &json!("5000000"))
        );
        assert_eq!(event["stages"][0], json!({"code": 1, "name": "emit", "attributes": ["table"]}));
        assert_eq!((&event["outcomes"], &event["createdTime"]), (&json!(["error_routed"]), &json!(5)));
    }

    #[test]
    fn a_target_has_the_same_job_each_time() {
        assert_eq!(job_of("host", "nginx"), job_of("host", "nginx"));
        assert_ne!(job_of("host", "nginx"), job_of("hostn", "ginx"));
        assert!(job_of("host", "nginx").parse::<i64>().unwrap() > 0);
    }
}
