//! The source: reads lines as they come, and sends them on.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::pace::Pace;
use super::queue::Queue;
use super::record::Record;
use super::traffic::Traffic;

/// The source's own state.
#[derive(Debug)]
pub(super) struct Source<'q> {
    output: &'q Queue<Record>,
    traffic: Traffic,
    pace: Pace,
    limit: u64,
    until: Option<Instant>,
    emitted: u64,
}

impl<'q> Source<'q> {
    pub(super) fn new(
        output: &'q Queue<Record>,
        pace: Pace,
        records: Option<u64>,
        duration: Option<Duration>,
    ) -> Self {
        let until = duration.and_then(|duration| Instant::now().checked_add(duration));
        let limit = records.unwrap_or(u64::MAX);
        Self { output, traffic: Traffic::new(), pace, limit, until, emitted: 0 }
    }

    /// Until told to stop, or the limit of records or time is reached. How many records there were.
    pub(super) fn run(mut self, stop: &AtomicBool) -> u64 {
        while self.emitted < self.limit && self.until.is_none_or(|until| Instant::now() < until) {
            let records = self.pace.tick().min(self.limit - self.emitted);
            for _ in 0..records {
                if stop.load(Ordering::Relaxed) {
                    self.output.close();
                    return self.emitted;
                }
                let record = self.traffic.next();
                self.emit(record);
            }
        }
        self.output.close();
        self.emitted
    }

    /// A line is complete.
    #[inline(never)]
    fn emit(&mut self, mut record: Box<Record>) {
        self.emitted += 1;
        record.number = self.emitted;
        record.received = Instant::now();
        self.output.push(record);
    }
}
