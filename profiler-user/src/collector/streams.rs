//! What the packets of an agent's stream add up to: what is complete up to when, and who lost what. Pure.
//!
//! A stream's packets are numbered from 0, and carry running totals (see `docs/export.md`). So a number that did not come, though a later one did, is
//! known to be one of three: the agent gave it up (`discarded_packets` says how many those are), the way to here lost it, or it is still on it: the agent
//! sends what it spooled later. What the kernel program refused, and what the agent gave up before it had a packet, the totals say, too.
//!
//! What the latest packet says is complete as of that packet alone: what the agent gave up since then counts as not accounted for until a later one came.

use serde::{Deserialize, Serialize};

use super::model::PacketSeen;

/// Gaps of one stream that are told apart; further ones are lost sight of only when they close.
const MAX_RANGES: usize = 1024;

/// The state of one stream.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct StreamState {
    /// The agent's machine.
    pub host: String,
    /// The agent's process id.
    pub agent: u32,
    /// The agent's version.
    pub version: String,
    /// What the agent is attached to.
    pub target: String,
    /// Packets that came: ranges of numbers, both ends inclusive, ascending, neighbours joined.
    pub ranges: Vec<(u64, u64)>,
    /// When each range's last packet is complete, ns since the Unix epoch, by range.
    pub complete_ns: Vec<i64>,
    /// Packets that came.
    pub packets: u64,
    /// Traces that the packets said to hold.
    pub traces: u64,
    /// The end of the earliest trace, ns since the Unix epoch; 0 before the first packet.
    pub first_ns: i64,
    /// Sampled records that the kernel program refused, as the latest packet says.
    pub discarded_kernel: u64,
    /// Those of them that the budget or a pause refused, as the latest packet says; `None` from an agent that does not.
    pub discarded_by_setting: Option<u64>,
    /// Traces that the agent gave up, as the latest packet says.
    pub discarded_agent: u64,
    /// Packets that the agent gave up, as the latest packet says.
    pub discarded_packets: u64,
    /// Traces in those, as the latest packet says: they are among `discarded_agent`.
    pub discarded_in_packets: u64,
    /// Packets of earlier streams that this one's agent found in its spool and gave up, as the latest packet says.
    pub discarded_earlier: u64,
    /// Traces in the latest packet and all before it, as it says; `None` from an agent that does not.
    pub total: Option<u64>,
    /// The number of the last packet, once it came.
    pub last_packet: Option<u64>,
    /// When the first packet came, ms since the Unix epoch.
    pub first_received_ms: i64,
    /// When the latest packet came, ms since the Unix epoch.
    pub last_received_ms: i64,
}

impl StreamState {
    /// Reads its stored form; `None` where it is damaged.
    #[must_use]
    pub fn from_text(text: &str) -> Option<Self> {
        let state: Self = serde_json::from_str(text).ok()?;
        let is_range = |(first, last): &(u64, u64)| first <= last;
        let are_apart = |(before, after): (&(u64, u64), &(u64, u64))| before.1 < after.0;
        let ranges = &state.ranges;
        let in_order = ranges.iter().all(is_range) && ranges.iter().zip(ranges.iter().skip(1)).all(are_apart);
        (in_order && ranges.len() == state.complete_ns.len()).then_some(state)
    }

