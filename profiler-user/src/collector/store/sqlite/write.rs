//! Writing a batch: one transaction, all of it or nothing.

use std::collections::HashMap;

use rusqlite::{Connection, params};

use super::super::Written;
use super::super::rollups::Gathered;
use super::prepare::{Prepared, Row};
use super::statements::Statements;
use super::{read, rollup, streams};
use crate::collector::model::{MAX_JOINED, Part, RawEvent};

/// Numbers of texts that are remembered, of each kind; then all are forgotten and found again when they are met.
const REMEMBERED: usize = 1 << 16;

/// The thread's connection and what it remembers of the database.
pub(super) struct Writer<'c> {
    pub(super) connection: &'c Connection,
    pub(super) statements: Statements<'c>,
    names: HashMap<String, i64>,
    shapes: HashMap<String, i64>,
    crews: HashMap<String, i64>,
    pub(super) hops: rollup::Hops,
}

/// The numbers of what a batch's rows refer to by index.
struct Numbers {
    names: Vec<i64>,
    shapes: Vec<i64>,
    crews: Vec<i64>,
}

impl Numbers {
    fn of(list: &[i64], index: usize) -> i64 {
        // The batch made both: never out of range.
        list.get(index).copied().unwrap_or_default()
    }
}

impl<'c> Writer<'c> {
    pub(super) fn new(connection: &'c Connection) -> Self {
        Self {
            connection,
            statements: Statements::new(connection),
            names: HashMap::new(),
            shapes: HashMap::new(),
            crews: HashMap::new(),
            hops: rollup::Hops::default(),
        }
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
            (self.names, self.shapes, self.crews) = (HashMap::new(), HashMap::new(), HashMap::new());
            self.hops = rollup::Hops::default();
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
        let numbers = self.numbers(batch)?;
        let first = self.next_place()?;
        let mut next = first;
        let mut gathered = Gathered::new(&batch.plan);
        let mut parts_of = HashMap::<i64, i64>::new();
        for row in &batch.rows {
            let job = Numbers::of(&numbers.names, row.job);
            if !self.claim(row, job, next)? {
                continue;
            }
            self.insert(row, &numbers, next)?;
            gathered.take(row.index);
            self.join(row, job, next, &mut gathered)?;
            *parts_of.entry(job).or_default() += 1;
            next += 1;
        }
        self.statements.run("UPDATE counter SET number = ?1 WHERE name = 'next_place'", [next])?;
        for (job, parts) in parts_of {
            let sql = "INSERT INTO job (name, parts) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET parts = parts + ?2";
            self.statements.run(sql, [job, parts])?;
        }
        self.roll_up(gathered.finish())?;
        batch.raw.iter().try_for_each(|event| self.insert_raw(event))?;
        streams::see(&mut self.statements, &batch.packets)?;
        let new = u64::try_from(next - first).unwrap_or_default();
        Ok(Written { new, repeated: batch.rows.len() as u64 - new })
    }

    fn next_place(&mut self) -> rusqlite::Result<i64> {
        let sql = "SELECT number FROM counter WHERE name = 'next_place'";
        self.statements.first(sql, [], |row| row.get(0))?.ok_or(rusqlite::Error::QueryReturnedNoRows)
    }

