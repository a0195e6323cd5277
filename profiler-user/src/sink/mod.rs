//! Where traces and the session's results go: formats and the rules that every destination keeps.
//!
//! Owns: the [`Sink`] contract and what a session comes to ([`Session`]). Formats are pure: they turn values into text or bytes.
//! Refuses: losing a trace in silence. Every sink counts received = sent + dropped.

mod change;
mod changed;
pub mod counts;
pub mod ctf;
pub mod event;
pub mod html;
pub mod jsonl;
pub mod markdown;
pub mod metrics;
pub mod otlp;
pub mod packet;
pub mod proto;
pub mod report;
pub mod sttr;
pub mod units;
pub mod viewer;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

pub use change::{Change, Setting};
pub use changed::Changes;
use profiler_common::StageCode;

use crate::feed::SessionInfo;
use crate::ledger::Ledger;
use crate::stats::{Cost, Stats};
use crate::trace::Trace;

/// Traces that came to a sink and what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SinkCounts {
    /// Given to the sink.
    pub received: u64,
    /// Handed on to the destination, as far as its writer says.
    pub sent: u64,
    /// Not handed on, and never to be.
    pub dropped: u64,
}

impl SinkCounts {
    /// Received and still in the sink's bounded buffer. 0 after a flush, whether that failed or not.
    #[must_use]
    pub const fn pending(&self) -> u64 {
        self.received.saturating_sub(self.sent).saturating_sub(self.dropped)
    }
}

/// What a spec calls its things.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    /// Its stages, by their index.
    pub stages: Vec<String>,
    /// The attributes of each stage, by their number there.
    pub attributes: Vec<Vec<String>>,
    /// Its own outcomes, by their number.
    pub outcomes: Vec<String>,
}

impl From<&SessionInfo> for Names {
    fn from(info: &SessionInfo) -> Self {
        Self {
            stages: info.stages.iter().map(|stage| stage.name.clone()).collect(),
            attributes: info.stages.iter().map(|stage| stage.attributes.clone()).collect(),
            outcomes: info.outcomes.clone(),
        }
    }
}

impl Names {
    /// The name of an attribute; empty for one that the spec does not have.
    #[must_use]
    pub fn attribute(&self, stage: usize, index: usize) -> &str {
        self.attributes.get(stage).and_then(|names| names.get(index)).map_or("", String::as_str)
    }
}

/// A switch shared with whoever writes to a destination: once it is on, a write that finds no room is to fail soon, not to wait.
#[derive(Clone, Debug, Default)]
pub struct Hurry(Arc<AtomicBool>);

