//! Exporters against a server that fails in every way: what was accepted arrives, at least once, under ids that stay; and the law holds.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;
use stain_tests::faulty::{Faulty, Reply, Request};
use tempfile::TempDir;

mod faults;
#[cfg(feature = "kafka")]
mod faults_kafka;
mod minute;

use super::settings::Settings;
use super::{Exports, Machine, Notify, Running};
use crate::feed::channel::Hub;
use crate::feed::{FeedEvent, Tick};
use crate::sink::counts::{Counts, DropReason};
use crate::sink::testing::info;
use crate::trace::Trace;
use crate::trace::testing::trace;
use profiler_common::Outcome;

const LIMIT: Duration = Duration::from_secs(20);

/// A session that is made up, with one exporter.
struct Session {
    hub: Hub,
    running: Running,
    said: Arc<Mutex<Vec<String>>>,
}

impl Session {
    fn start(url: &str) -> Self {
        let said = Arc::new(Mutex::new(Vec::new()));
        let listener = Arc::clone(&said);
        let notify: Notify = Arc::new(move |text: &str| listener.lock().unwrap().push(text.to_owned()));
        let machine = Machine { host: "here".to_owned(), state: None, seed: 7 };
        let exports = Exports::open(vec![Settings::parse(url).unwrap()], &machine).unwrap();
        let (senders, running) = exports.start(1 << 20, &notify).unwrap();
        let hub = Hub::new(senders);
        hub.send(&FeedEvent::Started(Arc::new(info())));
        Self { hub, running, said }
    }

    fn traces(&self, ids: std::ops::Range<u64>) {
        for id in ids {
            let trace = Trace { id, ..trace("S0@100 Q+@110 W!@200", Outcome::Written) };
            self.hub.send(&FeedEvent::Trace(Arc::new(trace)));
        }
    }

    fn tick(&self) {
        let wall_ns = 1_700_000_000_500_000_000;
        self.hub.send(&FeedEvent::Tick(Arc::new(Tick { wall_ns, ..Tick::default() })));
    }

    fn counts(&self) -> Counts {
        self.running.accounts().counts().remove(0).1
    }

    fn finish(self) -> (Counts, Vec<String>) {
        let Self { hub, running, said } = self;
        drop(hub);
        let counts = running.finish().remove(0).1;
        assert_eq!(counts.check(), Ok(()), "{counts}");
        assert_eq!(counts.pending, 0, "{counts}");
        let said = said.lock().unwrap().clone();
        (counts, said)
    }
}

fn url(address: SocketAddr, folder: &Path, options: &str) -> String {
    format!("http://{address}/ingest?spool={}&{options}", folder.display())
}

/// Stream, number and count of each packet.
type Packets = Vec<(String, u64, u64)>;

/// How often each trace arrived in a request that the server has, and the packets' numbers in their order.
fn arrived(requests: &[Request]) -> (BTreeMap<u64, u64>, Packets) {
    let (mut traces, mut packets) = (BTreeMap::new(), Vec::new());
    for request in requests.iter().filter(|request| request.was_taken()) {
        let events: Vec<Value> = serde_json::from_slice(&request.body).unwrap();
        for event in events {
            match event["eventType"].as_str().unwrap() {
                "STAIN_TRACE" => *traces.entry(event["traceId"].as_u64().unwrap()).or_default() += 1,
                "STAIN_PACKET" => packets.push((
                    event["stream"].as_str().unwrap().to_owned(),
                    event["packet"].as_u64().unwrap(),
                    event["count"].as_u64().unwrap(),
                )),
                other => panic!("{other}"),
            }
        }
    }
    (traces, packets)
}

#[test]
fn traces_arrive_in_numbered_packets() {
    let folder = TempDir::new().unwrap();
    let server = Faulty::start([]).unwrap();
    let session = Session::start(&url(server.address(), folder.path(), "batch=10&linger=10s&job=5"));
    session.traces(0..25);
    session.tick();
    let (counts, said) = session.finish();
    assert_eq!((counts.received, counts.sent, said), (25, 25, Vec::new()));
    let requests = server.seen();
    let (traces, packets) = arrived(&requests);
    assert_eq!(traces, (0..25).map(|id| (id, 1)).collect());
    assert_eq!(
        packets.iter().map(|(_, number, count)| (*number, *count)).collect::<Vec<_>>(),
        [(0, 10), (1, 10), (2, 5)]
    );
    assert_eq!(requests[0].path, "/ingest");
    assert_eq!(requests[0].header("content-type"), Some("application/json"));
    let last: Vec<Value> = serde_json::from_slice(&requests[2].body).unwrap();
    let packet = last.last().unwrap();
    assert_eq!(
        (&packet["last"], &packet["completeNs"], &packet["jobId"]),
        (&true.into(), &"1700000000500000000".into(), &"5".into())
    );
}

