//! The store that the collector has without any server: SQLite.

use std::path::Path;
use std::sync::Arc;

use anyhow::Result;
use profiler_user::collector::store::sqlite::SqliteStore;
use profiler_user::collector::store::{Filter, Store, Width};
use tokio::runtime::Runtime;

use super::BATCH;
use super::ask::{detail, median, memory_mib, page, percentiles};
use super::fill::{calls, fill};
use crate::table::{Aim, Row, Table};

/// A duration that one trace in some thousand has at least, ns.
const SLOW_NS: i64 = 94_080;

/// Filled with so many traces.
pub(super) fn table(runtime: &Runtime, traces: u64) -> Result<Table> {
    let folder = tempfile::tempdir()?;
    let single = calls(runtime, &folder.path().join("calls.db"))?;
    let path = folder.path().join("traces.db");
    let store: Arc<dyn Store> = Arc::new(runtime.block_on(SqliteStore::open(&path))?);
    let rates = fill(runtime, &store, traces, BATCH)?;
    let ask = |times, question: &dyn Fn() -> Result<()>| median(times, question);
    let percentiles = ask(31, &|| runtime.block_on(percentiles(&*store, traces, Width::Seconds)))?;
    let detail = ask(301, &|| runtime.block_on(detail(&*store, traces)))?;
    let newest = ask(31, &|| runtime.block_on(page(&*store, &Filter::default())))?;
    let slow = Filter { min_duration_ns: Some(SLOW_NS), ..Filter::default() };
    let slow = ask(5, &|| runtime.block_on(page(&*store, &slow)))?;
    let task = Filter { task: Some(4301), ..Filter::default() };
    let task = ask(5, &|| runtime.block_on(page(&*store, &task)))?;
    let memory = memory_mib(std::process::id())?;
    let log = size(&path.with_extension("db-wal"));
    drop(store);
    let bytes = size(&path) / traces as f64;
    let rows = vec![
        Row::new("one connection and one transaction a trace", single, "traces/s").to(single),
        Row::new(format!("batches of {BATCH}"), rates.whole, "traces/s").to(single),
        Row::new("the last tenth of them", rates.last, "traces/s").to(single),
        Row::new("processor time of a trace", rates.cpu_us, "us"),
        Row::new("percentiles of every hop, all traces", percentiles, "ms"),
        Row::new("one trace with everything", detail, "ms"),
        Row::new("the newest 100, with the total", newest, "ms"),
        Row::new("the newest 100 of the slowest, with the total", slow, "ms"),
        Row::new("the newest 100 of a task, with the total", task, "ms"),
        Row::new("on the disk", bytes, "bytes each"),
        Row::new("its log, before it is closed", log / f64::from(1 << 20), "MiB"),
        Row::new("memory, at most", memory, "MiB"),
    ];
    let aims = vec![
        Aim::at_least("durable ingest of six-stage traces", rates.whole, 30_000.0, " traces/s"),
        Aim::at_most("percentile query", percentiles, 100.0, " ms"),
        Aim::at_most("detail", detail, 5.0, " ms"),
        Aim::at_most("memory", memory, 200.0, " MiB"),
    ];
    let title = format!("the collector's SQLite store, {traces} traces of six stages");
    Ok(Table { title, base: "one a call", rows, aims, ..Table::default() })
}

/// Bytes of a file; none when it is not there.
fn size(path: &Path) -> f64 {
    std::fs::metadata(path).map_or(0.0, |about| about.len() as f64)
}
