//! What all routes share.

use std::fmt;
use std::sync::Arc;

use axum::extract::FromRef;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::answers::MOST;
use super::metrics::Metrics;
use crate::collector::ingest::{Held, Writer};
use crate::collector::live::Hub;
use crate::collector::mapping::{Engine, Mapping};
use crate::collector::query::Context;
use crate::collector::settings::Settings;
use crate::collector::store::Store;

/// The time of day. Tests set their own.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> i64 + Send + Sync>);

impl Clock {
    /// The machine's.
    #[must_use]
    pub fn system() -> Self {
        Self::of(|| jiff::Timestamp::now().as_millisecond())
    }

    /// A clock that shows what the function says, ms since the Unix epoch.
    pub fn of(now_ms: impl Fn() -> i64 + Send + Sync + 'static) -> Self {
        Self(Arc::new(now_ms))
    }

    /// Ms since the Unix epoch.
    #[must_use]
    pub fn now_ms(&self) -> i64 {
        (self.0)()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Clock({})", self.now_ms())
    }
}

/// What all routes share: `State<Arc<Shared>>` in their handlers.
pub struct Shared {
    /// Where traces are.
    pub store: Arc<dyn Store>,
    /// What was asked for.
    pub settings: Settings,
    /// What `/metrics` shows.
    pub metrics: Arc<Metrics>,
    /// The time of day.
    pub clock: Clock,
    /// The only way by which anything is written: requests that come at the same time share a transaction.
    pub writer: Writer,
    /// The memory that bodies take.
    pub held: Held,
    /// The memory that answers take.
    pub answers: Held,
    /// Changes when this collector has written new traces: a reason to ask [`Store::after`]. Others write to the same store too, so ask now and then
    /// anyhow.
    pub written: watch::Receiver<u64>,
    /// Becomes true when the collector is about to end: answers that would never end have to, then.
    pub stopping: watch::Receiver<bool>,
    /// What questions are answered from.
    pub query: Context,
}

impl FromRef<Arc<Shared>> for Context {
    fn from_ref(shared: &Arc<Shared>) -> Self {
        shared.query.clone()
    }
}

/// What ends a collector.
pub struct Handles {
    /// Send true to end.
    pub stop: watch::Sender<bool>,
    /// The task that writes. It ends when nobody shares the [`Shared`] any more.
    pub writing: JoinHandle<()>,
}

impl Shared {
    /// Starts the task that writes, on the runtime that runs just now.
    #[must_use]
    pub fn start(store: Arc<dyn Store>, settings: Settings, clock: Clock) -> (Arc<Self>, Handles) {
        Self::start_with(store, settings, clock, None)
    }

    /// The same with an engine that knows the names of tasks.
    #[must_use]
    pub fn start_with(
        store: Arc<dyn Store>,
        settings: Settings,
        clock: Clock,
        engine: Option<Engine>,
    ) -> (Arc<Self>, Handles) {
        let metrics = Arc::new(Metrics::default());
        let (written, seen) = watch::channel(0);
        let (stop, stopping) = watch::channel(false);
        let (writer, committer) =
            Writer::new(Arc::clone(&store), Arc::clone(&metrics), written, settings.limits.queue);
        let writing = tokio::spawn(committer.run());
        let (held, answers) = (Held::new(settings.limits.held), Held::new(MOST));
        let hub = Hub::new(Arc::clone(&store), seen.clone());
        let query =
            Context::new(Arc::clone(&store), Arc::clone(&metrics), clock.clone(), hub, Mapping::new(engine));
        tokio::spawn(end_live(Arc::clone(&query.hub), stopping.clone()));
        let shared =
            Self { store, settings, metrics, clock, writer, held, answers, written: seen, stopping, query };
        (Arc::new(shared), Handles { stop, writing })
    }
}

/// Ends what would never end by itself.
async fn end_live(hub: Arc<Hub>, mut stopping: watch::Receiver<bool>) {
    // Whoever could say so is gone: it is the end, too.
    let _ = stopping.wait_for(|stopping| *stopping).await;
    hub.close();
}
