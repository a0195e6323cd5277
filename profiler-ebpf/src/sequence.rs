//! The sampling sequences: which record of its source task this one is.
//!
//! Every task has an element in the table of sequences, which bounds their number. A thread that was given it counts in a place of its own besides, if the
//! place for its number is free then: one comparison instead of a look-up at each of its records. It counts there or in its element, never in both.

use aya_ebpf::bindings::BPF_NOEXIST;
use profiler_common::limits::SEQUENCE_PLACES;
use profiler_common::{Config, Counter, SequenceKey, SequenceMode};

use crate::atomic;
use crate::count::count;
use crate::maps::SEQUENCES;

/// Where a thread counts.
#[derive(Clone, Copy)]
#[repr(C)]
struct Place {
    /// Process and thread, as [`owner`] puts them together; 0: free.
    owner: u64,
    /// Its records so far; 0 while the place is free.
    records: u64,
}

static mut PLACES: [Place; SEQUENCE_PLACES as usize] =
    [Place { owner: 0, records: 0 }; SEQUENCE_PLACES as usize];

/// Threads are never 0.
#[inline(always)]
fn owner(process: u32, tid: u32) -> u64 {
    u64::from(process) << 32 | u64::from(tid)
}

/// Whose the place for threads with this number is, and its count. Numbers are given one after the other, so that those of one program seldom share a place.
#[inline(always)]
fn place(tid: u32) -> (*mut u64, *mut u64) {
    let place = (&raw mut PLACES).cast::<Place>().wrapping_add(tid as usize & (SEQUENCE_PLACES as usize - 1));
    // SAFETY: inside of the array.
    unsafe { (&raw mut (*place).owner, &raw mut (*place).records) }
}

/// Counts a record of a source task: a thread, or, when `named` is 1, one that the spec names. Its number in its sequence, from 1; `None` when the
/// table is full.
#[inline(always)]
pub fn next(config: &Config, process: u32, task: u64, named: u32) -> Option<u64> {
    let by_task = config.sequence != SequenceMode::Process as u32;
    let tid = task as u32;
    let own = by_task && named == 0;
    let (holder, records) = place(tid);
    // SAFETY: a word of a global variable, aligned.
    if own && unsafe { holder.read_volatile() } == owner(process, tid) {
        return Some(step(records));
    }
    let key = if by_task {
        SequenceKey { process, named, task }
    } else {
        SequenceKey { process, named: 0, task: 0 }
    };
    if let Some(word) = SEQUENCES.get_ptr_mut(key) {
        return Some(step(word));
    }
    // Another thread of the process may be first, where they have one sequence; then its element serves.
    let _ = SEQUENCES.insert(key, 0, u64::from(BPF_NOEXIST));
    let Some(word) = SEQUENCES.get_ptr_mut(key) else {
        count(Counter::TasksFull);
        return None;
    };
    // SAFETY: as above.
    if own && unsafe { atomic::compare_exchange(holder, 0, owner(process, tid)) } {
        return Some(step(records));
    }
    Some(step(word))
}

#[inline(always)]
fn step(word: *mut u64) -> u64 {
    // SAFETY: callers pass a word of a map value or a global variable, 8-byte aligned; it is taken away only when its task has ended.
    unsafe { atomic::fetch_add(word, 1) }.wrapping_add(1)
}

/// The running thread ends: its sequence must not go on in a later thread with the same number.
#[inline(always)]
pub fn forget(process: u32, tid: u32) {
    let _ = SEQUENCES.remove(SequenceKey { process, named: 0, task: u64::from(tid) });
    let (holder, records) = place(tid);
    // SAFETY: words of a global variable, aligned. Freed last, so that whoever takes the place finds it at 0.
    unsafe {
        if holder.read_volatile() == owner(process, tid) {
            records.write_volatile(0);
            holder.write_volatile(0);
        }
    }
}
