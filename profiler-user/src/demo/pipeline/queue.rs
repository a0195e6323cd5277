//! A bounded queue of boxes between threads.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Ends when its last writer closes it and it is empty.
#[derive(Debug)]
pub(super) struct Queue<T> {
    state: Mutex<State<T>>,
    not_empty: Condvar,
    not_full: Condvar,
    capacity: usize,
}

#[derive(Debug)]
struct State<T> {
    items: VecDeque<Box<T>>,
    writers: usize,
    /// Threads that wait for an item, and for room: nobody is woken in vain.
    hungry: usize,
    stuck: usize,
}

/// What came out.
#[derive(Debug)]
pub(super) enum Popped<T> {
    Item(Box<T>),
    /// Nothing for the given time.
    Idle,
    /// Nothing will come any more.
    Ended,
}

impl<T> Queue<T> {
    pub(super) fn new(capacity: usize, writers: usize) -> Self {
        let items = VecDeque::with_capacity(capacity);
        let state = Mutex::new(State { items, writers, hungry: 0, stuck: 0 });
        Self { state, not_empty: Condvar::new(), not_full: Condvar::new(), capacity }
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for room.
    #[inline(never)]
    pub(super) fn push(&self, item: Box<T>) {
        let mut state = self.lock();
        while state.items.len() >= self.capacity {
            state.stuck += 1;
            state = self.not_full.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.stuck -= 1;
        }
        state.items.push_back(item);
        let hungry = state.hungry > 0;
        drop(state);
        if hungry {
            self.not_empty.notify_one();
        }
    }

    /// Waits for an item, at most so long.
    pub(super) fn pop(&self, patience: Duration) -> Popped<T> {
        let mut state = self.lock();
        let mut waited = false;
        loop {
            if let Some(item) = state.items.pop_front() {
                let stuck = state.stuck > 0;
                drop(state);
                if stuck {
                    self.not_full.notify_one();
                }
                return Popped::Item(item);
            }
            if state.writers == 0 {
                return Popped::Ended;
            }
            if waited {
                return Popped::Idle;
            }
            state.hungry += 1;
            let (back, result) =
                self.not_empty.wait_timeout(state, patience).unwrap_or_else(PoisonError::into_inner);
            state = back;
            state.hungry -= 1;
            waited = result.timed_out();
        }
    }

    /// A writer will write no more.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.writers = state.writers.saturating_sub(1);
        drop(state);
        self.not_empty.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::{Duration, Popped, Queue};

    #[test]
    fn all_items_come_in_order_through_a_queue_of_one() {
        let queue = Queue::new(1, 1);
        std::thread::scope(|threads| {
            threads.spawn(|| {
                (0..1000).for_each(|number| queue.push(Box::new(number)));
                queue.close();
            });
            let mut seen = Vec::new();
            loop {
                match queue.pop(Duration::from_secs(10)) {
                    Popped::Item(number) => seen.push(*number),
                    Popped::Idle => panic!("idle"),
                    Popped::Ended => break,
                }
            }
            assert_eq!(seen, (0..1000).collect::<Vec<_>>());
        });
    }

    #[test]
    fn it_ends_with_its_last_writer_and_is_idle_until_then() {
        let queue = Queue::new(4, 2);
        queue.close();
        queue.push(Box::new(1));
        assert!(matches!(queue.pop(Duration::ZERO), Popped::Item(item) if *item == 1));
        assert!(matches!(queue.pop(Duration::ZERO), Popped::Idle));
        queue.close();
        assert!(matches!(queue.pop(Duration::ZERO), Popped::Ended));
    }
}
