//! What questions are answered from.

use std::future::Future;
use std::sync::Arc;

use super::clocks::ClockBook;
use crate::collector::http::{ApiError, Clock, Metrics};
use crate::collector::live::Hub;
use crate::collector::mapping::Mapping;
use crate::collector::store::{Store, StoreError};

/// See the module.
#[derive(Clone)]
pub struct Context {
    /// Where traces are.
    pub store: Arc<dyn Store>,
    /// Where failed reads are counted.
    pub metrics: Arc<Metrics>,
    /// The time of day.
    pub clock: Clock,
    /// Who listens to live traces.
    pub hub: Arc<Hub>,
    /// The names of tasks.
    pub mapping: Arc<Mapping>,
    /// What is known of the clocks of machines.
    pub clocks: Arc<ClockBook>,
}

impl Context {
    /// A context over a store.
    #[must_use]
    pub fn new(
        store: Arc<dyn Store>,
        metrics: Arc<Metrics>,
        clock: Clock,
        hub: Arc<Hub>,
        mapping: Arc<Mapping>,
    ) -> Self {
        Self { store, metrics, clock, hub, mapping, clocks: Arc::default() }
    }

    /// Asks the store, and counts it where that fails. `what` is the word of the metric.
    pub(super) async fn read<T>(
        &self,
        what: &'static str,
        asking: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, ApiError> {
        asking.await.map_err(|error| {
            self.metrics.read_failed(what);
            ApiError::from(error)
        })
    }
}
