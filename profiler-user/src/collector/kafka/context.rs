//! What librdkafka tells a consumer: which partitions are ours, how far behind we are, and what is wrong with the way.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rdkafka::TopicPartitionList;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext, Rebalance};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::statistics::{Partition, Statistics};

use super::progress::Progress;
use crate::export::kafka::library;

/// See the module.
pub(super) struct Context {
    name: String,
    topic: String,
    progress: Arc<Progress>,
    is_paused: AtomicBool,
    /// What was wrong with the way at last.
    said: Mutex<Option<String>>,
}

impl Context {
    pub(super) const fn new(name: String, topic: String, progress: Arc<Progress>) -> Self {
        Self { name, topic, progress, is_paused: AtomicBool::new(false), said: Mutex::new(None) }
    }

    pub(super) fn is_paused(&self) -> bool {
        self.is_paused.load(Ordering::Relaxed)
    }

    pub(super) fn set_paused(&self, is_paused: bool) {
        self.is_paused.store(is_paused, Ordering::Relaxed);
    }

    /// What was wrong with the way since this was asked last.
    pub(super) fn take_said(&self) -> Option<String> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl ClientContext for Context {
    fn log(&self, _: RDKafkaLogLevel, facility: &str, message: &str) {
        library::log(facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        if let Some(reason) = library::of_the_way(&error, reason) {
            *self.said.lock().unwrap_or_else(PoisonError::into_inner) = Some(reason);
        }
    }

    fn stats(&self, statistics: Statistics) {
        let is_connected = statistics.brokers.values().any(|broker| broker.state == "UP");
        let partitions =
            statistics.topics.get(&self.topic).into_iter().flat_map(|topic| topic.partitions.values());
        self.progress.reached(is_connected, behind(partitions));
    }
}

/// Messages that the store does not have yet, of the partitions that are ours; `None` where one does not say.
fn behind<'a>(partitions: impl Iterator<Item = &'a Partition>) -> Option<u64> {
    let ours = partitions.filter(|partition| partition.desired && partition.partition >= 0);
    ours.map(|partition| {
        let end = u64::try_from(partition.hi_offset).ok()?;
        let read = partition.stored_offset.max(partition.committed_offset);
        // A group that has read nothing yet begins at the oldest.
        let read = if read < 0 { partition.lo_offset } else { read };
        Some(end.saturating_sub(u64::try_from(read).unwrap_or(0)))
    })
    .sum()
}

impl ConsumerContext for Context {
    /// A pause stays with a partition, also when it comes back later: it ends with us.
    fn pre_rebalance(&self, consumer: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        if let Rebalance::Revoke(partitions) = rebalance
            && self.is_paused()
        {
            let _ = consumer.resume(partitions);
        }
    }

    fn post_rebalance(&self, consumer: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        match rebalance {
            Rebalance::Assign(partitions) => {
                if self.is_paused() {
                    let _ = consumer.pause(partitions);
                }
                self.progress.assigned(partitions.count());
                log::info!("action=assign source={} partitions={}", self.name, partitions.count());
            }
            Rebalance::Revoke(_) => self.progress.assigned(0),
            Rebalance::Error(error) => {
                log::warn!("action=assign source={} error=\"{error}\"", self.name);
            }
        }
    }

    fn commit_callback(&self, result: KafkaResult<()>, _: &TopicPartitionList) {
        // Nothing new to commit is an error there.
        match result {
            Ok(()) | Err(KafkaError::ConsumerCommit(RDKafkaErrorCode::NoOffset)) => {}
            Err(error) => log::warn!("action=commit source={} error=\"{error}\"", self.name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Partition, behind};

    fn partition(hi_offset: i64, stored_offset: i64, committed_offset: i64, lo_offset: i64) -> Partition {
        let desired = true;
        Partition { desired, hi_offset, stored_offset, committed_offset, lo_offset, ..Partition::default() }
    }

    #[test]
    fn what_is_behind_is_what_the_store_does_not_have() {
        let unknown = -1001;
        for (partitions, expected) in [
            (vec![], Some(0)),
            (vec![partition(100, 90, 80, 0), partition(10, unknown, 4, 0)], Some(16)),
            (vec![partition(100, unknown, unknown, 30)], Some(70)),
            (vec![partition(100, unknown, unknown, unknown)], Some(100)),
            (vec![partition(100, 90, 80, 0), partition(unknown, 5, 5, 0)], None),
            (vec![Partition { desired: false, ..partition(100, 0, 0, 0) }], Some(0)),
        ] {
            assert_eq!(behind(partitions.iter()), expected, "{partitions:?}");
        }
    }
}
