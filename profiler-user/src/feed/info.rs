//! What is known of a session apart from what it counts: names, sites, settings, words to the user.

use profiler_common::StageCode;

use crate::plan::Class;
use crate::spec::{Level, Sampling};
use crate::trace::{Attribute, Trace};

/// One moment on both clocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Clock {
    /// Monotonic clock, ns.
    pub mono_ns: u64,
    /// Nanoseconds since the Unix epoch.
    pub wall_ns: u64,
}

/// What a session is, known from its first moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionInfo {
    /// The version of the program that ran it.
    pub version: String,
    /// The agent's process id.
    pub agent: u32,
    /// The machine; empty where it is not known: in a recording of an older program.
    pub host: String,
    /// What the user knows the target by; for process ids, the program's name if one of them ran. Once attached, [`Attached::target`] may say it better.
    pub target: String,
    /// The stages, by their index in the spec.
    pub stages: Vec<StageInfo>,
    /// The hops in which a batch is filled, by the indices of their stages. Empty where the spec has no batches, or is not known.
    pub fills: Vec<(usize, usize)>,
    /// The names of the spec's own outcomes, by number.
    pub outcomes: Vec<String>,
    /// The sampling that was asked for.
    pub sampling: Sampling,
    /// Which stages are probed.
    pub level: Level,
    /// When it began.
    pub began: Clock,
}

impl SessionInfo {
    /// The name of an attribute of a trace; `None` for one that the spec does not have.
    #[must_use]
    pub fn attribute_name(&self, trace: &Trace, attribute: &Attribute) -> Option<&str> {
        let stage = trace.stamps.get(attribute.stamp)?.stage;
        self.stages.get(stage)?.attributes.get(attribute.index).map(String::as_str)
    }
}

/// One stage of the spec.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StageInfo {
    /// Its code.
    pub code: StageCode,
    /// The user's name for it.
    pub name: String,
    /// Whether it is probed at the session's level.
    pub probed: bool,
    /// The names of the attributes that are read there, by [`Attribute::index`](crate::trace::Attribute::index).
    pub attributes: Vec<String>,
}

/// Processes that were attached to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attached {
    /// What the user knows the target by, from now on.
    pub target: String,
    /// When, ns of the monotonic clock. The session's duration counts from the first.
    pub mono_ns: u64,
    /// The processes.
    pub pids: Vec<u32>,
    /// The sites that were not told of before, by probe id without a gap.
    pub sites: Vec<SiteInfo>,
}

/// One instruction that carries a probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SiteInfo {
    /// Probe id.
    pub probe: u32,
    /// Index of its stage in the spec.
    pub stage: usize,
    /// What the user knows it by: the function, and where in it.
    pub label: String,
    /// The name of its file.
    pub file: String,
    /// What the kernel does with its instruction.
    pub class: Class,
    /// Calibrated price of one hit, ns.
    pub ns_each: u64,
    /// It only saves arguments for a return: the other half of a hit that counts elsewhere.
    pub saves: bool,
}

/// What kind of thing the user is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NoticeKind {
    /// A process came, went or is waited for.
    Process,
    /// Something that the user should know and that stops nothing.
    Warning,
}

/// Something that the user is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// When.
    pub at: Clock,
    /// What kind of thing.
    pub kind: NoticeKind,
    /// In one sentence, without a full stop.
    pub text: String,
}
