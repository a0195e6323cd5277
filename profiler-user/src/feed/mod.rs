//! The one stream of events that a live session, a recording and a replay all speak.
//!
//! Owns: the events, a bounded channel that never makes the agent wait, and [`Account`], which adds events up to a [`Session`](crate::sink::Session):
//! who is shown the same events sees the same numbers. Pure: imports neither aya nor tokio, opens nothing, reads no clock.
//! Refuses: losing a trace in silence. What a reader was too slow for is counted in each tick that it gets.

mod account;
pub mod channel;
mod info;
mod place;
#[cfg(test)]
pub(crate) mod testing;
mod tick;

use std::sync::Arc;

pub use account::{Account, Probing, Totals};
pub use channel::{Hub, Receiver, Sender, channel};
pub use info::{Attached, Clock, Notice, NoticeKind, SessionInfo, SiteInfo, StageInfo};
pub use place::{Place, places};
pub use tick::{Settings, Tick, cost, stage_hits, stage_rows};

use crate::sink::Change;
use crate::trace::Trace;

/// Something that a session came to, in the order in which it happened.
///
/// `Started` comes first and once. `Attached` comes before the first trace that has a stamp of its sites. `Ended` comes last, if the session was not
/// cut off, with a tick right before it that holds the final counts.
#[derive(Clone, Debug, PartialEq)]
pub enum FeedEvent {
    /// The session begins; nothing may be attached to yet.
    Started(Arc<SessionInfo>),
    /// Processes were attached to, or sites of known ones set.
    Attached(Arc<Attached>),
    /// A sampled record's journey has ended.
    Trace(Arc<Trace>),
    /// How things stand, about once a second.
    Tick(Arc<Tick>),
    /// Something that the user is told.
    Notice(Arc<Notice>),
    /// A setting was changed.
    Changed(Change),
    /// The session is over.
    Ended(Arc<Ended>),
}

/// The end of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Why, in a few words: `duration`, `interrupted`, `target exited`.
    pub why: String,
    /// When, ns of the monotonic clock.
    pub mono_ns: u64,
}
