//! Topics of Kafka into a collector: each message once in the store, whatever ends meanwhile. The brokers are librdkafka's mock cluster, in this process.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use rdkafka::ClientConfig;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{BaseProducer, BaseRecord, DefaultProducerContext, Producer as _};
use rustix::process::Signal;
use stain_tests::collector::{self, Collector};
use stain_tests::contract::{event, list, payload};
use stain_tests::receivers;
use stain_tests::run::{SHORT, turn};
use stain_tests::services::Service;
use stain_tests::tally::privileged;
use tempfile::TempDir;

/// The time of day of the first record, ms since the Unix epoch.
const BEGIN: u64 = 1_700_000_000_000;

fn cluster(topic: &str, partitions: i32) -> Result<MockCluster<'static, DefaultProducerContext>> {
    let cluster = MockCluster::new(1)?;
    cluster.create_topic(topic, partitions, 1)?;
    Ok(cluster)
}

/// Sends messages, keyed by their number, and waits until the brokers have them.
fn produce(
    brokers: &str,
    topic: &str,
    codec: &str,
    values: impl Iterator<Item = (u64, Vec<u8>)>,
) -> Result<()> {
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("compression.type", codec)
        .set("enable.idempotence", "true")
        .create()?;
    for (number, value) in values {
        let key = number.to_string();
        let record = BaseRecord::to(topic).key(&key).payload(&value);
        producer.send(record).map_err(|(error, _)| error)?;
        producer.poll(Duration::ZERO);
    }
    producer.flush(SHORT)?;
    Ok(())
}

fn events(numbers: std::ops::Range<u64>) -> impl Iterator<Item = (u64, Vec<u8>)> {
    numbers.map(|number| (number, event(7, number, BEGIN + number, 5).into_bytes()))
}

/// The series of `/metrics` about a topic.
fn series(name: &str, brokers: &str, topic: &str) -> String {
    format!("st_trace_collector_kafka_{name}{{source=\"kafka://{brokers}/{topic}\"}}")
}

/// A session is to be longer than the three seconds for which the mock cluster waits for a group's first members.
fn from(brokers: &str, topic: &str) -> String {
    format!("kafka://{brokers}/{topic}?group=collectors&session=4s&job=7")
}

#[test]
fn every_form_arrives_once_and_what_makes_no_sense_holds_up_nothing() -> Result<()> {
    let folder = TempDir::new()?;
    let cluster = cluster("traces", 3)?;
    let brokers = cluster.bootstrap_servers();
    cluster.broker_down(1)?;
    let url = from(&brokers, "traces");
    let collector = Collector::start(folder.path(), &["--from", &url])?;
    // It can be asked, and says what is missing.
    let (status, text) = collector.get("/readyz")?;
    ensure!(status == 200 && text.contains("no broker answers"), "{status} {text}");
    cluster.broker_up(1)?;
    for (codec, numbers) in
        [("none", 0..20), ("lz4", 20..40), ("snappy", 40..60), ("gzip", 60..80), ("zstd", 80..100)]
    {
        produce(&brokers, "traces", codec, events(numbers))?;
    }
    let payloads = (100..150).map(|number| (number, payload(number, BEGIN, 5)));
    produce(&brokers, "traces", "lz4", payloads)?;
    let both = list(&[event(7, 150, BEGIN, 5), event(7, 151, BEGIN, 5)]);
    let poison: [&[u8]; 5] = [b"nonsense", b"{\"eventType\":", b"", b"STTR\x00\x01", b"[\xff]"];
    let faulty = "{\"eventType\":\"STAIN_TRACE\",\"jobId\":\"7\",\"traceId\":-1}";
    let odd = poison.iter().map(|bytes| bytes.to_vec()).chain([faulty.into(), both.into_bytes()]);
    produce(&brokers, "traces", "none", (200..).zip(odd))?;
    produce(&brokers, "traces", "none", events(300..320))?;
    // 177 messages, one with two traces, six without any.
    collector.until_counter(&series("messages_total", &brokers, "traces"), |count| count >= 177)?;
    ensure!(collector.total()? == 172, "{}", collector.total()?);
    ensure!(collector.counter(&series("skipped_total", &brokers, "traces"))? == 6);
    ensure!(collector.counter("st_trace_collector_stain_trace_new_total")? == 172);
    collector.until_counter(&series("connected", &brokers, "traces"), |count| count == 1)?;
    let lag = series("lag", &brokers, "traces");
    collector.until("/metrics", |(_, text)| text.contains(&format!("{lag} 0\n")))?;
    ensure!(collector.get("/readyz")? == (200, "ready".to_owned()));
    let ended = collector.stop()?;
    ensure!(ended.status.success(), "{}", ended.stderr);
    let skipped: Vec<&str> = ended.stderr.lines().filter(|line| line.contains("action=skip ")).collect();
    let places = skipped.iter().all(|line| line.contains(" partition=") && line.contains(" offset="));
    ensure!(skipped.len() == 6 && places, "{}", ended.stderr);
    // What was read was committed: another one goes on behind it.
    let collector = Collector::start(folder.path(), &["--from", &url])?;
    produce(&brokers, "traces", "none", events(400..410))?;
    collector.until_counter(&series("messages_total", &brokers, "traces"), |count| count >= 10)?;
    ensure!(
        collector.total()? == 182 && collector.counter(&series("messages_total", &brokers, "traces"))? == 10
    );
    ensure!(collector.stop()?.status.success());
    Ok(())
}

