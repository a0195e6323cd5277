//! Packets: every batch of an exporter says which one of its stream it is, what times it covers, and what was lost on the way to it. Pure.
//!
//! A receiver that has packets 0 to N of a stream has all that the exporter was given until the last one's `complete_ns`. A number that never comes
//! was lost between the two, unless the packets say that the agent gave it up; what was lost before is in the packets themselves.

use profiler_common::LostReason;
use serde::Serialize;

use crate::feed::Tick;
use crate::ledger::Ledger;
use crate::trace::Trace;

/// The index entry of one packet. Times are ns since the Unix epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Packet {
    /// The stream: one exporter of one session.
    #[serde(serialize_with = "as_text")]
    pub stream: u64,
    /// Its number in the stream, from 0.
    pub packet: u64,
    /// Traces in it; 0 in a beacon.
    pub count: u64,
    /// When its first trace ended; in a beacon, `complete_ns`.
    #[serde(serialize_with = "as_text")]
    pub first_ns: i64,
    /// When its last trace ended; in a beacon, `complete_ns`.
    #[serde(serialize_with = "as_text")]
    pub last_ns: i64,
    /// Traces that ended before this are in this packet or in earlier ones.
    #[serde(serialize_with = "as_text")]
    pub complete_ns: i64,
    /// Sampled records that the kernel program refused so far.
    pub discarded_kernel: u64,
    /// Those of them that a setting had it refuse: the budget, or a pause. The others were lost.
    pub discarded_by_setting: u64,
    /// Traces of this stream that the agent gave up so far: before they had a packet, or with it.
    pub discarded_agent: u64,
    /// Packets of this stream that the agent gave up so far. Others that never come were lost on the way.
    pub discarded_packets: u64,
    /// Traces in those; they are among `discarded_agent`.
    pub discarded_in_packets: u64,
    /// Packets of earlier streams, left in the spool, that were given up by this session so far.
    pub discarded_earlier: u64,
    /// Traces in this packet and all before it, wherever they are by now.
    pub total: u64,
    /// No packet follows.
    pub last: bool,
}

fn as_text<S: serde::Serializer>(value: &impl std::fmt::Display, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

/// Traces that ended and made no sense.
fn corrupt(ledger: &Ledger) -> u64 {
    ledger.lost().find(|(reason, _)| *reason == LostReason::Corrupt).map_or(0, |(_, count)| count)
}

/// What an exporter gave up so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Losses {
    /// Traces that never had a packet.
    pub before: u64,
    /// Of this stream.
    pub own: Lost,
    /// Of earlier streams.
    pub earlier: Lost,
}

/// Packets, and the traces in them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lost {
    /// Packets.
    pub packets: u64,
    /// Traces.
    pub traces: u64,
}

impl std::ops::AddAssign for Lost {
    fn add_assign(&mut self, Self { packets, traces }: Self) {
        self.packets = self.packets.saturating_add(packets);
        self.traces = self.traces.saturating_add(traces);
    }
}

/// Numbers the packets of one exporter.
#[derive(Clone, Debug)]
pub struct Stream {
    open: Packet,
    /// Traces that made no sense, which nobody was given.
    corrupt: u64,
}

impl Stream {
    /// The stream of this id, before its first packet.
    #[must_use]
    pub fn new(stream: u64) -> Self {
        Self { open: Packet { stream, ..Packet::default() }, corrupt: 0 }
    }

    /// Puts a trace into the open packet.
    pub fn add(&mut self, trace: &Trace) {
        let end_ns = trace.wall_at(trace.end_ns);
        let Packet { count, first_ns, last_ns, .. } = &mut self.open;
        *first_ns = if *count == 0 { end_ns } else { end_ns.min(*first_ns) };
        *last_ns = if *count == 0 { end_ns } else { end_ns.max(*last_ns) };
        *count += 1;
    }

    /// All traces that ended before the tick have come, but those that were missed.
    pub fn tick(&mut self, tick: &Tick) {
        self.open.complete_ns = self.open.complete_ns.max(tick.wall_ns.cast_signed());
        self.open.discarded_kernel = tick.ledger.refused();
        self.open.discarded_by_setting = tick.ledger.refused_by_setting();
        self.corrupt = corrupt(&tick.ledger);
    }

    /// Traces in the open packet.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.open.count
    }

    /// Closes the open packet, and opens the next. The losses are those of this moment: what a packet says of them is complete.
    pub fn cut(&mut self, last: bool, losses: Losses) -> Packet {
        let Losses { before, own, earlier } = losses;
        let mut packet = Packet {
            last,
            discarded_agent: self.corrupt.saturating_add(before).saturating_add(own.traces),
            discarded_packets: own.packets,
            discarded_in_packets: own.traces,
            discarded_earlier: earlier.packets,
            total: self.open.total.saturating_add(self.open.count),
            ..self.open
        };
        if packet.count == 0 {
            (packet.first_ns, packet.last_ns) = (packet.complete_ns, packet.complete_ns);
        }
        let (number, total) = (packet.packet + 1, packet.total);
        self.open = Packet { packet: number, total, count: 0, first_ns: 0, last_ns: 0, ..self.open };
        packet
    }
}

#[cfg(test)]
mod tests {
    use super::{Losses, Lost, Packet, Stream};
    use crate::feed::Tick;
    use crate::ledger::Ledger;
    use crate::trace::testing::trace;
    use profiler_common::Outcome;

    #[test]
    fn packets_are_numbered_and_know_their_times() {
        let mut stream = Stream::new(9);
        let wall = 1_700_000_000_000_000_000;
        for text in ["S0@100 W!@500", "S0@90 W!@300", "S0@200 W!@400"] {
            stream.add(&trace(text, Outcome::Written));
        }
        let refused = Ledger { refused_budget: 3, refused_paused: 2, refused_full: 7, ..Ledger::default() };
        stream.tick(&Tick { wall_ns: 1_700_000_000_000_000_600, ledger: refused, ..Tick::default() });
        let lost = |packets, traces| Lost { packets, traces };
        let losses = Losses { before: 3, own: lost(2, 20), earlier: lost(1, 9) };
        let expected = Packet {
            stream: 9,
            packet: 0,
            count: 3,
            first_ns: wall + 300,
            last_ns: wall + 500,
            complete_ns: wall + 600,
            discarded_kernel: 12,
            discarded_by_setting: 5,
            discarded_agent: 23,
            discarded_packets: 2,
            discarded_in_packets: 20,
            discarded_earlier: 1,
            total: 3,
            last: false,
        };
        assert_eq!(stream.cut(false, losses), expected);
        // A beacon says up to when nothing is missing.
        let beacon = Packet { packet: 1, count: 0, first_ns: wall + 600, last_ns: wall + 600, ..expected };
        assert_eq!(stream.cut(false, losses), beacon);
        // A clock that was set back takes nothing back.
        stream.tick(&Tick { wall_ns: 5, ledger: refused, ..Tick::default() });
        assert_eq!(stream.cut(true, losses), Packet { packet: 2, last: true, ..beacon });
    }
}
