//! Answers on their way: bounded in memory for all together and in time for each, since a client may ask for much and take nothing of it.
//!
//! Of a connection of HTTP/1.1 whose client takes nothing the system tells (see `serve`). Of HTTP/2, where each stream has a window that the client alone opens,
//! and of clients that take a byte now and then, nobody would.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use hyper::body::Body as _;

use super::{ApiError, Shared};
use crate::collector::ingest::{Full, Hold};

/// Bytes of all answers that are on their way at a time.
pub(super) const MOST: usize = 64 << 20;

/// Smaller ones, bytes, are not counted: whether the collector lives, and that something was taken in, is answered whatever others do.
const SMALL: usize = 1024;

/// The answers of one connection that are on their way.
#[derive(Clone, Debug, Default)]
pub(super) struct OnTheirWay(Arc<Mutex<Began>>);

#[derive(Debug, Default)]
struct Began {
    next: u64,
    /// By their numbers, so that the first is the oldest.
    all: BTreeMap<u64, Instant>,
}

impl OnTheirWay {
    fn began(&self) -> MutexGuard<'_, Began> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self) -> u64 {
        let mut began = self.began();
        let number = began.next;
        began.next += 1;
        began.all.insert(number, Instant::now());
        number
    }

    fn oldest(&self) -> Option<Instant> {
        self.began().all.first_key_value().map(|(_, began)| *began)
    }

    /// Returns when one has been on its way for longer than it may.
    pub(super) async fn overdue(&self, limit: Duration) {
        loop {
            tokio::time::sleep(limit / 4).await;
            if self.oldest().is_some_and(|began| began.elapsed() > limit) {
                return;
            }
        }
    }
}

/// The bytes of an answer, until the connection has written them or is gone.
struct Answer {
    bytes: Bytes,
    _hold: Hold,
    way: Option<(OnTheirWay, u64)>,
}

impl AsRef<[u8]> for Answer {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        if let Some((way, number)) = &self.way {
            way.began().all.remove(number);
        }
    }
}

/// Counts an answer until it is written; 429 where there are too many. Streams have bounds of their own.
pub(super) async fn hold(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let way = request.extensions().get::<OnTheirWay>().cloned();
    let (head, body) = next.run(request).await.into_parts();
    let size = body.size_hint().exact().and_then(|size| usize::try_from(size).ok());
    let Some(size) = size.filter(|size| *size > SMALL) else { return Response::from_parts(head, body) };
    let mut hold = shared.answers.hold();
    if let Err(Full) = hold.grow(size) {
        return ApiError::busy("too many answers are on their way to slow clients just now; ask again later")
            .into_response();
    }
    // All of it is there already.
    let Ok(bytes) = to_bytes(body, size).await else {
        let message = "the answer could not be made; ask again";
        return ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, message).into_response();
    };
    let way = way.map(|way| {
        let number = way.begin();
        (way, number)
    });
    Response::from_parts(head, Body::from(Bytes::from_owner(Answer { bytes, _hold: hold, way })))
}
