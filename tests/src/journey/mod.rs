//! The check of reported journeys against the target's own log: nothing false, nothing twice, nothing missing.
//!
//! Owns: what "true" means for a trace, and the precise list of what is not. Pure: reads no file and no clock.

mod one;
#[cfg(test)]
mod tests;
mod whole;

use std::fmt;

use crate::report::Report;
use crate::truth::{Fate, Truth};

/// How a trace is tied to its record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sequence {
    /// `sequence = "task"`, attached before the first record: `sequence` is the record's number at its source.
    Task,
    /// `sequence = "process"`, attached before the first record: the S0 stamp's thread and time say which record it is.
    Process,
    /// `sequence = "task"`, attached while records flowed: as `Process`, and each source's samples lie exactly `rate` apart.
    Late,
}

/// What the spec's key is at S0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// The record's address.
    Address,
    /// The record's unique id, `source << 40 | seq`.
    Uid,
    /// Something this check cannot compute.
    Opaque,
}

/// What the run was meant to be.
#[derive(Clone, Debug)]
pub struct Expect {
    /// One record in so many.
    pub rate: u64,
    /// How traces are tied to records.
    pub sequence: Sequence,
    /// Stage codes of the report, and the stage of the truth log that each stands for.
    pub stages: Vec<(&'static str, u32)>,
    /// The key at S0.
    pub key: KeyKind,
    /// `max_entries_per_trace`.
    pub max_entries: usize,
    /// Whether a trace may outlive its time to live.
    pub may_expire: bool,
    /// Whether the agent saw each record to its end. Otherwise the target died, or the agent stopped first.
    pub complete: bool,
}

/// The six classic stages and the drop point.
pub const STAGES: [(&str, u32); 7] =
    [("S0", 1), ("Q+", 2), ("Q-", 3), ("T+", 4), ("T-", 5), ("W!", 6), ("drop", 64)];

impl Expect {
    /// A whole run from the first record to the last, one in `rate` of each source, keyed by address, with all stages
    /// and the drop point.
    #[must_use]
    pub fn every(rate: u64) -> Self {
        Self {
            rate,
            sequence: Sequence::Task,
            stages: STAGES.to_vec(),
            key: KeyKind::Address,
            max_entries: 32,
            may_expire: false,
            complete: true,
        }
    }

    /// Without the drop point: dropped records vanish.
    #[must_use]
    pub fn without_drop(mut self) -> Self {
        self.stages.retain(|&(_, stage)| stage != crate::truth::FREE);
        self
    }

    fn stage_of(&self, code: &str) -> Option<u32> {
        self.stages.iter().find(|(name, _)| *name == code).map(|&(_, stage)| stage)
    }

    fn is_traced(&self, stage: u32) -> bool {
        self.stages.iter().any(|&(_, traced)| traced == stage)
    }

    /// The fate as the profiler could know it.
    fn visible(&self, fate: Fate) -> Fate {
        if fate == Fate::Freed && !self.is_traced(crate::truth::FREE) { Fate::Silent } else { fate }
    }
}

/// One way in which the report is not true. Trace ids are the report's; sources and numbers the log's.
#[expect(missing_docs, reason = "the fields are the operands of the sentence above each variant")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Violation {
    /// A trace of a record that is not in the log.
    Unknown { trace_id: String, tid: u32, sequence: u64 },
    /// A trace of a record that the rate does not choose.
    NotSampled { trace_id: String, source: u32, seq: u64 },
    /// The key is not that record's.
    Key { trace_id: String, found: String, expected: u64 },
    /// Two traces of one record.
    Duplicate { source: u32, seq: u64, trace_ids: [String; 2] },
    /// Two traces of one id.
    SameId { trace_id: String },
    /// Other stages than the record passed.
    Stages { trace_id: String, found: Vec<String>, expected: Vec<u32> },
    /// A stamp of another thread than the one that made the call.
    Thread { trace_id: String, stage: String, found: u32, expected: u32 },
    /// A stamp outside the target's own clock readings.
    Window { trace_id: String, stage: String, ts_ns: u64, before_ns: u64, after_ns: u64 },
    /// Stamps that run backwards, or a start that is not S0's.
    Order { trace_id: String },
    /// An outcome that contradicts the record's fate.
    Outcome { trace_id: String, found: String, fate: Fate },
    /// Stamps left out without being counted, or the other way round.
    DroppedEntries { trace_id: String, flagged: u64, expected: u64 },
    /// A sampled record without a trace, though nothing was refused.
    Missing { source: u32, seq: u64, fate: Fate },
    /// Samples of one source that do not lie `rate` apart.
    Spacing { source: u32, seq: u64, next: u64 },
    /// Numbers that do not add up.
    Count(String),
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

/// All ways in which the report is not true; none is a pass.
#[must_use]
pub fn check(report: &Report, truth: &Truth, expect: &Expect) -> Vec<Violation> {
    let mut violations = Vec::new();
    if expect.rate == 0 || !expect.rate.is_multiple_of(truth.sample.max(1)) {
        violations.push(Violation::Count(format!(
            "the log has one record in {}, which does not serve a rate of {}",
            truth.sample, expect.rate
        )));
        return violations;
    }
    let mut records = Vec::with_capacity(report.traces.len());
    for trace in &report.traces {
        records.push(one::check(trace, truth, expect, &mut violations));
    }
    whole::check(report, &records, truth, expect, &mut violations);
    violations
}

/// The first violations as lines, for an assertion's message.
#[must_use]
pub fn show(violations: &[Violation]) -> String {
    let mut text = format!("{} violations", violations.len());
    for violation in violations.iter().take(20) {
        text.push_str(&format!("\n  {violation}"));
    }
    text
}
