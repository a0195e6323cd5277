//! Where every sampled record ended, in records.
//!
//! Owns: the conservation laws. What the kernel program counted is compared with what the agent delivered, so that neither
//! side can lose a trace in silence.
//! Refuses: reading maps. It sees plain counters.

mod text;

use profiler_common::limits::MAX_NAMED_OUTCOMES;
use profiler_common::{Counter, LostReason, Outcome};

/// Traces by outcome, indexed by [`Outcome::index`].
pub type ByOutcome = [u64; Outcome::COUNT];

/// What the agent counted itself. All are traces but `key_unreadable`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AgentCounts {
    /// Traces assembled and given to the sinks.
    pub delivered: ByOutcome,
    /// Ended slots that made no sense.
    pub corrupt: u64,
    /// Traces that the agent itself ended (time to live, exit of their process), which no kernel counter has.
    pub ended: ByOutcome,
    /// Traces still open in their slots.
    pub open: u64,
    /// Traces ended, not read yet. 0 at the end of a session.
    pub unread: u64,
    /// Sum over the probes of hits whose key could not be read.
    pub key_unreadable: u64,
}

/// The accounts of one session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    /// Records that came to a source.
    pub records: u64,
    /// Records that the rate chose.
    pub sampled: u64,
    /// Sampled records that became traces.
    pub admitted: u64,
    /// Refused by the budget of their second.
    pub refused_budget: u64,
    /// Refused because all trace slots were taken.
    pub refused_full: u64,
    /// Refused because their key was just being ended on another CPU.
    pub refused_busy: u64,
    /// Refused because sampling was paused.
    pub refused_paused: u64,
    /// Traces whose sink write was seen.
    pub written: u64,
    /// Traces that reached a drop point.
    pub filtered: u64,
    /// Traces whose key came to the source again.
    pub superseded: u64,
    /// Traces whose time to live ran out.
    pub expired: u64,
    /// Traces whose record became others, each of which is a journey of its own.
    pub split: u64,
    /// Journeys that branched off a trace: beside the admitted ones, what has to have an end.
    pub branched: u64,
    /// Traces that ended in an outcome that the spec names, by its number.
    pub named: [u64; MAX_NAMED_OUTCOMES],
    /// Traces lost, in the order of [`LostReason::ALL`].
    pub lost: [u64; LostReason::ALL.len()],
    /// Traces admitted and not reported yet.
    pub in_flight: u64,
    /// Those of `in_flight` that have ended and are still to be read.
    pub unread: u64,
    /// Traces ended by kernel program and agent together. The agent delivers all of them but the corrupt ones.
    pub ended: ByOutcome,
    /// Records not even sequenced, because the table of source tasks was full.
    pub tasks_full: u64,
    /// Stamps not kept because their trace was at its maximum of entries.
    pub entries_full: u64,
    /// Notices that found no room; their traces were found in their slots.
    pub notice_full: u64,
    /// Returns whose entry was not seen.
    pub entry_unseen: u64,
    /// Hits whose key could not be read.
    pub key_unreadable: u64,
    /// What journeys of more than one key, branch or batch met with.
    pub journeys: JourneyBounds,
}

/// Bounds of journeys that were met, and what could not be followed. None takes a trace out of the accounts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct JourneyBounds {
    /// See [`Counter::BranchesFull`].
    pub branches_full: u64,
    /// See [`Counter::BranchesRefused`].
    pub branches_refused: u64,
    /// See [`Counter::KeysFull`].
    pub keys_full: u64,
    /// See [`Counter::KeysRefused`].
    pub keys_refused: u64,
    /// See [`Counter::ScopesFull`].
    pub scopes_full: u64,
    /// See [`Counter::ScopesLeft`].
    pub scopes_left: u64,
    /// See [`Counter::BatchesFull`].
    pub batches_full: u64,
    /// See [`Counter::MembersFull`].
    pub members_full: u64,
    /// See [`Counter::AttributesFull`].
    pub attributes_full: u64,
    /// See [`Counter::AttributesUnreadable`].
    pub attributes_unreadable: u64,
}

impl JourneyBounds {
    fn new(count: impl Fn(Counter) -> u64) -> Self {
        Self {
            branches_full: count(Counter::BranchesFull),
            branches_refused: count(Counter::BranchesRefused),
            keys_full: count(Counter::KeysFull),
            keys_refused: count(Counter::KeysRefused),
            scopes_full: count(Counter::ScopesFull),
            scopes_left: count(Counter::ScopesLeft),
            batches_full: count(Counter::BatchesFull),
            members_full: count(Counter::MembersFull),
            attributes_full: count(Counter::AttributesFull),
            attributes_unreadable: count(Counter::AttributesUnreadable),
        }
    }
}

