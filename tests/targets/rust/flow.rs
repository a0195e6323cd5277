//! The C side of the journeys programs, common/flow.h.
#![allow(dead_code, reason = "a mirror of a C header is whole, whatever is used of it")]

use std::ffi::{c_char, c_int, c_void};
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;

pub const S0: u32 = 1;
pub const PUT: u32 = 2;
pub const TAKE: u32 = 3;
pub const ENTER: u32 = 4;
pub const DONE: u32 = 5;
pub const WRITTEN: u32 = 6;
pub const FREE: u32 = 64;
pub const SILENT: u32 = 65;
pub const FILTERED: u32 = 66;
pub const SPLIT_UP: u32 = 67;
pub const NODE_PUT: u32 = 70;
pub const NODE_TAKE: u32 = 71;
pub const BUFFER_FILL: u32 = 72;
pub const BUFFER_WRITTEN: u32 = 73;
pub const FORK: u32 = 74;
pub const BATCH_SEAL: u32 = 77;
pub const BATCH_WRITTEN: u32 = 78;
pub const ERROR: u32 = 79;
pub const WRITE_OK: u32 = 80;
pub const WRITE_FAILED: u32 = 81;
pub const SCOPE_OPEN: u32 = 82;
pub const SCOPE_CLOSE: u32 = 83;
pub const INNER: u32 = 84;
pub const RECURSE: u32 = 85;
pub const NOTE: u32 = 86;
pub const STEAL: u32 = 87;
pub const SENT: u32 = 88;
pub const RECEIVED: u32 = 89;

/// Scenarios of which a body asks.
pub const HANDOVER: u64 = 0;
pub const SEND: u64 = 7;

pub const BATCH_LIMIT: u64 = 64;
pub const BATCH_ROWS: usize = 256;

#[repr(C)]
pub struct Row {
    pub link: usize,
    pub seq: u64,
    pub source: u64,
    pub uid: u64,
    pub path: u64,
    pub event_ms: i64,
    pub event_ns: i64,
    pub status: i32,
    pub table_len: u32,
    pub table: *const c_char,
    pub own_table: [u8; 72],
    pub children: u32,
    pub step: u32,
    pub hops: u64,
}
const _: () = assert!(size_of::<Row>() == 160);

impl Row {
    pub fn from(&self) -> u32 {
        self.source as u32
    }
}

#[repr(C)]
pub struct Node {
    pub row: Row,
    pub hops: u64,
}

#[repr(C)]
pub struct Buffer {
    pub row: Row,
    pub bytes: u64,
}

#[repr(C)]
pub struct Batch {
    link: usize,
    pub id: u64,
    pub size: u64,
    pub limit: u64,
    pub sealed: u64,
    pub rows: [Row; BATCH_ROWS],
}

