//! Bad input of every kind on the program as it runs: each has its status, and the process is there afterwards, as small as before.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use stain_tests::collector::Collector;
use stain_tests::fields::{list, text};
use stain_tests::run::SHORT;
use tempfile::TempDir;

const GRPC: &str = "POST /opentelemetry.proto.collector.trace.v1.TraceService/Export";
const OPENAPI: &str = include_str!("../../docs/openapi.json");
/// What the program may take at most, whatever comes.
const MEMORY_KIB: u64 = 200 << 10;

struct Running {
    _folder: TempDir,
    collector: Collector,
}

impl Running {
    fn start(arguments: &[&str]) -> Result<Self> {
        let folder = TempDir::new()?;
        let collector = Collector::start(folder.path(), arguments)?;
        Ok(Self { _folder: folder, collector })
    }

    /// It lives, is small, and takes what is good.
    fn is_well(&self, after: &str) -> Result<()> {
        let event = json!([{"eventType": "STAIN_TRACE", "jobId": "1", "traceId": 123, "payload": "U1RUUgABAAAAAAAAAHsAAAAAAAAByAAA"}]);
        self.collector.take(&event).with_context(|| after.to_owned())?;
        let (status, body) = self.collector.get("/api/v1/traces")?;
        ensure!(status == 200 && body.contains("\"total\":1"), "{after}: {status} {body}");
        let kib = self.collector.most_kib()?;
        ensure!(kib < MEMORY_KIB, "{after}: {kib} KiB");
        Ok(())
    }

    /// Says this, and hears whatever comes until the connection is closed, or nothing comes for a moment.
    fn say(&self, bytes: &[u8]) -> Result<String> {
        let mut stream = TcpStream::connect(self.collector.address())?;
        stream.set_read_timeout(Some(Duration::from_millis(1500)))?;
        stream.set_write_timeout(Some(SHORT))?;
        // Closed in the midst of it is an answer, too.
        let _ = stream.write_all(bytes);
        let mut answer = Vec::new();
        let mut piece = [0; 4096];
        while let Ok(count @ 1..) = stream.read(&mut piece) {
            answer.extend_from_slice(&piece[..count]);
        }
        Ok(String::from_utf8_lossy(&answer).into_owned())
    }
}

#[test]
fn bodies_that_are_not_what_they_say_have_their_status() -> Result<()> {
    let running = Running::start(&["--max-plain", "1MiB"])?;
    let frame =
        |flag: u8, length: u32, message: &[u8]| [&[flag][..], &length.to_be_bytes(), message].concat();
    let deep_group = [0x0b; 2000];
    for (line, headers, body, status) in [
        ("POST /ingest", vec![("content-encoding", "gzip")], b"no gzip".to_vec(), "400"),
        ("POST /ingest", vec![("content-encoding", "zstd")], b"\x28\xb5\x2f\xfd broken".to_vec(), "400"),
        ("POST /ingest", vec![("content-encoding", "br")], b"[]".to_vec(), "415"),
        ("POST /ingest", vec![("content-encoding", "gzip, zstd")], b"[]".to_vec(), "415"),
        ("POST /ingest", vec![], b"\0\0\0".to_vec(), "400"),
        ("POST /v1/traces", vec![("content-type", "text/plain")], b"x".to_vec(), "415"),
        (
            "POST /v1/traces",
            vec![("content-type", "application/x-protobuf")],
            b"\xff\xff\xff".to_vec(),
            "400",
        ),
        ("POST /v1/traces", vec![("content-type", "application/x-protobuf")], deep_group.to_vec(), "400"),
        (
            "POST /v1/traces",
            vec![("content-type", "application/json")],
            b"{\"resourceSpans\":7}".to_vec(),
            "400",
        ),
        (
            "POST /v1/traces",
            vec![("content-type", "application/json")],
            "[".repeat(100_000).into_bytes(),
            "400",
        ),
        ("DELETE /ingest", vec![], vec![], "405"),
        ("GET /v1/traces", vec![], vec![], "405"),
        ("POST /nowhere", vec![], b"x".to_vec(), "404"),
    ] {
        let answer = running.collector.ask_with(line, &headers, &body)?;
        ensure!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{line} {headers:?}: {answer}");
    }
    let grpc = ("content-type", "application/grpc");
    for (headers, body, status) in [
        (vec![grpc], b"abc".to_vec(), 3),
        (vec![grpc], frame(0, 100, b"short"), 3),
        (vec![grpc], frame(0, 3, b"\xff\xff\xff"), 3),
        (vec![grpc], frame(0, u32::MAX, b""), 3),
        (vec![grpc, ("grpc-encoding", "gzip")], frame(1, 4, b"junk"), 3),
        (vec![grpc, ("grpc-encoding", "snappy")], frame(1, 4, b"junk"), 12),
        (vec![grpc], frame(1, 4, b"junk"), 12),
    ] {
        let answer = running.collector.ask_with(GRPC, &headers, &body)?;
        let told = format!("grpc-status: {status}\r\n");
        ensure!(answer.starts_with("HTTP/1.1 200 ") && answer.contains(&told), "{headers:?}: {answer}");
    }
    running.is_well("bad bodies")
}