/// A law that does not hold. Each is a bug, or a snapshot taken in the middle of a hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Imbalance {
    /// sampled = admitted + refused.
    #[error("{sampled} records were sampled, but {accounted} were admitted or refused")]
    Sampling {
        /// Left side.
        sampled: u64,
        /// Right side.
        accounted: u64,
    },
    /// admitted + branched = written + filtered + superseded + expired + split + named outcomes + lost + in flight.
    #[error("{admitted} traces were admitted or branched off, but {accounted} have an end or are in flight")]
    Admission {
        /// Left side.
        admitted: u64,
        /// Right side.
        accounted: u64,
    },
    /// No more traces of an outcome are delivered than ended in it.
    #[error("{delivered} traces were delivered as {outcome}, but {ended} ended so")]
    Outcome {
        /// The outcome.
        outcome: Outcome,
        /// Traces that ended in it.
        ended: u64,
        /// Traces delivered with it.
        delivered: u64,
    },
    /// ended = delivered + corrupt + unread. Together with [`Imbalance::Outcome`] this makes the two sides equal for each outcome
    /// when nothing is corrupt or unread.
    #[error("{ended} traces ended, but {accounted} were delivered, found corrupt or are to be read")]
    Delivery {
        /// Left side.
        ended: u64,
        /// Right side.
        accounted: u64,
    },
}

impl Ledger {
    /// The accounts from the kernel's counters, summed over the CPUs, and the agent's own.
    #[must_use]
    pub fn new(kernel: &[u64; Counter::COUNT as usize], agent: &AgentCounts) -> Self {
        let count = |counter: Counter| kernel.get(counter as usize).copied().unwrap_or(0);
        let delivered = |outcome: Outcome| agent.delivered.get(outcome.index()).copied().unwrap_or(0);
        let ended = |outcome: Outcome| {
            let by_kernel = kernel.get(Counter::of_outcome(outcome) as usize).copied().unwrap_or(0);
            sum([by_kernel, agent.ended.get(outcome.index()).copied().unwrap_or(0)])
        };
        Self {
            records: count(Counter::Records),
            sampled: count(Counter::Sampled),
            admitted: count(Counter::Admitted),
            refused_budget: count(Counter::RefusedBudget),
            refused_full: count(Counter::RefusedFull),
            refused_busy: count(Counter::RefusedBusy),
            refused_paused: count(Counter::RefusedPaused),
            written: delivered(Outcome::Written),
            filtered: delivered(Outcome::Filtered),
            superseded: delivered(Outcome::Superseded),
            expired: delivered(Outcome::Expired),
            split: delivered(Outcome::Split),
            branched: count(Counter::Branched),
            named: std::array::from_fn(|number| delivered(named(number))),
            lost: LostReason::ALL.map(|reason| match reason {
                LostReason::TargetExit => delivered(Outcome::TargetExit),
                LostReason::ThreadExit => delivered(Outcome::ThreadExit),
                LostReason::SourceUnseen => delivered(Outcome::SourceUnseen),
                LostReason::Corrupt => agent.corrupt,
            }),
            in_flight: agent.open.saturating_add(agent.unread),
            unread: agent.unread,
            ended: std::array::from_fn(|index| Outcome::from_code(index as u32 + 1).map_or(0, ended)),
            tasks_full: count(Counter::TasksFull),
            entries_full: count(Counter::EntriesFull),
            notice_full: count(Counter::NoticeFull),
            entry_unseen: count(Counter::EntryUnseen),
            key_unreadable: agent.key_unreadable,
            journeys: JourneyBounds::new(count),
        }
    }

    /// Whether every sampled record is accounted for.
    ///
    /// # Errors
    /// The first law that does not hold, with both its sides.
    pub fn check(&self) -> Result<(), Imbalance> {
        let Self { sampled, admitted, .. } = *self;
        let accounted = sum([admitted, self.refused()]);
        if sampled != accounted {
            return Err(Imbalance::Sampling { sampled, accounted });
        }
        let (admitted, accounted) = (sum([admitted, self.branched]), sum([self.reported(), self.in_flight]));
        if admitted != accounted {
            return Err(Imbalance::Admission { admitted, accounted });
        }
        self.check_delivery()
    }

    fn check_delivery(&self) -> Result<(), Imbalance> {
        for (outcome, ended) in Outcome::all().zip(self.ended) {
            let delivered = self.delivered(outcome);
            if delivered > ended {
                return Err(Imbalance::Outcome { outcome, ended, delivered });
            }
        }
        let (ended, accounted) = (sum(self.ended), sum([self.reported(), self.unread]));
        if ended != accounted {
            return Err(Imbalance::Delivery { ended, accounted });
        }
        Ok(())
    }

