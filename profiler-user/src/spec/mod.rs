//! The pipeline description: what to attach to, where the stages are, what identifies a record, how much to sample.
//!
//! Owns: the words of the spec file and of the flags that override it, their defaults and their mistakes.
//! Refuses: looking at the machine. A spec is resolved against a process by `target`, `symbol` and `plan`.
//!
//! The way of a spec: text and flags become two `raw` layers, each value with the place that it came from; `check`
//! turns each layer into typed values; [`load`] lays the flags over the file and the file over [`defaults`].

mod attr;
mod attribute;
mod check;
pub mod code;
mod condition;
pub mod defaults;
mod error;
mod event_time;
mod exports;
mod expr;
mod flags;
mod key;
mod level;
mod lines;
mod lists;
mod load;
mod locus;
mod point;
mod raw;
mod reader;
mod scope;
mod switch;
mod text;
mod words;

#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::time::Duration;

pub use profiler_common::config::SequenceMode;
use profiler_common::limits::MAX_EXTRAS;
use profiler_common::{Edition, ProbeSpec};
pub use profiler_common::{Outcome, StageCode};

pub use attribute::{AttributeSpec, Reading};
pub use condition::{Comparison, Condition, Relation};
pub use error::{FilePlace, ParseError, SpecError, SpecErrors};
pub use event_time::{EventTime, TimeUnit};
pub use exports::MAX_EXPORTS;
pub use expr::{Expr, MAX_EXPR_BYTES};
pub use flags::Overrides;
pub use key::{Binding, StageKey};
pub use level::Level;
pub use load::{check_all_levels, load};
pub use point::{MAX_POINT_BYTES, Place, Point};
pub use scope::{Empty, Scope, ScopeKind};
pub use switch::Lack;

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
    /// The stage points, in the order of the spec. Of those that are probed, at least one begins a trace and one ends it.
    pub stages: Vec<Stage>,
    /// Which stages are probed, apart from those that are off.
    pub level: Level,
    /// Which of the kernel program's two further sets of sites is awake while some stage is off: see [`Spec::edition`].
    pub turn: bool,
    /// The names of the outcomes that this spec has besides the usual ones, by number.
    pub outcomes: Vec<String>,
    /// The name spaces of keys, by number less [`ProbeSpec::SPACE_OWN`]; none while all keys are in one.
    pub spaces: Vec<Space>,
    /// Where traces go besides the report: URLs as `--export` takes them.
    pub exports: Vec<String>,
}

/// A name space of keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Space {
    /// The user's word for it, or the spelling of its keys.
    pub name: String,
    /// Whether its keys match across processes.
    pub shared: bool,
}

impl Spec {
    /// What the name space of a key is called.
    #[must_use]
    pub fn space_name(&self, space: u32) -> &str {
        match space {
            ProbeSpec::SPACE_RECORD => "record",
            ProbeSpec::SPACE_THREAD => "thread",
            own => self.own_space(own).map_or("?", |space| space.name.as_str()),
        }
    }

    /// Whether keys of a name space match across processes.
    #[must_use]
    pub fn is_shared(&self, space: u32) -> bool {
        self.own_space(space).is_some_and(|space| space.shared)
    }

    /// Whether keys of a name space are those of batches.
    #[must_use]
    pub fn holds_batches(&self, space: u32) -> bool {
        self.stages.iter().filter_map(|stage| stage.batch.as_ref()).any(|batch| batch.space == space)
    }

    /// The hops in which a batch is filled: from a stage that puts records into one to a stage whose key is that batch, by the stages' indices.
    #[must_use]
    pub fn fills(&self) -> Vec<(usize, usize)> {
        let puts = self.stages.iter().enumerate();
        puts.filter_map(|(from, stage)| Some((from, stage.batch.as_ref()?.space)))
            .flat_map(|(from, space)| {
                let of_batch = self.stages.iter().enumerate();
                of_batch
                    .filter(move |(_, stage)| stage.key.value().is_some() && stage.space == space)
                    .map(move |(to, _)| (from, to))
            })
            .collect()
    }

    /// Whether any stage, of whatever level, puts records into batches.
    #[must_use]
    pub fn has_batches(&self) -> bool {
        self.stages.iter().any(|stage| stage.batch.is_some())
    }

