//! One batch, in one turn.
//!
//! Owns: the order of the inserts. Hops come first, and take each other's place if the batch comes again; then the parts, in one insert, which is when they are
//! there; then what may come again without harm.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::atomic::Ordering;

use clickhouse::Row;
use serde::{Deserialize, Serialize};

use super::Shared;
use super::error::Fault;
use super::hops;
use super::lock::Turn;
use super::read::{one, parts_of};
use super::rows::{PartRow, RawRow, StreamStateRow};
use super::schema::PLACES;
use crate::collector::model::{Part, PartKey};
use crate::collector::store::{Batch, Written};
use crate::collector::streams::StreamState;

/// Ids in one statement: well below what a server reads of one (`max_query_size`, 256 KiB).
const IDS: usize = 4000;

/// A list in a statement: `(1,2,3)`.
pub(super) struct List<'l>(pub(super) &'l [u64]);

impl Serialize for List<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeTuple as _;
        let mut tuple = serializer.serialize_tuple(self.0.len())?;
        for id in self.0 {
            tuple.serialize_element(id)?;
        }
        tuple.end()
    }
}

/// See the module.
pub(super) async fn write(shared: &Shared, batch: &Batch) -> Result<Written, Fault> {
    let turn = Turn::take(shared).await?;
    let result = write_locked(shared, &turn, batch).await;
    let ended = turn.end().await;
    let written = result?;
    // What was written is there; the turn that could not be given back ends by itself.
    drop(ended);
    Ok(written)
}

async fn write_locked(shared: &Shared, turn: &Turn<'_>, batch: &Batch) -> Result<Written, Fault> {
    let known = known(shared, &batch.parts).await?;
    let mut seen: HashSet<&PartKey> = known.iter().collect();
    let new: Vec<&Part> = batch.parts.iter().filter(|part| seen.insert(&part.key)).collect();
    if !new.is_empty() {
        let siblings = siblings(shared, &known, &new).await?;
        let first = first_place(shared, new.len() as u64).await?;
        insert(shared, "stain_hops", hops::rows(&new, siblings, first)).await?;
        turn.check()?;
        let rows = (first..).zip(&new).map(|(place, part)| PartRow::new(part, place)).collect();
        insert(shared, "stain_parts", rows).await?;
        shared.place.fetch_max(first + new.len() as u64 - 1, Ordering::Relaxed);
    }
    see_packets(shared, batch).await?;
    insert(shared, "stain_raw", new_raw(shared, batch).await?).await?;
    let repeated = (batch.parts.len() - new.len()) as u64;
    Ok(Written { new: new.len() as u64, repeated })
}

/// The events that are no traces and not there yet, each once.
async fn new_raw(shared: &Shared, batch: &Batch) -> Result<Vec<RawRow>, Fault> {
    let rows: Vec<RawRow> = batch.raw.iter().map(RawRow::from).collect();
    let lows: Vec<u64> = rows.iter().map(|row| row.digest_low).collect();
    let mut known = HashSet::new();
    for lows in lows.chunks(IDS) {
        let sql = "SELECT digest_high, digest_low FROM stain_raw WHERE digest_low IN ?";
        let found: Vec<(u64, u64)> = shared.client.query(sql).bind(List(lows)).fetch_all().await?;
        known.extend(found);
    }
    Ok(rows.into_iter().filter(|row| known.insert((row.digest_high, row.digest_low))).collect())
}

pub(super) async fn insert<T>(shared: &Shared, table: &str, rows: Vec<T>) -> Result<(), Fault>
where
    T: Serialize + for<'r> Row<Value<'r> = T>,
{
    if rows.is_empty() {
        return Ok(());
    }
    let mut insert = shared.client.insert::<T>(table).await?;
    for row in rows {
        insert.write(&row).await?;
    }
    Ok(insert.end().await?)
}

#[derive(Row, Deserialize)]
struct KeyRow {
    job: String,
    trace_id: u64,
    sink_task: i64,
    branch: i64,
}

