//! What the agent and the kernel program share: memory layouts, codes, limits, and the pure steps of
//! sampling that both sides must agree on.
//!
//! Owns: the ABI between `profiler-ebpf` and `profiler-user`. Refuses: anything that needs `std`, a map, a
//! helper or a clock. A shared layout holds no `bool`, `usize`, `Option`, enum with payload or implicit
//! padding; its size is asserted at compile time, so that the two sides cannot drift apart in silence.
#![no_std]

pub mod batch;
pub mod budget;
pub mod config;
pub mod counter;
pub mod edition;
pub mod limits;
pub mod more;
pub mod notice;
pub mod outcome;
pub mod predicate;
pub mod probe;
pub mod recipe;
pub mod scope;
pub mod slot;
pub mod stage;
pub mod trace_id;

pub use batch::Batch;
pub use config::{Config, Key, SequenceKey, SequenceMode};
pub use counter::{Counter, ProbeCount};
pub use edition::Edition;
pub use more::{AttributeRecipe, Extra, ExtraKind, ProbeMore};
pub use notice::{Notice, NoticeKind};
pub use outcome::{LostReason, Outcome};
pub use predicate::{Comparison, Predicate, Relation};
pub use probe::{ProbeSpec, Role};
pub use recipe::{Base, KeyRecipe, Step, Value};
pub use scope::{ScopeFrame, ScopeStack, ThreadKey};
pub use slot::{Binding, Entry, Handle, SlotHeader, SlotState};
pub use stage::StageCode;
pub use trace_id::trace_id;

/// Marks layouts as plain old data for aya's typed maps.
#[cfg(feature = "user")]
mod pod {
    use crate::slot::{CallKey, FreeCursors, SavedArgs};
    use crate::{
        Batch, Config, Entry, Extra, Key, Notice, Predicate, ProbeCount, ProbeMore, ProbeSpec, ScopeStack,
        SequenceKey, SlotHeader, ThreadKey,
    };

    macro_rules! pod {
        ($($layout:ty),* $(,)?) => {$(
            // SAFETY: `#[repr(C)]`, made of integers and arrays of them only, no padding (each layout's size is
            // asserted beside its definition), so that every bit pattern is a value.
            unsafe impl aya::Pod for $layout {}
        )*};
    }
    pod!(
        Batch,
        CallKey,
        Config,
        Entry,
        Extra,
        FreeCursors,
        Key,
        Notice,
        Predicate,
        ProbeCount,
        ProbeMore,
        ProbeSpec,
        SavedArgs,
        ScopeStack,
        SequenceKey,
        SlotHeader,
        ThreadKey,
    );
}
