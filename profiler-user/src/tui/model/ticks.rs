//! How the session stood in the past: ticks, each second of the last while and every tenth before, within a bound of memory.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::feed::Tick;

/// Memory of either part, bytes.
const MAX_BYTES: usize = 12 << 20;

/// Ticks of either part.
const MAX_TICKS: usize = 4096;

/// Of the older part only every so many-th tick is kept.
const COARSE: u64 = 10;

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct Ticks {
    fine: Part,
    coarse: Part,
    seen: u64,
}

#[derive(Clone, Debug, Default)]
struct Part {
    ticks: VecDeque<Arc<Tick>>,
    bytes: usize,
}

impl Part {
    fn push(&mut self, tick: &Arc<Tick>) {
        self.bytes += size(tick);
        self.ticks.push_back(Arc::clone(tick));
        while self.ticks.len() > 1 && (self.bytes > MAX_BYTES || self.ticks.len() > MAX_TICKS) {
            self.bytes -= self.ticks.pop_front().map_or(0, |tick| size(&tick));
        }
    }

    /// The last one at that time.
    fn at(&self, ns: u64) -> Option<&Arc<Tick>> {
        let after = self.ticks.partition_point(|tick| tick.mono_ns <= ns);
        self.ticks.get(after.checked_sub(1)?)
    }
}

fn size(tick: &Tick) -> usize {
    size_of::<Tick>() + size_of_val(tick.probes.as_slice()) + size_of_val(tick.processes.as_slice())
}

impl Ticks {
    /// Adds one; they come in the order of time.
    pub fn push(&mut self, tick: &Arc<Tick>) {
        self.fine.push(tick);
        if self.seen.is_multiple_of(COARSE) {
            self.coarse.push(tick);
        }
        self.seen += 1;
    }

    /// The latest.
    #[must_use]
    pub fn last(&self) -> Option<&Arc<Tick>> {
        self.fine.ticks.back()
    }

    /// How things stood at a time, ns of the monotonic clock; the oldest that is known if that is earlier.
    #[must_use]
    pub fn at(&self, ns: u64) -> Option<&Arc<Tick>> {
        let known = self.fine.at(ns).or_else(|| self.coarse.at(ns));
        known.or_else(|| self.coarse.ticks.front()).or_else(|| self.fine.ticks.front())
    }

    /// How things stood at the two ends of a time window.
    #[must_use]
    pub fn span(&self, from_ns: u64, to_ns: u64) -> Option<(&Tick, &Tick)> {
        Some((self.at(from_ns)?, self.at(to_ns)?))
    }

    /// How much a count grew in each of `parts` equal parts of a time window, a second; `None` where the window reaches past what is known.
    #[must_use]
    pub fn rates(
        &self,
        from_ns: u64,
        to_ns: u64,
        parts: usize,
        count: impl Fn(&Tick) -> u64,
    ) -> Vec<Option<f64>> {
        let first = self.coarse.ticks.front().map_or(u64::MAX, |tick| tick.mono_ns);
        let edge = |part: usize| {
            let span = u128::from(to_ns.saturating_sub(from_ns)) * part as u128;
            from_ns.saturating_add(u64::try_from(span / parts.max(1) as u128).unwrap_or(u64::MAX))
        };
        let rate = |part: usize| {
            let (from, to) = (edge(part), edge(part + 1));
            let (before, after) = self.span(from, to).filter(|_| to > first)?;
            let ns = after.mono_ns.saturating_sub(before.mono_ns);
            let grown = count(after).saturating_sub(count(before)) as f64;
            (ns > 0).then(|| grown * 1e9 / ns as f64)
        };
        (0..parts).map(rate).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{Arc, MAX_TICKS, Tick, Ticks};
    use crate::ledger::Ledger;
    use profiler_common::ProbeCount;

    const SECOND: u64 = 1_000_000_000;

    fn tick(second: u64, records: u64, probes: usize) -> Arc<Tick> {
        Arc::new(Tick {
            mono_ns: second * SECOND,
            ledger: Ledger { records, ..Ledger::default() },
            probes: vec![ProbeCount::default(); probes],
            ..Tick::default()
        })
    }

    #[test]
    fn rates_of_a_window() {
        let mut ticks = Ticks::default();
        assert_eq!(ticks.rates(0, SECOND, 2, |_| 1), [None, None]);
        for second in 10..=20 {
            ticks.push(&tick(second, second * second, 0));
        }
        let records = |tick: &Tick| tick.ledger.records;
        assert_eq!(ticks.rates(8 * SECOND, 14 * SECOND, 3, records), [None, Some(22.0), Some(26.0)]);
        assert_eq!(ticks.span(0, 99 * SECOND).map(|(a, b)| (records(a), records(b))), Some((100, 400)));
    }

    #[test]
    fn a_long_session_stays_small_and_keeps_its_beginning_coarsely() {
        let mut ticks = Ticks::default();
        for second in 0..30_000 {
            ticks.push(&tick(second, second, 0));
        }
        assert_eq!((ticks.fine.ticks.len(), ticks.coarse.ticks.len()), (MAX_TICKS, 3000));
        assert_eq!(ticks.at(12_345 * SECOND).map(|tick| tick.mono_ns / SECOND), Some(12_340));
        assert_eq!(ticks.at(29_998 * SECOND).map(|tick| tick.mono_ns / SECOND), Some(29_998));
        let mut wide = Ticks::default();
        (0..2000).for_each(|second| wide.push(&tick(second, 0, 4096)));
        assert!(wide.fine.bytes <= super::MAX_BYTES && wide.fine.ticks.len() < 200);
    }
}
