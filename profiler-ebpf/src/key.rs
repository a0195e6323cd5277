//! Evaluates key recipes: registers, bounded dereferences, a bounded hash of bytes.

use core::mem::MaybeUninit;

use aya_ebpf::helpers::generated::bpf_probe_read_user;
use profiler_common::KeyRecipe;
use profiler_common::limits::{MAX_HASHED_BYTES, MAX_STEPS};
use profiler_common::recipe::{Step, Value, hash_finish, hash_word};

use crate::frame::{Frame, REGISTERS, SAVED, zero};

const WORDS: usize = MAX_HASHED_BYTES as usize / 8;

/// The key of the record at this hit; the address when memory cannot be read.
#[inline(always)]
pub fn key(recipe: &KeyRecipe, frame: &Frame) -> Result<u64, u64> {
    let value = value(&recipe.value, frame)?;
    if recipe.kind != KeyRecipe::BYTES {
        return Ok(value);
    }
    hash(value, self::value(&recipe.len, frame)?)
}

/// A value of the stopped thread; the address when memory on the way to it cannot be read.
#[inline(always)]
pub fn value(recipe: &Value, frame: &Frame) -> Result<u64, u64> {
    let mut value = base(recipe, frame);
    for index in 0..MAX_STEPS {
        if index >= usize::from(recipe.steps) {
            break;
        }
        value = step(&recipe.step[index], value)?;
    }
    Ok(value)
}

#[inline(always)]
fn base(recipe: &Value, frame: &Frame) -> u64 {
    let code = usize::from(recipe.base);
    // The codes of `Base`. Masks rather than bounds: the verifier does not carry a comparison over to the index.
    match code >> 5 {
        0 => frame.registers[code & (REGISTERS - 1)],
        2 => frame.saved[code & (SAVED - 1)],
        _ if code == 96 => u64::from(frame.tid),
        _ => recipe.constant,
    }
}

#[inline(always)]
fn step(step: &Step, value: u64) -> Result<u64, u64> {
    let address = value.wrapping_add(step.offset as i64 as u64);
    let width = u32::from(step.width);
    if width == 0 {
        return Ok(address);
    }
    if width > 8 {
        return Err(0);
    }
    if step.cast != 0 {
        return Ok(narrow(address, width, step.signed != 0));
    }
    let mut word = 0u64;
    // SAFETY: writes at most 8 bytes to an 8-byte variable; the helper checks the user address.
    if unsafe { bpf_probe_read_user((&raw mut word).cast(), width, address as *const _) } != 0 {
        return Err(address);
    }
    Ok(if step.signed == 0 { word } else { narrow(word, width, true) })
}

/// What a step that reads no memory makes of a value.
#[inline(always)]
pub fn of_register(step: &Step, value: u64) -> u64 {
    let sum = value.wrapping_add(step.offset as i64 as u64);
    if step.width == 0 { sum } else { narrow(sum, u32::from(step.width), step.signed != 0) }
}

/// The low `width` bytes, extended to 64 bits.
#[inline(always)]
fn narrow(value: u64, width: u32, signed: bool) -> u64 {
    let unused = (64 - 8 * width) & 63;
    let high = value << unused;
    if signed { ((high as i64) >> unused) as u64 } else { high >> unused }
}

#[inline(always)]
fn hash(address: u64, len: u64) -> Result<u64, u64> {
    let read = if len > u64::from(MAX_HASHED_BYTES) { MAX_HASHED_BYTES } else { len as u32 };
    let mut words = MaybeUninit::<[u64; WORDS]>::uninit();
    zero(words.as_mut_ptr());
    // SAFETY: just written, all of it.
    let words = unsafe { words.assume_init_mut() };
    // SAFETY: writes at most `MAX_HASHED_BYTES` bytes, which is the array's size; the helper checks the user address.
    if read != 0 && unsafe { bpf_probe_read_user(words.as_mut_ptr().cast(), read, address as *const _) } != 0
    {
        return Err(address);
    }
    let mut hash = 0;
    for (index, word) in words.iter().enumerate() {
        if index as u32 * 8 < read {
            hash = hash_word(hash, *word);
        }
    }
    Ok(hash_finish(hash, len))
}
