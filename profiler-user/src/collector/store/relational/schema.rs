//! The tables of the relational stores, and their versions.
//!
//! Owns: the tables, the statements that make them, and the check of what is found. Refuses: to touch tables of a later version, or tables of the same names
//! that it did not make.

use super::super::sql::Value;
use super::super::{StoreError, Width};
use super::rollups::widen;
use super::session::{Database, Dialect, Fault, Session};

/// The version of the tables below. A change of them is a further one, with the statements that lead to it.
pub(super) const VERSION: i64 = 2;

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Kind {
    /// A number.
    Int,
    /// A text that can be a key: at most [`crate::collector::model::MAX_NAME`] bytes.
    Name,
    /// The same, or none.
    OptionalName,
    /// A text of any length.
    Text,
    /// Bytes that are a key.
    Id,
    /// Bytes of any length.
    Bytes,
}

/// A table.
#[derive(Debug)]
pub(in super::super) struct Table {
    /// Its name.
    pub(in super::super) name: &'static str,
    /// Its columns.
    pub(in super::super) columns: &'static [(&'static str, Kind)],
    /// How many of the columns, from the first, are its key.
    pub(in super::super) key: usize,
    /// Further indexes: `UNIQUE` or nothing, and columns.
    indexes: &'static [(&'static str, &'static str)],
}

impl Table {
    /// The names of its columns, as a list.
    pub(in super::super) fn names(&self) -> String {
        self.columns.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
    }

    fn create(&self, dialect: &Dialect) -> String {
        let column = |(name, kind): &(&str, Kind)| match kind {
            Kind::Int => format!("{name} BIGINT NOT NULL"),
            Kind::Name => format!("{name} {} NOT NULL", dialect.name),
            Kind::OptionalName => format!("{name} {}", dialect.name),
            Kind::Text => format!("{name} {} NOT NULL", dialect.text),
            Kind::Id => format!("{name} {} NOT NULL", dialect.id),
            Kind::Bytes => format!("{name} {} NOT NULL", dialect.bytes),
        };
        let columns: Vec<_> = self.columns.iter().map(column).collect();
        let key: Vec<_> = self.columns.iter().take(self.key).map(|(name, _)| *name).collect();
        let (name, columns, key) = (self.name, columns.join(", "), key.join(", "));
        format!("CREATE TABLE {name} ({columns}, PRIMARY KEY ({key})){}", dialect.table_options)
    }

    fn create_indexes(&self) -> impl Iterator<Item = String> + '_ {
        self.indexes.iter().enumerate().map(|(at, (unique, columns))| {
            let name = self.name;
            format!("CREATE {unique} INDEX {name}_{at} ON {name} ({columns})")
        })
    }
}

/// The parts, by the order in which they became visible.
pub(super) const PARTS: Table = Table {
    name: "stain_parts",
    columns: &[
        ("place", Kind::Int),
        ("job", Kind::Name),
        ("trace_id", Kind::Int),
        ("sink_task", Kind::Int),
        ("branch", Kind::Int),
        ("table_id", Kind::OptionalName),
        ("outcome", Kind::Name),
        ("host", Kind::Name),
        ("received_ms", Kind::Int),
        ("start_ns", Kind::Int),
        ("duration_ns", Kind::Int),
        ("size", Kind::Int),
        ("terms", Kind::Text),
        ("body", Kind::Bytes),
        ("payload", Kind::Bytes),
    ],
    key: 1,
    indexes: &[
        ("UNIQUE", "trace_id, job, sink_task, branch"),
        ("", "received_ms, trace_id"),
        ("", "job, received_ms, trace_id"),
    ],
};

/// Events that are no traces.
pub(super) const RAW: Table = Table {
    name: "stain_raw",
    columns: &[
        ("place", Kind::Int),
        ("event_type", Kind::Text),
        ("job", Kind::OptionalName),
        ("created_ms", Kind::Int),
        ("received_ms", Kind::Int),
        ("size", Kind::Int),
        ("body", Kind::Text),
        ("digest", Kind::Id),
    ],
    key: 1,
    indexes: &[("", "received_ms"), ("", "digest")],
};

