//! Against the mock cluster of librdkafka, read back by a consumer.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::Message as _;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::mocking::MockCluster;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use tempfile::TempDir;

use super::{Attempt, Producing, Transport as _, of_messages};
use crate::export::settings::{Destination, Settings};
use crate::export::{Exports, Machine, Notify};
use crate::feed::FeedEvent;
use crate::feed::channel::Hub;
use crate::sink::counts::{Counts, DropReason};
use crate::sink::sttr::decode;
use crate::sink::testing::info;
use crate::trace::Trace;
use crate::trace::testing::trace;
use profiler_common::Outcome;

/// The whole life of an exporter that is given so many traces.
fn export(url: &str, traces: u64) -> Counts {
    let notify: Notify = Arc::new(|_: &str| {});
    let exports = Exports::open(vec![Settings::parse(url).unwrap()], &Machine::default()).unwrap();
    let (senders, running) = exports.start(1 << 20, &notify).unwrap();
    let hub = Hub::new(senders);
    hub.send(&FeedEvent::Started(Arc::new(info())));
    for id in 0..traces {
        hub.send(&FeedEvent::Trace(Arc::new(Trace { id, ..trace("S0@1 Q+@2 W!@3", Outcome::Written) })));
    }
    drop(hub);
    let counts = running.finish().remove(0).1;
    assert_eq!(counts.check(), Ok(()), "{counts}");
    counts
}

/// Partition and value by key.
fn consume(brokers: &str, topic: &str, wanted: usize) -> BTreeMap<String, (i32, Vec<u8>)> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("group.id", topic)
        .set("auto.offset.reset", "earliest")
        .create()
        .unwrap();
    consumer.subscribe(&[topic]).unwrap();
    let (mut all, deadline) = (BTreeMap::new(), Instant::now() + Duration::from_secs(30));
    while all.len() < wanted && Instant::now() < deadline {
        if let Some(Ok(message)) = consumer.poll(Duration::from_millis(100)) {
            let key = String::from_utf8(message.key().unwrap().to_vec()).unwrap();
            all.insert(key, (message.partition(), message.payload().unwrap().to_vec()));
        }
    }
    all
}

#[test]
fn every_trace_is_a_message() {
    let cluster = MockCluster::new(3).unwrap();
    for (value, compression) in [("json", "lz4"), ("sttr", "snappy"), ("sttr", "none")] {
        let topic = format!("{value}-{compression}");
        cluster.create_topic(&topic, 4, 3).unwrap();
        let folder = TempDir::new().unwrap();
        let brokers = cluster.bootstrap_servers();
        let options = format!(
            "value={value}&compression={compression}&batch=100&flush=30s&spool={}",
            folder.path().display()
        );
        let counts = export(&format!("kafka://{brokers}/{topic}?{options}"), 300);
        assert_eq!((counts.received, counts.sent), (300, 300), "{counts}");
        let found = consume(&brokers, &topic, 300);
        assert_eq!(found.len(), 300);
        for (key, (_, bytes)) in &found {
            if value == "json" {
                let event: serde_json::Value = serde_json::from_slice(bytes).unwrap();
                assert_eq!(event["traceId"].to_string(), *key);
            } else {
                assert_eq!(decode(bytes).unwrap().trace_id().to_string(), *key);
            }
        }
        let partitions: std::collections::BTreeSet<_> =
            found.values().map(|(partition, _)| partition).collect();
        assert_eq!(partitions.len(), 4);
    }
}

/// Leaders that move, too few replicas, an answer that does not come in time, a broker that goes away and comes back.
#[test]
fn every_failure_is_outlived_and_nothing_is_lost() {
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic("traces", 2, 1).unwrap();
    let brokers = cluster.bootstrap_servers();
    let moving = RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION;
    let few = RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS;
    let late = RDKafkaRespErr::RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT;
    cluster.request_errors(RDKafkaApiKey::Produce, &[moving, few, late, moving]);
    let folder = TempDir::new().unwrap();
    let url =
        format!("kafka://{brokers}/traces?batch=50&timeout=2s&flush=60s&spool={}", folder.path().display());
    let exporting = std::thread::spawn(move || export(&url, 300));
    std::thread::sleep(Duration::from_millis(300));
    cluster.broker_down(1).unwrap();
    std::thread::sleep(Duration::from_secs(3));
    cluster.broker_up(1).unwrap();
    let counts = exporting.join().unwrap();
    assert_eq!((counts.received, counts.sent, counts.dropped_total()), (300, 300, 0), "{counts}");
    assert_eq!(consume(&brokers, "traces", 300).len(), 300);
}

fn producing(brokers: &str, options: &str) -> (Producing, tokio::sync::watch::Sender<Option<Instant>>) {
    let settings = Settings::parse(&format!("kafka://{brokers}/traces?{options}")).unwrap();
    let Destination::Kafka(settings, _) = settings.destination else { panic!() };
    let (deadline, until) = tokio::sync::watch::channel(None);
    (Producing::new(settings, until), deadline)
}

#[test]
fn of_a_batch_only_the_message_that_is_too_large_is_refused() {
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic("traces", 1, 1).unwrap();
    let (mut producing, _deadline) = producing(&cluster.bootstrap_servers(), "timeout=20s");
    let large = vec![b'x'; 1_100_000];
    let all: [(&[u8], &[u8]); 3] = [(b"1", b"one"), (b"2", &large), (b"3", b"three")];
    let Attempt::Partly(refusal) = producing.send(&of_messages(all.into_iter())) else { panic!() };
    assert_eq!((refusal.traces, refusal.body), (1, Some(of_messages(all.into_iter().skip(1).take(1)))));
    assert!(refusal.reason.contains("1 of 3 messages: "), "{}", refusal.reason);
    let found = consume(&cluster.bootstrap_servers(), "traces", 2);
    assert_eq!(found.into_keys().collect::<Vec<_>>(), ["1", "3"]);
    let alone = of_messages(all.into_iter().skip(1).take(1));
    assert!(matches!(producing.send(&alone), Attempt::Rejected { .. }));
    assert_eq!(producing.send(&of_messages(all.into_iter().take(1))), Attempt::Accepted);
}

/// The broker refuses requests, whatever is in them: the first eight. How many messages come in one is a matter of time.
#[test]
fn what_a_broker_refuses_is_sent_again_in_halves() {
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic("traces", 1, 1).unwrap();
    let brokers = cluster.bootstrap_servers();
    let too_large = RDKafkaRespErr::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE;
    cluster.request_errors(RDKafkaApiKey::Produce, &[too_large; 8]);
    let folder = TempDir::new().unwrap();
    let url =
        format!("kafka://{brokers}/traces?batch=64&timeout=20s&flush=60s&spool={}", folder.path().display());
    let counts = export(&url, 64);
    let rejected = counts.dropped(DropReason::Rejected);
    assert_eq!((counts.received, counts.sent + rejected), (64, 64), "{counts}");
    assert!(rejected < 8, "{counts}");
    assert_eq!(consume(&brokers, "traces", counts.sent as usize).len() as u64, counts.sent);
}

#[test]
fn without_a_broker_everything_stays_in_the_spool() {
    let folder = TempDir::new().unwrap();
    let url = format!("kafka://127.0.0.1:1/t?timeout=500ms&flush=1s&spool={}", folder.path().display());
    let counts = export(&url, 5);
    assert_eq!((counts.received, counts.spooled, counts.sent), (5, 5, 0));
}
