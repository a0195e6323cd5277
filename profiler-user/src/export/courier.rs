//! When to send, and what an answer means. Pure: time is given, chance is a seed.
//!
//! Owns: back-off with jitter, and the user being told once when a destination fails and once when it is back. Refuses: giving up. A batch
//! stays until it is taken, refused for good, or pushed out by newer ones at the limit of its store; tries get rare, never more frequent. Only where an
//! answer leaves open whether it speaks about the batch, a number of such answers is taken for a refusal: one batch must not hold up all others for ever.

use std::time::Duration;

use bytes::Bytes;

/// The first wait after a failure.
const FIRST_WAIT: Duration = Duration::from_millis(250);

/// The longest wait that we choose ourselves.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// The longest wait that a destination can ask for: more is taken for a mistake.
const LONGEST_ASKED: Duration = Duration::from_secs(600);

/// Answers that leave open whether they speak about the batch, until they are taken for a refusal of it: with the waits between, from one and a quarter to
/// two and a half minutes, so that what is wrong with a destination for a minute costs nothing.
const MOST_DOUBTS: u32 = 12;

/// Traces that a destination will never take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// How many; no more than the batch has, whatever this says.
    pub traces: u64,
    /// They alone; the whole batch when `None`: because all are meant, or because nobody says which.
    pub body: Option<Bytes>,
    /// Why, in the destination's words.
    pub reason: String,
}

/// What came of sending a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attempt {
    /// The destination has taken it.
    Accepted,
    /// It has, and says something about it.
    Warned {
        /// What.
        text: String,
    },
    /// It has, but for some of its traces.
    Partly(Refusal),
    /// It has not, or nobody knows: the same batch again, later.
    Retry {
        /// Why.
        reason: String,
        /// What the destination asks for.
        after: Option<Duration>,
    },
    /// It has not, and the answer leaves open whether it ever will: the same batch again, but not for ever.
    Doubtful {
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

impl Attempt {
    /// What is to be set aside when the verdict is that something is.
    #[must_use]
    pub fn refusal(self) -> Option<Refusal> {
        match self {
            Self::Partly(refusal) => Some(refusal),
            Self::Rejected { reason } | Self::Doubtful { reason, .. } | Self::Retry { reason, .. } => {
                Some(Refusal { traces: u64::MAX, body: None, reason })
            }
            Self::Accepted | Self::Warned { .. } => None,
        }
    }
}

/// What to do with the batch that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is done with.
    Done,
    /// It stays the next one.
    Again,
    /// What was refused goes aside, with the reason of the attempt; it is done with.
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
    /// It took a batch but for a part, for this reason.
    RefusedPart(String),
    /// It takes batches, and has something to say.
    Warns(String),
}

/// See the module. Times are durations since some moment.
#[derive(Debug)]
pub struct Courier {
    failures: u32,
    /// Doubtful answers to the batch that is the next one.
    doubts: u32,
    warned: bool,
    not_before: Duration,
    chance: u64,
}

impl Courier {
    /// A courier whose jitter follows from the seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self { failures: 0, doubts: 0, warned: false, not_before: Duration::ZERO, chance: seed | 1 }
    }

    /// When the next batch may be sent; in the past unless the last one failed.
    #[must_use]
    pub const fn not_before(&self) -> Duration {
        self.not_before
    }

    /// Takes note of what came of a batch.
    pub fn note(&mut self, now: Duration, attempt: &Attempt) -> (Verdict, Option<Change>) {
        match attempt {
            Attempt::Accepted => (Verdict::Done, self.recovers().then_some(Change::Recovered)),
            Attempt::Warned { text } => {
                let change = if self.recovers() {
                    Some(Change::Recovered)
                } else {
                    (!std::mem::replace(&mut self.warned, true)).then(|| Change::Warns(text.clone()))
                };
                (Verdict::Done, change)
            }
            // It answers: what comes next need not wait.
            Attempt::Partly(refusal) => {
                self.recovers();
                (Verdict::SetAside, Some(Change::RefusedPart(refusal.reason.clone())))
            }
            Attempt::Rejected { reason } => {
                self.recovers();
                (Verdict::SetAside, Some(Change::Refused(reason.clone())))
            }
            Attempt::Retry { reason, after } => (Verdict::Again, self.fails(now, reason, *after)),
            Attempt::Doubtful { reason, after } => {
                let fails = self.fails(now, reason, *after);
                self.doubts += 1;
                if self.doubts < MOST_DOUBTS {
                    return (Verdict::Again, fails);
                }
                // It still fails, so that the next batch waits, and is given as many tries of its own.
                self.doubts = 0;
                (Verdict::SetAside, Some(Change::Refused(format!("{reason} ({MOST_DOUBTS} times)"))))
            }
        }
    }

    /// Takes note that it answers about batches; whether it did not before.
    const fn recovers(&mut self) -> bool {
        self.doubts = 0;
        std::mem::replace(&mut self.failures, 0) > 0
    }

    /// Takes note of a failure.
    fn fails(&mut self, now: Duration, reason: &str, after: Option<Duration>) -> Option<Change> {
        let first = self.failures == 0;
        let wait = after.map_or(Duration::ZERO, |asked| asked.min(LONGEST_ASKED)).max(self.wait());
        self.failures = self.failures.saturating_add(1);
        self.not_before = now.saturating_add(wait);
        first.then(|| Change::Fails(reason.to_owned()))
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
    use super::{Attempt, Change, Courier, LONGEST_ASKED, LONGEST_WAIT, MOST_DOUBTS, Refusal, Verdict};
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

    #[test]
    fn what_is_in_doubt_is_tried_for_a_minute_and_then_set_aside() {
        let doubtful = Attempt::Doubtful { reason: "13".to_owned(), after: None };
        for seed in 0..50 {
            let mut courier = Courier::new(seed);
            let mut now = Duration::ZERO;
            for doubt in 1..MOST_DOUBTS {
                assert_eq!(courier.note(now, &doubtful).0, Verdict::Again, "{doubt}");
                now = courier.not_before();
                // A way that is broken between says nothing about the batch.
                if doubt == 3 {
                    assert_eq!(courier.note(now, &retry(None)).0, Verdict::Again);
                    now = courier.not_before();
                }
            }
            assert!(now >= Duration::from_secs(60) && now <= Duration::from_secs(200), "{now:?}");
            let refused = Change::Refused("13 (12 times)".to_owned());
            assert_eq!(courier.note(now, &doubtful), (Verdict::SetAside, Some(refused)));
            // The next one waits, and has as many tries.
            assert!(courier.not_before() > now);
            assert_eq!(courier.note(now, &doubtful).0, Verdict::Again);
        }
    }

    #[test]
    fn a_part_that_is_refused_and_a_warning_hold_nothing_up() {
        let mut courier = Courier::new(1);
        let part = Attempt::Partly(Refusal { traces: 3, body: None, reason: "too old".to_owned() });
        courier.note(Duration::ZERO, &retry(None));
        let expected = (Verdict::SetAside, Some(Change::RefusedPart("too old".to_owned())));
        assert_eq!(courier.note(Duration::from_secs(1), &part), expected);
        assert_eq!(part.refusal().map(|refusal| refusal.traces), Some(3));
        let warned = Attempt::Warned { text: "deprecated".to_owned() };
        let expected = (Verdict::Done, Some(Change::Warns("deprecated".to_owned())));
        assert_eq!(courier.note(Duration::from_secs(1), &warned), expected);
        assert_eq!(courier.note(Duration::from_secs(1), &warned), (Verdict::Done, None));
        assert_eq!(warned.refusal(), None);
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
