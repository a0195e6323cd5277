//! Tells the user, while the session runs, which bound refuses what, and how to raise it.
//!
//! Owns: the sentences, and that none comes more often than the user can read. Pure: sees ledgers and a time, not the machine. Refuses: counting.
//! The ledger has the numbers, to the last one, whatever is told here.

use profiler_common::limits::{
    MAX_BATCHES, MAX_BRANCH_DEPTH, MAX_BRANCHES, MAX_EXTRAS, MAX_KEYS, MAX_MEMBERS, MAX_OPEN_CALLS,
    MAX_SCOPE_THREADS, MAX_SCOPES, MAX_SOURCE_TASKS,
};

use crate::ledger::Ledger;
use crate::spec::Sampling;

/// One bound is told of no more often, ns.
const TELL_EVERY_NS: u64 = 10_000_000_000;

/// What can be full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bound {
    /// Traces in flight.
    Slots,
    /// Entries of one trace.
    Entries,
    /// Source tasks with a sequence of their own.
    Tasks,
    /// Calls whose arguments are kept for their return.
    Calls,
    /// Branches of one journey.
    Branches,
    /// Slots for branches.
    BranchSlots,
    /// Keys of one trace.
    Keys,
    /// Keys in flight.
    KeyTable,
    /// Scopes of one thread.
    Scopes,
    /// Batches that are known.
    Batches,
    /// Sampled members of one batch.
    Members,
    /// Attributes of one trace.
    Attributes,
}

const BOUNDS: [Bound; 12] = [
    Bound::Slots,
    Bound::Entries,
    Bound::Tasks,
    Bound::Calls,
    Bound::Branches,
    Bound::BranchSlots,
    Bound::Keys,
    Bound::KeyTable,
    Bound::Scopes,
    Bound::Batches,
    Bound::Members,
    Bound::Attributes,
];

impl Bound {
    /// How often it has refused.
    fn refused(self, ledger: &Ledger) -> u64 {
        match self {
            Self::Slots => ledger.refused_full,
            Self::Entries => ledger.entries_full,
            Self::Tasks => ledger.tasks_full,
            Self::Calls => ledger.entry_unseen,
            Self::Branches => ledger.journeys.branches_full,
            Self::BranchSlots => ledger.journeys.branches_refused,
            Self::Keys => ledger.journeys.keys_full,
            Self::KeyTable => ledger.journeys.keys_refused,
            Self::Scopes => ledger.journeys.scopes_full,
            Self::Batches => ledger.journeys.batches_full,
            Self::Members => ledger.journeys.members_full,
            Self::Attributes => ledger.journeys.attributes_full,
        }
    }

    fn sentence(self, count: u64, sampling: &Sampling) -> String {
        match self {
            Self::Slots | Self::Entries | Self::Tasks | Self::Calls => self.of_traces(count, sampling),
            _ => self.of_journeys(count, sampling),
        }
    }

    fn of_traces(self, count: u64, sampling: &Sampling) -> String {
        let Sampling { max_open_traces, max_entries_per_trace, .. } = sampling;
        match self {
            Self::Slots => format!(
                "{count} sampled records were refused: {max_open_traces} traces were in flight already. Raise max_open_traces \
                 (--max-open-traces), or lower trace_ttl (--ttl) if many of them never come to an end"
            ),
            Self::Entries => format!(
                "{count} stamps were not kept: their traces had {max_entries_per_trace} entries already. Raise max_entries_per_trace \
                 (--max-entries)"
            ),
            Self::Tasks => format!(
                "{count} records were not counted: {MAX_SOURCE_TASKS} source tasks have a sequence of their own, and there is room for no \
                 more. Count by process: sequence = \"process\" (--sequence process)"
            ),
            _ => format!(
                "{count} returns were not seen as such: their calls began before attaching, or {MAX_OPEN_CALLS} calls were open already, a bound \
                 that is fixed; take points that are called less often at the same time"
            ),
        }
    }

