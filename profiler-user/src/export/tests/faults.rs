//! Every way to a server, times everything that can go wrong on it: exactly the accepted traces arrive, each at least once and under the same ids, and the
//! accounts are exact. What needs a disk that is full, or an agent that is killed, is in the integration tests.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use stain_tests::faulty::{Faulty, Reply, Request};
use tempfile::TempDir;

use super::{LIMIT, Session, arrived, free_address, holds_id};
use crate::sink::counts::{Counts, DropReason};

/// Traces of a session, and those of a batch.
const ALL: u64 = 50;
const BATCH: u64 = 10;

/// How a server is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Http,
    OtlpHttp,
    OtlpGrpc,
}

const WAYS: [Way; 3] = [Way::Http, Way::OtlpHttp, Way::OtlpGrpc];

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// Nobody listens at first.
    Refused,
    /// Answers that take long, but come.
    Slow,
    /// Answers that do not come in time.
    TooSlow,
    /// An answer that breaks off: whether the batch was taken is not known.
    Half,
    /// A wait is asked for.
    Later,
    /// Failures one behind the other, as in a minute of them: see `minute`.
    FailsForAWhile,
    /// One batch is refused for good.
    Poison,
    /// The connection is cut before, and in the midst of, a body.
    Cut,
    /// The stream is reset.
    Reset,
    /// The result comes without an answer.
    TrailersOnly,
    /// A proxy answers, in a way that says nothing about the batch.
    Proxy,
    /// All of the statuses that speak of the way and not of the batch, one behind the other.
    Statuses,
}

const FAULTS: [Fault; 12] = [
    Fault::Refused,
    Fault::Slow,
    Fault::TooSlow,
    Fault::Half,
    Fault::Later,
    Fault::FailsForAWhile,
    Fault::Poison,
    Fault::Cut,
    Fault::Reset,
    Fault::TrailersOnly,
    Fault::Proxy,
    Fault::Statuses,
];

impl Fault {
    /// What the server does, before it takes everything.
    fn script(self, way: Way) -> Vec<Reply> {
        let grpc = way == Way::OtlpGrpc;
        let fails = if grpc { Reply::Grpc(14, "not now") } else { Reply::Status(500, "not now") };
        match self {
            Self::Refused => Vec::new(),
            Self::Slow => vec![Reply::Slow(Duration::from_millis(300)); 3],
            Self::TooSlow => vec![Reply::Stall(Duration::from_millis(1500)); 2],
            Self::Half => vec![Reply::Half, Reply::Take, Reply::Half],
            Self::Later => vec![Reply::Later(1)],
            Self::FailsForAWhile => vec![fails; 5],
            Self::Poison if grpc => vec![Reply::Take, Reply::Grpc(3, "no such thing")],
            Self::Poison => vec![Reply::Take, Reply::Status(400, "no such thing")],
            Self::Cut => vec![Reply::Cut(0), Reply::Take, Reply::Cut(100)],
            Self::Reset => vec![Reply::Reset, Reply::Take, Reply::Reset],
            Self::TrailersOnly => vec![Reply::TrailersOnly(14, "not now"), Reply::Take],
            Self::Proxy => vec![Reply::Status(502, "bad gateway"), Reply::Take, Reply::Status(404, "")],
            Self::Statuses if grpc => [1, 4, 10, 11].map(|code| Reply::Grpc(code, "")).into_iter().collect(),
            Self::Statuses => [401, 408, 425, 503].map(|code| Reply::Status(code, "")).into_iter().collect(),
        }
    }
}

impl Way {
    fn start(self, address: SocketAddr, script: Vec<Reply>) -> Faulty {
        match self {
            Self::Http | Self::OtlpHttp => Faulty::start_at(address, script).unwrap(),
            Self::OtlpGrpc => Faulty::start_grpc_at(address, script).unwrap(),
        }
    }

    fn url(self, address: SocketAddr, folder: &TempDir, options: &str) -> String {
        let (scheme, more) = match self {
            Self::Http => ("http", "/ingest?packets=no"),
            Self::OtlpHttp => ("otlp+http", "?metrics=no"),
            Self::OtlpGrpc => ("otlp+grpc", "?metrics=no"),
        };
        format!("{scheme}://{address}{more}&spool={}&{options}", folder.path().display())
    }

