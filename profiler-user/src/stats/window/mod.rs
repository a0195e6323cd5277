//! Durations over time: every hop's, and from end to end, by the second for the last five minutes and in ever wider slots for the whole session.
//!
//! Owns: bounded memory however long a session runs, and one division of time for all kinds of durations, so that they can be set against each other. A
//! journey counts in the second in which it ended; one that is told of late, in the second that is filling.
//! Refuses: exact percentiles. Those of the whole session are in [`Stats`](crate::stats::Stats); here they are within 6.3 %.

mod lane;
mod slot;
#[cfg(test)]
mod tests;
mod view;

use std::collections::BTreeMap;

use lane::{Lane, RECENT};
pub use slot::Sum;
pub use view::{Column, Heat, Load, Parts};

use crate::trace::Trace;

/// Kinds of hops that are followed over time. A pipeline of fifty stages in a row has forty-nine.
pub const MAX_LANES: usize = 96;

/// Slots that the whole session has at most, as long as memory allows.
const MAX_SLOTS: u64 = 256;

/// Steps with a count that all slots together may hold: 32 MiB.
const MAX_CELLS: usize = 4 << 20;

/// However little memory there is: the past has as many slots, the last seconds are as many.
const FEWEST: u64 = 16;

const SECOND_NS: u64 = 1_000_000_000;

/// What the durations are of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// From source to sink, of written records.
    EndToEnd,
    /// See [`Trace::queue_wait_ns`].
    QueueWait,
    /// See [`Trace::transform_ns`].
    Transform,
    /// See [`Trace::sink_write_ns`].
    SinkWrite,
    /// From one stage to the next, by their indices in the spec.
    Hop(usize, usize),
}

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct Windows {
    lanes: BTreeMap<Subject, Lane>,
    /// The second of the monotonic clock that still fills.
    second: u64,
    /// The first second, once there is one.
    first: Option<u64>,
    /// The ends of the first and the last trace, ns.
    edges: Option<(u64, u64)>,
    /// Slots of the past are two to this power of seconds wide.
    shift: u32,
    /// Seconds kept one by one.
    recent: Option<u64>,
    /// Durations of hops that were one kind too many.
    pub overflowed: u64,
}

impl Windows {
    /// Adds a trace.
    pub fn add(&mut self, trace: &Trace) {
        self.reach(trace.end_ns);
        for (subject, ns) in [
            (Subject::EndToEnd, trace.e2e_ns()),
            (Subject::QueueWait, trace.queue_wait_ns()),
            (Subject::Transform, trace.transform_ns()),
            (Subject::SinkWrite, trace.sink_write_ns()),
        ] {
            ns.into_iter().for_each(|ns| self.add_to(subject, ns));
        }
        for hop in trace.own_hops().filter(|hop| !hop.has_gap) {
            self.add_to(Subject::Hop(hop.from.stage, hop.to.stage), hop.ns);
        }
    }

    /// Adds durations that were added up elsewhere, of journeys that ended at `end_ns`.
    pub fn add_sum(&mut self, subject: Subject, end_ns: u64, sum: &Sum) {
        self.reach(end_ns);
        match self.open(subject) {
            Some(open) => open.merge(sum),
            None => self.overflowed += sum.count(),
        }
    }

    /// Lets time go on to the end of a trace.
    fn reach(&mut self, end_ns: u64) {
        self.advance(end_ns);
        let (first, last) = self.edges.get_or_insert((end_ns, end_ns));
        (*first, *last) = (end_ns.min(*first), end_ns.max(*last));
    }

    fn add_to(&mut self, subject: Subject, ns: u64) {
        match self.open(subject) {
            Some(open) => open.add(ns),
            None => self.overflowed += 1,
        }
    }

    /// The sum of a subject that is filling; `None` where it is one kind too many.
    fn open(&mut self, subject: Subject) -> Option<&mut Sum> {
        if self.lanes.len() >= MAX_LANES + 4 && !self.lanes.contains_key(&subject) {
            return None;
        }
        Some(&mut self.lanes.entry(subject).or_default().open)
    }

    /// Lets time go on to `now_ns` of the monotonic clock: also when no trace comes.
    pub fn advance(&mut self, now_ns: u64) {
        let second = now_ns / SECOND_NS;
        let Some(first) = self.first else {
            (self.first, self.second) = (Some(second), second);
            return;
        };
        if second <= self.second {
            return;
        }
        self.lanes.values_mut().for_each(|lane| lane.close(self.second, self.shift));
        self.second = second;
        while (second >> self.shift) - (first >> self.shift) >= MAX_SLOTS {
            self.coarsen();
        }
        self.fit();
        let from = self.recent_from();
        self.lanes.values_mut().for_each(|lane| lane.forget_before(from));
    }

    /// Gives detail up until what is kept fits: first that of the past, then the number of seconds.
    fn fit(&mut self) {
        while self.cells() > MAX_CELLS {
            let slots = (self.second >> self.shift) - (self.first.unwrap_or(self.second) >> self.shift);
            let recent = self.recent.unwrap_or(RECENT);
            if slots > FEWEST {
                self.coarsen();
            } else if recent > FEWEST {
                self.recent = Some((recent / 2).max(FEWEST));
                let from = self.recent_from();
                self.lanes.values_mut().for_each(|lane| lane.forget_before(from));
            } else {
                return;
            }
        }
    }

    fn coarsen(&mut self) {
        self.shift += 1;
        self.lanes.values_mut().for_each(Lane::coarsen);
    }

    fn cells(&self) -> usize {
        self.lanes.values().map(Lane::cells).sum()
    }

    /// The first second that is kept by itself.
    fn recent_from(&self) -> u64 {
        self.second.saturating_sub(self.recent.unwrap_or(RECENT)).max(self.first.unwrap_or(0))
    }

    fn lane(&self, subject: Subject) -> Option<&Lane> {
        self.lanes.get(&subject)
    }

    /// What there are durations of: from end to end first, then sums, then hops in the order of the spec's stages.
    pub fn subjects(&self) -> impl Iterator<Item = Subject> {
        self.lanes.keys().copied()
    }

    /// The time that is known of, monotonic ns: from the first trace's second to the end of the one that is filling. `None` before the first.
    #[must_use]
    pub fn span_ns(&self) -> Option<(u64, u64)> {
        let first = self.first?;
        Some((first.saturating_mul(SECOND_NS), (self.second + 1).saturating_mul(SECOND_NS)))
    }

    /// When the first trace ended, and the last one, monotonic ns. `None` before the first.
    #[must_use]
    pub const fn edges_ns(&self) -> Option<(u64, u64)> {
        self.edges
    }

    /// How wide the slots of the whole session are by now, ns: from a second on, doubled whenever there would be more than 256.
    #[must_use]
    pub const fn slot_ns(&self) -> u64 {
        SECOND_NS.saturating_mul(1 << self.shift)
    }

    /// Since when there are slots of a second, monotonic ns.
    #[must_use]
    pub fn recent_from_ns(&self) -> u64 {
        self.recent_from().saturating_mul(SECOND_NS)
    }

    /// Memory that the durations take, bytes, to the nearest few per cent.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let slots: usize = self.lanes.values().map(|lane| lane.recent.len() + lane.past.len()).sum();
        self.cells() * size_of::<slot::Cell>()
            + slots * size_of::<slot::Slot>()
            + self.lanes.len() * (size_of::<Lane>() + crate::stats::scale::STEPS * 4)
    }
}