    fn of_journeys(self, count: u64, sampling: &Sampling) -> String {
        let Sampling {
            max_open_traces,
            max_keys_per_trace,
            max_branches_per_trace,
            max_batches,
            max_batch_members,
            max_attributes_per_trace,
            ..
        } = sampling;
        match self {
            Self::Branches => format!(
                "{count} outputs became no branch: their record had {max_branches_per_trace} branches already, or was the output of {MAX_BRANCH_DEPTH} \
                 splits, a bound that is fixed. {}",
                raise("max_branches_per_trace", *max_branches_per_trace, MAX_BRANCHES)
            ),
            Self::BranchSlots => format!(
                "{count} outputs became no branch: {max_open_traces} traces were in flight already, or their key was just being ended. Raise \
                 max_open_traces (--max-open-traces)"
            ),
            Self::Keys => format!(
                "{count} further keys were not bound: their traces had been given {max_keys_per_trace} keys already, so stages that know them by these \
                 are missing. {}",
                raise("max_keys_per_trace", *max_keys_per_trace, MAX_KEYS)
            ),
            Self::KeyTable => format!(
                "{count} further keys were not bound: the table of keys was full, or the key was just being ended. Raise max_open_traces \
                 (--max-open-traces)"
            ),
            Self::Scopes => format!(
                "{count} scopes were not opened: their thread had {MAX_SCOPES} open already, or {MAX_SCOPE_THREADS} living threads have had some, bounds that are \
                 fixed; what happened within is on no trace"
            ),
            Self::Batches => format!(
                "{count} records were put into a batch that is not known: {max_batches} are known already. {}",
                raise("max_batches", *max_batches, MAX_BATCHES)
            ),
            Self::Members => format!(
                "{count} sampled records were put into a batch with {max_batch_members} sampled members already, and do not see what becomes of it. {}, \
                 or sample fewer (--rate)",
                raise("max_batch_members", *max_batch_members, MAX_MEMBERS)
            ),
            _ => format!(
                "{count} attributes were not kept: their traces had {max_attributes_per_trace} already. {}",
                raise("max_attributes_per_trace", *max_attributes_per_trace, MAX_EXTRAS)
            ),
        }
    }
}

/// What to do about a bound of the spec that has this value, when the highest is `most`.
fn raise(name: &str, value: u32, most: u32) -> String {
    if value < most {
        format!("Raise {name} in [sampling] (up to {most})")
    } else {
        format!("{name} in [sampling] cannot be higher")
    }
}

/// What has been told, and when.
#[derive(Debug, Default)]
pub(super) struct Guard {
    told: [Option<Told>; BOUNDS.len()],
}

#[derive(Clone, Copy, Debug)]
struct Told {
    at_ns: u64,
    count: u64,
}

impl Guard {
    /// A sentence for each bound that has refused something since it was last told of, if that is long enough ago.
    pub(super) fn look(&mut self, now_ns: u64, ledger: &Ledger, sampling: &Sampling) -> Vec<String> {
        let mut sentences = Vec::new();
        for (bound, told) in BOUNDS.into_iter().zip(&mut self.told) {
            let count = bound.refused(ledger);
            let (since, is_due) = told
                .map_or((0, true), |told| (told.count, now_ns.saturating_sub(told.at_ns) >= TELL_EVERY_NS));
            let new = count.saturating_sub(since);
            if new > 0 && is_due {
                *told = Some(Told { at_ns: now_ns, count });
                sentences.push(bound.sentence(new, sampling));
            }
        }
        sentences
    }
}

#[cfg(test)]
mod tests {
    use super::{BOUNDS, Guard, TELL_EVERY_NS};
    use crate::ledger::{JourneyBounds, Ledger};
    use crate::spec::defaults;
    use proptest::prelude::*;

    fn full(slots: u64, entries: u64, tasks: u64, calls: u64) -> Ledger {
        Ledger {
            refused_full: slots,
            entries_full: entries,
            tasks_full: tasks,
            entry_unseen: calls,
            // The budget refuses what it is meant to refuse: no bound that anybody needs to be told of.
            refused_budget: 1_000_000,
            refused_paused: 1_000_000,
            ..Ledger::default()
        }
    }

