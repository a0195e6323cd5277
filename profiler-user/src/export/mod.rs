//! Traces leave the agent: to files, collectors, tracing and metrics systems. `docs/export.md` is for users.
//!
//! Owns: the exporters of a session, each on threads of its own with a bounded channel, so that none waits for another or holds up tracing; and what
//! became of every trace that each was given. Formats are in `sink`, and pure. Refuses: losing a trace without counting it.

pub mod courier;
mod events;
mod file;
pub mod http;
pub(crate) mod kafka;
mod metrics;
mod network;
mod open;
mod otlp;
pub(crate) mod percent;
mod redact;
pub mod secret;
pub mod settings;
pub mod store;
pub mod url;

use std::sync::Arc;

pub use metrics::ListenError;
pub use open::{ExportError, Exports, Machine};

use crate::feed::Sender;
use crate::sink::counts::Counts;

/// Tells the user something, in one sentence.
pub type Notify = Arc<dyn Fn(&str) + Send + Sync>;

/// Something that accounts for traces.
pub trait Counted: Send + Sync {
    /// The accounts now.
    fn counts(&self) -> Counts;
}

/// The accounts of all exporters of a session, by name.
#[derive(Clone, Default)]
pub struct Accounts(Arc<Vec<(String, Arc<dyn Counted>)>>);

impl Accounts {
    /// The accounts now.
    #[must_use]
    pub fn counts(&self) -> Vec<(String, Counts)> {
        self.0.iter().map(|(name, counted)| (name.clone(), counted.counts())).collect()
    }
}

/// Exporters that run.
#[derive(Default)]
pub struct Running {
    exporters: Vec<Exporter>,
    accounts: Accounts,
}

enum Exporter {
    Network(network::Network),
    File(file::Files),
    Prometheus(metrics::Prometheus),
    Graphite(metrics::Graphite),
}

impl Running {
    /// The accounts, also while it runs.
    #[must_use]
    pub fn accounts(&self) -> Accounts {
        self.accounts.clone()
    }

    /// The session is over and its senders are dropped: waits until everything is sent, or the time for that is over, and gives the final accounts.
    #[must_use]
    pub fn finish(self) -> Vec<(String, Counts)> {
        // All at the same time: the slowest one decides how long it takes.
        for exporter in &self.exporters {
            if let Exporter::Network(network) = exporter {
                network.hurry();
            }
        }
        for exporter in self.exporters {
            match exporter {
                Exporter::Network(network) => network.join(),
                Exporter::File(files) => files.join(),
                Exporter::Prometheus(prometheus) => prometheus.join(),
                Exporter::Graphite(graphite) => graphite.join(),
            }
        }
        self.accounts.counts()
    }
}

/// What starting gives: the ends that the session sends to, and the exporters.
pub type Started = (Vec<Sender>, Running);

/// Seconds since the Unix epoch.
fn epoch_seconds() -> i64 {
    jiff::Timestamp::now().as_second()
}

#[cfg(test)]
mod tests;
