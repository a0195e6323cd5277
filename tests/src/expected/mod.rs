//! What a report must say, journey by journey, and the comparison with what it says: nothing false, nothing twice, nothing missing.
//!
//! Owns: the words of an expected journey, with branches, batches, attributes and record times, and what agreement is. Pure: where the expectation
//! comes from, a target's own log or a model, is not its business.

mod one;
#[cfg(test)]
mod tests;
mod whole;

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;

use crate::report::Report;

/// How a trace is tied to its record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Who {
    /// By the thread of its first stamp, and the record's number in the sequence of that thread.
    Sequence {
        /// Thread id.
        tid: u32,
        /// From 1.
        sequence: u64,
    },
    /// By its key, which no other record has.
    Key(u64),
    /// By its trace id, which its key alone gives, and when it began: another record may come with the same key.
    Met {
        /// The trace id.
        id: u64,
        /// Monotonic clock before its first stamp, ns.
        since_ns: u64,
    },
}

/// One stamp.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stamp {
    /// The stage's name in the spec.
    pub name: &'static str,
    /// The stage's code, as a report shows it.
    pub code: &'static str,
    /// The process.
    pub pid: u32,
    /// The thread.
    pub tid: u32,
    /// Monotonic clock before, ns.
    pub before_ns: u64,
    /// Monotonic clock after, ns.
    pub after_ns: u64,
    /// What is read of the record there.
    pub attributes: BTreeMap<String, Value>,
    /// The record's own time, where it is read.
    pub time: Option<Time>,
}

/// A record's own time, at a stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Time {
    /// What the record says, ns since the epoch.
    pub event_ns: i64,
    /// The wall clock at [`Stamp::before_ns`], ns since the epoch.
    pub wall_ns: i64,
}

/// That a record is put into a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Membership {
    /// Index of the stamp that puts it there.
    pub entry: usize,
    /// The batch's key.
    pub key: u64,
    /// Which record of the batch, from 0.
    pub position: u32,
    /// How many records the batch has when a stage takes all of it; `None` when none does.
    pub size: Option<u64>,
}

/// How a journey ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// So, and no other way.
    Outcome(String),
    /// Without a sign: as superseded (as split, if branches came out of it), or not at all before the agent stops.
    Vanished,
    /// Not before the agent stops.
    InFlight,
}

/// One journey.
#[derive(Clone, Debug, PartialEq)]
pub struct Journey {
    /// Its record.
    pub who: Who,
    /// Which branch of it: an ordinal a byte, the last one lowest; 0: the record itself.
    pub path: u64,
    /// The key it begins with.
    pub key: u64,
    /// All that is on it, in the order of time.
    pub stamps: Vec<Stamp>,
    /// How many of the stamps are those of the journey it branched off.
    pub shared: usize,
    /// How many journeys branch off it.
    pub branches: u32,
    /// The batches it is put into, in the order of time.
    pub batches: Vec<Membership>,
    /// How it ends.
    pub end: End,
    /// Its flags, those that are not 0.
    pub flags: BTreeMap<String, u64>,
}

/// All that a report must say.
#[derive(Clone, Debug, Default)]
pub struct Expected {
    /// Every sampled record and every branch of it.
    pub journeys: Vec<Journey>,
    /// How often bounds of journeys are met, by the ledger's names: those that are not 0. `scopes_left` is compared only if it is here.
    pub bounds: BTreeMap<String, u64>,
    /// Sampled records that become no trace.
    pub refused: u64,
    /// How many keys and conditions could not be read; compared if it is known.
    pub unreadable: Option<u64>,
}

/// What does not agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// A trace of no record.
    Unknown,
    /// Two traces of one journey.
    Twice,
    /// No trace of a journey.
    Missing,
    /// Branches of one record with different trace ids, or two records with one.
    TraceId,
    /// The key.
    Key,
    /// Which stages, in which order.
    Stages,
    /// How many stamps are shared.
    Shared,
    /// How many branches there are.
    Branches,
    /// The parent's name.
    Parent,
    /// A stamp's thread.
    Thread,
    /// A stamp's process.
    Process,
    /// A stamp outside the target's own clock readings.
    Window,
    /// Stamps that run backwards, or a start that is not the first stamp's.
    Order,
    /// How it ended.
    Outcome,
    /// The batches.
    Batches,
    /// What was read at a stamp.
    Attributes,
    /// The record's own time at a stamp, or the latency.
    RecordTime,
    /// The flags.
    Flags,
    /// Numbers of the ledger.
    Count,
}

/// One way in which a report is not true.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which journey, in words.
    pub of: String,
    /// What does not agree.
    pub what: What,
    /// What the report says.
    pub found: String,
    /// What it should say.
    pub expected: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { of, what, found, expected } = self;
        write!(f, "{what:?} of {of}: {found}, expected {expected}")
    }
}

/// All ways in which the report is not true; none is a pass.
#[must_use]
pub fn check(report: &Report, expected: &Expected) -> Vec<Violation> {
    let mut violations = Vec::new();
    let seen = whole::pair(report, expected, &mut violations);
    for (trace, journey) in &seen {
        one::check(trace, journey, &mut violations);
    }
    whole::check(report, expected, &seen, &mut violations);
    violations
}

/// The first violations as lines, for an assertion's message.
#[must_use]
pub fn show(violations: &[Violation]) -> String {
    let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
    for violation in violations {
        *kinds.entry(format!("{:?}", violation.what)).or_default() += 1;
    }
    let mut text = format!("{} violations: {kinds:?}", violations.len());
    for violation in violations.iter().take(12) {
        text.push_str(&format!("\n  {violation}"));
    }
    text
}

/// A path in words: `2.1`.
#[must_use]
pub fn path_text(path: u64) -> String {
    let bytes = path.to_be_bytes();
    let ordinals: Vec<String> = bytes.iter().skip_while(|byte| **byte == 0).map(u8::to_string).collect();
    if ordinals.is_empty() { "0".to_owned() } else { ordinals.join(".") }
}
