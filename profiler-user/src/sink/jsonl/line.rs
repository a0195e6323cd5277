//! A trace as one JSON object. Nothing is copied: it is written straight from the trace. What most traces do not have is left out.

use profiler_common::StageCode;
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use crate::sink::Names;
use crate::trace::{AttributeValue, BranchPath, Flags, Membership, Trace};

/// One trace's line.
#[derive(Serialize)]
pub(super) struct Line<'a> {
    #[serde(serialize_with = "as_text")]
    trace_id: u64,
    #[serde(serialize_with = "as_text", skip_serializing_if = "is_root")]
    branch: BranchPath,
    #[serde(serialize_with = "as_parent", skip_serializing_if = "Option::is_none")]
    parent: Option<BranchPath>,
    outcome: &'a str,
    pid: u32,
    #[serde(serialize_with = "as_hex")]
    key: u64,
    sequence: u64,
    start_ns: u64,
    end_ns: u64,
    #[serde(serialize_with = "as_wall_time")]
    wall_time: u64,
    #[serde(skip_serializing_if = "is_none")]
    shared: u64,
    #[serde(skip_serializing_if = "is_none")]
    branches: u64,
    entries: Entries<'a>,
    #[serde(serialize_with = "as_batches", skip_serializing_if = "<[Membership]>::is_empty")]
    batches: &'a [Membership],
    #[serde(serialize_with = "as_counts")]
    flags: Flags,
}

impl<'a> Line<'a> {
    pub(super) fn new(trace: &'a Trace, names: &'a Names) -> Self {
        let Trace {
            id,
            outcome,
            pid,
            key,
            sequence,
            start_ns,
            wall_ns,
            end_ns,
            stamps: _,
            branch,
            shared,
            branches,
            ref batches,
            attributes: _,
            record_times: _,
            flags,
        } = *trace;
        Self {
            trace_id: id,
            branch,
            parent: branch.parent(),
            outcome: outcome.name(&names.outcomes),
            pid,
            key,
            sequence,
            start_ns,
            end_ns,
            wall_time: wall_ns,
            shared: shared as u64,
            branches: branches.into(),
            entries: Entries { trace, names },
            batches,
            flags,
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks by reference")]
const fn is_root(branch: &BranchPath) -> bool {
    branch.is_root()
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks by reference")]
const fn is_none(count: &u64) -> bool {
    *count == 0
}

struct Entries<'a> {
    trace: &'a Trace,
    names: &'a Names,
}

impl Serialize for Entries<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { trace, names } = self;
        serializer.collect_seq(trace.stamps.iter().enumerate().map(|(index, stamp)| {
            let time = trace.record_times.iter().find(|time| time.stamp == index);
            let attributes = Attributes { trace, names, stamp: index };
            Entry {
                stage: stamp.code,
                name: names.stages.get(stamp.stage).map_or("", String::as_str),
                pid: Some(stamp.pid).filter(|pid| *pid != trace.pid),
                task_id: stamp.task_id,
                tid: stamp.tid,
                cpu: stamp.cpu,
                ts_ns: stamp.ts_ns,
                attributes: Some(attributes).filter(|attributes| attributes.values().next().is_some()),
                record_time_ns: time.map(|time| time.event_ns),
                record_latency_ns: time.map(|time| time.latency_ns),
            }
        }))
    }
}

#[derive(Serialize)]
struct Entry<'a> {
    #[serde(serialize_with = "as_text")]
    stage: StageCode,
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pid: Option<u32>,
    task_id: i64,
    tid: u32,
    cpu: u32,
    ts_ns: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    attributes: Option<Attributes<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    record_time_ns: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    record_latency_ns: Option<i64>,
}

/// What was read at one stamp, by the names that the spec gives.
struct Attributes<'a> {
    trace: &'a Trace,
    names: &'a Names,
    stamp: usize,
}

impl<'a> Attributes<'a> {
    fn values(&self) -> impl Iterator<Item = (&'a str, &'a AttributeValue)> {
        let Self { trace, names, stamp } = *self;
        let stage = trace.stamps.get(stamp).map_or(usize::MAX, |stamp| stamp.stage);
        let own = trace.attributes.iter().filter(move |attribute| attribute.stamp == stamp);
        own.map(move |attribute| (names.attribute(stage, attribute.index), &attribute.value))
    }
}

impl Serialize for Attributes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (name, value) in self.values() {
            match value {
                AttributeValue::Unsigned(number) => map.serialize_entry(name, number)?,
                AttributeValue::Signed(number) => map.serialize_entry(name, number)?,
                AttributeValue::Word(text) | AttributeValue::Text(text) => map.serialize_entry(name, text)?,
            }
        }
        map.end()
    }
}

/// A batch that the record was put into.
#[derive(Serialize)]
struct Batch {
    entry: usize,
    #[serde(serialize_with = "as_hex")]
    key: u64,
    position: u32,
    size: Option<u32>,
}

fn as_batches<S: Serializer>(batches: &&[Membership], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(batches.iter().map(|&Membership { stamp, key, position, size }| Batch {
        entry: stamp,
        key,
        position,
        size,
    }))
}

fn as_parent<S: Serializer>(parent: &Option<BranchPath>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&parent.unwrap_or(BranchPath::ROOT))
}

fn as_text<S: Serializer>(value: &impl std::fmt::Display, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

fn as_hex<S: Serializer>(value: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{value:#x}"))
}

/// RFC 3339, UTC, always nine digits, so that lines sort as text.
fn as_wall_time<S: Serializer>(wall_ns: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    let time = jiff::Timestamp::from_nanosecond(i128::from(*wall_ns)).map_err(serde::ser::Error::custom)?;
    serializer.collect_str(&format_args!("{time:.9}"))
}

/// Only what is not zero: an empty object means that nothing need be known.
fn as_counts<S: Serializer>(flags: &Flags, serializer: S) -> Result<S::Ok, S::Error> {
    let Flags {
        entries_dropped,
        late_stamps,
        torn_stamps,
        early_stamps,
        keys_dropped,
        branches_dropped,
        batches_dropped,
        attributes_dropped,
        attributes_unreadable,
        is_partial,
    } = *flags;
    let mut map = serializer.serialize_map(None)?;
    for (name, count) in [
        ("entries_dropped", entries_dropped),
        ("late_stamps", late_stamps),
        ("torn_stamps", torn_stamps),
        ("early_stamps", early_stamps),
        ("keys_dropped", keys_dropped),
        ("branches_dropped", branches_dropped),
        ("batches_dropped", batches_dropped),
        ("attributes_dropped", attributes_dropped),
        ("attributes_unreadable", attributes_unreadable),
    ] {
        if count > 0 {
            map.serialize_entry(name, &count)?;
        }
    }
    if is_partial {
        map.serialize_entry("partial", &true)?;
    }
    map.end()
}
