//! Removes what is too old or too much, in steps of their own transactions: writers wait for one step at most.

use std::collections::BTreeMap;

use super::super::sql::Value;
use super::super::{Removed, Retention, Width};
use super::session::{Database, Fault, Session};
use super::write::{Counter, one};
use super::{ids, schema};

/// Rows of one step.
const STEP: usize = 1000;

/// See [`super::super::Store::retain`].
pub(super) async fn retain(database: &dyn Database, retention: &Retention) -> Result<Removed, Fault> {
    let Retention { before_ms, rollups_before_ms, max_bytes } = *retention;
    let mut removed = Removed::default();
    if let Some(before) = before_ms {
        while step(database, &mut removed, &Limit::Before(before)).await? {}
        removed.streams += streams(database, before).await?;
    }
    if let Some(bytes) = max_bytes {
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        while step(database, &mut removed, &Limit::Bytes(bytes)).await? {}
    }
    if let Some(before) = rollups_before_ms {
        for width in Width::EACH {
            while let rollups @ 1.. = rollups(database, width, before).await? {
                removed.rollups += rollups;
            }
        }
    }
    Ok(removed)
}

enum Limit {
    /// Received before this, ms since the Unix epoch.
    Before(i64),
    /// More than so many bytes.
    Bytes(i64),
}

/// One of the oldest rows of parts or raw events.
struct Old {
    place: Value,
    received_ms: i64,
    size: i64,
    /// The job of a part; `None` of a raw event.
    job: Option<String>,
}

/// One step. False when nothing is left to do.
async fn step(database: &dyn Database, removed: &mut Removed, limit: &Limit) -> Result<bool, Fault> {
    let mut session = database.begin().await?;
    let writer = session.as_mut();
    let mut counter = Counter::lock(writer).await?;
    if matches!(limit, Limit::Bytes(most) if counter.bytes <= *most) {
        return Ok(false);
    }
    let before = match limit {
        Limit::Before(before) => *before,
        Limit::Bytes(_) => i64::MAX,
    };
    let mut old = oldest(writer, before).await?;
    if let Limit::Bytes(most) = limit {
        let mut left = counter.bytes;
        old.retain(|one| {
            let goes = left > *most;
            left -= if goes { one.size } else { 0 };
            goes
        });
    }
    if old.is_empty() {
        return Ok(false);
    }
    counter.bytes -= old.iter().map(|one| one.size).sum::<i64>();
    let (parts, raw): (Vec<_>, Vec<_>) = old.into_iter().partition(|one| one.job.is_some());
    for (table, rows) in [("stain_parts", &parts), ("stain_raw", &raw)] {
        let places: Vec<_> = rows.iter().map(|one| one.place.clone()).collect();
        writer.among(&format!("DELETE FROM {table}"), "place", &places).await?;
    }
    uncount_jobs(writer, &parts).await?;
    counter.store(writer).await?;
    session.commit().await?;
    removed.parts += parts.len() as u64;
    removed.raw += raw.len() as u64;
    Ok(true)
}

/// The oldest rows, oldest first.
async fn oldest(session: &mut dyn Session, before_ms: i64) -> Result<Vec<Old>, Fault> {
    let values = [Value::Int(before_ms), Value::Int(STEP as i64)];
    let tail = "WHERE received_ms < ? ORDER BY received_ms LIMIT ?";
    let mut old = Vec::new();
    let sql = format!("SELECT place, received_ms, size, job FROM stain_parts {tail}");
    for mut row in session.rows(&sql, &values).await? {
        let (place, received_ms, size) = (Value::Int(row.int()?), row.int()?, row.int()?);
        old.push(Old { place, received_ms, size, job: Some(row.text()?) });
    }
    let sql = format!("SELECT place, received_ms, size FROM stain_raw {tail}");
    for mut row in session.rows(&sql, &values).await? {
        let (place, received_ms, size) = (Value::Int(row.int()?), row.int()?, row.int()?);
        old.push(Old { place, received_ms, size, job: None });
    }
    old.sort_by_key(|one| one.received_ms);
    old.truncate(STEP);
    Ok(old)
}

async fn uncount_jobs(session: &mut dyn Session, parts: &[Old]) -> Result<(), Fault> {
    let mut gone = BTreeMap::<&str, i64>::new();
    for job in parts.iter().filter_map(|one| one.job.as_deref()) {
        *gone.entry(job).or_default() += 1;
    }
    for (job, count) in gone {
        let first = "SELECT received_ms FROM stain_parts WHERE job = ? ORDER BY received_ms LIMIT 1";
        let first = session.rows(first, &[job.into()]).await?.into_iter().next();
        let Some(first) = first.map(|mut row| row.int()).transpose()? else {
            session.rows("DELETE FROM stain_jobs WHERE job = ?", &[job.into()]).await?;
            continue;
        };
        let sql = "UPDATE stain_jobs SET parts = parts - ?, first_ms = ? WHERE job = ?";
        session.rows(sql, &[count.into(), first.into(), job.into()]).await?;
    }
    Ok(())
}

async fn streams(database: &dyn Database, before_ms: i64) -> Result<u64, Fault> {
    let mut session = database.begin().await?;
    let writer = session.as_mut();
    Counter::lock(writer).await?;
    let count = "SELECT COUNT(*) FROM stain_streams WHERE last_ms < ?";
    let count = one(writer.rows(count, &[before_ms.into()]).await?, "nothing is counted")?.unsigned()?;
    writer.rows("DELETE FROM stain_streams WHERE last_ms < ?", &[before_ms.into()]).await?;
    session.commit().await?;
    Ok(count)
}

/// One step; gives how many went.
async fn rollups(database: &dyn Database, width: Width, before_ms: i64) -> Result<u64, Fault> {
    let mut session = database.begin().await?;
    let writer = session.as_mut();
    Counter::lock(writer).await?;
    // Buckets that end before it.
    let first_kept = ids::first_id(before_ms.saturating_sub(width.ms()));
    let table = schema::rollups(width).name;
    let sql = format!("SELECT id FROM {table} WHERE id < ? ORDER BY id LIMIT ?");
    let rows = writer.rows(&sql, &[first_kept.into(), Value::Int(STEP as i64)]).await?;
    let ids = rows.into_iter().map(|mut row| row.bytes().map(Value::Bytes)).collect::<Result<Vec<_>, _>>()?;
    writer.among(&format!("DELETE FROM {table}"), "id", &ids).await?;
    session.commit().await?;
    Ok(ids.len() as u64)
}