    /// What a trace may have beside its stamps: attributes and record times, and notes of the batches on its way. 0 where no stage, of whatever level, has any of it.
    #[must_use]
    pub fn max_extras(&self) -> u32 {
        extras(&self.stages, &self.sampling)
    }

    /// A probed scope that would take records for filtered ones, since a stage that knows better is not probed.
    fn unheard(&self) -> Option<(&Stage, &Stage)> {
        let part = |stage: &Stage| scope::Part {
            is_probed: self.is_probed(stage),
            scope: stage.scope,
            is_heard: match stage.outcome {
                Some(outcome) => outcome != Outcome::Filtered,
                None if stage.branch || stage.batch.is_some() => true,
                None => {
                    let of_batch = stage.key.value().is_some() && self.holds_batches(stage.space);
                    stage.is_output_by_code() && !of_batch
                }
            },
        };
        let parts: Vec<scope::Part> = self.stages.iter().map(part).collect();
        let (scope, silent) = scope::unheard(&parts)?;
        self.stages.get(scope).zip(self.stages.get(silent))
    }

    /// Whether any stage, of whatever level, opens a scope.
    #[must_use]
    pub fn has_scopes(&self) -> bool {
        self.stages.iter().filter_map(|stage| stage.scope).any(|scope| scope.kind.opens())
    }

    /// Whether a stage can begin a trace: an S0. Where the key decides and no S0 is probed, any stage whose key is in the space of the first one; but not one
    /// that ends traces: what comes there unknown has most likely ended before.
    #[must_use]
    pub fn begins(&self, stage: &Stage) -> bool {
        stage.code == StageCode::SOURCE
            || stage.outcome.is_none() && !stage.branch && self.is_among_first(stage)
    }

    /// Whether records that any stage may be the first to meet (see [`Spec::begins`]) are over at a stage, those that were refused too: where it ends them, and
    /// where it makes a branch, which is another record with their key.
    #[must_use]
    pub fn ends_unsourced(&self, stage: &Stage) -> bool {
        (stage.outcome.is_some() || stage.branch) && self.is_among_first(stage)
    }

    /// Whether the key decides, no S0 is probed, and a stage's key is in the space of the first one.
    fn is_among_first(&self, stage: &Stage) -> bool {
        let mut probed = self.stages.iter().filter(|one| self.is_probed(one));
        if self.sampling.mode == SamplingMode::Sequence
            || stage.key.value().is_none()
            || probed.clone().any(|one| one.code == StageCode::SOURCE)
        {
            return false;
        }
        probed.find(|one| one.key.value().is_some()).is_some_and(|first| first.space == stage.space)
    }

    /// Whether a batch whose key a stage has is over there: where its records end or go into another batch. Where no stage of its space does either, the last
    /// one of the spec: a batch that never ended would take in the records of the next one at its address.
    #[must_use]
    pub fn ends_batch(&self, stage: &Stage) -> bool {
        if !self.is_probed(stage) || !self.holds_batches(stage.space) {
            return false;
        }
        let ends = |stage: &Stage| stage.outcome.is_some() || stage.batch.is_some();
        let mut of_batch = self
            .stages
            .iter()
            .filter(|one| self.is_probed(one) && one.key.value().is_some() && one.space == stage.space);
        if of_batch.clone().any(ends) {
            return ends(stage);
        }
        of_batch.next_back().is_some_and(|last| std::ptr::eq(last, stage))
    }

    /// What the spec lacks at its level to have journeys at all, if anything.
    #[must_use]
    pub fn lack(&self) -> Option<Lack> {
        let any =
            |is: &dyn Fn(&Stage) -> bool| self.stages.iter().any(|stage| self.is_probed(stage) && is(stage));
        if !any(&|stage| self.begins(stage)) {
            return Some(if self.sampling.mode == SamplingMode::Sequence {
                Lack::Source
            } else {
                Lack::Beginning
            });
        }
        (!any(&|stage| stage.outcome.is_some())).then_some(Lack::End)
    }

    fn own_space(&self, space: u32) -> Option<&Space> {
        self.spaces.get(space.checked_sub(ProbeSpec::SPACE_OWN)? as usize)
    }