    /// Its stored form.
    #[must_use]
    pub fn to_text(&self) -> String {
        // Cannot fail: numbers, texts and lists of them.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Takes a packet in, in whatever order it comes. False when it was there already: a repeat changes nothing.
    pub fn see(&mut self, packet: &PacketSeen) -> bool {
        let number = packet.packet;
        if self.ranges.iter().any(|(first, last)| (*first..=*last).contains(&number)) {
            return false;
        }
        if self.ranges.is_empty() {
            (self.first_ns, self.first_received_ms) = (packet.first_ns, packet.received_ms);
        }
        let is_latest = self.ranges.last().is_none_or(|(_, last)| number > *last);
        if is_latest {
            self.host.clone_from(&packet.host);
            self.agent = packet.agent;
            self.version.clone_from(&packet.version);
            self.target.clone_from(&packet.target);
            self.discarded_kernel = packet.discarded_kernel;
            self.discarded_by_setting = packet.discarded_by_setting;
            self.discarded_agent = packet.discarded_agent;
            self.discarded_packets = packet.discarded_packets;
            self.discarded_in_packets = packet.discarded_in_packets;
            self.discarded_earlier = packet.discarded_earlier;
            self.total = packet.total;
        }
        if packet.is_last {
            self.last_packet = Some(number);
        }
        self.packets = self.packets.saturating_add(1);
        self.traces = self.traces.saturating_add(packet.count);
        self.first_ns = self.first_ns.min(packet.first_ns);
        self.first_received_ms = self.first_received_ms.min(packet.received_ms);
        self.last_received_ms = self.last_received_ms.max(packet.received_ms);
        self.insert(number, packet.complete_ns);
        true
    }

    fn insert(&mut self, number: u64, complete_ns: i64) {
        let at = self.ranges.partition_point(|(first, _)| *first < number);
        self.ranges.insert(at, (number, number));
        self.complete_ns.insert(at, complete_ns);
        self.join(at);
        if let Some(before) = at.checked_sub(1) {
            self.join(before);
        }
        // The oldest gaps are no longer told apart: nothing behind them is taken for complete any more, whatever comes.
        if self.ranges.len() > MAX_RANGES {
            self.ranges.remove(1);
            self.complete_ns.remove(1);
        }
    }

    /// Joins a range with the one behind it, where they are neighbours.
    fn join(&mut self, at: usize) {
        let (Some(&(first, last)), Some(&(next, end))) = (self.ranges.get(at), self.ranges.get(at + 1))
        else {
            return;
        };
        if last.checked_add(1) == Some(next) {
            self.ranges.remove(at);
            let complete = self.complete_ns.remove(at);
            if let Some(range) = self.ranges.get_mut(at) {
                *range = (first, end);
            }
            if let Some(joined) = self.complete_ns.get_mut(at) {
                *joined = complete.max(*joined);
            }
        }
    }

    /// All traces of the stream that ended before this are here, ns since the Unix epoch; `None` while its first packet is missing.
    #[must_use]
    pub fn complete_until_ns(&self) -> Option<i64> {
        let (first, _) = self.ranges.first()?;
        (*first == 0).then(|| self.complete_ns.first().copied()).flatten()
    }

    /// Packets that did not come, though later ones did.
    #[must_use]
    pub fn missing_packets(&self) -> u64 {
        let newest = self.ranges.last().map_or(0, |(_, last)| u128::from(*last) + 1);
        // What came in ranges that are no longer told apart is counted, too; a state of an earlier version has its packets in them alone. Each gap lacks one
        // at least, whatever a stored state says.
        let ranges: u128 = self.ranges.iter().map(|(first, last)| u128::from(last - first) + 1).sum();
        let most = newest.saturating_sub(self.gaps().len() as u128);
        let came = ranges.max(u128::from(self.packets)).min(most);
        u64::try_from(newest - came).unwrap_or(u64::MAX)
    }

    /// Those of the missing packets that the agent gave up. What it gave up and the collector has nevertheless (an answer that was lost) is not among them.
    #[must_use]
    pub fn given_up_packets(&self) -> u64 {
        self.discarded_packets.min(self.missing_packets())
    }

    /// Those of the missing packets that the agent did not give up: the way to here lost them, or they are still on it.
    #[must_use]
    pub fn unaccounted_packets(&self) -> u64 {
        self.missing_packets().saturating_sub(self.discarded_packets)
    }

    /// Traces in the packets that are [not accounted for](Self::unaccounted_packets); `None` where the agent does not say.
    #[must_use]
    pub fn unaccounted_traces(&self) -> Option<u64> {
        if self.unaccounted_packets() == 0 {
            return Some(0);
        }
        let missing = self.total?.saturating_sub(self.traces);
        Some(missing.saturating_sub(self.discarded_in_packets))
    }

    /// The stream's last packet came: its agent ended as it should.
    #[must_use]
    pub fn is_ended(&self) -> bool {
        self.last_packet.is_some()
    }

    /// The numbers of the packets that are missing: ranges, both ends inclusive.
    #[must_use]
    pub fn gaps(&self) -> Vec<(u64, u64)> {
        let mut next = 0;
        let mut gaps = Vec::new();
        for (first, last) in &self.ranges {
            if *first > next {
                gaps.push((next, first - 1));
            }
            next = last.saturating_add(1);
        }
        gaps
    }

    /// The stream said that it ended, and all of its packets are here.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        matches!((self.ranges.as_slice(), self.last_packet), ([(0, last)], Some(end)) if *last == end)
    }
}

#[cfg(test)]
mod tests {
    use super::StreamState;
    use crate::collector::model::PacketSeen;
    use proptest::prelude::*;

    fn packet(number: u64) -> PacketSeen {
        PacketSeen {
            packet: number,
            count: 10,
            complete_ns: 1000 * (number as i64 + 1),
            discarded_kernel: number,
            received_ms: 5,
            ..PacketSeen::default()
        }
    }

