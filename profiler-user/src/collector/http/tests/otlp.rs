//! OpenTelemetry by way of HTTP, in its three forms.

use axum::body::Body;
use axum::http::{Request, StatusCode};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use profiler_common::Outcome;
use prost::Message as _;
use serde_json::json;

use crate::collector::http::testing::Collector;
use crate::collector::settings::Settings;
use crate::sink::otlp::{Resource, Spans, lines};
use crate::sink::testing::info;
use crate::trace::testing::trace;

const CALL: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";

fn spans() -> Vec<u8> {
    let (mut spans, mut out) = (Spans::default(), Vec::new());
    spans.add(&trace("S0@100 Q+@110 W!@151", Outcome::Written), &info());
    let resource = Resource {
        service: "pipeline".to_owned(),
        host: "here".to_owned(),
        job: "77".to_owned(),
        pids: vec![],
    };
    spans.finish(&resource, &mut out);
    out
}

/// The same with a span of somebody else.
fn foreign() -> Vec<u8> {
    let mut request = ExportTraceServiceRequest::decode(spans().as_slice()).unwrap();
    let spans = &mut request.resource_spans[0].scope_spans[0].spans;
    let mut other = spans[0].clone();
    other.attributes.clear();
    spans.push(other);
    request.encode_to_vec()
}

fn post(path: &str, kind: &str, body: Vec<u8>) -> Request<Body> {
    Request::post(path).header("content-type", kind).body(Body::from(body)).unwrap()
}

fn frame(message: &[u8]) -> Vec<u8> {
    let mut frame = vec![0];
    frame.extend_from_slice(&(message.len() as u32).to_be_bytes());
    frame.extend_from_slice(message);
    frame
}

#[tokio::test]
async fn protocol_buffers_and_json() {
    let collector = Collector::start(Settings::default());
    let answer = collector.ask(post("/v1/traces", "application/x-protobuf", spans())).await;
    assert_eq!((answer.status, answer.body.len()), (StatusCode::OK, 0));
    let mut line = Vec::new();
    let origin = lines::Origin { job: "7".to_owned(), table: None };
    lines::put(&trace("S0@100 W!@151", Outcome::Written), &info(), &origin, &mut line).unwrap();
    let answer = collector.ask(post("/v1/traces", "application/json; charset=utf-8", line)).await;
    assert_eq!((answer.status, answer.json()), (StatusCode::OK, json!({})));
    assert_eq!(collector.store.count(), 2);
    // Sent again, it changes nothing.
    collector.ask(post("/v1/traces", "application/x-protobuf", spans())).await;
    assert_eq!((collector.store.count(), collector.metric("stain_trace_repeated_total")), (2, 1));
    assert_eq!(collector.metric("events_received_total{event_type=\"OTLP_SPAN\"}"), 7);
}

#[tokio::test]
async fn spans_of_others_are_rejected_in_part() {
    let collector = Collector::start(Settings::default());
    let answer = collector.ask(post("/v1/traces", "application/x-protobuf", foreign())).await;
    let partial =
        ExportTraceServiceResponse::decode(answer.body.as_slice()).unwrap().partial_success.unwrap();
    assert_eq!((answer.status, partial.rejected_spans), (StatusCode::OK, 1));
    assert!(partial.error_message.contains("stain"));
    assert_eq!(
        (collector.store.count(), collector.metric("invalid_events_total{reason=\"foreign_span\"}")),
        (1, 1)
    );
}

#[tokio::test]
async fn a_call_of_grpc() {
    let collector = Collector::start(Settings::default());
    let answer = collector.ask(post(CALL, "application/grpc", frame(&foreign()))).await;
    assert_eq!(
        (answer.status, answer.headers["content-type"].to_str().unwrap()),
        (StatusCode::OK, "application/grpc")
    );
    let response = ExportTraceServiceResponse::decode(&answer.body[5..]).unwrap();
    assert_eq!(response.partial_success.unwrap().rejected_spans, 1);
    assert_eq!(collector.store.count(), 1);
    for (body, code) in [
        (frame(b"\xff"), "3"),
        (vec![0, 0], "3"),
        (vec![0, 0, 0, 0, 9, 1], "3"),
        (vec![1, 0, 0, 0, 1, 1], "12"),
    ] {
        let answer = collector.ask(post(CALL, "application/grpc", body)).await;
        assert_eq!((answer.status, answer.headers["grpc-status"].to_str().unwrap()), (StatusCode::OK, code));
    }
    collector.store.fails.store(true, std::sync::atomic::Ordering::SeqCst);
    let answer = collector.ask(post(CALL, "application/grpc", frame(&spans()))).await;
    assert_eq!(answer.headers["grpc-status"].to_str().unwrap(), "14");
}

#[tokio::test]
async fn what_is_no_request_is_400() {
    let collector = Collector::start(Settings::default());
    for (kind, body, status) in [
        ("application/x-protobuf", &b"\xff\xff"[..], StatusCode::BAD_REQUEST),
        ("application/json", b"{", StatusCode::BAD_REQUEST),
        ("application/json", b"[]", StatusCode::BAD_REQUEST),
        ("application/json", b"\xff", StatusCode::BAD_REQUEST),
        ("text/plain", b"", StatusCode::UNSUPPORTED_MEDIA_TYPE),
    ] {
        let answer = collector.ask(post("/v1/traces", kind, body.to_vec())).await;
        assert_eq!(answer.status, status, "{kind}");
        assert!(!answer.body.is_empty());
    }
    assert_eq!(collector.metric("invalid_events_total{reason=\"otlp\"}"), 4);
}
