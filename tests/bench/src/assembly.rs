//! How many traces a second one core decodes and assembles: the agent's own part, without kernel and sinks.

use std::time::Instant;

use anyhow::Result;
use profiler_user::assemble::bench;

use crate::series::{Arm, in_turns};
use crate::table::{Aim, Row, Table};

const TRACES: u32 = 10_000;

/// See the module.
pub(crate) fn run() -> Result<Vec<Table>> {
    let small = bench::input(TRACES, 8);
    let large = bench::input(TRACES, 32);
    let rate = |input: &bench::Input| {
        let start = Instant::now();
        let traces = bench::run(input);
        Ok(start.elapsed().as_nanos() as f64 / traces as f64)
    };
    let mut arms = [
        Arm::new("slots of 32 entries (the default)", || rate(&large)),
        Arm::new("slots of 8 entries", || rate(&small)),
    ];
    let series = in_turns(51, &mut arms)?;
    let per_second: Vec<f64> = series.iter().map(|series| 1e9 / series.median()).collect();
    let base = per_second.first().copied().unwrap_or(f64::NAN);
    let rows =
        arms.iter().zip(&per_second).map(|(arm, rate)| Row::new(&arm.label, *rate, "traces/s").to(base));
    Ok(vec![Table {
        title: "traces of six stages assembled on one core".to_owned(),
        base: "the default",
        rows: rows.collect(),
        aims: vec![Aim::at_least("assembly", base, 500_000.0, " traces/s")],
        notes: Vec::new(),
    }])
}
