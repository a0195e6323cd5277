//! What rows refer to by number: texts, the stages of a journey, and sets of tasks. Each is kept once, for as long as anything may refer to it.
//!
//! Owns: numbering, and removing. Each row has a time after which no part came that refers to it (`until_ms`): it is moved on by an hour at a time, so that
//! hardly ever a batch writes it, and what was not met again goes once all parts from before are gone.

use std::collections::HashMap;

use rusqlite::{ToSql, params};

use super::prepare::{Prepared, Stages};
use super::write::Writer;

/// Numbers of texts that are remembered, of each kind; then all are forgotten and found again when they are met.
const REMEMBERED: usize = 1 << 16;

/// How far a time is moved on, ms.
const AHEAD_MS: i64 = 3_600_000;

/// The number of a row, and the time up to which it may be referred to, ms since the Unix epoch.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known {
    pub(super) number: i64,
    until_ms: i64,
}

/// The statements of one kind of rows. The key's columns are the parameters of the first two; of the second, the time behind them.
pub(super) struct Sql {
    pub(super) find: &'static str,
    pub(super) insert: &'static str,
    pub(super) renew: &'static str,
}

/// What is remembered of the database.
#[derive(Debug, Default)]
pub(super) struct Texts {
    names: HashMap<String, Known>,
    shapes: HashMap<String, Known>,
    crews: HashMap<String, Known>,
}

/// The numbers of what a batch's rows refer to by index.
pub(super) struct Numbers {
    pub(super) names: Vec<i64>,
    pub(super) shapes: Vec<i64>,
    pub(super) crews: Vec<i64>,
}

impl Numbers {
    pub(super) fn of(list: &[i64], index: usize) -> i64 {
        // The batch made both: never out of range.
        list.get(index).copied().unwrap_or_default()
    }
}

/// Texts of one kind: where they are remembered, and their statements.
struct Kind {
    of: fn(&mut Texts) -> &mut HashMap<String, Known>,
    sql: Sql,
}

const NAME: Kind = Kind {
    of: |texts| &mut texts.names,
    sql: Sql {
        find: "SELECT id, until_ms FROM name WHERE text = ?",
        insert: "INSERT INTO name (text, until_ms) VALUES (?, ?)",
        renew: "UPDATE name SET until_ms = ?2 WHERE id = ?1",
    },
};
const SHAPE: Kind = Kind {
    of: |texts| &mut texts.shapes,
    sql: Sql {
        find: "SELECT id, until_ms FROM shape WHERE stages = ?",
        insert: "INSERT INTO shape (stages, until_ms) VALUES (?, ?)",
        renew: "UPDATE shape SET until_ms = ?2 WHERE id = ?1",
    },
};
const CREW: Kind = Kind {
    of: |texts| &mut texts.crews,
    sql: Sql {
        find: "SELECT id, until_ms FROM crew WHERE tasks = ?",
        insert: "INSERT INTO crew (tasks, until_ms) VALUES (?, ?)",
        renew: "UPDATE crew SET until_ms = ?2 WHERE id = ?1",
    },
};

