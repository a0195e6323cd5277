//! Kafka as a way in: topics that a group of collectors reads, each message once in the store.
//!
//! settings (pure) -> consumer -> read (pure) -> deliver -> the store, by the way that every request takes
//!
//! Owns: one thread a topic, what is committed when, and what becomes of messages that make no sense. Refuses: committing what the store does not have
//! durably, and losing a message in silence.

#[cfg(feature = "kafka")]
mod consumer;
#[cfg(feature = "kafka")]
mod context;
#[cfg(any(feature = "kafka", test))]
mod deliver;
mod progress;
#[cfg(any(feature = "kafka", test))]
mod read;
mod settings;
#[cfg(any(feature = "kafka", test))]
mod told;

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

pub use progress::Progress;
pub(super) use progress::put as put_metrics;
pub use settings::{FromError, Source, Start};

use super::http::Shared;

/// Topics that are being read.
#[derive(Debug, Default)]
pub struct Reading(Vec<JoinHandle<()>>);

/// Begins to read all topics of the settings, on threads of their own. They end when the collector does.
///
/// # Errors
/// When the system gives no thread.
#[cfg(feature = "kafka")]
pub fn start(shared: &Arc<Shared>) -> io::Result<Reading> {
    let runtime = tokio::runtime::Handle::current();
    let mut reading = Reading::default();
    for source in &shared.settings.sources {
        let progress = Arc::new(Progress::new(&source.name));
        shared.metrics.source(Arc::clone(&progress));
        let (source, shared, runtime) = (source.clone(), Arc::clone(shared), runtime.clone());
        let thread = std::thread::Builder::new().name("kafka".to_owned());
        reading.0.push(thread.spawn(move || consumer::run(&source, &shared, &runtime, &progress))?);
    }
    Ok(reading)
}

/// Without Kafka there are no topics in the settings.
///
/// # Errors
/// None.
#[cfg(not(feature = "kafka"))]
pub fn start(_: &Arc<Shared>) -> io::Result<Reading> {
    Ok(Reading::default())
}

impl Reading {
    /// Waits until all have ended: what is being written is written, and committed. Gives whether that was in time.
    pub async fn ended(self, time: Duration) -> bool {
        let all = tokio::task::spawn_blocking(move || {
            for thread in self.0 {
                if thread.join().is_err() {
                    log::error!("action=consume error=\"a thread that reads from Kafka ended by itself\"");
                }
            }
        });
        tokio::time::timeout(time, all).await.is_ok()
    }
}
