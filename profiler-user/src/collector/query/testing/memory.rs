//! The store: everything by walking over everything, as a model of what stores must answer.

use std::collections::BTreeMap;
use std::sync::Mutex;

use async_trait::async_trait;

use crate::collector::model::{Dimension, HopKey, Part, PartKey, contributions};
use crate::collector::sketch::Sketch;
use crate::collector::store::rollups::bucket_ms;
use crate::collector::store::suite::fits;
use crate::collector::store::{
    Batch, Cursor, Filter, JobRow, Page, Removed, Retention, Rollup, RollupFilter, Store, StoreError,
    StreamRow, TracePage, Written, members,
};
use crate::collector::streams::StreamState;

type RollupKey = (i64, HopKey, Dimension, String, String);

#[derive(Default)]
struct Inner {
    parts: Vec<Part>,
    rollups: BTreeMap<RollupKey, Sketch>,
    streams: BTreeMap<(String, u64), StreamState>,
    /// What a broken store says; works when `None`.
    broken: Option<String>,
}

/// See the module.
#[derive(Default)]
pub(crate) struct MemoryStore(Mutex<Inner>);

impl MemoryStore {
    pub(crate) fn with(parts: Vec<Part>) -> Self {
        let store = Self::default();
        store.put(Batch { parts, ..Batch::default() });
        store
    }

    pub(crate) fn put(&self, batch: Batch) -> Written {
        let mut inner = self.0.lock().unwrap();
        let mut written = Written::default();
        for part in batch.parts {
            if inner.parts.iter().any(|known| known.key == part.key) {
                written.repeated += 1;
                continue;
            }
            written.new += 1;
            inner.count(&part);
            inner.parts.push(part);
        }
        for packet in &batch.packets {
            inner.streams.entry((packet.job.clone(), packet.stream)).or_default().see(packet);
        }
        written
    }

    pub(crate) fn break_with(&self, reason: Option<&str>) {
        self.0.lock().unwrap().broken = reason.map(str::to_owned);
    }

    fn get<T>(&self, with: impl FnOnce(&Inner) -> T) -> Result<T, StoreError> {
        let inner = self.0.lock().unwrap();
        match &inner.broken {
            Some(reason) => Err(StoreError::Unavailable { store: "memory", reason: reason.clone() }),
            None => Ok(with(&inner)),
        }
    }
}

impl Inner {
    fn count(&mut self, part: &Part) {
        let bucket_ms = bucket_ms(part.end_ns);
        for contribution in contributions(part) {
            for (dimension, member) in members(part, contribution.task) {
                let Some(member) = member else { continue };
                let key = (bucket_ms, contribution.hop.clone(), dimension, member, part.key.job.clone());
                self.rollups.entry(key).or_default().add(contribution.ns);
            }
        }
    }
}

fn cursor(part: &Part) -> Cursor {
    let PartKey { job, trace_id, sink_task, branch } = part.key.clone();
    Cursor { received_ms: part.received_ms, trace_id, sink_task, branch, job }
}

fn order(cursor: &Cursor) -> (i64, u64, i64, u64, String) {
    (cursor.received_ms, cursor.trace_id, cursor.sink_task, cursor.branch, cursor.job.clone())
}

