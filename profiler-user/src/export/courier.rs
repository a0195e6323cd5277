//! When to send, and what an answer means. Pure: time is given, chance is a seed.
//!
//! Owns: back-off with jitter, and the user being told once when a destination fails and once when it is back. Refuses: giving up. A batch
//! stays until it is taken, refused for good, or pushed out by newer ones at the limit of its store; tries get rare, never more frequent.

use std::time::Duration;

/// The first wait after a failure.
const FIRST_WAIT: Duration = Duration::from_millis(250);

/// The longest wait that we choose ourselves.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// The longest wait that a destination can ask for: more is taken for a mistake.
const LONGEST_ASKED: Duration = Duration::from_secs(600);

/// What came of sending a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attempt {
    /// The destination has taken it.
    Accepted,
    /// It has not, or nobody knows: the same batch again, later.
    Retry {
        /// Why.
        reason: String,
        /// What the destination asks for.
        after: Option<Duration>,
    },
    /// It never will.
    Rejected {
        /// Why, in the destination's words.
        reason: String,
    },
}

/// What to do with the batch that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is done with.
    Done,
    /// It stays the next one.
    Again,
    /// It goes aside, with the reason of the attempt.
    SetAside,
}

/// Something that the user should be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// The destination fails, for this reason.
    Fails(String),
    /// It takes batches again.
    Recovered,
    /// It refused a batch for good, for this reason.
    Refused(String),
}

/// See the module. Times are durations since some moment.
#[derive(Debug)]
pub struct Courier {
    failures: u32,
    not_before: Duration,
    chance: u64,
}

impl Courier {
    /// A courier whose jitter follows from the seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self { failures: 0, not_before: Duration::ZERO, chance: seed | 1 }
    }

    /// When the next batch may be sent; in the past unless the last one failed.
    #[must_use]
    pub const fn not_before(&self) -> Duration {
        self.not_before
    }

    /// Takes note of what came of a batch.
    pub fn note(&mut self, now: Duration, attempt: &Attempt) -> (Verdict, Option<Change>) {
        match attempt {
            Attempt::Accepted => {
                let recovered = std::mem::take(&mut self.failures) > 0;
                (Verdict::Done, recovered.then_some(Change::Recovered))
            }
            Attempt::Rejected { reason } => {
                // It answers: what comes next need not wait.
                self.failures = 0;
                (Verdict::SetAside, Some(Change::Refused(reason.clone())))
            }
            Attempt::Retry { reason, after } => {
                let first = self.failures == 0;
                let wait = after.map_or(Duration::ZERO, |asked| asked.min(LONGEST_ASKED)).max(self.wait());
                self.failures = self.failures.saturating_add(1);
                self.not_before = now.saturating_add(wait);
                (Verdict::Again, first.then(|| Change::Fails(reason.clone())))
            }
        }
    }

    /// Between half of the step and all of it: agents that failed together do not come back together.
    fn wait(&mut self) -> Duration {
        let step = FIRST_WAIT.saturating_mul(1 << self.failures.min(16)).min(LONGEST_WAIT);
        // Xorshift: good enough to spread, and the same in every test.
        self.chance ^= self.chance << 13;
        self.chance ^= self.chance >> 7;
        self.chance ^= self.chance << 17;
        let half = step / 2;
        let spread = u64::try_from(half.as_nanos()).unwrap_or(u64::MAX).max(1);
        half + Duration::from_nanos(self.chance % spread)
    }
}

#[cfg(test)]
mod tests {
    use super::{Attempt, Change, Courier, LONGEST_ASKED, LONGEST_WAIT, Verdict};
    use proptest::prelude::*;
    use std::time::Duration;

    fn retry(after: Option<u64>) -> Attempt {
        Attempt::Retry { reason: "refused".to_owned(), after: after.map(Duration::from_secs) }
    }

    #[test]
    fn waits_grow_and_end_with_success() {
        let mut courier = Courier::new(7);
        let mut now = Duration::from_secs(100);
        let mut step = Duration::from_millis(250);
        for failure in 0..12 {
            let (verdict, change) = courier.note(now, &retry(None));
            assert_eq!(verdict, Verdict::Again);
            assert_eq!(change, (failure == 0).then(|| Change::Fails("refused".to_owned())));
            let wait = courier.not_before() - now;
            assert!(wait >= step / 2 && wait <= step, "{failure}: {wait:?} of {step:?}");
            now = courier.not_before();
            step = (step * 2).min(LONGEST_WAIT);
        }
        assert_eq!(courier.note(now, &Attempt::Accepted), (Verdict::Done, Some(Change::Recovered)));
        assert_eq!(courier.note(now, &Attempt::Accepted), (Verdict::Done, None));
        assert!(courier.not_before() <= now);
    }

    #[test]
    fn what_the_destination_asks_for_is_honoured_within_reason() {
        let mut courier = Courier::new(1);
        courier.note(Duration::ZERO, &retry(Some(7)));
        assert_eq!(courier.not_before(), Duration::from_secs(7));
        courier.note(Duration::ZERO, &retry(Some(1_000_000)));
        assert_eq!(courier.not_before(), LONGEST_ASKED);
        // Less than our own wait is no reason to hurry.
        let mut courier = Courier::new(1);
        (0..10).for_each(|_| drop(courier.note(Duration::ZERO, &retry(None))));
        courier.note(Duration::ZERO, &retry(Some(0)));
        assert!(courier.not_before() >= LONGEST_WAIT / 2);
    }

    #[test]
    fn what_is_refused_for_good_holds_nothing_up() {
        let mut courier = Courier::new(1);
        let now = Duration::from_secs(5);
        let refused = Attempt::Rejected { reason: "400: no".to_owned() };
        assert_eq!(
            courier.note(now, &refused),
            (Verdict::SetAside, Some(Change::Refused("400: no".to_owned())))
        );
        assert!(courier.not_before() <= now);
    }

    proptest! {
        #[test]
        fn no_wait_is_longer_than_the_bounds(seed: u64, answers in proptest::collection::vec(proptest::option::of(proptest::option::of(any::<u64>())), 1..50)) {
            let mut courier = Courier::new(seed);
            let mut now = Duration::ZERO;
            for answer in answers {
                let attempt = answer.map_or(Attempt::Accepted, retry);
                courier.note(now, &attempt);
                prop_assert!(courier.not_before() <= now + LONGEST_ASKED);
                now = now.max(courier.not_before());
            }
        }
    }
}
