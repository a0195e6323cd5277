//! What the profiling costs: the probes, as a part of the target's CPU time, and the agent.

use crate::feed::{Tick, cost};
use crate::sink::units;
use crate::stats::Cost;
use crate::tui::model::Model;
use crate::tui::theme::Ink;
use crate::verdict::words::caution;

use super::{Row, course, per_second};

/// Above this part of the target's CPU time, probes are dear.
const DEAR: f64 = 0.05;

/// All rows; none before the first tick.
pub(super) fn rows(model: &Model) -> Vec<Row> {
    let (from, to) = model.span_ns();
    let Some((before, after)) = model.data.ticks.span(from, to) else { return Vec::new() };
    let window = Window { model, before, after };
    let mut rows = vec![Row::Title("Cost, in this time window")];
    rows.extend(window.target());
    let share = window.share();
    rows.extend(window.probes(share));
    rows.extend(window.agent());
    rows.extend(caution(Some(share)).map(|text| Row::Text(text, Ink::Warn)));
    rows
}

/// What to know of the figures of the time window, where the probes distort them.
pub(in crate::tui) fn distorted(model: &Model) -> Option<String> {
    let (from, to) = model.span_ns();
    let (before, after) = model.data.ticks.span(from, to)?;
    caution(Some(Window { model, before, after }.share()))
}

/// What was used between two moments.
struct Window<'a> {
    model: &'a Model,
    before: &'a Tick,
    after: &'a Tick,
}

impl Window<'_> {
    fn ns(&self) -> u64 {
        self.after.mono_ns.saturating_sub(self.before.mono_ns)
    }

    fn cost(&self, tick: &Tick) -> Cost {
        cost(tick.measured, self.model.data.account.sites(), &tick.probes)
    }

    /// CPU time as cores, between the two moments, or from the beginning where they are one.
    fn cores(&self, used: impl Fn(&Tick) -> u64) -> String {
        let ns = self.ns();
        let (part, whole) = if ns == 0 {
            (used(self.after), self.after.measured.duration_ns)
        } else {
            (used(self.after).saturating_sub(used(self.before)), ns)
        };
        format!("{} of a core", units::share(units::part(part.into(), whole.into())))
    }

    fn target(&self) -> Vec<Row> {
        let used = |tick: &Tick| tick.measured.target_cpu_ns.unwrap_or(0);
        if self.after.measured.target_cpu_ns.is_none() {
            return vec![value("target", "CPU time not known".to_owned(), Vec::new(), Ink::Warn)];
        }
        let (_, cpu) = course(self.model, used);
        let switches = |tick: &Tick| tick.measured.target_context_switches.unwrap_or(0);
        let (rate, switched) = course(self.model, switches);
        let mut rows = vec![value("target CPU", self.cores(used), cpu, Ink::Text)];
        if self.after.measured.target_context_switches.is_some() {
            rows.push(value("target switches", per_second(rate), switched, Ink::Text));
        }
        rows
    }

    /// The probes' part of the target's CPU time, 0..=1.
    fn share(&self) -> f64 {
        let (old, new) = (self.cost(self.before), self.cost(self.after));
        let ns = new.probe_ns_total.saturating_sub(old.probe_ns_total);
        let cpu = |cost: &Cost| cost.measured.target_cpu_ns.unwrap_or(0);
        let grown = cpu(&new).saturating_sub(cpu(&old));
        let (part, whole) = if grown == 0 { (new.probe_ns_total, cpu(&new)) } else { (ns, grown) };
        units::part(part.into(), whole.into()).min(1.0)
    }

    fn probes(&self, share: f64) -> Vec<Row> {
        let hits = |tick: &Tick| tick.probes.iter().fold(0u64, |sum, probe| sum.saturating_add(probe.hits));
        let (rate, hit) = course(self.model, hits);
        let ink = if share > DEAR { Ink::Warn } else { Ink::Text };
        vec![
            value("probe hits", per_second(rate), hit, Ink::Text),
            value(
                "probes take",
                format!("{} of target CPU: hits, each at its calibrated price", units::share(share)),
                Vec::new(),
                ink,
            ),
        ]
    }

    fn agent(&self) -> Vec<Row> {
        let used = |tick: &Tick| tick.measured.agent_cpu_ns;
        let (_, cpu) = course(self.model, used);
        let most = units::bytes(self.after.measured.agent_max_rss_bytes);
        let now = units::bytes(self.after.agent_rss_bytes);
        vec![
            value("agent CPU", self.cores(used), cpu, Ink::Text),
            value("agent memory", format!("{now} now, {most} at most"), Vec::new(), Ink::Text),
        ]
    }
}

const fn value(label: &'static str, text: String, course: Vec<Option<f64>>, ink: Ink) -> Row {
    Row::Value { label, text, course, ink }
}
