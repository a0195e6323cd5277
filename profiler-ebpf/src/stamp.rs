//! Finds the trace of a key and appends a stamp to it.

use aya_ebpf::helpers::{bpf_get_smp_processor_id, bpf_ktime_get_ns};
use profiler_common::{Config, Counter, Entry, Handle, Key, Outcome, SlotHeader};

use crate::count::count;
use crate::hit::Hit;
use crate::maps::{ENTRIES, IN_FLIGHT, OPEN, SLOTS};
use crate::{atomic, end, unseen};

/// A trace in flight, as found by its key.
pub struct Found {
    pub key: Key,
    pub handle: Handle,
    pub header: *mut SlotHeader,
    /// The element of the table of keys that held the handle.
    pub element: *mut u64,
}

/// The trace of a key that is in flight and not being ended.
#[inline(always)]
pub fn find(key: Key) -> Option<Found> {
    if nothing_open() {
        return None;
    }
    let element = IN_FLIGHT.get_ptr_mut(key)?;
    // SAFETY: an element of the hash map, 8-byte aligned. It may have been freed and taken by another key since the
    // look-up: the comparison of keys below tells.
    let handle = Handle(unsafe { element.read_volatile() });
    if handle == Handle::ENDING {
        return None;
    }
    let header = SLOTS.get_ptr_mut(handle.slot())?;
    // SAFETY: a slot whose handle was in flight during this run is not handed on before the run is over (grace period),
    // and these fields do not change while it has this handle.
    let same = unsafe {
        (*header).handle == handle.0
            && (*header).key == key.value
            && (*header).space == key.space
            && (*header).process == key.process
    };
    same.then_some(Found { key, handle, header, element })
}

/// The same for a stage of the record, which ends the trace instead when it is not sure any more that this is the record.
#[inline(always)]
pub fn find_sure(key: Key) -> Option<Found> {
    let trace = find(key)?;
    // SAFETY: a field of a map value, which does not change while the trace is in flight.
    if unsafe { (*trace.header).unseen } != unseen::count(key.process) {
        end::end(&trace, Outcome::SourceUnseen.code(), None);
        return None;
    }
    Some(trace)
}

/// Whether no trace is in flight.
#[inline(always)]
pub fn nothing_open() -> bool {
    // SAFETY: an element of an array map. A stage of a record in flight comes after its S0 in the target's own order, and
    // S0 raised the number before the target went on.
    OPEN.get_ptr(0).is_none_or(|open| unsafe { open.read_volatile() } == 0)
}

/// A record came by a stage.
#[inline(always)]
pub fn append(hit: &Hit<'_>, key: Key) {
    let config = hit.config;
    let Some(trace) = find_sure(key) else { return };
    let task = hit.task_or_unknown();
    // SAFETY: a field of a map value, 4-byte aligned by its layout.
    let index = unsafe { atomic::fetch_add_u32(&raw mut (*trace.header).entries, 1) };
    // The last place is the terminal stamp's.
    if index >= config.max_entries.wrapping_sub(1) {
        return count(Counter::EntriesFull);
    }
    // SAFETY: the helper has no preconditions.
    let now_ns = unsafe { bpf_ktime_get_ns() };
    write(config, trace.handle, index, hit.probe, hit.frame.tid, task, now_ns);
    hit.count.stamp();
}

/// Writes the entry at `index` of a trace. The place is the caller's alone.
#[inline(always)]
pub fn write(config: &Config, handle: Handle, index: u32, probe: u32, tid: u32, task_id: u64, ts_ns: u64) {
    let place = handle.slot().wrapping_mul(config.max_entries).wrapping_add(index);
    let Some(entry) = ENTRIES.get_ptr_mut(place) else { return };
    // SAFETY: the helper has no preconditions.
    let cpu = unsafe { bpf_get_smp_processor_id() };
    // SAFETY: an element of an array map that no other program writes.
    unsafe { *entry = Entry { ts_ns, task_id, probe, tid, cpu, mark: handle.generation() as u32 } };
}
