//! A collector from its settings to its end.
//!
//! Owns: the order in which it starts (store, then socket: whoever reaches it can be answered) and ends (no new connection, what is being answered,
//! what is to be written), and the tidying up in between. Refuses: reading flags.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use super::http::{self, Clock, Handles, Shared};
use super::kafka;
use super::mapping::{Engine, EngineError};
use super::settings::{ROLLUPS_LONGER, Settings};
use super::store::{self, Removed, Retention, StoreError};
use crate::export::http::{TlsError, tls_server_config};

/// How often what is too old is looked for, at least and at most.
const TIDY_EVERY: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(60));

/// How long brokers may take for the last commit.
const COMMITS_WITHIN: Duration = Duration::from_secs(5);

/// Why a collector does not run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Its store cannot be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Its certificate or key.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// Its address.
    #[error("{address} cannot be listened on: {source}; another collector may run there, see --listen")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// Its engine.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The system gives no threads, or no signals.
    #[error("the collector cannot start: {0}")]
    System(#[from] io::Error),
}

/// Runs until SIGINT or SIGTERM. `began` is told the address; `ending` is called at the signal, so that a second one can end the program at once.
///
/// # Errors
/// When it cannot start.
pub fn run(
    settings: Settings,
    store: &str,
    began: impl FnOnce(SocketAddr),
    ending: fn(),
) -> Result<(), RunError> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let result = runtime.block_on(all(settings, store, began, ending));
    // What blocks for longer than this is not worth waiting for: everything that was answered is written.
    runtime.shutdown_timeout(Duration::from_secs(1));
    result
}

async fn all(
    settings: Settings,
    store: &str,
    began: impl FnOnce(SocketAddr),
    ending: fn(),
) -> Result<(), RunError> {
    let tls = match &settings.tls {
        Some(files) => Some(TlsAcceptor::from(tls_server_config(&files.cert, &files.key)?)),
        None => None,
    };
    let engine = settings.engine.as_deref().map(Engine::new).transpose()?;
    let store = store::open(store).await?;
    let (limits, listen) = (settings.limits, settings.listen);
    let failed = |source| RunError::Listen { address: listen, source };
    let listener = TcpListener::bind(listen).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    let signals = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let (shared, Handles { stop, writing }) = Shared::start_with(store, settings, Clock::system(), engine);
    log::info!("action=start address={address} store={}", shared.store.kind());
    let reading = kafka::start(&shared)?;
    began(address);
    let tidying = tokio::spawn(tidy(Arc::clone(&shared)));
    let stopping = tokio::spawn(stop_on(signals, stop, ending));
    let app = http::app(&shared);
    http::serve(listener, tls, app, shared).await;
    tidying.abort();
    let _ = tidying.await;
    // A batch that is being written has as long as a request has, and then what is committed takes a moment.
    if !reading.ended(limits.stop_time + COMMITS_WITHIN).await {
        log::warn!(
            "action=stop reason=\"the brokers did not take in time how far was read; what was read last comes again\""
        );
    }
    // Nobody can put anything into the queue any more: the task comes to its end.
    if tokio::time::timeout(limits.stop_time, writing).await.is_err() {
        log::warn!(
            "action=stop reason=\"the store did not take what was left in time; its senders were not told success\""
        );
    }
    stopping.abort();
    log::info!("action=end");
    Ok(())
}

async fn stop_on((mut interrupt, mut terminate): (Signal, Signal), stop: watch::Sender<bool>, ending: fn()) {
    let name = tokio::select! {
        _ = interrupt.recv() => "SIGINT",
        _ = terminate.recv() => "SIGTERM",
    };
    log::info!("action=stop signal={name}");
    ending();
    let _ = stop.send(true);
}

/// Removes what is too old or too much, until it is stopped.
async fn tidy(shared: Arc<Shared>) {
    let Settings { retain_age, retain_bytes, .. } = shared.settings;
    if retain_age.is_none() && retain_bytes.is_none() {
        return;
    }
    let (least, most) = TIDY_EVERY;
    let every = retain_age.map_or(most, |age| (age / 10).clamp(least, most));
    let mut stopping = shared.stopping.clone();
    while !*stopping.borrow() {
        let retention = retention(shared.clock.now_ms(), retain_age, retain_bytes);
        match shared.store.retain(&retention).await {
            Ok(removed) => tell(&shared, removed),
            Err(error) => {
                shared.metrics.write_failed("retention");
                log::warn!("action=retain error=\"{error}\"");
            }
        }
        let _ = tokio::time::timeout(every, stopping.changed()).await;
    }
}

fn retention(now_ms: i64, age: Option<Duration>, max_bytes: Option<u64>) -> Retention {
    let before = |age: Duration| now_ms.saturating_sub(i64::try_from(age.as_millis()).unwrap_or(i64::MAX));
    Retention {
        before_ms: age.map(before),
        rollups_before_ms: age.map(|age| before(age.saturating_mul(ROLLUPS_LONGER))),
        max_bytes,
    }
}

fn tell(shared: &Shared, removed: Removed) {
    let Removed { parts, raw, rollups, streams } = removed;
    for (table, count) in
        [("st_trace", parts), ("st_trace_event_raw", raw), ("rollup", rollups), ("stream", streams)]
    {
        shared.metrics.removed(table, count);
    }
    if removed != Removed::default() {
        log::info!("action=retain traces={parts} raw={raw} rollups={rollups} streams={streams}");
    }
}

#[cfg(test)]
mod tests {
    use super::retention;
    use std::time::Duration;

    #[test]
    fn rollups_live_longer_than_traces() {
        let retention = retention(1_000_000, Some(Duration::from_secs(10)), Some(5));
        assert_eq!(
            (retention.before_ms, retention.rollups_before_ms, retention.max_bytes),
            (Some(990_000), Some(880_000), Some(5))
        );
    }
}
