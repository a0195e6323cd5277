//! From what the session tells to batches in the store.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Encoder, Shared};
use crate::export::Notify;
use crate::export::settings::Delivery;
use crate::export::store::Batch;
use crate::feed::{FeedEvent, Receiver, SessionInfo};
use crate::sink::counts::DropReason;
use crate::sink::packet::{Losses, Stream};

/// A batch is sent when it has so many bytes, however few traces. Below what servers of gRPC take by default (4 MiB).
const BATCH_BYTES: usize = 1 << 20;

/// How often it wakes up when nothing comes.
const IDLE: Duration = Duration::from_secs(1);

/// See the module.
pub(super) struct Intake {
    receiver: Receiver,
    encoder: Box<dyn Encoder>,
    settings: Delivery,
    stream: Stream,
    shared: Arc<Shared>,
    notify: Notify,
    name: String,
    info: Option<Arc<SessionInfo>>,
    received: u64,
    missed: u64,
    /// Traces that have no form in this format, to be counted with the next batch.
    unfit: u64,
    /// When the first trace of the open batch came, and when the last packet was closed.
    opened: Option<Instant>,
    closed: Instant,
    spool_failed: bool,
}

impl Intake {
    pub(super) fn new(
        receiver: Receiver,
        encoder: Box<dyn Encoder>,
        settings: Delivery,
        stream: u64,
        shared: Arc<Shared>,
        notify: Notify,
        name: String,
    ) -> Self {
        Self {
            receiver,
            encoder,
            settings,
            stream: Stream::new(stream),
            shared,
            notify,
            name,
            info: None,
            received: 0,
            missed: 0,
            unfit: 0,
            opened: None,
            closed: Instant::now(),
            spool_failed: false,
        }
    }

    /// Until the session is over.
    pub(super) fn run(mut self) {
        let mut events = VecDeque::new();
        loop {
            let open = self.receiver.wait(&mut events, self.patience());
            for event in events.drain(..) {
                self.take(&event);
            }
            let now = Instant::now();
            if self.opened.is_some_and(|since| now.duration_since(since) >= self.settings.linger) {
                self.cut(false);
            }
            self.beacon(now);
            self.extra(false);
            self.publish();
            if !open {
                break;
            }
        }
        if self.stream.count() > 0 || self.encoder.has_beacons() {
            self.cut(true);
        }
        self.extra(true);
        self.publish();
        self.shared.lock().over = true;
        self.shared.tell();
    }

    /// How long it may sleep.
    fn patience(&self) -> Duration {
        let left = |since: Instant| self.settings.linger.saturating_sub(since.elapsed());
        self.opened.map_or(IDLE, left).min(IDLE).min(self.settings.beacon)
    }

    fn take(&mut self, event: &FeedEvent) {
        if let Some(extra) = self.encoder.extra() {
            extra.event(event);
        }
        match event {
            FeedEvent::Started(info) => self.info = Some(Arc::clone(info)),
            FeedEvent::Attached(attached) => self.encoder.attached(attached),
            FeedEvent::Trace(trace) => {
                self.received += 1;
                let Some(info) = &self.info else { return self.unfit += 1 };
                if !self.encoder.add(trace, info) {
                    return self.unfit += 1;
                }
                self.stream.add(trace);
                self.opened.get_or_insert_with(Instant::now);
                if self.stream.count() >= self.settings.batch || self.encoder.bytes() >= BATCH_BYTES {
                    self.cut(false);
                }
            }
            FeedEvent::Tick(tick) => self.stream.tick(tick),
            FeedEvent::Notice(_) | FeedEvent::Changed(_) | FeedEvent::Ended(_) => {}
        }
    }

    /// Closes the open batch and stores it.
    fn cut(&mut self, last: bool) {
        let Some(info) = self.info.clone() else { return };
        self.opened = None;
        self.closed = Instant::now();
        let packet = self.stream.cut(last, self.losses());
        let body = self.encoder.finish(&packet, &info);
        self.publish_with(Some(Batch { traces: packet.count, body }));
    }

    /// What was given up until now, those included that nobody was told of yet.
    fn losses(&self) -> Losses {
        let mut losses = self.shared.lock().store.losses();
        losses.before += self.receiver.missed_traces() - self.missed + self.unfit;
        losses
    }

    /// Says that nothing is missing: only where nothing else waits to be sent, so that a dead server gathers no beacons.
    fn beacon(&mut self, now: Instant) {
        let is_time = now.duration_since(self.closed) >= self.settings.beacon;
        if self.encoder.has_beacons()
            && is_time
            && self.stream.count() == 0
            && self.shared.lock().store.is_empty()
        {
            self.cut(false);
        }
    }

    fn extra(&mut self, end: bool) {
        if let Some(body) = self.encoder.extra().and_then(|extra| extra.due(end)) {
            self.shared.lock().extra = Some(body);
            self.shared.tell();
        }
    }

    fn publish(&mut self) {
        self.publish_with(None);
    }

    /// All counts move at once, so that the law holds whenever somebody looks.
    fn publish_with(&mut self, batch: Option<Batch>) {
        let missed = self.receiver.missed_traces();
        let mut state = self.shared.lock();
        state.received = self.received + missed;
        state.open = self.stream.count();
        state.store.drop_traces(DropReason::Missed, missed - self.missed);
        state.store.drop_traces(DropReason::Unwritable, std::mem::take(&mut self.unfit));
        self.missed = missed;
        let Some(batch) = batch else { return };
        let failed = state.store.push(batch);
        drop(state);
        self.shared.tell();
        match failed {
            Some(error) if !std::mem::replace(&mut self.spool_failed, true) => {
                (self.notify)(&format!(
                    "{}: {error}; traces that cannot be sent are kept in memory",
                    self.name
                ));
            }
            Some(_) => {}
            None => self.spool_failed = false,
        }
    }
}