#[async_trait]
impl Store for MemoryStore {
    fn kind(&self) -> &'static str {
        "memory"
    }

    async fn ready(&self) -> Result<(), StoreError> {
        self.get(|_| ())
    }

    async fn write(&self, batch: &Batch) -> Result<Written, StoreError> {
        self.get(|_| ())?;
        Ok(self.put(batch.clone()))
    }

    async fn traces(&self, filter: &Filter, page: &Page) -> Result<TracePage, StoreError> {
        self.get(|inner| {
            let mut all: Vec<Part> = inner.parts.iter().filter(|part| fits(part, filter)).cloned().collect();
            all.sort_by_key(|part| std::cmp::Reverse(order(&cursor(part))));
            let total = all.len() as u64;
            let behind =
                |part: &Part| page.after.as_ref().is_none_or(|after| order(&cursor(part)) < order(after));
            let mut items: Vec<Part> = all.into_iter().filter(behind).skip(page.offset as usize).collect();
            let more = items.len() > page.limit as usize;
            items.truncate(page.limit as usize);
            let next = items.last().map(cursor).filter(|_| more);
            TracePage { total, items, next }
        })
    }

    async fn parts(&self, job: Option<&str>, trace_id: u64) -> Result<Vec<Part>, StoreError> {
        self.get(|inner| {
            let fits =
                |part: &&Part| part.key.trace_id == trace_id && job.is_none_or(|job| part.key.job == job);
            let mut found: Vec<Part> = inner.parts.iter().filter(fits).cloned().collect();
            found.sort_by_key(|part| (part.key.branch, part.start_ns));
            found
        })
    }

    async fn rollups(&self, filter: &RollupFilter) -> Result<Vec<Rollup>, StoreError> {
        let RollupFilter { job, from_ms, to_ms, by, member, width } = filter;
        self.get(|inner| {
            let mut merged: BTreeMap<(i64, HopKey, String), Sketch> = BTreeMap::new();
            for ((bucket_ms, hop, dimension, of, of_job), sketch) in &inner.rollups {
                let bucket_ms = width.start_ms(*bucket_ms);
                let fits = dimension == by
                    && bucket_ms + width.ms() > *from_ms
                    && bucket_ms < *to_ms
                    && job.as_ref().is_none_or(|job| job == of_job)
                    && member.as_ref().is_none_or(|member| member == of);
                if fits {
                    merged.entry((bucket_ms, hop.clone(), of.clone())).or_default().merge(sketch);
                }
            }
            let rollup = |((bucket_ms, hop, member), sketch)| Rollup { bucket_ms, hop, member, sketch };
            merged.into_iter().map(rollup).collect()
        })
    }

    async fn jobs(&self) -> Result<Vec<JobRow>, StoreError> {
        self.get(|inner| {
            let mut rows: BTreeMap<&str, JobRow> = BTreeMap::new();
            for part in &inner.parts {
                let (job, at) = (part.key.job.clone(), part.received_ms);
                let fresh = JobRow { job, parts: 0, first_ms: at, last_ms: at };
                let row = rows.entry(&part.key.job).or_insert(fresh);
                row.parts += 1;
                (row.first_ms, row.last_ms) = (row.first_ms.min(at), row.last_ms.max(at));
            }
            let mut rows: Vec<JobRow> = rows.into_values().collect();
            rows.sort_by_key(|row| std::cmp::Reverse(row.last_ms));
            rows
        })
    }

    async fn streams(&self, limit: u32) -> Result<Vec<StreamRow>, StoreError> {
        self.get(|inner| {
            let row = |((job, stream), state): (&(String, u64), &StreamState)| StreamRow {
                job: job.clone(),
                stream: *stream,
                state: state.to_text(),
                last_ms: state.last_received_ms,
            };
            let mut rows: Vec<StreamRow> = inner.streams.iter().map(row).collect();
            rows.sort_by_key(|row| std::cmp::Reverse(row.last_ms));
            rows.truncate(limit as usize);
            rows
        })
    }

    async fn after(&self, place: Option<u64>, limit: u32) -> Result<(u64, Vec<(u64, Part)>), StoreError> {
        self.get(|inner| {
            let newest = inner.parts.len() as u64;
            let from = place.unwrap_or(newest);
            let placed = (1u64..).zip(&inner.parts).filter(|(at, _)| *at > from);
            let parts: Vec<(u64, Part)> =
                placed.take(limit as usize).map(|(at, part)| (at, part.clone())).collect();
            (parts.last().map_or(from, |(at, _)| *at), parts)
        })
    }

    async fn retain(&self, _retention: &Retention) -> Result<Removed, StoreError> {
        Ok(Removed::default())
    }
}
