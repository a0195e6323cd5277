//! What the collector's own store takes and answers: durable ingest, percentiles, one trace, memory.
//!
//! `STAIN_BENCH_TRACES` says how many traces to fill it with (10000000 for the numbers that are aimed at).

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use profiler_user::collector::model::{Dimension, Entry, Part, PartKey, Precision};
use profiler_user::collector::sketch::Sketch;
use profiler_user::collector::store::sqlite::SqliteStore;
use profiler_user::collector::store::{Batch, Filter, Page, RollupFilter, Store};
use tokio::runtime::Runtime;

use crate::table::{Aim, Row, Table};

/// Traces when nothing else is said: a few seconds.
const TRACES: u64 = 300_000;
/// Traces of one batch: what the collector gathers under load.
const BATCH: u64 = 1000;
/// Calls that open the database each: they take milliseconds.
const CALLS: u64 = 50;
/// Writers at a time: one prepares a batch while the store writes another's.
const WRITERS: u64 = 2;
/// When the first trace ends, ns since the Unix epoch.
const START_NS: i64 = 1_700_000_000_000_000_000;
/// Traces that end in one second.
const RATE: i64 = 30_000;

/// See the module.
pub(crate) fn run() -> Result<Vec<Table>> {
    let traces = match std::env::var("STAIN_BENCH_TRACES") {
        Ok(text) => text.parse().context("STAIN_BENCH_TRACES is not a number")?,
        Err(_) => TRACES,
    };
    let folder = tempfile::tempdir()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let single = calls(&runtime, &folder.path().join("calls.db"))?;
    let path = folder.path().join("traces.db");
    let store = Arc::new(runtime.block_on(SqliteStore::open(&path))?);
    let rates = fill(&runtime, &store, traces)?;
    let (rate, last) = (rates.whole, rates.last);
    let percentiles = median(31, || runtime.block_on(percentiles(&store, traces)))?;
    let detail = median(301, || runtime.block_on(detail(&store, traces)))?;
    let page = median(31, || runtime.block_on(page(&store)))?;
    let memory = memory_mib()?;
    drop(store);
    let bytes = std::fs::metadata(&path)?.len() as f64 / traces as f64;
    let rows = vec![
        Row::new("one connection and one transaction a trace", single, "traces/s").to(single),
        Row::new(format!("batches of {BATCH}"), rate, "traces/s").to(single),
        Row::new("the last tenth of them", last, "traces/s").to(single),
        Row::new("percentiles of every hop, all traces", percentiles, "ms"),
        Row::new("one trace with everything", detail, "ms"),
        Row::new("the newest 100, with the total", page, "ms"),
        Row::new("on the disk", bytes, "bytes each"),
        Row::new("memory, at most", memory, "MiB"),
    ];
    let aims = vec![
        Aim::at_least("durable ingest of six-stage traces", rate, 30_000.0, " traces/s"),
        Aim::at_most("percentile query", percentiles, 100.0, " ms"),
        Aim::at_most("detail", detail, 5.0, " ms"),
        Aim::at_most("memory", memory, 200.0, " MiB"),
    ];
    let title = format!("the collector's SQLite store, {traces} traces of six stages");
    Ok(vec![Table { title, base: "one a call", rows, aims, ..Table::default() }])
}

/// A journey of six stages through one of eight threads of each; its id is spread over all numbers as real ones are.
fn part(number: u64) -> Part {
    let id = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 1;
    let start_ns = START_NS + number as i64 * (1_000_000_000 / RATE);
    let since = [0, 900, 14_000, 15_000, 60_000, 90_000];
    let stamp = |(stage, since): (u8, i64)| Entry {
        code: stage + 1,
        name: None,
        task: 4300 + i64::from(stage) * 8 + (id % 8) as i64,
        ts_ns: start_ns + since + (id >> (8 * stage) & 0xfff) as i64,
        pid: 4242,
        tid: 4300 + u32::from(stage),
    };
    let entries: Vec<_> = (0..).zip(since).map(stamp).collect();
    let last = entries.last().map_or((0, 0), |entry| (entry.task, entry.ts_ns));
    Part {
        key: PartKey { job: "77".to_owned(), trace_id: id, sink_task: last.0, branch: 0 },
        table: Some("shop.orders".to_owned()),
        created_ms: last.1 / 1_000_000,
        received_ms: start_ns / 1_000_000 + 10,
        start_ns,
        end_ns: last.1,
        outcome: "written".to_owned(),
        host: "db1".to_owned(),
        stream: Some(7),
        precision: Precision::Nanos,
        is_partial: false,
        shared: 0,
        flags: Vec::new(),
        entries,
        attributes: Vec::new(),
        batches: Vec::new(),
        record_times: Vec::new(),
        // As long as the payload of six stages is.
        payload: vec![id as u8; 261],
    }
}

