//! N-to-1: records that go one way together.
//!
//! A batch knows how many records it has, sampled or not, and the handles of the sampled ones. A member is believed to be one only if its own header names the batch by key and
//! serial number: elements of the table are reused, headers of a trace in flight are not.

use aya_ebpf::bindings::BPF_NOEXIST;
use profiler_common::limits::MAX_MEMBERS;
use profiler_common::{Batch, Counter, Extra, ExtraKind, Key, ProbeSpec, Role, SlotHeader};

use crate::atomic;
use crate::attributes;
use crate::count::{self, count};
use crate::frame::Frame;
use crate::in_flight::{Journey, add_to};
use crate::journey::{self, NO_ENTRY};
use crate::key;
use crate::maps::{BATCHES, CONFIG, LOST_AT, MORE, NEW_BATCH, PROBES, SERIAL};

/// The batch with a key, made if it is not there.
#[inline(always)]
fn of(key: Key) -> Option<*mut Batch> {
    let known = BATCHES.get_ptr_mut(key);
    // SAFETY: a field of a map value. Another CPU may have made the batch just now, and not numbered it yet.
    if let Some(batch) = known
        && unsafe { (&raw const (*batch).serial).read_volatile() } != 0
    {
        return Some(batch);
    }
    let _ = BATCHES.insert(key, NEW_BATCH.get(0)?, u64::from(BPF_NOEXIST));
    let Some(batch) = BATCHES.get_ptr_mut(key) else {
        count(Counter::BatchesFull);
        return None;
    };
    let serial = SERIAL.get_ptr_mut(0)?;
    // SAFETY: aligned words of map values. Where two CPUs make the batch at once, the second number is never used.
    unsafe {
        let next = atomic::fetch_add(serial, 1).wrapping_add(1);
        atomic::compare_exchange(&raw mut (*batch).serial, 0, next);
    }
    Some(batch)
}

/// A batch came to a stage that ends batches, and could not be told. Of those that are known none is sure from then on: the next one at its address would be
/// taken for it.
#[inline(always)]
pub fn lose_end(spec: &ProbeSpec) {
    if spec.flags & ProbeSpec::ENDS_BATCH != 0 {
        lose_all();
    }
}

/// Of no batch that is known is it sure from now on which records it has.
#[inline(always)]
pub fn lose_all() {
    if let (Some(serial), Some(lost)) = (SERIAL.get_ptr(0), SERIAL.get_ptr_mut(LOST_AT)) {
        // SAFETY: aligned words of map values. A batch that is made at this very moment is of no matter: its records come by later.
        unsafe { lost.write_volatile(serial.read_volatile()) };
    }
}

/// Whether a batch may have been over before its last record came. Then nothing is said of it until its next end.
#[inline(always)]
fn is_lost(batch: *mut Batch) -> bool {
    // SAFETY: aligned words of map values.
    SERIAL
        .get_ptr(LOST_AT)
        .is_some_and(|lost| unsafe { (&raw const (*batch).serial).read_volatile() <= lost.read_volatile() })
}

/// Puts the record of this hit into the batch of this stage: counts it, and if it is traced (`handle`), makes it a member.
#[inline(never)]
pub fn put(cookie: u64, handle: u64, entry: u32, frame: &Frame) -> u64 {
    let Some(more) = MORE.get(cookie as u32) else { return 0 };
    let Ok(value) = key::key(&more.batch, frame) else {
        count::unreadable(cookie);
        return miss(handle);
    };
    let key = Key::new((cookie >> 32) as u32, more.batch_space, value);
    let Some(batch) = of(key).filter(|batch| !is_lost(*batch)) else { return miss(handle) };
    // SAFETY: fields of a map value, aligned by their layout, here and below.
    let position = unsafe { atomic::fetch_add_u32(&raw mut (*batch).size, 1) };
    if handle != 0 {
        join(&key, handle, u64::from(position) | u64::from(entry) << 32, cookie);
    }
    0
}

/// A record could not be put into a batch. It is no longer a member of the one before: that one's stages are not its own any more.
#[inline(always)]
fn miss(handle: u64) -> u64 {
    if handle != 0
        && let Some(journey) = Journey::of(handle)
    {
        add_to!(journey, batches_dropped, 1);
        // It was handed on, wherever to.
        add_to!(journey, outputs, 1);
        take_out(&journey);
    }
    0
}

/// No batch leads to the journey any more. If nothing else does, the agent finds it so.
#[inline(always)]
fn take_out(journey: &Journey) {
    // SAFETY: a field of a map value that only the record's own stages write.
    unsafe {
        if (*journey.header).batch_serial == 0 {
            return;
        }
        (*journey.header).batch_serial = 0;
    }
    journey.let_go_quietly();
}