    /// Traces given to the sinks with this outcome.
    #[must_use]
    pub fn delivered(&self, outcome: Outcome) -> u64 {
        let [target_exit, thread_exit, source_unseen, _corrupt] = self.lost;
        match outcome {
            Outcome::Written => self.written,
            Outcome::Filtered => self.filtered,
            Outcome::Superseded => self.superseded,
            Outcome::Expired => self.expired,
            Outcome::TargetExit => target_exit,
            Outcome::ThreadExit => thread_exit,
            Outcome::Named(number) => self.named.get(usize::from(number)).copied().unwrap_or(0),
            Outcome::SourceUnseen => source_unseen,
            Outcome::Split => self.split,
        }
    }

    /// Sampled records refused, for whatever reason.
    #[must_use]
    pub fn refused(&self) -> u64 {
        sum([self.refused_budget, self.refused_full, self.refused_busy, self.refused_paused])
    }

    /// Those of the refused that a setting had refused, the budget or a pause: the user's will, and no loss.
    #[must_use]
    pub fn refused_by_setting(&self) -> u64 {
        sum([self.refused_budget, self.refused_paused])
    }

    /// Traces lost, for whatever reason.
    #[must_use]
    pub fn lost_total(&self) -> u64 {
        sum(self.lost)
    }

    /// Traces lost, by reason.
    pub fn lost(&self) -> impl Iterator<Item = (LostReason, u64)> {
        LostReason::ALL.into_iter().zip(self.lost)
    }

    /// Traces by the outcomes that the spec names so.
    pub fn named<'a>(&self, named: &'a [String]) -> impl Iterator<Item = (&'a str, u64)> {
        let counts = self.named.into_iter().enumerate();
        let declared = named.len();
        counts
            .filter(move |(number, count)| *number < declared || *count > 0)
            .map(move |(number, count)| (super::ledger::named(number).name(named), count))
    }

    /// Traces that have their end in the accounts.
    #[must_use]
    pub fn reported(&self) -> u64 {
        let named = sum(self.named);
        let Self { written, filtered, superseded, expired, split, .. } = *self;
        sum([written, filtered, superseded, expired, split, named, self.lost_total()])
    }
}

#[expect(clippy::cast_possible_truncation, reason = "there are sixteen")]
const fn named(number: usize) -> Outcome {
    Outcome::Named(number as u8)
}

