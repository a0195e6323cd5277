//! Bounds that both sides are compiled against. What a user may set lies within them.

/// Dereferences in one value expression: `*(u64*)(*(u64*)(arg1+8)+16)` has two.
pub const MAX_STEPS: usize = 8;

/// Bytes that `bytes(ptr, len)` hashes at most. Longer records are keyed by this prefix.
pub const MAX_HASHED_BYTES: u32 = 64;

/// Argument registers that an entry site saves for its `%return` site.
pub const SAVED_ARGS: usize = 6;

/// Smallest `max_entries_per_trace`: the first stamp and the terminal one.
pub const MIN_ENTRIES: u32 = 2;

/// Largest `max_entries_per_trace`: what a stain-trace collector accepts in one payload.
pub const MAX_ENTRIES: u32 = 2048;

/// Largest number of traces in flight: what [`crate::Handle`] can number.
pub const MAX_SLOTS: u32 = 1 << 20;

/// Sites of one attachment.
pub const MAX_PROBES: u32 = 4096;

/// Largest `max_traces_per_second`: what the packed budget word can count.
pub const MAX_BUDGET: u32 = (1 << 24) - 1;

/// Tries of a compare-and-swap loop in the kernel program. Each failed try means that another CPU succeeded
/// in between, so the bound is only met with that many CPUs in the same few nanoseconds; what follows then is counted.
pub const CAS_TRIES: u32 = 64;

/// Source tasks whose sequence is kept at the same time (threads, unless the spec names another task id).
pub const MAX_SOURCE_TASKS: u32 = 65_536;

/// Processes traced at the same time.
pub const MAX_PROCESSES: u32 = 4096;

/// Calls open at the same time whose entry arguments are kept for their return, at least. The least recently used go first.
pub const MAX_OPEN_CALLS: u32 = 16_384;

/// Counts of records that passed a source unseen. A power of two; processes whose numbers differ by it share one, which can only make
/// traces end that need not.
pub const UNSEEN_COUNTS: u32 = 4096;

/// Bytes of the notice ring. A notice that finds no room is found again in its slot: nothing is lost by it.
pub const NOTICE_RING_BYTES: u32 = 1 << 18;
