//! Ends a trace, once: whoever swaps its handle for `ENDING` in the table of keys in flight.

use aya_ebpf::bindings::BPF_RB_NO_WAKEUP;
use aya_ebpf::helpers::bpf_ktime_get_ns;
use profiler_common::{Counter, Handle, Key, Notice, NoticeKind, SlotState};

use crate::admit::add_open;
use crate::atomic;
use crate::count::{count, count_index};
use crate::hit::Hit;
use crate::maps::{IN_FLIGHT, NOTICES, SLOTS};
use crate::stamp::{self, Found};

/// A record came to a stage that ends its trace.
#[inline(always)]
pub fn finish(hit: &Hit<'_>, key: Key) {
    let Some(trace) = stamp::find_sure(key) else { return };
    if end(&trace, u32::from(hit.spec.outcome), Some((hit, hit.task_or_unknown()))) {
        hit.count.stamp();
    }
}

/// Ends a trace in the outcome of this code, with a last stamp where a stage does it. False when another was first.
#[inline(always)]
pub fn end(trace: &Found, outcome: u32, stage: Option<(&Hit<'_>, u64)>) -> bool {
    // SAFETY: an element of the hash map, 8-byte aligned. If it was freed and taken by another key meanwhile it holds
    // another handle, since handles are never used twice, and the exchange fails.
    if !unsafe { atomic::compare_exchange(trace.element, trace.handle.0, Handle::ENDING.0) } {
        return false;
    }
    // Nobody puts the key back while it reads ENDING, so that this removes the very element that was swapped.
    let _ = IN_FLIGHT.remove(trace.key);
    // SAFETY: the helper has no preconditions.
    let now_ns = unsafe { bpf_ktime_get_ns() };
    if let Some((hit, task)) = stage {
        let last = hit.config.max_entries.wrapping_sub(1);
        stamp::write(hit.config, trace.handle, last, hit.probe, hit.frame.tid, task, now_ns);
    }
    let header = trace.header;
    // SAFETY: a map value; having won the exchange, this program alone writes these fields.
    unsafe {
        (*header).end_ns = now_ns;
        (*header).outcome = outcome;
        (&raw mut (*header).state).write_volatile(SlotState::Finished as u32);
    }
    add_open(u64::MAX);
    count_index(Counter::of_outcome_code(outcome));
    notify(NoticeKind::Finished, trace.handle.0);
    true
}

/// Tells the agent. It looks by itself many times a second: waking it would cost the target.
#[inline(always)]
pub fn notify(kind: NoticeKind, value: u64) {
    let notice = Notice { kind: kind as u32, reserved: 0, value };
    if NOTICES.output::<Notice>(notice, u64::from(BPF_RB_NO_WAKEUP)).is_err() {
        count(Counter::NoticeFull);
    }
}

/// The agent ends a trace: its time to live is over, or its process is gone.
#[inline(always)]
pub fn by_agent(handle: u64, outcome: u32) {
    let handle = Handle(handle);
    let Some(header) = SLOTS.get_ptr_mut(handle.slot()) else { return };
    // SAFETY: a map value; only the agent, which runs this program, can hand the slot on.
    let key = unsafe { Key { process: (*header).process, space: (*header).space, value: (*header).key } };
    if let Some(trace) = stamp::find(key).filter(|trace| trace.handle == handle) {
        end(&trace, outcome, None);
    }
}
