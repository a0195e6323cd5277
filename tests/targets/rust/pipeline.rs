//! The pipeline of c/pipeline.c in Rust: boxed records, a generic queue, and generic stage functions that the compiler
//! turns into one function for each kind of transform. Compiled by the tests with rustc alone, in either mangling.

use std::collections::VecDeque;
use std::hint::black_box;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

mod harness;

#[repr(C)]
pub struct Head {
    magic: u64,
    uid: u64,
}

/// 128 bytes, laid out as C's.
#[repr(C)]
pub struct Record {
    link: u64,
    seq: u64,
    source: u64,
    uid: u64,
    head: *const Head,
    len: u32,
    hops: u32,
    own_head: Head,
    payload: [u8; 64],
}
const _: () = assert!(size_of::<Record>() == 128);

// SAFETY: `head` points into the record itself and is only ever followed by a debugger.
unsafe impl Send for Record {}

impl Record {
    fn who(&self) -> (u32, u64, *const std::ffi::c_void) {
        (self.source as u32, self.seq, std::ptr::from_ref(self).cast())
    }

    fn drop_place(&self) -> i32 {
        harness::harness_drop(self.source as u32, self.seq)
    }

    fn fill(&mut self, source: u32, seq: u64) {
        self.seq = seq;
        self.source = u64::from(source);
        self.uid = u64::from(source) << 40 | seq;
        self.own_head = Head { magic: 0x5EED_F00D, uid: self.uid };
        self.head = &raw const self.own_head;
        self.len = self.payload.len() as u32;
        self.payload.fill(b'a' + (seq % 26) as u8);
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

pub mod pool {
    //! Memory of records: handed back last in, first out, or to the allocator.
    use super::{Head, Mutex, Record, harness, locked};

    const EMPTY: Mutex<Vec<Box<Record>>> = Mutex::new(Vec::new());
    static POOLS: [Mutex<Vec<Box<Record>>>; 64] = [EMPTY; 64];

    fn of(source: u64) -> Option<&'static Mutex<Vec<Box<Record>>>> {
        match harness::options().reuse {
            0 => None,
            1 => POOLS.first(),
            _ => POOLS.get(source as usize),
        }
    }

    pub fn allocate(source: u32) -> Box<Record> {
        of(u64::from(source)).and_then(|pool| locked(pool).pop()).unwrap_or_else(|| {
            Box::new(Record {
                link: 0,
                seq: 0,
                source: 0,
                uid: 0,
                head: std::ptr::null(),
                len: 0,
                hops: 0,
                own_head: Head { magic: 0, uid: 0 },
                payload: [0; 64],
            })
        })
    }

    pub fn release(record: Box<Record>) {
        if let Some(pool) = of(record.source) {
            locked(pool).push(record);
        }
    }
}

/// Bounded; the last writer closes it.
pub struct Queue<T> {
    state: Mutex<(VecDeque<Box<T>>, bool)>,
    not_empty: Condvar,
    not_full: Condvar,
    puts: AtomicU64,
    takes: AtomicU64,
    capacity: usize,
}

impl<T> Queue<T> {
    fn new(capacity: usize) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new((VecDeque::new(), false)),
            not_empty: Condvar::new(),
            not_full: Condvar::new(),
            puts: AtomicU64::new(0),
            takes: AtomicU64::new(0),
            capacity,
        })
    }

    /// Q+
    #[inline(never)]
    pub fn put(&self, item: Box<T>) {
        stages::tally(&self.puts, 1);
        self.push(black_box(item));
    }

    /// Q-: books an item that came out.
    #[inline(never)]
    pub fn take(&self, item: &T) {
        stages::tally(&self.takes, 1);
        black_box(item);
    }

    /// The next item; `None` when the queue is empty and closed.
    #[inline(never)]
    pub fn pop(&self) -> Option<Box<T>> {
        black_box(self.next())
    }

    #[inline(always)]
    fn push(&self, item: Box<T>) {
        let full = |state: &mut (VecDeque<Box<T>>, bool)| state.0.len() >= self.capacity;
        let guard = locked(&self.state);
        let mut state = self.not_full.wait_while(guard, full).unwrap_or_else(PoisonError::into_inner);
        state.0.push_back(item);
        if state.0.len() == 1 {
            self.not_empty.notify_all();
        }
    }

    #[inline(always)]
    fn next(&self) -> Option<Box<T>> {
        let idle = |state: &mut (VecDeque<Box<T>>, bool)| state.0.is_empty() && !state.1;
        let guard = locked(&self.state);
        let mut state = self.not_empty.wait_while(guard, idle).unwrap_or_else(PoisonError::into_inner);
        let item = state.0.pop_front();
        if state.0.len() == self.capacity / 2 {
            self.not_full.notify_all();
        }
        item
    }

    fn close(&self) {
        locked(&self.state).1 = true;
        self.not_empty.notify_all();
    }
}

pub mod stages {
    //! The stage functions outside the queue.
    use super::{AtomicU64, Kind, Ordering, Record, Worker, black_box, pool};

    /// A call within each stage, as real ones have: so stage functions have frames.
    #[inline(never)]
    pub fn tally(counter: &AtomicU64, by: u64) {
        counter.fetch_add(by, Ordering::Relaxed);
    }

    /// S0
    #[inline(never)]
    pub fn emit(record: &mut Record, emitted: &AtomicU64) {
        tally(emitted, 1);
        record.hops = 1;
        black_box(record);
    }

    /// T+: one function for each kind.
    #[inline(never)]
    pub fn transform_enter<K: Kind>(worker: &Worker<K>, record: &Record) {
        tally(&worker.entered, K::WEIGHT);
        black_box(worker);
        black_box(record);
    }

