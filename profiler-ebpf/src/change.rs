//! The time in which one set of sites follows another (see [`profiler_common::Edition`]): which of the two has a hit.

use aya_ebpf::helpers::bpf_get_current_pid_tgid;
use profiler_common::{Edition, ProbeSpec};

use crate::maps::{PROBES, TAKEN};

/// Whether a site that sleeps in this edition has the hit all the same, since sets of sites change.
#[inline(always)]
pub fn has(probe: u32, edition: Edition) -> bool {
    edition.changing().is_some() && decide(probe, edition.0) != 0
}

/// The new set has the hit if its first program at this place left its mark; otherwise the old one has it. A mark that cannot be left is none.
#[inline(never)]
fn decide(probe: u32, edition: u32) -> u64 {
    let (Some(spec), Some((from, to))) = (PROBES.get(probe), Edition(edition).changing()) else { return 0 };
    let is_new = !spec.sleeps_in(to);
    if !is_new && spec.sleeps_in(from) {
        return 0;
    }
    let thread = bpf_get_current_pid_tgid() as u32;
    let mark = u64::from(edition) << 32 | u64::from(spec.place);
    let last = TAKEN.get_ptr_mut(thread);
    if is_new && spec.flags & ProbeSpec::LEADS != 0 {
        return match last {
            Some(last) => {
                // SAFETY: an element of the table, which no other thread writes.
                unsafe { *last = mark };
                1
            }
            None => u64::from(TAKEN.insert(thread, mark, 0).is_ok()),
        };
    }
    // SAFETY: as above.
    let is_taken = last.is_some_and(|last| unsafe { *last } == mark);
    u64::from(is_taken == is_new)
}
