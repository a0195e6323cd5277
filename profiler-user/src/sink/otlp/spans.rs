//! Traces as spans: one for the journey, one for each of its hops; attributes and record times as span events; branches and batches as links.

use profiler_common::Outcome;

use super::super::proto::Message;
use super::{
    Resource, batch_link, put_int, put_resource, put_scope, put_text, put_true, span_id, stage_name, trace_id,
};
use crate::feed::SessionInfo;
use crate::trace::{Attribute, AttributeValue, Flags, Hop, Membership, RecordTime, Stamp, Trace};

/// `SPAN_KIND_INTERNAL`.
const INTERNAL: u64 = 1;

/// An open `ExportTraceServiceRequest`: the spans so far.
#[derive(Debug, Default)]
pub struct Spans {
    spans: Vec<u8>,
}

impl Spans {
    /// Adds the spans of a trace.
    pub fn add(&mut self, trace: &Trace, info: &SessionInfo) {
        let mut message = Message(&mut self.spans);
        message.nested(2, |span| put_journey(span, trace, info));
        let shared = trace.shared.saturating_sub(1);
        for (index, hop) in trace.own_hops().enumerate() {
            message.nested(2, |span| put_hop(span, trace, shared + index, &hop, info));
        }
    }

    /// Bytes so far.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.spans.len()
    }

    /// The whole request; what follows is a new one.
    pub fn finish(&mut self, resource: &Resource, out: &mut Vec<u8>) {
        Message(out).nested(1, |all| {
            put_resource(all, resource);
            all.nested(2, |scope| {
                put_scope(scope);
                scope.0.append(&mut self.spans);
            });
        });
    }
}

fn put_journey(span: &mut Message<'_>, trace: &Trace, info: &SessionInfo) {
    let Trace { id, branch, pid, key, sequence, .. } = *trace;
    span.bytes(1, &trace_id(id));
    span.bytes(2, &span_id(id, branch, None));
    if let Some(parent) = branch.parent() {
        span.bytes(4, &span_id(id, parent, None));
    }
    span.string(5, if branch.is_root() { "record" } else { "branch" });
    span.uint(6, INTERNAL);
    // A branch begins where it left the other, which its first own stamp is the end of.
    let first = trace.stamps.get(trace.shared.saturating_sub(1)).map_or(trace.start_ns, |stamp| stamp.ts_ns);
    let last = trace.stamps.last().map_or(trace.end_ns, |stamp| stamp.ts_ns);
    span.fixed64(7, trace.wall_at(first).cast_unsigned());
    span.fixed64(8, trace.wall_at(last).cast_unsigned());
    put_text(span, 9, "stain.outcome", trace.outcome.name(&info.outcomes));
    put_text(span, 9, "stain.branch", &branch.to_string());
    put_int(span, 9, "stain.branches", trace.branches.into());
    if !branch.is_root() {
        // Its own spans say nothing of what was before it left: this is what its time from end to end counts from.
        put_int(span, 9, "stain.record_start_unix_nano", trace.wall_at(trace.start_ns));
    }
    put_int(span, 9, "stain.sequence", sequence.cast_signed());
    put_int(span, 9, "stain.key", key.cast_signed());
    put_int(span, 9, "process.pid", pid.into());
    if let Some(stamp) = trace.stamps.get(trace.shared.saturating_sub(1)) {
        put_first(span, stamp, info);
    }
    put_flags(span, &trace.flags);
    trace.attributes.iter().for_each(|attribute| put_attribute(span, trace, attribute, info));
    trace.record_times.iter().for_each(|time| put_time(span, trace, time, info));
    if let Some(parent) = branch.parent() {
        put_link(span, (trace_id(id), span_id(id, parent, None)), |link| {
            put_text(link, 4, "stain.link", "branch_of");
            put_text(link, 4, "stain.branch", &parent.to_string());
        });
    }
    trace.batches.iter().for_each(|batch| put_batch(span, trace, batch));
    if trace.outcome == Outcome::Expired || trace.outcome.lost().is_some() {
        // STATUS_CODE_ERROR: what became of the record is not known.
        span.nested(15, |status| {
            status.string(2, trace.outcome.name(&info.outcomes));
            status.uint(3, 2);
        });
    }
}

/// Where the journey begins: hops tell of their ends alone.
fn put_first(span: &mut Message<'_>, stamp: &Stamp, info: &SessionInfo) {
    let code = stamp.code.to_string();
    put_text(span, 9, "stain.from", stage_name(info, stamp.stage, &code));
    put_text(span, 9, "stain.from_code", &code);
    put_int(span, 9, "stain.task_id", stamp.task_id);
    put_int(span, 9, "thread.id", stamp.tid.into());
    put_int(span, 9, "cpu.logical_number", stamp.cpu.into());
}

