//! The way into the store: requests that come at the same time share one transaction, and each is answered after it. While the store writes one, the next is
//! already gathered and made ready.
//!
//! Owns: the queue and its bound. Refuses: an answer of success before the store has what was sent.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::http::StatusCode;
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::task::JoinSet;

use super::held::Hold;
use crate::collector::http::{ApiError, Metrics};
use crate::collector::store::{Batch, Store, StoreError, Written};

/// Rows of one transaction at most, roughly: what comes meanwhile shares the next one.
const MAX_ROWS: usize = 20_000;

/// Transactions at a time: one is written while the other is made ready. More would only be smaller ones.
const AT_ONCE: usize = 2;

/// Rows with which a transaction is made ready while another is written; fewer wait for more.
const ENOUGH: usize = 1000;

/// Why something was not written.
#[derive(Clone, Debug, thiserror::Error)]
pub enum WriteError {
    /// The queue is full.
    #[error("the collector has more to write than its store takes; send it again later")]
    Full,
    /// The store did not take it.
    #[error("{0}")]
    Store(Arc<StoreError>),
    /// The collector ends.
    #[error("the collector ends; send it again, to another one or later")]
    Ends,
}

impl From<WriteError> for ApiError {
    fn from(error: WriteError) -> Self {
        let status = match error {
            WriteError::Full => StatusCode::TOO_MANY_REQUESTS,
            WriteError::Store(_) | WriteError::Ends => StatusCode::SERVICE_UNAVAILABLE,
        };
        Self::new(status, error.to_string())
    }
}

struct Job {
    batch: Batch,
    /// Given back once the store has the batch.
    hold: Hold,
    answer: oneshot::Sender<Result<(), WriteError>>,
}

/// What waits in the queue.
#[derive(Debug, Default)]
struct Waiting {
    rows: AtomicUsize,
    /// Told when they are [`ENOUGH`].
    enough: Notify,
}

/// Puts batches into the queue.
#[derive(Clone)]
pub struct Writer {
    queue: mpsc::Sender<Job>,
    waiting: Arc<Waiting>,
}

/// Takes batches out of the queue.
pub struct Committer {
    queue: mpsc::Receiver<Job>,
    waiting: Arc<Waiting>,
    commits: Arc<Commits>,
}

/// What transactions need.
struct Commits {
    store: Arc<dyn Store>,
    metrics: Arc<Metrics>,
    written: watch::Sender<u64>,
}

impl Writer {
    /// A queue for so many requests, and who empties it. `written` counts the new parts.
    #[must_use]
    pub fn new(
        store: Arc<dyn Store>,
        metrics: Arc<Metrics>,
        written: watch::Sender<u64>,
        length: usize,
    ) -> (Self, Committer) {
        let (sender, queue) = mpsc::channel(length.max(1));
        let waiting = Arc::new(Waiting::default());
        let writer = Self { queue: sender, waiting: Arc::clone(&waiting) };
        (writer, Committer { queue, waiting, commits: Arc::new(Commits { store, metrics, written }) })
    }

    /// Returns once the store has the batch durably. `hold` is the memory that it takes.
    ///
    /// # Errors
    /// When it has not; some of it may be there nevertheless, which does no harm when it is sent again.
    pub async fn write(&self, batch: Batch, hold: Hold) -> Result<(), WriteError> {
        let count = rows(&batch);
        if count == 0 {
            return Ok(());
        }
        let (answer, answered) = oneshot::channel();
        // Before it is there: whoever takes it out takes it off.
        let waiting = self.waiting.rows.fetch_add(count, Ordering::Relaxed) + count;
        if let Err(error) = self.queue.try_send(Job { batch, hold, answer }) {
            self.waiting.rows.fetch_sub(count, Ordering::Relaxed);
            return Err(match error {
                mpsc::error::TrySendError::Full(_) => WriteError::Full,
                mpsc::error::TrySendError::Closed(_) => WriteError::Ends,
            });
        }
        if waiting >= ENOUGH {
            self.waiting.enough.notify_one();
        }
        answered.await.unwrap_or(Err(WriteError::Ends))
    }
}

fn rows(batch: &Batch) -> usize {
    let Batch { parts, raw, packets } = batch;
    parts.len() + raw.len() + packets.len()
}

