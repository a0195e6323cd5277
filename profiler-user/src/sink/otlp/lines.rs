//! The stain-trace format's JSON lines: one `ExportTraceServiceRequest` a line, one span a trace, its stamps as span events.

use serde::Serialize;

use crate::feed::SessionInfo;
use crate::trace::Trace;

/// What a line says of where its trace comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// The job, in decimal digits.
    pub job: String,
    /// The table, where it is known.
    pub table: Option<String>,
}

/// Appends a line.
///
/// # Errors
/// Never expected: every trace has a form in JSON.
pub fn put(trace: &Trace, info: &SessionInfo, origin: &Origin, out: &mut Vec<u8>) -> serde_json::Result<()> {
    let before = out.len();
    let written = serde_json::to_writer(&mut *out, &request(trace, info, origin));
    match written {
        Ok(()) => out.push(b'\n'),
        Err(_) => out.truncate(before),
    }
    written
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Request<'a> {
    resource_spans: [ResourceSpans<'a>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ResourceSpans<'a> {
    resource: Attributes<'a>,
    scope_spans: [ScopeSpans<'a>; 1],
}

#[derive(Serialize)]
struct Attributes<'a> {
    attributes: Vec<KeyValue<'a>>,
}

#[derive(Serialize)]
struct ScopeSpans<'a> {
    scope: Scope,
    spans: [Span<'a>; 1],
}

#[derive(Serialize)]
struct Scope {
    name: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Span<'a> {
    trace_id: String,
    span_id: String,
    name: &'static str,
    kind: u8,
    start_time_unix_nano: String,
    end_time_unix_nano: String,
    attributes: Vec<KeyValue<'a>>,
    events: Vec<Event<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Event<'a> {
    time_unix_nano: String,
    name: String,
    attributes: Vec<KeyValue<'a>>,
}

#[derive(Serialize)]
struct KeyValue<'a> {
    key: &'static str,
    value: Value<'a>,
}

/// 64-bit numbers are strings in the JSON form of protocol buffers.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
enum Value<'a> {
    StringValue(std::borrow::Cow<'a, str>),
    IntValue(String),
}

fn text<'a>(key: &'static str, value: &'a str) -> KeyValue<'a> {
    KeyValue { key, value: Value::StringValue(value.into()) }
}

fn owned(key: &'static str, value: String) -> KeyValue<'static> {
    KeyValue { key, value: Value::StringValue(value.into()) }
}

fn int(key: &'static str, value: &impl ToString) -> KeyValue<'static> {
    KeyValue { key, value: Value::IntValue(value.to_string()) }
}

fn request<'a>(trace: &Trace, info: &'a SessionInfo, origin: &'a Origin) -> Request<'a> {
    let last = trace.stamps.last().map_or(trace.end_ns, |stamp| stamp.ts_ns);
    let mut attributes = vec![
        int("seatunnel.sink_task_id", &trace.last_task()),
        text("stain.outcome", trace.outcome.name(&info.outcomes)),
    ];
    if !trace.branch.is_root() {
        // Whose branch it is: the span's trace id is its own.
        attributes.push(int("stain.root_trace_id", &trace.id));
        attributes.push(owned("stain.branch", trace.branch.to_string()));
        attributes.push(int("stain.shared", &trace.shared));
    }
    attributes.extend(origin.table.as_deref().map(|table| text("seatunnel.table_id", table)));
    let events = trace.stamps.iter().map(|stamp| Event {
        time_unix_nano: trace.wall_at(stamp.ts_ns).to_string(),
        name: stamp.code.to_string(),
        attributes: vec![
            int("seatunnel.stage_code", &stamp.code.0),
            int("seatunnel.task_id", &stamp.task_id),
        ],
    });
    let span = Span {
        trace_id: format!("{:032x}", trace.journey_id()),
        span_id: format!("{:016x}", trace.last_task()),
        name: "seatunnel.record",
        kind: 1,
        start_time_unix_nano: trace.wall_at(trace.start_ns).to_string(),
        end_time_unix_nano: trace.wall_at(last).to_string(),
        attributes,
        events: events.collect(),
    };
    Request {
        resource_spans: [ResourceSpans {
            resource: Attributes {
                attributes: vec![text("service.name", "seatunnel"), text("seatunnel.job_id", &origin.job)],
            },
            scope_spans: [ScopeSpans { scope: Scope { name: "stain" }, spans: [span] }],
        }],
    }
}
