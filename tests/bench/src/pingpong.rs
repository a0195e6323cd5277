//! What probes that are never hit do to the target's context switches.
//!
//! Owns: two threads on one CPU that pass a byte to and fro, with links for the process and with perf events.

use std::cell::RefCell;

use anyhow::{Context as _, Result};
use profiler_user::attach::Backend;
use profiler_user::plan::Site;
use profiler_user::symbol::FileOffset;

use crate::micro::Micro;
use crate::series::{Arm, in_turns};
use crate::stain::{self, NEVER, Stain};
use crate::table::{Aim, Row, Table};

const ROUNDS: usize = 11;
const ROUND_TRIPS: u64 = 2_000;

/// Label, sites, how they are set.
const WAYS: [(&str, u64, Option<Backend>); 5] = [
    ("no probes", 0, None),
    ("8 sites, uprobe_multi", 8, Some(Backend::Multi)),
    ("128 sites, uprobe_multi", 128, Some(Backend::Multi)),
    ("8 sites, perf events", 8, Some(Backend::Perf)),
    ("128 sites, perf events", 128, Some(Backend::Perf)),
];

/// See the module.
pub(crate) fn run() -> Result<Vec<Table>> {
    let mut held = Vec::new();
    let mut targets = Vec::new();
    for (label, sites, backend) in WAYS {
        let mut micro = Micro::start(false)?;
        if backend.is_some() {
            let sites = never_hit(&mut micro, sites)?;
            held.push(Stain::attach(&micro, &sites, NEVER, backend).context(label)?);
        }
        targets.push((label, RefCell::new(micro)));
    }
    let mut arms: Vec<Arm<'_>> = targets
        .iter()
        .map(|(label, micro)| Arm::new(*label, || Ok(micro.borrow_mut().pingpong(ROUND_TRIPS)? / 2.0)))
        .collect();
    let series = in_turns(ROUNDS, &mut arms)?;
    let least = |index: usize| series.get(index).map_or(f64::NAN, |series| series.least());
    let rows = arms.iter().zip(&series).map(|(arm, series)| Row::cost(&arm.label, series, "ns").to(least(0)));
    Ok(vec![Table {
        title: "nanoseconds of one context switch (half a round trip through two pipes)".to_owned(),
        base: "no probes",
        rows: rows.collect(),
        aims: vec![Aim::at_most("128 sites leave switches as they are", least(2) / least(0), 1.1, "x")],
        notes: vec![
            "perf events are the way on kernels before 6.10; `stain doctor` says so there".to_owned(),
        ],
    }])
}

/// Sites in code that nobody calls.
fn never_hit(micro: &mut Micro, count: u64) -> Result<Vec<Site>> {
    let (_, distance) = micro.ops()?;
    let FileOffset(first) = micro.offset("many")?;
    let planned = stain::plan(micro)?;
    let middle = planned.get(1).context("no plan")?;
    Ok((0..count).map(|n| Site { offset: FileOffset(first + n * distance), ..middle.clone() }).collect())
}
