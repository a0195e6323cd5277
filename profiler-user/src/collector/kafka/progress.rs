//! How far a topic is read, as `/metrics` and `/readyz` tell it: numbers of the whole topic, so that partitions make no series.

use std::fmt::{self, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::sink::metrics::prometheus::{Labels, head};

/// Stands for a number that is not known.
const UNKNOWN: u64 = u64::MAX;

/// See the module.
#[derive(Debug)]
pub struct Progress {
    name: String,
    messages: AtomicU64,
    skipped: AtomicU64,
    behind: AtomicU64,
    partitions: AtomicU64,
    is_connected: AtomicBool,
}

impl Progress {
    /// Of a topic that has this name in metrics.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            messages: AtomicU64::new(0),
            skipped: AtomicU64::new(0),
            behind: AtomicU64::new(UNKNOWN),
            partitions: AtomicU64::new(0),
            is_connected: AtomicBool::new(false),
        }
    }

    /// What metrics call it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The store has what was in so many messages.
    pub fn stored(&self, messages: usize) {
        self.messages.fetch_add(messages as u64, Ordering::Relaxed);
    }

    /// So many of them were not understood.
    pub fn skipped(&self, messages: usize) {
        self.skipped.fetch_add(messages as u64, Ordering::Relaxed);
    }

    /// So many partitions are ours.
    pub fn assigned(&self, partitions: usize) {
        self.partitions.store(partitions as u64, Ordering::Relaxed);
    }

    /// Whether a broker answers, and how many messages of our partitions the store does not have yet.
    pub fn reached(&self, is_connected: bool, behind: Option<u64>) {
        self.is_connected.store(is_connected, Ordering::Relaxed);
        self.behind.store(behind.unwrap_or(UNKNOWN), Ordering::Relaxed);
    }

    /// Whether a broker answers.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.is_connected.load(Ordering::Relaxed)
    }
}

/// The text that Prometheus scrapes, of all topics.
pub(in crate::collector) fn put(out: &mut String, all: &[Arc<Progress>]) -> fmt::Result {
    if all.is_empty() {
        return Ok(());
    }
    let load = |number: &AtomicU64| Some(number.load(Ordering::Relaxed)).filter(|number| *number != UNKNOWN);
    type Family = (&'static str, &'static str, &'static str, fn(&Progress) -> &AtomicU64);
    let families: [Family; 4] = [
        ("messages_total", "counter", "Messages of Kafka that the store has, or that were skipped.", |p| {
            &p.messages
        }),
        ("skipped_total", "counter", "Messages of Kafka that were not understood, or not wholly.", |p| {
            &p.skipped
        }),
        ("lag", "gauge", "Messages in our partitions that the store does not have yet.", |p| &p.behind),
        ("partitions", "gauge", "Partitions that are ours.", |p| &p.partitions),
    ];
    for (name, kind, help, number) in families {
        let name = format!("st_trace_collector_kafka_{name}");
        head(out, &name, help, kind)?;
        for progress in all {
            if let Some(number) = load(number(progress)) {
                writeln!(out, "{name}{} {number}", Labels(&[("source", &progress.name)]))?;
            }
        }
    }
    let name = "st_trace_collector_kafka_connected";
    head(out, name, "Whether a broker answers.", "gauge")?;
    for progress in all {
        let value = u8::from(progress.is_connected());
        writeln!(out, "{name}{} {value}", Labels(&[("source", &progress.name)]))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Progress, put};
    use std::sync::Arc;

    #[test]
    fn a_topic_has_one_series_of_each_and_none_of_what_is_not_known() {
        let progress = Arc::new(Progress::new("kafka://h/t"));
        progress.stored(3);
        progress.skipped(1);
        progress.assigned(4);
        let text = |progress: &Arc<Progress>| {
            let mut text = String::new();
            put(&mut text, &[Arc::clone(progress)]).unwrap();
            text
        };
        assert!(!text(&progress).contains("kafka_lag{"), "{}", text(&progress));
        progress.reached(true, Some(7));
        let text = text(&progress);
        for line in ["messages_total", "skipped_total", "partitions", "lag", "connected"]
            .into_iter()
            .zip(["3", "1", "4", "7", "1"])
            .map(|(name, value)| {
                format!("st_trace_collector_kafka_{name}{{source=\"kafka://h/t\"}} {value}\n")
            })
        {
            assert!(text.contains(&line), "{line}{text}");
        }
        let mut none = String::new();
        put(&mut none, &[]).unwrap();
        assert_eq!(none, "");
    }
}