#[test]
fn every_failure_is_outlived_and_nothing_is_lost() {
    let folder = TempDir::new().unwrap();
    let script = [
        Reply::Status(500, "oops"),
        Reply::Half,
        Reply::Cut(100),
        Reply::Status(503, ""),
        Reply::Stall(Duration::from_millis(600)),
        Reply::Take,
        Reply::Cut(0),
        Reply::Half,
    ];
    let server = Faulty::start(script).unwrap();
    let session =
        Session::start(&url(server.address(), folder.path(), "batch=10&linger=10s&timeout=300ms&flush=20s"));
    session.traces(0..50);
    server
        .until(LIMIT, |seen| seen.iter().filter(|request| request.reply == Reply::Take).count() >= 5)
        .unwrap();
    let (counts, said) = session.finish();
    assert_eq!((counts.received, counts.sent, counts.dropped_total()), (50, 50, 0));
    let (traces, packets) = arrived(&server.seen());
    assert_eq!(traces.keys().copied().collect::<Vec<_>>(), (0..50).collect::<Vec<_>>());
    // Twice is what came in a request whose answer broke off.
    assert!(traces.values().all(|times| (1..=3).contains(times)), "{traces:?}");
    // Whatever came again is the same packet of the same stream.
    let distinct: std::collections::BTreeSet<_> = packets.iter().collect();
    assert_eq!(distinct.len(), 6, "{packets:?}");
    // Told when it failed and when it was back, twice.
    assert_eq!(said.len(), 4, "{said:?}");
    assert!(said[0].contains("it answered 500: oops; what cannot be sent is kept"), "{said:?}");
    assert!(said[1].ends_with("takes traces again"), "{said:?}");
}

#[test]
fn a_wait_that_the_server_asks_for_is_kept() {
    let folder = TempDir::new().unwrap();
    let server = Faulty::start([Reply::Later(2)]).unwrap();
    let session = Session::start(&url(server.address(), folder.path(), "batch=1&linger=0s&packets=no"));
    session.traces(0..1);
    server.until(LIMIT, |seen| seen.len() == 2).unwrap();
    let seen = server.seen();
    let waited = seen[1].at - seen[0].at;
    assert!(waited >= Duration::from_secs(2) && waited < Duration::from_secs(4), "{waited:?}");
    assert_eq!(session.finish().0.sent, 1);
}

#[test]
fn one_poisonous_batch_is_set_aside_with_its_reason() {
    let folder = TempDir::new().unwrap();
    let server = Faulty::start([Reply::Take, Reply::Status(400, "no such job")]).unwrap();
    let session = Session::start(&url(server.address(), folder.path(), "batch=10&linger=10s&packets=no"));
    session.traces(0..40);
    let (counts, said) = session.finish();
    assert_eq!((counts.sent, counts.dropped(DropReason::Rejected)), (30, 10));
    let (traces, _) = arrived(&server.seen());
    assert_eq!(traces.into_keys().collect::<Vec<_>>(), (0..10).chain(20..40).collect::<Vec<_>>());
    assert_eq!(said.len(), 1, "{said:?}");
    let rejected = said[0].split("kept in ").nth(1).unwrap();
    let mut files: Vec<_> = std::fs::read_dir(rejected).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert_eq!(std::fs::read_to_string(&files[1]).unwrap(), "it answered 400: no such job\n");
    let events: Vec<Value> = serde_json::from_slice(&std::fs::read(&files[0]).unwrap()).unwrap();
    assert_eq!((events.len(), &events[0]["traceId"]), (10, &10.into()));
}

