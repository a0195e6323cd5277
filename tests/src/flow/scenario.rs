//! Which stages each scenario has, and the spec and command line that go with it.

use std::path::PathBuf;

use anyhow::{Context, Result};

use super::codes::*;
use super::stage::{self, ORDER_STAGES, STAGES, Stage, TASK_STAGES};
use super::{Read, fold};
use crate::expected::Expected;
use crate::targets::Flavour;
use crate::truth::Truth;

/// What happens to records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// From row to node to buffer, each freed as soon as it is handed over; 3 % vanish on the way.
    Handover,
    /// 30 % filtered: the scope closes without output, or a drop point.
    Filter,
    /// One becomes none to five, twice.
    Split,
    /// Batches of 1 to 64, some of them in bigger ones, some rows of them branches.
    Batch,
    /// 5 % to an error sink, 5 % refused by the writing function.
    Errors,
    /// Nested and recursive transforms, some left by a far jump.
    Nested,
    /// Threads that steal from each other.
    Steal,
    /// Into a pipe to another process.
    Send,
    /// Out of that pipe.
    Receive,
}

impl Kind {
    /// Those that one process does.
    pub const ALONE: [Self; 7] =
        [Self::Handover, Self::Filter, Self::Split, Self::Batch, Self::Errors, Self::Nested, Self::Steal];

    /// The word for `--scenario`.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Handover => "handover",
            Self::Filter => "filter",
            Self::Split => "split",
            Self::Batch => "batch",
            Self::Errors => "errors",
            Self::Nested => "nested",
            Self::Steal => "steal",
            Self::Send => "send",
            Self::Receive => "receive",
        }
    }

    /// Its stages.
    fn stages(self) -> Vec<Stage> {
        let (first, entered): (&[u32], _) = match self {
            Self::Handover => (&[S0, NODE_PUT, NODE_TAKE, BUFFER_FILL, BUFFER_WRITTEN], None),
            Self::Filter => {
                (&[S0, PUT, TAKE, DONE, SCOPE_OPEN, SCOPE_CLOSE, FREE, WRITTEN], Some("filter_row"))
            }
            Self::Split => (&[S0, PUT, TAKE, FORK, DONE, WRITTEN], Some("split_row")),
            Self::Batch => {
                (&[S0, PUT, TAKE, FORK, BATCH_ADD, BATCH_MERGE, BATCH_SEAL, BATCH_WRITTEN], Some("group_row"))
            }
            Self::Errors => (&[S0, PUT, TAKE, ERROR, WRITE_OK, WRITE_FAILED], None),
            Self::Nested => (&[S0, PUT, TAKE, INNER, RECURSE, NOTE, DONE, ERROR, WRITTEN], Some("outer_row")),
            Self::Steal => (&[S0, STEAL, DONE, WRITTEN], Some("step_row")),
            Self::Send | Self::Receive => return ORDER_STAGES.to_vec(),
        };
        let mut stages: Vec<Stage> =
            STAGES.iter().filter(|stage| first.contains(&stage.truth)).copied().collect();
        stages.extend(entered.map(stage::enter));
        if self == Self::Steal {
            stages.extend(TASK_STAGES);
        }
        stages
    }
}

/// A scenario in one language, with its spec.
#[derive(Clone, Debug)]
pub struct Flow {
    /// What happens to records.
    pub kind: Kind,
    /// In which language.
    pub flavour: Flavour,
    /// One record in so many.
    pub rate: u64,
    /// Arguments of the target, beside the scenario and the truth log.
    pub target: String,
    /// The stages, each with what is read there.
    pub stages: Vec<(Stage, Vec<Read>)>,
    /// More lines of the spec's `[sampling]`.
    pub sampling: String,
    /// More tables of the spec.
    pub tables: String,
}

impl Flow {
    /// All stages of a scenario, and nothing read of the records.
    #[must_use]
    pub fn new(kind: Kind, flavour: Flavour, rate: u64, target: &str) -> Self {
        let stages = kind.stages().into_iter().map(|stage| (stage, Vec::new())).collect();
        let target = format!("--truth-sample {rate} {target}");
        Self { kind, flavour, rate, target, stages, sampling: String::new(), tables: String::new() }
    }

    /// With something read of the record at a stage.
    #[must_use]
    pub fn read(mut self, truth: u32, reads: &[Read]) -> Self {
        for (_, of_stage) in self.stages.iter_mut().filter(|(stage, _)| stage.truth == truth) {
            of_stage.extend(reads);
        }
        self
    }

    /// Without a stage.
    #[must_use]
    pub fn without(mut self, truth: u32) -> Self {
        self.stages.retain(|(stage, _)| stage.truth != truth);
        self
    }

    /// The binary; compiles it if need be.
    pub fn binary(&self) -> Result<PathBuf> {
        self.flavour.journeys().context(self.kind.word())
    }

    /// The target's arguments.
    #[must_use]
    pub fn arguments(&self) -> Vec<String> {
        let words = ["--scenario", self.kind.word()].into_iter();
        words.chain(self.target.split_whitespace()).map(str::to_owned).collect()
    }

    /// The spec file's text.
    #[must_use]
    pub fn toml(&self) -> String {
        let mut text = format!(
            "[sampling]\nrate = {}\nmax_traces_per_second = 0\nmax_open_traces = 262144\nmax_entries_per_trace = 64\n\
             trace_ttl = \"120s\"\n{}{}",
            self.rate, self.sampling, self.tables
        );
        for (stage, reads) in &self.stages {
            let more: String = reads.iter().map(|read| read.line()).collect();
            text.push_str(&stage.toml(self.flavour, &more));
        }
        text
    }

    /// What the report of a run with this log must say.
    #[must_use]
    pub fn expected(&self, truth: &Truth) -> Expected {
        fold(truth, &self.stages, self.rate)
    }
}