    /// How often each trace came in a request that the server has.
    fn arrived(self, seen: &[Request]) -> BTreeMap<u64, usize> {
        if self == Self::Http {
            return arrived(seen).0.into_iter().map(|(id, times)| (id, times as usize)).collect();
        }
        (0..ALL).map(|id| (id, holds_id(seen, id))).filter(|(_, times)| *times > 0).collect()
    }
}

/// One cell of the matrix.
fn check(way: Way, fault: Fault) {
    let folder = TempDir::new().unwrap();
    let cell = format!("{way:?}, {fault:?}");
    let script = fault.script(way);
    let refused = fault == Fault::Refused;
    let (address, listening) = if refused {
        (free_address(), None)
    } else {
        let server = way.start(([127, 0, 0, 1], 0).into(), script.clone());
        (server.address(), Some(server))
    };
    let options = "batch=10&linger=10s&timeout=1s&flush=40s";
    let session = Session::start(&way.url(address, &folder, options));
    session.traces(0..ALL);
    let server = listening.unwrap_or_else(|| {
        // Until it has been told of: then at least one try has failed.
        super::until(|| !session.said.lock().unwrap().is_empty());
        way.start(address, Vec::new())
    });
    let (counts, said) = session.finish();
    let seen = server.seen();
    assert_arrived(way, fault, counts, &seen);
    // The script was played to its end, whatever the client made of it.
    for reply in &script {
        let wanted = script.iter().filter(|one| *one == reply).count();
        let found = seen.iter().filter(|request| request.reply == *reply).count();
        assert!(
            found >= wanted || matches!(reply, Reply::Take),
            "{cell}: {reply:?} {found} times of {wanted}"
        );
    }
    let fails = said.iter().filter(|text| text.contains("kept for later")).count();
    let is_back = said.iter().filter(|text| text.ends_with("takes traces again")).count();
    let harmless = matches!(fault, Fault::Slow | Fault::Poison);
    assert!(fails == is_back && (fails > 0) != harmless, "{cell}: {said:?}");
}

/// Exactly the accepted traces are there, and the accounts say so.
fn assert_arrived(way: Way, fault: Fault, counts: Counts, seen: &[Request]) {
    let cell = format!("{way:?}, {fault:?}");
    let rejected = if fault == Fault::Poison { BATCH } else { 0 };
    let mut expected = Counts { received: ALL, sent: ALL - rejected, ..Counts::default() };
    expected.drop_traces(DropReason::Rejected, rejected);
    assert_eq!(counts, expected, "{cell}");
    let traces = way.arrived(seen);
    let poisoned = if rejected > 0 { BATCH..2 * BATCH } else { 0..0 };
    let wanted: Vec<u64> = (0..ALL).filter(|id| !poisoned.contains(id)).collect();
    assert_eq!(traces.keys().copied().collect::<Vec<_>>(), wanted, "{cell}");
    let times = traces.values().copied().max().unwrap_or(0);
    assert!(times <= if fault == Fault::Half { 3 } else { 1 }, "{cell}: {traces:?}");
    // What came again is the same to the last byte, its ids among it: a receiver can drop it.
    let taken = seen.iter().filter(|request| request.was_taken());
    let distinct: BTreeSet<&[u8]> = taken.map(|request| request.body.as_slice()).collect();
    assert_eq!(distinct.len() as u64, (ALL - rejected) / BATCH, "{cell}");
}

#[test]
fn nothing_that_goes_wrong_on_the_way_loses_a_trace() {
    // Most of the time is waiting: all at once.
    std::thread::scope(|scope| {
        for way in WAYS {
            for fault in FAULTS {
                scope.spawn(move || check(way, fault));
            }
        }
    });
}

