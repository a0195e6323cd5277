//! Atomic operations on words in maps. The prebuilt `core` of the BPF target leaves out `AtomicU64::fetch_add` and its
//! like (its target description knows only the first BPF instruction set), so the intrinsics are named here, and only here.

use core::intrinsics::{AtomicOrdering, atomic_cxchg, atomic_xadd};

/// Adds to `*word`, wrapping; gives what it was. Orders all memory accesses around it.
///
/// # Safety
/// `word` points to an aligned word of a map value that is valid for the program's run.
#[inline(always)]
pub unsafe fn fetch_add(word: *mut u64, change: u64) -> u64 {
    // SAFETY: the caller's promise.
    unsafe { atomic_xadd::<u64, u64, { AtomicOrdering::SeqCst }>(word, change) }
}

/// The same for 32 bits.
///
/// # Safety
/// See [`fetch_add`].
#[inline(always)]
pub unsafe fn fetch_add_u32(word: *mut u32, change: u32) -> u32 {
    // SAFETY: the caller's promise.
    unsafe { atomic_xadd::<u32, u32, { AtomicOrdering::SeqCst }>(word, change) }
}

/// Reads `*word` in order with all other accesses, on every machine.
///
/// # Safety
/// See [`fetch_add`].
#[inline(always)]
pub unsafe fn load(word: *mut u64) -> u64 {
    // SAFETY: the caller's promise.
    unsafe { fetch_add(word, 0) }
}

/// Swaps `*word` for `new` if it is `old`; whether it was.
///
/// # Safety
/// See [`fetch_add`].
#[inline(always)]
pub unsafe fn compare_exchange(word: *mut u64, old: u64, new: u64) -> bool {
    // SAFETY: the caller's promise.
    unsafe { atomic_cxchg::<u64, { AtomicOrdering::SeqCst }, { AtomicOrdering::SeqCst }>(word, old, new).1 }
}
