//! What is asked of the tables.
//!
//! Owns: the statements that read, and how rows become parts and rollups.

use std::collections::BTreeMap;

use super::super::super::model::{Part, PartKey};
use super::super::super::sketch::Sketch;
use super::super::rollups::RollupKey;
use super::super::sql::{ORDER, Value, Where, cursor};
use super::super::{Filter, JobRow, Page, Rollup, RollupFilter, StreamRow, TracePage, body};
use super::rollups::sketch;
use super::session::{Fault, Row, Session};
use super::write::one;
use super::{ids, schema};

/// The columns of a part that [`part`] reads, less its payload.
const COLUMNS: &str =
    "job, trace_id, sink_task, branch, table_id, outcome, host, received_ms, start_ns, body";

/// A part of a row of [`COLUMNS`].
fn part(row: &mut Row) -> Result<Part, Fault> {
    let (job, trace_id, sink_task, branch) = (row.text()?, row.unsigned()?, row.int()?, row.unsigned()?);
    let columns = body::Columns {
        key: PartKey { job, trace_id, sink_task, branch },
        table: row.optional_text()?,
        outcome: row.text()?,
        host: row.text()?,
        received_ms: row.int()?,
        start_ns: row.int()?,
    };
    body::decode(columns, &row.bytes()?).ok_or(Fault::Damage("the body of a part cannot be read"))
}

fn whole_part(row: &mut Row) -> Result<Part, Fault> {
    let mut part = part(row)?;
    part.payload = row.bytes()?;
    Ok(part)
}

/// See [`super::super::Store::traces`].
pub(super) async fn traces(
    session: &mut dyn Session,
    filter: &Filter,
    page: &Page,
) -> Result<TracePage, Fault> {
    let mut all = Where::of(filter, "POSITION(? IN terms) > 0");
    let total = total(session, filter, &all).await?;
    if let Some(cursor) = &page.after {
        all.after(cursor);
    }
    let limit = i64::from(page.limit);
    all.values.extend([Value::Int(limit + 1), Value::Int(page.offset.into())]);
    let sql = format!("SELECT {COLUMNS} FROM stain_parts{} ORDER BY {ORDER} LIMIT ? OFFSET ?", all.sql);
    let rows = session.rows(&sql, &all.values).await?;
    let has_more = rows.len() as i64 > limit;
    let rows = rows.into_iter().take(page.limit as usize);
    let items = rows.map(|mut row| part(&mut row)).collect::<Result<Vec<_>, _>>()?;
    let next = items.last().filter(|_| has_more).map(cursor);
    Ok(TracePage { total, items, next })
}

/// How many fit. All of a job, or of all jobs, are counted already.
async fn total(session: &mut dyn Session, filter: &Filter, all: &Where) -> Result<u64, Fault> {
    if *filter == (Filter { job: filter.job.clone(), ..Filter::default() }) {
        let jobs = jobs(session).await?;
        let those = jobs.iter().filter(|row| filter.job.as_ref().is_none_or(|job| *job == row.job));
        return Ok(those.map(|row| row.parts).sum());
    }
    let sql = format!("SELECT COUNT(*) FROM stain_parts{}", all.sql);
    one(session.rows(&sql, &all.values).await?, "nothing is counted")?.unsigned()
}

/// See [`super::super::Store::parts`].
pub(super) async fn parts(
    session: &mut dyn Session,
    job: Option<&str>,
    trace_id: u64,
) -> Result<Vec<Part>, Fault> {
    let mut all = Where::default();
    all.and("trace_id = ?", [trace_id.into()]);
    all.and_if("job = ?", job);
    let sql = format!("SELECT {COLUMNS}, payload FROM stain_parts{}", all.sql);
    let rows = session.rows(&sql, &all.values).await?;
    let mut parts = rows.into_iter().map(|mut row| whole_part(&mut row)).collect::<Result<Vec<_>, _>>()?;
    parts.sort_by(|left, right| {
        let of = |part: &Part| (part.key.branch, part.start_ns);
        of(left).cmp(&of(right)).then_with(|| left.key.cmp(&right.key))
    });
    Ok(parts)
}