impl Committer {
    /// Writes until nobody can put anything into the queue any more, and everything that was in it is answered.
    pub async fn run(mut self) {
        let mut running = JoinSet::new();
        loop {
            self.until_free(&mut running).await;
            let Some(first) = self.queue.recv().await else { break };
            let jobs = self.gather(first);
            let commits = Arc::clone(&self.commits);
            running.spawn(async move { commits.commit(jobs).await });
        }
        while running.join_next().await.is_some() {}
    }

    /// Waits until the store has nothing to do, or until there is enough to be made ready meanwhile. Nothing is taken out of the queue before: it is what is
    /// bounded.
    async fn until_free(&self, running: &mut JoinSet<()>) {
        loop {
            while running.try_join_next().is_some() {}
            let is_enough = running.len() < AT_ONCE && self.waiting.rows.load(Ordering::Relaxed) >= ENOUGH;
            if running.is_empty() || is_enough {
                return;
            }
            tokio::select! {
                _ = running.join_next() => {}
                () = self.waiting.enough.notified(), if running.len() < AT_ONCE => {}
            }
        }
    }

    /// All that is there and can share a transaction with a job.
    fn gather(&mut self, first: Job) -> Vec<Job> {
        let mut count = rows(&first.batch);
        let mut jobs = vec![first];
        while count < MAX_ROWS
            && let Ok(next) = self.queue.try_recv()
        {
            count += rows(&next.batch);
            jobs.push(next);
        }
        self.waiting.rows.fetch_sub(count, Ordering::Relaxed);
        jobs
    }
}

impl Commits {
    async fn commit(&self, mut jobs: Vec<Job>) {
        if let [_] = jobs.as_slice() {
            return self.one_by_one(jobs).await;
        }
        let mut all = Batch::default();
        let sizes: Vec<_> = jobs.iter_mut().map(|job| move_into(&mut all, &mut job.batch)).collect();
        match self.write(&all).await {
            Ok(()) => jobs.into_iter().for_each(|job| job.answer(Ok(()))),
            Err(_) => {
                // What one of them brings may be to blame: the others are not to pay for it.
                for (job, size) in jobs.iter_mut().zip(sizes).rev() {
                    job.batch = split_off(&mut all, size);
                }
                self.one_by_one(jobs).await;
            }
        }
    }

    /// Each in a transaction of its own. A store that fails twice running is not asked again: it is not the batches' fault.
    async fn one_by_one(&self, jobs: Vec<Job>) {
        let mut failures = Vec::new();
        for job in jobs {
            let given_up = failures.last().filter(|_| failures.len() > 1).cloned();
            let result = match given_up {
                Some(error) => Err(error),
                None => self.write(&job.batch).await,
            };
            match &result {
                Ok(()) => failures.clear(),
                Err(error) => failures.push(Arc::clone(error)),
            }
            job.answer(result.map_err(WriteError::Store));
        }
    }

    async fn write(&self, batch: &Batch) -> Result<(), Arc<StoreError>> {
        match self.store.write(batch).await {
            Ok(Written { new, repeated }) => {
                self.metrics.written(new, repeated);
                if new > 0 {
                    self.written.send_modify(|count| *count += new);
                }
                Ok(())
            }
            Err(error) => {
                let table = if batch.parts.is_empty() { "st_trace_event_raw" } else { "st_trace" };
                self.metrics.write_failed(table);
                log::error!(
                    "action=write rows={} store={} error=\"{error}\"",
                    rows(batch),
                    self.store.kind()
                );
                Err(Arc::new(error))
            }
        }
    }
}

impl Job {
    fn answer(self, result: Result<(), WriteError>) {
        // The client may have gone: what it sent is written all the same.
        let _ = self.answer.send(result);
        drop(self.hold);
    }
}

/// How many parts, raw events and packets.
type Size = (usize, usize, usize);

fn move_into(all: &mut Batch, batch: &mut Batch) -> Size {
    let size = (batch.parts.len(), batch.raw.len(), batch.packets.len());
    all.parts.append(&mut batch.parts);
    all.raw.append(&mut batch.raw);
    all.packets.append(&mut batch.packets);
    size
}

/// What was moved in last.
fn split_off(all: &mut Batch, (parts, raw, packets): Size) -> Batch {
    fn last<T>(from: &mut Vec<T>, count: usize) -> Vec<T> {
        from.split_off(from.len().saturating_sub(count))
    }
    Batch {
        parts: last(&mut all.parts, parts),
        raw: last(&mut all.raw, raw),
        packets: last(&mut all.packets, packets),
    }
}