#[test]
fn a_token_is_asked_for_on_every_way_in() -> Result<()> {
    let folder = TempDir::new()?;
    let path = folder.path().join("token");
    std::fs::write(&path, "s3cret")?;
    let running = Running::start(&["--token-file", &path.display().to_string()])?;
    let document: Value = serde_json::from_str(OPENAPI)?;
    let open = ["/healthz", "/health", "/readyz", "/"];
    for (path, methods) in document["paths"].as_object().context("no paths")? {
        for method in methods.as_object().context("no methods")?.keys() {
            let line = format!("{} {}", method.to_uppercase(), path.replace("{traceId}", "1"));
            for token in
                [None, Some(("x-seatunnel-token", "s3cre")), Some(("authorization", "Bearer s3cret2"))]
            {
                let answer = running.collector.ask_with(&line, token.as_slice(), b"[]")?;
                let is_let_in = !answer.starts_with("HTTP/1.1 401 ");
                ensure!(is_let_in == open.contains(&path.as_str()), "{line} {token:?}: {answer}");
            }
        }
    }
    let answer = running.collector.ask_with(GRPC, &[("content-type", "application/grpc")], b"")?;
    ensure!(answer.contains("grpc-status: 16\r\n"), "{answer}");
    Ok(())
}

/// Each parameter of each route, as the description names them.
#[test]
fn bad_parameters_are_400_on_every_route() -> Result<()> {
    let running = Running::start(&[])?;
    let document: Value = serde_json::from_str(OPENAPI)?;
    let mut tried = 0;
    for (path, methods) in document["paths"].as_object().context("no paths")? {
        let route = path.replace("{traceId}", "123");
        if !route.contains("traces") && !route.starts_with("/api/v1/") || methods["get"].is_null() {
            continue;
        }
        let refused = |query: &str| -> Result<()> {
            let (status, body) = running.collector.get(&format!("{route}?{query}"))?;
            let is_told = serde_json::from_str::<Value>(&body).is_ok_and(|body| body["error"].is_string());
            ensure!(status == 400 && is_told, "{route}?{query}: {status} {body}");
            Ok(())
        };
        let many = vec!["jobId=1"; 40].join("&");
        for query in ["no_such_parameter=1", "jobId=%00", "=", "%00=1", &many] {
            refused(query)?;
        }
        for parameter in list(&methods["get"]["parameters"])? {
            let parameter = resolve(&document, parameter)?;
            let name = text(&parameter["name"])?;
            if parameter["in"] != "query" {
                continue;
            }
            tried += 1;
            refused(&format!("{name}=%00"))?;
            if name != "attribute" {
                refused(&format!("{name}=1&{name}=2"))?;
            }
            refused(&format!("{name}={}", "9".repeat(5000)))?;
            if parameter["schema"]["type"] == "integer" {
                // Tasks may be below zero.
                if !parameter["schema"]["minimum"].is_null() {
                    refused(&format!("{name}=-1"))?;
                }
                for value in ["", "x", "1e3", "0x10", "99999999999999999999", "1.5", "%20"] {
                    refused(&format!("{name}={value}"))?;
                }
            }
        }
    }
    ensure!(tried > 20, "{tried} parameters were tried");
    for id in ["x", "-1", "9223372036854775808", "1e3", "%FF", "1%00"] {
        let (status, body) = running.collector.get(&format!("/api/v1/traces/{id}"))?;
        ensure!(matches!(status, 400 | 404) && body.starts_with("{\"error\":"), "{id}: {status} {body}");
    }
    running.is_well("bad parameters")
}

