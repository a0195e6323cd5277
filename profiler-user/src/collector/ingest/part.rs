//! From a payload and what its event says to a part of a journey. Pure. Nothing is guessed: what contradicts itself is invalid.

use profiler_common::{Outcome, StageCode};

use super::invalid::Invalid;
use super::names::Names;
use crate::collector::model::{
    Attribute, AttributeValue, Entry, MAX_NAME, Membership, Part, PartKey, Precision, RecordTime,
};
use crate::sink::sttr::{Payload, SectionKind, decode, nano, v1};
use crate::trace::{self, BranchPath, journey_id};

/// What an event says beside its payload.
#[derive(Clone, Debug, Default)]
pub(super) struct Said {
    /// The job.
    pub(super) job: String,
    /// The id of the journey, as receivers know it that know no branches.
    pub(super) id: Option<u64>,
    /// Of a branch: the trace's id, and which branch it is.
    pub(super) branch: Option<(u64, BranchPath)>,
    /// How many entries, from the first, are those of the journey that it branched off.
    pub(super) shared: u16,
    /// The task that wrote the last stamp.
    pub(super) sink_task: Option<i64>,
    /// The table.
    pub(super) table: Option<String>,
    /// How it ended.
    pub(super) outcome: Option<String>,
    /// When it was made, ms since the Unix epoch.
    pub(super) created_ms: Option<i64>,
    /// When it came, ms since the Unix epoch.
    pub(super) received_ms: i64,
}

/// How a journey ended, where nobody says.
pub(super) const UNKNOWN: &str = "unknown";

/// Makes a part.
pub(super) fn make(payload: Vec<u8>, said: &Said, names: &Names) -> Result<Part, Invalid> {
    let decoded = decode(&payload).map_err(|error| Invalid::Payload(error.to_string()))?;
    let id = u64::try_from(decoded.trace_id()).map_err(|_| Invalid::TraceId)?;
    let mut part = match decoded {
        Payload::V1(view) => of_v1(&view, id, said, names)?,
        Payload::Nano(view) => of_nano(&view, id, said, names)?,
    };
    part.payload = payload;
    Ok(part)
}

/// What both versions have in common; the rest is to be filled in.
fn blank(said: &Said, trace_id: u64, branch: BranchPath, names: &Names) -> Part {
    let key = PartKey { job: said.job.clone(), trace_id, sink_task: 0, branch: branch.0 };
    Part {
        key,
        table: said.table.clone(),
        created_ms: said.created_ms.unwrap_or(said.received_ms),
        received_ms: said.received_ms,
        start_ns: 0,
        end_ns: 0,
        outcome: String::new(),
        host: names.host.clone(),
        stream: names.stream,
        precision: Precision::Millis,
        is_partial: false,
        shared: 0,
        flags: Vec::new(),
        entries: Vec::new(),
        attributes: Vec::new(),
        batches: Vec::new(),
        record_times: Vec::new(),
        payload: Vec::new(),
    }
}

/// What follows from the entries.
fn finish(part: &mut Part, said: &Said) {
    let last = part.entries.last();
    part.key.sink_task = said.sink_task.or(last.map(|last| last.task)).unwrap_or(0);
    let is_sink = last.is_some_and(|last| last.code == StageCode::SINK.0);
    if let Some(outcome) = said.outcome.as_ref().filter(|outcome| !outcome.is_empty()) {
        part.outcome.clone_from(outcome);
    } else if part.outcome.is_empty() {
        part.outcome = if is_sink { Outcome::Written.name::<&str>(&[]) } else { UNKNOWN }.to_owned();
    }
}

fn of_v1(view: &v1::View<'_>, id: u64, said: &Said, names: &Names) -> Result<Part, Invalid> {
    if said.id.is_some_and(|said| said != id) {
        return Err(Invalid::Differs("traceId"));
    }
    let (trace_id, branch) = said.branch.unwrap_or((id, BranchPath::ROOT));
    if journey_id(trace_id, branch) != id {
        return Err(Invalid::Differs("rootTraceId or branch"));
    }
    let ns = |ms: i64| ms.checked_mul(1_000_000).ok_or(Invalid::Time);
    let entries = view.entries().map(|v1::Entry { stage: code, task_id, ts_ms }| {
        let name = names.only_stage(code).map(str::to_owned);
        Ok(Entry { code, name, task: task_id, ts_ns: ns(ts_ms)?, pid: 0, tid: 0 })
    });
    let entries = entries.collect::<Result<Vec<_>, Invalid>>()?;
    let mut part = blank(said, trace_id, branch, names);
    part.start_ns = ns(view.start_ms)?;
    part.end_ns = entries.last().map_or(part.start_ns, |entry| entry.ts_ns);
    part.is_partial = entries.first().is_some_and(|first| first.code != StageCode::SOURCE.0);
    // More than there are would hide the journey's own ones.
    part.shared = said.shared.min(u16::try_from(entries.len()).unwrap_or(u16::MAX));
    part.entries = entries;
    finish(&mut part, said);
    Ok(part)
}

