//! From the store to the server.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::{Shared, Transport};
use crate::export::Notify;
use crate::export::courier::{Attempt, Change, Courier, Refusal, Verdict};
use crate::export::store::Taken;

/// How often it wakes up when there is nothing to do.
const IDLE: Duration = Duration::from_secs(5);

/// The user is told of refused batches no more often.
const TELL_EVERY: Duration = Duration::from_secs(10);

/// See the module.
pub(super) struct Sending {
    shared: Arc<Shared>,
    transport: Box<dyn Transport>,
    courier: Courier,
    /// Of metrics: a destination that takes no metrics is none that takes no traces.
    extras: Courier,
    told_extras: bool,
    notify: Notify,
    name: String,
    began: Instant,
    told_refused: Option<Instant>,
}

/// What to do next.
enum Next {
    Batch(Taken),
    Extra(Bytes),
    Stop,
}

impl Sending {
    pub(super) fn new(
        shared: Arc<Shared>,
        transport: Box<dyn Transport>,
        seed: u64,
        notify: Notify,
        name: String,
    ) -> Self {
        let (courier, extras, began) = (Courier::new(seed), Courier::new(!seed), Instant::now());
        Self {
            shared,
            transport,
            courier,
            extras,
            told_extras: false,
            notify,
            name,
            began,
            told_refused: None,
        }
    }

    /// Until everything is sent and nothing more comes, or the time is over.
    pub(super) fn run(mut self) {
        loop {
            match self.next() {
                Next::Batch(taken) => {
                    if !self.send(taken) {
                        break;
                    }
                }
                Next::Extra(body) => {
                    // A later snapshot holds all that this one did.
                    self.send_extra(&body);
                }
                Next::Stop => break,
            }
        }
        self.shared.lock().store.close();
    }

    /// Waits for something to do.
    fn next(&self) -> Next {
        let mut state = self.shared.lock();
        loop {
            let now = Instant::now();
            let left = state.deadline.map(|deadline| deadline.saturating_duration_since(now));
            if left == Some(Duration::ZERO) {
                return Next::Stop;
            }
            let wait = self.courier.not_before().saturating_sub(self.began.elapsed());
            if wait.is_zero() {
                if let Some(taken) = state.store.take() {
                    return Next::Batch(taken);
                }
                let is_due = self.extras.not_before() <= self.began.elapsed();
                if let Some(body) = state.extra.take_if(|_| is_due) {
                    return Next::Extra(body);
                }
                if state.over {
                    return Next::Stop;
                }
            } else if left.is_some_and(|left| left < wait) {
                // The next try would come too late.
                return Next::Stop;
            }
            let wait = if wait.is_zero() { IDLE } else { wait };
            state = self.shared.wait(state, wait.min(left.unwrap_or(IDLE)));
        }
    }

    /// Sends a batch, and does what follows. False when no other is to be sent.
    fn send(&mut self, taken: Taken) -> bool {
        let attempt = self.transport.send(&taken.batch.body);
        let verdict = self.note(&attempt);
        let mut state = self.shared.lock();
        match (verdict, attempt) {
            (Verdict::Done, _) => state.store.sent(&taken),
            (Verdict::SetAside, attempt) => match attempt.refusal() {
                Some(refusal) => {
                    if let Err(error) = state.store.set_aside(&taken, &refusal) {
                        log::warn!("{}: a refused batch could not be set aside: {error}", self.name);
                    }
                }
                None => state.store.sent(&taken),
            },
            (Verdict::Again, _) => state.store.again(taken),
        }
        state.deadline.is_none_or(|deadline| Instant::now() < deadline)
    }

    /// Sends metrics. Tells once when they are not taken, and counts what was refused of them.
    fn send_extra(&mut self, body: &Bytes) {
        let attempt = self.transport.send_extra(body);
        let _ = self.extras.note(self.began.elapsed(), &attempt);
        let name = &self.name;
        let text = match attempt {
            Attempt::Accepted => return self.told_extras = false,
            Attempt::Warned { text } => format!("{name}: of metrics: {text}"),
            Attempt::Partly(Refusal { traces: points, reason, .. }) => {
                let mut state = self.shared.lock();
                state.points_refused = state.points_refused.saturating_add(points);
                format!("{name}: some metrics are not taken: {reason}; traces go on")
            }
            Attempt::Retry { reason, .. }
            | Attempt::Doubtful { reason, .. }
            | Attempt::Rejected { reason } => {
                format!("{name}: metrics are not taken: {reason}; traces go on")
            }
        };
        if !std::mem::replace(&mut self.told_extras, true) {
            (self.notify)(&text);
        }
    }

    fn note(&mut self, attempt: &Attempt) -> Verdict {
        let (verdict, change) = self.courier.note(self.began.elapsed(), attempt);
        if let Some(change) = change {
            self.tell(&change);
        }
        verdict
    }

    fn tell(&mut self, change: &Change) {
        let name = &self.name;
        let text = match change {
            Change::Fails(reason) => format!("{name}: {reason}; what cannot be sent is kept for later"),
            Change::Recovered => format!("{name}: takes traces again"),
            Change::Warns(text) => format!("{name}: {text}"),
            Change::Refused(reason) | Change::RefusedPart(reason) => {
                if self.told_refused.is_some_and(|told| told.elapsed() < TELL_EVERY) {
                    return;
                }
                self.told_refused = Some(Instant::now());
                let what = if matches!(change, Change::Refused(_)) { "a batch" } else { "part of a batch" };
                let aside = self.shared.lock().store.aside();
                let kept =
                    aside.map_or(String::new(), |folder| format!("; it is kept in {}", folder.display()));
                format!("{name}: {what} was refused for good: {reason}{kept}")
            }
        };
        (self.notify)(&text);
    }
}
