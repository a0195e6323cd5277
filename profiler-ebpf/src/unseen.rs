//! Records that pass a source without being seen, because their key cannot be read there.
//!
//! Such a record may have taken the key of an older one over that is in flight and was dropped unnoticed. Nobody superseded that
//! trace, and the new record's stages would be stamped on it. So from then on no stamp is sure for the traces that began before.

use profiler_common::limits::UNSEEN_COUNTS;

use crate::atomic;
use crate::maps::UNSEEN;

/// Addresses that no user process maps: below the least, and past the largest. What points there points to no record.
const LOWEST: u64 = 1 << 16;
const HIGHEST: u64 = 1 << 56;

/// Whether a record may lie at an address that could not be read: in a page that is not there at the moment.
#[inline(always)]
pub fn may_hold_record(address: u64) -> bool {
    address.wrapping_sub(LOWEST) < HIGHEST - LOWEST
}

/// A record of the process passed a source unseen.
#[inline(always)]
pub fn note(process: u32) {
    if let Some(count) = UNSEEN.get_ptr_mut(process & (UNSEEN_COUNTS - 1)) {
        // SAFETY: an element of an array map, 8-byte aligned.
        unsafe { atomic::fetch_add(count, 1) };
    }
}

/// How many have so far. A trace that began with another number is not sure any more.
#[inline(always)]
pub fn count(process: u32) -> u64 {
    // SAFETY: an element of an array map. The record whose stage asks passed its source before, in the target's own order.
    UNSEEN.get_ptr(process & (UNSEEN_COUNTS - 1)).map_or(0, |count| unsafe { count.read_volatile() })
}
