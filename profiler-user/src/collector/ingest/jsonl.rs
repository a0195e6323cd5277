//! Lines of our agent's own format (`--format jsonl`, `file:DIR`; `docs/jsonl.md`): a journey each. Pure.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::build::{Builder, Told, code_of};
use super::invalid::Invalid;
use super::names::branch_of;
use super::otlp::Source;
use crate::collector::model::Part;
use crate::trace::{AttributeValue, BranchPath, Flags};

/// A trace's line.
#[derive(Debug, Deserialize)]
struct Line {
    trace_id: String,
    branch: Option<String>,
    outcome: String,
    pid: u32,
    key: String,
    sequence: u64,
    start_ns: u64,
    end_ns: u64,
    wall_time: String,
    #[serde(default)]
    shared: usize,
    #[serde(default)]
    branches: u32,
    entries: Vec<Entry>,
    #[serde(default)]
    batches: Vec<Batch>,
    #[serde(default)]
    flags: BTreeMap<String, Value>,
}

#[derive(Debug, Deserialize)]
struct Entry {
    stage: String,
    #[serde(default)]
    name: String,
    pid: Option<u32>,
    task_id: i64,
    tid: u32,
    cpu: u32,
    ts_ns: u64,
    #[serde(default)]
    attributes: serde_json::Map<String, Value>,
    record_time_ns: Option<i64>,
    record_latency_ns: Option<i64>,
}

#[derive(Debug, Deserialize)]
struct Batch {
    entry: usize,
    key: String,
    position: u32,
    size: Option<u32>,
}

fn hex(text: &str, name: &'static str) -> Result<u64, Invalid> {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    u64::from_str_radix(digits, 16).map_err(|_| Invalid::Number(name))
}

/// The part of a line, which came at `received_ms` (ms since the Unix epoch) and is of this job: lines name none.
///
/// # Errors
/// When it is none.
pub fn part(text: &str, job: &str, received_ms: i64) -> Result<Part, Invalid> {
    let line: Line = serde_json::from_str(text).map_err(|error| Invalid::Shape(error.to_string()))?;
    let id = line.trace_id.parse().ok().filter(|id: &u64| *id < 1 << 63).ok_or(Invalid::TraceId)?;
    let began: jiff::Timestamp = line.wall_time.parse().map_err(|_| Invalid::Time)?;
    let start_ns = u64::try_from(began.as_nanosecond()).map_err(|_| Invalid::Time)?;
    let source = Source { host: String::new(), job: job.to_owned(), received_ms };
    let mut journey = Builder::new(id, start_ns, &source);
    journey.outcome(&line.outcome)?;
    head(&mut journey, &line)?;
    // Stamps are of the monotonic clock; both sums wrap, and so come out right.
    let offset_ns = start_ns.wrapping_sub(line.start_ns);
    for entry in &line.entries {
        journey.stamp(Told {
            code: code_of(&entry.stage).ok_or(Invalid::Number("stage"))?,
            name: &entry.name,
            task: entry.task_id,
            pid: entry.pid.unwrap_or(line.pid),
            tid: entry.tid,
            cpu: entry.cpu,
            ts_ns: entry.ts_ns.wrapping_add(offset_ns),
        })?;
    }
    journey.trace().end_ns = line.end_ns.wrapping_sub(line.start_ns);
    read(&mut journey, &line)?;
    journey.finish(&source)
}

fn head(journey: &mut Builder, line: &Line) -> Result<(), Invalid> {
    let branch = line.branch.as_deref().map(|text| branch_of(text).ok_or(Invalid::Text("branch")));
    let count = |name: &str| line.flags.get(name).and_then(Value::as_u64);
    let counts = Flags::NAMES.map(|name| count(name).and_then(|n| u32::try_from(n).ok()).unwrap_or(0));
    let is_partial = line.flags.get("partial") == Some(&Value::Bool(true));
    let trace = journey.trace();
    trace.branch = branch.transpose()?.unwrap_or(BranchPath::ROOT);
    (trace.pid, trace.sequence, trace.key) = (line.pid, line.sequence, hex(&line.key, "key")?);
    (trace.shared, trace.branches) = (line.shared, line.branches);
    trace.flags = Flags::from_counts(counts, is_partial);
    Ok(())
}

/// What was read of the record at its stamps, and the batches that it was put into.
fn read(journey: &mut Builder, line: &Line) -> Result<(), Invalid> {
    for (stamp, entry) in line.entries.iter().enumerate() {
        for (name, value) in &entry.attributes {
            journey.attribute(stamp, name, attribute(value)?)?;
        }
        if let Some((event_ns, latency_ns)) = entry.record_time_ns.zip(entry.record_latency_ns) {
            journey.record_time(stamp, event_ns, latency_ns);
        }
    }
    for Batch { entry, key, position, size } in &line.batches {
        if *entry >= line.entries.len() {
            return Err(Invalid::Number("batches.entry"));
        }
        journey.batch(*entry, hex(key, "batches.key")?, *position, *size);
    }
    Ok(())
}

fn attribute(value: &Value) -> Result<AttributeValue, Invalid> {
    let number = || {
        value.as_u64().map(AttributeValue::Unsigned).or_else(|| value.as_i64().map(AttributeValue::Signed))
    };
    let text = || value.as_str().map(|text| AttributeValue::Text(text.into()));
    number().or_else(text).ok_or(Invalid::Text("an attribute"))
}
