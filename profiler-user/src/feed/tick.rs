//! How a session stands, and what follows from its counts: rows of stages and cost. The agent's own summary is made by the same two functions.

use std::collections::HashSet;

use profiler_common::ProbeCount;

use super::place::{Place, places, same};
use super::{SiteInfo, StageInfo};
use crate::ledger::Ledger;
use crate::sink::StageRow;
use crate::stats::{Cost, Measured, ProbeHits};

/// What can be changed while a session runs, as the kernel program has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// One record in so many; 0: none.
    pub rate: u64,
    /// New traces a second at most; 0: no bound.
    pub budget: u32,
    /// No trace is begun.
    pub paused: bool,
}

/// How a session stands. All counts are since its beginning.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tick {
    /// Monotonic clock, ns.
    pub mono_ns: u64,
    /// Nanoseconds since the Unix epoch.
    pub wall_ns: u64,
    /// What the kernel program obeys.
    pub settings: Settings,
    /// The accounts.
    pub ledger: Ledger,
    /// What happened at each probe, by probe id.
    pub probes: Vec<ProbeCount>,
    /// The processes that are traced now.
    pub processes: Vec<u32>,
    /// What target and agent used so far.
    pub measured: Measured,
    /// Resident memory of the agent now, bytes.
    pub agent_rss_bytes: u64,
    /// Events of this stream that its reader was too slow for, so far: all traces but for the rarest case.
    pub missed: u64,
}

/// What was counted at each stage, by its index in the spec.
#[must_use]
pub fn stage_rows(stages: &[StageInfo], sites: &[SiteInfo], counts: &[ProbeCount]) -> Vec<StageRow> {
    let row = |(stage, hits): (&StageInfo, u64)| StageRow {
        code: stage.code,
        name: stage.name.clone(),
        attributes: stage.attributes.clone(),
        sites: 0,
        hits,
        unreadable: 0,
        stamps: 0,
    };
    let mut rows: Vec<StageRow> =
        stages.iter().zip(stage_hits(stages.len(), sites, counts)).map(row).collect();
    // A place that was probed at several levels is one site.
    let mut seen = HashSet::new();
    for (site, count) in sites.iter().zip(counts).filter(|(site, _)| !site.saves) {
        if let Some(row) = rows.get_mut(site.stage) {
            row.sites += u64::from(seen.insert(same(site)));
            row.unreadable = row.unreadable.saturating_add(count.unreadable);
            row.stamps = row.stamps.saturating_add(count.stamps);
        }
    }
    rows
}

/// The hits of each stage, by its index in the spec: of [`stage_rows`] the part that is asked for many times a second.
#[must_use]
pub fn stage_hits(stages: usize, sites: &[SiteInfo], counts: &[ProbeCount]) -> Vec<u64> {
    let mut hits = vec![0u64; stages];
    for (site, count) in sites.iter().zip(counts).filter(|(site, _)| !site.saves) {
        if let Some(sum) = hits.get_mut(site.stage) {
            *sum = sum.saturating_add(count.hits);
        }
    }
    hits
}

/// What a session cost.
#[must_use]
pub fn cost(measured: Measured, sites: &[SiteInfo], counts: &[ProbeCount]) -> Cost {
    let counted = sites.get(..counts.len()).unwrap_or(sites);
    let hits = |place: &Place<'_>| ProbeHits {
        probe: place.site.probe,
        site: place.site.label.clone(),
        class: place.site.class,
        hits: place.count(counts).hits,
        ns_each: place.site.ns_each,
    };
    Cost::new(measured, places(counted).iter().map(hits).collect())
}
