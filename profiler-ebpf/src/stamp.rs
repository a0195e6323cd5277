//! Appends stamps to traces.

use aya_ebpf::helpers::{bpf_get_smp_processor_id, bpf_ktime_get_ns};
use profiler_common::{Config, Counter, Entry, Handle, ProbeSpec};

use crate::count::count;
use crate::hit::Hit;
use crate::in_flight::{Journey, add_to};
use crate::maps::ENTRIES;

/// A record came by a stage. The index of its stamp, if there was room.
#[inline(always)]
pub fn append(hit: &Hit<'_>, journey: &Journey) -> Option<u32> {
    let config = hit.config;
    let task = hit.task_or_unknown();
    let index = add_to!(journey, entries, 1);
    // The last place is the terminal stamp's.
    if index >= config.max_entries.wrapping_sub(1) {
        count(Counter::EntriesFull);
        return None;
    }
    // SAFETY: the helper has no preconditions.
    let now_ns = unsafe { bpf_ktime_get_ns() };
    write(hit, journey.handle, index, task, now_ns);
    hit.count.stamp();
    Some(index)
}

/// Notes that the stage of a hit hands its record on, where it does.
#[inline(always)]
pub fn note_output(spec: &ProbeSpec, journey: &Journey) {
    if spec.flags & ProbeSpec::IS_OUTPUT != 0 {
        add_to!(journey, outputs, 1);
    }
}

/// Where the entry at `index` of a trace lies.
#[inline(always)]
fn place(config: &Config, handle: Handle, index: u32) -> u32 {
    handle.slot().wrapping_mul(config.max_entries).wrapping_add(index)
}

/// Writes the entry at `index` of a trace. The place is the caller's alone.
#[inline(always)]
pub fn write(hit: &Hit<'_>, handle: Handle, index: u32, task_id: u64, ts_ns: u64) {
    let Some(entry) = ENTRIES.get_ptr_mut(place(hit.config, handle, index)) else { return };
    // SAFETY: the helper has no preconditions.
    let cpu = unsafe { bpf_get_smp_processor_id() };
    let cpu = if cpu > u32::from(u16::MAX) { u16::MAX } else { cpu as u16 };
    let (probe, tid, process) = (hit.probe as u16, hit.frame.tid, hit.process);
    let mark = handle.generation() as u32;
    // SAFETY: an element of an array map that no other program writes.
    unsafe { *entry = Entry { ts_ns, task_id, probe, cpu, tid, process, mark } };
}
