//! Trace slots: where the stamps of a trace in flight lie. Shared memory of kernel program and agent.
//!
//! A slot belongs to the agent while free, and to the kernel program from admission until the agent has read
//! the finished trace. The agent hands a slot back only after an RCU grace period, so that a program that found
//! the slot before its trace ended can no longer be writing into it.

/// The number of a slot together with how often it has been used: names one trace, and is never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct Handle(pub u64);

impl Handle {
    const SLOT_BITS: u32 = 20;

    /// What stands in the table of keys in flight while the trace of that key is being ended.
    pub const ENDING: Self = Self(u64::MAX);

    /// The handle of the slot's `generation`-th use.
    #[must_use]
    #[inline(always)]
    pub const fn new(slot: u32, generation: u64) -> Self {
        Self(generation << Self::SLOT_BITS | slot as u64 & ((1 << Self::SLOT_BITS) - 1))
    }

    /// The slot's index.
    #[must_use]
    #[inline(always)]
    pub const fn slot(self) -> u32 {
        (self.0 & ((1 << Self::SLOT_BITS) - 1)) as u32
    }

    /// How often the slot has been used.
    #[must_use]
    #[inline(always)]
    pub const fn generation(self) -> u64 {
        self.0 >> Self::SLOT_BITS
    }
}

/// Who a slot belongs to and what it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum SlotState {
    /// On the free list; the agent's.
    Free = 0,
    /// Taken from the free list, its header not written yet.
    Filling = 1,
    /// Holds a trace in flight.
    Open = 2,
    /// Holds an ended trace for the agent to read.
    Finished = 3,
    /// Taken for a record that was then refused: nothing to read, to be put back on the free list.
    Returned = 4,
}

impl SlotState {
    /// The state of a code read from shared memory.
    #[must_use]
    pub const fn from_code(code: u32) -> Option<Self> {
        match code {
            0 => Some(Self::Free),
            1 => Some(Self::Filling),
            2 => Some(Self::Open),
            3 => Some(Self::Finished),
            4 => Some(Self::Returned),
            _ => None,
        }
    }
}

/// What a slot knows of its trace, besides the entries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct SlotHeader {
    /// A [`SlotState`]. Written last by whoever hands the slot over.
    pub state: u32,
    /// An [`crate::Outcome`], once finished.
    pub outcome: u32,
    /// [`Handle`] of the present use.
    pub handle: u64,
    /// See [`crate::trace_id()`].
    pub trace_id: u64,
    /// Number of the record in its source task's sequence.
    pub sequence: u64,
    /// Monotonic clock at S0, ns.
    pub start_ns: u64,
    /// Monotonic clock at the end of the trace, ns.
    pub end_ns: u64,
    /// Value of the record key at S0.
    pub key: u64,
    /// Name space of the key.
    pub space: u32,
    /// The process, by the agent's number for it.
    pub process: u32,
    /// Entries asked for, the terminal one not counted; those past `max_entries - 1` were not kept.
    pub entries: u32,
    /// Thread id at S0.
    pub tid: u32,
    /// Task id at S0.
    pub task_id: u64,
    /// How many records of the process had passed a source unseen when the trace began.
    pub unseen: u64,
    /// Always 0: keeps neighbouring slots off each other's cache lines.
    pub reserved: [u64; 5],
}

/// One stamp.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Entry {
    /// Monotonic clock at the hit, ns.
    pub ts_ns: u64,
    /// Task id: the thread id unless the spec gives an expression.
    pub task_id: u64,
    /// The site.
    pub probe: u32,
    /// Kernel thread id.
    pub tid: u32,
    /// CPU number.
    pub cpu: u32,
    /// Low bits of the slot's generation, written last: an entry that bears another mark was never completed.
    pub mark: u32,
}

/// Where the ring of free slots begins and ends: `head..tail`, both counted up for ever. On cache lines of their own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct FreeCursors {
    /// Slots taken so far; moved by the kernel program.
    pub head: u64,
    /// Always 0.
    pub reserved: [u64; 7],
    /// Slots given so far; moved by the agent.
    pub tail: u64,
    /// Always 0.
    pub reserved_too: [u64; 7],
}

/// A call that is open: a function entered by a thread at a stack depth.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(C)]
pub struct CallKey {
    /// The process, by the agent's number for it.
    pub process: u32,
    /// Thread id.
    pub tid: u32,
    /// Stack pointer at the function's first instruction.
    pub stack_pointer: u64,
    /// See [`crate::ProbeSpec::call`].
    pub call: u32,
    /// Always 0.
    pub reserved: u32,
}

impl CallKey {
    /// What marks the arguments saved for this call.
    #[must_use]
    #[inline(always)]
    pub const fn tag(&self) -> u64 {
        self.stack_pointer
            ^ ((self.tid as u64) << 32 | self.call as u64)
            ^ (self.process as u64).rotate_left(48)
    }
}

/// The argument registers at the entry of a call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct SavedArgs {
    /// [`CallKey::tag`] of the call, before the arguments and after them: the table reuses its elements at any time.
    pub tag: u64,
    /// By the calling convention's order.
    pub argument: [u64; crate::limits::SAVED_ARGS],
    /// See `tag`.
    pub tag_too: u64,
}

const _: () = assert!(size_of::<SlotHeader>() == 128);
const _: () = assert!(size_of::<FreeCursors>() == 128);
const _: () = assert!(size_of::<CallKey>() == 24);
const _: () = assert!(size_of::<SavedArgs>() == 64);
const _: () = assert!(size_of::<Entry>() == 32);

#[cfg(test)]
mod tests {
    use super::Handle;

    #[test]
    fn a_handle_keeps_both_its_parts() {
        let handle = Handle::new(0xF_FFFF, (1 << 44) - 2);
        assert_eq!((handle.slot(), handle.generation()), (0xF_FFFF, (1 << 44) - 2));
        assert_ne!(Handle::new(3, 1), Handle::new(3, 2));
        assert_ne!(handle, Handle::ENDING);
    }
}