    /// The attributes of a stage that are read at this spec's level, with their index among all of the stage's.
    pub fn attributes<'a>(&self, stage: &'a Stage) -> impl Iterator<Item = (usize, &'a AttributeSpec)> {
        let level = self.level;
        stage.attributes.iter().enumerate().filter(move |(_, attribute)| attribute.level <= level)
    }

    /// Whether a stage gets probes at this spec's level. One that does not has no site at all.
    #[must_use]
    pub fn is_probed(&self, stage: &Stage) -> bool {
        stage.level <= self.level && !stage.off
    }

    /// How many sets of sites [`Spec::edition`] has.
    pub const EDITIONS: u32 = Level::ALL.len() as u32 + 2;

    /// The set of sites of the kernel program that is awake. Each level has one; two more are for stages that are off, in turns, so that a new set can always be
    /// made while the old one is awake.
    #[must_use]
    pub fn edition(&self) -> Edition {
        Edition(if self.has_off() {
            Level::ALL.len() as u32 + u32::from(self.turn)
        } else {
            self.level as u32
        })
    }

    /// Whether some stage is off.
    #[must_use]
    pub fn has_off(&self) -> bool {
        self.stages.iter().any(|stage| stage.off)
    }
}

const _: () = assert!(Spec::EDITIONS <= Edition::COUNT);

/// Times that a record may be put into a batch by one stage, for all of them to be noted.
const STAYS: u32 = 4;

/// See [`Spec::max_extras`].
fn extras(stages: &[Stage], sampling: &Sampling) -> u32 {
    let reads = |stage: &Stage| !stage.attributes.is_empty() || stage.event_time.is_some();
    let batches = stages.iter().filter(|stage| stage.batch.is_some()).count();
    if batches == 0 && !stages.iter().any(reads) {
        return 0;
    }
    // Two for each batch that a record is in: its place and the batch's size. A record may come to the same stage again.
    let notes = u32::try_from(batches).unwrap_or(MAX_EXTRAS).saturating_mul(2 * STAYS).min(MAX_EXTRAS);
    sampling.max_attributes_per_trace.saturating_add(notes)
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
    /// What decides which records are sampled.
    pub mode: SamplingMode,
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
    /// Keys of one trace over its life at most.
    pub max_keys_per_trace: u32,
    /// Branches that one journey may have.
    pub max_branches_per_trace: u32,
    /// Batches known at the same time at most.
    pub max_batches: u32,
    /// Sampled members of one batch at most.
    pub max_batch_members: u32,
    /// Attributes of one trace at most.
    pub max_attributes_per_trace: u32,
}

/// What decides which records are sampled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SamplingMode {
    /// Their number in their source's sequence.
    #[default]
    Sequence,
    /// Their key: a hash of it, which also gives the trace id. So whoever sees the record takes the same ones.
    Key,
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
    pub key: StageKey,
    /// The name space of that key, as the kernel program compares it. Of no meaning for [`StageKey::Scope`].
    pub space: u32,
    /// A further key of the record, from here on.
    pub also: Option<Binding>,
    /// What it does to the scopes of its thread.
    pub scope: Option<Scope>,
    /// Whether its key is that of a new branch of the record that is current on its thread.
    pub branch: bool,
    /// The batch that it puts the record into; or, where `key` is a batch's, that batch.
    pub batch: Option<Binding>,
    /// What identifies the task there; the thread when `None`.
    pub task: Option<Expr>,
    /// How it ends a trace; `None` when it does not.
    pub outcome: Option<Outcome>,
    /// Which of its hits count; all when `None`.
    pub when: Option<Condition>,
    /// What it reads of the record.
    pub attributes: Vec<AttributeSpec>,
    /// Where it finds the record's own timestamp.
    pub event_time: Option<EventTime>,
    /// The record must reach its next stage within this time.
    pub ttl: Option<Duration>,
    /// From which level on it is probed.
    pub level: Level,
    /// Switched off while the session runs: not probed at any level.
    pub off: bool,
}

impl Stage {
    /// What it is called.
    #[must_use]
    pub fn label(&self) -> String {
        crate::sink::stage_label(self.code, &self.name)
    }

    /// Whether a record that comes here, within a scope, has gone on, as far as the stage's code says so: the scope is not empty.
    #[must_use]
    pub const fn is_output_by_code(&self) -> bool {
        code::is_output(self.code)
    }
}
