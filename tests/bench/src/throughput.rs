//! What a whole pipeline loses: records a second, unattached and attached.
//!
//! Owns: this comparison. Each round is a fresh demo pipeline at full speed on all CPUs, which it shares with the agent.

use std::cell::RefCell;

use anyhow::Result;
use profiler_user::agent::Resolver;
use profiler_user::demo::{SPEC, SPEC_NAME};
use profiler_user::spec::{self, Overrides};
use stain_tests::stain;
use tempfile::TempDir;

use crate::attached::Attached;
use crate::bpftrace::{self, Bpftrace};
use crate::demo::{Demo, Ran};
use crate::series::{Arm, Series, in_turns};
use crate::table::{Row, Table};

const ROUNDS: usize = 3;
const SECONDS: u64 = 2;
/// Who watches the pipeline.
#[derive(Clone, Copy)]
enum Watcher {
    None,
    /// Rate and budget.
    Stain(u64, u64),
    Bpftrace,
}

const WATCHERS: [(&str, Watcher); 6] = [
    ("unattached", Watcher::None),
    ("stain, rate 100000", Watcher::Stain(100_000, 50)),
    ("stain, rate 100", Watcher::Stain(100, 50)),
    ("stain, rate 1", Watcher::Stain(1, 50)),
    ("stain, rate 1, no budget", Watcher::Stain(1, 0)),
    ("bpftrace count() at the same functions", Watcher::Bpftrace),
];

/// See the module.
pub(crate) fn run() -> Result<Vec<Table>> {
    let lack = bpftrace::version().err();
    let here = |(_, watcher): &&(&str, Watcher)| !matches!(watcher, Watcher::Bpftrace) || lack.is_none();
    let cpu_ns = RefCell::new(vec![f64::INFINITY; WATCHERS.len()]);
    let mut arms: Vec<Arm<'_>> = (0..)
        .zip(WATCHERS.iter().filter(here))
        .map(|(index, (label, watcher))| {
            let cpu_ns = &cpu_ns;
            Arm::new(*label, move || {
                let ran = watched(*watcher)?;
                if let Some(least) = cpu_ns.borrow_mut().get_mut::<usize>(index) {
                    *least = least.min(ran.cpu_ns);
                }
                Ok(ran.records_per_second)
            })
        })
        .collect();
    let series = in_turns(ROUNDS, &mut arms)?;
    let rates: Vec<f64> = series.iter().map(Series::median).collect();
    let labels: Vec<String> = arms.into_iter().map(|arm| arm.label).collect();
    let mut rate =
        table("records a second of the demo's pipeline at full speed", &labels, &rates, "records/s");
    rate.notes.push(format!(
        "a record passes up to eight probes; at most 50 traces/s unless said; {SECONDS} s a round"
    ));
    rate.notes.extend(lack.map(|error| format!("without bpftrace: {error:#}")));
    let mut cost = table("processor time of the pipeline for a record", &labels, &cpu_ns.into_inner(), "ns");
    cost.notes
        .push("the least of all rounds: what else runs on the machine disturbs this far less".to_owned());
    Ok(vec![rate, cost])
}

fn table(title: &str, labels: &[String], values: &[f64], unit: &'static str) -> Table {
    let base = values.first().copied().unwrap_or(f64::NAN);
    let rows = labels.iter().zip(values).map(|(label, value)| Row::new(label, *value, unit).to(base));
    Table { title: title.to_owned(), base: "unattached", rows: rows.collect(), ..Table::default() }
}

fn watched(watcher: Watcher) -> Result<Ran> {
    let folder = TempDir::new()?;
    let demo = Demo::start(SECONDS)?;
    let (mut stain, mut bpftrace) = (None, None);
    match watcher {
        Watcher::None => {}
        Watcher::Stain(rate, budget) => {
            let (rate, budget) = (rate.to_string(), budget.to_string());
            let flags = ["--rate", &rate, "--budget", &budget];
            stain = Some(Attached::start(demo.pid(), SPEC, folder.path(), &flags)?);
        }
        Watcher::Bpftrace => {
            let symbols = symbols(demo.pid())?;
            bpftrace = Some(Bpftrace::count(demo.pid(), &stain::binary()?, &symbols)?);
        }
    }
    let ran = demo.run()?;
    stain.map_or(Ok(()), Attached::stop)?;
    drop(bpftrace);
    Ok(ran)
}

/// The functions that the demo's stages are in.
fn symbols(pid: u32) -> Result<Vec<String>> {
    let overrides = Overrides { pids: vec![pid], ..Overrides::default() };
    let spec = spec::load(Some((SPEC_NAME, SPEC)), &overrides)?;
    let sites = Resolver::default().sites(&spec, pid)?;
    Ok(sites.into_iter().map(|site| site.symbol).collect())
}
