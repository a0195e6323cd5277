//! Traces for tests, written as text.

use profiler_common::{Outcome, StageCode};

use super::{BranchPath, Flags, Stamp, Trace};

/// A trace of stamps written as `S0@100 Q+@110`; stages are numbered as they first appear.
pub(crate) fn trace(text: &str, outcome: Outcome) -> Trace {
    let mut names: Vec<&str> = Vec::new();
    let stamps: Vec<_> = text.split_whitespace().map(|word| stamp(word, &mut names)).collect();
    Trace {
        start_ns: stamps[0].ts_ns,
        wall_ns: 1_700_000_000_000_000_000 + stamps[0].ts_ns,
        end_ns: stamps[stamps.len() - 1].ts_ns,
        stamps,
        ..plain(outcome)
    }
}

/// A trace without stamps, and without anything that not every trace has.
pub(crate) fn plain(outcome: Outcome) -> Trace {
    Trace {
        id: 42,
        outcome,
        pid: 4242,
        key: 0x7f00_0000_1000,
        sequence: 300,
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

fn stamp<'a>(word: &'a str, names: &mut Vec<&'a str>) -> Stamp {
    let (name, time) = word.split_once('@').unwrap();
    let stage = names.iter().position(|known| *known == name).unwrap_or_else(|| {
        names.push(name);
        names.len() - 1
    });
    Stamp {
        stage,
        code: StageCode::from_short_name(name).unwrap(),
        probe: stage as u32,
        pid: 4242,
        task_id: 4300 + stage as i64,
        tid: 4300 + stage as u32,
        cpu: stage as u32 % 2,
        ts_ns: time.parse().unwrap(),
    }
}