fn batch(first: u64, count: u64) -> Batch {
    Batch { parts: (first..first + count).map(part).collect(), ..Batch::default() }
}

/// Traces a second when each has a connection and a transaction of its own.
fn calls(runtime: &Runtime, path: &Path) -> Result<f64> {
    let call = |number| -> Result<()> {
        runtime.block_on(async {
            let store = SqliteStore::open(path).await?;
            store.write(&batch(number, 1)).await?;
            Ok(())
        })
    };
    call(0)?;
    let start = Instant::now();
    (1..=CALLS).try_for_each(call)?;
    Ok(CALLS as f64 / start.elapsed().as_secs_f64())
}

struct Rates {
    whole: f64,
    last: f64,
}

/// Traces a second in batches, of all and of the last tenth: a database that has grown is not to be slower.
fn fill(runtime: &Runtime, store: &Arc<SqliteStore>, traces: u64) -> Result<Rates> {
    let start = Instant::now();
    let tenth = (traces / 10).max(BATCH);
    let mut last = 0.0;
    for first in (0..traces).step_by(tenth as usize) {
        let start = Instant::now();
        let end = (first + tenth).min(traces);
        let write = |writer: u64| {
            let store = Arc::clone(store);
            runtime.spawn(async move {
                for first in (first + writer * BATCH..end).step_by((WRITERS * BATCH) as usize) {
                    store.write(&batch(first, BATCH.min(end - first))).await?;
                }
                anyhow::Ok(())
            })
        };
        let writers: Vec<_> = (0..WRITERS).map(write).collect();
        for writer in writers {
            runtime.block_on(writer)??;
        }
        last = (end - first) as f64 / start.elapsed().as_secs_f64();
    }
    Ok(Rates { whole: traces as f64 / start.elapsed().as_secs_f64(), last })
}

/// The middle of so many times, ms.
fn median(times: usize, mut ask: impl FnMut() -> Result<()>) -> Result<f64> {
    let mut took = Vec::with_capacity(times);
    for _ in 0..times {
        let start = Instant::now();
        ask()?;
        took.push(start.elapsed().as_secs_f64() * 1e3);
    }
    took.sort_by(f64::total_cmp);
    Ok(took.get(times / 2).copied().unwrap_or_default())
}

async fn percentiles(store: &SqliteStore, traces: u64) -> Result<()> {
    let filter =
        RollupFilter { job: None, from_ms: i64::MIN, to_ms: i64::MAX, by: Dimension::All, member: None };
    let mut hops = std::collections::BTreeMap::<_, Sketch>::new();
    for rollup in store.rollups(&filter).await? {
        hops.entry(rollup.hop).or_default().merge(&rollup.sketch);
    }
    let counted = hops.values().all(|sketch| sketch.figures().is_some_and(|figures| figures.count == traces));
    ensure!(hops.len() == 6 && counted, "the rollups do not count every trace");
    Ok(())
}

async fn detail(store: &SqliteStore, traces: u64) -> Result<()> {
    let nanos = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.subsec_nanos();
    let wanted = part(u64::from(nanos) * 7919 % traces);
    let found = store.parts(None, wanted.key.trace_id).await?;
    ensure!(found == [wanted], "a trace is not what it was");
    Ok(())
}

async fn page(store: &SqliteStore) -> Result<()> {
    let found = store.traces(&Filter::default(), &Page { limit: 100, offset: 0, after: None }).await?;
    ensure!(found.items.len() == 100 && found.total > 0, "a page is short");
    Ok(())
}

/// The most memory that this process had so far, MiB.
fn memory_mib() -> Result<f64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no VmHWM")?;
    let kib: f64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kib / 1024.0)
}
