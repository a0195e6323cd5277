//! What the agent and the kernel program share: memory layouts, codes, limits, and the pure steps of
//! sampling that both sides must agree on.
//!
//! Owns: the ABI between `profiler-ebpf` and `profiler-user`. Refuses: anything that needs `std`, a map, a
//! helper or a clock. A shared layout holds no `bool`, `usize`, `Option`, enum with payload or implicit
//! padding; its size is asserted at compile time, so that the two sides cannot drift apart in silence.
#![no_std]

pub mod budget;
pub mod config;
pub mod counter;
pub mod limits;
pub mod notice;
pub mod outcome;
pub mod predicate;
pub mod probe;
pub mod recipe;
pub mod slot;
pub mod stage;
pub mod trace_id;

pub use config::{Config, Key, SequenceKey, SequenceMode};
pub use counter::{Counter, ProbeCount};
pub use notice::{Notice, NoticeKind};
pub use outcome::{LostReason, Outcome};
pub use predicate::{Comparison, Predicate, Relation};
pub use probe::{ProbeSpec, Role};
pub use recipe::{Base, KeyRecipe, Step, Value};
pub use slot::{Entry, Handle, SlotHeader, SlotState};
pub use stage::StageCode;
pub use trace_id::trace_id;

/// Marks layouts as plain old data for aya's typed maps.
#[cfg(feature = "user")]
mod pod {
    use crate::slot::{CallKey, FreeCursors, SavedArgs};
    use crate::{Config, Entry, Key, Notice, Predicate, ProbeCount, ProbeSpec, SequenceKey, SlotHeader};

    macro_rules! pod {
        ($($layout:ty),* $(,)?) => {$(
            // SAFETY: `#[repr(C)]`, made of integers and arrays of them only, no padding (each layout's size is
            // asserted beside its definition), so that every bit pattern is a value.
            unsafe impl aya::Pod for $layout {}
        )*};
    }
    pod!(
        CallKey,
        Config,
        Entry,
        FreeCursors,
        Key,
        Notice,
        Predicate,
        ProbeCount,
        ProbeSpec,
        SavedArgs,
        SequenceKey,
        SlotHeader,
    );
}
