//! Traces to fill stores with: journeys of six stages, each through one of eight threads.
//!
//! Owns: the traces of a number, as parts and as the events that an agent sends. Their ids are spread over all numbers, as real ones are.

use profiler_common::{Outcome, StageCode};
use profiler_user::collector::model::{Entry, Part, PartKey, Precision};
use profiler_user::collector::store::Batch;
use profiler_user::sink::event::to_base64;
use profiler_user::sink::sttr::nano;
use profiler_user::trace::{Stamp, Trace};

use crate::sttr::plain;

/// When the first trace ends, ns since the Unix epoch.
const START_NS: i64 = 1_700_000_000_000_000_000;
/// Traces that end in one second.
const RATE: i64 = 30_000;
/// When the stages are reached at the earliest, ns after the first one.
const SINCE_NS: [i64; 6] = [0, 900, 14_000, 15_000, 60_000, 90_000];

/// The id of a number.
fn id(number: u64) -> u64 {
    number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 1
}

/// Task, and time after the first stage, ns, of each stage of a journey.
fn stages(id: u64) -> impl Iterator<Item = (u8, i64, i64)> {
    (0u8..).zip(SINCE_NS).map(move |(stage, since)| {
        let task = 4300 + i64::from(stage) * 8 + (id % 8) as i64;
        (stage, task, since + (id >> (8 * stage) & 0xfff) as i64)
    })
}

/// The journey of a number, at the rate of [`RATE`].
pub(crate) fn part(number: u64) -> Part {
    part_at(number, START_NS + number as i64 * (1_000_000_000 / RATE))
}

/// The journey of a number that begins then, ns since the Unix epoch.
pub(crate) fn part_at(number: u64, start_ns: i64) -> Part {
    let id = id(number);
    let stamp = |(stage, task, since): (u8, i64, i64)| Entry {
        code: stage + 1,
        name: None,
        task,
        ts_ns: start_ns + since,
        pid: 4242,
        tid: 4300 + u32::from(stage),
    };
    let entries: Vec<_> = stages(id).map(stamp).collect();
    let last = entries.last().map_or((0, 0), |entry| (entry.task, entry.ts_ns));
    Part {
        key: PartKey { job: "77".to_owned(), trace_id: id, sink_task: last.0, branch: 0 },
        table: Some("shop.orders".to_owned()),
        created_ms: last.1 / 1_000_000,
        received_ms: start_ns / 1_000_000 + 10,
        start_ns,
        end_ns: last.1,
        outcome: "written".to_owned(),
        host: "db1".to_owned(),
        stream: Some(7),
        precision: Precision::Nanos,
        is_partial: false,
        shared: 0,
        flags: Vec::new(),
        entries,
        attributes: Vec::new(),
        batches: Vec::new(),
        record_times: Vec::new(),
        // As long as the payload of six stages is.
        payload: vec![id as u8; 261],
    }
}

/// So many journeys, from a number on.
pub(crate) fn batch(first: u64, count: u64) -> Batch {
    Batch { parts: (first..first + count).map(part).collect(), ..Batch::default() }
}

/// The events of so many journeys from a number on, all of which began at about `wall_ns`, ns since the Unix epoch: what an agent sends at once.
pub(crate) fn body(first: u64, count: u64, wall_ns: i64) -> Vec<u8> {
    let (mut body, mut payload) = (vec![b'['], Vec::new());
    for number in first..first + count {
        payload.clear();
        let trace = trace(number, wall_ns);
        nano::encode(&trace, &[], &mut payload);
        let comma = if number == first { "" } else { "," };
        let (id, sink, text) = (trace.id, sink_task(number), to_base64(&payload));
        let event = format!(
            "{comma}{{\"eventType\":\"STAIN_TRACE\",\"jobId\":\"77\",\"traceId\":{id},\"sinkTaskId\":{sink},\"tableId\":\"shop.orders\",\
             \"createdTime\":{},\"payload\":\"{text}\"}}",
            wall_ns / 1_000_000
        );
        body.extend_from_slice(event.as_bytes());
    }
    body.push(b']');
    body
}

fn sink_task(number: u64) -> i64 {
    stages(id(number)).last().map_or(0, |(_, task, _)| task)
}

/// The same journey as an agent has it.
fn trace(number: u64, wall_ns: i64) -> Trace {
    let id = id(number);
    let start_ns = 1_000_000_000 + number * 1000;
    let stamp = |(stage, task, since): (u8, i64, i64)| Stamp {
        stage: stage.into(),
        code: StageCode(stage + 1),
        probe: stage.into(),
        pid: 4242,
        task_id: task,
        tid: 4300 + u32::from(stage),
        cpu: u32::from(stage) % 2,
        ts_ns: start_ns + since.unsigned_abs(),
    };
    let stamps: Vec<_> = stages(id).map(stamp).collect();
    let end_ns = stamps.last().map_or(start_ns, |stamp| stamp.ts_ns);
    Trace {
        id,
        outcome: Outcome::Written,
        pid: 4242,
        start_ns,
        wall_ns: wall_ns.unsigned_abs(),
        end_ns,
        stamps,
        ..plain()
    }
}
