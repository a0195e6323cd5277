//! Reads attributes of a record, and its own time, into the extras of its trace.

use aya_ebpf::helpers::generated::{bpf_probe_read_user, bpf_probe_read_user_str};
use profiler_common::limits::{MAX_ATTRIBUTES, MAX_TEXT_BYTES};
use profiler_common::{AttributeRecipe, Config, Counter, Extra, ExtraKind, Handle};

use crate::count::count;
use crate::frame::Frame;
use crate::in_flight::{Journey, add_to};
use crate::key;
use crate::maps::{CONFIG, EXTRAS, MORE};

/// Reads all that the site reads, for the stamp `entry` of the journey.
#[inline(never)]
pub fn read(cookie: u64, handle: u64, entry: u32, frame: &Frame) -> u64 {
    let Some(more) = MORE.get(cookie as u32) else { return 0 };
    for index in 0..MAX_ATTRIBUTES + 1 {
        if index >= more.attributes as usize {
            break;
        }
        one(cookie, handle, u64::from(entry) | (index as u64) << 32, frame);
    }
    0
}

/// Reads one: its index in the upper half of `which`, the entry in the lower.
#[inline(never)]
fn one(cookie: u64, handle: u64, which: u64, frame: &Frame) -> u64 {
    let (Some(config), Some(more)) = (CONFIG.get(0), MORE.get(cookie as u32)) else { return 0 };
    let Some(recipe) = more.attribute.get((which >> 32) as usize) else { return 0 };
    let Some(journey) = Journey::of(handle) else { return 0 };
    if add_to!(journey, attributes, 1) >= config.max_attributes {
        count(Counter::AttributesFull);
        add_to!(journey, attributes_dropped, 1);
        return 0;
    }
    let Some(extra) = place(config, &journey) else { return 0 };
    // SAFETY: an element of an array map that no other program writes.
    unsafe {
        (*extra).entry = which as u16;
        (*extra).probe = cookie as u16;
        (*extra).kind = recipe.kind;
        (*extra).index = recipe.index;
    }
    let Some(len) = fill(recipe, extra, frame) else {
        count(Counter::AttributesUnreadable);
        add_to!(journey, extras_unreadable, 1);
        return 0;
    };
    complete(extra, journey.handle, len);
    0
}

/// A place for one more note of a batch; one that finds none is told as a batch that is not.
#[inline(always)]
pub fn place_of_note(config: &Config, journey: &Journey) -> Option<*mut Extra> {
    if add_to!(journey, notes, 1) >= config.max_extras.wrapping_sub(config.max_attributes) {
        add_to!(journey, batches_dropped, 1);
        return None;
    }
    place(config, journey)
}

/// A place for one more extra of the journey. Attributes and notes each have their bound, so that together they never ask for too many.
#[inline(always)]
fn place(config: &Config, journey: &Journey) -> Option<*mut Extra> {
    let index = add_to!(journey, extras, 1);
    if index >= config.max_extras {
        return None;
    }
    EXTRAS.get_ptr_mut(journey.handle.slot().wrapping_mul(config.max_extras).wrapping_add(index))
}

/// Marks an extra as whole.
#[inline(always)]
pub fn complete(extra: *mut Extra, handle: Handle, len: u16) {
    // SAFETY: an element of an array map that no other program writes; the mark last.
    unsafe {
        (*extra).len = len;
        (&raw mut (*extra).mark).write_volatile(handle.generation() as u32);
    }
}

/// Reads the value into the extra. Its length; `None` when memory cannot be read.
#[inline(always)]
fn fill(recipe: &AttributeRecipe, extra: *mut Extra, frame: &Frame) -> Option<u16> {
    let value = key::value(&recipe.value, frame).ok()?;
    // SAFETY: the bytes of a map value, 8-byte aligned by its layout.
    let bytes = unsafe { (&raw mut (*extra).bytes).cast::<u8>() };
    let is_text = recipe.kind == ExtraKind::Text as u8;
    if !is_text && recipe.kind != ExtraKind::Bytes as u8 {
        // SAFETY: as above.
        unsafe { bytes.cast::<u64>().write(value) };
        return Some(8);
    }
    let len = key::value(&recipe.len, frame).ok()?;
    let len = if len > u64::from(MAX_TEXT_BYTES) { MAX_TEXT_BYTES } else { len as u32 };
    if len == 0 {
        return Some(0);
    }
    if is_text {
        // SAFETY: writes at most `MAX_TEXT_BYTES` bytes, which is the array's size; the helper checks the user address.
        let read = unsafe { bpf_probe_read_user_str(bytes.cast(), len, value as *const _) };
        if read <= 0 {
            return None;
        }
        // It counts the zero byte that it always leaves at the end: where it took the last place, that place may be a letter's.
        if read as u32 != len {
            return Some((read - 1) as u16);
        }
        let last = (len - 1) & (MAX_TEXT_BYTES - 1);
        // SAFETY: inside of the bytes, whose number is a power of two; the helper checks the user address, and writes a zero where it fails.
        return Some(unsafe {
            let place = bytes.add(last as usize);
            let address = value.wrapping_add(u64::from(last));
            bpf_probe_read_user(place.cast(), 1, address as *const _);
            last as u16 + u16::from(*place != 0)
        });
    }
    // SAFETY: as above.
    let failed = unsafe { bpf_probe_read_user(bytes.cast(), len, value as *const _) } != 0;
    (!failed).then_some(len as u16)
}