/// Durations by bucket, job, dimension, member and hop: all of these are in the id (see [`super::ids`]); some are columns besides.
const ROLLUPS: Table = Table {
    name: "stain_rollups",
    columns: &[
        ("id", Kind::Id),
        ("bucket_ms", Kind::Int),
        ("dimension", Kind::Name),
        ("job", Kind::Name),
        ("member", Kind::Name),
        ("sketch", Kind::Bytes),
    ],
    key: 1,
    indexes: &[],
};

/// The same of five minutes.
const ROLLUPS_MINUTES: Table = Table { name: "stain_rollups_minutes", ..ROLLUPS };

/// The same of an hour.
const ROLLUPS_HOUR: Table = Table { name: "stain_rollups_hour", ..ROLLUPS };

/// The table of rollups of a width.
pub(super) const fn rollups(width: Width) -> &'static Table {
    match width {
        Width::Seconds => &ROLLUPS,
        Width::Minutes => &ROLLUPS_MINUTES,
        Width::Hour => &ROLLUPS_HOUR,
    }
}

/// What streams said of themselves.
pub(super) const STREAMS: Table = Table {
    name: "stain_streams",
    columns: &[("job", Kind::Name), ("stream", Kind::Int), ("last_ms", Kind::Int), ("state", Kind::Text)],
    key: 2,
    indexes: &[("", "last_ms")],
};

/// How many parts there are of each job.
pub(super) const JOBS: Table = Table {
    name: "stain_jobs",
    columns: &[("job", Kind::Name), ("parts", Kind::Int), ("first_ms", Kind::Int), ("last_ms", Kind::Int)],
    key: 1,
    indexes: &[],
};

/// One row: the last place that was given, and the bytes that are stored. Whoever writes locks it first, so that places become visible in their order, and
/// no two writers ever wait for each other.
pub(super) const COUNTER: Table = Table {
    name: "stain_counter",
    columns: &[("id", Kind::Int), ("place", Kind::Int), ("bytes", Kind::Int)],
    key: 1,
    indexes: &[],
};

/// One row: the version. Written last, so that it vouches for the others.
const SCHEMA: Table = Table {
    name: "stain_schema",
    columns: &[("id", Kind::Int), ("version", Kind::Int)],
    key: 1,
    indexes: &[],
};

const TABLES: [&Table; 9] =
    [&SCHEMA, &PARTS, &RAW, &ROLLUPS, &ROLLUPS_MINUTES, &ROLLUPS_HOUR, &STREAMS, &JOBS, &COUNTER];

/// What stands for a version while tables are being made: a server that cannot take back such statements may have been left in the middle of it.
const BEING_MADE: i64 = 0;

/// Makes the tables where there are none, and refuses what is not of this version.
pub(super) async fn ensure(database: &dyn Database) -> Result<(), Fault> {
    let mut session = database.begin().await?;
    let dialect = database.dialect();
    session.rows(dialect.lock_schema, &[]).await?;
    let result = ensure_locked(session.as_mut(), dialect, database.place()).await;
    // After an error the transaction may take no further statement: then its end gives the lock back.
    let unlocked = session.rows(dialect.unlock_schema, &[]).await;
    result.and(unlocked.map(drop))?;
    session.commit().await
}