    /// Whether the part is new: then its key is taken.
    fn claim(&mut self, row: &Row, job: i64, place: i64) -> rusqlite::Result<bool> {
        let sql = "INSERT OR IGNORE INTO part_key VALUES (?, ?, ?, ?, ?, ?)";
        let key = params![row.trace_id, job, row.branch, row.sink_task, place, row.is_partial];
        let changed = self.statements.run(sql, key)?;
        Ok(changed == 1)
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
    fn join(&mut self, row: &Row, job: i64, place: i64, gathered: &mut Gathered<'_>) -> rusqlite::Result<()> {
        let sql = "SELECT place, is_partial FROM part_key WHERE trace_id = ?1 AND job = ?2 AND branch = ?3 AND place <> ?4 LIMIT ?5";
        let key = [row.trace_id, job, row.branch, place, MAX_JOINED as i64];
        let read = |row: &rusqlite::Row<'_>| Ok((row.get::<_, i64>(0)?, row.get::<_, bool>(1)?));
        let found = self.statements.get(sql)?.query_map(key, read)?;
        let (places, are_partial): (Vec<i64>, Vec<bool>) =
            found.collect::<rusqlite::Result<Vec<_>>>()?.into_iter().unzip();
        if places.is_empty() || !(row.is_partial || are_partial.contains(&true)) {
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

    fn insert_raw(&mut self, event: &RawEvent) -> rusqlite::Result<()> {
        let RawEvent { event_type, job, created_ms, received_ms, body } = event;
        let sql = "INSERT INTO raw (event_type, job, created_ms, received_ms, body) VALUES (?, ?, ?, ?, ?)";
        self.statements.run(sql, params![event_type, job, created_ms, received_ms, body]).map(drop)
    }

    fn numbers(&mut self, batch: &Prepared) -> rusqlite::Result<Numbers> {
        for remembered in [&mut self.names, &mut self.shapes, &mut self.crews] {
            if remembered.len() > REMEMBERED {
                remembered.clear();
            }
        }
        Ok(Numbers {
            names: batch.names.iter().map(|text| self.name(text)).collect::<rusqlite::Result<_>>()?,
            shapes: batch
                .shapes
                .iter()
                .map(|(text, stages)| self.shape(text, stages))
                .collect::<rusqlite::Result<_>>()?,
            crews: batch
                .crews
                .iter()
                .map(|(text, tasks)| self.crew(text, tasks))
                .collect::<rusqlite::Result<_>>()?,
        })
    }

    /// The number of a text, new or not.
    pub(super) fn name(&mut self, text: &str) -> rusqlite::Result<i64> {
        if let Some(number) = self.names.get(text) {
            return Ok(*number);
        }
        let found = self.statements.first("SELECT id FROM name WHERE text = ?", [text], |row| row.get(0))?;
        let number = match found {
            Some(number) => number,
            None => self.insert_text("INSERT INTO name (text) VALUES (?)", text)?,
        };
        self.names.insert(text.to_owned(), number);
        Ok(number)
    }

    fn shape(&mut self, text: &str, stages: &[(u8, Option<String>)]) -> rusqlite::Result<i64> {
        if let Some(number) = self.shapes.get(text) {
            return Ok(*number);
        }
        let found =
            self.statements.first("SELECT id FROM shape WHERE stages = ?", [text], |row| row.get(0))?;
        let number = match found {
            Some(number) => number,
            None => {
                let number = self.insert_text("INSERT INTO shape (stages) VALUES (?)", text)?;
                for (code, name) in stages {
                    self.statements
                        .run("INSERT OR IGNORE INTO shape_code VALUES (?, ?)", params![code, number])?;
                    if let Some(name) = name {
                        let sql = "INSERT OR IGNORE INTO shape_name VALUES (?, ?)";
                        self.statements.run(sql, params![name, number])?;
                    }
                }
                number
            }
        };
        self.shapes.insert(text.to_owned(), number);
        Ok(number)
    }

    fn crew(&mut self, text: &str, tasks: &[i64]) -> rusqlite::Result<i64> {
        if let Some(number) = self.crews.get(text) {
            return Ok(*number);
        }
        let found = self.statements.first("SELECT id FROM crew WHERE tasks = ?", [text], |row| row.get(0))?;
        let number = match found {
            Some(number) => number,
            None => {
                let number = self.insert_text("INSERT INTO crew (tasks) VALUES (?)", text)?;
                for task in tasks {
                    self.statements.run("INSERT INTO crew_task VALUES (?, ?)", [*task, number])?;
                }
                number
            }
        };
        self.crews.insert(text.to_owned(), number);
        Ok(number)
    }

    fn insert_text(&mut self, sql: &'static str, text: &str) -> rusqlite::Result<i64> {
        self.statements.run(sql, [text])?;
        Ok(self.connection.last_insert_rowid())
    }
}
