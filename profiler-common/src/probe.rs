//! What the kernel program knows of one site. Names never enter the kernel: the probe id is the join key.

use crate::recipe::{KeyRecipe, Value};

/// What a site does to the record that it sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Role {
    /// S0: sequence, sample, admit.
    Start = 0,
    /// Stamp a trace in flight.
    Stamp = 1,
    /// Stamp it and end it with the spec's outcome.
    Finish = 2,
    /// Save the argument registers for the return of the same call. Touches no trace.
    Save = 3,
}

/// One site, as the kernel program reads it from the array of probes at its probe id.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(C)]
pub struct ProbeSpec {
    /// A [`Role`].
    pub role: u8,
    /// The [`crate::Outcome`] that a [`Role::Finish`] gives.
    pub outcome: u8,
    /// Bits of [`ProbeSpec::HAS_TASK`].
    pub flags: u8,
    /// Always 0.
    pub reserved: u8,
    /// The name space of the key: keys of two spaces never match.
    pub space: u32,
    /// For a site that saves or uses entry arguments: number of the `%return` point, the same for both its sites.
    pub call: u32,
    /// Added to the stack pointer at this site, gives the stack pointer at the function's entry, in bytes: the same
    /// for both sites of one call, so that recursion is no trouble.
    pub frame_adjust: i32,
    /// The record key.
    pub key: KeyRecipe,
    /// The task id, when `flags` has [`ProbeSpec::HAS_TASK`]; the thread id otherwise.
    pub task: Value,
}

impl ProbeSpec {
    /// The spec gives a task id of its own for this stage.
    pub const HAS_TASK: u8 = 1;
    /// The key, task or predicate uses arguments saved at the entry.
    pub const USES_SAVED: u8 = 2;
    /// Hits count only where the [`crate::Predicate`] of this probe holds.
    pub const HAS_PREDICATE: u8 = 4;
    /// The predicate reads memory, so that a hit may be unreadable though the key lies in a register.
    pub const READS_MORE: u8 = 8;
    /// Name space of keys that are threads: such a trace ends with its thread.
    pub const SPACE_THREAD: u32 = 1;
    /// Name space of all other keys, in a spec that names none.
    pub const SPACE_RECORD: u32 = 0;
    /// The first of the name spaces of a spec that names some.
    pub const SPACE_OWN: u32 = 2;
}

const _: () = assert!(size_of::<ProbeSpec>() == 16 + size_of::<KeyRecipe>() + size_of::<Value>());
