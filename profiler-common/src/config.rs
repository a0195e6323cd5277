//! Settings that the agent gives the kernel program, and the keys of its maps.

use crate::edition::Edition;

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
    /// How long a trace may last, ns: what is known of a record by its key alone is no longer believed after that.
    pub ttl_ns: u64,
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
    /// 1 when the hash of a record's key decides whether it is sampled, and gives the trace id.
    pub by_key: u32,
    /// Keys of one trace at most, over its life: 1 to [`crate::limits::MAX_KEYS`].
    pub max_keys: u32,
    /// Branches of one journey at most, up to [`crate::limits::MAX_BRANCHES`].
    pub max_branches: u32,
    /// Extras of one trace at most: attributes, record times, and what is noted of batches.
    pub max_extras: u32,
    /// Attributes and record times of one trace at most: the rest of `max_extras` is for notes of batches.
    pub max_attributes: u32,
    /// Sampled members of one batch at most, up to [`crate::limits::MAX_MEMBERS`].
    pub max_members: u32,
    /// Which sites are awake. One word, so that all sites of a set wake and fall asleep at once: no journey is stamped by a part of them.
    pub edition: Edition,
    /// Always 0, which the verifier does not know: a number that is combined with it is any number to it, so that it looks once at what it would look at for each
    /// value of a loop's counter.
    pub zero: u32,
    /// Inode of the pid namespace that the agent is in, by which processes and threads are numbered; 0: the initial one, as the kernel itself numbers.
    pub pid_ns_inode: u32,
    /// Device of that inode, as the kernel writes it.
    pub pid_ns_device: u32,
    /// Always 0.
    pub reserved: u32,
}

/// A record key in flight.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(C)]
pub struct Key {
    /// The process, by the agent's number for it: never reused, unlike a pid. [`Key::EVERY_PROCESS`] in a space that is shared.
    pub process: u32,
    /// Name space, so that keys of different kinds never match.
    pub space: u32,
    /// The key itself.
    pub value: u64,
}

impl Key {
    /// In a name space with this bit keys match across processes.
    pub const SHARED: u32 = 1 << 31;
    /// The process of the keys of such a space.
    pub const EVERY_PROCESS: u32 = u32::MAX;

    /// A key of a process in a name space.
    #[must_use]
    #[inline(always)]
    pub const fn new(process: u32, space: u32, value: u64) -> Self {
        let process = if space & Self::SHARED == 0 { process } else { Self::EVERY_PROCESS };
        Self { process, space, value }
    }
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

const _: () = assert!(size_of::<Config>() == 104);
const _: () = assert!(size_of::<Key>() == 16);
const _: () = assert!(size_of::<SequenceKey>() == 16);
