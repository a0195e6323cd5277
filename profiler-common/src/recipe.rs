//! Key recipes: how to get a value out of a stopped thread. Data, not code, so that another backend than the
//! kernel's interpreter can compile them.

use crate::limits::{MAX_STEPS, SAVED_ARGS};

/// Where a value starts. Registers are numbered as the machine's instructions number them: on x86-64
/// rax 0, rcx 1, rdx 2, rbx 3, rsp 4, rbp 5, rsi 6, rdi 7, r8..r15 8..=15; on aarch64 x0..x30 0..=30.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Base {
    /// A register at the moment of the hit, by its hardware number (below 32).
    Register(u8),
    /// The n-th argument as it was at the function's entry, saved by the entry site of a `%return` point.
    SavedArg(u8),
    /// The kernel's thread id of the running thread.
    Thread,
    /// The value's own constant.
    Constant,
}

impl Base {
    const SAVED: u8 = 64;
    const THREAD: u8 = 96;
    const CONSTANT: u8 = 97;

    /// The code in [`Value::base`].
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Register(number) => number,
            Self::SavedArg(index) => Self::SAVED + index,
            Self::Thread => Self::THREAD,
            Self::Constant => Self::CONSTANT,
        }
    }

    /// The base of a code.
    #[must_use]
    pub const fn from_code(code: u8) -> Option<Self> {
        match code {
            0..32 => Some(Self::Register(code)),
            Self::SAVED.. if code < Self::SAVED + SAVED_ARGS as u8 => {
                Some(Self::SavedArg(code - Self::SAVED))
            }
            Self::THREAD => Some(Self::Thread),
            Self::CONSTANT => Some(Self::Constant),
            _ => None,
        }
    }
}

/// One step on the way to a value: `value = *(width*)(value + offset)`; `value = (width)(value + offset)` for a cast; or
/// `value += offset` when `width` is 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(C)]
pub struct Step {
    /// Added to the value before it is used as an address (or as the result, when `width` is 0), in bytes.
    pub offset: i32,
    /// Bytes to read: 1, 2, 4 or 8; 0 reads nothing.
    pub width: u8,
    /// 1 when the value of that width is signed and must be extended.
    pub signed: u8,
    /// 1 when nothing is read: the low bytes of the value itself are taken.
    pub cast: u16,
}

/// A 64-bit value: a base, then `steps` steps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(C)]
pub struct Value {
    /// See [`Base::code`].
    pub base: u8,
    /// How many of `step` are in use.
    pub steps: u8,
    /// Always 0.
    pub reserved: [u8; 6],
    /// The value itself when the base is [`Base::Constant`].
    pub constant: u64,
    /// The steps.
    pub step: [Step; MAX_STEPS],
}

impl Value {
    /// A value that needs no step.
    #[must_use]
    pub const fn of(base: Base) -> Self {
        Self {
            base: base.code(),
            steps: 0,
            reserved: [0; 6],
            constant: 0,
            step: [Step { offset: 0, width: 0, signed: 0, cast: 0 }; MAX_STEPS],
        }
    }

    /// A constant.
    #[must_use]
    pub const fn constant(constant: u64) -> Self {
        let mut value = Self::of(Base::Constant);
        value.constant = constant;
        value
    }

    /// The same value with one more step, or `None` when it has all it can hold.
    #[must_use]
    pub fn then(mut self, step: Step) -> Option<Self> {
        *self.step.get_mut(usize::from(self.steps))? = step;
        self.steps += 1;
        Some(self)
    }
}

/// How to get a record's key. `value` alone, or a hash of the bytes that it points to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(C)]
pub struct KeyRecipe {
    /// [`KeyRecipe::VALUE`] or [`KeyRecipe::BYTES`].
    pub kind: u32,
    /// Always 0.
    pub reserved: u32,
    /// The key, or the address of its bytes.
    pub value: Value,
    /// The number of bytes; used by [`KeyRecipe::BYTES`] only, and cut at [`crate::limits::MAX_HASHED_BYTES`].
    pub len: Value,
}

impl KeyRecipe {
    /// The value is the key.
    pub const VALUE: u32 = 0;
    /// The key is a hash of `len` bytes at `value`.
    pub const BYTES: u32 = 1;

    /// A key that is a value.
    #[must_use]
    pub const fn value(value: Value) -> Self {
        Self { kind: Self::VALUE, reserved: 0, value, len: Value::constant(0) }
    }

    /// A key that hashes bytes.
    #[must_use]
    pub const fn bytes(pointer: Value, len: Value) -> Self {
        Self { kind: Self::BYTES, reserved: 0, value: pointer, len }
    }
}

/// One round of the hash over the 8-byte words of a `bytes` key (the last one padded with zeros), in the
/// manner of FxHash with a final avalanche: no secret, only spread. Both sides and other agents get the same.
#[must_use]
#[inline(always)]
pub const fn hash_word(hash: u64, word: u64) -> u64 {
    (hash.rotate_left(5) ^ word).wrapping_mul(0x517c_c1b7_2722_0a95)
}

/// The end of the hash: mixes in the length and spreads the bits.
#[must_use]
#[inline(always)]
pub const fn hash_finish(hash: u64, len: u64) -> u64 {
    let mut x = hash_word(hash, len);
    x ^= x >> 33;
    x = x.wrapping_mul(0xFF51_AFD7_ED55_8CCD);
    x ^ (x >> 33)
}

/// The hash of a record's key that decides, in sampling by key, whether the record is sampled: where it divides by the rate. The same in every
/// process and on every host.
#[must_use]
#[inline(always)]
pub const fn key_hash(key: u64) -> u64 {
    hash_finish(hash_word(0, key), 8)
}

/// The trace id of a record that is sampled by its key, in `0..2^63`: spread anew, since the hashes of sampled records all divide by the rate.
#[must_use]
#[inline(always)]
pub const fn key_trace_id(key: u64) -> u64 {
    hash_finish(hash_word(key_hash(key), key), 16) & (u64::MAX >> 1)
}

const _: () = assert!(size_of::<Step>() == 8);
const _: () = assert!(size_of::<Value>() == 16 + 8 * MAX_STEPS);
const _: () = assert!(size_of::<KeyRecipe>() == 8 + 2 * size_of::<Value>());

#[cfg(test)]
mod tests {
    use super::{Base, Step, Value};
    use crate::limits::MAX_STEPS;

    #[test]
    fn base_codes_are_inverse() {
        for code in 0..=255 {
            if let Some(base) = Base::from_code(code) {
                assert_eq!(base.code(), code);
            }
        }
        assert_eq!(Base::from_code(70), None);
    }

    #[test]
    fn a_value_holds_no_more_than_its_steps() {
        let step = Step { offset: 8, width: 8, ..Step::default() };
        let mut value = Value::of(Base::Register(7));
        for _ in 0..MAX_STEPS {
            value = value.then(step).expect("room");
        }
        assert_eq!(value.then(step), None);
    }
}
