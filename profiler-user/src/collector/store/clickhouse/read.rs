//! What is asked of the tables, each row of a key once.

use clickhouse::error::Error;
use clickhouse::query::Query;
use clickhouse::{Row, RowOwned, RowRead};
use serde::Deserialize;

use super::Shared;
use super::error::Fault;
use super::rows::{COLUMNS, FoundRow};
use super::write::{List, last_place};
use crate::collector::model::Part;
use crate::collector::store::sql::{ORDER, Value, Where, cursor};
use crate::collector::store::{Filter, JobRow, Page, StreamRow, TracePage};

/// The first row of an answer, which is read to its end: a connection with an answer that was not cannot be used again.
pub(super) async fn first<T: RowOwned + RowRead>(query: Query) -> Result<Option<T>, Error> {
    Ok(query.fetch_all().await?.into_iter().next())
}

/// The same of an answer that has a row.
pub(super) async fn one<T: RowOwned + RowRead>(query: Query) -> Result<T, Error> {
    first(query).await?.ok_or(Error::RowNotFound)
}

async fn found(shared: &Shared, sql: &str, values: &[Value]) -> Result<Vec<(u64, Part)>, Fault> {
    let mut cursor = shared.query(sql, values).fetch::<FoundRow>()?;
    let mut parts = Vec::new();
    while let Some(row) = cursor.next().await? {
        parts.push((row.place, row.part()?));
    }
    Ok(parts)
}

/// See [`crate::collector::store::Store::traces`].
pub(super) async fn traces(shared: &Shared, filter: &Filter, page: &Page) -> Result<TracePage, Fault> {
    let mut all = Where::of(filter, "position(terms, ?) > 0");
    let sql = format!("SELECT count() FROM stain_parts FINAL{}", all.sql);
    let total: u64 = one(shared.query(&sql, &all.values)).await?;
    if let Some(after) = &page.after {
        all.after(after);
    }
    let limit = page.limit as usize;
    let (offset, rows) = (page.offset, limit + 1);
    let sql = format!(
        "SELECT {COLUMNS}, '' AS payload FROM stain_parts FINAL{} ORDER BY {ORDER} LIMIT {offset}, {rows}",
        all.sql
    );
    let found = found(shared, &sql, &all.values).await?;
    let has_more = found.len() > limit;
    let items: Vec<Part> = found.into_iter().take(limit).map(|(_, part)| part).collect();
    let next = items.last().filter(|_| has_more).map(cursor);
    Ok(TracePage { total, items, next })
}

/// See [`crate::collector::store::Store::parts`].
pub(super) async fn parts(shared: &Shared, job: Option<&str>, trace_id: u64) -> Result<Vec<Part>, Fault> {
    let mut all = Where::default();
    all.and("trace_id = ?", [trace_id.into()]);
    all.and_if("job = ?", job);
    let sql = format!("SELECT {COLUMNS}, payload FROM stain_parts FINAL{}", all.sql);
    let found = found(shared, &sql, &all.values).await?;
    let mut parts: Vec<Part> = found.into_iter().map(|(_, part)| part).collect();
    parts.sort_by(|left, right| {
        let of = |part: &Part| (part.key.branch, part.start_ns);
        of(left).cmp(&of(right)).then_with(|| left.key.cmp(&right.key))
    });
    Ok(parts)
}

/// All parts of these traces, less their payloads.
pub(super) async fn parts_of(shared: &Shared, ids: &[u64]) -> Result<Vec<Part>, Fault> {
    let sql = format!("SELECT {COLUMNS}, '' AS payload FROM stain_parts FINAL WHERE trace_id IN ?");
    let rows: Vec<FoundRow> = shared.client.query(&sql).bind(List(ids)).fetch_all().await?;
    rows.into_iter().map(FoundRow::part).collect()
}

/// See [`crate::collector::store::Store::after`].
pub(super) async fn after(
    shared: &Shared,
    place: Option<u64>,
    limit: u32,
) -> Result<(u64, Vec<(u64, Part)>), Fault> {
    let Some(place) = place else {
        return Ok((last_place(shared, 0).await?, Vec::new()));
    };
    let sql =
        format!("SELECT {COLUMNS}, payload FROM stain_parts WHERE place > ? ORDER BY place LIMIT {limit}");
    let from = i64::try_from(place).unwrap_or(i64::MAX);
    let found = found(shared, &sql, &[Value::Int(from)]).await?;
    Ok((found.last().map_or(place, |(place, _)| *place), found))
}

#[derive(Row, Deserialize)]
struct FoundJob {
    job: String,
    parts: u64,
    first_ms: i64,
    last_ms: i64,
}

/// See [`crate::collector::store::Store::jobs`].
pub(super) async fn jobs(shared: &Shared) -> Result<Vec<JobRow>, Fault> {
    let sql = "SELECT job, count() AS parts, min(received_ms) AS first_ms, max(received_ms) AS last_ms FROM stain_parts FINAL \
               GROUP BY job ORDER BY last_ms DESC, job";
    let rows: Vec<FoundJob> = shared.client.query(sql).fetch_all().await?;
    let row = |FoundJob { job, parts, first_ms, last_ms }| JobRow { job, parts, first_ms, last_ms };
    Ok(rows.into_iter().map(row).collect())
}

#[derive(Row, Deserialize)]
struct FoundStream {
    job: String,
    stream: u64,
    state: String,
    last_ms: i64,
}

/// See [`crate::collector::store::Store::streams`].
pub(super) async fn streams(shared: &Shared, limit: u32) -> Result<Vec<StreamRow>, Fault> {
    let sql = format!(
        "SELECT job, stream, state, last_ms FROM stain_streams FINAL ORDER BY last_ms DESC, job, stream LIMIT {limit}"
    );
    let rows: Vec<FoundStream> = shared.client.query(&sql).fetch_all().await?;
    let row = |FoundStream { job, stream, state, last_ms }| StreamRow { job, stream, state, last_ms };
    Ok(rows.into_iter().map(row).collect())
}
