//! Batches between the session and the destination: on disk where there is a spool, in memory where there is none or it cannot be written.
//!
//! Owns: the order (oldest first), the limits, and the count of every trace that had to go. Refuses: sending.

mod memory;
pub mod spool;

use std::collections::VecDeque;
use std::path::PathBuf;

use bytes::Bytes;
pub use memory::Memory;
pub use spool::{Spool, SpoolError};

use crate::export::courier::Refusal;
use crate::sink::counts::{Counts, DropReason};
use crate::sink::packet::{Losses, Lost};

/// What is sent as one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// Traces in it; a beacon has none.
    pub traces: u64,
    /// What the destination gets.
    pub body: Bytes,
}

/// A batch that was taken to be sent, and where it came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// The batch.
    pub batch: Batch,
    from: Place,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// What a session that is gone left in a spool of its own; the first of them.
    Left(u64),
    Spool(u64),
    Memory,
}

/// See the module.
#[derive(Debug)]
pub struct Store {
    spool: Option<Spool>,
    /// Of sessions that are gone: only taken from. What is in them is the oldest.
    left: VecDeque<Spool>,
    memory: Memory,
    /// Of the batch that is being sent, if it is of memory.
    sending: u64,
    counts: Counts,
    /// What was given up of this session's packets, and of earlier ones'.
    given_up: (Lost, Lost),
}

impl Store {
    /// A store with this spool, or without one. `memory` is how many bytes wait at most where the spool does not serve.
    #[must_use]
    pub fn new(spool: Option<Spool>, memory: usize) -> Self {
        Self::with_left(spool, Vec::new(), memory)
    }

    /// The same, with what other sessions left behind, which is sent first.
    #[must_use]
    pub fn with_left(mut spool: Option<Spool>, mut left: Vec<Spool>, memory: usize) -> Self {
        // What is damaged was there, too.
        let damaged: u64 = spool.iter_mut().chain(&mut left).map(Spool::take_damaged).sum();
        let found: u64 = spool.iter().chain(&left).map(Spool::traces).sum();
        let mut counts = Counts { recovered: found + damaged, ..Counts::default() };
        counts.drop_traces(DropReason::Damaged, damaged);
        let given_up = <(Lost, Lost)>::default();
        Self { spool, left: left.into(), memory: Memory::new(memory), sending: 0, counts, given_up }
    }

    /// Takes a batch in. Its traces were counted as received before. Gives what the spool's failure was, if it failed.
    pub fn push(&mut self, batch: Batch) -> Option<SpoolError> {
        let mut failed = None;
        if let Some(spool) = &mut self.spool {
            match spool.push(&batch) {
                Ok(dropped) => {
                    self.counts.drop_traces(DropReason::SpoolFull, dropped);
                    self.note_given_up();
                    return None;
                }
                Err(error) => failed = Some(error),
            }
        }
        let dropped = self.memory.push(batch);
        self.drop_from_memory(dropped);
        failed
    }

    fn drop_from_memory(&mut self, lost: Lost) {
        self.counts.drop_traces(DropReason::MemoryFull, lost.traces);
        // Only this session's batches are ever there.
        self.given_up.0 += lost;
    }

    /// Takes note of the packets that the spools gave up.
    fn note_given_up(&mut self) {
        if let Some((own, earlier)) = self.spool.as_mut().map(Spool::take_given_up) {
            self.given_up.0 += own;
            self.given_up.1 += earlier;
        }
    }

    /// What was given up so far, as packets tell it.
    #[must_use]
    pub fn losses(&self) -> Losses {
        let before = self.counts.dropped(DropReason::Missed) + self.counts.dropped(DropReason::Unwritable);
        Losses { before, own: self.given_up.0, earlier: self.given_up.1 }
    }

    /// The oldest batch. It stays in the store until one of the next three is called.
    pub fn take(&mut self) -> Option<Taken> {
        while let Some(left) = self.left.front_mut() {
            let next = left.read();
            self.counts.drop_traces(DropReason::Damaged, left.take_damaged());
            self.given_up.1 += left.take_given_up().1;
            if let Some((number, batch)) = next {
                return Some(Taken { batch, from: Place::Left(number) });
            }
            // Whoever comes next may have its place.
            left.close();
            self.left.pop_front();
        }
        if let Some(spool) = &mut self.spool {
            let next = spool.read();
            self.counts.drop_traces(DropReason::Damaged, spool.take_damaged());
            self.note_given_up();
            if let Some((number, batch)) = next {
                return Some(Taken { batch, from: Place::Spool(number) });
            }
        }
        let batch = self.memory.pop()?;
        self.sending = batch.traces;
        Some(Taken { batch, from: Place::Memory })
    }

