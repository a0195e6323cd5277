//! The store of one machine: a SQLite database in a file, or in memory for tests.
//!
//! Owns: the file. A write is one transaction, on the disk when it succeeds (write-ahead log, `synchronous=FULL`). Refuses: a second collector on the
//! same file, and to touch a file that is not its own, is damaged, or is of a later version.

mod error;
mod filter;
mod keys;
mod open;
mod prepare;
mod query;
mod read;
mod retain;
mod rollup;
mod schema;
mod statements;
mod streams;
mod texts;
mod threads;
mod write;

#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;

use super::{
    Batch, Filter, JobRow, Page, Removed, Retention, Rollup, RollupFilter, Store, StoreError, StreamRow,
    TracePage, Written,
};
use crate::collector::model::Part;
use open::Place;
use prepare::Prepared;
use threads::Threads;

/// See the module. Clones share one database.
#[derive(Clone, Debug)]
pub struct SqliteStore {
    threads: Arc<Threads>,
}

impl SqliteStore {
    /// Opens the database of this file, and makes it where there is none, with its folder.
    ///
    /// # Errors
    /// When the file is damaged, of a later version, of another program, or open in another collector: then it is as it was. When it cannot be written.
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        Self::start(Place::File(path.to_owned())).await
    }

    /// A database that lives as long as the store.
    ///
    /// # Errors
    /// When no thread can be started.
    pub async fn open_in_memory() -> Result<Self, StoreError> {
        Self::start(Place::Memory).await
    }

    async fn start(place: Place) -> Result<Self, StoreError> {
        let name = place.path().to_owned();
        let started = tokio::task::spawn_blocking(|| Threads::start(place)).await;
        let threads = started.map_err(|_| error::gone(&name))??;
        Ok(Self { threads: Arc::new(threads) })
    }
}

#[async_trait]
impl Store for SqliteStore {
    fn kind(&self) -> &'static str {
        error::KIND
    }

    async fn ready(&self) -> Result<(), StoreError> {
        self.threads.read(|connection| connection.query_row("SELECT 1", [], |_| Ok(()))).await
    }

    async fn write(&self, batch: &Batch) -> Result<Written, StoreError> {
        let prepared = Prepared::of(batch);
        self.threads.write(move |writer| writer.write(&prepared)).await
    }

    async fn traces(&self, filter: &Filter, page: &Page) -> Result<TracePage, StoreError> {
        let (filter, page) = (filter.clone(), page.clone());
        self.threads.read(move |connection| query::page(connection, &filter, &page)).await
    }

    async fn parts(&self, job: Option<&str>, trace_id: u64) -> Result<Vec<Part>, StoreError> {
        let job = job.map(str::to_owned);
        self.threads.read(move |connection| read::trace(connection, job.as_deref(), trace_id)).await
    }

    async fn rollups(&self, filter: &RollupFilter) -> Result<Vec<Rollup>, StoreError> {
        let filter = filter.clone();
        self.threads.read(move |connection| rollup::list(connection, &filter)).await
    }

    async fn jobs(&self) -> Result<Vec<JobRow>, StoreError> {
        self.threads.read(query::jobs).await
    }

    async fn streams(&self, limit: u32) -> Result<Vec<StreamRow>, StoreError> {
        self.threads.read(move |connection| streams::list(connection, limit)).await
    }

    async fn after(&self, place: Option<u64>, limit: u32) -> Result<(u64, Vec<(u64, Part)>), StoreError> {
        self.threads.read(move |connection| read::after(connection, place, limit)).await
    }

    async fn retain(&self, retention: &Retention) -> Result<Removed, StoreError> {
        let mut all = Removed::default();
        let retention = *retention;
        while let Some(step) = self.threads.write(move |writer| writer.retain(&retention)).await? {
            let Removed { parts, raw, rollups, streams } = step;
            all.parts += parts;
            all.raw += raw;
            all.rollups += rollups;
            all.streams += streams;
        }
        Ok(all)
    }
}
