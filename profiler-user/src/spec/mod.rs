//! The pipeline description: what to attach to, where the stages are, what identifies a record, how much to sample.
//!
//! Owns: the words of the spec file and of the flags that override it, their defaults and their mistakes.
//! Refuses: looking at the machine. A spec is resolved against a process by `target`, `symbol` and `plan`.

use std::path::PathBuf;
use std::time::Duration;

pub use profiler_common::StageCode;
pub use profiler_common::config::SequenceMode;

/// A validated pipeline description, with every default filled in.
#[derive(Clone, Debug, PartialEq)]
pub struct Spec {
    /// What to attach to.
    pub target: Target,
    /// What to sample, and how much.
    pub sampling: Sampling,
    /// The stage points, in the order of the spec. At least one S0 and one that ends a trace.
    pub stages: Vec<Stage>,
}

/// The processes to attach to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// These process ids, and no others.
    Pids(Vec<u32>),
    /// All processes of this name (the kernel's short name, or the executable's file name), also later ones.
    Process(String),
    /// All processes that run this executable, also later ones.
    Exe(PathBuf),
}

/// How records are sampled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sampling {
    /// One record in so many; 0: none.
    pub rate: u64,
    /// Whose records one sequence counts.
    pub sequence: SequenceMode,
    /// New traces a second at most; 0: no bound.
    pub max_traces_per_second: u32,
    /// Entries of one trace at most, the terminal one included.
    pub max_entries_per_trace: u32,
    /// A trace older than this is ended as expired.
    pub trace_ttl: Duration,
    /// Traces in flight at most.
    pub max_open_traces: u32,
}

/// One stage of the pipeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stage {
    /// What kind of stage it is.
    pub code: StageCode,
    /// The user's name for it.
    pub name: String,
    /// Where in the program it happens.
    pub point: Point,
    /// What identifies the record there.
    pub key: Expr,
    /// What identifies the task there; the thread when `None`.
    pub task: Option<Expr>,
}

/// A stage point: where in a program a stage happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Point {
    /// File name of the library (or executable) that holds it; any mapped file when `None`.
    pub library: Option<String>,
    /// The place in that file.
    pub place: Place,
    /// At the function's return instead of its entry.
    pub at_return: bool,
}

/// A place in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A function: mangled name, demangled path, or glob; and bytes past its first instruction.
    Function {
        /// What the name must match.
        pattern: String,
        /// Bytes past the function's start; 0 leaves the choice of the instruction to the plan.
        offset: u64,
    },
    /// An address as the file's own symbol table and disassembly give it.
    Address(u64),
}

/// An expression for a value of a stopped thread.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expr {
    /// The n-th integer argument of the function (0..=5), at its entry even in a `%return` point.
    Arg(u8),
    /// The return value.
    Ret,
    /// The kernel's thread id.
    Thread,
    /// A constant.
    Constant(u64),
    /// A value plus a constant offset in bytes.
    Add(Box<Expr>, i64),
    /// The memory at an address.
    Deref {
        /// Bytes to read: 1, 2, 4, 8.
        width: u8,
        /// Whether to sign-extend.
        signed: bool,
        /// The address.
        address: Box<Expr>,
    },
    /// A hash of bytes in memory.
    Bytes {
        /// Address of the first byte.
        pointer: Box<Expr>,
        /// Number of bytes; no more than [`profiler_common::limits::MAX_HASHED_BYTES`] are read.
        len: Box<Expr>,
    },
}
