//! One batch, one transaction.
//!
//! Owns: what a batch changes in each table. Whoever writes takes the counter's row first and keeps it until the commit: places become visible in their order,
//! what is found to be new is new, and no two writers wait for each other in a circle.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::super::super::model::{Part, PartKey, RawEvent};
use super::super::super::streams::StreamState;
use super::super::digest::digest;
use super::super::rollups::{Change, Gathered, Plan, RollupKey};
use super::super::sql::Value;
use super::super::{Batch, Written, body, terms};
use super::read::parts_at;
use super::rollups;
use super::schema::{COUNTER, JOBS, PARTS, RAW, STREAMS};
use super::session::{Fault, Put, Session};

/// What a row takes besides its texts and bytes, with its entries in the indexes: about what both servers need.
const ROW_BYTES: u64 = 300;

/// The counter of [`COUNTER`].
#[derive(Debug)]
pub(super) struct Counter {
    pub(super) place: i64,
    pub(super) bytes: i64,
}

impl Counter {
    /// Reads it, and makes other writers wait until the end of the transaction.
    pub(super) async fn lock(session: &mut dyn Session) -> Result<Self, Fault> {
        let sql = "SELECT place, bytes FROM stain_counter WHERE id = 1 FOR UPDATE";
        let mut row = one(session.rows(sql, &[]).await?, "the table stain_counter is empty")?;
        Ok(Self { place: row.int()?, bytes: row.int()? })
    }

    /// Writes it back.
    pub(super) async fn store(&self, session: &mut dyn Session) -> Result<(), Fault> {
        let row = vec![Value::Int(1), self.place.into(), self.bytes.into()];
        session.put(&COUNTER, &[row], Put::Replace).await
    }

    fn next_place(&mut self) -> Value {
        self.place += 1;
        Value::Int(self.place)
    }

    fn add(&mut self, bytes: usize) -> Value {
        let bytes = (bytes as u64 + ROW_BYTES).cast_signed();
        self.bytes += bytes;
        Value::Int(bytes)
    }
}

pub(super) fn one<T>(rows: Vec<T>, lack: &'static str) -> Result<T, Fault> {
    rows.into_iter().next().ok_or(Fault::Damage(lack))
}

/// See the module.
pub(super) async fn write(mut session: Box<dyn Session>, batch: &Batch) -> Result<Written, Fault> {
    let plan = Plan::of(&batch.parts);
    let writer = session.as_mut();
    let mut counter = Counter::lock(writer).await?;
    let (new, siblings) = new_parts(writer, &batch.parts).await?;
    let rows: Vec<_> = new.iter().map(|(_, part)| part_row(&mut counter, part)).collect();
    writer.put(&PARTS, &rows, Put::New).await?;
    let raw = new_raw(writer, &batch.raw).await?;
    let rows: Vec<_> = raw.into_iter().map(|(event, digest)| raw_row(&mut counter, event, digest)).collect();
    writer.put(&RAW, &rows, Put::New).await?;
    count_jobs(writer, &new).await?;
    rollups::add(writer, gathered(&plan, &new, siblings)).await?;
    see_packets(writer, batch).await?;
    counter.store(writer).await?;
    session.commit().await?;
    let repeated = (batch.parts.len() - new.len()) as u64;
    Ok(Written { new: new.len() as u64, repeated })
}

/// Parts that are put together: of one job, trace and branch.
type Journey = (String, u64, u64);

fn journey(key: &PartKey) -> Journey {
    (key.job.clone(), key.trace_id, key.branch)
}

/// Those of a batch that are new, with their indexes.
type New<'a> = Vec<(usize, &'a Part)>;

/// The parts that are not there yet, each once; and what is there of the same journeys.
async fn new_parts<'a>(
    session: &mut dyn Session,
    parts: &'a [Part],
) -> Result<(New<'a>, BTreeMap<Journey, Vec<Part>>), Fault> {
    let ids: BTreeSet<u64> = parts.iter().map(|part| part.key.trace_id).collect();
    let ids: Vec<Value> = ids.into_iter().map(Value::from).collect();
    let sql = "SELECT place, job, trace_id, sink_task, branch FROM stain_parts";
    let (mut known, mut places) = (HashSet::new(), BTreeMap::<Journey, Vec<Value>>::new());
    for mut row in session.among(sql, "trace_id", &ids).await? {
        let place = Value::Int(row.int()?);
        let (job, trace_id, sink_task, branch) = (row.text()?, row.unsigned()?, row.int()?, row.unsigned()?);
        let key = PartKey { job, trace_id, sink_task, branch };
        places.entry(journey(&key)).or_default().push(place);
        known.insert(key);
    }
    let new: New = parts.iter().enumerate().filter(|(_, part)| known.insert(part.key.clone())).collect();
    let wanted: BTreeSet<Journey> = new.iter().map(|(_, part)| journey(&part.key)).collect();
    places.retain(|journey, _| wanted.contains(journey));
    let places: Vec<Value> = places.into_values().flatten().collect();
    let mut siblings = BTreeMap::<Journey, Vec<Part>>::new();
    for part in parts_at(session, &places).await? {
        siblings.entry(journey(&part.key)).or_default().push(part);
    }
    Ok((new, siblings))
}

