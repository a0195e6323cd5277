//! Settings that the agent gives the kernel program, and the keys of its maps.

/// Whose records one sampling sequence counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum SequenceMode {
    /// Each source task of each process.
    Task = 0,
    /// Each process.
    Process = 1,
}

/// Settings of one attachment. Single entry of an array map; the agent may rewrite it while running.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Config {
    /// One record in so many is sampled: the rate-th, 2*rate-th, ... of each sequence. 0: none.
    pub rate: u64,
    /// Added to the monotonic clock, gives nanoseconds since the Unix epoch. For trace ids only.
    pub wall_offset_ns: u64,
    /// Added to the monotonic clock, gives the clock whose whole seconds are the budget's windows. Never changes while
    /// attached, so that a step of the wall clock can neither open a second window nor close the budget.
    pub window_phase_ns: u64,
    /// A [`SequenceMode`].
    pub sequence: u32,
    /// New traces in one window at most; 0: no bound.
    pub budget: u32,
    /// Entries of one trace at most, the terminal one included.
    pub max_entries: u32,
    /// Trace slots.
    pub slots: u32,
    /// 1 while no new trace is to be admitted.
    pub paused: u32,
    /// 1 while no hit is to have any effect: before all probes are set, and from the moment that they are taken off. Probes come and go one after the
    /// other; without this, a journey could be reported as whole with a stage missing, or as superseded though it was written.
    pub closed: u32,
    /// 1 when processes that are no targets yet may become some: then every replaced image is told.
    pub watch_new: u32,
    /// Always 0.
    pub reserved: u32,
}

/// A record key in flight.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(C)]
pub struct Key {
    /// The process, by the agent's number for it: never reused, unlike a pid.
    pub process: u32,
    /// Name space, so that keys of different kinds never match.
    pub space: u32,
    /// The key itself.
    pub value: u64,
}

/// A sampling sequence.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(C)]
pub struct SequenceKey {
    /// The process, by the agent's number for it.
    pub process: u32,
    /// 1 when `task` comes from the spec's expression rather than from the thread.
    pub named: u32,
    /// Task id, or 0 when the sequence is per process.
    pub task: u64,
}

const _: () = assert!(size_of::<Config>() == 56);
const _: () = assert!(size_of::<Key>() == 16);
const _: () = assert!(size_of::<SequenceKey>() == 16);
