//! Metrics for those who scrape them, and for those who have them sent.
//!
//! Owns: a thread that adds the session's events up, and what shows them. Here a trace counts as sent once it is in the figures.

mod graphite;
mod prometheus;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

pub(super) use graphite::Graphite;
pub use prometheus::ListenError;
pub(super) use prometheus::{Listening, Prometheus};

use super::Counted;
use crate::feed::Receiver;
use crate::sink::counts::{Counts, DropReason};
use crate::sink::metrics::Metrics;

/// Figures and accounts of a session so far.
#[derive(Default)]
pub(super) struct Board {
    state: Mutex<(Metrics, Counts)>,
}

impl Board {
    /// Events are added whole: after a panic the figures still make sense.
    fn lock(&self) -> MutexGuard<'_, (Metrics, Counts)> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes what has come within some time. False when nothing more will.
    fn take(&self, receiver: &Receiver, timeout: Duration) -> bool {
        let mut events = VecDeque::new();
        let open = receiver.wait(&mut events, timeout);
        let mut state = self.lock();
        let (metrics, counts) = &mut *state;
        let before = metrics.traces();
        events.iter().for_each(|event| metrics.add(event));
        counts.sent += metrics.traces() - before;
        let missed = receiver.missed_traces();
        counts.drop_traces(DropReason::Missed, missed - counts.dropped(DropReason::Missed));
        counts.received = counts.sent + missed;
        open
    }
}

impl Counted for Board {
    fn counts(&self) -> Counts {
        self.lock().1
    }
}

/// The board as what others may look at.
pub(super) fn counted(board: &Arc<Board>) -> Arc<dyn Counted> {
    Arc::clone(board) as Arc<dyn Counted>
}