/// Waits until something holds.
fn until(holds: impl Fn() -> bool) {
    let deadline = Instant::now() + LIMIT;
    while !holds() {
        assert!(Instant::now() < deadline, "not within {LIMIT:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// An address where nobody listens, for now.
fn free_address() -> SocketAddr {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

#[test]
fn what_a_dead_server_left_is_sent_by_the_next_session() {
    let folder = TempDir::new().unwrap();
    let address = free_address();
    let options = "batch=10&linger=50ms&flush=2s&packets=no";
    let session = Session::start(&url(address, folder.path(), options));
    session.traces(0..35);
    let (counts, said) = session.finish();
    assert_eq!((counts.received, counts.sent, counts.spooled), (35, 0, 35));
    assert!(said.len() == 1 && said[0].contains("no connection"), "{said:?}");
    let server = Faulty::start_at(address, []).unwrap();
    let session = Session::start(&url(address, folder.path(), options));
    session.traces(100..101);
    server.until(LIMIT, |seen| seen.len() == 5).unwrap();
    let (counts, said) = session.finish();
    assert_eq!((counts.received, counts.recovered, counts.sent, counts.spooled), (1, 35, 36, 0));
    assert!(said.is_empty(), "{said:?}");
    let (traces, _) = arrived(&server.seen());
    assert_eq!(traces, (0..35).chain(100..101).map(|id| (id, 1)).collect());
}

#[test]
fn without_a_spool_what_is_left_is_lost_in_time_and_counted() {
    let address = free_address();
    let session = Session::start(&format!("http://{address}/?spool=none&batch=10&linger=0s&flush=300ms"));
    session.traces(0..25);
    let started = Instant::now();
    let (counts, _) = session.finish();
    assert!(started.elapsed() < Duration::from_secs(5));
    assert_eq!((counts.received, counts.sent, counts.dropped(DropReason::Unsent)), (25, 0, 25));
}

#[test]
fn a_server_that_never_answers_does_not_hold_up_the_end() {
    let folder = TempDir::new().unwrap();
    let server = Faulty::start(vec![Reply::Stall(Duration::from_secs(3)); 4]).unwrap();
    let session =
        Session::start(&url(server.address(), folder.path(), "batch=1&timeout=1h&flush=300ms&packets=no"));
    session.traces(0..2);
    let started = Instant::now();
    let (counts, _) = session.finish();
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
    assert_eq!((counts.received, counts.spooled, counts.sent), (2, 2, 0));
}

#[test]
fn an_idle_stream_sends_beacons_but_not_to_a_dead_server() {
    let folder = TempDir::new().unwrap();
    let server = Faulty::start([]).unwrap();
    let session = Session::start(&url(server.address(), folder.path(), "beacon=100ms"));
    session.tick();
    server.until(LIMIT, |seen| seen.len() >= 3).unwrap();
    let (counts, _) = session.finish();
    assert_eq!(counts, Counts::default());
    let (traces, packets) = arrived(&server.seen());
    assert!(traces.is_empty());
    assert!(
        packets.iter().zip(0..).all(|((_, number, count), expected)| (*number, *count) == (expected, 0)),
        "{packets:?}"
    );
    drop(server);
    let address = free_address();
    let session = Session::start(&url(address, folder.path(), "beacon=100ms&flush=100ms"));
    session.tick();
    std::thread::sleep(Duration::from_millis(700));
    session.finish();
    let server = Faulty::start_at(address, []).unwrap();
    let session = Session::start(&url(address, folder.path(), "beacon=1h"));
    // Two beacons of the earlier session at most: its first, and its last packet.
    server.until(LIMIT, |seen| seen.len() >= 2).unwrap();
    session.finish();
    assert!(server.seen().len() <= 3, "{}", server.seen().len());
}

#[test]
fn a_token_is_sent_and_never_told() {
    let folder = TempDir::new().unwrap();
    let token = folder.path().join("token");
    std::fs::write(&token, "s3cret\n").unwrap();
    for (auth, header, value) in
        [("seatunnel", "x-seatunnel-token", "s3cret"), ("bearer", "authorization", "Bearer s3cret")]
    {
        let server = Faulty::start([Reply::Status(401, "who are you?")]).unwrap();
        let options = format!("batch=1&auth={auth}&token_file={}", token.display());
        let session = Session::start(&url(server.address(), folder.path(), &options));
        session.traces(0..1);
        server.until(LIMIT, |seen| seen.len() >= 2).unwrap();
        let (_, said) = session.finish();
        assert!(server.seen().iter().all(|request| request.header(header) == Some(value)));
        assert!(
            said[0].contains("it answered 401: who are you?") && !said.join(" ").contains("s3cret"),
            "{said:?}"
        );
    }
}

#[test]
fn spans_and_metrics_go_to_their_paths() {
    let folder = TempDir::new().unwrap();
    let server = Faulty::start([]).unwrap();
    let url = format!("otlp+http://{}/base?spool={}&service=x", server.address(), folder.path().display());
    let session = Session::start(&url);
    session.traces(0..3);
    session.tick();
    let (counts, _) = session.finish();
    assert_eq!((counts.received, counts.sent), (3, 3));
    let paths: Vec<_> = server.seen().into_iter().map(|request| request.path).collect();
    assert_eq!(paths, ["/base/v1/traces", "/base/v1/metrics"]);
    assert!(
        server.seen().iter().all(|request| request.header("content-type") == Some("application/x-protobuf"))
    );
}

/// The bodies that the server has, and how often a trace's id is in them: as the sixteen bytes that OpenTelemetry knows it by.
fn holds_id(requests: &[Request], id: u64) -> usize {
    let wanted = u128::from(id).to_be_bytes();
    // A field of that length is before each.
    let is_in = |body: &[u8]| body.windows(17).any(|part| part[0] == 16 && part[1..] == wanted);
    requests.iter().filter(|request| request.was_taken() && is_in(&request.body)).count()
}

#[test]
fn spans_outlive_every_failure_and_one_poisonous_batch() {
    let folder = TempDir::new().unwrap();
    let script = [
        Reply::Status(500, "oops"),
        Reply::Half,
        Reply::Cut(100),
        Reply::Status(503, ""),
        Reply::Later(1),
        Reply::Stall(Duration::from_millis(600)),
        Reply::Take,
        Reply::Status(400, "no such thing"),
        Reply::Cut(0),
        Reply::Half,
    ];
    let server = Faulty::start(script).unwrap();
    let url = format!(
        "otlp+http://{}?spool={}&metrics=no&batch=10&linger=10s&timeout=300ms&flush=20s",
        server.address(),
        folder.path().display()
    );
    let session = Session::start(&url);
    session.traces(0..50);
    let (counts, said) = session.finish();
    assert_eq!((counts.received, counts.sent, counts.dropped_total()), (50, 40, 10), "{said:?}");
    let seen = server.seen();
    let times: Vec<usize> = (0..50).map(|id| holds_id(&seen, id)).collect();
    // The second batch came after the first had been taken; it was refused for good.
    assert!(times[10..20].iter().all(|times| *times == 0), "{times:?}");
    assert!(times[..10].iter().chain(&times[20..]).all(|times| (1..=3).contains(times)), "{times:?}");
    assert!(said.iter().any(|text| text.contains("400: no such thing")), "{said:?}");
}

#[test]
fn of_spans_that_were_refused_their_traces_are_counted() {
    let folder = TempDir::new().unwrap();
    // partial_success { rejected_spans: 4, error_message: "too old" }, and one that refuses nothing and warns.
    let partly = Reply::Status(200, "\x0a\x0b\x08\x04\x12\x07too old");
    let warned = Reply::Status(200, "\x0a\x06\x12\x04soon");
    let points = Reply::Status(200, "\x0a\x02\x08\x05");
    let server = Faulty::start([partly, warned.clone(), warned, Reply::Take, points]).unwrap();
    let url = format!(
        "otlp+http://{}?spool={}&batch=10&linger=10s&interval=1h",
        server.address(),
        folder.path().display()
    );
    let session = Session::start(&url);
    session.traces(0..40);
    session.tick();
    let (counts, said) = session.finish();
    assert_eq!((counts.sent, counts.dropped(DropReason::Rejected)), (36, 4));
    assert_eq!(counts.points_refused, 5, "{counts}");
    assert_eq!(server.seen().len(), 5);
    assert_eq!(said.len(), 3, "{said:?}");
    assert!(
        said[0].contains("part of a batch was refused for good: it refused 4 spans: too old; it is kept in")
    );
    assert!(said[1].ends_with(": it warns: soon"), "{said:?}");
    assert!(said[2].contains("some metrics are not taken: it refused 5 data points"), "{said:?}");
}

#[test]
fn two_exports_to_one_place_have_names_of_their_own() {
    let folder = TempDir::new().unwrap();
    let urls = ["format=sttr", "format=sttr&keep=1", "", ""]
        .map(|options| Settings::parse(&format!("file:{}?{options}", folder.path().display())).unwrap());
    let exports = Exports::open(urls.to_vec(), &Machine::default()).unwrap();
    let notify: Notify = Arc::new(|_: &str| {});
    let (senders, running) = exports.start(16, &notify).unwrap();
    let names: Vec<String> = running.accounts().counts().into_iter().map(|(name, _)| name).collect();
    let place = format!("file:{}", folder.path().display());
    let expected = ["?format=sttr", "?format=sttr #2", "", " #2"].map(|rest| format!("{place}{rest}"));
    assert_eq!(names, expected);
    drop(senders);
    drop(running.finish());
}

#[test]
fn with_a_dead_server_memory_and_disk_stay_within_their_bounds() {
    let folder = TempDir::new().unwrap();
    let address = free_address();
    let session =
        Session::start(&url(address, folder.path(), "batch=1000&linger=10s&spool_max=1MiB&packets=no"));
    for round in 0..40u64 {
        session.traces(round * 1000..(round + 1) * 1000);
    }
    let deadline = Instant::now() + LIMIT;
    while session.counts().received < 40_000 {
        assert!(Instant::now() < deadline);
        std::thread::yield_now();
    }
    let (counts, _) = session.finish();
    assert_eq!(counts.received, 40_000);
    assert!(counts.dropped(DropReason::SpoolFull) > 30_000 && counts.spooled > 1_000, "{counts}");
    let bytes: u64 = walk(folder.path());
    assert!(bytes < (1 << 20) + (300 << 10), "{bytes}");
}

fn walk(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| if path.is_dir() { walk(&path) } else { path.metadata().unwrap().len() }).sum()
}
