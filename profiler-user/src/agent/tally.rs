//! What the agent itself has counted and measured of a session.

use std::sync::Arc;

use crate::assemble::{ProbeTable, Processes, Slot, Tables, WallClock, assemble};
use crate::feed::{FeedEvent, Hub};
use crate::ledger::AgentCounts;
use crate::stats::Stats;

use super::queue::QueuedSink;

/// Traces as they come in: into the statistics, the accounts and the sink.
pub(super) struct Tally {
    pub(super) stats: Stats,
    pub(super) counts: AgentCounts,
    pub(super) clock: WallClock,
    pub(super) processes: Processes,
    pub(super) sink: Option<QueuedSink>,
    pub(super) hub: Hub,
}

impl Tally {
    /// Takes one ended slot.
    pub(super) fn take(&mut self, slot: &Slot<'_>, probes: &ProbeTable) {
        let tables = Tables { probes, clock: &self.clock, processes: &self.processes };
        let trace = match assemble(slot, &tables) {
            Ok(trace) => Arc::new(trace),
            Err(error) => {
                log::error!("a trace slot makes no sense: {error}");
                self.counts.corrupt += 1;
                return;
            }
        };
        if let Some(delivered) = self.counts.delivered.get_mut(trace.outcome.index()) {
            *delivered += 1;
        }
        self.stats.add(&trace);
        if !self.hub.is_empty() {
            self.hub.send(&FeedEvent::Trace(Arc::clone(&trace)));
        }
        if let Some(sink) = &mut self.sink {
            sink.push(trace);
        }
    }
}