fn resolve<'a>(document: &'a Value, value: &'a Value) -> Result<&'a Value> {
    match value["$ref"].as_str() {
        None => Ok(value),
        Some(reference) => document.pointer(reference.trim_start_matches('#')).context("no such reference"),
    }
}

#[test]
fn what_is_no_http_does_no_harm() -> Result<()> {
    let running = Running::start(&["--head-time", "1s", "--body-time", "1s"])?;
    let long = |name: &str, value: usize| {
        format!("GET /healthz HTTP/1.1\r\nhost: x\r\n{name}: {}\r\n\r\n", "v".repeat(value)).into_bytes()
    };
    let many: String = (0..5000).map(|number| format!("h{number}: v\r\n")).collect();
    for (what, bytes, status) in [
        ("a head of a megabyte", long("x", 1 << 20), "431"),
        ("a path of a megabyte", format!("GET /{} HTTP/1.1\r\n\r\n", "p".repeat(1 << 20)).into_bytes(), "4"),
        ("five thousand headers", format!("GET / HTTP/1.1\r\n{many}\r\n").into_bytes(), "431"),
        (
            "two lengths",
            b"POST /ingest HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n[]x".to_vec(),
            "400",
        ),
        (
            "a length that is none",
            b"POST /ingest HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n[]".to_vec(),
            "400",
        ),
        (
            "a chunk that is none",
            b"POST /ingest HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n[]\r\n0\r\n\r\n"
                .to_vec(),
            "400",
        ),
        ("a method that is none", b"\x01\x02 / HTTP/1.1\r\n\r\n".to_vec(), "400"),
        ("TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(), "4"),
        ("zeros", vec![0; 100_000], "400"),
    ] {
        let answer = running.say(&bytes)?;
        ensure!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{what}: {answer}");
    }
    running.is_well("no HTTP")
}

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A frame of HTTP/2 (RFC 9113, section 4.1).
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap_or(u32::MAX).to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// `GET /` by http, from the static table (RFC 7541, appendix A), and `:authority: x`.
const ASK: [u8; 6] = [0x82, 0x86, 0x84, 0x41, 0x01, b'x'];
/// The same by `POST`.
const SEND: [u8; 6] = [0x83, 0x86, 0x84, 0x41, 0x01, b'x'];

#[test]
fn abuse_of_http_2_does_no_harm() -> Result<()> {
    let running = Running::start(&["--head-time", "1s", "--body-time", "1s"])?;
    let streams = |count: u32| (0..count).map(|number| 2 * number + 1);
    let reset = [0, 0, 0, 8];
    let repeat = |frame: Vec<u8>, times: usize| frame.repeat(times);
    for (what, frames) in [
        ("nonsense", b"this is no frame of anything at all, and goes on".to_vec()),
        (
            "ten thousand requests taken back at once",
            streams(10_000)
                .flat_map(|id| {
                    [frame(HEADERS, END_STREAM | END_HEADERS, id, &ASK), frame(RST_STREAM, 0, id, &reset)]
                        .concat()
                })
                .collect(),
        ),
        (
            "two thousand bodies that never come",
            streams(2000).flat_map(|id| frame(HEADERS, END_HEADERS, id, &SEND)).collect(),
        ),
        (
            "a head that never ends",
            [frame(HEADERS, 0, 1, &ASK), repeat(frame(CONTINUATION, 0, 1, &[0x40; 16_000]), 500)].concat(),
        ),
        ("settings again and again", repeat(frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 1]), 50_000)),
        ("pings that nobody hears answered", repeat(frame(PING, 0, 0, &[0; 8]), 100_000)),
        ("a frame larger than there may be", frame(0, 0, 1, &vec![0; 1 << 20])),
        ("a window beyond its bound", repeat(frame(8, 0, 0, &[0x7f, 0xff, 0xff, 0xff]), 10)),
    ] {
        let bytes = [PREFACE, &frame(SETTINGS, 0, 0, &[]), &frames].concat();
        running.say(&bytes).with_context(|| what.to_owned())?;
        running.is_well(what)?;
    }
    Ok(())
}