#[repr(C)]
pub struct Seat {
    pub number: u32,
    pub depth: u32,
    pub input: *mut c_void,
    pub output: *mut c_void,
    pub calls: u64,
    jump: *mut c_void,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct Split {
    pub children: u32,
    pub goes_on: u32,
}

pub const PASS: c_int = 0;
pub const CLOSE: c_int = 1;
pub const FREED: c_int = 2;

pub const FAULT_NOT: c_int = 0;
pub const FAULT_ROUTED: c_int = 1;
pub const FAULT_RETURNED: c_int = 2;

pub mod nest {
    pub const INNER: i32 = 0;
    pub const OWN: i32 = 1;
    pub const SILENT: i32 = 2;
    pub const RECURSE: i32 = 3;
    pub const RECURSE_SILENT: i32 = 4;
    pub const OTHER: i32 = 5;
    pub const LEFT_HERE: i32 = 6;
    pub const LEFT_ERROR: i32 = 7;
    pub const LEFT_RETRY: i32 = 8;
    pub const LEFT_VANISH: i32 = 9;
}

pub type Body = extern "C" fn(&mut Seat);

#[repr(C)]
pub struct Bodies {
    pub source: Body,
    pub sink: Body,
    pub carrier: Body,
    pub buffer_sink: Body,
    pub filter: Body,
    pub split: Body,
    pub batcher: Body,
    pub writer: Body,
    pub fallible: Body,
    pub nested: Body,
    pub thief: Body,
    pub receiver: Body,
}

unsafe extern "C" {
    fn block_take() -> *mut c_void;
    fn block_give(block: *mut c_void);
    fn batch_take() -> *mut Batch;
    fn batch_give(batch: *mut Batch);
    fn flow_row(source: u32, seq: u64) -> *mut Row;
    fn flow_child(parent: &mut Row) -> *mut Row;
    pub safe fn flow_copy(to: &mut Row, from: &Row);
    pub safe fn flow_filter(row: &Row) -> c_int;
    pub safe fn flow_by_hand(row: &Row) -> c_int;
    pub safe fn flow_vanishes(row: &Row) -> c_int;
    pub safe fn flow_split(row: &Row) -> Split;
    pub safe fn flow_batch_children(row: &Row) -> u32;
    pub safe fn flow_fault(row: &Row) -> c_int;
    pub safe fn flow_nest(row: &Row) -> c_int;
    pub safe fn flow_depth(row: &Row) -> u32;
    pub safe fn flow_merges(batch: &Batch) -> c_int;
    fn flow_begin(stage: u32, row: &Row, object: *const c_void) -> *mut c_void;
    fn flow_enter(stage: u32, row: &Row, object: *const c_void);
    pub safe fn flow_entered();
    fn flow_add(row: &Row, batch: &Batch) -> *mut c_void;
    pub safe fn flow_members(stage: u32, batch: &Batch, before_ns: u64);
    pub safe fn flow_merged(big: &Batch, small: &Batch, before: u64, before_ns: u64);
    pub safe fn flow_fact(stage: u32, row: &Row);
    fn queue_put(queue: *mut c_void, item: *mut c_void);
    fn queue_get(queue: *mut c_void) -> *mut c_void;
    fn queue_try(queue: *mut c_void) -> *mut c_void;
    fn flow_main(argc: c_int, argv: *const *const c_char, bodies: &Bodies);
    fn batcher_lock() -> *mut Batch;
    fn batcher_unlock() -> *mut Batch;
    pub safe fn batcher_timer(seat: &mut Seat);
    fn deque_push(owner: u32, row: *mut Row);
    pub safe fn deque_wants(owner: u32) -> c_int;
    fn deque_next(owner: u32, whose: &mut u32) -> *mut Row;
    pub safe fn deque_busy() -> c_int;
    pub safe fn deque_begin();
    pub safe fn deque_done();
    pub safe fn deque_source_done();
    pub safe fn pipe_send(row: &Row);
    fn pipe_receive(row: *mut Row) -> c_int;
    fn truth_end(entry: *mut c_void);
}

/// One object that the harness has handed out: this program's alone until it gives it back, or away.
#[repr(transparent)]
pub struct Held<T>(NonNull<T>);

impl<T> Held<T> {
    fn of(pointer: *mut T) -> Option<Self> {
        NonNull::new(pointer).map(Self)
    }

    /// The same object once more. The caller uses one of the two at a time.
    pub fn again(&mut self) -> Self {
        Self(self.0)
    }

    pub fn address(&self) -> *const c_void {
        self.0.as_ptr().cast()
    }

    /// From a queue, when there is no more coming, none.
    pub fn get(queue: *mut c_void) -> Option<Self> {
        // SAFETY: the queues of a seat carry what the role before put there, which is of this type, and hand each out once.
        Self::of(unsafe { queue_get(queue) }.cast())
    }

    /// From a queue, if something is there.
    pub fn get_now(queue: *mut c_void) -> Option<Self> {
        // SAFETY: as above.
        Self::of(unsafe { queue_try(queue) }.cast())
    }

