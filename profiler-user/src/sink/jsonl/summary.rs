//! The last line: what the session came to.

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use crate::ledger::{JourneyBounds, Ledger};
use crate::sink::counts::{Counts, DropReason};
use crate::sink::{Change, Session, StageRow};
use crate::stats::cost::class_name;
use crate::stats::{
    Cost, Figures, HopFigures, Latencies, LatencyFigures, Prices, ProbeCost, RecordLatency, Series, Stats,
};

/// The summary's line.
#[derive(Serialize)]
pub(super) struct Line<'a> {
    summary: Summary<'a>,
}

#[derive(Serialize)]
struct Summary<'a> {
    ledger: Accounts<'a>,
    stages: Vec<Stage<'a>>,
    verdict: Option<super::verdict::Judged<'a>>,
    hops: Vec<Hop<'a>>,
    e2e: Durations,
    queue_wait: Durations,
    transform: Durations,
    sink_write: Durations,
    record_latency: RecordLatencies,
    flags: Flags,
    cost: CostOf<'a>,
    target: Target<'a>,
    rate: u64,
    budget: u32,
    changes: &'a [Change],
    duration_ns: u64,
    end: &'a str,
    exports: Vec<Export<'a>>,
}

impl<'a> Line<'a> {
    pub(super) fn new(session: &'a Session<'a>) -> Self {
        let Session {
            target,
            pids,
            rate,
            budget,
            changes,
            stages,
            fills: _,
            outcomes,
            stats,
            ledger,
            cost,
            duration_ns,
            began_ns: _,
            end,
            exports,
        } = *session;
        let Stats { e2e, queue_wait, transform, sink_write, record_latency, .. } = stats;
        Self {
            summary: Summary {
                ledger: Accounts::new(ledger, outcomes),
                stages: stages.iter().map(Stage::new).collect(),
                verdict: super::verdict::Judged::new(session),
                hops: stats.hops().iter().map(|hop| Hop::new(hop, session)).collect(),
                e2e: Durations::new(e2e),
                queue_wait: Durations::new(queue_wait),
                transform: Durations::new(transform),
                sink_write: Durations::new(sink_write),
                record_latency: RecordLatencies::new(record_latency),
                flags: Flags::new(stats),
                cost: CostOf::new(cost),
                target: Target { name: target, pids },
                rate,
                budget,
                changes,
                duration_ns,
                end,
                exports: exports.iter().map(Export::new).collect(),
            },
        }
    }
}

/// What became of the traces at one destination.
#[derive(Serialize)]
struct Export<'a> {
    name: &'a str,
    received: u64,
    recovered: u64,
    sent: u64,
    spooled: u64,
    dropped: Dropped,
    balanced: bool,
}

impl<'a> Export<'a> {
    fn new((name, counts): &'a (String, Counts)) -> Self {
        let Counts { received, recovered, sent, spooled, .. } = *counts;
        let (dropped, balanced) = (Dropped(*counts), counts.check().is_ok());
        Self { name, received, recovered, sent, spooled, dropped, balanced }
    }
}

/// Every reason, also those that never came up.
struct Dropped(Counts);

impl Serialize for Dropped {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(DropReason::ALL.map(|reason| (reason.name(), self.0.dropped(reason))))
    }
}

#[derive(Serialize)]
struct Target<'a> {
    name: &'a str,
    pids: &'a [u32],
}

#[derive(Serialize)]
struct Accounts<'a> {
    records: u64,
    sampled: u64,
    admitted: u64,
    branched: u64,
    refused_budget: u64,
    refused_full: u64,
    refused_busy: u64,
    refused_paused: u64,
    written: u64,
    filtered: u64,
    superseded: u64,
    expired: u64,
    split: u64,
    outcomes: Named<'a>,
    lost: Lost,
    in_flight: u64,
    tasks_full: u64,
    entries_full: u64,
    notice_full: u64,
    entry_unseen: u64,
    key_unreadable: u64,
    journeys: Journeys,
    balanced: bool,
}

