//! The index entry of a packet, and the names that the numbers in its payloads stand for.

use serde::Deserialize;

use super::field::{Field, fit};
use crate::collector::ingest::invalid::Invalid;
use crate::collector::ingest::names::{Names, Stage};
use crate::collector::model::PacketSeen;

/// Stages, attributes of one stage, or outcomes at most.
const MAX_NAMES: usize = 4096;

/// `STAIN_PACKET`, as it is sent.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct PacketEvent<'a> {
    #[serde(borrow)]
    job_id: Field<'a>,
    #[serde(borrow)]
    stream: Field<'a>,
    #[serde(borrow)]
    packet: Field<'a>,
    #[serde(borrow)]
    count: Field<'a>,
    #[serde(borrow)]
    first_ns: Field<'a>,
    #[serde(borrow)]
    last_ns: Field<'a>,
    #[serde(borrow)]
    complete_ns: Field<'a>,
    #[serde(borrow)]
    discarded_kernel: Field<'a>,
    #[serde(borrow)]
    discarded_by_setting: Field<'a>,
    #[serde(borrow)]
    discarded_agent: Field<'a>,
    #[serde(borrow)]
    discarded_packets: Field<'a>,
    #[serde(borrow)]
    discarded_in_packets: Field<'a>,
    #[serde(borrow)]
    discarded_earlier: Field<'a>,
    #[serde(borrow)]
    total: Field<'a>,
    last: bool,
    #[serde(borrow)]
    host: Field<'a>,
    #[serde(borrow)]
    agent: Field<'a>,
    #[serde(borrow)]
    version: Field<'a>,
    #[serde(borrow)]
    target: Field<'a>,
    stages: Vec<StageNames>,
    outcomes: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct StageNames {
    code: u8,
    name: String,
    attributes: Vec<String>,
}

/// What a packet tells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Told {
    /// Its index entry.
    pub(super) seen: PacketSeen,
    /// Its names.
    pub(super) names: Names,
}

/// Reads the event.
pub(super) fn read(text: &str, received_ms: i64) -> Result<Told, Invalid> {
    let event: PacketEvent<'_> =
        serde_json::from_str(text).map_err(|error| Invalid::Shape(error.to_string()))?;
    if !event.stream.is_there() || !event.packet.is_there() {
        return Err(Invalid::Number("stream or packet"));
    }
    let name = |field: &Field<'_>, of| Ok(field.name(of)?.unwrap_or_default());
    let seen = PacketSeen {
        job: event.job_id.job()?,
        stream: event.stream.u64_or_0("stream")?,
        packet: event.packet.u64_or_0("packet")?,
        count: event.count.u64_or_0("count")?,
        first_ns: event.first_ns.i64_or_0("firstNs")?,
        last_ns: event.last_ns.i64_or_0("lastNs")?,
        complete_ns: event.complete_ns.i64_or_0("completeNs")?,
        discarded_kernel: event.discarded_kernel.u64_or_0("discardedKernel")?,
        discarded_by_setting: optional(&event.discarded_by_setting, "discardedBySetting")?,
        discarded_agent: event.discarded_agent.u64_or_0("discardedAgent")?,
        discarded_packets: event.discarded_packets.u64_or_0("discardedPackets")?,
        discarded_in_packets: event.discarded_in_packets.u64_or_0("discardedInPackets")?,
        discarded_earlier: event.discarded_earlier.u64_or_0("discardedEarlier")?,
        total: optional(&event.total, "total")?,
        is_last: event.last,
        host: name(&event.host, "host")?,
        agent: u32::try_from(event.agent.u64_or_0("agent")?).map_err(|_| Invalid::Number("agent"))?,
        version: name(&event.version, "version")?,
        target: name(&event.target, "target")?,
        received_ms,
    };
    let stages = bounded(&event.stages)?.iter().map(stage).collect::<Result<_, _>>()?;
    let outcomes =
        bounded(&event.outcomes)?.iter().map(|name| fit(name, "outcomes")).collect::<Result<_, _>>()?;
    let names = Names { host: seen.host.clone(), stream: Some(seen.stream), stages, outcomes };
    Ok(Told { seen, names })
}

fn optional(field: &Field<'_>, of: &'static str) -> Result<Option<u64>, Invalid> {
    if field.is_there() { field.u64_or_0(of).map(Some) } else { Ok(None) }
}

fn bounded<T>(list: &[T]) -> Result<&[T], Invalid> {
    if list.len() > MAX_NAMES { Err(Invalid::Text("stages or outcomes")) } else { Ok(list) }
}

fn stage(told: &StageNames) -> Result<Stage, Invalid> {
    let attributes = bounded(&told.attributes)?.iter().map(|name| fit(name, "attributes"));
    Ok(Stage {
        code: told.code,
        name: fit(&told.name, "stages")?,
        attributes: attributes.collect::<Result<_, _>>()?,
    })
}
