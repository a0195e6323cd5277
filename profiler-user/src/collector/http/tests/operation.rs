//! Who may ask, whether it lives, and what it counts.

use std::sync::atomic::Ordering;

use axum::body::Body;
use axum::http::{Request, StatusCode};

use super::one;
use crate::collector::http::testing::{Answer, Collector};
use crate::collector::settings::Settings;
use crate::export::secret::Secret;

fn token() -> Option<Secret> {
    let folder = tempfile::TempDir::new().unwrap();
    std::fs::write(folder.path().join("token"), "s3cret").unwrap();
    Secret::from_file(&folder.path().join("token")).ok()
}

#[tokio::test]
async fn a_token_is_asked_for_by_all_that_has_data() {
    let collector = Collector::start(Settings { token: token(), ..Settings::default() });
    for path in ["/healthz", "/health", "/readyz"] {
        assert_eq!(collector.get(path).await.status, StatusCode::OK, "{path}");
    }
    for path in ["/metrics", "/api/v1/traces", "/no/such/path", "/v1/traces"] {
        let answer = collector.get(path).await;
        assert_eq!(
            (answer.status, answer.headers["www-authenticate"].to_str().unwrap()),
            (StatusCode::UNAUTHORIZED, "Bearer"),
            "{path}"
        );
        assert!(answer.sentence().contains("token") && !answer.sentence().contains("s3cret"));
    }
    let send = |name: &'static str, value: &'static str| {
        collector.ask(Request::post("/ingest").header(name, value).body(Body::from(one("1"))).unwrap())
    };
    assert_eq!(send("x-seatunnel-token", "wrong").await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(send("authorization", "Bearer wrong").await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(collector.store.count(), 0);
    assert_eq!(send("x-seatunnel-token", "s3cret").await.status, StatusCode::OK);
    assert_eq!(send("authorization", "Bearer s3cret").await.status, StatusCode::OK);
    assert_eq!(collector.store.count(), 1);
}

#[tokio::test]
async fn readiness_is_the_stores_and_liveness_is_not() {
    let collector = Collector::start(Settings::default());
    assert_eq!(collector.get("/healthz").await.body, b"ok");
    assert_eq!(collector.get("/readyz").await.status, StatusCode::OK);
    collector.store.fails.store(true, Ordering::SeqCst);
    let answer = collector.get("/readyz").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(answer.sentence().contains("the disk is full"));
    assert_eq!(collector.get("/healthz").await.status, StatusCode::OK);
    assert_eq!(collector.metric("db_read_failures_total{op=\"ready\"}"), 1);
    collector.store.fails.store(false, Ordering::SeqCst);
    collector.handles.stop.send(true).unwrap();
    assert_eq!(collector.get("/readyz").await.status, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn paths_and_methods_that_are_not_there_are_told_and_make_no_series() {
    let collector = Collector::start(Settings::default());
    for number in 0..50 {
        let answer = collector.get(&format!("/no/{number}")).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND);
        assert!(!answer.sentence().is_empty());
    }
    assert_eq!(collector.get("/ingest").await.status, StatusCode::METHOD_NOT_ALLOWED);
    let odd = Request::builder().method("BREW").uri("/ingest").body(Body::empty()).unwrap();
    assert_eq!(collector.ask(odd).await.status, StatusCode::METHOD_NOT_ALLOWED);
    let series = "http_requests_total{path=\"other\",method=\"GET\",code=\"404\"}";
    assert_eq!(collector.metric(series), 50);
    assert_eq!(collector.metric("http_requests_total{path=\"/ingest\",method=\"other\",code=\"405\"}"), 1);
    let answer = collector.get("/metrics").await;
    assert!(answer.headers["content-type"].to_str().unwrap().starts_with("text/plain"));
    let lines = String::from_utf8(answer.body).unwrap();
    assert_eq!(lines.lines().filter(|line| line.contains("http_requests_total{")).count(), 3);
}

async fn from(collector: &Collector, origin: &str, method: &str) -> Answer {
    let request = Request::builder().method(method).uri("/metrics").header("origin", origin);
    let request = request.header("access-control-request-method", "GET");
    collector.ask(request.body(Body::empty()).unwrap()).await
}

/// Upstream reflects whatever origin asks, with credentials.
#[tokio::test]
async fn only_listed_origins_are_let_in() {
    const ALLOWED: &str = "access-control-allow-origin";
    let closed = Collector::start(Settings::default());
    assert!(!from(&closed, "https://a.example", "GET").await.headers.contains_key(ALLOWED));
    let origins = vec!["https://a.example".to_owned()];
    let collector = Collector::start(Settings { origins, token: token(), ..Settings::default() });
    for method in ["GET", "OPTIONS"] {
        let listed = from(&collector, "https://a.example", method).await;
        assert_eq!(listed.headers[ALLOWED].to_str().unwrap(), "https://a.example");
        assert!(!listed.headers.contains_key("access-control-allow-credentials"));
        let other = from(&collector, "https://b.example", method).await;
        assert!(!other.headers.contains_key(ALLOWED));
        assert_eq!(other.headers["vary"].to_str().unwrap(), "origin");
    }
    // What a browser asks ahead has no token, and gets no data.
    let ahead = from(&collector, "https://a.example", "OPTIONS").await;
    assert_eq!((ahead.status, ahead.body.len()), (StatusCode::NO_CONTENT, 0));
}