/// What the new parts add to the rollups, alone and together with others of their journeys.
fn gathered(
    plan: &Plan,
    new: &New<'_>,
    mut siblings: BTreeMap<Journey, Vec<Part>>,
) -> BTreeMap<RollupKey, Change> {
    let mut gathered = Gathered::new(plan);
    let mut times = HashMap::<(u64, u64), u32>::new();
    for (_, part) in new {
        *times.entry((part.key.trace_id, part.key.branch)).or_default() += 1;
    }
    for (index, part) in new {
        gathered.take(*index);
        // Nearly every journey is one part: nothing is copied for those.
        let is_alone = times.get(&(part.key.trace_id, part.key.branch)) == Some(&1);
        if is_alone && siblings.is_empty() {
            continue;
        }
        let others = siblings.entry(journey(&part.key)).or_default();
        gathered.join(others, part);
        others.push((*part).clone());
    }
    gathered.finish()
}

fn part_row(counter: &mut Counter, part: &Part) -> Vec<Value> {
    let (terms, body) = (terms::of(part), body::encode(part));
    let size = terms.len() + body.len() + part.payload.len();
    vec![
        counter.next_place(),
        part.key.job.as_str().into(),
        part.key.trace_id.into(),
        part.key.sink_task.into(),
        part.key.branch.into(),
        part.table.as_deref().into(),
        part.outcome.as_str().into(),
        part.host.as_str().into(),
        part.received_ms.into(),
        part.start_ns.into(),
        part.duration_ns().into(),
        counter.add(size),
        Value::Text(terms),
        body.into(),
        part.payload.clone().into(),
    ]
}

/// The events that are not there yet, each once, and what they are known by.
async fn new_raw<'a>(
    session: &mut dyn Session,
    raw: &'a [RawEvent],
) -> Result<Vec<(&'a RawEvent, Value)>, Fault> {
    let digests: Vec<Vec<u8>> = raw.iter().map(|event| digest(event).to_vec()).collect();
    let keys: Vec<Value> = digests.iter().cloned().map(Value::Bytes).collect();
    let mut known = HashSet::new();
    for mut row in session.among("SELECT digest FROM stain_raw", "digest", &keys).await? {
        known.insert(row.bytes()?);
    }
    let new = raw.iter().zip(digests).filter(|(_, digest)| known.insert(digest.clone()));
    Ok(new.map(|(event, digest)| (event, Value::Bytes(digest))).collect())
}

fn raw_row(counter: &mut Counter, event: &RawEvent, digest: Value) -> Vec<Value> {
    vec![
        counter.next_place(),
        event.event_type.as_str().into(),
        event.job.as_deref().into(),
        event.created_ms.into(),
        event.received_ms.into(),
        counter.add(event.body.len()),
        event.body.as_str().into(),
        digest,
    ]
}

async fn count_jobs(session: &mut dyn Session, new: &New<'_>) -> Result<(), Fault> {
    let jobs: BTreeSet<&str> = new.iter().map(|(_, part)| part.key.job.as_str()).collect();
    let jobs: Vec<Value> = jobs.into_iter().map(Value::from).collect();
    let sql = "SELECT job, parts, first_ms, last_ms FROM stain_jobs";
    let mut counts = BTreeMap::new();
    for mut row in session.among(sql, "job", &jobs).await? {
        counts.insert(row.text()?, (row.int()?, row.int()?, row.int()?));
    }
    for (_, part) in new {
        let at = part.received_ms;
        let (parts, first, last) = counts.entry(part.key.job.clone()).or_insert((0, at, at));
        (*parts, *first, *last) = (*parts + 1, at.min(*first), at.max(*last));
    }
    let row = |(job, (parts, first, last)): (String, (i64, i64, i64))| {
        vec![Value::Text(job), parts.into(), first.into(), last.into()]
    };
    let rows: Vec<_> = counts.into_iter().map(row).collect();
    session.put(&JOBS, &rows, Put::Replace).await
}

async fn see_packets(session: &mut dyn Session, batch: &Batch) -> Result<(), Fault> {
    let streams: BTreeSet<u64> = batch.packets.iter().map(|packet| packet.stream).collect();
    let streams: Vec<Value> = streams.into_iter().map(Value::from).collect();
    let sql = "SELECT job, stream, state FROM stain_streams";
    let mut states = BTreeMap::new();
    for mut row in session.among(sql, "stream", &streams).await? {
        let key = (row.text()?, row.unsigned()?);
        let state = StreamState::from_text(&row.text()?);
        states.insert(key, state.ok_or(Fault::Damage("the state of a stream cannot be read"))?);
    }
    let mut changed = BTreeSet::new();
    for packet in &batch.packets {
        let key = (packet.job.clone(), packet.stream);
        if states.entry(key.clone()).or_default().see(packet) {
            changed.insert(key);
        }
    }
    let of = states.into_iter().filter(|(key, _)| changed.contains(key));
    let rows = of.map(|((job, stream), state)| {
        vec![Value::Text(job), stream.into(), state.last_received_ms.into(), Value::Text(state.to_text())]
    });
    session.put(&STREAMS, &rows.collect::<Vec<_>>(), Put::Replace).await
}
