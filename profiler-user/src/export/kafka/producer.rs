//! The producer: idempotent, waiting for all replicas. It is made anew after a failure that it cannot go on from.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use rdkafka::ClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::DeliveryResult;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _, ProducerContext};

use super::messages;
use crate::export::courier::Attempt;
use crate::export::http::Deadline;
use crate::export::network::Transport;
use crate::export::settings::KafkaSettings;

/// How often it looks for results, and whether the session's end has come.
const TURN: Duration = Duration::from_millis(50);

/// How long it looks whether there is a topic.
const LOOK: Duration = Duration::from_secs(1);

/// What became of the messages of the batch that is being sent.
#[derive(Debug, Default)]
struct Results {
    delivered: usize,
    failed: usize,
    first: Option<KafkaError>,
    /// What was wrong with the way to a broker at last.
    way: Option<String>,
}

/// Collects results.
#[derive(Clone, Default)]
struct Collecting(Arc<Mutex<Results>>);

impl Collecting {
    fn with<T>(&self, look: impl FnOnce(&mut Results) -> T) -> T {
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl ClientContext for Collecting {
    /// The library says all that it does. What matters comes as the result of a message, and is told once.
    fn log(&self, _: RDKafkaLogLevel, facility: &str, message: &str) {
        log::debug!("librdkafka: {facility}: {message}");
    }

    fn error(&self, error: KafkaError, reason: &str) {
        log::debug!("librdkafka: {error}: {reason}");
        // That all brokers are down says less than why the last one is.
        if error.rdkafka_error_code() != Some(RDKafkaErrorCode::AllBrokersDown) {
            self.with(|results| results.way = Some(reason.to_owned()));
        }
    }
}

impl ProducerContext for Collecting {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        self.with(|results| match result {
            Ok(_) => results.delivered += 1,
            Err((error, _)) => {
                results.failed += 1;
                results.first.get_or_insert_with(|| error.clone());
            }
        });
    }
}

/// See the module.
pub(in crate::export) struct Producing {
    settings: KafkaSettings,
    deadline: Deadline,
    producer: Option<BaseProducer<Collecting>>,
    results: Collecting,
}

impl Producing {
    pub(in crate::export) fn new(settings: KafkaSettings, deadline: Deadline) -> Self {
        Self { settings, deadline, producer: None, results: Collecting::default() }
    }

    fn create(&self) -> Result<BaseProducer<Collecting>, KafkaError> {
        let timeout = self.settings.timeout.as_millis().to_string();
        ClientConfig::new()
            .set("bootstrap.servers", &self.settings.brokers)
            .set("client.id", "stain")
            .set("enable.idempotence", "true")
            .set("compression.type", self.settings.compression)
            .set("message.timeout.ms", &timeout)
            .set("socket.timeout.ms", timeout)
            .set("linger.ms", "5")
            .create_with_context(self.results.clone())
    }

    fn send_all(&mut self, body: &Bytes) -> Result<(), KafkaError> {
        let producer = match self.producer.take() {
            Some(producer) => producer,
            None => self.create()?,
        };
        self.results.with(|results| *results = Results::default());
        let mut sent = 0;
        for (key, value) in messages(body) {
            let mut record = BaseRecord::to(&self.settings.topic).key(key).payload(value);
            while let Err((error, back)) = producer.send(record) {
                if error.rdkafka_error_code() != Some(RDKafkaErrorCode::QueueFull) || self.is_over() {
                    return Err(error);
                }
                producer.poll(TURN);
                record = back;
            }
            sent += 1;
        }
        // The producer itself gives up on each message after the timeout.
        let until = Instant::now() + self.settings.timeout + Duration::from_secs(1);
        loop {
            producer.poll(TURN);
            let done = self.results.with(|results| results.delivered + results.failed);
            if done >= sent || self.is_over() || Instant::now() >= until {
                break;
            }
        }
        let (delivered, first) = self.results.with(|results| (results.delivered, results.first.take()));
        let fatal = producer.client().fatal_error().is_some();
        if delivered == sent && !fatal {
            self.producer = Some(producer);
            return Ok(());
        }
        let is_late =
            |error: &KafkaError| error.rdkafka_error_code() == Some(RDKafkaErrorCode::MessageTimedOut);
        if first.as_ref().is_none_or(is_late) {
            self.look_for_topic(&producer);
        }
        // Dropped with what is still in it: the whole batch comes again.
        Err(first.unwrap_or(KafkaError::MessageProduction(RDKafkaErrorCode::MessageTimedOut)))
    }

    /// A topic that is not there shows as messages that go nowhere in time.
    fn look_for_topic(&self, producer: &BaseProducer<Collecting>) {
        let topic = &self.settings.topic;
        let found = producer.client().fetch_metadata(Some(topic), LOOK);
        let is_missing = found.is_ok_and(|found| found.topics().iter().any(|topic| topic.error().is_some()));
        if is_missing {
            let reason = format!("the brokers have no topic `{topic}`, and make none: create it");
            self.results.with(|results| results.way = Some(reason));
        }
    }

    fn is_over(&self) -> bool {
        self.deadline.borrow().is_some_and(|deadline| Instant::now() >= deadline)
    }
}

impl Transport for Producing {
    fn send(&mut self, body: &Bytes) -> Attempt {
        match self.send_all(body) {
            Ok(()) => Attempt::Accepted,
            Err(error) => {
                let way = self.results.with(|results| results.way.take());
                let is_late = error.rdkafka_error_code() == Some(RDKafkaErrorCode::MessageTimedOut);
                let reason = way.filter(|_| is_late).unwrap_or_else(|| error.to_string());
                match error.rdkafka_error_code() {
                    // These speak about the messages, not about the way.
                    Some(
                        RDKafkaErrorCode::MessageSizeTooLarge
                        | RDKafkaErrorCode::InvalidMessage
                        | RDKafkaErrorCode::InvalidRecord
                        | RDKafkaErrorCode::InvalidMessageSize,
                    ) => Attempt::Rejected { reason },
                    _ => Attempt::Retry { reason, after: None },
                }
            }
        }
    }

    fn send_extra(&mut self, _: &Bytes) -> Attempt {
        Attempt::Accepted
    }
}

#[cfg(test)]
mod tests;
