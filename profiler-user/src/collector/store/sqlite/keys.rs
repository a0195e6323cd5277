//! What parts there are: the places of a trace's parts, by their keys.
//!
//! Ids of traces are spread over all numbers. In one tree of all keys each new one would change another page, which is written twice, to the log and to the file;
//! with millions of traces that is most of what a trace costs. So the keys of each write are a *run* of their own, in order and packed, and eight runs become one
//! of the next level: a key is written a few times, on a few bytes, beside its neighbours. A [`Filter`] in memory says of nearly every new trace that it is in none.
//!
//! Owns: runs, their merging, and their end. Refuses: to know that a part is there; its row says so, and keys outlive it.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use rusqlite::{Connection, params};

use super::filter::{Filter, mix};
use super::statements::Statements;

/// Bytes of an entry: the key, and the place on six.
const ENTRY_BYTES: usize = 22;
/// Entries of a row: as many as a row of a tree's page can have beside three others.
const ENTRIES: usize = 43;
/// Runs of a level that become one of the next.
const FAN_OUT: usize = 8;
/// Keys of a run that was merged, at most: a moment's work.
const MOST_KEYS: i64 = 1 << 19;

/// The key of a part: its trace; then what of its job and branch, and of its sink task, are hashed to.
pub(super) type Key = u128;

/// The key of a part.
pub(super) fn key(trace_id: i64, job: i64, branch: i64, sink_task: i64) -> Key {
    let hash = |number: u64| u128::from(mix(number) >> 32);
    let journey = hash(mix(job.cast_unsigned()) ^ branch.cast_unsigned());
    trace(trace_id).start() | journey << 32 | hash(sink_task.cast_unsigned())
}

/// The keys of a trace.
fn trace(trace_id: i64) -> RangeInclusive<Key> {
    let first = u128::from(trace_id.cast_unsigned()) << 64;
    first..=first | u128::from(u64::MAX)
}

/// The keys of all parts with the trace, job and branch of a key.
pub(super) fn journey(key: Key) -> RangeInclusive<Key> {
    let last = key | u128::from(u32::MAX);
    last ^ u128::from(u32::MAX)..=last
}

/// A run.
#[derive(Clone, Copy, Debug)]
struct Run {
    id: i64,
    level: i64,
    keys: i64,
    last_place: i64,
}

/// The keys, as the one who writes knows them.
#[derive(Debug, Default)]
pub(super) struct Keys {
    /// `None` where they have to be read again.
    runs: Option<Vec<Run>>,
    filter: Option<Filter>,
    /// Keys and places of the transaction.
    fresh: BTreeSet<(Key, i64)>,
}

impl Keys {
    /// Forgets what a transaction changed that came to nothing.
    pub(super) fn forget(&mut self) {
        self.runs = None;
        self.fresh.clear();
    }

