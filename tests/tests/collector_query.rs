//! Percentiles over the whole way: pipeline under load, agent, export, collector, query.

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use stain_tests::agreed;
use stain_tests::collector::Collector;
use stain_tests::fields;
use stain_tests::pipeline::Pipeline;
use stain_tests::run::{LONG, SHORT, turn};
use stain_tests::specs;
use stain_tests::stain::Agent;
use stain_tests::tally::privileged;
use stain_tests::targets::Flavour;
use tempfile::TempDir;

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

    agreed::percentiles(&collector, "77", summary)?;
    agreed::verdict(&collector, "77", summary)?;

    // Traces in detail are the agent's own lines.
    for ((id, _), expected) in fields::of_lines(&report)?.iter().step_by(100) {
        agreed::detailed(&collector.json(&format!("/api/v1/traces/{id}"))?, expected)?;
    }
    Ok(())
}
