//! The same for Kafka, by librdkafka's mock cluster, whose brokers fail as they are told: exactly the accepted traces are in the topic, each at least once.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::Message as _;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use tempfile::TempDir;

use super::{Session, until};
use crate::sink::counts::DropReason;

const ALL: u64 = 50;

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// No broker at first.
    Refused,
    /// Answers that take long, but come.
    Slow,
    /// Answers that do not come in time.
    TooSlow,
    /// The connection is cut instead of an answer.
    Cut,
    /// Too few replicas, again and again.
    FailsForAWhile,
    /// The leader has moved, and moved again.
    Moving,
    /// Requests are refused for good, so often that single messages are, too.
    Poison,
}

const FAULTS: [Fault; 7] = [
    Fault::Refused,
    Fault::Slow,
    Fault::TooSlow,
    Fault::Cut,
    Fault::FailsForAWhile,
    Fault::Moving,
    Fault::Poison,
];

type Cluster = MockCluster<'static, DefaultProducerContext>;

impl Fault {
    fn begin(self, cluster: &Cluster) {
        let errors: &[RDKafkaRespErr] = match self {
            Self::Refused => return cluster.broker_down(1).unwrap(),
            Self::Slow => return cluster.broker_round_trip_time(1, Duration::from_millis(100)).unwrap(),
            Self::TooSlow => return cluster.broker_round_trip_time(1, Duration::from_secs(5)).unwrap(),
            Self::Cut => &[RDKafkaRespErr::RD_KAFKA_RESP_ERR__TRANSPORT; 3],
            Self::FailsForAWhile => &[RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS; 6],
            Self::Moving => &[RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION; 3],
            Self::Poison => &[RDKafkaRespErr::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE; 24],
        };
        cluster.request_errors(RDKafkaApiKey::Produce, errors);
    }

    /// What does not end by itself is ended, once it has been told of.
    fn end(self, cluster: &Cluster, session: &Session) {
        if matches!(self, Self::Refused | Self::TooSlow) {
            until(|| !session.said.lock().unwrap().is_empty());
        }
        match self {
            Self::Refused => cluster.broker_up(1).unwrap(),
            Self::TooSlow => cluster.broker_round_trip_time(1, Duration::ZERO).unwrap(),
            _ => {}
        }
    }
}

/// How often each trace is in the topic, once so many are.
fn in_topic(cluster: &Cluster, wanted: u64) -> BTreeMap<u64, u64> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", cluster.bootstrap_servers())
        .set("group.id", "test")
        .set("auto.offset.reset", "earliest")
        .create()
        .unwrap();
    consumer.subscribe(&["traces"]).unwrap();
    let (mut all, deadline) = (BTreeMap::new(), Instant::now() + Duration::from_secs(30));
    while (all.len() as u64) < wanted && Instant::now() < deadline {
        if let Some(Ok(message)) = consumer.poll(Duration::from_millis(100)) {
            let id = std::str::from_utf8(message.key().unwrap()).unwrap().parse().unwrap();
            *all.entry(id).or_default() += 1;
        }
    }
    all
}

fn check(fault: Fault) {
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic("traces", 1, 1).unwrap();
    fault.begin(&cluster);
    let folder = TempDir::new().unwrap();
    // A producer that is new asks several things before it sends: all of that has to fit.
    let timeout = if fault == Fault::Slow { "10s" } else { "2s" };
    let options = format!(
        "value=sttr&batch=10&linger=10s&timeout={timeout}&flush=60s&spool={}",
        folder.path().display()
    );
    let session = Session::start(&format!("kafka://{}/traces?{options}", cluster.bootstrap_servers()));
    session.traces(0..ALL);
    fault.end(&cluster, &session);
    let (counts, said) = session.finish();
    let rejected = counts.dropped(DropReason::Rejected);
    assert_eq!((counts.received, counts.sent + rejected), (ALL, ALL), "{fault:?}: {counts}");
    assert_eq!(counts.dropped_total(), rejected, "{fault:?}: {counts}");
    let bound = if fault == Fault::Poison { 1..=20 } else { 0..=0 };
    assert!(bound.contains(&rejected), "{fault:?}: {counts}, {said:?}");
    let found = in_topic(&cluster, counts.sent);
    assert!(found.len() as u64 >= counts.sent && found.keys().all(|id| *id < ALL), "{fault:?}: {found:?}");
    if fault != Fault::Poison {
        assert_eq!(found.keys().copied().collect::<Vec<_>>(), (0..ALL).collect::<Vec<_>>(), "{fault:?}");
    }
}

#[test]
fn nothing_that_goes_wrong_with_brokers_loses_a_trace() {
    std::thread::scope(|scope| {
        FAULTS.into_iter().for_each(|fault| drop(scope.spawn(move || check(fault))));
    });
}
