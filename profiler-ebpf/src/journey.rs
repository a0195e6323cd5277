//! The long way of a hit: sites that have to do with scopes, branches, batches, further keys or attributes.
//!
//! Functions of their own, each with its own stack: plain sites pay one test of a flag for all of it. What they pass to each other are numbers
//! (the hit's cookie; a handle, 0 for none) and a pointer to the frame on the program's stack.

use profiler_common::{Key, ProbeSpec, Role, SlotHeader};

use crate::count;
use crate::frame::Frame;
use crate::hit::{Hit, unreadable};
use crate::in_flight::{self, Journey};
use crate::maps::{MORE, PROBES};
use crate::{admit, attributes, batch, branch, end, key, refused, scope, stamp, unseen};

/// No stamp was taken.
pub const NO_ENTRY: u32 = u32::MAX;

/// Whose hit it is cannot be told, so that it cannot be told either whose scope it closes.
const UNKNOWN: u64 = BEGUN;

/// Beside a handle: the journey began at this very hit, which has its stamp. Handles leave this bit free.
pub const BEGUN: u64 = 1 << 63;

/// What a special site does at a hit whose predicate holds.
#[inline(never)]
pub fn pass(cookie: u64, frame: &Frame) -> u64 {
    let Some(spec) = PROBES.get(cookie as u32) else { return 0 };
    if spec.role == Role::Leave as u8 {
        return scope::leave(cookie, frame);
    }
    if spec.role == Role::Tail as u8 {
        return scope::tail(cookie, frame);
    }
    let by_scope = spec.flags & (ProbeSpec::KEY_IS_SCOPE | ProbeSpec::BRANCHES) != 0;
    let current = if by_scope { scope::current(cookie, frame) } else { 0 };
    let found =
        if spec.flags & ProbeSpec::KEY_IS_SCOPE != 0 { current } else { keyed(cookie, current, frame) };
    act(cookie, found, frame)
}

/// A hit that does not count. A call that would be a scope has taken the place of one that was left there: what happens within is no part of that.
#[inline(always)]
pub fn pass_over(cookie: u64, frame: &Frame) {
    if PROBES.get(cookie as u32).is_some_and(|spec| spec.flags & ProbeSpec::SCOPE_IS_CALL != 0) {
        scope::enter(cookie, frame);
    }
}

/// A hit of which it cannot be told whether it counts. If it does, its record takes over what it comes by, as one whose key cannot be read: see [`act`].
#[inline(never)]
pub fn unknown(cookie: u64, frame: &Frame) -> u64 {
    let Some(spec) = PROBES.get(cookie as u32) else { return 0 };
    if spec.flags & ProbeSpec::HAS_ALSO != 0
        && let Some(more) = MORE.get(cookie as u32)
    {
        unseen::note(Key::new((cookie >> 32) as u32, more.also_space, 0).process);
    }
    // The record may be in a batch now, or not.
    if spec.flags & ProbeSpec::HAS_BATCH != 0 {
        batch::lose_all();
    }
    if spec.flags & ProbeSpec::OPENS_SCOPE != 0 {
        scope::open(cookie, 0, frame);
    }
    if spec.flags & ProbeSpec::CLOSES_SCOPE != 0 {
        scope::close_unknown(cookie, frame);
    }
    0
}

/// The journey of the record that this site's key stands for, or that begins here. `current` is that of the thread's innermost scope.
#[inline(never)]
fn keyed(cookie: u64, current: u64, frame: &Frame) -> u64 {
    let Some(spec) = PROBES.get(cookie as u32) else { return 0 };
    match key::key(&spec.key, frame) {
        Ok(value) if spec.flags & ProbeSpec::BRANCHES != 0 => branch::make(cookie, value, current, frame),
        Ok(value) => of_key(cookie, value, frame),
        Err(address) => {
            unreadable(cookie, spec, address, frame);
            if spec.flags & ProbeSpec::CLOSES_SCOPE != 0 && unseen::may_hold_record(address) {
                scope::close_unknown(cookie, frame);
                return UNKNOWN;
            }
            0
        }
    }
}

