//! Spec files for the target pipelines.
//!
//! Owns: what each flavour calls its stage functions, and which argument the record is. Refuses: the meaning of a spec.

use crate::targets::Flavour;

/// A stage of a spec.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stage {
    /// `S0`, `Q+`, ...
    pub code: &'static str,
    /// The function.
    pub point: &'static str,
    /// The argument that points to the record; `ret` puts the point at the function's return.
    pub record: &'static str,
    /// More lines of its table, each with its newline.
    pub more: &'static str,
}

/// A stage that says no more than it must.
#[must_use]
pub const fn stage(code: &'static str, point: &'static str, record: &'static str) -> Stage {
    Stage { code, point, record, more: "" }
}

const C: [Stage; 7] = [
    stage("S0", "record_emit", "arg0"),
    stage("Q+", "queue_put", "arg1"),
    stage("Q-", "queue_take", "arg1"),
    stage("T+", "transform_enter", "arg1"),
    stage("T-", "transform_done", "arg1"),
    stage("W!", "sink_done", "arg1"),
    stage("drop", "record_free", "arg0"),
];

const CPP: [Stage; 7] = [
    stage("S0", "flow::Source::emit", "arg1"),
    stage("Q+", "flow::Queue<flow::Record>::put", "arg1"),
    stage("Q-", "flow::Queue<flow::Record>::take", "arg1"),
    stage("T+", "flow::Transform<*>::enter", "arg1"),
    stage("T-", "flow::Transform<*>::done", "arg1"),
    stage("W!", "flow::Sink::written", "arg1"),
    stage("drop", "flow::free_record", "arg0"),
];

/// The queue by globs, which fit either mangling: `pipeline::Queue<T>::put`, `<pipeline::Queue<pipeline::Record>>::put`.
const RUST: [Stage; 7] = [
    stage("S0", "pipeline::stages::emit", "arg0"),
    stage("Q+", "*pipeline::Queue<*>*::put", "arg1"),
    stage("Q-", "*pipeline::Queue<*>*::take", "arg1"),
    stage("T+", "pipeline::stages::transform_enter", "arg1"),
    stage("T-", "pipeline::stages::transform_done", "arg1"),
    stage("W!", "pipeline::stages::sink_done", "arg1"),
    stage("drop", "pipeline::stages::record_free", "arg0"),
];

/// The six stages and the drop point of a flavour.
#[must_use]
pub fn stages(flavour: Flavour) -> Vec<Stage> {
    match flavour {
        Flavour::C | Flavour::CProtected | Flavour::CStripped => C.to_vec(),
        Flavour::Cpp => CPP.to_vec(),
        Flavour::Rust | Flavour::RustV0 => RUST.to_vec(),
    }
}

/// A spec, to be changed field by field and then written.
#[derive(Clone, Debug)]
pub struct Spec {
    /// The stages.
    pub stages: Vec<Stage>,
    /// The key at each stage; `{}` stands for the argument that points to the record.
    pub key: String,
    /// One record in so many.
    pub rate: u64,
    /// `task` or `process`.
    pub sequence: &'static str,
    /// `max_traces_per_second`; 0: no bound.
    pub budget: u64,
    /// `max_entries_per_trace`.
    pub max_entries: u64,
    /// `max_open_traces`.
    pub max_open: u64,
    /// `trace_ttl`.
    pub ttl: &'static str,
}

/// All stages of a flavour, keyed by the record's address, without bounds that a test would meet by accident.
#[must_use]
pub fn every(flavour: Flavour, rate: u64) -> Spec {
    Spec {
        stages: stages(flavour),
        key: "{}".to_owned(),
        rate,
        sequence: "task",
        budget: 0,
        max_entries: 32,
        max_open: 65_536,
        ttl: "120s",
    }
}

impl Spec {
    /// With more lines in the tables of all stages of a code.
    #[must_use]
    pub fn with(mut self, code: &str, more: &'static str) -> Self {
        self.stages.iter_mut().filter(|stage| stage.code == code).for_each(|stage| stage.more = more);
        self
    }

    /// Without the drop point.
    #[must_use]
    pub fn without_drop(mut self) -> Self {
        self.stages.retain(|stage| stage.code != "drop");
        self
    }

    /// The spec file's text.
    #[must_use]
    pub fn toml(&self) -> String {
        let Self { stages, key, rate, sequence, budget, max_entries, max_open, ttl } = self;
        let mut text = format!(
            "[sampling]\nrate = {rate}\nsequence = \"{sequence}\"\nmax_traces_per_second = {budget}\n\
             max_entries_per_trace = {max_entries}\nmax_open_traces = {max_open}\ntrace_ttl = \"{ttl}\"\n"
        );
        for Stage { code, point, record, more } in stages {
            let key = key.replace("{}", record);
            let at_return = if *record == "ret" { "%return" } else { "" };
            text.push_str(&format!(
                "\n[[stage]]\ncode = \"{code}\"\nname = \"{code} stage\"\npoint = \"{point}{at_return}\"\nkey = \"{key}\"\n{more}"
            ));
        }
        text
    }
}