    #[test]
    fn damaged_states_are_no_states() {
        let text =
            |ranges: &str, complete: &str| format!("{{\"ranges\":{ranges},\"completeNs\":{complete}}}");
        let whole = format!("[[0,{}]]", u64::MAX);
        assert_eq!(
            StreamState::from_text(&text(&whole, "[1]")).map(|state| state.missing_packets()),
            Some(0)
        );
        // More packets than numbers: none is missing, or as few as there are gaps.
        let more = |ranges: &str, complete: &str| {
            let text = text(ranges, complete).replace("{\"", "{\"packets\":99,\"");
            StreamState::from_text(&text).map(|state| state.missing_packets())
        };
        let nearly = format!("[[0,{}],[{},{}]]", u64::MAX - 2, u64::MAX, u64::MAX);
        for (ranges, complete, missing) in
            [("[]", "[]", 0), ("[[0,4]]", "[1]", 0), ("[[0,4],[9,9]]", "[1,2]", 1), (&nearly, "[1,2]", 1)]
        {
            assert_eq!(more(ranges, complete), Some(missing), "{ranges}");
        }
        for (ranges, complete) in
            [("[[5,4]]", "[1]"), ("[[3,4],[0,1]]", "[1,2]"), ("[[0,4],[4,5]]", "[1,2]"), ("[[0,4]]", "[]")]
        {
            assert_eq!(StreamState::from_text(&text(ranges, complete)), None, "{ranges}");
        }
    }

    #[test]
    fn a_gap_holds_completeness_back_until_it_closes() {
        let mut state = StreamState::default();
        for number in [0, 1, 4] {
            assert!(state.see(&packet(number)));
        }
        assert!(!state.see(&packet(1)));
        assert_eq!((state.complete_until_ns(), state.missing_packets()), (Some(2000), 2));
        assert_eq!((state.gaps(), state.discarded_kernel, state.traces), (vec![(2, 3)], 4, 30));
        assert!(state.see(&packet(3)) && state.see(&PacketSeen { is_last: false, ..packet(2) }));
        assert_eq!(
            (state.complete_until_ns(), state.gaps(), state.discarded_kernel),
            (Some(5000), vec![], 4)
        );
        assert!(!state.is_whole());
        assert!(state.see(&PacketSeen { is_last: true, ..packet(5) }));
        assert!(state.is_whole());
        assert_eq!(StreamState::from_text(&state.to_text()), Some(state));
    }

    #[test]
    fn a_gap_is_told_by_who_lost_it() {
        let told = |state: &StreamState| {
            let traces = state.unaccounted_traces();
            (state.missing_packets(), state.given_up_packets(), state.unaccounted_packets(), traces)
        };
        let with = |number, packets, total| PacketSeen {
            discarded_packets: packets,
            discarded_in_packets: 7 * packets,
            discarded_agent: 7 * packets + 3,
            total: Some(total),
            ..packet(number)
        };
        let mut state = StreamState::default();
        state.see(&with(0, 0, 10));
        // Packet 1 had seven traces, and nobody knows yet where it is; so had packet 3, and the agent says that it gave one up.
        state.see(&with(2, 0, 27));
        assert_eq!(told(&state), (1, 0, 1, Some(7)));
        state.see(&with(4, 1, 44));
        assert_eq!(told(&state), (2, 1, 1, Some(7)));
        assert_eq!((state.discarded_agent, state.discarded_in_packets), (10, 7));
        // The other one comes after all.
        state.see(&PacketSeen { count: 7, ..with(1, 0, 17) });
        assert_eq!(told(&state), (1, 1, 0, Some(0)));
        // What says nothing new takes nothing back; what the agent gave up may be here all the same.
        state.see(&PacketSeen { count: 7, ..with(3, 0, 34) });
        assert_eq!((told(&state), state.discarded_packets), ((0, 0, 0, Some(0)), 1));
        let mut older = StreamState::default();
        older.see(&packet(3));
        assert_eq!(told(&older), (3, 0, 3, None));
        assert_eq!(StreamState::from_text(&older.to_text()), Some(older));
    }

    #[test]
    fn more_gaps_than_are_told_apart_are_still_counted() {
        let mut state = StreamState::default();
        let count = super::MAX_RANGES as u64 + 10;
        (0..count).for_each(|number| assert!(state.see(&packet(2 * number))));
        assert_eq!((state.ranges.len(), state.packets), (super::MAX_RANGES, count));
        assert_eq!((state.missing_packets(), state.complete_until_ns()), (count - 1, Some(1000)));
    }

    #[test]
    fn nothing_is_complete_without_the_first_packet() {
        let mut state = StreamState::default();
        state.see(&packet(7));
        assert_eq!(
            (state.complete_until_ns(), state.missing_packets(), state.gaps()),
            (None, 7, vec![(0, 6)])
        );
        assert_eq!(StreamState::from_text("{"), None);
    }

    proptest! {
        #[test]
        fn the_order_of_packets_does_not_matter(numbers in proptest::collection::vec(0u64..40, 1..60)) {
            let mut state = StreamState::default();
            numbers.iter().for_each(|number| { state.see(&packet(*number)); });
            let mut sorted = numbers;
            sorted.sort_unstable();
            sorted.dedup();
            let mut other = StreamState::default();
            sorted.iter().for_each(|number| { other.see(&packet(*number)); });
            prop_assert_eq!(&state, &other);
            prop_assert_eq!(state.missing_packets(), sorted.last().unwrap() + 1 - sorted.len() as u64);
            prop_assert_eq!(state.traces, 10 * sorted.len() as u64);
        }
    }
}
