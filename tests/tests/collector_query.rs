//! Percentiles over the whole way: pipeline under load, agent, export, collector, query.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use profiler_common::StageCode;
use serde_json::Value;
use stain_tests::child::Guarded;
use stain_tests::pipeline::Pipeline;
use stain_tests::run::{LONG, SHORT, turn};
use stain_tests::specs;
use stain_tests::stain::{self, Agent};
use stain_tests::tally::privileged;
use stain_tests::targets::Flavour;
use tempfile::TempDir;

/// Percentiles of the agent are at most 0.8 % too large, those of the collector at most 0.8 % off either way.
const APART: f64 = 0.0165;

/// A collector with its store in a folder.
struct Collector {
    _process: Guarded,
    address: String,
}

impl Collector {
    fn start(folder: &Path) -> Result<Self> {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let address = format!("127.0.0.1:{port}");
        let store = format!("sqlite:{}", folder.join("traces.db").display());
        let mut command = Command::new(stain::binary()?);
        command.args(["collector", "--listen", &address, "--store", &store]);
        let collector = Self { _process: Guarded::spawn(&mut command)?, address };
        collector.until("/readyz", |answer| answer.0 == 200)?;
        Ok(collector)
    }

    /// Status and body of a route.
    fn get(&self, path: &str) -> Result<(u16, String)> {
        let mut client = TcpStream::connect(&self.address)?;
        client.set_read_timeout(Some(SHORT))?;
        write!(client, "GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")?;
        let mut text = String::new();
        client.read_to_string(&mut text)?;
        let (head, body) = text.split_once("\r\n\r\n").with_context(|| format!("half an answer: {text}"))?;
        let status = head.split(' ').nth(1).context("no status")?.parse()?;
        Ok((status, body.to_owned()))
    }

    fn json(&self, path: &str) -> Result<Value> {
        let (status, body) = self.get(path)?;
        ensure!(status == 200, "{path}: {status} {body}");
        Ok(serde_json::from_str(&body)?)
    }

