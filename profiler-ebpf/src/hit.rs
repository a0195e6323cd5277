//! One hit of a probe: who, where, which record; then on to what the site does.

use core::mem::MaybeUninit;

use aya_ebpf::EbpfContext as _;
use aya_ebpf::helpers::bpf_get_attach_cookie;
use aya_ebpf::programs::ProbeContext;
use aya_log_ebpf::debug;
use profiler_common::limits::SAVED_ARGS;
use profiler_common::slot::{CallKey, SavedArgs};
use profiler_common::{Config, Counter, Key, KeyRecipe, ProbeSpec, Role, Value};

use crate::count::{self, SiteCount, count};
use crate::frame::{self, Frame};
use crate::maps::{CALLS, CONFIG, MORE, PROBES};
use crate::predicate::{Verdict, verdict};
use crate::{admit, batch, change, end, in_flight, journey, key, marks, scope, stamp, unseen};

/// The programs for the three kinds of sites: each holds only what its own need.
const PLAIN: u8 = 0;
const JOURNEY: u8 = 1;
const BATCH: u8 = 2;

/// A hit, with what all roles need to know of it.
pub struct Hit<'a> {
    pub probe: u32,
    pub process: u32,
    pub config: &'a Config,
    pub spec: &'a ProbeSpec,
    pub frame: &'a Frame,
    pub count: SiteCount,
}

impl<'a> Hit<'a> {
    /// The hit with this cookie.
    #[inline(always)]
    pub fn of(cookie: u64, frame: &'a Frame) -> Option<Self> {
        let (probe, process) = (cookie as u32, (cookie >> 32) as u32);
        let (config, spec, count) = (CONFIG.get(0)?, PROBES.get(probe)?, SiteCount::of(probe)?);
        Some(Self { probe, process, config, spec, frame, count })
    }

    /// The key with this value in the site's name space.
    #[inline(always)]
    pub fn key(&self, value: u64) -> Key {
        Key::new(self.process, self.spec.space, value)
    }

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

/// A hit at a plain site, from beginning to end.
#[inline(always)]
pub fn plain(ctx: &ProbeContext) {
    let mut place = MaybeUninit::uninit();
    let Some((cookie, frame, sequence)) = arrive::<PLAIN>(ctx, &mut place) else { return };
    let Some(hit) = Hit::of(cookie, frame) else { return };
    let Some(value) = value(ctx, cookie, frame) else { return };
    let key = hit.key(value);
    if hit.spec.role == Role::Start as u8 {
        admit::start(&hit, key, sequence);
        return;
    }
    let Some(journey) = in_flight::find_sure(hit.config, key) else { return };
    if hit.spec.role == Role::Finish as u8 {
        end::finish(&hit, &journey);
    } else {
        stamp::append(&hit, &journey);
    }
}

/// A hit at a site that has to do with scopes, branches, further keys, attributes, or the batch that a record is put into.
#[inline(always)]
pub fn journey(ctx: &ProbeContext) {
    let mut place = MaybeUninit::uninit();
    let Some((cookie, frame, _)) = arrive::<JOURNEY>(ctx, &mut place) else { return };
    journey::pass(cookie, frame);
}

/// A hit at a site of a whole batch.
#[inline(always)]
pub fn batch(ctx: &ProbeContext) {
    let mut place = MaybeUninit::uninit();
    let Some((cookie, frame, _)) = arrive::<BATCH>(ctx, &mut place) else { return };
    let Some(value) = value(ctx, cookie, frame) else { return };
    batch::stage(cookie, value, frame);
}

/// What all hits have in common: whether this one has an effect at all. Its cookie and its frame, if it has; and its number in its sequence, if that
/// was taken already, or 0. Sites that save arguments are plain ones.
#[inline(always)]
fn arrive<'a, const PROGRAM: u8>(
    ctx: &ProbeContext,
    place: &'a mut MaybeUninit<Frame>,
) -> Option<(u64, &'a Frame, u64)> {
    // SAFETY: the context is that of a running program. The cookie was set when attaching.
    let cookie = unsafe { bpf_get_attach_cookie(ctx.as_ptr()) };
    let (probe, process) = (cookie as u32, (cookie >> 32) as u32);
    let (spec, site, config) = (PROBES.get(probe)?, SiteCount::of(probe)?, CONFIG.get(0)?);
    if config.closed != 0 || spec.sleeps_in(config.edition) && !change::has(probe, config.edition) {
        return None;
    }
    site.hit();
    // A batch counts its records, sampled or not: none of its stages is idle.
    let absent = PROGRAM != BATCH && (in_flight::nothing_open() || is_absent::<PROGRAM>(ctx, spec, cookie));
    if is_idle(spec, absent) {
        return None;
    }
    let mut sequence = 0;
    if PROGRAM == PLAIN && absent && is_simple_source(spec, config) {
        sequence = admit::sample_early(config, process)?;
    }
    let frame = Frame::of(ctx, config, place);
    if PROGRAM == PLAIN && spec.role == Role::Save as u8 {
        save(spec, process, frame);
        return None;
    }
    if spec.flags & ProbeSpec::USES_SAVED != 0 && !restore(spec, process, frame) {
        count(Counter::EntryUnseen);
        missed(cookie, spec, frame, true);
        if PROGRAM == JOURNEY {
            journey::unknown(cookie, frame);
        }
        return None;
    }
    // Before the key: a predicate may guard the memory that the key reads.
    if spec.flags & ProbeSpec::HAS_PREDICATE != 0 {
        match verdict(probe, frame) {
            Verdict::Holds => {}
            Verdict::Fails => {
                if PROGRAM == JOURNEY {
                    journey::pass_over(cookie, frame);
                }
                return None;
            }
            Verdict::Unreadable(address) => {
                unreadable(cookie, spec, address, frame);
                if PROGRAM == JOURNEY && unseen::may_hold_record(address) {
                    journey::unknown(cookie, frame);
                } else if PROGRAM == JOURNEY {
                    journey::pass_over(cookie, frame);
                }
                return None;
            }
        }
    }
    Some((cookie, frame, sequence))
}

