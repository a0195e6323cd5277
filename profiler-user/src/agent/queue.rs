//! A sink on a thread of its own, behind a bounded queue: a slow destination delays nobody.
//!
//! Owns: the count of traces that found no room. Refuses: waiting for the destination.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::sink::{Hurry, Sink, SinkCounts, SinkError};
use crate::trace::{Stamp, Trace};

/// Traces that may wait: as many as fit into the memory below when each has all its entries, within these bounds.
const WAITING: std::ops::RangeInclusive<usize> = 256..=16 << 10;

/// What waiting traces may take, bytes: a destination that is stuck must not let the agent grow.
const WAITING_BYTES: usize = 32 << 20;

/// A file is no more than this behind.
const FLUSH_EVERY: Duration = Duration::from_millis(200);

type Boxed = Box<dyn Sink + Send>;

/// See the module.
pub struct QueuedSink {
    queue: SyncSender<Arc<Trace>>,
    thread: JoinHandle<(Boxed, Option<SinkError>)>,
    refused: u64,
    failed: Arc<AtomicBool>,
    hurry: Option<Hurry>,
}

impl QueuedSink {
    /// Moves `sink` to a thread. Its traces have `max_entries` stamps at most.
    ///
    /// # Errors
    /// When the system starts no thread.
    pub fn new(sink: Boxed, max_entries: u32) -> std::io::Result<Self> {
        let (queue, waiting) = sync_channel(room_for(max_entries));
        let failed = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&failed);
        let hurry = sink.hurry();
        let thread = std::thread::Builder::new().name("stain-sink".to_owned());
        let thread = thread.spawn(move || write(sink, &waiting, &told))?;
        Ok(Self { queue, thread, refused: 0, failed, hurry })
    }

    /// Hands a trace on. When there is no room it is dropped, and counted.
    pub fn push(&mut self, trace: Arc<Trace>) {
        if self.queue.try_send(trace).is_err() {
            self.refused += 1;
        }
    }

    /// Whether the destination has failed, so that nothing more will reach it.
    pub fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Relaxed) || self.thread.is_finished()
    }

    /// Waits until all that was pushed is written, or the destination is found to take nothing. Gives the sink back, what became of the traces, and its failure if it had one.
    #[must_use]
    pub fn close(self) -> (Option<Boxed>, SinkCounts, Option<SinkError>) {
        let Self { queue, thread, refused, failed: _, hurry } = self;
        drop(queue);
        hurry.iter().for_each(Hurry::begin);
        // A sink that panicked has no counts to give; everything pushed is then undelivered.
        let Ok((sink, error)) = thread.join() else { return (None, SinkCounts::default(), None) };
        let mut counts = sink.counts();
        counts.received += refused;
        counts.dropped += refused;
        (Some(sink), counts, error)
    }
}

/// Traces that may wait for a reader, where each has at most so many stamps.
pub(crate) fn room_for(max_entries: u32) -> usize {
    let each = size_of::<Trace>() + max_entries as usize * size_of::<Stamp>();
    (WAITING_BYTES / each).clamp(*WAITING.start(), *WAITING.end())
}

