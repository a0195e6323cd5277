//! The version with nanoseconds as JSON.

use bytes::BufMut;
use profiler_common::Outcome;
use serde::{Deserialize, Serialize};

use super::values::{Hex, HexBytes, Int, Path, Stage};
use crate::sink::sttr::sections::{Contents, put_raw, raw_length};
use crate::sink::sttr::{Section, SectionKind, VERSION_NANO, nano};
use crate::trace::{Attribute, AttributeValue, Membership, RecordTime};

/// A payload. What is left out is zero, or not there.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Document {
    version: u16,
    trace_id: Int,
    #[serde(default)]
    branch: Path,
    #[serde(default)]
    shared: u16,
    #[serde(default)]
    branches: u32,
    #[serde(default)]
    outcome: u8,
    #[serde(default)]
    outcome_name: String,
    #[serde(default)]
    pid: u32,
    #[serde(default)]
    key: Hex,
    #[serde(default)]
    sequence: u64,
    start_ns: Int,
    #[serde(default)]
    end_ns: Int,
    entries: Vec<Entry>,
    #[serde(default)]
    flags: Vec<Flag>,
    #[serde(default)]
    partial: bool,
    #[serde(default)]
    attributes: Vec<AttributeOf>,
    #[serde(default)]
    batches: Vec<Batch>,
    #[serde(default)]
    record_times: Vec<Time>,
    /// What this program does not know, or cannot read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    sections: Vec<Raw>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    stage: Stage,
    #[serde(default)]
    index: u16,
    task_id: i64,
    ts_ns: Int,
    #[serde(default)]
    pid: u32,
    #[serde(default)]
    tid: u32,
    #[serde(default)]
    cpu: u32,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Flag {
    bit: u8,
    count: u32,
}

