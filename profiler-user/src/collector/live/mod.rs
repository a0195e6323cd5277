//! New traces as they come: one reader of the store, and many clients who listen.
//!
//! Owns: the one reader, which runs while anybody listens, is woken by what this collector wrote, and looks now and then for what others wrote to the same store; the bounded queue of each client; the place in the store's order from which a client goes on. A
//! client that does not keep up is cut off, and comes back with the id of the last event it has: it then gets all that came meanwhile, once. Refuses: holding up ingest, other clients,
//! or the store for one of them.

mod body;
mod event;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

pub use body::EventStream;
pub use event::place;

use super::model::Part;
use super::store::{Store, StoreError};

/// Clients at a time.
pub const MAX_CLIENTS: usize = 256;

/// Pieces that wait for a client: each holds what one look at the store found.
const QUEUE: usize = 16;

/// Parts that one look at the store takes.
const LOOK: u32 = 500;

/// When the store is looked at.
#[derive(Clone, Copy, Debug)]
struct Pace {
    /// The least between two looks: what is written in quick succession is looked for together.
    least: Duration,
    /// How long what other collectors wrote to the store may wait.
    others: Duration,
    /// After how long without an event a comment says that the connection lives.
    keep_alive: Duration,
}

const PACE: Pace = Pace {
    least: Duration::from_millis(25),
    others: Duration::from_secs(1),
    keep_alive: Duration::from_secs(15),
};

/// How long a client that is behind may take for one piece.
const PATIENCE: Duration = Duration::from_secs(30);

/// Why nobody can listen.
#[derive(Debug, thiserror::Error)]
pub enum LiveError {
    /// Too many do.
    #[error("{} clients listen to live traces already; close one, or ask /api/v1/traces", MAX_CLIENTS)]
    Full,
    /// The collector is stopping.
    #[error("the collector is stopping; connect again when it is back")]
    Stopping,
    /// The store did not say where its order ends.
    #[error(transparent)]
    Store(#[from] StoreError),
}

struct Client {
    job: Option<String>,
    sender: mpsc::Sender<Bytes>,
}

#[derive(Default)]
struct Inner {
    clients: Vec<Client>,
    /// Clients that are reading what they missed, too.
    count: usize,
    /// All up to this in the store's order has been handed out; `None` while nobody listens.
    place: Option<u64>,
    is_closed: bool,
}

/// See the module.
pub struct Hub {
    store: Arc<dyn Store>,
    /// Changes when this collector has written.
    written: watch::Receiver<u64>,
    pace: Pace,
    inner: Mutex<Inner>,
}

impl Hub {
    /// A hub over a store. `written` changes when this collector has written traces to it.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, written: watch::Receiver<u64>) -> Arc<Self> {
        Self::with_pace(store, written, PACE)
    }

    fn with_pace(store: Arc<dyn Store>, written: watch::Receiver<u64>, pace: Pace) -> Arc<Self> {
        Arc::new(Self { store, written, pace, inner: Mutex::default() })
    }

    /// Nothing in it breaks half done: a thread that panicked left it whole.
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many listen.
    #[must_use]
    pub fn clients(&self) -> usize {
        self.inner().count
    }

    /// Ends all streams, and takes no more: the collector stops.
    pub fn close(&self) {
        let mut inner = self.inner();
        inner.is_closed = true;
        inner.clients.clear();
    }

    /// Listens to one job's traces, or to all: from now on, or from behind the place of an event on.
    ///
    /// # Errors
    /// When too many listen, or the store cannot be asked.
    pub async fn listen(
        self: &Arc<Self>,
        job: Option<String>,
        last: Option<u64>,
    ) -> Result<EventStream, LiveError> {
        let seat = Seat::take(self)?;
        let (newest, _) = self.store.after(None, 1).await?;
        let place = last.unwrap_or(newest);
        let (sender, receiver) = mpsc::channel(QUEUE);
        // Whoever is cut off before the first event goes on from here.
        drop(sender.try_send(event::hello(place)));
        self.start(newest);
        tokio::spawn(Arc::clone(self).bring_up(Client { job, sender }, place));
        Ok(EventStream::new(receiver, seat))
    }

