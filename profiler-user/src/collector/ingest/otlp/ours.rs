//! The spans of our own agent (`sink/otlp/spans.rs`, `docs/export.md`): one of the journey, and one of each hop.

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use profiler_common::StageCode;

use super::Source;
use super::values::{number, small, text, value};
use crate::collector::ingest::build::{Builder, Told, code_of, trace_id};
use crate::collector::ingest::invalid::Invalid;
use crate::collector::ingest::names::branch_of;
use crate::collector::model::Part;
use crate::trace::{AttributeValue, BranchPath, Flags};

/// What a span tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// A whole journey.
    Journey,
    /// One hop of it.
    Hop,
}

/// What a span of ours tells of; `None` for a span of others.
pub(super) fn role(span: &Span) -> Option<Role> {
    if text(&span.attributes, "stain.to_code").is_some() {
        return Some(Role::Hop);
    }
    text(&span.attributes, "stain.outcome").map(|_| Role::Journey)
}

const MISSING: Invalid = Invalid::Spans(
    "spans of the journey are missing or do not follow each other; send all spans of a trace in one request",
);

/// One end of a hop.
struct End<'a> {
    code: u8,
    name: &'a str,
    ts_ns: u64,
}

fn ends(hop: &Span) -> Result<(End<'_>, End<'_>), Invalid> {
    let end = |name, code, ts_ns| {
        let name = text(&hop.attributes, name).ok_or(MISSING)?;
        let code = text(&hop.attributes, code).and_then(code_of).ok_or(Invalid::Number("a stage's code"))?;
        Ok(End { code, name, ts_ns })
    };
    let from = end("stain.from", "stain.from_code", hop.start_time_unix_nano)?;
    Ok((from, end("stain.to", "stain.to_code", hop.end_time_unix_nano)?))
}

/// The part of a journey. It is one only if its hops are all there: from its beginning to its end without a gap.
pub(super) fn part(own: Option<&Span>, hops: &[&Span], source: &Source) -> Result<Part, Invalid> {
    let own = own.ok_or(MISSING)?;
    let mut hops = hops.to_vec();
    // Hops of no length lie between those of the same time as they came.
    hops.sort_by_key(|hop| (hop.start_time_unix_nano, hop.end_time_unix_nano));
    let began = record_start(own);
    let start_ns = began.unwrap_or(own.start_time_unix_nano);
    let mut journey = Builder::new(trace_id(&own.trace_id)?, start_ns, source);
    head(&mut journey, own)?;
    stamps(&mut journey, own, &hops)?;
    let trace = journey.trace();
    if !trace.branch.is_root() && !trace.stamps.is_empty() {
        // The stamp from which it left is the record's own.
        trace.shared = 1;
        // An agent that does not say when the record began leaves its time from end to end unknown.
        let is_beginning = trace.stamps.first().is_some_and(|first| first.code == StageCode::SOURCE);
        trace.flags.is_partial |= began.is_none() && !is_beginning;
    }
    events(&mut journey, own)?;
    links(&mut journey, own);
    journey.finish(source)
}

/// When the record of a branch began, ns since the Unix epoch.
fn record_start(own: &Span) -> Option<u64> {
    let told = u64::try_from(number(&own.attributes, "stain.record_start_unix_nano")?).ok()?;
    Some(told).filter(|told| *told <= own.start_time_unix_nano)
}

fn head(journey: &mut Builder, own: &Span) -> Result<(), Invalid> {
    let all = &own.attributes;
    journey.outcome(text(all, "stain.outcome").unwrap_or_default())?;
    let branch = text(all, "stain.branch").map(|text| branch_of(text).ok_or(Invalid::Text("stain.branch")));
    let wide = |key| number(all, key).unwrap_or(0).cast_unsigned();
    let trace = journey.trace();
    trace.branch = branch.transpose()?.unwrap_or(BranchPath::ROOT);
    trace.branches = small(all, "stain.branches");
    (trace.sequence, trace.key, trace.pid) =
        (wide("stain.sequence"), wide("stain.key"), small(all, "process.pid"));
    let counts = Flags::NAMES.map(|name| small(all, &format!("stain.flags.{name}")));
    let is_partial = value(all, "stain.flags.partial") == Some(&Value::BoolValue(true));
    trace.flags = Flags::from_counts(counts, is_partial);
    Ok(())
}

