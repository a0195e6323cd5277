//! Chrome's trace event format, in its JSON object form ("Trace Event Format", sections 2 to 8).
//!
//! A journey is a nestable asynchronous event with its hops within, so that journeys that overlap on a thread do not distort each other. Each stamp is an
//! instant on the thread that took it. Times are microseconds of the monotonic clock, with three decimals: no nanosecond is lost.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::feed::SessionInfo;
use crate::trace::Trace;

/// What was named already.
#[derive(Debug, Default)]
pub(super) struct State {
    processes: BTreeSet<u32>,
    began: bool,
}

pub(super) fn begin(out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"displayTimeUnit\":\"ns\",\"traceEvents\":[");
}

pub(super) fn end(out: &mut Vec<u8>) {
    out.extend_from_slice(b"\n]}\n");
}

impl State {
    pub(super) fn put(
        &mut self,
        trace: &Trace,
        info: &SessionInfo,
        target: &str,
        out: &mut Vec<u8>,
    ) -> serde_json::Result<()> {
        for pid in trace.stamps.iter().map(|stamp| stamp.pid).chain([trace.pid]) {
            if self.processes.insert(pid) {
                let args = json!({ "name": target });
                self.event(
                    &json!({ "ph": "M", "name": "process_name", "pid": pid, "tid": 0, "args": args }),
                    None,
                    out,
                )?;
            }
        }
        let Some((first, last)) = trace.stamps.first().zip(trace.stamps.last()) else { return Ok(()) };
        let id = format!("{:#x}.{}", trace.id, trace.branch);
        let phase = |ph: &str, name: &str| json!({ "ph": ph, "cat": "record", "id": id, "name": name, "pid": trace.pid, "tid": first.tid });
        let outcome = trace.outcome.name(&info.outcomes);
        let name = format!("record, {outcome}");
        let mut begin = phase("b", &name);
        let facts: Map<String, Value> =
            super::facts(trace, info).into_iter().map(|(name, text)| (name, text.into())).collect();
        if let Some(event) = begin.as_object_mut() {
            event.insert("args".to_owned(), facts.into());
        }
        self.event(&begin, Some(first.ts_ns), out)?;
        for hop in trace.hops() {
            let name = super::hop(info, &hop);
            self.event(&phase("b", &name), Some(hop.from.ts_ns), out)?;
            self.event(&phase("e", &name), Some(hop.to.ts_ns), out)?;
        }
        self.event(&phase("e", &name), Some(last.ts_ns), out)?;
        // Those that it shares are the other journey's.
        for stamp in trace.stamps.iter().skip(trace.shared) {
            let args = json!({ "trace_id": trace.id.to_string(), "cpu": stamp.cpu });
            let name = super::stage(info, stamp.stage);
            let instant = json!({ "ph": "i", "s": "t", "cat": "stamp", "name": name, "pid": stamp.pid, "tid": stamp.tid, "args": args });
            self.event(&instant, Some(stamp.ts_ns), out)?;
        }
        Ok(())
    }

    fn event(&mut self, event: &Value, ts_ns: Option<u64>, out: &mut Vec<u8>) -> serde_json::Result<()> {
        out.extend_from_slice(if std::mem::replace(&mut self.began, true) { b",\n" } else { b"\n" });
        serde_json::to_writer(&mut *out, event)?;
        if let Some(ns) = ts_ns {
            // As digits: a float of this size would lose nanoseconds on a machine that is up for months.
            out.pop();
            out.extend_from_slice(format!(",\"ts\":{}.{:03}}}", ns / 1000, ns % 1000).as_bytes());
        }
        Ok(())
    }
}
