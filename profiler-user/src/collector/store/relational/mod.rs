//! The stores that are relational databases: what PostgreSQL and MySQL have in common, which is nearly all.
//!
//! Owns: tables, statements and transactions in SQL that both speak. Refuses: drivers, which each store puts behind [`Database`].

mod ids;
mod read;
mod retain;
mod rollups;
mod schema;
mod session;

mod write;

use std::time::Duration;

use async_trait::async_trait;

pub(super) use schema::{Kind, Table};
pub(super) use session::{Database, Dialect, Fault, Put, Row, Session};

use super::super::model::Part;
use super::{
    Batch, Filter, JobRow, Page, Removed, Retention, Rollup, RollupFilter, Store, StoreError, StreamRow,
    TracePage, Written,
};

/// How often a transaction is tried when others are in its way.
const TRIES: u32 = 6;
/// How long an operation may take.
const LIMIT: Duration = Duration::from_secs(60);

/// A store of tables.
#[derive(Debug)]
pub(super) struct Relational<D>(D);

impl<D: Database> Relational<D> {
    /// Makes or checks the tables.
    pub(super) async fn open(database: D) -> Result<Self, StoreError> {
        let store = Self(database);
        store.within(schema::ensure(&store.0)).await?;
        Ok(store)
    }

    /// Waits for an operation, but not for ever, and puts what went wrong into the collector's words.
    async fn within<T>(&self, operation: impl Future<Output = Result<T, Fault>>) -> Result<T, StoreError> {
        match tokio::time::timeout(LIMIT, operation).await {
            Ok(result) => result.map_err(|fault| self.told(fault)),
            Err(_) => Err(self.told(Fault::Failed(format!("no answer within {} s", LIMIT.as_secs())))),
        }
    }

    fn told(&self, fault: Fault) -> StoreError {
        let place = self.0.place().to_owned();
        match fault {
            Fault::Conflict(reason) | Fault::Failed(reason) => {
                StoreError::Unavailable { store: self.0.dialect().kind, reason }
            }
            Fault::Place(reason) => StoreError::Place { place, reason },
            Fault::Damage(reason) => StoreError::Corrupt { place, reason: reason.to_owned() },
            Fault::Store(error) => error,
        }
    }

    async fn begin(&self) -> Result<Box<dyn Session>, StoreError> {
        self.within(self.0.begin()).await
    }

    async fn write_once(&self, batch: &Batch) -> Result<Written, Fault> {
        write::write(self.0.begin().await?, batch).await
    }

    /// Tries again what gave way to others, after a while.
    async fn write_tried(&self, batch: &Batch) -> Result<Written, Fault> {
        for again in 1..TRIES {
            match self.write_once(batch).await {
                Err(Fault::Conflict(_)) => tokio::time::sleep(Duration::from_millis(5 << again)).await,
                other => return other,
            }
        }
        self.write_once(batch).await
    }
}

#[async_trait]
impl<D: Database> Store for Relational<D> {
    fn kind(&self) -> &'static str {
        self.0.dialect().kind
    }

    async fn ready(&self) -> Result<(), StoreError> {
        let mut session = self.begin().await?;
        self.within(session.rows("SELECT version FROM stain_schema", &[])).await.map(drop)
    }

    async fn write(&self, batch: &Batch) -> Result<Written, StoreError> {
        self.within(self.write_tried(batch)).await
    }

    async fn traces(&self, filter: &Filter, page: &Page) -> Result<TracePage, StoreError> {
        let mut session = self.begin().await?;
        self.within(read::traces(session.as_mut(), filter, page)).await
    }

    async fn parts(&self, job: Option<&str>, trace_id: u64) -> Result<Vec<Part>, StoreError> {
        let mut session = self.begin().await?;
        self.within(read::parts(session.as_mut(), job, trace_id)).await
    }

    async fn rollups(&self, filter: &RollupFilter) -> Result<Vec<Rollup>, StoreError> {
        let mut session = self.begin().await?;
        self.within(read::rollups(session.as_mut(), filter)).await
    }

    async fn jobs(&self) -> Result<Vec<JobRow>, StoreError> {
        let mut session = self.begin().await?;
        self.within(read::jobs(session.as_mut())).await
    }

    async fn streams(&self, limit: u32) -> Result<Vec<StreamRow>, StoreError> {
        let mut session = self.begin().await?;
        self.within(read::streams(session.as_mut(), limit)).await
    }

    async fn after(&self, place: Option<u64>, limit: u32) -> Result<(u64, Vec<(u64, Part)>), StoreError> {
        let mut session = self.begin().await?;
        self.within(read::after(session.as_mut(), place, limit)).await
    }

    async fn retain(&self, retention: &Retention) -> Result<Removed, StoreError> {
        // Not limited in time as a whole: each of its steps is short.
        retain::retain(&self.0, retention).await.map_err(|fault| self.told(fault))
    }
}
