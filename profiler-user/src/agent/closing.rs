//! The end of a session: probes off, everything read, accounts closed.

use crate::attach::monotonic_ns;
use crate::feed::{cost, stage_rows};
use crate::ledger::{AgentCounts, Ledger};
use crate::meter::TargetUse;
use crate::sink::SinkCounts;
use profiler_common::Counter;

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
        let measured = self.measured(used, duration_ns);
        let sites = self.site_infos();
        let (cost, stages) =
            (cost(measured, &sites, &counts), stage_rows(&self.stage_infos(), &sites, &counts));
        self.tell_end(ended_ns, end.name(), &ledger, counts, measured)?;
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
            why_not: self.why_not,
            pids: self.pids,
            rate: self.spec.sampling.rate,
            budget: self.spec.sampling.max_traces_per_second,
            changes: self.changes,
            stages,
            fills: self.spec.fills(),
            outcomes: self.spec.outcomes,
            stats: self.tally.stats,
            ledger,
            cost,
            duration_ns,
            began_ns: self.started_ns,
            end,
            sink,
            delivery,
            sink_error,
            exports: Vec::new(),
        })
    }

    fn detach(&mut self, now_ns: u64) -> TargetUse {
        let mut used = self.past_use;
        for mut traced in self.traced.drain(..) {
            used = used.plus(traced.meter.read(now_ns));
        }
        used
    }
}