    /// Asks until the answer is as wanted.
    fn until(&self, path: &str, wanted: impl Fn(&(u16, String)) -> bool) -> Result<(u16, String)> {
        let deadline = Instant::now() + LONG;
        loop {
            let answer = self.get(path).unwrap_or((0, "no answer".to_owned()));
            if wanted(&answer) {
                return Ok(answer);
            }
            ensure!(Instant::now() < deadline, "{path} never answered as wanted: {answer:?}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

fn number(value: &Value, name: &str) -> Result<f64> {
    value[name].as_f64().with_context(|| format!("no {name} in {value}"))
}

/// Whether the collector's figures are the agent's, within the errors that both state.
fn same(agent: &Value, collector: &Value) -> Result<()> {
    for (ours, theirs) in [("count", "count"), ("max_ns", "maxNs")] {
        ensure!(agent[ours] == collector[theirs], "{theirs}: {agent}, {collector}");
    }
    let (mean, told) = (number(agent, "mean_ns")?, number(collector, "meanNs")?);
    ensure!((mean - told).abs() <= 1.0, "meanNs: {agent}, {collector}");
    for (ours, theirs) in [("p50_ns", "p50Ns"), ("p95_ns", "p95Ns"), ("p99_ns", "p99Ns")] {
        let (ours, told) = (number(agent, ours)?, number(collector, theirs)?);
        ensure!((ours - told).abs() <= APART * ours + 1.0, "{theirs}: {agent}, {collector}");
    }
    Ok(())
}

/// The code of a stage's short name.
fn code(name: &str) -> Option<u64> {
    StageCode::from_short_name(name).map(|code| code.0.into())
}

#[test]
fn the_collector_tells_the_percentiles_of_the_agent() -> Result<()> {
    if !privileged("the_collector_tells_the_percentiles_of_the_agent").open() {
        return Ok(());
    }
    let _turn = turn()?;
    let folder = TempDir::new()?;
    let collector = Collector::start(folder.path())?;
    let mut pipeline = Pipeline::start(Flavour::C, &["--records", "60000"], folder.path())?;
    let spool = folder.path().join("spool");
    let url = format!(
        "http://{}/ingest?payload=nano&job=77&batch=100&flush=60s&spool={}",
        collector.address,
        spool.display()
    );
    let spec = specs::every(Flavour::C, 50).toml();
    let agent = Agent::attach(pipeline.pid(), &spec, &["--export", &url], folder.path(), "agent")?;
    pipeline.go()?;
    pipeline.totals(LONG)?;
    ensure!(pipeline.finish(SHORT)?.status.success(), "the pipeline was harmed");
    agent.stop(LONG)?;
    let report = std::fs::read_to_string(folder.path().join("agent.jsonl"))?;
    let last: Value = serde_json::from_str(report.lines().last().context("no summary")?)?;
    let summary = &last["summary"];
    let traces = report.lines().count() as u64 - 1;
    ensure!(traces > 1000, "{traces} traces");

    // Everything is here, and the collector knows that it is.
    let jobs = collector.json("/api/v1/jobs")?;
    ensure!(jobs["items"][0]["jobId"] == "77" && jobs["items"][0]["parts"] == traces, "{jobs}");
    let agents = collector.json("/api/v1/agents?jobId=77")?;
    let stream = &agents["items"][0];
    ensure!(
        stream["isWhole"] == true && stream["traces"] == traces && stream["missingPackets"] == 0,
        "{agents}"
    );
    let list = collector.json("/api/v1/traces?jobId=77&limit=1")?;
    ensure!(list["total"] == traces && list["count"] == 1, "{list}");

    let stats = collector.json("/api/v1/stats?jobId=77")?;
    let series = stats["series"].as_array().context("no series")?;
    let find = |from: &str, to: &str| {
        let mut found = series.iter().filter(|series| {
            let is = |end: &str, name| series[end]["code"].as_u64() == code(name);
            is("from", from) && is("to", to)
        });
        let one = found.next().with_context(|| format!("no {from} -> {to} in {stats}"))?;
        ensure!(found.next().is_none(), "{from} -> {to} is there twice");
        Ok(one)
    };
    let hops = summary["hops"].as_array().context("no hops")?;
    ensure!(
        hops.len() >= 5 && series.len() == hops.len() + 1,
        "{} hops, {} series",
        hops.len(),
        series.len()
    );
    for hop in hops {
        let (from, to) = (hop["from"].as_str().unwrap_or_default(), hop["to"].as_str().unwrap_or_default());
        let found = find(from, to)?;
        ensure!(found["cause"] == hop["cause"], "{found}");
        same(hop, &found["total"])?;
    }
    let whole = series.iter().find(|series| series["hop"] == "end to end").context("no end to end")?;
    same(&summary["e2e"], &whole["total"])?;

    // The worst hop is the one that the agent found.
    let worst = &collector.json("/api/v1/bottlenecks?jobId=77")?["hops"][0];
    let verdict = &summary["verdict"];
    ensure!(worst["cause"] == verdict["cause"] && worst["blame"] == verdict["class"], "{worst}, {verdict}");
    let apart = number(worst, "share")? - number(verdict, "share")?;
    ensure!(apart.abs() < 1e-6, "{worst}, {verdict}");

    // A trace in detail is the agent's own line.
    let line: Value = serde_json::from_str(report.lines().next().context("no trace")?)?;
    let id = line["trace_id"].as_str().context("no id")?;
    let detail = collector.json(&format!("/api/v1/traces/{id}"))?;
    ensure!(detail["trace"]["outcome"] == line["outcome"] && detail["order"] == "stages", "{detail}");
    let (entries, expected) =
        (detail["entries"].as_array().context("no entries")?, line["entries"].as_array().context("none")?);
    ensure!(entries.len() == expected.len(), "{detail}, {line}");
    for (entry, expected) in entries.iter().zip(expected) {
        let task = expected["task_id"].as_i64().context("no task")?.to_string();
        ensure!(entry["stage"] == expected["stage"] && entry["taskId"] == task, "{entry}, {expected}");
        ensure!(entry["tid"] == expected["tid"] && entry["clockSuspect"] == false, "{entry}, {expected}");
    }
    Ok(())
}
