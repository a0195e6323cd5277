//! One hit of a probe: who, where, which record; then on to what the site does.

use core::mem::MaybeUninit;

use aya_ebpf::EbpfContext as _;
use aya_ebpf::helpers::bpf_get_attach_cookie;
use aya_ebpf::programs::ProbeContext;
use aya_log_ebpf::debug;
use profiler_common::limits::SAVED_ARGS;
use profiler_common::slot::{CallKey, SavedArgs};
use profiler_common::{Config, Counter, Key, KeyRecipe, Outcome, ProbeSpec, Role};

use crate::count::{SiteCount, count};
use crate::frame::Frame;
use crate::maps::{CALLS, CONFIG, PROBES};
use crate::{admit, end, key, stamp, unseen};

/// A hit, with what all roles need to know of it.
pub struct Hit<'a> {
    pub probe: u32,
    pub process: u32,
    pub config: &'a Config,
    pub spec: &'a ProbeSpec,
    pub frame: &'a Frame,
    pub count: SiteCount,
}

impl Hit<'_> {
    /// The task id for a stamp. One that cannot be read is counted and shown as -1: it is no reason to lose the stamp, least of all
    /// the one that ends the trace.
    #[inline(always)]
    pub fn task_or_unknown(&self) -> u64 {
        self.task().map_or(u64::MAX, |(task, _)| task)
    }

    /// The task id, and 1 when the spec names it; `None` when its memory cannot be read, which is counted.
    #[inline(always)]
    pub fn task(&self) -> Option<(u64, u32)> {
        if self.spec.flags & ProbeSpec::HAS_TASK == 0 {
            return Some((u64::from(self.frame.tid), 0));
        }
        let task = key::value(&self.spec.task, self.frame).ok();
        if task.is_none() {
            self.count.unreadable();
        }
        Some((task?, 1))
    }
}

/// The whole of it.
#[inline(always)]
pub fn hit(ctx: &ProbeContext) {
    // SAFETY: the context is that of a running program. The cookie was set when attaching.
    let cookie = unsafe { bpf_get_attach_cookie(ctx.as_ptr()) };
    let probe = cookie as u32;
    let (Some(spec), Some(site)) = (PROBES.get(probe), SiteCount::of(probe)) else { return };
    let Some(config) = CONFIG.get(0) else { return };
    if config.closed != 0 {
        return;
    }
    let process = (cookie >> 32) as u32;
    site.hit();
    if is_idle(spec) {
        return;
    }
    let mut place = MaybeUninit::uninit();
    let frame = Frame::of(ctx, &mut place);
    if spec.role == Role::Save as u8 {
        return save(spec, process, frame);
    }
    if spec.flags & ProbeSpec::USES_SAVED != 0 && !restore(spec, process, frame) {
        count(Counter::EntryUnseen);
        return pass_unseen(spec, process, true);
    }
    let value = match key::key(&spec.key, frame) {
        Ok(value) => value,
        Err(address) => {
            debug!(ctx, "probe {}: key unreadable", probe);
            site.unreadable();
            return pass_unseen(spec, process, unseen::may_hold_record(address));
        }
    };
    let hit = Hit { probe, process, config, spec, frame, count: site };
    let key = Key { process, space: spec.space, value };
    if spec.role == Role::Start as u8 {
        admit::start(&hit, key);
    } else if spec.role == Role::Finish as u8 {
        // Two calls with a constant each: the verifier need not follow an outcome through memory.
        end::finish(
            &hit,
            key,
            if spec.outcome == Outcome::Filtered as u8 { Outcome::Filtered } else { Outcome::Written },
        );
    } else {
        stamp::append(&hit, key);
    }
}

/// A hit whose key is not known.
#[inline(always)]
fn pass_unseen(spec: &ProbeSpec, process: u32, is_record: bool) {
    if is_record && spec.role == Role::Start as u8 {
        unseen::note(process);
    }
}

/// The common hit, and the shortest way through it: no trace is in flight that this stage could stamp or end, and its key lies in
/// a register, so that nothing can be unreadable either.
#[inline(always)]
fn is_idle(spec: &ProbeSpec) -> bool {
    let looks_up = spec.role == Role::Stamp as u8 || spec.role == Role::Finish as u8;
    let in_register = spec.key.kind == KeyRecipe::VALUE && spec.key.value.steps == 0;
    looks_up && in_register && spec.flags & ProbeSpec::USES_SAVED == 0 && stamp::nothing_open()
}

#[inline(always)]
fn call_key(spec: &ProbeSpec, process: u32, frame: &Frame) -> CallKey {
    CallKey {
        process,
        tid: frame.tid,
        stack_pointer: frame.stack_pointer().wrapping_add(spec.frame_adjust as i64 as u64),
        call: spec.call,
        reserved: 0,
    }
}

/// Keeps the arguments of a call for its return. Calls that never return (left by an exception, or with their thread) are forgotten when
/// the table needs their place.
#[inline(always)]
fn save(spec: &ProbeSpec, process: u32, frame: &Frame) {
    let key = call_key(spec, process, frame);
    let tag = key.tag();
    let _ = CALLS.insert(key, SavedArgs { tag, argument: frame.arguments(), tag_too: tag }, 0);
}

/// Takes the arguments that the same call had at its entry. False when its entry was not seen.
#[inline(always)]
fn restore(spec: &ProbeSpec, process: u32, frame: &mut Frame) -> bool {
    let key = call_key(spec, process, frame);
    let Some(saved) = CALLS.get_ptr(key) else { return false };
    for index in 0..SAVED_ARGS {
        // SAFETY: an element of the hash map, if perhaps another call's by now: see below. Volatile: a word at a time, not a call.
        frame.saved[index] = unsafe { (&raw const (*saved).argument[index]).read_volatile() };
    }
    // An element may be taken for another call while it is read. Then its tags are not this call's.
    // SAFETY: as above.
    let tags =
        unsafe { ((&raw const (*saved).tag).read_volatile(), (&raw const (*saved).tag_too).read_volatile()) };
    let _ = CALLS.remove(key);
    tags == (key.tag(), key.tag())
}