    /// Ledgers with their times, and the words that are told at each.
    #[test]
    fn each_bound_is_told_with_its_count_and_its_key_and_not_too_often() {
        let second = 1_000_000_000;
        let steps: [(u64, Ledger, &[&str]); 8] = [
            (1, full(0, 0, 0, 0), &[]),
            (
                2,
                full(3, 0, 0, 0),
                &[
                    "3 sampled records were refused: 4096 traces were in flight already. Raise max_open_traces (--max-open-traces)",
                ],
            ),
            (3, full(9, 0, 0, 0), &[]),
            (
                4,
                full(9, 7, 0, 0),
                &[
                    "7 stamps were not kept: their traces had 32 entries already. Raise max_entries_per_trace (--max-entries)",
                ],
            ),
            (12, full(9, 7, 0, 0), &["6 sampled records"]),
            (13, full(9, 7, 5, 0), &["5 records were not counted: 65536 source tasks"]),
            (
                14,
                full(9, 7, 5, 2),
                &["2 returns were not seen as such: their calls began before attaching, or 16384 calls"],
            ),
            (60, full(10, 8, 6, 3), &["1 sampled", "1 stamps", "1 records", "1 returns"]),
        ];
        let (mut guard, sampling) = (Guard::default(), defaults::sampling());
        for (at, ledger, expected) in steps {
            let told = guard.look(at * second, &ledger, &sampling);
            assert_eq!(told.len(), expected.len(), "at {at}: {told:?}");
            for (sentence, words) in told.iter().zip(expected) {
                assert!(sentence.starts_with(words), "at {at}: {sentence}");
            }
        }
    }

    #[test]
    fn each_bound_of_journeys_is_told_with_how_to_raise_it() {
        let journeys = JourneyBounds {
            branches_full: 1,
            branches_refused: 2,
            keys_full: 3,
            keys_refused: 4,
            scopes_full: 5,
            batches_full: 6,
            members_full: 7,
            attributes_full: 8,
            // No bound: they are in the report.
            scopes_left: 9,
            attributes_unreadable: 10,
        };
        let ledger = Ledger { journeys, ..Ledger::default() };
        let told = Guard::default().look(1, &ledger, &defaults::sampling());
        let expected = [
            (
                "1 outputs became no branch: their record had 64 branches already",
                "Raise max_branches_per_trace in [sampling] (up to 255)",
            ),
            ("2 outputs became no branch: 4096 traces were in flight", "(--max-open-traces)"),
            (
                "3 further keys were not bound: their traces had been given 8 keys",
                "max_keys_per_trace in [sampling] cannot be higher",
            ),
            ("4 further keys were not bound: the table of keys was full", "(--max-open-traces)"),
            ("5 scopes were not opened: their thread had 8 open already", "bounds that are fixed"),
            ("6 records were put into a batch that is not known: 1024 are known", "Raise max_batches"),
            (
                "7 sampled records were put into a batch with 64 sampled members",
                "max_batch_members in [sampling] cannot be higher, or sample fewer (--rate)",
            ),
            ("8 attributes were not kept: their traces had 16 already", "Raise max_attributes_per_trace"),
        ];
        assert_eq!(told.len(), expected.len(), "{told:?}");
        for (sentence, (start, part)) in told.iter().zip(expected) {
            assert!(sentence.starts_with(start) && sentence.contains(part), "{sentence}");
        }
    }

    proptest! {
        /// Whatever grows and whenever it is looked at: the counts told add up to no more than there are, and no bound is told of twice within its time.
        #[test]
        fn what_is_told_is_true_and_seldom(steps in proptest::collection::vec((0u64..4_000_000_000, 0u64..5), 1..60)) {
            let (mut guard, sampling) = (Guard::default(), defaults::sampling());
            let (mut now, mut slots, mut told, mut last) = (0, 0, 0, None::<u64>);
            for (later, more) in steps {
                (now, slots) = (now + later, slots + more);
                for sentence in guard.look(now, &full(slots, 0, 0, 0), &sampling) {
                    let count: u64 = sentence.split(' ').next().unwrap().parse().unwrap();
                    told += count;
                    prop_assert!(count > 0 && last.is_none_or(|last| now - last >= TELL_EVERY_NS));
                    prop_assert_eq!(told, slots);
                    last = Some(now);
                }
            }
        }
    }

    #[test]
    fn every_bound_has_a_place() {
        assert_eq!(Guard::default().told.len(), BOUNDS.len());
    }
}
