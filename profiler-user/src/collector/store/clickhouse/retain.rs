//! Removes what is too old or too much.
//!
//! Owns: that whole partitions go at once, that rows of others go by a change of the table, which is waited for, and that the order of places goes on behind what
//! went.

use std::time::{Duration, Instant};

use clickhouse::Row;
use serde::{Deserialize, Serialize};

use super::Shared;
use super::error::{Fault, unavailable};
use super::lock::Turn;
use super::read::one;
use super::schema::DAY_MS;
use super::write::{insert, last_place};
use crate::collector::store::{BUCKET_MS, Removed, Retention};

/// How long a change of a table is waited for.
const CHANGES_WITHIN: Duration = Duration::from_secs(3600);
const PAUSE: Duration = Duration::from_millis(20);

/// See [`crate::collector::store::Store::retain`].
pub(super) async fn retain(shared: &Shared, retention: &Retention) -> Result<Removed, Fault> {
    let Retention { before_ms, rollups_before_ms, max_bytes } = *retention;
    let mut removed = Removed::default();
    if let Some(before) = before_ms {
        remove_parts(shared, before, &mut removed).await?;
        let condition = format!("last_ms < {before}");
        removed.streams = count(shared, "stain_streams FINAL", &condition).await?;
        delete(shared, "stain_streams", &condition, removed.streams).await?;
    }
    if let Some(most) = max_bytes
        && let Some(before) = too_much(shared, most).await?
    {
        remove_parts(shared, before, &mut removed).await?;
    }
    if let Some(before) = rollups_before_ms {
        let condition = format!("bucket_ms < {}", before.saturating_sub(BUCKET_MS));
        removed.rollups = count(shared, "stain_hops FINAL", &format!("{condition} AND is_there = 1")).await?;
        delete(shared, "stain_hops", &condition, removed.rollups).await?;
    }
    Ok(removed)
}

async fn remove_parts(shared: &Shared, before_ms: i64, removed: &mut Removed) -> Result<(), Fault> {
    let condition = format!("received_ms < {before_ms}");
    let parts = count(shared, "stain_parts FINAL", &condition).await?;
    let raw = count(shared, "stain_raw", &condition).await?;
    if parts > 0 {
        // In a turn: no part is given a place, and removed, between the two.
        let turn = Turn::take(shared).await?;
        let result = begin_to_remove(shared, before_ms, &condition).await;
        turn.end().await?;
        result?;
        until_done(shared, "stain_parts").await?;
    }
    delete(shared, "stain_raw", &condition, raw).await?;
    removed.parts += parts;
    removed.raw += raw;
    Ok(())
}

/// Notes the last place, and then removes.
async fn begin_to_remove(shared: &Shared, before_ms: i64, condition: &str) -> Result<(), Fault> {
    #[derive(Row, Serialize)]
    struct Given {
        place: u64,
    }
    let place = last_place(shared, 0).await?;
    insert(shared, "stain_places", vec![Given { place }]).await?;
    for (day, places) in whole_partitions(shared, before_ms).await? {
        let sql = format!("ALTER TABLE stain_parts DROP PARTITION ({day}, {places})");
        shared.client.query(&sql).execute().await?;
    }
    if count(shared, "stain_parts", condition).await? > 0 {
        shared.client.query(&format!("ALTER TABLE stain_parts DELETE WHERE {condition}")).execute().await?;
    }
    Ok(())
}

/// The partitions of days that are over before a time.
async fn whole_partitions(shared: &Shared, before_ms: i64) -> Result<Vec<(i64, u64)>, Fault> {
    #[derive(Row, Deserialize)]
    struct Partition {
        day: i64,
        places: u64,
    }
    let sql = "SELECT toInt64(intDiv(received_ms, 86400000)) AS day, toUInt64(intDiv(place, 4194304)) AS places FROM stain_parts \
               WHERE received_ms < ? GROUP BY day, places ORDER BY day, places";
    // Before the day in which it is: no row that stays is in those. Days before 1970 are none.
    let end_ms = before_ms.div_euclid(DAY_MS) * DAY_MS;
    let rows: Vec<Partition> = shared.client.query(sql).bind(end_ms).fetch_all().await?;
    Ok(rows.into_iter().filter(|one| one.day > 0).map(|one| (one.day, one.places)).collect())
}

async fn count(shared: &Shared, table: &str, condition: &str) -> Result<u64, Fault> {
    let sql = format!("SELECT count() FROM {table} WHERE {condition}");
    Ok(one(shared.client.query(&sql)).await?)
}

/// Rows go, and are gone when it returns.
async fn delete(shared: &Shared, table: &str, condition: &str, rows: u64) -> Result<(), Fault> {
    if rows == 0 {
        return Ok(());
    }
    // Not in between the looks and the inserts of a writer.
    let turn = Turn::take(shared).await?;
    let result =
        shared.client.query(&format!("ALTER TABLE {table} DELETE WHERE {condition}")).execute().await;
    turn.end().await?;
    result?;
    until_done(shared, table).await
}

/// Waits until the rows are gone.
async fn until_done(shared: &Shared, table: &str) -> Result<(), Fault> {
    let deadline = Instant::now() + CHANGES_WITHIN;
    let sql = "SELECT count() FROM system.mutations WHERE database = currentDatabase() AND table = ? AND is_done = 0";
    while one::<u64>(shared.client.query(sql).bind(table)).await? > 0 {
        if Instant::now() > deadline {
            return Err(Fault::Store(unavailable(format!("the server still removes rows of {table}"))));
        }
        tokio::time::sleep(PAUSE).await;
    }
    Ok(())
}

/// Before when parts and raw events are to go so that no more bytes than these are left, ms since the Unix epoch; `None` where they are few enough. The bytes
/// are those that were sent, before the server makes them smaller.
async fn too_much(shared: &Shared, most: u64) -> Result<Option<i64>, Fault> {
    #[derive(Row, Deserialize)]
    struct Second {
        second: i64,
        bytes: u64,
    }
    let each = "SELECT toInt64(intDiv(received_ms, 1000)) AS second, sum(size) AS bytes FROM";
    let sql = format!(
        "SELECT second, sum(bytes) AS all_bytes FROM ({each} stain_parts FINAL GROUP BY second UNION ALL {each} stain_raw GROUP BY second) \
         GROUP BY second ORDER BY second"
    );
    let seconds: Vec<Second> = shared.client.query(&sql).fetch_all().await?;
    let mut left: u64 = seconds.iter().map(|one| one.bytes).sum();
    let mut before = None;
    for one in seconds {
        if left <= most {
            break;
        }
        left = left.saturating_sub(one.bytes);
        before = Some(one.second.saturating_add(1).saturating_mul(1000));
    }
    Ok(before)
}
