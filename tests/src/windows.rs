//! The seconds of the budget: how many traces began in each, and how many records were sampled there by the target's own log.
//!
//! Owns: which second a time lies in. What a second had to offer is read from the log, so that no test depends on how fast the machine is.

use std::collections::BTreeMap;

use anyhow::{Context, Result};

use crate::report::Report;
use crate::truth::{S0, Truth};

const SECOND_NS: u64 = 1_000_000_000;

/// One second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Window {
    /// Traces that began in it.
    pub traces: u64,
    /// Records that were surely sampled in it: both readings of the target's clock lie in it.
    pub sampled: u64,
}

/// The seconds of a run.
#[derive(Clone, Debug)]
pub struct Windows {
    phase_ns: u64,
    all: BTreeMap<u64, Window>,
}

impl Windows {
    /// Of a run in which the log has just the records that the rate chooses. The seconds are those of the wall clock, whose phase the
    /// first trace tells.
    pub fn of(report: &Report, truth: &Truth, rate: u64) -> Result<Self> {
        let first = report.traces.first().context("no trace")?;
        let (_, fraction) = first.wall_time.split_once('.').context("no wall time")?;
        let fraction: u64 = fraction.trim_end_matches('Z').parse().context("no wall time")?;
        let phase_ns = (fraction + SECOND_NS - first.start_ns % SECOND_NS) % SECOND_NS;
        let mut windows = Self { phase_ns, all: BTreeMap::new() };
        for trace in &report.traces {
            windows.all.entry(windows.second(trace.start_ns)).or_default().traces += 1;
        }
        let emits = truth.records().flatten().filter(|row| row.stage == S0 && row.seq.is_multiple_of(rate));
        for row in emits.filter(|row| !row.is_open()) {
            let (second, after) = (windows.second(row.before_ns), windows.second(row.after_ns));
            if second == after {
                windows.all.entry(second).or_default().sampled += 1;
            }
        }
        Ok(windows)
    }

    /// The number of the second of a time of the monotonic clock, ns.
    #[must_use]
    pub fn second(&self, ns: u64) -> u64 {
        (ns + self.phase_ns) / SECOND_NS
    }

    /// The seconds in which something was sampled, in order.
    pub fn iter(&self) -> impl Iterator<Item = (u64, Window)> {
        self.all.iter().map(|(second, window)| (*second, *window))
    }
}

impl Window {
    /// Whether the budget was kept, and was used up if the second had plenty to offer. A hit that is held up past the second's end is
    /// refused, hence plenty.
    #[must_use]
    pub fn keeps(self, budget: u64) -> bool {
        self.traces <= budget && (self.traces == budget || self.sampled < 2 * budget)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_second_must_be_used_up() {
        let window = |traces, sampled| Window { traces, sampled };
        assert!(window(5, 100).keeps(5) && window(3, 9).keeps(5) && window(0, 0).keeps(5));
        assert!(!window(6, 100).keeps(5) && !window(4, 10).keeps(5));
    }

    #[test]
    fn seconds_are_those_of_the_wall_clock() {
        let line = |start: u64, wall: &str| {
            format!(
                r#"{{"trace_id":"{start}","outcome":"written","pid":1,"key":"0x1","sequence":1,"start_ns":{start},"wall_time":"{wall}","entries":[]}}"#
            )
        };
        let traces =
            [(5_900_000_000, "2026-01-01T00:00:00.100000000Z"), (6_800_000_000, ""), (6_799_999_999, "")];
        let traces = traces.map(|(start, wall)| serde_json::from_str(&line(start, wall)).unwrap()).to_vec();
        let windows = Windows::of(&Report { traces, ..Report::default() }, &Truth::default(), 1).unwrap();
        let found: Vec<_> = windows.iter().map(|(second, window)| (second, window.traces)).collect();
        assert_eq!(found, [(6, 2), (7, 1)]);
    }
}
