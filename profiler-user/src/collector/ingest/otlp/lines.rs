//! The span of the stain-trace format's lines: one a trace, its stamps as span events.

use opentelemetry_proto::tonic::trace::v1::Span;
use profiler_common::StageCode;

use super::Source;
use super::values::{number, text};
use crate::collector::ingest::build::{Builder, Told, trace_id};
use crate::collector::ingest::invalid::Invalid;
use crate::collector::ingest::names::branch_of;
use crate::collector::model::Part;
use crate::trace::journey_id;

/// Whether a span is one of them.
pub(super) fn is_one(span: &Span) -> bool {
    span.name == "seatunnel.record"
}

/// The part of a span.
pub(super) fn part(span: &Span, source: &Source) -> Result<Part, Invalid> {
    let all = &span.attributes;
    let id = trace_id(&span.trace_id)?;
    let (root, branch) = match (number(all, "stain.root_trace_id"), text(all, "stain.branch")) {
        (Some(root), Some(text)) => {
            let root = u64::try_from(root).map_err(|_| Invalid::TraceId)?;
            (root, branch_of(text).ok_or(Invalid::Text("stain.branch"))?)
        }
        _ => (id, crate::trace::BranchPath::ROOT),
    };
    if journey_id(root, branch) != id {
        return Err(Invalid::Differs("stain.root_trace_id or stain.branch"));
    }
    let mut journey = Builder::new(root, span.start_time_unix_nano, source);
    if let Some(outcome) = text(all, "stain.outcome") {
        journey.outcome(outcome)?;
    }
    if let Some(table) = text(all, "seatunnel.table_id") {
        journey.table(table)?;
    }
    let of_span = || <[u8; 8]>::try_from(span.span_id.as_slice()).ok().map(i64::from_be_bytes);
    if let Some(task) = number(all, "seatunnel.sink_task_id").or_else(of_span) {
        journey.sink_task(task);
    }
    for event in &span.events {
        let code = number(&event.attributes, "seatunnel.stage_code");
        let code =
            code.and_then(|code| u8::try_from(code).ok()).ok_or(Invalid::Number("seatunnel.stage_code"))?;
        let task =
            number(&event.attributes, "seatunnel.task_id").ok_or(Invalid::Number("seatunnel.task_id"))?;
        // A name that is the code's says nothing.
        let name = if event.name == StageCode(code).to_string() { "" } else { &event.name };
        journey.stamp(Told { code, name, task, pid: 0, tid: 0, cpu: 0, ts_ns: event.time_unix_nano })?;
    }
    let trace = journey.trace();
    trace.branch = branch;
    trace.shared = number(all, "stain.shared").and_then(|shared| usize::try_from(shared).ok()).unwrap_or(0);
    trace.flags.is_partial = trace.stamps.first().is_some_and(|first| first.code != StageCode::SOURCE);
    journey.finish(source)
}
