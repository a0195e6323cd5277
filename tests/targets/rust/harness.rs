//! The C harness, common/harness.h.
#![allow(dead_code, reason = "each program uses its part")]
use std::ffi::{c_char, c_int, c_void};

pub const S0: u32 = 1;
pub const PUT: u32 = 2;
pub const TAKE: u32 = 3;
pub const ENTER: u32 = 4;
pub const DONE: u32 = 5;
pub const WRITTEN: u32 = 6;
pub const POP: u32 = 19;
pub const FREE: u32 = 64;
pub const SILENT: u32 = 65;

pub const DROP_AT_SOURCE: c_int = 1;
pub const DROP_AFTER_ENTER: c_int = 2;
pub const DROP_AFTER_DONE: c_int = 3;

#[repr(C)]
pub struct Options {
    pub records: u64,
    pub seconds: u64,
    pub sources: u64,
    pub workers: u64,
    pub queue: u64,
    pub drop_percent: u64,
    pub drop_silent: u64,
    pub reuse: u64,
    pub truth_sample: u64,
    pub rate_per_second: u64,
    pub work_ns: u64,
    pub wait_for_go: u64,
    pub linger: u64,
    pub exit_at: u64,
    pub crash_at: u64,
    pub fault_keys: u64,
    pub until_halt: u64,
    pub scenario: u64,
    pub pipe: *const c_char,
    pub script: *const c_char,
    pub turn: *const c_char,
    pub part: u64,
}

unsafe extern "C" {
    #[link_name = "options"]
    static OPTIONS: Options;
    pub fn harness_start(argc: c_int, argv: *const *const c_char);
    pub fn harness_unsupported(option: *const c_char);
    pub safe fn harness_source(source: u32);
    pub safe fn harness_ready();
    pub safe fn harness_await_go();
    pub safe fn harness_finish();
    pub safe fn harness_next(emitted: u64) -> c_int;
    pub safe fn harness_drop(source: u32, seq: u64) -> c_int;
    pub safe fn count_emitted(source: u32);
    pub safe fn count_dropped(source: u32);
    pub safe fn count_written(source: u32);
    pub safe fn busy(ns: u64);
    fn sink_write(bytes: *const c_void, len: u64);
    pub safe fn truth_before() -> u64;
    pub safe fn truth_call(stage: u32, source: u32, seq: u64, record: *const c_void, before_ns: u64);
    pub safe fn truth_begin(stage: u32, source: u32, seq: u64, record: *const c_void) -> *mut c_void;
    fn truth_end(row: *mut c_void);
}

/// The command line, which no longer changes once `harness_start` has returned.
pub fn options() -> &'static Options {
    // SAFETY: written only by `harness_start`, which returns before any other thread starts.
    unsafe { &OPTIONS }
}

/// Writes a payload to the sink's file.
pub fn write(payload: &[u8]) {
    // SAFETY: the pointer and length are those of a slice.
    unsafe { sink_write(payload.as_ptr().cast(), payload.len() as u64) }
}

/// One stage call between its two clock readings.
#[inline(always)]
pub fn call<R>(stage: u32, who: (u32, u64, *const c_void), stage_call: impl FnOnce() -> R) -> R {
    let row = truth_begin(stage, who.0, who.1, who.2);
    let result = stage_call();
    // SAFETY: the row of the matching `truth_begin`, on the same thread.
    unsafe { truth_end(row) };
    result
}
