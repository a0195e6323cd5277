//! What the kernel program knows of one site. Names never enter the kernel: the probe id is the join key.

use crate::edition::Edition;
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
    /// The return of a call that is a scope: closes it.
    Leave = 4,
    /// A jump by which a call that is a scope goes over into another function, whose return will be its own: what follows belongs to the
    /// scope still, but it is not left by an exception if its end is never seen.
    Tail = 5,
}

/// One site, as the kernel program reads it from the array of probes at its probe id.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(C)]
pub struct ProbeSpec {
    /// A [`Role`].
    pub role: u8,
    /// The [`crate::Outcome`] that a [`Role::Finish`] gives.
    pub outcome: u8,
    /// Editions in which the site does nothing, a bit each: see [`crate::Edition`].
    pub sleeps: u8,
    /// Always 0.
    pub reserved: u8,
    /// Bits of [`ProbeSpec::HAS_TASK`] and its like.
    pub flags: u32,
    /// The name space of the key: keys of two spaces never match.
    pub space: u32,
    /// For a site that saves or uses entry arguments, or belongs to a scope that is a call: the number of the point in its function, the
    /// same for all its sites there.
    pub call: u32,
    /// Added to the stack pointer at this site, gives the stack pointer at the function's entry, in bytes: the same
    /// for both sites of one call, so that recursion is no trouble. Known for every site that has to do with scopes.
    pub frame_adjust: i32,
    /// The number of the site's place, not 0: an instruction of a file, or a function's return. All sites there have it, in each edition.
    pub place: u32,
    /// The record key.
    pub key: KeyRecipe,
    /// The task id, when `flags` has [`ProbeSpec::HAS_TASK`]; the thread id otherwise.
    pub task: Value,
}

impl ProbeSpec {
    /// Whether the site does nothing in an edition.
    #[must_use]
    #[inline(always)]
    pub const fn sleeps_in(&self, edition: Edition) -> bool {
        self.sleeps >> (edition.0 & 7) & 1 != 0
    }

    /// The spec gives a task id of its own for this stage.
    pub const HAS_TASK: u32 = 1;
    /// Something that the site evaluates uses arguments saved at the entry.
    pub const USES_SAVED: u32 = 2;
    /// Hits count only where the [`crate::Predicate`] of this probe holds.
    pub const HAS_PREDICATE: u32 = 4;
    /// The predicate, or the further key, reads memory, so that a hit may be unreadable though the key lies in a register.
    pub const READS_MORE: u32 = 8;
    /// There is no key: the record is the one of the thread's innermost open scope.
    pub const KEY_IS_SCOPE: u32 = 1 << 4;
    /// Opens a scope on the thread, with the record of this hit.
    pub const OPENS_SCOPE: u32 = 1 << 5;
    /// The scope that it opens is the call of the probed function: it closes at that function's return, and is over when the stack says so.
    pub const SCOPE_IS_CALL: u32 = 1 << 6;
    /// Closes the scope of the record of this hit, after its stamp.
    pub const CLOSES_SCOPE: u32 = 1 << 7;
    /// A scope that closes without an output does not end the journey as filtered.
    pub const KEEPS_EMPTY: u32 = 1 << 8;
    /// The key is that of a new record, which branches off the record of the thread's innermost open scope.
    pub const BRANCHES: u32 = 1 << 9;
    /// Binds a further key: [`crate::ProbeMore::also`].
    pub const HAS_ALSO: u32 = 1 << 10;
    /// Puts the record into a batch: [`crate::ProbeMore::batch`].
    pub const HAS_BATCH: u32 = 1 << 11;
    /// The key is that of a batch: the stage is one of all its members.
    pub const KEY_IS_BATCH: u32 = 1 << 12;
    /// Reads attributes or the record's own time: [`crate::ProbeMore::attribute`].
    pub const HAS_ATTRIBUTES: u32 = 1 << 13;
    /// The stage hands the record on: a scope in which it was passed did not stay without output.
    pub const IS_OUTPUT: u32 = 1 << 14;
    /// A record that is not in flight may begin a (partial) trace here, when sampling is by key.
    pub const CAN_BEGIN: u32 = 1 << 15;
    /// The return of the call that is a scope is caught by the kernel's trampoline, which replaces the return address on the stack.
    pub const BY_TRAMPOLINE: u32 = 1 << 16;
    /// The batch with this key is over after this hit: its key may be another batch's next.
    pub const ENDS_BATCH: u32 = 1 << 17;
    /// Ends the records that [`ProbeSpec::CAN_BEGIN`] sites began or refused, or begins a branch with their key: one that was refused is over, and its key may be
    /// another record's next.
    pub const ENDS_REFUSED: u32 = 1 << 18;
    /// Of the sites of one edition at one place, the one whose program the kernel runs first.
    pub const LEADS: u32 = 1 << 19;
    /// What a plain site never has: such a hit goes the long way.
    pub const IS_SPECIAL: u32 = Self::KEY_IS_SCOPE
        | Self::OPENS_SCOPE
        | Self::CLOSES_SCOPE
        | Self::BRANCHES
        | Self::HAS_ALSO
        | Self::HAS_BATCH
        | Self::KEY_IS_BATCH
        | Self::HAS_ATTRIBUTES
        | Self::IS_OUTPUT
        | Self::CAN_BEGIN
        | Self::ENDS_REFUSED;
    /// Name space of keys that are threads: such a trace ends with its thread.
    pub const SPACE_THREAD: u32 = 1;
    /// Name space of all other keys, in a spec that names none.
    pub const SPACE_RECORD: u32 = 0;
    /// The first of the name spaces of a spec that names some.
    pub const SPACE_OWN: u32 = 2;
}

const _: () = assert!(size_of::<ProbeSpec>() == 24 + size_of::<KeyRecipe>() + size_of::<Value>());
