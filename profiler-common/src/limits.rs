//! Bounds that both sides are compiled against. What a user may set lies within them.

/// Dereferences in one value expression: `*(u64*)(*(u64*)(arg1+8)+16)` has two.
pub const MAX_STEPS: usize = 8;

/// Comparisons in one predicate, once it is written as an `or` of `and`s.
pub const MAX_COMPARISONS: usize = 8;

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

/// Outcomes that a spec may name, besides those that every spec has.
pub const MAX_NAMED_OUTCOMES: usize = 16;

/// Longest name of an outcome, in bytes.
pub const MAX_OUTCOME_BYTES: usize = 32;

/// Largest `max_traces_per_second`: what the packed budget word can count.
pub const MAX_BUDGET: u32 = (1 << 24) - 1;

/// Tries of a compare-and-swap loop in the kernel program. Each failed try means that another CPU succeeded
/// in between, so the bound is only met with that many CPUs in the same few nanoseconds; what follows then is counted.
pub const CAS_TRIES: u32 = 64;

/// Source tasks whose sequence is kept at the same time (threads, unless the spec names another task id).
pub const MAX_SOURCE_TASKS: u32 = 65_536;

/// Places in which source threads count their records without a look-up. A power of two.
pub const SEQUENCE_PLACES: u32 = 256;

/// Processes traced at the same time.
pub const MAX_PROCESSES: u32 = 4096;

/// Calls open at the same time whose entry arguments are kept for their return, at least. The least recently used go first.
pub const MAX_OPEN_CALLS: u32 = 16_384;

/// Counts of records that passed a source unseen. A power of two; processes whose numbers differ by it share one, which can only make
/// traces end that need not.
pub const UNSEEN_COUNTS: u32 = 4096;

/// Classes of keys in which the kernel program counts those in flight. A power of two; few enough to stay in a processor's nearest cache, many
/// enough for the keys in flight at the default budget.
pub const KEY_MARKS: u32 = 4096;

/// Threads that pass a probe in the milliseconds in which sites are exchanged, at most. A hit of one more is the old sites'.
pub const MAX_CHANGING_THREADS: u32 = 8192;

/// Keys that one trace may be bound to over its life: what [`crate::Binding`] can number.
pub const MAX_KEYS: u32 = 8;

/// Scopes open at the same time on one thread.
pub const MAX_SCOPES: usize = 8;

/// Living threads that have had a scope of a sampled record, at most: each keeps its place until it ends.
pub const MAX_SCOPE_THREADS: u32 = 8192;

/// Largest ordinal of a branch: what a byte of its path can hold.
pub const MAX_BRANCHES: u32 = 255;

/// Splits on the way to one journey, at most: the bytes of its path.
pub const MAX_BRANCH_DEPTH: u32 = 8;

/// Sampled members of one batch, at most.
pub const MAX_MEMBERS: u32 = 64;

/// Batches known at the same time, at most.
pub const MAX_BATCHES: u32 = 65_536;

/// Attributes of one stage, at most. The record's own time is one more.
pub const MAX_ATTRIBUTES: usize = 8;

/// Bytes of a string attribute that are kept, at most.
pub const MAX_TEXT_BYTES: u32 = 64;

/// Attributes and record times of one trace, at most; and as many notes of batches.
pub const MAX_EXTRAS: u32 = 256;

/// Records that were sampled by their key where no source is probed, and refused: how many are remembered, so that each is counted once.
pub const MAX_REFUSED: u32 = 65_536;

/// Bytes of the notice ring. A notice that finds no room is found again in its slot: nothing is lost by it.
pub const NOTICE_RING_BYTES: u32 = 1 << 18;
