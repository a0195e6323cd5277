//! Two hundred clients that are slow with what they send, or do not take what they are sent: they are told so or closed, memory stays small, and others are served.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use stain_tests::collector::Collector;
use stain_tests::run::LONG;
use tempfile::TempDir;

const CLIENTS: usize = 200;
/// As the aim for the whole program has it.
const MEMORY_KIB: u64 = 200 << 10;
/// Traces that are there to be asked for.
const TRACES: u64 = 4000;
/// How often a client asks for a part of the page: that is more than all buffers of a connection hold.
const QUESTIONS: usize = 400;

/// In what a client is slow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Slow {
    Head,
    Body,
    Reading,
}

struct Client {
    slow: Slow,
    stream: TcpStream,
    answer: Vec<u8>,
    is_closed: bool,
}

impl Client {
    fn connect(address: &str, slow: Slow) -> Result<Self> {
        let mut stream = TcpStream::connect(address)?;
        match slow {
            Slow::Head => stream.write_all(b"POST /ingest HTTP/1.1\r\nhost: x\r\nx-slow: ")?,
            Slow::Body => {
                stream.write_all(b"POST /ingest HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000\r\n\r\n[")?;
            }
            Slow::Reading => {
                stream.write_all(b"GET /api/v1/traces?limit=2000 HTTP/1.1\r\nhost: x\r\n\r\n")?;
                let question = "GET /page/page.js HTTP/1.1\r\nhost: x\r\n\r\n";
                stream.write_all(question.repeat(QUESTIONS).as_bytes())?;
            }
        }
        stream.set_nonblocking(true)?;
        Ok(Self { slow, stream, answer: Vec::new(), is_closed: false })
    }

    /// A byte more, and whatever came; who is slow in reading does neither.
    fn go_on(&mut self) {
        if self.slow == Slow::Reading || self.is_closed {
            return;
        }
        let sent = self.stream.write_all(b" ");
        let mut piece = [0; 1024];
        loop {
            match self.stream.read(&mut piece) {
                Ok(0) => self.is_closed = true,
                Ok(count) => self.answer.extend_from_slice(&piece[..count]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.is_closed |= sent.is_err(),
                Err(_) => self.is_closed = true,
            }
            let is_more = !self.is_closed && self.stream.peek(&mut [0]).is_ok_and(|count| count > 0);
            if !is_more {
                return;
            }
        }
    }
}

fn event(job: &str, id: u64) -> Value {
    let mut payload = b"STTR\0\x01".to_vec();
    payload.extend_from_slice(&id.to_be_bytes());
    payload.extend_from_slice(&1_700_000_000_000u64.to_be_bytes());
    payload.extend_from_slice(&[0, 0]);
    json!({"eventType": "STAIN_TRACE", "jobId": job, "traceId": id, "sinkTaskId": 1, "payload": payload})
}

#[test]
fn two_hundred_slow_clients_are_closed_and_hold_up_nobody() -> Result<()> {
    let folder = TempDir::new()?;
    let collector = Collector::start(folder.path(), &["--head-time", "2s", "--body-time", "3s"])?;
    for first in (1..=TRACES).step_by(500) {
        let events: Vec<Value> = (first..first + 500).map(|id| event("1", id)).collect();
        collector.take(&json!(events))?;
    }
    let ways = [Slow::Head, Slow::Body, Slow::Reading];
    let mut clients: Vec<Client> = ways
        .into_iter()
        .cycle()
        .take(CLIENTS)
        .map(|slow| Client::connect(collector.address(), slow))
        .collect::<Result<_>>()?;
    let (deadline, mut served) = (Instant::now() + LONG, 0);
    loop {
        clients.iter_mut().for_each(Client::go_on);
        served += 1;
        collector.take(&json!([event("2", served)]))?;
        ensure!(collector.json("/api/v1/traces?jobId=2&limit=1")?["total"] == served, "{served}");
        // The one that asks is a connection, too.
        let left = collector.counter("st_trace_collector_connections")?;
        if left <= 1 && clients.iter().all(|client| client.is_closed || client.slow == Slow::Reading) {
            break;
        }
        ensure!(Instant::now() < deadline, "{left} connections are left");
        std::thread::sleep(Duration::from_millis(50));
    }
    for client in &clients {
        let answer = String::from_utf8_lossy(&client.answer);
        let is_told = answer.starts_with("HTTP/1.1 408 ") && answer.contains("{\"error\":\"");
        ensure!(is_told || client.slow == Slow::Reading, "{:?}: {answer:?}", client.slow);
    }
    let most_kib = collector.most_kib()?;
    eprintln!("{served} served meanwhile; {most_kib} KiB");
    ensure!(most_kib < MEMORY_KIB, "{most_kib} KiB");
    ensure!(collector.stop()?.status.success());
    Ok(())
}
