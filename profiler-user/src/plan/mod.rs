//! From stage points to sites: which instruction carries the probe, what it costs, and how the key is read there.
//!
//! Owns: the choice of instructions and the lowering of key expressions to recipes.
//! Refuses: opening files, asking the kernel, attaching. It is a pure function of spec, modules and kernel traits.

use std::path::PathBuf;

use profiler_common::ProbeSpec;

use crate::symbol::FileOffset;

/// What the kernel does with an instruction that carries a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// Emulated in the trap: push, one-byte nop, relative jump or call.
    Emulated,
    /// Five-byte nop: the kernel may turn it into a call. Cheapest, where the kernel does it without harm.
    OptimisedNop,
    /// Executed out of line with a second trap.
    Stepped,
    /// Return trampoline (uretprobe), on top of what its entry instruction costs.
    Trampoline,
    /// The kernel refuses it.
    Refused,
}

/// How a site's probe fires.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Trap {
    /// When the instruction at the site's offset is reached.
    Instruction,
    /// When the function that starts at the site's offset returns (the kernel replaces the return address).
    Return,
}

/// One instruction that carries a probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    /// Joins plan, attachment and stamps. Its index in [`Plan::sites`].
    pub probe: u32,
    /// Index of the stage in the spec.
    pub stage: usize,
    /// See [`crate::symbol::Module::path`].
    pub path: PathBuf,
    /// See [`crate::symbol::Module::name`].
    pub file: PathBuf,
    /// The function's symbol.
    pub symbol: String,
    /// The function's readable name.
    pub function: String,
    /// Bytes from the function's start to the instruction.
    pub function_offset: u64,
    /// Where the probe is set.
    pub offset: FileOffset,
    /// How it fires.
    pub trap: Trap,
    /// The instruction, in AT&T syntax as `objdump -d` shows it.
    pub instruction: String,
    /// What the kernel does with it.
    pub class: Class,
    /// Why the choice is not the cheap one, or what the user should know of this site.
    pub notes: Vec<String>,
    /// What the kernel program does there.
    pub spec: ProbeSpec,
}

/// All sites of a spec in one set of modules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The sites, by probe id.
    pub sites: Vec<Site>,
}

/// What the plan must know of the kernel that the sites are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KernelTraits {
    /// Five-byte nops may carry probes: the self-test showed that the target's red zone survives.
    pub safe_five_byte_nop: bool,
}
