//! Percentiles over weeks: few traces, and many buckets of time.

use std::sync::Arc;

use anyhow::Result;
use profiler_user::collector::store::sqlite::SqliteStore;
use profiler_user::collector::store::{BUCKET_MS, Batch, Store, Width};
use tokio::runtime::Runtime;

use super::ask::{median, percentiles};
use super::make::part_at;
use crate::table::{Aim, Row, Table};

/// Days that are asked for.
const DAYS: i64 = 14;
/// When the first trace begins, ms since the Unix epoch.
const START_MS: i64 = 1_700_000_000_000;
/// Traces of one batch.
const BATCH: usize = 2000;

/// One trace in each bucket of two weeks.
pub(super) fn table(runtime: &Runtime) -> Result<Table> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("weeks.db");
    let store: Arc<dyn Store> = Arc::new(runtime.block_on(SqliteStore::open(&path))?);
    let buckets: Vec<i64> = (0..DAYS * 86_400_000 / BUCKET_MS).collect();
    for some in buckets.chunks(BATCH) {
        let part = |bucket: &i64| part_at(bucket.unsigned_abs(), (START_MS + bucket * BUCKET_MS) * 1_000_000);
        let batch = Batch { parts: some.iter().map(part).collect(), ..Batch::default() };
        runtime.block_on(store.write(&batch))?;
    }
    let traces = buckets.len() as u64;
    let ask = |width| median(7, || runtime.block_on(percentiles(&*store, traces, width)));
    let (narrow, wide) = (ask(Width::Seconds)?, ask(Width::Hour)?);
    drop(store);
    let bytes = std::fs::metadata(&path)?.len() as f64 / traces as f64;
    Ok(Table {
        title: format!("percentiles over {DAYS} days, one trace in each bucket of ten seconds"),
        base: "ten seconds",
        rows: vec![
            Row::new("of every hop, from buckets of ten seconds", narrow, "ms").to(narrow),
            Row::new("of every hop, from buckets of an hour", wide, "ms").to(narrow),
            Row::new("on the disk", bytes, "bytes each"),
        ],
        aims: vec![Aim::at_most("percentile query over weeks", wide, 100.0, " ms")],
        ..Table::default()
    })
}
