//! The tables, and their version.

use super::Shared;
use super::error::Fault;
use super::lock::Turn;
use super::read::first;
use crate::collector::store::StoreError;

/// The version of the tables below. A change of them is a further one, with the statements that lead to it.
const VERSION: i64 = 2;

/// Milliseconds of a partition by time: old days go at once.
pub(super) const DAY_MS: i64 = 86_400_000;
/// Places of a partition: what is new is looked for in the newest only.
pub(super) const PLACES: u64 = 1 << 22;

/// Rows of one key take each other's place: of a part the earliest is kept, of all others the latest.
const TABLES: [(&str, &str); 5] = [
    (
        "stain_parts",
        "(trace_id UInt64, job String, sink_task Int64, branch Int64, place UInt64, rank UInt64, table_id Nullable(String), \
          outcome String, host String, received_ms Int64, start_ns Int64, duration_ns Int64, size UInt64, terms String, \
          body String, payload String) \
         ENGINE = ReplacingMergeTree(rank) PARTITION BY (intDiv(received_ms, 86400000), intDiv(place, 4194304)) \
         ORDER BY (trace_id, job, sink_task, branch) SETTINGS index_granularity = 1024",
    ),
    (
        "stain_hops",
        "(bucket_ms Int64, job String, trace_id UInt64, branch Int64, sink_task Int64, number UInt32, is_there UInt8, \
          is_whole UInt8, from_code UInt8, from_name String, to_code UInt8, to_name String, ns Int64, step UInt16, task Int64, \
          host String, table_id Nullable(String), received_ms Int64, rank UInt64) \
         ENGINE = ReplacingMergeTree(rank) PARTITION BY intDiv(received_ms, 86400000) \
         ORDER BY (bucket_ms, job, trace_id, branch, sink_task, number)",
    ),
    (
        "stain_streams",
        "(job String, stream UInt64, state String, last_ms Int64, rank UInt64) \
         ENGINE = ReplacingMergeTree(rank) ORDER BY (stream, job)",
    ),
    (
        "stain_raw",
        "(event_type String, job Nullable(String), created_ms Int64, received_ms Int64, size UInt64, body String, \
          digest_high UInt64, digest_low UInt64) \
         ENGINE = MergeTree() PARTITION BY intDiv(received_ms, 86400000) ORDER BY received_ms",
    ),
    PLACES_GIVEN,
];

/// Places that were given at least, written before parts are removed: the order goes on where it was when none is left.
const PLACES_GIVEN: (&str, &str) = ("stain_places", "(place UInt64) ENGINE = MergeTree() ORDER BY place");

/// Makes the tables where there are none, and refuses what is not of this version.
pub(super) async fn ensure(shared: &Shared) -> Result<(), Fault> {
    let turn = Turn::take(shared).await?;
    let result = ensure_locked(shared).await;
    turn.end().await?;
    result
}

async fn ensure_locked(shared: &Shared) -> Result<(), Fault> {
    let sql = "SELECT name FROM system.tables WHERE database = currentDatabase()";
    let found: Vec<String> = shared.client.query(sql).fetch_all().await?;
    let has = |name: &str| found.iter().any(|one| one == name);
    let place = shared.at.clone();
    let version = if has("stain_schema") { version(shared).await? } else { None };
    let reason = match version {
        Some(VERSION) => match TABLES.iter().find(|(name, _)| !has(name)) {
            Some((name, _)) => format!("its table {name} is missing"),
            None => return Ok(()),
        },
        Some(found) if found > VERSION => {
            return Err(Fault::Store(StoreError::Newer { place, found, known: VERSION }));
        }
        Some(1) => return upgrade(shared).await,
        // Being made: whoever began did not come to the end.
        Some(0) => return create(shared).await,
        Some(found) => format!("there is no schema {found}"),
        None => match TABLES.iter().find(|(name, _)| has(name)) {
            Some((name, _)) => format!("it has a table {name}, but no schema version of stain"),
            None => return create(shared).await,
        },
    };
    Err(Fault::Store(StoreError::Corrupt { place, reason }))
}

async fn create(shared: &Shared) -> Result<(), Fault> {
    let run = async |sql: &str| shared.client.query(sql).execute().await;
    run("CREATE TABLE IF NOT EXISTS stain_schema (version Int64) ENGINE = MergeTree() ORDER BY version")
        .await?;
    run("INSERT INTO stain_schema SELECT toInt64(0)").await?;
    for (name, rest) in TABLES {
        run(&format!("DROP TABLE IF EXISTS {name}")).await?;
        run(&format!("CREATE TABLE {name} {rest}")).await?;
    }
    run(&format!("INSERT INTO stain_schema SELECT toInt64({VERSION})")).await?;
    Ok(())
}

/// From version 1 to 2: the places that were given, and what events that are no traces are known by. Those that are there have none, and are not compared
/// with what comes. Whoever began and did not come to the end is followed by another one.
async fn upgrade(shared: &Shared) -> Result<(), Fault> {
    let run = async |sql: &str| shared.client.query(sql).execute().await;
    let (name, rest) = PLACES_GIVEN;
    run(&format!("CREATE TABLE IF NOT EXISTS {name} {rest}")).await?;
    let sql = "SELECT name FROM system.columns WHERE database = currentDatabase() AND table = 'stain_raw'";
    let found: Vec<String> = shared.client.query(sql).fetch_all().await?;
    for column in ["digest_high", "digest_low"] {
        if !found.iter().any(|one| one == column) {
            run(&format!("ALTER TABLE stain_raw ADD COLUMN {column} UInt64")).await?;
        }
    }
    run(&format!("INSERT INTO stain_schema SELECT toInt64({VERSION})")).await?;
    Ok(())
}

/// The version that is written there; `None` where there is none.
pub(super) async fn version(shared: &Shared) -> Result<Option<i64>, Fault> {
    let sql = "SELECT max(version) FROM stain_schema HAVING count() > 0";
    Ok(first(shared.client.query(sql)).await?)
}

#[cfg(test)]
mod tests {
    use super::{DAY_MS, PLACES, TABLES};

    #[test]
    fn partitions_are_as_the_code_takes_them() {
        for (name, rest) in TABLES.iter().filter(|(_, rest)| rest.contains("PARTITION")) {
            assert!(rest.contains(&format!("intDiv(received_ms, {DAY_MS})")), "{name}");
        }
        assert!(TABLES[0].1.contains(&format!("intDiv(place, {PLACES})")));
    }
}