/// Until the queue is closed, also after a failure: what still comes is then counted as dropped by the sink.
fn write(mut sink: Boxed, waiting: &Receiver<Arc<Trace>>, failed: &AtomicBool) -> (Boxed, Option<SinkError>) {
    // When the oldest trace that is not flushed came in.
    let (mut dirty_since, mut first_error): (Option<Instant>, _) = (None, None);
    loop {
        let result = match waiting.recv_timeout(FLUSH_EVERY) {
            Ok(trace) => {
                dirty_since.get_or_insert_with(Instant::now);
                sink.trace(&trace)
            }
            Err(RecvTimeoutError::Timeout) => Ok(()),
            Err(RecvTimeoutError::Disconnected) => {
                let flushed = sink.flush();
                return (sink, first_error.or(flushed.err()));
            }
        };
        let due = dirty_since.is_some_and(|since| since.elapsed() >= FLUSH_EVERY);
        let result = if due && result.is_ok() {
            dirty_since = None;
            sink.flush()
        } else {
            result
        };
        if let Err(error) = result {
            failed.store(true, Ordering::Relaxed);
            first_error.get_or_insert(error);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::QueuedSink;
    use crate::sink::{Session, Sink, SinkCounts, SinkError};
    use crate::trace::Trace;
    use profiler_common::Outcome;
    use std::sync::{Arc, Mutex};

    #[derive(Default)]
    struct Slow {
        gate: Arc<Mutex<()>>,
        counts: SinkCounts,
        fails_at: Option<u64>,
    }

    impl Sink for Slow {
        fn trace(&mut self, _: &Trace) -> Result<(), SinkError> {
            drop(self.gate.lock().unwrap());
            self.counts.received += 1;
            if self.fails_at.is_some_and(|at| self.counts.received >= at) {
                self.counts.dropped += 1;
                return Err(SinkError::Closed {
                    destination: "test".to_owned(),
                    dropped: self.counts.dropped,
                });
            }
            self.counts.sent += 1;
            Ok(())
        }
        fn flush(&mut self) -> Result<(), SinkError> {
            Ok(())
        }
        fn finish(&mut self, _: &Session<'_>) -> Result<(), SinkError> {
            Ok(())
        }
        fn counts(&self) -> SinkCounts {
            self.counts
        }
    }

    fn trace() -> Trace {
        crate::trace::testing::plain(Outcome::Written)
    }

    #[test]
    fn a_stuck_destination_delays_nobody_and_every_trace_is_counted() {
        let gate = Arc::new(Mutex::new(()));
        let stuck = gate.lock().unwrap();
        let mut queue =
            QueuedSink::new(Box::new(Slow { gate: Arc::clone(&gate), ..Slow::default() }), 2048).unwrap();
        let pushed = super::room_for(2048) as u64 + 1000;
        (0..pushed).for_each(|_| queue.push(Arc::new(trace())));
        drop(stuck);
        let (_, counts, error) = queue.close();
        assert!(error.is_none());
        assert_eq!(counts.received, pushed);
        assert_eq!(counts.sent + counts.dropped, pushed);
        assert!((998..=1000).contains(&counts.dropped), "{counts:?}");
    }

    #[test]
    fn room_is_bounded_by_memory() {
        for max_entries in [2, 32, 256, 2048] {
            let each = size_of::<Trace>() + max_entries * size_of::<crate::trace::Stamp>();
            let room = super::room_for(max_entries as u32);
            assert!(
                super::WAITING.contains(&room) && room * each <= super::WAITING_BYTES,
                "{room} of {each}"
            );
        }
    }

    /// Flushes, by how many traces had come before each.
    #[derive(Default)]
    struct Flushes {
        seen: Arc<Mutex<Vec<u64>>>,
        counts: SinkCounts,
    }

    impl Sink for Flushes {
        fn trace(&mut self, _: &Trace) -> Result<(), SinkError> {
            self.counts.received += 1;
            self.counts.sent += 1;
            Ok(())
        }
        fn flush(&mut self) -> Result<(), SinkError> {
            self.seen.lock().unwrap().push(self.counts.received);
            Ok(())
        }
        fn finish(&mut self, _: &Session<'_>) -> Result<(), SinkError> {
            Ok(())
        }
        fn counts(&self) -> SinkCounts {
            self.counts
        }
    }

    #[test]
    fn traces_that_never_pause_are_flushed_all_the_same() {
        let flushes = Flushes::default();
        let seen = Arc::clone(&flushes.seen);
        let mut queue = QueuedSink::new(Box::new(flushes), 32).unwrap();
        let mut pushed = 0u64;
        // More often than the flush interval, until one was seen in the midst.
        while seen.lock().unwrap().is_empty() {
            queue.push(Arc::new(trace()));
            pushed += 1;
            assert!(pushed < 20_000, "never flushed");
            std::thread::sleep(super::FLUSH_EVERY / 20);
        }
        drop(queue.close());
        assert_eq!(*seen.lock().unwrap().last().unwrap(), pushed);
    }

    #[test]
    fn a_failed_destination_is_told_and_counted() {
        let mut queue = QueuedSink::new(Box::new(Slow { fails_at: Some(3), ..Slow::default() }), 32).unwrap();
        (0..100).for_each(|_| queue.push(Arc::new(trace())));
        let (_, counts, error) = queue.close();
        assert!(error.is_some());
        assert_eq!((counts.received, counts.sent, counts.dropped), (100, 2, 98));
    }
}
