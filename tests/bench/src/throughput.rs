//! What a whole pipeline loses: records a second, unattached and attached.
//!
//! Owns: this comparison. Each round is a fresh pipeline at full speed on all CPUs, which it shares with the agent.

use std::time::Duration;

use anyhow::Result;
use tempfile::TempDir;

use crate::attached::{self, Attached};
use crate::bpftrace::{self, Bpftrace};
use crate::series::{Arm, Series, in_turns};
use crate::table::{Row, Table};

const ROUNDS: usize = 3;
const SECONDS: u64 = 2;
const LIMIT: Duration = Duration::from_secs(30);

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
        "a record passes six probes; default budget of 50 traces/s unless said; {SECONDS} s a round"
    )];
    notes.extend(lack.map(|error| format!("without bpftrace: {error:#}")));
    let title =
        "records a second of a pipeline that does little but pass records on: the worst case".to_owned();
    Ok(vec![Table { title, base: "unattached", rows: rows.collect(), aims: Vec::new(), notes }])
}

fn records_per_second(watcher: Watcher) -> Result<f64> {
    let folder = TempDir::new()?;
    let mut pipeline = attached::pipeline(SECONDS, folder.path())?;
    let (mut stain, mut bpftrace) = (None, None);
    match watcher {
        Watcher::None => {}
        Watcher::Stain(rate, budget) => {
            let spec = attached::spec(rate, budget);
            stain = Some(Attached::start(pipeline.pid(), &spec, folder.path(), &[])?);
        }
        Watcher::Bpftrace => {
            let spec = attached::spec(1, 0);
            let functions = spec.stages.iter().map(|stage| stage.point);
            bpftrace = Some(Bpftrace::count(pipeline.pid(), pipeline.binary(), functions)?);
        }
    }
    pipeline.go()?;
    let totals = pipeline.totals(LIMIT)?;
    stain.map_or(Ok(()), Attached::stop)?;
    drop(bpftrace);
    pipeline.finish(LIMIT)?;
    Ok(totals.written as f64 * 1e9 / totals.elapsed_ns as f64)
}
