//! Filling a store.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Result;
use profiler_user::collector::store::Store;
use profiler_user::collector::store::sqlite::SqliteStore;
use tokio::runtime::Runtime;

use super::make::batch;
use crate::attached::cpu_ns;

/// Calls that open the database each: they take milliseconds.
const CALLS: u64 = 50;
/// Writers at a time: one prepares a batch while the store writes another's, as the collector does.
const WRITERS: u64 = 2;

/// Traces a second when each has a connection and a transaction of its own.
pub(super) fn calls(runtime: &Runtime, path: &Path) -> Result<f64> {
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

/// Traces a second.
pub(super) struct Rates {
    pub(super) whole: f64,
    /// Of the last tenth: a database that has grown is not to be slower.
    pub(super) last: f64,
    /// Processor time of this process for a trace, us.
    pub(super) cpu_us: f64,
}

/// Fills a store in batches.
pub(super) fn fill(runtime: &Runtime, store: &Arc<dyn Store>, traces: u64, size: u64) -> Result<Rates> {
    let (start, cpu) = (Instant::now(), cpu_ns(std::process::id())?);
    // Enough for all writers, several times.
    let tenth = (traces / 10).max(2 * WRITERS * size);
    let mut last = 0.0;
    for first in (0..traces).step_by(tenth as usize) {
        let start = Instant::now();
        let end = (first + tenth).min(traces);
        let write = |writer: u64| {
            let store = Arc::clone(store);
            runtime.spawn(async move {
                for first in (first + writer * size..end).step_by((WRITERS * size) as usize) {
                    store.write(&batch(first, size.min(end - first))).await?;
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
    let whole = traces as f64 / start.elapsed().as_secs_f64();
    let cpu_ns = cpu_ns(std::process::id())? - cpu;
    Ok(Rates { whole, last, cpu_us: cpu_ns as f64 / 1e3 / traces as f64 })
}
