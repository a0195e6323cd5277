//! What the two threads of an exporter share.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::export::Counted;
use crate::export::store::Store;
use crate::sink::counts::Counts;

/// The state behind the lock.
pub(super) struct State {
    pub(super) store: Store,
    /// Traces that came, those that were missed included.
    pub(super) received: u64,
    /// Traces in the open batch.
    pub(super) open: u64,
    /// Nothing more comes.
    pub(super) over: bool,
    /// By when everything has to end.
    pub(super) deadline: Option<Instant>,
    /// What is to be sent besides batches.
    pub(super) extra: Option<Bytes>,
    /// Data points that were refused of such.
    pub(super) points_refused: u64,
}

/// See the module.
pub(super) struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

impl Shared {
    pub(super) fn new(store: Store) -> Self {
        let (received, open, over, deadline, extra) = (0, 0, false, None, None);
        let state = State { store, received, open, over, deadline, extra, points_refused: 0 };
        Self { state: Mutex::new(state), changed: Condvar::new() }
    }

    /// A thread that panicked left counts that may be off by one batch, which is still better than none.
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells the other thread that there is something new.
    pub(super) fn tell(&self) {
        self.changed.notify_all();
    }

    /// Waits until there is something new, or the time is over.
    pub(super) fn wait<'a>(&self, state: MutexGuard<'a, State>, time: Duration) -> MutexGuard<'a, State> {
        self.changed.wait_timeout(state, time).unwrap_or_else(PoisonError::into_inner).0
    }

    /// From now on everything ends by then.
    pub(super) fn hurry(&self, at: Instant) {
        self.lock().deadline = Some(at);
        self.tell();
    }
}

impl Counted for Shared {
    fn counts(&self) -> Counts {
        let state = self.lock();
        let counts = state.store.counts(state.received, state.open);
        Counts { points_refused: state.points_refused, ..counts }
    }
}