impl<'a> Accounts<'a> {
    fn new(ledger: &Ledger, names: &'a [String]) -> Self {
        let balanced = ledger.check().is_ok();
        let Ledger {
            records,
            sampled,
            admitted,
            refused_budget,
            refused_full,
            refused_busy,
            refused_paused,
            written,
            filtered,
            superseded,
            expired,
            split,
            branched,
            journeys,
            named: _,
            lost: _,
            in_flight,
            unread: _,
            ended: _,
            tasks_full,
            entries_full,
            notice_full,
            entry_unseen,
            key_unreadable,
        } = *ledger;
        Self {
            records,
            sampled,
            admitted,
            branched,
            refused_budget,
            refused_full,
            refused_busy,
            refused_paused,
            written,
            filtered,
            superseded,
            expired,
            split,
            outcomes: Named(*ledger, names),
            lost: Lost(*ledger),
            in_flight,
            tasks_full,
            entries_full,
            notice_full,
            entry_unseen,
            key_unreadable,
            journeys: Journeys::new(journeys),
            balanced,
        }
    }
}

/// What bounds of journeys refused. Nothing of it takes a trace out of the accounts.
#[derive(Serialize)]
struct Journeys {
    branches_full: u64,
    branches_refused: u64,
    keys_full: u64,
    keys_refused: u64,
    scopes_full: u64,
    scopes_left: u64,
    batches_full: u64,
    members_full: u64,
    attributes_full: u64,
    attributes_unreadable: u64,
}

impl Journeys {
    fn new(bounds: JourneyBounds) -> Self {
        let JourneyBounds {
            branches_full,
            branches_refused,
            keys_full,
            keys_refused,
            scopes_full,
            scopes_left,
            batches_full,
            members_full,
            attributes_full,
            attributes_unreadable,
        } = bounds;
        Self {
            branches_full,
            branches_refused,
            keys_full,
            keys_refused,
            scopes_full,
            scopes_left,
            batches_full,
            members_full,
            attributes_full,
            attributes_unreadable,
        }
    }
}

/// The spec's own outcomes, also those that never came up.
struct Named<'a>(Ledger, &'a [String]);

impl Serialize for Named<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.named(self.1))
    }
}

/// Every reason, also those that never came up: scripts need not guess.
struct Lost(Ledger);

impl Serialize for Lost {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (reason, count) in self.0.lost() {
            map.serialize_entry(reason.name(), &count)?;
        }
        map.end()
    }
}

#[derive(Serialize)]
struct Stage<'a> {
    stage: String,
    name: &'a str,
    sites: u64,
    hits: u64,
    stamps: u64,
    key_unreadable: u64,
}

impl<'a> Stage<'a> {
    fn new(row: &'a StageRow) -> Self {
        let StageRow { code, ref name, attributes: _, sites, hits, unreadable, stamps } = *row;
        Self { stage: code.to_string(), name, sites, hits, stamps, key_unreadable: unreadable }
    }
}

#[derive(Serialize)]
struct Hop<'a> {
    from: String,
    to: String,
    from_name: &'a str,
    to_name: &'a str,
    cause: &'static str,
    probe_ns: u64,
    #[serde(flatten)]
    durations: Durations,
}

impl<'a> Hop<'a> {
    fn new(hop: &HopFigures, session: &'a Session<'a>) -> Self {
        Self {
            from: hop.from_code.to_string(),
            to: hop.to_code.to_string(),
            from_name: session.stage_name(hop.from),
            to_name: session.stage_name(hop.to),
            cause: hop.cause().name(),
            probe_ns: session.stats.overhead_ns((hop.from, hop.to), &Prices::of_cost(session.cost)),
            durations: Durations::of(Some(hop.figures)),
        }
    }
}

/// Durations; all but the count are null when there was none.
#[derive(Serialize)]
struct Durations {
    count: u64,
    mean_ns: Option<u64>,
    p50_ns: Option<u64>,
    p95_ns: Option<u64>,
    p99_ns: Option<u64>,
    max_ns: Option<u64>,
}

impl Durations {
    fn new(series: &Series) -> Self {
        Self::of(series.figures())
    }

    fn of(figures: Option<Figures>) -> Self {
        Self {
            count: figures.map_or(0, |f| f.count),
            mean_ns: figures.map(|f| f.mean_ns),
            p50_ns: figures.map(|f| f.p50_ns),
            p95_ns: figures.map(|f| f.p95_ns),
            p99_ns: figures.map(|f| f.p99_ns),
            max_ns: figures.map(|f| f.max_ns),
        }
    }
}

