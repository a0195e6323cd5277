//! One layer of settings, as the file or the flags give it: the right types, nothing checked yet.

use std::path::PathBuf;

use super::locus::{At, Locus};

/// What one layer says.
#[derive(Debug, Default)]
pub(super) struct Raw {
    /// The file itself, for what it lacks; `None` for the flags.
    pub(super) root: Option<Locus>,
    pub(super) target: RawTarget,
    pub(super) sampling: RawSampling,
    pub(super) spaces: Vec<RawSpace>,
    pub(super) stages: Vec<RawStage>,
    pub(super) exports: Vec<At<String>>,
    /// Stages are there, but not as a list of tables, or too many, which is already said.
    pub(super) stages_unreadable: bool,
}

/// What one layer says of the target.
#[derive(Debug, Default)]
pub(super) struct RawTarget {
    /// The table, where there is one.
    pub(super) table: Option<Locus>,
    /// Each way of naming the target that the layer uses, right or wrong; `container`, which may stand beside a name, only when it stands alone.
    pub(super) named: Vec<Locus>,
    pub(super) pids: Option<At<Vec<i128>>>,
    pub(super) process: Option<At<String>>,
    pub(super) exe: Option<At<PathBuf>>,
    pub(super) container: Option<At<String>>,
}

/// What one layer says of sampling.
#[derive(Debug, Default)]
pub(super) struct RawSampling {
    pub(super) mode: Option<At<String>>,
    pub(super) rate: Option<At<i128>>,
    pub(super) sequence: Option<At<String>>,
    pub(super) max_traces_per_second: Option<At<i128>>,
    pub(super) max_entries_per_trace: Option<At<i128>>,
    pub(super) trace_ttl: Option<At<String>>,
    pub(super) max_open_traces: Option<At<i128>>,
    pub(super) max_keys_per_trace: Option<At<i128>>,
    pub(super) max_branches_per_trace: Option<At<i128>>,
    pub(super) max_batches: Option<At<i128>>,
    pub(super) max_batch_members: Option<At<i128>>,
    pub(super) max_attributes_per_trace: Option<At<i128>>,
}

/// What one layer says of one name space.
#[derive(Debug)]
pub(super) struct RawSpace {
    pub(super) name: Option<At<String>>,
    pub(super) shared: Option<At<bool>>,
}

/// What one layer says of one stage. A field is `None` when it is missing or wrong, which is then already said.
#[derive(Debug, Default)]
pub(super) struct RawStage {
    pub(super) locus: Locus,
    pub(super) code: Option<At<String>>,
    pub(super) name: Option<At<String>>,
    pub(super) point: Option<At<String>>,
    pub(super) key: Option<At<String>>,
    pub(super) task: Option<At<String>>,
    pub(super) space: Option<At<String>>,
    pub(super) also: Option<At<String>>,
    pub(super) also_space: Option<At<String>>,
    pub(super) scope: Option<At<String>>,
    pub(super) empty: Option<At<String>>,
    pub(super) branch: Option<At<bool>>,
    pub(super) batch: Option<At<String>>,
    pub(super) batch_space: Option<At<String>>,
    pub(super) outcome: Option<At<String>>,
    pub(super) when: Option<At<String>>,
    pub(super) attributes: Vec<RawAttribute>,
    pub(super) event_time: Option<At<String>>,
    pub(super) event_time_unit: Option<At<String>>,
    pub(super) ttl: Option<At<String>>,
    pub(super) level: Option<At<String>>,
}

/// What one layer says of one attribute. A field is `None` when it is missing or wrong, which is then already said.
#[derive(Debug)]
pub(super) struct RawAttribute {
    /// Its name, at its place.
    pub(super) name: At<String>,
    pub(super) value: Option<At<String>>,
    /// Numbers with their words.
    pub(super) names: Vec<(At<String>, At<String>)>,
    pub(super) level: Option<At<String>>,
}
