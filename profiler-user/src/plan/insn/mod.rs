//! What the plan must know of single instructions, the same words for every instruction set.
//!
//! Owns: decoding of one instruction into shape, effects and verdict. Refuses: judging where a probe should go; that
//! is `choose`.

pub mod aarch64;
pub mod x86;
mod x86_effects;

use crate::plan::{Class, KernelTraits};
use crate::symbol::Arch;

/// A set of general registers by hardware number (see [`profiler_common::Base::Register`]).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct RegSet(pub u32);

impl RegSet {
    /// No register.
    pub const EMPTY: Self = Self(0);
    /// Every register.
    pub const ALL: Self = Self(u32::MAX);

    /// The set of one register.
    #[must_use]
    pub const fn of(number: u8) -> Self {
        Self(1 << (number & 31))
    }

    /// Both sets together.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether the two sets share a register.
    #[must_use]
    pub const fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

/// Where control goes after an instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// To the next instruction.
    Next,
    /// To the target or to the next instruction.
    Branch(u64),
    /// To the target.
    Jump(u64),
    /// To an address out of a register or memory.
    JumpIndirect(Indirect),
    /// Into another function, and then most likely to the next instruction.
    Call,
    /// Back to the caller.
    Return,
    /// Nowhere that the code itself tells: traps, system calls, transactions.
    Stop,
}

/// What an indirect jump looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Indirect {
    /// A jump table of its own function.
    Table,
    /// A jump to another function.
    TailCall,
    /// Either.
    Unknown,
}

/// Length and flow of an instruction: all that a whole function is scanned for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Bytes.
    pub len: u8,
    /// Where control goes.
    pub flow: Flow,
}

/// What an instruction writes to memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Store {
    /// Nothing.
    None,
    /// Bytes that end `end` bytes above where the stack pointer stood before the instruction.
    Stack {
        /// Where the written bytes end, relative to the stack pointer.
        end: i64,
    },
    /// Anything else.
    Memory,
}

/// What an instruction changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Effects {
    /// Registers that it may write.
    pub writes: RegSet,
    /// Bytes that it adds to the stack pointer; `None` when that is not known.
    pub stack: Option<i32>,
    /// What it stores.
    pub store: Store,
}

impl Effects {
    /// The effects of an instruction that is not understood.
    pub const UNKNOWN: Self = Self { writes: RegSet::ALL, stack: None, store: Store::Memory };
}

/// What becomes of a probe on an instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// What the kernel does with it, or [`Class::Refused`] also where it would do it wrongly.
    pub class: Class,
    /// Why it is refused, if it is: reads on after "this instruction cannot carry a probe: ".
    pub refusal: &'static str,
}

impl Verdict {
    pub(crate) const fn of(class: Class) -> Self {
        Self { class, refusal: "" }
    }

    pub(crate) const fn refused(refusal: &'static str) -> Self {
        Self { class: Class::Refused, refusal }
    }
}

/// Length and flow of the instruction at the start of `bytes`; `None` when they are none.
#[must_use]
pub fn shape(arch: Arch, address: u64, bytes: &[u8]) -> Option<Shape> {
    match arch {
        Arch::X86_64 => x86::shape(address, bytes),
        Arch::Aarch64 => aarch64::shape(address, aarch64::word(bytes)?),
    }
}

/// What the instruction at the start of `bytes` may change.
#[must_use]
pub fn effects(arch: Arch, address: u64, bytes: &[u8]) -> Effects {
    match arch {
        Arch::X86_64 => x86_effects::effects(address, bytes),
        Arch::Aarch64 => aarch64::word(bytes).map_or(Effects::UNKNOWN, aarch64::effects),
    }
}

/// What becomes of a probe on the instruction at the start of `bytes`.
#[must_use]
pub fn verdict(arch: Arch, bytes: &[u8], kernel: KernelTraits) -> Verdict {
    let verdict = match arch {
        Arch::X86_64 => x86::verdict(bytes, kernel),
        Arch::Aarch64 => aarch64::word(bytes).map_or(Verdict::refused("it is cut off"), aarch64::verdict),
    };
    if verdict.class == Class::OptimisedNop && !kernel.safe_five_byte_nop {
        return Verdict::refused("this kernel's optimised five-byte nop overwrites the target's red zone");
    }
    verdict
}

/// The instruction at the start of `bytes` as `objdump -d` would show it.
#[must_use]
pub fn text(arch: Arch, address: u64, bytes: &[u8]) -> String {
    match arch {
        Arch::X86_64 => x86::text(address, bytes),
        Arch::Aarch64 => aarch64::word(bytes).map_or_else(|| "(bad)".to_owned(), aarch64::text),
    }
}
