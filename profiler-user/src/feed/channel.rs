//! A bounded channel from the agent to one reader. Sending never waits for the reader; what finds no room is counted, and the reader is told by the next tick.
//!
//! Traces and ticks take of one room; what cannot be made good by a later event (sites, changes, words to the user) has a reserve of its own, and the
//! end always arrives.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::FeedEvent;

/// Places that traces and ticks do not take. What is sent there comes a few times a minute.
const RESERVE: usize = 1024;

#[derive(Debug, Default)]
struct Queue {
    events: VecDeque<FeedEvent>,
    missed: u64,
    /// Those of them that are traces.
    missed_traces: u64,
    /// No sender is left, or no reader.
    closed: bool,
}

#[derive(Debug)]
struct Shared {
    queue: Mutex<Queue>,
    changed: Condvar,
    room: usize,
}

impl Shared {
    /// A reader that panicked while it held the lock left whole events: they are moved, never changed in place.
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }
}

/// The agent's end. Dropping it ends the stream, after what was sent.
#[derive(Debug)]
pub struct Sender(Arc<Shared>);

/// The reader's end. Dropping it makes every later sending a no-op.
#[derive(Debug)]
pub struct Receiver(Arc<Shared>);

/// A channel with room for so many traces and ticks.
#[must_use]
pub fn channel(room: usize) -> (Sender, Receiver) {
    let (queue, changed) = (Mutex::new(Queue::default()), Condvar::new());
    let shared = Arc::new(Shared { queue, changed, room });
    (Sender(Arc::clone(&shared)), Receiver(shared))
}

impl Sender {
    /// Hands an event on, or counts it as missed.
    pub fn send(&self, mut event: FeedEvent) {
        let mut queue = self.0.lock();
        if queue.closed {
            return;
        }
        let room = match event {
            FeedEvent::Trace(_) | FeedEvent::Tick(_) => self.0.room,
            FeedEvent::Ended(_) => usize::MAX,
            _ => self.0.room.saturating_add(RESERVE),
        };
        if queue.events.len() >= room {
            queue.missed += 1;
            queue.missed_traces += u64::from(matches!(event, FeedEvent::Trace(_)));
            return;
        }
        if let FeedEvent::Tick(tick) = &mut event
            && queue.missed > 0
        {
            // Other readers, who missed nothing, keep theirs.
            Arc::make_mut(tick).missed = queue.missed;
        }
        queue.events.push_back(event);
        drop(queue);
        self.0.changed.notify_one();
    }

    /// Whether nobody reads any more.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.0.lock().closed
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl Receiver {
    /// Moves all that has come into `into`, in its order, without waiting. False when the stream is over and nothing is left.
    pub fn take(&self, into: &mut VecDeque<FeedEvent>) -> bool {
        Self::drain(&mut self.0.lock(), into)
    }

    /// The same, but waits until something is there, the stream is over, or the time is.
    pub fn wait(&self, into: &mut VecDeque<FeedEvent>, timeout: Duration) -> bool {
        let idle = |queue: &mut Queue| queue.events.is_empty() && !queue.closed;
        let waited = self.0.changed.wait_timeout_while(self.0.lock(), timeout, idle);
        let (mut queue, _) = waited.unwrap_or_else(PoisonError::into_inner);
        Self::drain(&mut queue, into)
    }

    /// Events that found no room so far.
    #[must_use]
    pub fn missed(&self) -> u64 {
        self.0.lock().missed
    }

    /// Traces that found no room so far.
    #[must_use]
    pub fn missed_traces(&self) -> u64 {
        self.0.lock().missed_traces
    }

    fn drain(queue: &mut Queue, into: &mut VecDeque<FeedEvent>) -> bool {
        let over = queue.closed && queue.events.is_empty();
        if into.is_empty() {
            // The sender waits for the lock: this is one move, however many there are.
            std::mem::swap(into, &mut queue.events);
        } else {
            into.append(&mut queue.events);
        }
        !over
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        let mut queue = self.0.lock();
        (queue.closed, queue.events) = (true, VecDeque::new());
    }
}

/// Sends to any number of readers.
#[derive(Clone, Debug, Default)]
pub struct Hub(Vec<Arc<Sender>>);

impl Hub {
    /// A hub for these readers.
    #[must_use]
    pub fn new(senders: Vec<Sender>) -> Self {
        Self(senders.into_iter().map(Arc::new).collect())
    }

    /// One more reader.
    pub fn add(&mut self, sender: Sender) {
        self.0.push(Arc::new(sender));
    }

    /// Whether nobody listens, so that events need not be made.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Sends to every reader.
    pub fn send(&self, event: &FeedEvent) {
        self.0.iter().for_each(|sender| sender.send(event.clone()));
    }
}

#[cfg(test)]
mod tests {
    use super::{FeedEvent, RESERVE, channel};
    use crate::feed::testing::{ended, notice, tick, trace_event};
    use std::collections::VecDeque;
    use std::time::Duration;

    fn taken(receiver: &super::Receiver) -> (VecDeque<FeedEvent>, bool) {
        let mut events = VecDeque::new();
        let open = receiver.take(&mut events);
        (events, open)
    }

    #[test]
    fn a_slow_reader_misses_traces_is_told_so_and_still_gets_the_rest() {
        let (sender, receiver) = channel(2);
        (0..5).for_each(|_| sender.send(trace_event("S0@0 W!@1")));
        sender.send(FeedEvent::Tick(tick(1)));
        sender.send(notice("still heard"));
        assert_eq!((receiver.missed(), receiver.missed_traces()), (4, 3));
        assert_eq!(taken(&receiver).0.len(), 3);
        sender.send(FeedEvent::Tick(tick(2)));
        let (events, open) = taken(&receiver);
        assert!(matches!(&events[0], FeedEvent::Tick(tick) if tick.missed == 4), "{events:?}");
        assert!(open);
    }

    #[test]
    fn even_words_to_the_user_are_bounded_but_not_the_end() {
        let (sender, receiver) = channel(0);
        (0..RESERVE + 10).for_each(|_| sender.send(notice("again")));
        sender.send(ended("duration"));
        let (events, _) = taken(&receiver);
        assert_eq!((events.len(), receiver.missed()), (RESERVE + 1, 10));
        assert_eq!(events.back(), Some(&ended("duration")));
    }

    #[test]
    fn either_end_can_go() {
        let (sender, receiver) = channel(8);
        sender.send(notice("last words"));
        drop(sender);
        assert_eq!((taken(&receiver).0.len(), taken(&receiver).1), (1, false));
        let (sender, receiver) = channel(8);
        drop(receiver);
        assert!(sender.is_closed());
        sender.send(notice("to nobody"));
    }

    #[test]
    fn waiting_ends_with_an_event_or_the_stream() {
        let (sender, receiver) = channel(8);
        let reader = std::thread::spawn(move || {
            let (mut seen, mut events) = (0, VecDeque::new());
            while receiver.wait(&mut events, Duration::from_secs(60)) {
                seen += events.len();
                events.clear();
            }
            seen
        });
        (0..3).for_each(|_| sender.send(trace_event("S0@0 W!@1")));
        drop(sender);
        assert_eq!(reader.join().unwrap(), 3);
    }
}
