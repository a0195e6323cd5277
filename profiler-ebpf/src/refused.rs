//! Records that were sampled by their key and refused, where no source is probed: any stage may be the first that a record comes to, so that what was refused must
//! be remembered, or the next stage would count the record again, or begin its trace in the middle.
//!
//! Remembered until a stage that ends records, or a branch that takes the key over, or as long as a trace may last. The least recently used give way: such a record
//! is counted again at its next stage.

use aya_ebpf::helpers::bpf_ktime_get_ns;
use profiler_common::{Config, Key, ProbeSpec};

use crate::admit;
use crate::hit::Hit;
use crate::maps::REFUSED;

/// Whether the record with this key was refused.
#[inline(always)]
pub fn is_known(config: &Config, key: Key) -> bool {
    let Some(at) = REFUSED.get_ptr(key) else { return false };
    // SAFETY: the helper has no preconditions. An element of the hash map; should it be another key's by now, its time is as recent.
    let age_ns = unsafe { bpf_ktime_get_ns().wrapping_sub(at.read_volatile()) };
    age_ns < config.ttl_ns
}

/// The record with this key has just been refused.
#[inline(always)]
pub fn note(key: Key) {
    // SAFETY: the helper has no preconditions.
    let _ = REFUSED.insert(key, unsafe { bpf_ktime_get_ns() }, 0);
}

/// A hit with this key: at some sites the record that was refused with it is over.
#[inline(always)]
pub fn forget(hit: &Hit<'_>, key: Key) {
    if hit.spec.flags & ProbeSpec::ENDS_REFUSED != 0 && admit::is_sampled_key(hit.config, key) {
        let _ = REFUSED.remove(key);
    }
}