/// The value of the site's key; one that cannot be read is counted.
#[inline(always)]
fn value(ctx: &ProbeContext, cookie: u64, frame: &Frame) -> Option<u64> {
    let spec = PROBES.get(cookie as u32)?;
    match key::key(&spec.key, frame) {
        Ok(value) => Some(value),
        Err(address) => {
            debug!(ctx, "probe {}: key unreadable", cookie as u32);
            unreadable(cookie, spec, address, frame);
            None
        }
    }
}

/// Counts a key, or a condition, that cannot be read at this address.
#[inline(always)]
pub fn unreadable(cookie: u64, spec: &ProbeSpec, address: u64, frame: &Frame) {
    count::unreadable(cookie);
    missed(cookie, spec, frame, unseen::may_hold_record(address));
}

/// A hit of which it is not known whose it is, or whether it counts. If the record may have been handed on here, or have ended, no scope around it is known to
/// have stayed empty. `is_record`: there may have been one.
#[inline(always)]
fn missed(cookie: u64, spec: &ProbeSpec, frame: &Frame, is_record: bool) {
    const HANDS_ON: u32 = ProbeSpec::IS_OUTPUT | ProbeSpec::BRANCHES | ProbeSpec::OPENS_SCOPE;
    pass_unseen(spec, (cookie >> 32) as u32, is_record);
    if is_record {
        batch::lose_end(spec);
    }
    if spec.flags & HANDS_ON != 0 || spec.role == Role::Finish as u8 {
        scope::doubt(cookie, frame);
    }
}

/// A hit whose key is not known.
#[inline(always)]
fn pass_unseen(spec: &ProbeSpec, process: u32, is_record: bool) {
    if is_record && (spec.role == Role::Start as u8 || spec.flags & ProbeSpec::BRANCHES != 0) {
        unseen::note(Key::new(process, spec.space, 0).process);
    }
}