/// What a destination makes of metrics is no matter of its traces.
#[test]
fn a_destination_that_takes_no_metrics_gets_all_traces() {
    for (way, path, refusal) in [
        (Way::OtlpHttp, "/v1/metrics", Reply::Status(404, "no metrics here")),
        (Way::OtlpHttp, "/v1/metrics", Reply::Status(400, "no metrics here")),
        (Way::OtlpGrpc, "MetricsService/Export", Reply::TrailersOnly(12, "no metrics here")),
        (Way::OtlpGrpc, "MetricsService/Export", Reply::Reset),
    ] {
        let folder = TempDir::new().unwrap();
        let server = way.start(([127, 0, 0, 1], 0).into(), Vec::new());
        server.always(path, refusal.clone());
        let url = way.url(server.address(), &folder, "batch=10&linger=0s&flush=20s");
        let session = Session::start(&url.replace("metrics=no", "metrics=yes&interval=100ms"));
        let is_refused = |seen: &[Request]| seen.iter().any(|request| request.path.ends_with(path));
        session.traces(0..10);
        session.tick();
        server.until(LIMIT, is_refused).unwrap();
        // What comes behind the refusal is not held up by it.
        session.traces(10..ALL);
        let all = |seen: &[Request]| way.arrived(seen).len() as u64 == ALL;
        server.until(LIMIT, all).unwrap();
        let (counts, said) = session.finish();
        assert_eq!(counts, Counts { received: ALL, sent: ALL, ..Counts::default() }, "{refusal:?}");
        let told = said.iter().filter(|text| text.contains("metrics are not taken: ")).count();
        assert_eq!((told, said.len()), (1, 1), "{refusal:?}: {said:?}");
        assert!(said[0].ends_with("; traces go on"), "{said:?}");
    }
}

/// How a receiver of Carbon's lines fails before it is as it should be.
#[derive(Clone, Copy, Debug)]
enum Carbon {
    Refused,
    /// It closes each of the first connections at once.
    Closed,
    /// It reads nothing for a while.
    Stalled,
}

/// Of each connection its lines: whole ones.
fn carbon(listener: &TcpListener, fault: Carbon) -> Vec<Vec<String>> {
    let mut all = Vec::new();
    for (number, client) in listener.incoming().enumerate() {
        let mut client = client.unwrap();
        match fault {
            Carbon::Closed if number < 3 => continue,
            Carbon::Stalled if number < 2 => std::thread::sleep(Duration::from_millis(500)),
            _ => {}
        }
        let mut text = String::new();
        client.read_to_string(&mut text).unwrap();
        if text == "end\n" {
            break;
        }
        all.push(BufReader::new(text.as_bytes()).lines().map(Result::unwrap).collect());
    }
    all
}

/// The last figures hold all that earlier ones did, so that whatever went wrong before them does no harm.
#[test]
fn the_last_figures_that_carbon_gets_are_whole() {
    for fault in [Carbon::Refused, Carbon::Closed, Carbon::Stalled] {
        let bound = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = bound.local_addr().unwrap();
        // Dropped, or moved on: where nobody listens, nothing is kept for later by the system.
        let listener = Some(bound).filter(|_| !matches!(fault, Carbon::Refused));
        let receiving = |listener: TcpListener| std::thread::spawn(move || carbon(&listener, fault));
        let early = listener.map(receiving);
        let session = Session::start(&format!("graphite://{address}?prefix=x&interval=100ms"));
        session.traces(0..20);
        session.tick();
        let receiver = early.unwrap_or_else(|| {
            super::until(|| !session.said.lock().unwrap().is_empty());
            receiving(TcpListener::bind(address).unwrap())
        });
        std::thread::sleep(Duration::from_millis(700));
        session.traces(20..ALL);
        let (counts, said) = session.finish();
        assert_eq!(counts, Counts { received: ALL, sent: ALL, ..Counts::default() });
        std::io::Write::write_all(&mut std::net::TcpStream::connect(address).unwrap(), b"end\n").unwrap();
        let all = receiver.join().unwrap();
        let last = all.last().unwrap();
        let line = last.iter().find(|line| line.starts_with("x.pipeline.e2e.count ")).unwrap();
        assert_eq!(line.split(' ').nth(1), Some("50"), "{fault:?}");
        assert!(all.iter().flatten().all(|line| line.split(' ').count() == 3), "{fault:?}: {all:?}");
        let refused = usize::from(matches!(fault, Carbon::Refused));
        let again = said.iter().filter(|text| text.ends_with("takes metrics again")).count();
        assert!(again >= refused && said.len() <= 2 + 2 * again, "{fault:?}: {said:?}");
    }
}
