//! Spans: how long a record took from end to end, waited in queues, was transformed, was written.

use profiler_common::{Outcome, StageCode};

use super::Trace;

impl Trace {
    /// From S0 to the end of the write, ns. Only written records have it.
    #[must_use]
    pub fn e2e_ns(&self) -> Option<u64> {
        let (first, last) = (self.stamps.first()?, self.stamps.last()?);
        (self.outcome == Outcome::Written).then(|| last.ts_ns.saturating_sub(first.ts_ns))
    }

    /// Time in queues, ns: from each Q+ to the next Q-, summed up. Of several Q+ before one Q- (an offer
    /// that is tried again) the first counts, so that no time counts twice.
    #[must_use]
    pub fn queue_wait_ns(&self) -> Option<u64> {
        self.between(StageCode::ENQUEUE, StageCode::DEQUEUE)
    }

    /// Time in transforms, ns: from each T+ to the next T-, summed up, in the manner of [`Trace::queue_wait_ns`].
    #[must_use]
    pub fn transform_ns(&self) -> Option<u64> {
        self.between(StageCode::TRANSFORM_IN, StageCode::TRANSFORM_OUT)
    }

    /// From the stage before the sink to the end of the write, ns.
    #[must_use]
    pub fn sink_write_ns(&self) -> Option<u64> {
        let last = self.hops().last()?;
        (self.outcome == Outcome::Written && !last.has_gap).then_some(last.ns)
    }

    /// How old the record was at the source by its own time, ns; negative for one from the future. A branch's source is its parent's.
    #[must_use]
    pub fn source_latency_ns(&self) -> Option<i64> {
        let is_source = self.stamps.first()?.code == StageCode::SOURCE && self.shared == 0;
        let first = self.record_times.iter().find(|time| time.stamp == 0).filter(|_| is_source)?;
        Some(first.latency_ns)
    }

    /// How old the record was by its own time when the sink had written it, ns. A record's own time does not change, so the one that was read last
    /// holds, wherever that was.
    #[must_use]
    pub fn sink_latency_ns(&self) -> Option<i64> {
        let end = self.stamps.last().filter(|_| self.outcome == Outcome::Written)?;
        let read = self.record_times.iter().max_by_key(|time| time.stamp)?;
        let since = end.ts_ns.saturating_sub(self.stamps.get(read.stamp)?.ts_ns);
        Some(read.latency_ns.saturating_add_unsigned(since))
    }

    /// Whether stamps are known to be missing among those shown.
    #[must_use]
    pub const fn has_gaps(&self) -> bool {
        self.flags.entries_dropped > 0 || self.flags.torn_stamps > 0
    }

    /// A sum over pairs is only true when no stamp is missing.
    fn between(&self, open: StageCode, close: StageCode) -> Option<u64> {
        if self.has_gaps() {
            return None;
        }
        let (mut opened, mut sum) = (None, None);
        for stamp in &self.stamps {
            if stamp.code == open {
                opened.get_or_insert(stamp.ts_ns);
            } else if stamp.code == close
                && let Some(since) = opened.take()
            {
                let span = stamp.ts_ns.saturating_sub(since);
                sum = Some(sum.unwrap_or(0u64).saturating_add(span));
            }
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::Outcome;
    use crate::trace::testing::trace;

    #[test]
    fn spans_of_every_order_of_stages() {
        type Spans = [Option<u64>; 4];
        let cases: [(&str, Outcome, Spans); 8] = [
            ("S0@0 Q+@1 Q-@11 T+@12 T-@32 W!@35", Outcome::Written, [Some(35), Some(10), Some(20), Some(3)]),
            ("S0@0 T+@1 T-@5 Q+@6 Q-@9 W!@10", Outcome::Written, [Some(10), Some(3), Some(4), Some(1)]),
            ("S0@0 Q+@1 Q-@2 Q+@5 Q-@9 W!@10", Outcome::Written, [Some(10), Some(5), None, Some(1)]),
            ("S0@0 Q+@1 Q+@3 Q-@9 Q-@10 W!@11", Outcome::Written, [Some(11), Some(8), None, Some(1)]),
            ("S0@0 T+@1 T+@2 T-@4 T-@7 W!@8", Outcome::Written, [Some(8), None, Some(3), Some(1)]),
            ("S0@7 W!@9", Outcome::Written, [Some(2), None, None, Some(2)]),
            ("S0@0 Q-@1 Q+@2 T+@3 drop@9", Outcome::Filtered, [None, None, None, None]),
            ("S0@0 Q+@1 Q-@4", Outcome::Expired, [None, Some(3), None, None]),
        ];
        for (text, outcome, spans) in cases {
            let t = trace(text, outcome);
            assert_eq!([t.e2e_ns(), t.queue_wait_ns(), t.transform_ns(), t.sink_write_ns()], spans, "{text}");
        }
    }

    #[test]
    fn missing_stamps_take_the_sums_away_but_not_the_ends() {
        let mut t = trace("S0@0 Q+@1 Q-@11 T+@12 T-@32 W!@35", Outcome::Written);
        t.flags.entries_dropped = 1;
        assert_eq!(
            [t.e2e_ns(), t.queue_wait_ns(), t.transform_ns(), t.sink_write_ns()],
            [Some(35), None, None, None]
        );
    }
}
