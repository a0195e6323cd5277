//! Writing a batch: one transaction, all of it or nothing.

use std::collections::HashMap;

use rusqlite::{Connection, params};

use super::super::Written;
use super::super::digest::Digest;
use super::super::rollups::Gathered;
use super::keys::{self, Key, Keys};
use super::prepare::{Prepared, Row};
use super::statements::Statements;
use super::texts::{Numbers, Texts};
use super::{read, rollup, streams};
use crate::collector::model::{MAX_JOINED, Part, RawEvent};

/// The thread's connection and what it remembers of the database.
pub(super) struct Writer<'c> {
    pub(super) connection: &'c Connection,
    pub(super) statements: Statements<'c>,
    pub(super) texts: Texts,
    pub(super) keys: Keys,
    pub(super) hops: rollup::Hops,
}

impl<'c> Writer<'c> {
    pub(super) fn new(connection: &'c Connection) -> Self {
        Self {
            connection,
            statements: Statements::new(connection),
            texts: Texts::default(),
            keys: Keys::default(),
            hops: rollup::Hops::default(),
        }
    }

    /// Forgets what it remembers: it may not be there any more.
    pub(super) fn forget(&mut self) {
        self.texts = Texts::default();
        self.hops = rollup::Hops::default();
    }

    /// Does something in one transaction.
    pub(super) fn transaction<T>(
        &mut self,
        work: impl FnOnce(&mut Self) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        self.statements.run("BEGIN IMMEDIATE", [])?;
        let done = work(self).and_then(|done| self.statements.run("COMMIT", []).map(|_| done));
        if done.is_err() {
            // What was numbered in it is not there any more.
            self.forget();
            self.keys.forget();
            if !self.connection.is_autocommit() {
                self.statements.run("ROLLBACK", [])?;
            }
        }
        done
    }

    /// Writes a batch.
    pub(super) fn write(&mut self, batch: &Prepared) -> rusqlite::Result<Written> {
        self.transaction(|writer| writer.write_all(batch))
    }

    fn write_all(&mut self, batch: &Prepared) -> rusqlite::Result<Written> {
        self.keys.load(&mut self.statements)?;
        let numbers = self.numbers(batch)?;
        let first = self.next_place()?;
        let mut next = first;
        let mut gathered = Gathered::new(&batch.plan);
        let mut parts_of = HashMap::<i64, i64>::new();
        for row in &batch.rows {
            let job = Numbers::of(&numbers.names, row.job);
            let key = keys::key(row.trace_id, job, row.branch, row.sink_task);
            let is_known = self.keys.may_have(row.trace_id);
            if is_known && self.is_there(row, job, key)? {
                continue;
            }
            self.insert(row, &numbers, next)?;
            gathered.take(row.index);
            if is_known {
                self.join(row, job, key, next, &mut gathered)?;
            }
            self.keys.add(key, next);
            *parts_of.entry(job).or_default() += 1;
            next += 1;
        }
        self.keys.finish(&mut self.statements)?;
        self.statements.run("UPDATE counter SET number = ?1 WHERE name = 'next_place'", [next])?;
        for (job, parts) in parts_of {
            let sql = "INSERT INTO job (name, parts) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET parts = parts + ?2";
            self.statements.run(sql, [job, parts])?;
        }
        self.roll_up(gathered.finish())?;
        batch.raw.iter().try_for_each(|(event, digest)| self.insert_raw(event, digest))?;
        streams::see(&mut self.statements, &batch.packets)?;
        let new = u64::try_from(next - first).unwrap_or_default();
        Ok(Written { new, repeated: batch.rows.len() as u64 - new })
    }

    fn next_place(&mut self) -> rusqlite::Result<i64> {
        let sql = "SELECT number FROM counter WHERE name = 'next_place'";
        self.statements.first(sql, [], |row| row.get(0))?.ok_or(rusqlite::Error::QueryReturnedNoRows)
    }

    /// Whether the part of a row is there.
    fn is_there(&mut self, row: &Row, job: i64, key: Key) -> rusqlite::Result<bool> {
        for place in self.keys.places(&mut self.statements, &(key..=key), usize::MAX)? {
            let sql = "SELECT 1 FROM part WHERE place = ? AND trace_id = ? AND job = ? AND branch = ? AND sink_task = ?";
            let values = [place, row.trace_id, job, row.branch, row.sink_task];
            if self.statements.first(sql, values, |_| Ok(()))?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn insert(&mut self, row: &Row, numbers: &Numbers, place: i64) -> rusqlite::Result<()> {
        let name = |index| Numbers::of(&numbers.names, index);
        let (job, outcome, host) = (name(row.job), name(row.outcome), name(row.host));
        let table = row.table.map(name);
        let (shape, crew) = (Numbers::of(&numbers.shapes, row.shape), Numbers::of(&numbers.crews, row.crew));
        let part = params![
            place,
            row.trace_id,
            row.sink_task,
            row.branch,
            job,
            table,
            row.created_ms,
            row.received_ms,
            row.start_ns,
            row.end_ns,
            outcome,
            host,
            row.stream,
            row.is_nanos,
            row.is_partial,
            row.shared,
            shape,
            crew,
            row.entries,
            row.more,
            row.payload
        ];
        self.statements.run(
            "INSERT INTO part VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            part,
        )?;
        let page = params![
            row.received_ms,
            row.trace_id,
            row.sink_task,
            row.branch,
            job,
            place,
            row.duration_ns,
            outcome,
            host,
            table,
            shape,
            crew
        ];
        self.statements.run("INSERT INTO part_page VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", page)?;
        for (index, value) in &row.attributes {
            let sql = "INSERT OR IGNORE INTO attribute VALUES (?, ?, ?, ?, ?, ?, ?)";
            let key =
                params![name(*index), value, row.received_ms, row.trace_id, row.sink_task, row.branch, job];
            self.statements.run(sql, key)?;
        }
        Ok(())
    }

    /// Puts a new part together with others of its job, trace and branch.
    fn join(
        &mut self,
        row: &Row,
        job: i64,
        key: Key,
        place: i64,
        gathered: &mut Gathered<'_>,
    ) -> rusqlite::Result<()> {
        let (mut places, mut is_partial) = (Vec::new(), row.is_partial);
        for other in self.keys.places(&mut self.statements, &keys::journey(key), MAX_JOINED)? {
            let sql =
                "SELECT is_partial FROM part WHERE place = ? AND trace_id = ? AND job = ? AND branch = ?";
            let values = [other, row.trace_id, job, row.branch];
            if let Some(other_is) = self.statements.first(sql, values, |row| row.get::<_, bool>(0))? {
                places.push(other);
                is_partial |= other_is;
            }
        }
        if places.is_empty() || !is_partial {
            return Ok(());
        }
        let mut part = |place| read::part(self.statements.get(read::PART)?, place);
        let others: Vec<Part> = places
            .into_iter()
            .filter_map(|place| part(place).transpose())
            .collect::<rusqlite::Result<_>>()?;
        if let Some(new) = part(place)? {
            gathered.join(&others, &new);
        }
        Ok(())
    }

    /// Writes an event that is no trace, unless it is there.
    fn insert_raw(&mut self, event: &RawEvent, digest: &Digest) -> rusqlite::Result<()> {
        let RawEvent { event_type, job, created_ms, received_ms, body } = event;
        let sql = "INSERT OR IGNORE INTO raw (event_type, job, created_ms, received_ms, body, digest) VALUES (?, ?, ?, ?, ?, ?)";
        self.statements.run(sql, params![event_type, job, created_ms, received_ms, body, digest]).map(drop)
    }
}
