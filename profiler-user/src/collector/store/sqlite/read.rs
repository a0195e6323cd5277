//! Parts as they were written.

use rusqlite::{Connection, Row, Statement};

use super::error::damaged;
use super::keys;
use super::prepare::More;
use crate::collector::model::{Entry, Part, PartKey, Precision};

/// The statement that reads the part of a place.
pub(super) const PART: &str = "
SELECT part.*, shape.stages, (SELECT text FROM name WHERE id = part.job), (SELECT text FROM name WHERE id = part.tab),
    (SELECT text FROM name WHERE id = part.outcome), (SELECT text FROM name WHERE id = part.host)
FROM part JOIN shape ON shape.id = part.shape WHERE place = ?";

/// The statement that reads parts in the order of places, after one.
const AFTER: &str = "
SELECT part.*, shape.stages, (SELECT text FROM name WHERE id = part.job), (SELECT text FROM name WHERE id = part.tab),
    (SELECT text FROM name WHERE id = part.outcome), (SELECT text FROM name WHERE id = part.host)
FROM part JOIN shape ON shape.id = part.shape WHERE place > ? ORDER BY place LIMIT ?";

/// The part of a place, by [`PART`]; `None` where there is none.
pub(super) fn part(statement: &mut Statement<'_>, place: i64) -> rusqlite::Result<Option<Part>> {
    let mut rows = statement.query([place])?;
    rows.next()?.map(|row| decode(row).map(|(_, part)| part)).transpose()
}

/// The parts of these places, in that order. What was removed meanwhile is left out.
pub(super) fn parts(
    connection: &Connection,
    places: impl IntoIterator<Item = i64>,
) -> rusqlite::Result<Vec<Part>> {
    let mut statement = connection.prepare(PART)?;
    places.into_iter().filter_map(|place| part(&mut statement, place).transpose()).collect()
}

/// All parts of a trace, of one job or of all, in the order of branch and start.
pub(super) fn trace(
    connection: &Connection,
    job: Option<&str>,
    trace_id: u64,
) -> rusqlite::Result<Vec<Part>> {
    let transaction = connection.unchecked_transaction()?;
    let places = keys::places_of(connection, trace_id.cast_signed())?;
    let mut parts = parts(connection, places)?;
    transaction.commit()?;
    parts.retain(|part| part.key.trace_id == trace_id && job.is_none_or(|job| part.key.job == job));
    parts.sort_by(|a, b| (a.key.branch, a.start_ns, &a.key).cmp(&(b.key.branch, b.start_ns, &b.key)));
    Ok(parts)
}

/// Parts with their places, after a place, and where to go on from.
pub(super) fn after(
    connection: &Connection,
    place: Option<u64>,
    limit: u32,
) -> rusqlite::Result<(u64, Vec<(u64, Part)>)> {
    let Some(place) = place else {
        // The place that the next part will have, less one: the newest may have been removed.
        let sql = "SELECT number - 1 FROM counter WHERE name = 'next_place'";
        let newest: i64 = connection.query_row(sql, [], |row| row.get(0))?;
        return Ok((newest.cast_unsigned(), Vec::new()));
    };
    let mut statement = connection.prepare(AFTER)?;
    let from = i64::try_from(place).unwrap_or(i64::MAX);
    let parts: Vec<_> =
        statement.query_map(rusqlite::params![from, limit], decode)?.collect::<rusqlite::Result<_>>()?;
    let last = parts.last().map_or(place, |(place, _)| *place);
    Ok((last, parts))
}

/// A row of one of the statements above.
fn decode(row: &Row<'_>) -> rusqlite::Result<(u64, Part)> {
    let [place, trace_id, sink_task, branch] = [row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?];
    let unsigned = |number: i64| number.cast_unsigned();
    let key =
        PartKey { job: row.get(22)?, trace_id: unsigned(trace_id), sink_task, branch: unsigned(branch) };
    let start_ns = row.get(8)?;
    let precision = if row.get(13)? { Precision::Nanos } else { Precision::Millis };
    let mut part = Part {
        key,
        table: row.get(23)?,
        created_ms: row.get(6)?,
        received_ms: row.get(7)?,
        start_ns,
        end_ns: row.get(9)?,
        outcome: row.get(24)?,
        host: row.get(25)?,
        stream: row.get::<_, Option<i64>>(12)?.map(unsigned),
        precision,
        is_partial: row.get(14)?,
        shared: row.get(15)?,
        flags: Vec::new(),
        entries: entries(row.get_ref(21)?.as_str()?, row.get_ref(18)?.as_str()?, start_ns)?,
        attributes: Vec::new(),
        batches: Vec::new(),
        record_times: Vec::new(),
        payload: row.get(20)?,
    };
    if let Some(text) = row.get_ref(19)?.as_str_or_null()? {
        let more: More =
            serde_json::from_str(text).map_err(|_| damaged("what a part has besides its stamps"))?;
        more.give(&mut part);
    }
    Ok((unsigned(place), part))
}

fn entries(stages: &str, stamps: &str, start_ns: i64) -> rusqlite::Result<Vec<Entry>> {
    let stages: Vec<(u8, Option<String>)> =
        serde_json::from_str(stages).map_err(|_| damaged("a part's stages"))?;
    let stamps: Vec<(i64, i64, u32, u32)> =
        serde_json::from_str(stamps).map_err(|_| damaged("a part's stamps"))?;
    if stages.len() != stamps.len() {
        return Err(damaged("a part's stamps"));
    }
    let entry = |((code, name), (task, since, pid, tid))| Entry {
        code,
        name,
        task,
        ts_ns: i64::wrapping_add(start_ns, since),
        pid,
        tid,
    };
    Ok(stages.into_iter().zip(stamps).map(entry).collect())
}