fn of_nano(view: &nano::View<'_>, id: u64, said: &Said, names: &Names) -> Result<Part, Invalid> {
    if said.branch.is_some_and(|said| said != (id, view.branch)) {
        return Err(Invalid::Differs("rootTraceId or branch"));
    }
    if said.id.is_some_and(|said| said != journey_id(id, view.branch)) {
        return Err(Invalid::Differs("traceId"));
    }
    let mut part = blank(said, id, view.branch, names);
    part.precision = Precision::Nanos;
    (part.start_ns, part.end_ns) = (view.start_ns, view.end_ns);
    let flags = view.flags();
    part.is_partial = flags.is_partial;
    part.flags =
        flags.named().filter(|(_, count)| *count > 0).map(|(name, count)| (name.to_owned(), count)).collect();
    let stages: Vec<u16> = view.entries().map(|entry| entry.stage).collect();
    part.entries = view.entries().map(|entry| entry_of(&entry, names)).collect();
    part.shared = view.shared.min(u16::try_from(stages.len()).unwrap_or(u16::MAX));
    let mut named = None;
    for section in view.sections() {
        match section.kind().map_err(|error| Invalid::Payload(error.to_string()))? {
            SectionKind::Outcome(name) => named = Some(super::events::fit(name, "outcome")?),
            SectionKind::Attributes(all) => {
                part.attributes
                    .extend(all.iter().map(|one| attribute_of(one, &stages, &part.entries, names)));
            }
            SectionKind::Batches(all) => part.batches.extend(all.iter().map(membership_of)),
            SectionKind::Times(all) => part.record_times.extend(all.iter().map(time_of)),
            SectionKind::Unknown => {}
        }
    }
    part.outcome = named.unwrap_or_else(|| outcome_of(view.outcome, names));
    finish(&mut part, said);
    if part.table.is_none() {
        part.table = table_of(&part.attributes);
    }
    Ok(part)
}

fn entry_of(entry: &nano::Entry, names: &Names) -> Entry {
    let nano::Entry { code, task_id, ts_ns, stage, pid, tid, cpu: _ } = *entry;
    let name = names.stage(stage, code).map(str::to_owned);
    Entry { code, name, task: task_id, ts_ns, pid, tid }
}

fn outcome_of(code: u8, names: &Names) -> String {
    Outcome::from_code(u32::from(code))
        .map_or_else(|| format!("outcome_{code}"), |outcome| outcome.name(&names.outcomes).to_owned())
}

fn narrow(index: usize) -> u16 {
    u16::try_from(index).unwrap_or(u16::MAX)
}

fn attribute_of(told: &trace::Attribute, stages: &[u16], entries: &[Entry], names: &Names) -> Attribute {
    let name = stages.get(told.stamp).and_then(|stage| names.attribute(*stage, told.index));
    let code = || entries.get(told.stamp).map_or(0, |entry| entry.code);
    let value = match &told.value {
        trace::AttributeValue::Unsigned(number) => AttributeValue::Unsigned(*number),
        trace::AttributeValue::Signed(number) => AttributeValue::Signed(*number),
        // The payload keeps what some databases refuse.
        trace::AttributeValue::Word(text) | trace::AttributeValue::Text(text) => {
            AttributeValue::Text(text.replace('\0', "\u{fffd}"))
        }
    };
    let name = name.map_or_else(|| format!("{}.{}", StageCode(code()), told.index), str::to_owned);
    Attribute { entry: narrow(told.stamp), name, value }
}

fn membership_of(told: &trace::Membership) -> Membership {
    let trace::Membership { stamp, key, position, size } = *told;
    Membership { entry: narrow(stamp), key, position, size }
}

fn time_of(told: &trace::RecordTime) -> RecordTime {
    let trace::RecordTime { stamp, event_ns, latency_ns } = *told;
    RecordTime { entry: narrow(stamp), event_ns, latency_ns }
}

/// The table that the record itself names, as agents find it.
fn table_of(attributes: &[Attribute]) -> Option<String> {
    attributes.iter().find_map(|attribute| match &attribute.value {
        AttributeValue::Text(text) if attribute.name == "table" && text.len() <= MAX_NAME => {
            Some(text.clone())
        }
        _ => None,
    })
}
