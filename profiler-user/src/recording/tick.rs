//! A tick in bytes. Counts are lists that say how long they are: a later version can make one longer, and what is not there is 0.

use profiler_common::{Outcome, ProbeCount};

use super::bytes::{Put, Take};
use crate::feed::{Settings, Tick};
use crate::ledger::{ByOutcome, JourneyBounds, Ledger};
use crate::stats::Measured;

pub(super) fn put_tick(put: &mut Put, tick: &Tick) {
    let Tick { mono_ns, wall_ns, settings, ledger, probes, processes, measured, agent_rss_bytes, missed } =
        tick;
    let Settings { rate, budget, paused } = *settings;
    let numbers = [*mono_ns, *wall_ns, rate, budget.into(), paused.into(), *agent_rss_bytes, *missed];
    put.list(&numbers, |put, number| put.number(*number));
    put_measured(put, measured);
    put_ledger(put, ledger);
    put.list(processes, |put, pid| put.number(u64::from(*pid)));
    put.list(probes, |put, count| {
        let ProbeCount { hits, unreadable, stamps } = *count;
        [hits, unreadable, stamps].into_iter().for_each(|number| put.number(number));
    });
}

pub(super) fn take_tick(take: &mut Take<'_>) -> Option<Tick> {
    let numbers = take.list(Take::number)?;
    let at = |place: usize| numbers.get(place).copied().unwrap_or(0);
    let settings = Settings { rate: at(2), budget: at(3).try_into().ok()?, paused: at(4) != 0 };
    let (measured, ledger) = (take_measured(take)?, take_ledger(take)?);
    let processes = take.list(Take::u32)?;
    let probes = take.list(|take| {
        Some(ProbeCount { hits: take.number()?, unreadable: take.number()?, stamps: take.number()? })
    })?;
    Some(Tick {
        mono_ns: at(0),
        wall_ns: at(1),
        settings,
        ledger,
        probes,
        processes,
        measured,
        agent_rss_bytes: at(5),
        missed: at(6),
    })
}

fn put_measured(put: &mut Put, measured: &Measured) {
    let Measured {
        duration_ns,
        target_cpu_ns,
        target_context_switches,
        target_cycles,
        target_instructions,
        agent_cpu_ns,
        agent_max_rss_bytes,
    } = *measured;
    put.list(&[duration_ns, agent_cpu_ns, agent_max_rss_bytes], |put, number| put.number(*number));
    let counters = [target_cpu_ns, target_context_switches, target_cycles, target_instructions];
    put.list(&counters, |put, counter| put.option(*counter));
}

fn take_measured(take: &mut Take<'_>) -> Option<Measured> {
    let (numbers, counters) = (take.list(Take::number)?, take.list(Take::option)?);
    let number = |place: usize| numbers.get(place).copied().unwrap_or(0);
    let counter = |place: usize| counters.get(place).copied().flatten();
    Some(Measured {
        duration_ns: number(0),
        target_cpu_ns: counter(0),
        target_context_switches: counter(1),
        target_cycles: counter(2),
        target_instructions: counter(3),
        agent_cpu_ns: number(1),
        agent_max_rss_bytes: number(2),
    })
}

fn put_ledger(put: &mut Put, ledger: &Ledger) {
    let Ledger {
        records,
        sampled,
        admitted,
        refused_budget,
        refused_full,
        refused_busy,
        refused_paused,
        written,
        filtered,
        superseded,
        expired,
        split,
        branched,
        named,
        lost,
        in_flight,
        unread,
        ended,
        tasks_full,
        entries_full,
        notice_full,
        entry_unseen,
        key_unreadable,
        journeys,
    } = ledger;
    let counts = [
        *records,
        *sampled,
        *admitted,
        *refused_budget,
        *refused_full,
        *refused_busy,
        *refused_paused,
        *written,
        *filtered,
        *superseded,
        *expired,
        *split,
        *branched,
        *in_flight,
        *unread,
        *tasks_full,
        *entries_full,
        *notice_full,
        *entry_unseen,
        *key_unreadable,
    ];
    // Apart, so that one more outcome of either kind moves none of the other.
    let (fixed, own) = ended.split_at(Outcome::FIXED.len());
    let lists: [&[u64]; 6] = [&counts, named, lost, fixed, own, &bounds(journeys)];
    lists.into_iter().for_each(|list| put.list(list, |put, count| put.number(*count)));
}

fn bounds(journeys: &JourneyBounds) -> [u64; 10] {
    let JourneyBounds {
        branches_full,
        branches_refused,
        keys_full,
        keys_refused,
        scopes_full,
        scopes_left,
        batches_full,
        members_full,
        attributes_full,
        attributes_unreadable,
    } = *journeys;
    [
        branches_full,
        branches_refused,
        keys_full,
        keys_refused,
        scopes_full,
        scopes_left,
        batches_full,
        members_full,
        attributes_full,
        attributes_unreadable,
    ]
}

fn take_ledger(take: &mut Take<'_>) -> Option<Ledger> {
    let counts = take.list(Take::number)?;
    let (named, lost) = (take_counts(take)?, take_counts(take)?);
    let (fixed, own) = (take.list(Take::number)?, take.list(Take::number)?);
    let bounds: [u64; 10] = take_counts(take)?;
    let at = |place: usize| counts.get(place).copied().unwrap_or(0);
    let bound = |place: usize| bounds.get(place).copied().unwrap_or(0);
    Some(Ledger {
        records: at(0),
        sampled: at(1),
        admitted: at(2),
        refused_budget: at(3),
        refused_full: at(4),
        refused_busy: at(5),
        refused_paused: at(6),
        written: at(7),
        filtered: at(8),
        superseded: at(9),
        expired: at(10),
        split: at(11),
        branched: at(12),
        named,
        lost,
        in_flight: at(13),
        unread: at(14),
        ended: ended(&fixed, &own),
        tasks_full: at(15),
        entries_full: at(16),
        notice_full: at(17),
        entry_unseen: at(18),
        key_unreadable: at(19),
        journeys: JourneyBounds {
            branches_full: bound(0),
            branches_refused: bound(1),
            keys_full: bound(2),
            keys_refused: bound(3),
            scopes_full: bound(4),
            scopes_left: bound(5),
            batches_full: bound(6),
            members_full: bound(7),
            attributes_full: bound(8),
            attributes_unreadable: bound(9),
        },
    })
}

fn ended(fixed: &[u64], own: &[u64]) -> ByOutcome {
    std::array::from_fn(|index| {
        let count = index
            .checked_sub(Outcome::FIXED.len())
            .map_or_else(|| fixed.get(index), |number| own.get(number));
        count.copied().unwrap_or(0)
    })
}

fn take_counts<const N: usize>(take: &mut Take<'_>) -> Option<[u64; N]> {
    let counts = take.list(Take::number)?;
    Some(std::array::from_fn(|place| counts.get(place).copied().unwrap_or(0)))
}
