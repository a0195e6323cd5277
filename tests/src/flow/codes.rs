//! Stages of the journeys programs in their truth logs: `enum truth_stage` of common/harness.h and `enum flow_stage` of common/flow.h.

pub use crate::truth::{FILTERED, FREE, S0, SILENT, SPLIT, WRITTEN};

/// Into a queue.
pub const PUT: u32 = 2;
/// Out of a queue.
pub const TAKE: u32 = 3;
/// Into a transform.
pub const ENTER: u32 = 4;
/// The output of a transform.
pub const DONE: u32 = 5;
/// From row to node.
pub const NODE_PUT: u32 = 70;
/// The node out of its queue.
pub const NODE_TAKE: u32 = 71;
/// From node to buffer.
pub const BUFFER_FILL: u32 = 72;
/// The buffer is written.
pub const BUFFER_WRITTEN: u32 = 73;
/// A branch comes to be.
pub const FORK: u32 = 74;
/// Into a batch.
pub const BATCH_ADD: u32 = 75;
/// With its batch into another one.
pub const BATCH_MERGE: u32 = 76;
/// Its batch is closed.
pub const BATCH_SEAL: u32 = 77;
/// Its batch is written.
pub const BATCH_WRITTEN: u32 = 78;
/// To the error sink.
pub const ERROR: u32 = 79;
/// A return of the writing function that says that all is well.
pub const WRITE_OK: u32 = 80;
/// A return of the writing function that says what is wrong.
pub const WRITE_FAILED: u32 = 81;
/// A scope is opened by a stage.
pub const SCOPE_OPEN: u32 = 82;
/// A scope is closed by a stage.
pub const SCOPE_CLOSE: u32 = 83;
/// Into a transform within another.
pub const INNER: u32 = 84;
/// Into a recursive transform.
pub const RECURSE: u32 = 85;
/// Within a scope, no output.
pub const NOTE: u32 = 86;
/// Taken from another thread's deque.
pub const STEAL: u32 = 87;
/// Into the pipe.
pub const SEND: u32 = 88;
/// Out of the pipe.
pub const RECEIVE: u32 = 89;
