//! Where traces are kept: one trait, which every database implements and one suite of tests checks.
//!
//! Owns: the questions that can be asked of a store, in the collector's words. Refuses: wire formats, and success before what was written is durable.

#[cfg(any(feature = "clickhouse", feature = "mysql", feature = "postgres"))]
mod body;
#[cfg(feature = "clickhouse")]
pub mod clickhouse;
mod digest;
mod error;
mod filter;
#[cfg(feature = "mysql")]
pub mod mysql;
mod open;
#[cfg(any(feature = "clickhouse", feature = "mysql", feature = "postgres"))]
mod place;
#[cfg(feature = "postgres")]
pub mod postgres;
#[cfg(any(feature = "mysql", feature = "postgres"))]
mod relational;
pub mod rollups;
#[cfg(any(feature = "clickhouse", feature = "mysql", feature = "postgres"))]
mod sql;
pub mod sqlite;
#[cfg(any(test, debug_assertions))]
pub mod suite;
#[cfg(any(feature = "clickhouse", feature = "mysql", feature = "postgres"))]
mod terms;
#[cfg(any(feature = "clickhouse", feature = "mysql", feature = "postgres"))]
#[cfg_attr(
    not(all(feature = "clickhouse", feature = "mysql", feature = "postgres")),
    allow(dead_code, reason = "each driver uses a part of it")
)]
mod tls;

use async_trait::async_trait;

pub use error::StoreError;
pub use filter::{Cursor, Filter, Page, RollupFilter};
pub use open::open;

use super::model::{Dimension, HopKey, PacketSeen, Part, RawEvent};
use super::sketch::Sketch;

/// How long one bucket of rollups is, ms, where nothing else is asked for.
pub const BUCKET_MS: i64 = Width::Seconds.ms();

/// How wide buckets of rollups are: each duration is in one of each, so that an answer about weeks is added up from few.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Width {
    /// Ten seconds.
    #[default]
    Seconds,
    /// Five minutes.
    Minutes,
    /// An hour.
    Hour,
}

impl Width {
    /// All of them, each a multiple of those before.
    pub const EACH: [Self; 3] = [Self::Seconds, Self::Minutes, Self::Hour];

    /// Those that are made of the narrowest ones.
    pub const WIDER: [Self; 2] = [Self::Minutes, Self::Hour];

    /// How long a bucket is, ms.
    #[must_use]
    pub const fn ms(self) -> i64 {
        match self {
            Self::Seconds => 10_000,
            Self::Minutes => 300_000,
            Self::Hour => 3_600_000,
        }
    }

    /// The start of the bucket in which a time is, both ms since the Unix epoch. Buckets count from the epoch on.
    #[must_use]
    pub const fn start_ms(self, ms: i64) -> i64 {
        ms.saturating_sub(ms.rem_euclid(self.ms()))
    }
}

/// What one write holds. All of it becomes durable, or none.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// Journeys. Those that are there already are left as they are.
    pub parts: Vec<Part>,
    /// Events that are no traces. Those that are there already, whenever they came, are left as they are.
    pub raw: Vec<RawEvent>,
    /// What streams said of themselves.
    pub packets: Vec<PacketSeen>,
}

/// What a write came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Parts that were new.
    pub new: u64,
    /// Parts that were there already, or twice in the batch.
    pub repeated: u64,
}

/// A page of traces, newest first.
#[derive(Clone, Debug, Default)]
pub struct TracePage {
    /// How many parts fit the filter in all.
    pub total: u64,
    /// Those of this page. Attributes, batches and payloads may be left empty: entries are there.
    pub items: Vec<Part>,
    /// Where the next page begins; `None` on the last.
    pub next: Option<Cursor>,
}

/// Durations of one kind in one bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rollup {
    /// The bucket's start, ms since the Unix epoch: of the journeys' ends by their own clocks.
    pub bucket_ms: i64,
    /// Of what.
    pub hop: HopKey,
    /// The member of the dimension that was asked for; empty for [`Dimension::All`].
    pub member: String,
    /// The durations.
    pub sketch: Sketch,
}

