//! Trace slots: where the stamps of a trace in flight lie. Shared memory of kernel program and agent.
//!
//! A slot belongs to the agent while free, and to the kernel program from admission until the agent has read
//! the finished trace. The agent hands a slot back only after an RCU grace period, so that a program that found
//! the slot before its trace ended can no longer be writing into it.

use crate::Key;

/// The number of a slot together with how often it has been used: names one trace, and is never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct Handle(pub u64);

impl Handle {
    pub(crate) const SLOT_BITS: u32 = 20;

    /// What stands in [`SlotHeader::life`] once the trace has ended.
    pub const ENDED: Self = Self(u64::MAX);

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

/// What stands in the table of keys in flight: the trace of the key, and which of the trace's keys it is. A word of its own for each
/// binding that there ever is, so that a compare-and-swap on an element that was freed and taken by another key fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(transparent)]
pub struct Binding(pub u64);

impl Binding {
    const INDEX_BITS: u32 = 4;
    const GENERATION_BITS: u32 = u64::BITS - Handle::SLOT_BITS - Self::INDEX_BITS;

    /// What stands there while the binding is being taken away.
    pub const ENDING: Self = Self(u64::MAX);

    /// The `index`-th binding of a trace.
    #[must_use]
    #[inline(always)]
    pub const fn new(handle: Handle, index: u32) -> Self {
        let index = index & ((1 << Self::INDEX_BITS) - 1);
        let low = index << Handle::SLOT_BITS | handle.slot();
        Self(handle.generation() << (Handle::SLOT_BITS + Self::INDEX_BITS) | low as u64)
    }

    /// The trace.
    #[must_use]
    #[inline(always)]
    pub const fn handle(self) -> Handle {
        let slot = self.0 as u32 & ((1 << Handle::SLOT_BITS) - 1);
        Handle::new(slot, self.0 >> (Handle::SLOT_BITS + Self::INDEX_BITS))
    }

    /// Which of the trace's keys it is: below [`crate::limits::MAX_KEYS`].
    #[must_use]
    #[inline(always)]
    pub const fn index(self) -> u32 {
        (self.0 >> Handle::SLOT_BITS) as u32 & ((1 << Self::INDEX_BITS) - 1)
    }
}

/// A key that a trace was given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct BoundKey {
    /// The key.
    pub key: Key,
    /// How many records of the key's owner had passed a source unseen when it was bound.
    pub unseen: u64,
    /// [`Handle`] of the trace while it has the key. Written last: with another handle the place holds nothing of the trace.
    pub handle: u64,
}

