//! `stain collector` as users run it: its start and end, what it refuses, and a live agent whose traces all arrive, once, by every way there is.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use rustix::process::Signal;
use serde_json::Value;
use stain_tests::collector::Collector;
use stain_tests::pipeline::Pipeline;
use stain_tests::run::{LONG, SHORT, turn};
use stain_tests::specs;
use stain_tests::stain::{self, Agent};
use stain_tests::tally::privileged;
use stain_tests::targets::Flavour;
use tempfile::TempDir;

const EVENT: &str = "[{\"eventType\":\"STAIN_TRACE\",\"jobId\":\"1\",\"traceId\":123,\"payload\":\"U1RUUgABAAAAAAAAAHsAAAAAAAAByAAA\"}]";

#[test]
fn it_starts_without_privileges_keeps_what_it_took_and_ends_when_told() -> Result<()> {
    let folder = TempDir::new()?;
    let collector = Collector::start(folder.path(), &[])?;
    ensure!(collector.ask("GET /healthz", b"")?.ends_with("\r\n\r\nok"));
    ensure!(collector.ask("GET /readyz", b"")?.starts_with("HTTP/1.1 200 "));
    ensure!(collector.ask("POST /ingest", EVENT.as_bytes())?.ends_with("{\"received\":1}"));
    ensure!(collector.ask("POST /ingest", b"{")?.starts_with("HTTP/1.1 400 "));
    let ended = collector.stop()?;
    ensure!(ended.status.success() && ended.stderr.contains("action=end"), "{}", ended.stderr);
    // Another one finds it.
    let collector = Collector::start(folder.path(), &[])?;
    ensure!(collector.ask("POST /api/v1/seatunnel/events", EVENT.as_bytes())?.contains("\"received\":1"));
    ensure!(collector.counter("st_trace_collector_stain_trace_repeated_total")? == 1);
    ensure!(collector.counter("st_trace_collector_stain_trace_new_total")? == 0);
    ensure!(collector.stop()?.status.success());
    Ok(())
}

#[test]
fn what_it_was_told_success_for_survives_a_kill() -> Result<()> {
    let folder = TempDir::new()?;
    let collector = Collector::start(folder.path(), &[])?;
    ensure!(collector.ask("POST /ingest", EVENT.as_bytes())?.contains("\"received\":1"));
    collector.end(Signal::KILL)?;
    let collector = Collector::start(folder.path(), &[])?;
    collector.ask("POST /ingest", EVENT.as_bytes())?;
    ensure!(collector.counter("st_trace_collector_stain_trace_repeated_total")? == 1);
    ensure!(collector.stop()?.status.success());
    Ok(())
}

#[test]
fn a_token_is_asked_for_and_never_shown() -> Result<()> {
    let folder = TempDir::new()?;
    let path = folder.path().join("token");
    std::fs::write(&path, "s3cret-token\n")?;
    let collector =
        Collector::start(folder.path(), &["--token-file", &path.display().to_string(), "--log", "trace"])?;
    ensure!(collector.ask("POST /ingest", EVENT.as_bytes())?.starts_with("HTTP/1.1 401 "));
    ensure!(collector.ask("GET /healthz", b"")?.starts_with("HTTP/1.1 200 "));
    let right = [("x-seatunnel-token", "s3cret-token")];
    ensure!(collector.ask_with("POST /ingest", &right, EVENT.as_bytes())?.contains("\"received\":1"));
    let ended = collector.stop()?;
    ensure!(!ended.stderr.contains("s3cret-token"), "{}", ended.stderr);
    Ok(())
}

/// Every line of a log is one object of JSON, also that of a mistake.
fn objects(stderr: &str) -> Result<Vec<Value>> {
    let all: Vec<Value> = stderr.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    for line in &all {
        let is_text = |name: &str| line[name].as_str().is_some_and(|text| !text.is_empty());
        ensure!(is_text("time") && is_text("level") && is_text("message"), "{line}");
    }
    Ok(all)
}

#[test]
fn the_log_can_be_read_by_programs() -> Result<()> {
    let folder = TempDir::new()?;
    let collector = Collector::start(folder.path(), &["--log-format", "json", "--log", "debug"])?;
    ensure!(collector.ask("GET /healthz", b"")?.ends_with("\r\n\r\nok"));
    let address = collector.address().to_owned();
    let lines = objects(&collector.stop()?.stderr)?;
    let start = lines.iter().find(|line| line["fields"]["action"] == "start");
    ensure!(
        start.is_some_and(|line| line["fields"]["address"] == address.as_str() && line["level"] == "info"),
        "{lines:?}"
    );
    ensure!(lines.last().is_some_and(|line| line["message"] == "action=end"), "{lines:?}");
    let arguments = ["collector", "--log-format", "json", "--listen", "0.0.0.0:0"];
    let ended = stain::run(&arguments, SHORT)?;
    let lines = objects(&ended.stderr)?;
    ensure!(!ended.status.success() && lines.len() == 1 && lines[0]["level"] == "error", "{lines:?}");
    Ok(())
}

