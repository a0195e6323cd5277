//! Percentiles over the whole way: pipeline under load, agent, export, collector, query.

use anyhow::{Context as _, Result, ensure};
use profiler_common::StageCode;
use serde_json::Value;
use stain_tests::collector::Collector;
use stain_tests::pipeline::Pipeline;
use stain_tests::run::{LONG, SHORT, turn};
use stain_tests::specs;
use stain_tests::stain::Agent;
use stain_tests::tally::privileged;
use stain_tests::targets::Flavour;
use tempfile::TempDir;

/// Percentiles of the agent are at most 0.8 % too large, those of the collector at most 0.8 % off either way.
const APART: f64 = 0.0165;

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
    let collector = Collector::start(folder.path(), &[])?;
    let mut pipeline = Pipeline::start(Flavour::C, &["--records", "60000"], folder.path())?;
    let spool = folder.path().join("spool");
    let url = format!(
        "http://{}/ingest?payload=nano&job=77&batch=100&flush=60s&spool={}",
        collector.address(),
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
