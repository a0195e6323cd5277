//! OpenTelemetry: traces as spans, what was counted as metrics, in protocol buffers; and the stain-trace format's JSON lines. Pure.
//!
//! Field numbers are those of opentelemetry-proto 1 (`trace.proto`, `metrics.proto`, `common.proto`, `resource.proto` and the two collector services).
//! `docs/export.md` says which of a trace's values goes where.

mod ids;
pub mod lines;
pub mod metrics;
mod spans;
#[cfg(test)]
mod tests;

pub use ids::{batch_link, span_id, trace_id};
pub use spans::Spans;

use super::proto::Message;
use crate::feed::SessionInfo;

/// What the spans and metrics of a session are said to be of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resource {
    /// `service.name`.
    pub service: String,
    /// `host.name`.
    pub host: String,
    /// `stain.job_id`, in decimal digits; empty while it is not known.
    pub job: String,
    /// `process.pid`s of the target, as far as known.
    pub pids: Vec<u32>,
}

/// The instrumentation scope's name.
const SCOPE: &str = "stain";

/// Writes resource and scope of a message whose resource part is open: `ResourceSpans` and `ResourceMetrics` number them alike.
fn put_resource(message: &mut Message<'_>, resource: &Resource) {
    message.nested(1, |out| {
        put_text(out, 1, "service.name", &resource.service);
        put_text(out, 1, "host.name", &resource.host);
        if !resource.job.is_empty() {
            put_text(out, 1, "stain.job_id", &resource.job);
        }
        if let [pid] = resource.pids.as_slice() {
            put_int(out, 1, "process.pid", i64::from(*pid));
        }
        put_text(out, 1, "telemetry.sdk.name", "stain");
        put_text(out, 1, "telemetry.sdk.language", "rust");
        put_text(out, 1, "telemetry.sdk.version", env!("CARGO_PKG_VERSION"));
    });
}

fn put_scope(message: &mut Message<'_>) {
    message.nested(1, |out| {
        out.string(1, SCOPE);
        out.string(2, env!("CARGO_PKG_VERSION"));
    });
}

/// Writes an attribute of text.
fn put_text(message: &mut Message<'_>, field: u32, key: &str, value: &str) {
    message.nested(field, |out| {
        out.string(1, key);
        out.nested(2, |out| out.string(1, value));
    });
}

/// Writes an attribute of a number.
fn put_int(message: &mut Message<'_>, field: u32, key: &str, value: i64) {
    message.nested(field, |out| {
        out.string(1, key);
        out.nested(2, |out| out.uint(3, value.cast_unsigned()));
    });
}

/// Writes an attribute that is true.
fn put_true(message: &mut Message<'_>, field: u32, key: &str) {
    message.nested(field, |out| {
        out.string(1, key);
        out.nested(2, |out| out.uint(2, 1));
    });
}

/// The name of a stage: the user's, or its code's.
fn stage_name<'a>(info: &'a SessionInfo, stage: usize, code: &'a str) -> &'a str {
    info.stages.get(stage).map_or(code, |stage| stage.name.as_str())
}
