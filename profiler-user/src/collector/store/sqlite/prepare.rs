//! A batch in the form in which it is written: worked out by whoever brings it, so that the one thread that writes does nothing else.

use std::collections::HashMap;
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use super::super::Batch;
use super::super::digest::{Digest, digest};
use super::super::rollups::Plan;
use crate::collector::model::{
    Attribute, AttributeValue, Entry, Membership, PacketSeen, Part, Precision, RawEvent, RecordTime,
};

/// Codes and names of a journey's stages, in its order.
pub(super) type Stages = Vec<(u8, Option<String>)>;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Prepared {
    /// Texts that rows refer to by index.
    pub(super) names: Vec<String>,
    /// What the rows' stages are, as JSON, and the stages themselves.
    pub(super) shapes: Vec<(String, Stages)>,
    /// The rows' sets of tasks, as JSON, and the tasks.
    pub(super) crews: Vec<(String, Vec<i64>)>,
    /// The parts, in the order of pages, so that what is written beside each other is kept beside each other.
    pub(super) rows: Vec<Row>,
    pub(super) plan: Plan,
    /// Events that are no traces, and what they are known by.
    pub(super) raw: Vec<(RawEvent, Digest)>,
    pub(super) packets: Vec<PacketSeen>,
}

/// A part. Names, shape and crew are indices into the [`Prepared`] batch.
#[derive(Debug)]
pub(super) struct Row {
    /// Its index in the batch: the plan goes by it.
    pub(super) index: usize,
    pub(super) trace_id: i64,
    pub(super) sink_task: i64,
    pub(super) branch: i64,
    pub(super) job: usize,
    pub(super) table: Option<usize>,
    pub(super) created_ms: i64,
    pub(super) received_ms: i64,
    pub(super) start_ns: i64,
    pub(super) end_ns: i64,
    pub(super) duration_ns: i64,
    pub(super) outcome: usize,
    pub(super) host: usize,
    pub(super) stream: Option<i64>,
    pub(super) is_nanos: bool,
    pub(super) is_partial: bool,
    pub(super) shared: u16,
    pub(super) shape: usize,
    pub(super) crew: usize,
    pub(super) entries: String,
    pub(super) more: Option<String>,
    pub(super) attributes: Vec<(usize, String)>,
    pub(super) payload: Vec<u8>,
}

/// What few parts have, in the form in which it is stored.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct More {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    flags: Vec<(String, u32)>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    attributes: Vec<(u16, String, Value)>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    batches: Vec<(u16, u64, u32, Option<u32>)>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    times: Vec<(u16, i64, i64)>,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Value {
    #[serde(rename = "u")]
    Unsigned(u64),
    #[serde(rename = "i")]
    Signed(i64),
    #[serde(rename = "t")]
    Text(String),
}

impl Value {
    fn shown(&self) -> AttributeValue {
        match self {
            Self::Unsigned(number) => AttributeValue::Unsigned(*number),
            Self::Signed(number) => AttributeValue::Signed(*number),
            Self::Text(text) => AttributeValue::Text(text.clone()),
        }
    }
}

impl More {
    fn of(part: &Part) -> Option<Self> {
        let Part { flags, attributes, batches, record_times, .. } = part;
        if flags.is_empty() && attributes.is_empty() && batches.is_empty() && record_times.is_empty() {
            return None;
        }
        let value = |value: &AttributeValue| match value {
            AttributeValue::Unsigned(number) => Value::Unsigned(*number),
            AttributeValue::Signed(number) => Value::Signed(*number),
            AttributeValue::Text(text) => Value::Text(text.clone()),
        };
        Some(Self {
            flags: flags.clone(),
            attributes: attributes
                .iter()
                .map(|one| (one.entry, one.name.clone(), value(&one.value)))
                .collect(),
            batches: batches.iter().map(|one| (one.entry, one.key, one.position, one.size)).collect(),
            times: record_times.iter().map(|one| (one.entry, one.event_ns, one.latency_ns)).collect(),
        })
    }

    /// Names and shown values of the attributes.
    pub(super) fn attributes(&self) -> impl Iterator<Item = (&str, String)> {
        self.attributes.iter().map(|(_, name, value)| (name.as_str(), value.shown().to_string()))
    }

    /// Puts it into the part that it is of.
    pub(super) fn give(self, part: &mut Part) {
        let Self { flags, attributes, batches, times } = self;
        part.flags = flags;
        let attribute =
            |(entry, name, value): (u16, String, Value)| Attribute { entry, name, value: value.shown() };
        part.attributes = attributes.into_iter().map(attribute).collect();
        let membership = |(entry, key, position, size)| Membership { entry, key, position, size };
        part.batches = batches.into_iter().map(membership).collect();
        let time = |(entry, event_ns, latency_ns)| RecordTime { entry, event_ns, latency_ns };
        part.record_times = times.into_iter().map(time).collect();
    }
}

