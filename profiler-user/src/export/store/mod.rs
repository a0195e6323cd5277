//! Batches between the session and the destination: on disk where there is a spool, in memory where there is none or it cannot be written.
//!
//! Owns: the order (oldest first), the limits, and the count of every trace that had to go. Refuses: sending.

mod memory;
pub mod spool;

use std::path::PathBuf;

use bytes::Bytes;
pub use memory::Memory;
pub use spool::{Spool, SpoolError};

use crate::export::courier::Refusal;
use crate::sink::counts::{Counts, DropReason};

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
    Spool(u64),
    Memory,
}

/// See the module.
#[derive(Debug)]
pub struct Store {
    spool: Option<Spool>,
    memory: Memory,
    /// Of the batch that is being sent, if it is of memory.
    sending: u64,
    counts: Counts,
}

impl Store {
    /// A store with this spool, or without one. `memory` is how many bytes wait at most where the spool does not serve.
    #[must_use]
    pub fn new(spool: Option<Spool>, memory: usize) -> Self {
        let recovered = spool.as_ref().map_or(0, Spool::traces);
        let counts = Counts { recovered, ..Counts::default() };
        Self { spool, memory: Memory::new(memory), sending: 0, counts }
    }

    /// Takes a batch in. Its traces were counted as received before. Gives what the spool's failure was, if it failed.
    pub fn push(&mut self, batch: Batch) -> Option<SpoolError> {
        let mut failed = None;
        if let Some(spool) = &mut self.spool {
            match spool.push(&batch) {
                Ok(dropped) => {
                    self.counts.drop_traces(DropReason::SpoolFull, dropped);
                    return None;
                }
                Err(error) => failed = Some(error),
            }
        }
        let dropped = self.memory.push(batch);
        self.counts.drop_traces(DropReason::MemoryFull, dropped);
        failed
    }

    /// The oldest batch. It stays in the store until one of the next three is called.
    pub fn take(&mut self) -> Option<Taken> {
        if let Some(spool) = &mut self.spool {
            let next = spool.read();
            self.counts.drop_traces(DropReason::Damaged, spool.take_damaged());
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
        let kept = match &mut self.spool {
            Some(spool) => spool.set_aside(body.as_ref().unwrap_or(&taken.batch.body), reason),
            None => Ok(()),
        };
        self.remove(taken);
        kept
    }

    /// The batch has not been sent, and is the next one again.
    pub fn again(&mut self, taken: Taken) {
        match (taken.from, &mut self.spool) {
            (Place::Spool(_), Some(spool)) => {
                let dropped = spool.again();
                self.counts.drop_traces(DropReason::SpoolFull, dropped);
            }
            _ => {
                self.sending = 0;
                let dropped = self.memory.push_front(taken.batch);
                self.counts.drop_traces(DropReason::MemoryFull, dropped);
            }
        }
    }

    fn remove(&mut self, taken: &Taken) {
        match (taken.from, &mut self.spool) {
            (Place::Spool(number), Some(spool)) => spool.remove(number),
            _ => self.sending = 0,
        }
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sending == 0 && self.memory.is_empty() && self.spool.as_ref().is_none_or(Spool::is_empty)
    }

    /// The accounts. `open` traces are on their way into the store.
    #[must_use]
    pub fn counts(&self, received: u64, open: u64) -> Counts {
        let spooled = self.spool.as_ref().map_or(0, Spool::traces);
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
        if let Some(spool) = &mut self.spool {
            spool.close();
        }
    }
}

#[cfg(test)]
mod tests;
