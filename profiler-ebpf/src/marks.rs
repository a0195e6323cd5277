//! A coarse picture of the table of keys in flight: how many there are of each of a few thousand classes of keys.
//!
//! While records are in flight, most hits are still of others. A class without any tells so in a tenth of the time that the look-up in the table
//! takes. Exact in one direction: a key in flight always has its mark, since the mark is made before the key goes in and is taken off after it has
//! gone.

use profiler_common::Key;
use profiler_common::limits::KEY_MARKS;

use crate::atomic;

/// How many keys of each class are in flight. A global variable instead of a map: its address is known when the program is loaded, so that the verifier has
/// no failed look-up to follow.
static mut MARKS: [u32; KEY_MARKS as usize] = [0; KEY_MARKS as usize];

/// 2^64 divided by the golden ratio: spreads the addresses of one allocator over all classes.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

/// The mark of the key's class.
#[inline(always)]
fn mark(key: Key) -> *mut u32 {
    let kind = u64::from(key.process) << 32 | u64::from(key.space);
    let spread = (key.value ^ kind.rotate_left(16)).wrapping_mul(SPREAD);
    let class = (spread >> 32) as usize & (KEY_MARKS as usize - 1);
    (&raw mut MARKS).cast::<u32>().wrapping_add(class)
}

/// Whether the key may be in flight. Asked by a stage of a record, it is never false when that very record is: its mark was made in the source, before
/// the target went on.
#[inline(always)]
pub fn may_be_in_flight(key: Key) -> bool {
    // SAFETY: inside of the array, and aligned; changed by atomic operations alone.
    unsafe { mark(key).read_volatile() != 0 }
}

/// Before the key goes into the table.
#[inline(always)]
pub fn add(key: Key) {
    // SAFETY: as above.
    unsafe { atomic::fetch_add_u32(mark(key), 1) };
}

/// After the key has gone from the table, once for each [`add`].
#[inline(always)]
pub fn take_off(key: Key) {
    // SAFETY: as above.
    unsafe { atomic::fetch_add_u32(mark(key), u32::MAX) };
}
