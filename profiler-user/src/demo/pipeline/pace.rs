//! How many records come when: in small ticks, as from a socket, with a burst now and then.

use std::num::NonZeroU64;
use std::thread::sleep;
use std::time::{Duration, Instant};

const TICK: Duration = Duration::from_millis(2);
const TICKS_PER_SECOND: u64 = 500;

/// Every so many ticks there is a burst, of so many ticks' records at once.
const BURST_EVERY: u64 = 50;
const BURST: u64 = 5;

/// Records in one go where there is no pace to keep.
const AT_ONCE: u64 = 64;

/// What is missed for longer than this, is not made up for.
const PATIENCE: Duration = Duration::from_millis(100);

/// See the module.
#[derive(Debug)]
pub(super) struct Pace {
    per_second: Option<NonZeroU64>,
    due: Instant,
    ticks: u64,
}

impl Pace {
    /// Without a number of records in a second: as many as are taken.
    pub(super) fn new(per_second: Option<NonZeroU64>) -> Self {
        Self { per_second, due: Instant::now(), ticks: 0 }
    }

    /// Waits for the next tick; how many records come in it.
    pub(super) fn tick(&mut self) -> u64 {
        let Some(per_second) = self.per_second else { return AT_ONCE };
        let now = Instant::now();
        sleep(self.due.saturating_duration_since(now));
        self.due = self.due.max(now.checked_sub(PATIENCE).unwrap_or(now)) + TICK;
        self.ticks += 1;
        records_in(per_second.get(), self.ticks)
    }
}

/// Records of the tick of this number, the first being 1.
fn records_in(per_second: u64, tick: u64) -> u64 {
    // What is over from the division comes one a tick, so that the sum is right.
    let plain =
        per_second / TICKS_PER_SECOND + u64::from(tick % TICKS_PER_SECOND < per_second % TICKS_PER_SECOND);
    if tick.is_multiple_of(BURST_EVERY) { plain * BURST } else { plain }
}

#[cfg(test)]
mod tests {
    use super::records_in;

    #[test]
    fn a_second_has_its_records_and_ten_bursts() {
        for (per_second, expected) in [(20_000, 20_000 + 10 * 4 * 40), (1, 1), (499, 499 + 9 * 4)] {
            let sum: u64 = (1..=500).map(|tick| records_in(per_second, tick)).sum();
            let slack = if per_second < 500 { 4 * 10 } else { 0 };
            assert!(sum.abs_diff(expected) <= slack, "{per_second}: {sum}");
        }
    }
}
