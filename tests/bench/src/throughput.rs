//! What a whole pipeline loses: records a second, unattached and attached.
//!
//! Owns: this comparison. Each round is a fresh demo pipeline at full speed on all CPUs, which it shares with the agent.

use anyhow::Result;
use profiler_user::agent::Resolver;
use profiler_user::demo::{SPEC, SPEC_NAME};
use profiler_user::spec::{self, Overrides};
use stain_tests::stain;
use tempfile::TempDir;

use crate::attached::Attached;
use crate::bpftrace::{self, Bpftrace};
use crate::demo::Demo;
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
    let mut arms: Vec<Arm<'_>> = WATCHERS
        .iter()
        .filter(here)
        .map(|(label, watcher)| Arm::new(*label, move || records_per_second(*watcher)))
        .collect();
    let series = in_turns(ROUNDS, &mut arms)?;
    let base = series.first().map_or(f64::NAN, Series::median);
    let rows = arms
        .iter()
        .zip(&series)
        .map(|(arm, series)| Row::new(&arm.label, series.median(), "records/s").to(base));
    let mut notes = vec![format!(
        "a record passes up to eight probes; default budget of 50 traces/s unless said; {SECONDS} s a round"
    )];
    notes.extend(lack.map(|error| format!("without bpftrace: {error:#}")));
    let title = "records a second of the demo's pipeline at full speed".to_owned();
    Ok(vec![Table { title, base: "unattached", rows: rows.collect(), aims: Vec::new(), notes }])
}

fn records_per_second(watcher: Watcher) -> Result<f64> {
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
            let binary = stain::binary()?;
            bpftrace = Some(Bpftrace::count(demo.pid(), &binary, &entries(demo.pid())?)?);
        }
    }
    let rate = demo.records_per_second()?;
    stain.map_or(Ok(()), Attached::stop)?;
    drop(bpftrace);
    Ok(rate)
}

/// The addresses of the functions that the demo's stages are in.
fn entries(pid: u32) -> Result<Vec<String>> {
    let overrides = Overrides { pids: vec![pid], ..Overrides::default() };
    let spec = spec::load(Some((SPEC_NAME, SPEC)), &overrides)?;
    let sites = Resolver::default().sites(&spec, pid)?;
    Ok(sites.into_iter().map(|site| site.symbol).collect())
}
