//! Real connections: slow ones, silent ones, many of them, and the end.

use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::http::StatusCode;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::one;
use crate::collector::http::answers::MOST;
use crate::collector::http::serve;
use crate::collector::http::testing::Collector;
use crate::collector::settings::{Limits, Settings};

/// Longer than anything takes here that does not hang.
const PATIENCE: Duration = Duration::from_secs(60);

struct Server {
    collector: Collector,
    address: std::net::SocketAddr,
    serving: JoinHandle<()>,
}

impl Server {
    async fn start(limits: Limits) -> Self {
        let collector = Collector::start(Settings { limits, ..Settings::default() });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (app, shared) = (collector.app.clone(), collector.shared.clone());
        let serving = tokio::spawn(serve(listener, None, app, shared));
        Self { collector, address, serving }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// All that comes until the connection is closed.
    async fn end_of(mut stream: TcpStream) -> String {
        let mut answer = Vec::new();
        let _ = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await.unwrap();
        String::from_utf8(answer).unwrap()
    }

    async fn say(&self, text: &str) -> TcpStream {
        let mut stream = self.connect().await;
        stream.write_all(text.as_bytes()).await.unwrap();
        stream
    }

    async fn post(&self, body: &str) -> String {
        let head = format!(
            "POST /ingest HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        Self::end_of(self.say(&(head + body)).await).await
    }
}

fn hasty() -> Limits {
    let soon = Duration::from_millis(200);
    Limits { head_time: soon, body_time: soon, ..Limits::default() }
}

#[tokio::test]
async fn slow_heads_and_bodies_are_408_and_silence_is_closed() {
    let server = Server::start(hasty()).await;
    assert_eq!(Server::end_of(server.connect().await).await, "");
    for slow in [
        "P",
        "POST /ing",
        "POST /ingest HTTP/1.1\r\nhost: x\r\n",
        "POST /ingest HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n[1",
    ] {
        let answer = Server::end_of(server.say(slow).await).await;
        assert!(answer.starts_with("HTTP/1.1 408 "), "{slow:?}: {answer:?}");
        assert!(answer.contains("{\"error\":\""), "{answer}");
    }
    assert!(server.post(&one("1")).await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn what_is_no_http_is_answered_and_closed() {
    let server = Server::start(hasty()).await;
    let answer = Server::end_of(server.say("\x16\x03\x01 is TLS\r\n\r\n").await).await;
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer:?}");
    Server::end_of(server.say("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nnonsense that is no frame").await).await;
    let long = format!("GET / HTTP/1.1\r\nx: {}\r\n\r\n", "y".repeat(100_000));
    let answer = Server::end_of(server.say(&long).await).await;
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer:?}");
    assert!(server.post(&one("1")).await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn who_sends_too_much_gets_to_see_why() {
    let server = Server::start(Limits { body: 1000, ..Limits::default() }).await;
    let answer = server.post(&" ".repeat(3 << 20)).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer:?}");
}

#[tokio::test]
async fn two_hundred_slow_clients_hold_up_nobody() {
    let limits = Limits { body_time: PATIENCE, head_time: PATIENCE, ..Limits::default() };
    let server = Server::start(limits).await;
    let body = one("slow");
    let head = format!(
        "POST /ingest HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let (begun, rest) = body.split_at(10);
    let mut slow = Vec::new();
    for _ in 0..200 {
        slow.push(server.say(&format!("{head}{begun}")).await);
    }
    for job in 0..20 {
        assert!(server.post(&one(&job.to_string())).await.starts_with("HTTP/1.1 200 "));
    }
    assert_eq!(server.collector.store.count(), 20);
    for mut stream in slow {
        stream.write_all(rest.as_bytes()).await.unwrap();
        assert!(Server::end_of(stream).await.starts_with("HTTP/1.1 200 "));
    }
    assert_eq!(server.collector.store.count(), 21);
}

#[tokio::test]
async fn further_connections_wait_for_their_turn() {
    let server = Server::start(Limits { connections: 1, ..Limits::default() }).await;
    let first = server.connect().await;
    let mut second = server.say("GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
    let early = tokio::time::timeout(Duration::from_millis(100), second.read_u8()).await;
    assert!(early.is_err(), "answered while another connection had the only place");
    drop(first);
    assert!(Server::end_of(second).await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn at_the_end_what_was_asked_is_answered_and_nothing_more_is_taken() {
    let server = Server::start(Limits::default()).await;
    let gate = server.collector.store.gate.acquire().await.unwrap();
    let body = one("1");
    let head = format!("POST /ingest HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n", body.len());
    let asked = server.say(&(head + &body)).await;
    let idle = server.say("GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await;
    let is_answered = "http_requests_total{path=\"/healthz\",method=\"GET\",code=\"200\"}";
    while server.collector.metric(is_answered) == 0
        || server.collector.store.writes.load(Ordering::SeqCst) == 0
    {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    server.collector.handles.stop.send(true).unwrap();
    assert!(Server::end_of(idle).await.starts_with("HTTP/1.1 200 "));
    while TcpStream::connect(server.address).await.is_ok() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    drop(gate);
    let answer = Server::end_of(asked).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer:?}");
    let Server { collector, serving, .. } = server;
    tokio::time::timeout(PATIENCE, serving).await.unwrap().unwrap();
    assert_eq!(collector.store.count(), 1);
    let Collector { handles, shared, app, .. } = collector;
    drop((shared, app));
    tokio::time::timeout(PATIENCE, handles.writing).await.unwrap().unwrap();
}

#[tokio::test]
async fn http_2_is_understood_from_its_first_word() {
    let server = Server::start(Limits::default()).await;
    let stream = server.connect().await;
    let io = hyper_util::rt::TokioIo::new(stream);
    let executor = hyper_util::rt::TokioExecutor::new();
    let (mut sender, connection) = hyper::client::conn::http2::handshake(executor, io).await.unwrap();
    tokio::spawn(connection);
    let request = hyper::Request::post("http://x/ingest").body(one("1")).unwrap();
    let response = sender.send_request(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(server.collector.store.count(), 1);
}

/// Of HTTP/2 a client opens the window of each stream itself: one that never does is closed, and what it asked for is held no longer.
#[tokio::test]
async fn who_opens_no_window_is_closed() {
    let server = Server::start(hasty()).await;
    let io = hyper_util::rt::TokioIo::new(server.connect().await);
    let mut client = hyper::client::conn::http2::Builder::new(hyper_util::rt::TokioExecutor::new());
    client.initial_stream_window_size(0);
    let (mut sender, connection) = client.handshake(io).await.unwrap();
    let connection = tokio::spawn(connection);
    let mut answers = Vec::new();
    for _ in 0..20 {
        let request = hyper::Request::get("http://x/page/page.js").body(axum::body::Body::empty()).unwrap();
        answers.push(sender.send_request(request).await.unwrap());
    }
    assert!(server.collector.shared.answers.hold().grow(MOST).is_err(), "nothing is held");
    assert!(server.post(&one("1")).await.starts_with("HTTP/1.1 200 "));
    let _ = tokio::time::timeout(PATIENCE, connection).await.unwrap();
    while server.collector.shared.answers.hold().grow(MOST).is_err() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn more_answers_than_may_be_on_their_way_are_429_and_small_ones_are_given() {
    let collector = Collector::start(Settings::default());
    let mut hold = collector.shared.answers.hold();
    hold.grow(MOST).unwrap();
    let answer = collector.get("/page/page.js").await;
    assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS);
    assert!(answer.headers.contains_key("retry-after") && answer.sentence().contains("slow clients"));
    assert_eq!(collector.get("/healthz").await.status, StatusCode::OK);
    assert_eq!(collector.post(one("1")).await.status, StatusCode::OK);
    drop(hold);
    assert_eq!(collector.get("/page/page.js").await.status, StatusCode::OK);
}
