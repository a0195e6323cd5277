//! The maps. Sizes here are the least that loads; the agent sets the real ones before it loads the object.

use aya_ebpf::macros::map;
use aya_ebpf::maps::{Array, HashMap, LruHashMap, PerCpuArray, RingBuf};
use profiler_common::limits::{
    MAX_CHANGING_THREADS, MAX_OPEN_CALLS, MAX_PROCESSES, MAX_SOURCE_TASKS, NOTICE_RING_BYTES, UNSEEN_COUNTS,
};
use profiler_common::slot::{BoundKey, CallKey, FreeCursors, SavedArgs};
use profiler_common::{
    Batch, Config, Counter, Entry, Extra, Key, Predicate, ProbeCount, ProbeMore, ProbeSpec, ScopeStack,
    SequenceKey, SlotHeader, ThreadKey,
};

/// The agent reads and writes these through its own memory map: no system call a trace.
const MMAPABLE: u32 = 1 << 10;

/// Settings. One element. The agent changes them one word at a time.
#[map]
pub static CONFIG: Array<Config> = Array::with_max_entries(1, MMAPABLE);

/// What each site does, by probe id.
#[map]
pub static PROBES: Array<ProbeSpec> = Array::with_max_entries(1, 0);

/// What must hold at a site for its hits to count, by probe id; one element where no site has a predicate.
#[map]
pub static PREDICATES: Array<Predicate> = Array::with_max_entries(1, 0);

/// What happened at each site, by probe id.
#[map]
pub static PROBE_COUNTS: PerCpuArray<ProbeCount> = PerCpuArray::with_max_entries(1, 0);

/// The ledger's kernel half, by [`Counter`].
#[map]
pub static COUNTERS: PerCpuArray<u64> = PerCpuArray::with_max_entries(Counter::COUNT, 0);

/// Targets: process id to the agent's number for the process.
#[map]
pub static PROCESSES: HashMap<u32, u32> = HashMap::with_max_entries(MAX_PROCESSES, 0);

/// Sampling sequences of the source tasks.
#[map]
pub static SEQUENCES: HashMap<SequenceKey, u64> = HashMap::with_max_entries(MAX_SOURCE_TASKS, 0);

/// What a site does beyond its probe spec, by probe id; one element where no site does.
#[map]
pub static MORE: Array<ProbeMore> = Array::with_max_entries(1, 0);

/// Keys of the records in flight, each with its binding.
#[map]
pub static IN_FLIGHT: HashMap<Key, u64> = HashMap::with_max_entries(1, 0);

/// The keys of each trace: `max_keys` a slot.
#[map]
pub static BINDINGS: Array<BoundKey> = Array::with_max_entries(1, 0);

/// The scopes of each thread that has had one.
#[map]
pub static SCOPES: HashMap<ThreadKey, ScopeStack> = HashMap::with_max_entries(1, 0);

/// What a thread's scopes are at first. One element, never written.
#[map]
pub static NO_SCOPES: Array<ScopeStack> = Array::with_max_entries(1, 0);

/// Batches that are being filled, by their key.
#[map]
pub static BATCHES: HashMap<Key, Batch> = HashMap::with_max_entries(1, 0);

/// What a batch is at first. One element, never written.
#[map]
pub static NEW_BATCH: Array<Batch> = Array::with_max_entries(1, 0);

/// Batches so far, and how many there were when the end of one was last lost.
#[map]
pub static SERIAL: Array<u64> = Array::with_max_entries(2, 0);

/// In [`SERIAL`]: how many batches there were when one came to a stage that ends batches and could not be told: any of them may be over since.
pub const LOST_AT: u32 = 1;

/// Records that passed a source without a readable key, by process (see [`crate::unseen`]).
#[map]
pub static UNSEEN: Array<u64> = Array::with_max_entries(UNSEEN_COUNTS, 0);

/// Number of traces in flight, and of scopes of journeys that are open. While the first is 0 no stage needs to look its key up, while the second is, no
/// return its scope.
#[map]
pub static OPEN: Array<u64> = Array::with_max_entries(2, 0);

/// In [`OPEN`]: the scopes.
pub const SCOPES_OPEN: u32 = 1;

/// The budget word of the present window (see [`profiler_common::budget`]). One element.
#[map]
pub static BUDGET: Array<u64> = Array::with_max_entries(1, 0);

/// Slot headers.
#[map]
pub static SLOTS: Array<SlotHeader> = Array::with_max_entries(1, MMAPABLE);

/// Entries: `max_entries` a slot.
#[map]
pub static ENTRIES: Array<Entry> = Array::with_max_entries(1, MMAPABLE);

/// Extras: `max_extras` a slot.
#[map]
pub static EXTRAS: Array<Extra> = Array::with_max_entries(1, MMAPABLE);

/// Ring of free slots, filled by the agent.
#[map]
pub static FREE: Array<u64> = Array::with_max_entries(1, MMAPABLE);

/// Where the ring of free slots begins and ends. One element.
#[map]
pub static FREE_CURSORS: Array<FreeCursors> = Array::with_max_entries(1, MMAPABLE);

/// Entry arguments of calls that are to be seen again at their return.
#[map]
pub static CALLS: LruHashMap<CallKey, SavedArgs> = LruHashMap::with_max_entries(MAX_OPEN_CALLS, 0);

/// The last hit of each thread that the new one of two sets of sites took, while they change (see [`crate::change`]).
#[map]
pub static TAKEN: HashMap<u32, u64> = HashMap::with_max_entries(MAX_CHANGING_THREADS, 0);

/// Records that were sampled by their key where no source is probed, and refused: when, on the monotonic clock, ns.
#[map]
pub static REFUSED: LruHashMap<Key, u64> = LruHashMap::with_max_entries(1, 0);

/// Notices to the agent.
#[map]
pub static NOTICES: RingBuf = RingBuf::with_byte_size(NOTICE_RING_BYTES, 0);
