//! S0: sequence, sampling, budget, admission.

use aya_ebpf::helpers::bpf_ktime_get_ns;
use profiler_common::budget::{self, Verdict};
use profiler_common::limits::CAS_TRIES;
use profiler_common::recipe::{key_hash, key_trace_id};
use profiler_common::{Config, Counter, Handle, Key, SlotHeader, SlotState, trace_id};

use crate::count::count;
use crate::hit::Hit;
use crate::in_flight::{self, Journey};
use crate::maps::{BUDGET, OPEN, SLOTS};
use crate::{atomic, frame, free_list, refused, sequence, stamp, unseen};

/// What a journey begins with, besides the hit.
pub struct Beginning {
    pub key: Key,
    pub task: u64,
    pub sequence: u64,
    pub trace_id: u64,
    pub now_ns: u64,
    /// Bits of [`profiler_common::SlotHeader::PARTIAL`].
    pub flags: u32,
}

/// Counts a record of the running thread, whatever its key. Its number in the thread's sequence, if that is sampled.
#[inline(always)]
pub fn sample_early(config: &Config, process: u32) -> Option<u64> {
    count(Counter::Records);
    let (_, tid) = frame::ids(config).unwrap_or_else(frame::kernel_ids);
    let sequence = sequence::next(config, process, u64::from(tid), 0)?;
    is_sampled(config, sequence).then_some(sequence)
}

/// A record was emitted by the source. Its trace, if it has one from now on. `taken` is its number in its sequence, if that was taken, and sampled,
/// already; else 0.
#[inline(always)]
pub fn start(hit: &Hit<'_>, key: Key, taken: u64) -> Option<Journey> {
    let config = hit.config;
    if taken == 0 {
        count(Counter::Records);
    }
    // Before anything else, so that no stage of the new record is ever stamped on the trace of an older one with the same key.
    in_flight::unbind(config, key);
    if config.by_key != 0 {
        return by_key(hit, key, 0);
    }
    let (task, named) = hit.task()?;
    let sequence = if taken == 0 { sequence::next(config, hit.process, task, named)? } else { taken };
    if !is_sampled(config, sequence) {
        return None;
    }
    count(Counter::Sampled);
    let now_ns = may_begin(config)?;
    let now_ms = now_ns.wrapping_add(config.wall_offset_ns) / 1_000_000;
    let trace_id = trace_id(task, sequence, now_ms);
    begin(hit, &Beginning { key, task, sequence, trace_id, now_ns, flags: 0 })
}

/// A record whose key decides whether it is sampled. `flags` are those of its trace.
#[inline(always)]
pub fn by_key(hit: &Hit<'_>, key: Key, flags: u32) -> Option<Journey> {
    let config = hit.config;
    if !is_sampled_key(config, key) {
        return None;
    }
    let is_first_of_some = flags & SlotHeader::PARTIAL != 0;
    if is_first_of_some && refused::is_known(config, key) {
        return None;
    }
    count(Counter::Sampled);
    let begun = begin_by_key(hit, key, flags);
    if begun.is_none() && is_first_of_some {
        refused::note(key);
    }
    begun
}

#[inline(always)]
fn begin_by_key(hit: &Hit<'_>, key: Key, flags: u32) -> Option<Journey> {
    let now_ns = may_begin(hit.config)?;
    let task = hit.task_or_unknown();
    begin(hit, &Beginning { key, task, sequence: 0, trace_id: key_trace_id(key.value), now_ns, flags })
}

/// Whether the record with this key is sampled, where keys decide.
#[inline(always)]
pub fn is_sampled_key(config: &Config, key: Key) -> bool {
    is_sampled(config, key_hash(key.value))
}

/// The moment, if nothing forbids a new trace.
#[inline(always)]
fn may_begin(config: &Config) -> Option<u64> {
    if config.paused != 0 {
        count(Counter::RefusedPaused);
        return None;
    }
    // SAFETY: the helper has no preconditions.
    let now_ns = unsafe { bpf_ktime_get_ns() };
    if config.budget != 0 && !within_budget(config, now_ns) {
        count(Counter::RefusedBudget);
        return None;
    }
    Some(now_ns)
}

