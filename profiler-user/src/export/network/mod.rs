//! An exporter to a server: two threads and the store between them. One takes what the session tells and makes batches of it, the other sends them.
//!
//! Owns: that neither waits for the other, and an end within the time that the settings allow. Refuses: knowing formats and protocols
//! ([`Encoder`], [`Transport`]).

mod intake;
mod sending;
mod shared;

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Instant;

use bytes::Bytes;
use tokio::sync::watch;

use super::courier::Attempt;
use super::settings::Delivery;
use super::store::Store;
use super::{Counted, Notify};
use crate::feed::{Attached, Receiver, SessionInfo};
use crate::sink::packet::Packet;
use crate::trace::Trace;
use intake::Intake;
use sending::Sending;
use shared::Shared;

/// Makes the body of a batch.
pub(super) trait Encoder: Send {
    /// Puts a trace into the open body. False when that cannot be, and the body is as it was.
    fn add(&mut self, trace: &Trace, info: &SessionInfo) -> bool;

    /// Bytes of the open body.
    fn bytes(&self) -> usize;

    /// Closes the open body, and opens the next.
    fn finish(&mut self, packet: &Packet, info: &SessionInfo) -> Bytes;

    /// Whether a body without traces says anything.
    fn has_beacons(&self) -> bool;

    /// Takes note of the target's processes.
    fn attached(&mut self, attached: &Attached);

    /// What there is to be sent besides traces, now and then, of which only the latest counts.
    fn extra(&mut self) -> Option<&mut dyn Extra> {
        None
    }
}

/// What is sent now and then, of which only the latest counts: metrics.
pub(super) trait Extra {
    /// Takes note of an event.
    fn event(&mut self, event: &crate::feed::FeedEvent);

    /// The body, when it is time for one; at the session's `end` it always is.
    fn due(&mut self, end: bool) -> Option<Bytes>;
}

/// Brings bodies to a server.
pub(super) trait Transport: Send {
    /// Sends a batch.
    fn send(&mut self, body: &Bytes) -> Attempt;

    /// Sends what the encoder had besides.
    fn send_extra(&mut self, body: &Bytes) -> Attempt;
}

/// A running exporter.
pub(super) struct Network {
    shared: Arc<Shared>,
    deadline: watch::Sender<Option<Instant>>,
    flush: std::time::Duration,
    intake: JoinHandle<()>,
    sending: JoinHandle<()>,
}

/// What an exporter is made of.
pub(super) struct Parts {
    pub(super) name: String,
    pub(super) delivery: Delivery,
    pub(super) store: Store,
    pub(super) encoder: Box<dyn Encoder>,
    pub(super) transport: Box<dyn Transport>,
    pub(super) deadline: watch::Sender<Option<Instant>>,
    /// Id of the stream, and seed of the jitter.
    pub(super) stream: u64,
}

impl Network {
    /// Starts both threads.
    pub(super) fn start(parts: Parts, receiver: Receiver, notify: &Notify) -> std::io::Result<Self> {
        let Parts { name, delivery, store, encoder, transport, deadline, stream } = parts;
        let flush = delivery.flush;
        let shared = Arc::new(Shared::new(store));
        let intake = Intake::new(
            receiver,
            encoder,
            delivery,
            stream,
            Arc::clone(&shared),
            Arc::clone(notify),
            name.clone(),
        );
        let sending = Sending::new(Arc::clone(&shared), transport, stream, Arc::clone(notify), name);
        let thread = |name: &str| std::thread::Builder::new().name(name.to_owned());
        Ok(Self {
            shared,
            deadline,
            flush,
            intake: thread("stain-intake").spawn(move || intake.run())?,
            sending: thread("stain-send").spawn(move || sending.run())?,
        })
    }

    pub(super) fn counted(&self) -> Arc<dyn Counted> {
        Arc::clone(&self.shared) as Arc<dyn Counted>
    }

    /// The session is over: from now on the time runs.
    pub(super) fn hurry(&self) {
        let at = Instant::now() + self.flush;
        self.shared.hurry(at);
        // Both threads may have ended already.
        let _ = self.deadline.send(Some(at));
    }

    /// Waits for the end of both threads, which [`Network::hurry`] bounds.
    pub(super) fn join(self) {
        for thread in [self.intake, self.sending] {
            if thread.join().is_err() {
                log::error!("an exporter's thread ended by a panic");
            }
        }
        // What came in after the sender had ended.
        self.shared.lock().store.close();
    }
}
