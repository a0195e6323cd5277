//! What becomes of the journeys of a scenario when a bound is met.
//!
//! Owns: for each bound, the change from what a report says without it to what it says with it. Pure.

use std::collections::{BTreeMap, HashSet};

use super::codes::{BATCH_ADD, BATCH_MERGE};
use crate::expected::{End, Expected, Journey, Who};
use crate::truth::{Row, Truth};

fn met(expected: &mut Expected, name: &str, count: u64) {
    if count > 0 {
        expected.bounds.insert(name.to_owned(), count);
    }
}

/// At most so many keys, of which each hand-over ([`super::Kind::Handover`]) needs one: the stages that know the record by a later key are not seen, and
/// it vanishes.
#[must_use]
pub fn keys(mut expected: Expected, most: usize) -> Expected {
    let mut full = 0;
    for journey in &mut expected.journeys {
        // The first key is that of S0; each of these brings one more.
        let handed = |name: &str| name == "node put" || name == "fill";
        let mut births = (0..).zip(&journey.stamps).filter(|(_, stamp)| handed(stamp.name)).map(|(at, _)| at);
        let Some(last) = births.nth(most.saturating_sub(1)) else { continue };
        full += 1;
        journey.flags.insert("keys_dropped".to_owned(), 1);
        journey.stamps.truncate(last + 1);
        journey.end = End::Vanished;
    }
    met(&mut expected, "keys_full", full);
    expected
}

/// At most so many branches of each journey: the others, and what comes of them, are not seen.
#[must_use]
pub fn branches(mut expected: Expected, most: u8) -> Expected {
    let is_seen = |path: u64| path.to_be_bytes().iter().all(|ordinal| *ordinal <= most);
    let full =
        expected.journeys.iter().filter(|journey| journey.path as u8 > most && is_seen(journey.path >> 8));
    let full = full.count() as u64;
    expected.journeys.retain(|journey| is_seen(journey.path));
    for journey in &mut expected.journeys {
        let dropped = journey.branches.saturating_sub(u32::from(most));
        if dropped > 0 {
            journey.branches -= dropped;
            journey.flags.insert("branches_dropped".to_owned(), dropped.into());
        }
    }
    met(&mut expected, "branches_full", full);
    expected
}

/// Who a row's journey is: the thread of the source does not matter, since these scenarios have one.
type Name = (u64, u64);

fn name(journey: &Journey) -> Name {
    match journey.who {
        Who::Sequence { sequence, .. } => (sequence, journey.path),
        Who::Key(key) | Who::Met { id: key, .. } => (key, journey.path),
    }
}

/// At most so many sampled members of each batch, for one source: of the others the batch's stages are not seen, and they vanish.
#[must_use]
pub fn members(mut expected: Expected, truth: &Truth, rate: u64, most: usize) -> Expected {
    let sampled = |row: &&Row| row.seq.is_multiple_of(rate) && matches!(row.stage, BATCH_ADD | BATCH_MERGE);
    let mut rows: Vec<&Row> = truth.records().flatten().filter(sampled).collect();
    // Batches are filled by one after the other, each in the order of its positions; smaller ones before those that they are put into.
    rows.sort_unstable_by_key(|row| (row.stage, row.before_ns, row.more.position));
    let mut members: BTreeMap<u64, usize> = BTreeMap::new();
    let mut lost: HashSet<Name> = HashSet::new();
    let mut full: BTreeMap<Name, u32> = BTreeMap::new();
    for row in rows {
        let name = (row.seq, row.more.path);
        if lost.contains(&name) {
            continue;
        }
        let count = members.entry(row.more.batch).or_default();
        *count += 1;
        if *count > most {
            lost.insert(name);
            full.insert(name, row.stage);
        }
    }
    for journey in &mut expected.journeys {
        let Some(stage) = full.get(&name(journey)) else { continue };
        let last = if *stage == BATCH_ADD { "add" } else { "merge" };
        let at = journey.stamps.iter().position(|stamp| stamp.name == last).unwrap_or(0);
        journey.stamps.truncate(at + 1);
        journey.batches.retain(|batch| batch.entry < at);
        journey.flags.insert("batches_dropped".to_owned(), 1);
        journey.end = End::Vanished;
    }
    met(&mut expected, "members_full", full.len() as u64);
    expected
}