impl Hurry {
    /// Switches it on, for good.
    pub fn begin(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether it is on.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// A destination of traces.
pub trait Sink {
    /// Takes a trace. It is counted as received whatever happens to it.
    ///
    /// # Errors
    /// When the destination failed; what it could not take is counted as dropped.
    fn trace(&mut self, trace: &Trace) -> Result<(), SinkError>;

    /// Hands everything on that is still buffered.
    ///
    /// # Errors
    /// As for [`Sink::trace`].
    fn flush(&mut self) -> Result<(), SinkError>;

    /// Takes what the session came to, after its last trace, and hands everything on.
    ///
    /// # Errors
    /// As for [`Sink::trace`].
    fn finish(&mut self, session: &Session<'_>) -> Result<(), SinkError>;

    /// What became of the traces so far.
    fn counts(&self) -> SinkCounts;

    /// The switch of its writer, where that can be made to hurry.
    fn hurry(&self) -> Option<Hurry> {
        None
    }
}

/// Why a sink failed.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// The destination's writer failed.
    #[error("cannot write to {destination}: {source}; {dropped} traces not delivered so far")]
    Write {
        /// What the user knows it by.
        destination: String,
        /// Traces dropped so far, this failure's included.
        dropped: u64,
        /// What the system said.
        source: std::io::Error,
    },
    /// It failed before, and takes nothing more: what follows a torn line would not be readable.
    #[error("{destination} is closed after a failed write; {dropped} traces not delivered so far")]
    Closed {
        /// What the user knows it by.
        destination: String,
        /// Traces dropped so far.
        dropped: u64,
    },
    /// A value that the format cannot hold. Never expected.
    #[error("cannot format for {destination}: {source}; {dropped} traces not delivered so far")]
    Format {
        /// What the user knows it by.
        destination: String,
        /// Traces dropped so far, this one included.
        dropped: u64,
        /// What the serializer said.
        source: serde_json::Error,
    },
}

/// One stage of the spec, and what was counted there. Counts are of hits, summed over its sites.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StageRow {
    /// Its code.
    pub code: StageCode,
    /// The user's name for it.
    pub name: String,
    /// The names of what is read of records there, by number.
    pub attributes: Vec<String>,
    /// How many sites it has.
    pub sites: u64,
    /// Times its probes were hit.
    pub hits: u64,
    /// Hits whose key could not be read.
    pub unreadable: u64,
    /// Hits that stamped, began or ended a trace.
    pub stamps: u64,
}

impl StageRow {
    /// What is told of the stage beside its code: its name, unless that is the code again.
    #[must_use]
    pub fn title(&self) -> &str {
        if self.code.short_name() == Some(self.name.as_str()) { "" } else { &self.name }
    }
}

/// What a session came to. Every sink shows the same.
#[derive(Clone, Copy, Debug)]
pub struct Session<'a> {
    /// What the user knows the target by: `nginx`, `/usr/sbin/nginx`.
    pub target: &'a str,
    /// The process ids that were traced.
    pub pids: &'a [u32],
    /// One record in so many was sampled at last; 0: none.
    pub rate: u64,
    /// New traces a second at most, at last; 0: no bound.
    pub budget: u32,
    /// What was changed while it ran, in the order of time.
    pub changes: &'a [Change],
    /// The stages, by their index in the spec.
    pub stages: &'a [StageRow],
    /// The hops in which a batch is filled, by the indices of their stages.
    pub fills: &'a [(usize, usize)],
    /// The names of the spec's own outcomes, by number.
    pub outcomes: &'a [String],
    /// Statistics over the traces.
    pub stats: &'a Stats,
    /// The accounts.
    pub ledger: &'a Ledger,
    /// What it cost.
    pub cost: &'a Cost,
    /// How long it was, ns.
    pub duration_ns: u64,
    /// When it began, ns of the monotonic clock: `duration_ns` counts from then.
    pub began_ns: u64,
    /// Why it ended, in a few words: `duration`, `interrupted`, `target exited`.
    pub end: &'a str,
    /// What became of the traces in each exporter, by its name.
    pub exports: &'a [(String, counts::Counts)],
}

/// What a stage is called: its code, and its name if that says more.
#[must_use]
pub fn stage_label(code: StageCode, name: &str) -> String {
    let code = code.to_string();
    if name.is_empty() || code == name { code } else { format!("{code} {name}") }
}

impl Session<'_> {
    /// The name of a stage; empty for one that the spec does not have.
    #[must_use]
    pub fn stage_name(&self, stage: usize) -> &str {
        self.stages.get(stage).map_or("", |row| row.name.as_str())
    }

    /// What a hop is called: codes and names of both its stages.
    #[must_use]
    pub fn hop_label(&self, (from, to): (usize, usize), arrow: &str) -> String {
        let side = |stage: usize| {
            self.stages.get(stage).map(|row| stage_label(row.code, &row.name)).unwrap_or_default()
        };
        format!("{} {arrow} {}", side(from), side(to))
    }

    /// The name of an attribute; empty for one that the spec does not have.
    #[must_use]
    pub fn attribute_name(&self, stage: usize, index: usize) -> &str {
        self.stages.get(stage).and_then(|row| row.attributes.get(index)).map_or("", String::as_str)
    }

    /// What is told of a stage beside its code: its name, unless that is the code again.
    #[must_use]
    pub fn stage_title(&self, stage: usize) -> &str {
        self.stages.get(stage).map_or("", StageRow::title)
    }
}

#[cfg(test)]
pub(crate) mod testing;