    pub fn put(self, queue: *mut c_void) {
        // SAFETY: ours, and given away by this.
        unsafe { queue_put(queue, self.0.as_ptr().cast()) }
    }
}

impl<T> Deref for Held<T> {
    type Target = T;
    fn deref(&self) -> &T {
        // SAFETY: ours alone, and of this type.
        unsafe { self.0.as_ref() }
    }
}

impl<T> DerefMut for Held<T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as above.
        unsafe { self.0.as_mut() }
    }
}

/// What fits into a block, and may have any content.
pub trait Block: Sized {
    fn take() -> Held<Self> {
        // SAFETY: a block is large enough for each of these types, all of which are plain numbers; it never is null.
        Held(unsafe { NonNull::new_unchecked(block_take().cast()) })
    }

    fn give(block: Held<Self>) {
        // SAFETY: a block, ours, and given away by this.
        unsafe { block_give(block.0.as_ptr().cast()) }
    }
}

impl Block for Row {}
impl Block for Node {}
impl Block for Buffer {}

impl Held<Row> {
    pub fn new(source: u32, seq: u64) -> Self {
        // SAFETY: a row of ours; never null.
        Self(unsafe { NonNull::new_unchecked(flow_row(source, seq)) })
    }

    pub fn child(parent: &mut Row) -> Self {
        // SAFETY: as above.
        Self(unsafe { NonNull::new_unchecked(flow_child(parent)) })
    }

    pub fn push(self, owner: u32) {
        // SAFETY: ours, and given away by this.
        unsafe { deque_push(owner, self.0.as_ptr()) }
    }

    pub fn next_task(owner: u32, whose: &mut u32) -> Option<Self> {
        // SAFETY: what somebody has pushed, and handed out once.
        Self::of(unsafe { deque_next(owner, whose) })
    }

    pub fn receive() -> Option<Self> {
        let row = Row::take();
        // SAFETY: room for a row, which is written whole.
        (unsafe { pipe_receive(row.0.as_ptr()) } != 0).then_some(row)
    }
}

impl Held<Batch> {
    pub fn new() -> Self {
        // SAFETY: a batch of ours; never null.
        Self(unsafe { NonNull::new_unchecked(batch_take()) })
    }

    pub fn give(self) {
        // SAFETY: ours, and given away by this.
        unsafe { batch_give(self.0.as_ptr()) }
    }

    /// Does something to the batch that rows are added to; that batch, if it is full now.
    pub fn current(add: impl FnOnce(&mut Batch)) -> Option<Self> {
        // SAFETY: between lock and unlock the batch is this thread's; never null.
        add(unsafe { &mut *batcher_lock() });
        // SAFETY: handed out to one thread only.
        Self::of(unsafe { batcher_unlock() })
    }
}

/// A row of the truth log, open until `end`.
pub struct Entry(*mut c_void);

pub fn begin(stage: u32, row: &Row, object: *const c_void) -> Entry {
    // SAFETY: the object is an address to be logged, not followed.
    Entry(unsafe { flow_begin(stage, row, object) })
}

pub fn begin_add(row: &Row, batch: &Batch) -> Entry {
    // SAFETY: no more than two references.
    Entry(unsafe { flow_add(row, batch) })
}

impl Entry {
    pub fn end(self) {
        // SAFETY: of the matching beginning, on the same thread.
        unsafe { truth_end(self.0) }
    }
}

pub fn enter(stage: u32, row: &Row) {
    // SAFETY: as in `begin`.
    unsafe { flow_enter(stage, row, std::ptr::from_ref(row).cast()) }
}

pub fn run(bodies: &'static Bodies) {
    let arguments: Vec<_> = std::env::args().filter_map(|a| std::ffi::CString::new(a).ok()).collect();
    let pointers: Vec<_> = arguments.iter().map(|a| a.as_ptr()).collect();
    // SAFETY: as many pointers to C strings as said, which the harness may keep: they outlive it.
    unsafe { flow_main(pointers.len() as c_int, pointers.as_ptr(), bodies) };
}
