//! The collector itself, over HTTP: what agents send is decoded, stored, and answered once it is durable.
//!
//! Owns: the clients, which take their part of the same processors.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, ensure};
use stain_tests::collector::Collector;

use super::ask::{median, memory_mib};
use super::{BATCH, make};
use crate::attached::cpu_ns;
use crate::table::{Aim, Row, Table};

/// Traces of one run.
const TRACES: u64 = 300_000;
/// Connections that send at a time.
const CLIENTS: u64 = 4;

/// Sends to a collector and asks it.
pub(super) fn table() -> Result<Table> {
    let folder = tempfile::tempdir()?;
    let collector = Collector::start(folder.path(), &[])?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
    let wall_ns = i64::try_from(now.as_nanos())? - 1_000_000_000;
    let bodies: Vec<Vec<u8>> =
        (0..TRACES).step_by(BATCH as usize).map(|first| make::body(first, BATCH, wall_ns)).collect();
    let bytes: usize = bodies.iter().map(Vec::len).sum();
    let before = cpu_ns(collector.pid())?;
    let start = Instant::now();
    std::thread::scope(|scope| -> Result<()> {
        let send = |client: u64| {
            let mine = bodies.iter().skip(client as usize).step_by(CLIENTS as usize);
            let address = collector.address();
            scope.spawn(move || send(address, mine))
        };
        let clients: Vec<_> = (0..CLIENTS).map(send).collect();
        clients
            .into_iter()
            .try_for_each(|client| client.join().map_err(|_| anyhow::anyhow!("a client panicked"))?)
    })?;
    let rate = TRACES as f64 / start.elapsed().as_secs_f64();
    let cpu_us = (cpu_ns(collector.pid())? - before) as f64 / 1e3 / TRACES as f64;
    let ask = |times, path: &str| median(times, || collector.json(path).map(drop));
    let stats = ask(31, "/api/v1/stats")?;
    let page = ask(31, "/api/v1/traces")?;
    let total = collector.json("/api/v1/traces?limit=1")?;
    ensure!(total["total"] == TRACES, "{} of {TRACES} traces are there", total["total"]);
    let id = total["items"][0]["traceId"].as_str().context("no trace")?.to_owned();
    let detail = ask(101, &format!("/api/v1/traces/{id}"))?;
    let memory = memory_mib(collector.pid())?;
    collector.stop()?;
    let rows = vec![
        Row::new(format!("events in batches of {BATCH}, {CLIENTS} connections"), rate, "traces/s"),
        Row::new("processor time of a trace, in the collector", cpu_us, "us"),
        Row::new("an event on its way", bytes as f64 / TRACES as f64, "bytes"),
        Row::new("statistics of an hour", stats, "ms"),
        Row::new("the newest 100, with the total", page, "ms"),
        Row::new("one trace with everything", detail, "ms"),
        Row::new("memory, at most", memory, "MiB"),
    ];
    let aims = vec![
        Aim::at_least("durable ingest over HTTP", rate, 30_000.0, " traces/s"),
        Aim::at_most("statistics", stats, 100.0, " ms"),
        Aim::at_most("detail", detail, 5.0, " ms"),
        Aim::at_most("memory of the collector", memory, 200.0, " MiB"),
    ];
    let title = format!("`stain collector` over HTTP, {TRACES} traces of six stages into SQLite");
    Ok(Table { title, rows, aims, ..Table::default() })
}

/// Sends bodies behind each other on one connection, each once the one before is answered.
fn send<'b>(address: &str, bodies: impl Iterator<Item = &'b Vec<u8>>) -> Result<()> {
    let mut stream = BufReader::new(TcpStream::connect(address)?);
    for body in bodies {
        let head = format!("POST /ingest HTTP/1.1\r\nhost: bench\r\ncontent-length: {}\r\n\r\n", body.len());
        stream.get_mut().write_all(head.as_bytes())?;
        stream.get_mut().write_all(body)?;
        answered(&mut stream)?;
    }
    Ok(())
}

/// Reads one answer, which has to be success.
fn answered(stream: &mut BufReader<TcpStream>) -> Result<()> {
    let (mut status, mut length) = (String::new(), 0);
    stream.read_line(&mut status)?;
    loop {
        let mut line = String::new();
        stream.read_line(&mut line)?;
        if line.trim().is_empty() {
            break;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse()?;
        }
    }
    let mut answer = vec![0; length];
    stream.read_exact(&mut answer)?;
    ensure!(status.contains(" 200 "), "{status}{}", String::from_utf8_lossy(&answer));
    Ok(())
}