/// Never wraps: a nonsensical counter must show as an imbalance, not as a false balance.
fn sum(counts: impl IntoIterator<Item = u64>) -> u64 {
    counts.into_iter().fold(0, u64::saturating_add)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::{AgentCounts, ByOutcome, Counter, Imbalance, Ledger};
    use proptest::prelude::*;

    /// Of the outcomes that every spec has, and the first two of its own.
    pub(crate) fn by_outcome(first: [u64; 10]) -> ByOutcome {
        std::array::from_fn(|index| first.get(index).copied().unwrap_or(0))
    }

    /// The counters of a session in which everything happened, and the law holds.
    pub(crate) fn session() -> ([u64; Counter::COUNT as usize], AgentCounts) {
        let mut kernel = [0; Counter::COUNT as usize];
        for (counter, count) in [
            (Counter::Records, 1_234_567),
            (Counter::Sampled, 1240),
            (Counter::Admitted, 1006),
            (Counter::RefusedBudget, 200),
            (Counter::RefusedFull, 30),
            (Counter::RefusedBusy, 3),
            (Counter::RefusedPaused, 1),
            (Counter::Written, 900),
            (Counter::Filtered, 50),
            (Counter::Superseded, 20),
            (Counter::ThreadExit, 4),
            (Counter::TasksFull, 11),
            (Counter::EntriesFull, 12),
            (Counter::NoticeFull, 13),
            (Counter::EntryUnseen, 14),
            (Counter::Named, 6),
            (Counter::Split, 3),
            (Counter::Branched, 3),
        ] {
            kernel[counter as usize] = count;
        }
        let agent = AgentCounts {
            delivered: by_outcome([898, 50, 19, 5, 7, 4, 0, 3, 6, 0]),
            corrupt: 1,
            ended: by_outcome([0, 0, 0, 5, 7, 0, 0, 0, 0, 0]),
            open: 14,
            unread: 2,
            key_unreadable: 16,
        };
        (kernel, agent)
    }

    #[test]
    fn a_session_in_which_everything_happened_balances() {
        let (kernel, agent) = session();
        let ledger = Ledger::new(&kernel, &agent);
        assert_eq!(ledger.check(), Ok(()));
        assert_eq!(
            (ledger.lost, ledger.in_flight, ledger.ended, ledger.refused()),
            ([7, 4, 0, 1], 16, by_outcome([900, 50, 20, 5, 7, 4, 0, 3, 6, 0]), 234)
        );
        assert_eq!((ledger.records, ledger.tasks_full, ledger.entries_full), (1_234_567, 11, 12));
        assert_eq!(ledger.named[..2], [6, 0]);
        assert_eq!((ledger.notice_full, ledger.entry_unseen), (13, 14));
        assert_eq!(ledger.key_unreadable, 16);
        assert_eq!(Ledger::default().check(), Ok(()));
    }

    #[test]
    fn each_law_is_checked() {
        let (kernel, agent) = session();
        let broken = |change: fn(&mut Ledger)| {
            let mut ledger = Ledger::new(&kernel, &agent);
            change(&mut ledger);
            ledger.check()
        };
        assert_eq!(broken(|l| l.sampled += 1), Err(Imbalance::Sampling { sampled: 1241, accounted: 1240 }));
        assert_eq!(
            broken(|l| l.refused_busy -= 1),
            Err(Imbalance::Sampling { sampled: 1240, accounted: 1239 })
        );
        assert_eq!(broken(|l| l.written -= 1), Err(Imbalance::Admission { admitted: 1009, accounted: 1008 }));
        assert_eq!(broken(|l| l.lost[3] += 1), Err(Imbalance::Admission { admitted: 1009, accounted: 1010 }));
        assert_eq!(broken(|l| l.ended[0] += 1), Err(Imbalance::Delivery { ended: 996, accounted: 995 }));
        let outcome = super::Outcome::Filtered;
        let swapped = broken(|l| (l.filtered, l.written) = (l.filtered + 1, l.written - 1));
        assert_eq!(swapped, Err(Imbalance::Outcome { outcome, ended: 50, delivered: 51 }));
        let outcome = super::Outcome::Named(1);
        let swapped = broken(|l| (l.named[1], l.written) = (1, l.written - 1));
        assert_eq!(swapped, Err(Imbalance::Outcome { outcome, ended: 0, delivered: 1 }));
        assert_eq!(
            broken(|l| l.named[0] -= 1),
            Err(Imbalance::Admission { admitted: 1009, accounted: 1008 })
        );
        assert_eq!(broken(|l| l.unread += 1), Err(Imbalance::Delivery { ended: 995, accounted: 996 }));
    }

    #[test]
    fn every_counter_of_the_kernel_has_its_place() {
        for counter in 0..Counter::COUNT as usize {
            let mut kernel = [0; Counter::COUNT as usize];
            kernel[counter] = 1;
            assert_ne!(Ledger::new(&kernel, &AgentCounts::default()), Ledger::default(), "counter {counter}");
        }
    }

    proptest! {
        /// Records played one by one keep the books balanced, and one forgotten anywhere does not.
        #[test]
        fn books_kept_record_by_record_balance(fates in proptest::collection::vec(0usize..33, 0..200), forget in 0usize..20) {
            let (mut kernel, mut agent) = ([0u64; Counter::COUNT as usize], AgentCounts::default());
            for fate in fates {
                kernel[Counter::Sampled as usize] += 1;
                if fate < 4 {
                    kernel[Counter::RefusedBudget as usize + fate] += 1;
                    continue;
                }
                kernel[Counter::Admitted as usize] += 1;
                match fate {
                    4..12 => { kernel[Counter::Written as usize + fate - 4] += 1; agent.delivered[fate - 4] += 1; }
                    12 => { agent.ended[3] += 1; agent.delivered[3] += 1; }
                    13 => agent.open += 1,
                    14 => { kernel[Counter::Filtered as usize] += 1; agent.unread += 1; }
                    15 => { kernel[Counter::Branched as usize] += 1; agent.open += 2; }
                    17.. => { kernel[Counter::Named as usize + fate - 17] += 1; agent.delivered[8 + fate - 17] += 1; }
                    _ => { kernel[Counter::Written as usize] += 1; agent.corrupt += 1; }
                }
            }
            prop_assert_eq!(Ledger::new(&kernel, &agent).check(), Ok(()));
            if forget < Counter::Records as usize && kernel[forget] > 0 {
                kernel[forget] -= 1;
                prop_assert!(Ledger::new(&kernel, &agent).check().is_err());
            }
        }
    }
}
