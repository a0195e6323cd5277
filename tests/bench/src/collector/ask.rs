//! What stores are asked, and how long they take to answer.

use std::collections::BTreeMap;
use std::time::Instant;

use anyhow::{Result, ensure};
use profiler_user::collector::model::Dimension;
use profiler_user::collector::sketch::Sketch;
use profiler_user::collector::store::{Filter, Page, RollupFilter, Store, Width};

use super::make::part;
use crate::attached::peak_bytes;

/// The middle of so many times, ms.
pub(super) fn median(times: usize, mut ask: impl FnMut() -> Result<()>) -> Result<f64> {
    let mut took = Vec::with_capacity(times);
    for _ in 0..times {
        let start = Instant::now();
        ask()?;
        took.push(start.elapsed().as_secs_f64() * 1e3);
    }
    took.sort_by(f64::total_cmp);
    Ok(took.get(times / 2).copied().unwrap_or_default())
}

/// Percentiles of every hop over all traces.
pub(super) async fn percentiles(store: &dyn Store, traces: u64, width: Width) -> Result<()> {
    let (from_ms, to_ms) = (i64::MIN, i64::MAX);
    let filter = RollupFilter { job: None, from_ms, to_ms, by: Dimension::All, member: None, width };
    let mut hops = BTreeMap::<_, Sketch>::new();
    for rollup in store.rollups(&filter).await? {
        hops.entry(rollup.hop).or_default().merge(&rollup.sketch);
    }
    let counted = hops.values().all(|sketch| sketch.figures().is_some_and(|figures| figures.count == traces));
    ensure!(hops.len() == 6 && counted, "the rollups do not count every trace");
    Ok(())
}

/// One trace with everything in it, another one each time.
pub(super) async fn detail(store: &dyn Store, traces: u64) -> Result<()> {
    let nanos = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.subsec_nanos();
    let wanted = part(u64::from(nanos) * 7919 % traces);
    let found = store.parts(None, wanted.key.trace_id).await?;
    ensure!(found == [wanted], "a trace is not what it was");
    Ok(())
}

/// The newest hundred that fit, and how many do.
pub(super) async fn page(store: &dyn Store, filter: &Filter) -> Result<()> {
    let found = store.traces(filter, &Page { limit: 100, offset: 0, after: None }).await?;
    ensure!(found.items.len() == 100 && found.total >= 100, "a page is short");
    Ok(())
}

/// The most memory that a process had so far, MiB.
pub(super) fn memory_mib(pid: u32) -> Result<f64> {
    Ok(peak_bytes(pid)? as f64 / f64::from(1 << 20))
}
