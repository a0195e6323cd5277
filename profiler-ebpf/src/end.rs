//! Ends a trace, once: whoever swaps its life for `ENDED`.

use aya_ebpf::bindings::BPF_RB_NO_WAKEUP;
use aya_ebpf::helpers::bpf_ktime_get_ns;
use profiler_common::{Counter, Handle, Notice, NoticeKind, Outcome, SlotHeader, SlotState};

use crate::admit::add_open;
use crate::count::{count, count_index};
use crate::hit::Hit;
use crate::in_flight::{self, Journey};
use crate::maps::NOTICES;
use crate::{atomic, stamp};

/// A record came to a stage that ends its trace.
#[inline(always)]
pub fn finish(hit: &Hit<'_>, journey: &Journey) {
    if end(journey, u32::from(hit.spec.outcome), Some((hit, hit.task_or_unknown()))) {
        hit.count.stamp();
    }
}

/// Ends a trace in the outcome of this code, with a last stamp where a stage does it. False when another was first.
#[inline(always)]
pub fn end(journey: &Journey, outcome: u32, stage: Option<(&Hit<'_>, u64)>) -> bool {
    let header = journey.header;
    // SAFETY: a word of a map value, 8-byte aligned by its layout. Handles are never used twice: of a slot that was handed on the exchange fails.
    if !unsafe { atomic::compare_exchange(&raw mut (*header).life, journey.handle.0, Handle::ENDED.0) } {
        return false;
    }
    in_flight::release(journey.handle.0);
    // SAFETY: the helper has no preconditions.
    let now_ns = unsafe { bpf_ktime_get_ns() };
    if let Some((hit, task)) = stage {
        let last = hit.config.max_entries.wrapping_sub(1);
        stamp::write(hit, journey.handle, last, task, now_ns);
        // SAFETY: a map value; having won the exchange, this program alone writes the field.
        unsafe { (*header).flags |= SlotHeader::HAS_TERMINAL };
    }
    let outcome = outcome_of(journey, outcome);
    // SAFETY: a map value; having won the exchange, this program alone writes these fields.
    unsafe {
        (*header).end_ns = now_ns;
        (*header).outcome = outcome;
        (&raw mut (*header).state).write_volatile(SlotState::Finished as u32);
    }
    add_open(u64::MAX);
    count_index(Counter::of_outcome_code(outcome));
    notify(NoticeKind::Finished, journey.handle.0);
    true
}

/// A record that became others and is heard of no more was split: that its memory is used again, or its time over, is no news.
#[inline(always)]
fn outcome_of(journey: &Journey, outcome: u32) -> u32 {
    let silent = outcome == Outcome::Superseded.code() || outcome == Outcome::Expired.code();
    // SAFETY: a field of a map value.
    if silent && unsafe { (*journey.header).children } != 0 { Outcome::Split.code() } else { outcome }
}

/// Tells the agent. It looks by itself many times a second: waking it would cost the target.
#[inline(always)]
pub fn notify(kind: NoticeKind, value: u64) {
    let notice = Notice { kind: kind as u32, reserved: 0, value };
    if NOTICES.output::<Notice>(notice, u64::from(BPF_RB_NO_WAKEUP)).is_err() {
        count(Counter::NoticeFull);
    }
}

/// Ends a trace by its handle: the agent does (its time to live is over, or its process is gone), and so do scopes.
#[inline(never)]
pub fn by_handle(handle: u64, outcome: u32) -> u64 {
    if let Some(journey) = Journey::of(handle) {
        end(&journey, outcome, None);
    }
    0
}