#[test]
fn what_cannot_work_is_told_before_anything_begins() -> Result<()> {
    let folder = TempDir::new()?;
    let store = format!("sqlite:{}", folder.path().join("traces.db").display());
    for (arguments, told) in [
        (&["--listen", "0.0.0.0:0"][..], "is not a loopback address"),
        (&["--listen", "nowhere"], "--listen nowhere"),
        (&["--token-file", "/no/such/file"], "cannot be read"),
        (&["--token-env", "STAIN_NO_SUCH_VARIABLE"], "is not set"),
        (&["--tls-cert", "/no/such/file", "--tls-key", "/no/such/file"], "the certificate"),
        (&["--cors", "*"], "is no origin"),
        (&["--engine", "engine"], "is no address of an engine"),
        (&["--from", "http://me:pa55@h/t"], "--from reads from Kafka only"),
        (&["--from", "kafka://h"], "name the topic"),
        (&["--from", "kafka://h/t", "--from", "kafka://h/t"], "given twice"),
        (&["--log-format", "xml"], "--log-format"),
        (&["--max-held", "1MiB"], "--max-held"),
        (&["--retain-age", "0s"], "nothing would be kept"),
        (&["--store", "oracle://x"], "oracle"),
    ] {
        let with_store: &[&str] = if arguments.contains(&"--store") { &[] } else { &["--store", &store] };
        let all: Vec<&str> = ["collector"].iter().chain(with_store).chain(arguments).copied().collect();
        let ended = stain::run(&all, SHORT)?;
        ensure!(!ended.status.success() && ended.stderr.contains(told), "{arguments:?}: {}", ended.stderr);
    }
    ensure!(!folder.path().join("traces.db").exists(), "a store was made for nothing");
    Ok(())
}

/// The agent's traces by the contract's events, by OpenTelemetry, and by files: each of them arrives, and none twice.
#[test]
fn every_trace_of_a_live_agent_arrives_once() -> Result<()> {
    if !privileged("every_trace_of_a_live_agent_arrives_once").open() {
        return Ok(());
    }
    let _turn = turn()?;
    let folder = TempDir::new()?;
    let path = |name: &str| folder.path().join(name).display().to_string();
    let collector = Collector::start(folder.path(), &[])?;
    let address = collector.address();
    let spool = path("spool");
    let urls = [
        format!("http://{address}/ingest?payload=nano&batch=50&flush=30s&spool={spool}"),
        format!("otlp+http://{address}?flush=30s&metrics=no&spool={spool}"),
        format!("otlp+grpc://{address}?flush=30s&metrics=no&spool={spool}"),
        format!("file:{}?format=otlp-json", path("otlp")),
    ];
    let exports: Vec<&str> = urls.iter().flat_map(|url| ["--export", url]).collect();
    let mut pipeline = Pipeline::start(Flavour::C, &["--records", "60000"], folder.path())?;
    let spec = specs::every(Flavour::C, 100).toml();
    let agent = Agent::attach(pipeline.pid(), &spec, &exports, folder.path(), "agent")?;
    pipeline.go()?;
    pipeline.totals(LONG)?;
    let attached = agent.stop(LONG)?;
    ensure!(pipeline.finish(SHORT)?.status.success(), "the pipeline was harmed");
    let lines = std::fs::read_to_string(folder.path().join("agent.jsonl"))?;
    let traces = lines.lines().filter(|line| !line.contains("\"summary\"")).count() as u64;
    ensure!(traces == 600, "{traces} traces");
    let deadline = Instant::now() + LONG;
    // Three ways at a time: whichever comes first is new, and the other two are repeats.
    while collector.counter("st_trace_collector_stain_trace_repeated_total")? < 2 * traces {
        ensure!(
            Instant::now() < deadline,
            "{}\n{}",
            attached.ended.stderr,
            collector.ask("GET /metrics", b"")?
        );
        std::thread::sleep(Duration::from_millis(50));
    }
    ensure!(collector.counter("st_trace_collector_stain_trace_new_total")? == traces);
    let text = collector.ask("GET /metrics", b"")?;
    ensure!(!text.contains("invalid_events_total{"), "{text}");
    ensure!(collector.stop()?.status.success());
    let store = format!("sqlite:{}", path("traces.db"));
    let files: Vec<String> = std::fs::read_dir(path("otlp"))?
        .map(|entry| Ok(entry?.path().display().to_string()))
        .collect::<Result<_>>()?;
    let import: Vec<&str> = ["collector", "import", "--store", &store]
        .into_iter()
        .chain(files.iter().map(String::as_str))
        .collect();
    let ended = stain::run(&import, LONG)?;
    let told = format!("0 traces imported, {traces} were there already; 0 other events kept");
    ensure!(ended.status.success() && ended.stdout.starts_with(&told), "{}{}", ended.stdout, ended.stderr);
    Ok(())
}
