//! The pipeline description: what to attach to, where the stages are, what identifies a record, how much to sample.
//!
//! Owns: the words of the spec file and of the flags that override it, their defaults and their mistakes.
//! Refuses: looking at the machine. A spec is resolved against a process by `target`, `symbol` and `plan`.
//!
//! The way of a spec: text and flags become two `raw` layers, each value with the place that it came from; `check`
//! turns each layer into typed values; [`load`] lays the flags over the file and the file over [`defaults`].

mod check;
pub mod code;
mod condition;
pub mod defaults;
mod error;
mod exports;
mod expr;
mod flags;
mod level;
mod lines;
mod load;
mod locus;
mod point;
mod raw;
mod reader;
mod text;

#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::time::Duration;

use profiler_common::ProbeSpec;
pub use profiler_common::config::SequenceMode;
pub use profiler_common::{Outcome, StageCode};

pub use condition::{Comparison, Condition, Relation};
pub use error::{FilePlace, ParseError, SpecError, SpecErrors};
pub use exports::MAX_EXPORTS;
pub use expr::{Expr, MAX_EXPR_BYTES};
pub use flags::Overrides;
pub use level::Level;
pub use load::load;
pub use point::{MAX_POINT_BYTES, Place, Point};

/// A commented spec file that explains every key: what `stain spec --sample` prints. Its sampling values are the defaults.
pub const SAMPLE: &str = include_str!("sample.toml");

/// Largest spec file, in bytes. The caller checks it before it reads the file; [`load`] checks it again.
pub const MAX_SPEC_BYTES: usize = 1 << 20;

/// Stages of one spec at most.
pub const MAX_STAGES: usize = 256;

/// Process ids of one spec at most.
pub const MAX_PIDS: usize = 1024;

/// A validated pipeline description, with every default filled in.
#[derive(Clone, Debug, PartialEq)]
pub struct Spec {
    /// What to attach to.
    pub target: Target,
    /// What to sample, and how much.
    pub sampling: Sampling,
    /// The stage points, in the order of the spec. Of those that are probed, at least one is an S0 and one ends a trace.
    pub stages: Vec<Stage>,
    /// Which stages are probed.
    pub level: Level,
    /// The names of the outcomes that this spec has besides the usual ones, by number.
    pub outcomes: Vec<String>,
    /// The name spaces of keys, by number less [`ProbeSpec::SPACE_OWN`](profiler_common::ProbeSpec::SPACE_OWN); none while all keys are in one.
    pub spaces: Vec<String>,
    /// Where traces go besides the report: URLs as `--export` takes them.
    pub exports: Vec<String>,
}

impl Spec {
    /// What the name space of a key is called.
    #[must_use]
    pub fn space_name(&self, space: u32) -> &str {
        match space {
            ProbeSpec::SPACE_RECORD => "record",
            ProbeSpec::SPACE_THREAD => "thread",
            own => self.spaces.get((own - ProbeSpec::SPACE_OWN) as usize).map_or("?", String::as_str),
        }
    }

    /// Whether a stage gets probes at this spec's level. One that does not has no site at all.
    #[must_use]
    pub fn is_probed(&self, stage: &Stage) -> bool {
        stage.level <= self.level
    }
}

/// The processes to attach to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// These process ids, and no others.
    Pids(Vec<u32>),
    /// All processes of this name (the kernel's short name, or the executable's file name), also later ones.
    Process(String),
    /// All processes that run this executable (an absolute path), also later ones.
    Exe(PathBuf),
    /// All processes of a container, also later ones.
    Container(Container),
}

/// Processes of one container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Container {
    /// The first digits of its id, hexadecimal, small letters.
    pub id: String,
    /// Only those of this name.
    pub process: Option<String>,
    /// Only those that run this executable, by its path in the container.
    pub exe: Option<PathBuf>,
}

impl Container {
    /// Whether every process of the container is meant, whatever it runs.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.process.is_none() && self.exe.is_none()
    }
}

impl std::fmt::Display for Container {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (&self.process, &self.exe) {
            (Some(process), _) => write!(f, "{process} ")?,
            (None, Some(exe)) => write!(f, "{} ", exe.display())?,
            (None, None) => {}
        }
        write!(f, "{}container {}", if self.is_whole() { "" } else { "in " }, self.id)
    }
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
    /// The name space of that key, as the kernel program compares it.
    pub space: u32,
    /// What identifies the task there; the thread when `None`.
    pub task: Option<Expr>,
    /// How it ends a trace; `None` when it does not.
    pub outcome: Option<Outcome>,
    /// Which of its hits count; all when `None`.
    pub when: Option<Condition>,
    /// From which level on it is probed.
    pub level: Level,
}
