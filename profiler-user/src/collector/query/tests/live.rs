//! The stream over HTTP.

use axum::body::Body;
use axum::http::Request;
use http_body_util::BodyExt as _;
use serde_json::Value;
use tower::ServiceExt as _;

use super::{router, told};
use crate::collector::query::testing::part;
use crate::collector::store::Batch;

#[tokio::test]
async fn events_come_with_their_place() {
    let (router, store) = router(vec![part(1, "S0@0 W!@40")]);
    let request =
        Request::get("/api/v1/live?jobId=7").header("last-event-id", "0").body(Body::empty()).unwrap();
    let response = router.clone().oneshot(request).await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    store.put(Batch { parts: vec![part(2, "S0@0 W!@50")], ..Batch::default() });
    let (mut body, mut text) = (response.into_body(), String::new());
    while text.matches("\n\n").count() < 3 {
        let frame = body.frame().await.unwrap().unwrap();
        text += std::str::from_utf8(&frame.into_data().unwrap()).unwrap();
    }
    let events: Vec<&str> = text.split("\n\n").collect();
    assert_eq!(events[0], "retry: 1000\nid: 0");
    let data = events[2].strip_prefix("id: 2\nevent: trace\ndata: ").unwrap();
    let event: Value = serde_json::from_str(data).unwrap();
    assert_eq!((event["traceId"].as_str(), event["entries"][1]["stage"].as_str()), (Some("2"), Some("W!")));
}

#[tokio::test]
async fn mistakes_are_told() {
    let (router, _) = router(vec![]);
    let request = Request::get("/api/v1/live").header("last-event-id", "x").body(Body::empty()).unwrap();
    assert_eq!(router.clone().oneshot(request).await.unwrap().status(), 400);
    let message = "`job` is no parameter here; there are jobId".to_owned();
    assert_eq!(told(&router, "/api/v1/live?job=1").await, (400, message));
}
