//! A collector for tests: a store in memory that can be made to fail or to wait, and requests without a socket.

use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use async_trait::async_trait;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::Frame;
use serde_json::Value;
use tokio::sync::Semaphore;
use tower::ServiceExt as _;

use super::{Clock, Handles, Shared, app};
use crate::collector::model::{PacketSeen, Part, PartKey, RawEvent};
use crate::collector::settings::Settings;
use crate::collector::store::{
    Batch, Filter, JobRow, Page, Removed, Retention, Rollup, RollupFilter, Store, StoreError, StreamRow,
    TracePage, Written,
};

/// What time it is in tests, ms since the Unix epoch.
pub(crate) const NOW_MS: i64 = 1_700_000_100_000;

/// Writes only; what it holds is looked at directly.
pub(crate) struct Memory {
    pub(crate) parts: Mutex<BTreeMap<PartKey, Part>>,
    pub(crate) raw: Mutex<Vec<RawEvent>>,
    pub(crate) packets: Mutex<Vec<PacketSeen>>,
    pub(crate) writes: AtomicUsize,
    pub(crate) fails: AtomicBool,
    /// A write that holds this job fails, whatever else is in it.
    pub(crate) poison: Mutex<Option<String>>,
    /// A write takes a permit, and gives it back.
    pub(crate) gate: Semaphore,
}

impl Default for Memory {
    fn default() -> Self {
        Self {
            parts: Mutex::default(),
            raw: Mutex::default(),
            packets: Mutex::default(),
            writes: AtomicUsize::default(),
            fails: AtomicBool::default(),
            poison: Mutex::default(),
            gate: Semaphore::new(1),
        }
    }
}

impl Memory {
    fn failure(&self) -> Result<(), StoreError> {
        if self.fails.load(Ordering::SeqCst) {
            return Err(StoreError::Unavailable { store: "memory", reason: "the disk is full".to_owned() });
        }
        Ok(())
    }

    pub(crate) fn count(&self) -> usize {
        self.parts.lock().unwrap().len()
    }
}

#[async_trait]
impl Store for Memory {
    fn kind(&self) -> &'static str {
        "memory"
    }

    async fn ready(&self) -> Result<(), StoreError> {
        self.failure()
    }

    async fn write(&self, batch: &Batch) -> Result<Written, StoreError> {
        self.writes.fetch_add(1, Ordering::SeqCst);
        let _permit = self.gate.acquire().await.unwrap();
        self.failure()?;
        let poison = self.poison.lock().unwrap().clone();
        if poison.is_some_and(|job| batch.parts.iter().any(|part| part.key.job == job)) {
            return Err(StoreError::Unavailable { store: "memory", reason: "a bad row".to_owned() });
        }
        let mut parts = self.parts.lock().unwrap();
        let before = parts.len();
        for part in &batch.parts {
            parts.entry(part.key.clone()).or_insert_with(|| part.clone());
        }
        let new = (parts.len() - before) as u64;
        self.raw.lock().unwrap().extend(batch.raw.iter().cloned());
        self.packets.lock().unwrap().extend(batch.packets.iter().cloned());
        Ok(Written { new, repeated: batch.parts.len() as u64 - new })
    }

    async fn traces(&self, _: &Filter, _: &Page) -> Result<TracePage, StoreError> {
        Ok(TracePage::default())
    }

    async fn parts(&self, _: Option<&str>, _: u64) -> Result<Vec<Part>, StoreError> {
        Ok(Vec::new())
    }

    async fn rollups(&self, _: &RollupFilter) -> Result<Vec<Rollup>, StoreError> {
        Ok(Vec::new())
    }

    async fn jobs(&self) -> Result<Vec<JobRow>, StoreError> {
        Ok(Vec::new())
    }

    async fn streams(&self, _: u32) -> Result<Vec<StreamRow>, StoreError> {
        Ok(Vec::new())
    }

    async fn after(&self, _: Option<u64>, _: u32) -> Result<(u64, Vec<(u64, Part)>), StoreError> {
        Ok((0, Vec::new()))
    }

    async fn retain(&self, _: &Retention) -> Result<Removed, StoreError> {
        Ok(Removed::default())
    }
}

/// A body that comes in pieces, without its length.
pub(crate) struct Chunks {
    left: VecDeque<Bytes>,
    ends: bool,
}

impl Chunks {
    /// These pieces; then it ends, or goes on without anything.
    pub(crate) fn new<'a>(pieces: impl Iterator<Item = &'a [u8]>, ends: bool) -> Self {
        Self { left: pieces.map(Bytes::copy_from_slice).collect(), ends }
    }
}

impl hyper::body::Body for Chunks {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.left.pop_front() {
            Some(piece) => Poll::Ready(Some(Ok(Frame::data(piece)))),
            None if self.ends => Poll::Ready(None),
            None => Poll::Pending,
        }
    }
}

/// A collector without a socket.
pub(crate) struct Collector {
    pub(crate) store: Arc<Memory>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) handles: Handles,
    pub(crate) app: Router,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// The sentence of an error.
    pub(crate) fn sentence(&self) -> String {
        self.json()["error"].as_str().unwrap_or_default().to_owned()
    }
}

impl Collector {
    /// Starts one with these settings.
    pub(crate) fn start(settings: Settings) -> Self {
        let store = Arc::new(Memory::default());
        let (shared, handles) =
            Shared::start(Arc::clone(&store) as Arc<dyn Store>, settings, Clock::of(|| NOW_MS));
        let app = app(&shared);
        Self { store, shared, handles, app }
    }

    pub(crate) async fn ask(&self, request: Request<Body>) -> Answer {
        let response = self.app.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes().to_vec();
        Answer { status: parts.status, headers: parts.headers, body }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask(Request::get(path).body(Body::empty()).unwrap()).await
    }

    /// Posts events.
    pub(crate) async fn post(&self, body: impl Into<Body>) -> Answer {
        self.ask(Request::post("/ingest").body(body.into()).unwrap()).await
    }

    /// The value of a series of `/metrics`; 0 where there is none.
    pub(crate) fn metric(&self, series: &str) -> u64 {
        let text = self.shared.metrics.text();
        let line =
            text.lines().find_map(|line| line.strip_prefix("st_trace_collector_")?.strip_prefix(series));
        line.map_or(0, |value| value.trim().parse().unwrap())
    }
}
