//! The JSON of traces: the contract's fields under the contract's names, and ours beside them. Pure.
//!
//! Ids and nanoseconds since the Unix epoch are texts, since JavaScript loses digits of numbers above 2^53.

use std::collections::BTreeMap;

use profiler_common::StageCode;
use serde::{Serialize, Serializer};

use crate::collector::mapping::TaskName;
use crate::collector::merge::{Journey, Merged, Place};
use crate::collector::model::{Attribute, AttributeValue, Entry, Membership, Part, RecordTime};
use crate::trace::BranchPath;

/// Any number or id as text.
pub(crate) fn as_text<S: Serializer>(
    value: &impl std::fmt::Display,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

/// One journey in a line.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary<'a> {
    #[serde(serialize_with = "as_text")]
    trace_id: u64,
    #[serde(serialize_with = "as_text")]
    sink_task_id: i64,
    job_id: &'a str,
    table_id: Option<&'a str>,
    created_time_ms: i64,
    received_time_ms: i64,
    start_ts_ms: i64,
    entry_count: usize,
    #[serde(serialize_with = "as_text")]
    branch: BranchPath,
    outcome: &'a str,
    host: Option<&'a str>,
    #[serde(serialize_with = "as_text")]
    duration_ns: i64,
    partial: bool,
    stream: Option<String>,
}

/// The summary of a part as it came.
#[must_use]
pub fn summary(part: &Part) -> Summary<'_> {
    Summary {
        trace_id: part.key.trace_id,
        sink_task_id: part.key.sink_task,
        job_id: &part.key.job,
        table_id: part.table.as_deref(),
        created_time_ms: part.created_ms,
        received_time_ms: part.received_ms,
        start_ts_ms: part.start_ns.div_euclid(1_000_000),
        entry_count: part.entries.len(),
        branch: BranchPath(part.key.branch),
        outcome: &part.outcome,
        host: known(&part.host),
        duration_ns: part.duration_ns(),
        partial: part.is_partial,
        stream: part.stream.map(|stream| stream.to_string()),
    }
}

/// The summary of a journey that was put together: its beginning is that of its first part, its end that of its last one. `None` without a part.
#[must_use]
pub fn merged_summary<'a>(journey: &Journey<'_>, parts: &'a [Part]) -> Option<Summary<'a>> {
    let (first, last) = (journey.first_part(parts)?, journey.last_part(parts)?);
    let received = journey.parts.iter().filter_map(|at| parts.get(*at)).map(|part| part.received_ms).max();
    Some(Summary {
        table_id: first.table.as_deref().or(last.table.as_deref()),
        start_ts_ms: first.start_ns.div_euclid(1_000_000),
        received_time_ms: received.unwrap_or(last.received_ms),
        entry_count: journey.places.len(),
        host: known(&first.host),
        duration_ns: journey.duration_ns(),
        partial: first.is_partial,
        ..summary(last)
    })
}

/// A text that is empty where nothing is known.
fn known(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}

/// One stamp.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Stamp<'a> {
    index: usize,
    stage: String,
    code: u8,
    name: Option<&'a str>,
    #[serde(serialize_with = "as_text")]
    task_id: i64,
    ts_ms: i64,
    #[serde(serialize_with = "as_text")]
    ts_ns: i64,
    host: Option<&'a str>,
    pid: Option<u32>,
    tid: Option<u32>,
    part: usize,
    clock_suspect: bool,
    worker_address: Option<&'a str>,
    task_group_name: Option<&'a str>,
    task_class: Option<&'a str>,
}

/// The names of tasks, as far as an engine told them.
pub type TaskNames = BTreeMap<i64, TaskName>;

fn stamp<'a>(index: usize, place: &Place<'a>, host: &'a str, names: &'a TaskNames) -> Stamp<'a> {
    let Entry { code, name, task, ts_ns, pid, tid } = place.entry;
    let told = names.get(task);
    Stamp {
        index,
        stage: StageCode(*code).to_string(),
        code: *code,
        name: name.as_deref(),
        task_id: *task,
        ts_ms: ts_ns.div_euclid(1_000_000),
        ts_ns: *ts_ns,
        host: known(host),
        pid: Some(*pid).filter(|pid| *pid > 0),
        tid: Some(*tid).filter(|tid| *tid > 0),
        part: place.part,
        clock_suspect: place.is_clock_suspect,
        worker_address: told.and_then(|told| told.worker.as_deref()),
        task_group_name: told.and_then(|told| told.group.as_deref()),
        task_class: told.and_then(|told| told.class.as_deref()),
    }
}

/// The stamps of a journey, in its order.
#[must_use]
pub fn stamps<'a>(journey: &Journey<'a>, parts: &'a [Part], names: &'a TaskNames) -> Vec<Stamp<'a>> {
    let host = |part: usize| parts.get(part).map_or("", |part| &part.host);
    journey
        .places
        .iter()
        .enumerate()
        .map(|(index, place)| stamp(index, place, host(place.part), names))
        .collect()
}

/// The stamps of one part, as they came.
fn own_stamps<'a>(at: usize, part: &'a Part, names: &'a TaskNames) -> Vec<Stamp<'a>> {
    let mut last_ns = i64::MIN;
    let place = |(index, entry): (usize, &'a Entry)| {
        let is_clock_suspect = entry.ts_ns < last_ns;
        last_ns = entry.ts_ns;
        let place = Place { entry, part: at, index, is_clock_suspect };
        stamp(index, &place, &part.host, names)
    };
    part.entries.iter().enumerate().map(place).collect()
}

