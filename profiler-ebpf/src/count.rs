//! Counters. Atomic although each CPU has its own: a program may be preempted in the midst of an increment by
//! another one on the same CPU, and the ledger is exact.

use profiler_common::{Counter, ProbeCount};

use crate::atomic;
use crate::maps::{COUNTERS, PROBE_COUNTS};

/// Adds one to a `u64` in a map.
#[inline(always)]
pub fn bump(word: *mut u64) {
    // SAFETY: callers pass a pointer into a map value, 8-byte aligned by its layout and valid for the program's run.
    unsafe { atomic::fetch_add(word, 1) };
}

/// Adds one to a counter of the ledger.
#[inline(always)]
pub fn count(counter: Counter) {
    count_index(counter as u32);
}

/// Adds to a counter of the ledger.
#[inline(always)]
pub fn count_more(counter: Counter, more: u64) {
    if let Some(word) = COUNTERS.get_ptr_mut(counter as u32) {
        // SAFETY: points into a map value, 8-byte aligned by its layout.
        unsafe { atomic::fetch_add(word, more) };
    }
}

/// Adds one to the counter with this index.
#[inline(always)]
pub fn count_index(index: u32) {
    if let Some(word) = COUNTERS.get_ptr_mut(index) {
        bump(word);
    }
}

/// Counts a hit of the site with this cookie at which something could not be read.
#[inline(always)]
pub fn unreadable(cookie: u64) {
    if let Some(site) = SiteCount::of(cookie as u32) {
        site.unreadable();
    }
}

/// The counts of one site on this CPU.
#[derive(Clone, Copy)]
pub struct SiteCount(*mut ProbeCount);

impl SiteCount {
    #[inline(always)]
    pub fn of(probe: u32) -> Option<Self> {
        PROBE_COUNTS.get_ptr_mut(probe).map(Self)
    }

    #[inline(always)]
    pub fn hit(self) {
        // SAFETY: points into a map value of this layout.
        bump(unsafe { &raw mut (*self.0).hits });
    }

    #[inline(always)]
    pub fn unreadable(self) {
        // SAFETY: points into a map value of this layout.
        bump(unsafe { &raw mut (*self.0).unreadable });
    }

    #[inline(always)]
    pub fn stamp(self) {
        // SAFETY: points into a map value of this layout.
        bump(unsafe { &raw mut (*self.0).stamps });
    }
}
