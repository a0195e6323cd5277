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

use crate::export::settings::Settings;
use crate::export::{Exports, Machine, Notify};
use crate::feed::FeedEvent;
use crate::feed::channel::Hub;
use crate::sink::counts::Counts;
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

#[test]
fn a_message_that_is_refused_for_good_is_set_aside() {
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic("traces", 1, 1).unwrap();
    let too_large = RDKafkaRespErr::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE;
    cluster.request_errors(RDKafkaApiKey::Produce, &[too_large]);
    let folder = TempDir::new().unwrap();
    let brokers = cluster.bootstrap_servers();
    let url =
        format!("kafka://{brokers}/traces?batch=10&timeout=5s&flush=30s&spool={}", folder.path().display());
    let counts = export(&url, 30);
    assert_eq!((counts.received, counts.sent + counts.dropped_total()), (30, 30), "{counts}");
    assert!(counts.dropped_total() > 0, "{counts}");
    assert_eq!(consume(&brokers, "traces", counts.sent as usize).len() as u64, counts.sent);
}

#[test]
fn without_a_broker_everything_stays_in_the_spool() {
    let folder = TempDir::new().unwrap();
    let url = format!("kafka://127.0.0.1:1/t?timeout=500ms&flush=1s&spool={}", folder.path().display());
    let counts = export(&url, 5);
    assert_eq!((counts.received, counts.spooled, counts.sent), (5, 5, 0));
}
