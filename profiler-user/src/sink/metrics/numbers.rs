//! Single numbers: accounts, settings, cost.

use profiler_common::Outcome;

use super::Metrics;
use crate::feed::{cost, stage_rows};

/// A number with its name.
#[derive(Clone, Debug, PartialEq)]
pub struct Number {
    /// What it is called, without a prefix; counters without `_total`.
    pub name: &'static str,
    /// What it means, in one sentence.
    pub help: &'static str,
    /// Name and value of its label, where several numbers have one name.
    pub label: Option<(&'static str, String)>,
    /// It only grows.
    pub is_counter: bool,
    /// Its value.
    pub value: f64,
}

const NS: f64 = 1e9;

pub(super) fn of(metrics: &Metrics) -> Vec<Number> {
    let mut all = Vec::new();
    let Some(tick) = metrics.tick() else { return all };
    let ledger = &tick.ledger;
    let mut counter = |name, help, label: Option<(&'static str, String)>, value: f64| {
        all.push(Number { name, help, label, is_counter: true, value });
    };
    counter("records", "Records that came to a source.", None, ledger.records as f64);
    counter("sampled", "Records that the rate chose.", None, ledger.sampled as f64);
    counter("admitted", "Sampled records that became traces.", None, ledger.admitted as f64);
    counter("branched", "Journeys that branched off a trace.", None, ledger.branched as f64);
    for (reason, count) in [
        ("budget", ledger.refused_budget),
        ("full", ledger.refused_full),
        ("busy", ledger.refused_busy),
        ("paused", ledger.refused_paused),
    ] {
        let label = Some(("reason", reason.to_owned()));
        counter("refused", "Sampled records that did not become traces.", label, count as f64);
    }
    let named = metrics.info().map_or(&[][..], |info| &info.outcomes);
    let declared = Outcome::FIXED.len() + named.len();
    for outcome in Outcome::all().take(declared) {
        let label = Some(("outcome", outcome.name(named).to_owned()));
        counter("traces", "Traces that have ended.", label, ledger.delivered(outcome) as f64);
    }
    let help = "Traces whose slot made no sense: never expected.";
    counter("corrupt", help, None, (ledger.lost_total() - delivered_lost(ledger)) as f64);
    let help = "Hits whose key could not be read.";
    counter("unreadable_keys", help, None, ledger.key_unreadable as f64);
    let help = "Hops of more kinds than have a series of their own.";
    counter("hops_overflowed", help, None, metrics.hops_overflowed() as f64);
    let measured = tick.measured;
    let cost = cost(measured, metrics.sites(), &tick.probes);
    let stages = metrics.info().map_or(&[][..], |info| &info.stages);
    for (index, row) in stage_rows(stages, metrics.sites(), &tick.probes).into_iter().enumerate() {
        let label = Some(("stage", metrics.stage_name((row.code, index))));
        counter("hits", "Times the probes of a stage were hit.", label, row.hits as f64);
    }
    let help = "What the probes took of the target: hits times calibrated price.";
    counter("probe_seconds", help, None, cost.probe_ns_total as f64 / NS);
    counter("agent_cpu_seconds", "Processor time of the agent.", None, measured.agent_cpu_ns as f64 / NS);
    if let Some(cpu_ns) = measured.target_cpu_ns {
        counter("target_cpu_seconds", "Processor time of the target.", None, cpu_ns as f64 / NS);
    }
    let mut gauge = |name, help, value: f64| {
        all.push(Number { name, help, label: None, is_counter: false, value });
    };
    gauge("in_flight", "Traces that have not ended.", ledger.in_flight as f64);
    gauge("rate", "One record in so many is sampled; 0: none.", tick.settings.rate as f64);
    let help = "New traces a second at most; 0: no bound.";
    gauge("budget_traces_per_second", help, tick.settings.budget.into());
    gauge("paused", "1 while no trace is begun.", u8::from(tick.settings.paused).into());
    gauge("processes", "Processes that are traced.", tick.processes.len() as f64);
    gauge("agent_resident_bytes", "Resident memory of the agent.", tick.agent_rss_bytes as f64);
    if let Some(share) = cost.share_of_target_cpu {
        gauge("overhead_ratio", "The probes' part of the target's processor time, 0 to 1.", share);
    }
    all
}

/// Lost traces that were delivered with an outcome of their own.
fn delivered_lost(ledger: &crate::ledger::Ledger) -> u64 {
    [Outcome::TargetExit, Outcome::ThreadExit, Outcome::SourceUnseen]
        .into_iter()
        .map(|outcome| ledger.delivered(outcome))
        .sum()
}