/// The journey of a key; one may begin here.
#[inline(never)]
fn of_key(cookie: u64, value: u64, frame: &Frame) -> u64 {
    let Some(hit) = Hit::of(cookie, frame) else { return 0 };
    let key = hit.key(value);
    let begun = if hit.spec.role == Role::Start as u8 {
        admit::start(&hit, key, 0)
    } else {
        refused::forget(&hit, key);
        if let Some(journey) = in_flight::find_sure(hit.config, key) {
            return journey.handle.0;
        }
        if hit.config.by_key == 0 || hit.spec.flags & ProbeSpec::CAN_BEGIN == 0 {
            return 0;
        }
        admit::by_key(&hit, key, SlotHeader::PARTIAL)
    };
    begun.map_or(0, |journey| journey.handle.0 | BEGUN)
}

/// What the site does with the journey of this hit, if there is one. A record whose key cannot be read is one that is not traced: it takes over what it comes by (a
/// further key, the thread's scope, a place in the batch), so that nothing of it is taken for an older record's.
#[inline(always)]
fn act(cookie: u64, found: u64, frame: &Frame) -> u64 {
    let Some(spec) = PROBES.get(cookie as u32) else { return 0 };
    let handle = found & !BEGUN;
    let entry = if handle == 0 { NO_ENTRY } else { mark(cookie, found, frame) as u32 };
    if entry != NO_ENTRY && spec.flags & ProbeSpec::HAS_ATTRIBUTES != 0 {
        attributes::read(cookie, handle, entry, frame);
    }
    // Where nothing is in flight only to count what cannot be read.
    let looks = !in_flight::nothing_open() || spec.flags & ProbeSpec::READS_MORE != 0;
    if spec.flags & ProbeSpec::HAS_ALSO != 0 && looks {
        also(cookie, handle, frame);
    }
    if spec.flags & ProbeSpec::HAS_BATCH != 0 {
        batch::put(cookie, handle, entry, frame);
    }
    if spec.flags & ProbeSpec::OPENS_SCOPE != 0 {
        scope::open(cookie, handle, frame);
    }
    if spec.role == Role::Finish as u8 && handle != 0 {
        finish(cookie, found, frame);
    }
    if spec.flags & ProbeSpec::CLOSES_SCOPE != 0 && found != UNKNOWN {
        scope::close(cookie, handle, frame);
    }
    0
}

/// Stamps a journey, unless it began here or is to end here. The entry that this hit has, or will have.
#[inline(never)]
pub fn mark(cookie: u64, found: u64, frame: &Frame) -> u64 {
    let Some(hit) = Hit::of(cookie, frame) else { return u64::from(NO_ENTRY) };
    let Some(journey) = Journey::of(found & !BEGUN) else { return u64::from(NO_ENTRY) };
    stamp::note_output(hit.spec, &journey);
    if found & BEGUN != 0 {
        return 0;
    }
    if hit.spec.role == Role::Finish as u8 {
        return u64::from(hit.config.max_entries.wrapping_sub(1));
    }
    u64::from(stamp::append(&hit, &journey).unwrap_or(NO_ENTRY))
}

/// Ends the journey; one that began at this very hit has its stamp already.
#[inline(never)]
pub fn finish(cookie: u64, found: u64, frame: &Frame) -> u64 {
    let Some(hit) = Hit::of(cookie, frame) else { return 0 };
    let Some(journey) = Journey::of(found & !BEGUN) else { return 0 };
    if found & BEGUN != 0 {
        end::end(&journey, u32::from(hit.spec.outcome), None);
    } else {
        end::finish(&hit, &journey);
    }
    0
}

/// Binds the further key of this stage.
#[inline(never)]
fn also(cookie: u64, handle: u64, frame: &Frame) -> u64 {
    let Some(more) = MORE.get(cookie as u32) else { return 0 };
    let process = (cookie >> 32) as u32;
    match key::key(&more.also, frame) {
        Ok(value) => in_flight::bind(handle, &Key::new(process, more.also_space, value)),
        Err(address) => {
            count::unreadable(cookie);
            // As at a source: whose key it was is not known, and it may be an older record's.
            if unseen::may_hold_record(address) {
                unseen::note(Key::new(process, more.also_space, 0).process);
            }
            0
        }
    }
}
