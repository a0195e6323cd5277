//! The end of a session: probes off, everything read, accounts closed.

use crate::attach::monotonic_ns;
use crate::ledger::{AgentCounts, Ledger};
use crate::meter::{TargetUse, cpu_time_ns, max_rss_bytes};
use crate::plan::{Site, expected_ns};
use crate::sink::{SinkCounts, StageRow};
use crate::stats::cost::ProbeHits;
use crate::stats::{Cost, Measured};
use profiler_common::{Counter, ProbeCount, Role};

use super::error::AgentError;
use super::events::{End, Observer};
use super::harvest::grace_period;
use super::run::{Finished, unlisten};
use super::session::Running;

impl Running {
    /// The accounts as they stand.
    pub(super) fn ledger(&self) -> Result<Ledger, AgentError> {
        let Some(kernel) = &self.kernel else { return Ok(Ledger::default()) };
        let counters: [u64; Counter::COUNT as usize] = kernel.counters()?;
        let unreadable = kernel.probe_counts()?.iter().map(|count| count.unreadable).sum();
        let counts = AgentCounts { key_unreadable: unreadable, ..self.tally.counts };
        Ok(Ledger::new(&counters, &counts))
    }

    /// Takes the probes off, reads what is left, and closes the accounts.
    pub(super) async fn finish(
        mut self,
        end: End,
        observer: &mut dyn Observer,
    ) -> Result<Finished, AgentError> {
        let ended_ns = monotonic_ns();
        if let Some(kernel) = &mut self.kernel {
            kernel.set_closed(true);
        }
        // A program that was running may still stamp until a grace period is over; then the probes can go in any order.
        grace_period(self.grace).await;
        self.show_log();
        let used = self.detach(ended_ns);
        if self.confirm_detached() {
            // Its way to the client leads through another task; what follows may take a while.
            tokio::task::yield_now().await;
        }
        self.harvest.scan_next();
        self.collect(ended_ns).await?;
        self.tally.counts.open = self.kernel.as_ref().map_or(0, |kernel| self.harvest.open(kernel));
        let ledger = self.ledger()?;
        // A short session may not have told any yet.
        self.tell_bounds(ended_ns, &ledger, observer);
        let counts =
            self.kernel.as_ref().map(|kernel| kernel.probe_counts()).transpose()?.unwrap_or_default();
        let duration_ns = ended_ns.saturating_sub(self.started_ns);
        let cost = self.cost(used, &counts, duration_ns);
        let stages = self.stage_rows(&counts);
        let target = self.target();
        let (sink, delivery, sink_error) = match self.tally.sink.take() {
            Some(sink) => {
                unlisten();
                sink.close()
            }
            None => (None, SinkCounts::default(), None),
        };
        Ok(Finished {
            target,
            pids: self.pids,
            rate: self.spec.sampling.rate,
            budget: self.spec.sampling.max_traces_per_second,
            changes: self.changes,
            stages,
            outcomes: self.spec.outcomes,
            stats: self.tally.stats,
            ledger,
            cost,
            duration_ns,
            end,
            sink,
            delivery,
            sink_error,
        })
    }

    fn detach(&mut self, now_ns: u64) -> TargetUse {
        let mut used = self.past_use;
        for mut traced in self.traced.drain(..) {
            used = used.plus(traced.meter.read(now_ns));
        }
        used
    }

    fn cost(&mut self, used: TargetUse, counts: &[ProbeCount], duration_ns: u64) -> Cost {
        let own = self.own_use.read();
        let own_ns = own.task_clock_ns.or_else(|| cpu_time_ns(std::process::id())).unwrap_or(0);
        let measured = Measured {
            duration_ns,
            target_cpu_ns: Some(used.cpu_ns),
            target_context_switches: Some(used.context_switches),
            target_cycles: used.cycles(),
            target_instructions: used.instructions(),
            agent_cpu_ns: own_ns,
            agent_max_rss_bytes: max_rss_bytes(),
        };
        let hits = |site: &Site, count: &ProbeCount| ProbeHits {
            probe: site.probe,
            site: label(site),
            class: site.class,
            hits: count.hits,
            ns_each: expected_ns(site.carrier, site.trap, &self.options.costs),
        };
        Cost::new(
            measured,
            self.registry.sites().iter().zip(counts).map(|(site, count)| hits(site, count)).collect(),
        )
    }

    fn stage_rows(&self, counts: &[ProbeCount]) -> Vec<StageRow> {
        let mut rows: Vec<StageRow> =
            self.spec.stages.iter().map(|stage| empty_row(stage.code, &stage.name)).collect();
        for (site, count) in self.registry.sites().iter().zip(counts) {
            // The site that only saves arguments is the same hit's other half.
            if let Some(row) = rows.get_mut(site.stage).filter(|_| site.spec.role != Role::Save as u8) {
                row.sites += 1;
                row.hits += count.hits;
                row.unreadable += count.unreadable;
                row.stamps += count.stamps;
            }
        }
        rows
    }
}

fn empty_row(code: profiler_common::StageCode, name: &str) -> StageRow {
    StageRow { code, name: name.to_owned(), sites: 0, hits: 0, unreadable: 0, stamps: 0 }
}

fn label(site: &Site) -> String {
    match site.function_offset {
        0 => site.function.clone(),
        offset => format!("{}+{offset}", site.function),
    }
}
