//! Comma-separated values (RFC 4180), a row a stamp.

use crate::feed::SessionInfo;
use crate::trace::Trace;

const HEAD: &str = "trace_id,branch,outcome,sequence,key,stamp,stage,name,wall_ns,ts_ns,since_start_ns,took_ns,pid,tid,task_id,cpu,shared,attributes\r\n";

pub(super) fn begin(out: &mut Vec<u8>) {
    out.extend_from_slice(HEAD.as_bytes());
}

pub(super) fn put(trace: &Trace, info: &SessionInfo, out: &mut Vec<u8>) -> serde_json::Result<()> {
    let mut before = None;
    for (place, stamp) in trace.stamps.iter().enumerate() {
        let since = stamp.ts_ns.saturating_sub(trace.start_ns);
        let took = before.map_or_else(String::new, |at| stamp.ts_ns.saturating_sub(at).to_string());
        before = Some(stamp.ts_ns);
        let attributes: serde_json::Map<_, _> = trace
            .attributes
            .iter()
            .filter(|attribute| attribute.stamp == place)
            .map(|attribute| {
                (super::name_of(trace, info, attribute).to_owned(), attribute.value.to_string().into())
            })
            .collect();
        let attributes =
            if attributes.is_empty() { String::new() } else { serde_json::to_string(&attributes)? };
        let name = info.stages.get(stamp.stage).map_or("?", |stage| stage.name.as_str());
        let fields = [
            trace.id.to_string(),
            trace.branch.to_string(),
            trace.outcome.name(&info.outcomes).to_owned(),
            trace.sequence.to_string(),
            format!("{:#x}", trace.key),
            place.to_string(),
            stamp.code.to_string(),
            name.to_owned(),
            trace.wall_ns.wrapping_add(since).to_string(),
            stamp.ts_ns.to_string(),
            since.to_string(),
            took,
            stamp.pid.to_string(),
            stamp.tid.to_string(),
            stamp.task_id.to_string(),
            stamp.cpu.to_string(),
            u8::from(place < trace.shared).to_string(),
            attributes,
        ];
        for (column, field) in fields.iter().enumerate() {
            if column > 0 {
                out.push(b',');
            }
            quoted(field, out);
        }
        out.extend_from_slice(b"\r\n");
    }
    Ok(())
}

/// A field, in quotes where it must be. One that a spreadsheet would take for a formula is kept from being one by a blank.
fn quoted(field: &str, out: &mut Vec<u8>) {
    let is_number = field.parse::<i64>().is_ok();
    if !is_number && field.starts_with(['=', '+', '-', '@', '\t']) {
        out.push(b'"');
        out.push(b' ');
    } else if field.contains([',', '"', '\r', '\n']) {
        out.push(b'"');
    } else {
        return out.extend_from_slice(field.as_bytes());
    }
    for byte in field.bytes() {
        if byte == b'"' {
            out.push(b'"');
        }
        out.push(byte);
    }
    out.push(b'"');
}