#[test]
fn a_collector_that_is_killed_loses_nothing_and_repeats_nothing() -> Result<()> {
    let folder = TempDir::new()?;
    let cluster = cluster("traces", 2)?;
    let brokers = cluster.bootstrap_servers();
    let url = from(&brokers, "traces");
    let messages = series("messages_total", &brokers, "traces");
    for round in 0..3u64 {
        let collector = Collector::start(folder.path(), &["--from", &url])?;
        produce(&brokers, "traces", "lz4", events(round * 1000..round * 1000 + 1000))?;
        collector.until_counter(&messages, |count| count > 0)?;
        collector.end(Signal::KILL)?;
    }
    let collector = Collector::start(folder.path(), &["--from", &url])?;
    produce(&brokers, "traces", "lz4", events(3000..3010))?;
    let is_whole = |(status, text): &(u16, String)| *status == 200 && text.contains("\"total\":3010,");
    collector.until("/api/v1/traces?limit=1", is_whole)?;
    let lag = series("lag", &brokers, "traces");
    collector.until("/metrics", |(_, text)| text.contains(&format!("{lag} 0\n")))?;
    ensure!(collector.total()? == 3010, "{}", collector.total()?);
    ensure!(collector.stop()?.status.success());
    Ok(())
}

#[test]
fn two_collectors_share_a_topic_and_a_store_that_halts() -> Result<()> {
    if !Service::Postgres.gate("collector_kafka::two_collectors_share_a_topic_and_a_store_that_halts").open()
    {
        return Ok(());
    }
    let server = Service::Postgres.start()?;
    let store = server.database("shared")?;
    let cluster = cluster("traces", 4)?;
    let brokers = cluster.bootstrap_servers();
    let url = from(&brokers, "traces");
    let (partitions, messages) =
        (series("partitions", &brokers, "traces"), series("messages_total", &brokers, "traces"));
    let one = Collector::start_on(&store, &["--from", &url])?;
    let other = Collector::start_on(&store, &["--from", &url])?;
    for collector in [&one, &other] {
        collector.until_counter(&partitions, |count| count == 2)?;
    }
    produce(&brokers, "traces", "lz4", events(0..1000))?;
    for collector in [&one, &other] {
        collector.until_counter(&messages, |count| count > 0)?;
    }
    // The store halts for longer than a write may take before partitions are paused; and one of both ends meanwhile.
    std::thread::scope(|scope| -> Result<()> {
        let ending = scope.spawn(|| {
            produce(&brokers, "traces", "none", events(1000..2000))?;
            one.stop()
        });
        let halt = "BEGIN; LOCK TABLE stain_parts IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(3); COMMIT";
        server.run_in(Some("shared"), halt)?;
        let ended = ending.join().ok().context("a thread failed")??;
        ensure!(ended.status.success() && ended.stderr.contains("action=end"), "{}", ended.stderr);
        Ok(())
    })?;
    other.until_counter(&partitions, |count| count == 4)?;
    produce(&brokers, "traces", "none", events(2000..2100))?;
    other.until("/api/v1/traces?limit=1", |(_, text)| text.contains("\"total\":2100,"))?;
    let lag = series("lag", &brokers, "traces");
    other.until("/metrics", |(_, text)| text.contains(&format!("{lag} 0\n")))?;
    ensure!(other.total()? == 2100, "{}", other.total()?);
    ensure!(other.stop()?.status.success());
    Ok(())
}

#[test]
fn an_agent_reaches_a_collector_by_kafka_in_either_form() -> Result<()> {
    if !privileged("collector_kafka::an_agent_reaches_a_collector_by_kafka_in_either_form").open() {
        return Ok(());
    }
    let _turn = turn()?;
    let folder = TempDir::new()?;
    let cluster = cluster("events", 2)?;
    cluster.create_topic("payloads", 2, 1)?;
    let brokers = cluster.bootstrap_servers();
    let exports = [
        format!("kafka://{brokers}/events?payload=nano&job=7&compression=snappy&flush=40s&spool=none"),
        format!("kafka://{brokers}/payloads?value=sttr&flush=40s&spool=none"),
    ];
    let (_, lines) = receivers::session(folder.path(), "20000", &exports)?;
    let traces = lines.lines().filter(|line| !line.contains("\"summary\"")).count() as u64;
    ensure!(traces == 200, "{traces} traces");
    let collector = Collector::start(
        folder.path(),
        &["--from", &from(&brokers, "events"), "--from", &from(&brokers, "payloads")],
    )?;
    // Both topics are read in one group: where one joins it after the other has begun, that one begins again behind what it had committed by then.
    let messages = ["events", "payloads"].map(|topic| series("messages_total", &brokers, topic));
    for topic in &messages {
        collector.until_counter(topic, |count| count >= traces)?;
    }
    let [received, new, repeated] =
        ["received", "new", "repeated"].map(|what| format!("st_trace_collector_stain_trace_{what}_total"));
    let (_, text) = collector.until("/metrics", |(_, text)| {
        let value = |name: &String| collector::value(text, name).unwrap_or(0);
        let all: u64 = messages.iter().map(value).sum();
        value(&received) == all && value(&new) + value(&repeated) == all
    })?;
    ensure!(collector::value(&text, &new)? == traces && collector.total()? == traces, "{text}");
    ensure!(!text.contains("invalid_events_total{"), "{text}");
    ensure!(collector.stop()?.status.success());
    Ok(())
}