#[inline(always)]
fn begin(hit: &Hit<'_>, beginning: &Beginning) -> Option<Journey> {
    let Some(journey) = take_slot(hit, beginning) else {
        count(Counter::RefusedFull);
        return None;
    };
    stamp::write(hit, journey.handle, 0, beginning.task, beginning.now_ns);
    if !open(hit.config, &journey, beginning.key) {
        // The key's last binding is just being taken away on another CPU, or the same key came to two sources at once.
        count(Counter::RefusedBusy);
        return None;
    }
    count(Counter::Admitted);
    hit.count.stamp();
    Some(journey)
}

/// Whether the record with this number, never 0, is one in so many. None is at rate 0.
#[inline(always)]
fn is_sampled(config: &Config, number: u64) -> bool {
    config.rate != 0 && number.is_multiple_of(config.rate)
}

/// A free slot, filled for a journey that begins, and still this program's alone.
#[inline(always)]
pub fn take_slot(hit: &Hit<'_>, beginning: &Beginning) -> Option<Journey> {
    let slot = free_list::take(hit.config.slots)?;
    let header = SLOTS.get_ptr_mut(slot)?;
    let Beginning { key, task, sequence, trace_id, now_ns, flags } = beginning;
    // SAFETY: the slot was on the free list, so that this program alone has it; its handle is that of its last use.
    let used = Handle(unsafe { (*header).handle });
    let handle = Handle::new(slot, used.generation().wrapping_add(1));
    // SAFETY: as above. Field by field: a whole header would not fit on the stack.
    unsafe {
        (*header).state = SlotState::Filling as u32;
        (*header).outcome = 0;
        (*header).handle = handle.0;
        (*header).life = handle.0;
        (*header).trace_id = *trace_id;
        (*header).sequence = *sequence;
        (*header).start_ns = *now_ns;
        (*header).end_ns = 0;
        (*header).key = key.value;
        (*header).space = key.space;
        (*header).process = hit.process;
        (*header).entries = 1;
        (*header).tid = hit.frame.tid;
        (*header).task_id = *task;
        (*header).unseen = unseen::count(key.process);
        (*header).parent = 0;
        (*header).branch = 0;
        (*header).shared = 0;
        (*header).children = 0;
        (*header).branches = 0;
        (*header).keys = 1;
        (*header).live_keys = 1;
        (*header).extras = 0;
        (*header).outputs = 0;
        (*header).flags = *flags;
        (*header).batch_key = 0;
        (*header).batch_serial = 0;
        (*header).keys_dropped = 0;
        (*header).extras_unreadable = 0;
        (*header).batches_dropped = 0;
        (*header).foreign_keys = 0;
        (*header).scope_unsure = 0;
        (*header).attributes = 0;
        (*header).attributes_dropped = 0;
        (*header).notes = 0;
    }
    Some(Journey { handle, header })
}

/// Opens a filled slot: its trace is in flight. False when its key is busy; the slot then goes back to the agent.
#[inline(always)]
pub fn open(config: &Config, journey: &Journey, key: Key) -> bool {
    // SAFETY: the slot is still this program's alone.
    unsafe { (&raw mut (*journey.header).state).write_volatile(SlotState::Open as u32) };
    add_open(1);
    if in_flight::publish(config, journey, key) {
        return true;
    }
    // SAFETY: a word of a map value, 8-byte aligned by its layout.
    let life = unsafe { &raw mut (*journey.header).life };
    // Never published, so that nobody can have ended it but the agent, for its age: then it began.
    // SAFETY: as above.
    if !unsafe { atomic::compare_exchange(life, journey.handle.0, Handle::ENDED.0) } {
        return true;
    }
    add_open(u64::MAX);
    give_back(journey);
    false
}

/// Gives a slot back whose trace nobody has found.
#[inline(always)]
pub fn give_back(journey: &Journey) {
    // SAFETY: found by nobody, so still this program's alone; the agent takes it from here.
    unsafe {
        (*journey.header).life = Handle::ENDED.0;
        (&raw mut (*journey.header).state).write_volatile(SlotState::Returned as u32);
    }
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