async fn ensure_locked(session: &mut dyn Session, dialect: &Dialect, place: &str) -> Result<(), Fault> {
    let found = tables(session, dialect).await?;
    let has = |table: &Table| found.iter().any(|name| name == table.name);
    let version = if has(&SCHEMA) { version(session).await? } else { None };
    let place = place.to_owned();
    let reason = match version {
        Some(VERSION) => match TABLES.iter().find(|table| !has(table)) {
            Some(table) => format!("its table {} is missing", table.name),
            None => return Ok(()),
        },
        Some(BEING_MADE) => return create(session, dialect).await,
        Some(1) => {
            add_digests(session, dialect).await?;
            add_widths(session, dialect).await?;
            let sql = "UPDATE stain_schema SET version = ? WHERE id = 1";
            return session.rows(sql, &[VERSION.into()]).await.map(drop);
        }
        Some(found) if found > VERSION => {
            return Err(Fault::Store(StoreError::Newer { place, found, known: VERSION }));
        }
        Some(found) => format!("there is no schema {found}"),
        None => match TABLES.iter().find(|table| has(table)) {
            Some(table) => format!("it has a table {}, but no schema version of stain", table.name),
            None => {
                session.batch(&SCHEMA.create(dialect)).await?;
                let sql = "INSERT INTO stain_schema (id, version) VALUES (1, ?)";
                session.rows(sql, &[BEING_MADE.into()]).await?;
                return create(session, dialect).await;
            }
        },
    };
    Err(Fault::Store(StoreError::Corrupt { place, reason }))
}

async fn create(session: &mut dyn Session, dialect: &Dialect) -> Result<(), Fault> {
    for table in TABLES.iter().filter(|table| table.name != SCHEMA.name) {
        session.batch(&format!("DROP TABLE IF EXISTS {}", table.name)).await?;
        session.batch(&table.create(dialect)).await?;
        for index in table.create_indexes() {
            session.batch(&index).await?;
        }
    }
    session.batch("INSERT INTO stain_counter (id, place, bytes) VALUES (1, 0, 0)").await?;
    session.rows("UPDATE stain_schema SET version = ? WHERE id = 1", &[VERSION.into()]).await.map(drop)
}

/// From version 1 to 2: what events that are no traces are known by. Those that are there have none, and are not compared with what comes.
async fn add_digests(session: &mut dyn Session, dialect: &Dialect) -> Result<(), Fault> {
    let sql = format!(
        "SELECT COUNT(*) FROM information_schema.columns WHERE table_schema = {} AND table_name = 'stain_raw' AND column_name = 'digest'",
        dialect.schema
    );
    let count = session.rows(&sql, &[]).await?.into_iter().next().map(|mut row| row.int()).transpose()?;
    // A server that cannot take back such statements may have been left behind the first one.
    if count == Some(0) {
        session
            .batch(&format!("ALTER TABLE stain_raw ADD COLUMN digest {} NOT NULL DEFAULT ''", dialect.id))
            .await?;
        session.batch("CREATE INDEX stain_raw_1 ON stain_raw (digest)").await?;
    }
    Ok(())
}

/// From version 1 to 2: the wider rollups, made of the narrowest.
async fn add_widths(session: &mut dyn Session, dialect: &Dialect) -> Result<(), Fault> {
    for width in Width::WIDER {
        let table = rollups(width);
        session.batch(&format!("DROP TABLE IF EXISTS {}", table.name)).await?;
        session.batch(&table.create(dialect)).await?;
        widen(session, width).await?;
    }
    Ok(())
}

/// Those of our tables' names that are there.
async fn tables(session: &mut dyn Session, dialect: &Dialect) -> Result<Vec<String>, Fault> {
    let sql = format!(
        "SELECT CAST(table_name AS CHAR(64)) FROM information_schema.tables WHERE table_schema = {}",
        dialect.schema
    );
    let rows = session.rows(&sql, &[]).await?;
    let names = rows.into_iter().map(|mut row| row.text().map(|name| name.trim_end().to_owned()));
    names.collect()
}

/// The version that is written there; `None` where there is no row.
async fn version(session: &mut dyn Session) -> Result<Option<i64>, Fault> {
    let rows = session.rows("SELECT version FROM stain_schema WHERE id = ?", &[Value::Int(1)]).await?;
    rows.into_iter().next().map(|mut row| row.int()).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_table_has_a_name_and_a_key() {
        for table in TABLES {
            assert!(table.key > 0 && table.key <= table.columns.len(), "{}", table.name);
            assert!(table.names().starts_with(table.columns[0].0));
        }
    }
}
