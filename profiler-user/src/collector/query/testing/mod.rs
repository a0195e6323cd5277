//! A store in memory, and parts in few words, for tests.

mod memory;

use axum::body::Body;
use axum::http::Request;
use http_body_util::BodyExt as _;
use profiler_common::StageCode;
use serde_json::Value;
use tower::ServiceExt as _;

pub(crate) use memory::MemoryStore;

use crate::collector::model::{Entry, Part, PartKey, Precision};

/// When the journeys of [`part`] begin, ns since the Unix epoch.
pub(crate) const START_NS: i64 = 1_700_000_000_000_000_000;

/// The same, ms.
pub(crate) const START_MS: i64 = START_NS / 1_000_000;

/// A written part of job 7 on host `db1`: `S0@0 Q+@10 W!@40` are stages with ns after [`START_NS`]; a stage's task is 4300 and its place.
pub(crate) fn part(trace_id: u64, text: &str) -> Part {
    let entry = |(place, word): (usize, &str)| {
        let (stage, ns) = word.split_once('@').unwrap();
        let code = StageCode::from_short_name(stage).map_or_else(|| stage.parse().unwrap(), |code| code.0);
        let ts_ns = START_NS + ns.parse::<i64>().unwrap();
        Entry { code, name: None, task: 4300 + place as i64, ts_ns, pid: 4242, tid: 4300 + place as u32 }
    };
    let entries: Vec<Entry> = text.split_whitespace().enumerate().map(entry).collect();
    let (first, last) = (entries.first().unwrap().ts_ns, entries.last().unwrap().clone());
    Part {
        key: PartKey { job: "7".to_owned(), trace_id, sink_task: last.task, branch: 0 },
        table: None,
        created_ms: last.ts_ns / 1_000_000,
        received_ms: last.ts_ns / 1_000_000 + 1,
        start_ns: first,
        end_ns: last.ts_ns,
        outcome: "written".to_owned(),
        host: "db1".to_owned(),
        stream: Some(1),
        precision: Precision::Nanos,
        is_partial: entries.first().is_some_and(|entry| entry.code != 1),
        shared: 0,
        flags: Vec::new(),
        entries,
        attributes: Vec::new(),
        batches: Vec::new(),
        record_times: Vec::new(),
        payload: Vec::new(),
    }
}

/// The same part later.
pub(crate) fn later(mut part: Part, ms: i64) -> Part {
    part.entries.iter_mut().for_each(|entry| entry.ts_ns += ms * 1_000_000);
    (part.start_ns, part.end_ns) = (part.start_ns + ms * 1_000_000, part.end_ns + ms * 1_000_000);
    (part.created_ms, part.received_ms) = (part.created_ms + ms, part.received_ms + ms);
    part
}

/// Asks a router; the status and the answer.
pub(crate) async fn ask(router: &axum::Router, path: &str) -> (u16, Value) {
    let request = Request::get(path).body(Body::empty()).unwrap();
    let response = router.clone().oneshot(request).await.unwrap();
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
}