/// The parts of these rows, by their places.
pub(super) async fn parts_at(session: &mut dyn Session, places: &[Value]) -> Result<Vec<Part>, Fault> {
    let sql = format!("SELECT {COLUMNS} FROM stain_parts");
    let rows = session.among(&sql, "place", places).await?;
    rows.into_iter().map(|mut row| part(&mut row)).collect()
}

/// See [`super::super::Store::rollups`].
pub(super) async fn rollups(session: &mut dyn Session, filter: &RollupFilter) -> Result<Vec<Rollup>, Fault> {
    let mut all = Where::default();
    // The first bucket of which a part is after the start.
    let first = filter.from_ms.saturating_sub(filter.width.ms()).saturating_add(1);
    all.and("id >= ?", [ids::first_id(first).into()]);
    all.and("id < ?", [ids::first_id(filter.to_ms).into()]);
    all.and("dimension = ?", [filter.by.name().into()]);
    all.and_if("job = ?", filter.job.as_deref());
    all.and_if("member = ?", filter.member.as_deref());
    let sql = format!("SELECT id, sketch FROM {}{}", schema::rollups(filter.width).name, all.sql);
    let mut sums = BTreeMap::new();
    for mut row in session.rows(&sql, &all.values).await? {
        let key = ids::key(&row.bytes()?).ok_or(Fault::Damage("the id of a rollup cannot be read"))?;
        let RollupKey { bucket_ms, hop, member, .. } = key;
        let sketch = sketch(&row.bytes()?)?;
        sums.entry((bucket_ms, hop, member)).or_insert_with(Sketch::default).merge(&sketch);
    }
    let rollup = |((bucket_ms, hop, member), sketch)| Rollup { bucket_ms, hop, member, sketch };
    Ok(sums.into_iter().map(rollup).collect())
}

/// See [`super::super::Store::jobs`].
pub(super) async fn jobs(session: &mut dyn Session) -> Result<Vec<JobRow>, Fault> {
    let sql = "SELECT job, parts, first_ms, last_ms FROM stain_jobs ORDER BY last_ms DESC, job";
    let rows = session.rows(sql, &[]).await?;
    let row = |mut row: Row| {
        Ok(JobRow { job: row.text()?, parts: row.unsigned()?, first_ms: row.int()?, last_ms: row.int()? })
    };
    rows.into_iter().map(row).collect()
}

/// See [`super::super::Store::streams`].
pub(super) async fn streams(session: &mut dyn Session, limit: u32) -> Result<Vec<StreamRow>, Fault> {
    let sql =
        "SELECT job, stream, state, last_ms FROM stain_streams ORDER BY last_ms DESC, job, stream LIMIT ?";
    let rows = session.rows(sql, &[Value::Int(limit.into())]).await?;
    let row = |mut row: Row| {
        Ok(StreamRow { job: row.text()?, stream: row.unsigned()?, state: row.text()?, last_ms: row.int()? })
    };
    rows.into_iter().map(row).collect()
}

/// See [`super::super::Store::after`].
pub(super) async fn after(
    session: &mut dyn Session,
    place: Option<u64>,
    limit: u32,
) -> Result<(u64, Vec<(u64, Part)>), Fault> {
    let Some(place) = place else {
        let sql = "SELECT place FROM stain_counter WHERE id = 1";
        let newest = one(session.rows(sql, &[]).await?, "the table stain_counter is empty")?.unsigned()?;
        return Ok((newest, Vec::new()));
    };
    let sql =
        format!("SELECT place, {COLUMNS}, payload FROM stain_parts WHERE place > ? ORDER BY place LIMIT ?");
    let (mut last, mut parts) = (place, Vec::new());
    // A place beyond all of them, of a newer copy of the database, finds nothing.
    let from = i64::try_from(place).unwrap_or(i64::MAX);
    for mut row in session.rows(&sql, &[Value::Int(from), Value::Int(limit.into())]).await? {
        last = row.unsigned()?;
        parts.push((last, whole_part(&mut row)?));
    }
    Ok((last, parts))
}