/// The first stamp, as the journey's span has it, and the end of each hop.
fn stamps(journey: &mut Builder, own: &Span, hops: &[&Span]) -> Result<(), Invalid> {
    let pid = journey.trace().pid;
    let first = first(own, pid);
    let mut at = own.start_time_unix_nano;
    let mut code = None;
    if let Some(first) = first {
        journey.stamp(first)?;
        code = Some(first.code);
    }
    for hop in hops {
        let (from, to) = ends(hop)?;
        if from.ts_ns != at || code.is_some_and(|code| code != from.code) {
            return Err(MISSING);
        }
        if code.is_none() {
            let End { code, name, ts_ns } = from;
            journey.stamp(Told { code, name, task: 0, pid, tid: 0, cpu: 0, ts_ns })?;
        }
        let all = &hop.attributes;
        journey.stamp(Told {
            code: to.code,
            name: to.name,
            task: number(all, "stain.task_id").unwrap_or(0),
            pid: Some(small(all, "process.pid")).filter(|pid| *pid > 0).unwrap_or(pid),
            tid: small(all, "thread.id"),
            cpu: small(all, "cpu.logical_number"),
            ts_ns: to.ts_ns,
        })?;
        (at, code) = (to.ts_ns, Some(to.code));
    }
    if at == own.end_time_unix_nano { Ok(()) } else { Err(MISSING) }
}

/// Agents of earlier versions did not tell who took it.
fn first(own: &Span, pid: u32) -> Option<Told<'_>> {
    let all = &own.attributes;
    Some(Told {
        code: text(all, "stain.from_code").and_then(code_of)?,
        name: text(all, "stain.from")?,
        task: number(all, "stain.task_id")?,
        pid,
        tid: small(all, "thread.id"),
        cpu: small(all, "cpu.logical_number"),
        ts_ns: own.start_time_unix_nano,
    })
}

/// Attributes, and the record's own times.
fn events(journey: &mut Builder, own: &Span) -> Result<(), Invalid> {
    for event in &own.events {
        let all = &event.attributes;
        let stamp = journey.stamp_at(event.time_unix_nano, text(all, "stain.stage"));
        if let Some(value) = value(all, "value") {
            journey.attribute(stamp, &event.name, attribute(value)?)?;
        } else if let Some((event_ns, latency_ns)) =
            number(all, "stain.event_time_unix_nano").zip(number(all, "stain.record_latency_ns"))
        {
            journey.record_time(stamp, event_ns, latency_ns);
        }
    }
    Ok(())
}

fn attribute(value: &Value) -> Result<AttributeValue, Invalid> {
    match value {
        Value::IntValue(number) => {
            Ok(u64::try_from(*number).map_or(AttributeValue::Signed(*number), AttributeValue::Unsigned))
        }
        Value::StringValue(text) => Ok(AttributeValue::Text(text.as_str().into())),
        _ => Err(Invalid::Spans("an attribute is neither a number nor a text")),
    }
}

fn links(journey: &mut Builder, own: &Span) {
    for link in &own.links {
        let all = &link.attributes;
        let Some(key) = number(all, "stain.batch.key") else { continue };
        let at = number(all, "stain.batch.time_unix_nano").map(i64::cast_unsigned);
        let stamp = at.map_or(0, |at| journey.stamp_at(at, None));
        let size = number(all, "stain.batch.size").and_then(|size| u32::try_from(size).ok());
        journey.batch(stamp, key.cast_unsigned(), small(all, "stain.batch.position"), size);
    }
}