impl Prepared {
    /// Prepares a batch.
    pub(super) fn of(batch: &Batch) -> Self {
        let Batch { parts, raw, packets } = batch;
        let mut interner = Interner::default();
        let mut rows: Vec<_> =
            parts.iter().enumerate().map(|(index, part)| interner.row(index, part)).collect();
        rows.sort_by_key(|row| (row.received_ms, row.trace_id, row.sink_task, row.branch, row.index));
        let Interner { names, shapes, crews, .. } = interner;
        let raw = raw.iter().map(|event| (event.clone(), digest(event))).collect();
        Self { names, shapes, crews, rows, plan: Plan::of(parts), raw, packets: packets.clone() }
    }
}

#[derive(Default)]
struct Interner {
    names: Vec<String>,
    name_indices: HashMap<String, usize>,
    shapes: Vec<(String, Stages)>,
    shape_indices: HashMap<Stages, usize>,
    crews: Vec<(String, Vec<i64>)>,
    crew_indices: HashMap<Vec<i64>, usize>,
}

impl Interner {
    fn row(&mut self, index: usize, part: &Part) -> Row {
        let more = More::of(part);
        Row {
            index,
            trace_id: part.key.trace_id.cast_signed(),
            sink_task: part.key.sink_task,
            branch: part.key.branch.cast_signed(),
            job: self.name(&part.key.job),
            table: part.table.as_deref().map(|table| self.name(table)),
            created_ms: part.created_ms,
            received_ms: part.received_ms,
            start_ns: part.start_ns,
            end_ns: part.end_ns,
            duration_ns: part.duration_ns(),
            outcome: self.name(&part.outcome),
            host: self.name(&part.host),
            stream: part.stream.map(u64::cast_signed),
            is_nanos: part.precision == Precision::Nanos,
            is_partial: part.is_partial,
            shared: part.shared,
            shape: self.shape(&part.entries),
            crew: self.crew(&part.entries),
            entries: entries_text(part),
            // Cannot fail: numbers, texts and lists of them.
            more: more.map(|more| serde_json::to_string(&more).unwrap_or_default()),
            attributes: part
                .attributes
                .iter()
                .map(|one| (self.name(&one.name), one.value.to_string()))
                .collect(),
            payload: part.payload.clone(),
        }
    }

    fn name(&mut self, text: &str) -> usize {
        if let Some(index) = self.name_indices.get(text) {
            return *index;
        }
        let index = self.names.len();
        self.names.push(text.to_owned());
        self.name_indices.insert(text.to_owned(), index);
        index
    }

    fn shape(&mut self, entries: &[Entry]) -> usize {
        let stages: Vec<_> = entries.iter().map(|entry| (entry.code, entry.name.clone())).collect();
        if let Some(index) = self.shape_indices.get(&stages) {
            return *index;
        }
        let index = self.shapes.len();
        let text = serde_json::to_string(&stages).unwrap_or_default();
        self.shapes.push((text, stages.clone()));
        self.shape_indices.insert(stages, index);
        index
    }

    fn crew(&mut self, entries: &[Entry]) -> usize {
        let mut tasks: Vec<_> = entries.iter().map(|entry| entry.task).collect();
        tasks.sort_unstable();
        tasks.dedup();
        if let Some(index) = self.crew_indices.get(&tasks) {
            return *index;
        }
        let index = self.crews.len();
        let text = serde_json::to_string(&tasks).unwrap_or_default();
        self.crews.push((text, tasks.clone()));
        self.crew_indices.insert(tasks, index);
        index
    }
}

/// The entries but for their stages: `[[task, ns since the start, pid, tid],..]`.
fn entries_text(part: &Part) -> String {
    let mut text = String::with_capacity(2 + 32 * part.entries.len());
    text.push('[');
    for (index, entry) in part.entries.iter().enumerate() {
        let Entry { code: _, name: _, task, ts_ns, pid, tid } = entry;
        let comma = if index == 0 { "" } else { "," };
        // Around the ends of the range the difference wraps, and wraps back when it is read.
        let since = ts_ns.wrapping_sub(part.start_ns);
        // Writing into a text cannot fail.
        let _ = write!(text, "{comma}[{task},{since},{pid},{tid}]");
    }
    text.push(']');
    text
}