/// The value of an attribute: numbers that JavaScript would blur are texts.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Value<'a> {
    Unsigned(u64),
    Signed(i64),
    Text(&'a str),
    Digits(String),
}

impl<'a> From<&'a AttributeValue> for Value<'a> {
    fn from(value: &'a AttributeValue) -> Self {
        const EXACT: u64 = 1 << 53;
        match value {
            AttributeValue::Unsigned(number) if *number <= EXACT => Self::Unsigned(*number),
            AttributeValue::Signed(number) if number.unsigned_abs() <= EXACT => Self::Signed(*number),
            AttributeValue::Text(text) => Self::Text(text),
            AttributeValue::Unsigned(number) => Self::Digits(number.to_string()),
            AttributeValue::Signed(number) => Self::Digits(number.to_string()),
        }
    }
}

#[derive(Debug, Serialize)]
struct AttributeShape<'a> {
    entry: usize,
    name: &'a str,
    value: Value<'a>,
}

#[derive(Debug, Serialize)]
struct Batch {
    entry: usize,
    key: String,
    position: u32,
    size: Option<u32>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Time {
    entry: usize,
    #[serde(serialize_with = "as_text")]
    event_ns: i64,
    #[serde(serialize_with = "as_text")]
    latency_ns: i64,
}

/// What was read of the record on a journey, by the places of its stamps.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Extras<'a> {
    attributes: Vec<AttributeShape<'a>>,
    batches: Vec<Batch>,
    record_times: Vec<Time>,
}

impl<'a> Extras<'a> {
    /// Of a journey.
    #[must_use]
    pub fn of(journey: &Journey<'a>, parts: &'a [Part]) -> Self {
        let mut extras = Self::default();
        for at in &journey.parts {
            let own = journey.places.iter().enumerate().find(|(_, place)| place.part == *at);
            let first = own.map_or(0, |(first, place)| first.saturating_sub(place.index));
            let Some(part) = parts.get(*at) else { continue };
            extras.add(first, part);
        }
        extras
    }

    fn add(&mut self, first: usize, part: &'a Part) {
        let at = |entry: u16| first + usize::from(entry);
        let attribute = |Attribute { entry, name, value }: &'a Attribute| AttributeShape {
            entry: at(*entry),
            name,
            value: value.into(),
        };
        let batch = |Membership { entry, key, position, size }: &Membership| Batch {
            entry: at(*entry),
            key: key.to_string(),
            position: *position,
            size: *size,
        };
        let time = |RecordTime { entry, event_ns, latency_ns }: &RecordTime| Time {
            entry: at(*entry),
            event_ns: *event_ns,
            latency_ns: *latency_ns,
        };
        self.attributes.extend(part.attributes.iter().map(attribute));
        self.batches.extend(part.batches.iter().map(batch));
        self.record_times.extend(part.record_times.iter().map(time));
    }
}

/// A part as it came.
#[derive(Debug, Serialize)]
pub struct PartShape<'a> {
    #[serde(flatten)]
    summary: Summary<'a>,
    flags: BTreeMap<&'a str, u32>,
    entries: Vec<Stamp<'a>>,
}

/// All parts, as they came.
#[must_use]
pub fn parts<'a>(parts: &'a [Part], names: &'a TaskNames) -> Vec<PartShape<'a>> {
    let shape = |(at, part): (usize, &'a Part)| PartShape {
        summary: summary(part),
        flags: part.flags.iter().map(|(name, count)| (name.as_str(), *count)).collect(),
        entries: own_stamps(at, part, names),
    };
    parts.iter().enumerate().map(shape).collect()
}

/// A journey that left another one, or a copy of it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Branch<'a> {
    #[serde(serialize_with = "as_text")]
    branch: BranchPath,
    parent: Option<String>,
    shared: usize,
    outcome: &'a str,
    #[serde(serialize_with = "as_text")]
    sink_task_id: i64,
    entries: Vec<Stamp<'a>>,
    #[serde(flatten)]
    extras: Extras<'a>,
}

/// All journeys of a trace but the one that is shown first.
#[must_use]
pub fn branches<'a>(merged: &Merged<'a>, shown: usize, names: &'a TaskNames) -> Vec<Branch<'a>> {
    let shape = |journey: &Journey<'a>| {
        let last = journey.last_part(merged.parts)?;
        Some(Branch {
            branch: journey.branch,
            parent: journey.parent.map(|parent| parent.to_string()),
            shared: journey.shared,
            outcome: &last.outcome,
            sink_task_id: last.key.sink_task,
            entries: stamps(journey, merged.parts, names),
            extras: Extras::of(journey, merged.parts),
        })
    };
    let others = merged.journeys.iter().enumerate().filter(|(at, _)| *at != shown);
    others.filter_map(|(_, journey)| shape(journey)).collect()
}

/// A part as live clients get it.
#[derive(Debug, Serialize)]
pub struct Live<'a> {
    #[serde(flatten)]
    summary: Summary<'a>,
    entries: Vec<Stamp<'a>>,
}

/// What nobody is waited for: live traces come without the names that an engine would have to be asked for.
static NO_NAMES: TaskNames = TaskNames::new();

/// A part for live clients.
#[must_use]
pub fn live(part: &Part) -> Live<'_> {
    Live { summary: summary(part), entries: own_stamps(0, part, &NO_NAMES) }
}
