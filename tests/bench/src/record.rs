//! What a record's whole way costs: six stages, sampled and not.
//!
//! Owns: this comparison, on a loop that does nothing but pass records through the six functions.

use std::cell::RefCell;

use anyhow::{Result, ensure};
use profiler_user::attach::bare_probes;

use crate::bpftrace::Bpftrace;
use crate::micro::Micro;
use crate::series::{Arm, Series, in_turns};
use crate::stain::{self, NEVER, SLOTS, Stain};
use crate::table::{Aim, Row, Table};

const ROUNDS: usize = 15;

/// Records of a sampled round: their traces fit into the slots.
const SAMPLED: u64 = SLOTS as u64 / 2;

/// See the module.
pub(crate) fn run() -> Result<Vec<Table>> {
    let start = || Micro::start(false).map(RefCell::new);
    let (plain, bare, idle, busy, sampled, counted) =
        (start()?, start()?, start()?, start()?, start()?, start()?);
    let _bare = {
        let micro = bare.borrow();
        let offsets: Vec<_> = stain::plan(&micro)?.iter().map(|site| site.offset).collect();
        bare_probes(micro.pid(), micro.path(), &offsets, false)?
    };
    let _idle = attach(&idle, NEVER)?;
    let mut one = attach(&busy, 1)?;
    busy.borrow_mut().hold()?;
    one.set_rate(NEVER)?;
    let mut every = attach(&sampled, 1)?;
    let unsampled = |micro: &RefCell<Micro>| micro.borrow_mut().record_cost();
    let mut arms = vec![
        Arm::new("no probes", || unsampled(&plain)),
        Arm::new("six bare probes", || unsampled(&bare)),
        Arm::new("not sampled, none in flight", || unsampled(&idle)),
        Arm::new("not sampled, another in flight", || unsampled(&busy)),
        Arm::new("sampled, every record", || sampled_round(&sampled, &mut every)),
    ];
    let bpftrace = {
        let micro = counted.borrow();
        Bpftrace::count(micro.pid(), micro.path(), &stain::functions())
    };
    if bpftrace.is_ok() {
        arms.push(Arm::new("bpftrace count() at the six entries", || unsampled(&counted)));
    }
    let series = in_turns(ROUNDS, &mut arms)?;
    let least = |index: usize| series.get(index).map_or(f64::NAN, Series::least);
    let (base, idle_ns, bpftrace_ns) = (least(1), least(2), least(5));
    let mut aims = Vec::new();
    if !bpftrace_ns.is_nan() {
        let text = "an unsampled record is no dearer than under bpftrace";
        aims.push(Aim::at_most(text, idle_ns / bpftrace_ns, 1.0, "x"));
    }
    let rows = arms.iter().zip(&series).map(|(arm, series)| Row::cost(&arm.label, series, "ns").to(base));
    Ok(vec![Table {
        title: "nanoseconds of one record through S0 Q+ Q- T+ T- W!".to_owned(),
        base: "the bare probes",
        rows: rows.collect(),
        aims,
        notes: bpftrace.err().map(|error| format!("without bpftrace: {error:#}")).into_iter().collect(),
    }])
}

fn attach(micro: &RefCell<Micro>, rate: u64) -> Result<Stain> {
    let micro = micro.borrow();
    Stain::attach(&micro, &stain::plan(&micro)?, rate, None)
}

/// The slots are given back after the round, outside of the measured time.
fn sampled_round(micro: &RefCell<Micro>, stain: &mut Stain) -> Result<f64> {
    let each_ns = micro.borrow_mut().record(SAMPLED)?;
    let traces = stain.harvest()?;
    ensure!(traces == SAMPLED, "{traces} of {SAMPLED} records were traced");
    Ok(each_ns)
}