    /// Gives a client what it missed, up to where the reader is, and hands it over to the reader there.
    async fn bring_up(self: Arc<Self>, client: Client, mut place: u64) {
        loop {
            let goal = {
                let mut inner = self.inner();
                let Some(goal) = inner.place.filter(|_| !inner.is_closed) else { return };
                if goal == place {
                    inner.clients.push(client);
                    return;
                }
                goal
            };
            if place > goal {
                // The reader has not come so far yet.
                tokio::time::sleep(self.pace.least).await;
            } else if self.bring_to(&client, place, goal).await {
                place = goal;
            } else {
                return;
            }
        }
    }

    /// Gives a client what lies between two places, and not a part more. False when it is gone, too slow, or the store does not answer.
    async fn bring_to(&self, client: &Client, mut place: u64, goal: u64) -> bool {
        while place < goal {
            let Ok((next, mut parts)) = self.store.after(Some(place), LOOK).await else { return false };
            parts.retain(|(at, _)| *at <= goal);
            let frames = event::frames(&parts, client.job.as_deref());
            if !frames.is_empty() && !sent(client, frames).await {
                return false;
            }
            // What retention has removed leaves nothing between the two.
            place = if next > place { next } else { goal };
        }
        true
    }

    /// Has the store looked at from a place on, if it is not already.
    fn start(self: &Arc<Self>, newest: u64) {
        let mut inner = self.inner();
        if inner.place.is_none() {
            inner.place = Some(newest);
            tokio::spawn(Arc::clone(self).read());
        }
    }

    /// Hands out what comes, while anybody listens.
    async fn read(self: Arc<Self>) {
        let mut written = self.written.clone();
        let mut told = Instant::now();
        while let Some(place) = self.place_while_heard() {
            // What is written from here on is a reason to look again.
            written.mark_unchanged();
            // What a store in trouble holds back comes when it is well again.
            let found = self.store.after(Some(place), LOOK).await.ok();
            let is_full = found.as_ref().is_some_and(|(_, parts)| parts.len() >= LOOK as usize);
            match found {
                Some((next, parts)) if next != place => {
                    self.hand_out(next, &parts);
                    told = Instant::now();
                }
                _ if told.elapsed() >= self.pace.keep_alive => {
                    self.inner().clients.retain(|client| offered(client, event::alive(place)));
                    told = Instant::now();
                }
                _ => {}
            }
            if !is_full {
                self.rest(&mut written).await;
            }
        }
    }

    /// Waits until this collector has written something, or others may have.
    async fn rest(&self, written: &mut watch::Receiver<u64>) {
        tokio::time::sleep(self.pace.least).await;
        let woken = tokio::time::timeout(self.pace.others, written.changed()).await;
        if let Ok(Err(_)) = woken {
            // Nobody here writes any more; others may.
            tokio::time::sleep(self.pace.others).await;
        }
    }

    /// Where the reader is; `None`, and nowhere, when nobody listens any more.
    fn place_while_heard(&self) -> Option<u64> {
        let mut inner = self.inner();
        if inner.count == 0 || inner.is_closed {
            inner.place = None;
        }
        inner.place
    }

    fn hand_out(&self, next: u64, parts: &[(u64, Part)]) {
        let mut by_job: HashMap<Option<String>, Bytes> = HashMap::new();
        let mut inner = self.inner();
        inner.clients.retain(|client| {
            let frames = by_job
                .entry(client.job.clone())
                .or_insert_with_key(|job| event::frames(parts, job.as_deref()));
            frames.is_empty() || offered(client, frames.clone())
        });
        inner.place = Some(next);
    }
}

/// Puts a piece into a client's queue, if it has room: otherwise it is cut off.
fn offered(client: &Client, piece: Bytes) -> bool {
    client.sender.try_send(piece).is_ok()
}

async fn sent(client: &Client, piece: Bytes) -> bool {
    matches!(tokio::time::timeout(PATIENCE, client.sender.send(piece)).await, Ok(Ok(())))
}

/// A client's place among those that may listen; free again when it is dropped.
pub struct Seat(Arc<Hub>);

impl Seat {
    fn take(hub: &Arc<Hub>) -> Result<Self, LiveError> {
        let mut inner = hub.inner();
        if inner.is_closed {
            return Err(LiveError::Stopping);
        }
        if inner.count >= MAX_CLIENTS {
            return Err(LiveError::Full);
        }
        inner.count += 1;
        Ok(Self(Arc::clone(hub)))
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.inner().count -= 1;
    }
}
