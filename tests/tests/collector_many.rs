//! Several collectors on one PostgreSQL, as behind a balancer: whatever reaches whichever of them is there once, and all of them tell the same.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use stain_tests::collector::{Collector, ask};
use stain_tests::contract::{event, list};
use stain_tests::run::LONG;
use stain_tests::services::Service;

/// Collectors.
const MANY: usize = 3;
/// Traces, and those of one request.
const TRACES: (u64, u64) = (600, 20);
/// The time of day of the first record, ms since the Unix epoch.
const BEGIN: u64 = 1_700_000_000_000;

/// The ids of the traces that a stream of server-sent events brings, until there are so many.
fn live(stream: BufReader<TcpStream>, wanted: usize) -> Result<Vec<u64>> {
    let mut found = Vec::new();
    for line in stream.lines() {
        let line = line?;
        let Some(data) = line.strip_prefix("data: ") else { continue };
        let trace: Value = serde_json::from_str(data)?;
        found.push(trace["traceId"].as_str().context("no id")?.parse()?);
        if found.len() == wanted {
            break;
        }
    }
    Ok(found)
}

/// Opens the stream, and waits for its head: what comes from then on is on it.
fn listen(collector: &Collector) -> Result<BufReader<TcpStream>> {
    let mut stream = TcpStream::connect(collector.address())?;
    stream.set_read_timeout(Some(LONG))?;
    stream.write_all(b"GET /api/v1/live HTTP/1.1\r\nhost: x\r\n\r\n")?;
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    while !line.starts_with("retry: ") {
        line.clear();
        ensure!(stream.read_line(&mut line)? > 0, "the stream ended");
    }
    Ok(stream)
}

/// Sends each request to two collectors, the second time as a sender that saw no answer.
fn spread(all: &[String], sender: u64) -> Result<()> {
    let (traces, some) = TRACES;
    for (number, first) in (0..traces).step_by(usize::try_from(some)?).enumerate() {
        if number as u64 % MANY as u64 != sender {
            continue;
        }
        let events: Vec<String> =
            (first..first + some).map(|id| event(7, id, BEGIN + id * 50, id % 40 + 1)).collect();
        for turn in [0, 1] {
            let address = all.get((number + turn) % MANY).context("too few")?;
            let answer = ask(address, "POST /ingest", &[], list(&events).as_bytes())?;
            ensure!(answer.contains(&format!("{{\"received\":{some}}}")), "{answer}");
        }
    }
    Ok(())
}

/// All ids of the list, each page from another collector.
fn pages(all: &[Collector]) -> Result<Vec<u64>> {
    let (mut found, mut cursor) = (Vec::new(), String::new());
    for collector in all.iter().cycle() {
        let page = collector.json(&format!("/api/v1/traces?jobId=7&limit=70{cursor}"))?;
        for item in page["items"].as_array().context("no items")? {
            found.push(item["traceId"].as_str().context("no id")?.parse()?);
        }
        let Some(next) = page["next"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    Ok(found)
}

#[test]
fn three_collectors_are_as_one() -> Result<()> {
    if !Service::Postgres.gate("collector_many::three_collectors_are_as_one").open() {
        return Ok(());
    }
    let server = Service::Postgres.start()?;
    let store = server.database("shared")?;
    let all: Vec<Collector> = (0..MANY).map(|_| Collector::start_on(&store, &[])).collect::<Result<_>>()?;
    let (traces, _) = TRACES;
    let count = usize::try_from(traces)?;
    let listening: Vec<_> = all.iter().map(listen).collect::<Result<_>>()?;
    let addresses: Vec<String> = all.iter().map(|one| one.address().to_owned()).collect();
    let seen = std::thread::scope(|scope| -> Result<Vec<Vec<u64>>> {
        let live: Vec<_> =
            listening.into_iter().map(|stream| scope.spawn(move || live(stream, count))).collect();
        let addresses = &addresses;
        let senders: Vec<_> =
            (0..MANY as u64).map(|sender| scope.spawn(move || spread(addresses, sender))).collect();
        for sender in senders {
            sender.join().ok().context("a sender failed")??;
        }
        live.into_iter().map(|thread| thread.join().ok().context("a listener failed")?).collect()
    })?;
    let expected: BTreeSet<u64> = (0..traces).collect();
    // Each sees all that any of them took, once.
    for seen in seen {
        ensure!(seen.len() == count && seen.into_iter().collect::<BTreeSet<u64>>() == expected);
    }
    let sum = |name: &str| all.iter().map(|one| one.counter(name)).sum::<Result<u64>>();
    ensure!(sum("st_trace_collector_stain_trace_new_total")? == traces);
    ensure!(sum("st_trace_collector_stain_trace_repeated_total")? == traces);
    let listed = pages(&all)?;
    ensure!(listed.len() == count && listed.into_iter().collect::<BTreeSet<u64>>() == expected);
    let range = format!("jobId=7&fromMs={}&toMs={}", BEGIN - 60_000, BEGIN + 120_000);
    for route in ["stats", "bottlenecks", "outliers"] {
        let path = format!("/api/v1/{route}?{range}");
        let answers: Vec<Value> = all.iter().map(|one| one.json(&path)).collect::<Result<_>>()?;
        ensure!(answers.windows(2).all(|pair| pair[0] == pair[1]), "{route}: {answers:?}");
        if route == "stats" {
            let series = answers[0]["series"].as_array().context("no series")?;
            ensure!(series.len() == 4, "{series:?}");
            ensure!(series.iter().all(|series| series["total"]["count"] == traces), "{series:?}");
        }
    }
    for one in all {
        ensure!(one.total()? == traces);
        ensure!(one.stop()?.status.success());
    }
    Ok(())
}
