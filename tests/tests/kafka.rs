//! Kafka, read by a consumer of others: a message a trace, in order within its key, and the same stamps as in the agent's own lines. Against librdkafka's mock
//! cluster, which can be made to fail, and against a real broker where one is installed.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use profiler_user::sink::sttr::{Payload, decode, from_text};
use rdkafka::mocking::MockCluster;
use rdkafka::types::RDKafkaRespErr;
use serde_json::Value;
use stain_tests::child::{Ended, Guarded};
use stain_tests::receivers::{self, gate};
use stain_tests::report::stamp_times;
use stain_tests::run::turn;
use tempfile::TempDir;

/// Nanoseconds from the source to each stamp, by trace.
type Stamps = BTreeMap<u64, Vec<i64>>;

/// A session of 20,000 records, one in a hundred sampled, with these exports.
fn session(folder: &TempDir, exports: &[String]) -> Result<(Ended, Stamps)> {
    let (ended, lines) = receivers::session(folder.path(), "20000", exports)?;
    let from_first = |times: Vec<u64>| {
        let first = times.first().copied().unwrap_or(0);
        times.iter().map(|time| time.wrapping_sub(first).cast_signed()).collect()
    };
    let expected: Stamps =
        stamp_times(&lines)?.into_iter().map(|(id, times)| (id, from_first(times))).collect();
    ensure!(expected.len() == 200, "{} traces", expected.len());
    Ok((ended, expected))
}

/// The stamps of a payload with nanoseconds.
fn stamps(payload: &[u8]) -> Result<Vec<i64>> {
    let Payload::Nano(view) = decode(payload)? else { anyhow::bail!("not of our version") };
    let first = view.entries().next().map_or(0, |entry| entry.ts_ns);
    Ok(view.entries().map(|entry| entry.ts_ns - first).collect())
}

/// Whether a topic holds these traces and no other, as events or as payloads. Repeats are dropped by their keys, as a reader does.
fn holds(brokers: &str, topic: &str, json: bool, expected: &Stamps) -> Result<()> {
    let (mut found, mut partitions) = (Stamps::new(), BTreeSet::new());
    for message in receivers::consumed(brokers, topic, expected.len())? {
        let value = from_text(message["value"].as_str().context("no value")?)?;
        let key = message["key"].as_str().context("no key")?.parse()?;
        let payload = if json {
            let event: Value = serde_json::from_slice(&value)?;
            ensure!(event["eventType"] == "STAIN_TRACE" && event["traceId"].as_u64() == Some(key), "{event}");
            from_text(event["payload"].as_str().context("no payload")?)?
        } else {
            value
        };
        partitions.insert(message["partition"].to_string());
        found.insert(key, stamps(&payload)?);
    }
    ensure!(found == *expected, "{topic}: {} traces of {}", found.len(), expected.len());
    ensure!(!partitions.is_empty(), "no partition");
    Ok(())
}

fn urls(brokers: &str, folder: &TempDir) -> [String; 2] {
    let options = format!("flush=40s&spool={}", folder.path().join("spool").display());
    [
        format!("kafka://{brokers}/events?payload=nano&compression=snappy&batch=50&{options}"),
        format!("kafka://{brokers}/payloads?value=sttr&{options}"),
    ]
}

fn all_were_sent(ended: &Ended, exports: usize) -> Result<()> {
    let sent = ended.stderr.lines().filter(|line| line.ends_with("200 received = 200 sent")).count();
    ensure!(sent == exports, "{}", ended.stderr);
    Ok(())
}

#[test]
fn a_cluster_of_three_that_fails_at_first() -> Result<()> {
    if !gate("kafka::a_cluster_of_three_that_fails_at_first").open() {
        return Ok(());
    }
    let _turn = turn()?;
    let folder = TempDir::new()?;
    let cluster = MockCluster::new(3)?;
    for topic in ["events", "payloads"] {
        cluster.create_topic(topic, 4, 3)?;
    }
    // What a broker says while another one takes its place.
    let moving = RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION;
    let full = RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS;
    cluster.request_errors(rdkafka::types::RDKafkaApiKey::Produce, &[moving, full, moving]);
    let (ended, expected) = session(&folder, &urls(&cluster.bootstrap_servers(), &folder))?;
    all_were_sent(&ended, 2)?;
    holds(&cluster.bootstrap_servers(), "events", true, &expected)?;
    holds(&cluster.bootstrap_servers(), "payloads", false, &expected)
}

#[test]
fn what_no_broker_took_is_sent_by_the_next_session() -> Result<()> {
    if !gate("kafka::what_no_broker_took_is_sent_by_the_next_session").open() {
        return Ok(());
    }
    let _turn = turn()?;
    let folder = TempDir::new()?;
    let cluster = MockCluster::new(1)?;
    cluster.create_topic("payloads", 1, 1)?;
    let brokers = cluster.bootstrap_servers();
    let spool = folder.path().join("spool");
    let url = |flush: &str| {
        format!("kafka://{brokers}/payloads?value=sttr&timeout=1s&flush={flush}&spool={}", spool.display())
    };
    cluster.broker_down(1)?;
    let (ended, first) = session(&folder, &[url("1s")])?;
    ensure!(ended.stderr.contains("200 received = 0 sent + 200 spooled"), "{}", ended.stderr);
    ensure!(!ended.stderr.contains("librdkafka"), "{}", ended.stderr);
    ensure!(ended.stderr.contains("Connection refused"), "{}", ended.stderr);
    cluster.broker_up(1)?;
    let (ended, second) = session(&folder, &[url("30s")])?;
    ensure!(ended.stderr.contains("200 recovered") && !ended.stderr.contains("dropped"), "{}", ended.stderr);
    let both: Stamps = first.into_iter().chain(second).collect();
    ensure!(both.len() == 400, "{}", both.len());
    holds(&brokers, "payloads", false, &both)
}

#[test]
#[ignore = "the broker takes minutes to build: cargo xtask test --services"]
fn a_real_broker() -> Result<()> {
    let broker = receivers::broker();
    let is_open = gate("kafka::a_real_broker")
        .condition(broker.is_some(), "no broker is installed (cargo xtask setup services)")
        .open();
    let Some(broker) = broker.filter(|_| is_open) else { return Ok(()) };
    let _turn = turn()?;
    let folder = TempDir::new()?;
    let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let address = format!("tcp://127.0.0.1:{port}/");
    let mut command = Command::new(broker);
    command.args(["broker", "--listener-url", &address, "--advertised-listener-url", &address]);
    command.args(["--storage-engine", "memory://tansu/"]).current_dir(folder.path());
    let _broker = Guarded::spawn(&mut command)?;
    receivers::until_listening(port)?;
    let brokers = format!("127.0.0.1:{port}");
    // This one makes no topic of itself.
    let url = format!("kafka://{brokers}/nowhere?timeout=2s&flush=4s&spool=none");
    let (ended, _) = session(&folder, &[url])?;
    ensure!(ended.stderr.contains("the brokers have no topic `nowhere`"), "{}", ended.stderr);
    receivers::create_topics(&brokers, &["events", "payloads"])?;
    let (ended, expected) = session(&folder, &urls(&brokers, &folder))?;
    all_were_sent(&ended, 2)?;
    holds(&brokers, "events", true, &expected)?;
    holds(&brokers, "payloads", false, &expected)
}
