//! The contract's events by way of HTTP.

use std::io::Write as _;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use super::{event, one, payload};
use crate::collector::http::testing::{Chunks, Collector, NOW_MS};
use crate::collector::settings::{Limits, Settings};
use crate::sink::sttr::from_text;

const VECTORS: &str = include_str!("../../../../../tests/data/stain-trace-vectors.json");

fn small(limits: Limits) -> Settings {
    Settings { limits, ..Settings::default() }
}

fn encoded(body: Vec<u8>, coding: &str) -> Request<Body> {
    Request::post("/ingest").header("content-encoding", coding).body(Body::from(body)).unwrap()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::stream::encode_all(bytes, 3).unwrap()
}

#[tokio::test]
async fn every_vector_is_stored_once_however_often_it_is_sent() {
    let collector = Collector::start(Settings::default());
    let vectors: Value = serde_json::from_str(VECTORS).unwrap();
    let vectors = vectors["payloads"].as_array().unwrap();
    for (number, vector) in vectors.iter().enumerate() {
        let payload = from_text(vector["hex"].as_str().unwrap()).unwrap();
        let id = vector["traceId"].as_str().unwrap().parse().unwrap();
        let job = number.to_string();
        for path in ["/api/v1/seatunnel/events", "/ingest"] {
            let body = json!([event(&job, id, &payload)]).to_string();
            let answer = collector.ask(Request::post(path).body(Body::from(body)).unwrap()).await;
            assert_eq!((answer.status, answer.json()), (StatusCode::OK, json!({"received": 1})));
        }
        assert_eq!(collector.store.count(), number + 1);
    }
    let first = collector.store.parts.lock().unwrap().values().next().cloned().unwrap();
    assert_eq!((first.received_ms, first.table.as_deref()), (NOW_MS, Some("db.tbl")));
    assert_eq!(collector.metric("stain_trace_received_total"), 2 * vectors.len() as u64);
    assert_eq!(collector.metric("stain_trace_new_total"), vectors.len() as u64);
    assert_eq!(
        collector.metric("events_received_total{event_type=\"STAIN_TRACE\"}"),
        2 * vectors.len() as u64
    );
}

#[tokio::test]
async fn every_invalid_vector_is_kept_and_counted() {
    let collector = Collector::start(Settings::default());
    let vectors: Value = serde_json::from_str(VECTORS).unwrap();
    let vectors = vectors["invalid"].as_array().unwrap();
    for (number, vector) in vectors.iter().enumerate() {
        let bad = from_text(vector["hex"].as_str().unwrap()).unwrap();
        let body = json!([event("1", 123, &bad), event(&number.to_string(), 123, &payload())]);
        let answer = collector.post(body.to_string()).await;
        assert_eq!((answer.status, answer.json()), (StatusCode::OK, json!({"received": 2})), "{vector}");
        assert_eq!(collector.store.count(), number + 1);
    }
    assert_eq!(collector.store.raw.lock().unwrap().len(), vectors.len());
    assert_eq!(collector.metric("invalid_events_total{reason=\"payload\"}"), vectors.len() as u64);
}

/// Upstream's key leaves the job out, and a job's trace would be taken for another's.
#[tokio::test]
async fn the_job_is_a_part_of_the_key() {
    let collector = Collector::start(Settings::default());
    collector.post(one("1")).await;
    collector.post(one("2")).await;
    assert_eq!(collector.store.count(), 2);
}

#[tokio::test]
async fn compressed_bodies_are_read() {
    let collector = Collector::start(Settings::default());
    for (job, coding, body) in [
        ("1", "gzip", gzip(one("1").as_bytes())),
        ("2", "x-gzip", gzip(one("2").as_bytes())),
        ("3", "ZSTD", zstd(one("3").as_bytes())),
        ("4", "identity", one("4").into_bytes()),
    ] {
        assert_eq!(collector.ask(encoded(body, coding)).await.status, StatusCode::OK, "{job}");
    }
    assert_eq!(collector.store.count(), 4);
    for (coding, body, status) in [
        ("gzip", b"no gzip".to_vec(), StatusCode::BAD_REQUEST),
        ("gzip", gzip(b"[]").split_off(4), StatusCode::BAD_REQUEST),
        ("zstd", b"no zstd".to_vec(), StatusCode::BAD_REQUEST),
        ("br", b"[]".to_vec(), StatusCode::UNSUPPORTED_MEDIA_TYPE),
        ("gzip, gzip", gzip(b"[]"), StatusCode::UNSUPPORTED_MEDIA_TYPE),
    ] {
        let answer = collector.ask(encoded(body, coding)).await;
        assert_eq!(answer.status, status, "{coding}");
        assert!(!answer.sentence().is_empty());
    }
}