/// One job, and what is there of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobRow {
    /// The job.
    pub job: String,
    /// Its parts.
    pub parts: u64,
    /// When the first that is kept came, ms since the Unix epoch.
    pub first_ms: i64,
    /// When the last came.
    pub last_ms: i64,
}

/// What a stream is known by: all that its packets said, added up (see [`super::streams`]).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamRow {
    /// The job of its traces.
    pub job: String,
    /// The stream.
    pub stream: u64,
    /// The stream's state in its own stored form, made and read by the collector: stores only keep it.
    pub state: String,
    /// When its last packet came, ms since the Unix epoch.
    pub last_ms: i64,
}

/// What is removed when it is too old or too much.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retention {
    /// Parts, raw events and streams that came before this go, ms since the Unix epoch.
    pub before_ms: Option<i64>,
    /// Rollups that end before this go, ms since the Unix epoch: they are small, and may live longer.
    pub rollups_before_ms: Option<i64>,
    /// The oldest go until the store holds no more bytes than this.
    pub max_bytes: Option<u64>,
}

/// What was removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Removed {
    /// Parts.
    pub parts: u64,
    /// Raw events.
    pub raw: u64,
    /// Rollups.
    pub rollups: u64,
    /// Streams.
    pub streams: u64,
}

/// A store. Cheap to share; every method may be called from many tasks at a time.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// The word that messages and metrics use: `sqlite`, `postgres`, `mysql`, `clickhouse`.
    fn kind(&self) -> &'static str;

    /// Whether it can be asked just now. Cheap: readiness calls it.
    async fn ready(&self) -> Result<(), StoreError>;

    /// Writes a batch. Durable when it returns success: parts, their contributions to the rollups (of new parts only), raw events, and the streams' states,
    /// which are read, changed by [`super::streams`], and written in the same transaction.
    async fn write(&self, batch: &Batch) -> Result<Written, StoreError>;

    /// Parts that fit a filter, newest received first, then by trace id, sink task, branch (its 64 bits read as a signed number, as databases have them), descending,
    /// and by job in an order of the store's own.
    async fn traces(&self, filter: &Filter, page: &Page) -> Result<TracePage, StoreError>;

    /// All parts of a trace with everything in them, of one job or of all, in the order of branch and start.
    async fn parts(&self, job: Option<&str>, trace_id: u64) -> Result<Vec<Part>, StoreError>;

    /// Rollups, in the order of bucket, hop and member.
    async fn rollups(&self, filter: &RollupFilter) -> Result<Vec<Rollup>, StoreError>;

    /// The jobs, those with the latest trace first.
    async fn jobs(&self) -> Result<Vec<JobRow>, StoreError>;

    /// Streams of agents, those with the latest packet first, at most `limit`.
    async fn streams(&self, limit: u32) -> Result<Vec<StreamRow>, StoreError>;

    /// Parts in the order in which they became visible, after a place in that order, at most `limit`, each with its place: whoever asks again with the last place
    /// misses none and sees none twice, however many collectors write. The first number is the place to go on from: that of the last part, or the one that was
    /// asked with. `None` gives no part, and the place of the newest.
    async fn after(&self, place: Option<u64>, limit: u32) -> Result<(u64, Vec<(u64, Part)>), StoreError>;

    /// Removes what is too old or too much, in steps that do not hold up writers for long.
    async fn retain(&self, retention: &Retention) -> Result<Removed, StoreError>;
}

/// The dimensions' members that a contribution of a part counts for.
#[must_use]
pub fn members(part: &Part, task: i64) -> [(Dimension, Option<String>); 4] {
    let host = (!part.host.is_empty()).then(|| part.host.clone());
    [
        (Dimension::All, Some(String::new())),
        (Dimension::Task, Some(task.to_string())),
        (Dimension::Host, host),
        (Dimension::Table, part.table.clone()),
    ]
}
