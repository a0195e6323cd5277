//! What a session comes to as metrics: latencies as histograms, accounts as counters. Pure.
//!
//! Owns: one model that the texts for Prometheus, Graphite and OpenTelemetry are made from, and the bound on label values. Refuses: clocks
//! and sockets.

mod exponential;
pub mod graphite;
mod histogram;
pub mod prometheus;

use std::collections::BTreeMap;
use std::sync::Arc;

pub use exponential::Exponential;
pub use histogram::{BOUNDS_NS, Exemplar, Histogram};
use profiler_common::StageCode;

use crate::feed::{FeedEvent, SessionInfo, SiteInfo, Tick};
use crate::trace::{Cause, Hop, Trace};

/// Kinds of hops that have a series of their own. More are counted in [`Metrics::hops_overflowed`].
pub const MAX_HOPS: usize = 100;

/// One kind of hop.
#[derive(Clone, Debug)]
pub struct HopMetric {
    /// What the time goes into.
    pub cause: Cause,
    /// Code and index of the stage that it comes from.
    pub from: (StageCode, usize),
    /// Code and index of the stage that it leads to.
    pub to: (StageCode, usize),
    /// How long they took.
    pub latency: Histogram,
}

/// Everything that is shown.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    info: Option<Arc<SessionInfo>>,
    sites: Vec<SiteInfo>,
    tick: Option<Arc<Tick>>,
    target: String,
    hops: BTreeMap<(usize, usize), HopMetric>,
    hops_overflowed: u64,
    e2e: Histogram,
    record: RecordLatency,
    traces: u64,
}

/// How late records are at the sink by their own time: KIP-864's `sink-record-latency`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RecordLatency {
    /// Records that have a time.
    pub count: u64,
    /// Sum, ns.
    pub sum_ns: i128,
    /// The latest, ns.
    pub max_ns: i64,
}

impl Metrics {
    /// Takes note of an event.
    pub fn add(&mut self, event: &FeedEvent) {
        match event {
            FeedEvent::Started(info) => {
                self.target.clone_from(&info.target);
                self.info = Some(Arc::clone(info));
            }
            FeedEvent::Attached(attached) => {
                self.target.clone_from(&attached.target);
                self.sites.extend(attached.sites.iter().cloned());
            }
            FeedEvent::Trace(trace) => self.add_trace(trace),
            FeedEvent::Tick(tick) => self.tick = Some(Arc::clone(tick)),
            FeedEvent::Notice(_) | FeedEvent::Changed(_) | FeedEvent::Ended(_) => {}
        }
    }

    fn add_trace(&mut self, trace: &Trace) {
        self.traces += 1;
        let shared = trace.shared.saturating_sub(1);
        for (index, hop) in trace.own_hops().enumerate().filter(|(_, hop)| !hop.has_gap) {
            self.add_hop(trace, shared + index, &hop);
        }
        if let Some(ns) = trace.e2e_ns() {
            self.e2e.add(ns, || Exemplar::of(trace, None, ns));
        }
        if let Some(latency_ns) = trace.sink_latency_ns() {
            let RecordLatency { count, sum_ns, max_ns } = &mut self.record;
            *max_ns = if *count == 0 { latency_ns } else { latency_ns.max(*max_ns) };
            *count += 1;
            *sum_ns += i128::from(latency_ns);
        }
    }

    fn add_hop(&mut self, trace: &Trace, index: usize, hop: &Hop<'_>) {
        let key = (hop.from.stage, hop.to.stage);
        if self.hops.len() >= MAX_HOPS && !self.hops.contains_key(&key) {
            self.hops_overflowed += 1;
            return;
        }
        let series = self.hops.entry(key).or_insert_with(|| HopMetric {
            cause: Cause::of(hop.from.code, hop.to.code),
            from: (hop.from.code, hop.from.stage),
            to: (hop.to.code, hop.to.stage),
            latency: Histogram::default(),
        });
        series.latency.add(hop.ns, || Exemplar::of(trace, Some(index), hop.ns));
    }

    /// The hops, in the order of the stages.
    pub fn hops(&self) -> impl Iterator<Item = &HopMetric> {
        self.hops.values()
    }

    /// The name of a stage; with its number in the spec where another one has the same, since series are told apart by names.
    #[must_use]
    pub fn stage_name(&self, (code, index): (StageCode, usize)) -> String {
        let stages = self.info.as_ref().map_or(&[][..], |info| &info.stages);
        let Some(stage) = stages.get(index) else { return format!("{code}#{index}") };
        let is_unique = stages.iter().filter(|other| other.name == stage.name).count() == 1;
        if is_unique { stage.name.clone() } else { format!("{}#{index}", stage.name) }
    }

    /// Hops of kinds beyond [`MAX_HOPS`].
    #[must_use]
    pub const fn hops_overflowed(&self) -> u64 {
        self.hops_overflowed
    }

    /// From the source to the end of the write.
    #[must_use]
    pub const fn e2e(&self) -> &Histogram {
        &self.e2e
    }

    /// How late records are at the sink.
    #[must_use]
    pub const fn record(&self) -> RecordLatency {
        self.record
    }

    /// How things stood at last.
    #[must_use]
    pub fn tick(&self) -> Option<&Tick> {
        self.tick.as_deref()
    }

    /// What the session is.
    #[must_use]
    pub fn info(&self) -> Option<&SessionInfo> {
        self.info.as_deref()
    }

    /// The sites, by probe id.
    #[must_use]
    pub fn sites(&self) -> &[SiteInfo] {
        &self.sites
    }

    /// What the user knows the target by.
    #[must_use]
    pub fn target(&self) -> &str {
        &self.target
    }

    /// Traces that came.
    #[must_use]
    pub const fn traces(&self) -> u64 {
        self.traces
    }

    /// Single numbers of the accounts: name without prefix, help, labels, whether it only grows, value.
    #[must_use]
    pub fn numbers(&self) -> Vec<Number> {
        numbers::of(self)
    }
}

mod numbers;
pub use numbers::Number;

#[cfg(test)]
mod tests;
