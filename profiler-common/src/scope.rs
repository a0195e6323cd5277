//! Scopes: which record a thread works on. A stack for each thread, which that thread alone touches.

use crate::limits::MAX_SCOPES;

/// One scope that is open on a thread.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct ScopeFrame {
    /// [`crate::Handle`] of the journey; 0 for a record that is not traced.
    pub handle: u64,
    /// Stack pointer at the entry of the function where it was opened.
    pub stack_pointer: u64,
    /// What lay there: the function's return address. As long as the call is open it does so still, or the kernel's trampoline does.
    pub return_address: u64,
    /// [`crate::SlotHeader::outputs`] of the journey when it was opened.
    pub outputs: u32,
    /// [`crate::SlotHeader::children`] of the journey when it was opened.
    pub children: u32,
    /// See [`crate::ProbeSpec::call`]; 0 for a scope that another stage closes.
    pub call: u32,
    /// Bits of [`ScopeFrame::KEEPS_EMPTY`].
    pub flags: u32,
}

impl ScopeFrame {
    /// See [`crate::ProbeSpec::KEEPS_EMPTY`].
    pub const KEEPS_EMPTY: u32 = 1;
    /// The call went over into another function, by a jump.
    pub const TAIL: u32 = 2;
    /// See [`crate::ProbeSpec::BY_TRAMPOLINE`].
    pub const BY_TRAMPOLINE: u32 = 4;
    /// A scope of which it is not known whether it is open still: it says nothing of its record, and while it is the innermost one no record is current, lest
    /// one around it be taken for it.
    pub const HIDDEN: u32 = 8;
}

/// The scopes of one thread, the outermost first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct ScopeStack {
    /// How many are open.
    pub depth: u32,
    /// How many, from the outermost on, are not known to have stayed empty: something was passed within them that could not be told.
    pub doubted: u32,
    /// Stack pointer of a scope that found no room; 0 for none. While the stack is that deep, no scope of the thread is certain; where the stack does not say
    /// how long that scope lasts ([`ScopeStack::FOR_LONG`]), while there is no room for one more.
    pub overflow: u64,
    /// The scopes.
    pub frame: [ScopeFrame; MAX_SCOPES],
}

impl ScopeStack {
    /// In `overflow`: a scope that another stage closes found no room.
    pub const FOR_LONG: u64 = u64::MAX;
}

/// A thread of a target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(C)]
pub struct ThreadKey {
    /// The process, by the agent's number for it.
    pub process: u32,
    /// Thread id.
    pub tid: u32,
}

const _: () = assert!(size_of::<ScopeFrame>() == 40);
const _: () = assert!(size_of::<ScopeStack>() == 16 + 40 * MAX_SCOPES);
const _: () = assert!(size_of::<ThreadKey>() == 8);