fn put_hop(span: &mut Message<'_>, trace: &Trace, index: usize, hop: &Hop<'_>, info: &SessionInfo) {
    let (from_code, to_code) = (hop.from.code.to_string(), hop.to.code.to_string());
    let from = stage_name(info, hop.from.stage, &from_code);
    let to = stage_name(info, hop.to.stage, &to_code);
    span.bytes(1, &trace_id(trace.id));
    span.bytes(2, &span_id(trace.id, trace.branch, Some(index)));
    span.bytes(4, &span_id(trace.id, trace.branch, None));
    span.parts(5, &[from, " -> ", to]);
    span.uint(6, INTERNAL);
    span.fixed64(7, trace.wall_at(hop.from.ts_ns).cast_unsigned());
    span.fixed64(8, trace.wall_at(hop.to.ts_ns).cast_unsigned());
    put_text(span, 9, "stain.from", from);
    put_text(span, 9, "stain.from_code", &from_code);
    put_text(span, 9, "stain.to", to);
    put_text(span, 9, "stain.to_code", &to_code);
    put_text(span, 9, "stain.cause", crate::trace::Cause::of(hop.from.code, hop.to.code).name());
    put_int(span, 9, "stain.task_id", hop.to.task_id);
    put_int(span, 9, "thread.id", hop.to.tid.into());
    put_int(span, 9, "cpu.logical_number", hop.to.cpu.into());
    if hop.to.pid != trace.pid {
        put_int(span, 9, "process.pid", hop.to.pid.into());
    }
    if hop.has_gap {
        put_true(span, 9, "stain.has_gap");
    }
}

fn put_flags(span: &mut Message<'_>, flags: &Flags) {
    for (name, count) in flags.named().filter(|(_, count)| *count > 0) {
        put_int(span, 9, &format!("stain.flags.{name}"), count.into());
    }
    if flags.is_partial {
        put_true(span, 9, "stain.flags.partial");
    }
}

/// An event at a stamp: time, name, and whatever else `write` adds.
fn put_event(
    span: &mut Message<'_>,
    trace: &Trace,
    stamp: usize,
    name: &str,
    info: &SessionInfo,
    write: impl FnOnce(&mut Message<'_>),
) {
    span.nested(11, |event| {
        if let Some(stamp) = trace.stamps.get(stamp) {
            event.fixed64(1, trace.wall_at(stamp.ts_ns).cast_unsigned());
            let code = stamp.code.to_string();
            put_text(event, 3, "stain.stage", stage_name(info, stamp.stage, &code));
        }
        event.string(2, name);
        write(event);
    });
}

fn put_attribute(span: &mut Message<'_>, trace: &Trace, attribute: &Attribute, info: &SessionInfo) {
    let Attribute { stamp, value, .. } = attribute;
    let name = info.attribute_name(trace, attribute).unwrap_or("attribute");
    put_event(span, trace, *stamp, name, info, |event| match value {
        // What is above the largest signed number has no exact form but text.
        AttributeValue::Unsigned(number) => match i64::try_from(*number) {
            Ok(number) => put_int(event, 3, "value", number),
            Err(_) => put_text(event, 3, "value", &number.to_string()),
        },
        AttributeValue::Signed(number) => put_int(event, 3, "value", *number),
        AttributeValue::Word(text) | AttributeValue::Text(text) => put_text(event, 3, "value", text),
    });
}

fn put_time(span: &mut Message<'_>, trace: &Trace, time: &RecordTime, info: &SessionInfo) {
    let RecordTime { stamp, event_ns, latency_ns } = *time;
    put_event(span, trace, stamp, "record time", info, |event| {
        put_int(event, 3, "stain.event_time_unix_nano", event_ns);
        put_int(event, 3, "stain.record_latency_ns", latency_ns);
    });
}

fn put_batch(span: &mut Message<'_>, trace: &Trace, batch: &Membership) {
    put_link(span, batch_link(trace, batch), |link| {
        put_text(link, 4, "stain.link", "batch");
        put_int(link, 4, "stain.batch.key", batch.key.cast_signed());
        put_int(link, 4, "stain.batch.position", batch.position.into());
        if let Some(stamp) = trace.stamps.get(batch.stamp) {
            put_int(link, 4, "stain.batch.time_unix_nano", trace.wall_at(stamp.ts_ns));
        }
        if let Some(size) = batch.size {
            put_int(link, 4, "stain.batch.size", size.into());
        }
    });
}

fn put_link(span: &mut Message<'_>, to: ([u8; 16], [u8; 8]), write: impl FnOnce(&mut Message<'_>)) {
    span.nested(13, |link| {
        link.bytes(1, &to.0);
        link.bytes(2, &to.1);
        write(link);
    });
}