    /// Reads what there is, where it is not known.
    pub(super) fn load(&mut self, statements: &mut Statements<'_>) -> rusqlite::Result<()> {
        if self.runs.is_none() {
            let sql = "SELECT id, level, keys, last_place FROM key_run ORDER BY id";
            let read = |row: &rusqlite::Row<'_>| {
                Ok(Run { id: row.get(0)?, level: row.get(1)?, keys: row.get(2)?, last_place: row.get(3)? })
            };
            let runs = statements.get(sql)?.query_map([], read)?.collect::<rusqlite::Result<_>>()?;
            self.runs = Some(runs);
        }
        let count: i64 = self.runs().iter().map(|run| run.keys).sum();
        let count = usize::try_from(count).unwrap_or_default();
        // Much of what it holds may have been removed.
        let is_stale = |filter: &Filter| filter.held() > 4 * count + (1 << 20);
        if self.filter.as_ref().is_none_or(is_stale) {
            let mut filter = Filter::for_traces(count);
            let mut rows = statements.get("SELECT keys FROM key_page")?.query([])?;
            while let Some(row) = rows.next()? {
                entries(row.get_ref(0)?.as_blob()?).for_each(|(key, _)| filter.add(trace_of(key)));
            }
            self.filter = Some(filter);
        }
        Ok(())
    }

    fn runs(&self) -> &[Run] {
        self.runs.as_deref().unwrap_or_default()
    }

    /// False where there is certainly no part of a trace.
    pub(super) fn may_have(&self, trace_id: i64) -> bool {
        let of_trace = trace(trace_id);
        let (first, last) = ((*of_trace.start(), i64::MIN), (*of_trace.end(), i64::MAX));
        self.filter.as_ref().is_none_or(|filter| filter.may_have(trace_id))
            || self.fresh.range(first..=last).next().is_some()
    }

    /// Places of parts with these keys, at most so many. Those of parts that were removed are among them.
    pub(super) fn places(
        &self,
        statements: &mut Statements<'_>,
        keys: &RangeInclusive<Key>,
        most: usize,
    ) -> rusqlite::Result<Vec<i64>> {
        let (first, last) = ((*keys.start(), i64::MIN), (*keys.end(), i64::MAX));
        let mut found: Vec<i64> =
            self.fresh.range(first..=last).map(|(_, place)| *place).take(most).collect();
        for run in self.runs() {
            if found.len() < most {
                in_run(statements.get(PAGES)?, run.id, keys, most, &mut found)?;
            }
        }
        Ok(found)
    }

    /// A new part is at a place.
    pub(super) fn add(&mut self, key: Key, place: i64) {
        self.fresh.insert((key, place));
    }

    /// Writes the keys that were added.
    pub(super) fn finish(&mut self, statements: &mut Statements<'_>) -> rusqlite::Result<()> {
        if self.fresh.is_empty() {
            return Ok(());
        }
        let fresh: Vec<_> = std::mem::take(&mut self.fresh).into_iter().collect();
        if let Some(filter) = &mut self.filter {
            fresh.iter().for_each(|(key, _)| filter.add(trace_of(*key)));
        }
        self.write(statements, 0, &fresh)?;
        while let Some(level) = self.full_level() {
            self.merge(statements, level)?;
        }
        Ok(())
    }

    /// A level that has so many runs that they become one of the next.
    fn full_level(&self) -> Option<i64> {
        let last = self.runs().iter().map(|run| run.level).max()?;
        (0..=last).find(|level| {
            let those: Vec<_> = self.of_level(*level).collect();
            those.len() == FAN_OUT && those.iter().map(|run| run.keys).sum::<i64>() <= MOST_KEYS
        })
    }

    /// The oldest runs of a level.
    fn of_level(&self, level: i64) -> impl Iterator<Item = Run> {
        self.runs().iter().copied().filter(move |run| run.level == level).take(FAN_OUT)
    }

    fn merge(&mut self, statements: &mut Statements<'_>, level: i64) -> rusqlite::Result<()> {
        let merged: Vec<i64> = self.of_level(level).map(|run| run.id).collect();
        let oldest = oldest_place(statements)?;
        let mut all = Vec::new();
        for run in &merged {
            let mut rows =
                statements.get("SELECT keys FROM key_page WHERE run = ? ORDER BY first")?.query([run])?;
            while let Some(row) = rows.next()? {
                all.extend(entries(row.get_ref(0)?.as_blob()?).filter(|(_, place)| *place >= oldest));
            }
        }
        // Runs in their order, one behind the other: put together, not sorted anew.
        all.sort();
        for run in merged {
            self.remove(statements, run)?;
        }
        self.write(statements, level + 1, &all)
    }

    fn remove(&mut self, statements: &mut Statements<'_>, run: i64) -> rusqlite::Result<()> {
        statements.run("DELETE FROM key_page WHERE run = ?", [run])?;
        statements.run("DELETE FROM key_run WHERE id = ?", [run])?;
        if let Some(runs) = &mut self.runs {
            runs.retain(|one| one.id != run);
        }
        Ok(())
    }

    /// Writes a run. Its entries are in their order.
    fn write(
        &mut self,
        statements: &mut Statements<'_>,
        level: i64,
        entries: &[(Key, i64)],
    ) -> rusqlite::Result<()> {
        if entries.is_empty() {
            return Ok(());
        }
        let id = statements.first("SELECT coalesce(max(id), 0) + 1 FROM key_run", [], |row| row.get(0))?;
        let run = Run {
            id: id.unwrap_or(1),
            level,
            keys: i64::try_from(entries.len()).unwrap_or(i64::MAX),
            last_place: entries.iter().map(|(_, place)| *place).max().unwrap_or_default(),
        };
        let row = [run.id, run.level, run.keys, run.last_place];
        statements.run("INSERT INTO key_run (id, level, keys, last_place) VALUES (?, ?, ?, ?)", row)?;
        for (number, some) in (0i64..).zip(entries.chunks(ENTRIES)) {
            let Some((first, _)) = some.first() else { continue };
            let row = params![run.id, first.to_be_bytes(), number, packed(some)];
            statements.run("INSERT INTO key_page (run, first, number, keys) VALUES (?, ?, ?, ?)", row)?;
        }
        self.runs.get_or_insert_default().push(run);
        Ok(())
    }

    /// Removes a run of which no part is left; false where there is none.
    pub(super) fn expire(&mut self, statements: &mut Statements<'_>) -> rusqlite::Result<bool> {
        self.load(statements)?;
        let oldest = oldest_place(statements)?;
        let Some(run) = self.runs().iter().find(|run| run.last_place < oldest).copied() else {
            return Ok(false);
        };
        self.remove(statements, run.id)?;
        Ok(true)
    }
}