#[tokio::test]
async fn what_is_too_large_is_413_before_it_takes_memory() {
    let limits = Limits { body: 10_000, plain: 50_000, held: 100_000, events: 3, ..Limits::default() };
    let collector = Collector::start(small(limits));
    let big = vec![b' '; 10_001];
    let announced = collector.post(big.clone()).await;
    assert_eq!(announced.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert!(announced.sentence().contains("10000 bytes"), "{}", announced.sentence());
    let chunks = Chunks::new(big.chunks(100), true);
    assert_eq!(collector.post(Body::new(chunks)).await.status, StatusCode::PAYLOAD_TOO_LARGE);
    // A hundred megabytes in a few kilobytes.
    let bomb = vec![b' '; 100 << 20];
    for body in [gzip(&bomb), zstd(&bomb)] {
        let coding = if body.starts_with(&[0x1f, 0x8b]) { "gzip" } else { "zstd" };
        let body = if body.len() > 10_000 { gzip(&vec![b' '; 1 << 20]) } else { body };
        let answer = collector.ask(encoded(body, coding)).await;
        assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE, "{coding}");
        assert!(answer.sentence().contains("after decompression"));
    }
    assert_eq!(collector.post("[1,2,3,4]").await.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(collector.post("[1,2,3]").await.status, StatusCode::OK);
    assert_eq!(collector.metric("invalid_events_total{reason=\"body_size\"}"), 4);
    assert_eq!(collector.metric("invalid_events_total{reason=\"batch_size\"}"), 1);
}

/// Upstream answers these with 500.
#[tokio::test]
async fn what_is_no_list_of_json_is_400() {
    let collector = Collector::start(Settings::default());
    let deep = format!("[{}{}]", "[".repeat(1000), "]".repeat(1000));
    for body in ["", "{", "{}", "[", "[{]", "null", "[{\"a\":}]", "[1", "\"[]\"", "[1] x", deep.as_str()] {
        let answer = collector.post(body.to_owned()).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{body}");
        assert!(!answer.sentence().is_empty(), "{body}");
    }
    assert_eq!(collector.post(vec![b'[', b'"', 0xff, b'"', b']']).await.status, StatusCode::BAD_REQUEST);
    assert_eq!((collector.store.count(), collector.store.raw.lock().unwrap().len()), (0, 0));
    assert_eq!(collector.post("[]").await.json(), json!({"received": 0}));
    assert_eq!(collector.metric("invalid_events_total{reason=\"depth\"}"), 1);
    assert_eq!(collector.metric("invalid_events_total{reason=\"json\"}"), 11);
}

#[tokio::test]
async fn a_body_that_does_not_come_is_408() {
    let collector =
        Collector::start(small(Limits { body_time: Duration::from_millis(20), ..Limits::default() }));
    let answer = collector.post(Body::new(Chunks::new(std::iter::once(&b"["[..]), false))).await;
    assert_eq!(answer.status, StatusCode::REQUEST_TIMEOUT);
    assert!(answer.sentence().contains("did not come"));
}

#[tokio::test]
async fn more_than_may_be_held_is_429() {
    let limits = Limits { body: 8000, plain: 8000, held: 8192, ..Limits::default() };
    let collector = Collector::start(small(limits));
    let mut hold = collector.shared.held.hold();
    hold.grow(8000).unwrap();
    let answer = collector.post(one("1")).await;
    assert_eq!(
        (answer.status, answer.headers["retry-after"].to_str().unwrap()),
        (StatusCode::TOO_MANY_REQUESTS, "1")
    );
    drop(hold);
    assert_eq!(collector.post(one("1")).await.status, StatusCode::OK);
}

#[tokio::test]
async fn requests_that_come_together_share_a_transaction_and_a_full_queue_is_429() {
    let collector = Collector::start(small(Limits { queue: 8, ..Limits::default() }));
    let gate = collector.store.gate.acquire().await.unwrap();
    // One is being written, eight wait, and there is room for no more.
    let first = tokio::spawn(collector.app.clone().oneshot_post(one("0")));
    settle().await;
    let others: Vec<_> =
        (1..=8).map(|job| tokio::spawn(collector.app.clone().oneshot_post(one(&job.to_string())))).collect();
    settle().await;
    assert_eq!(collector.post(one("9")).await.status, StatusCode::TOO_MANY_REQUESTS);
    drop(gate);
    assert_eq!(first.await.unwrap(), StatusCode::OK);
    for other in others {
        assert_eq!(other.await.unwrap(), StatusCode::OK);
    }
    assert_eq!((collector.store.count(), collector.store.writes.load(Ordering::SeqCst)), (9, 2));
}

/// Lets all tasks go on until they wait: the runtime of a test has one thread.
async fn settle() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

trait Post {
    /// Posts events, and gives the status.
    fn oneshot_post(self, body: String) -> impl Future<Output = StatusCode> + Send;
}

impl Post for axum::Router {
    async fn oneshot_post(self, body: String) -> StatusCode {
        let request = Request::post("/ingest").body(Body::from(body)).unwrap();
        tower::ServiceExt::oneshot(self, request).await.unwrap().status()
    }
}

#[tokio::test]
async fn a_store_that_fails_is_503_and_works_again_later() {
    let collector = Collector::start(Settings::default());
    collector.store.fails.store(true, Ordering::SeqCst);
    let answer = collector.post(one("1")).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(answer.sentence().contains("the disk is full"), "{}", answer.sentence());
    assert_eq!(collector.metric("db_write_failures_total{table=\"st_trace\"}"), 1);
    collector.store.fails.store(false, Ordering::SeqCst);
    assert_eq!(collector.post(one("1")).await.status, StatusCode::OK);
    assert_eq!(collector.store.count(), 1);
}

#[tokio::test]
async fn one_that_the_store_refuses_costs_the_others_nothing() {
    let collector = Collector::start(Settings::default());
    *collector.store.poison.lock().unwrap() = Some("2".to_owned());
    let gate = collector.store.gate.acquire().await.unwrap();
    let all: Vec<_> =
        (0..5).map(|job| tokio::spawn(collector.app.clone().oneshot_post(one(&job.to_string())))).collect();
    settle().await;
    drop(gate);
    let mut statuses = Vec::new();
    for one in all {
        statuses.push(one.await.unwrap().as_u16());
    }
    assert_eq!(statuses, [200, 200, 503, 200, 200]);
    assert_eq!(collector.store.count(), 4);
}