    /// The batch has been sent.
    pub fn sent(&mut self, taken: &Taken) {
        self.counts.sent = self.counts.sent.saturating_add(taken.batch.traces);
        self.remove(taken);
    }

    /// The destination will never take the batch, or a part of it; it has the others.
    ///
    /// # Errors
    /// When it could not be set aside; it is counted all the same.
    pub fn set_aside(&mut self, taken: &Taken, refusal: &Refusal) -> Result<(), SpoolError> {
        let Refusal { traces, body, reason } = refusal;
        let refused = (*traces).min(taken.batch.traces);
        self.counts.drop_traces(DropReason::Rejected, refused);
        self.counts.sent = self.counts.sent.saturating_add(taken.batch.traces - refused);
        if refused == taken.batch.traces {
            self.refuse(taken);
        }
        let kept = match &mut self.spool {
            Some(spool) => spool.set_aside(body.as_ref().unwrap_or(&taken.batch.body), reason),
            None => Ok(()),
        };
        self.remove(taken);
        kept
    }

    /// The packet goes, and all that is in it.
    fn refuse(&mut self, taken: &Taken) {
        let lost = Lost { packets: 1, traces: taken.batch.traces };
        match (taken.from, &mut self.spool) {
            (Place::Left(_), _) => self.given_up.1 += lost,
            (Place::Spool(number), Some(spool)) => spool.refuse(number, lost.traces),
            _ => self.given_up.0 += lost,
        }
        self.note_given_up();
    }

    /// The batch has not been sent, and is the next one again.
    pub fn again(&mut self, taken: Taken) {
        match (taken.from, &mut self.spool) {
            // Nothing is pushed there, and so nothing out.
            (Place::Left(_), _) => {
                let dropped = self.left.front_mut().map_or(0, Spool::again);
                self.counts.drop_traces(DropReason::SpoolFull, dropped);
            }
            (Place::Spool(_), Some(spool)) => {
                let dropped = spool.again();
                self.counts.drop_traces(DropReason::SpoolFull, dropped);
                self.note_given_up();
            }
            _ => {
                self.sending = 0;
                let dropped = self.memory.push_front(taken.batch);
                self.drop_from_memory(dropped);
            }
        }
    }

    fn remove(&mut self, taken: &Taken) {
        match (taken.from, &mut self.spool) {
            (Place::Left(number), _) => {
                if let Some(left) = self.left.front_mut() {
                    left.remove(number);
                }
            }
            (Place::Spool(number), Some(spool)) => spool.remove(number),
            _ => self.sending = 0,
        }
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let mut spools = self.spool.iter().chain(&self.left);
        self.sending == 0 && self.memory.is_empty() && spools.all(Spool::is_empty)
    }

    /// The accounts. `open` traces are on their way into the store.
    #[must_use]
    pub fn counts(&self, received: u64, open: u64) -> Counts {
        let spooled = self.spool.iter().chain(&self.left).map(Spool::traces).sum();
        let pending = self.memory.traces() + self.sending + open;
        Counts { received, spooled, pending, ..self.counts }
    }

    /// Counts traces that never came in, or could not be written.
    pub fn drop_traces(&mut self, reason: DropReason, traces: u64) {
        self.counts.drop_traces(reason, traces);
    }

    /// Where refused batches are kept, if anywhere.
    #[must_use]
    pub fn aside(&self) -> Option<PathBuf> {
        self.spool.as_ref().map(|spool| spool.folder().join("rejected"))
    }

    /// Nothing more is sent. What is in memory goes to the spool, or is lost and counted.
    pub fn close(&mut self) {
        self.sending = 0;
        while let Some(batch) = self.memory.pop() {
            let kept = self.spool.as_mut().map(|spool| spool.push(&batch));
            match kept {
                Some(Ok(dropped)) => self.counts.drop_traces(DropReason::SpoolFull, dropped),
                _ => self.counts.drop_traces(DropReason::Unsent, batch.traces),
            }
        }
        self.spool.iter_mut().chain(&mut self.left).for_each(Spool::close);
    }
}

#[cfg(test)]
mod tests;