/// In the upper half of what [`join`] takes: the record came with the batch that it was in.
const MOVED: u64 = 1 << 63;

/// Makes a journey a member of the batch with this key. `place` is its position, and in the upper half the entry that put it there.
#[inline(never)]
fn join(key: &Key, handle: u64, place: u64, cookie: u64) -> u64 {
    let key = *key;
    let (Some(config), Some(batch), Some(journey)) =
        (CONFIG.get(0), BATCHES.get_ptr_mut(key), Journey::of(handle))
    else {
        return 0;
    };
    // SAFETY: fields of map values, aligned by their layout, here and below.
    let (index, serial) = unsafe { (atomic::fetch_add_u32(&raw mut (*batch).members, 1), (*batch).serial) };
    add_to!(journey, outputs, 1);
    if index >= MAX_MEMBERS || index >= config.max_members {
        count(Counter::MembersFull);
        return miss(handle);
    }
    // SAFETY: as above.
    if unsafe { (*journey.header).batch_serial } == 0 {
        // The batch leads to the record, also when the record's own memory is used again.
        journey.hold();
    }
    // SAFETY: as above; only the record's own stages write these fields of its header.
    unsafe {
        (*journey.header).batch_key = key.value;
        (*journey.header).batch_serial = serial;
        (*journey.header).flags &= !SlotHeader::SIZE_KNOWN;
        let members = (&raw mut (*batch).member).cast::<u64>();
        members.add((index & (MAX_MEMBERS - 1)) as usize).write_volatile(handle);
    }
    if let Some(extra) = attributes::place_of_note(config, &journey) {
        let kind = if place & MOVED == 0 { ExtraKind::Put } else { ExtraKind::Moved };
        let what = What { entry: (place >> 32) as u32, kind, number: u64::from(place as u32) };
        note(extra, cookie, &journey, &what);
    }
    0
}

/// What is noted of a batch on a member's trace.
struct What {
    entry: u32,
    kind: ExtraKind,
    /// The position in the batch, or its size.
    number: u64,
}

#[inline(always)]
fn note(extra: *mut Extra, cookie: u64, journey: &Journey, what: &What) {
    // SAFETY: an element of an array map that no other program writes, and the journey's header.
    unsafe {
        (*extra).entry = what.entry as u16;
        (*extra).probe = cookie as u16;
        (*extra).kind = what.kind as u8;
        (*extra).index = 0;
        let words = (&raw mut (*extra).bytes).cast::<u64>();
        words.write((*journey.header).batch_key);
        words.add(1).write((*journey.header).batch_serial);
        words.add(2).write(what.number);
    }
    attributes::complete(extra, journey.handle, 24);
}

/// A stage of the batch with the key `value`: one of all its members.
#[inline(never)]
pub fn stage(cookie: u64, value: u64, frame: &Frame) -> u64 {
    let Some(spec) = PROBES.get(cookie as u32) else { return 0 };
    let key = Key::new((cookie >> 32) as u32, spec.space, value);
    let Some(batch) = BATCHES.get_ptr_mut(key) else { return 0 };
    // SAFETY: fields of a map value, here and below.
    let members = if is_lost(batch) { 0 } else { unsafe { (&raw const (*batch).members).read_volatile() } };
    for index in 0..MAX_MEMBERS {
        if index >= members {
            break;
        }
        member(cookie, &key, index, frame);
    }
    if spec.flags & ProbeSpec::HAS_BATCH != 0 {
        merge(cookie, &key, frame);
        let _ = BATCHES.remove(key);
    } else if spec.flags & ProbeSpec::ENDS_BATCH != 0 {
        let _ = BATCHES.remove(key);
    }
    0
}

/// The member at `index` of a batch, if it is one still.
#[inline(always)]
fn listed_at(batch: *mut Batch, key: Key, index: u32) -> Option<Journey> {
    // SAFETY: inside of the map value: the mask keeps the index below the array's length.
    let handle = unsafe {
        let members = (&raw mut (*batch).member).cast::<u64>();
        members.add((index & (MAX_MEMBERS - 1)) as usize).read_volatile()
    };
    let journey = Journey::of(handle)?;
    // SAFETY: fields of map values.
    let is_member = unsafe {
        (*journey.header).batch_serial == (*batch).serial && (*journey.header).batch_key == key.value
    };
    is_member.then_some(journey)
}

/// The same, if it is surely still the record that it was.
#[inline(always)]
fn member_at(batch: *mut Batch, key: Key, index: u32) -> Option<Journey> {
    listed_at(batch, key, index).filter(Journey::is_sure)
}

