//! Percentiles over the whole way: pipeline under load, agent, export, collector, query.

use anyhow::{Context as _, Result, ensure};
use rustix::process::Signal;
use serde_json::Value;
use stain_tests::agreed;
use stain_tests::collector::Collector;
use stain_tests::faulty::{Faulty, Reply, Request};
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

/// What the index entry of a request's packet says.
fn packet(request: &Request) -> Result<Value> {
    let events: Vec<Value> = serde_json::from_slice(&request.body)?;
    events.into_iter().find(|event| event["eventType"] == "STAIN_PACKET").context("no packet")
}

/// A server takes all packets of an agent but one, and of what it took another one never arrives.
#[test]
fn the_collector_tells_who_lost_a_packet() -> Result<()> {
    if !privileged("the_collector_tells_who_lost_a_packet").open() {
        return Ok(());
    }
    let _turn = turn()?;
    let folder = TempDir::new()?;
    let server = Faulty::start([Reply::Take, Reply::Status(400, "no"), Reply::Take])?;
    let mut pipeline = Pipeline::start(Flavour::C, &["--records", "20000"], folder.path())?;
    let spool = folder.path().join("spool");
    let url = format!(
        "http://{}/ingest?payload=nano&job=77&batch=40&flush=60s&spool={}",
        server.address(),
        spool.display()
    );
    let spec = specs::every(Flavour::C, 100).toml();
    let agent = Agent::attach(pipeline.pid(), &spec, &["--export", &url], folder.path(), "agent")?;
    pipeline.go()?;
    pipeline.totals(LONG)?;
    // The agent knows of the refusal when it sends the packets behind it.
    server.until(LONG, |seen| seen.len() > 4)?;
    agent.signal(Signal::INT)?;
    ensure!(agent.wait(LONG)?.status.code() == Some(1), "a packet was dropped");
    ensure!(pipeline.finish(SHORT)?.status.success(), "the pipeline was harmed");
    let (taken, refused): (Vec<_>, Vec<_>) = server.seen().into_iter().partition(Request::was_taken);
    let [refused] = refused.as_slice() else { anyhow::bail!("{} were refused", refused.len()) };
    let (lost, refused) = (packet(&taken[2])?, packet(refused)?);

    let collector = Collector::start(folder.path(), &[])?;
    let send = |request: &Request| -> Result<()> {
        let answer = collector.ask("POST /ingest", &request.body)?;
        ensure!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        Ok(())
    };
    let arrives = |number: usize| number != 2;
    for (_, request) in taken.iter().enumerate().filter(|(number, _)| arrives(*number)) {
        send(request)?;
    }
    let agents = collector.json("/api/v1/agents?jobId=77")?;
    let stream = &agents["items"][0];
    let gap = |packet: &Value| vec![packet["packet"].clone(); 2];
    for (name, wanted) in [
        ("discardedKernel", Value::from(0)),
        ("discardedAgent", refused["count"].clone()),
        ("discardedPackets", Value::from(1)),
        ("discardedInPackets", refused["count"].clone()),
        ("discardedEarlier", Value::from(0)),
        ("missingPackets", Value::from(2)),
        ("givenUpPackets", Value::from(1)),
        ("unaccountedPackets", Value::from(1)),
        ("unaccountedTraces", lost["count"].clone()),
        ("gaps", serde_json::json!([gap(&refused), gap(&lost)])),
        ("isEnded", Value::from(true)),
        ("isWhole", Value::from(false)),
    ] {
        ensure!(stream[name] == wanted, "{name}: {stream}, refused {refused}, lost {lost}");
    }
    // It was on its way all the time.
    send(&taken[2])?;
    let agents = collector.json("/api/v1/agents?jobId=77")?;
    let stream = &agents["items"][0];
    ensure!(stream["unaccountedPackets"] == 0 && stream["unaccountedTraces"] == 0, "{stream}");
    ensure!(
        stream["missingPackets"] == 1 && stream["gaps"] == serde_json::json!([gap(&refused)]),
        "{stream}"
    );
    Ok(())
}