/// The place of the oldest part; beyond all where there is none.
fn oldest_place(statements: &mut Statements<'_>) -> rusqlite::Result<i64> {
    let oldest = statements.first("SELECT min(place) FROM part", [], |row| row.get::<_, Option<i64>>(0))?;
    Ok(oldest.flatten().unwrap_or(i64::MAX))
}

/// The rows of a run up to a key, from there backwards.
const PAGES: &str = "SELECT keys FROM key_page WHERE run = ? AND first <= ? ORDER BY first DESC, number DESC";

/// Adds the places of these keys in a run.
fn in_run(
    pages: &mut rusqlite::Statement<'_>,
    run: i64,
    keys: &RangeInclusive<Key>,
    most: usize,
    found: &mut Vec<i64>,
) -> rusqlite::Result<()> {
    let mut rows = pages.query(params![run, keys.end().to_be_bytes()])?;
    while let Some(row) = rows.next()? {
        let bytes = row.get_ref(0)?.as_blob()?;
        let of_keys = entries(bytes).filter(|(key, _)| keys.contains(key)).map(|(_, place)| place);
        found.extend(of_keys.take(most.saturating_sub(found.len())));
        let is_before = entries(bytes).next().is_none_or(|(first, _)| first < *keys.start());
        if is_before || found.len() >= most {
            break;
        }
    }
    Ok(())
}

/// Places of all parts of a trace, and of some that were removed.
pub(super) fn places_of(connection: &Connection, trace_id: i64) -> rusqlite::Result<Vec<i64>> {
    let mut runs = connection.prepare("SELECT id FROM key_run")?;
    let runs: Vec<i64> = runs.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
    let (mut pages, mut found) = (connection.prepare(PAGES)?, Vec::new());
    for run in runs {
        in_run(&mut pages, run, &trace(trace_id), usize::MAX, &mut found)?;
    }
    Ok(found)
}

/// Makes the keys of a database of the first version.
pub(super) fn convert(connection: &Connection) -> rusqlite::Result<()> {
    let mut statements = Statements::new(connection);
    let mut keys = Keys { runs: Some(Vec::new()), ..Keys::default() };
    let mut read = connection.prepare("SELECT trace_id, job, branch, sink_task, place FROM part_key")?;
    let (mut rows, mut some) = (read.query([])?, Vec::new());
    loop {
        let row = rows.next()?;
        if row.is_none() || some.len() as i64 == MOST_KEYS {
            some.sort_unstable();
            // Of a level that none is merged into: they are as large as they become.
            keys.write(&mut statements, 63, &some)?;
            some.clear();
        }
        let Some(row) = row else { return Ok(()) };
        some.push((key(row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?), row.get(4)?));
    }
}

fn trace_of(key: Key) -> i64 {
    ((key >> 64) as u64).cast_signed()
}

fn packed(some: &[(Key, i64)]) -> Vec<u8> {
    let mut out = Vec::with_capacity(ENTRY_BYTES * some.len());
    for (key, place) in some {
        let [_, _, place @ ..] = place.to_be_bytes();
        out.extend_from_slice(&key.to_be_bytes());
        out.extend_from_slice(&place);
    }
    out
}

fn entries(bytes: &[u8]) -> impl Iterator<Item = (Key, i64)> {
    bytes.chunks_exact(ENTRY_BYTES).filter_map(|entry| {
        let (key, place) = entry.split_first_chunk::<16>()?;
        let place = place.iter().fold(0, |place, byte| place << 8 | i64::from(*byte));
        Some((u128::from_be_bytes(*key), place))
    })
}