/// How old records were, by their own time.
#[derive(Serialize)]
struct RecordLatencies {
    source: Ages,
    sink: Ages,
}

impl RecordLatencies {
    fn new(latency: &RecordLatency) -> Self {
        let RecordLatency { source, sink } = latency;
        Self { source: Ages::new(source), sink: Ages::new(sink) }
    }
}

/// Durations that may be negative: of records from the future.
#[derive(Serialize)]
struct Ages {
    count: u64,
    mean_ns: Option<i64>,
    p50_ns: Option<i64>,
    p95_ns: Option<i64>,
    p99_ns: Option<i64>,
    max_ns: Option<i64>,
}

impl Ages {
    fn new(latencies: &Latencies) -> Self {
        let figures: Option<LatencyFigures> = latencies.figures();
        Self {
            count: figures.map_or(0, |f| f.count),
            mean_ns: figures.map(|f| f.mean_ns),
            p50_ns: figures.map(|f| f.p50_ns),
            p95_ns: figures.map(|f| f.p95_ns),
            p99_ns: figures.map(|f| f.p99_ns),
            max_ns: figures.map(|f| f.max_ns),
        }
    }
}

#[derive(Serialize)]
struct Flags {
    entries_dropped: u64,
    late_stamps: u64,
    torn_stamps: u64,
    early_stamps: u64,
    keys_dropped: u64,
    branches_dropped: u64,
    batches_dropped: u64,
    attributes_dropped: u64,
    attributes_unreadable: u64,
    partial: u64,
    hops_with_gaps: u64,
    hops_overflowed: u64,
}

impl Flags {
    fn new(stats: &Stats) -> Self {
        let crate::stats::FlagTotals {
            entries_dropped,
            late_stamps,
            torn_stamps,
            early_stamps,
            keys_dropped,
            branches_dropped,
            batches_dropped,
            attributes_dropped,
            attributes_unreadable,
            partial,
        } = stats.flags;
        Self {
            entries_dropped,
            late_stamps,
            torn_stamps,
            early_stamps,
            keys_dropped,
            branches_dropped,
            batches_dropped,
            attributes_dropped,
            attributes_unreadable,
            partial,
            hops_with_gaps: stats.gaps,
            hops_overflowed: stats.hops_overflowed,
        }
    }
}

#[derive(Serialize)]
struct CostOf<'a> {
    duration_ns: u64,
    target_cpu_ns: Option<u64>,
    target_context_switches: Option<u64>,
    target_cycles: Option<u64>,
    target_instructions: Option<u64>,
    agent_cpu_ns: u64,
    agent_max_rss_bytes: u64,
    probe_hits: Vec<Probe<'a>>,
    probe_ns_total: u64,
    share_of_target_cpu: Option<f64>,
}

impl<'a> CostOf<'a> {
    fn new(cost: &'a Cost) -> Self {
        let Cost { measured, ref probes, probe_ns_total, share_of_target_cpu } = *cost;
        Self {
            duration_ns: measured.duration_ns,
            target_cpu_ns: measured.target_cpu_ns,
            target_context_switches: measured.target_context_switches,
            target_cycles: measured.target_cycles,
            target_instructions: measured.target_instructions,
            agent_cpu_ns: measured.agent_cpu_ns,
            agent_max_rss_bytes: measured.agent_max_rss_bytes,
            probe_hits: probes.iter().map(Probe::new).collect(),
            probe_ns_total,
            share_of_target_cpu,
        }
    }
}

#[derive(Serialize)]
struct Probe<'a> {
    probe: u32,
    site: &'a str,
    class: &'static str,
    hits: u64,
    ns_each: u64,
    ns: u64,
}

impl<'a> Probe<'a> {
    fn new(cost: &'a ProbeCost) -> Self {
        let ProbeCost { ref hits, ns } = *cost;
        let crate::stats::ProbeHits { probe, ref site, class, hits, ns_each } = *hits;
        Self { probe, site, class: class_name(class), hits, ns_each, ns }
    }
}
