//! One topic from the group's place in it into the store.
//!
//! Owns: the consumer, its pauses, and when an offset counts as read: once the store has everything up to it durably. librdkafka commits such offsets every
//! second, before partitions go to others, and at the end; what was not committed by then comes again, and changes nothing. Refuses: reading on while the store
//! has not taken what was read: partitions are paused meanwhile, and the group sees that we live.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::message::Message as _;
use rdkafka::{Offset, TopicPartitionList};
use tokio::runtime::Handle;

use super::context::Context;
use super::deliver::{Failure, Message, Stopped, World, deliver};
use super::progress::Progress;
use super::read::{kept, read};
use super::settings::{Source, Start};
use super::told::Told;
use crate::collector::http::Shared;
use crate::collector::ingest::WriteError;
use crate::collector::store::Batch;
use crate::export::kafka::library;

/// How long a look for messages, and for the end, takes.
const TURN: Duration = Duration::from_millis(100);

/// How long the first message of a batch waits for others.
const LINGER: Duration = Duration::from_millis(50);

/// How long a write may take before the partitions are paused.
const SOON: Duration = Duration::from_secs(1);

/// How long a store may take to say that it is there.
const ANSWERS_WITHIN: Duration = Duration::from_secs(5);

/// How long is waited before a consumer that failed is made anew.
const ANEW: Duration = Duration::from_secs(5);

/// Bytes and messages of one batch at most, but for one message that is larger.
const BATCH: (usize, usize) = (4 << 20, 10_000);

/// So many messages running can be to blame themselves; beyond that it is the store, whatever it says.
const BLAMED: u32 = 10;

/// Kilobytes that librdkafka reads ahead.
const AHEAD: &str = "16384";

/// See the module.
pub(super) struct Consumer {
    source: Source,
    shared: Arc<Shared>,
    runtime: Handle,
    progress: Arc<Progress>,
    consumer: BaseConsumer<Context>,
    /// Messages that came although all was paused: of partitions that had just become ours.
    carried: VecDeque<Message>,
    told: Told,
    /// Messages that were passed over since the store took any.
    passed_over: u32,
}

/// Reads until the collector ends.
pub(super) fn run(source: &Source, shared: &Arc<Shared>, runtime: &Handle, progress: &Arc<Progress>) {
    while !*shared.stopping.borrow() {
        let failed = match create(source, progress) {
            Ok(consumer) => {
                let mut consumer = Consumer {
                    source: source.clone(),
                    shared: Arc::clone(shared),
                    runtime: runtime.clone(),
                    progress: Arc::clone(progress),
                    consumer,
                    carried: VecDeque::new(),
                    told: Told::default(),
                    passed_over: 0,
                };
                // Dropped, it commits and leaves the group.
                consumer.consume().err()
            }
            Err(error) => Some(error),
        };
        progress.assigned(0);
        progress.reached(false, None);
        let Some(error) = failed else { return };
        log::warn!("action=consume source={} error=\"{error}; it begins anew\"", source.name);
        let until = Instant::now() + ANEW;
        while Instant::now() < until && !*shared.stopping.borrow() {
            std::thread::sleep(TURN);
        }
    }
}

fn create(source: &Source, progress: &Arc<Progress>) -> Result<BaseConsumer<Context>, KafkaError> {
    let start = match source.start {
        Start::Earliest => "earliest",
        Start::Latest => "latest",
    };
    let consumer: BaseConsumer<Context> = ClientConfig::new()
        .set("bootstrap.servers", &source.brokers)
        .set("client.id", "stain collector")
        .set("group.id", &source.group)
        .set("session.timeout.ms", source.session.as_millis().to_string())
        .set("heartbeat.interval.ms", (source.session.as_millis() / 10).clamp(100, 3000).to_string())
        .set("auto.offset.reset", start)
        // Offsets are committed that were stored, and stored once the store has what is before them.
        .set("enable.auto.commit", "true")
        .set("auto.commit.interval.ms", "1000")
        .set("enable.auto.offset.store", "false")
        .set("queued.max.messages.kbytes", AHEAD)
        .set("fetch.max.bytes", (8 << 20).to_string())
        .set("topic.metadata.refresh.interval.ms", "30000")
        .set("socket.keepalive.enable", "true")
        .set("statistics.interval.ms", "1000")
        .create_with_context(Context::new(source.name.clone(), source.topic.clone(), Arc::clone(progress)))?;
    consumer.subscribe(&[&source.topic])?;
    Ok(consumer)
}

impl Consumer {
    fn is_stopping(&self) -> bool {
        *self.shared.stopping.borrow()
    }

    /// Until the end.
    fn consume(&mut self) -> Result<(), KafkaError> {
        while !self.is_stopping() {
            let messages = self.collect()?;
            if deliver(self, &messages).is_err() {
                break;
            }
            self.go_on();
            self.has_read(&messages);
        }
        Ok(())
    }

    /// What is there, or comes within a moment.
    fn collect(&mut self) -> Result<Vec<Message>, KafkaError> {
        let (most_bytes, most) = BATCH;
        let most_bytes = most_bytes.min(self.shared.settings.limits.held / 2);
        let mut all: Vec<Message> = self.carried.drain(..).collect();
        let mut bytes: usize = all.iter().map(|message| message.bytes.len()).sum();
        let mut until = Instant::now() + if all.is_empty() { TURN } else { Duration::ZERO };
        while bytes < most_bytes && all.len() < most {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() && !all.is_empty() {
                break;
            }
            match self.poll(left)? {
                Some(message) => {
                    if all.is_empty() {
                        until = Instant::now() + LINGER;
                    }
                    bytes += message.bytes.len();
                    all.push(message);
                }
                None => break,
            }
        }
        Ok(all)
    }

