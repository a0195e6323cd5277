//! One kind of duration over time: the last five minutes by the second, and the whole session in slots that grow wider as it grows longer.

use std::collections::VecDeque;

use super::slot::{Slot, Sum};

/// Seconds that are kept one by one.
pub(super) const RECENT: u64 = 300;

/// See the module.
#[derive(Clone, Debug, Default)]
pub(super) struct Lane {
    /// The second that still fills.
    pub(super) open: Sum,
    /// Seconds that are over, ascending; empty ones are left out.
    pub(super) recent: VecDeque<Slot>,
    /// Everything that is over, in slots of the session's width, ascending; empty ones are left out.
    pub(super) past: Vec<Slot>,
}

impl Lane {
    /// Ends the second `second`. Slots of the past are `1 << shift` seconds wide.
    pub(super) fn close(&mut self, second: u64, shift: u32) {
        if let Some(slot) = self.open.close(second) {
            self.remember(&slot, shift);
            self.recent.push_back(slot);
        }
    }

    /// Drops seconds that are too old to be kept one by one.
    pub(super) fn forget_before(&mut self, second: u64) {
        while self.recent.front().is_some_and(|slot| slot.index < second) {
            self.recent.pop_front();
        }
    }

    fn remember(&mut self, slot: &Slot, shift: u32) {
        let index = slot.index >> shift;
        match self.past.last_mut().filter(|last| last.index == index) {
            Some(last) => last.merge(slot),
            None => self.past.push(Slot { index, ..slot.clone() }),
        }
    }

    /// Makes the slots of the past twice as wide.
    pub(super) fn coarsen(&mut self) {
        let old = std::mem::take(&mut self.past);
        self.past.reserve_exact(old.len() / 2 + 1);
        for slot in old {
            let index = slot.index >> 1;
            match self.past.last_mut().filter(|last| last.index == index) {
                Some(last) => last.merge(&slot),
                None => self.past.push(Slot { index, ..slot }),
            }
        }
    }

    /// Cells that it holds.
    pub(super) fn cells(&self) -> usize {
        self.recent.iter().chain(&self.past).map(|slot| slot.cells.capacity()).sum()
    }
}
