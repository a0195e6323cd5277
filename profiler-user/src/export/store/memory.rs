//! Batches in memory, within a bound. Pure.

use std::collections::VecDeque;

use super::Batch;
use crate::sink::packet::Lost;

/// What a batch takes besides its body, bytes.
const OVERHEAD: usize = 64;

/// See the module.
#[derive(Debug)]
pub struct Memory {
    batches: VecDeque<Batch>,
    bytes: usize,
    limit: usize,
}

impl Memory {
    /// Room for so many bytes.
    #[must_use]
    pub const fn new(limit: usize) -> Self {
        Self { batches: VecDeque::new(), bytes: 0, limit }
    }

    /// Puts a batch behind the others. Gives what had to go for it, the oldest first.
    pub fn push(&mut self, batch: Batch) -> Lost {
        self.bytes += size(&batch);
        self.batches.push_back(batch);
        self.shrink()
    }

    /// Puts a batch before the others. It may be the one that has to go.
    pub fn push_front(&mut self, batch: Batch) -> Lost {
        self.bytes += size(&batch);
        self.batches.push_front(batch);
        self.shrink()
    }

    /// Takes the oldest.
    pub fn pop(&mut self) -> Option<Batch> {
        let batch = self.batches.pop_front()?;
        self.bytes -= size(&batch);
        Some(batch)
    }

    fn shrink(&mut self) -> Lost {
        let mut dropped = Lost::default();
        while self.bytes > self.limit {
            let Some(batch) = self.pop() else { break };
            dropped += Lost { packets: 1, traces: batch.traces };
        }
        dropped
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.batches.is_empty()
    }

    /// Traces that wait.
    #[must_use]
    pub fn traces(&self) -> u64 {
        self.batches.iter().map(|batch| batch.traces).sum()
    }
}

fn size(batch: &Batch) -> usize {
    batch.body.len() + OVERHEAD
}