    /// The next message. What is wrong with the way is told, and goes on; an error is one that this consumer cannot go on from.
    fn poll(&mut self, time: Duration) -> Result<Option<Message>, KafkaError> {
        match self.consumer.poll(time) {
            None => {
                let said = self.consumer.context().take_said();
                self.told.way(&self.source.name, said);
                Ok(None)
            }
            Some(Ok(message)) => {
                self.told.works(&self.source.name);
                let bytes = message.payload().unwrap_or_default().to_vec();
                Ok(Some(Message { partition: message.partition(), offset: message.offset(), bytes }))
            }
            Some(Err(error @ KafkaError::MessageConsumptionFatal(_))) => Err(error),
            Some(Err(error)) if library::is_all_down(&error) => Ok(None),
            Some(Err(error)) => {
                let said = self.consumer.context().take_said().unwrap_or_else(|| error.to_string());
                self.told.way(&self.source.name, Some(said));
                Ok(None)
            }
        }
    }

    /// Keeps our place in the group while nothing more is to come.
    fn hold_still(&mut self) {
        let context = self.consumer.context();
        if !context.is_paused() {
            context.set_paused(true);
            if let Ok(ours) = self.consumer.assignment() {
                let _ = self.consumer.pause(&ours);
            }
        }
        // A fatal error shows again when messages are collected.
        if let Ok(Some(message)) = self.poll(TURN) {
            self.carried.push_back(message);
        }
    }

    fn go_on(&mut self) {
        let context = self.consumer.context();
        if context.is_paused() {
            context.set_paused(false);
            if let Ok(ours) = self.consumer.assignment() {
                let _ = self.consumer.resume(&ours);
            }
        }
    }

    /// The store has these: the group may go on behind them. Of partitions that went to others meanwhile nothing is said.
    fn has_read(&self, messages: &[Message]) {
        let mut ends: HashMap<i32, i64> = HashMap::new();
        for message in messages {
            let end = ends.entry(message.partition).or_default();
            *end = (*end).max(message.offset + 1);
        }
        let mut places = TopicPartitionList::new();
        for (partition, end) in ends {
            let _ = places.add_partition_offset(&self.source.topic, partition, Offset::Offset(end));
        }
        if places.count() > 0
            && let Err(error) = self.consumer.store_offsets(&places)
        {
            log::debug!("action=commit source={} error=\"{error}\"", self.source.name);
        }
    }

    /// Returns once the store has a batch. The group sees meanwhile that we live.
    fn store(&mut self, batch: Batch, bytes: usize) -> Result<(), Failure> {
        let mut hold = self.shared.held.hold();
        if hold.grow(bytes.min(self.shared.settings.limits.held / 2)).is_err() {
            return Err(Failure::Busy);
        }
        let (sender, answer) = channel();
        let writer = self.shared.writer.clone();
        self.runtime.spawn(async move {
            // Nobody waits any more when the collector ends: the messages come again then.
            let _ = sender.send(writer.write(batch, hold).await);
        });
        let mut first = SOON;
        let mut ends = None;
        loop {
            match answer.recv_timeout(first) {
                Ok(Ok(())) => return Ok(()),
                Ok(Err(WriteError::Full)) => return Err(Failure::Busy),
                Ok(Err(WriteError::Store(error))) => return Err(Failure::Refused(error.to_string())),
                Ok(Err(WriteError::Ends)) | Err(RecvTimeoutError::Disconnected) => {
                    return Err(Failure::Stopped);
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
            first = Duration::ZERO;
            self.hold_still();
            if self.is_stopping() {
                let ends = ends.get_or_insert_with(|| Instant::now() + self.shared.settings.limits.stop_time);
                if Instant::now() >= *ends {
                    return Err(Failure::Stopped);
                }
            }
        }
    }
}

impl World for Consumer {
    fn write(&mut self, messages: &[Message]) -> Result<(), Failure> {
        let bytes = messages.iter().map(|message| message.bytes.len()).sum();
        let mut read = read(messages, &self.source, &self.shared.settings.limits, self.shared.clock.now_ms());
        self.store(std::mem::take(&mut read.counts.batch), bytes)?;
        self.passed_over = 0;
        read.counts.count(&self.shared.metrics);
        for (message, told) in &read.unread {
            self.told.skipped(&self.source.name, message, told);
        }
        self.progress.skipped(read.unread.len());
        self.progress.stored(messages.len());
        Ok(())
    }

    fn keep(&mut self, message: &Message, reason: &str) -> Result<(), Failure> {
        if self.passed_over >= BLAMED {
            return Err(Failure::Busy);
        }
        let event = kept(message, &self.source, reason, self.shared.clock.now_ms());
        let bytes = event.body.len();
        self.store(Batch { raw: vec![event], ..Batch::default() }, bytes)
    }

    fn passed_over(&mut self, message: &Message, reason: &str) {
        self.passed_over += 1;
        self.shared.metrics.invalid("refused", 1);
        self.told.skipped(&self.source.name, message, reason);
        self.progress.skipped(1);
        self.progress.stored(1);
    }

    fn is_ready(&mut self) -> bool {
        self.runtime.block_on(async {
            let answer = tokio::time::timeout(ANSWERS_WITHIN, self.shared.store.ready()).await;
            answer.is_ok_and(|answer| answer.is_ok())
        })
    }

    fn wait(&mut self, time: Duration) -> Result<(), Stopped> {
        let until = Instant::now() + time;
        loop {
            if self.is_stopping() {
                return Err(Stopped);
            }
            if Instant::now() >= until {
                return Ok(());
            }
            self.hold_still();
        }
    }
}