/// Whether the record of a hit is seen at once not to be in flight, and nothing else of a journey at hand that the hit could change: by its key, where that
/// lies in a register, and, at other than plain sites, by there being no scope.
#[inline(always)]
fn is_absent<const PROGRAM: u8>(ctx: &ProbeContext, spec: &ProbeSpec, cookie: u64) -> bool {
    if PROGRAM != PLAIN {
        if !scope::none_open() {
            return false;
        }
        if spec.flags & ProbeSpec::HAS_ALSO != 0 {
            let Some(more) = MORE.get(cookie as u32) else { return false };
            if !is_unmarked(ctx, &more.also, cookie, more.also_space) {
                return false;
            }
        }
        if spec.flags & ProbeSpec::KEY_IS_SCOPE != 0 {
            return true;
        }
    }
    is_unmarked(ctx, &spec.key, cookie, spec.space)
}

/// Whether a key is known from a register and is certainly not in flight.
#[inline(always)]
fn is_unmarked(ctx: &ProbeContext, recipe: &KeyRecipe, cookie: u64, space: u32) -> bool {
    if !in_register(recipe) {
        return false;
    }
    let Some(value) = frame::argument(ctx, recipe.value.base) else { return false };
    let value = if recipe.value.steps == 0 { value } else { key::of_register(&recipe.value.step[0], value) };
    !marks::may_be_in_flight(Key::new((cookie >> 32) as u32, space, value))
}

/// Whether a key is made of a register alone: as it is, or by one step that reads no memory.
#[inline(always)]
fn in_register(recipe: &KeyRecipe) -> bool {
    let Value { steps, step: [first, ..], .. } = &recipe.value;
    recipe.kind == KeyRecipe::VALUE && (*steps == 0 || *steps == 1 && (first.width == 0 || first.cast != 0))
}

/// The common hit, and the shortest way through it: no trace is in flight that this stage could stamp or end, and all that it needs
/// lies in registers, so that nothing can be unreadable either. `absent`: the record is known not to be in flight.
#[inline(always)]
fn is_idle(spec: &ProbeSpec, absent: bool) -> bool {
    if spec.role > Role::Save as u8 {
        return scope::none_open();
    }
    let looks_up = spec.role != Role::Start as u8 && spec.role != Role::Save as u8;
    // Scopes of records that are over are open still, and change like all others.
    if spec.flags & HAS_TO_DO_WITH_SCOPES != 0 && !scope::none_open() {
        return false;
    }
    absent && looks_up && in_register(&spec.key) && spec.flags & ALWAYS_LOOKED_AT == 0
}

/// Whether it is known beforehand of a hit at a source, no older trace having its key, that it is a record: then nearly all of them, which are not
/// sampled, need not be looked at any closer than to be counted.
#[inline(always)]
fn is_simple_source(spec: &ProbeSpec, config: &Config) -> bool {
    spec.role == Role::Start as u8
        && in_register(&spec.key)
        && spec.flags & (ALWAYS_LOOKED_AT | ProbeSpec::HAS_PREDICATE | ProbeSpec::HAS_TASK) == 0
        && config.by_key == 0
}

/// What is done, or can be unreadable, though no trace is in flight.
const ALWAYS_LOOKED_AT: u32 = ProbeSpec::USES_SAVED
    | ProbeSpec::READS_MORE
    | ProbeSpec::HAS_BATCH
    | ProbeSpec::KEY_IS_BATCH
    | ProbeSpec::CAN_BEGIN
    | ProbeSpec::ENDS_REFUSED;

/// What looks at, or changes, the scopes of its thread.
const HAS_TO_DO_WITH_SCOPES: u32 =
    ProbeSpec::OPENS_SCOPE | ProbeSpec::CLOSES_SCOPE | ProbeSpec::KEY_IS_SCOPE | ProbeSpec::BRANCHES;

#[inline(always)]
fn call_key(spec: &ProbeSpec, process: u32, frame: &Frame) -> CallKey {
    CallKey {
        process,
        tid: frame.tid,
        stack_pointer: frame.entry_stack_pointer(spec),
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
