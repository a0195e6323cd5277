//! What the features of journeys cost beside a plain key: the same six stages, of which one or two say more.
//!
//! Owns: the specs that are compared. Where no other trace is in flight an unsampled record does without all of it; so there is always one.

use std::cell::RefCell;

use anyhow::{Result, ensure};
use profiler_user::attach::{MAX_VERIFIED_INSTRUCTIONS, verify};

use crate::micro::Micro;
use crate::series::{Arm, Series, in_turns};
use crate::stain::{self, NEVER, SLOTS, Stain};
use crate::table::{Aim, Row, Table};

const ROUNDS: usize = 15;

/// Records of a sampled round. Each may leave two traces, and all find a slot.
const SAMPLED: u64 = SLOTS as u64 / 4;

/// Records of the target, which it uses in turn.
const ADDRESSES: u64 = 64;

/// Most that a feature is to add, ns.
const UNSAMPLED_NS: f64 = 40.0;
const SAMPLED_NS: f64 = 150.0;

/// A spec that is compared with the plain one.
struct Feature {
    label: &'static str,
    sampling: &'static str,
    stages: &'static [(&'static str, &'static str)],
    /// Traces of one record.
    traces: u64,
}

const OPEN: &str = "key = \"arg0\"\nscope = \"open\"\nempty = \"keep\"";
const CLOSE: &str = "key = \"arg0\"\nscope = \"close\"";

const FEATURES: [Feature; 10] = [
    Feature { label: "a plain key", sampling: "", stages: &[], traces: 1 },
    Feature {
        label: "a second key (also)",
        sampling: "",
        stages: &[("Q+", "key = \"arg0\"\nalso = \"arg0\"\nalso_space = \"node\"")],
        traces: 1,
    },
    Feature {
        label: "a scope, opened and closed",
        sampling: "",
        stages: &[("Q-", OPEN), ("T-", CLOSE)],
        traces: 1,
    },
    Feature {
        label: "the same, and a stage by scope",
        sampling: "",
        stages: &[("Q-", OPEN), ("T+", "key = \"scope\""), ("T-", CLOSE)],
        traces: 1,
    },
    Feature {
        label: "a scope and a branch",
        sampling: "",
        stages: &[
            ("Q-", OPEN),
            ("T+", "key = \"arg0+1\"\nspace = \"out\"\nbranch = true"),
            ("T-", CLOSE),
            ("W!", "key = \"arg0+1\"\nspace = \"out\""),
        ],
        traces: 2,
    },
    Feature {
        label: "a batch of one, written as one",
        sampling: "",
        stages: &[
            ("T-", "key = \"arg0\"\nbatch = \"arg0\"\nbatch_space = \"batch\""),
            ("W!", "key = \"arg0\"\nspace = \"batch\""),
        ],
        traces: 1,
    },
    Feature {
        label: "a number as attribute",
        sampling: "",
        stages: &[("T+", "key = \"arg0\"\nattr.hops = \"*(u32*)(arg0)\"")],
        traces: 1,
    },
    Feature {
        label: "a string of 32 bytes as attribute",
        sampling: "",
        stages: &[("T+", "key = \"arg0\"\nattr.name = \"str(arg0, 32)\"")],
        traces: 1,
    },
    Feature {
        label: "the record's own time",
        sampling: "",
        stages: &[("T+", "key = \"arg0\"\nevent_time = \"*(u64*)(arg0)\"")],
        traces: 1,
    },
    Feature { label: "sampling by key", sampling: "mode = \"key\"", stages: &[], traces: 1 },
];

/// See the module.
pub(crate) fn run() -> Result<Vec<Table>> {
    let mut tables = Vec::new();
    for (sampled, title, limit) in [
        (false, "nanoseconds of a record that is not sampled, another in flight", UNSAMPLED_NS),
        (true, "nanoseconds of a sampled record", SAMPLED_NS),
    ] {
        let setups =
            FEATURES.iter().map(|feature| Setup::new(feature, sampled)).collect::<Result<Vec<_>>>()?;
        let mut arms: Vec<Arm<'_>> =
            setups.iter().map(|setup| Arm::new(setup.feature.label, || setup.round(sampled))).collect();
        let series = in_turns(ROUNDS, &mut arms)?;
        let base = series.first().map_or(f64::NAN, Series::least);
        let rows = FEATURES
            .iter()
            .zip(&series)
            .map(|(feature, series)| Row::cost(feature.label, series, "ns").to(base));
        let aims = FEATURES.iter().zip(&series).skip(1).map(|(feature, series)| {
            Aim::at_most(format!("{} adds", feature.label), series.least() - base, limit, " ns")
        });
        tables.push(Table {
            title: title.to_owned(),
            base: "the plain key",
            rows: rows.collect(),
            aims: aims.collect(),
            notes: vec!["six probes in each, the traps included; a branch is a second trace".to_owned()],
        });
    }
    tables.push(verifier()?);
    Ok(tables)
}

struct Setup {
    feature: &'static Feature,
    micro: RefCell<Micro>,
    stain: RefCell<Stain>,
}

impl Setup {
    fn new(feature: &'static Feature, sampled: bool) -> Result<Self> {
        let mut micro = Micro::start(false)?;
        let sites = stain::plan_with(&micro, feature.sampling, feature.stages)?;
        let by_key = !feature.sampling.is_empty();
        let mut stain = Stain::attach_journeys(&micro, &sites, 1, by_key)?;
        if !sampled {
            micro.hold()?;
            stain.set_rate(NEVER)?;
        }
        Ok(Self { feature, micro: RefCell::new(micro), stain: RefCell::new(stain) })
    }

    fn round(&self, sampled: bool) -> Result<f64> {
        if !sampled {
            return self.micro.borrow_mut().record_cost();
        }
        let each_ns = self.micro.borrow_mut().record(SAMPLED)?;
        let traces = self.stain.borrow_mut().harvest()?;
        // A record that lives on in its branch alone is over when the next one has its address: those of the last ones in the next round.
        let all = SAMPLED * self.feature.traces;
        ensure!(
            (all - ADDRESSES..=all + ADDRESSES).contains(&traces),
            "{}: {traces} traces of {SAMPLED} records",
            self.feature.label
        );
        Ok(each_ns)
    }
}

/// What each program costs the verifier, of what the kernel allows.
fn verifier() -> Result<Table> {
    let mut rows = Vec::new();
    let mut notes = Vec::new();
    for program in ["stain_entry", "stain_journey", "stain_batch"] {
        let verified = verify(program)?;
        let functions = verified.stack.len();
        rows.push(Row::new(program, verified.instructions as f64, "instructions"));
        let largest = verified.stack.iter().max().copied().unwrap_or(0);
        notes.push(format!("{program}: {functions} functions, the largest with {largest} bytes of stack"));
    }
    notes.push(format!(
        "the kernel allows {MAX_VERIFIED_INSTRUCTIONS} instructions, and 512 bytes of stack along a chain of calls; a test holds each to a ceiling"
    ));
    Ok(Table {
        title: "instructions that the verifier walks before it accepts a program".to_owned(),
        base: "",
        rows,
        aims: Vec::new(),
        notes,
    })
}
