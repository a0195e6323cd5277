//! The planned site against the naive function entry, against the bare trap, and against bpftrace on the same function.
//!
//! Owns: this comparison on a binary with `endbr64` entries and on one without. Each arm has a process and a file of its own.

use std::cell::RefCell;

use anyhow::{Context as _, Result};
use profiler_user::attach::{BareProbes, bare_probes};
use profiler_user::plan::Site;

use crate::bpftrace::{self, Bpftrace};
use crate::micro::Micro;
use crate::series::{Arm, Series, in_turns};
use crate::stain::{self, NEVER, Stain};
use crate::table::{Aim, Row, Table};

const ROUNDS: usize = 21;

/// What holds the probes of an arm.
#[expect(dead_code, reason = "held, never looked at")]
enum Probes {
    None,
    Bare(BareProbes),
    Stain(Box<Stain>),
    Bpftrace(Bpftrace),
}

/// One way to have probes on a function.
#[derive(Clone, Copy, PartialEq)]
enum Way {
    None,
    BarePlanned,
    BareEntry,
    /// All six stages where the plan puts them; true: while another record is in flight.
    Planned(bool),
    /// All six at their functions' entries.
    Entry,
    Bpftrace,
}

/// One arm.
struct Setup {
    label: &'static str,
    way: Way,
    function: &'static str,
    micro: RefCell<Micro>,
    _probes: Probes,
}

/// Label, way, function.
const WAYS: [(&str, Way, &str); 10] = [
    ("no probe", Way::None, "stage_put"),
    ("bare probe, planned site", Way::BarePlanned, "stage_put"),
    ("bare probe, function entry", Way::BareEntry, "stage_put"),
    ("stain, S0, not sampled", Way::Planned(false), "stage_emit"),
    ("stain, middle stage, none in flight", Way::Planned(false), "stage_put"),
    ("stain, middle stage, another in flight", Way::Planned(true), "stage_put"),
    ("stain, W!, none in flight", Way::Planned(false), "stage_written"),
    ("stain, W!, another in flight", Way::Planned(true), "stage_written"),
    ("stain, middle stage, function entry", Way::Entry, "stage_put"),
    ("bpftrace count(), function entry", Way::Bpftrace, "stage_put"),
];

/// See the module.
pub(crate) fn run() -> Result<Vec<Table>> {
    [true, false].into_iter().map(compare).collect()
}

fn compare(protected: bool) -> Result<Table> {
    let mut table = Table {
        title: format!("one hit on a binary {} -fcf-protection", if protected { "with" } else { "without" }),
        base: "the bare planned probe",
        ..Table::default()
    };
    let mut setups = Vec::new();
    for (label, way, function) in WAYS {
        match setup(protected, label, way, function) {
            Ok(setup) => setups.push(setup),
            Err(error) if way == Way::Bpftrace => table.notes.push(format!("without bpftrace: {error:#}")),
            Err(error) => return Err(error.context(label)),
        }
    }
    let cost = |setup: &Setup| setup.micro.borrow_mut().cost(setup.function);
    let mut arms: Vec<Arm<'_>> =
        setups.iter().map(|setup| Arm::new(setup.label, move || cost(setup))).collect();
    let series = in_turns(ROUNDS, &mut arms)?;
    fill(&mut table, protected, &setups, &series);
    if let Ok(version) = bpftrace::version() {
        table.notes.push(version);
    }
    Ok(table)
}

fn setup(protected: bool, label: &'static str, way: Way, function: &'static str) -> Result<Setup> {
    let mut micro = Micro::start(protected)?;
    let planned = stain::plan(&micro)?;
    let site = planned.iter().find(|site| site.function == function).context("no plan")?;
    let entries: Vec<Site> = planned.iter().map(stain::at_entry).collect();
    let bare = |offset| bare_probes(micro.pid(), micro.path(), &[offset], false).map(Probes::Bare);
    let probes = match way {
        Way::None => Probes::None,
        Way::BarePlanned => bare(site.offset)?,
        Way::BareEntry => bare(stain::at_entry(site).offset)?,
        Way::Planned(false) => Probes::Stain(Box::new(Stain::attach(&micro, &planned, NEVER, None)?)),
        Way::Planned(true) => {
            let mut stain = Stain::attach(&micro, &planned, 1, None)?;
            micro.hold()?;
            stain.set_rate(NEVER)?;
            Probes::Stain(Box::new(stain))
        }
        Way::Entry => Probes::Stain(Box::new(Stain::attach(&micro, &entries, NEVER, None)?)),
        Way::Bpftrace => Probes::Bpftrace(Bpftrace::count(micro.pid(), micro.path(), &[function])?),
    };
    Ok(Setup { label, way, function, micro: RefCell::new(micro), _probes: probes })
}

/// How many times cheaper than bpftrace on an `endbr64` entry, where the machine's traps differ by as much.
const TIMES_CHEAPER: f64 = 10.0;

fn fill(table: &mut Table, protected: bool, setups: &[Setup], series: &[Series]) {
    let least = |wanted: &dyn Fn(&Setup) -> bool| {
        let found = setups.iter().zip(series).filter(|(setup, _)| wanted(setup));
        found.map(|(_, series)| series.least()).fold(f64::NAN, f64::max)
    };
    let bare = least(&|setup| setup.way == Way::BarePlanned);
    for (setup, series) in setups.iter().zip(series) {
        table.rows.push(Row::cost(setup.label, series, "ns").to(bare));
    }
    // The common hit, and the dearest one, whatever the stage and whether or not others are in flight.
    let common = least(&|setup| setup.way == Way::Planned(false) && setup.function == "stage_put");
    let dearest = least(&|setup| matches!(setup.way, Way::Planned(_)));
    table.aims.push(Aim::at_most(
        "a planned site against the bare trap: common hit",
        common / bare,
        1.1,
        "x",
    ));
    table.aims.push(Aim::at_most("a planned site against the bare trap: dearest", dearest / bare, 1.1, "x"));
    let bpftrace = least(&|setup| setup.way == Way::Bpftrace);
    if bpftrace.is_nan() {
        return;
    }
    table.aims.push(Aim::at_most("never dearer than bpftrace: common hit", common / bpftrace, 1.0, "x"));
    table.aims.push(Aim::at_most("never dearer than bpftrace: dearest", dearest / bpftrace, 1.0, "x"));
    if protected {
        let text = "cheaper than bpftrace on an `endbr64` entry: dearest";
        // No profiler can be cheaper by more than what this machine's two kinds of trap differ.
        let traps = least(&|setup| setup.way == Way::BareEntry) / bare;
        table.notes.push(format!("a stepped trap costs {traps:.1} times an emulated one on this machine"));
        table.aims.push(Aim::at_least(text, bpftrace / dearest, TIMES_CHEAPER.min(0.9 * traps), " times"));
    }
}