#[derive(Debug, Serialize, Deserialize)]
struct AttributeOf {
    stamp: usize,
    index: usize,
    #[serde(flatten)]
    value: Value,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Value {
    Unsigned(u64),
    Signed(i64),
    Word(Box<str>),
    Text(Box<str>),
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Batch {
    stamp: usize,
    key: Hex,
    position: u32,
    size: Option<u32>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Time {
    stamp: usize,
    event_ns: Int,
    latency_ns: Int,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    tag: u8,
    body: HexBytes,
}

impl Document {
    pub(super) fn entries(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn of(view: &nano::View<'_>) -> Self {
        let mut document = Self {
            version: VERSION_NANO,
            trace_id: Int(view.trace_id),
            branch: Path(view.branch),
            shared: view.shared,
            branches: view.branches,
            outcome: view.outcome,
            outcome_name: fixed_name(view.outcome),
            pid: view.pid,
            key: Hex(view.key),
            sequence: view.sequence,
            start_ns: Int(view.start_ns),
            end_ns: Int(view.end_ns),
            entries: view.entries().map(Entry::of).collect(),
            // A payload has fifteen such bits.
            flags: view.counts().map(|(bit, count)| Flag { bit: bit.to_le_bytes()[0], count }).collect(),
            partial: view.flags().is_partial,
            ..Self::default()
        };
        view.sections().for_each(|section| document.show(section));
        document
    }

    /// Twice the same kind, or one that cannot be read, is shown as it is.
    fn show(&mut self, section: Section<'_>) {
        match section.kind() {
            Ok(SectionKind::Outcome(name))
                if fixed_name(self.outcome).is_empty() && self.outcome_name.is_empty() =>
            {
                self.outcome_name = name.to_owned();
            }
            Ok(SectionKind::Attributes(all)) if self.attributes.is_empty() => {
                self.attributes = all.into_iter().map(AttributeOf::of).collect();
            }
            Ok(SectionKind::Batches(all)) if self.batches.is_empty() => {
                self.batches = all.into_iter().map(Batch::of).collect();
            }
            Ok(SectionKind::Times(all)) if self.record_times.is_empty() => {
                self.record_times = all.into_iter().map(Time::of).collect();
            }
            _ => self.sections.push(Raw { tag: section.tag, body: HexBytes(section.body.to_vec()) }),
        }
    }

    pub(super) fn put(self, out: &mut impl BufMut) {
        let mut flags = self.flags;
        flags.retain(|flag| flag.bit < 15);
        flags.sort_by_key(|flag| flag.bit);
        flags.dedup_by_key(|flag| flag.bit);
        let bits = flags.iter().fold(0u16, |bits, flag| bits | 1 << flag.bit);
        let attributes: Vec<Attribute> =
            self.attributes.into_iter().map(AttributeOf::into_attribute).collect();
        let batches: Vec<Membership> = self.batches.into_iter().map(Batch::into_membership).collect();
        let times: Vec<RecordTime> = self.record_times.into_iter().map(Time::into_time).collect();
        let own = if fixed_name(self.outcome).is_empty() { self.outcome_name.as_str() } else { "" };
        let contents = Contents { outcome: own, attributes: &attributes, batches: &batches, times: &times };
        let header = nano::Header {
            trace_id: self.trace_id.0,
            start_ns: self.start_ns.0,
            end_ns: self.end_ns.0,
            branch: self.branch.0.0,
            shared: self.shared,
            branches: self.branches,
            outcome: self.outcome,
            pid: self.pid,
            key: self.key.0,
            sequence: self.sequence,
            flag_bits: bits | if self.partial { nano::PARTIAL } else { 0 },
        };
        let more = contents.length() + self.sections.iter().map(|raw| raw_length(&raw.body.0)).sum::<usize>();
        let entries = self.entries.into_iter().map(Entry::into_entry);
        nano::put(out, &header, flags.iter().map(|flag| flag.count), entries, more);
        contents.put(out);
        self.sections.iter().for_each(|raw| put_raw(out, Section { tag: raw.tag, body: &raw.body.0 }));
    }
}

/// The word for an outcome that every spec has; empty for others.
fn fixed_name(code: u8) -> String {
    Outcome::from_code(code.into()).and_then(Outcome::fixed_name).unwrap_or_default().to_owned()
}

impl Entry {
    fn of(entry: nano::Entry) -> Self {
        let nano::Entry { code, task_id, ts_ns, stage, pid, tid, cpu } = entry;
        Self { stage: Stage(code), index: stage, task_id, ts_ns: Int(ts_ns), pid, tid, cpu }
    }

    fn into_entry(self) -> nano::Entry {
        let Self { stage, index, task_id, ts_ns, pid, tid, cpu } = self;
        nano::Entry { code: stage.0, task_id, ts_ns: ts_ns.0, stage: index, pid, tid, cpu }
    }
}

impl AttributeOf {
    fn of(Attribute { stamp, index, value }: Attribute) -> Self {
        let value = match value {
            AttributeValue::Unsigned(number) => Value::Unsigned(number),
            AttributeValue::Signed(number) => Value::Signed(number),
            AttributeValue::Word(text) => Value::Word(text),
            AttributeValue::Text(text) => Value::Text(text),
        };
        Self { stamp, index, value }
    }

    fn into_attribute(self) -> Attribute {
        let value = match self.value {
            Value::Unsigned(number) => AttributeValue::Unsigned(number),
            Value::Signed(number) => AttributeValue::Signed(number),
            Value::Word(text) => AttributeValue::Word(text),
            Value::Text(text) => AttributeValue::Text(text),
        };
        Attribute { stamp: self.stamp, index: self.index, value }
    }
}

impl Batch {
    fn of(Membership { stamp, key, position, size }: Membership) -> Self {
        Self { stamp, key: Hex(key), position, size }
    }

    fn into_membership(self) -> Membership {
        Membership { stamp: self.stamp, key: self.key.0, position: self.position, size: self.size }
    }
}

impl Time {
    fn of(RecordTime { stamp, event_ns, latency_ns }: RecordTime) -> Self {
        Self { stamp, event_ns: Int(event_ns), latency_ns: Int(latency_ns) }
    }

    fn into_time(self) -> RecordTime {
        RecordTime { stamp: self.stamp, event_ns: self.event_ns.0, latency_ns: self.latency_ns.0 }
    }
}
