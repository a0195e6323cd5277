//! Every store beside each other: the same traces, each server really started, on the same disk.

use std::sync::Arc;

use anyhow::Result;
use profiler_user::collector::store::{Filter, Store, Width, open};
use stain_tests::services::{Server, Service};
use tokio::runtime::Runtime;

use super::BATCH;
use super::ask::{detail, median, page, percentiles};
use super::fill::fill;
use crate::table::{Row, Table};

/// Traces that each gets.
const TRACES: u64 = 100_000;
/// What the collector gathers when more waits than its store takes.
const LARGE: u64 = 10_000;

const SERVICES: [Service; 4] = [Service::Postgres, Service::MariaDb, Service::ClickHouse, Service::Chdb];

/// Fills and asks them in turn.
pub(super) fn table(runtime: &Runtime) -> Result<Table> {
    let folder = tempfile::tempdir()?;
    let mut table = Table {
        title: format!("every store, {TRACES} traces of six stages"),
        base: "SQLite",
        notes: vec![
            "SQLite, PostgreSQL and MariaDB have synced each batch to the disk when they answer; ClickHouse has written it to a file".to_owned(),
        ],
        ..Table::default()
    };
    let url = |size: u64| Ok(format!("sqlite:{}", folder.path().join(format!("{size}.db")).display()));
    let base = measure(runtime, url)?;
    table.rows.extend(base.rows("SQLite", &base));
    for service in SERVICES {
        if service.program().is_none() {
            table.notes.push(format!("{} is not installed: cargo xtask setup services", service.name()));
            continue;
        }
        let found =
            service.start_durable().and_then(|server| measure(runtime, |size| database(&server, size)));
        match found {
            Ok(found) => table.rows.extend(found.rows(service.name(), &base)),
            Err(error) => table.notes.push(format!("{} cannot run here: {error:#}", service.name())),
        }
    }
    Ok(table)
}

fn database(server: &Server, size: u64) -> Result<String> {
    server.database(&format!("bench_{size}"))
}

/// What a store takes and answers.
struct Found {
    rate: f64,
    large_rate: f64,
    percentiles_ms: f64,
    detail_ms: f64,
    page_ms: f64,
}

fn measure(runtime: &Runtime, url: impl Fn(u64) -> Result<String>) -> Result<Found> {
    let large: Arc<dyn Store> = runtime.block_on(open(&url(LARGE)?))?;
    let large_rate = fill(runtime, &large, TRACES, LARGE)?.whole;
    drop(large);
    let store: Arc<dyn Store> = runtime.block_on(open(&url(BATCH)?))?;
    let rate = fill(runtime, &store, TRACES, BATCH)?.whole;
    Ok(Found {
        rate,
        large_rate,
        percentiles_ms: median(15, || runtime.block_on(percentiles(&*store, TRACES, Width::Seconds)))?,
        detail_ms: median(101, || runtime.block_on(detail(&*store, TRACES)))?,
        page_ms: median(15, || runtime.block_on(page(&*store, &Filter::default())))?,
    })
}

impl Found {
    /// The rows of a store, compared with another one's.
    fn rows(&self, name: &str, base: &Self) -> Vec<Row> {
        let Self { rate, large_rate, percentiles_ms, detail_ms, page_ms } = *self;
        vec![
            Row::new(format!("{name}, batches of {BATCH}"), rate, "traces/s").to(base.rate),
            Row::new(format!("{name}, batches of {LARGE}"), large_rate, "traces/s").to(base.large_rate),
            Row::new(format!("{name}, percentiles of every hop"), percentiles_ms, "ms")
                .to(base.percentiles_ms),
            Row::new(format!("{name}, one trace with everything"), detail_ms, "ms").to(base.detail_ms),
            Row::new(format!("{name}, the newest 100"), page_ms, "ms").to(base.page_ms),
        ]
    }
}
