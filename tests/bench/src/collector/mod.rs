//! What the collector takes and answers: durable ingest, percentiles, one trace, filters, memory.
//!
//! Owns: which tables there are, and how many traces each is filled with. `STAIN_BENCH_TRACES` says how many SQLite gets (10000000 for the numbers that are
//! aimed at).

mod ask;
mod fill;
mod make;
mod own;
mod served;
mod servers;
mod weeks;

use anyhow::{Context as _, Result};
use tokio::runtime::{Builder, Runtime};

use crate::table::Table;

/// Traces when nothing else is said: a few seconds.
const TRACES: u64 = 300_000;
/// Traces of one batch: what the collector gathers under load.
const BATCH: u64 = 1000;

/// See the module.
pub(crate) fn run() -> Result<Vec<Table>> {
    let traces = match std::env::var("STAIN_BENCH_TRACES") {
        Ok(text) => text.parse().context("STAIN_BENCH_TRACES is not a number")?,
        Err(_) => TRACES,
    };
    let runtime = runtime()?;
    // First: the memory that it tells is the most that this process ever had.
    let own = own::table(&runtime, traces)?;
    let tables = vec![own, served::table()?, weeks::table(&runtime)?, servers::table(&runtime)?];
    Ok(tables)
}

fn runtime() -> Result<Runtime> {
    Ok(Builder::new_multi_thread().worker_threads(2).enable_all().build()?)
}
