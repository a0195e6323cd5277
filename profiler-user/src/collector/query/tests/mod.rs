//! The routes over a store in memory.

mod answers;
mod figures;
mod live;
mod openapi;
mod schema;

use std::sync::Arc;

use axum::Router;

use super::context::Context;
use super::routes;
use super::testing::{MemoryStore, START_MS, ask};
use crate::collector::http::{Clock, Metrics};
use crate::collector::live::Hub;
use crate::collector::mapping::Mapping;
use crate::collector::model::Part;

/// A context whose clock stands half an hour after the first journeys.
pub(super) fn context(parts: Vec<Part>) -> (Context, Arc<MemoryStore>) {
    let store = Arc::new(MemoryStore::with(parts));
    let shared = Arc::<MemoryStore>::clone(&store);
    let clock = Clock::of(|| START_MS + 1_800_000);
    let hub = Hub::new(Arc::<MemoryStore>::clone(&store), tokio::sync::watch::channel(0).1);
    (Context::new(shared, Arc::<Metrics>::default(), clock, hub, Mapping::new(None)), store)
}

pub(super) fn router(parts: Vec<Part>) -> (Router, Arc<MemoryStore>) {
    let (context, store) = context(parts);
    (routes::<Context>().with_state(context), store)
}

/// What is told with a status.
async fn told(router: &Router, path: &str) -> (u16, String) {
    let (status, answer) = ask(router, path).await;
    (status, answer["error"].as_str().unwrap_or_default().to_owned())
}