/// The keys that are there of the traces of these parts.
async fn known(shared: &Shared, parts: &[Part]) -> Result<Vec<PartKey>, Fault> {
    let ids: BTreeSet<u64> = parts.iter().map(|part| part.key.trace_id).collect();
    let ids: Vec<u64> = ids.into_iter().collect();
    let mut known = Vec::new();
    for ids in ids.chunks(IDS) {
        let sql = "SELECT job, trace_id, sink_task, branch FROM stain_parts WHERE trace_id IN ?";
        let rows: Vec<KeyRow> = shared.client.query(sql).bind(List(ids)).fetch_all().await?;
        known.extend(rows.into_iter().map(|KeyRow { job, trace_id, sink_task, branch }| PartKey {
            job,
            trace_id,
            sink_task,
            branch: branch.cast_unsigned(),
        }));
    }
    Ok(known)
}

/// Parts that are put together: of one job, trace and branch.
pub(super) type Journey = (String, u64, u64);

/// The journey of a part.
pub(super) fn journey(key: &PartKey) -> Journey {
    (key.job.clone(), key.trace_id, key.branch)
}

/// What is there already of the new parts' journeys.
async fn siblings(
    shared: &Shared,
    known: &[PartKey],
    new: &[&Part],
) -> Result<BTreeMap<Journey, Vec<Part>>, Fault> {
    let mut siblings = BTreeMap::<Journey, Vec<Part>>::new();
    if known.is_empty() {
        return Ok(siblings);
    }
    let wanted: HashSet<Journey> = new.iter().map(|part| journey(&part.key)).collect();
    let ids: BTreeSet<u64> =
        known.iter().filter(|key| wanted.contains(&journey(key))).map(|key| key.trace_id).collect();
    let ids: Vec<u64> = ids.into_iter().collect();
    for ids in ids.chunks(IDS) {
        for part in parts_of(shared, ids).await? {
            siblings.entry(journey(&part.key)).or_default().push(part);
        }
    }
    Ok(siblings)
}

/// The last place that was given, of those from one on.
pub(super) async fn last_place(shared: &Shared, known: u64) -> Result<u64, Fault> {
    let sql = "SELECT max(last) FROM (SELECT max(place) AS last FROM stain_parts WHERE place >= ? UNION ALL SELECT max(place) AS last FROM stain_places)";
    Ok(one(shared.client.query(sql).bind(known)).await?)
}

/// The first of so many places that follow all that were given. A batch's are in one partition, so that they are seen together.
async fn first_place(shared: &Shared, count: u64) -> Result<u64, Fault> {
    let known = shared.place.load(Ordering::Relaxed);
    let first = last_place(shared, known).await?.max(known) + 1;
    let end_of_partition = first.next_multiple_of(PLACES);
    Ok(if first + count > end_of_partition { end_of_partition } else { first })
}

async fn see_packets(shared: &Shared, batch: &Batch) -> Result<(), Fault> {
    let streams: BTreeSet<u64> = batch.packets.iter().map(|packet| packet.stream).collect();
    let streams: Vec<u64> = streams.into_iter().collect();
    let mut states = BTreeMap::new();
    for streams in streams.chunks(IDS) {
        let sql = "SELECT job, stream, state, last_ms, rank FROM stain_streams FINAL WHERE stream IN ?";
        let rows: Vec<StreamStateRow> = shared.client.query(sql).bind(List(streams)).fetch_all().await?;
        for row in rows {
            let state = StreamState::from_text(&row.state);
            let state = state.ok_or(Fault::Damage("the state of a stream cannot be read"))?;
            states.insert((row.job, row.stream), (state, row.rank));
        }
    }
    let mut changed = BTreeSet::new();
    for packet in &batch.packets {
        let key = (packet.job.clone(), packet.stream);
        if states.entry(key.clone()).or_default().0.see(packet) {
            changed.insert(key);
        }
    }
    let of = states.into_iter().filter(|(key, _)| changed.contains(key));
    let rows = of.map(|((job, stream), (state, rank))| StreamStateRow {
        job,
        stream,
        state: state.to_text(),
        last_ms: state.last_received_ms,
        rank: rank + 1,
    });
    insert(shared, "stain_streams", rows.collect()).await
}
