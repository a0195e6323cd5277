//! How many payloads a second one core encodes and decodes.

use std::hint::black_box;
use std::time::Instant;

use anyhow::{Result, ensure};
use profiler_common::{Outcome, StageCode};
use profiler_user::sink::sttr::{Payload, decode, nano, v1};
use profiler_user::trace::{BranchPath, Flags, Stamp, Trace};

use crate::allocations;
use crate::series::{Arm, in_turns};
use crate::table::{Aim, Row, Table};

/// Payloads of one round.
const PAYLOADS: usize = 100_000;
/// Different traces, over and over: they stay in the cache, as the agent's latest ones do.
const TRACES: usize = 64;

/// See the module.
pub(crate) fn run() -> Result<Vec<Table>> {
    let traces: Vec<Trace> = (0..TRACES as u64).map(trace).collect();
    let (millis, nanos) = (payloads(&traces, put_v1), payloads(&traces, put_nano));
    let mut buffer = Vec::with_capacity(1 << 16);
    allocates_nothing(&traces, &mut buffer)?;
    let mut again = buffer.clone();
    let mut arms = [
        Arm::new("encode, version 1", || Ok(encode(&traces, &mut buffer, put_v1))),
        Arm::new("encode, nanoseconds", || Ok(encode(&traces, &mut again, put_nano))),
        Arm::new("decode, version 1, every entry", || decode_all(&millis)),
        Arm::new("decode, nanoseconds, every entry", || decode_all(&nanos)),
    ];
    let series = in_turns(31, &mut arms)?;
    let rates: Vec<f64> = series.iter().map(|series| 1e9 / series.median()).collect();
    let rows = arms.iter().zip(&rates).map(|(arm, rate)| Row::new(&arm.label, *rate, "traces/s"));
    let aims = arms.iter().zip(&rates).map(|(arm, rate)| Aim::at_least(&arm.label, *rate, 5e6, " traces/s"));
    Ok(vec![Table {
        title: "payloads of six stages on one core".to_owned(),
        rows: rows.collect(),
        aims: aims.collect(),
        notes: vec!["encoding into a buffer that is used again allocated nothing".to_owned()],
        ..Table::default()
    }])
}

fn trace(id: u64) -> Trace {
    let stamp = |index: u8| Stamp {
        stage: index.into(),
        code: StageCode(index + 1),
        probe: index.into(),
        pid: 4242,
        task_id: 4300 + i64::from(index),
        tid: 4300 + u32::from(index),
        cpu: u32::from(index) % 2,
        ts_ns: 1_000_000 + u64::from(index) * 1000 + id,
    };
    Trace {
        id: id << 40 | 12_345,
        outcome: Outcome::Written,
        pid: 4242,
        key: 0x7f00_0000_1000,
        sequence: id * 1000,
        start_ns: 1_000_000,
        wall_ns: 1_700_000_000_000_000_000,
        end_ns: 1_006_000,
        stamps: (0..6).map(stamp).collect(),
        ..plain()
    }
}

/// A trace without anything that not every trace has.
pub(crate) fn plain() -> Trace {
    Trace {
        id: 0,
        outcome: Outcome::Written,
        pid: 0,
        key: 0,
        sequence: 0,
        start_ns: 0,
        wall_ns: 0,
        end_ns: 0,
        stamps: Vec::new(),
        branch: BranchPath::ROOT,
        shared: 0,
        branches: 0,
        batches: Vec::new(),
        attributes: Vec::new(),
        record_times: Vec::new(),
        flags: Flags::default(),
    }
}

type Put = fn(&Trace, &mut Vec<u8>);

fn put_v1(trace: &Trace, out: &mut Vec<u8>) {
    v1::encode(trace, trace.journey_id(), out);
}

fn put_nano(trace: &Trace, out: &mut Vec<u8>) {
    nano::encode(trace, &[], out);
}

fn payloads(traces: &[Trace], put: Put) -> Vec<Vec<u8>> {
    let one = |trace| {
        let mut out = Vec::new();
        put(trace, &mut out);
        out
    };
    traces.iter().map(one).collect()
}

/// Nanoseconds of one payload.
fn encode(traces: &[Trace], buffer: &mut Vec<u8>, put: Put) -> f64 {
    let start = Instant::now();
    for trace in traces.iter().cycle().take(PAYLOADS) {
        // As a batch does: several behind each other, and then from the start.
        if buffer.len() > 1 << 15 {
            buffer.clear();
        }
        put(trace, buffer);
        black_box(&buffer);
    }
    start.elapsed().as_nanos() as f64 / PAYLOADS as f64
}

fn allocates_nothing(traces: &[Trace], buffer: &mut Vec<u8>) -> Result<()> {
    let before = allocations::count();
    encode(traces, buffer, put_v1);
    encode(traces, buffer, put_nano);
    let made = allocations::count() - before;
    ensure!(made == 0, "encoding made {made} allocations");
    Ok(())
}

fn decode_all(payloads: &[Vec<u8>]) -> Result<f64> {
    let start = Instant::now();
    for bytes in payloads.iter().cycle().take(PAYLOADS) {
        match decode(black_box(bytes))? {
            Payload::V1(view) => view.entries().for_each(|entry| {
                black_box(entry);
            }),
            Payload::Nano(view) => view.entries().for_each(|entry| {
                black_box(entry);
            }),
        }
    }
    Ok(start.elapsed().as_nanos() as f64 / PAYLOADS as f64)
}
