//! The ring of free slots: the agent alone appends, any CPU takes.

use profiler_common::limits::CAS_TRIES;

use crate::atomic;
use crate::maps::{FREE, FREE_CURSORS};

/// Takes a free slot; `None` when there is none.
#[inline(always)]
pub fn take(slots: u32) -> Option<u32> {
    let cursors = FREE_CURSORS.get_ptr_mut(0)?;
    // SAFETY: fields of a map value.
    let (head_word, tail_word) = unsafe { (&raw mut (*cursors).head, &raw mut (*cursors).tail) };
    for _ in 0..CAS_TRIES {
        // The head is read before the tail, so that it cannot be past it; and the slot's number before the head
        // is moved, since from then on the agent may overwrite it. Read-modify-writes order the loads on every machine.
        // SAFETY: aligned words of a map value.
        let (head, tail) = unsafe { (atomic::load(head_word), atomic::load(tail_word)) };
        if head == tail || slots == 0 {
            return None;
        }
        // SAFETY: points to an element of the array; the agent writes it only while it is outside head..tail.
        let slot = unsafe { FREE.get_ptr((head % u64::from(slots)) as u32)?.read_volatile() };
        // SAFETY: an aligned word of a map value.
        if unsafe { atomic::compare_exchange(head_word, head, head.wrapping_add(1)) } {
            return Some(slot as u32);
        }
    }
    None
}