/// What a batch's stage does to one of its members.
#[inline(never)]
fn member(cookie: u64, key: &Key, index: u32, frame: &Frame) -> u64 {
    let key = *key;
    let (Some(config), Some(spec), Some(batch)) =
        (CONFIG.get(0), PROBES.get(cookie as u32), BATCHES.get_ptr_mut(key))
    else {
        return 0;
    };
    let Some(journey) = member_at(batch, key, index ^ config.zero) else { return 0 };
    let entry = journey::mark(cookie, journey.handle.0, frame) as u32 ^ config.zero;
    // SAFETY: a field of a map value.
    taken(cookie, journey.handle.0, entry, unsafe { (*batch).size });
    if spec.role == Role::Finish as u8 {
        journey::finish(cookie, journey.handle.0, frame);
    } else if spec.flags & (ProbeSpec::ENDS_BATCH | ProbeSpec::HAS_BATCH) == ProbeSpec::ENDS_BATCH {
        // The records go on without it.
        take_out(&journey);
    }
    0
}

/// Notes the size of the batch, once for each batch that the record is in.
#[inline(never)]
fn taken(cookie: u64, handle: u64, entry: u32, size: u32) -> u64 {
    let (Some(config), Some(journey)) = (CONFIG.get(0), Journey::of(handle)) else { return 0 };
    // Without a stamp there is nothing to note it at; a later stage of the batch may have one.
    if entry == NO_ENTRY {
        return 0;
    }
    // SAFETY: a field of a map value that only the record's own stages write.
    if unsafe { (*journey.header).flags } & SlotHeader::SIZE_KNOWN != 0 {
        return 0;
    }
    // SAFETY: as above.
    unsafe { (*journey.header).flags |= SlotHeader::SIZE_KNOWN };
    if let Some(extra) = attributes::place_of_note(config, &journey) {
        note(extra, cookie, &journey, &What { entry, kind: ExtraKind::Taken, number: u64::from(size) });
    }
    0
}

/// Puts the whole batch into a bigger one.
#[inline(never)]
fn merge(cookie: u64, key: &Key, frame: &Frame) -> u64 {
    let key = *key;
    let (Some(more), Some(batch)) = (MORE.get(cookie as u32), BATCHES.get_ptr_mut(key)) else { return 0 };
    let Ok(value) = key::key(&more.batch, frame) else {
        count::unreadable(cookie);
        return drop_all(&key);
    };
    let into = Key::new((cookie >> 32) as u32, more.batch_space, value);
    let bigger = if is_lost(batch) { None } else { of(into).filter(|bigger| !is_lost(*bigger)) };
    let Some(bigger) = bigger else { return drop_all(&key) };
    // SAFETY: fields of map values, aligned by their layout, here and below.
    let (size, members) = unsafe { ((*batch).size, (*batch).members) };
    // SAFETY: as above.
    let base = unsafe { atomic::fetch_add_u32(&raw mut (*bigger).size, size) };
    for index in 0..MAX_MEMBERS {
        if index >= members {
            break;
        }
        move_over(&key, &into, u64::from(index) | u64::from(base) << 32, cookie);
    }
    0
}

/// The members of a batch could not be put into another one: their traces say so.
#[inline(never)]
fn drop_all(key: &Key) -> u64 {
    let (key, Some(config)) = (*key, CONFIG.get(0)) else { return 0 };
    let Some(batch) = BATCHES.get_ptr_mut(key) else { return 0 };
    // SAFETY: a field of a map value.
    let members = unsafe { (&raw const (*batch).members).read_volatile() };
    for index in 0..MAX_MEMBERS {
        if index >= members {
            break;
        }
        if let Some(journey) = listed_at(batch, key, index ^ config.zero) {
            add_to!(journey, batches_dropped, 1);
            take_out(&journey);
        }
    }
    0
}

/// Makes a member of a batch one of the bigger batch `into`. `which` is its index, and in the upper half the position of the smaller batch in the bigger.
#[inline(never)]
fn move_over(key: &Key, into: &Key, which: u64, cookie: u64) -> u64 {
    let key = *key;
    let Some(batch) = BATCHES.get_ptr_mut(key) else { return 0 };
    let Some(journey) = member_at(batch, key, which as u32) else { return 0 };
    // SAFETY: a field of a map value.
    let entry = unsafe { (*journey.header).entries }.wrapping_sub(1);
    join(into, journey.handle.0, which >> 32 | u64::from(entry & 0xFFFF) << 32 | MOVED, cookie)
}
