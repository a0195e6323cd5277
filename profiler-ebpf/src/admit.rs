//! S0: sequence, sampling, budget, admission.

use aya_ebpf::bindings::BPF_NOEXIST;
use aya_ebpf::helpers::bpf_ktime_get_ns;
use profiler_common::budget::{self, Verdict};
use profiler_common::limits::CAS_TRIES;
use profiler_common::{
    Config, Counter, Handle, Key, Outcome, SequenceKey, SequenceMode, SlotHeader, SlotState, trace_id,
};

use crate::count::count;
use crate::hit::Hit;
use crate::maps::{BUDGET, IN_FLIGHT, OPEN, SEQUENCES, SLOTS};
use crate::{atomic, end, free_list, stamp, unseen};

/// A record was emitted by the source.
#[inline(always)]
pub fn start(hit: &Hit<'_>, key: Key) {
    let config = hit.config;
    count(Counter::Records);
    // The key is in flight already: that record was dropped unseen and its memory reused. Before anything else, so that
    // no stage of the new record is ever stamped on the old one's trace.
    if let Some(trace) = stamp::find(key) {
        end::end(&trace, Outcome::Superseded.code(), None);
    }
    let Some((task, named)) = hit.task() else { return };
    let Some(sequence) = next_in_sequence(config, hit, task, named) else { return };
    if config.rate == 0 || sequence % config.rate != 0 {
        return;
    }
    count(Counter::Sampled);
    admit(config, hit, key, task, sequence);
}

#[inline(always)]
fn next_in_sequence(config: &Config, hit: &Hit<'_>, task: u64, named: u32) -> Option<u64> {
    let key = if config.sequence == SequenceMode::Process as u32 {
        SequenceKey { process: hit.process, named: 0, task: 0 }
    } else {
        SequenceKey { process: hit.process, named, task }
    };
    let word = match SEQUENCES.get_ptr_mut(key) {
        Some(word) => word,
        None => {
            // Another thread of the process may be first; then its element serves.
            let _ = SEQUENCES.insert(key, 0, u64::from(BPF_NOEXIST));
            let Some(word) = SEQUENCES.get_ptr_mut(key) else {
                count(Counter::TasksFull);
                return None;
            };
            word
        }
    };
    // SAFETY: an element of the hash map, 8-byte aligned; it is removed only when its task has ended.
    Some(unsafe { atomic::fetch_add(word, 1) }.wrapping_add(1))
}

#[inline(always)]
fn admit(config: &Config, hit: &Hit<'_>, key: Key, task: u64, sequence: u64) {
    if config.paused != 0 {
        return count(Counter::RefusedPaused);
    }
    // SAFETY: the helper has no preconditions.
    let now_ns = unsafe { bpf_ktime_get_ns() };
    if config.budget != 0 && !within_budget(config, now_ns) {
        return count(Counter::RefusedBudget);
    }
    let Some(slot) = free_list::take(config.slots) else {
        return count(Counter::RefusedFull);
    };
    let Some(header) = SLOTS.get_ptr_mut(slot) else {
        return count(Counter::RefusedFull);
    };
    // SAFETY: the slot was on the free list, so that this program alone has it; its handle is that of its last use.
    let used = Handle(unsafe { (*header).handle });
    let handle = Handle::new(slot, used.generation().wrapping_add(1));
    let now_ms = now_ns.wrapping_add(config.wall_offset_ns) / 1_000_000;
    // SAFETY: as above. Field by field: a whole header would not fit on the stack.
    unsafe {
        (*header).state = SlotState::Filling as u32;
        (*header).outcome = 0;
        (*header).handle = handle.0;
        (*header).trace_id = trace_id(task, sequence, now_ms);
        (*header).sequence = sequence;
        (*header).start_ns = now_ns;
        (*header).end_ns = 0;
        (*header).key = key.value;
        (*header).space = key.space;
        (*header).process = key.process;
        (*header).entries = 1;
        (*header).tid = hit.frame.tid;
        (*header).task_id = task;
        (*header).unseen = unseen::count(key.process);
    }
    stamp::write(config, handle, 0, hit.probe, hit.frame.tid, task, now_ns);
    publish(hit, key, header, handle);
}

/// Makes a filled slot findable by its key. From then on its trace may be stamped and ended on any CPU.
#[inline(always)]
fn publish(hit: &Hit<'_>, key: Key, header: *mut SlotHeader, handle: Handle) {
    // SAFETY: the slot is still this program's alone.
    unsafe { (&raw mut (*header).state).write_volatile(SlotState::Open as u32) };
    add_open(1);
    if IN_FLIGHT.insert(key, handle.0, u64::from(BPF_NOEXIST)).is_ok() {
        count(Counter::Admitted);
        hit.count.stamp();
        return;
    }
    // The key's last trace is just being ended on another CPU, or the same key came to two sources at once.
    add_open(u64::MAX);
    // SAFETY: never published, so still this program's alone; the agent takes it back from here.
    unsafe { (&raw mut (*header).state).write_volatile(SlotState::Returned as u32) };
    count(Counter::RefusedBusy);
}

/// Adds to the number of traces in flight, wrapping.
#[inline(always)]
pub fn add_open(change: u64) {
    if let Some(open) = OPEN.get_ptr_mut(0) {
        // SAFETY: an element of an array map, 8-byte aligned.
        unsafe { atomic::fetch_add(open, change) };
    }
}

#[inline(always)]
fn within_budget(config: &Config, now_ns: u64) -> bool {
    let Some(word) = BUDGET.get_ptr_mut(0) else { return false };
    let window = now_ns.wrapping_add(config.window_phase_ns) / 1_000_000_000;
    for _ in 0..CAS_TRIES {
        // SAFETY: an element of an array map, 8-byte aligned.
        let seen = unsafe { atomic::load(word) };
        let Verdict::Admit(next) = budget::ask(seen, window, config.budget) else { return false };
        // SAFETY: as above.
        if unsafe { atomic::compare_exchange(word, seen, next) } {
            return true;
        }
    }
    false
}
