//! The producer: idempotent, waiting for all replicas. It is made anew after a failure that it cannot go on from.
//!
//! A broker refuses requests, which hold many messages: those of a refused one are sent again in halves, until the message that is meant is alone.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use rdkafka::ClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::DeliveryResult;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _, ProducerContext};

use super::{Message, library, messages, of_messages};
use crate::export::courier::{Attempt, Refusal};
use crate::export::http::Deadline;
use crate::export::network::Transport;
use crate::export::settings::KafkaSettings;

/// How often it looks for results, and whether the session's end has come.
const TURN: Duration = Duration::from_millis(50);

/// How long it looks whether there is a topic.
const LOOK: Duration = Duration::from_secs(1);

/// What became of the messages that are being sent.
#[derive(Debug, Default)]
struct Results {
    /// Messages whose end is known.
    done: usize,
    /// Those that a broker will never take, by their number in the batch. It speaks about all that came in one request with the one it means.
    refused: Vec<(usize, KafkaError)>,
    /// Why another one did not arrive: the first.
    failed: Option<KafkaError>,
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
    fn log(&self, _: RDKafkaLogLevel, facility: &str, message: &str) {
        library::log(facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        if let Some(reason) = library::of_the_way(&error, reason) {
            self.with(|results| results.way = Some(reason));
        }
    }
}

impl ProducerContext for Collecting {
    /// The message's number in the batch.
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, index: usize) {
        self.with(|results| {
            results.done += 1;
            match result {
                Ok(_) => {}
                Err((error, _)) if is_refusal(error) => results.refused.push((index, error.clone())),
                Err((error, _)) => drop(results.failed.get_or_insert_with(|| error.clone())),
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

    /// Sends all messages of a batch but for those that a broker will never take, and gives these, with the first one's reason.
    fn send_all(&mut self, all: &[Message<'_>]) -> Result<Vec<(usize, KafkaError)>, KafkaError> {
        let producer = match self.producer.take() {
            Some(producer) => producer,
            None => self.create()?,
        };
        self.results.with(|results| *results = Results::default());
        let (mut groups, mut refused) = (vec![(0..all.len()).collect::<Vec<usize>>()], Vec::new());
        while let Some(group) = groups.pop() {
            let mut found = self.send_group(&producer, all, &group, &mut refused)?;
            if group.len() == 1 {
                refused.append(&mut found);
                continue;
            }
            // Which one was meant shows when they come in smaller requests.
            found.sort_by_key(|(index, _)| *index);
            let indices: Vec<usize> = found.into_iter().map(|(index, _)| index).collect();
            let (first, second) = indices.split_at(indices.len() / 2);
            groups.extend([second, first].into_iter().filter(|half| !half.is_empty()).map(<[usize]>::to_vec));
        }
        self.producer = Some(producer);
        refused.sort_by_key(|(index, _)| *index);
        Ok(refused)
    }

    /// Sends some messages, and waits for what becomes of each. What a broker refuses is given back; what is too large to be sent at all goes to `unfit`.
    ///
    /// After an error the producer is to be dropped with what is still in it: the whole batch comes again.
    fn send_group(
        &self,
        producer: &BaseProducer<Collecting>,
        all: &[Message<'_>],
        group: &[usize],
        unfit: &mut Vec<(usize, KafkaError)>,
    ) -> Result<Vec<(usize, KafkaError)>, KafkaError> {
        self.results.with(|results| (results.done, results.failed) = (0, None));
        let mut sent = 0;
        for index in group {
            let Some((key, value)) = all.get(*index) else { continue };
            let record = BaseRecord::with_opaque_to(&self.settings.topic, *index).key(*key).payload(*value);
            match self.hand_over(producer, record) {
                Ok(()) => sent += 1,
                Err(error) if is_refusal(&error) => unfit.push((*index, error)),
                Err(error) => return Err(error),
            }
        }
        // The producer itself gives up on each message after the timeout.
        let until = Instant::now() + self.settings.timeout + Duration::from_secs(1);
        while self.results.with(|results| results.done) < sent {
            producer.poll(TURN);
            if self.is_over() || Instant::now() >= until {
                break;
            }
        }
        let (done, failed, refused) = self
            .results
            .with(|results| (results.done, results.failed.take(), std::mem::take(&mut results.refused)));
        let late = KafkaError::MessageProduction(RDKafkaErrorCode::MessageTimedOut);
        let failed = failed.or_else(|| {
            let is_whole = done >= sent && producer.client().fatal_error().is_none();
            (!is_whole).then_some(late)
        });
        let Some(error) = failed else { return Ok(refused) };
        if error.rdkafka_error_code() == Some(RDKafkaErrorCode::MessageTimedOut) {
            self.look_for_topic(producer);
        }
        Err(error)
    }

    /// Puts a message into the producer's queue, as soon as there is room.
    fn hand_over(
        &self,
        producer: &BaseProducer<Collecting>,
        mut record: BaseRecord<'_, [u8], [u8], usize>,
    ) -> Result<(), KafkaError> {
        while let Err((error, back)) = producer.send(record) {
            if error.rdkafka_error_code() != Some(RDKafkaErrorCode::QueueFull) || self.is_over() {
                return Err(error);
            }
            producer.poll(TURN);
            record = back;
        }
        Ok(())
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

/// Whether an error speaks about a message, or one of its request, and not about the way.
fn is_refusal(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(
            RDKafkaErrorCode::MessageSizeTooLarge
                | RDKafkaErrorCode::InvalidMessage
                | RDKafkaErrorCode::InvalidMessageSize
                | RDKafkaErrorCode::InvalidRecord
                | RDKafkaErrorCode::InvalidDifferentRecord
                | RDKafkaErrorCode::InvalidTimestamp
                | RDKafkaErrorCode::PolicyViolation
        )
    )
}

impl Transport for Producing {
    fn send(&mut self, body: &Bytes) -> Attempt {
        let all: Vec<Message<'_>> = messages(body).collect();
        match self.send_all(&all) {
            Ok(refused) => {
                let Some((_, error)) = refused.first() else { return Attempt::Accepted };
                let reason = error.to_string();
                if refused.len() == all.len() {
                    return Attempt::Rejected { reason };
                }
                let body = of_messages(refused.iter().filter_map(|(index, _)| all.get(*index).copied()));
                let (traces, of) = (refused.len() as u64, all.len());
                let reason = format!("{traces} of {of} messages: {reason}");
                Attempt::Partly(Refusal { traces, body: Some(body), reason })
            }
            Err(error) => {
                let way = self.results.with(|results| results.way.take());
                let is_late = error.rdkafka_error_code() == Some(RDKafkaErrorCode::MessageTimedOut);
                let reason = way.filter(|_| is_late).unwrap_or_else(|| error.to_string());
                Attempt::Retry { reason, after: None }
            }
        }
    }

    fn send_extra(&mut self, _: &Bytes) -> Attempt {
        Attempt::Accepted
    }
}

#[cfg(test)]
mod tests;