    /// T-
    #[inline(never)]
    pub fn transform_done<K: Kind>(worker: &Worker<K>, record: &mut Record) {
        tally(&worker.done, K::WEIGHT);
        record.hops += 1;
        black_box(worker);
        black_box(record);
    }

    /// W!
    #[inline(never)]
    pub fn sink_done(written: &AtomicU64, record: &Record) {
        tally(written, 1);
        black_box(record);
    }

    /// The drop point. Records that were written go another way.
    #[inline(never)]
    pub fn record_free(record: Box<Record>) {
        pool::release(black_box(record));
    }
}

/// What a transform does to a byte.
pub trait Kind {
    const WEIGHT: u64;
    fn apply(byte: u8) -> u8;
}
pub struct Upper;
pub struct Rotate;

impl Kind for Upper {
    const WEIGHT: u64 = 1;
    fn apply(byte: u8) -> u8 {
        byte ^ 0x20
    }
}

impl Kind for Rotate {
    const WEIGHT: u64 = 3;
    fn apply(byte: u8) -> u8 {
        b'a' + byte.wrapping_sub(b'a').wrapping_add(13) % 26
    }
}

/// A worker thread's own state.
pub struct Worker<K> {
    entered: AtomicU64,
    done: AtomicU64,
    kind: PhantomData<K>,
}

impl<K: Kind> Worker<K> {
    fn run(input: &Queue<Record>, output: &Queue<Record>) {
        let worker = Self { entered: AtomicU64::new(0), done: AtomicU64::new(0), kind: PhantomData };
        loop {
            let before_ns = harness::truth_before();
            let Some(record) = input.pop() else { return };
            let (source, seq, address) = record.who();
            harness::truth_call(harness::POP, source, seq, address, before_ns);
            harness::call(harness::TAKE, record.who(), || input.take(&record));
            if let Some(record) = worker.apply(record) {
                output.push(record);
            }
        }
    }

    fn apply(&self, mut record: Box<Record>) -> Option<Box<Record>> {
        let place = record.drop_place();
        harness::call(harness::ENTER, record.who(), || stages::transform_enter(self, &record));
        for byte in &mut record.payload {
            *byte = K::apply(*byte);
        }
        harness::busy(harness::options().work_ns);
        if place == harness::DROP_AFTER_ENTER {
            drop_record(record);
            return None;
        }
        harness::call(harness::DONE, record.who(), || stages::transform_done(self, &mut record));
        if place == harness::DROP_AFTER_DONE {
            drop_record(record);
            return None;
        }
        Some(record)
    }
}

fn drop_record(record: Box<Record>) {
    let (source, seq, address) = record.who();
    harness::count_dropped(source);
    if harness::options().drop_silent == 0 {
        harness::call(harness::FREE, record.who(), || stages::record_free(record));
    } else {
        harness::truth_call(harness::SILENT, source, seq, address, harness::truth_before());
        pool::release(record);
    }
}

fn run_source(number: u32, output: &Queue<Record>) {
    harness::harness_source(number);
    harness::harness_await_go();
    let (mut seq, emitted) = (1, AtomicU64::new(0));
    while harness::harness_next(seq - 1) != 0 {
        let mut record = pool::allocate(number);
        record.fill(number, seq);
        harness::call(harness::S0, record.who(), || stages::emit(&mut record, &emitted));
        harness::count_emitted(number);
        if harness::harness_drop(number, seq) == harness::DROP_AT_SOURCE {
            drop_record(record);
        } else {
            harness::call(harness::PUT, record.who(), || output.put(record));
        }
        seq += 1;
    }
}

fn run_sink(input: &Queue<Record>) {
    let written = AtomicU64::new(0);
    while let Some(record) = input.next() {
        harness::write(&record.payload);
        harness::call(harness::WRITTEN, record.who(), || stages::sink_done(&written, &record));
        harness::count_written(record.source as u32);
        pool::release(record);
    }
}

fn start_harness() {
    let arguments: Vec<_> = std::env::args().filter_map(|a| std::ffi::CString::new(a).ok()).collect();
    let pointers: Vec<_> = arguments.iter().map(|a| a.as_ptr()).collect();
    // SAFETY: as many pointers to C strings as said, which the harness may keep: they are leaked.
    unsafe { harness::harness_start(pointers.len() as i32, pointers.as_ptr()) };
    std::mem::forget(arguments);
    if harness::options().fault_keys != 0 {
        // SAFETY: a C string.
        unsafe { harness::harness_unsupported(c"--fault-keys".as_ptr()) };
    }
}

fn main() {
    start_harness();
    let options = harness::options();
    let work = Queue::<Record>::new(options.queue as usize);
    let output = Queue::<Record>::new(options.queue as usize);
    std::thread::scope(|all| {
        let (work, output) = (&*work, &*output);
        all.spawn(|| run_sink(output));
        let workers: Vec<_> = (0..options.workers)
            .map(|i| match i % 2 {
                0 => all.spawn(|| Worker::<Upper>::run(work, output)),
                _ => all.spawn(|| Worker::<Rotate>::run(work, output)),
            })
            .collect();
        let sources: Vec<_> =
            (0..options.sources as u32).map(|i| all.spawn(move || run_source(i, work))).collect();
        harness::harness_ready();
        sources.into_iter().for_each(|thread| drop(thread.join()));
        work.close();
        workers.into_iter().for_each(|thread| drop(thread.join()));
        output.close();
    });
    harness::harness_finish();
}