/// Uses of a slot that can be told apart: some 10^12.
pub const GENERATIONS: u64 = 1 << Binding::GENERATION_BITS;

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
    /// The same while the trace is in flight, [`Handle::ENDED`] after: whoever swaps it ends the trace.
    pub life: u64,
    /// See [`crate::trace_id()`].
    pub trace_id: u64,
    /// Number of the record in its source task's sequence.
    pub sequence: u64,
    /// Monotonic clock at S0, ns.
    pub start_ns: u64,
    /// Monotonic clock at the end of the trace, ns.
    pub end_ns: u64,
    /// Value of the record key that the trace began with.
    pub key: u64,
    /// Name space of the key.
    pub space: u32,
    /// The process where the trace began, by the agent's number for it.
    pub process: u32,
    /// Entries asked for, the terminal one not counted; those past `max_entries - 1` were not kept.
    pub entries: u32,
    /// Thread id where the trace began.
    pub tid: u32,
    /// Task id where the trace began.
    pub task_id: u64,
    /// How many records of the first key's owner had passed a source unseen when the trace began.
    pub unseen: u64,
    /// [`Handle`] of the journey that this one branched off; 0 for none.
    pub parent: u64,
    /// The path of ordinals from the record that was sampled to this one, a byte each, the last one lowest; 0 for that record.
    pub branch: u64,
    /// Entries that the parent had asked for when this one branched off, whether they were kept or not.
    pub shared: u32,
    /// Outputs that were to branch off this one, whether they did or not.
    pub children: u32,
    /// Outputs that did.
    pub branches: u32,
    /// Bindings given, whether they were kept or not.
    pub keys: u32,
    /// What still leads to the trace: bindings, open scopes, a batch that it is in. Without any it can be heard of no more.
    pub live_keys: u32,
    /// Extras that it has been given places for.
    pub extras: u32,
    /// Stamps of stages that hand the record on (T-, Q+, W!), and batches that it was put into.
    pub outputs: u32,
    /// Bits of [`SlotHeader::PARTIAL`].
    pub flags: u32,
    /// Value of the key of the batch that it was last put into.
    pub batch_key: u64,
    /// Serial number of that batch; 0 for none.
    pub batch_serial: u64,
    /// Keys that could not be bound.
    pub keys_dropped: u32,
    /// Extras whose memory could not be read.
    pub extras_unreadable: u32,
    /// Times that it could not be told of a batch that the record was put into it, or how big it was.
    pub batches_dropped: u32,
    /// Keys that the trace has whose owner is not the first one's: it has private keys and shared ones, or those of several processes.
    pub foreign_keys: u32,
    /// Scopes of the record that a stage opened, and that were left without a stage that closed them: what the record came to there is not known, so that no other
    /// scope says of it that it stayed empty.
    pub scope_unsure: u32,
    /// Attributes and record times asked for, whether they were kept or not.
    pub attributes: u32,
    /// Those of them that found no room.
    pub attributes_dropped: u32,
    /// What was to be noted of its batches, whether it was or not.
    pub notes: u32,
}

impl SlotHeader {
    /// In `flags`: the journey was not met at a source first.
    pub const PARTIAL: u32 = 1;
    /// In `flags`: the place of the terminal stamp holds one.
    pub const HAS_TERMINAL: u32 = 2;
    /// In `flags`: the size of the batch that it was last put into is among the extras.
    pub const SIZE_KNOWN: u32 = 4;
}

/// One stamp.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Entry {
    /// Monotonic clock at the hit, ns.
    pub ts_ns: u64,
    /// Task id: the thread id unless the spec gives an expression.
    pub task_id: u64,
    /// The site: below [`crate::limits::MAX_PROBES`].
    pub probe: u16,
    /// CPU number; 65,535 for all from there on.
    pub cpu: u16,
    /// Kernel thread id.
    pub tid: u32,
    /// The process, by the agent's number for it.
    pub process: u32,
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

const _: () = assert!(size_of::<BoundKey>() == 32);
const _: () = assert!(size_of::<SlotHeader>() == 192);
const _: () = assert!(size_of::<FreeCursors>() == 128);
const _: () = assert!(size_of::<CallKey>() == 24);
const _: () = assert!(size_of::<SavedArgs>() == 64);
const _: () = assert!(size_of::<Entry>() == 32);

#[cfg(test)]
mod tests {
    use super::{Binding, GENERATIONS, Handle};
    use crate::limits::MAX_KEYS;

    #[test]
    fn a_handle_keeps_both_its_parts() {
        let handle = Handle::new(0xF_FFFF, (1 << 44) - 2);
        assert_eq!((handle.slot(), handle.generation()), (0xF_FFFF, (1 << 44) - 2));
        assert_ne!(Handle::new(3, 1), Handle::new(3, 2));
        assert_ne!(handle, Handle::ENDED);
    }

    #[test]
    fn a_binding_keeps_all_its_parts() {
        for index in 0..MAX_KEYS {
            let handle = Handle::new(0xF_FFFE, GENERATIONS - 1);
            let binding = Binding::new(handle, index);
            assert_eq!((binding.handle(), binding.index()), (handle, index));
            assert_ne!(binding, Binding::ENDING);
        }
        assert_ne!(Binding::new(Handle::new(1, 1), 2), Binding::new(Handle::new(1, 1), 3));
    }
}
