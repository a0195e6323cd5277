//! Which traces and which rollups are asked for.

use super::super::model::Dimension;
use super::Width;

/// Which parts. What is `None` or empty does not matter. Bounds are inclusive.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// The job.
    pub job: Option<String>,
    /// The table.
    pub table: Option<String>,
    /// Received at this time or later, ms since the Unix epoch.
    pub from_ms: Option<i64>,
    /// Received at this time or earlier, ms since the Unix epoch.
    pub to_ms: Option<i64>,
    /// Has a stamp of the stage of this code.
    pub stage: Option<u8>,
    /// Has a stamp of the stage of this name.
    pub stage_name: Option<String>,
    /// How it ended.
    pub outcome: Option<String>,
    /// Has a stamp of this task.
    pub task: Option<i64>,
    /// The machine.
    pub host: Option<String>,
    /// Took at least this long from first to last stamp, ns.
    pub min_duration_ns: Option<i64>,
    /// Has each of these attributes, by name and shown value.
    pub attributes: Vec<(String, String)>,
}

/// A place in the order of pages: that of the last part of the page before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// When it was received, ms since the Unix epoch.
    pub received_ms: i64,
    /// Its trace.
    pub trace_id: u64,
    /// Its sink task.
    pub sink_task: i64,
    /// Its branch.
    pub branch: u64,
    /// Its job.
    pub job: String,
}

/// Which of the parts that fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// At most so many, 1 to 2000.
    pub limit: u32,
    /// So many are left out first: what the contract offers. A cursor is cheaper.
    pub offset: u32,
    /// Those after this place.
    pub after: Option<Cursor>,
}

/// Which rollups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RollupFilter {
    /// Of one job, or of all together.
    pub job: Option<String>,
    /// Buckets that end after this, ms since the Unix epoch.
    pub from_ms: i64,
    /// Buckets that begin before this, ms since the Unix epoch.
    pub to_ms: i64,
    /// By what they are told apart.
    pub by: Dimension,
    /// Only of this member.
    pub member: Option<String>,
    /// How wide buckets are.
    pub width: Width,
}