impl Writer<'_> {
    /// The numbers of all that a batch refers to.
    pub(super) fn numbers(&mut self, batch: &Prepared) -> rusqlite::Result<Numbers> {
        let Texts { names, shapes, crews } = &mut self.texts;
        for remembered in [names, shapes, crews] {
            if remembered.len() > REMEMBERED {
                remembered.clear();
            }
        }
        // The rows are in the order in which they came.
        let newest_ms = batch.rows.last().map_or(i64::MIN, |row| row.received_ms);
        let names = batch.names.iter().map(|text| self.name(text, newest_ms));
        let names = names.collect::<rusqlite::Result<_>>()?;
        let shapes = batch.shapes.iter().map(|(text, stages)| self.shape(text, stages, newest_ms));
        let shapes = shapes.collect::<rusqlite::Result<_>>()?;
        let crews = batch.crews.iter().map(|(text, tasks)| self.crew(text, tasks, newest_ms));
        Ok(Numbers { names, shapes, crews: crews.collect::<rusqlite::Result<_>>()? })
    }

    /// The number of a text, new or not, to which parts up to then refer, ms since the Unix epoch.
    pub(super) fn name(&mut self, text: &str, newest_ms: i64) -> rusqlite::Result<i64> {
        self.number(&NAME, text, newest_ms).map(|(number, _)| number)
    }

    fn shape(&mut self, text: &str, stages: &Stages, newest_ms: i64) -> rusqlite::Result<i64> {
        let (number, is_new) = self.number(&SHAPE, text, newest_ms)?;
        for (code, name) in stages.iter().filter(|_| is_new) {
            self.statements.run("INSERT OR IGNORE INTO shape_code VALUES (?, ?)", params![code, number])?;
            if let Some(name) = name {
                self.statements
                    .run("INSERT OR IGNORE INTO shape_name VALUES (?, ?)", params![name, number])?;
            }
        }
        Ok(number)
    }

    fn crew(&mut self, text: &str, tasks: &[i64], newest_ms: i64) -> rusqlite::Result<i64> {
        let (number, is_new) = self.number(&CREW, text, newest_ms)?;
        for task in tasks.iter().filter(|_| is_new) {
            self.statements.run("INSERT INTO crew_task VALUES (?, ?)", [*task, number])?;
        }
        Ok(number)
    }

    /// A number, and whether it was given just now.
    fn number(&mut self, kind: &Kind, text: &str, newest_ms: i64) -> rusqlite::Result<(i64, bool)> {
        let remembered = (kind.of)(&mut self.texts).get(text).copied();
        let (known, is_new) = self.known(&kind.sql, &[&text], remembered, newest_ms)?;
        if remembered.is_none_or(|one| one.until_ms != known.until_ms) {
            (kind.of)(&mut self.texts).insert(text.to_owned(), known);
        }
        Ok((known.number, is_new))
    }

    /// The row of a key, which may be remembered, new or not; something refers to it up to then, ms since the Unix epoch. Also whether it was made just now.
    pub(super) fn known(
        &mut self,
        sql: &Sql,
        key: &[&dyn ToSql],
        remembered: Option<Known>,
        newest_ms: i64,
    ) -> rusqlite::Result<(Known, bool)> {
        let read = |row: &rusqlite::Row<'_>| Ok(Known { number: row.get(0)?, until_ms: row.get(1)? });
        let found = match remembered {
            Some(known) => Some(known),
            None => self.statements.first(sql.find, key, read)?,
        };
        let until_ms = newest_ms.saturating_add(AHEAD_MS);
        let known = match found {
            Some(known) if known.until_ms >= newest_ms => known,
            Some(Known { number, .. }) => {
                self.statements.run(sql.renew, [number, until_ms])?;
                Known { number, until_ms }
            }
            None => {
                let row: Vec<&dyn ToSql> = key.iter().copied().chain([&until_ms as &dyn ToSql]).collect();
                self.statements.run(sql.insert, row.as_slice())?;
                Known { number: self.connection.last_insert_rowid(), until_ms }
            }
        };
        Ok((known, found.is_none()))
    }

    /// Removes so many of each kind of what nothing refers to any more; how many went.
    pub(super) fn sweep(&mut self, most: i64) -> rusqlite::Result<usize> {
        let oldest = "SELECT min(received_ms) FROM part_page";
        let oldest: Option<i64> = self.statements.first(oldest, [], |row| row.get(0))?.flatten();
        let mut swept = 0;
        for sql in SWEEP {
            swept += self.statements.run(sql, [oldest.unwrap_or(i64::MAX), most])?;
        }
        let oldest = "SELECT min((SELECT min(bucket_ms) FROM rollup WHERE rollup.job = job.name AND dimension = 0)) FROM job";
        let oldest: Option<i64> = self.statements.first(oldest, [], |row| row.get(0))?.flatten();
        let hops = "DELETE FROM hop WHERE id IN (SELECT id FROM hop WHERE until_ms < ? LIMIT ?)";
        swept += self.statements.run(hops, [oldest.unwrap_or(i64::MAX), most])?;
        if swept > 0 {
            self.forget();
        }
        // The keys of what went.
        Ok(swept + usize::from(self.keys.expire(&mut self.statements)?))
    }
}

/// What refers to a row goes before it. Parameters: when the oldest part came, ms since the Unix epoch, and how many rows go at most.
const SWEEP: [&str; 7] = [
    "DELETE FROM crew_task WHERE (task, crew) IN (SELECT task.value, crew.id FROM crew, json_each(crew.tasks) AS task
        WHERE crew.id IN (SELECT id FROM crew WHERE until_ms < ? ORDER BY until_ms LIMIT ?))",
    "DELETE FROM crew WHERE id IN (SELECT id FROM crew WHERE until_ms < ? ORDER BY until_ms LIMIT ?)",
    "DELETE FROM shape_code WHERE shape IN (SELECT id FROM shape WHERE until_ms < ? ORDER BY until_ms LIMIT ?)",
    "DELETE FROM shape_name WHERE shape IN (SELECT id FROM shape WHERE until_ms < ? ORDER BY until_ms LIMIT ?)",
    "DELETE FROM shape WHERE id IN (SELECT id FROM shape WHERE until_ms < ? ORDER BY until_ms LIMIT ?)",
    // A job lives on in its rollups, and its name with it.
    "DELETE FROM job WHERE name IN (SELECT name FROM job WHERE parts = 0 AND NOT EXISTS (SELECT 1 FROM rollup WHERE rollup.job = job.name)
        AND ?1 IS NOT NULL LIMIT ?2)",
    "DELETE FROM name WHERE id IN (SELECT id FROM name WHERE until_ms < ? AND NOT EXISTS (SELECT 1 FROM job WHERE job.name = name.id)
        ORDER BY until_ms LIMIT ?)",
];
